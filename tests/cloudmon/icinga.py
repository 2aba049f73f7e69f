"""A real Icinga 2, a master and a satellite, that run what `fedcloud-ncg --satellite` writes.

    with Federation(directory) as federation, IcingaCloud(federation, directory / "icinga") as monitor:
        monitor.until(monitor.is_all_ok, "all services are OK")

Both run as whoever starts them, on loopback ports, with all they write below a directory of their own. The master
has the generated configuration; the satellite has its main file and the zones, and gets the rest from the master.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import requests
from cryptography.hazmat.primitives.serialization import Encoding

from libprobe.programs.ncg.validation import icinga2_command
from tests.conftest import ROOT, clean_environment, command
from tests.federation.federation import Federation
from tests.federation.ports import free_port
from tests.nagios import STATES, STOP_S, Service, command_line
from tests.pace import AMPLE_S

from .downtimes import Downtime
from .monitor import INTERVAL_FACTOR, NotWritten
from .scenes import checked_since

PROGRAM = shutil.which("icinga2") or "/usr/sbin/icinga2"
PACKAGE = "icinga2-bin"
MASTER, SATELLITE = "localhost", "asia"
"""Names of their certificates: the master's is that under which its interface is asked."""

DOWNTIMES_PAGE = ROOT / "docs/downtimes.md"
"""It has the account of fedcloud-downtimes, with its permissions."""

TEST_MONITOR = """
include "{main}"

// A monitor for tests: tells what it knows. On a machine that is slower than the intervals, checks come later
// instead of piling up.
const MaxConcurrentChecks = 12
object ApiUser "test" {{
  password = "{password}"
  permissions = [ "*" ]
}}

{downtimes}
"""


class Status(NamedTuple):
    """What the master has of a service.

    state:      one of STATES, or PENDING before the first result
    checked_at: when the last check began, Unix time
    source:     name of the machine that ran it
    is_in_downtime: whether one is in effect
    """

    state: str
    output: str
    checked_at: float
    is_hard: bool
    source: str
    is_in_downtime: bool


