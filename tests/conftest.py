"""What all tests share: running a probe as Nagios does, and one embedded federation per test process."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

from tests import machine, pace
from tests.executables import ROOT as ROOT  # all tests have these from here
from tests.executables import clean_environment, command
from tests.planted import leaks

# a busy machine is no defect: what must be quick says so itself, by processor time
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")


HANGS = frozenset({"mute", "mute-accept", "drip-handshake", "drip-headers", "drip-body"})
"""Faults that only the deadline ends: it can be short for them, whereas the others take what the machine takes."""


SECONDS = r"\d[\d.]* m?s"
"""A pattern of a time, as sentences tell it."""


class _Report(NamedTuple):
    code: int
    out: str
    err: str


def at(url: str) -> str:
    """Host and port of a URL with a port, as a status line names who was asked."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0]


class Report(_Report):
    """What a probe said: exit code, whole standard output and standard error; neither has a secret in it."""

    def __new__(cls, code: int, out: str, err: str) -> Report:
        leaked = leaks(out) + leaks(err)
        assert not leaked, f"secrets were printed: {leaked} in {out!r} {err!r}"
        return super().__new__(cls, code, out, err)

    @property
    def first(self) -> str:
        """The status line without performance data."""
        return self.out.split("\n", 1)[0].split(" | ", 1)[0]

    def expect(self, subject: str, code: int, pattern: str) -> None:
        """The exit code, nothing on standard error, and a status line that is the whole pattern."""
        state = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[code]
        assert (self.code, self.err) == (code, ""), self.out
        assert re.fullmatch(rf"{subject} {state} - {pattern}", self.first), self.first

    @property
    def performance(self) -> dict[str, str]:
        """Performance data by label, each with its unit and thresholds."""
        line = self.out.split("\n", 1)[0]
        parts = line.split(" | ", 1)[1].split() if " | " in line else []
        return dict(part.split("=", 1) for part in parts)

    @property
    def lines(self) -> list[str]:
        """The long output."""
        return self.out.rstrip("\n").split("\n")[1:]


Probe = Callable[..., Report]


def pytest_configure(config: pytest.Config) -> None:
    os.environ["FEDCLOUD_PROBES_WORKER"] = "no"  # as `clean_environment` has it, for what inherits ours
    # a shell has what runs in its background ignore SIGINT, and nohup SIGHUP; what the tests start would do so too
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    config.addinivalue_line("markers", "needs(package, ...): of scripts/debian-packages; skipped where one is missing")


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = machine.lacking(name for marker in item.iter_markers("needs") for name in marker.args)
    if missing:
        pytest.skip(missing)


