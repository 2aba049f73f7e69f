"""Two hundred users of one journal at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

from libprobe.state.files import StateDirectory
from libprobe.state.journal import Journal
from tests.conftest import ROOT, clean_environment
from tests.pace import AMPLE_S
from tests.state.crowd import HERE, USERS


def test_two_hundred_at_once_lose_nothing_and_take_nothing_from_the_living(memory):
    state = memory / "state"
    command = [sys.executable, "-m", "tests.state.crowd", str(state), "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=clean_environment(), timeout=AMPLE_S)
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, list[tuple[int, str]]] = {"failed": [], "monitor": [], "begun": [], "ending": [], "took over": []}
    for line in done.stdout.splitlines():
        number, what, subject = json.loads(line)
        told[what].append((number, subject))
    assert told["failed"] == []
    assert len(told["begun"]) == USERS
    assert len({name for _, name in told["monitor"]}) == 1

    ended = {title for _, title in told["ending"]}
    killed = {title for _, title in told["begun"]} - ended
    taken_over = Counter(title for _, title in told["took over"])
    assert len(killed) > USERS // 5, "too few were killed for this to say anything"
    assert set(taken_over) <= killed, "a living user's VM was taken over"
    assert set(taken_over.values()) <= {1}

    left = {entry.title for entry in Journal(StateDirectory(str(state))).leftovers(*HERE)}
    assert left == killed - set(taken_over)
    assert sorted(path.name for path in state.iterdir()) == sorted([*(f"{title}.vm" for title in left), "monitor"])
