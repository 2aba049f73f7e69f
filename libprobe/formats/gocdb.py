"""The GOCDB's programmatic interface: service endpoints, downtimes, and the URL of an OCCI endpoint.

Sources: GOCDB repository (htdocs/PI, lib/Gocdb_Services/PI, config/gocdb_schema.xml) and its PI
documentation (gocdb.github.io/api); ARGO's NCG for the choice and reading of URLs.

Documents reach tens of megabytes for the whole of EGI, so they are read as a stream, one record at a
time. The PI reports its errors with HTTP status 200: only a document whose root is `<results>` counts.
One record that cannot be read, for a control character in it or a downtime's end that is missing, costs
that record: it is named, and the others count.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pyexpat import ExpatError, ParserCreate, errors

from libprobe.failures import BadData
from libprobe.formats.address import (
    SCHEME,
    bracketed,
    expect_visible,
    host_and_port,
    read_authority,
    without_password,
)
from libprobe.formats.excerpt import begins, excerpt
from libprobe.records import Record
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

MAX_FIELD_CHARS = 8_192
MAX_DEPTH = 16
MAX_NODES = 20_000
MAX_RECORD_CHARS = 4 << 20
"""Of one record; a service or downtime with thousands of endpoints does not exist."""
MAX_NAMES = 2_000
"""Different names of elements and attributes; expat keeps every one until the end."""
MAX_TOKEN_BYTES = 1 << 20
MAX_UNREADABLE = 1_000
"""Records that cannot be read; with more of them it is the document that cannot be."""
_SLICE_BYTES = 64 << 10


class Unreadable(Record):
    """A record that cannot be read.

    id:   the number that the GOCDB gave it, empty if that cannot be read either
    name: the key by which it is found in the GOCDB, or its place in the document
    why:  what is wrong with it
    """

    id: str
    name: str
    why: str

    @property
    def sentence(self) -> str:
        return f"{self.name} cannot be read: {self.why}"


# ---- Service endpoints

CERTIFIED, PRODUCTION = "Certified", "Production"
"""Of a site: CERTIFICATION_STATUS, beside Candidate, Uncertified, Suspended and Closed, and PRODUCTION_INFRASTRUCTURE,
beside Test."""

UrlAndId = tuple[str, str]
"""(ID, URL) of an ENDPOINT of a service; the GOCDB gives every endpoint a number of its own."""


class ServiceEndpoint(Record):
    """One SERVICE_ENDPOINT: a service of one type on one host.

    url:           what ARGO monitors: the direct URL, replaced by that of each monitored ENDPOINT in turn
    direct_url:    the URL of the service itself
    beta:          "a beta service (formerly PPS service)": of the pre-production infrastructure
    in_production: whether it is of production quality for the infrastructure that it belongs to; the GOCDB wants those
                   that are to be monitored, and leaves the others to the site, which while it is being certified has N
    monitored:     whether it is to be monitored, in production or not
    notifications: None where the GOCDB does not say, as in 2015
    endpoints:     all its ENDPOINTS, monitored or not
    monitored_id:  of the ENDPOINT whose URL is `url`; empty where that is the direct URL
    extensions:    (KEY, VALUE) of the EXTENSIONS of its ENDPOINTS and then its own, without those that lack one
    country:       COUNTRY_NAME of its site
    Texts are empty where the GOCDB leaves them out, and cut at MAX_FIELD_CHARS.
    """

    primary_key: str
    hostname: str
    service_type: str
    site: str
    url: str
    direct_url: str
    beta: bool
    in_production: bool
    monitored: bool
    host_dn: str
    roc: str
    scopes: tuple[str, ...]
    portal_url: str
    notifications: bool | None
    endpoints: tuple[UrlAndId, ...] = ()
    monitored_id: str = ""
    extensions: tuple[tuple[str, str], ...] = ()
    country: str = ""


class PageMeta:
    """The `<meta>` of a paged document, filled while its records are read.

    next_cursor:   what to ask for next; given on the last page too, see `is_last`
    count:         records on this page
    max_page_size: records on a full page
    All are None if the document is not paged.
    """

    __slots__ = ("count", "max_page_size", "next_cursor")

    def __init__(self) -> None:
        self.next_cursor: int | None = None
        self.count: int | None = None
        self.max_page_size: int | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing follows: no next link, an empty page or one that is not full."""
        if self.next_cursor is None or not self.count:
            return True
        return self.max_page_size is not None and self.count < self.max_page_size


