"""The services: what each is started with, and how it is stopped, paused and waited for."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests import planted
from tests.federation.authority import Authority
from tests.pace import until

from .api import IMAGE, Api

INSIDE = "127.0.0.2"
"""Where the services listen; on 127.0.0.1 is Apache, with TLS and the same ports."""

ETC = "/srv/openstack/etc"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
KEY = b"0123456789abcdef0123456789abcdef"
"""By which Apache knows the access tokens, see inside/apache.conf. Check-in's are signed with RSA."""

ENTITLEMENT = "urn:mace:egi.eu:group:{}:role=vm_operator#aai.egi.eu"
"""By which Keystone knows who is of a VO."""

KEYSTONE = "https://localhost:5000/v3"
OCCI = "https://localhost:8787/occi1.1"


class Service(NamedTuple):
    """port: that is open when it has started, on INSIDE; 0 where it has none."""

    words: list[str]
    port: int = 0
    environment: dict[str, str] = {}


def main_of(module: str, *configuration: str) -> list[str]:
    """A command that does what Debian's console script of that module does, which are scattered over many packages."""
    name = "-".join(part for part in module.split(".") if part not in ("cmd", "eventlet"))
    code = f"import sys; from {module} import main; sys.argv[0] = {name!r}; sys.exit(main())"
    return ["python3", "-c", code, *configured(*configuration)]


def configured(*names: str) -> list[str]:
    return [word for name in names for word in ("--config-file", f"{ETC}/{name}.conf")]


def uwsgi(port: int, application: str) -> list[str]:
    address = f"{INSIDE}:{port}"
    # processes, no threads: logging takes locks of eventlet there, which no two threads can share. Where two requests
    # met in one, Keystone waited for ever ("cannot switch to a different thread"), as happens on a busy machine
    words = "uwsgi_python3 --master --die-on-term --need-app --processes 4 --buffer-size 65535"
    # it closes after each answer, without saying so
    header = ["--add-header", "Connection: close"]
    return [*words.split(), *header, "--http-socket", address, "--module", application]


SERVICES = {
    "mariadb": Service(
        f"mariadbd --user=mysql --bind-address={INSIDE} --skip-log-bin --max-connections=500 --skip-name-resolve"
        " --innodb-flush-log-at-trx-commit=0 --init-file=/srv/openstack/inside/databases.sql".split(),
        3306,
    ),
    "rabbitmq": Service(
        ["/usr/lib/rabbitmq/bin/rabbitmq-server"],
        5672,
        {
            "HOME": "/var/lib/rabbitmq",
            "RABBITMQ_NODENAME": "rabbit@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": INSIDE,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        },
    ),
    "keystone": Service(
        uwsgi(5000, "keystone.server.wsgi:initialize_public_application()"),
        5000,
        {"OS_KEYSTONE_CONFIG_FILES": f"{ETC}/keystone.conf"},
    ),
    "placement": Service(uwsgi(8778, "placement.wsgi:init_application()"), 8778, {"OS_PLACEMENT_CONFIG_DIR": ETC}),
    "glance": Service(main_of("glance.cmd.api", "glance"), 9292),
    "neutron": Service(main_of("neutron.cmd.eventlet.server", "neutron"), 9696),
    "nova-conductor": Service(main_of("nova.cmd.conductor", "nova")),
    "nova-scheduler": Service(main_of("nova.cmd.scheduler", "nova")),
    "nova-compute": Service(main_of("nova.cmd.compute", "nova")),
    "nova-api": Service(main_of("nova.cmd.api", "nova"), 8774),
    "ooi": Service(
        ["python3", "/srv/openstack/inside/ooi_api.py", *configured("nova", "ooi")],
        8787,
        {"PYTHONPATH": "/srv/openstack/ooi"},
    ),
    "ovs-agent": Service(["python3", "/srv/openstack/inside/ovs_agent.py", *configured("neutron")]),
    "swift-account": Service(["swift-account-server", "/etc/swift/account-server.conf"], 6202),
    "swift-container": Service(["swift-container-server", "/etc/swift/container-server.conf"], 6201),
    "swift-object": Service(["swift-object-server", "/etc/swift/object-server.conf"], 6200),
    "swift-proxy": Service(["swift-proxy-server", "/srv/openstack/inside/swift-proxy.conf"], 8080),
    "apache": Service(["apache2", "-D", "FOREGROUND", "-f", "/srv/openstack/inside/apache.conf"]),
}
"""In the order in which they are started."""


