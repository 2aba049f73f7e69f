"""The GOCDB's documents, and every way to write the URL of an OCCI endpoint."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import gocdb

ENDPOINT = """\
<SERVICE_ENDPOINT PRIMARY_KEY="9001G0">
  <PRIMARY_KEY>9001G0</PRIMARY_KEY>
  <HOSTNAME>cloud.example.org</HOSTNAME>
  <GOCDB_PORTAL_URL>https://goc.example.org/portal/index.php?Page_Type=Service&amp;id=9001</GOCDB_PORTAL_URL>
  <HOSTDN>/DC=org/DC=example/CN=cloud.example.org</HOSTDN>
  <BETA>N</BETA>
  <SERVICE_TYPE>eu.egi.cloud.vm-management.occi</SERVICE_TYPE>
  <CORE></CORE>
  <IN_PRODUCTION>Y</IN_PRODUCTION>
  <NODE_MONITORED>Y</NODE_MONITORED>
  {notifications}
  <SITENAME>EXAMPLE-CLOUD</SITENAME>
  <ROC_NAME>AsiaPacific</ROC_NAME>
  {url}
  <ENDPOINTS>{endpoints}</ENDPOINTS>
  <SCOPES><SCOPE>EGI</SCOPE><SCOPE>Local</SCOPE></SCOPES>
  <EXTENSIONS><EXTENSION><KEY>k</KEY><VALUE>v</VALUE></EXTENSION></EXTENSIONS>
