"""The results in Prometheus' text form, for the textfile collector of its node exporter.

Names and units follow Prometheus' conventions: base units in the name, `_total` for what only grows, no times
(the collector refuses them; when a check began is a value of its own). A series is one metric at one endpoint.
Source: "Text-based format", version 0.0.4, and "Metric and label naming" of Prometheus' documentation.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from libprobe.programs.selfcheck.results import MetricJob, SelfCheckRun

PREFIX = "fedcloud_"
FAMILIES = {
    "state": ("gauge", "State of the last check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."),
    "in_downtime": ("gauge", "Whether the endpoint is in a downtime of severity OUTAGE."),
    "check_duration_seconds": ("gauge", "How long the last check took."),
    "check_timestamp_seconds": ("gauge", "When the last check began, in seconds since 1970."),
    "performance_seconds": ("gauge", "Performance data of the last check, in seconds."),
    "performance_bytes": ("gauge", "Performance data of the last check, in bytes."),
    "performance_ratio": ("gauge", "Performance data of the last check, as a share of 1."),
    "performance_total": ("counter", "Performance data that only grows."),
    "performance": ("gauge", "Performance data of the last check without a unit, mostly numbers of things."),
    "selfcheck_complete": ("gauge", "Whether the self-check ran to its end."),
    "selfcheck_duration_seconds": ("gauge", "How long the whole self-check took."),
    "selfcheck_timestamp_seconds": ("gauge", "When the self-check began, in seconds since 1970."),
}
UNITS = {
    "s": ("performance_seconds", 1.0),
    "ms": ("performance_seconds", 1e-3),
    "us": ("performance_seconds", 1e-6),
    "B": ("performance_bytes", 1.0),
    "KB": ("performance_bytes", 1e3),
    "MB": ("performance_bytes", 1e6),
    "GB": ("performance_bytes", 1e9),
    "TB": ("performance_bytes", 1e12),
    "%": ("performance_ratio", 1e-2),
    "c": ("performance_total", 1.0),
}
"""Family and factor of each unit of the plugin guidelines; any other is taken for none."""


def render(run: SelfCheckRun) -> str:
    """The document, ending in a newline: families in the order of FAMILIES, those without a value left out."""
    series: dict[str, dict[str, float]] = {name: {} for name in FAMILIES}
    for name, labels, value in _values(run):
        # of an endpoint that is registered twice the first counts: a series may stand there once only
        series[name].setdefault(labels, value)
    return "".join(
        f"# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n"
        + "".join(f"{PREFIX}{name}{labels} {_number(value)}\n" for labels, value in series[name].items())
        for name, (kind, help) in FAMILIES.items()
        if series[name]
    )


def _values(run: SelfCheckRun) -> Iterator[tuple[str, str, float]]:
    """Family, labels and value of everything."""
    for result in run.results:
        labels = _labels(result.job)
        yield "state", labels, result.status
        yield "in_downtime", labels, result.job.downtime is not None
        yield "check_duration_seconds", labels, result.seconds
        yield "check_timestamp_seconds", labels, result.started.timestamp()
        for each in result.performance:
            family, factor = UNITS.get(each.unit, ("performance", 1.0))
            yield family, _labels(result.job, label=each.label), each.value * factor
    yield "selfcheck_complete", "", not run.cut_short
    yield "selfcheck_duration_seconds", "", run.seconds
    yield "selfcheck_timestamp_seconds", "", run.started.timestamp()


def _labels(job: MetricJob, **more: str) -> str:
    names = {
        "site": job.site,
        "hostname": job.hostname,
        "service_type": job.service_type,
        "metric": job.metric,
        "url": job.url,
        **more,
    }
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in names.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    """`1764028800.25`, `3`: all digits there are, and no exponent that a reader would stumble over."""
    return f"{value:.9f}".rstrip("0").rstrip(".")
