"""What the monitors themselves say about a configuration, before it replaces the old one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from typing import NamedTuple

from libprobe.failures import Failure, Misconfigured
from libprobe.files import read_small_file
from libprobe.text import safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.deadline import Deadline
    from libprobe.programs.ncg.configuration import ConfigurationOptions
    from libprobe.programs.ncg.inventory import InventoryCounts

MAX_OUTPUT = 4 << 20
"""Bytes of a monitor's output that are read, its last ones: enough for a warning for each of 15,000 services."""
MAX_WARNINGS = 5
"""How many of a monitor's warnings are told word by word; of the others only the number is."""
MAIN_FILES = ("/etc/nagios4/nagios.cfg", "/etc/nagios/nagios.cfg")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


class ConfigurationRejected(Failure):
    """A monitor does not accept what was written for it; the old configuration stays."""


class ValidationResult(NamedTuple):
    """accepted: False if nobody could be asked. report: for the report.

    warnings: what the monitor that accepts it warns of, the first ones; warnings_dropped: how many more there are.
    """

    accepted: bool
    report: str
    warnings: tuple[str, ...] = ()
    warnings_dropped: int = 0


def validate(
    kind: str, directory: str, plan: ConfigurationOptions, counts: InventoryCounts, deadline: Deadline
) -> ValidationResult:
    """Ask the monitor of that kind.

    counts: what it must have found, no more and no less: so that nothing became a definition of its own.
    Raises: ConfigurationRejected with its first complaint; Misconfigured.
    """
    ask = {"nagios": _nagios, "icinga2": _icinga2}.get(kind)
    if ask is None:
        return ValidationResult(False, f"not checked: {kind} has no way to check a configuration")
    if plan.nrpe:  # the machine itself, and what asks whether it answers
        counts = counts._replace(hosts=counts.hosts + 1, services=counts.services + 1)
    more = len(plan.overrides.parents)
    counts = counts._replace(hosts=counts.hosts + more, services=counts.services + more)
    with tempfile.TemporaryDirectory(prefix="fedcloud-ncg-") as scratch:
        return ask(directory, scratch, plan, counts, deadline)


def _nagios(
    directory: str, scratch: str, plan: ConfigurationOptions, counts: InventoryCounts, deadline: Deadline
) -> ValidationResult:
    program = _find_program("nagios4", "nagios")
    if not program:
        return ValidationResult(False, "not checked: nagios4 is not installed here")
    objects = f"{directory}/nagios/objects"
    settings = [
        *(f"{key}={scratch}/{key}" for key in ("log_file", "lock_file", "object_cache_file", "status_file")),
        *(f"{key}={scratch}" for key in ("temp_path", "log_archive_path", "check_result_path")),
        f"temp_file={scratch}/temp",
        f"state_retention_file={scratch}/retention",
        f"command_file={scratch}/command",
        f"query_socket={scratch}/query",
        f"nagios_user={os.geteuid()}",
        f"nagios_group={os.getegid()}",
        "check_for_updates=0",
        "use_syslog=0",
    ]
    illegal = ("illegal_object_name_chars=`~!$%^&*|'\"<>?,()=", "illegal_macro_output_chars=`~$&|'\"<>")
    alone = [f"cfg_dir={objects}", *illegal, *settings]
    output = _ask_nagios(program, alone, scratch, deadline, "")
    version = _match(r"Nagios Core ([0-9.]+)", output)
    _expect(program, counts.hosts, _match(r"Checked ([0-9]+) hosts?\.", output), "hosts")
    _expect(program, counts.services, _match(r"Checked ([0-9]+) services?\.", output), "services")
    warned = _nagios_warnings(program, output)
    if not plan.main:
        return ValidationResult(True, f"accepted by Nagios {version}".rstrip(), *warned)
    main = MainFile(plan.main)
    lines = [*main.with_objects(objects, plan.output), *settings]
    _ask_nagios(program, lines, scratch, deadline, f" together with {plan.main}")
    return ValidationResult(True, f"accepted by Nagios {version}, also together with {plan.main}", *warned)


