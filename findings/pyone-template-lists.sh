#!/bin/bash
# Two networks in a template for OpenNebula go out as Python's text of a list.
#
# Software:  pyone 7.3.80 (PyPI). Seen 2026-11-30.
# Expected:  template.allocate({"NAME": ..., "NIC": [{...}, {...}]}) makes a template with two networks, as a dictionary with one
#            network makes one with one; what cannot be sent is an exception.
# Seen:      one network goes out as XML, two as NIC="[{'NETWORK': 'a'}, {'NETWORK': 'b'}]", which is a text; with another part
#            that is a dictionary beside it, or below a TEMPLATE, both are XML. In the XML True is "True" and None is "None", where OpenNebula has YES and leaves out.
# Matters:   by whether some other part of the template is nested, a machine has two networks or none, and what reads back a
#            template finds a text. Put all below {"TEMPLATE": ...}, and write YES.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
export PIP_NO_DEPS=1 # without gRPC, which is not used
venv/bin/pip -q --disable-pip-version-check install pyone==7.3.80 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3 lxml==6.1.3 dict2xml==1.7.8 xmltodict==1.0.4 six==1.17.0
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import sys
import threading
import xmlrpc.server

import pyone

sent = []
NETWORKS = [{"NETWORK": "a"}, {"NETWORK": "b"}]
XML = "<NIC><NETWORK><![CDATA[a]]></NETWORK></NIC>"
BOTH = XML + XML.replace("[a]", "[b]")
CASES = (
    ({"NIC": NETWORKS[0]}, XML),
    ({"NIC": NETWORKS}, "NIC=\"[{'NETWORK': 'a'}, {'NETWORK': 'b'}]\"\n"),
    ({"DISK": {"IMAGE": "i"}, "NIC": NETWORKS}, f"<DISK><IMAGE><![CDATA[i]]></IMAGE></DISK>{BOTH}"),
    ({"TEMPLATE": {"NIC": NETWORKS}}, f"<TEMPLATE>{BOTH}</TEMPLATE>"),
    ({"TEMPLATE": {"MEMORY": None, "PERSISTENT": True}},
     "<TEMPLATE><MEMORY><![CDATA[None]]></MEMORY><PERSISTENT><![CDATA[True]]></PERSISTENT></TEMPLATE>"),
)  # fmt: skip


def allocate(_, template):
    sent.append(template)
    return [True, 7, 0]


server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
server.register_function(allocate, "one.template.allocate")
threading.Thread(target=server.serve_forever, daemon=True).start()
one = pyone.OneServer(f"http://127.0.0.1:{server.server_address[1]}/RPC2", session="probe:secret")
for given, expected in CASES:
    number = one.template.allocate(given)
    print(f"{given} is template {number}:\n    {sent[-1].strip()}")
    if (number, sent[-1]) != (7, expected):
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