@pytest.fixture(autouse=True)
def signals_are_left_alone() -> Iterator[None]:
    """What a test ignores, the processes of all later ones would ignore as well."""
    ending = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(each) for each in ending]
    yield
    after = [signal.getsignal(each) for each in ending]
    for number, handler in zip(ending, before, strict=True):
        signal.signal(number, handler)
    assert after == before


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """Run a probe to its end: `probe("check_occi_vm", "-H", host, X509_USER_PROXY=...)`."""

    def run(name: str, *arguments: object, wait: float = pace.AMPLE_S, **environment: object) -> Report:
        environment.setdefault("HOME", tmp_path)
        done = subprocess.run(
            command(name, *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=wait,
            cwd="/tmp",
            env=clean_environment(**environment),
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def names(tmp_path: Path):
    """Give host names addresses, as the resolver would; returns the environment that makes a probe believe it."""

    def give(*, unrouted: str = "", **addresses: list[str]) -> dict[str, str]:
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text(
            "import errno, socket\n"
            f"KNOWN = {addresses!r}\n"
            "real = socket.getaddrinfo\n"
            "def look_up(host, port, family=0, kind=0, protocol=0, flags=0):\n"
            "    name = host.decode() if isinstance(host, bytes) else host\n"
            "    found = []\n"
            "    for each in KNOWN.get(name, [name]):\n"
            "        if flags & socket.AI_NUMERICHOST and each != name: continue\n"
            "        try: found += real(each, port, family, kind, protocol, socket.AI_NUMERICHOST)\n"
            "        except socket.gaierror: pass\n"
            "    if not found: raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')\n"
            "    return found\n"
            "socket.getaddrinfo = look_up\n"
            "connect = socket.socket.connect\n"
            "def connect_routed(self, address):\n"
            f"    if address[0] == {unrouted!r}: raise OSError(errno.ENETUNREACH, 'Network is unreachable')\n"
            "    return connect(self, address)\n"
            "socket.socket.connect = connect_routed\n"
        )
        return {"PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}"}

    return give


@pytest.fixture
def whole_machine() -> Iterator[None]:
    """For a test that keeps all processors busy, a monitor with its probes: one such test at a time."""
    with open(Path(tempfile.gettempdir()) / f"fedcloud-probes-tests-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory where syncing costs nothing, if the machine has one: hundreds of syncs of a disk take long."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def shared_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The embedded federation of this test process; use `federation`, which sets it back for each test."""
    from tests.federation.federation import Federation

    with Federation(tmp_path_factory.mktemp("federation")) as running:
        yield running


@pytest.fixture
def federation(shared_federation):
    """The embedded federation, as new: no faults, no VMs, good certificates."""
    shared_federation.reset()
    shared_federation.defects()
    yield shared_federation
    defects = shared_federation.defects()
    assert not defects, "\n".join(defects)


MEASURE = """
import os, resource, sys
child = os.fork()
if not child:
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
os._exit(os.waitstatus_to_exitcode(status) & 255)
"""


ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
    fcntl.ioctl(made, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP: loopback begins switched off
os.execv(sys.argv[1], sys.argv[1:])
"""


def alone() -> list[str]:
    """What comes before a command line to run it in a network of its own, where no other program has any port.

    Skips the test where the kernel grants none: it does to root, and on most machines to everybody.
    """
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    words = [*unshare, sys.executable, "-I", "-S", "-c", ALONE]
    if not shutil.which("unshare") or subprocess.run([*words, "/bin/true"], capture_output=True).returncode:
        pytest.skip("this machine lets us have no network namespace of our own, in which the usual ports are free")
    return words


class Monitor:
    """One monitor: the federation's environment and a state directory of its own."""

    def __init__(self, federation, directory: Path) -> None:
        self.federation = federation
        self.state = directory / "state"
        self.home = directory
        self.environment = clean_environment(**federation.environment(), HOME=directory)

    def keeping(self, name: str) -> list[object]:
        """The option that names where an executable keeps its state, where it has one."""
        return [] if name == "check_credential" else ["--state-dir", self.state]

    def start(self, name: str, *arguments: object, **environment: object) -> subprocess.Popen[bytes]:
        """Start a probe in a process group of its own, as Nagios does."""
        return subprocess.Popen(
            command(name, *self.keeping(name), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/tmp",
            env={**self.environment, **{k: str(v) for k, v in environment.items()}},
            start_new_session=True,
        )

    def run(self, name: str, *arguments: object, wait: float = pace.AMPLE_S, **environment: object) -> Report:
        process = self.start(name, *arguments, **environment)
        try:
            out, err = process.communicate(timeout=wait)
        finally:
            process.kill()
        return Report(process.returncode, out.decode(), err.decode())

    def run_alone(self, name: str, *arguments: object) -> Report:
        """Run a probe where nothing listens on any port, whatever other programs this machine has.

        It runs twice, for the GOCDB cannot be reached from there: what that answers is asked before, and kept.
        """
        prefix = alone()
        self.run(name, *arguments, *([] if "-t" in arguments else ["-t", pace.AMPLE_S]))
        done = subprocess.run(
            [*prefix, *command(name, "--state-dir", self.state, *arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=pace.AMPLE_S,
            cwd="/tmp",
            env=self.environment,
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    def measured(self, name: str, *arguments: object, wait: float = pace.AMPLE_S) -> tuple[Report, int]:
        """Run a probe; return its report and its peak memory in KiB.

        Between the two stands a small process: a child's peak begins with that of whoever forked it.
        """
        peak = self.home / "peak"
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, str(peak), *command(name, "--state-dir", self.state, *arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=wait,
            cwd="/tmp",
            env=self.environment,
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode()), int(peak.read_text())

    def remembered(self) -> list[str]:
        """The VMs that the state directory remembers."""
        return sorted(path.name for path in self.state.glob("*.vm")) if self.state.exists() else []


@pytest.fixture
def monitor(federation, tmp_path: Path) -> Monitor:
    return Monitor(federation, tmp_path)


# ---- what the pace of the machine kept from being judged

UNJUDGED = "unjudged"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Give the limits of time that a test did not judge to its report, which goes to whoever prints the summary."""
    item.user_properties += [(UNJUDGED, why) for why in pace.unjudged]
    pace.unjudged.clear()
    report = yield
    if report.skipped and machine.needs_all() and " not installed" in report.longrepr[2]:
        report.outcome, report.longrepr = "failed", f"{report.longrepr[2]}, and FEDCLOUD_NEEDS_ALL is set"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was skipped or not judged because of the machine: nothing is left out in silence."""
    skipped = [each.nodeid for each in terminalreporter.getreports("skipped") if pace.TOO_BUSY in str(each.longrepr)]
    reports = [each for kind in terminalreporter.stats.values() for each in kind if hasattr(each, "user_properties")]
    told = [f"{each.nodeid}: {why}" for each in reports for name, why in each.user_properties if name == UNJUDGED]
    notes = list(dict.fromkeys(told))  # a test has a report for each of its phases
    if skipped or notes:
        terminalreporter.section(
            f"{pace.TOO_BUSY}: {len(skipped)} tests skipped, {len(notes)} limits of time not judged"
        )
        for line in [*skipped, *notes]:
            terminalreporter.line(line)
    others = [each for each in terminalreporter.getreports("skipped") if pace.TOO_BUSY not in str(each.longrepr)]
    for line in machine.told(each.longrepr[2] for each in others):
        terminalreporter.line(line)
