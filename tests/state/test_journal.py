from __future__ import annotations

import errno
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import Misconfigured
from libprobe.state.files import StateDirectory
from libprobe.state.journal import (
    CONTAINER_SUFFIX,
    SERVER_SUFFIX,
    SUFFIX,
    UNSEEN_GRACE_S,
    UNSEEN_LOOKS,
    Journal,
    JournalEntry,
    _parse,
)

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


# ---- what an entry keeps


def test_an_intent_is_one_line_with_all_that_finds_the_vm_again(directory, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_800_000_000.0)
    journal = Journal(directory)
    entry = journal.begin(*HERE, "EXAMPLE-SITE", "https://keystone.example.org/v3")
    assert directory.list_names("") == [f"{entry.title}.vm", "monitor"]
    content = directory.read(f"{entry.title}.vm", 1000)
    assert content.endswith(b"}\n")
    assert json.loads(content) == {
        "title": entry.title,
        "endpoint": HERE[0],
        "identity": HERE[1],
        "site": "EXAMPLE-SITE",
        "created_at": 1_800_000_000.0,
        "keystone": "https://keystone.example.org/v3",
    }
    assert "keystone" not in json.loads(directory.read(f"{journal.begin(*HERE).title}.vm", 1000))


@pytest.mark.parametrize(("suffix", "thing"), [(SUFFIX, "VM"), (SERVER_SUFFIX, "VM"), (CONTAINER_SUFFIX, "container")])
def test_each_kind_of_thing_has_a_journal_of_its_own_with_its_name(directory, suffix, thing):
    journal = Journal(directory, suffix)
    entry = journal.begin(*HERE)
    assert (journal.thing, entry.thing, entry.kind, journal.path) == (thing, thing, suffix, directory.path)
    entry.release()
    others = {SUFFIX, SERVER_SUFFIX, CONTAINER_SUFFIX} - {suffix}
    assert [each.title for other in others for each in Journal(directory, other).entries()] == []
    assert [each.title for each in journal.entries()] == [entry.title]


def read_again(directory: StateDirectory, entry: JournalEntry) -> JournalEntry:
    entry.release()
    [found] = Journal(directory).entries()
    return found


def test_everything_that_is_noted_is_there_for_the_next_run(directory):
    entry = Journal(directory).begin(*HERE, "EXAMPLE-SITE", "https://keystone.example.org/v3")
    assert (entry.site, entry.keystone, entry.has_key) == ("EXAMPLE-SITE", "https://keystone.example.org/v3", False)
    assert (entry.path, entry.looks, entry.is_done) == (None, 0, False)
    entry.note_location("/compute/1")
    entry.note_key("0b1c2d")
    entry.note_not_found()
    assert (entry.path, entry.has_key, entry.key_user, entry.looks) == ("/compute/1", True, "0b1c2d", 1)
    title, created_at = entry.title, entry.created_at
    entry = read_again(directory, entry)
    assert (entry.endpoint, entry.identity, entry.title, entry.created_at) == (*HERE, title, created_at)
    assert (entry.site, entry.keystone) == ("EXAMPLE-SITE", "https://keystone.example.org/v3")
    assert (entry.path, entry.has_key, entry.key_user, entry.looks) == ("/compute/1", True, "0b1c2d", 1)
    assert not entry.is_only_key
    entry.note_location("")
    assert entry.path is None
    entry = read_again(directory, entry)
    assert (entry.path, entry.is_only_key) == (None, False)
    entry.note_only_key()
    assert entry.is_only_key
    entry = read_again(directory, entry)
    assert (entry.has_key, entry.key_user, entry.is_only_key) == (True, "0b1c2d", True)


def test_an_entry_of_an_earlier_version_or_with_values_of_other_types_is_read(directory):
    title = "egi-sam-me-0123456789ab"
    directory.write(f"{title}.vm", intent(title, path=3, looks="x", key="yes", keystone=None))
    [entry] = Journal(directory).leftovers(*HERE)
    assert (entry.site, entry.keystone, entry.path, entry.looks, entry.has_key) == ("", "", None, 0, False)
    assert entry.created_at == 1.0
    entry.forget()
    assert entry.is_done
    assert directory.list_names(".vm") == []


