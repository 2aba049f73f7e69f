"""A throw-away Nagios 4, as whoever starts it: `Nagios` runs a configuration, `SmallNagios` also writes one.

nagios = SmallNagios(directory, [service("port", "/usr/lib/nagios/plugins/check_tcp -p 80")])
nagios.start()
nagios.until(lambda: nagios.status()[Service(HOST, "port")].state == "OK", "the port is OK")
nagios.stop()
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.conftest import clean_environment
from tests.pace import AMPLE_S

PROGRAM = shutil.which("nagios4") or "/usr/sbin/nagios4"
PACKAGE = "nagios4-core"
STOP_S = 120.0
MAX_SOCKET_PATH = 107
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
HOST_STATES = ("UP", "DOWN", "UNREACHABLE")
HOST = "cloud.example.org"
"""The one host of a `SmallNagios`."""

_FILES = {
    "log_file": "nagios.log",
    "object_cache_file": "objects.cache",
    "precached_object_file": "objects.precache",
    "status_file": "status.dat",
    "state_retention_file": "retention.dat",
    "command_file": "rw/nagios.cmd",
    "query_socket": "rw/nagios.qh",
    "lock_file": "nagios.lock",
    "temp_file": "nagios.tmp",
    "temp_path": ".",
    "check_result_path": "results",
    "log_archive_path": "archives",
}
"""Every file of Nagios', below its state directory."""

_SETTINGS: Mapping[str, object] = {
    "interval_length": 1,  # seconds
    "status_update_interval": 1,
    "check_result_reaper_frequency": 1,
    "max_check_result_reaper_time": 5,
    "service_inter_check_delay_method": "n",  # all at once
    "service_interleave_factor": 1,
    "max_service_check_spread": 1,
    "check_workers": 2,
    "execute_host_checks": 0,
    "check_external_commands": 1,
    "enable_notifications": 0,
    "enable_event_handlers": 0,
    "enable_flap_detection": 0,
    "retain_state_information": 1,  # so that a reload does not forget that checks have begun
    "use_retained_scheduling_info": 0,
    "log_initial_states": 0,
    "log_external_commands": 0,
    "log_service_retries": 0,
    "log_passive_checks": 0,
    "use_syslog": 0,
    "use_large_installation_tweaks": 1,
    "enable_environment_macros": 0,
    "daemon_dumps_core": 0,
}

_OBJECTS = """
define timeperiod {
    timeperiod_name always
    alias always
    sunday 00:00-24:00
    monday 00:00-24:00
    tuesday 00:00-24:00
    wednesday 00:00-24:00
    thursday 00:00-24:00
    friday 00:00-24:00
    saturday 00:00-24:00
}
define command {
    command_name line
    command_line $ARG1$
}
define command {
    command_name nothing
    command_line /bin/true
}
define contact {
    contact_name nobody
    host_notifications_enabled 0
    service_notifications_enabled 0
    host_notification_period always
    service_notification_period always
    host_notification_options n
    service_notification_options n
    host_notification_commands nothing
    service_notification_commands nothing
}
define host {
    host_name %s
    address 127.0.0.1
    max_check_attempts 1
    check_period always
    contacts nobody
}
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


class Nagios:
    """A process of Nagios and what runs below it. The caller stops it.

    directory:     its working directory. configuration: the main file.
    state:         the directory in which that file places nagios.log, status.dat and rw/.
    environment:   of the plugins, beside a PATH on which this Python is the first.
    Raises: ValueError for a directory whose path is too long.
    """

    def __init__(
        self,
        directory: Path,
        configuration: Path,
        state: Path,
        *,
        environment: Mapping[str, object] | None = None,
        program: str = PROGRAM,
    ) -> None:
        self.directory = directory
        self.configuration = configuration
        self.state = state
        self.query_socket = state / "rw/nagios.qh"
        if len(os.fsencode(self.query_socket)) > MAX_SOCKET_PATH:
            # Nagios 4.4.6 would end with `buffer overflow detected`
            raise ValueError(f"{directory} is too long a path for Nagios' socket; set TMPDIR to a shorter one")
        self.process: subprocess.Popen[bytes] | None = None
        path = os.pathsep.join((os.path.dirname(sys.executable), "/usr/sbin", "/usr/bin", "/sbin", "/bin"))
        self.environment = clean_environment(**{"HOME": directory, "PATH": path, **(environment or {})})
        self._sessions: set[int] = set()
        self._program = program
        directory.mkdir(parents=True, exist_ok=True)

    # -- running --

    def start(self) -> None:
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                [self._program, str(self.configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env=self.environment,
                start_new_session=True,
            )
        self._sessions.add(self.process.pid)

    def reload(self) -> None:
        """Read the configuration again, as `systemctl reload nagios4` does."""
        self._running().send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End Nagios and its workers without a chance to do anything; what they run is not touched.

        Workers that outlive Nagios would kill their plugins after a second (4.4.6): here that is the caller's choice.
        """
        self.signal(self._of_nagios(), signal.SIGKILL)
        self._running().wait()

    def stop(self) -> None:
        """End Nagios, then the plugins it leaves running: first so that they can remove what they made."""
        if self.process is None:
            return
        self.process.terminate()
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + STOP_S
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
            self.signal(self.plugins(), number)
            while (self.process.poll() is None or self.plugins()) and time.monotonic() < end:
                time.sleep(0.05)
        self.signal(self._session(), signal.SIGKILL)
        self.process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise RuntimeError("Nagios was not started")
        return self.process

    # -- what runs below it --

    def plugins(self, *words: str) -> list[int]:
        """The processes of plugins, whether Nagios still runs or not; only those with all the words."""
        nagios = set(self._of_nagios())
        return [
            pid
            for pid in self._session()
            if pid not in nagios and (line := command_line(pid)) and all(word in line for word in words)
        ]

    def _of_nagios(self) -> list[int]:
        return [pid for pid in self._session() if command_line(pid).startswith(f"{self._program} ")]

    def _session(self) -> list[int]:
        """What runs in the sessions in which Nagios was ever started: Nagios, its workers and their plugins."""
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

    def status(self) -> dict[Service, Status]:
        """What status.dat has now; nothing before Nagios has written it."""
        try:
            text = (self.state / "status.dat").read_text(errors="replace")
        except FileNotFoundError:
            return {}
        return dict(read_status(text))

    def hosts(self) -> dict[str, str]:
        """The hosts of status.dat, each UP, DOWN, UNREACHABLE or PENDING."""
        with contextlib.suppress(FileNotFoundError):
            return dict(read_hosts((self.state / "status.dat").read_text(errors="replace")))
        return {}

    def log(self) -> str:
        path = self.state / "nagios.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def last_words(self) -> str:
        """What Nagios wrote last, to its log and to its output, where it says why it cannot start."""
        return f"{self.log()[-2000:]}\n{(self.directory / 'output').read_text(errors='replace')[-2000:]}".strip()

    # -- what it is told --

    def command(self, line: str) -> None:
        """Give an external command. Raises: OSError while Nagios does not listen."""
        pipe = os.open(self.state / "rw/nagios.cmd", os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, f"[{int(time.time())}] {line}\n".encode())
        finally:
            os.close(pipe)

    def begin(self) -> None:
        """Let a Nagios that `waits` run checks from now on."""

        def is_told() -> bool:
            try:
                self.command("START_EXECUTING_SVC_CHECKS")
            except OSError:
                return False
            return True

        self.until(is_told, "it takes commands")

    def until(self, condition: Callable[[], object], what: str, patience_s: float = AMPLE_S) -> None:
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