def read_service_endpoints(
    chunks: Iterable[bytes], page: PageMeta | None = None, unreadable: list[Unreadable] | None = None
) -> Iterator[ServiceEndpoint]:
    """Yield the service endpoints of a get_service_endpoint document.

    chunks:     the document in pieces of any size.
    page:       filled from `<meta>`, which stands before the records.
    unreadable: takes the records that cannot be read; without it the first of them is BadData.
    Raises: BadData, possibly after some records, for a document that is an error report, HTML, not
    well-formed outside of its records, broken off, or too large in one of its parts, and for one with a DTD.
    """
    for record in _records(chunks, "SERVICE_ENDPOINT", page, unreadable):
        yield _service_endpoint(record)


def _service_endpoint(record: _Node) -> ServiceEndpoint:
    direct_url = record.text_of("URL")
    notifications = record.text_of("NOTIFICATIONS")
    url, monitored_id = _choose_monitored(record, direct_url)
    return ServiceEndpoint(
        primary_key=record.text_of("PRIMARY_KEY") or record.attributes.get("PRIMARY_KEY", ""),
        hostname=record.text_of("HOSTNAME"),
        service_type=record.text_of("SERVICE_TYPE"),
        site=record.text_of("SITENAME"),
        url=url,
        direct_url=direct_url,
        beta=_is_yes(record.text_of("BETA")),
        in_production=_is_yes(record.text_of("IN_PRODUCTION")),
        monitored=_is_yes(record.text_of("NODE_MONITORED")),
        host_dn=record.text_of("HOSTDN"),
        roc=record.text_of("ROC_NAME"),
        scopes=tuple(scope.content for scope in record.below("SCOPES", "SCOPE") if scope.content),
        portal_url=record.text_of("GOCDB_PORTAL_URL"),
        notifications=_is_yes(notifications) if notifications else None,
        endpoints=tuple((one.text_of("ID"), one.text_of("URL")) for one in record.below("ENDPOINTS", "ENDPOINT")),
        monitored_id=monitored_id,
        extensions=tuple(_extensions(record)),
        country=record.text_of("COUNTRY_NAME"),
    )


def _extensions(record: _Node) -> Iterator[tuple[str, str]]:
    for node in (*record.below("ENDPOINTS", "ENDPOINT"), record):
        for extension in node.below("EXTENSIONS", "EXTENSION"):
            key, value = extension.text_of("KEY"), extension.text_of("VALUE")
            if key and value:
                yield key, value


def _choose_monitored(record: _Node, url: str) -> UrlAndId:
    """ARGO's rule (NCG/SiteInfo/GOCDB): the last monitored ENDPOINT with a URL wins. Returns the URL and its ID."""
    identifier = ""
    for endpoint in record.below("ENDPOINTS", "ENDPOINT"):
        # Before GOCDB 5.3 there is no ENDPOINT_MONITORED; without it an endpoint overrides nothing.
        if _is_yes(endpoint.text_of("ENDPOINT_MONITORED")) and endpoint.text_of("URL"):
            url, identifier = endpoint.text_of("URL"), endpoint.text_of("ID")
    return url, identifier


def _is_yes(text: str) -> bool:
    return text.upper() in ("Y", "YES", "TRUE", "1")


# ---- Sites


