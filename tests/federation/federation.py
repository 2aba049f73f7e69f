"""The whole federation on loopback: authority, GOCDB, five cloud sites and their Keystones.

    with Federation(directory) as federation:
        os.environ.update(federation.environment())
        federation.site("ooi").faults.on("slow", seconds=3)

Every server listens on 127.0.0.1 only, on a port the system chooses. GOCDB names the sites by host names of
`fedcloud.test`, which resolve nowhere; the URLs it publishes say `localhost`.
"""

from __future__ import annotations

import json
import secrets
import shlex
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

from . import accounting as portal
from . import ams as messaging
from . import appdb as images
from . import bdii as information
from . import broker as messages
from . import cloud_info as published
from . import faults as common
from . import glance as images_of_clouds
from . import gocdb as pi
from . import issuer as tokens
from . import keystone as identity
from . import neutron as networks
from . import nova as computing
from . import openstack as services
from . import perun as members
from . import registry as artefacts
from . import swift as objects
from .authority import HOST_VARIANTS, Authority, Credential, read_attributes, user_dn
from .faults import Fault, Faults
from .glance import Glance
from .gocdb import Gocdb
from .keystone import Keystone
from .neutron import Neutron
from .nova import Nova
from .occi import Account, OcciServer
from .ssh import Guests, Reachable
from .swift import Swift
from .web import Request, Response, WebServer

OCCI = "eu.egi.cloud.vm-management.occi"
DOMAIN = "fedcloud.test"
OTHER_USER = "Jane Doe"
OTHER_VO = "fedcloud.egi.eu"
VOS = ("ops", OTHER_VO)

Log = Callable[[str], None]
Login = Callable[[Request], Account | Response]
NOVA, SWIFT = "org.openstack.nova", "org.openstack.swift"


class Service(Protocol):
    """What the federation starts and stops. Servers of other protocols fit in with these four."""

    name: str

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def describe(self) -> str: ...


@dataclass
class HttpService:
    """One HTTP server. own: the faults it understands beside those of the wire."""

    name: str
    web: WebServer
    what: str
    own: Mapping[str, Fault] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._good = self.web.context

    @property
    def faults(self) -> Faults:
        return self.web.faults

    def reset(self) -> None:
        """No faults, the good certificate, nothing asked yet, and nothing still done of what was."""
        self.web.hang_up()
        self.faults.clear()
        self.web.requests.clear()
        if self._good is not None:
            self.web.use_context(self._good)

    def start(self) -> None:
        self.web.start()

    def stop(self) -> None:
        self.web.stop()

    def describe(self) -> str:
        return f"{self.name:20} {self.web.url:26} {self.what}"


@dataclass
class Site:
    """A cloud site: its OCCI endpoint, and the Keystone before it if it has one.

    hostname: as in GOCDB. url: as in GOCDB, with the query. base: without it and without the last slash.
    faults: of the OCCI endpoint; those of its Keystone are `keystone.faults`.
    image, resource: the terms of the templates that GOCDB names.
    """

    name: str
    gocdb_name: str
    hostname: str
    base: str
    url: str
    occi: OcciServer
    web: WebServer
    faults: Faults
    keystone: Keystone | None
    image: str
    resource: str
    authority: Authority
    credential: Credential
    clients: str

    def certificate(self, variant: str) -> Credential:
        """Serve new connections with another host certificate, one of HOST_VARIANTS; "good" restores it."""
        good = variant == "good"
        names = [self.hostname, "localhost"]
        credential = self.credential if good else self.authority.host_variant(variant, names)
        self.web.use_context(self.authority.server_context(credential, clients=self.clients))
        return credential


