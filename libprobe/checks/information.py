"""What a BDII publishes of a cloud: the site, its services, endpoints, images and sizes, and how fresh it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from nagiosplugin import Metric

from libprobe.checks.base import Check
from libprobe.clients.ldap import LdapClient, NoSuchBase
from libprobe.failures import WARNING, Asked, BadData, EndpointFailure, Failure, HelperFailure, Misconfigured
from libprobe.formats import glue2
from libprobe.formats.address import host_and_port, read_address
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record
from libprobe.targets.bdii import DEFAULT_BASE
from libprobe.text import duration, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from libprobe.clients.ldap import LdapConnectOptions
    from libprobe.deadline import Deadline
    from libprobe.formats.ldap import LdapEntry
    from libprobe.targets.bdii import Bdii

ATTRIBUTES = (
    "objectClass",
    "GLUE2DomainID",
    "GLUE2ServiceType",
    "GLUE2ServiceAdminDomainForeignKey",
    "GLUE2EndpointURL",
    "GLUE2EndpointInterfaceName",
    "GLUE2EntityCreationTime",
    "GLUE2EntityValidity",
)
"""All that is asked for: what is needed and no others, for a BDII holds tens of megabytes."""

STRICT_ATTRIBUTES = (
    "GLUE2EntityName",
    "GLUE2ServiceCapability",
    "GLUE2ServiceQualityLevel",
    "GLUE2EndpointCapability",
    "GLUE2EndpointHealthState",
    "GLUE2EndpointServingState",
    "GLUE2EndpointQualityLevel",
    "GLUE2EndpointImplementationName",
    "GLUE2EndpointInterfaceVersion",
    "GLUE2EndpointTechnology",
    "GLUE2ExecutionEnvironmentPlatform",
    "GLUE2ExecutionEnvironmentOSFamily",
    "GLUE2ExecutionEnvironmentMainMemorySize",
    "GLUE2ApplicationEnvironmentAppName",
    "GLUE2ApplicationEnvironmentAppVersion",
    "GLUE2ApplicationEnvironmentRepository",
)
"""What is looked at for known faults of providers as well."""

CLOCK_TOLERANCE_S = 120.0
"""How far ahead a creation time may be; glue-validator allows as much."""

MAX_SERVICES, MAX_ENDPOINTS, MAX_DOMAINS, MAX_FAULTS = 5_000, 2_000, 20_000, 50
MAX_NAME, MAX_URL = 256, 512
"""How much of what is published is kept, in numbers and characters: a BDII cannot fill our memory."""

_WANTED = glue2.SERVICE | glue2.ENDPOINT | glue2.SIZE | glue2.IMAGE
_GROUP_NAMES = frozenset({"glue2groupid", "glue2groupname", "glue2grouplocalid"})


class PublicationRequirements(Record):
    """What has to be published. interface: InterfaceName of an endpoint; url: where it is, empty to ask the GOCDB."""

    interface: str
    url: str = ""
    is_strict: bool = False


class _PublishedService:
    """What was seen of one service and below it, whether its own entry came or not."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.owner = ""
        self.is_published = False
        self.is_cloud = False
        self.endpoints: list[tuple[str, str]] = []
        self.endpoint_count = self.image_count = self.size_count = 0
        self.newest: glue2.CreationTime | None = None
        self.valid_until: float | None = None
        self.faults: list[str] = []
        self.fault_count = 0


