"""The corpora that fuzzing has left: each of their inputs is judged, at once; and the judge can tell."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fuzz import judged, targets
from fuzz.__main__ import CORPUS, KEPT_BYTES, files, swollen
from libprobe.failures import BadData

SLOW_S = 3.0
"""Processor time that one input may take on any machine; the slowest takes a fiftieth."""


@pytest.mark.parametrize("name", targets.NAMES)
def test_every_input_of_a_corpus_is_judged_at_once(name):
    target = targets.load(name)
    assert files(name)
    for path in files(name):
        began = time.process_time()
        judged.judge(target.read, path.read_bytes())
        assert time.process_time() - began < SLOW_S, path


@pytest.mark.parametrize("name", targets.NAMES)
def test_the_first_inputs_are_in_the_corpus_and_reach_further_than_garbage(name):
    """Keys are made anew, so that not every byte is the same."""
    target = targets.load(name)
    if name not in ("cms", "smime", "credential"):
        for seed, data in target.seeds().items():
            assert (CORPUS / name / seed).read_bytes() == data, f"run `python -m fuzz --seeds {name}`"
    assert max(map(len, target.WORDS)) <= 64, "libFuzzer takes no longer words"
    assert all(path.stat().st_size <= max(KEPT_BYTES, target.MAX_BYTES) for path in files(name))


def test_every_corpus_has_its_target():
    assert sorted(path.name for path in CORPUS.iterdir()) == targets.NAMES


@pytest.mark.parametrize("name", ["accounting", "gocdb", "ldap", "occi_text", "smime", "stomp", "voms"])
def test_an_input_that_repeats_itself_takes_no_time_out_of_proportion(name):
    read = targets.load(name).read
    for path in files(name)[:3]:
        for _, data in swollen(path.read_bytes(), 64 << 10):
            began = time.process_time()
            judged.judge(read, data)
            assert time.process_time() - began < SLOW_S, path


def test_a_defect_is_none_of_the_failures():
    with pytest.raises(ZeroDivisionError):
        judged.judge(lambda data: 1 // len(data), b"")
    assert judged.judge(lambda data: len(data), b"") == "read"


def test_a_failure_is_shown_as_it_would_be_printed():
    def read(data: bytes) -> None:
        raise BadData(f"sent {data.decode()!r} | <b>\x1b[31m")

    assert judged.judge(read, "\u202e".encode()) == "FUZZ CRITICAL - sent '\\u202e' / [b]"


@pytest.mark.parametrize("report", ["a\x1b[31m\n", "a\u202e\n", "a <b>\n", "a | b | c\n", "a", "x" * 20_000 + "\n"])
def test_what_is_not_harmless_is_found(report):
    with pytest.raises(AssertionError):
        judged.expect_harmless(report)
    judged.expect_harmless("a | b\nc\n")


def test_a_text_is_cut_into_pieces_of_a_size():
    assert judged.pieces(b"abcde", 2) == [b"ab", b"cd", b"e"]


def test_the_corpora_are_small():
    assert sum(path.stat().st_size for path in Path(CORPUS).rglob("*")) < 2 << 20
