"""Figures by counting seconds: what the timelines are held against. It shares nothing with libprobe but names.

Statuses are words here, timelines do not exist: for each second it is asked what every metric had, and so upwards.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

SPELLED = {"O": "OK", "W": "WARNING", "U": "UNKNOWN", "M": "MISSING", "C": "CRITICAL", "D": "DOWNTIME"}
AND = """
  O W U M C D
O O W U M C D
W W W U M C D
U U U U M C D
M M M M M C D
C C C C C C C
D D D D D C D
"""
OR = """
  O W U M C D
O O O O O O O
W O W W W W W
U O W U U C U
M O W U M C D
C O W C C C C
D O W U D C D
"""


def table(text: str) -> dict[tuple[str, str], str]:
    header, *rows = [line.split() for line in text.strip().splitlines()]
    return {(SPELLED[row[0]], SPELLED[b]): SPELLED[x] for row in rows for b, x in zip(header, row[1:], strict=True)}


TABLES = {"AND": table(AND), "OR": table(OR)}


class Out(NamedTuple):
    host: str
    service_type: str
    start: int
    end: int


class Case(NamedTuple):
    """results: by (type, host, metric), (second, status) each. there: days of an endpoint, by (type, host).

    excluded: (start, end, type, host, metric), empty words stand for any.
    """

    day: int
    days: int
    metrics: dict[str, list[str]]
    groups: dict[str, list[str]]
    there: dict[tuple[str, str], set[int]]
    results: dict[tuple[str, str, str], list[tuple[int, str]]]
    outages: list[Out]
    excluded: list[tuple[int, int, str, str, str]]


def join(operation: str, statuses: list[str]) -> str:
    joint = statuses[0]
    for each in statuses[1:]:
        joint = TABLES[operation][joint, each]
    return joint


def metric(case: Case, key: tuple[str, str, str], second: int) -> str:
    if any(
        a <= second < b and key[2] == name and type_ in ("", key[0]) and host in ("", key[1])
        for a, b, type_, host, name in case.excluded
        if name
    ):
        return "UNKNOWN"
    results = case.results.get(key, [])
    if not any(at // case.day == second // case.day for at, _ in results):
        return "MISSING"
    past = [(at, status) for at, status in results if at <= second]
    return max(past)[1] if past else "MISSING"


def endpoint(case: Case, service_type: str, host: str, second: int) -> str:
    for a, b, type_, name, metric_name in case.excluded:
        if not metric_name and a <= second < b and type_ in ("", service_type) and name in ("", host):
            return "UNKNOWN"
    for out in case.outages:
        if (out.service_type, out.host) == (service_type, host) and out.start <= second < out.end:
            return "DOWNTIME"
    return join("AND", [metric(case, (service_type, host, name), second) for name in case.metrics[service_type]])


def site(case: Case, second: int) -> str | None:
    groups = []
    for types in case.groups.values():
        services = []
        for service_type in types:
            hosts = [h for (t, h), days in case.there.items() if t == service_type and second // case.day in days]
            if hosts:
                services.append(join("OR", [endpoint(case, service_type, host, second) for host in hosts]))
        if services:
            groups.append(join("OR", services))
    return join("AND", groups) if groups else None


def rounded(value: Decimal) -> float:
    return float(value.quantize(Decimal("0.00001"), ROUND_HALF_UP))


def day(case: Case, number: int) -> tuple[float, ...] | None:
    """Availability, reliability, up, unknown, down of the site on a day; None where it has no endpoint."""
    statuses = [site(case, second) for second in range(number * case.day, (number + 1) * case.day)]
    if statuses[0] is None:
        return None
    up = sum(each in ("OK", "WARNING") for each in statuses)
    unknown = sum(each in ("UNKNOWN", "MISSING") for each in statuses)
    down = statuses.count("DOWNTIME")
    all_ = case.day
    return (
        rounded(Decimal(up * 100) / (all_ - unknown)) if unknown < all_ else -1.0,
        rounded(Decimal(up * 100) / (all_ - unknown - down)) if unknown + down < all_ else -1.0,
        rounded(Decimal(up) / all_),
        rounded(Decimal(unknown) / all_),
        rounded(Decimal(down) / all_),
    )


def period(days: list[tuple[float, ...]]) -> tuple[float, ...]:
    """Of several days, from the means of their fractions."""
    up, unknown, down = (sum(Decimal(str(day[at])) for day in days) / len(days) for at in (2, 3, 4))
    one = Decimal("1.00000001")
    return (
        rounded(up / (one - unknown) * 100) if unknown < 1 else -1.0,
        rounded(up / (one - unknown - down) * 100) if unknown + down < 1 else -1.0,
        *(rounded(each) for each in (up, unknown, down)),
    )