@dataclass
class Cloud:
    """An OpenStack site: its Keystone, and the services in its catalogue.

    hostname: as in GOCDB. url: of its Keystone, as in GOCDB, with /v3. catalogue: service type -> region -> URL, to
    which whoever adds a service adds it. regions: their names. swifts, novas, glances, neutrons: the object store, the
    servers, images and networks of each region.
    """

    name: str
    gocdb_name: str
    hostname: str
    url: str
    keystone: Keystone
    regions: tuple[str, ...]
    catalogue: dict[str, dict[str, str]]
    swifts: dict[str, Swift] = field(default_factory=dict)
    novas: dict[str, Nova] = field(default_factory=dict)
    glances: dict[str, Glance] = field(default_factory=dict)
    neutrons: dict[str, Neutron] = field(default_factory=dict)

    @property
    def nova(self) -> Nova:
        """The servers of the first region."""
        return self.novas[self.regions[0]]

    @property
    def glance(self) -> Glance:
        """The images of the first region."""
        return self.glances[self.regions[0]]

    @property
    def neutron(self) -> Neutron:
        """The networks of the first region."""
        return self.neutrons[self.regions[0]]

    @property
    def swift(self) -> Swift:
        """The object store of the first region."""
        return self.swifts[self.regions[0]]

    @property
    def faults(self) -> Faults:
        """Of its Keystone."""
        return self.keystone.faults


CLOUDS = {"stack": ("RegionOne",), "regions": ("RegionOne", "RegionTwo")}
"""The OpenStack sites and their regions."""


@dataclass(frozen=True)
class _Plan:
    """How a site is built. keystone: versions and style, none for a site whose login is the certificate."""

    name: str
    dialect: str
    path: str = ""
    versions: tuple[str, ...] = ()
    style: str = "keystone"
    word: str = "Keystone"
    quote: str = "'"
    suffix: str | None = None


PLANS = (
    _Plan("occi-os", "occi-os", versions=("v2.0",)),
    _Plan("ooi", "ooi", "/occi1.1", versions=("v3",), quote='"'),
    _Plan("rocci", "rocci-1.1"),
    _Plan("snf", "snf-occi", versions=("v2.0",), word="snf-auth", suffix=""),
    _Plan("rocci2", "rocci-2.0", versions=("v3",), style="keystorm"),
)


