"""Whatever stands in a log or a message, reading it ends with counts, and what is well-formed in it is taken."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import tempfile
import tracemalloc
from contextlib import closing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libprobe.programs.availability import icinga, messages, nagios, result_import, sensu
from libprobe.programs.availability.result_import import ResultImporter, ServiceLookup
from libprobe.programs.ncg.index import MonitoredEntry
from libprobe.state.files import StateDirectory
from libprobe.timelines import lines, store
from libprobe.timelines.algebra import CRITICAL
from libprobe.timelines.store import Store

NOW = 1_800_000_000
GOOD = b"[1790812800] SERVICE ALERT: h;s;CRITICAL;HARD;1;said\n"
PIECES = [GOOD, b"[1790812900] LOG ROTATION: DAILY\n", b"[1790812900] CURRENT SERVICE STATE: h;s;OK;HARD;1;said\n"]
PIECES += [b"[1790812950] Nagios 4.4.6 starting... (PID=1)\n", b"[99999999999] SERVICE ALERT: h;s;OK;HARD;1;\n", b"\n"]
PIECES += [b"[1790812700] Successfully shutdown... (PID=1)\n", b"[1] SERVICE ALERT: h;s;OK;SOFT;1;x\n", b"\xff\x00;;\n"]
MESSAGE = b"serviceType: t\nhostName: h\nmetricName: s\nmetricStatus: OK\ntimestamp: 2026-10-01T00:00:00Z\nEOT\n"
PIECES += [MESSAGE, b'{"headers": {}, "body": "x"}\n', b"{\n", b"EOT\n", b"NAGIOS STATUS FILE\nservice {\n", b"}\n"]
PIECES += [b"host_name=h\nservice_description=s\nlast_check=1790812800\nlast_hard_state_change=0\ncurrent_state=9\n"]


def taken(read, data):
    with tempfile.TemporaryDirectory() as path, Store(StateDirectory(path), create=True) as opened:
        return read_into(opened, read, data)


def read_into(opened, read, data, *, open_from=0, settle=False):
    with opened.writer() as writer:
        writer.open_from = open_from
        services = ServiceLookup(MonitoredEntry(host, "s", "t", "S", "") for host in "hg")
        intake = ResultImporter(writer, services, NOW)
        read(io.BytesIO(data), "input", intake)
        if settle:
            writer.settle()
    return intake, writer.counts


def kept(read, data, **more):
    """What there is of the service after reading, and what was told on the way."""
    with tempfile.TemporaryDirectory() as path, Store(StateDirectory(path), create=True) as opened:
        intake, counts = read_into(opened, read, data, **more)
        measured = opened.measured([("h", "t", "s")], 1_790_812_800 - lines.DAY_S, NOW)
        return measured, counts, intake.lines, intake.problems.sentences()


def read_log(file, path, intake):
    log = nagios.LogReader(intake)
    log.read(file, path)
    log.end()


def test_long_outputs_are_not_kept_in_memory():
    alert = b"[%d] SERVICE ALERT: h;s;%s;HARD;1;%d%s\n"
    said = b"x" * 60_000
    states = (b"CRITICAL", b"OK")
    data = b"".join(alert % (1_790_812_800 + at, states[at % 2], at, said) for at in range(400))
    tracemalloc.start()
    try:
        _, counts = taken(read_log, data)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()
    assert counts[0] == 400


BYTES = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), max_size=12).map(b"".join)


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("empty files", "empty file"),
        ("lines that are cut off, or too long to be one", "line that is cut off, or too long to be one"),
        ("messages that are not metric results", "message that is no metric result"),
        ("results that contradict ones settled already", "result that contradicts ones settled already"),
        ("services whose state cannot be read", "service whose state cannot be read"),
        ("events of checks that do not name a service", "event of a check that does not name a service"),
    ],
)
def test_what_was_not_taken_is_in_the_singular_where_it_was_one(many, one):
    problems = result_import.ImportProblems()
    problems.note(many, "a:1")
    assert problems.sentences() == [f"1 {one}, the first: a:1"]
    problems.note(many, "a:2", 10)
    assert problems.sentences() == [f"11 {many}, the first: a:1"]


@settings(max_examples=150, deadline=None)
@given(BYTES, BYTES)
def test_a_log_with_anything_in_it_is_read_to_its_end(before, after):
    intake, _ = taken(read_log, before + b"\n" + GOOD + after)
    assert intake.lines == (before + b"\n" + GOOD + after).count(b"\n") + bool(after and not after.endswith(b"\n"))


def test_a_line_of_a_clock_that_was_not_set_is_told_also_where_a_log_begins_with_it():
    def read(file, path, intake):
        log = nagios.LogReader(intake)
        log.read(file, path)
        log.read(io.BytesIO(GOOD.replace(b"[1790812800]", b"[0000000000]").replace(b"CRITICAL", b"OK")), "second")
        log.end()

    intake, counts = taken(read, GOOD)
    told = "1 result from before the year 2000, by a clock that was not set, the first: second:1"
    assert (counts, intake.problems.sentences()) == ((1, 0, 0), [told])


STATES = st.builds(
    "{} SERVICE STATE: {};s;{};{};1;{}\n".format,
    st.sampled_from(["CURRENT", "INITIAL"]),
    *(
        st.sampled_from(each)
        for each in (["h", "H", "g", "other"], ["OK", "CRITICAL"], ["HARD", "SOFT"], ["", "fine; a;b"])
    ),
)
EVENTS = ["LOG ROTATION: DAILY\n", "Nagios 4.4.6 starting... (PID=1)\n", "Successfully shutdown... (PID=1)\n"]
LINES = st.lists(
    st.tuples(
        st.integers(-5, 90_000),
        st.one_of(STATES, STATES.map(lambda line: f"SERVICE ALERT:{line.partition(':')[2]}"), st.sampled_from(EVENTS)),
    ),
    max_size=20,
)


def log_of(pairs, form):
    at, text = 1_790_812_800, ""
    for more, line in pairs:
        at += more
        text += f"{form.format(at)} {line}"
    return text.encode()


@settings(max_examples=150, deadline=None)
@given(LINES)
def test_a_line_in_the_usual_form_is_read_as_one_in_a_form_that_is_rare(pairs):
    usual, rare = (kept(read_log, log_of(pairs, form)) for form in ("[{}]", "[0{}]"))
    assert usual == rare


@settings(max_examples=150, deadline=None)
@given(LINES)
def test_changes_that_are_added_together_are_those_that_are_added_one_by_one(pairs):
    """Whatever their order, and also two of one second; of these the counts of what was added may differ."""
    data = log_of(pairs, "[{}]")
    together, single = kept(read_log, data), kept(read_log, data, open_from=NOW + lines.DAY_S)
    assert (together[0], together[2:]) == (single[0], single[2:])


def dumped(data, processors, *, settle=True):
    """All that is in the store after a log was read in small pieces, and all that was told on the way.

    settle: before the end of the transaction, else after it.
    """
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as path:
        patch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
        for module, name, value in (
            (store, "ROWS_AT_ONCE", 2),
            (nagios, "MAX_CHANGES", 2),
            (nagios, "PIECE", 60),
            (result_import, "CHUNK", 99),
        ):
            patch.setattr(module, name, value)
        with Store(StateDirectory(path), create=True) as opened:
            intake, counts = read_into(opened, read_log, data, settle=settle)
            if not settle:
                opened.settle()
            with closing(sqlite3.connect(opened.path)) as database:
                return list(database.iterdump()), counts, intake.lines, intake.problems.sentences()


@settings(max_examples=60, deadline=None)
@given(LINES, BYTES, LINES)
def test_a_log_brings_the_same_with_one_processor_and_with_two(before, between, after):
    data = log_of(before, "[{}]") + between + log_of(after, "[{}]") * 2
    assert dumped(data, 1) == dumped(data, 2)


GONE = GOOD + b"[1790812900] LOG ROTATION: DAILY\n[1790812900] CURRENT SERVICE STATE: g;s;OK;HARD;1;said\n"
GONE += b"[1790813000] HOST ALERT: g;UP;HARD;1;\n[1790813000] SERVICE ALERT: g;s;CRITICAL;HARD;1;said\n"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(LINES, BYTES), max_size=4))
@example([GONE, [(300, "SERVICE ALERT: h;s;CRITICAL;HARD;1;said\n")]])
def test_a_log_leaves_no_repetition_that_is_not_looked_for(parts):
    data = b"".join(part if isinstance(part, bytes) else log_of(part, "[{}]") for part in parts)
    data += b"[1792000000] SERVICE ALERT: h;s;UNKNOWN;HARD;1;said\n"  # settles what is a week older
    assert dumped(data, 1) == dumped(data, 1, settle=False)


def test_a_log_of_before_may_say_again_what_was_said():
    """What it says is not compared with the log that was read before it: so it is looked at when all is settled."""

    def read(file, path, intake):
        log = nagios.LogReader(intake)
        again = b"[1790812700] LOG ROTATION: DAILY\n" + GOOD.replace(b"0812800", b"0813000")
        for more in (GOOD, again, GOOD.replace(b"0812800", b"2000000").replace(b"CRITICAL", b"OK")):
            log.read(io.BytesIO(more), path)
        log.end()
        assert intake.writer.settle() == 1

    assert taken(read, b"")[1] == (3, 0, 0)


@settings(max_examples=100, deadline=None)
@given(BYTES)
def test_messages_and_states_with_anything_in_them_are_read_to_their_end(data):
    for read in (messages.read, nagios.read_status):
        intake, _ = taken(read, data)
        assert all(sentence.isprintable() for sentence in intake.problems.sentences())


EVENT = (
    b'{"acknowledgement":false,"check_result":{"execution_end":1790812800.5,"output":"said","state":2,'
    b'"vars_after":{"state_type":1}},"host":"h","service":"s","type":"CheckResult"}'
)
OF_SENSU = (
    b'{"check":{"executed":1790812800,"status":2,"history":[{"status":0,"executed":1790812700}],"metadata":{"name":"s",'
    b'"labels":{"hostname":"h","service":"t"}}},"entity":{},"timestamp":1790812801}'
)
MORE = [
    EVENT,
    EVENT + b"\n",
    EVENT[:60],
    OF_SENSU,
    OF_SENSU[:90],
    b"[",
    b"]",
    b",",
    b"\n",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"{}",
]
MORE += [
    b"163:",
    b"9:{},",
    b"-1:,",
    b"999999999999:",
    b"null",
    b'{"check":1}\n',
    b'{"spec":[]}',
    b'{"type":"CheckResult"}\n',
]
STATE = b'{"name":"h!s","type":"Service","update":{"last_check_result":{"execution_end":1790812800},"state_type":1,'
STATE += b'"state_raw":2,"last_hard_state_change":1790812700}}'
MORE += [b"%d:%b," % (len(STATE), STATE), b"%d:%b" % (len(STATE) - 3, STATE)]
PARTS = st.lists(st.one_of(st.sampled_from(MORE), st.binary(max_size=20)), max_size=12).map(b"".join)


class KeptResults:
    """A store's writer that keeps what it is given."""

    def __init__(self):
        self.results = []

    def series(self, *names):
        return 1

    def add(self, series, at, status, sentence):
        self.results.append((at, status))
        return True

    def note_confirmed(self, series, since, until):
        assert since <= until


