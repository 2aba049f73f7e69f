"""How long the sentences of the status lines are: what a pager shows of one is its first 80 characters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from tests.reliability import matrix

MEDIAN, NEARLY_ALL, NONE_ABOVE = 75, 120, 200
"""Characters that half of the sentences of results that are not OK, 95 % of them and all of them have at most."""

_HEAD = re.compile(r"[\w.()/ -]*?(?:OK|WARNING|CRITICAL|UNKNOWN) - |\Afedcloud-[a-z]+: ")


class Said(NamedTuple):
    """What one run said. where: column and fault. sentence: after `NAME STATUS - `, before performance data."""

    where: str
    code: int
    sentence: str

    def __str__(self) -> str:
        return f"{len(self.sentence):4}  {self.where}: {self.sentence}"


def sentence_of(report: str) -> str:
    """What a report says first, without the name of the probe or program, its state and performance data."""
    return _HEAD.sub("", report.split("\n", 1)[0].split(" | ", 1)[0], count=1)


def all_said(results: Iterable[matrix.Result]) -> list[Said]:
    """What the runs of cells said, in their order."""
    return [
        Said(f"{each.cell.column.name} x {each.cell.fault}", each.outcome.code, sentence_of(each.outcome.out))
        for each in results
    ]


def figures(said: Iterable[Said]) -> str:
    """Median, 95th percentile and longest of the sentences that are not OK, as a sentence."""
    lengths = sorted(len(each.sentence) for each in said if each.code != matrix.OK)
    if not lengths:
        return "No sentence of a result that is not OK."
    nearly_all = lengths[max(0, -(-len(lengths) * 95 // 100) - 1)]
    return (
        f"{len(lengths)} sentences of results that are not OK: median {lengths[(len(lengths) - 1) // 2]} characters, "
        f"95 % at most {nearly_all}, the longest {lengths[-1]}."
    )