class Federation:
    """See the module.

    build_seconds: how long a VM takes to become active. log: called with one line at a time.
    """

    def __init__(self, directory: Path, *, build_seconds: float = 0.0, log: Log | None = None) -> None:
        self.directory = Path(directory)
        self._log = log or (lambda line: None)
        self._running = False
        self.authority = Authority(self.directory)
        self.ca_directory = self.authority.ca_directory
        self.services: list[Service] = []
        self.sites: dict[str, Site] = {}
        self.clouds: dict[str, Cloud] = {}
        try:
            self.gocdb = self._build_gocdb()
            self.guests = Guests(self._vm_at)
            self.services.append(self.guests)
            for plan in PLANS:
                self.sites[plan.name] = self._build_site(plan, build_seconds)
            for name, regions in CLOUDS.items():
                self.clouds[name] = self._build_cloud(name, regions, build_seconds)
            self.bdii = self._build_bdii()
            self.accounting = self._build_accounting()
            self.appdb = self._build_appdb()
            self.registry = self._build_registry()
            self.issuer = self._build_issuer()
            self.cloud_info = self._build_cloud_info()
            self.perun = self._build_perun()
            self.ams = self._build_ams()
            self.broker: messages.Broker | None = None
            self.proxy = self.authority.proxy(path=self.directory / "x509up_robot")
        except BaseException:
            self.stop()
            raise

    # -- running --

    def start(self) -> Federation:
        self._running = True
        for service in self.services:
            service.start()
        self.write_config(self.directory / "probes.ini")
        return self

    def stop(self) -> None:
        self._running = False
        for service in reversed(self.services):
            service.stop()

    def __enter__(self) -> Federation:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def reset(self) -> None:
        """Be as new: no faults, no VMs, good certificates, fresh records and lists, nothing asked yet."""
        for service in self.services:
            if isinstance(service, HttpService):
                service.reset()
        for site in self.sites.values():
            site.occi.reset()
        for cloud in self.clouds.values():
            cloud.keystone.forget_users()
            for region in cloud.regions:
                for each in (cloud.swifts, cloud.novas, cloud.glances, cloud.neutrons):
                    each[region].reset()
        self.guests.reset()
        self.accounting.reset([site.gocdb_name for site in self.sites.values()])
        self.appdb.reset()
        self.ams.reset()
        self.ams.allow(self.ams_token.read_text())
        self.registry.reset()
        self.cloud_info.reset()
        self.issuer.reset()
        if self.bdii is not None:
            self.bdii.faults.clear()

    def defects(self) -> list[str]:
        """The tracebacks of our own web servers since this was last asked; standard error has them too."""
        found = []
        for service in self.services:
            if isinstance(service, HttpService):
                found += service.web.defects
                service.web.defects.clear()
        return found

    def add(self, service: Service) -> None:
        """Take one more service into the federation; it is started at once if the others are running."""
        self.services.append(service)
        if self._running:
            service.start()

    def service(self, name: str) -> Service:
        """Return a service by its name, such as "gocdb", "ooi" or "ooi-keystone". Raises: KeyError."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(f"no service {name!r}; there are {', '.join(each.name for each in self.services)}")

    def describe(self) -> list[str]:
        return [service.describe() for service in self.services]

    # -- what clients need --

    @cached_property
    def other_proxy(self) -> Path:
        """The proxy of a person in another VO, who is not the monitoring robot."""
        path = self.directory / "x509up_other"
        return self.authority.proxy(vos=(OTHER_VO,), user=self.authority.user(OTHER_USER), path=path)

    def site(self, name: str) -> Site:
        """Return a site by its short name, its GOCDB name or its host name. Raises: KeyError."""
        for site in self.sites.values():
            if name in (site.name, site.gocdb_name, site.hostname):
                return site
        raise KeyError(f"no site {name!r}; there are {', '.join(self.sites)}")

    def cloud(self, name: str) -> Cloud:
        """Return an OpenStack site by its short name, its GOCDB name or its host name. Raises: KeyError."""
        for cloud in self.clouds.values():
            if name in (cloud.name, cloud.gocdb_name, cloud.hostname):
                return cloud
        raise KeyError(f"no OpenStack site {name!r}; there are {', '.join(self.clouds)}")

    def environment(self) -> dict[str, str]:
        """Return the variables that point probes at this federation."""
        return {
            "X509_USER_PROXY": str(self.proxy),
            "X509_CERT_DIR": str(self.ca_directory),
            "FEDCLOUD_PROBES_CONFIG": str(self.directory / "probes.ini"),
        }

    def exports(self) -> str:
        """Return the environment as lines for a shell."""
        return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.environment().items())

    def write_config(self, path: Path) -> Path:
        """Write the probes' configuration."""
        state = self.directory / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        lines = (
            "[gocdb]",
            f"url = {self.gocdb.url}",
            "[tls]",
            f"ca_path = {self.ca_directory}",
            "[state]",
            f"directory = {state}",
            "[accounting]",
            f"url = {self.accounting_url}",
            "[appdb]",
            f"url = {self.appdb_url}",
            "[images]",
            f"lists = {self.registry_url}",
            "[cloudinfo]",
            f"url = {self.cloud_info_url}",
        )
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return path

    def _vm_at(self, address: str) -> Reachable | None:
        found: list[Reachable | None] = [site.occi.at(address) for site in self.sites.values()]
        found += [nova.at(address) for cloud in self.clouds.values() for nova in cloud.novas.values()]
        return next((vm for vm in found if vm is not None), None)

    # -- faults --

    def switch(self, service: str, fault: str) -> Faults:
        """Return where a fault is switched: at the service, or at the Keystone before it.

        Raises: KeyError for an unknown service; ValueError for a fault that would have no effect there.
        """
        chosen = self.service(service)
        beside = [each for each in self.services if each.name == f"{service}-keystone"]
        for each in (chosen, *beside):
            if isinstance(each, HttpService | Guests) and (fault in common.WIRE or fault in each.own):
                return each.faults
            if isinstance(each, information.Bdii) and fault in each.own:
                return each.faults
        if fault not in common.CATALOGUE:
            raise ValueError(f"no fault is called {fault!r}")
        raise ValueError(f"{fault} has no effect at {service}")

    # -- building --

    def _serve(
        self,
        name: str,
        app: Callable[[Request], Response],
        what: str,
        own: Mapping[str, Fault],
        faults: Faults,
        credential: Credential,
        clients: str = "optional",
    ) -> WebServer:
        context = self.authority.server_context(credential, clients=clients)
        web = _LoggedServer(self, name, app, context=context, faults=faults, log=self._log)
        self.services.append(HttpService(name, web, what, own))
        return web

    def _build_gocdb(self) -> Gocdb:
        faults = Faults()
        gocdb = Gocdb(base_url=lambda: web.url, faults=faults)
        credential = self.authority.host([f"goc.{DOMAIN}", "localhost"])
        web = self._serve("gocdb", gocdb.app, "GOCDB, programmatic interface", pi.FAULTS, faults, credential)
        gocdb.server = web
        return gocdb

    def _build_issuer(self) -> tokens.Issuer:
        """An OpenID provider, and a server of mytokens; it is in no GOCDB."""
        built = tokens.Issuer(lambda: web.url)
        credential = self.authority.host([f"aai.{DOMAIN}", "localhost"])
        what = "OpenID provider and server of mytokens"
        web = self._serve("issuer", built.app, what, tokens.FAULTS, built.faults, credential, "none")
        return built

    def _build_perun(self) -> members.Perun:
        perun = members.Perun()
        hostname = f"perun.{DOMAIN}"
        credential = self.authority.host([hostname, "localhost"])
        what = "Perun, members of VOs"
        web = self._serve("perun", perun.app, what, members.FAULTS, perun.faults, credential)
        self.gocdb.add_service(
            pi.Service(hostname, members.SERVICE_TYPE, "EGI-MEMBERS", url=f"{web.url}/", host_dn=credential.subject)
        )
        return perun

    def _build_ams(self) -> messaging.Ams:
        ams = messaging.Ams()
        credential = self.authority.host([f"msg.{DOMAIN}", "localhost"])
        web = self._serve("ams", ams.app, "ARGO Messaging", messaging.FAULTS, ams.faults, credential, "none")
        self.ams_token = self.directory / "ams-token"
        self.ams_token.touch(0o600)
        self.ams_token.write_text(ams.allow(secrets.token_hex(20)))
        ams.url = f"{web.url}/v1/projects/{messaging.PROJECT}/topics/{messaging.TOPIC}"
        return ams

    def add_broker(self) -> messages.Broker:
        """Take a message broker into the federation: a real one, which takes some seconds to start and 150 MB.

        It is in the GOCDB once it runs; where its package is not installed, it says so in `describe`.
        """
        hostname = f"mq.{DOMAIN}"
        credential = self.authority.host([hostname, "localhost"])
        self.broker = messages.Broker(self.directory / "broker", credential, self.authority.ca_certificate)
        self.add(self.broker)
        if not self._running:
            self.broker.start()
        if self.broker.plain:
            # its TLS port takes host certificates and, as Erlang knows none, no proxies
            url = f"stomp://localhost:{self.broker.plain}/"
            self.gocdb.add_service(
                pi.Service(hostname, "egi.MSGBroker", "EGI-MESSAGES", url=url, host_dn=credential.subject)
            )
        return self.broker

    def _build_bdii(self) -> information.Bdii:
        """One BDII for all sites; it is in the GOCDB only where its server is installed."""
        credential = self.authority.host([f"bdii.{DOMAIN}", "localhost"])
        bdii = information.Bdii(
            self.directory / "bdii",
            lambda: [_published(site) for site in self.sites.values()],
            certificate=(credential.path, credential.path),
        )
        self.services.append(bdii)
        if information.is_installed():
            for site in self.sites.values():
                self.gocdb.add_service(
                    pi.Service(site.hostname, information.SERVICE_TYPE, site.gocdb_name, url=bdii.url)
                )
        return bdii

    def _build_site(self, plan: _Plan, build_seconds: float) -> Site:
        hostname = f"{plan.name}.{DOMAIN}"
        faults = Faults()
        keystone = self._build_keystone(plan) if plan.versions else None
        occi = OcciServer(
            plan.dialect,
            login=self._login(plan, keystone),
            faults=faults,
            base_url=lambda: web.url,
            path=plan.path,
            build_seconds=build_seconds,
            network=1 + 40 * PLANS.index(plan),
        )
        credential = self.authority.host([hostname, "localhost"])
        what = f"OCCI, {occi.dialect.server}"
        clients = "none" if keystone else "optional"
        web = self._serve(plan.name, occi.app, what, common.OCCI, faults, credential, clients)
        # Every dialect offers an image for monitoring, and its smallest size first.
        images = occi.templates.images
        image = occi.dialect.os_template(next((each for each in images if each.name == "monitoring"), images[0]))
        size = occi.dialect.resource_template(occi.templates.sizes[0])
        base = f"{web.url}{plan.path}"
        url = f"{base}/?image={image.term}&resource={size.term}"
        gocdb_name = f"{plan.name.upper()}-CLOUD"
        self.gocdb.add_service(
            pi.Service(
                hostname,
                OCCI,
                gocdb_name,
                url=url,
                host_dn=credential.subject,
                host_ip="127.0.0.1",
                endpoints=[pi.Endpoint(url)],
            )
        )
        return Site(
            plan.name,
            gocdb_name,
            hostname,
            base,
            url,
            occi,
            web,
            faults,
            keystone,
            image.term,
            size.term,
            self.authority,
            credential,
            clients,
        )

    def _build_cloud(self, name: str, regions: tuple[str, ...], build_seconds: float) -> Cloud:
        hostname = f"{name}.{DOMAIN}"
        faults = Faults()
        catalogue: dict[str, dict[str, str]] = {}
        keystone = Keystone(("v3",), url=lambda: web.url, faults=faults, catalogue=lambda: catalogue)
        credential = self.authority.host([hostname, "localhost"])
        what = f"OpenStack: Keystone v3, {' and '.join(regions)}"
        web = self._serve(f"{name}-keystone", keystone.app, what, identity.FAULTS, faults, credential)
        url = f"{web.url}/v3"
        catalogue["identity"] = dict.fromkeys(regions, url)
        cloud = Cloud(name, f"{name.upper()}-CLOUD", hostname, url, keystone, regions, catalogue)
        for region in regions:
            self._build_region(cloud, region, credential, build_seconds)
        for service_type in (NOVA, SWIFT):
            service = pi.Service(hostname, service_type, cloud.gocdb_name, url=url, host_dn=credential.subject)
            service.endpoints.append(pi.Endpoint(url))
            self.gocdb.add_service(service)
        return cloud

    def _build_region(self, cloud: Cloud, region: str, credential: Credential, build_seconds: float) -> None:
        """The services of a region, which the catalogue names."""
        cloud.swifts[region] = Swift(cloud.keystone)
        glance = cloud.glances[region] = Glance(cloud.keystone)
        neutron = cloud.neutrons[region] = Neutron(cloud.keystone)
        where = cloud.catalogue.setdefault(computing.KIND, {})
        nova = cloud.novas[region] = Nova(cloud.keystone, glance, neutron, lambda: where[region], build_seconds)
        own = services.FAULTS
        for kind, service, faults, end in (
            (objects.KIND, cloud.swifts[region], objects.FAULTS, "/v1/AUTH_{project}"),
            (images_of_clouds.KIND, glance, {**own, **images_of_clouds.FAULTS}, ""),
            (networks.KIND, neutron, own, ""),
            (computing.KIND, nova, {**own, **computing.FAULTS}, "/v2.1"),
        ):
            software = identity.NAMES[kind]
            name = f"{cloud.name}-{software}" + ("" if region == cloud.regions[0] else f"-{region.lower()}")
            what = f"OpenStack: {software.capitalize()} of {region}"
            web = self._serve(name, service.app, what, faults, service.faults, credential, "none")
            cloud.catalogue.setdefault(kind, {})[region] = web.url + end

    def _build_keystone(self, plan: _Plan) -> Keystone:
        name = f"{plan.name}-keystone"
        faults = Faults()
        keystone = Keystone(
            plan.versions,
            plan.style,
            url=lambda: web.url,
            faults=faults,
            catalogue=lambda: {
                "occi": self.sites[plan.name].base,
                "identity": f"{web.url}/{plan.versions[0]}",
            },
        )
        credential = self.authority.host([f"{name}.{DOMAIN}", "localhost"])
        what = f"{plan.style.capitalize()} {' '.join(plan.versions)}"
        web = self._serve(name, keystone.app, what, identity.FAULTS, faults, credential)
        return keystone

    def _build_accounting(self) -> portal.Accounting:
        """The accounting portal, over plain HTTP as the real one; each site is a publisher in the GOCDB."""
        built = portal.Accounting()
        web = _LoggedServer(self, "accounting", built.app, context=None, faults=built.faults, log=self._log)
        self.services.append(HttpService("accounting", web, "accounting portal", portal.FAULTS))
        self.accounting_url = f"{web.url}{portal.TABLE_PATH}"
        built.reset([site.gocdb_name for site in self.sites.values()])
        for site in self.sites.values():
            self.gocdb.add_service(pi.Service(site.hostname, portal.SERVICE_TYPE, site.gocdb_name))
        return built

    def _build_appdb(self) -> images.AppDb:
        hostname = f"appdb.{DOMAIN}"
        built = images.AppDb(self.authority, self.authority.host([hostname, "localhost"]), lambda: web.url)
        web = self._serve("appdb", built.app, "AppDB, image lists", images.FAULTS, built.faults, built.signer, "none")
        self.appdb_url = f"{web.url}{images.PATH}"
        self.gocdb.add_service(pi.Service(hostname, images.SERVICE_TYPE, "APPDB", url=self.appdb_url))
        return built

    def _build_registry(self) -> artefacts.Registry:
        built = artefacts.Registry(lambda: web.url)
        credential = self.authority.host([f"registry.{DOMAIN}", "localhost"])
        what = "Harbor, a registry of images"
        web = self._serve("registry", built.app, what, artefacts.FAULTS, built.faults, credential, "none")
        self.registry_url = f"{web.url}{artefacts.PATH}"
        return built

    def _build_cloud_info(self) -> published.CloudInfo:
        """The information system of the OpenStack sites."""

        def sites() -> list[published.Site]:
            return [
                published.Site(
                    cloud.gocdb_name,
                    cloud.url,
                    cloud.hostname,
                    [(vo, cloud.keystone.project_id(project)) for vo, project in cloud.keystone.vo_map.items()],
                )
                for cloud in self.clouds.values()
            ]

        built = published.CloudInfo(sites)
        credential = self.authority.host([f"is.{DOMAIN}", "localhost"])
        what = "information system of OpenStack sites"
        web = self._serve("cloud-info", built.app, what, published.FAULTS, built.faults, credential, "none")
        self.cloud_info_url = web.url
        return built

    def _login(self, plan: _Plan, keystone: Keystone | None) -> Login:
        if keystone is None:
            return _certificate_login

        def challenge() -> str:
            return keystone.challenge(word=plan.word, quote=plan.quote, suffix=plan.suffix)

        return _token_login(plan.dialect, keystone, challenge)

    # -- the log --

    def who(self, request: Request) -> str:
        """Return for the log who sent a request: DN and VO of the proxy, or the user of the token."""
        if request.peer is not None:
            try:
                vos = ", ".join(each.vo for each in read_attributes(request.peer.chain))
            except (ValueError, IndexError):
                vos = "unreadable VO"
            return f"{user_dn(request.peer.chain)} ({vos or 'no VO'})"
        token_id = request.headers.get("X-Auth-Token") or ""
        keystones = (each.keystone for each in (*self.sites.values(), *self.clouds.values()))
        for keystone in filter(None, keystones):
            token = keystone.tokens.get(token_id)
            if token:
                return f"{token.user} (token, {token.project or 'unscoped'})"
        return "unknown token" if token_id else "nobody"


