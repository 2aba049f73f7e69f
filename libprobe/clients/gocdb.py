"""The GOCDB's programmatic interface: which endpoints sites registered, and their downtimes.

Its failures are HelperFailure: no site is to blame for them. What is asked of one host is kept on disk; a
stale answer is used, and said to be stale, when the GOCDB does not answer. The whole topology is read as a
stream, page by page, from the GOCDB or from a saved copy of its answer.
Source: GOCDB PI documentation (gocdb.github.io/api), and its sources for paging and errors.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from urllib.parse import urlencode

from libprobe.clients import documents
from libprobe.failures import Asked, BadData, Failure, HelperFailure, Misconfigured, OwnMachine
from libprobe.formats import gocdb
from libprobe.formats.address import host_port_of, normalize_url
from libprobe.records import Record
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from typing import Protocol, TypeVar

    from libprobe.clients.http import HttpClient, ResponseStream
    from libprobe.state.files import StateDirectory

    RecordT = TypeVar("RecordT")
    UnreadableRecords = list[gocdb.Unreadable]

    class MonitoredEndpoint(Protocol):
        """What is known of a service that is monitored, as `gocdb.ServiceEndpoint` has it.

        url: as ARGO's rule chooses it. primary_key, endpoints, monitored_id: empty where they are not known
        """

        @property
        def hostname(self) -> str: ...
        @property
        def service_type(self) -> str: ...
        @property
        def primary_key(self) -> str: ...
        @property
        def url(self) -> str: ...
        @property
        def endpoints(self) -> tuple[gocdb.UrlAndId, ...]: ...
        @property
        def monitored_id(self) -> str: ...


DEFAULT_URL = "https://goc.egi.eu/gocdbpi/public/"
MAX_ANSWER = 8 << 20
MAX_CACHED = 1 << 20
MAX_STALE_S = 30 * 86400.0
MAX_DOCUMENT = 1 << 30
"""Of the whole topology; it is never in memory as a whole."""
MAX_PAGES = 5_000
CHUNK = 64 << 10

DEFAULT_SCOPE = "EGI"
"""What the GOCDB itself takes where no scope is named."""


_TEXTS = (
    "hostname", "service_type", "site", "url", "direct_url", "portal_url", "host_dn", "roc", "primary_key",
    "monitored_id", "country",
)  # fmt: skip


class EndpointSelection(Record):
    """Which endpoints of a topology are wanted.

    service_types: exact names; none means all
    site:          exact name; empty for all
    scopes:        an endpoint must have all of them; none means any endpoint
    certified_only:  only of sites that are certified and of the production infrastructure
    production_only: only in production, and no beta
    """

    service_types: frozenset[str] = frozenset()
    site: str = ""
    scopes: tuple[str, ...] = (DEFAULT_SCOPE,)
    monitored_only: bool = True
    certified_only: bool = False
    production_only: bool = False

    def includes(self, endpoint: gocdb.ServiceEndpoint) -> bool:
        """Whether an endpoint is selected.

        The GOCDB matches with wildcards and a saved copy does not select, so it is decided here.
        """
        return (
            (not self.service_types or endpoint.service_type in self.service_types)
            and (not self.site or endpoint.site == self.site)
            and set(self.scopes) <= set(endpoint.scopes)
            and (endpoint.monitored or not self.monitored_only)
            and ((endpoint.in_production and not endpoint.beta) or not self.production_only)
        )

    def query(self) -> dict[str, str]:
        """Return the part of the selection that is a query of the GOCDB's interface, as its parameters."""
        query = {"scope": ",".join(self.scopes)}
        if self.site:
            query["sitename"] = self.site
        if self.monitored_only:
            query["monitored"] = "Y"
        return query


class RegisteredEndpoints(Record):
    """The endpoints of a host, and how old that knowledge is.

    age_s:  seconds since it was asked for; 0 for an answer just received.
    reason: why it is not fresher, empty if it is fresh.
    cache_error: why it could not be kept for later runs, empty if it was.
    unreadable: the records of it that cannot be read.
    """

    endpoints: list[gocdb.ServiceEndpoint]
    age_s: float = 0.0
    reason: str = ""
    cache_error: str = ""
    unreadable: tuple[gocdb.Unreadable, ...] = ()


