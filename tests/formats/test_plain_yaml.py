"""The YAML of configuration files: what is read is what PyYAML reads, and all else is refused with its line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.plain_yaml import Doubtful, read

yaml = pytest.importorskip("yaml")

FILE = """\
# of a site
---
clouds:
    devstack:
        auth:
            username: admin # who
            password: pa#ss word
            project_name: 'it''s'
            url: https://a.example.org:5000/v3?x=y&z#f
            "quoted key": "q\\t\\x41\\u00e9\\\\"
        verify: false
        compute_api_version: 2.1
        identity_api_version: 3
        regions:
        - name: A
          values:
            auth: {project_name: x, "username":"u v", deep: [1, [2, -3], {a: b}]}
        - B
        -
          name: C
        - - x
          - "y"
    empty:
    tilde: ~
    list: [ ]
    map: { }
    plain: a:b -c, d]e
client:
  force_ipv4: true
"""


def test_what_is_read_is_what_pyyaml_reads():
    assert read(FILE) == yaml.safe_load(FILE)
    assert read(FILE.replace("\n", "\r\n")) == yaml.safe_load(FILE)
    assert read("\ufeff" + FILE) == yaml.safe_load(FILE)
    assert (read(""), read("# nothing\n"), read("word"), read("- a")) == (None, None, "word", ["a"])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &x 1", "an anchor (&) in line 1"),
        ("a: 1\nb: *x", "an alias (*) in line 2"),
        ("b:\n  <<: {a: 1}", "a merge (<<) in line 2"),
        ("a: !!str 1", "a tag (!) in line 1"),
        ("a: |\n  text", "a value that goes on from the line above, or a wrong indentation, in line 2"),
        ("a: >", "a block of text (>) in line 1"),
        ("? a\n: b", "a complex key (?) in line 1"),
        ("a: 1\n---\nb: 2", "another document (---) in line 2"),
        ("%YAML 1.1\n---\na: 1", "a directive (%) in line 1"),
        ("a: one\n  two", "a value that goes on from the line above, or a wrong indentation, in line 2"),
        ("a: 'one\n  two'", "a value that goes on from the line above, or a wrong indentation, in line 2"),
        ("a: 'one", "a text in quotes that does not end in line 1"),
        ("a: [1,\n  2]", "a value that goes on from the line above, or a wrong indentation, in line 2"),
        ("a: [1,", "brackets or braces that go on over several lines in line 1"),
        ("a: 1\na: 2", "a key for the second time in line 2"),
        ("a: {b: 1, b: 2}", "a key for the second time in line 1"),
        ("a:\n\tb: 1", "a tab in line 2"),
        ("a: b\tc", "a tab in line 1"),
        ("a: b: c", "a second `key: value` on one line in line 1"),
        ("a: 'b' c", "something behind the end of a value in line 1"),
        ("a:\n    b: 1\n  c: 2", "an indentation that fits nothing above it in line 3"),
        ("yes: 1", "a key that is no text in line 1"),
        ("1: 1", "a key that is no text in line 1"),
        ('a: "\\q"', "an unsupported escape in double quotes in line 1"),
        ("a: @b", "a reserved character (@) in line 1"),
        ("a: \x07", "a character that cannot be printed in line 1"),
        ("[" * 60, "more levels than any configuration has in line 1"),
    ],
)
def test_what_has_no_place_in_a_configuration_is_refused_with_its_line(text, what):
    with pytest.raises(BadData) as refused:
        read(text)
    assert refused.value.sentence == what


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a:\n\tb: 1", "indent it with blanks, as far as the keys that it belongs to"),
        ("a:\n    b: 1\n  c: 2", "indent it with blanks, as far as the keys that it belongs to"),
        ("a: b\tc", "write a blank instead"),
        ("a: 1\na: 2", "keep one of the two"),
        ("a: {b: 1, b: 2}", "keep one of the two"),
        ("a: &b 1", "write it as a plain `key: value`"),
    ],
)
def test_what_to_do_is_told_of_what_was_done(text, remedy):
    with pytest.raises(BadData) as refused:
        read(text)
    assert refused.value.remedy == remedy


@pytest.mark.parametrize(
    "word", ["0123", "1_000", "12:30", "0x1f", "0b1", "1e5.", "1.50", "007", "2001-01-01", ".inf", "1.0e+5", "+1"]
)
def test_a_number_that_is_not_written_as_one_reads_it_is_no_value(word):
    found = read(f"a: {word}")["a"]
    assert found == Doubtful(1) or (found == word == yaml.safe_load(f"a: {word}")["a"])
    assert read(f"a: '{word}'") == {"a": word}


@pytest.mark.parametrize(
    "word", ["8181077e9b0741daa81c3411bca0e6ba", "10e5", "y", "n", "08", "-", "a_b", "1.2.3", "5%"]
)
def test_what_only_looks_like_a_number_is_text(word):
    assert read(f"a: '{word}'") == {"a": word}
    if word != "-":
        assert read(f"a: {word}") in (yaml.safe_load(f"a: {word}"), {"a": Doubtful(1)})


def same(ours: object, theirs: object) -> bool:
    if isinstance(ours, Doubtful):
        return not isinstance(theirs, (dict, list))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return type(ours) is type(theirs) and ours == theirs


PIECES = st.sampled_from(
    [*" \n:-#'\"[]{},&*!|>?%@`~=\\\tax01.e", "\n  ", "\n- ", ": ", " #", "k: v", '"a"', "'b'", "yes", "null", "12:30"]
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_nothing_is_ever_read_as_another_value(text):
    try:
        ours = read(text)
    except BadData:
        return
    assert same(ours, yaml.safe_load(text))


@given(st.integers(0, len(FILE)), st.integers(0, 6), PIECES)
def test_nor_is_a_file_with_a_mistake_in_it(at, without, piece):
    text = FILE[:at] + piece + FILE[at + without :]
    try:
        ours = read(text)
    except BadData:
        return
    assert same(ours, yaml.safe_load(text))