def read_certified_sites(
    chunks: Iterable[bytes], page: PageMeta | None = None, unreadable: list[Unreadable] | None = None
) -> Iterator[str]:
    """Yield the names of the sites of a get_site_list or a get_site document that are certified and in production.

    The short list tells neither, so who asks for it has to ask for such sites only; in the long one the others are
    passed over. Raises: as `read_service_endpoints`.
    """
    for record in _records(chunks, "SITE", page, unreadable):
        status = record.text_of("CERTIFICATION_STATUS") or CERTIFIED
        infrastructure = record.text_of("PRODUCTION_INFRASTRUCTURE") or PRODUCTION
        if (status, infrastructure) == (CERTIFIED, PRODUCTION):
            yield record.attributes.get("NAME", "").strip() or record.text_of("SHORT_NAME")


class Contacts(Record):
    """The addresses for notifications: CONTACT_EMAIL of a site, or MAIL_CONTACT of an NGI.

    addresses: as registered, split where the GOCDB's users put several into the field
    """

    name: str
    addresses: tuple[str, ...]


def read_site_contacts(
    chunks: Iterable[bytes], page: PageMeta | None = None, unreadable: list[Unreadable] | None = None
) -> Iterator[Contacts]:
    """Yield the contacts of the sites of a get_site document. Raises: as `read_service_endpoints`."""
    for record in _records(chunks, "SITE", page, unreadable):
        name = record.attributes.get("NAME", "").strip() or record.text_of("SHORT_NAME")
        yield Contacts(name, _addresses(record.text_of("CONTACT_EMAIL")))


def read_ngi_contacts(
    chunks: Iterable[bytes], page: PageMeta | None = None, unreadable: list[Unreadable] | None = None
) -> Iterator[Contacts]:
    """Yield the contacts of the NGIs of a get_roc_contacts document, without those of persons. Raises: likewise."""
    for record in _records(chunks, "ROC", page, unreadable):
        name = record.attributes.get("ROC_NAME", "").strip() or record.text_of("ROCNAME")
        yield Contacts(name, _addresses(record.text_of("MAIL_CONTACT")))


def _addresses(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"[^\s;,]+", text)))


# ---- Downtimes


class AffectedEndpoint(Record):
    """An endpoint to which a downtime is narrowed."""

    id: str
    name: str
    url: str


class Downtime(Record):
    """A downtime of one service; one that affects several services is given once for each.

    classification: SCHEDULED or UNSCHEDULED
    severity:       OUTAGE or WARNING; only an OUTAGE should silence a result
    start, end:     aware UTC instants
    primary_key:    of the service where it is nested; the flat form has the downtime's own there (GOCDB 5.3 to 5.12)
    service_key:    of the service, empty where the document does not tell it
    affected_endpoints: those of the service that were chosen, by default all of them; empty means the whole service
    """

    id: str
    classification: str
    severity: str
    description: str
    start: datetime
    end: datetime
    primary_key: str
    hostname: str
    service_type: str
    site: str
    portal_url: str
    affected_endpoints: tuple[AffectedEndpoint, ...]
    service_key: str = ""

    @property
    def is_outage(self) -> bool:
        return self.severity == "OUTAGE"

    def covers(self, instant: datetime) -> bool:
        """Whether an aware INSTANT lies in it; the end does not."""
        return self.start <= instant < self.end


def read_downtimes(
    chunks: Iterable[bytes], page: PageMeta | None = None, unreadable: list[Unreadable] | None = None
) -> Iterator[Downtime]:
    """Yield the downtimes of a get_downtime or a get_downtime_nested_services document.

    unreadable: as for `read_service_endpoints`; it takes a downtime without its two times, number, severity or
    services too, since guessing would silence a site's failures or fail to.
    Raises: as `read_service_endpoints`.
    """
    for record in _records(chunks, "DOWNTIME", page, unreadable):
        nested = list(record.below("SERVICES", "SERVICE"))
        try:
            found = [
                _downtime(record, service)
                for service in (nested or [record] if nested or not record.has("SERVICES") else [])
            ]
        except BadData as error:
            _leave_out(_unreadable(record, error.sentence, "downtime"), unreadable)
            continue
        yield from found


