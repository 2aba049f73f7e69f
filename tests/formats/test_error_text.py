"""What servers say of an error, and what of it is a lack of room."""

from __future__ import annotations

import pytest

from libprobe.formats.error_text import error_text, is_quota
from tests.formats.occi.samples import recorded


def test_the_reason_in_a_header_is_the_clouds_own_word() -> None:
    headers = [("Content-Type", "text/occi"), ("X-Occi-Error", " no\troom ")]
    assert error_text("OK", "text/occi", headers) == "no room"
    assert error_text("busy", "text/plain", [("X-OCCI-Error", " ")]) == "busy"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("44-over-quota", "Quota exceeded for ram: Requested 999999, but already used 0 of 51200 ram"),
        ("40d-bad-os-tpl-json-accept", "Can not find requested image"),
        ("40c-bad-os-tpl-text-occi-accept", ""),
        ("01-query-no-token", "The request you have made requires authentication."),
        ("02c-keystone-v2-tokens", "404 Not Found"),
        ("11g-query-wrong-prefix", "404 Not Found The resource could not be found. /-/"),
    ],
)
def test_the_clouds_own_words_are_found(name: str, text: str) -> None:
    answer = recorded(name)
    assert error_text(answer.body, answer.media_type) == text


@pytest.mark.parametrize(
    ("body", "media_type", "text"),
    [
        ('{"badRequest": {"message": "no", "code": 400}}', "application/json", "no"),
        ('{"error": "invalid", "error_description": "why"}', "application/json", "why"),
        ('{"error": "invalid"}', "application/json", "invalid"),
        ('{"code": 500, "message": "labelled as text"}', "text/plain", "labelled as text"),
        ("{broken", "application/json", "{broken"),
        ("[1]", "application/json", ""),
        ("<html><title>A &amp; B</title><h1>Too <b>bad</b></h1>", "text/html", "A & B: Too bad"),
        ("<!DOCTYPE html><h1>Gone</h1>", "text/plain", "Gone"),
        ("<html><p>only a paragraph", "text/html", "only a paragraph"),
        ("a\x00b\r\n\tc", "text/plain", "a b c"),
        ("x" * 1000, "text/plain", "x" * 297 + "..."),
        ("", "", ""),
    ],
)
def test_an_error_becomes_one_short_line(body: str, media_type: str, text: str) -> None:
    assert error_text(body, media_type) == text


@pytest.mark.parametrize(
    "text",
    [
        "Quota exceeded for ram: Requested 999999, but already used 0 of 51200 ram",
        "No valid host was found. There are not enough hosts available.",
        "[VirtualMachineAllocate] user [4] limit of 10 reached for RUNNING_VMS quota in VM",
        "Resource Limit Exceeded for your account. Available: 0, Requested: 1",
        "Maximum number of ports exceeded",
        "No more IP addresses available on network",
        "Not enough capacity",
    ],
)
def test_a_lack_of_quota_is_recognised(text: str) -> None:
    assert is_quota(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Can not find requested image",
        "Rate limit exceeded",
        "user_data exceeds the maximum length",
        "limit=5 is odd",
    ],
)
def test_other_refusals_are_no_lack_of_quota(text: str) -> None:
    assert not is_quota(text)
