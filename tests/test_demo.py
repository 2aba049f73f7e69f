"""The page with which `make demo` ends."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta

from libprobe.formats.metric_result import MetricResult
from libprobe.programs import catalogue
from tests.demo import answer_of_gocdb, registered, write_page

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


def results_of(endpoints) -> list[MetricResult]:
    """Of yesterday: every metric of every endpoint OK."""
    return [
        MetricResult(endpoint.hostname, endpoint.service_type, metric.name, "OK", "fine", NOON, site=endpoint.site)
        for endpoint, metric in itertools.product(endpoints, catalogue.read())
        if endpoint.service_type in metric.service_types
    ]


def test_every_site_is_on_the_page_with_what_it_had(federation, tmp_path):
    topology = answer_of_gocdb(federation)
    results = results_of(registered(topology, federation))
    [failed] = [each for each in results if each.metric == "eu.egi.cloud.OCCI-VM" and each.site == "OOI-CLOUD"]
    results[results.index(failed)] = failed._replace(status="CRITICAL", summary="OCCI-VM CRITICAL - no VM")
    page = tmp_path / "new/availability.html"
    results.append(failed._replace(timestamp=NOON + timedelta(hours=6)))
    for _ in range(2):
        assert write_page(results, topology, tmp_path, page) == ""
    shown = page.read_text()
    figures = dict(re.findall(r"<summary>([^:]*): availability ([^,]*),", shown))
    clouds = {each.gocdb_name for each in (*federation.sites.values(), *federation.clouds.values())}
    assert clouds <= set(figures)
    assert figures.pop("OOI-CLOUD") == "50.00 %"
    assert set(figures.values()) == {"100.00 %"}
    assert f"eu.egi.cloud.OCCI-VM on {failed.hostname}: OCCI-VM CRITICAL - no VM" in shown


def test_what_keeps_the_page_from_being_made_is_said(federation, tmp_path):
    topology = answer_of_gocdb(federation)
    results = results_of(registered(topology, federation))
    page = tmp_path / "availability.html"
    said = write_page(results, b"<results/>", tmp_path, page)
    assert said.startswith("There is no page of availability: fedcloud-availability: not done: "), said
    assert not page.exists()
