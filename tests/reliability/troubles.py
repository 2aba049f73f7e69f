"""Troubles of the monitoring host itself, real ones: what a run meets there is no site's fault.

A trouble is a row of the second matrix: how an executable is started in it, whom it asks meanwhile, and what it says.
The kernel makes most of them: name spaces of network and files, limits, signals. Whom it asks is good, where it can be
reached at all: a run that comes through in spite of the trouble has to come to the same result as without.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import command
from tests.federation import ber
from tests.federation.ldap_peer import SEARCH, Conversation, LdapPeer, answers
from tests.federation.stomp_responder import Responder, ResponderBehaviour
from tests.pace import AMPLE_S, is_over, state_of, until
from tests.probes.test_check_availability import FIRST, filled
from tests.reliability import matrix
from tests.reliability.matrix import CRITICAL, OK, UNKNOWN, Column, Place
from tests.reliability.peers import SITE, Grid, Nowhere, mute, raw, web
from tests.reliability.runs import Outcome, run

NOT_DONE = 2
"""Of fedcloud-downtimes, as of fedcloud-ncg: neither is a probe."""

COLUMNS: tuple[Column, ...] = (
    *matrix.COLUMNS,
    Column(
        "fedcloud-downtimes",
        matrix.HTTP,
        NOT_DONE,
        "",
        lambda at: [
            *("fedcloud-downtimes", "--gocdb", at.url("https", matrix.PI)),
            *("--icinga", "https://localhost:1/", "--icinga-login", "{directory}/login", "--icinga-ca", "{ca}"),
        ],
    ),
    # looks at the proxy of this machine, and asks nobody
    Column("check_credential", (), CRITICAL, "", lambda at: ["check_credential"]),
    # lists what the journal has, and asks nobody
    Column("fedcloud-leftovers", (), CRITICAL, "", lambda at: ["fedcloud-leftovers"]),
    # reads what was imported, and asks nobody
    Column("check_availability", (), CRITICAL, "", lambda at: ["check_availability", "--site", "EXAMPLE-SITE"]),
    # reads what the worker or Nagios wrote, and asks nobody
    Column(
        "fedcloud-availability", (), NOT_DONE, "", lambda at: ["fedcloud-availability", "import", "{directory}/log"]
    ),
)
"""Every executable but fedcloud-worker, whose runners are these same probes: `tests/programs/worker` tries that."""

_USERS = itertools.count(1_000_000 + 1_000 * (os.getpid() % 100_000))
"""Users with no other process: the limit of processes counts all that a user has."""

SLICE_S, PAUSE_S = 0.02, 0.3
"""Of a starved process: it runs so long, then others do."""

# ---- started in trouble

NETWORK = """
import fcntl, os, socket, struct, subprocess, sys
kind, directory, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
    fcntl.ioctl(made, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
for name, text in (("resolv.conf", "nameserver 127.0.0.1\\n"), ("nsswitch.conf", "hosts: files dns\\n")):
    with open(f"{directory}/{name}", "w") as file:
        file.write(text)
    subprocess.run(["mount", "--bind", f"{directory}/{name}", f"/etc/{name}"], check=True)
if kind == "mute":
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    server.set_inheritable(True)  # nobody reads what is asked of it
os.execvp(rest[0], rest)
"""
"""A network of its own, in which the resolver asks a name server that says nothing, or that is not there."""

GATEWAY = """
ip link set lo up
ip link add inside type veth peer name outside
ip addr add 192.0.2.2/24 dev inside
ip -6 addr add 2001:db8::2/64 dev inside nodad || true
ip link set inside up
ip link set outside up
ip route add default via 192.0.2.1
ip -6 route add default via 2001:db8::1 || true
exec "$@"
"""
"""A network of its own, in which nobody is where the default route leads to."""

FULL = """
cd "$1"; shift
mkdir -p state kept
cp -a state/. kept
mount -t tmpfs -o size=256k,mode=700 none state
mount -t tmpfs -o size=64k,mode=700 none tmp
cp -a kept/. state
for each in state tmp; do dd if=/dev/zero of=$each/filler bs=1k count=300 2>/dev/null || true; done
cd /tmp
exec "$@"
"""
"""No room where a run keeps its state, beside what an earlier one left there, and none for temporary files."""


def unshare(*kinds: str) -> list[str]:
    """The command that gives a process name spaces of its own, as root or as anybody."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_root, *(f"--{kind}" for kind in kinds)]


def limited(**limits: int) -> list[str]:
    """As the command `prlimit` has them: `as`, `nproc`, `nofile`."""
    return ["prlimit", *(f"--{kind.strip('_')}={value}" for kind, value in limits.items())]


def few_processes(directory: Path) -> list[str]:
    """No further process and no thread. Root is not counted: as root, it is another user who may read what root may."""
    if os.geteuid():
        return limited(nproc=1)
    user = next(_USERS)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, user, -1, follow_symlinks=False)
    may_read = ["--inh-caps=-all,+dac_override,+dac_read_search", "--ambient-caps=-all,+dac_override,+dac_read_search"]
    return [*limited(nproc=1), "setpriv", f"--reuid={user}", "--clear-groups", *may_read]


