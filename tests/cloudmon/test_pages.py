"""The server of Nagios' pages: what it shows, and what it refuses. That they show the state: test_cloudmon.py."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pace import AMPLE_S

from . import pages

Get = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.needs("nagios4-cgi")


@pytest.fixture
def get(tmp_path: Path) -> Iterator[Get]:
    """Ask for a path as it is; returns status, content type or new location, and text."""
    (tmp_path / "secret.css").write_text("secret")
    with pages.Pages(tmp_path / "nagios.cfg", tmp_path) as shown:
        port = int(shown.url.rstrip("/").rpartition(":")[2])

        def ask(path: str, method: str = "GET", host: str = "") -> tuple[int, str, str]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=AMPLE_S)
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host or f"localhost:{port}")
            connection.endheaders()
            answer = connection.getresponse()
            if answer.status != 501:
                assert (answer.headers["Content-Security-Policy"] or "").startswith("default-src 'self'")
            what = answer.headers["Location"] or answer.headers["Content-Type"] or ""
            text = answer.read().decode(errors="replace")
            connection.close()
            return answer.status, what, text

        yield ask


@pytest.mark.parametrize("path", ["/", "/nagios4", "/nagios4/"])
def test_the_first_page_is_that_of_all_services(get: Get, path: str) -> None:
    assert get(path)[:2] == (302, "/nagios4/cgi-bin/status.cgi?host=all&limit=0")


def test_style_sheets_and_programs_answer(get: Get) -> None:
    assert get("/nagios4/stylesheets/status.css")[:2] == (200, "text/css")
    status, kind, text = get("/nagios4/cgi-bin/status.cgi?host=all")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "Could not open main config file" in text
    status, kind, text = get("/nagios4/cgi-bin/statusjson.cgi?query=hostcount")
    assert (status, re.sub(r";.*", "", kind)) == (200, "application/json")


def test_nothing_can_be_posted(get: Get) -> None:
    assert get("/nagios4/cgi-bin/cmd.cgi", method="POST")[0] == 501


@pytest.mark.parametrize(
    "path",
    [
        "/nagios4/../../../etc/passwd",
        "/nagios4/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/nagios4//etc/passwd",
        "/nagios4/stylesheets/../cgi.cfg",
        "/nagios4/cgi-bin/../../../../bin/ls",
        "/nagios4/cgi-bin/..%2f..%2fbin%2fls.cgi",
        "/nagios4/cgi-bin/absent.cgi",
        "/nagios4/images/",
        "/nagios4/%00",
        "/etc/passwd",
    ],
)
def test_nothing_else_is_shown(get: Get, path: str) -> None:
    status, _, text = get(path)
    assert status == 404
    assert text in ("no such page\n", "no such program\n")


def test_another_name_for_this_host_is_refused(get: Get) -> None:
    """A page elsewhere that made its own name resolve to 127.0.0.1 could read the answers."""
    assert get("/", host="evil.example.org:80") == (403, "text/plain; charset=utf-8", "not this host's name\n")
