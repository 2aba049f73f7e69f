"""A BDII: OpenLDAP's slapd with the GLUE 2 schema, loaded with what the federation's sites offer.

It is the real server, not an imitation: Debian's slapd and glue-schema, started unprivileged on a free port
of loopback with its database in a directory of its own. Where they are not installed, `is_installed` says
so and nothing is started. A change of the faults loads everything anew; the ports stay the same.
Entries are named as cloud-info-provider names them (2015: GLUE 2.0 classes and no times; see bdii-glue2.md).
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.pace import AMPLE_S

from .faults import Fault, Faults, register

SERVICE_TYPE = "eu.egi.cloud.information.bdii"
SCHEMA = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")
_SBIN = "/usr/sbin:/sbin:/usr/local/sbin:/usr/lib/openldap"

FAULTS = {
    "bdii-stale": Fault("The BDII's entries carry creation times `seconds` ago.", {"seconds": 86400.0, "site": ""}),
    "bdii-no-endpoint": Fault("The BDII has the site's services and no endpoint of them.", {"site": ""}),
    "bdii-wrong-url": Fault("The BDII has the OCCI endpoint at `to`.", {"to": "https://old.invalid:8787", "site": ""}),
    "bdii-list-values": Fault("The BDII has a Python list printed as one value, and None.", {"site": ""}),
    "bdii-no-templates": Fault("The BDII has no image and no size of the site.", {"site": ""}),
    "bdii-no-domain": Fault("The BDII's entry of the site is a mere domain and no AdminDomain.", {"site": ""}),
    "bdii-no-cloud": Fault("The BDII has the site and nothing of its cloud.", {"site": ""}),
    "bdii-empty": Fault("The BDII has its suffix and nothing below."),
    "bdii-gone": Fault("The BDII runs and has no data at all, not even its suffix."),
}
register(FAULTS)


@dataclass
class Cloud:
    """What a site publishes. images, sizes: (id, name); dated: with creation times, as since GLUE 2.1."""

    name: str
    url: str
    images: list[tuple[str, str]] = field(default_factory=list)
    sizes: list[tuple[str, str]] = field(default_factory=list)
    dated: bool = False


def find(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path=_SBIN)


def is_installed() -> bool:
    return bool(find("slapd") and find("slapadd") and (SCHEMA / "GLUE20.schema").exists())


class _Switches(Faults):
    """Faults that are carried out by what is loaded."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def on(self, name: str, **parameters: Any) -> None:
        super().on(name, **parameters)
        self._changed()

    def off(self, name: str) -> None:
        was_on = name in self.active()
        super().off(name)
        if was_on:
            self._changed()

    def clear(self) -> None:
        was_on = bool(self.active())
        super().clear()
        if was_on:
            self._changed()