# ---- who is asked


class Listener(LdapPeer):
    """A peer whose `requests` are the first bytes of each connection, before it goes on."""

    def __init__(self, behaviour: Callable[[Conversation], None]) -> None:
        self.requests: list[bytes] = []

        def first(peer: Conversation) -> None:
            self.requests.append(peer.sock.recv(1, socket.MSG_PEEK))
            behaviour(peer)

        super().__init__(first)


def is_secure(column: Column) -> bool:
    return "http" in column.speaks or column.name.startswith("check_endpoint_tcp")


def good(column: Column, grid: Grid) -> Any:
    """Somebody who answers as it should be. Without a BDII's content, though, which decides nothing here."""
    if is_secure(column):
        return web()(grid)
    if "ldap" in column.speaks:
        name = f"GLUE2DomainID={SITE},o=glue"
        site = ber.entry(SEARCH, name, {"objectClass": ["GLUE2AdminDomain"], "GLUE2DomainID": [SITE]})
        return LdapPeer(answers(site, *_cloud(name)))
    return Responder()


def _cloud(domain: str) -> Iterator[bytes]:
    """A cloud's service and its OCCI endpoint."""
    service = f"GLUE2ServiceID=cloud,{domain}"
    attributes = {
        "objectClass": ["GLUE2Service", "GLUE2CloudComputingService"],
        "GLUE2ServiceID": ["cloud"],
        "GLUE2ServiceType": ["org.cloud.iaas"],
        "GLUE2ServiceAdminDomainForeignKey": [SITE],
    }
    yield ber.entry(SEARCH, service, attributes)
    attributes = {
        "objectClass": ["GLUE2Endpoint", "GLUE2CloudComputingEndpoint"],
        "GLUE2EndpointID": ["occi"],
        "GLUE2EndpointURL": ["https://cloud.fedcloud.test/"],
        "GLUE2EndpointInterfaceName": ["OCCI"],
        "GLUE2EndpointServiceForeignKey": ["cloud"],
    }
    yield ber.entry(SEARCH, f"GLUE2EndpointID=occi,{service}", attributes)


def silent(column: Column, grid: Grid) -> Any:
    """Somebody who accepts a connection and says nothing."""
    return Listener(mute)


def silent_when_asked(column: Column, grid: Grid) -> Any:
    """Somebody who gets a whole request and does not answer it."""
    if is_secure(column):
        return web("mute")(grid)
    return Listener(mute) if "ldap" in column.speaks else Responder(ResponderBehaviour(mute_at="CONNECT"))


