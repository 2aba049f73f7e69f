"""Figures, statuses and outages as people and programs read them: tables, ARGO's JSON, CSV, Prometheus' text."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from libprobe.text import decimal, number_of, safe
from libprobe.timelines.algebra import STATUSES
from libprobe.timelines.evaluation import ENDPOINT, LEVELS, SERVICE
from libprobe.timelines.figures import NO_DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from libprobe.timelines.calculation import Explanation, FigureRow, SiteOutage
    from libprobe.timelines.figures import Figures

NGI = "ngi"
TARGETS = (80.0, 85.0)
"""Of EGI, of a month: availability and reliability, in percent."""

WORST = 10


def instant(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe_length(seconds: float) -> str:
    """To the minute, or to the second where it is shorter than one: `3 d 4 h 12 min`."""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts)


def percent(value: float) -> str:
    return "no data" if value == NO_DATA else f"{value:.2f} %"


def start_column(at: int | None, by: str) -> str:
    """When a row's time began, as ARGO's web API writes it; empty where it is the whole period."""
    if at is None:
        return ""
    return instant(at)[: {"month": 7, "day": 10}.get(by, 20)]


# ---- tables


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as what is in them; those of figures to the right."""
    cells = [list(header), *(list(map(safe, row)) for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    is_number = [all(row[at][-1:] in "%" or row[at] == "no data" for row in cells[1:]) for at in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in cells
    ]


def figures_table(rows: Iterable[FigureRow], level: str, by: str) -> list[str]:
    names = [NGI] if level == NGI else list(reversed(LEVELS[LEVELS.index(level) :]))
    has_time = by != "period"
    header = [*names, *(["from"] if has_time else []), "availability", "reliability", "unknown", "downtime", ""]
    return table(
        header,
        (
            [
                *(row.path or [row.ngi or "all sites"]),
                *([start_column(row.at, by)] if has_time else []),
                percent(row.figures.availability),
                percent(row.figures.reliability),
                f"{100 * row.figures.unknown:.2f} %",
                f"{100 * row.figures.down:.2f} %",
                below_target(row.figures) if by in ("month", "period") else "",
            ]
            for row in rows
        ),
    )


def below_target(figures: Figures) -> str:
    """Which of EGI's targets is missed."""
    values = zip(("availability", "reliability"), figures[:2], TARGETS, strict=True)
    return ", ".join(f"{name} below {target:g} %" for name, value, target in values if 0 <= value < target)


def why_lines(why: Explanation, period: str, *, everything: bool) -> list[str]:
    value = why.figures
    lines = [
        f"{why.site}, {period}: availability {percent(value.availability)}, reliability {percent(value.reliability)}, "
        f"unknown {100 * value.unknown:.2f} %, downtime {100 * value.down:.2f} %"
    ]
    if missed := below_target(value):
        lines.append(f"  {missed}")
    shown = why.troubles
    if not shown:
        lines.append("  it was up all the time")
    elif not everything and len(shown) > WORST:
        worst = sorted(shown, key=lambda each: (each.share, each.end - each.start), reverse=True)[:WORST]
        shown = tuple(each for each in shown if each in worst)
        lines.append(f"  the {WORST} worst of {len(why.troubles)}; -v shows all")
    for each in shown:
        lines.append("")
        lines += [describe_outage(each), *(f"  {line}" for line in cause_lines(each))]
    if why.flips:
        lines += ["", "changed most often:"]
        lines += [f"  {number_of(each.changes, 'change')}: {' '.join(each.path)}" for each in why.flips]
    return [safe(line) if not line.startswith(" ") else f"  {safe(line)}" for line in lines]


def describe_outage(trouble: SiteOutage) -> str:
    """From when to when, how long, what it was, and what it cost."""
    share = f", {decimal(trouble.share, 2)} % of the availability" if trouble.share else ", does not count"
    when = f"{instant(trouble.start)} to {instant(trouble.end)}, {describe_length(trouble.end - trouble.start)}"
    return f"{when}: {STATUSES[trouble.status]}{share}"


def cause_lines(trouble: SiteOutage) -> list[str]:
    """What it came from: the endpoint and its metric, what was excluded, and the downtimes; safe text."""
    downtimes = [
        safe(f"downtime {one.id}, {instant(one.start)} to {instant(one.end)}: {one.description or 'no reason given'}")
        for one in trouble.downtimes
    ]
    excluded = [
        safe(f"excluded from {instant(one.start)} to {instant(one.end)}: {one.reason}") for one in trouble.exclusions
    ]
    cause = trouble.cause
    if not cause.host:
        return excluded + downtimes
    what = " ".join(each for each in (cause.metric or cause.service_type, "on", cause.host) if each)
    said = f": {cause.sentence}" if cause.sentence else ""
    since = f" (result of {instant(cause.at)})" if cause.at is not None and said else ""
    return [safe(f"{what}{said}{since}"), *excluded, *downtimes]


# ---- ARGO's web API


def _number(value: float) -> str:
    return decimal(value, 5)


def _results(rows: Iterable[FigureRow], by: str) -> list[dict[str, str]]:
    return [
        {
            **({"timestamp": start_column(row.at, by)} if row.at is not None else {}),
            "availability": _number(row.figures.availability),
            "reliability": _number(row.figures.reliability),
            "unknown": _number(row.figures.unknown),
            "uptime": _number(row.figures.up),
            "downtime": _number(row.figures.down),
        }
        for row in rows
    ]


def _grouped(rows: Iterable[FigureRow], key: Any) -> dict[Any, list[FigureRow]]:
    found: dict[Any, list[FigureRow]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def results_json(rows: Iterable[FigureRow], level: str, by: str) -> str:
    """As ARGO's web API has results of groups, sites, service types and endpoints; levels that it lacks likewise."""
    kept = list(rows)
    if level == NGI:
        document: list[dict[str, object]] = [
            {"name": name, "type": "NGI", "results": _results(group, by)}
            for name, group in _grouped(kept, lambda row: row.ngi or "all").items()
        ]
    elif level in (SERVICE, ENDPOINT):
        document = [
            {
                "name": site,
                "type": "SITES",
                "serviceflavors": [
                    {"name": service, "type": "service", **_nested_results(group, level, by)}
                    for service, group in _grouped(of_site, lambda row: row.path[2]).items()
                ],
            }
            for site, of_site in _grouped(kept, lambda row: row.path[0]).items()
        ]
    else:
        document = [
            {
                "name": ngi,
                "type": "NGI",
                "endpoints": [
                    {"name": "/".join(path), "type": "SITES", "results": _results(group, by)}
                    for path, group in _grouped(of_ngi, lambda row: row.path).items()
                ],
            }
            for ngi, of_ngi in _grouped(kept, lambda row: row.ngi).items()
        ]
    return json.dumps({"results": document}, indent=1)


def _nested_results(rows: list[FigureRow], level: str, by: str) -> dict[str, object]:
    if level == SERVICE:
        return {"results": _results(rows, by)}
    return {
        "endpoints": [
            {"name": host, "type": "endpoint", "results": _results(group, by)}
            for host, group in _grouped(rows, lambda row: row.path[3]).items()
        ]
    }


def status_json(sites: Iterable[tuple[str, Iterable[tuple[int, int]]]]) -> str:
    """As ARGO's web API has the statuses of sites: (name, (instant, status) each)."""
    return json.dumps(
        {
            "groups": [
                {
                    "name": name,
                    "type": "SITES",
                    "statuses": [{"timestamp": instant(at), "value": STATUSES[status]} for at, status in line],
                }
                for name, line in sites
            ]
        },
        indent=1,
    )


def why_json(why: Explanation, period: str) -> str:
    return json.dumps(
        {
            "site": why.site,
            "period": period,
            **why.figures._asdict(),
            "outages": [
                {
                    "from": instant(each.start),
                    "to": instant(each.end),
                    "seconds": each.end - each.start,
                    "status": STATUSES[each.status],
                    "share": each.share,
                    **{name: value for name, value in each.cause._asdict().items() if name != "at"},
                    "downtimes": [one.id for one in each.downtimes],
                    "excluded": [one.reason for one in each.exclusions],
                }
                for each in why.troubles
            ],
            "flips": [{"path": list(each.path), "changes": each.changes} for each in why.flips],
        },
        indent=1,
    )


# ---- CSV, Prometheus


def results_csv(rows: Iterable[FigureRow], by: str) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["ngi", *reversed(LEVELS), "from", "availability", "reliability", "up", "unknown", "down"],
    )
    for row in rows:
        path = [*row.path, *[""] * (len(LEVELS) - len(row.path))]
        writer.writerow([*map(_escape_formula, [row.ngi, *path]), start_column(row.at, by), *map(_number, row.figures)])
    return text.getvalue()


def _escape_formula(text: str) -> str:
    """Nothing that a spreadsheet would take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else safe(text)


FAMILIES = {
    "availability_ratio": "Availability in the period, as a share of 1; absent where nothing is known.",
    "reliability_ratio": "Reliability in the period, as a share of 1; absent where nothing is known.",
    "unknown_ratio": "Share of the period in which the status was not known.",
    "downtime_ratio": "Share of the period in a declared downtime.",
}


def prometheus(rows: Iterable[FigureRow], period: str) -> str:
    """Prometheus' text form. Times are no part of it, so each thing has one value: rows are of the whole period."""
    kept = list(rows)
    text = []
    for family, help in FAMILIES.items():
        text.append(f"# HELP fedcloud_{family} {help}\n# TYPE fedcloud_{family} gauge\n")
        for row in kept:
            value = {
                "availability_ratio": row.figures.availability / 100,
                "reliability_ratio": row.figures.reliability / 100,
                "unknown_ratio": row.figures.unknown,
                "downtime_ratio": row.figures.down,
            }[family]
            if value >= 0:
                labels = {"ngi": row.ngi, **dict(zip(reversed(LEVELS), row.path, strict=False)), "period": period}
                inner = ",".join(f'{name}="{_escaped(each)}"' for name, each in labels.items() if each)
                text.append(f"fedcloud_{family}{{{inner}}} {decimal(value, 7)}\n")
    return "".join(text)


def _escaped(text: str) -> str:
    return safe(text).replace("\\", "\\\\").replace('"', '\\"')
