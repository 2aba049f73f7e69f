"""What waiting means in tests, so that none depends on the pace of the machine.

What must happen:           `until`, and AMPLE_S wherever a time-out has to be given: it costs nothing when it is quick.
An answer that must come:   the default of -t, or `-t AMPLE_S`.
A fault that only -t ends:  `seconds(3)`: three seconds, more where much else is done, for starting takes a part of it.
What must begin in a limit: `growing(1)`: one second, then more and more, until it had begun before its time was up.
How late something ends:    `Watch`: judged only where the machine had time for us, else counted at the end of the run.
What an algorithm costs:    processor time (`time.process_time`), never the clock on the wall.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

AMPLE_S = 900.0
"""How long what must happen may take: minutes, for what a machine with nothing else to do does within seconds."""

LATE_S = 5.0
"""How late something may end beside the other tests. `make reliability` is strict."""

OWN_DEMAND = 4.0
"""How many processes want each processor while the suite is alone on the machine, with the workers of `make test`."""

ROOMY_DEMAND = 2.5
"""Up to so many, a time that was chosen for an idle machine will do."""

LONGEST_S = 90.0
"""As far as a time is stretched: many tests wait for its end, and from three minutes on our sentences count minutes."""

TOO_BUSY = "this machine is too busy"

PAUSED = float(os.environ.get("UNDER_LOAD_PAUSES", "0")) > 0
"""Whether `scripts/under-load --pauses` lets processes stand still now and then: then no time is judged."""

PAUSED_FACTOR = 4.0
"""How many times as long something may take where processes stand still."""

unjudged: list[str] = []
"""Limits of time that the running test did not judge; `tests/conftest.py` counts them at the end of the run."""


def demand() -> float:
    """How many processes want each processor: at this moment or in the last minute, whichever is more."""
    running = []
    for _ in range(5):
        with open("/proc/stat", "rb") as file:
            running += [int(line.split()[1]) for line in file if line.startswith(b"procs_running ")]
        time.sleep(0.002)
    return max(sum(running) / len(running), os.getloadavg()[0]) / (os.cpu_count() or 1)


def factor() -> float:
    """How many times as long as on a machine that does nothing else something may take.

    Starting an executable takes so much longer, and a time that it used up would no longer be the peer's.
    """
    wanted = demand()
    gives_way = 2.0 if os.nice(0) > 0 else 1.0
    return max(PAUSED_FACTOR if PAUSED else 1.0, wanted / ROOMY_DEMAND, wanted - OWN_DEMAND) * gives_way


def seconds(alone: float) -> float:
    """A time chosen for this suite alone on the machine, stretched (to whole seconds) where much else is done."""
    times = factor()
    return alone if times <= 1.0 else max(alone, min(float(math.ceil(alone * times)), LONGEST_S))


def growing(alone: float) -> Iterator[float]:
    """Limits for what has to begin, and then to be ended by the limit: each four times the one before.

    A test takes the next where what it watches had not begun yet: the machine stood still, and nothing was tried.
    """
    return (seconds(alone * 4**times) for times in range(5))


def until(condition: Callable[[], T], what: str = "", *, patience_s: float = AMPLE_S, every_s: float = 0.01) -> T:
    """What the condition returns as soon as it is true; a failure that says what was waited for if it never is."""
    end = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {patience_s:g} s: {what or condition}"
        time.sleep(every_s)
    return value


def state_of(pid: int) -> str:
    """R, S, T ... of a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_over(pid: int) -> bool:
    """Whether a process has ended, waited for or not.

    An orphan's parent is process 1, which in some containers waits for none.
    """
    return state_of(pid) in ("", "Z", "X")


def excused(what: str) -> bool:
    """Whether this machine has too much else to do for `what` to be judged; it is one more `unjudged` then."""
    wanted = demand()
    is_so = PAUSED or wanted > OWN_DEMAND
    if is_so:
        why = "processes are paused" if PAUSED else f"{wanted:.0f} processes per processor"
        unjudged.append(f"{TOO_BUSY}: {what}, {why}")
    return is_so


OWN_PART = r"(; [\d.]+ m?s of it were this machine's own|; this machine took [^;]+ \(look whether [^;]+\))?"
"""How a busy machine is told behind a time-out."""


def timer_was_first(sentence: str) -> bool:
    """Whether a run ended by the timer behind its deadline, which tells less of why, and the machine is to blame.

    Both go off within a quarter of a second; a process that waits that long for its turn finds both at once.
    """
    is_so = bool(re.search(r"not (?:finished|read) within [\d.]+ m?s", sentence))
    return is_so and excused(repr(sentence))


class Watch:
    """Looks how long something took, from now on."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def ended_within(self, limit_s: float, *, not_before: float = 0.0) -> None:
        """It ended in time, and not too early. Late, on a machine that had no time for us, is one more `unjudged`."""
        judge(self.seconds(), limit_s, not_before=not_before)


def judge(took_s: float, limit_s: float, *, not_before: float = 0.0, late_s: float = LATE_S) -> None:
    """A time that was measured, in the way of `Watch.ended_within`."""
    assert took_s >= not_before, f"took {took_s:.2f} s, not as long as {not_before:g} s"
    if took_s >= limit_s + late_s:
        is_excused = excused(f"took {took_s:.1f} s, limit {limit_s:g} s")
        assert is_excused, f"took {took_s:.2f} s, the limit is {limit_s:g} s"
