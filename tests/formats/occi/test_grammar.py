"""The grammar of the text renderings takes linear time, whatever it is given."""

from __future__ import annotations

import time

import pytest

from libprobe.formats.occi import grammar

EVIL = [
    'a; scheme="x, ' * 40_000,
    'a; scheme="' + '"; ' * 150_000,
    '"' * 500_000,
    'a; b="\\"' + "\\" * 500_000,
    "," * 500_000,
    'a; t="' + '", ' * 150_000,
    ("a" * 1000 + ",") * 500,
    'a; t="' + '"   ' * 120_000,
    "a" + " " * 500_000,
    'a; t="' + ('";' + "a" * 250) * 2_000,
    "a.b=" + ",a.a.a.a.a.a" * 40_000,
]


@pytest.mark.parametrize("text", EVIL, ids=range(len(EVIL)))
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    for line in (text, "<a>" + text, 'a.b="' + text):
        list(grammar.categories(line))
        list(grammar.links(line))
        list(grammar.attributes(line))
    assert time.process_time() - began < 20  # a quadratic one takes minutes
