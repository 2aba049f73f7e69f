"""A real Icinga 2 and a real NRPE that run commands of a benchmark, and a worker for what they start.

NRPE does not run as root: then it, and the worker that serves what it starts, run as `nobody`, who has to be able to
read this directory and the interpreter. What they write goes below one directory.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from libprobe.programs.ncg.validation import icinga2_command
from tests.conftest import clean_environment
from tests.federation.ports import free_port
from tests.pace import until
from tests.programs.worker.handler import Worker

ICINGA, NRPED = "/usr/sbin/icinga2", "/usr/sbin/nrpe"
STOP_S = 20.0
ANSWER_S = 120.0

_PACKET = struct.Struct(">hhIh1024s2x")
"""Of NRPE's second version: version, type, CRC-32 of all with 0 in its place, exit code, text."""
_VERSION, _QUERY, _RESPONSE = 2, 1, 2

_ICINGA = """\
object IcingaApplication "app" {{ }}
object CheckerComponent "checker" {{ }}
const MaxConcurrentChecks = {at_once}
object CheckCommand "none" {{ command = [ "/bin/true" ] }}
object Host "peer" {{
  check_command = "none"
  enable_active_checks = false
}}
{services}
{more}
"""

_SERVICE = """\
object CheckCommand "{name}" {{
  command = [ {words} ]
  timeout = 2m
}}
object Service "{name}" {{
  host_name = "peer"
  check_command = "{name}"
  check_interval = {interval}
  retry_interval = {interval}
  max_check_attempts = 1
  enable_flapping = false
}}
"""

_RESULTS = """\
object PerfdataWriter "results" {{
  host_perfdata_path = "{directory}/hosts"
  service_perfdata_path = "{directory}/services"
  host_temp_path = "{directory}/hosts.now"
  service_temp_path = "{directory}/services.now"
  service_format_template = "$service.name$\\t$service.state_id$\\t$service.output$"
  rotation_interval = 2s
}}
"""


def plain_environment(home: Path) -> dict[str, str]:
    """What daemons and the worker are started with; no PYTHONPATH, of which NRPE takes nothing along.

    A worker serves nobody whose Python looks elsewhere for modules.
    """
    environment = clean_environment(HOME=home)
    del environment["PYTHONPATH"]
    return environment


class User:
    """Who runs something: ourselves, or, where we are root, `nobody`."""

    def __init__(self, *, unprivileged: bool) -> None:
        self.changes = unprivileged and os.geteuid() == 0
        self.group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name  # nogroup on Debian, nobody on EL
        self.prefix = ["setpriv", "--reuid=nobody", f"--regid={self.group}", "--init-groups"] if self.changes else []

    def own(self, home: Path) -> None:
        """Give him a directory, and let him enter the one that it is in."""
        home.parent.chmod(0o755)
        if self.changes:
            shutil.chown(home, "nobody", self.group)


PACKAGED = [sys.executable, "-S"]
"""How a package starts Python (scripts/install), but for -I: a checkout is found beside its probes."""


class PackagedWorker(Worker):
    """fedcloud-worker as a package starts it."""

    python = PACKAGED


class WorkerAs(Worker):
    """fedcloud-worker for the executables of some user."""

    def __init__(self, user: User, directory: Path, *arguments: object, **environment: object) -> None:
        super().__init__(None, directory, *arguments, **environment)
        self._command = [*user.prefix, *self._command]