def _downtime(record: _Node, service: _Node) -> Downtime:
    """Raises: BadData with what is wrong."""
    identifier = record.attributes.get("ID", "")
    if not re.fullmatch(r"[0-9]{1,18}", identifier):
        raise BadData(f"its ID is {excerpt(identifier, 40)!r}, not a number")
    start, end = _instant(record, "START_DATE"), _instant(record, "END_DATE")
    for node, name in ((record, "SEVERITY"), (service, "HOSTNAME"), (service, "SERVICE_TYPE")):
        if not node.text_of(name):
            raise BadData(f"it has no {name}")
    primary_key = service.text_of("PRIMARY_KEY")
    is_own = service is record and primary_key == record.attributes.get("PRIMARY_KEY", primary_key)
    return Downtime(
        id=identifier,
        classification=record.attributes.get("CLASSIFICATION", ""),
        severity=record.text_of("SEVERITY").upper(),
        description=record.text_of("DESCRIPTION"),
        start=start,
        end=end,
        primary_key=primary_key,
        hostname=service.text_of("HOSTNAME"),
        service_type=service.text_of("SERVICE_TYPE"),
        site=service.text_of("HOSTED_BY"),
        portal_url=record.text_of("GOCDB_PORTAL_URL"),
        affected_endpoints=tuple(
            AffectedEndpoint(one.text_of("ID"), one.text_of("NAME"), one.text_of("URL"))
            for one in service.below("AFFECTED_ENDPOINTS", "ENDPOINT")
        ),
        service_key="" if is_own else primary_key,
    )


def _instant(record: _Node, name: str) -> datetime:
    """Return a time given in Unix seconds. Raises: BadData."""
    from datetime import UTC, datetime

    text = record.text_of(name)
    if not re.fullmatch(r"[0-9]{1,11}", text):
        raise BadData(f"its {name} is {excerpt(text, 40)!r}, not Unix seconds")
    return datetime.fromtimestamp(int(text), UTC)


# ---- Records from XML


class _Node:
    """An element of a record, with what is directly in it."""

    __slots__ = ("attributes", "children", "content", "tag")

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[_Node] = []
        self.content = ""

    def has(self, tag: str) -> bool:
        return any(child.tag == tag for child in self.children)

    def text_of(self, tag: str) -> str:
        """The text of the first direct child TAG; below it the same tags occur with other meanings."""
        return next((child.content for child in self.children if child.tag == tag), "")

    def below(self, group: str, tag: str) -> Iterator[_Node]:
        """Yield the elements TAG in the direct children GROUP."""
        for child in self.children:
            if child.tag == group:
                yield from (one for one in child.children if one.tag == tag)


def _unreadable(record: _Node, why: str, what: str, number: int = 0) -> Unreadable:
    """number: which record of the document it is, for one without a key."""
    identifier = record.attributes.get("ID", "")
    key = record.attributes.get("PRIMARY_KEY") or record.text_of("PRIMARY_KEY") or identifier
    name = f"{what} {excerpt(key, 40)}" if key else f"a {what}"
    return Unreadable(identifier, name if key or not number else f"{what} {number} of the document", why)


def _leave_out(record: Unreadable, unreadable: list[Unreadable] | None) -> None:
    """Raises: BadData where nobody wants to know what is left out, and when it is too much."""
    if unreadable is None:
        raise BadData(record.sentence)
    if len(unreadable) >= MAX_UNREADABLE:
        raise BadData(f"the GOCDB's document has more than {MAX_UNREADABLE} records that cannot be read")
    unreadable.append(record)


def _records(
    chunks: Iterable[bytes], tag: str, page: PageMeta | None, unreadable: list[Unreadable] | None
) -> Iterator[_Node]:
    """Yield the elements TAG directly below the root, each as soon as it is complete."""
    reader = _RecordParser(tag, page if page is not None else PageMeta(), unreadable)
    try:
        for chunk in chunks:
            for at in range(0, len(chunk), _SLICE_BYTES):
                reader.feed(chunk[at : at + _SLICE_BYTES])
                while reader.ready:
                    yield reader.ready.popleft()
        reader.close()
    except ExpatError as error:
        raise BadData(reader.describe_error(error)) from error
    yield from reader.ready


