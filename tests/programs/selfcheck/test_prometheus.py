"""The text form of Prometheus, read back by Prometheus' own reader."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from libprobe.formats.plugin_output import PerformanceValue
from libprobe.programs.selfcheck import prometheus
from libprobe.programs.selfcheck.results import JobResult, MetricJob, SelfCheckRun

JOB = MetricJob(
    "A-SITE", "a.example.org", "egi.Perun", "https://a.example.org/", "Europe", "org.example.A", "", ("a",), 60.0
)
AT = datetime(2026, 11, 25, 12, 0, 0, 250_000, tzinfo=UTC)


def performance(label: str, value: float, unit: str) -> PerformanceValue:
    return PerformanceValue(label, value, unit, "", "", None, None)


def result(job: MetricJob = JOB, status: int = 0, *values: PerformanceValue) -> JobResult:
    return JobResult(job, status, "fine", "", values, (), 1.5, AT)


def run(*results: JobResult, cut_short: str = "") -> SelfCheckRun:
    return SelfCheckRun("all sites", results, AT, 2.0, "monitor", "https://goc.example.org/", cut_short=cut_short)


def samples(text: str) -> dict[tuple[str, str], float]:
    """Values by name and label of performance data."""
    families = list(text_string_to_metric_families(text))
    return {(each.name, each.labels.get("label", "")): each.value for family in families for each in family.samples}


def test_a_unit_becomes_a_base_unit_in_the_name() -> None:
    given_values = [("t", 1500.0, "ms"), ("size", 2.0, "KB"), ("used", 50.0, "%"), ("sent", 7.0, "c"), ("x", 3.0, "")]
    found = samples(prometheus.render(run(result(JOB, 0, *(performance(*each) for each in given_values)))))
    assert found["fedcloud_performance_seconds", "t"] == 1.5
    assert found["fedcloud_performance_bytes", "size"] == 2000
    assert found["fedcloud_performance_ratio", "used"] == 0.5
    assert found["fedcloud_performance_total", "sent"] == 7
    assert found["fedcloud_performance", "x"] == 3
    assert found["fedcloud_check_timestamp_seconds", ""] == AT.timestamp()


def test_names_follow_the_conventions_and_every_family_is_explained_once() -> None:
    text = prometheus.render(run(result(JOB, 2, performance("a", 1.0, "s"), performance("b", 1.0, "c"))))
    for name, (kind, help) in prometheus.FAMILIES.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
        assert name.endswith("_total") == (kind == "counter")
        assert help.endswith(".")
    names = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    assert len(names) == len(set(names)) == text.count("# HELP ")
    assert all(name.startswith("fedcloud_") for name in names)
    assert text.endswith("\n")


def test_an_endpoint_that_is_registered_twice_is_one_series() -> None:
    text = prometheus.render(run(result(status=0), result(status=2)))
    assert len(re.findall("^fedcloud_state{", text, re.MULTILINE)) == 1
    assert samples(text)["fedcloud_state", ""] == 0


def test_a_run_without_results_or_cut_short_is_said() -> None:
    assert samples(prometheus.render(run(cut_short="interrupted")))["fedcloud_selfcheck_complete", ""] == 0
    assert samples(prometheus.render(run(result())))["fedcloud_selfcheck_complete", ""] == 1


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e")))
def test_labels_come_back_as_they_were_whatever_is_in_them(text: str) -> None:
    job = JOB._replace(site=text, hostname=text)
    [family] = [
        each
        for each in text_string_to_metric_families(prometheus.render(run(result(job))))
        if each.name == "fedcloud_state"
    ]
    assert family.samples[0].labels["site"] == text
    assert family.samples[0].labels["hostname"] == text
