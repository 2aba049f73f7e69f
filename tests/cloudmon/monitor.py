"""A real Nagios 4 that runs what fedcloud-ncg writes, as whoever starts it, in a directory of its own.

    with Federation(directory) as federation, CloudMonitor(federation, directory / "monitor") as monitor:
        monitor.until(monitor.is_all_ok, "all services are OK")

The configuration is the generated one. What `TEST_MONITOR` adds belongs to the main file, which is the operator's.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from libprobe import catalogue
from libprobe.formats.gocdb import read_service_endpoints
from tests.conftest import ROOT, clean_environment, command
from tests.federation.federation import Federation

PROGRAM = shutil.which("nagios4") or "/usr/sbin/nagios4"
PACKAGE = "nagios4-core"
INTERVAL_FACTOR = 0.01  # OCCI-VM every 36 s, the TCP metrics every 9 s: half a processor for the whole federation
PATIENCE_S = 120.0  # for what an idle machine does within seconds
STOP_S = 20.0
MAX_SOCKET_PATH = 107
ASKED_AGAIN_S = 5.0
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

TEST_MONITOR = """
# A monitor for tests: begins at once, writes down at once what it finds, and sends no mail. On a machine that is
# slower than the intervals, checks come later instead of piling up.
max_concurrent_checks=12
service_inter_check_delay_method=0.1
service_interleave_factor=1
check_result_reaper_frequency=1
status_update_interval=1
enable_notifications=0
"""


class Service(NamedTuple):
    """What Nagios calls a service: a metric on a host, such as `eu.egi.cloud.OCCI-VM-ops`."""

    host: str
    name: str


class Status(NamedTuple):
    """What status.dat has of a service.

    state: one of STATES, or PENDING before the first result. checked_at: when the last check began, Unix time.
    """

    state: str
    output: str
    checked_at: float
    is_hard: bool


class NotWritten(Exception):
    """fedcloud-ncg did not write a configuration; the text is its report."""


class CloudMonitor:
    """See the module. Raises: ValueError for a directory whose path is too long."""

    def __init__(
        self,
        federation: Federation,
        directory: Path,
        *,
        interval_factor: float = INTERVAL_FACTOR,
        program: str = PROGRAM,
    ) -> None:
        self.federation = federation
        self.directory = directory
        self.generated = directory / "generated"
        self.state = directory / "var"
        if len(os.fsencode(self.state / "rw/nagios.qh")) > MAX_SOCKET_PATH:
            # Nagios 4.4.6 would end with `buffer overflow detected`
            raise ValueError(f"{directory} is too long a path for Nagios' socket; set TMPDIR to a shorter one")
        self.configuration = directory / "nagios.cfg"
        self.process: subprocess.Popen[bytes] | None = None
        self._sessions: set[int] = set()
        self._interval_factor = interval_factor
        self._program = program
        path = os.pathsep.join((os.path.dirname(sys.executable), "/usr/sbin", "/usr/bin", "/sbin", "/bin"))
        self._environment = clean_environment(**federation.environment(), HOME=directory, PATH=path)
        directory.mkdir(parents=True, exist_ok=True)

    # -- running --

    def generate(self) -> str:
        """Write the configuration anew from the federation's GOCDB; returns the report. Raises: NotWritten."""
        words = (
            *("--output", self.generated, "--format", "nagios", "--stand-alone", self.state),
            *("--definitions", ROOT / "etc/ncg", "--probes-path", ROOT / "probes"),
            *("--interval-factor", f"{self._interval_factor:.6f}"),
        )
        done = subprocess.run(
            command("fedcloud-ncg", *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self._environment,
        )
        if done.returncode not in (0, 1):
            raise NotWritten(done.stdout + done.stderr)
        main = (self.generated / "nagios/nagios.cfg").read_text()
        main = main.replace("cfg_dir=objects", f"cfg_dir={self.generated}/nagios/objects")
        self.configuration.write_text(main + TEST_MONITOR)
        return done.stdout

    def start(self) -> None:
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                [self._program, str(self.configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env=self._environment,
                start_new_session=True,
            )
        self._sessions.add(self.process.pid)

    def reload(self) -> None:
        """Read the configuration again, as `systemctl reload nagios4` does."""
        self._running().send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End Nagios and its workers without a chance to do anything; what they run is not touched.

        Workers that outlive Nagios would kill their probes after a second (4.4.6): here that is the caller's choice.
        """
        probes = self.probes()
        self.signal([pid for pid in self._session() if pid not in probes], signal.SIGKILL)
        self._running().wait()

    def stop(self) -> None:
        """End Nagios, then the probes it leaves running: first so that they can remove their VMs."""
        if self.process is None:
            return
        self.process.terminate()
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + STOP_S
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
            self.signal(self.probes(), number)
            while (self.process.poll() is None or self.probes()) and time.monotonic() < end:
                time.sleep(0.05)
        self.signal(self._session(), signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> CloudMonitor:
        self.generate()
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise RuntimeError("Nagios was not started")
        return self.process

    # -- what runs below it --

    def probes(self, *words: str) -> list[int]:
        """The processes of probes that run now, whether Nagios still does or not; only those with all the words."""
        return [
            pid
            for pid in self._session()
            if str(ROOT / "probes/check_") in (line := _command_line(pid)) and all(word in line for word in words)
        ]

    def _session(self) -> list[int]:
        """What runs in the sessions in which Nagios was ever started: Nagios, its workers and their probes."""
        return [int(path.name) for path in Path("/proc").glob("[0-9]*") if self._is_ours(path)]

    def _is_ours(self, process: Path) -> bool:
        try:
            stat = (process / "stat").read_text()
        except OSError:
            return False
        state, _, _, session = stat.rpartition(")")[2].split()[:4]
        return int(session) in self._sessions and state != "Z"

    @staticmethod
    def signal(processes: Iterable[int], number: int) -> None:
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    # -- what it knows --

    def registered(self) -> dict[str, set[Service]]:
        """The services that the GOCDB and the catalogue ask for, by site: told without Nagios or fedcloud-ncg."""
        import requests

        url = f"{self.federation.gocdb.url}?method=get_service_endpoint&monitored=Y"
        answer = requests.get(url, verify=str(self.federation.ca_directory), timeout=30)
        found: dict[str, set[Service]] = {}
        for endpoint in read_service_endpoints([answer.content]):
            for metric in catalogue.read(str(ROOT / "etc/ncg")):
                if endpoint.service_type in metric.service_types:
                    name = f"{metric.name}-ops" if "VO" in metric.flags else metric.name
                    found.setdefault(endpoint.site, set()).add(Service(endpoint.hostname, name))
        return found

    def status(self) -> dict[Service, Status]:
        """What status.dat has now; nothing before Nagios has written it."""
        try:
            text = (self.state / "status.dat").read_text(errors="replace")
        except FileNotFoundError:
            return {}
        return dict(read_status(text))

    def is_all_ok(self) -> bool:
        known = self.status()
        return bool(known) and all(each.state == "OK" for each in known.values())

    def log(self) -> str:
        path = self.state / "nagios.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def last_words(self) -> str:
        """What Nagios wrote last, to its log and to its output, where it says why it cannot start."""
        return f"{self.log()[-2000:]}\n{(self.directory / 'output').read_text(errors='replace')[-2000:]}".strip()

    def command(self, line: str) -> None:
        """Give an external command. Raises: OSError while Nagios does not listen."""
        pipe = os.open(self.state / "rw/nagios.cmd", os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, f"[{int(time.time())}] {line}\n".encode())
        finally:
            os.close(pipe)

    def check_now(self, services: Iterable[Service], at: int = 0) -> None:
        """Check services without waiting for their turn, as an operator does from the web page. at: Unix time."""
        for service in services:
            self.command(f"SCHEDULE_FORCED_SVC_CHECK;{service.host};{service.name};{at or int(time.time())}")

    def round(self, services: Iterable[Service]) -> None:
        """Have services checked; returns when each has the result of a check that began after this call."""
        wanted = set(services)
        began = int(time.time())  # Nagios notes whole seconds
        asked_at = 0.0

        def is_done() -> bool:
            nonlocal asked_at
            known = self.status()
            missing = [each for each in wanted if each not in known or known[each].checked_at <= began]
            if missing and time.monotonic() - asked_at > ASKED_AGAIN_S:
                # a service that is being checked just then does not take the command
                with contextlib.suppress(OSError):
                    self.check_now(missing, max(began + 1, int(time.time())))
                    asked_at = time.monotonic()
            return not missing

        self.until(is_done, "every service was checked once more")

    def until(self, condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for a condition. Raises: AssertionError that says what was waited for and how things stand."""
        end = time.monotonic() + patience_s
        while not condition():
            assert self._running().poll() is None, f"Nagios ended while waiting until {what}\n{self.last_words()}"
            assert time.monotonic() < end, f"not within {patience_s:g} s: {what}\n{self._standing()}"
            time.sleep(0.05)

    def _standing(self) -> str:
        lines = [
            f"{each.state:8} {service.host} {service.name} {each.output}" for service, each in self.status().items()
        ]
        return "\n".join(sorted(lines)) + f"\n{self.log()[-2000:]}"


def read_status(text: str) -> Iterator[tuple[Service, Status]]:
    """Yield what a status.dat says of each service."""
    for block in re.findall(r"^servicestatus \{\n(.*?)\n\t\}", text, re.DOTALL | re.MULTILINE):
        values = dict(line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
        state = STATES[int(values["current_state"])] if values["has_been_checked"] == "1" else "PENDING"
        yield (
            Service(values["host_name"], values["service_description"]),
            Status(state, values["plugin_output"], float(values["last_check"]), values["state_type"] == "1"),
        )


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
