from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.failures import Misconfigured
from libprobe.state.files import StateDirectory
from libprobe.timelines import lines, store
from libprobe.timelines.algebra import CRITICAL, NUMBERS, OK, WARNING
from libprobe.timelines.evaluation import (
    Exclusion,
    FigureRules,
    MeasuredResults,
    Outage,
    TopologyEndpoint,
    day_figures,
    segments,
)
from libprobe.timelines.store import NAME, Store
from tests.executables import ROOT, clean_environment
from tests.pace import AMPLE_S
from tests.timelines import slow
from tests.timelines.cases import PROFILE, SITE, cases, site_figures

DAY = lines.DAY_S


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "state"
    path.mkdir(0o700)
    with Store(StateDirectory(str(path)), create=True) as opened:
        yield opened


def add(kept, *results, metric="store"):
    """Add results of one series: (second, status) or (second, status, sentence) each."""
    with kept.writer() as writer:
        series = writer.series("A", "disk", metric)
        for each in results:
            writer.add(series, *each)
    return writer.counts


def measured(kept, start=0, end=9 * DAY, metric="store"):
    """What there is of a metric; as all that is measured, it counts from the start."""
    (found,) = kept.measured([("a", "disk", metric)], start, end).values()
    return found


@settings(max_examples=60, deadline=None)
@given(cases(), st.randoms(), st.integers(1, 3))
def test_figures_from_the_store_are_equal_whatever_the_order_of_results(case, chance, pieces):
    rows = [(key, *each) for key, results in case.results.items() for each in results]
    chance.shuffle(rows)
    with tempfile.TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patched:
        patched.setattr(lines, "DAY_S", case.day)
        with Store(StateDirectory(path), create=True) as kept:
            for piece in range(pieces):
                with kept.writer() as writer:
                    for (service_type, host, metric), at, status in rows[piece::pieces]:
                        writer.add(writer.series(host, service_type, metric), at, NUMBERS[status])
            assert site_figures(case, kept) == site_figures(case)


def put(kept, case, kind, what):
    """Give a store one part of a case: some results, the endpoints of a day, an outage or an exclusion."""
    if kind == "results":
        with kept.writer() as writer:
            for (service_type, host, metric), at, status in what:
                writer.add(writer.series(host, service_type, metric), at, NUMBERS[status])
    elif kind == "endpoints":  # a list is never empty: there is another site
        there = [(SITE, *key, "") for key, days in case.there.items() if what in days]
        kept.put_topology(what, [("OTHER", "vm", "z", ""), *there])
    elif kind == "outage":
        number, out = what
        kept.put_outages([Outage(out.host, out.service_type, out.start, out.end, str(number))], 10**9)
    else:
        start, end, service_type, host, metric = what
        kept.exclude(Exclusion(start, end, "why", "", service_type, host, metric))


