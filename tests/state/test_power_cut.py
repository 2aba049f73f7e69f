"""A power cut at any instant: what had been promised before it is there, and nothing that was never there."""

from __future__ import annotations

import itertools

from libprobe.state import files, journal, spool
from libprobe.state.files import StateDirectory
from libprobe.state.journal import Journal
from libprobe.state.spool import Spool
from tests.state.power_cut import Log, lay_out, outcomes, recorded

HERE = ("https://cloud.example.org:8787", "/CN=robot ops")


def promises(log: Log, instant: int) -> dict[str, str]:
    """By subject, the last of the test's marks before an instant."""
    return {each[2]: each[1] for each in log.operations[:instant] if each[0] == "mark"}


def test_a_vm_is_remembered_from_before_its_request_until_it_is_gone(tmp_path):
    with recorded(files, journal) as log:
        directory = StateDirectory(str(tmp_path / "state"))
        book = Journal(directory)
        for path in ("/compute/1", "/compute/2"):
            entry = book.begin(*HERE)
            log.mark("begun", entry.title)  # here the request goes out
            entry.note_location(path)
            log.mark("located", entry.title)
            log.mark("ending", entry.title)
            entry.forget()
            log.mark("done", entry.title)
        last = book.begin(*HERE)
        log.mark("begun", last.title)
        last.release()
    assert len([each for each in log.operations if each[0] == "mark"]) == 9
    number = itertools.count()
    tried = 0
    for instant, disk in outcomes(log):
        after = StateDirectory(str(lay_out(disk, tmp_path / f"cut{next(number)}")))
        again = Journal(after)
        left = {entry.title: entry for entry in again.leftovers(*HERE)}
        assert again.unreadable == []
        said = promises(log, instant)
        for title, promise in said.items():
            if promise in ("begun", "located"):
                assert title in left, (instant, disk)
            if promise == "located":
                assert left[title].path
            if promise == "done":
                assert title not in left, (instant, disk)
        for entry in left.values():
            entry.release()
        after.close()
        tried += 1
    assert tried > 60


def test_a_result_that_was_taken_waits_until_it_is_sent(tmp_path):
    bodies: dict[str, str] = {}
    with recorded(files, spool) as log:
        queue = Spool(str(tmp_path / "spool"))
        for number in range(3):
            identity = queue.put({"number": str(number)}, f"body {number}")
            bodies[identity] = f"body {number}"
            log.mark("taken", identity)
        first = queue.waiting()[0]
        log.mark("sending", first)
        queue.forget_sent(first)
    number = itertools.count()
    tried = 0
    for instant, disk in outcomes(log):
        after = Spool(str(lay_out(disk, tmp_path / f"cut{next(number)}")))
        waiting = after.waiting()
        assert waiting == sorted(waiting)
        kept = {identity: after.read(identity) for identity in waiting}
        said = promises(log, instant)
        for identity in (identity for identity, promise in said.items() if promise == "taken"):
            message = kept[identity]
            assert message is not None
            assert message.body == bodies[identity]
        newest = after.put({}, "after the cut")
        assert after.waiting()[-1] == newest
        after.close()
        tried += 1
    assert tried > 60
