from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import Misconfigured
from libprobe.timelines import algebra, lines
from libprobe.timelines.algebra import DOWNTIME, MISSING, NONE, NUMBERS, OK, STATUSES, Operation
from tests.timelines import slow
from tests.timelines.cases import OPERATIONS

CELLS = [(name, a, b, x) for name, table in slow.TABLES.items() for (a, b), x in table.items()]


@pytest.mark.parametrize("name, a, b, joint", CELLS)
def test_each_cell_of_the_tables(name, a, b, joint):
    two = [lines.constant_line(NUMBERS[a]), lines.constant_line(NUMBERS[b])]
    assert lines.join(two, OPERATIONS[name]) == lines.constant_line(NUMBERS[joint])


@given(st.sampled_from(["AND", "OR"]), st.lists(st.sampled_from(range(len(STATUSES))), min_size=1, max_size=6))
def test_the_order_of_joining_makes_no_difference(name, statuses):
    operation = OPERATIONS[name]
    joint = {operation.join(order) for order in itertools.permutations(statuses)}
    assert joint == {operation.joint_of_set[sum(1 << each for each in set(statuses))]}
    there = [lines.constant_line(each) for each in statuses]
    assert lines.join([*there, lines.constant_line(NONE)], operation) == lines.constant_line(*joint)


def broken(change):
    pairs = {(NUMBERS[a], NUMBERS[b]): NUMBERS[x] for (a, b), x in slow.TABLES["AND"].items()}
    change(pairs)
    with pytest.raises(Misconfigured) as caught:
        Operation("AND", pairs)
    return caught.value.sentence


def test_a_table_with_a_gap_is_refused():
    def change(pairs):
        del pairs[OK, MISSING], pairs[MISSING, OK]

    assert broken(change).endswith("does not say what OK and MISSING make")


def test_a_table_that_says_two_things_is_refused():
    assert broken(lambda pairs: pairs.update({(OK, MISSING): OK})).endswith("says two things of OK and MISSING")


def test_a_status_alone_is_itself():
    assert broken(lambda pairs: pairs.update({(OK, OK): MISSING})).endswith("makes MISSING of OK alone")


def test_a_table_whose_result_depends_on_the_order_is_refused():
    said = broken(lambda pairs: pairs.update({(OK, DOWNTIME): OK, (DOWNTIME, OK): OK}))
    assert said.endswith("what depends on the order in which they are joined")


def assert_is_line(line):
    """It begins at 0, instants rise, the status changes at each, and each change knows what was before."""
    points = lines.points(line)
    assert points[0][0] == 0 and line[0] & lines.MASK == NONE
    for (at, before), (then, status), change in zip(points, points[1:], line[1:], strict=False):
        assert at < then and before != status and change & lines.MASK == before


def line_of(changes):
    return lines.line_of_results([lines.make_entry(at, status) for at, status in sorted(changes.items())])


@given(st.dictionaries(st.integers(0, 30), st.sampled_from(range(len(STATUSES))), max_size=8), st.integers(0, 5))
def test_the_line_of_results_has_at_each_second_the_last_of_them(results, before):
    line = lines.line_of_results([lines.make_entry(*each) for each in sorted(results.items())], before)
    assert_is_line(line)
    for second in range(32):
        past = [status for at, status in sorted(results.items()) if at <= second]
        assert lines.status_at(line, second) == ([before, *past][-1])


@given(st.dictionaries(st.integers(0, 30), st.sampled_from(range(len(STATUSES))), max_size=8))
def test_seconds_are_counted_between_any_bounds(changes):
    line = line_of(changes)
    bounds = [0, 1, 7, 20, 32]
    found = lines.seconds(line, bounds)
    for (start, end), held in zip(itertools.pairwise(bounds), found, strict=True):
        statuses = [lines.status_at(line, second) for second in range(start, end)]
        assert held == [statuses.count(status) for status in range(len(STATUSES))]


CHANGES = st.dictionaries(st.integers(0, 30), st.sampled_from(range(len(STATUSES))), max_size=8)


@given(st.lists(CHANGES, min_size=1, max_size=9), st.sampled_from(["AND", "OR"]), st.randoms())
def test_joined_lines_have_at_each_second_what_their_statuses_make(several, name, chance):
    made = [line_of(changes) for changes in several]
    joint = lines.join(made, OPERATIONS[name])
    for second in range(32):
        expected = OPERATIONS[name].join([lines.status_at(each, second) for each in made])
        assert lines.status_at(joint, second) == expected
    chance.shuffle(made)
    assert lines.join(made, OPERATIONS[name]) == joint
    assert_is_line(joint)


def test_counts_that_were_forgotten_are_made_again(monkeypatch):
    monkeypatch.setattr(algebra, "MAX_COUNTS", 1)
    counts = algebra.StatusCounts(OPERATIONS["AND"], 2)
    for statuses, joint in (((OK, OK, MISSING), MISSING), ((OK, OK, OK), OK), ((OK, OK, MISSING), MISSING)):
        assert counts[sum(counts.change[status << 3 | NONE] for status in statuses)] == joint
        assert len(counts) == 1


@given(CHANGES, st.lists(st.tuples(st.integers(-5, 40), st.integers(-5, 40)), max_size=4))
def test_a_covered_line_has_the_status_within_the_spans_and_its_own_elsewhere(changes, spans):
    line = line_of(changes)
    made = lines.cover_spans(line, spans, DOWNTIME, 32)
    for second in range(32):
        inside = any(start <= second < end for start, end in spans)
        assert lines.status_at(made, second) == (DOWNTIME if inside else lines.status_at(line, second))
    assert_is_line(made)