@settings(max_examples=60, deadline=None)
@given(cases(), st.randoms())
def test_whatever_comes_first_the_figures_are_those_of_counting_seconds(case, chance):
    rows = [(key, *each) for key, results in case.results.items() for each in results]
    chance.shuffle(rows)
    steps = [("results", rows[piece::3]) for piece in range(3)]
    steps += [("endpoints", day) for day in range(case.days)]
    steps += [("outage", each) for each in enumerate(case.outages)]
    steps += [("exclusion", each) for each in case.excluded]
    chance.shuffle(steps)
    end = case.day * case.days
    with tempfile.TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patched:
        patched.setattr(lines, "DAY_S", case.day)
        with Store(StateDirectory(path), create=True) as kept:
            for step in steps:
                put(kept, case, *step)
            endpoints = [each for each in kept.endpoints() if each.site == SITE]
            rules = FigureRules(PROFILE, kept.outages(0, end), list(kept.exclusions().values()))
            found = {}
            for each in segments(endpoints, rules, kept, 0, end):
                found |= {at // case.day: tuple(day) for at, day in day_figures(each.site, each.start, each.end)}
    expected = {number: slow.day(case, number) for number in range(case.days)}
    assert found == {number: day for number, day in expected.items() if day}


def test_what_is_known_already_is_counted_and_changes_nothing(kept):
    assert tuple(add(kept, (10, OK), (20, CRITICAL))) == (2, 0, 0)
    before = measured(kept)
    assert tuple(add(kept, (10, OK), (20, CRITICAL), (30, OK))) == (1, 2, 0)
    assert measured(kept, end=25) == [MeasuredResults(None, before[0].results, [])]


def test_of_two_results_in_one_second_the_later_counts(kept):
    add(kept, (10, CRITICAL), (10, OK))
    assert measured(kept)[0].results == [lines.make_entry(10, OK)]
    add(kept, (10, WARNING))
    assert measured(kept)[0].results == [lines.make_entry(10, WARNING)]


def flat(rows):
    """As `add_new` takes them."""
    return list(chain.from_iterable(rows))


def test_results_that_are_added_at_once_are_as_those_that_are_added_singly(kept):
    with kept.writer() as writer:
        a, b = (writer.series("A", "disk", metric) for metric in ("store", "read"))
        writer.add(a, 10, OK, "before")
        number = writer.number_of_sentence("said")
        writer.add_new(flat([(b, 20, WARNING, 0), (a, 20, CRITICAL, number), (a, 10 + DAY, OK, 0)]))
        writer.add_new([])
        writer.note_confirmed(a, 10, 10 + DAY)
        writer.note_confirmed(b, 20, 20)
    assert tuple(writer.counts) == (4, 0, 0)
    entries = [lines.make_entry(*each) for each in ((10, OK), (20, CRITICAL), (10 + DAY, OK))]
    assert measured(kept, end=2 * DAY) == [MeasuredResults(None, entries, [])]
    assert measured(kept, end=DAY, metric="read")[0].results == [lines.make_entry(20, WARNING)]
    assert kept.sentence("a", "disk", "store", 30) == (20, CRITICAL, "said")


def test_from_what_is_settled_on_everything_is_open(kept):
    add(kept, (10, OK), (20 * DAY, OK))
    kept.settle()
    with kept.writer() as writer:
        series = writer.series("A", "disk", "store")
        assert writer.open_from == 13 * DAY
        assert writer.is_open(series, 13 * DAY) and not writer.is_open(series, 13 * DAY - 1)


def test_days_without_a_result_are_told(kept):
    add(kept, (10, OK), (3 * DAY, OK), (2 * DAY + 5, OK), (6 * DAY, OK))
    (found,) = measured(kept, DAY, 8 * DAY)
    assert found.before == OK
    assert found.unseen == [(0, DAY), (3 * DAY, 5 * DAY), (6 * DAY, 7 * DAY)]


def test_a_series_of_a_vo_is_one_of_the_metric(kept):
    add(kept, (10, OK), metric="store-ops")
    add(kept, (10, OK), metric="store-Extra")
    assert [each.name for each in measured(kept)] == ["store-ops"]
    assert measured(kept, metric="stor") == []


def settled(kept):
    add(kept, *((at, OK, f"fine {at}") for at in range(0, 4 * DAY, 3600)))
    add(kept, (DAY + 7, CRITICAL, "bad"), (20 * DAY, OK))
    return kept.settle()


def test_an_endpoint_may_have_more_metrics_than_are_read_at_once(kept, monkeypatch):
    monkeypatch.setattr(store, "MAX_SERIES_AT_ONCE", 2)
    for number in range(5):
        add(kept, (10 + number, OK), (DAY + number, CRITICAL), metric=f"m{number}")
    for number in range(5):
        (found,) = measured(kept, start=DAY, end=3 * DAY, metric=f"m{number}")
        assert found == MeasuredResults(OK, [lines.make_entry(number, CRITICAL)], [(DAY, 2 * DAY)])


def test_what_is_settled_keeps_changes_and_loses_repetitions(kept):
    dropped = settled(kept)
    assert dropped == 96 - 2
    (found,) = measured(kept)
    assert found.results == [
        lines.make_entry(0, OK),
        lines.make_entry(DAY + 7, CRITICAL),
        lines.make_entry(DAY + 3600, OK),
    ]
    assert found.unseen == [(4 * DAY, 9 * DAY)]


@pytest.mark.parametrize("within", [True, False])
def test_what_is_settled_as_it_is_added_keeps_changes_and_loses_repetitions(kept, within):
    """Also of series that were there before, that say so, or of which results were added singly."""
    add(kept, (DAY, OK))
    with kept.writer() as writer:
        old = writer.series("A", "disk", "store")
        new, restarted, single = (writer.series(host, "disk", "store") for host in "bcd")
        writer.may_repeat.add(restarted)
        rows = [
            (number, at * DAY, status, 0) for number in (old, restarted) for at, status in enumerate((OK, OK, 2), 2)
        ]
        writer.add_new(flat([*rows, *((new, at * DAY, at % 2, 0) for at in range(1, 30))]))
        for at in (2, 3):
            writer.add(single, at * DAY, WARNING)
        if within:
            assert writer.settle() == 4
    if not within:
        assert kept.settle() == 4
    assert kept._db.fetch_all("SELECT series, at / ? FROM change WHERE series <> ?", DAY, new) == [
        *((old, at) for at in (1, 4)),
        *((restarted, at) for at in (2, 4)),
        (single, 2),
    ]
    assert kept._db.fetch_all("SELECT count(*) FROM change WHERE series = ?", new) == [(29,)]


def test_what_comes_late_for_a_settled_time_is_refused_and_counted(kept):
    settled(kept)
    before = measured(kept)
    assert tuple(add(kept, (2 * DAY, CRITICAL), (2 * DAY + 3600, OK))) == (0, 1, 1)
    assert measured(kept) == before


def test_what_is_settled_is_not_looked_at_again(kept):
    with kept.writer() as writer:
        for host in range(20):
            series = writer.series(f"h{host}", "disk", "store")
            for at in range(0, 20 * DAY, 3600):
                writer.add(series, at, OK if at % 7200 else CRITICAL)
            writer.add(series, 40 * DAY, OK)
    assert settling_steps(kept) > 10 * settling_steps(kept)


def settling_steps(kept):
    return steps_of(kept, kept.settle)


def steps_of(kept, work):
    """How many instructions SQLite takes for some work."""
    steps = []
    connection = kept._db._connection
    connection.set_progress_handler(lambda: steps.append(1), 1)
    work()
    connection.set_progress_handler(None, 0)
    return len(steps)


def test_what_other_hosts_have_is_not_read(kept):
    add(kept, (10, OK), (20, CRITICAL))
    alone = steps_of(kept, lambda: measured(kept))
    with kept.writer() as writer:
        for number in range(200):
            series = writer.series(f"h{number}", "disk", "store")
            for at in range(20):
                writer.add(series, at, at % 2)
    assert steps_of(kept, lambda: measured(kept)) <= alone + 20


def test_what_is_older_than_all_is_taken_however_late(kept):
    with kept.writer() as writer:
        series = writer.series("a", "disk", "store")
        writer.add(series, 100 * DAY, OK)
        writer.add(series, 120 * DAY, OK)
    kept.settle()
    assert tuple(add(kept, (DAY, CRITICAL))) == (1, 0, 0)


def test_the_sentence_of_what_held_at_an_instant(kept):
    add(kept, (10, OK, "fine"), (20, CRITICAL, "connection refused"))
    assert kept.sentence("a", "disk", "store", 15) == (10, OK, "fine")
    assert kept.sentence("a", "disk", "store", 9) is None


def test_the_sentence_of_a_metric_is_of_a_series_that_counts_on_that_day(kept):
    """What its former name said last makes no difference to the metric any more, and is no reason."""
    add(kept, (10, CRITICAL, "what the former name said"))
    add(kept, (5 * DAY + 10, WARNING, "what the new name said"), metric="store-ops")
    assert kept.sentence("a", "disk", "store", 5 * DAY - 1) == (10, CRITICAL, "what the former name said")
    assert kept.sentence("a", "disk", "store", 5 * DAY + 20) == (5 * DAY + 10, WARNING, "what the new name said")
    add(kept, (5 * DAY + 15, OK, "what the former name says as well"))
    assert kept.sentence("a", "disk", "store", 5 * DAY + 20)[1:] == (WARNING, "what the new name said")


def test_pruning_keeps_how_a_time_began(kept):
    add(kept, (10, OK, "old"), (20, CRITICAL, "then"), (3 * DAY + 1, OK, "new"))
    kept.put_outages([Outage("a", "disk", 5, 50, "1")], 0)
    assert tuple(kept.prune(3 * DAY)) == (1, 1)
    (found,) = measured(kept, 3 * DAY, 4 * DAY)
    assert (found.before, found.results) == (CRITICAL, [lines.make_entry(1, OK)])
    assert kept.outages(0, 9 * DAY) == {}


def test_the_topology_is_that_of_each_day(kept):
    first = [("S", "disk", "A", "NGI"), ("S", "vm", "a", "NGI")]
    assert kept.put_topology(10, first)
    assert not kept.put_topology(11, first)
    assert kept.put_topology(12, [("S", "disk", "a", "NGI"), ("T", "vm", "b", "NGI")])
    assert kept.endpoints() == [
        TopologyEndpoint("S", "disk", "a", 0, store.NEVER, "NGI"),
        TopologyEndpoint("S", "vm", "a", 0, 12 * DAY, "NGI"),
        TopologyEndpoint("T", "vm", "b", 12 * DAY, store.NEVER, "NGI"),
    ]
    with pytest.raises(Misconfigured, match="without any endpoint"):
        kept.put_topology(13, [])


A_LIST, ANOTHER = [("S", "disk", "a", "")], [("S", "disk", "b", "")]


def days_of(kept):
    """(first day, day after the last) of each endpoint, by its host."""
    return {(each.host, each.start // DAY, each.end // DAY) for each in kept.endpoints()}


def test_a_list_for_a_day_between_holds_until_the_one_before_it_was_seen_again(kept):
    for day in (10, 12, 14):
        kept.put_topology(day, A_LIST)
    assert kept.put_topology(11, ANOTHER)
    assert days_of(kept) == {("a", 0, 11), ("b", 11, 12), ("a", 12, store.NEVER // DAY)}
    assert kept.put_topology(13, ANOTHER)
    assert days_of(kept) == {("a", 0, 11), ("b", 11, 12), ("a", 12, 13), ("b", 13, 14), ("a", 14, store.NEVER // DAY)}
    assert kept.put_topology(12, ANOTHER)
    assert days_of(kept) == {("a", 0, 11), ("b", 11, 14), ("a", 14, store.NEVER // DAY)}


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(6)), st.lists(st.sampled_from("abc"), min_size=6, max_size=6))
def test_the_days_of_endpoints_are_equal_whatever_the_order_of_lists(order, hosts):
    def put(days):
        with tempfile.TemporaryDirectory() as path, Store(StateDirectory(path), create=True) as kept:
            for day in days:
                kept.put_topology(day + 5, [("S", "disk", hosts[day], "")])
            return kept.endpoints()

    def on_days(endpoints):
        return [{each.host for each in endpoints if each.start <= day * DAY < each.end} for day in range(12)]

    assert on_days(put(order)) == on_days(put(range(6))) == [{hosts[max(0, min(5, day - 5))]} for day in range(12)]


def test_a_store_that_was_made_before_takes_lists_and_is_pruned(kept, tmp_path):
    kept.put_topology(10, A_LIST)
    with sqlite3.connect(kept.path) as older:
        older.execute("DROP TABLE topology_unchanged")
    kept.prune(9 * DAY)
    assert not kept.put_topology(12, A_LIST) and kept.put_topology(11, ANOTHER)
    assert days_of(kept) == {("a", 0, 11), ("b", 11, 12), ("a", 12, store.NEVER // DAY)}


def test_a_topology_of_a_day_takes_the_place_of_another_of_that_day(kept):
    kept.put_topology(10, [("S", "disk", "a", "")])
    kept.put_topology(10, [("S", "disk", "b", "")])
    assert [each.host for each in kept.endpoints()] == ["b"]


def test_outages_are_replaced_by_their_id_and_withdrawn_before_they_begin(kept):
    begun, coming = Outage("a", "disk", 10, 20, "1"), Outage("a", "disk", 500, 600, "2")
    assert kept.put_outages([begun, coming], 100) == (2, 0)
    assert kept.put_outages([begun._replace(end=30), Outage("b", "vm", 700, 800, "3")], 100) == (2, 1)
    assert kept.outages(0, 1000) == {
        ("a", "disk"): [begun._replace(end=30)],
        ("b", "vm"): [Outage("b", "vm", 700, 800, "3")],
    }
    assert kept.outages(31, 700) == {}


def test_exclusions_are_kept_with_their_reason_until_they_are_taken_back(kept):
    exclusion = Exclusion(10, 20, "the monitor's disk was full", site="S")
    number = kept.exclude(exclusion)
    assert kept.exclusions() == {number: exclusion}
    assert kept.undo_exclusion(number) and not kept.undo_exclusion(number)
    assert kept.exclusions() == {}


@pytest.mark.parametrize("is_older", [False, True])
def test_the_number_of_an_exclusion_is_never_that_of_another(kept, is_older):
    """Logs and mails have it: also of one that was taken back, or is older than what is kept."""
    if is_older:  # a store that was made before numbers were kept
        with sqlite3.connect(kept.path) as older:
            older.execute("DROP TABLE exclusion_given")
    assert [kept.exclude(Exclusion(at, at + 10, "why", site="S")) for at in (10, 20)] == [1, 2]
    assert kept.undo_exclusion(2)
    assert kept.exclude(Exclusion(DAY, DAY + 10, "why", site="S")) == 3
    kept.prune(9 * DAY)
    assert kept.exclusions() == {}
    later = Exclusion(9 * DAY, 9 * DAY + 10, "why", site="S")
    assert kept.exclude(later) == 4
    assert kept.exclusions() == {4: later}


def test_a_block_that_fails_adds_nothing(kept):
    with pytest.raises(ZeroDivisionError), kept.writer() as writer:
        writer.add(writer.series("a", "disk", "store"), 10, OK)
        writer.flush()
        raise ZeroDivisionError
    assert measured(kept) == []
    add(kept, (11, OK))
    assert measured(kept)[0].results == [lines.make_entry(11, OK)]


def use_processors(monkeypatch, count):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))


@pytest.fixture
def backgrounds(monkeypatch):
    """Two processors, and pieces of ten results; how often the background was used."""
    used = []
    in_background = store.Database.in_background
    use_processors(monkeypatch, 2)
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(store, "MAX_WAITING_ROWS", 0)
    monkeypatch.setattr(
        store.Database, "in_background", lambda self, work: (used.append(work), in_background(self, work))
    )
    return used


def add_many(opened):
    """Results of many series, some of them twice, the later ones while the first are being added."""
    with opened.writer() as writer:
        numbers = [writer.series(f"h{number}", "disk", "store") for number in range(7)]
        for begin in (0, 1_000, 1_000, 2_000):
            said = writer.number_of_sentence(f"said from {begin} on")
            rows = ((number, begin + at, (begin + at) % 3, said) for at in range(15) for number in numbers)
            writer.add_new(flat(rows))
            writer.note_confirmed(numbers[0], begin, begin + 15)
        writer.add_new([numbers[0], 3_000, OK, 0])
    return writer.counts


@pytest.mark.parametrize("processors", [1, 2])
def test_results_that_are_added_in_the_background_are_those_that_are_added_at_once(
    kept, tmp_path, monkeypatch, backgrounds, processors
):
    other = tmp_path / "other"
    other.mkdir(0o700)
    in_background = add_many(kept)
    assert len(backgrounds) == 4
    use_processors(monkeypatch, processors)
    if processors == 2:
        monkeypatch.setattr(store, "start_new_thread", no_thread)
    with Store(StateDirectory(str(other)), create=True) as opened:
        at_once = add_many(opened)
        assert in_background == at_once == (316, 105, 0)
        dumps = [list(sqlite3.connect(each.path).iterdump()) for each in (kept, opened)]
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 316


def no_thread(*_):
    raise RuntimeError("can't start new thread")


def test_a_statement_has_no_more_values_than_sqlite_takes(kept, monkeypatch, backgrounds):
    kept._db._connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 39)
    assert add_many(kept) == (316, 105, 0)
    assert not backgrounds


def test_what_is_too_little_for_a_statement_waits_for_more(kept, backgrounds):
    with kept.writer() as writer:
        number = writer.series("A", "disk", "store")
        writer.add(number, 1, OK)
        for begin, seen in ((2, 0), (9, 1), (16, 2)):
            writer.add_new(flat((number, begin + at, at % 2, 0) for at in range(7)))
            assert len(backgrounds) == seen
        writer.add(number, 22, CRITICAL)  # in place of one that still waits
    assert tuple(writer.counts) == (23, 0, 0)
    assert [each & lines.MASK for each in measured(kept)[0].results][-2:] == [1, CRITICAL]
    assert kept._db.fetch_all("SELECT count(*) FROM change") == [(22,)]


def test_what_comes_while_the_background_is_busy_is_added_together(kept, monkeypatch, backgrounds):
    monkeypatch.setattr(store, "MAX_WAITING_ROWS", 40)
    may_end = threading.Event()
    with kept.writer() as writer:
        number = writer.series("A", "disk", "store")
        kept._db.in_background(may_end.wait)
        try:
            for begin in (0, 10, 20):
                writer.add_new(flat((number, begin + at, at % 2, 0) for at in range(10)))
            assert len(backgrounds) == 1
        finally:
            may_end.set()
        writer.add_new(flat((number, 30 + at, at % 2, 0) for at in range(10)))
        assert len(backgrounds) == 2
    assert tuple(writer.counts) == (40, 0, 0)


def test_the_number_of_a_series_is_that_which_the_table_gives_it(kept):
    """Series come into the table together, with numbers that follow on those which are there."""
    add(kept, (10, OK))
    with kept.writer() as writer:
        assert [writer.series(host, "disk", "store") for host in ("b", "A", "c", "B")] == [2, 1, 3, 2]
    add(kept, (10, OK), metric="read")
    numbers = [(1, "a", "store"), (2, "b", "store"), (3, "c", "store"), (4, "a", "read")]
    assert kept._db.fetch_all("SELECT id, host, metric FROM series ORDER BY id") == numbers


def test_what_the_background_cannot_add_fails_the_import_and_nothing_is_kept(kept, backgrounds):
    why = r"cannot be used: NOT NULL constraint failed: change\.status"
    with pytest.raises(Misconfigured, match=why), kept.writer() as writer:
        number = writer.series("A", "disk", "store")
        writer.add_new(flat((number, at, None, 0) for at in range(20)))
    assert len(backgrounds) == 1
    assert measured(kept) == []
    assert tuple(add(kept, (20, OK))) == (1, 0, 0)


def test_a_block_that_fails_while_results_are_added_in_the_background_adds_nothing(kept, backgrounds):
    with pytest.raises(ZeroDivisionError), kept.writer() as writer:
        number = writer.series("A", "disk", "store")
        writer.add_new(flat((number, at, OK, 0) for at in range(20_000)))
        raise ZeroDivisionError
    assert len(backgrounds) == 1
    assert measured(kept) == []
    assert tuple(add(kept, (20, OK))) == (1, 0, 0)


def test_counts_are_not_written_while_the_background_writes_them(kept):
    with kept.writer() as writer:
        counts = writer.counts
        writer.flush()
        assert writer.counts is counts


def test_a_signal_ends_the_wait_for_the_background_and_nothing_is_kept(kept, backgrounds):
    class Ended(BaseException):
        pass

    def end(*_):
        may_end.set()
        raise Ended

    may_end = threading.Event()
    before = signal.signal(signal.SIGUSR1, end)
    try:
        with pytest.raises(Ended), kept.writer() as writer:
            writer.series("A", "disk", "store")
            kept._db.in_background(lambda: (os.kill(os.getpid(), signal.SIGUSR1), may_end.wait(AMPLE_S)))
            writer.number_of_sentence("said")  # waits for it
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert kept._db.fetch_all("SELECT * FROM series") == []


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_signal_as_the_background_begins_leaves_nothing_behind(kept, monkeypatch, backgrounds, has_begun):
    """It may come before the thread is noted by whoever started it: what that adds then is rolled back as well."""

    class Ended(BaseException):
        pass

    def start(run, arguments):
        if has_begun:
            start_new_thread(lambda: (begun.set(), run(*arguments), ended.set()), ())
            assert begun.wait(AMPLE_S)
        raise Ended

    begun, ended = threading.Event(), threading.Event()
    start_new_thread = store.start_new_thread
    monkeypatch.setattr(store, "start_new_thread", start)
    with pytest.raises(Ended), kept.writer() as writer:
        number = writer.series("A", "disk", "store")
        writer.add_new(flat((number, at, at % 2, 0) for at in range(20_000)))
    assert not has_begun or ended.wait(AMPLE_S)
    assert kept._db.fetch_all("SELECT count(*) FROM change") == [(0,)]
    assert tuple(add(kept, (20, OK))) == (1, 0, 0)


KILLED_AT_TWO = """
import os, signal, sys
from libprobe.state.files import StateDirectory
from libprobe.timelines import store
os.sched_getaffinity = lambda _: {0, 1}
kept = store.Store(StateDirectory(sys.argv[1]))
with kept.writer() as writer:
    number = writer.series("A", "disk", "store")
    writer.add_new([each for at in range(200_000) for each in (number, at, at % 2, 0)])
    os.kill(os.getpid(), signal.SIGKILL)
"""


KILLED = """
import os, signal, sys
from libprobe.state.files import StateDirectory
from libprobe.timelines import store
store.MAX_BATCH = 50
kept = store.Store(StateDirectory(sys.argv[1]))
with kept.writer() as writer:
    for at in range(200_000):
        writer.add(writer.series(f"h{at % 50}", "disk", "store"), at, at % 2, f"sentence {at}")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("killed", [KILLED, KILLED_AT_TWO])
def test_a_writer_that_is_killed_leaves_what_was_there_before(kept, tmp_path, killed):
    add(kept, (10, OK))
    ended = subprocess.run([sys.executable, "-c", killed, str(tmp_path / "state")], env=clean_environment(), cwd=ROOT)
    assert ended.returncode == -signal.SIGKILL
    assert measured(kept)[0].results == [lines.make_entry(10, OK)]
    assert sqlite3.connect(kept.path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert tuple(add(kept, (20, OK))) == (1, 0, 0)


def opening(tmp_path, **how):
    with pytest.raises(Misconfigured) as caught:
        Store(StateDirectory(str(tmp_path)), **how)
    return str(caught.value)


def test_what_is_no_store_is_told(tmp_path):
    tmp_path.chmod(0o700)
    assert "there are no results in" in opening(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(b"no database at all" * 100)
    assert "file is not a database" in opening(tmp_path)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    assert "is another program's database" in opening(tmp_path)
    path.unlink()
    path.symlink_to("/etc/passwd")
    assert "cannot be opened" in opening(tmp_path, create=True)


def test_a_file_of_a_newer_version_is_not_touched(kept, tmp_path):
    with sqlite3.connect(kept.path) as other:
        other.execute("PRAGMA user_version = 99")
    assert "is of version 99, and this program knows 1 (use the newer program)" in opening(tmp_path / "state")


def test_the_file_is_closed_to_others(kept):
    assert os.stat(kept.path).st_mode & 0o077 == 0
