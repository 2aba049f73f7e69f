"""GLUE 2 as clouds publish it: names of entries, times, URLs, and values that are no values.

Sources: OGF GFD.147 (GLUE 2.0) and its LDAP rendering; the templates of cloud-info-provider of 2015 and of
GLUE 2.1; what glue-validator calls an error. Attribute names are given in lower case throughout.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from libprobe.failures import BadData
from libprobe.formats.address import bracketed, host_and_port, path_of, read_address
from libprobe.formats.excerpt import excerpt
from libprobe.records import Record

MAX_DN_CHARS = 8_192
MAX_RDNS = 64

SERVICE = frozenset({"glue2computingservice", "glue2cloudcomputingservice"})
ENDPOINT = frozenset({"glue2computingendpoint", "glue2cloudcomputingendpoint"})
SIZE = frozenset({"glue2executionenvironment", "glue2cloudcomputinginstancetype"})
IMAGE = frozenset({"glue2applicationenvironment", "glue2cloudcomputingimage"})
DOMAIN = frozenset({"glue2admindomain"})
CLOUD_PREFIX = "glue2cloud"
CLOUD_TYPES = frozenset({"iaas", "org.cloud.iaas"})
"""GLUE2ServiceType of a cloud: in 2015, and since GLUE 2.1."""

SERVING_STATES = frozenset({"production", "draining", "queueing", "closed"})
HEALTH_STATES = frozenset({"ok", "warning", "critical", "unknown", "other"})
"""Closed enumerations of GFD.147."""

SHORT_VALIDITY_S, LEAST_VALIDITY_S = 60.0, 600.0
"""A validity of one minute is an oddity of ARC; glue-validator takes it as ten."""


def split_dn(dn: str) -> list[tuple[str, str]]:
    """Return the parts of a DN as (type in lower case, value), leaf first, escapes undone (RFC 4514).

    The parts of a multi-valued RDN come one after the other. Blanks around separators do not count.
    Raises: BadData.
    """
    if len(dn) > MAX_DN_CHARS:
        raise BadData(f"a DN of {len(dn)} characters, more than {MAX_DN_CHARS}")
    parts: list[tuple[str, str]] = []
    for piece in _PIECES.findall(dn):
        if not piece.strip():
            continue
        name, equals, value = piece.partition("=")
        if not equals or not name.strip():
            raise BadData(f"{excerpt(dn)!r} is not a DN")
        parts.append((name.strip().lower(), _unescaped(_stripped(value))))
        if len(parts) > MAX_RDNS:
            raise BadData(f"a DN of more than {MAX_RDNS} parts")
    return parts


_PIECES = re.compile(r"(?:[^,+\\]|\\.?)+", re.DOTALL)
_ESCAPE = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)


def _stripped(value: str) -> str:
    """Without the blanks around it; one that is escaped belongs to the value."""
    value = value.lstrip()
    bare = value.rstrip()
    return bare + " " if bare.endswith("\\") and not bare.endswith("\\\\") and bare != value else bare


def _unescaped(value: str) -> str:
    def undone(match: re.Match[str]) -> str:
        if match[1]:
            return bytes.fromhex(match[1].replace("\\", "")).decode("utf-8", "replace")
        return match[2]

    return _ESCAPE.sub(undone, value) if "\\" in value else value


class CreationTime(Record):
    """When an entry was created, as exactly as it says: aware UTC, the same twice if it names its zone."""

    earliest: datetime
    latest: datetime

    @property
    def is_exact(self) -> bool:
        return self.earliest == self.latest


_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})?\s?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)


def read_creation_time(text: str) -> CreationTime:
    """Read GLUE2EntityCreationTime: `2026-11-23T07:00:00Z`.

    cloud-info-provider writes local time without a zone; such a time can mean any instant from 14 hours
    before it, read as UTC, to 12 hours after it (the zones of the world go from +14 to -12).
    Raises: BadData.
    """
    match = _TIME.fullmatch(text.strip()) if len(text) <= 64 else None
    try:
        if match is None:
            raise ValueError
        read = datetime.fromisoformat(f"{match[1]}T{match[2]}{(match[3] or 'Z').upper()}").astimezone(UTC)
        if match[3]:
            return CreationTime(read, read)
        return CreationTime(read - timedelta(hours=14), read + timedelta(hours=12))
    except (ValueError, OverflowError):
        raise BadData(f"creation time {excerpt(text)!r} is not of the form YYYY-MM-DDTHH:MM:SSZ") from None


def read_validity(text: str) -> float:
    """Read GLUE2EntityValidity: whole seconds. Raises: BadData."""
    number = text.strip()
    if not re.fullmatch(r"[0-9]{1,10}", number):
        raise BadData(f"validity {excerpt(text)!r} is not a number of seconds")
    seconds = float(number)
    return LEAST_VALIDITY_S if seconds == SHORT_VALIDITY_S else seconds


def normal_url(text: str) -> str:
    """A URL for comparison: host and scheme in lower case, no default port, no last slash, no query.

    Anything but a URL comes back as it is.
    """
    text = text.strip()
    try:
        scheme, host, port = read_address(text)
    except BadData:
        return text
    if not scheme:
        return text
    is_default = port is None or port == {"https": 443, "http": 80}.get(scheme)
    where = bracketed(host) if is_default else host_and_port(host, port or 0)
    return f"{scheme}://{where}{path_of(text).rstrip('/')}"


_LIST = re.compile(r"\s*(?:\[\s*u?['\"].*|\[\s*\]|\{.*\}|\(\s*u?['\"].*)", re.DOTALL)
_NO_VALUE = frozenset({"none", "null", "nan", "undefined", "undefinedvalue", "n/a", "todo", "tbd", "changeme", "fixme"})
_PLACEHOLDER = re.compile(r"(?:.*[./@])?example\.(?:org|com|net)(?:[:/].*)?|[<{%]+[A-Za-z_. -]+[>}%]+", re.IGNORECASE)


def value_problem(attribute: str, value: str) -> str:
    """What is wrong with a published value; empty if nothing is.

    Known faults of providers: a Python list printed as one value, `None` where nothing is known, text left
    over from a template, and a quality level where the serving state belongs.
    """
    if _LIST.fullmatch(value[:256]):
        return "a list printed as one value"
    if value.strip().lower() in _NO_VALUE:
        return "no value"
    if not value.strip():
        return "blank"
    if _PLACEHOLDER.fullmatch(value[:256].strip()):
        return "a placeholder"
    if attribute == "glue2endpointservingstate" and value not in SERVING_STATES:
        return "not a serving state of GLUE 2"
    if attribute == "glue2endpointhealthstate" and value not in HEALTH_STATES:
        return "not a health state of GLUE 2"
    try:
        if attribute == "glue2entitycreationtime" and not read_creation_time(value).is_exact:
            return "a time without its zone"
        if attribute == "glue2entityvalidity":
            read_validity(value)
    except BadData as error:
        return error.sentence.rpartition(" is ")[2]
    return ""