</SERVICE_ENDPOINT>
"""
DIRECT = "<URL>https://direct.example.org/</URL>"


def endpoint(url: str = DIRECT, endpoints: str = "", notifications: str = "") -> str:
    return ENDPOINT.format(url=url, endpoints=endpoints, notifications=notifications)


def monitored(url: str, flag: str = "<ENDPOINT_MONITORED>Y</ENDPOINT_MONITORED>") -> str:
    return f"<ENDPOINT><ID>77</ID><EXTENSIONS/><URL>{url}</URL>{flag}</ENDPOINT>"


def document(*records: str, meta: str = "") -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<results>{meta}{"".join(records)}</results>'.encode()


def read(data: bytes, page: gocdb.PageMeta | None = None) -> list[gocdb.ServiceEndpoint]:
    return list(gocdb.read_service_endpoints([data], page))


# ---- Service endpoints


def test_a_service_endpoint_is_read() -> None:
    assert read(document(endpoint(notifications="<NOTIFICATIONS>N</NOTIFICATIONS>"))) == [
        gocdb.ServiceEndpoint(
            primary_key="9001G0",
            hostname="cloud.example.org",
            service_type="eu.egi.cloud.vm-management.occi",
            site="EXAMPLE-CLOUD",
            url="https://direct.example.org/",
            direct_url="https://direct.example.org/",
            beta=False,
            in_production=True,
            monitored=True,
            host_dn="/DC=org/DC=example/CN=cloud.example.org",
            roc="AsiaPacific",
            scopes=("EGI", "Local"),
            portal_url="https://goc.example.org/portal/index.php?Page_Type=Service&id=9001",
            notifications=False,
            extensions=(("k", "v"),),
        )
    ]


@pytest.mark.parametrize(
    ("direct", "endpoints", "url"),
    [
        pytest.param(DIRECT, "", "https://direct.example.org/", id="direct"),
        pytest.param(DIRECT, monitored("https://a/"), "https://a/", id="monitored endpoint replaces it"),
        pytest.param(DIRECT, monitored("https://a/") + monitored("https://b/"), "https://b/", id="last wins"),
        pytest.param(DIRECT, monitored(""), "https://direct.example.org/", id="empty one does not"),
        pytest.param(DIRECT, monitored("https://a/", ""), "https://direct.example.org/", id="2015: no flag"),
        pytest.param(
            DIRECT,
            monitored("https://a/", "<ENDPOINT_MONITORED>N</ENDPOINT_MONITORED>"),
            "https://direct.example.org/",
            id="not monitored",
        ),
        pytest.param("", monitored("https://a/"), "https://a/", id="no direct URL"),
        pytest.param("<URL> \n </URL>", "", "", id="blank"),
        pytest.param("", "", "", id="absent"),
        pytest.param(
            "<URL>https://h/?image=a&amp;amp;resource=b</URL>",
            "",
            "https://h/?image=a&amp;resource=b",
            id="escaped",
        ),
        pytest.param("<URL><![CDATA[https://h/?a&b]]></URL>", "", "https://h/?a&b", id="CDATA"),
    ],
)
def test_argo_chooses_the_url(direct: str, endpoints: str, url: str) -> None:
    (found,) = read(document(endpoint(direct, endpoints)))
    assert found.url == url


def test_missing_fields_are_empty() -> None:
    (found,) = read(b'<results><SERVICE_ENDPOINT PRIMARY_KEY="1G0"/></results>')
    assert (found.primary_key, found.hostname, found.scopes) == ("1G0", "", ())
    assert found.notifications is None
    assert not found.monitored


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_the_cutting_of_the_document_does_not_matter(size: int) -> None:
    data = document(endpoint(), endpoint(url="<URL>https://é.example.org/</URL>"))
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(gocdb.read_service_endpoints(chunks)) == read(data)


def test_endpoints_come_before_the_document_is_complete() -> None:
    def chunks() -> Iterator[bytes]:
        yield document(endpoint())[:-10]
        raise AssertionError("read on although an endpoint was complete")

    assert next(gocdb.read_service_endpoints(chunks())).site == "EXAMPLE-CLOUD"


def test_a_field_is_cut_rather_than_endless() -> None:
    (found,) = read(document(endpoint(url=f"<URL>https://h/{'x' * 500_000}</URL>")))
    assert len(found.url) == gocdb.MAX_FIELD_CHARS


WRONG = [
    pytest.param(b"<error>Unsupported parameter: x</error>", "Unsupported parameter: x", id="error element"),
    pytest.param(b"Unable to find method: x", "Unable to find method: x", id="bare text"),
    pytest.param(b"", "empty", id="empty"),
    pytest.param(b" \r\n ", "empty", id="blank"),
    pytest.param(b"<html><body>Maintenance</body></html>", "Maintenance", id="HTML"),
    pytest.param(b"<!DOCTYPE html><html><title>Sorry</title>", "HTML page", id="HTML with doctype"),
    pytest.param(document(endpoint())[:-100], "breaks off after 0 complete", id="broken off in a record"),
    pytest.param(document(endpoint())[:-3], "breaks off after 1 complete", id="broken off at the end"),
    pytest.param(document("<SERVICE_ENDPOINT><URL>a?b&c=d</URL></SERVICE_ENDPOINT>"), "not well-formed", id="raw &"),
    pytest.param(document("\xff").replace("\xff".encode(), b"\xff"), "not well-formed", id="not UTF-8"),
    pytest.param(b"<results></results>trailing", "not well-formed", id="something behind it"),
    pytest.param(
        b'<?xml version="1.0"?><!DOCTYPE results [<!ENTITY a "x">]><results>&a;</results>',
        "a DTD",
        id="entities",
    ),
    pytest.param(b'<!DOCTYPE results SYSTEM "file:///etc/passwd"><results/>', "a DTD", id="external DTD"),
    pytest.param(b"<results>&undefined;</results>", "not well-formed", id="unknown entity"),
    pytest.param(b"<results>" + b"<a>" * 100, "nested", id="depth"),
    pytest.param(document("<a>" + "<b/>" * 30_000 + "</a>"), "too large", id="too many elements"),
    pytest.param(document("<a>" + f"<b>{'x' * 9000}</b>" * 600 + "</a>"), "too large", id="too much text"),
    pytest.param(b"<results><a b='" + b"x" * 2_000_000, "tag of more than", id="endless tag"),
    pytest.param(document("".join(f"<t{n}/>" for n in range(3000))), "kinds of elements", id="ever new elements"),
]


@pytest.mark.parametrize(("data", "said"), WRONG)
def test_what_is_no_document_says_what_came(data: bytes, said: str) -> None:
    with pytest.raises(BadData) as caught:
        read(data)
    assert said in caught.value.sentence


META = (
    '<meta><link rel="self" href="https://g/?a&amp;next_cursor=0"/>'
    '<link rel="next" href="https://g/?method=x&amp;next_cursor=812"/>'
    "<count>{count}</count><max_page_size>100</max_page_size></meta>"
)


@pytest.mark.parametrize(("count", "is_last"), [(100, False), (99, True), (0, True)])
def test_paging_is_read(count: int, is_last: bool) -> None:
    page = gocdb.PageMeta()
    assert len(read(document(endpoint(), meta=META.format(count=count)), page)) == 1
    assert (page.next_cursor, page.count, page.max_page_size) == (812, count, 100)
    assert page.is_last is is_last


def test_without_paging_nothing_follows() -> None:
    page = gocdb.PageMeta()
    read(document(endpoint()), page)
    assert page.is_last
    assert page.count is None


def test_20000_endpoints_need_little_memory() -> None:
    # Shorter than a real one: tracemalloc makes reading slow, and only what is kept matters.
    url = "https://cloud.example.org:8787/?image=0f&amp;resource=m1"
    record = f"<SERVICE_ENDPOINT><URL>{url}</URL><SITENAME>X</SITENAME></SERVICE_ENDPOINT>\n".encode()

    def chunks() -> Iterator[bytes]:
        yield b"<results>"
        for _ in range(200):
            yield record * 100
        yield b"</results>"

    tracemalloc.start()
    try:
        count = sum(1 for _ in gocdb.read_service_endpoints(chunks()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 3_000_000


def test_hostile_documents_do_not_take_long() -> None:
    began = time.process_time()
    for data in (b"<results>" + b"<a/>" * 500_000, b"<results><a>" + b"&amp;" * 500_000, b"<" * 1_000_000):
        with pytest.raises(BadData):
            read(data)
    assert time.process_time() - began < 20


# ---- Downtimes

TIMES = (
    "<SEVERITY>{severity}</SEVERITY><DESCRIPTION>Power &amp; cooling</DESCRIPTION>"
    "<START_DATE>1447113600</START_DATE><END_DATE>1447117200</END_DATE>"
)
SERVICE = (
    "<PRIMARY_KEY>9001G0</PRIMARY_KEY><HOSTNAME>{host}</HOSTNAME><SERVICE_TYPE>occi</SERVICE_TYPE>"
    "<ENDPOINT>{host}occi</ENDPOINT><HOSTED_BY>EXAMPLE-CLOUD</HOSTED_BY>"
    "<AFFECTED_ENDPOINTS><ENDPOINT><ID>7</ID><NAME>n</NAME><URL>https://h/</URL></ENDPOINT></AFFECTED_ENDPOINTS>"
)
OPENING = '<DOWNTIME ID="55" PRIMARY_KEY="G55" CLASSIFICATION="SCHEDULED">'


def flat(host: str, severity: str = "OUTAGE") -> str:
    return OPENING + SERVICE.format(host=host) + TIMES.format(severity=severity) + "</DOWNTIME>"


def nested(*hosts: str) -> str:
    services = "".join(f"<SERVICE>{SERVICE.format(host=host)}</SERVICE>" for host in hosts)
    return f"{OPENING}{TIMES.format(severity='OUTAGE')}<SERVICES>{services}</SERVICES></DOWNTIME>"


def test_both_forms_of_a_downtime_tell_the_same() -> None:
    one = list(gocdb.read_downtimes([document(flat("a"), flat("b"))]))
    other = list(gocdb.read_downtimes([document(nested("a", "b"))]))
    assert one == other
    assert [downtime.hostname for downtime in one] == ["a", "b"]
    first = one[0]
    assert (first.id, first.classification, first.description) == ("55", "SCHEDULED", "Power & cooling")
    assert first.start == datetime(2015, 11, 10, tzinfo=UTC)
    assert first.affected_endpoints == (gocdb.AffectedEndpoint("7", "n", "https://h/"),)
    assert first.is_outage


def test_a_downtime_covers_its_start_and_not_its_end() -> None:
    (downtime,) = gocdb.read_downtimes([document(flat("a", "WARNING"))])
    assert downtime.covers(downtime.start)
    assert not downtime.covers(downtime.end)
    assert not downtime.is_outage


def test_a_nested_downtime_of_no_service_is_none() -> None:
    assert list(gocdb.read_downtimes([document(nested())])) == []


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "9" * 30, "2015-11-10", "٣"])
def test_a_downtime_without_its_times_is_bad_data(text: str) -> None:
    with pytest.raises(BadData, match="START_DATE"):
        list(gocdb.read_downtimes([document(flat("a").replace("1447113600", text))]))


# ---- URLs

LONG_ID = "http://schemas.openstack.org/template/os#0f0f"

GOOD = [
    ("https://h:8787/?image=a&resource=b", ("https://h:8787", "a", "b", None), "the usual form"),
    ("https://h:8787?image=a&resource=b", ("https://h:8787", "a", "b", None), "no slash before the query"),
    ("https://h:8787/occi1.1/?image=a&resource=b", ("https://h:8787/occi1.1", "a", "b", None), "path of ooi"),
    ("\n https://h:8787/?image=a&resource=b \t", ("https://h:8787", "a", "b", None), "blanks around it"),
    ("HTTPS://H.Example.ORG/?IMAGE=A&Resource=B", ("https://h.example.org", "A", "B", None), "upper case"),
    ("https://h/?image=a&amp;resource=b", ("https://h", "a", "b", None), "escaped twice"),
    ("https://h/?image=a&amp;amp;resource=b", ("https://h", "a", "b", None), "escaped three times"),
    ("https://h/?amp;image=a&AMP;resource=b", ("https://h", "a", "b", None), "amp; at the beginning"),
    ("https://h/?image=a;resource=b", ("https://h", "a", "b", None), "semicolon"),
    ("https://h/?image=a", ("https://h", "a", None, None), "no resource"),
    (
        "https://h/?image=a&platform=openstack",
        ("https://h", "a", None, "openstack"),
        "no resource but a platform",
    ),
    ("https://h/?image=a&platform=x&resource=b", ("https://h", "a", "b", "x"), "resource and platform"),
    ("https://h/?image=a&image=a&resource=b", ("https://h", "a", "b", None), "the same twice"),
    ("https://h/?image=os%5Ftpl%23a&resource=b", ("https://h", "os_tpl#a", "b", None), "percent-encoded"),
    (
        f"https://h/?image={LONG_ID.replace('#', '%23')}",
        ("https://h", LONG_ID, None, None),
        "full identifier",
    ),
    ("https://h/?image=a%2541", ("https://h", "a%41", None, None), "decoded once"),
    ("https://h/?image=a&foo=1&&bar", ("https://h", "a", None, None), "unknown parameters"),
    ("https://h/?image=a=b", ("https://h", "a=b", None, None), "equals sign in a value"),
    ("http://h", ("http://h", None, None, None), "nothing but a host"),
    ("https://h:5000/v3/#", ("https://h:5000/v3", None, None, None), "empty fragment"),
    ("https://h:/x", ("https://h/x", None, None, None), "empty port"),
    ("https://h.example.org./", ("https://h.example.org", None, None, None), "dot after the host"),
    ("https://[2001:DB8::0:1]:8787/?image=a", ("https://[2001:db8::1]:8787", "a", None, None), "IPv6"),
    ("https://[::1]", ("https://[::1]", None, None, None), "IPv6 without port"),
    ("https://192.0.2.7/", ("https://192.0.2.7", None, None, None), "IPv4"),
]


@pytest.mark.parametrize(("text", "expected", "_id"), GOOD, ids=[entry[2] for entry in GOOD])
def test_a_url_is_read(text: str, expected: tuple[str, str | None, str, str | None], _id: str) -> None:
    url = gocdb.read_endpoint_url(text)
    assert (url.base, url.image, url.resource, url.platform) == expected


@pytest.mark.parametrize(
    ("query", "resource"),
    [("image=a", "small"), ("image=a&platform=openstack", "m1-tiny"), ("", "small")],
)
def test_argo_has_a_default_resource(query: str, resource: str) -> None:
    url = gocdb.read_endpoint_url(f"https://h/?{query}")
    assert (url.resource, url.default_resource) == (None, resource)


@pytest.mark.parametrize(
    ("text", "port", "connect"),
    [
        ("https://h/", None, 443),
        ("http://h/", None, 80),
        ("https://h:8787", 8787, 8787),
        ("http://h:080", 80, 80),
    ],
)
def test_a_port_is_given_only_if_it_was_written(text: str, port: int | None, connect: int) -> None:
    url = gocdb.read_endpoint_url(text)
    assert (url.port, url.port_or_default) == (port, connect)


BAD = [
    ("", "no URL"),
    (" \n ", "no URL"),
    ("https://h/" + "x" * 3000, "characters"),
    ("h:8787/?image=a", "does not begin with https://"),
    ("//h/?image=a", "does not begin with https://"),
    ("https:/h/", "does not begin with https://"),
    ("ftp://h/", "is ftp"),
    ("ldap://h:2170", "is ldap"),
    ("https:///?image=a", "names no host"),
    ("https://:8787/", "names no host"),
    ("https://h/?image=a b", "a blank"),
    ("https://h/?image=a+b", "image of the URL has a blank"),
    ("https://h/?image=a%20b", "image of the URL has a blank"),
    ("https://h/?image=a%00b", "control character"),
    ("https://h/\x00", "control character"),
    ("https://h/?image=a%zz", "lone '%'"),
    ("https://h/?image=%ff", "not UTF-8"),
    ("https://h/?image=", "image of the URL has no value"),
    ("https://h/?resource&image=a", "resource of the URL has no value"),
    ("https://h/?image=a&image=b", 'image twice: "a" and "b"'),
    (f"https://h/?image={LONG_ID}&resource=b", "write it %23"),
    ("https://h/&image=a&resource=b", "'?' is missing"),
    ("https://u:secret@h/", "user name or password"),
    ("https://h:0/", "from 1 to 65535"),
    ("https://h:65536/", "from 1 to 65535"),
    ("https://h:x/", "from 1 to 65535"),
    ("https://h:-1/", "from 1 to 65535"),
    ("https://h:٨/", "from 1 to 65535"),
    ("https://2001:db8::1/", "in brackets"),
    ("https://[2001:db8::1/", "not in brackets"),
    ("https://[::1]x/", "not in brackets"),
    ("https://[::g]/", "not an IPv6 address"),
    ("https://[fe80::1%25eth0]/", "not an IPv6 address"),
    ("https://h_*/", "not a host name"),
    ("https://höst/", "not a host name"),
    ("https://a..b/", "not a host name"),
    ("https://-h/", "not a host name"),
    ("https://h/../x", "'..'"),
    ("https://h/%2E%2e/x", "'..'"),
    ("https://h/<x>", "do not belong"),
    ("https://h\\@x/", "user name or password"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_url_is_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(BadData) as caught:
        gocdb.read_endpoint_url(text)
    assert said in caught.value.sentence


@pytest.mark.parametrize("text", ["https://u:secret@h/ x", "https://u:secret@h/#x", "ftp://u:secret@h/"])
def test_a_password_is_not_repeated(text: str) -> None:
    with pytest.raises(BadData) as caught:
        gocdb.read_endpoint_url(text)
    assert "secret" not in caught.value.sentence


# ---- Nothing but a result or BadData

urls = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="htps:/[]?&;=%2#@. image+amp", max_size=60),
    st.builds("https://{}".format, st.text(max_size=40)),
    st.builds("https://h/?image={}&{}".format, st.text(max_size=20), st.text(max_size=20)),
)


@settings(max_examples=500, deadline=None)
@given(urls)
@example("https://[v1.x]/")
@example("https://h:" + "9" * 1000)
def test_a_url_is_read_or_bad_data(text: str) -> None:
    try:
        url = gocdb.read_endpoint_url(text)
    except BadData as failure:
        assert failure.sentence
        return
    assert url.host
    assert 1 <= url.port_or_default <= 65535
    assert gocdb.read_endpoint_url(url.base).base == url.base


FRAGMENTS = [
    b"<results>",
    b"</results>",
    b"<error>",
    b"</error>",
    b"<SERVICE_ENDPOINT>",
    b"</SERVICE_ENDPOINT>",
    b"<DOWNTIME ID='1'>",
    b"</DOWNTIME>",
    b"<START_DATE>1</START_DATE><END_DATE>99999999999</END_DATE>",
    b"<SERVICES><SERVICE/></SERVICES>",
    b"<URL>x</URL>",
    b"<meta>",
    b"<link rel='next' href='?next_cursor=9'/><count>1</count>",
    b"</meta>",
    b"<?xml version='1.0' encoding='rot13'?>",
    b"<![CDATA[",
    b"]]>",
    b"&#0;",
    b"&amp;",
    b"\xff",
    b"<!DOCTYPE x>",
]
documents = st.one_of(
    st.lists(st.binary(max_size=50), max_size=5),
    st.lists(st.sampled_from(FRAGMENTS), max_size=12),
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(lambda inner: [b"<results>", *inner, b"</results>"]),
)


@settings(max_examples=400, deadline=None)
@given(documents)
def test_a_document_is_read_or_bad_data(chunks: list[bytes]) -> None:
    for reader in (gocdb.read_service_endpoints, gocdb.read_downtimes):
        try:
            list(reader(chunks))
        except BadData as failure:
            assert failure.sentence