def _ask_nagios(program: str, lines: list[str], scratch: str, deadline: Deadline, beside: str) -> str:
    """What Nagios says of a configuration that it accepts. Raises: ConfigurationRejected; Misconfigured."""
    path = os.path.join(scratch, "nagios.cfg")
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("\n".join(lines) + "\n")
    code, output = _run([program, "-v", path], scratch, deadline)
    if code or not re.search(r"^Total Errors: +0$", output, re.MULTILINE):
        complaints = [_match(r"(Warning: Duplicate .+)", output), _match(r"(Error: .+)", output)]
        complaint = " ".join(each for each in complaints if each) or _last_line(output)
        raise ConfigurationRejected(f"{program} does not accept the configuration{beside}: {safe(complaint)[:450]}")
    return output


_REPEATS_LESS_OFTEN = re.compile(r"notification interval less than its check interval")
"""Not told: of a service that is checked every 12 hours, `repeat = 4h` repeats a notification every 12 hours. An
operator who sets it for all services means no more than that."""


def _nagios_warnings(program: str, output: str) -> tuple[tuple[str, ...], int]:
    """What Nagios warns of in what was generated: the first warnings, and how many more there are.

    What it warns of in an operator's own main file is not ours to tell.
    """
    found = re.findall(r"^Warning: (.+)$", output, re.MULTILINE)
    told = [each for each in found if not _REPEATS_LESS_OFTEN.search(each)]
    name = os.path.basename(program)
    lines = tuple(f"{name} warns: {' '.join(safe(each).split())}" for each in told[:MAX_WARNINGS])
    return lines, len(told) - len(lines)