@contextmanager
def running(words: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon in a session of its own, which is ended with all that it started."""
    with open(log, "ab") as said:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=log.parent,
            env=dict(environment),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def icinga(
    directory: Path,
    commands: Mapping[str, Sequence[str]],
    at_once: int,
    interval_s: float,
    *,
    keeps_results: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """An Icinga 2 with a service for each command, each due every interval_s, and at most at_once at a time.

    keeps_results: whether it writes each result to `results/services*` below the directory: name, state, output.
    """
    state, results = directory / "icinga", directory / "results"
    state.mkdir()
    results.mkdir()
    services = (
        _SERVICE.format(name=name, words=", ".join(f'"{word}"' for word in words), interval=f"{interval_s:g}s")
        for name, words in commands.items()
    )
    main = directory / "icinga2.conf"
    more = _RESULTS.format(directory=results) if keeps_results else ""
    main.write_text(_ICINGA.format(at_once=at_once, services="".join(services), more=more))
    words = icinga2_command(ICINGA, str(main), str(state))
    with running(words, directory / "icinga.log", plain_environment(directory)) as process:
        yield process


class Result(NamedTuple):
    """A result as Icinga has processed it. state: 0 to 3."""

    name: str
    state: int
    output: str


def results(directory: Path) -> Iterator[Result]:
    """What an `icinga` that keeps its results has written there so far, in no order; the last seconds come later."""
    for path in (directory / "results").glob("services*"):
        if path.name == "services.now":
            continue
        for line in path.read_text(errors="replace").splitlines():
            name, state, output = line.split("\t", 2)
            yield Result(name, int(float(state)), output)


@contextmanager
def nrpe(directory: Path, commands: Mapping[str, Sequence[str]], user: User) -> Iterator[int]:
    """An NRPE, without TLS of its own, that knows these commands; its port."""
    port = free_port()
    home = directory / "nrpe"
    home.mkdir()
    configuration = home / "nrpe.cfg"
    name, group = ("nobody", user.group) if user.changes else (str(os.geteuid()), str(os.getegid()))
    lines = [f"command[{each}]={' '.join(words)}" for each, words in commands.items()]
    configuration.write_text(
        f"server_address=127.0.0.1\nserver_port={port}\npid_file={home}/pid\nlog_file={home}/log\nnrpe_user={name}\n"
        f"nrpe_group={group}\nallowed_hosts=127.0.0.1\ndont_blame_nrpe=0\ncommand_timeout=120\n"
        + "\n".join(lines)
        + "\n"
    )
    user.own(home)
    words = [NRPED, "-c", str(configuration), "-f", "-n"]
    with running(words, directory / "nrpe.log", plain_environment(home)) as process:

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError((directory / "nrpe.log").read_text() or "NRPE ended")
            try:
                return "NRPE v" in ask_nrpe(port, "_NRPE_CHECK")[1]
            except OSError:
                return False

        until(answers)
        yield port


def ask_nrpe(port: int, name: str) -> tuple[int, str]:
    """Have NRPE run a command: exit code and first kilobyte of output. Raises: OSError, also for no whole answer."""
    empty = _PACKET.pack(_VERSION, _QUERY, 0, 0, name.encode())
    with socket.create_connection(("127.0.0.1", port), ANSWER_S) as made:
        made.sendall(_PACKET.pack(_VERSION, _QUERY, zlib.crc32(empty), 0, name.encode()))
        answer = b""
        while len(answer) < _PACKET.size:
            data = made.recv(_PACKET.size)
            if not data:
                raise ConnectionError(f"NRPE closed after {len(answer)} bytes")
            answer += data
    version, kind, crc, code, text = _PACKET.unpack(answer[: _PACKET.size])
    found = _PACKET.pack(version, kind, 0, code, text)
    if (version, kind) != (_VERSION, _RESPONSE) or crc != zlib.crc32(answer[:4] + bytes(4) + answer[8 : _PACKET.size]):
        raise ConnectionError(f"NRPE's answer is not understood: {found[:60]!r}")
    return code, text.split(b"\0", 1)[0].decode(errors="replace")


@contextmanager
def in_threads(count: int, work: Callable[[int], None]) -> Iterator[None]:
    """Call `work` with its thread's number again and again in this number of threads; its error ends with ours."""
    over = threading.Event()
    failures: list[Exception] = []

    def repeat(number: int) -> None:
        while not over.is_set():
            try:
                work(number)
            except Exception as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=repeat, args=(number,), daemon=True) for number in range(count)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        end = time.monotonic() + ANSWER_S
        for each in threads:
            each.join(max(0.0, end - time.monotonic()))
    if failures:
        raise failures[0]
