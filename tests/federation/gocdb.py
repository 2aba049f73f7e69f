"""GOCDB's programmatic interface (PI), version 5, with content that can change while it runs.

Source: GOCDB's htdocs/PI/index.php and lib/Gocdb_Services/PI (GetService, GetSite, GetDowntime,
GetServiceGroup, QueryBuilders). Its oddities are kept: errors with status 200, LIKE matching, values that
are not escaped and are cut at a raw ampersand.
"""

from __future__ import annotations

import itertools
import re
import threading
import urllib.parse
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from .faults import Fault, Faults, register
from .web import Request, Response, WebServer

PAGE_SIZE = 100
DEFAULT_SCOPE = "EGI"

FAULTS = {
    "gocdb-error": Fault("GOCDB answers 200 with an <error> document.", {"message": "The database is not available"}),
    "raw-ampersand": Fault("GOCDB's document has its ampersands raw: it is no well-formed XML."),
    "unreadable-record": Fault(
        "One record of GOCDB's document cannot be read: control, latin-1 or no-end.", {"key": "", "by": "control"}
    ),
    "truncated": Fault("GOCDB's document ends after a part of it, with a fitting Content-Length.", {"part": 0.6}),
    "doctype-bomb": Fault("GOCDB's document has a DTD whose entities expand to gigabytes."),
    "empty": Fault("GOCDB answers 200 with no body."),
    "no-results": Fault("GOCDB finds nothing: 200 with an empty <results/>."),
}
register(FAULTS)

SERVICE_TYPES = {
    "eu.egi.cloud.vm-management.occi": "OCCI interface of a cloud site, to manage virtual machines.",
    "eu.egi.cloud.storage-management.cdmi": "CDMI interface of a cloud site, for the management of storage.",
    "eu.egi.cloud.vm-metadata.marketplace": "Marketplace of virtual machine images.",
    "eu.egi.cloud.vm-metadata.vmcatcher": "Subscriber to virtual machine image lists.",
    "eu.egi.cloud.vm-metadata.appdb-vmcaster": "Publisher of virtual machine image lists.",
    "eu.egi.cloud.accounting": "Publisher of cloud accounting records.",
    "eu.egi.cloud.information.bdii": "Information system of a cloud site.",
    "eu.egi.cloud.broker.compss": "COMPSs broker of cloud resources.",
    "eu.egi.cloud.broker.vmdirac": "VMDIRAC broker of cloud resources.",
    "eu.egi.cloud.broker.proprietary.slipstream": "SlipStream broker of cloud resources.",
    "egi.Perun": "Perun, the system that manages VO members.",
    "egi.MSGBroker": "Message broker.",
    "Site-BDII": "Information system of a site.",
    "Top-BDII": "Information system of the infrastructure.",
    "org.openstack.nova": "OpenStack Nova.",
    "org.openstack.swift": "OpenStack Swift.",
    "org.openstack.horizon": "OpenStack Horizon.",
}

_FILTERS = {
    "get_service": "hostname sitename roc country service_type monitored scope scope_match extensions",
    "get_site": "sitename roc country certification_status exclude_certification_status production_status "
    "scope scope_match extensions",
    "get_downtime": "topentity ongoing_only startdate enddate windowstart windowend scope scope_match "
    "all_lastmonth site_extensions service_extensions id sitelist servicelist ngilist severity "
    "classification production monitored certification_status service_type_list",
    "get_service_types": "",
    "get_roc_list": "roc",
    "get_roc_contacts": "roc roletype",
    "get_service_group": "service_group_name scope scope_match extensions",
}
_FILTERS["get_service_endpoint"] = _FILTERS["get_service"]
_FILTERS["get_downtime_nested_services"] = _FILTERS["get_downtime"]
_FILTERS["get_site_list"] = _FILTERS["get_site"]
_PAGED = set(_FILTERS) - {"get_service_types", "get_roc_list"}
_NEEDS_CREDENTIAL = {"get_site", "get_service_group", "get_roc_contacts"}

# How GOCDB calls the parameter of a filter is not how its dataclass field is called.
_SERVICE_FIELDS = {"hostname": "hostname", "service_type": "service_type", "sitename": "site"}


# -- content ----------------------------------------------------------------------------------------------