class _RecordParser:
    """Feeds expat and collects complete records; what it holds is bounded by one record."""

    def __init__(self, tag: str, page: PageMeta, unreadable: list[Unreadable] | None) -> None:
        self._tag = tag
        self._page = page
        self._unreadable = unreadable
        self._end_tag = f"</{tag}>".encode()
        self._head = b""
        self._count = 0
        self._skipped: bytes | None = None
        self.ready: deque[_Node] = deque()
        self._begin()

    def _begin(self) -> None:
        # The PI writes UTF-8; a declaration of something else is not followed, as expat would look up
        # any codec by its name.
        self._parser = ParserCreate("utf-8")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.buffer_text = True
        self._open: list[_Node] = []
        self._text_parts: list[str] = []
        self._text_chars = 0
        self._nodes = 0
        self._record_chars = 0
        self._fed = 0

    def feed(self, data: bytes) -> None:
        if len(self._head) < 512:
            self._head += data[: 512 - len(self._head)]
        while data:
            if self._skipped is not None:
                data = self._skip(data)
                continue
            try:
                self._parse(data)
                return
            except ExpatError as error:
                data = self._left_out(error, data)

    def _parse(self, data: bytes) -> None:
        self._fed += len(data)
        self._parser.Parse(data, False)
        if self._fed - self._parser.CurrentByteIndex > MAX_TOKEN_BYTES:
            raise BadData(f"the GOCDB's document has a tag of more than {MAX_TOKEN_BYTES} bytes")
        if len(self._parser.intern) > MAX_NAMES:
            raise BadData(f"the GOCDB's document has more than {MAX_NAMES} kinds of elements")

    def _left_out(self, error: Exception, data: bytes) -> bytes:
        """What follows where the record at hand is not well-formed, which is left out. Raises: ERROR outside of one.

        expat reads no further after an error: another parser goes on behind the end tag of that record.
        """
        if self._unreadable is None or len(self._open) < 2 or self._open[0].tag != "results":
            raise error
        record = self._open[1]
        if record.tag != self._tag:
            raise error
        self._count += 1
        why = f"it is not well-formed: {error}"
        what = {"DOWNTIME": "downtime", "SITE": "site", "ROC": "NGI"}.get(self._tag, "service endpoint")
        _leave_out(_unreadable(record, why, what, self._count), self._unreadable)
        # the offset is that of the name where an end tag is not the expected one, which can be the record's own
        at = max(0, self._parser.ErrorByteIndex - 2 - (self._fed - len(data)))
        self._skipped = b""
        return data[at:]

    def _skip(self, data: bytes) -> bytes:
        """What follows the record that is left out, empty before its end has come."""
        assert self._skipped is not None
        data = self._skipped + data
        at = data.find(self._end_tag)
        if at < 0:
            self._skipped = data[-(len(self._end_tag) - 1) :]
            return b""
        self._skipped = None
        self._begin()
        self._parse(b"<results>")
        return data[at + len(self._end_tag) :]

    def close(self) -> None:
        if self._skipped is not None:
            raise BadData(f"the document breaks off after {number_of(self._count, 'record')}")
        self._parser.Parse(b"", True)

    def describe_error(self, error: Exception) -> str:
        """Return a sentence for a document that is not well-formed."""
        beginning = excerpt(self._head)
        if not beginning:
            return "empty document"
        if not beginning.startswith("<"):
            return f"no document but {excerpt(beginning, 30)!r}"
        code = getattr(error, "code", None)
        if self._open and code in (errors.codes[errors.XML_ERROR_NO_ELEMENTS], *self._broken_off()):
            return f"the document breaks off after {number_of(self._count, 'complete record')}"
        return f"the document is not well-formed: {error}"

    @staticmethod
    def _broken_off() -> tuple[int, ...]:
        names = (
            errors.XML_ERROR_UNCLOSED_TOKEN,
            errors.XML_ERROR_PARTIAL_CHAR,
            errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        )
        return tuple(errors.codes[name] for name in names)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag not in ("results", "error"):
            raise BadData("no results", also=begins(self._head))
        if len(self._open) >= MAX_DEPTH:
            raise BadData(f"the document is nested more than {MAX_DEPTH} deep")
        if len(self._open) <= 1:
            self._nodes = self._record_chars = 0
        if attributes:
            attributes = {name: value[:MAX_FIELD_CHARS] for name, value in attributes.items()}
            self._record_chars += sum(map(len, attributes.values()))
        self._nodes += 1
        if self._nodes > MAX_NODES or self._record_chars > MAX_RECORD_CHARS:
            raise BadData(f"record {self._count + 1} of the GOCDB's document is too large")
        self._open.append(_Node(tag, attributes))
        self._text_parts = []
        self._text_chars = 0

    def _text(self, text: str) -> None:
        room = MAX_FIELD_CHARS - self._text_chars
        if room > 0:
            self._text_parts.append(text[:room])
            self._text_chars += len(text)

    def _end(self, tag: str) -> None:
        node = self._open.pop()
        # Only a leaf's text is of interest: that between elements is white space.
        if self._text_parts:
            node.content = "".join(self._text_parts).strip()
            self._record_chars += len(node.content)
            self._text_parts = []
        self._text_chars = 0
        if not self._open:
            if tag == "error":
                raise BadData(f'error "{excerpt(node.content, 200)}"')
        elif len(self._open) > 1:
            self._open[-1].children.append(node)
        elif self._open[0].tag == "results":
            self._complete(node)

    def _complete(self, node: _Node) -> None:
        if node.tag == self._tag:
            self._count += 1
            self.ready.append(node)
        elif node.tag == "meta":
            _fill_meta(self._page, node)

    def _refuse_doctype(self, *_: object) -> None:
        what = "an HTML page" if b"html" in self._head.lower() else "a document with a DTD"
        raise BadData(f"{what} instead of results", link="from", more=[begins(self._head)])


