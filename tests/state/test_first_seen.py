from __future__ import annotations

import json
import os

import pytest

from libprobe.state.files import StateDirectory
from libprobe.state.first_seen import KEPT_S, MAX_KEYS, FirstSeen

NOW = 1_800_000_000.0


@pytest.fixture
def directory(tmp_path):
    return StateDirectory(str(tmp_path / "state"))


@pytest.fixture
def seen(directory):
    return FirstSeen(directory)


def test_what_is_out_of_order_keeps_the_time_at_which_it_was_first_seen(seen):
    assert seen.note("cloud", ["a"], NOW) == {"a": NOW}
    assert seen.note("cloud", ["a", "b"], NOW + 60) == {"a": NOW, "b": NOW + 60}
    assert seen.note("cloud", ["a", "b"], NOW + 120) == {"a": NOW, "b": NOW + 60}


def test_what_was_in_order_in_between_begins_anew(seen):
    seen.note("cloud", ["a", "b"], NOW)
    assert seen.note("cloud", ["b"], NOW + 60) == {"b": NOW}
    assert seen.note("cloud", ["a", "b"], NOW + 120) == {"a": NOW + 120, "b": NOW}
    assert seen.note("cloud", [], NOW + 180) == {}
    assert seen.note("cloud", ["b"], NOW + 240) == {"b": NOW + 240}


def test_each_subject_is_kept_by_itself(seen):
    seen.note("cloud", ["a"], NOW)
    assert seen.note("another cloud", ["a"], NOW + 60) == {"a": NOW + 60}
    assert seen.note("cloud", ["a"], NOW + 60) == {"a": NOW}


def test_where_nothing_is_out_of_order_nothing_is_kept(seen, directory):
    assert seen.note("cloud", [], NOW) == {}
    assert os.listdir(directory.path) == []


@pytest.mark.parametrize(("later", "since"), [(KEPT_S, NOW), (KEPT_S + 1, NOW + KEPT_S + 1), (-1.0, NOW - 1)])
def test_what_was_not_looked_at_for_long_or_is_of_a_clock_that_was_ahead_begins_anew(seen, later, since):
    seen.note("cloud", ["a"], NOW)
    assert seen.note("cloud", ["a"], NOW + later) == {"a": since}


def test_a_week_is_kept():
    assert KEPT_S == 7 * 24 * 3600


def test_the_file_says_of_what_it_is_and_its_names_stay_the_same(seen, directory):
    """An earlier version's file is found by the name; texts that are no Unicode have digests too."""
    seen.note("cloud", ["a", "\udcff"], NOW)
    [name] = os.listdir(directory.path)
    assert name == "since-56681010b753e1ab.json"
    content = directory.read(name, 4096)
    assert content.endswith(b"}\n")
    assert json.loads(content) == {
        "subject": "cloud",
        "at": NOW,
        "since": {"ca978112ca1bbdca": NOW, "8a8de823d5ed3e12": NOW},
    }


def test_no_more_keys_are_kept_than_there_is_room_for(seen):
    many = [str(number) for number in range(MAX_KEYS + 1)]
    assert len(seen.note("cloud", many, NOW)) == MAX_KEYS + 1
    again = seen.note("cloud", many, NOW + 60)
    assert (again[many[MAX_KEYS - 1]], again[many[MAX_KEYS]]) == (NOW, NOW + 60)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"{}",
        b"[" * 90_000,
        b'{"at": "soon", "since": {}}',
        b'{"at": 1799999999, "since": []}',
        b'{"at": 1799999999, "since": {"ca978112ca1bbdca": null}}',
        b'{"at": 1799999999, "since": {"ca978112ca1bbdca": -1}}',
        b'{"at": 1799999999, "since": {"ca978112ca1bbdca": 1800000001}}',
        b'{"at": 1' + b"0" * 400 + b', "since": {}}',
        b" " * (1 << 20) + b'{"at": 1799999999, "since": {"ca978112ca1bbdca": 1799999998}}',
    ],
    ids=lambda content: content[:40].decode(),
)
def test_a_damaged_file_counts_as_none(seen, directory, content):
    seen.note("cloud", ["b"], NOW - 1)
    [name] = os.listdir(directory.path)
    directory.write(name, content)
    assert seen.note("cloud", ["a"], NOW) == {"a": NOW}


@pytest.mark.parametrize("since", [0, 1_799_999_998, 1_800_000_000])
def test_a_whole_file_is_believed(seen, directory, since):
    seen.note("cloud", ["b"], NOW - 1)
    [name] = os.listdir(directory.path)
    directory.write(name, b'{"at": 1799999999, "since": {"ca978112ca1bbdca": %d}}' % since)
    assert seen.note("cloud", ["a"], NOW) == {"a": since}
