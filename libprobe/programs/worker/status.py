"""The status of a worker, as `fedcloud-worker --status` prints it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections import Counter, deque

from libprobe import __version__
from libprobe.probe import door
from libprobe.text import decimal, duration, number_of, safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

WINDOW_S = 60.0
MAX_KEPT = 20_000
"""Checks of which the duration is kept, at most: of the last minute."""

ASK_S = 5.0
MAX_STATUS = 1 << 20

REFUSED = {
    "full": "there were too many",
    "different": "another version, or from elsewhere",
    "other_user": "of another user",
    "no_request": "no request",
    "late": "not taken in time",
}
"""Why a caller was let run its check itself."""

FORMS = ("table", "json", "prometheus")


class StatusUnavailable(Exception):
    """Nobody tells; the text says why."""


class WorkerStatistics:
    """What the supervisor counts. refused: by reason, see REFUSED."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.done = 0
        self.called = 0
        self.replaced = 0
        self.refused: Counter[str] = Counter()
        self._last: deque[tuple[float, float]] = deque(maxlen=MAX_KEPT)

    def add(self, since: float) -> None:
        """A check that came at `since` (monotonic) is answered."""
        now = time.monotonic()
        self.done += 1
        self._last.append((now, now - since))

    def checks(self) -> dict[str, Any]:
        """Number, and of the last minute rate and durations (from taking a check to its answer)."""
        now = time.monotonic()
        window = min(WINDOW_S, max(now - self.began, 1.0))
        took = sorted(each for at, each in self._last if now - at <= window)
        kept = now - self._last[0][0] if len(self._last) == MAX_KEPT else window
        parts = {f"p{part}": took[min(len(took) - 1, len(took) * part // 100)] for part in (50, 90, 99)} if took else {}
        return {
            "done": self.done,
            "per_s": round(len(took) / min(window, max(kept, 0.001)), 3),
            "duration_s": {name: round(value, 4) for name, value in parts.items()} | _longest(took),
        }


def _longest(took: list[float]) -> dict[str, float]:
    return {"max": round(took[-1], 4)} if took else {}


def memory_bytes(pids: Iterable[int]) -> int:
    """Memory of processes together, each page once. Those that are gone count nothing."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                total += sum(int(line.split()[1]) << 10 for line in file if line.startswith(b"Pss:"))
        except OSError:
            continue
    return total


def fetch_status(path: str) -> dict[str, Any]:
    """What the worker at a socket tells. Raises: StatusUnavailable."""
    if not door.is_safe(path):
        raise StatusUnavailable(
            f"no worker of this user is at {path or 'any door'} (start one, or name its socket: --door)"
        )
    said = b""
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(ASK_S)
            made.connect(path)
            if not door.is_peer_own_user(made):
                raise StatusUnavailable(f"a process of another user listens at {path}")
            made.sendall(door.MAGIC + len(door.STATUS).to_bytes(4, "big") + door.STATUS)
            while (data := made.recv(1 << 16)) and len(said) < MAX_STATUS:
                said += data
        told = json.loads(said)
    except (OSError, ValueError) as error:
        raise StatusUnavailable(f"the worker at {path} does not tell: {error}") from None
    if not isinstance(told, dict):
        raise StatusUnavailable(f"what listens at {path} is not a worker of this version")
    return told


def render_status(told: dict[str, Any], form: str) -> str:
    """What a worker told, as one of FORMS."""
    if form == "json":
        return json.dumps(told, indent=2) + "\n"
    return "".join(f"{line}\n" for line in (_lines(told) if form == "table" else _samples(told)))


def _lines(told: dict[str, Any]) -> Iterator[str]:
    checks, calls, runners = told["checks"], told["calls"], told["runners"]
    took = ", ".join(f"{name} {duration(value)}" for name, value in checks["duration_s"].items())
    refused = ", ".join(f"{number} {REFUSED[why]}" for why, number in calls["refused"].items() if number)
    nagios = told["nagios"]
    rows = {
        "worker": f"fedcloud-worker {told['version']}, process {told['pid']}, for {duration(told['uptime_s'])}",
        "memory": f"{told['memory_bytes'] / (1 << 20):.0f} MiB",
        "checks": f"{checks['done']}, {checks['per_s']:g} a second in the last minute",
        "duration": took or "none in the last minute",
        "now": f"{checks['running']} running, {checks['waiting']} waiting",
        "door": f"{told['door'] or 'closed'}; {number_of(calls['served'], 'call')} served, {calls['now']} now",
        "let run by themselves": refused or "none",
        "runners": f"{runners['nagios']} for Nagios, {runners['callers']} for callers, {runners['replaced']} replaced",
        "Nagios": f"registered for {nagios['registered']} of {nagios['probes']}" if nagios["probes"] else "none",
    }
    return (safe(f"{name}: {value}") for name, value in rows.items())


def _samples(told: dict[str, Any]) -> Iterator[str]:
    checks, calls, runners = told["checks"], told["calls"], told["runners"]
    metrics: list[tuple[str, str, str, dict[str, float]]] = [
        ("uptime_seconds", "gauge", "Since the worker was started.", {"": told["uptime_s"]}),
        (
            "memory_bytes",
            "gauge",
            "Of supervisor, fork server and runners, each page once.",
            {"": told["memory_bytes"]},
        ),
        ("checks_total", "counter", "Checks that were answered.", {"": checks["done"]}),
        ("checks_per_second", "gauge", "In the last minute.", {"": checks["per_s"]}),
        ("checks_running", "gauge", "Checks under way.", {"": checks["running"]}),
        ("checks_waiting", "gauge", "Checks of Nagios that wait for a thread.", {"": checks["waiting"]}),
        (
            "check_duration_seconds",
            "gauge",
            "From taking a check to its answer, in the last minute.",
            {f'{{part="{name}"}}': value for name, value in checks["duration_s"].items()},
        ),
        ("calls_total", "counter", "Checks that executables asked for.", {"": calls["served"]}),
        (
            "calls_refused_total",
            "counter",
            "Executables that were let run by themselves.",
            {f'{{why="{why}"}}': number for why, number in calls["refused"].items()},
        ),
        (
            "runners",
            "gauge",
            "Processes with threads.",
            {f'{{of="{of}"}}': runners[of] for of in ("nagios", "callers")},
        ),
        ("runners_replaced_total", "counter", "Runners that have ended.", {"": runners["replaced"]}),
        ("nagios_registered", "gauge", "Probes that Nagios hands over.", {"": told["nagios"]["registered"]}),
    ]
    for name, kind, text, values in metrics:
        yield f"# HELP fedcloud_worker_{name} {text}"
        yield f"# TYPE fedcloud_worker_{name} {kind}"
        yield from (f"fedcloud_worker_{name}{label} {decimal(value)}" for label, value in values.items())


def encode_status(figures: WorkerStatistics, counted: dict[str, Any], pids: Iterable[int]) -> bytes:
    """The figures of a worker, with what it has at this moment, as they go over the door."""
    now = {
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": round(time.monotonic() - figures.began, 1),
        "memory_bytes": memory_bytes(pids),
        "door": counted["door"],
        "checks": {**figures.checks(), "running": counted["running"], "waiting": counted["waiting"]},
        "calls": {
            "served": figures.called,
            "now": counted["calls"],
            "refused": {why: figures.refused[why] for why in REFUSED},
        },
        "runners": {**counted["runners"], "replaced": figures.replaced},
        "nagios": counted["nagios"],
    }
    return json.dumps(now).encode()
