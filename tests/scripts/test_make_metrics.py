"""The tables of metrics are those of etc/ncg, the parsers and the executables' own descriptions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from libprobe.programs import catalogue
from scripts import parsers
from tests.conftest import ROOT, clean_environment

METRICS = catalogue.read(str(ROOT / "etc/ncg"))
PAGE = (ROOT / "docs/metrics.md").read_text()


def test_the_page_in_the_documentation_is_up_to_date() -> None:
    """After a change: scripts/make-metrics > docs/metrics.md"""
    made = subprocess.run(
        [sys.executable, ROOT / "scripts/make-metrics"],
        check=True,
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    assert made.stdout == PAGE


def test_every_metric_has_a_row_in_both_tables_with_times_and_limits_in_words() -> None:
    for metric in METRICS:
        assert PAGE.count(f"\n| {metric.name} | [{metric.probe}]({metric.probe}.md) | ") == 2
    assert (
        "| eu.egi.cloud.APEL-Pub | [check_apel_pub](check_apel_pub.md) | 12 h | 15 min | 3 bad results | 120 s | "
        in PAGE
    )
    judged = [line for line in PAGE.split("\n") if line.startswith("| org.nagios.CloudBDII-Check ")][1]
    assert " `--strict` " in judged
    assert "| `-w 1h` | the BDII does not answer" in judged
    assert judged.endswith("`response_time` (s); where published: `age` (s) |")


def test_conditions_and_units_are_read_from_a_description() -> None:
    described = parsers.describe(
        "Check x.\n\nCritical when  it is\n               bad\nWarning when   it is slow\n"
        "Performance:   a_time s, items; with --more also size B"
    )
    assert described == parsers.Description(
        "it is bad", "it is slow", (("a_time", "s", ""), ("items", "", ""), ("size", "B", "with --more"))
    )


@pytest.mark.parametrize("text", ["a_time seconds", "A, b", "a b"])
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a label with its unit"):
        parsers.describe(f"Critical when  a\nWarning when   b\nPerformance:   {text}")