class SmallNagios(Nagios):
    """A Nagios with a configuration of its own: one host, and services as `service` writes them.

    waits:    run no checks before `begin`, so that workers can register.
    more:     further configuration files.
    settings: lines of the main file, added to or in the place of those that all have.
    """

    def __init__(
        self,
        directory: Path,
        services: Iterable[str],
        *,
        waits: bool = False,
        more: Iterable[Path] = (),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(directory, directory / "nagios.cfg", directory)
        for name in ("rw", "results", "archives"):
            (directory / name).mkdir()
        objects = directory / "objects.cfg"
        objects.write_text(_OBJECTS % HOST + "".join(services))
        who = {"nagios_user": getpass.getuser(), "nagios_group": grp.getgrgid(os.getgid()).gr_name}
        files = {key: directory / name for key, name in _FILES.items()}
        all_settings = {**files, **who, **_SETTINGS, "execute_service_checks": int(not waits), **(settings or {})}
        lines = [f"cfg_file={path}" for path in (objects, *more)]
        lines += [f"{key}={value}" for key, value in all_settings.items()]
        self.configuration.write_text("\n".join(lines) + "\n")


def service(name: str, command: str, *, interval: float = 1, **fields: object) -> str:
    """A service of a `SmallNagios`: a command line, and how many seconds lie between two checks."""
    values = {
        "host_name": HOST,
        "service_description": name,
        "check_command": "line!" + command.replace("!", "\\!"),
        "check_period": "always",
        "check_interval": interval,
        "retry_interval": interval,
        "max_check_attempts": 1,
        "contacts": "nobody",
        "notification_period": "always",
        **fields,
    }
    lines = "".join(f"    {key} {value}\n" for key, value in values.items())
    return f"define service {{\n{lines}}}\n"


def read_status(text: str) -> Iterator[tuple[Service, Status]]:
    """Yield what a status.dat says of each service."""
    for block in re.findall(r"^servicestatus \{\n(.*?)\n\t\}", text, re.DOTALL | re.MULTILINE):
        values = dict(line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
        state = STATES[int(values["current_state"])] if values["has_been_checked"] == "1" else "PENDING"
        yield (
            Service(values["host_name"], values["service_description"]),
            Status(state, values["plugin_output"], float(values["last_check"]), values["state_type"] == "1"),
        )


def read_hosts(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a status.dat says of each host."""
    for block in re.findall(r"^hoststatus \{\n(.*?)\n\t\}", text, re.DOTALL | re.MULTILINE):
        values = dict(line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
        is_known = values["has_been_checked"] == "1"
        yield values["host_name"], HOST_STATES[int(values["current_state"])] if is_known else "PENDING"


def command_line(pid: int) -> str:
    """The words of a process, with a blank after each; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