def was_asked(peer: Any) -> bool:
    return bool(peer.frames if isinstance(peer, Responder) else peer.requests)


# ---- disturbed while it runs


def send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def stop(pid: int, limit_s: float) -> bool:
    """Stop a process for far longer than its deadline. Returns whether it was there to be stopped."""
    send(pid, signal.SIGSTOP)
    until(lambda: state_of(pid) in ("T", "t", "", "Z", "X"))
    was_there = not is_over(pid)
    if was_there:
        time.sleep(2 * limit_s)
    send(pid, signal.SIGCONT)
    return was_there


def stop_when_connected(pid: int, peer: Any, limit_s: float) -> bool:
    until(lambda: is_over(pid) or peer.connections)
    return stop(pid, limit_s)


def stop_when_asked(pid: int, peer: Any, limit_s: float) -> bool:
    until(lambda: is_over(pid) or was_asked(peer))
    return stop(pid, limit_s)


def starve(pid: int, _peer: Any, limit_s: float) -> bool:
    """Let a process run in small slices, as on a machine where many want its processor."""
    while not is_over(pid):
        send(pid, signal.SIGSTOP)
        time.sleep(PAUSE_S)
        send(pid, signal.SIGCONT)
        time.sleep(SLICE_S)
    return True


# ---- what a trouble is


class Trouble(NamedTuple):
    """says: what a run that does not come through has to say, a regular expression.

    prefix:   comes before the command line; gets the run's directory.
    at:       host and port that are asked, where that is not a peer on loopback.
    peer:     who is asked on loopback; more than OK a run may not come to where this is no good one.
    proxy:    the web proxy that the environment names.
    limit_s:  -t, of a trouble that lasts that long.
    disturb:  done to the process meanwhile; gets its number, the peer and -t; tells whether the process was there.
    never:    no run can come through.
    noisy:    libraries of others tell on standard error what they miss; nothing else may stand there.
    befalls:  which executables it can befall.
    """

    says: str
    prefix: Callable[[Path], list[str]] = lambda directory: []
    at: tuple[str, int] | None = None
    peer: Callable[[Column, Grid], Any] = good
    proxy: Callable[[Grid], Any] | None = None
    limit_s: float = AMPLE_S
    disturb: Callable[[int, Any, float], bool] | None = None
    never: bool = False
    noisy: bool = False
    befalls: Callable[[Column], bool] = lambda column: True

    @property
    def ends_within_s(self) -> float:
        """By when a run is over; of one that is stopped, nobody can say."""
        return math.inf if self.disturb else self.limit_s


RESOLVER = "this machine's resolver does not answer, neither for "
PROXY = r"web proxy localhost:\d+.*; \S+ not asked \(see http_proxy, https_proxy and no_proxy of the probe\)"
LIMITS = (
    r"monitoring host (out of|cannot go on)|this machine cannot (connect|look up names|start)"
    r"|cannot be (written|read|opened)|no memory left|Cannot allocate memory|can't start new thread"
    r"|Too many open files|a library is missing"
)
OWN_TIME = r"this machine took|look whether the monitoring host is overloaded|the [\d.]+ s of -t were up"
LATE_PROXY = f"{PROXY}|{OWN_TIME}"
"""Where all time is given to the proxy, a busy machine can have had none for it."""


def _network(kind: str) -> Callable[[Path], list[str]]:
    return lambda directory: [*unshare("net", "mount"), sys.executable, "-I", "-S", "-c", NETWORK, kind, str(directory)]


def _speaks(*ways: str) -> Callable[[Column], bool]:
    return lambda column: any(way in column.speaks for way in ways)


def asks_somebody(column: Column) -> bool:
    return bool(column.speaks)


MEMORY_MB = (24, 28, 32, 36, 40, 48, 60)
"""From where Python itself just starts to where every executable comes through."""

