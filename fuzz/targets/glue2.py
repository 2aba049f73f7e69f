"""Single values of GLUE 2: names of entries, times, validities, URLs, and placeholders.

The first byte says which attribute the value is of.
"""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats import glue2, ldap

MAX_BYTES = 4 << 10
ATTRIBUTES = (
    "glue2entitycreationtime",
    "glue2entityvalidity",
    "glue2endpointservingstate",
    "glue2endpointhealthstate",
    "glue2endpointurl",
    "glue2entityname",
)
WORDS = (
    b"GLUE2DomainID=", b",o=glue", b"\\2C", b"\\,", b"+", b"2026-11-25T11:00:00Z", b"0001-01-01T00:00:00+14:00",
    b"9999-12-31T23:59:59-12:00", b"https://", b"[::1]:443", b":65536", b"[u'", b"']", b"{}", b"None", b"<changeme>",
    b"example.org", b"production", b"ldap://", b"%00",
)  # fmt: skip


def read(data: bytes) -> None:
    attribute = ATTRIBUTES[(data[:1] or b"\0")[0] % len(ATTRIBUTES)]
    text = data[1:].decode("utf-8", "surrogateescape")
    assert isinstance(glue2.value_problem(attribute, text), str)
    assert isinstance(glue2.normal_url(text), str)
    ldap.is_ldap_url(text)
    failure: BadData | None = None
    for reader in (glue2.split_dn, glue2.read_creation_time, glue2.read_validity, ldap.read_url):
        try:
            reader(text)
        except BadData as bad:
            failure = bad
    if failure:
        raise failure


def seeds() -> dict[str, bytes]:
    return {
        "name": b"\5GLUE2EndpointID=a\\2Cb,GLUE2ServiceID=c+x=y,GLUE2DomainID=EXAMPLE-SITE,o=glue",
        "time": b"\0002026-11-25T11:00:00Z",
        "local": b"\0002026-11-25 11:00:00.123456",
        "validity": b"\0013600",
        "state": b"\2production",
        "url": b"\4https://Cloud.Example.org:443/occi/?image=x",
        "list": b"\5[u'a', u'b']",
        "ldap": b"\4ldap://[::1]:2170/o=glue??sub",
    }