@dataclass
class Endpoint:
    """One entry of a service's ENDPOINTS. monitored None leaves ENDPOINT_MONITORED out, as before 5.4."""

    url: str
    name: str = "occi"
    interface: str = "OCCI"
    monitored: bool | None = True
    extensions: dict[str, str] = field(default_factory=dict)
    id: int = 0


@dataclass
class Service:
    """A SERVICE_ENDPOINT: one host in one role. notifications None leaves NOTIFICATIONS out, as in 2015."""

    hostname: str
    service_type: str
    site: str
    url: str = ""
    host_dn: str = ""
    endpoints: list[Endpoint] = field(default_factory=list)
    beta: bool = False
    production: bool = True
    monitored: bool = True
    notifications: bool | None = False
    host_ip: str = ""
    host_ipv6: str = ""
    host_os: str = ""
    host_arch: str = ""
    scopes: tuple[str, ...] = (DEFAULT_SCOPE,)
    extensions: dict[str, str] = field(default_factory=dict)
    id: int = 0


@dataclass
class Site:
    """A SITE. roc is the NGI, country a name with its two-letter code."""

    name: str
    official_name: str = ""
    country: str = "Korea"
    country_code: str = "KR"
    roc: str = "AsiaPacific"
    infrastructure: str = "Production"
    certification: str = "Certified"
    domain: str = "fedcloud.test"
    giis_url: str = ""
    home_url: str = "http://www.fedcloud.test/"
    email: str = "grid-admins@fedcloud.test"
    scopes: tuple[str, ...] = (DEFAULT_SCOPE,)
    extensions: dict[str, str] = field(default_factory=dict)
    id: int = 0


@dataclass
class Ngi:
    """An NGI, which the PI calls ROC."""

    name: str

    @property
    def email(self) -> str:
        return f"operations@{self.name.lower()}.test"

    @property
    def id(self) -> int:
        return int(_ngi_key(self.name).removesuffix("G0"))


def _ngi_key(name: str) -> str:
    return f"{zlib.crc32(name.encode())}G0"


@dataclass
class Downtime:
    """A downtime of services. start, end and inserted are aware instants.

    endpoints: ids of the affected ENDPOINTs; none means the whole services.
    """

    services: list[Service]
    start: datetime
    end: datetime
    severity: str = "OUTAGE"
    classification: str = "SCHEDULED"
    description: str = "Intervention"
    inserted: datetime | None = None
    endpoints: tuple[int, ...] = ()
    id: int = 0


@dataclass
class ServiceGroup:
    name: str
    services: list[Service]
    description: str = ""
    monitored: bool = True
    email: str = "group@fedcloud.test"
    scopes: tuple[str, ...] = (DEFAULT_SCOPE,)
    extensions: dict[str, str] = field(default_factory=dict)
    id: int = 0


_Numbered = TypeVar("_Numbered", Service, Site, Downtime, ServiceGroup)


class _Refused(Exception):
    """The PI stops with this body, and status 200."""