class Gocdb:
    """One GOCDB. http: with a deadline short enough to leave time for the check itself.

    unreadable: the records that could not be read so far; each costs itself, and the others count.
    uncertified: how many endpoints `topology` left out by site, as that is not certified and in production
    """

    def __init__(self, http: HttpClient, url: str, cache: StateDirectory | None, *, cache_s: float) -> None:
        if not documents.is_url(url) or "?" in url or "#" in url:
            raise Misconfigured(f"{url!r} is not the URL of a GOCDB, like {DEFAULT_URL}")
        self.url = url.rstrip("/") + "/"
        self._http = http
        self._cache = cache
        self._cache_s = cache_s
        self.unreadable: list[gocdb.Unreadable] = []
        self.uncertified: dict[str, int] = {}

    def endpoints_of(self, hostname: str, service_type: str) -> RegisteredEndpoints:
        """The registered endpoints of a host, as the GOCDB has it or had it. Raises: HelperFailure.

        service_type: exact; empty for all.
        Names are compared exactly here, without regard to case: the GOCDB takes `%` and `_` as wildcards.
        """
        query = {"method": "get_service_endpoint", "hostname": hostname, "scope": ""}
        if service_type:
            query["service_type"] = service_type
        url = f"{self.url}?{urlencode(query)}"
        name = f"gocdb-{hashlib.sha256(url.encode()).hexdigest()[:24]}.json"
        kept = self._read_cache(name)
        if kept and kept.age_s < self._cache_s:
            return kept
        try:
            endpoints = self._ask(url, hostname)
        except Failure as failure:
            if kept:
                return RegisteredEndpoints(kept.endpoints, kept.age_s, failure.sentence)
            raise _as_helper_failure(failure, "give -u URL") from None
        if self.unreadable:  # asked again next time: it may have been corrected
            return RegisteredEndpoints(endpoints, unreadable=tuple(self.unreadable))
        return RegisteredEndpoints(endpoints, cache_error=self._write_cache(name, endpoints))

    def _ask(self, url: str, hostname: str) -> list[gocdb.ServiceEndpoint]:
        with self._http.stream("GET", url, headers=[("Accept", "application/xml")]) as answer:
            if answer.status != 200:
                raise answer.as_refusal().failure(HelperFailure)
            try:
                read = gocdb.read_service_endpoints(answer.chunks(MAX_ANSWER), None, self.unreadable)
                found = [each for each in read if each.hostname.lower() == hostname.lower()]
                if self.unreadable and not found:
                    raise BadData(self.unreadable[0].sentence)
                return found
            except BadData as error:
                raise _unread(answer, error) from None

    def topology(self, wanted: EndpointSelection) -> Iterator[gocdb.ServiceEndpoint]:
        """Yield the endpoints that are wanted, each once, in the GOCDB's order, while they arrive.

        Raises: HelperFailure, possibly after some: then what was yielded is not the whole. Where nothing but
        unreadable records came, too.
        """
        count = 0
        sites = self._certified(wanted.site) if wanted.certified_only else None
        for service_type in sorted(wanted.service_types) or [""]:
            query = {"method": "get_service_endpoint", **wanted.query()}
            if service_type:
                query["service_type"] = service_type
            for endpoint in self._pages(query, gocdb.read_service_endpoints):
                count += 1
                is_wanted = wanted.includes(endpoint) and service_type in ("", endpoint.service_type)
                if is_wanted and _is_of_sites(endpoint, sites, self.uncertified):
                    yield endpoint
        if self.unreadable and not count:
            raise self._wrong(self.unreadable[0].sentence)

    def _certified(self, site: str) -> frozenset[str]:
        """The sites that are certified and in production. Raises: HelperFailure.

        As argo-ncg asks for them: the service list itself leaves out none but the Closed sites, and names no status.
        """
        query = {"method": "get_site_list", "scope": ""}
        query |= {"certification_status": gocdb.CERTIFIED, "production_status": gocdb.PRODUCTION}
        if site:
            query["sitename"] = site
        return frozenset(self._pages(query, gocdb.read_certified_sites))

    def contacts(self) -> Iterator[tuple[str, gocdb.Contacts]]:
        """Yield ("site" or "roc", contacts) of all sites and NGIs. Raises: HelperFailure.

        They are personal data: the private interface alone tells them, to a certificate that the GOCDB knows.
        """
        private = Gocdb(self._http, re.sub(r"/public/$", "/private/", self.url), None, cache_s=0)
        try:
            for contacts in private._pages({"method": "get_site", "scope": ""}, gocdb.read_site_contacts):
                yield "site", contacts
            for contacts in private._pages({"method": "get_roc_contacts"}, gocdb.read_ngi_contacts):
                yield "roc", contacts
        except HelperFailure as failure:
            failure.remedy = "the GOCDB tells contacts to a certificate that it knows; or use --contacts-from"
            raise
        self.unreadable += private.unreadable

    def downtimes(
        self, *, site: str = "", future: bool = False, since: datetime | None = None
    ) -> Iterator[gocdb.Downtime]:
        """Yield the downtimes that are going on, one for each service affected. Raises: HelperFailure.

        future: also those that begin later. since: with it, those that have ended after this instant as well.
        """
        from datetime import UTC, datetime

        now = since or datetime.now(UTC)
        # the nested form alone has the keys of services: two of one host and type are told apart by nothing else
        query = {"method": "get_downtime_nested_services", "scope": ""}
        # the window begins with a day, which may hold downtimes that have ended
        query |= {"windowstart": f"{now:%Y-%m-%d}"} if future else {"ongoing_only": "yes"}
        if site:
            query["topentity"] = site
        for downtime in self._pages(query, gocdb.read_downtimes):
            if (not site or downtime.site == site) and downtime.end > now:
                yield downtime

    def _pages(
        self,
        query: dict[str, str],
        read: Callable[[Iterable[bytes], gocdb.PageMeta, UnreadableRecords], Iterator[RecordT]],
    ) -> Iterator[RecordT]:
        """Yield the records of all pages; a GOCDB that does not page gives everything as the first one."""
        cursor = 0
        for _ in range(MAX_PAGES):
            page = gocdb.PageMeta()
            count = -len(self.unreadable)
            for record in self._records({**query, "next_cursor": str(cursor)}, read, page):
                count += 1
                yield record
            count += len(self.unreadable)
            if page.count is not None and page.count != count and read is gocdb.read_service_endpoints:
                raise self._wrong(f"{number_of(page.count, 'record')} announced on a page and {count} sent")
            if page.is_last:
                return
            if page.next_cursor is None or page.next_cursor <= cursor:
                raise self._wrong(f"pages that do not advance beyond {cursor}")
            cursor = page.next_cursor
        raise self._wrong(f"more than {MAX_PAGES} pages")

    def _wrong(self, reason: str) -> HelperFailure:
        return HelperFailure(reason, of=Asked(f"GOCDB {host_port_of(self.url)}", f"GET {self.url}"), link="from")

    def _records(
        self,
        query: dict[str, str],
        read: Callable[[Iterable[bytes], gocdb.PageMeta, UnreadableRecords], Iterator[RecordT]],
        page: gocdb.PageMeta,
    ) -> Iterator[RecordT]:
        try:
            url = f"{self.url}?{urlencode(query)}"
            with self._http.stream("GET", url, headers=[("Accept", "application/xml")]) as answer:
                if answer.status != 200:
                    raise answer.as_refusal().failure(HelperFailure)
                try:
                    yield from read(answer.chunks(MAX_DOCUMENT), page, self.unreadable)
                except BadData as error:
                    raise _unread(answer, error) from None
        except Failure as failure:
            raise _as_helper_failure(failure, "") from None

    def _read_cache(self, name: str) -> RegisteredEndpoints | None:
        try:
            data = self._cache.read(name, MAX_CACHED) if self._cache else None
        except Misconfigured:
            return None  # the GOCDB is asked instead, and the file then replaced
        if not data:
            return None
        try:
            document = json.loads(data)
            age = time.time() - float(document["at"])
            endpoints = list(_read_cached(document["endpoints"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return RegisteredEndpoints(endpoints, age) if -60 <= age <= MAX_STALE_S else None

    def _write_cache(self, name: str, endpoints: list[gocdb.ServiceEndpoint]) -> str:
        """Write an answer into the cache; returns why that was not possible, empty if it was."""
        if self._cache is None:
            return ""
        data = json.dumps({"at": time.time(), "endpoints": [each._asdict() for each in endpoints]}).encode()
        if len(data) > MAX_CACHED:
            return ""
        try:
            self._cache.sweep(time.time())
            self._cache.write(name, data)
        except Misconfigured as failure:
            return failure.sentence
        return ""


def _unread(answer: ResponseStream, error: BadData) -> HelperFailure:
    error.placed(answer)
    return error.retold(HelperFailure)


def _as_helper_failure(failure: Failure, remedy: str) -> HelperFailure:
    """Return a failure of the GOCDB as a HelperFailure; our own trust anchors and machine keep their own remedy."""
    is_ours = isinstance(failure, (Misconfigured, OwnMachine)) and failure.remedy
    helper = failure.retold(HelperFailure, whom="GOCDB", remedy=failure.remedy if is_ours else remedy)
    helper.is_ours = isinstance(failure, OwnMachine)
    return helper


def _is_of_sites(endpoint: gocdb.ServiceEndpoint, sites: frozenset[str] | None, others: dict[str, int]) -> bool:
    """Whether an endpoint is of one of the sites, None for any; others counts those that are not."""
    if sites is None or endpoint.site in sites:
        return True
    others[endpoint.site] = others.get(endpoint.site, 0) + 1
    return False


class SavedCopy:
    """A GOCDB's answers in files, which work like the live GOCDB.

    topology:  path of a get_service_endpoint document
    downtimes: path of a get_downtime document, nested or not; empty: nothing is known of downtimes
    sites:     path of a get_site_list document of the certified sites, or of a get_site one; empty: nothing is known
               of sites, and all are taken
    unreadable, uncertified: as of a Gocdb
    """

    def __init__(self, topology: str, downtimes: str = "", sites: str = "") -> None:
        self.url = topology
        self._topology = topology
        self._downtimes = downtimes
        self._sites = sites
        self.unreadable: list[gocdb.Unreadable] = []
        self.uncertified: dict[str, int] = {}

    def topology(self, wanted: EndpointSelection) -> Iterator[gocdb.ServiceEndpoint]:
        """As `Gocdb.topology`. Raises: Misconfigured for a file that cannot be read or is no such document."""
        count = 0
        sites = None
        if wanted.certified_only and self._sites:
            sites = frozenset(_read_saved(self._sites, gocdb.read_certified_sites, self.unreadable))
        for each in _read_saved(self._topology, gocdb.read_service_endpoints, self.unreadable):
            count += 1
            if wanted.includes(each) and _is_of_sites(each, sites, self.uncertified):
                yield each
        if self.unreadable and not count:
            raise Misconfigured(f"{self._topology}: {self.unreadable[0].sentence}")

    def downtimes(
        self, *, site: str = "", now: datetime | None = None, future: bool = False
    ) -> Iterator[gocdb.Downtime]:
        """As `Gocdb.downtimes`; now: an aware instant, by which it is judged what is going on.

        future: also those that begin later
        """
        from datetime import UTC, datetime

        instant = now or datetime.now(UTC)
        if self._downtimes:
            for downtime in _read_saved(self._downtimes, gocdb.read_downtimes, self.unreadable):
                counts = downtime.end > instant if future else downtime.covers(instant)
                if counts and (not site or downtime.site == site):
                    yield downtime


def saved_contacts(path: str, unreadable: UnreadableRecords) -> Iterator[tuple[str, gocdb.Contacts]]:
    """As `Gocdb.contacts`, of one saved answer about sites or about NGIs. Raises: Misconfigured."""
    for kind, read in (("site", gocdb.read_site_contacts), ("roc", gocdb.read_ngi_contacts)):
        for contacts in _read_saved(path, read, unreadable):
            yield kind, contacts


def _read_saved(
    path: str,
    read: Callable[[Iterable[bytes], None, UnreadableRecords], Iterator[RecordT]],
    unreadable: UnreadableRecords,
) -> Iterator[RecordT]:
    import stat

    try:
        # without O_NONBLOCK, a FIFO would hold the run before there is anything to judge
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Misconfigured(f"{path} is not a file")
            yield from read(iter(lambda: file.read(CHUNK), b""), None, unreadable)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from None
    except BadData as error:
        # what a GOCDB said is quoted; what stands in a file could be a secret in the wrong place
        said = re.sub(r"""(?:; it begins| but) ["'].*["']""", "", error.sentence, flags=re.DOTALL)
        said = re.sub(r"""["'].+["']""", "something that is not shown", said, flags=re.DOTALL)
        raise Misconfigured(f"{path}: {said}", remedy="name a saved answer of the GOCDB") from None


class OutageIndex:
    """Which services are in an outage; only an outage should silence a result.

    One that names some endpoints of a service counts only for those: see `affecting`.
    """

    def __init__(self, downtimes: Iterable[gocdb.Downtime]) -> None:
        self._by_service: dict[tuple[str, str], list[gocdb.Downtime]] = {}
        for downtime in downtimes:
            if downtime.is_outage:
                key = (downtime.hostname.lower(), downtime.service_type)
                self._by_service.setdefault(key, []).append(downtime)

    def find_for(self, endpoint: gocdb.ServiceEndpoint) -> gocdb.Downtime | None:
        """The outage of an endpoint that ends last, None if there is none."""
        return max(self.affecting(endpoint), key=lambda downtime: downtime.end, default=None)

    def of_service(self, hostname: str, service_type: str) -> list[gocdb.Downtime]:
        """All outages of services of one type on one host, of whichever of their endpoints."""
        return self._by_service.get((hostname.lower(), service_type), [])

    def __iter__(self) -> Iterator[gocdb.Downtime]:
        for downtimes in self._by_service.values():
            yield from downtimes

    def affecting(self, service: MonitoredEndpoint) -> list[gocdb.Downtime]:
        """All outages of what is monitored of a service."""
        return [
            each for each in self.of_service(service.hostname, service.service_type) if _is_affecting(each, service)
        ]


def _is_affecting(downtime: gocdb.Downtime, service: MonitoredEndpoint) -> bool:
    """Whether a downtime of a service's host and type is one of what is monitored of it.

    The GOCDB's own form selects every endpoint of a service, so all of them named are the service itself. Otherwise
    it is the monitored one that counts: by its number, and where the GOCDB tells none, or the service itself has the
    URL that is monitored, by where it leads.
    """
    if downtime.service_key and service.primary_key and downtime.service_key != service.primary_key:
        return False
    named = {one.id for one in downtime.affected_endpoints if one.id}
    of_service = {identifier for identifier, _ in service.endpoints}
    if not downtime.affected_endpoints or (of_service and of_service <= named):
        return True
    if service.monitored_id and named & of_service:
        return service.monitored_id in named
    place = normalize_url(service.url)
    return any(place.is_same_as(normalize_url(one.url)) for one in downtime.affected_endpoints)


def _read_cached(entries: object) -> Iterator[gocdb.ServiceEndpoint]:
    """Raises: ValueError, KeyError, TypeError for what was not written by `Gocdb._write_cache`."""
    if not isinstance(entries, list):
        raise ValueError
    for entry in entries:
        listed = tuple((str(identifier), str(url)) for identifier, url in entry.get("endpoints", ()))
        extensions = tuple((str(key), str(value)) for key, value in entry.get("extensions", ()))
        given = {**entry, "scopes": tuple(entry["scopes"]), "endpoints": listed, "extensions": extensions}
        endpoint = gocdb.ServiceEndpoint(**given)
        if not all(isinstance(getattr(endpoint, name), str) for name in _TEXTS):
            raise ValueError
        yield endpoint
