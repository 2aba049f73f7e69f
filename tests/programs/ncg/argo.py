"""What argo-ncg makes of etc/ncg, told from its documentation and sources and without this project's reader.

Source: argo-ncg 0.4.18: NCG/MetricConfig/JSON (definitions), NCG/LocalMetrics/File (which service has which
metric), NCG/LocalMetricsAttrs/File (attributes), NCG/ConfigGen/Nagios (command lines).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

Definition = Mapping[str, Mapping[str, str]]

_TUPLE = re.compile(r"\s*(\S+?)!(\S+?)(?:!(\S+?))?(?:!(\S+?))?(?:!(.+))?", re.ASCII)
_QUOTED = re.compile(r'(?:^|!)(?:"((?:[^"]|"")*)"|([^"!]*))(?=!|$)')


def definitions(directory: Path) -> dict[str, Definition]:
    """Of all *.conf; one that is defined twice is merged key by key, in whatever order the files come."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for path in directory.rglob("*.conf"):
        for name, definition in json.loads(path.read_text()).items():
            for key, value in definition.items():
                if isinstance(value, dict):
                    found.setdefault(name, {}).setdefault(key, {}).update(value)
    return dict(found)


def metrics(localdb: Path) -> dict[str, set[str]]:
    """Metrics by service type. A line that is not understood is passed over without a word."""
    found: dict[str, set[str]] = {}
    for fields in _tuples(localdb):
        if fields[1] in ("SERVICE_METRIC", "ADD_SERVICE_METRIC") and fields[3]:
            found.setdefault(fields[2], set()).add(fields[3])
    return found


def host_metrics(localdb: Path) -> dict[tuple[str, str], set[str]]:
    """Metrics by host and service type."""
    found: dict[tuple[str, str], set[str]] = {}
    for fields in _tuples(localdb):
        if fields[1] == "ADD_HOST_SERVICE_METRIC" and fields[3] and fields[4]:
            found.setdefault((fields[2], fields[3]), set()).add(fields[4])
    return found


def _tuples(localdb: Path) -> Iterator[re.Match[str]]:
    for line in localdb.read_bytes().decode("latin-1").split("\n"):
        if not re.match(r"\s*#", line) and (fields := _TUPLE.fullmatch(line)):
            yield fields


def attributes(localdb: Path, word: str = "SERVICE_ATTRIBUTE") -> dict[str, dict[str, str]]:
    """Attributes by service type or host, which win over those of the GOCDB; those for all stand under ""."""
    found: dict[str, dict[str, str]] = {}
    for row in _rows(localdb.read_bytes()):
        if row[0] == word:
            owner, name, value = row[1:4] if word.startswith(("SERVICE_", "HOST_")) else ["", *row[1:3]]
            found.setdefault(owner, {})[name] = value
    return found


def _rows(data: bytes) -> Iterator[list[str]]:
    """As Text::CSV_XS reads with `!` as separator: comments are rows, and what it does not like ends the file.

    That is a quote anywhere but around a whole field, and a byte that is no printable ASCII character, as the
    module is not told that the file may be binary. CR and LF end a line as well.
    """
    for line in data.replace(b"\r\n", b"\n").split(b"\n"):
        if not all(32 <= byte < 127 or byte == 9 for byte in line):
            return
        text = line.decode("ascii")
        found = list(_QUOTED.finditer(text))
        if "".join(each[0] for each in found) != text:
            return
        row = [each[2] if each[1] is None else each[1].replace('""', '"') for each in found]
        yield [*row, *[""] * 4]


def command(metric: Definition, attributes: Mapping[str, str], *, host: str, vo: str) -> dict[str, str]:
    """The options of a metric's command line, their order being of no account; "" for one without a value."""
    flags = metric.get("flags", {})
    found = {} if "NOHOSTNAME" in flags else {"-H": host}
    if "NOTIMEOUT" not in flags:
        found["-t"] = metric["config"]["timeout"]
    known = {**attributes, **({"VONAME": vo} if "VO" in flags else {})}
    for name, option in metric.get("attribute", {}).items():
        if name in known:
            found[option] = "" if known[name] in ("", "0") else known[name]
    for option, value in metric.get("parameter", {}).items():
        found[option] = "" if value in ("", "0") else value
    return found