def _published(site: Site) -> information.Cloud:
    """What a site's information provider says of it."""
    dialect, offered = site.occi.dialect, site.occi.templates
    return information.Cloud(
        site.gocdb_name,
        site.base,
        [(dialect.os_template(each).id, each.name) for each in offered.images],
        [(dialect.resource_template(each).id, each.name) for each in offered.sizes],
    )


class _LoggedServer(WebServer):
    """Logs who asked as well."""

    def __init__(
        self,
        federation: Federation,
        name: str,
        app: Callable[[Request], Response],
        *,
        context: object,
        faults: Faults,
        log: Log,
    ) -> None:
        # without its own lines on requests, which do not say who asked
        super().__init__(name, app, context=context, faults=faults)  # type: ignore[arg-type]
        self._federation = federation
        self._request_log = log

    def record(self, request: Request, status: int | None) -> None:
        super().record(request, status)
        shown = status if status is not None else "no answer"
        who = self._federation.who(request)
        self._request_log(f"{self.name:16} {request.method} {request.path} -> {shown}, {who}")


# -- logins -----------------------------------------------------------------------------------------------


def _certificate_login(request: Request) -> Account | Response:
    """rOCCI-server 1.1: the proxy is the login, and there is no challenge."""
    refusal = Response(401, [("Content-Type", "text/plain")], b"Not Authorized")
    if request.peer is None:
        return refusal
    now = datetime.fromtimestamp(request.at or time.time(), UTC)
    for attributes in read_attributes(request.peer.chain):
        if attributes.vo in VOS and attributes.not_before <= now < attributes.not_after:
            return Account(user_dn(request.peer.chain), attributes.vo)
    return refusal


