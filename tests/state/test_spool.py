from __future__ import annotations

import errno
import gc
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from libprobe.failures import Misconfigured
from libprobe.state.spool import MAX_MESSAGE_BYTES, Message, Spool
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


# ---- what the broker refuses


def test_what_the_broker_refuses_is_kept_under_another_name_with_what_it_said(spool):
    first, second = spool.put({"h": "1"}, "a"), spool.put({}, "b")
    spool.refuse(first, "no such topic")
    assert (spool.waiting(), spool.refused(), spool.dropped()) == ([second], [first], 0)
    assert spool.why_refused(first) == "no such topic"
    assert spool.why_refused(second) == "a reason that cannot be read"
    spool.refuse(first, "no such topic")  # gone meanwhile
    assert spool.refused() == [first]
    os.rename(f"{spool.path}/{first}.refused", f"{spool.path}/{first}.message")  # as the documentation tells it
    assert spool.read(first) == Message(first, {"h": "1"}, "a")


def test_of_too_many_refused_messages_the_oldest_are_dropped_and_counted(spool, monkeypatch):
    monkeypatch.setattr("libprobe.state.spool.MAX_REFUSED", 2)
    ids = [spool.put({}, "x") for _ in range(4)]
    for each in ids:
        spool.refuse(each, "no")
    assert (spool.waiting(), spool.refused(), spool.dropped()) == ([], ids[2:], 2)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"[" * 50_000])
def test_a_reason_that_is_damaged_is_told_as_such(spool, content):
    message = spool.put({}, "x")
    with open(f"{spool.path}/{message}.refused", "wb") as file:
        file.write(content)
    assert spool.why_refused(message) == "a reason that cannot be read"


def test_up_to_where_all_were_refused_never_goes_back(spool):
    assert spool.all_refused_up_to() == ""
    first, second = spool.put({}, "a"), spool.put({}, "b")
    spool.note_all_refused_up_to(second)
    spool.note_all_refused_up_to(first)
    assert spool.all_refused_up_to() == second
    for content in (b"x" * 300, b"theirs", b"\xff"):
        with open(f"{spool.path}/doubted", "wb") as file:
            file.write(content)
        assert spool.all_refused_up_to() == ""


# ---- counters, room and times


def counted(spool: Spool) -> tuple[int, int]:
    """Waiting and dropped, as the file has it."""
    with open(f"{spool.path}/counters", "rb") as file:
        content = file.read()
    assert len(content) == 47
    _, waiting, dropped = map(int, content.split())
    return waiting, dropped


def test_what_waits_is_counted_and_never_less_than_none(spool):
    ids = [spool.put({}, "x") for _ in range(3)]
    assert counted(spool) == (3, 0)
    spool.forget_sent(ids[0])
    assert counted(spool) == (2, 0)
    spool.refuse(ids[1], "no")
    assert counted(spool) == (1, 0)
    with open(f"{spool.path}/{ids[2]}.message", "wb"):
        pass
    assert spool.read(ids[2]) is None
    assert counted(spool) == (0, 1)
    spool.forget_sent(ids[0])
    assert spool.read(ids[2]) is None  # and is not counted again
    assert counted(spool) == (0, 1)


def test_a_count_that_a_crash_left_too_high_drops_nothing(tmp_path):
    spool = Spool(str(tmp_path / "spool"), max_messages=3)
    spool.put({}, "first")
    place = spool.waiting()[0][:20]
    with open(f"{spool.path}/counters", "wb") as file:
        file.write(f"{place} {9:012} {0:012}\n".encode())
    spool.put({}, "second")
    assert (bodies(spool), counted(spool)) == (["first", "second"], (2, 0))


def test_damaged_counters_are_counted_anew_and_cut_to_their_length(spool):
    spool.put({}, "first")
    with open(f"{spool.path}/counters", "wb") as file:
        file.write(b"x" * 100)
    spool.put({}, "second")
    assert counted(spool) == (2, 0)