class MainFile:
    """The main configuration file of a Nagios of the operator's own. Raises: Misconfigured where it cannot be read."""

    def __init__(self, path: str) -> None:
        self._directory = os.path.dirname(os.path.realpath(path))
        text = read_small_file(path, "Nagios' main configuration", 4 << 20).decode("utf-8", "surrogateescape")
        lines = re.findall(r"^[ \t]*([a-z_]+)[ \t]*=[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
        self._settings = [(key, self._absolute(value) if key in _PATHS else value) for key, value in lines]

    def _absolute(self, path: str) -> str:
        """Nagios takes paths from where its main file is."""
        return os.path.join(self._directory, path)

    def reads(self, directory: str) -> bool:
        """Whether it reads something of a directory."""
        return any(
            key == "cfg_dir" and (_is_below(value, directory) or _is_below(directory, value))
            for key, value in self._settings
        )

    def with_objects(self, objects: str, output: str) -> list[str]:
        """Its lines with other objects in the place of those below OUTPUT, and no files in which it keeps its state."""
        lines = [f"cfg_dir={objects}"]
        for key, value in self._settings:
            if key == "cfg_dir":
                # a directory may hold OUTPUT somewhere, so its files are named one by one
                lines += [f"cfg_file={path}" for path in _object_files(value) if not _is_below(path, output)]
            elif key == "cfg_file":
                lines += [] if _is_below(value, output) else [f"cfg_file={value}"]
            elif key not in _STATE:
                lines.append(f"{key}={value}")
        return lines


_PATHS = frozenset({"cfg_dir", "cfg_file", "resource_file"})
_STATE = frozenset(
    {
        *("log_file", "lock_file", "object_cache_file", "precached_object_file", "status_file", "temp_path"),
        *("temp_file", "log_archive_path", "check_result_path", "state_retention_file", "command_file"),
        *("query_socket", "nagios_user", "nagios_group", "check_for_updates", "use_syslog", "broker_module"),
        "debug_file",
    }
)
"""What a main file says of where Nagios writes and who it is: of no account for what it reads."""


def find_main_file(output: str) -> str:
    """The main file of a Nagios on this machine that reads a directory, empty where none is known to."""
    for path in MAIN_FILES:
        try:
            if MainFile(path).reads(output):
                return path
        except Failure:
            pass
    return ""


def _is_below(path: str, directory: str) -> bool:
    real, parent = os.path.realpath(path), os.path.realpath(directory)
    return os.path.commonpath([real, parent]) == parent


def _object_files(directory: str) -> list[str]:
    """The files of a cfg_dir as Nagios reads it: *.cfg at any depth, through links too, none that begins with a dot."""
    found: list[str] = []
    seen: set[str] = set()
    for place, names, files in os.walk(directory, followlinks=True):
        real = os.path.realpath(place)
        names[:] = [] if real in seen else sorted(name for name in names if not name.startswith("."))
        if real not in seen:
            found += [os.path.join(place, name) for name in sorted(files) if re.fullmatch(r"[^.].*\.cfg", name)]
        seen.add(real)
    return found


def _icinga2(
    directory: str, scratch: str, plan: ConfigurationOptions, counts: InventoryCounts, deadline: Deadline
) -> ValidationResult:
    program = _find_program("icinga2")
    if not program:
        return ValidationResult(False, "not checked: icinga2 is not installed here")
    main = os.path.join(scratch, "icinga2.conf")
    satellites = bool(plan.satellites)
    lines = ["include <itl>"]
    if satellites:
        lines += [f'include "{directory}/icinga2/zones.conf"', f'const NodeName = "{plan.master.name}"']
        lines.append(f'include_zones "fedcloud", "{directory}/icinga2/zones.d"')
    else:
        lines += ['const NodeName = "localhost"', f'include_recursive "{directory}/icinga2/conf.d"']
        lines += ["object Endpoint NodeName { }", "object Zone NodeName { endpoints = [ NodeName ] }"]
    lines.append("const ZoneName = NodeName")
    with open(main, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    code, output = _run(icinga2_command(program, main, scratch, "-C"), scratch, deadline)
    if code:
        complaint = _match(r"(critical/config: .+)", output) or _match(r"(critical/.+)", output) or _last_line(output)
        raise ConfigurationRejected(f"{program} does not accept the configuration: {safe(complaint)[:400]}")
    _expect(program, counts.hosts, _match(r"Instantiated ([0-9]+) Hosts?\.", output), "hosts")
    _expect(program, counts.services, _match(r"Instantiated ([0-9]+) Services?\.", output), "services")
    version = _match(r"\(version: r?([0-9.]+)", output)
    return ValidationResult(True, f"accepted by Icinga {version}".rstrip())


def _expect(program: str, wanted: int, found: str, what: str) -> None:
    if int(found or 0) != wanted:
        raise ConfigurationRejected(
            f"{program} found {found or 'no'} {what} in a configuration of {wanted}; this is a bug, report it"
        )


def icinga2_command(program: str, main: str, state: str, *more: str) -> list[str]:
    """Run Icinga 2 as ourselves, with all that it writes below one directory, and no zones of this machine's own."""
    import grp
    import pwd

    settings = {
        "RunAsUser": pwd.getpwuid(os.geteuid()).pw_name,
        "RunAsGroup": grp.getgrgid(os.getegid()).gr_name,
        "Configuration.RunAsUser": pwd.getpwuid(os.geteuid()).pw_name,
        "Configuration.RunAsGroup": grp.getgrgid(os.getegid()).gr_name,
        "Configuration.DataDir": state,
        "Configuration.LogDir": state,
        "Configuration.CacheDir": state,
        "Configuration.SpoolDir": state,
        "Configuration.InitRunDir": state,
        "Configuration.ZonesDir": os.path.join(state, "zones.d"),
    }
    defined = [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
    return [program, "daemon", "-c", main, *defined, *more]


def _find_program(*names: str) -> str | None:
    return next((path for name in names if (path := shutil.which(name, path=_PATH))), None)


def _run(command: list[str], scratch: str, deadline: Deadline) -> tuple[int, str]:
    """Exit code and the end of the output. Raises: ConfigurationRejected when it does not end in time."""
    environment = {"PATH": _PATH, "HOME": scratch, "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryFile(dir=scratch) as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=scratch,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise Misconfigured(
                f"{command[0]} cannot be run: {error.strerror}", remedy="give --no-validate to write it unasked"
            ) from None
        try:
            code = process.wait(deadline.remaining())
        except subprocess.TimeoutExpired:
            raise ConfigurationRejected(
                f"{command[0]} did not finish within {deadline.seconds:g} s", remedy="raise -t"
            ) from None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - MAX_OUTPUT))
        return code, output.read().decode("utf-8", "replace")


def _match(pattern: str, output: str) -> str:
    found = re.search(pattern, output)
    return found[1] if found else ""


def _last_line(output: str) -> str:
    return next((line for line in reversed(output.splitlines()) if line.strip()), "it says nothing")