class BdiiContent:
    """What a BDII publishes, put together entry by entry; keeps counts and not the entries.

    site:    whose cloud is wanted; of other sites only their names are kept. Empty: all of them.
    dropped: entries that were more than could be told apart.
    """

    def __init__(self, site: str = "", *, is_strict: bool = False) -> None:
        self.entries = 0
        self.dropped = 0
        self.domains: set[str] = set()
        self._site = site.casefold()
        self._is_strict = is_strict
        self._services: dict[tuple[str, str], _PublishedService] = {}
        self._others: set[str] = set()
        self._endpoint_room, self._fault_room = MAX_ENDPOINTS, MAX_FAULTS

    def add(self, entry: LdapEntry) -> None:
        self.entries += 1
        classes = {each.lower() for each in entry.attributes.get("objectclass", ())}
        if classes & glue2.DOMAIN:
            if len(self.domains) < MAX_DOMAINS:
                self.domains.add(entry.first("glue2domainid")[:MAX_NAME].casefold())
        elif classes & _WANTED:
            self._add_to_service(entry, classes)

    def _add_to_service(self, entry: LdapEntry, classes: set[str]) -> None:
        try:
            parts = glue2.split_dn(entry.dn)
        except BadData:
            self.dropped += 1
            return
        domain = next((value[:MAX_NAME] for name, value in parts if name == "glue2domainid"), "")
        is_cloud = any(name in _GROUP_NAMES and value.lower() == "cloud" for name, value in parts)
        is_cloud = is_cloud or any(name.startswith(glue2.CLOUD_PREFIX) for name in classes)
        is_cloud = is_cloud or entry.first("glue2servicetype").lower() in glue2.CLOUD_TYPES
        if self._site and domain and domain.casefold() != self._site:
            if is_cloud and len(self._others) < MAX_ENDPOINTS:
                self._others.add(domain)
            return
        identity = next((value[: 2 * MAX_NAME] for name, value in parts if name == "glue2serviceid"), "")
        service = self._services.get((domain.casefold(), identity))
        if service is None:
            if len(self._services) >= MAX_SERVICES:
                self.dropped += 1
                return
            service = self._services[domain.casefold(), identity] = _PublishedService(domain)
        service.is_cloud = service.is_cloud or is_cloud
        self._count(service, entry, classes)
        self._date(service, entry)
        if self._is_strict:
            self._find_faults(service, entry)

    def _count(self, service: _PublishedService, entry: LdapEntry, classes: set[str]) -> None:
        if classes & glue2.SERVICE:
            service.is_published = True
            service.owner = entry.first("glue2serviceadmindomainforeignkey")[:MAX_NAME]
        elif classes & glue2.ENDPOINT:
            service.endpoint_count += 1
            url = entry.first("glue2endpointurl")[:MAX_URL]
            for name in entry.attributes.get("glue2endpointinterfacename", [""])[: self._endpoint_room]:
                self._endpoint_room -= 1
                service.endpoints.append((name[:MAX_NAME], url))
        elif classes & glue2.IMAGE:
            service.image_count += 1
        else:
            service.size_count += 1

    def _date(self, service: _PublishedService, entry: LdapEntry) -> None:
        """What cannot be read as a time does not count; --strict tells it."""
        text = entry.first("glue2entitycreationtime")
        if not text:
            return
        try:
            created = glue2.read_creation_time(text)
            if service.newest is None or created.latest > service.newest.latest:
                service.newest = created
            validity = entry.first("glue2entityvalidity")
            if validity:
                until = created.latest.timestamp() + glue2.read_validity(validity)
                service.valid_until = max(service.valid_until or 0.0, until)
        except BadData:
            return

    def _find_faults(self, service: _PublishedService, entry: LdapEntry) -> None:
        leaf = excerpt(entry.dn.partition(",")[0], 60)
        for name, values in entry.attributes.items():
            for value in values if name != "objectclass" else ():
                fault = glue2.value_problem(name, value)
                if not fault:
                    continue
                service.fault_count += 1
                if self._fault_room:
                    self._fault_room -= 1
                    service.faults.append(f"{_documented_spelling(name)} of {leaf} is {fault}: {excerpt(value, 60)}")

    def cloud(self) -> PublishedCloud:
        """The cloud services of the site, by the domain above them or else the one that they name."""
        found = [each for each in self._services.values() if each.is_cloud and each.is_published]
        mine = [each for each in found if not self._site or (each.domain or each.owner).casefold() in ("", self._site)]
        others = self._others.union(each.owner for each in found if each not in mine)
        return PublishedCloud(mine, sorted(others))


class PublishedCloud:
    """The cloud services of one site. others: sites whose cloud services are published beside them."""

    def __init__(self, services: list[_PublishedService], others: list[str]) -> None:
        self.services = services
        self.others = others
        self.endpoint_count = sum(each.endpoint_count for each in services)
        self.image_count = sum(each.image_count for each in services)
        self.size_count = sum(each.size_count for each in services)
        self.fault_count = sum(each.fault_count for each in services)
        self.faults = [fault for each in services for fault in each.faults]

    def urls_of(self, interface: str) -> list[str]:
        wanted = interface.casefold()
        return [url for each in self.services for name, url in each.endpoints if name.casefold() == wanted]

    def interfaces(self) -> list[str]:
        return sorted({name for each in self.services for name, _ in each.endpoints if name})

    def newest(self) -> glue2.CreationTime | None:
        times = [each.newest for each in self.services if each.newest]
        return max(times, key=lambda instant: instant.latest) if times else None

    def valid_until(self) -> float | None:
        return max((each.valid_until for each in self.services if each.valid_until), default=None)


_SPELLING = {name.lower(): name for name in (*ATTRIBUTES, *STRICT_ATTRIBUTES)}


def _documented_spelling(name: str) -> str:
    return _SPELLING.get(name, excerpt(name, 60))


