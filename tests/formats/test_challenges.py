"""WWW-Authenticate as servers send it, in every form that was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.formats.challenges import MAX_CHALLENGES, MAX_CHARS, bearer_error, keystones, read_challenges


@pytest.mark.parametrize(
    ("headers", "uris"),
    [
        (["Keystone uri='https://ks:5000/v2.0'"], ["https://ks:5000/v2.0"]),
        (['Keystone uri="http://127.0.0.1:5000/v3"'], ["http://127.0.0.1:5000/v3"]),
        (["keystone URI=https://ks:5000/"], ["https://ks:5000/"]),
        (["Keystone uri = 'https://ks'  "], ["https://ks"]),
        (["Keystone uri='https://ks"], ["https://ks"]),
        (["snf-auth uri='https://accounts/identity/v2.0'"], ["https://accounts/identity/v2.0"]),
        (["Basic realm='x', Keystone uri='https://ks'"], ["https://ks"]),
        (["Negotiate, Basic abc==, Keystone realm=\"a, b\", uri=https://ks, Bearer scope=x"], ["https://ks"]),
        (['Swift realm="AUTH_x"', "Keystone uri='https://ks'"], ["https://ks"]),
        (["Keystone uri='https://one', Keystone uri=\"https://two\"", "Keystone uri=https://one"],
         ["https://one", "https://two"]),
        (["Basic realm='x'"], []),
        (["Keystone uri=''"], []),
        (["Keystone"], []),
        (["uri='https://ks'"], []),
        ([""], []),
        ([], []),
    ],
)  # fmt: skip
def test_the_challenges_name_keystones(headers, uris):
    lines = [("Content-Type", "Keystone uri=https://no"), *(("Www-Authenticate", each) for each in headers)]
    assert keystones(lines) == uris


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (
            'Bearer error="invalid_token", error_description="JWT token could \\"not\\" be validated"',
            ("invalid_token", 'JWT token could "not" be validated'),
        ),
        ('bearer realm="x", error=invalid_token', ("invalid_token", "")),
        ("Keystone uri='https://ks', Bearer error='insufficient_scope'", ("insufficient_scope", "")),
        ('Bearer realm="x"', None),
        ('Basic error="invalid_token"', None),
    ],
)
def test_what_is_wrong_with_an_access_token_is_told(header, error):
    assert bearer_error([("WWW-Authenticate", header)]) == error


@given(st.text(alphabet="ab=,'\" \\\t\n", max_size=200) | st.text(max_size=100))
def test_nothing_that_a_server_sends_is_too_much(value):
    found = read_challenges([("WWW-Authenticate", value)] * 3)
    assert len(found) <= MAX_CHALLENGES


@pytest.mark.parametrize("value", ['a="', "a='b\"", '"', 'a ="\\', " \t", "a ", "a,"])
def test_a_long_header_is_read_as_far_as_it_may_matter(value):
    assert len(read_challenges([("WWW-Authenticate", value * MAX_CHARS)] * 100)) <= MAX_CHALLENGES