class Gocdb:
    """The PI and its content; safe to change while it is being asked.

    base_url: returns scheme://host:port, for paging links and portal URLs.
    """

    def __init__(
        self,
        *,
        base_url: Callable[[], str] = lambda: "https://goc.fedcloud.test",
        faults: Faults | None = None,
        page_size: int = PAGE_SIZE,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.faults = faults if faults is not None else Faults()
        self.page_size = page_size
        self.server: WebServer | None = None  # set by whoever serves it
        self.sites: dict[str, Site] = {}
        self.services: list[Service] = []
        self.downtimes: list[Downtime] = []
        self.groups: list[ServiceGroup] = []
        self.service_types = dict(SERVICE_TYPES)
        self._base_url = base_url
        self._clock = clock
        self._ids = itertools.count(9001)
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """The base of the public PI, which is what probes are configured with."""
        return f"{self._base_url()}/gocdbpi/public/"

    @property
    def private_url(self) -> str:
        return f"{self._base_url()}/gocdbpi/private/"

    def add_site(self, site: Site) -> Site:
        with self._lock:
            site.id = site.id or next(self._ids)
            self.sites[site.name] = site
        return site

    def add_service(self, service: Service) -> Service:
        """Add a service; its site is made if there is none of that name."""
        with self._lock:
            if service.site not in self.sites:
                self.add_site(Site(service.site))
            service.id = service.id or next(self._ids)
            for endpoint in service.endpoints:
                endpoint.id = endpoint.id or next(self._ids)
            self.services.append(service)
        return service

    def remove_service(self, service: Service | str) -> None:
        """Remove a service, or all services of a host name."""
        with self._lock:
            self.services = [each for each in self.services if each is not service and each.hostname != service]

    def find(self, hostname: str, service_type: str | None = None) -> Service:
        """Return the first service of a host. Raises: KeyError."""
        with self._lock:
            for service in self.services:
                if service.hostname == hostname and service_type in (None, service.service_type):
                    return service
        raise KeyError(hostname)

    def add_downtime(
        self,
        services: Service | Iterable[Service],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        severity: str = "OUTAGE",
        classification: str = "SCHEDULED",
        description: str = "Intervention",
        endpoints: Iterable[Endpoint] = (),
    ) -> Downtime:
        """Declare a downtime, from an hour ago until in an hour unless told otherwise."""
        now = self._clock().replace(microsecond=0)
        start = start or now - timedelta(hours=1)
        affected = [services] if isinstance(services, Service) else list(services)
        downtime = Downtime(
            affected,
            start,
            end or max(now, start) + timedelta(hours=1),
            severity,
            classification,
            description,
            min(now, start) - timedelta(days=1),
            tuple(endpoint.id for endpoint in endpoints),
            next(self._ids),
        )
        with self._lock:
            self.downtimes.append(downtime)
        return downtime

    def remove_downtime(self, downtime: Downtime) -> None:
        with self._lock:
            self.downtimes = [each for each in self.downtimes if each is not downtime]

    def add_group(self, group: ServiceGroup) -> ServiceGroup:
        with self._lock:
            group.id = group.id or next(self._ids)
            self.groups.append(group)
        return group

    # -- the interface --

    def app(self, request: Request) -> Response:
        level = re.fullmatch(r"/gocdbpi/(public|private)(/|/index\.php)?", request.path)
        if level is None:
            return Response(404, [("Content-Type", "text/html; charset=iso-8859-1")], b"<h1>Not Found</h1>\n")
        if level[1] == "private" and request.peer is None:
            return Response(403, [("Content-Type", "text/html; charset=iso-8859-1")], b"<h1>Forbidden</h1>\n")
        # PHP keeps the last value of a repeated parameter.
        parameters = {name: values[-1] for name, values in request.query.items()}
        try:
            with self._lock:
                body = self._document(parameters, request)
        except _Refused as refusal:
            body = str(refusal).encode()
        return Response(200, [("Content-Type", "application/xml")], self._spoilt(body, request))

    def _spoilt(self, body: bytes, request: Request) -> bytes:
        def fault(name: str) -> Mapping[str, object] | None:
            return self.faults.take(name, request.method, request.path)

        if (error := fault("gocdb-error")) is not None:
            return f"<error>{error['message']}</error>".encode()
        if fault("no-results") is not None:
            return b'<?xml version="1.0" encoding="UTF-8"?>\n<results/>\n'
        if fault("empty") is not None:
            return b""
        if fault("doctype-bomb") is not None:
            body = body.replace(b"?>\n", b"?>\n" + _bomb(), 1).replace(b"<results>", b"<results>&j;", 1)
        if fault("raw-ampersand") is not None:
            body = body.replace(b"&amp;", b"&")
        if (spoilt := fault("unreadable-record")) is not None:
            body = _with_an_unreadable_record(body, str(spoilt["key"]), str(spoilt["by"]))
        if (cut := fault("truncated")) is not None:
            body = body[: int(len(body) * float(str(cut["part"])))]
        return body

    def _document(self, parameters: dict[str, str], request: Request) -> bytes:
        method = parameters.pop("method", "")
        parameters.pop("output", None)
        if method not in _FILTERS:
            raise _Refused(f"Unable to find method: {method}")
        if method in _NEEDS_CREDENTIAL and request.peer is None:
            raise _Refused("No valid identifier found. Try accessing the resource through the private interface.")
        supported = set(_FILTERS[method].split())
        if method in _PAGED:
            supported |= {"next_cursor", "prev_cursor"}
        for name in parameters:
            if name not in supported:
                raise _Refused(f"<error>Unsupported parameter: {name}</error>")
        for value in parameters.values():
            if re.search("[\"'`]", value):
                # The misspelling is GOCDB's own.
                raise _Refused(f"<error>Unsuported chracter in value: {value}</error>")

        results = ET.Element("results")
        match method:
            case "get_service" | "get_service_endpoint":
                for service in self._page(results, method, parameters, self._select_services(parameters)):
                    self._render_service(results, service)
            case "get_site":
                for site in self._page(results, method, parameters, self._select_sites(parameters)):
                    self._render_site(results, site)
            case "get_site_list":
                for site in self._page(results, method, parameters, self._select_sites(parameters)):
                    ET.SubElement(
                        results,
                        "SITE",
                        ID=str(site.id),
                        PRIMARY_KEY=f"{site.id}G0",
                        NAME=site.name,
                        COUNTRY=site.country,
                        COUNTRY_CODE=site.country_code,
                        ROC=site.roc,
                        SUBGRID="",
                        GIIS_URL=site.giis_url,
                    )
            case "get_downtime" | "get_downtime_nested_services":
                for downtime in self._page(results, method, parameters, self._select_downtimes(parameters)):
                    self._render_downtime(results, downtime, parameters, nested=method != "get_downtime")
            case "get_service_group":
                for group in self._page(results, method, parameters, self._select_groups(parameters)):
                    self._render_group(results, group)
            case "get_service_types":
                for name, description in self.service_types.items():
                    element = ET.SubElement(results, "SERVICE_TYPE", TYPE_NAME=name, PRIMARY_KEY=name)
                    _add(element, "SERVICE_TYPE_NAME", name)
                    _add(element, "SERVICE_TYPE_DESC", description)
            case "get_roc_list":
                for roc in dict.fromkeys(site.roc for site in self.sites.values()):
                    if _like(roc, parameters.get("roc")):
                        ET.SubElement(results, "ROC", PRIMARY_KEY=_ngi_key(roc), ROC_NAME=roc)
            case "get_roc_contacts":
                rocs = sorted({site.roc for site in self.sites.values() if _like(site.roc, parameters.get("roc"))})
                for roc in self._page(results, method, parameters, [Ngi(each) for each in rocs]):
                    element = ET.SubElement(results, "ROC", ID=_ngi_key(roc.name), ROC_NAME=roc.name)
                    _add(element, "ROCNAME", roc.name)
                    _add(element, "MAIL_CONTACT", roc.email)
                    person = ET.SubElement(element, "CONTACT", USER_ID="1G0", PRIMARY_KEY="1G0")
                    _add(person, "EMAIL", "a.person@fedcloud.test")
        ET.indent(results)
        text: bytes = ET.tostring(results, encoding="utf-8")
        # libxml2 closes empty elements without a blank; `>` in values is escaped, so this touches no text.
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.replace(b" />", b"/>") + b"\n"

    # -- selecting --

    def _select_services(self, parameters: Mapping[str, str]) -> list[Service]:
        monitored = parameters.get("monitored", "").upper()
        chosen = []
        for service in self.services:
            site = self.sites[service.site]
            if (
                site.certification != "Closed"
                and all(_like(getattr(service, name), parameters.get(key)) for key, name in _SERVICE_FIELDS.items())
                and _like(site.roc, parameters.get("roc"))
                and _like(site.country, parameters.get("country"))
                and (monitored not in ("Y", "N") or service.monitored == (monitored == "Y"))
                and _in_scope(service.scopes, parameters)
                and _has_extensions(service.extensions, parameters.get("extensions"))
            ):
                chosen.append(service)
        return chosen

    def _select_sites(self, parameters: Mapping[str, str]) -> list[Site]:
        excluded = parameters.get("exclude_certification_status")
        return [
            site
            for site in self.sites.values()
            if site.certification != "Closed"
            and _like(site.name, parameters.get("sitename"))
            and _like(site.roc, parameters.get("roc"))
            and _like(site.country, parameters.get("country"))
            and _like(site.certification, parameters.get("certification_status"))
            and not (excluded and _like(site.certification, excluded))
            and _like(site.infrastructure, parameters.get("production_status"))
            and _in_scope(site.scopes, parameters)
            and _has_extensions(site.extensions, parameters.get("extensions"))
        ]

    def _select_groups(self, parameters: Mapping[str, str]) -> list[ServiceGroup]:
        return [
            group
            for group in self.groups
            if _like(group.name, parameters.get("service_group_name"))
            and _in_scope(group.scopes, parameters)
            and _has_extensions(group.extensions, parameters.get("extensions"))
        ]

    def _select_downtimes(self, parameters: Mapping[str, str]) -> list[Downtime]:
        ongoing = parameters.get("ongoing_only")
        if ongoing not in (None, "yes", "no"):
            raise _Refused("<error>Invalid ongoing_only value - must be 'yes' or 'no'</error>")
        if ongoing and {"startdate", "enddate"} & set(parameters):
            raise _Refused(
                "<error>Invalid parameter combination - do not specify startdate or enddate with ongoing_only</error>"
            )
        now = self._clock()
        dates = {
            key: _date(parameters[key])
            for key in ("startdate", "enddate", "windowstart", "windowend")
            if key in parameters
        }
        return [
            downtime
            for downtime in self.downtimes
            if (ongoing != "yes" or downtime.start <= now <= downtime.end)
            and ("startdate" not in dates or downtime.start > dates["startdate"])
            and ("enddate" not in dates or downtime.end < dates["enddate"])
            and ("windowstart" not in dates or downtime.end > dates["windowstart"])
            and ("windowend" not in dates or downtime.start < dates["windowend"] + timedelta(days=1))
            and ("all_lastmonth" not in parameters or downtime.start > now - timedelta(days=32))
            and parameters.get("id", str(downtime.id)) == str(downtime.id)
            and _in_list(downtime.severity, parameters.get("severity"))
            and _in_list(downtime.classification, parameters.get("classification"))
            and self._affected(downtime, parameters)
        ]

    def _affected(self, downtime: Downtime, parameters: Mapping[str, str]) -> list[Service]:
        """Return the services of a downtime that the filters leave."""
        top = parameters.get("topentity")
        chosen = []
        for service in downtime.services:
            site = self.sites[service.site]
            names = (service.hostname, site.name, site.roc, site.country)
            if (
                site.certification != "Closed"
                and (top is None or any(_like(name, top) for name in names))
                and _in_list(site.name, parameters.get("sitelist"))
                and _in_list(service.hostname, parameters.get("servicelist"))
                and _in_list(site.roc, parameters.get("ngilist"))
                and _in_list(site.certification, parameters.get("certification_status"))
                and _in_list(service.service_type, parameters.get("service_type_list"))
                and _in_list("Y" if service.production else "N", parameters.get("production"))
                and _in_list("Y" if service.monitored else "N", parameters.get("monitored"))
                and _in_scope(service.scopes, parameters)
                and _has_extensions(service.extensions, parameters.get("service_extensions"))
                and _has_extensions(site.extensions, parameters.get("site_extensions"))
            ):
                chosen.append(service)
        return chosen

    def _page(
        self, results: ET.Element, method: str, parameters: Mapping[str, str], found: Sequence[_Numbered]
    ) -> Sequence[_Numbered]:
        """Return one page of what was found, described in <meta>; everything when no cursor is given."""
        given = [name for name in ("next_cursor", "prev_cursor") if name in parameters]
        if not given:
            return found
        if len(given) == 2:
            raise _Refused("<error>Invalid parameters - only one of next_cursor or prev_cursor allowed</error>")
        for name in given:
            if not re.fullmatch(r"[0-9]+", parameters[name]):
                raise _Refused(f"<error>Invalid '{name}' parameter - must be an integer >= 0</error>")
        cursor = int(parameters[given[0]])
        ordered = sorted(found, key=lambda each: each.id)
        if given[0] == "next_cursor":
            page = [each for each in ordered if each.id > cursor][: self.page_size]
        else:
            page = [each for each in ordered if each.id < cursor][-self.page_size :]

        others = {name: value for name, value in parameters.items() if not name.endswith("_cursor")}

        meta = ET.SubElement(results, "meta")

        def link(rel: str, name: str, position: int) -> None:
            query = urllib.parse.urlencode({"method": method, **others, name: position})
            ET.SubElement(meta, "link", rel=rel, href=f"{self._base_url()}/gocdbpi/public/?{query}")

        link("self", given[0], cursor)
        if page:
            # Also on the last page: only an empty page tells that there is no more.
            link("next", "next_cursor", page[-1].id)
            link("prev", "prev_cursor", page[0].id)
        link("start", "next_cursor", 0)
        _add(meta, "count", str(len(page)))
        _add(meta, "max_page_size", str(self.page_size))
        return page

    # -- rendering --

    def _portal(self, page_type: str, number: int) -> str:
        return f"{self._base_url()}/portal/index.php?Page_Type={page_type}&id={number}"

    def _render_service(self, parent: ET.Element, service: Service) -> None:
        site = self.sites[service.site]
        element = ET.SubElement(parent, "SERVICE_ENDPOINT", PRIMARY_KEY=f"{service.id}G0")
        _add_if(element, "PRIMARY_KEY", f"{service.id}G0")
        _add_if(element, "HOSTNAME", _unescaped(service.hostname))
        _add_if(element, "GOCDB_PORTAL_URL", self._portal("Service", service.id))
        _add_if(element, "HOSTDN", _unescaped(service.host_dn))
        _add_if(element, "HOST_OS", _unescaped(service.host_os))
        _add_if(element, "HOST_ARCH", _unescaped(service.host_arch))
        _add(element, "BETA", _yes(service.beta))
        _add_if(element, "SERVICE_TYPE", service.service_type)
        _add_if(element, "HOST_IP", _unescaped(service.host_ip))
        _add_if(element, "HOST_IPV6", _unescaped(service.host_ipv6))
        _add(element, "CORE", "")
        _add(element, "IN_PRODUCTION", _yes(service.production))
        _add(element, "NODE_MONITORED", _yes(service.monitored))
        if service.notifications is not None:
            _add(element, "NOTIFICATIONS", _yes(service.notifications))
        _add_if(element, "SITENAME", site.name)
        _add_if(element, "COUNTRY_NAME", site.country)
        _add_if(element, "COUNTRY_CODE", site.country_code)
        _add_if(element, "ROC_NAME", site.roc)
        _add(element, "URL", service.url)
        self._render_endpoints(element, "ENDPOINTS", service.endpoints)
        _add_scopes(element, service.scopes)
        _add_extensions(element, service.extensions)

    def _render_endpoints(self, parent: ET.Element, tag: str, endpoints: Iterable[Endpoint]) -> None:
        rendered = ET.SubElement(parent, tag)
        for endpoint in endpoints:
            element = ET.SubElement(rendered, "ENDPOINT")
            _add(element, "ID", str(endpoint.id))
            _add(element, "NAME", endpoint.name)
            if tag == "ENDPOINTS":
                _add_extensions(element, {_unescaped(k): _unescaped(v) for k, v in endpoint.extensions.items()})
            _add(element, "URL", endpoint.url)
            _add(element, "INTERFACENAME", _unescaped(endpoint.interface))
            if endpoint.monitored is not None:
                _add(element, "ENDPOINT_MONITORED", _yes(endpoint.monitored))

    def _render_site(self, parent: ET.Element, site: Site) -> None:
        key = f"{site.id}G0"
        element = ET.SubElement(parent, "SITE", ID=str(site.id), PRIMARY_KEY=key, NAME=site.name)
        for tag, value in (
            ("PRIMARY_KEY", key),
            ("SHORT_NAME", site.name),
            ("OFFICIAL_NAME", site.official_name or site.name),
            ("SITE_DESCRIPTION", ""),
            ("GOCDB_PORTAL_URL", self._portal("Site", site.id)),
            ("HOME_URL", site.home_url),
            ("CONTACT_EMAIL", site.email),
            ("COUNTRY_CODE", site.country_code),
            ("COUNTRY", site.country),
            ("ROC", site.roc),
            ("PRODUCTION_INFRASTRUCTURE", site.infrastructure),
            ("CERTIFICATION_STATUS", site.certification),
            ("TIMEZONE", "UTC"),
            ("LATITUDE", "36.3"),
            ("LONGITUDE", "127.4"),
            ("CSIRT_EMAIL", site.email),
            ("GIIS_URL", site.giis_url),
        ):
            _add_if(element, tag, value)
        domain = ET.SubElement(element, "DOMAIN")
        _add(domain, "DOMAIN_NAME", site.domain)
        _add(element, "SITE_IP", "127.0.0.1")
        _add_scopes(element, site.scopes)
        _add_extensions(element, site.extensions)

    def _render_group(self, parent: ET.Element, group: ServiceGroup) -> None:
        element = ET.SubElement(parent, "SERVICE_GROUP", PRIMARY_KEY=f"{group.id}G0")
        _add(element, "NAME", _unescaped(group.name))
        _add(element, "DESCRIPTION", group.description)
        _add(element, "MONITORED", _yes(group.monitored))
        _add(element, "CONTACT_EMAIL", _unescaped(group.email))
        _add(element, "GOCDB_PORTAL_URL", self._portal("Service_Group", group.id))
        for service in group.services:
            member = ET.SubElement(element, "SERVICE_ENDPOINT", PRIMARY_KEY=f"{service.id}G0")
            _add(member, "HOSTNAME", _unescaped(service.hostname))
            _add(member, "GOCDB_PORTAL_URL", self._portal("Service", service.id))
            _add(member, "SERVICE_TYPE", service.service_type)
            _add(member, "HOST_IP", _unescaped(service.host_ip))
            _add(member, "HOST_IPV6", _unescaped(service.host_ipv6))
            _add(member, "HOSTDN", _unescaped(service.host_dn))
            _add(member, "IN_PRODUCTION", _yes(service.production))
            _add(member, "NODE_MONITORED", _yes(service.monitored))
            self._render_endpoints(member, "ENDPOINTS", service.endpoints)
            _add_scopes(member, service.scopes)
            _add_extensions(member, service.extensions)
        _add_scopes(element, group.scopes)
        _add_extensions(element, group.extensions)

    def _render_downtime(
        self, parent: ET.Element, downtime: Downtime, parameters: Mapping[str, str], *, nested: bool
    ) -> None:
        key = f"{downtime.id}G0"

        def opened() -> ET.Element:
            return ET.SubElement(
                parent,
                "DOWNTIME",
                ID=str(downtime.id),
                PRIMARY_KEY=key,
                CLASSIFICATION=downtime.classification,
            )

        def portal(element: ET.Element) -> None:
            _add(element, "GOCDB_PORTAL_URL", self._portal("Downtime", downtime.id))

        def service_fields(element: ET.Element, service: Service, primary_key: str) -> None:
            _add_if(element, "PRIMARY_KEY", primary_key)
            _add_if(element, "HOSTNAME", _unescaped(service.hostname))
            _add_if(element, "SERVICE_TYPE", service.service_type)
            # The real one glues the two together as well.
            _add_if(element, "ENDPOINT", _unescaped(service.hostname + service.service_type))
            _add_if(element, "HOSTED_BY", service.site)

        def affected_endpoints(element: ET.Element, service: Service) -> None:
            affected = [each for each in service.endpoints if each.id in downtime.endpoints]
            self._render_endpoints(element, "AFFECTED_ENDPOINTS", affected)

        def dates(element: ET.Element) -> None:
            _add_if(element, "SEVERITY", downtime.severity)
            _add_if(element, "DESCRIPTION", downtime.description)
            for tag, instant in (
                ("INSERT_DATE", downtime.inserted or downtime.start),
                ("START_DATE", downtime.start),
                ("END_DATE", downtime.end),
            ):
                _add(element, tag, str(int(instant.timestamp())))
            for tag, instant in (("START", downtime.start), ("END", downtime.end)):
                _add(element, f"FORMATED_{tag}_DATE", instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M"))

        services = self._affected(downtime, parameters)
        if nested:
            element = opened()
            dates(element)
            portal(element)
            listed = ET.SubElement(element, "SERVICES")
            for service in services:
                child = ET.SubElement(listed, "SERVICE")
                service_fields(child, service, f"{service.id}G0")
                affected_endpoints(child, service)
            return
        for service in services:
            element = opened()
            service_fields(element, service, key)
            portal(element)
            affected_endpoints(element, service)
            dates(element)


# -- filters ----------------------------------------------------------------------------------------------


def _like(value: str, pattern: str | None) -> bool:
    """Match as SQL LIKE does in GOCDB's database, which ignores case; no pattern matches everything."""
    if pattern is None:
        return True
    expression = "".join({"%": ".*", "_": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(expression, value, re.DOTALL | re.IGNORECASE) is not None


def _in_list(value: str, names: str | None) -> bool:
    return not names or value in [name.strip() for name in names.split(",")]


def _in_scope(scopes: Sequence[str], parameters: Mapping[str, str]) -> bool:
    wanted = [name.strip() for name in parameters.get("scope", DEFAULT_SCOPE).split(",") if name.strip()]
    match = parameters.get("scope_match", "all")
    if match not in ("all", "any"):
        raise _Refused("<error>Invalid scope_match value - must be 'all' or 'any'</error>")
    return not wanted or {"all": all, "any": any}[match](name in scopes for name in wanted)


def _has_extensions(extensions: Mapping[str, str], expression: str | None) -> bool:
    """Evaluate GOCDB's LDAP-like form `(k=v)AND(k=v)(k=v)OR(k=v)NOT(k=v)`.

    An operator holds until the next one.
    """
    if not expression:
        return True
    outcome: dict[str, list[bool]] = {"AND": [], "OR": [], "NOT": []}
    operator = "AND"
    rest = re.sub(r"\s", "", expression)
    while rest:
        found = re.match(r"(AND|OR|NOT)?\(([^()=]+)=([^()]*)\)", rest)
        if not found:
            raise _Refused(f"<error>Parsing error in extensions: {rest}</error>")
        operator = found[1] or operator
        value = extensions.get(found[2])
        outcome[operator].append(value is not None and _like(value, found[3] or None))
        rest = rest[found.end() :]
    return all(outcome["AND"]) and (any(outcome["OR"]) or not outcome["OR"]) and not any(outcome["NOT"])


def _date(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise _Refused(f"<error>Invalid date: {text}</error>") from None


# -- XML --------------------------------------------------------------------------------------------------


def _add(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, tag).text = text or None


def _add_if(parent: ET.Element, tag: str, text: str) -> None:
    if text:
        _add(parent, tag, text)


def _add_scopes(parent: ET.Element, scopes: Iterable[str]) -> None:
    element = ET.SubElement(parent, "SCOPES")
    for scope in scopes:
        _add(element, "SCOPE", scope)


def _add_extensions(parent: ET.Element, extensions: Mapping[str, str]) -> None:
    element = ET.SubElement(parent, "EXTENSIONS")
    for number, (key, value) in enumerate(extensions.items(), 1):
        extension = ET.SubElement(element, "EXTENSION")
        _add(extension, "LOCAL_ID", str(number))
        _add(extension, "KEY", key)
        _add(extension, "VALUE", value)


def _unescaped(text: str) -> str:
    """Return what PHP's addChild makes of a value nobody escaped.

    It reads entities, and at an ampersand that begins none it warns and drops the rest of the value.
    """
    entities = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
    kept = ""
    while "&" in text:
        before, _, text = text.partition("&")
        kept += before
        name, semicolon, rest = text.partition(";")
        if not semicolon or name not in entities:
            return kept
        kept, text = kept + entities[name], rest
    return kept + text


def _yes(value: bool) -> str:
    return "Y" if value else "N"


def _with_an_unreadable_record(body: bytes, key: str, by: str) -> bytes:
    """Spoil the record of a key, or the first one: its first text, or its end. by: as in FAULTS."""
    found = re.search(rb'<[A-Z_]+ [^>]*PRIMARY_KEY="' + (key.encode() or rb"[^\"]+") + rb'"[^>]*>', body)
    if not found:
        return body
    before, record = body[: found.end()], body[found.end() :]
    if by == "no-end":
        return before + re.sub(rb"<END_DATE>[0-9]*</END_DATE>", b"<END_DATE/>", record, count=1)
    character = {"control": b"\x0b", "latin-1": b"\xe9"}[by]
    return before + re.sub(rb">([^<\s])", lambda text: b">" + character + text[1], record, count=1)


def _bomb() -> bytes:
    """Return a DTD of ten entities, each ten times the one before: `&j;` would be 10 GB."""
    names = "abcdefghij"
    lines = ['<!ENTITY a "0123456789">']
    lines += [f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in itertools.pairwise(names)]
    return ("<!DOCTYPE results [\n" + "\n".join(lines) + "\n]>\n").encode()