class CloudInformation(Check):
    """Reads a BDII once, from its base down, and judges what it publishes of a cloud.

    access:     how to connect.
    whose_fault: decides whose fault it is that the site's cloud is not there; None: the site's.
    registered: the OCCI URL that the GOCDB has of a host (see `bdii.make_occi_lookup`); None: nothing is compared.
    Yields: entries, services, endpoints, images, sizes (numbers), age, response_time (s), and judgements.
    """

    def __init__(
        self,
        bdii: Bdii,
        deadline: Deadline,
        wanted: PublicationRequirements,
        *,
        access: LdapConnectOptions | None = None,
        registered: Callable[[str], str] | None = None,
        hostname: str = "",
        whose_fault: Callable[[Failure], Failure] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(deadline)
        self.subject = host_and_port(bdii.address.host, bdii.address.port)
        self._asked = Asked(self.subject, f"search at {bdii.address} below {bdii.base}")
        self.bdii = bdii
        self._wanted = wanted
        self._access = access
        self._registered = registered
        self._hostname = hostname
        self._whose_fault = whose_fault or (lambda failure: failure)
        self._clock = clock
        self._notes = list(bdii.notes)
        self.caveats = () if bdii.lookup_failure else bdii.notes  # the failure says it itself
        self._subject_words = f" of {bdii.site}" if bdii.site else ""

    def measure(self) -> Iterator[Metric]:
        picture = BdiiContent(self.bdii.site, is_strict=self._wanted.is_strict)
        began = time.monotonic()
        loading_s = self._read(picture)
        taken = time.monotonic() - began - loading_s
        cloud = picture.cloud()
        yield Metric("entries", picture.entries, min=0)
        yield Metric("services", len(cloud.services), min=0, context="count")
        yield Metric("endpoints", cloud.endpoint_count, min=0, context="count")
        yield Metric("images", cloud.image_count, min=0, context="count")
        yield Metric("sizes", cloud.size_count, min=0, context="count")
        if cloud.services:
            yield from self._ages(cloud)
        yield Metric("response_time", taken, "s", min=0)
        self._add_facts(picture, cloud, taken)
        self._expect_services(picture, cloud)
        self._expect_endpoint(cloud)
        concerns = [*self._judge_url(cloud), *self._find_concerns(picture, cloud)]
        if concerns:
            first, *others = concerns
            yield self.failed(self._fault(first, "; ".join(others)), status=WARNING)
        self.facts["notes"] = "".join(f"; {note}" for note in self._notes)

    def _read(self, picture: BdiiContent) -> float:
        """Read all entries; returns the seconds of it that were ours, see `LdapClient.loading_s`."""
        asked = ATTRIBUTES + (STRICT_ATTRIBUTES if self._wanted.is_strict else ())
        with LdapClient(self.bdii.address, self.deadline, self._access) as client:
            try:
                client.connect()
            except EndpointFailure as failure:
                if self.bdii.lookup_failure:
                    helper = failure.retold(HelperFailure, remedy="give the address with -u or -p")
                    helper.add(f"that port is a guess: {self.bdii.lookup_failure.sentence}")
                    raise helper from None
                raise
            client.bind()
            try:
                for entry in client.search(self.bdii.base, asked):
                    picture.add(entry)
            except NoSuchBase as failure:
                if not self.bdii.is_base_given or self.bdii.base == DEFAULT_BASE:
                    raise
                failure.reason, failure.also = f"base {self.bdii.base} of --base does not exist", ""
                raise failure.retold(Misconfigured, remedy=f"leave it out for {DEFAULT_BASE}") from None
            for url in client.references[:10]:
                self.detail(1, f"reference, not followed: {url}")
            return client.loading_s

    def _ages(self, cloud: PublishedCloud) -> Iterator[Metric]:
        """How old the newest entry is; clouds of 2015 publish no times, and are not judged by them."""
        newest = cloud.newest()
        if newest is None:
            self.detail(1, "creation time: not published")
            return
        now = self._clock()
        ahead = (newest.earliest - now).total_seconds()
        if ahead > CLOCK_TOLERANCE_S:
            said = f"newest cloud entry{self._subject_words} created {duration(ahead)} in the future"
            yield self.failed(self._fault(said, remedy="set the clocks by NTP, there and here"), status=WARNING)
            return
        age = max(0.0, (now - newest.latest).total_seconds())
        if newest.is_exact:
            self.facts["age"] = f", {duration(age)} old"
            yield Metric("age", age, "s", min=0)
        else:
            self.detail(1, "creation time: published without its zone, so judged by the latest instant it can mean")
            yield Metric("age_at_least", age, "s", min=0)

    def _expect_services(self, picture: BdiiContent, cloud: PublishedCloud) -> None:
        if cloud.services:
            return
        if not picture.entries:
            raise self._fault("no entries at all", "", "see why its update publishes nothing")
        only = f", only of {', '.join(cloud.others[:2])}" if cloud.others else ""
        only += ", ..." if len(cloud.others) > 2 else ""
        remedy = "check the site name" if cloud.others else "see what cloud-info-provider prints"
        entries = number_of(picture.entries, "entry", "entries")
        raise self._whose_fault(
            self._fault(f"no cloud service{self._subject_words}", f"it has {entries}{only}", remedy)
        )

    def _fault(self, what: str, also: str = "", remedy: str = "") -> BadData:
        """What is published is not as it should be."""
        return BadData(what, of=self._asked, link="in", also=also, remedy=remedy)

    def _find_concerns(self, picture: BdiiContent, cloud: PublishedCloud) -> Iterator[str]:
        """What is not as it should be while the cloud can still be found."""
        site = self.bdii.site
        is_below = "glue2domainid" in self.bdii.base.lower()
        has_domains = any(each.domain for each in cloud.services)
        if site and has_domains and not is_below and site.casefold() not in picture.domains:
            yield f"no GLUE2AdminDomain entry{self._subject_words}"
        missing = [noun for count, noun in ((cloud.image_count, "images"), (cloud.size_count, "sizes")) if not count]
        if missing:
            yield f"no {' and no '.join(missing)}{self._subject_words}"
        until, now = cloud.valid_until(), self._clock().timestamp()
        if until is not None and until < now:
            yield f"validity of all cloud entries{self._subject_words} ended {duration(now - until)} ago"
        if cloud.fault_count:
            more = cloud.fault_count - 1
            first = cloud.faults[0] if cloud.faults else "a value is faulty"
            yield first + (f", and {number_of(more, 'fault')} more (see -v)" if more else "")
            for fault in cloud.faults:
                self.detail(1, f"fault: {fault}")

    def _expect_endpoint(self, cloud: PublishedCloud) -> None:
        interface = self._wanted.interface
        urls = cloud.urls_of(interface)
        if not urls:
            others = ", ".join(cloud.interfaces()[:5])
            raise self._fault(
                f"no {interface} endpoint{self._subject_words}",
                f"it has {others} only" if others else "",
                "see what cloud-info-provider prints",
            )
        self.facts["url"] = urls[0]

    def _judge_url(self, cloud: PublishedCloud) -> Iterator[str]:
        """Whether the endpoint is where it is registered; another one of several may be."""
        interface = self._wanted.interface
        urls = cloud.urls_of(interface)
        expected = glue2.normal_url(self._describe_expected(urls))
        if not expected:
            return
        self.detail(1, f"registered: {expected}")
        if expected not in {glue2.normal_url(url) for url in urls}:
            told = "--occi-url is" if self._wanted.url else "the GOCDB has"
            self.detail(1, f"published: {urls[0] or 'no URL'}; {told} {expected}")
            yield f"{interface} URL is {urls[0] or 'empty'}, but {told} {expected}"

    def _describe_expected(self, urls: list[str]) -> str:
        """Where the endpoint should be: as told, else as registered for our host, else for the published URL's."""
        if self._wanted.url or self._registered is None or self._wanted.interface.casefold() != "occi":
            return self._wanted.url
        if self.bdii.lookup_failure:
            return ""
        hosts = [self._hostname]
        try:
            hosts.append(read_address(urls[0]).host)
        except BadData:
            pass  # it is told as a URL of which nothing is known
        for host in dict.fromkeys(each for each in hosts if each):
            try:
                found = self._registered(host)
            except HelperFailure as failure:
                self._notes.append(f"not compared with the GOCDB: {failure.sentence}")
                return ""
            if found:
                return found
        self.detail(1, f"registered: no OCCI endpoint of {' or '.join(each for each in hosts if each)} in the GOCDB")
        return ""

    def _add_facts(self, picture: BdiiContent, cloud: PublishedCloud, taken: float) -> None:
        self.facts.update(
            where=self.subject,
            what=f"{number_of(len(cloud.services), 'cloud service')}{self._subject_words}",
            images=number_of(cloud.image_count, "image"),
            sizes=number_of(cloud.size_count, "size"),
            entries=number_of(picture.entries, "entry", "entries"),
            interface=self._wanted.interface,
            time=duration(taken),
        )
        self.facts.setdefault("age", "")
        self.detail(1, f"asked: {self._asked.request}")
        if picture.dropped:
            self.detail(1, f"entries not counted, by their DN or for their number: {picture.dropped}")
        for each in cloud.services[:20]:
            for name, url in each.endpoints[:20]:
                self.detail(1, f"endpoint: {name} at {url}" + (f" of {each.domain}" if each.domain else ""))
