"""The page of metrics is the catalogue's."""

from __future__ import annotations

from libprobe import catalogue
from libprobe.ncg import table
from tests.conftest import ROOT

METRICS = catalogue.read(str(ROOT / "etc/ncg"))


def test_the_page_in_the_documentation_is_up_to_date() -> None:
    """After a change: python -m libprobe.ncg.table > docs/metrics.md"""
    assert (ROOT / "docs/metrics.md").read_text() == table.page(METRICS)


def test_every_metric_has_a_row_with_its_times_in_words() -> None:
    page = table.page(METRICS)
    for metric in METRICS:
        assert f"| {metric.name} | [{metric.probe}]({metric.probe}.md) | " in page
    assert (
        "| eu.egi.cloud.APEL-Pub | [check_apel_pub](check_apel_pub.md) | 12 h | 15 min | 3 bad results | 120 s | "
        in page
    )
