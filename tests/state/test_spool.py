from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from libprobe.failures import Misconfigured
from libprobe.state.spool import Message, Spool
from tests.conftest import ROOT


@pytest.fixture
def spool(tmp_path):
    return Spool(str(tmp_path / "spool"))


def bodies(spool: Spool) -> list[str]:
    return [message.body for each in spool.waiting() if (message := spool.read(each))]


def test_messages_wait_in_order_under_the_id_that_put_gave(spool):
    ids = [spool.put({"h": str(n)}, f"body {n}") for n in range(20)]
    assert spool.waiting() == ids == sorted(ids)
    assert len(set(ids)) == 20
    assert spool.read(ids[3]) == Message(ids[3], {"h": "3"}, "body 3")


def test_the_order_holds_when_the_clock_is_set_back(spool, monkeypatch):
    spool.put({}, "first")
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    spool.put({}, "second")
    assert bodies(spool) == ["first", "second"]


def test_the_order_holds_when_the_counters_are_lost(spool, monkeypatch):
    spool.put({}, "first")
    os.truncate(f"{spool.path}/counters", 3)
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    spool.put({}, "second")
    assert bodies(spool) == ["first", "second"]
    assert spool.dropped() == 0


def test_many_at_once_get_places_of_their_own(tmp_path):
    def put(n: int) -> str:
        return Spool(str(tmp_path / "spool")).put({}, str(n))

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(put, range(100)))
    spool = Spool(str(tmp_path / "spool"))
    assert sorted(ids) == spool.waiting()
    assert len({each[:20] for each in ids}) == 100


def test_what_is_sent_is_forgotten_and_sent_twice_is_no_fault(spool):
    first, second = spool.put({}, "a"), spool.put({}, "b")
    spool.forget_sent(first)
    spool.forget_sent(first)
    assert spool.waiting() == [second]
    assert spool.read(first) is None


def test_a_full_spool_drops_the_oldest_and_counts_them(tmp_path):
    spool = Spool(str(tmp_path / "spool"), max_messages=10)
    for n in range(25):
        spool.put({}, str(n))
    assert bodies(spool) == [str(n) for n in range(15, 25)]
    assert spool.dropped() == 15


def test_a_message_that_is_damaged_is_set_aside_and_counted(spool):
    first, second = spool.put({}, "a"), spool.put({}, "b")
    for content in (b"", b"{", b"[]", b'{"headers": 3, "body": ""}', b"[" * 50_000):
        with open(f"{spool.path}/{first}.message", "wb") as file:
            file.write(content)
        assert spool.read(first) is None
        assert spool.waiting() == [second]
    assert spool.dropped() == 5


def test_only_one_is_the_sender(spool):
    with spool.sender() as first, Spool(spool.path).sender() as second:
        assert (first, second) == (True, False)
    with spool.sender() as again:
        assert again


@pytest.mark.parametrize("name", ["counters", "sender"])
def test_a_link_in_the_place_of_a_file_is_refused(spool, tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    os.symlink(outside, f"{spool.path}/{name}")
    with pytest.raises(Misconfigured, match=name):
        spool.put({}, "x") if name == "counters" else spool.sender().__enter__()
    assert outside.read_text() == "precious"


def test_names_that_are_not_ours_are_let_be(spool):
    for name in ("x.message", ".hidden.message", "00-ff.message"):
        with open(f"{spool.path}/{name}", "w") as file:
            file.write("{}")
    assert spool.waiting() == []


def test_senders_are_put_off_and_resume(spool):
    assert spool.postponed() == (0.0, 0)
    spool.postpone_until(1234.5, 3)
    assert spool.postponed() == (1234.5, 3)
    with open(f"{spool.path}/put-off", "w") as file:
        file.write('{"a": 1}')
    assert spool.postponed() == (0.0, 0)
    spool.end_postponement()
    spool.end_postponement()


def test_a_message_too_large_for_any_broker_is_refused(spool):
    with pytest.raises(Misconfigured, match="too large"):
        spool.put({}, "x" * 600_000)


def test_whoever_is_killed_while_putting_loses_nothing_that_put_had_returned(tmp_path):
    script = textwrap.dedent(f"""
        import sys
        from libprobe.state.spool import Spool
        spool = Spool({str(tmp_path / "spool")!r})
        while True:
            print(spool.put({{}}, "x"), flush=True)
    """)
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdout
            returned = [process.stdout.readline().strip() for _ in range(20)]
            process.send_signal(signal.SIGKILL)
            returned += process.stdout.read().split("\n")[:-1]
        spool = Spool(str(tmp_path / "spool"))
        assert set(returned) <= set(spool.waiting())
        assert all(spool.read(each) for each in spool.waiting())
