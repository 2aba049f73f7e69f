"""Presentation: the sentence of the status line, as summaries of nagiosplugin."""

from __future__ import annotations

import re

from nagiosplugin import Ok, Results, Summary

from libprobe.formats.address import host_port_of
from libprobe.judge.contexts import Judgement

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


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")

_PLACE = re.compile(
    r",? (?:at|by|from|in|on|to|with) ((?:[\w.-]+|\[[0-9A-Fa-f:.%]+\]):[0-9]+(?: \([0-9A-Fa-f:.]+\))?|/\S+?)(?=$|[ ;,])"
)
"""A place as `libprobe.failures` puts it behind a reason: host and port, with an address in brackets; or a path."""


def _without_places(reason: str, named: set[str | Any]) -> str:
    """A reason without the places, and the words before them, that were named before."""
    return _PLACE.sub(lambda found: "" if found[1] in named else found[0], reason)


def _named(said: str) -> str:
    """Host and port of what is a URL as a whole; anything else as it is."""
    return (host_port_of(said) if _URL.fullmatch(said) else "") or said


def _left_behind(results: Results) -> list[tuple[str, ...]]:
    """What is told behind the worst results, in its forms, from the longest to the shortest."""
    worst = results.most_significant
    judged = [getattr(each.metric, "value", None) for each in results if each not in worst]
    return list(dict.fromkeys(each.beside for each in judged if isinstance(each, Judgement) and each.beside))


LONGEST = 200
"""Characters that a sentence of several reasons may have before those that have a shorter form take it."""


class OneLine(Summary):  # type: ignore[misc]
    """A sentence made of what the check found out when all is well, else the worst results' reasons.

    Behind them stands what a worse result must not hide: what the run has left behind (`Judgement.beside`).
    Where several reasons name the same host and port, or the same file, the first one does.

    sentence: a format string over the resource's `facts`. A fact that is a URL is told as its host and port, as in the
    reasons of what is not OK; the check has the whole one among its details.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def ok(self, results: Results) -> str:
        facts: dict[str, str] = {}
        for result in results:
            facts.update(getattr(result.resource, "facts", {}))
        return self._sentence.format_map({name: _named(said) for name, said in facts.items()})

    def problem(self, results: Results) -> str:
        reasons: list[str] = []
        for result in results.most_significant:
            if result.hint and result.hint not in reasons:
                reasons.append(result.hint)
        named = {found[1] for found in _PLACE.finditer(reasons[0])} if reasons else set()
        said = "; ".join([*reasons[:1], *(_without_places(reason, named) for reason in reasons[1:])])
        for forms in _left_behind(results):
            longer = [f"{said}; {_without_places(form, named)}" for form in forms]
            said = next((each for each in longer if len(each) <= LONGEST), longer[-1])
        return said

    def verbose(self, results: Results) -> list[str]:
        """The reasons of the results that are not OK and did not make it to the status line as they are."""
        worst = results.most_significant
        return [f"{result.state}: {result.hint}" for result in results if result.state != Ok and result not in worst]
