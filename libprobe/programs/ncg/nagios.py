"""Downtimes in a running Nagios 4: read from its status file, told through its command file.

Source: Nagios Core 4.4.6, xdata/xsddefault.c (status file) and base/commands.c (external commands).
"""

from __future__ import annotations

import errno
import os
import re
import select
import stat
import time

from libprobe import redact
from libprobe.failures import Misconfigured
from libprobe.files import read_small_file
from libprobe.programs.ncg.scheduled import AUTHOR, HostAndService, MonitorState, ScheduledDowntime, number_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from libprobe.deadline import Deadline

MAX_LINE = 64 << 10
"""Nagios keeps plugin output of over 100 KiB in a line; what is beyond this, somebody else wrote, and is skipped."""


class Nagios:
    """A Nagios on this machine. main: its main configuration file. Raises: Misconfigured, from every method.

    object_cache: the file in which it keeps all definitions that it has read, empty where MAIN does not say
    """

    name = "Nagios"

    def __init__(self, main: str, deadline: Deadline) -> None:
        self._deadline = deadline
        settings = _settings(main)
        try:
            self._status, self._commands = settings["status_file"], settings["command_file"]
            self.object_cache = settings.get("object_cache_file", "")
            for path in (self._status, self._commands):
                redact.register_if_secret(path, is_path=not os.path.exists(path))
        except KeyError as error:
            raise Misconfigured(f"{main} does not set {error.args[0]}") from None

    def known(self, services: Collection[HostAndService]) -> MonitorState:
        """As of the last time that Nagios wrote its status file."""
        found: set[HostAndService] = set()
        ours: list[ScheduledDowntime] = []
        for kind, values in self._blocks():
            service = (values.get("host_name", ""), values.get("service_description", ""))
            if kind == "servicestatus":
                if service in services:
                    found.add(service)
            elif values.get("author") == AUTHOR:
                text = values.get("comment", "")
                start, end = int(values["start_time"]), int(values["end_time"])
                ours.append(ScheduledDowntime(*service, number_in(text), start, end, text, values["downtime_id"]))
        return MonitorState(frozenset(found), ours)

    def schedule(self, downtimes: Iterable[ScheduledDowntime]) -> None:
        self._tell(
            # fixed, not triggered by another one, no duration of its own
            f"SCHEDULE_SVC_DOWNTIME;{each.host};{each.service};{each.start};{each.end};1;0;0;{AUTHOR};{each.comment}"
            for each in downtimes
        )

    def end(self, downtimes: Iterable[ScheduledDowntime]) -> None:
        self._tell(f"DEL_SVC_DOWNTIME;{each.handle}" for each in downtimes)

    def _blocks(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yield the services and their downtimes in the status file; of a service only what names it."""
        try:
            # Nagios replaces the file as a whole, so what is open stays one state
            with open(self._status, encoding="utf-8", errors="replace") as file:
                kind = ""
                values: dict[str, str] = {}
                ended = True
                while line := file.readline(MAX_LINE):
                    is_remainder, ended = not ended, line.endswith("\n")
                    if is_remainder:
                        continue
                    if line.startswith(("servicestatus {", "servicedowntime {")):
                        kind, values = line.split()[0], {}
                    elif line.startswith("\t}") and kind:
                        yield kind, values
                        kind = ""
                    elif kind == "servicedowntime" or (kind and line.startswith(("\thost_name=", "\tservice_desc"))):
                        name, _, value = line.strip().partition("=")
                        values[name] = value
        except (OSError, ValueError, KeyError) as error:
            why = error.strerror if isinstance(error, OSError) else "it holds what Nagios 4 does not write"
            raise Misconfigured(
                f"the status file {self._status} cannot be read: {why}", remedy="start Nagios"
            ) from None

    def _tell(self, commands: Iterable[str]) -> None:
        now = int(time.time())
        data = "".join(f"[{now}] {command}\n" for command in commands).encode("ascii", "replace")
        if not data:
            return
        try:
            # without O_NONBLOCK, to open it would wait until somebody reads
            pipe = os.open(self._commands, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            why = "nobody reads it" if error.errno == errno.ENXIO else error.strerror
            raise Misconfigured(
                f"the command file {self._commands} cannot be written: {why}",
                remedy="start Nagios, with check_external_commands=1",
            ) from None
        try:
            if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
                raise Misconfigured(f"the command file {self._commands} is not a pipe", remedy="start Nagios")
            for line in data.splitlines(keepends=True):
                self._write(pipe, line)
        except OSError as error:
            raise Misconfigured(f"Nagios stopped reading {self._commands}: {error.strerror}") from None
        finally:
            os.close(pipe)

    def _write(self, pipe: int, line: bytes) -> None:
        """A line of less than PIPE_BUF bytes is written as a whole, between those of others."""
        while True:
            try:
                os.write(pipe, line)
                return
            except BlockingIOError:
                select.select([], [pipe], [], self._deadline.remaining())


def _settings(path: str) -> dict[str, str]:
    text = read_small_file(path, "Nagios' main configuration", 4 << 20).decode("utf-8", "replace")
    return dict(re.findall(r"^[ \t]*([a-z_]+)[ \t]*=[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE))
