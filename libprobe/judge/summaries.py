"""Presentation: the sentence of the status line, as summaries of nagiosplugin."""

from __future__ import annotations

import re

from nagiosplugin import Ok, Results, Summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGNIFICANCE = (0, 1, 3, 2)
"""Exit codes from the least to the most significant: a failing helper cannot hide a site's fault."""


class RankedResults(Results):  # type: ignore[misc]
    """Results in the order CRITICAL > UNKNOWN > WARNING > OK; nagiosplugin puts UNKNOWN first."""

    @property
    def most_significant_state(self) -> object:
        """Raises: ValueError when there are no results, as the base class does."""
        return max(self.by_state, key=lambda state: SIGNIFICANCE.index(int(state)))

    @property
    def status(self) -> int:
        """Exit code of the most significant state. Raises: ValueError when there are no results."""
        return int(self.most_significant_state)  # type: ignore[call-overload, no-any-return]

    def __iter__(self):  # type: ignore[no-untyped-def]
        for state in sorted(self.by_state, key=lambda state: SIGNIFICANCE.index(int(state)), reverse=True):
            yield from self.by_state[state]


_PLACE = re.compile(
    r" (?:at|by|from|in|on|to|with) ((?:[\w.-]+|\[[0-9A-Fa-f:.%]+\]):[0-9]+(?: \([0-9A-Fa-f:.]+\))?|/\S+?)(?=$|[ ;,])"
)
"""A place as `libprobe.failures` puts it behind a reason: host and port, with an address in brackets; or a path."""


def _new(found: re.Match[str], named: set[str | Any]) -> str:
    """A place with the word before it, empty where it was named before."""
    return "" if found[1] in named else found[0]


class OneLine(Summary):  # type: ignore[misc]
    """A sentence made of what the check found out when all is well, else the worst results' reasons.

    Where several reasons name the same host and port, or the same file, the first one does.

    sentence: a format string over the resource's `facts`.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def ok(self, results: Results) -> str:
        facts: dict[str, str] = {}
        for result in results:
            facts.update(getattr(result.resource, "facts", {}))
        return self._sentence.format_map(facts)

    def problem(self, results: Results) -> str:
        reasons: list[str] = []
        for result in results.most_significant:
            if result.hint and result.hint not in reasons:
                reasons.append(result.hint)
        named = {found[1] for found in _PLACE.finditer(reasons[0])} if reasons else set()
        return "; ".join(
            [*reasons[:1], *(_PLACE.sub(lambda each: _new(each, named), reason) for reason in reasons[1:])]
        )

    def verbose(self, results: Results) -> list[str]:
        """The reasons of the results that are not OK and did not make it to the status line."""
        worst = results.most_significant
        return [f"{result.state}: {result.hint}" for result in results if result.state != Ok and result not in worst]
