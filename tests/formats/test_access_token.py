"""What a token says of itself, and what a file holds instead of one."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.formats.access_token import Claims, Mytoken, describe_other_content, read_claims
from tests import planted


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt(claims: object, head: object = {"alg": "RS256"}) -> str:
    return f"{encoded(head)}.{encoded(claims)}.c2ln"


def test_the_claims_of_a_jwt_are_read():
    token = planted.jwt(iss="https://aai.egi.eu/auth/realms/egi", aud=["cloud", "other"], nbf=1.5, exp=1764352514)
    assert read_claims(token) == Claims(
        "https://aai.egi.eu/auth/realms/egi",
        ("cloud", "other"),
        datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=UTC),
        datetime(2025, 11, 28, 17, 55, 14, tzinfo=UTC),
        "Bearer",
    )
    assert read_claims(jwt({"aud": "cloud"})) == Claims("", ("cloud",), None, None, "")
    assert read_claims(jwt({"aud": "cloud"})).describe() == "for cloud"
    assert read_claims(jwt({"iss": "https://s", "aud": "https://s"})).describe() == "of https://s"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"oidc_iss": "https://aai.egi.eu", "capabilities": ["AT"]}, Mytoken("https://aai.egi.eu", True, False)),
        ({"capabilities": ["tokeninfo"], "rotation": {"on_AT": True}}, Mytoken("", False, True)),
        ({"capabilities": "AT", "rotation": [], "oidc_iss": 1}, Mytoken("", True, False)),
        ({"rotation": {"on_other": True, "on_AT": "yes"}}, Mytoken("", True, False)),
    ],
)
def test_what_a_mytoken_says_of_its_access_tokens(claims, said):
    read = read_claims(jwt({"token_type": "mytoken", **claims}))
    assert read is not None and read.mytoken == said
    assert describe_other_content(jwt({"token_type": "mytoken", **claims}).encode()) == "a mytoken"
    bearer = read_claims(jwt({"token_type": "Bearer", **claims}))
    assert bearer is not None and bearer.mytoken is None


@pytest.mark.parametrize("value", [None, True, "1764352514", -1, 1e300, float("nan"), float("inf"), [], {}])
def test_what_is_no_time_is_passed_over_and_named(value):
    words = value if isinstance(value, str) else ""
    unread = () if value is None else ("nbf", "exp")
    assert read_claims(jwt({"exp": value, "nbf": value, "iss": value, "aud": [value]})) == Claims(
        words, (words,) if words else (), None, None, "", unread
    )


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        planted.token(),
        jwt([]),
        jwt({}, {}),
        jwt({}, []),
        jwt({}) + ".d",
        "..",
        jwt({"x": "y" * 99999}),
    ],
)
def test_what_is_no_jwt_is_opaque(token):
    assert read_claims(token) is None
    assert describe_other_content(token.encode()) == ""


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "nothing"),
        (b" \n\n", "an empty line"),
        (b"gAAAAABl" + b"x" * 180 + b"\n", "a token of a Keystone"),
        (b"\n<!DOCTYPE html>\n<html><body>log in</body></html>", "a page of HTML"),
        (b"<Error>no</Error>", "XML or HTML"),
        (b'{"access_token": "x", "expires_in": 3600}', "JSON with the token among other things"),
        (b'{"error": "invalid_grant"}', "JSON"),
        (b"[1, 2]", "JSON"),
        (b"one\ntwo\nthree\n", "3 lines"),
        (b"two words", "several words"),
        (b"Bearer abc", "a header of HTTP instead of the token alone"),
        (b"Authorization: Bearer abc", "a header of HTTP instead of the token alone"),
        (b'"abc.def.ghi"', "a token in quotes"),
        (b"-----BEGIN CERTIFICATE-----\nMIIB\n", "a certificate or a key"),
        (b"\x01\x02", "characters that no token has"),
        ("\ufeffabc".encode(), "characters that no token has"),
        (b"\xff\xfe", "characters that no token has"),
        (jwt({"typ": "Offline"}).encode(), "a refresh token"),
        (jwt({"typ": "Bearer"}).encode() + b"\r\n", ""),
        (b"0123456789abcdef0123456789abcdef", ""),
    ],
)
def test_what_a_file_holds_instead_of_a_token_has_a_name(content, what):
    assert describe_other_content(content) == what


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: jwt(text).encode()))
def test_any_file_is_either_a_token_or_named(content):
    describe_other_content(content)
    read_claims(content.decode("latin-1"))
