"""check_cdmi as Nagios runs it: one test for each state, over the executable."""

from __future__ import annotations

import json
import re

import pytest

from tests.federation.web import Request, Response, WebServer

PROBE = "check_cdmi"


@pytest.fixture
def storage():
    """A CDMI server; `answers` is what it says next."""
    capabilities = {"cdmi_domains": "true", "cdmi_dataobjects": "true", "cdmi_queues": "false"}
    good = json.dumps({"objectType": "application/cdmi-capability", "capabilities": capabilities}).encode()
    answers = [Response(200, [("Content-Type", "application/cdmi-capability")], good)]

    def app(request: Request) -> Response:
        return answers[-1] if request.path == "/cdmi_capabilities/" else Response(404)

    with WebServer("cdmi", app) as server:
        server.answers = answers
        yield server


def test_its_capabilities_are_counted(probe, storage):
    report = probe(PROBE, "-u", storage.url)
    assert report.first.startswith(f"CDMI OK - localhost:{storage.port} lists 2 capabilities after ")
    assert (report.code, report.err) == (0, "")
    assert sorted(report.performance) == ["capabilities", "response_time"]
    assert report.performance["capabilities"] == "2;;;0"


def test_slowness_is_a_warning(probe, storage):
    report = probe(PROBE, "-u", storage.url, "-w", "~:0s")
    assert re.fullmatch(
        rf"CDMI WARNING - capabilities listed after [\d.]+ m?s by localhost:{storage.port} \(limit ~:0s\)", report.first
    )
    assert report.code == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Response(503, reason="Service Unavailable"), "503 Service Unavailable"),
        (Response(200, [], b"<html>"), "not JSON: [html]"),
    ],
)
def test_anything_but_capabilities_is_critical(probe, storage, answer, said):
    storage.answers.append(answer)
    report = probe(PROBE, "-u", storage.url)
    assert (report.code, report.err) == (2, "")
    assert report.first == f"CDMI CRITICAL - {said} from localhost:{storage.port}"


def test_a_required_capability_that_is_missing_is_critical(probe, storage):
    report = probe(PROBE, "-u", storage.url, "--require", "cdmi_queues")
    assert (report.code, report.first) == (2, f"CDMI CRITICAL - no capability cdmi_queues on localhost:{storage.port}")


def test_a_port_at_which_nothing_listens_is_critical(probe, storage):
    storage.stop()
    report = probe(PROBE, "-u", storage.url)
    assert report.code == 2
    address = storage.url.partition("://")[2].partition("/")[0]
    assert report.first == f"CDMI CRITICAL - connection refused by {address} (127.0.0.1)"


def test_without_an_endpoint_it_is_our_own_fault(probe):
    report = probe(PROBE)
    assert (report.code, report.first) == (3, "CDMI UNKNOWN - no endpoint is named (give -H HOST or -u URL)")


def test_a_host_is_looked_up_in_the_gocdb(monitor):
    report = monitor.run(PROBE, "-H", "nowhere.fedcloud.test")
    assert (report.code, report.first) == (
        3,
        "CDMI UNKNOWN - nowhere.fedcloud.test has no URL in the GOCDB as eu.egi.cloud.storage-management.cdmi "
        "(give -u URL)",
    )
