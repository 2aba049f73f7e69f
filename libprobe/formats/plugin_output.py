"""What a Nagios plugin printed, taken apart: sentence, remedy, performance data, long output.

    SUBJECT STATUS - sentence (what to do) | label=value;warn;crit;min;max
    long output

Source: Monitoring Plugins development guidelines; the remedy in brackets is this project's own form
(`libprobe.failures`). Never fails: what cannot be read is left out or left as it is.
"""

from __future__ import annotations

import math
import re

from libprobe.records import Record
from libprobe.text import safe

MAX_OUTPUT = 16 << 10
MAX_LABELS = 100
MAX_LINES = 200

_STATUS_LINE = re.compile(r"(?P<subject>\S[^|]{0,60}?) (?P<status>OK|WARNING|CRITICAL|UNKNOWN)(?: - |: )(?P<rest>.*)")
_LABEL = re.compile(r"\s*(?:'((?:[^']|'')+)'|([^\s'=]+))=(\S*)")
_VALUE = re.compile(r"(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)([A-Za-z%]{0,3})")
IMPERATIVE = re.compile(
    r"(?:accept|add|allow|append|ask|check|choose|chmod|contact|correct|delete|disable|enable|extend|fix|free|get|give"
    r"|if|increase|install|leave|let|look|lower|make|move|name|open|or|put|raise|read|reduce|register|remove|renew|repair"
    r"|replace|request|restart|revoke|run|see|set|share|start|stop|switch|take|tell|try|update|upgrade|use|wait|write)"
    r" \S"
)
"""How what is to be done begins; nothing else in brackets is a remedy."""

_LIMIT = re.compile(r"[0-9.:@~-]{0,60}")


class PerformanceValue(Record):
    """One value of performance data. The thresholds are Nagios ranges as printed, the bounds numbers."""

    label: str
    value: float
    unit: str
    warning: str
    critical: str
    minimum: float | None
    maximum: float | None


class PluginOutput(Record):
    """What a plugin printed.

    subject:  as in the status line, empty if that has another form.
    sentence: one line, without status, performance data and remedy.
    remedy:   what to do, empty if the sentence does not say.
    """

    subject: str
    sentence: str
    remedy: str
    performance: list[PerformanceValue]
    lines: list[str]


def read_plugin_output(text: str, *, is_problem: bool) -> PluginOutput:
    """Take a plugin's standard output apart. is_problem: only then brackets at the end are a remedy."""
    first, *rest = text[:MAX_OUTPUT].split("\n")
    line, _, performance = first.partition("|")
    line = safe(line)
    found = _STATUS_LINE.fullmatch(line)
    subject, sentence = (found["subject"], found["rest"]) if found else ("", line)
    remedy = ""
    if is_problem:
        sentence, remedy = _without_remedy(sentence)
    lines = [safe(each) for each in rest[:MAX_LINES]]
    return PluginOutput(subject, sentence, remedy, _performance(performance), [each for each in lines if each])


def _without_remedy(sentence: str) -> tuple[str, str]:
    """Split off the brackets that end a sentence, if they begin with a verb and not as `(limit 10)` does."""
    if not sentence.endswith(")"):
        return sentence, ""
    depth = 0
    for at in range(len(sentence) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(sentence[at], 0)
        if depth == 0:
            inner = sentence[at + 1 : -1]
            if sentence[at - 1] != " " or not IMPERATIVE.match(inner):
                return sentence, ""
            return sentence[: at - 1].rstrip(), inner
    return sentence, ""


def _performance(text: str) -> list[PerformanceValue]:
    found = []
    for quoted, plain, values in _LABEL.findall(text):
        value, warning, critical, minimum, maximum = (values.split(";") + [""] * 5)[:5]
        number = _VALUE.fullmatch(value)
        if not number:
            continue
        label = safe(quoted.replace("''", "'") or plain)
        warning, critical = (limit if _LIMIT.fullmatch(limit) else "" for limit in (warning, critical))
        bounds = _number(minimum), _number(maximum)
        found.append(PerformanceValue(label, float(number[1]), number[2], warning, critical, *bounds))
        if len(found) == MAX_LABELS:
            break
    return found


def _number(text: str) -> float | None:
    found = _VALUE.fullmatch(text)
    value = float(found[1]) if found else math.nan
    return value if math.isfinite(value) else None