class Bdii:
    """One slapd. clouds: called whenever it is loaded. certificate: (chain, key) for ldaps and StartTLS.

    extra: LDIF to add to what is generated. settings: lines for slapd.conf before its database.
    """

    name = "bdii"
    own = FAULTS

    def __init__(
        self,
        directory: Path,
        clouds: Callable[[], Iterable[Cloud]] = tuple,
        *,
        certificate: tuple[Path, Path] | None = None,
        settings: Iterable[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.directory = directory
        # Held, so that nobody else is given them while slapd is started anew.
        self._held = [_hold_port(), _hold_port()]
        self.port, self.tls_port = (int(each.getsockname()[1]) for each in self._held)
        self.extra = ""
        self.faults = _Switches(self._changed)
        self._clouds = clouds
        self.certificate = certificate
        self._settings = tuple(settings)
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://localhost:{self.port}/o=glue"

    @property
    def tls_url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}/o=glue"

    def describe(self) -> str:
        what = "BDII, slapd with GLUE 2" if is_installed() else "BDII: not started, slapd or glue-schema is missing"
        return f"{self.name:20} {self.url:26} {what}"

    def start(self) -> None:
        if self._process is not None or not is_installed():
            return
        self._load()
        self._listen()

    def stop(self) -> None:
        process, self._process = self._process, None
        watch, self._watch = self._watch, None
        for each in (watch, process):
            if each is not None:
                each.kill()  # slapd's database is thrown away
                each.wait()
        if watch is not None and watch.stdin is not None:
            watch.stdin.close()

    def publish(self, extra: str = "") -> None:
        """Load everything anew, with this LDIF added."""
        self.extra = extra
        self._changed()

    def ldif(self) -> str:
        """What is published, as LDIF."""
        if self.faults.get("bdii-gone") is not None:
            return ""
        entries = [_entry("o=glue", objectClass="organization", o="glue")]
        if self.faults.get("bdii-empty") is None:
            for cloud in self._clouds():
                entries += self._site(cloud)
        return "\n".join(entries) + "\n" + self.extra

    # -- slapd --

    def _changed(self) -> None:
        if self._process is not None:
            self.stop()
            self._load()
            self._listen()

    def _load(self) -> None:
        database = self.directory / "database"
        shutil.rmtree(database, ignore_errors=True)
        database.mkdir(parents=True)
        config = self.directory / "slapd.conf"
        config.write_text("\n".join(self._config(database)) + "\n", "utf-8")
        ldif = self.ldif()
        if not ldif:
            return
        done = subprocess.run(
            [str(find("slapadd")), "-q", "-f", str(config), "-b", "o=glue"], input=ldif.encode(), capture_output=True
        )
        if done.returncode:
            raise RuntimeError(f"slapadd: {done.stderr.decode(errors='replace')[-2000:]}")

    def _config(self, database: Path) -> Iterator[str]:
        yield f"include {SCHEMA / 'core.schema'}"
        yield f"include {SCHEMA / 'GLUE20.schema'}"
        yield from _GLUE21_SCHEMA
        yield f"pidfile {self.directory / 'pid'}"
        if MODULES.exists():
            yield f"modulepath {MODULES}"
            yield from (f"moduleload {module}" for module in ("back_mdb", "back_relay", "rwm"))
        if self.certificate:
            chain, key = self.certificate
            yield f"TLSCertificateFile {chain}"
            yield f"TLSCertificateKeyFile {key}"
            yield f"TLSCACertificateFile {chain}"
            yield "TLSVerifyClient never"
        # from here on as in the package `bdii`, without GLUE 1, the statistics and the indices
        yield "allow bind_v2"
        yield "idletimeout 120"
        yield "sizelimit unlimited"
        yield "timelimit 2400"
        yield from self._settings
        yield "database relay"
        yield 'suffix "GLUE2GroupName=services,o=glue"'
        yield "overlay rwm"
        yield 'suffixmassage "GLUE2GroupID=resource,o=glue"'
        yield "database mdb"
        yield "suffix o=glue"
        yield f"directory {database}"
        yield "maxsize 134217728"
        yield "dbnosync"

    def _listen(self) -> None:
        """Start slapd and wait until it accepts connections. Raises: RuntimeError."""
        urls = f"ldap://127.0.0.1:{self.port}/"
        if self.certificate:
            urls += f" ldaps://127.0.0.1:{self.tls_port}/"
        with (self.directory / "log").open("wb") as log:
            self._process = process = subprocess.Popen(
                [str(find("slapd")), "-d", "0", "-h", urls, "-f", str(self.directory / "slapd.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        # Ends slapd when our end of the pipe closes, which it does even if we are killed.
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", 'cat >/dev/null; kill -9 "$1"', "watch", str(process.pid)], stdin=subprocess.PIPE
        )
        give_up = time.monotonic() + AMPLE_S
        while process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=AMPLE_S).close()
                return
            time.sleep(0.005)
        self.stop()
        raise RuntimeError(f"slapd does not start: {(self.directory / 'log').read_text('utf-8', 'replace')[-2000:]}")

    # -- content --

    def _fault(self, name: str, cloud: Cloud) -> dict[str, Any] | None:
        """The parameters of a fault that is on for this site."""
        active = self.faults.get(name)
        return active if active is not None and active.get("site") in ("", cloud.name) else None

    def _site(self, cloud: Cloud) -> Iterator[str]:
        site = f"GLUE2DomainID={_escaped(cloud.name)},o=glue"
        is_hidden = self._fault("bdii-no-domain", cloud) is not None
        yield _entry(
            site,
            objectClass="GLUE2Domain" if is_hidden else ["GLUE2Domain", "GLUE2AdminDomain"],
            GLUE2DomainID=cloud.name,
            GLUE2EntityOtherInfo="GRID=EGI",
            GLUE2DomainDescription=f"{cloud.name}, a site of the federation",
        )
        if self._fault("bdii-no-cloud", cloud) is not None:
            return
        group = f"GLUE2GroupID=cloud,{site}"
        yield _entry(group, objectClass="GLUE2Group", GLUE2GroupID="cloud")
        yield from self._service(cloud, group)

    def _service(self, cloud: Cloud, group: str) -> Iterator[str]:
        broken = self._fault("bdii-list-values", cloud) is not None
        name = f"{cloud.url}_cloud.compute"
        service = f"GLUE2ServiceID={_escaped(name)},{group}"
        manager = f"GLUE2ManagerID={_escaped(name + '_manager')},{service}"
        yield _entry(
            service,
            objectClass=["GLUE2Entity", "GLUE2Service", "GLUE2ComputingService"],
            GLUE2ServiceID=name,
            GLUE2ServiceType="IaaS",
            GLUE2ServiceQualityLevel="None" if broken else "production",
            GLUE2ServiceCapability="['cloud.managementSystem', 'cloud.vm.uploadImage']"
            if broken
            else ["cloud.managementSystem", "cloud.vm.uploadImage"],
            GLUE2ServiceAdminDomainForeignKey=cloud.name,
            **self._times(cloud),
        )
        if self._fault("bdii-no-endpoint", cloud) is None:
            wrong = self._fault("bdii-wrong-url", cloud)
            yield self._endpoint(cloud, service, name, wrong["to"] if wrong else cloud.url)
        yield _entry(
            manager,
            objectClass=["GLUE2Entity", "GLUE2Manager", "GLUE2ComputingManager"],
            GLUE2ManagerID=f"{name}_manager",
            GLUE2ManagerProductName="kvm",
            GLUE2ManagerServiceForeignKey=name,
            GLUE2ComputingManagerComputingServiceForeignKey=name,
        )
        if self._fault("bdii-no-templates", cloud) is None:
            yield from self._templates(cloud, manager, f"{name}_manager")

    def _endpoint(self, cloud: Cloud, service: str, owner: str, url: str) -> str:
        identity = f"{url}_OCCI_1.1_X509-VOMS"
        return _entry(
            f"GLUE2EndpointID={_escaped(identity)},{service}",
            objectClass=["GLUE2Entity", "GLUE2Endpoint", "GLUE2ComputingEndpoint"],
            GLUE2EndpointID=identity,
            GLUE2EndpointURL=url,
            GLUE2EndpointInterfaceName="OCCI",
            GLUE2EndpointInterfaceVersion="1.1",
            GLUE2EndpointQualityLevel="production",
            GLUE2EndpointHealthState="ok",
            GLUE2EndpointServingState="production",
            GLUE2EndpointServiceForeignKey=owner,
            GLUE2EntityOtherInfo="Authn=X509-VOMS",
            **self._times(cloud),
        )

    def _templates(self, cloud: Cloud, parent: str, owner: str) -> Iterator[str]:
        for identity, name in cloud.sizes:
            yield _entry(
                f"GLUE2ResourceID={_escaped(f'{identity}_{name}')},{parent}",
                objectClass=["GLUE2Entity", "GLUE2Resource", "GLUE2ExecutionEnvironment"],
                GLUE2ResourceID=f"{identity}_{name}",
                GLUE2ResourceManagerForeignKey=owner,
                GLUE2EntityName=identity,
                GLUE2ExecutionEnvironmentPlatform="amd64",
                GLUE2ExecutionEnvironmentMainMemorySize="2048",
                GLUE2ExecutionEnvironmentOSFamily="linux",
                GLUE2ExecutionEnvironmentConnectivityIn="TRUE",
                GLUE2ExecutionEnvironmentConnectivityOut="TRUE",
                **self._times(cloud),
            )
        for identity, name in cloud.images:
            yield _entry(
                f"GLUE2ApplicationEnvironmentID={_escaped(f'{identity}_{name}')},{parent}",
                objectClass=["GLUE2Entity", "GLUE2ApplicationEnvironment"],
                GLUE2ApplicationEnvironmentID=f"{identity}_{name}",
                GLUE2ApplicationEnvironmentAppName=name,
                GLUE2ApplicationEnvironmentComputingManagerForeignKey=owner,
                GLUE2EntityName=identity,
                **self._times(cloud),
            )

    def _times(self, cloud: Cloud) -> dict[str, str]:
        stale = self._fault("bdii-stale", cloud)
        if not cloud.dated and stale is None:
            return {}
        created = self._clock() - timedelta(seconds=stale["seconds"] if stale else 60)
        return {"GLUE2EntityCreationTime": f"{created:%Y-%m-%dT%H:%M:%SZ}", "GLUE2EntityValidity": "3600"}


def glue21_cloud(
    site: str,
    url: str,
    *,
    created: str = "",
    validity: str = "3600",
    interfaces: Iterable[str] = ("OCCI", "org.openstack.nova"),
) -> str:
    """LDIF of a cloud as cloud-info-provider has published it since GLUE 2.1, below GLUE2GroupID=resource."""
    top = f"GLUE2DomainID={_escaped(site)},o=glue"
    group = f"GLUE2GroupID=resource,{top}"
    service = f"GLUE2ServiceID={_escaped(url)},{group}"
    manager = f"GLUE2ManagerID={_escaped(url)}_manager,{service}"
    times = {"GLUE2EntityCreationTime": created, "GLUE2EntityValidity": validity} if created else {}
    keys = {"GLUE2EndpointServiceForeignKey": url, "GLUE2EndpointQualityLevel": "production"}
    states = {"GLUE2EndpointHealthState": "ok", "GLUE2EndpointServingState": "production"}
    entries = [
        _entry(top, objectClass=["GLUE2Domain", "GLUE2AdminDomain"], GLUE2DomainID=site),
        _entry(group, objectClass="GLUE2Group", GLUE2GroupID="resource"),
        _entry(
            service,
            objectClass=["GLUE2Entity", "GLUE2Service", "GLUE2CloudComputingService"],
            GLUE2ServiceID=url,
            GLUE2ServiceType="org.cloud.iaas",
            GLUE2ServiceQualityLevel="production",
            GLUE2ServiceAdminDomainForeignKey=site,
            **times,
        ),
        _entry(manager, objectClass=["GLUE2Entity", "GLUE2Manager"], GLUE2ManagerID=f"{url}_manager",
               GLUE2ManagerProductName="kvm", GLUE2ManagerServiceForeignKey=url),
    ]  # fmt: skip
    entries += [
        _entry(
            f"GLUE2EndpointID={_escaped(f'{url}_{interface}')},{service}",
            objectClass=["GLUE2Entity", "GLUE2Endpoint", "GLUE2CloudComputingEndpoint"],
            GLUE2EndpointID=f"{url}_{interface}",
            GLUE2EndpointURL=url,
            GLUE2EndpointInterfaceName=interface,
            **keys,
            **states,
            **times,
        )
        for interface in interfaces
    ]
    entries += [
        _entry(
            f"GLUE2ResourceID={class_name}-1,{manager}",
            objectClass=["GLUE2Entity", "GLUE2Resource", class_name],
            GLUE2ResourceID=f"{class_name}-1",
            GLUE2ResourceManagerForeignKey=f"{url}_manager",
            **times,
        )
        for class_name in ("GLUE2CloudComputingImage", "GLUE2CloudComputingInstanceType")
    ]
    return "\n".join(entries)


# glue-schema stops at GLUE 2.0; of the draft of 2.1 this is what makes its classes known.
_GLUE21_SCHEMA = [
    f"objectclass ( 1.3.6.1.4.1.6757.100.1.1.9{number} NAME '{name}' SUP {above} STRUCTURAL )"
    for number, (name, above) in enumerate(
        (
            ("GLUE2CloudComputingService", "GLUE2Service"),
            ("GLUE2CloudComputingEndpoint", "GLUE2Endpoint"),
            ("GLUE2CloudComputingImage", "GLUE2Resource"),
            ("GLUE2CloudComputingInstanceType", "GLUE2Resource"),
        )
    )
]


def _entry(dn: str, **attributes: str | list[str]) -> str:
    lines = [_line("dn", dn)]
    for name, values in attributes.items():
        lines += [_line(name, value) for value in ([values] if isinstance(values, str) else values)]
    return "\n".join(lines) + "\n"


def _line(name: str, value: str) -> str:
    """One attribute of LDIF; base64 where RFC 2849 wants it."""
    safe = value.isascii() and value.isprintable() and value[:1] not in (" ", ":", "<") and value[-1:] != " "
    return f"{name}: {value}" if safe and value else f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _escaped(value: str) -> str:
    """A value as part of a DN (RFC 4514)."""
    escaped = "".join(f"\\{char}" if char in ',+"\\<>;=' else char for char in value)
    if escaped.endswith(" "):
        escaped = f"{escaped[:-1]}\\ "
    return f"\\{escaped}" if escaped[:1] in ("#", " ") else escaped


def _hold_port() -> socket.socket:
    """A socket on a free port of loopback that does not listen: slapd, which allows reuse as well, can."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


__all__ = ["FAULTS", "SERVICE_TYPE", "Bdii", "Cloud", "find", "glue21_cloud", "is_installed"]