def _token_login(dialect: str, keystone: Keystone, challenge: Callable[[], str]) -> Login:
    """Return the login of an endpoint behind a Keystone, refusing in the words of its dialect."""

    def refusal() -> Response:
        match dialect:
            case "ooi":
                # As recorded, the header with a capital T: nova's web server changes the case.
                identifier = f"req-{uuid.uuid4()}"
                body = {"code": 401, "title": "Unauthorized", "message": identity.UNAUTHENTICATED}
                return Response(
                    401,
                    [
                        ("Content-Type", "application/json"),
                        ("Www-Authenticate", challenge()),
                        ("X-Openstack-Request-Id", identifier),
                        ("X-Compute-Request-Id", identifier),
                    ],
                    json.dumps({"error": body}).encode(),
                )
            case "rocci-2.0":
                kind, text = "text/plain", b"Not Authorized"
            case _:
                kind, text = "text/html; charset=UTF-8", b"Authentication required"
        return Response(401, [("Content-Type", kind), ("WWW-Authenticate", challenge())], text)

    def login(request: Request) -> Account | Response:
        token = keystone.token(request.headers.get("X-Auth-Token"))
        if token is None:
            return refusal()
        project = token.project
        wanted = request.headers.get("X-Snf-Project")
        if dialect == "snf-occi" and wanted is not None:
            project = next((name for name in token.projects if wanted in (name, keystone.project_id(name))), None)
        if project is not None:
            return Account(token.user, project)
        if dialect == "ooi":
            headers = [
                ("Server", "ooi/1.2.0 OCCI/1.1 OCCI/1.2"),
                ("Content-Type", "text/plain; charset=UTF-8"),
            ]
            return Response(403, headers, b"Forbidden: Cannot find project ID in the token")
        return refusal()

    return login


__all__ = ["HOST_VARIANTS", "Federation", "HttpService", "Service", "Site"]