def _fill_meta(page: PageMeta, meta: _Node) -> None:
    page.count = _count(meta.text_of("count"))
    page.max_page_size = _count(meta.text_of("max_page_size"))
    for link in meta.children:
        if link.tag == "link" and link.attributes.get("rel") == "next":
            cursor = re.search(r"[?&;]next_cursor=([0-9]{1,18})(?![0-9])", link.attributes.get("href", ""))
            page.next_cursor = int(cursor[1]) if cursor else None


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


# ---- The URL of an endpoint


class EndpointUrl(Record):
    """What the URL of an OCCI endpoint says: where it is and which templates to use there.

    host:     lower case, an IPv6 address without its brackets
    port:     None if none is written
    image:    None if none is written; there is no default
    resource: None if none is written; then `default_resource` is meant
    """

    scheme: str
    host: str
    port: int | None
    path: str
    image: str | None
    resource: str | None
    platform: str | None

    @property
    def default_resource(self) -> str:
        """What ARGO takes where no resource is written: `small`, or `m1-tiny` with a platform."""
        return "small" if self.platform is None else "m1-tiny"

    @property
    def authority(self) -> str:
        """Host and port as written in a URL; the port only if it was written."""
        return bracketed(self.host) if self.port is None else host_and_port(self.host, self.port)

    @property
    def base(self) -> str:
        """The address to which OCCI paths are appended: no query and no slash at its end."""
        return f"{self.scheme}://{self.authority}{self.path.rstrip('/')}"

    @property
    def port_or_default(self) -> int:
        """The port to connect to: as written, else 443 or 80."""
        return self.port if self.port is not None else {"https": 443, "http": 80}[self.scheme]


