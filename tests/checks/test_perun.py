"""PerunStatus on answers that are at hand. Over a real connection: tests/probes/test_check_perun.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from libprobe.checks.perun import PerunStatus
from libprobe.clients.http import Response, ResponseHead
from libprobe.clients.perun import rpc_url
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, OK, UNKNOWN
from libprobe.targets.perun import PerunEndpoint
from tests.checks.judging import judge

URL = "https://perun.example.org/cert/rpc/json/utils/getPerunStatus"
SUMMARY = "{perun} answered in {time}{lag}{notes}"
STATUS = (
    b'["Version of PerunDB: 3.1.27", "Version of Perun: 3.2.1", '
    b"\"AuditerConsumer: 'ldapc' with last processed id='1200'\", "
    b"\"AuditerConsumer: 'engine' with last processed id='1203'\", \"LastMessageId: 1204\"]"
)


def judged(body: bytes, status: int = 200, kind: str = "application/json", *, location: str = "", notes=()):
    headers = [("Content-Type", kind), *([("Location", location)] if location else [])]
    answer = Response(ResponseHead(f"GET {URL}", status, "Reason", headers), body)
    http = SimpleNamespace(request=lambda *_, **__: answer, loading_s=0.0)
    return judge(
        PerunStatus(PerunEndpoint(URL, notes), http, "/O=Grid/CN=monitor", Deadline(60)),
        SUMMARY,
        "response_time",
        "consumer_lag",
    )


def test_a_status_is_ok_and_names_versions_and_the_slowest_consumer():
    found = judged(STATUS, notes=("found so",))
    assert found.status == OK
    assert found.sentence.startswith("perun.example.org:443 runs Perun 3.2.1, PerunDB 3.1.27 answered in ")
    assert found.sentence.endswith(", the slowest of 2 consumers is 4 messages behind; found so")
    assert found.values["consumer_lag"] == "4;;;0"
    assert found.values["response_time"].endswith("s;;;0")
    assert (1, "LastMessageId: 1204") in found.details
    assert (1, f"asked: GET {URL}") in found.details
    assert (2, "acting as: /O=Grid/CN=monitor") in found.details


def test_a_status_of_old_has_no_version_of_perun_and_no_consumers():
    found = judged(b'["Version of PerunDB: 3.1.27"]')
    assert (found.status, sorted(found.values)) == (OK, ["response_time"])
    assert found.sentence.startswith("perun.example.org:443 runs PerunDB 3.1.27 answered in ")
    assert "behind" not in found.sentence


@pytest.mark.parametrize(
    ("body", "status", "kind", "code", "said"),
    [
        (b'{"errorId": "1", "name": "PrivilegeException", "message": "no"}', 200, "application/json", UNKNOWN,
         'PrivilegeException 1: "no" (register /O=Grid/CN=monitor as a user of Perun)'),
        (b'{"errorId": "2", "name": "InternalErrorException"}', 500, "application/json", CRITICAL,
         "InternalErrorException 2"),
        (b"<html><title>Log in</title>", 200, "text/html", CRITICAL,
         'page "Log in" (200); not logged in'),
        (b"no", 403, "text/plain", CRITICAL, 'our certificate refused (403 "no")'),
        (b"", 404, "text/plain", CRITICAL, '404 "Reason" (check that this is the base of a Perun)'),
        (b"oops", 502, "text/plain", CRITICAL, '502 "oops"'),
        (STATUS, 503, "application/json", CRITICAL, "503 Service Unavailable, though with a status of Perun's"),
        (b"[]", 200, "application/json", CRITICAL, "no line `Version of PerunDB`"),
    ],
)  # fmt: skip
def test_anything_else_is_judged_by_its_shape(body, status, kind, code, said):
    found = judged(body, status, kind)
    assert (found.status, found.sentence) == (code, said)


def test_a_redirect_is_a_login():
    found = judged(b"", 302, location="https://login.example.org/?secret=x")
    assert found.sentence == "redirect to https://login.example.org/ (302); not logged in"
    assert found.status == CRITICAL


@pytest.mark.parametrize(
    "base",
    ["https://p", "https://p/", "https://p/cert", "https://p/cert/rpc", "https://p/cert/rpc/json", "https://p/?x#y"],
)
def test_the_status_is_found_from_any_base(base):
    assert rpc_url(base) == "https://p/cert/rpc/json/utils/getPerunStatus"
