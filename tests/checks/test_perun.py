"""PerunStatus on answers that are at hand. Over a real connection: tests/probes/test_check_perun.py."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import pytest

from libprobe.checks.perun import PerunEndpoint, PerunStatus, find_perun
from libprobe.clients.http import Response, ResponseHead
from libprobe.clients.perun import rpc_url
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, OK, UNKNOWN, BadData, Misconfigured
from libprobe.formats.service_types import PERUN
from tests.checks.judging import Registered, judge
from tests.programs.test_catalogue import endpoint

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


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"url": None, "hostname": None, "port": None, **given})


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"url": "https://perun.example.org"}, URL),
        ({"url": "https://perun.example.org:8443/krb", "port": None}, "https://perun.example.org:8443/krb/rpc/json/utils/getPerunStatus"),
        ({"url": "https://perun.example.org:8443", "port": 443}, URL.replace(".org/", ".org:443/")),
        ({"url": "https://[2001:db8::1]/cert"}, URL.replace("perun.example.org", "[2001:db8::1]")),
    ],
)  # fmt: skip
def test_the_url_is_that_of_u_with_the_port_of_p(given, url):
    assert find_perun(options(**given), Deadline(1)) == PerunEndpoint(url)


@pytest.mark.parametrize(
    ("given", "sentence", "remedy"),
    [
        ({}, "no Perun is named", "give -H HOST or -u URL"),
        (
            {"url": "http://perun.example.org"},
            "-u: http://perun.example.org is not an https:// URL, and a certificate logs in over nothing else",
            "",
        ),
    ],
)
def test_options_that_name_none_are_our_mistake(given, sentence, remedy):
    with pytest.raises(Misconfigured) as raised:
        find_perun(options(**given), Deadline(1))
    assert (raised.value.sentence, raised.value.remedy) == (sentence, remedy)


@pytest.fixture
def registered(monkeypatch):
    def know(known: object) -> Registered:
        found = Registered({PERUN: known})
        monkeypatch.setattr("libprobe.targets.topology.find_registered", found)
        monkeypatch.setattr("libprobe.targets.access.open_state_directory", lambda args: "state")
        return found

    return know


@pytest.mark.parametrize(
    ("url", "port", "expected"),
    [
        ("https://perun.example.org/krb", None, URL.replace("cert", "krb")),
        ("https://perun.example.org", 8443, URL.replace(".org/", ".org:8443/")),
        (" ", None, URL),
    ],
)
def test_a_host_has_the_url_that_is_registered_or_its_own(registered, url, port, expected):
    asked = registered(endpoint(service_type=PERUN, url=url)).asked
    found = find_perun(options(hostname="perun.example.org", port=port), Deadline(1))
    assert found == PerunEndpoint(expected, (f"asked for {PERUN}",))
    assert asked == [PERUN]


def test_an_unregistered_host_is_tried_by_its_name(registered):
    registered(None)
    notes = (f"asked for {PERUN}", f"perun.example.org is not in the GOCDB as {PERUN}")
    assert find_perun(options(hostname="perun.example.org"), Deadline(1)) == PerunEndpoint(URL, notes)
    with pytest.raises(Misconfigured, match=r"^-H: "):
        find_perun(options(hostname="a:b:c]"), Deadline(1))


def test_a_registered_url_that_cannot_be_used_is_the_sites_fault(registered):
    registered(endpoint(service_type=PERUN, url="http://perun.example.org"))
    with pytest.raises(
        BadData,
        match=(
            r"unusable URL in the GOCDB for cloud\.example\.org \(EXAMPLE-CLOUD\): "
            r"http://perun\.example\.org is not an https:// URL, and a certificate logs in over nothing "
            r"else \(correct it in the GOCDB\)"
        ),
    ):
        find_perun(options(hostname="perun.example.org"), Deadline(1))