SPIN_S = 20
"""Seconds of processor time, far more than any run takes, after which the kernel ends one that spins.

CPython 3.11 does, for ever and deaf to signals, where there is no memory for the number with which it enters the
handler of an exception. A monitor ends such a probe by its own time limit.
"""

DESCRIPTORS = (5, 6, 8, 12)
"""With fewer than five, Python cannot open what it imports."""

MAX_ATTEMPTS = 4

TROUBLES: dict[str, Trouble] = {
    "resolver mute": Trouble(
        f"{RESOLVER}|{OWN_TIME}",
        _network("mute"),
        at=("cloud.example.org", 443),
        limit_s=3.0,
        never=True,
        befalls=asks_somebody,
    ),
    "resolver refuses": Trouble(
        RESOLVER, _network("refuses"), at=("cloud.example.org", 443), never=True, befalls=asks_somebody
    ),
    "no route": Trouble(
        "Network is unreachable.*give this monitor a route",
        lambda _: unshare("net"),
        at=("192.0.2.1", 443),
        never=True,
        befalls=asks_somebody,
    ),
    **{
        f"gateway dead, {kind}": Trouble(
            f"this machine's gateway {gateway} does not answer",
            lambda _: [*unshare("net"), "sh", "-ec", GATEWAY, "sh"],
            at=(address, 443),
            never=True,
            befalls=asks_somebody,
        )
        for kind, gateway, address in (
            ("IPv4", "192.0.2.1", "198.51.100.7"),
            ("IPv6", "2001:db8::1", "[2001:db8:9::7]"),
        )
    },
    "web proxy refuses": Trouble(PROXY, proxy=lambda grid: Nowhere(), never=True, befalls=_speaks("http")),
    "web proxy dead": Trouble(
        LATE_PROXY, proxy=lambda grid: Nowhere(silent=True), limit_s=3.0, never=True, befalls=_speaks("http")
    ),
    "web proxy mute": Trouble(
        LATE_PROXY, proxy=lambda grid: raw(mute)(grid), limit_s=3.0, never=True, befalls=_speaks("http")
    ),
    **{
        f"memory of {size} MB": Trouble(
            f"{LIMITS}|{RESOLVER}|{OWN_TIME}",
            lambda _, size=size: limited(as_=size << 20, cpu=SPIN_S),
            limit_s=240.0,
            noisy=True,
        )
        for size in MEMORY_MB
    },
    "no further process": Trouble(LIMITS, few_processes),
    **{f"{count} descriptors": Trouble(LIMITS, lambda _, count=count: limited(nofile=count)) for count in DESCRIPTORS},
    "stopped before it has sent": Trouble(
        OWN_TIME, peer=silent, limit_s=2.0, disturb=stop_when_connected, befalls=asks_somebody
    ),
    "stopped after it has sent": Trouble(
        OWN_TIME, peer=silent_when_asked, limit_s=2.0, disturb=stop_when_asked, befalls=_speaks("http", "ldap", "stomp")
    ),
    "starved": Trouble(f"{OWN_TIME}|{RESOLVER}", limit_s=2.0, disturb=starve),
    "disk full": Trouble(
        "No space left on device", lambda directory: [*unshare("mount"), "sh", "-ec", FULL, "sh", str(directory)]
    ),
}
"""Rows of the second matrix."""


Usual = dict[str, tuple[int, str]]
"""What `reference` found, by column."""


class Result(NamedTuple):
    column: Column
    trouble: str
    outcome: Outcome
    complaints: list[str]
    is_through: bool

    @property
    def word(self) -> str:
        """What stands in a table: the run came through, was UNKNOWN, or changed nothing (fedcloud-ncg and the like);
        fell: CPython itself did not get to its end."""
        if _python_fell(TROUBLES[self.trouble], self.outcome):
            return "fell"
        if self.is_through:
            return "done"
        return "U" if self.outcome.code == UNKNOWN else "kept"

    def __str__(self) -> str:
        return f"{self.column.name} x {self.trouble}: {'; '.join(self.complaints)}\n    {self.outcome.out[:600]}"


