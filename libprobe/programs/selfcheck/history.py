"""How earlier self-checks ended, for --repeat: kept per subject, bounded, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
from typing import NamedTuple

from libprobe.programs.selfcheck.results import MAX_HISTORY, EarlierRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.programs.selfcheck.results import SelfCheckRun
    from libprobe.state.files import StateDirectory

MAX_BYTES = 32 << 20
MAX_SENTENCE = 300
FORGOTTEN_AFTER_S = 14 * 86400.0
"""What has not been seen for so long is not compared with any more."""


class History(NamedTuple):
    """runs: by a job's key, the oldest first. at: when the last self-check was, None if there was none."""

    runs: dict[str, tuple[EarlierRun, ...]]
    at: float | None = None


def file_of(subject: str, gocdb: str, metrics: list[str]) -> str:
    """The name of the file: another subject, GOCDB or choice of metrics has a history of its own."""
    digest = hashlib.sha256("\n".join([subject, gocdb, *sorted(metrics)]).encode()).hexdigest()
    return f"selfcheck-{digest[:24]}.json"


def read(directory: StateDirectory, name: str) -> History:
    """What is kept; a file that cannot be read is as good as none. Raises: Misconfigured."""
    data = directory.read(name, MAX_BYTES)
    try:
        document = json.loads(data) if data else None
        if not document:
            return History({})
        runs = {str(key): tuple(_past(each) for each in entries) for key, entries in document["runs"].items()}
        return History(runs, _number(document["at"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return History({})


def _past(entry: list[object]) -> EarlierRun:
    at, status, seconds, sentence = entry
    if status not in (0, 1, 2, 3):
        raise ValueError
    return EarlierRun(_number(at), int(status), _number(seconds), str(sentence))


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number) or not 0 <= number < 1e11:
        raise ValueError
    return number


def write(directory: StateDirectory, name: str, run: SelfCheckRun, before: History) -> None:
    """Keep this run with those before it. Raises: Misconfigured."""
    at = run.started.timestamp()
    runs = {key: list(past) for key, past in before.runs.items() if past and at - past[-1].at < FORGOTTEN_AFTER_S}
    for result in run.results:
        past = [each._replace(sentence="") for each in runs.get(result.job.key, [])]
        now = EarlierRun(
            result.started.timestamp(), result.status, round(result.seconds, 3), result.sentence[:MAX_SENTENCE]
        )
        runs[result.job.key] = [*past, now][-MAX_HISTORY:]
    data = json.dumps({"at": at, "runs": runs}, separators=(",", ":")).encode()
    if len(data) <= MAX_BYTES:
        directory.write(name, data)
