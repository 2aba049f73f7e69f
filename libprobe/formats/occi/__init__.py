"""OCCI: what a cloud offers, what a virtual machine looks like, where it is, and how to ask for one.

Sources: GFD.183/221 (core), GFD.184/224 (infrastructure), GFD.185, GFD.223 and GFD.229 (HTTP and text renderings),
GFD.226 (JSON); and what occi-os, ooi 1.2, rOCCI-server 1.1 and 2.0 and snf-occi really send.

Every reader takes text that a stranger wrote: it is bounded, takes linear time, and either returns or raises BadData.
"""