def _is_usual(outcome: Outcome, usual: tuple[int, str]) -> bool:
    """The same result as without the trouble, which may be told of after it."""
    code, sentence = usual
    if sentence.startswith(SITE):  # the self-check: several metrics, of which some may come through
        sentence = sentence.partition(" - ")[0]
    return outcome.code == code and _without_numbers(outcome.sentence).startswith(sentence)


def why_not(name: str) -> str:
    """Why a trouble cannot be made on this machine, empty if it can."""
    with tempfile.TemporaryDirectory() as directory:
        for each in ("home", "tmp"):
            Path(directory, each).mkdir()
        words = [*TROUBLES[name].prefix(Path(directory)), "true"]
        try:
            done = subprocess.run(words, capture_output=True, text=True)
        except FileNotFoundError as error:
            return f"this machine has no {error.filename}"
    return f"this machine lets us not make it: {done.stderr.strip()[-200:]}" if done.returncode else ""


def carry_out_all(
    name: str, grid: Grid, directory: Path, usual: Usual, columns: Sequence[Column] = COLUMNS, *, at_once: int
) -> Iterator[Result]:
    """Run those executables that a trouble can befall in it."""
    trouble = TROUBLES[name]

    def one(numbered: tuple[int, Column]) -> Result:
        number, column = numbered
        return carry_out(name, column, grid, directory / str(number), usual)

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(one, ((n, each) for n, each in enumerate(columns) if trouble.befalls(each)))


def carry_out(name: str, column: Column, grid: Grid, directory: Path, usual: Usual) -> Result:
    trouble = TROUBLES[name]
    limit_s = trouble.limit_s
    for attempt in range(MAX_ATTEMPTS):
        outcome, was_there = _attempt(trouble, column, grid, directory / str(attempt), limit_s)
        is_through = _is_through(trouble, column, outcome, usual)
        complaints = list(_complaints(trouble, column, outcome, is_through=is_through))
        if not complaints or (was_there and not _python_fell(trouble, outcome)):
            break
        if not was_there:
            limit_s *= 2  # it had ended before we came to it
    if _python_fell(trouble, outcome):
        complaints = [each for each in complaints if each.startswith("left ")]  # it was in no state to say anything
    return Result(column, name, outcome, complaints, is_through)


def _python_fell(trouble: Trouble, outcome: Outcome) -> bool:
    """Whether CPython itself ended without a word, or never, which now and then is all that it does without memory."""
    ends = (1, -signal.SIGSEGV, -signal.SIGABRT, -signal.SIGKILL, -signal.SIGXCPU)
    return trouble.noisy and not outcome.out and outcome.code in ends


def reference(column: Column, grid: Grid, directory: Path) -> tuple[int, str]:
    """Exit code and sentence without any trouble, its numbers left out."""
    outcome, _ = _attempt(Trouble(""), column, grid, directory, AMPLE_S)
    return outcome.code, _without_numbers(outcome.sentence)


def references(grid: Grid, directory: Path, *, at_once: int) -> Usual:
    def one(numbered: tuple[int, Column]) -> tuple[int, str]:
        return reference(numbered[1], grid, directory / str(numbered[0]))

    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip((each.name for each in COLUMNS), pool.map(one, enumerate(COLUMNS)), strict=True))


def _without_numbers(sentence: str) -> str:
    return re.sub(r"\d[\d.]*( ms| s)?", "N", sentence)


