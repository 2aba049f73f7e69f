from __future__ import annotations

import errno
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.state.files import StateDirectory
from libprobe.state.journal import UNSEEN_GRACE_S, UNSEEN_LOOKS, Journal, _parse

HERE = ("https://cloud.example.org:8787", "/CN=robot ops")


@pytest.fixture
def directory(tmp_path):
    return StateDirectory(str(tmp_path / "state"))


def test_the_intent_is_on_disk_before_anything_else(directory):
    entry = Journal(directory).begin(*HERE)
    [name] = directory.list_names(".vm")
    written = json.loads(directory.read(name, 1000))
    assert written["title"] == entry.title
    assert (written["endpoint"], written["identity"]) == HERE


def test_a_title_names_monitor_and_run_and_is_a_host_name(directory):
    journal = Journal(directory)
    first, second = journal.begin(*HERE), journal.begin(*HERE)
    assert first.title != second.title
    for entry in (first, second):
        assert entry.title.startswith(f"egi-sam-{journal.monitor}-")
        assert re.fullmatch(r"[a-z0-9-]{1,63}", entry.title)


def test_the_monitor_keeps_its_name_and_another_has_another(directory, tmp_path):
    assert Journal(directory).monitor == Journal(directory).monitor
    assert Journal(StateDirectory(str(tmp_path / "other"))).monitor != Journal(directory).monitor


def test_many_first_runs_at_once_agree_on_the_name(tmp_path):
    def name(_: int) -> str:
        return Journal(StateDirectory(str(tmp_path / "shared"))).monitor

    with ThreadPoolExecutor(20) as pool:
        assert len(set(pool.map(name, range(40)))) == 1


def test_a_living_runs_vm_is_let_be_and_a_dead_ones_is_found(directory):
    journal = Journal(directory)
    entry = journal.begin(*HERE)
    entry.note_location("/compute/1")
    assert journal.leftovers(*HERE) == []
    entry.release()
    [left] = journal.leftovers(*HERE)
    assert (left.title, left.path) == (entry.title, "/compute/1")
    left.forget()
    assert directory.list_names(".vm") == []


def test_what_belongs_to_another_endpoint_or_identity_stays(directory):
    journal = Journal(directory)
    for endpoint, identity in [("https://other", HERE[1]), (HERE[0], "/CN=other")]:
        journal.begin(endpoint, identity).release()
    assert journal.leftovers(*HERE) == []
    assert len(directory.list_names(".vm")) == 2


def test_a_line_cut_short_by_a_crash_is_ignored(directory):
    entry = Journal(directory).begin(*HERE)
    os.write(entry._descriptor, b'{"path": "/comp')
    entry.release()
    [left] = Journal(directory).leftovers(*HERE)
    assert (left.title, left.path) == (entry.title, None)


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"[]", b'{"title": 1}', b"[" * 100_000, b'{"created_at": "x"}'])
def test_an_unreadable_entry_is_set_aside_and_not_lost(directory, content):
    directory.write("x.vm", content)
    assert Journal(directory).leftovers(*HERE) == []
    assert directory.read("x.vm.unreadable", 1 << 20) == content


def test_a_vm_never_seen_is_looked_for_for_hours_by_several_runs_and_then_forgotten(directory):
    late = UNSEEN_GRACE_S + 1
    entry = Journal(directory).begin(*HERE)
    assert not entry.is_forgotten(entry.created_at + late)  # the clock may have been set forward
    entry.release()
    for _ in range(UNSEEN_LOOKS):
        [entry] = Journal(directory).leftovers(*HERE)
        assert not entry.is_forgotten(entry.created_at + late)
        entry.note_not_found()
        entry.release()
    [entry] = Journal(directory).leftovers(*HERE)
    assert not entry.is_forgotten(entry.created_at + UNSEEN_GRACE_S - 1)
    assert entry.is_forgotten(entry.created_at + late)
    assert entry.is_forgotten(entry.created_at - 1)  # the clock has been set back: it would stay for years
    entry.note_location("/compute/1")
    assert not entry.is_forgotten(entry.created_at + 1e9)


def intent(title: str, **more: object) -> bytes:
    values = {"title": title, "endpoint": HERE[0], "identity": HERE[1], "created_at": 1.0, **more}
    return json.dumps(values).encode() + b"\n"


@pytest.mark.parametrize("title", ["", "theirs", "egi-sam-", "egi-sam-other-0123456789ab", "../x", "a" * 300, "\u0130"])
def test_an_entry_with_another_title_than_its_name_says_deletes_nobodys_vm(directory, title):
    directory.write("egi-sam-me-0123456789ab.vm", intent(title, path="/compute/1"))
    journal = Journal(directory)
    assert journal.leftovers(*HERE) == []
    assert journal.unreadable == ["egi-sam-me-0123456789ab.vm"]
    assert directory.list_names(".vm") == []


def test_a_disk_that_fills_up_costs_a_note_and_not_the_entry(directory, monkeypatch):
    entry = Journal(directory).begin(*HERE)
    monkeypatch.setattr("libprobe.state.journal.write_all", half_written)
    entry.note_location("/compute/1")
    monkeypatch.undo()
    entry.note_not_found()
    entry.release()
    [left] = Journal(directory).leftovers(*HERE)
    assert (left.title, left.path, left.looks) == (entry.title, None, 1)


def half_written(descriptor: int, data: bytes) -> None:
    os.write(descriptor, data[: len(data) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("content", [b"", b"x" * 100_000, b"A B\n", b"\xff\n", b"name without end"])
def test_a_damaged_name_of_the_monitor_is_replaced(directory, content):
    directory.write("monitor", content)
    name = Journal(directory).monitor
    assert re.fullmatch(r"[a-z0-9-]+", name)
    assert Journal(directory).monitor == name


def test_a_directory_in_the_place_of_the_name_is_moved_aside(directory):
    os.mkdir(f"{directory.path}/monitor")
    name = Journal(directory).monitor
    assert Journal(directory).monitor == name
    assert os.path.isdir(f"{directory.path}/monitor.unreadable")


@given(st.binary(max_size=300))
def test_any_content_is_an_entry_or_none(data):
    _parse(data)
    _parse(intent("egi-sam-me-0123456789ab") + data)
