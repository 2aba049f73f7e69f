"""The table of metrics for people, from the catalogue: `python -m libprobe.ncg.table > docs/metrics.md`."""

from __future__ import annotations

from libprobe import catalogue
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from libprobe.catalogue import Metric

HEAD = """\
# Metrics

What is asked of which service, and how often. Made from `etc/ncg` by `python -m libprobe.ncg.table`; see
[the notes there](../etc/ncg/README.md) on changing it.

| metric | probe | every | retried after | told after | ends within | service types | not told while |
|---|---|---|---|---|---|---|---|
"""


def page(metrics: Sequence[Metric]) -> str:
    """The whole page, in Markdown."""
    return HEAD + "".join(_row(metric) for metric in metrics)


def _row(metric: Metric) -> str:
    cells = (
        metric.name,
        f"[{metric.probe}]({metric.probe}.md)",
        duration(metric.interval_s),
        duration(metric.retry_s),
        f"{metric.attempts} bad results",
        duration(metric.timeout_s),
        ", ".join(metric.service_types),
        ", ".join(f"{name} is bad" for name in metric.dependencies) or "-",
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    print(page(catalogue.read()), end="")
