"""The net under all tests: a report with a secret in it fails the test that made it, whatever that looked for."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import planted
from tests.conftest import Report
from tests.federation.authority import Authority

SECRET = planted.secret("test")


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        SECRET[:12],
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"x" + SECRET.encode()).decode(),
        base64.b64encode(b"Bearer:" + SECRET.encode() + b":").decode(),
        "-----BEGIN RSA PRIVATE KEY-----",
    ],
    ids=["in clear", "cut", "in a URL", "base64", "base64 after one", "base64 within", "head of a key"],
)
@pytest.mark.parametrize("stream", ["out", "err"])
def test_a_report_with_a_secret_is_no_report(text, stream):
    with pytest.raises(AssertionError, match="secrets were printed"):
        Report(0, f"OK - {text}\n" if stream == "out" else "OK\n", f"{text}\n" if stream == "err" else "")


def test_a_line_of_a_private_key_is_recognised(tmp_path: Path):
    lines = Authority(tmp_path).proxy().read_text().split("PRIVATE KEY-----")[1].splitlines()
    with pytest.raises(AssertionError, match="secrets were printed"):
        Report(3, f"UNKNOWN - {lines[5]}\n", "")
    assert Report(3, "UNKNOWN - nothing secret in here, however long the word: " + "A" * 64, "")