MAX_URL_CHARS = 2_048
"""GOCDB allows 255; a longer one is a broken feed."""

_PATH = re.compile(r"(?:[A-Za-z0-9._~!$'()*+,=:@/-]|%[0-9A-Fa-f]{2})*")
_PARAMETERS = ("image", "resource", "platform")


def read_endpoint_url(text: str) -> EndpointUrl:
    """Return what a URL of the form `https://host[:port][/path]/?image=...&resource=...` says.

    Read as ARGO does: blanks around it are dropped, the names of parameters have no case, `&amp;` that
    was escaped twice counts as `&`, unknown parameters are ignored. `;` separates too (RFC 1866 section
    8.2.1). Values are decoded once, `+` as a blank.
    Raises: BadData with a sentence that says what is wrong with which part.
    """
    url = text.strip()
    if not url:
        raise BadData("the endpoint has no URL")
    if len(url) > MAX_URL_CHARS:
        raise BadData(f"the URL has {len(url)} characters, more than {MAX_URL_CHARS}")
    expect_visible(url)
    scheme, rest = _split_scheme(url)
    address, mark, fragment = rest.partition("#")
    if mark and fragment:
        raise BadData(f"everything from '#' on in {without_password(url)} is lost: write it %23")
    place, _, query = address.partition("?")
    authority, slash, path = place.partition("/")
    host, port = read_authority(authority, url)
    parameters = _read_query(query)
    return EndpointUrl(
        scheme=scheme,
        host=host,
        port=port,
        path=_read_path(slash + path),
        image=parameters.get("image"),
        resource=parameters.get("resource"),
        platform=parameters.get("platform"),
    )


def _split_scheme(url: str) -> tuple[str, str]:
    match = SCHEME.match(url)
    if match is None:
        raise BadData(f"the URL {without_password(url)} does not begin with https:// or http://")
    scheme = match[1].lower()
    if scheme not in ("https", "http"):
        raise BadData(f"the URL {without_password(url)} is {scheme}, neither https nor http")
    return scheme, url[match.end() :]


def _read_path(path: str) -> str:
    if any(f"{name}=" in path.lower() for name in _PARAMETERS):
        raise BadData(f"the path {without_password(path)} of the URL holds parameters: a '?' is missing before them")
    if not _PATH.fullmatch(path):
        raise BadData(f"the path {without_password(path)} of the URL has characters that do not belong in one")
    if any(part in (".", "..") for part in path.lower().replace("%2e", ".").split("/")):
        raise BadData(f"the path {without_password(path)} of the URL has '.' or '..' in it")
    return path


def _read_query(query: str) -> dict[str, str]:
    """Return the known parameters by their lower-case names."""
    found: dict[str, str] = {}
    for part in re.split("[&;]", query):
        name, _, value = part.partition("=")
        # What is left of `&amp;`, written into the GOCDB's form and escaped once more, is an empty
        # parameter `amp`: it has no name that we know.
        name = name.lower()
        if name not in _PARAMETERS:
            continue
        decoded = _decoded(name, value)
        if found.setdefault(name, decoded) != decoded:
            raise BadData(
                f"the URL gives {name} twice: {without_password(found[name])} and {without_password(decoded)}"
            )
    return found


def _decoded(name: str, value: str) -> str:
    from urllib.parse import unquote_to_bytes

    if not value:
        raise BadData(f"the parameter {name} of the URL has no value")
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise BadData(f"the parameter {name} of the URL has a lone '%': {without_password(value)}")
    try:
        decoded = unquote_to_bytes(value.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise BadData(f"the parameter {name} of the URL is not UTF-8: {without_password(value)}") from None
    if any(char.isspace() for char in decoded):
        raise BadData(f"the parameter {name} of the URL has a blank in it: {without_password(decoded)}")
    if not decoded.isprintable():
        raise BadData(f"the parameter {name} of the URL has a control character in it: {without_password(value)}")
    return decoded