def test_places_are_the_time_in_nanoseconds_and_of_equal_times_one_more(spool, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    assert [spool.put({}, "x")[:20] for _ in range(2)] == ["01800000000000000000", "01800000000000000001"]


def test_a_large_spool_makes_room_for_many_at_once(tmp_path, monkeypatch):
    spool = Spool(str(tmp_path / "spool"), max_messages=200)
    for number in range(200):
        with open(f"{spool.path}/{number + 1:020}-0123456789ab.message", "w") as file:
            file.write('{"headers": {}, "body": ""}')
    spool.put({}, "newest")
    assert (len(spool.waiting()), spool.dropped(), counted(spool)) == (199, 2, (199, 2))
    assert spool.waiting()[0].startswith(f"{3:020}")


def test_since_when_messages_wait_is_the_time_of_the_oldest_file(spool):
    assert spool.waiting_since([]) is None
    first, second = spool.put({}, "a"), spool.put({}, "b")
    os.utime(f"{spool.path}/{first}.message", (1, 2000))
    os.utime(f"{spool.path}/{second}.message", (1, 1000))
    assert spool.waiting_since([first, second]) == 1000
    assert spool.waiting_since([first, "gone"]) == 2000
    assert spool.waiting_since(["gone"]) is None


def test_a_put_off_of_a_clock_that_was_ahead_holds_nobody_up(spool):
    now = time.time()
    spool.postpone_until(now + 500, 4)
    assert spool.postponed() == (now + 500, 4)
    spool.postpone_until(now + 100_000, 4)
    assert spool.postponed() == (0.0, 4)
    for content in (b"", b"[1]", b'["x", 1]', b"[1, 1e999]", b"[" * 150, b"[1, 2]" + b" " * 300):
        with open(f"{spool.path}/put-off", "wb") as file:
            file.write(content)
        assert spool.postponed() == (0.0, 0)


def test_the_sender_sweeps_what_killed_runs_left_half_written(spool):
    half = f"{spool.path}/.x.message.0123456789abcdef"
    open(half, "w").close()
    os.utime(half, (1000, 1000))
    with spool.sender():
        assert not os.path.exists(half)


def test_a_spool_that_cannot_be_written_says_so(spool, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Misconfigured) as caught:
        spool.put({}, "x")
    assert caught.value.sentence == f"spool {spool.path} cannot be written: No space left on device"
    assert spool.waiting() == []


def test_a_message_that_is_too_large_is_named_with_its_size(spool):
    with pytest.raises(Misconfigured) as caught:
        spool.put({}, "x" * 600_000)
    assert caught.value.sentence == f"a message of 600027 bytes is too large for the spool {spool.path}"
    spool.put({}, "x" * (MAX_MESSAGE_BYTES - 27))
    with pytest.raises(Misconfigured):
        spool.put({}, "x" * (MAX_MESSAGE_BYTES - 26))


def test_files_of_the_spool_are_for_us_alone_and_a_directory_in_their_place_is_told(spool):
    with spool.sender():
        spool.put({}, "x")
    assert {stat.S_IMODE(os.stat(f"{spool.path}/{name}").st_mode) for name in os.listdir(spool.path)} == {0o600}
    os.unlink(f"{spool.path}/sender")
    os.mkdir(f"{spool.path}/sender")
    with pytest.raises(Misconfigured) as caught, spool.sender():
        pass
    assert caught.value.sentence == f"state directory {spool.path} holds sender, which cannot be opened: Is a directory"


def test_no_descriptor_of_a_spool_is_left_open(tmp_path):
    def open_ones() -> set[str]:
        gc.collect()  # what other tests have left is not closed in between
        return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}

    before = open_ones()
    spool = Spool(str(tmp_path / "spool"))
    with spool.sender(), spool.sender():
        spool.put({}, "x")
    spool.dropped()
    spool.close()
    assert open_ones() <= before