def added(read, data):
    writer = KeptResults()
    intake = ResultImporter(writer, ServiceLookup([MonitoredEntry("h", "s", "t", "S", "")]), NOW)
    read(io.BytesIO(data), "input", intake)
    assert all(sentence.isprintable() for sentence in intake.problems.sentences())
    return writer.results


@settings(max_examples=150, deadline=None)
@given(PARTS, PARTS)
def test_events_with_anything_around_them_are_read_to_their_end(before, after):
    assert (1_790_812_800, CRITICAL) in added(icinga.read_events, before + b"\n" + EVENT + b"\n" + after)
    added(sensu.read, before + OF_SENSU + after)
    assert (1_790_812_800, CRITICAL) in added(sensu.read, OF_SENSU + after)


@settings(max_examples=100, deadline=None)
@given(PARTS)
def test_a_state_file_of_icinga_with_anything_behind_it_is_read_to_its_end(after):
    assert added(icinga.read_state, b"%d:%b," % (len(STATE), STATE) + after)[0] == (1_790_812_700, CRITICAL)


def test_what_cannot_be_read_of_events_is_not_looked_at_again_for_each_line(monkeypatch):
    """For each error, json counts the lines of all text before it."""
    places, next_value = [], sensu._next_value

    def noted(decoder, text, at, **more):
        places.append(at)
        return next_value(decoder, text, at, **more)

    monkeypatch.setattr(sensu, "_next_value", noted)
    results = added(sensu.read, OF_SENSU + b'\n{"check": x}' * 2_000 + b"\n" + OF_SENSU)
    assert results.count((1_790_812_800, CRITICAL)) == 2
    assert len(places) > 2_000
    assert max(places) <= sensu.MAX_TEXT_BEFORE


@pytest.mark.parametrize("chunk", [100, 1_000, sensu.CHUNK])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_event_that_cannot_be_read_takes_no_other_along_wherever_the_file_is_divided(monkeypatch, chunk, indent):
    monkeypatch.setattr(sensu, "CHUNK", chunk)
    event = json.loads(OF_SENSU)
    del event["check"]["history"]
    events = [{**event, "check": {**event["check"], "executed": 1_790_812_800 + number}} for number in range(10)]
    events[3]["check"]["status"] = "MARK"
    text = json.dumps(events, indent=indent)
    if indent is None:
        text = text.replace("}, {", "},\n{")
    assert [at - 1_790_812_800 for at, _ in added(sensu.read, text.replace('"MARK"', "x").encode())] == [
        *range(3),
        *range(4, 10),
    ]
