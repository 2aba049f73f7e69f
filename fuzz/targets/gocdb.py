"""The GOCDB's answers, in pieces: endpoints, downtimes, and the URLs of endpoints.

The first byte: size of the pieces.
"""

from __future__ import annotations

from fuzz import judged
from libprobe.failures import BadData
from libprobe.formats import gocdb, ncg

MAX_BYTES = 16 << 10
WORDS = (
    b"<results>", b"</results>", b"<SERVICE_ENDPOINT ", b"</SERVICE_ENDPOINT>", b'PRIMARY_KEY="1G0"', b"<HOSTNAME>",
    b"</HOSTNAME>", b"<SERVICE_TYPE>", b"</SERVICE_TYPE>", b"eu.egi.cloud.vm-management.occi", b"<URL>", b"</URL>",
    b"<ENDPOINTS>", b"<ENDPOINT>", b"</ENDPOINT>", b"<SITENAME>", b"<IN_PRODUCTION>Y</IN_PRODUCTION>", b"<EXTENSIONS>",
    b"<NODE_MONITORED>Y</NODE_MONITORED>", b"<DOWNTIME ", b"<START_DATE>", b"<END_DATE>",
    b"<SEVERITY>OUTAGE</SEVERITY>",
    b"<meta>", b"</meta>", b"<link rel='next' href='?next_cursor=9'/>", b"<!DOCTYPE x [", b"<!ENTITY a '&b;&b;'>",
    b"<![CDATA[", b"]]>", b"&#0;", b"&amp;", b"?image=", b"&resource=", b"&platform=", b"%2e%2e", b"https://", b"[::1]",
)  # fmt: skip


def read(data: bytes) -> None:
    size = (data[:1] or b"\0")[0] * 16 + 1
    failure: BadData | None = None
    try:
        for endpoint in gocdb.read_service_endpoints(judged.pieces(data[1:], size), gocdb.PageMeta()):
            ncg.attributes(endpoint)
            try:
                found = gocdb.read_endpoint_url(endpoint.url)
                assert found.base.isprintable() and 0 < found.port_or_default < 65536
                assert found.image is None or found.image.isprintable()
            except BadData as bad:
                failure = bad
    except BadData as bad:
        failure = bad
    try:
        for downtime in gocdb.read_downtimes(judged.pieces(data[1:], size), gocdb.PageMeta()):
            downtime.covers(judged.NOW)
            assert isinstance(downtime.is_outage, bool)
    except BadData as bad:
        failure = bad
    try:
        gocdb.read_endpoint_url(data[1:].decode("utf-8", "surrogateescape"))
    except BadData as bad:
        failure = bad
    if failure:
        raise failure


def seeds() -> dict[str, bytes]:
    endpoint = b"""<?xml version="1.0" encoding="UTF-8"?>
<results><meta><link rel="next" href="?next_cursor=9"/><count>1</count></meta>
<SERVICE_ENDPOINT PRIMARY_KEY="1G0"><PRIMARY_KEY>1G0</PRIMARY_KEY><HOSTNAME>cloud.example.org</HOSTNAME>
<SERVICE_TYPE>eu.egi.cloud.vm-management.occi</SERVICE_TYPE><IN_PRODUCTION>Y</IN_PRODUCTION><BETA>N</BETA>
<NODE_MONITORED>Y</NODE_MONITORED><SITENAME>EXAMPLE-SITE</SITENAME>
<URL>https://cloud.example.org:11443/?image=a%23b&amp;resource=small</URL>
<ENDPOINTS><ENDPOINT><ID>1</ID><NAME>x</NAME><URL>https://a/</URL><INTERFACENAME>y</INTERFACENAME></ENDPOINT></ENDPOINTS>
<EXTENSIONS><EXTENSION><LOCAL_ID>1</LOCAL_ID><KEY>k</KEY><VALUE>v</VALUE></EXTENSION></EXTENSIONS>
<SCOPES><SCOPE>EGI</SCOPE></SCOPES></SERVICE_ENDPOINT></results>"""
    downtime = b"""<results><DOWNTIME ID="1" PRIMARY_KEY="2G0" CLASSIFICATION="SCHEDULED"><SEVERITY>OUTAGE</SEVERITY>
<DESCRIPTION>x</DESCRIPTION><START_DATE>1448000000</START_DATE><END_DATE>1948100000</END_DATE>
<SERVICES><SERVICE><PRIMARY_KEY>1G0</PRIMARY_KEY><HOSTNAME>a</HOSTNAME><SERVICE_TYPE>b</SERVICE_TYPE>
<AFFECTED_ENDPOINTS><ENDPOINT><ID>1</ID></ENDPOINT></AFFECTED_ENDPOINTS></SERVICE></SERVICES></DOWNTIME></results>"""
    return {
        "endpoint": b"\xff" + endpoint,
        "pieces": b"\0" + endpoint[:400],
        "downtime": b"\xff" + downtime,
        "url": b"\0https://cloud.example.org:11443/occi/?image=a%23b&resource=small&platform=x",
        "bomb": b"\xff<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><results>&b;</results>",
        "page": b"\xff<html><body>maintenance</body></html>",
    }