def test_without_room_for_a_key_none_may_be_made(directory, monkeypatch):
    entry = Journal(directory).begin(*HERE)
    monkeypatch.setattr("libprobe.state.journal.write_all", half_written)
    with pytest.raises(Misconfigured) as caught:
        entry.note_key("0b1c2d")
    assert caught.value.sentence == f"no room to note a key in {directory.path}"
    assert not entry.has_key
    monkeypatch.undo()
    entry.note_key("0b1c2d")
    entry = read_again(directory, entry)
    assert (entry.has_key, entry.key_user) == (True, "0b1c2d")


@pytest.mark.parametrize(
    ("whose", "is_theirs"),
    [("/CN=robot", True), ("/CN=robot ops", True), ("/CN=rob", False), ("ops", False), ("/CN=robot ops x", False)],
)
def test_an_owner_has_what_is_asked_for_in_whatever_project(directory, whose, is_theirs):
    entry = Journal(directory).begin(HERE[0], "/CN=robot ops")
    assert entry.is_owned_by(whose) is is_theirs


def test_an_entry_is_unattended_a_day_after_the_last_run_that_came_by(directory):
    journal = Journal(directory)
    entry = journal.begin(*HERE)
    at = entry.attended_at
    assert [entry.is_unattended(at + seconds) for seconds in (0, 86400, 86401, -86400, -86401)] == [
        False,
        False,
        True,
        False,
        True,
    ]


def aged(directory: StateDirectory, entry: JournalEntry, at: float) -> None:
    entry.release()
    os.utime(f"{directory.path}/{entry.title}.vm", (at, at))


def test_a_run_at_work_attends_to_what_its_owner_has_there_and_to_nothing_else(directory):
    journal = Journal(directory)
    here, elsewhere = journal.begin(HERE[0], "/CN=robot ops"), journal.begin("https://other", "/CN=robot ops")
    theirs = journal.begin(HERE[0], "/CN=other ops")
    for entry in (here, elsewhere, theirs):
        aged(directory, entry, 1000.0)
    journal.note_at_work(HERE[0], "/CN=robot")
    attended = {entry.title for entry in journal.entries() if entry.attended_at != 1000.0}
    assert attended == {here.title}


def test_what_no_run_attends_to_is_told_the_oldest_first_and_let_go(directory, monkeypatch):
    journal = Journal(directory)
    made = []
    for created_at in (3000.0, 1000.0, 2000.0):
        monkeypatch.setattr("time.time", lambda created_at=created_at: created_at)
        made.append(journal.begin(*HERE))
        aged(directory, made[-1], 5000.0)
    fresh = journal.begin(*HERE)
    aged(directory, fresh, 80_000.0)
    told = journal.unattended(5000.0 + 86401)
    assert [entry.title for entry in told] == [made[1].title, made[2].title, made[0].title]
    assert len(list(journal.entries())) == 4  # none of them is locked any more


def test_strays_are_of_this_endpoint_under_another_name_or_owner(directory):
    journal = Journal(directory)
    of = {
        "ours": journal.begin(*HERE, "SITE"),
        "of another owner": journal.begin(HERE[0], "/CN=other", "SITE"),
        "of another port": journal.begin("https://cloud.example.org:8443", HERE[1]),
        "of the same site": journal.begin("https://new.example.org:8787", HERE[1], "SITE"),
        "of another site": journal.begin("https://other.example.org:8787", HERE[1], "OTHER"),
        "of no known site": journal.begin("https://unknown.example.org:8787", HERE[1]),
    }
    for entry in of.values():
        entry.release()

    def strays(site: str) -> set[str]:
        found = journal.strays(HERE[0], site, HERE[1])
        for entry in found:
            entry.release()
        return {name for name, entry in of.items() if entry.title in {each.title for each in found}}

    assert strays("SITE") == {"of another owner", "of another port", "of the same site"}
    assert strays("") == {"of another owner", "of another port"}