def _attempt(trouble: Trouble, column: Column, grid: Grid, directory: Path, limit_s: float) -> tuple[Outcome, bool]:
    with contextlib.ExitStack() as stack:
        peer = trouble.peer(column, grid)
        stack.enter_context(peer)
        host, port = trouble.at or ("localhost", peer.port)
        place = Place(host, port, is_secure(column))
        environment: dict[str, object] = {
            "X509_USER_PROXY": grid.proxy,
            "X509_CERT_DIR": grid.authority.ca_directory,
        }
        option = _STATE.get(column.name.split()[0], "--state-dir")
        state = [option, str(directory / "state" / "own")] if option else []
        if "--to ams" in column.name:
            state += ["--ams-token-file", str(grid.ams_token)]
        places = {"{directory}": directory, "{ca}": grid.authority.ca_directory}
        words = command(*column.arguments(place), *state)
        for name, path in places.items():
            words = [each.replace(name, str(path)) for each in words]
        if trouble.proxy:
            proxy = stack.enter_context(trouble.proxy(grid))
            environment |= {"https_proxy": f"http://localhost:{proxy.port}"}
            words.append("--proxy-from-environment")
        words += ["-t", f"{limit_s / column.share:g}"]
        directory.mkdir(parents=True)
        if column.before:
            run(command(*column.before(place), *state), directory, **environment)
        if column.name == "fedcloud-leftovers":
            (directory / "state" / "own").mkdir(parents=True, mode=0o700)
        if column.name == "check_availability":
            (directory / "state").mkdir(mode=0o700)
            filled(directory / "state" / "own", FIRST)
        if column.name == "fedcloud-availability":
            (directory / "log").write_text("[1790812800] Nagios 4.4.6 starting... (PID=1)\n")
        if column.name == "fedcloud-downtimes":
            (directory / "login").write_text("root:example\n")
            (directory / "login").chmod(0o600)
            registry = stack.enter_context(web()(grid))
            configure = ["fedcloud-ncg", "--gocdb", f"https://localhost:{registry.port}{matrix.PI}", "--no-validate"]
            assert run(command(*configure, *state), directory, **environment).code == OK
        if not trouble.disturb:
            return run([*trouble.prefix(directory), *words], directory, **environment), True
        was_there: list[bool] = []
        disturb = trouble.disturb

        def meanwhile() -> None:
            pid = int(until(lambda: (directory / "pid").exists() and (directory / "pid").read_text()))
            was_there.append(disturb(pid, peer, limit_s))

        thread = threading.Thread(target=meanwhile)
        thread.start()
        outcome = run(words, directory, pid_file=directory / "pid", **environment)
        thread.join()
        return outcome, was_there == [True]


_STATE = {"fedcloud-ncg": "--output", "fedcloud-downtimes": "--output", "check_credential": ""}
"""The option that names where an executable keeps its state, where it is not --state-dir; empty for one without any."""


def _is_through(trouble: Trouble, column: Column, outcome: Outcome, usual: Usual) -> bool:
    """Whether a run came to its result in spite of the trouble."""
    if trouble.never or (outcome.code == UNKNOWN and re.search(trouble.says, outcome.out)):
        return False
    return outcome.code == OK or (trouble.peer is good and _is_usual(outcome, usual[column.name]))


def _complaints(trouble: Trouble, column: Column, outcome: Outcome, *, is_through: bool) -> Iterator[str]:
    is_probe = not column.name.startswith(("fedcloud-ncg", "fedcloud-downtimes", "fedcloud-availability"))
    ours = (UNKNOWN,) if is_probe else (NOT_DONE, UNKNOWN)
    if not is_through and (outcome.code not in ours or not re.search(trouble.says, outcome.out)):
        yield f"exit code {outcome.code}, and not: {trouble.says}"
    if re.search(r"\ba bug\b|Errno|Traceback|_ssl\.c|\.py\b", outcome.out):
        yield "speaks of its own insides"
    if outcome.err and not trouble.noisy:
        yield f"standard error: {outcome.err[-300:]}"
    if not is_through and is_probe and column.name != "fedcloud-selfcheck" and outcome.out.count("\n") != 1:
        yield f"{outcome.out.count(chr(10))} lines"
    if outcome.left:
        yield f"left {', '.join(outcome.left)}"