class Node:
    """One Icinga 2. The caller starts and stops it."""

    def __init__(self, name: str, configuration: Path, state: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.configuration = configuration
        self.state = state
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self._sessions: set[int] = set()

    def start(self) -> None:
        with open(self.state / "output", "ab") as output:
            self.process = subprocess.Popen(
                icinga2_command(PROGRAM, str(self.configuration), str(self.state)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.state,
                env=self.environment,
                start_new_session=True,
            )
        self._sessions.add(self.process.pid)

    def running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process

    def reload(self) -> None:
        """Read the configuration again, as `systemctl reload icinga2` does."""
        self.running().send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End all of its processes without a chance to do anything; what they run is not touched."""
        for path in Path("/proc").glob("[0-9]*"):
            if _session_of(path) in self._sessions and "/icinga2" in command_line(int(path.name)).partition(" ")[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(path.name), signal.SIGKILL)
        self.running().wait()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        self.kill()

    def said(self) -> str:
        path = self.state / "output"
        return path.read_text(errors="replace") if path.exists() else ""


class IcingaCloud:
    """See the module."""

    def __init__(self, federation: Federation, directory: Path, *, interval_factor: float = INTERVAL_FACTOR) -> None:
        self.federation = federation
        self.directory = directory
        self.generated = directory / "generated"
        self._interval_factor = interval_factor
        self._ports = {MASTER: free_port(), SATELLITE: free_port()}
        password = secrets.token_hex(16)
        path = os.pathsep.join((os.path.dirname(sys.executable), "/usr/sbin", "/usr/bin", "/sbin", "/bin"))
        self.environment = clean_environment(**federation.environment(), HOME=directory, PATH=path)
        directory.mkdir(parents=True)
        self._mark = f"HOME={directory}".encode()
        self.state = directory / "var"
        self.master = self._node(MASTER, "icinga2.conf", password)
        self.satellite = self._node(SATELLITE, f"satellites/{SATELLITE}.conf", password)
        self.ca = directory / "ca.crt"
        self.ca.write_bytes(federation.authority.ca_certificate.public_bytes(Encoding.PEM))
        login = directory / "login"
        login.write_text(f"fedcloud-downtimes:{password}\n")
        login.chmod(0o600)
        self.leftovers_hint = ["--icinga", f"https://{MASTER}:{self._ports[MASTER]}/", "--icinga-login", login]
        self.leftovers_hint += ["--icinga-ca", self.ca]
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(self.ca)
        self._session.auth = ("test", password)

    def _node(self, name: str, main: str, password: str) -> Node:
        path = self.directory / f"{name}.conf"
        [account] = re.findall(r"^object ApiUser .*?^}$", DOWNTIMES_PAGE.read_text(), re.DOTALL | re.MULTILINE)
        account = account.replace('"..."', f'"{password}"')
        path.write_text(
            TEST_MONITOR.format(main=self.generated / "icinga2" / main, password=password, downtimes=account)
        )
        return Node(name, path, self.state / name, self.environment)

    # -- running --

    def generate(self) -> str:
        """Write the configuration anew from the federation's GOCDB; returns the report. Raises: NotWritten."""
        words = (
            *("--output", self.generated, "--format", "icinga2", "--stand-alone", self.state),
            *("--master", f"{MASTER}=127.0.0.1:{self._ports[MASTER]}"),
            *("--satellite", f"{SATELLITE}=:{self._ports[SATELLITE]}"),
            *("--definitions", ROOT / "etc/ncg", "--probes-path", ROOT / "probes"),
            *("--interval-factor", f"{self._interval_factor:.6f}"),
        )
        done = subprocess.run(
            command("fedcloud-ncg", *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment,
        )
        if done.returncode not in (0, 1):
            raise NotWritten(done.stdout + done.stderr)
        return done.stdout

    def make_certificates(self) -> None:
        """Where `icinga2 node` puts them; the authority is the federation's, which makes smaller keys and sooner."""
        for node in (self.master, self.satellite):
            directory = node.state / "certs"
            directory.mkdir()
            credential = self.federation.authority.host([node.name])
            for kind in ("crt", "key"):
                shutil.copy(credential.path, directory / f"{node.name}.{kind}")
            shutil.copy(self.ca, directory / "ca.crt")

    def __enter__(self) -> IcingaCloud:
        self.generate()
        self.make_certificates()
        try:
            self.master.start()
            self.until(self.answers, "the master answers")
            self.satellite.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.satellite.stop()
        self.master.stop()
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + STOP_S
            self.signal(self.probes(), number)
            while self.probes() and time.monotonic() < end:
                time.sleep(0.05)

    # -- what runs below it --

    def probes(self, *words: str) -> list[int]:
        """The processes of probes that run now, whether Icinga still does or not; only those with all the words."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            line = command_line(int(path.name))
            if str(ROOT / "probes/check_") in line and all(word in line for word in words):
                with contextlib.suppress(OSError):
                    if self._mark in (path / "environ").read_bytes().split(b"\0") and _session_of(path):
                        found.append(int(path.name))
        return found

    @staticmethod
    def signal(processes: Iterable[int], number: int) -> None:
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    # -- what it knows --

    def ask(self, method: str, path: str, document: object = None, *, name: str = MASTER) -> list[dict]:
        """Ask the interface of the master, or of the satellite. Raises: requests.RequestException."""
        url = f"https://127.0.0.1:{self._ports[name]}/v1/{path}"
        try:
            answer = self._session.request(
                method, url, json=document, headers={"Accept": "application/json"}, timeout=AMPLE_S
            )
        except requests.exceptions.ChunkedEncodingError as error:  # a reload cuts off the answers under way
            raise requests.ConnectionError(*error.args) from error
        answer.raise_for_status()
        results: list[dict] = answer.json()["results"]
        return results

    def answers(self) -> bool:
        try:
            return bool(self.ask("GET", "status/IcingaApplication"))
        except requests.ConnectionError:
            return False

    def status(self) -> dict[Service, Status]:
        """What the master knows now; nothing while it does not answer."""
        try:
            found = self.ask(
                "GET",
                "objects/services?attrs=name&attrs=host_name&attrs=state&attrs=state_type"
                "&attrs=last_check_result&attrs=downtime_depth",
            )
        except requests.ConnectionError:
            return {}
        known = {}
        for each in (one["attrs"] for one in found):
            result = each["last_check_result"] or {}
            known[Service(each["host_name"], each["name"])] = Status(
                STATES[int(each["state"])] if result else "PENDING",
                result.get("output", "").removesuffix(" "),  # what is left before the bar of the performance data
                result.get("execution_start", 0.0),
                each["state_type"] == 1,
                result.get("check_source", ""),
                each["downtime_depth"] > 0,
            )
        return known

    def hosts(self) -> dict[str, str]:
        """The hosts as the master knows them now, each UP, DOWN or PENDING."""
        try:
            found = self.ask("GET", "objects/hosts?attrs=name&attrs=state&attrs=last_check_result")
        except requests.ConnectionError:
            return {}
        return {
            each["name"]: ("UP", "DOWN")[int(each["state"])] if each["last_check_result"] else "PENDING"
            for each in (one["attrs"] for one in found)
        }

    def is_all_ok(self) -> bool:
        known = self.status()
        return bool(known) and all(each.state == "OK" for each in known.values())

    def is_checking(self, services: Iterable[Service] = ()) -> bool:
        """Whether the satellite has the services, any without some, and so its configuration from the master."""
        try:
            known = self.ask("GET", "objects/services?attrs=name&attrs=host_name", name=SATELLITE)
        except requests.ConnectionError:
            return False
        found = {Service(each["attrs"]["host_name"], each["attrs"]["name"]) for each in known}
        return bool(found) and set(services) <= found

    def downtimes(self) -> list[Downtime]:
        in_effect = {service for service, each in self.status().items() if each.is_in_downtime}
        found = []
        for each in (one["attrs"] for one in self.ask("GET", "objects/downtimes")):
            service = Service(each["host_name"], each["service_name"])
            times = int(each["start_time"]), int(each["end_time"])
            found.append(Downtime(service, each["author"], each["comment"], *times, service in in_effect))
        return found

    def declare(self, service: Service, end: int) -> None:
        """Schedule a downtime as an operator does from Icinga Web."""
        request = {"type": "Service", "service": f"{service.host}!{service.name}", "author": "operator"}
        times = {"start_time": end - 3600, "end_time": end, "fixed": True, "comment": "GOCDB downtime 1, by hand"}
        self.ask("POST", "actions/schedule-downtime", request | times)

    def check_now(self, services: Iterable[Service]) -> None:
        """Check services without waiting for their turn.

        The satellite itself is told: in the first minute after its start it does as the master says only when the
        check's turn comes (2.13.6).
        """
        names = [f"{each.host}!{each.name}" for each in services]
        request = {
            "type": "Service",
            "filter": "service.__name in names",
            "filter_vars": {"names": names},
            "force": True,
        }
        self.ask("POST", "actions/reschedule-check", request, name=SATELLITE)

    def round(self, services: Iterable[Service]) -> None:
        """Have services checked; returns when each has the result of a check that began after this call."""
        checked_since(self, services, time.time(), self.check_now)

    def until(self, condition: Callable[[], object], what: str, patience_s: float = AMPLE_S) -> None:
        """Wait for a condition. Raises: AssertionError that says what was waited for and how things stand."""
        end = time.monotonic() + patience_s
        while not condition():
            for node in (self.master, self.satellite):
                is_well = node.process is None or node.process.poll() is None
                assert is_well, f"{node.name} ended while waiting until {what}\n{node.said()[-3000:]}"
            assert time.monotonic() < end, f"not within {patience_s:g} s: {what}\n{self._standing()}"
            time.sleep(0.25)

    def _standing(self) -> str:
        lines = [
            f"{each.state:8} {service.host} {service.name} {each.output}" for service, each in self.status().items()
        ]
        return "\n".join(
            [*sorted(lines), *(f"{node.name}:\n{node.said()[-2000:]}" for node in (self.master, self.satellite))]
        )


def _session_of(process: Path) -> int:
    """The session of a process, 0 for one that is gone or dead."""
    try:
        state, _, _, session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return 0
    return 0 if state == "Z" else int(session)