@pytest.mark.parametrize(
    ("noted", "ours", "is_ours"),
    [("a1", "a1", True), ("a1", "b2", False), ("", "b2", True), ("a1", "", True), ("", "", True)],
)
def test_two_projects_of_one_name_are_two_owners_where_both_ids_are_known(directory, noted, ours, is_ours):
    journal = Journal(directory)
    entry = journal.begin(*HERE, project_id=noted)
    again = read_again(directory, entry)
    assert again.project_id == noted
    again.release()
    for found in (journal.leftovers(*HERE, project_id=ours), journal.strays(HERE[0], "", HERE[1], project_id=ours)):
        assert [each.title for each in found] == ([entry.title] if is_ours else [])
        for each in found:
            each.release()
        is_ours = not is_ours


def test_entries_of_living_runs_are_counted_anew_each_time(directory):
    journal = Journal(directory)
    assert (journal.at_work, list(journal.entries())) == (0, [])
    first, second = journal.begin(*HERE), journal.begin(*HERE)
    for _ in range(2):
        assert list(journal.entries()) == []
        assert journal.at_work == 2
    first.release()
    [left] = journal.entries()
    assert (left.title, journal.at_work) == (first.title, 1)
    left.release()
    left.release()  # twice is no fault
    second.release()


def test_names_of_what_was_set_aside_stay_to_be_told(directory):
    directory.write("x.vm", b"")
    directory.write("y.server", b"")
    journal = Journal(directory)
    assert list(journal.entries()) == []
    assert (journal.unreadable, journal.set_aside()) == (["x.vm"], ["x.vm.unreadable"])
    assert Journal(directory).set_aside() == ["x.vm.unreadable"]
    assert Journal(directory).unreadable == []


def test_leftovers_sweep_what_killed_runs_left_half_written(directory):
    half = f"{directory.path}/.one.vm.0123456789abcdef"
    open(half, "w").close()
    os.utime(half, (1000, 1000))
    Journal(directory).leftovers(*HERE)
    assert not os.path.exists(half)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("mon.example.org", "mon"),
        ("MON_1.x", "mon-1"),
        ("-_x_-", "x"),
        ("\u00e9", "monitor"),
        ("", "monitor"),
        ("m" * 30, "m" * 20),
    ],
)
def test_a_monitor_is_named_after_its_host(directory, monkeypatch, host, name):
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename=host))
    monitor = Journal(directory).monitor
    assert re.fullmatch(rf"{name}-[0-9a-f]{{6}}", monitor)
    assert directory.read("monitor", 200) == monitor.encode() + b"\n"


def test_a_name_that_cannot_be_kept_is_told(directory, monkeypatch):
    def taken(*_: object, **__: object) -> None:
        raise FileExistsError

    monkeypatch.setattr(directory, "write_locked", taken)
    with pytest.raises(Misconfigured) as caught:
        Journal(directory)
    assert caught.value.sentence == f"state directory {directory.path}: the monitor's name cannot be kept"


@pytest.mark.parametrize(
    "change",
    [{"title": 1}, {"endpoint": 1}, {"identity": None}, {"created_at": "x"}, {"endpoint": "https://[x"}],
    ids=str,
)
def test_an_intent_with_a_value_of_another_kind_is_no_entry(change):
    title = "egi-sam-me-0123456789ab"
    assert _parse(intent(title)) == {"title": title, "endpoint": HERE[0], "identity": HERE[1], "created_at": 1.0}
    assert _parse(intent(title) + json.dumps(change).encode()) is None


def test_lines_after_one_that_is_no_object_are_not_believed():
    title = "egi-sam-me-0123456789ab"
    for broken in (b"{", b"[1]", b"[" * 100_000):
        values = _parse(intent(title) + b'\n{"looks": 1}\n' + broken + b'\n{"looks": 2}\n')
        assert values is not None
        assert values["looks"] == 1
