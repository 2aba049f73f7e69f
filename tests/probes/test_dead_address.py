"""A host whose first address does not answer, as an IPv6 address behind a firewall that nobody thought of."""

from __future__ import annotations

import re
import time

import pytest

from tests.conftest import at
from tests.federation.ports import unanswered
from tests.federation.stomp_responder import Responder
from tests.pace import AMPLE_S

NOTE = "127.0.0.10 of localhost did not answer"


@pytest.fixture
def two_addresses(names):
    """The environment in which `localhost` has an address before its own."""
    return names(localhost=["127.0.0.10", "127.0.0.1"])


def test_the_endpoint_is_asked_by_the_other_one_and_the_dead_one_told(monitor, two_addresses):
    site = monitor.federation.site("rocci")
    with unanswered("127.0.0.10", site.web.port):
        began = time.monotonic()
        report = monitor.run("check_occi_context", "-u", site.base, "-t", AMPLE_S, **two_addresses)
        took = time.monotonic() - began
    assert (report.code, report.err) == (0, ""), report.out
    assert report.first == (
        f"OCCI-Context OK - {at(site.base)} offers all that is required, 3 images and 3 sizes; {NOTE}"
    )
    assert took < AMPLE_S / 4  # it was not given its share
    assert float(report.performance["response_time"].partition("s")[0]) < took - 0.25


def test_a_vm_is_made_and_removed_all_the_same(monitor, two_addresses):
    site = monitor.federation.site("rocci")
    with unanswered("127.0.0.10", site.web.port):
        report = monitor.run("check_occi_vm", "-u", site.url, "-t", AMPLE_S, **two_addresses)
    assert (report.code, report.err) == (0, ""), report.out
    assert report.first.endswith(f"; {NOTE}")
    assert monitor.remembered() == []


def test_a_fault_is_told_with_the_note(monitor, two_addresses):
    site = monitor.federation.site("rocci")
    site.faults.on("status", code=503)
    with unanswered("127.0.0.10", site.web.port):
        report = monitor.run("check_occi_context", "-u", site.base, **two_addresses)
    assert (report.code, report.err) == (2, "")
    assert re.search(rf"503.*; {NOTE}$", report.first), report.first


def test_a_broker_s_dead_address_is_told_and_is_no_part_of_its_time(monitor, two_addresses):
    with Responder() as responder, unanswered("127.0.0.10", responder.port):
        began = time.monotonic()
        report = monitor.run("check_broker", "-u", f"stomp://localhost:{responder.port}", **two_addresses)
        took = time.monotonic() - began
    assert (report.code, report.err) == (0, ""), report.out
    assert report.first.endswith(f"; {NOTE}")
    assert float(report.performance["connect_time"].partition("s")[0]) < took - 0.25


@pytest.mark.needs("slapd", "glue-schema")
def test_a_bdii_s_dead_address_likewise(monitor, two_addresses):
    url = monitor.federation.bdii.url
    port = int(re.search(r":(\d+)", url.removeprefix("ldap://localhost"))[1])
    with unanswered("127.0.0.10", port):
        began = time.monotonic()
        report = monitor.run("check_cloud_bdii", "-u", url, **two_addresses)
        took = time.monotonic() - began
    assert NOTE in report.first, report.out
    assert float(report.performance["response_time"].partition("s")[0]) < took - 0.25
