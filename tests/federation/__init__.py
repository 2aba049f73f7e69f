"""An embedded EGI Federated Cloud on loopback: GOCDB, Keystones, OCCI endpoints and a certificate authority.

It speaks the protocols of the real services, from their sources and recordings, and can be told to fail in
many ways. It is independent of the probes: the two share no code, so that neither repeats the other's errors.
"""
