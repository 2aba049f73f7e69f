"""A message broker on loopback: RabbitMQ with its STOMP listeners, from Debian's package rabbitmq-server.

    with Broker(directory, authority.host(["localhost"]), authority.ca_certificate) as broker:
        broker.plain, broker.tls        # ports of stomp:// and stomp+ssl://

It runs unprivileged, in a temporary directory, on ports the system chooses, with an epmd of its own; nothing of it
listens beyond 127.0.0.1. Where the package is not installed, `is_installed` says so and `describe` names the package.

A keeper process runs the broker and watches a lock file that every user holds shared; when nobody holds it any more,
the keeper ends the broker. So a broker that several test processes share stays until the last one is done, and one
whose users were killed goes too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from .authority import Authority, Credential
from .ports import free_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PACKAGE = "rabbitmq-server"
USER = PASSWORD = "guest"
START_S = 1800.0  # a minute of processor time, on a machine that has much else to do
STOP_S = 120.0
ROOT = Path(__file__).resolve().parents[2]

SETTINGS = """\
listeners.tcp = none
stomp.listeners.tcp.1 = 127.0.0.1:{plain}
stomp.listeners.ssl.1 = 127.0.0.1:{tls}
stomp.default_user = guest
stomp.default_pass = guest
ssl_options.cacertfile = {directory}/ca.pem
ssl_options.certfile = {directory}/host.pem
ssl_options.keyfile = {directory}/host.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
log.console = false
log.file.level = warning
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 1MB
max_message_size = 12288
"""


def is_installed() -> bool:
    return SERVER.exists() and shutil.which("epmd") is not None


class Broker:
    """A broker in `directory`, started by whoever comes first and shared by all who name the same directory.

    host: its certificate. ca: what it verifies clients by; its TLS port wants a client certificate.
    plain, tls: its ports, 0 before it runs.
    """

    name = "broker"

    def __init__(self, directory: Path, host: Credential | None = None, ca: x509.Certificate | None = None) -> None:
        self.directory = Path(directory)
        self.plain = self.tls = 0
        self._host = host
        self._ca = ca
        self._lock: IO[bytes] | None = None

    # -- running --

    def start(self) -> None:
        """Returns when the broker answers. Raises: RuntimeError when it does not come up."""
        if self._lock or not is_installed():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = (self.directory / "users").open("ab")
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        with (self.directory / "starting").open("ab") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if not (self.directory / "ready.json").exists():
                self._launch()
        ports = json.loads((self.directory / "ready.json").read_text())
        self.plain, self.tls = ports["plain"], ports["tls"]

    def _launch(self) -> None:
        if self._host and self._ca:
            (self.directory / "ca.pem").write_bytes(self._ca.public_bytes(serialization.Encoding.PEM))
            shutil.copyfile(self._host.path, self.directory / "host.pem")
        keeper = subprocess.Popen(
            [sys.executable, "-m", __name__ if __name__ != "__main__" else "tests.federation.broker", self.directory],
            stdin=subprocess.DEVNULL,
            stdout=(self.directory / "keeper.log").open("wb"),
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            start_new_session=True,
        )
        until = time.monotonic() + START_S
        while not (self.directory / "ready.json").exists():
            if keeper.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"RabbitMQ did not start:\n{(self.directory / 'keeper.log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Let go of the broker; it ends when nobody else holds it."""
        if self._lock:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def describe(self) -> str:
        if not is_installed():
            return f"{self.name:20} {'-':26} message broker: not here, as {PACKAGE} is not installed"
        url = f"stomp://localhost:{self.plain}"
        return f"{self.name:20} {url:26} message broker, RabbitMQ; stomp+ssl on port {self.tls}"


# -- the keeper -------------------------------------------------------------------------------------------


def keep(directory: Path) -> None:
    """Run a broker in DIRECTORY until nobody holds its lock file any more."""
    dist, epmd_port, plain, tls = _free_ports(4)
    settings = SETTINGS.format(plain=plain, tls=tls, directory=directory)
    with tempfile.TemporaryDirectory(prefix="rabbitmq-") as temporary, contextlib.ExitStack() as stack:
        base = Path(temporary)
        (base / "rabbitmq.conf").write_text(settings)
        (base / "enabled_plugins").write_text("[rabbitmq_stomp].\n")
        environment = _environment(base, dist, epmd_port)
        stack.callback(_end, _started(["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"], environment))
        server = _started([str(SERVER)], environment)
        stack.callback(_end, server)
        _await_port(plain, server)
        _await_port(tls, server)
        draft = directory / ".ready.json"
        draft.write_text(json.dumps({"plain": plain, "tls": tls, "pid": server.pid}))
        draft.replace(directory / "ready.json")
        stack.callback((directory / "ready.json").unlink, missing_ok=True)
        _await_last_user(directory, server)


def _environment(base: Path, dist: int, epmd_port: int) -> dict[str, str]:
    kernel = "-kernel inet_dist_use_interface {127,0,0,1}"
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(base),
        "RABBITMQ_NODENAME": f"probes{os.getpid()}@localhost",
        "RABBITMQ_MNESIA_BASE": str(base / "mnesia"),
        "RABBITMQ_LOG_BASE": str(base / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(base / "none.config"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(base / "generated"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_PID_FILE": str(base / "pid"),
        "RABBITMQ_DIST_PORT": str(dist),
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # One scheduler that does not spin: it is a guest on the machine that runs the tests.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{kernel} +S 1:1 +sbwt none",
    }


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def _started(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours and its children, which share its process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(STOP_S)
            return
        except subprocess.TimeoutExpired:
            continue


def _await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def _await_last_user(directory: Path, server: subprocess.Popen[bytes]) -> None:
    with (directory / "users").open("ab") as users:
        while server.poll() is None:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (directory / "ready.json").unlink()  # before a newcomer can get the lock
                return
            except BlockingIOError:
                time.sleep(0.25)


def of_test_run(base: Path) -> tuple[Broker, dict[str, Any]]:
    """`shared`, for all processes of one run of pytest. base: of the temporary directories of this process."""
    return shared((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "rabbitmq")


def shared(directory: Path) -> tuple[Broker, dict[str, Any]]:
    """A broker for one test run, and where to find what its clients need, made by whoever comes first.

    The second is: ca_directory, usercert and userkey (a certificate that it accepts), proxy, as paths.
    """
    directory.mkdir(parents=True, exist_ok=True)
    facts = directory / "facts.json"
    with (directory / "making").open("ab") as making:
        fcntl.flock(making, fcntl.LOCK_EX)
        if facts.exists():
            broker = Broker(directory)
        else:
            authority = Authority(directory / "authority")
            broker = Broker(directory, authority.host(["localhost"]), authority.ca_certificate)
            robot = authority.robot
            known = {
                "ca_directory": authority.ca_directory,
                "usercert": robot.usercert,
                "userkey": robot.userkey,
                "proxy": authority.proxy(path=directory / "x509up_robot"),
            }
            facts.write_text(json.dumps({name: str(path) for name, path in known.items()}))
        broker.start()
    return broker, json.loads(facts.read_text())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    keep(Path(sys.argv[1]))