class Lab:
    """An OpenStack below `root`. Its services are children of this process, and end with the context."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root = root
        self.logs = logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.home = root / "srv/openstack"
        self.changed = datetime.now(UTC)
        logs.mkdir(parents=True, exist_ok=True)
        for each in ("etc", "locks", "tls", "glance", "neutron", "nova/instances"):
            (self.home / each).mkdir(parents=True, exist_ok=True)
        (root / "run/mysqld").mkdir(exist_ok=True)
        subprocess.run(["chroot", root, "chown", "mysql:", "/run/mysqld"], check=True)
        common = (self.home / "inside/common.conf").read_text()
        for name in ("keystone", "placement", "glance", "neutron", "nova"):
            (self.home / f"etc/{name}.conf").write_text(common + (self.home / f"inside/{name}.conf").read_text())
        (self.home / "etc/ooi.conf").write_text((self.home / "inside/ooi.conf").read_text())

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        for name in reversed(list(self.running)):
            self.stop(name)

    # ---- single services

    def command(self, *words: str) -> None:
        """Run a command in the root to its end; what it says is in commands.log."""
        with (self.logs / "commands.log").open("ab") as log:
            subprocess.run(
                ["chroot", self.root, *words],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
            )

    def start(self, *names: str) -> None:
        """Start services, and wait until each that has a port accepts connections."""
        for name in names:
            service = SERVICES[name]
            with (self.logs / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    ["chroot", self.root, *service.words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**ENVIRONMENT, **service.environment},
                )
        for name in names:
            until(lambda name=name: self._is_open(name), f"{name} has started", every_s=0.2)
        self.changed = datetime.now(UTC)

    def _is_open(self, name: str) -> bool:
        assert self.running[name].poll() is None, f"{name} has ended; see {self.logs}/{name}.log"
        port = SERVICES[name].port
        with contextlib.suppress(OSError):
            if port:
                socket.create_connection((INSIDE, port), timeout=5).close()
            return True
        return False

    def stop(self, name: str) -> None:
        process = self.running.pop(name)
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(30)

    @contextlib.contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Without one of the services; afterwards it runs again, and all is as before."""
        self.stop(name)
        try:
            yield
        finally:
            self.start(name)
            self.ready()

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        os.killpg(self.running[name].pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.running[name].pid, signal.SIGCONT)

    # ---- all of it

    def up(self) -> None:
        self.authority = Authority(self.home / "tls")
        self.authority.host(["localhost"]).path.rename(self.home / "tls/host.pem")
        self.start("mariadb", "rabbitmq")
        self.start("keystone", "placement")
        self.start(*(name for name in SERVICES if name not in self.running))
        self.ready()

    def ready(self) -> None:
        """Wait until VMs can be made: the services know of each other."""
        until(self._is_ready, "nova and neutron are ready", every_s=0.5)

    def _is_ready(self) -> bool:
        try:
            admin = self.admin()
            # neutron 21 answers 500 to a list of ports until somebody has asked for another list since its start
            admin.get("network", "/v2.0/networks")
            admin.get("network", "/v2.0/ports")
            services = admin.get("compute", "/os-services")["services"]
            agents = admin.get("network", "/v2.0/agents")["agents"]
        except (OSError, AssertionError):
            return False
        heard = {each["binary"]: each["updated_at"] for each in services}
        heard |= {each["binary"]: each["heartbeat_timestamp"].replace(" ", "T") for each in agents}
        # they count as alive for a minute after their last word, which may be of the time before
        now = {name for name, at in heard.items() if (at or "") > f"{self.changed:%Y-%m-%dT%H:%M:%S}"}
        return now >= {"nova-conductor", "nova-scheduler", "nova-compute", "neutron-openvswitch-agent"}

    def admin(self, project: str = "admin") -> Api:
        return Api("admin", "of-the-admin", project)

    # ---- what a monitor has

    @property
    def ca_directory(self) -> Path:
        return self.home / "tls/certificates"

    def environment(self) -> dict[str, str]:
        """That of a probe."""
        return {"X509_CERT_DIR": str(self.ca_directory)}

    def exports(self) -> str:
        token = self.home / "tls/token"
        self.write_token(token, "ops")
        return (
            f"    export X509_CERT_DIR={self.ca_directory}\n"
            f"    probes/check_occi_vm --endpoint {OCCI} --image {IMAGE} --resource tiny --token-file {token}\n"
        )

    def write_token(self, path: Path, *vos: str, lifetime_s: float = 3600) -> Path:
        """Write an access token as Check-in makes them, of a robot in these VOs (but HS256 in place of RS256)."""
        now = int(time.time())
        claims = {
            "iss": "https://aai.example.org/",
            "sub": "robot@egi.eu",
            "jti": planted.plain_secret(),
            "iat": now - 10 + min(int(lifetime_s), 0),
            "exp": now + int(lifetime_s),
            "scope": "openid eduperson_entitlement",
            "eduperson_entitlement": [ENTITLEMENT.format(vo) for vo in vos],
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        signature = hmac.new(KEY, signed.encode(), hashlib.sha256).digest()
        path.touch(0o600)
        path.write_text(f"{signed}.{_base64(signature)}\n")
        return path


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
