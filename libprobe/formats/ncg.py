"""The files of NCG, the configuration generator of SAM and ARGO: metric definitions and localdb.

And what NCG makes of a GOCDB endpoint: its attributes, by names such as OCCI_URL. Only what NCG itself
would understand is accepted, so that both read the same files.
Source: argo-ncg 0.4.18, NCG/MetricConfig/JSON, NCG/*/File, NCG/LocalMetricsAttrs/Active, NCG/SiteInfo/GOCDB.
"""

from __future__ import annotations

import re

from libprobe import redact
from libprobe.failures import BadData
from libprobe.formats.address import read_address
from libprobe.formats.excerpt import excerpt
from libprobe.formats.service_types import BDII, BDII_PORT, CDMI, MARKETPLACE, MESSAGE_BROKER, OCCI, VMCASTER, VMCATCHER
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from libprobe.formats.gocdb import ServiceEndpoint

BROKERS = frozenset(
    {
        "eu.egi.cloud.broker.compss",
        "eu.egi.cloud.broker.vmdirac",
        "eu.egi.cloud.broker.proprietary.slipstream",
        MESSAGE_BROKER,
    }
)
IMAGE_LISTS = frozenset({MARKETPLACE, VMCATCHER, VMCASTER})
MAX_MINUTES = 100_000
MAX_TIMEOUT_S = 3_600
MAX_ATTEMPTS = 100

FLAGS = frozenset(["VO", "NOHOSTNAME", "NOTIMEOUT", "PNP", "OBSESS", "LOCALDEP", "NOPUBLISH"])
"""Flags whose effect is known here; with any other one the two generators would make different things of a file."""

MACROS = {
    "$_SERVICESITE_NAME$": "site",
    "$_SERVICESERVICE_FLAVOUR$": "service_type",
    "$HOSTNAME$": "hostname",
    "$HOSTADDRESS$": "hostname",
}
"""Nagios macros that a parameter's value may be, and what of an endpoint they stand for."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_OPTION = re.compile(r"--?[A-Za-z0-9][A-Za-z0-9-]{0,39}")
_PROBE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_PATH = re.compile(r"/[A-Za-z0-9_.@/-]{0,254}")
_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9._~:/?&=%+#@-]{0,400}")
_WORD = re.compile(r"[A-Za-z0-9_/\[][A-Za-z0-9._~:/@%+=,#\[\]-]{0,511}")


def is_harmless(text: str) -> bool:
    """Whether a text is one plain word for every shell, for Nagios, Icinga and NRPE, and no option.

    An allow-list: letters and digits of ASCII and `. _ ~ : / @ % + = , # [ ] -`, the first neither `-` nor `#`.
    """
    return _WORD.fullmatch(text) is not None


def is_mail_address(text: str) -> bool:
    """Whether a text is an e-mail address that can stand on a command line."""
    return is_harmless(text) and text.count("@") == 1 and text[0].isalnum() and not text.endswith("@")


def is_host(text: str) -> bool:
    """Whether a text can be the name of a host."""
    return len(text) <= 253 and _HOST.fullmatch(text) is not None and ".." not in text


def is_url(text: str) -> bool:
    """Whether a text is a URL for people, which may be written to a configuration, but not to a command."""
    return _URL.fullmatch(text) is not None


def is_option(text: str) -> bool:
    """Whether a text is the name of an option: `-H`, `--image`."""
    return _OPTION.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Whether a text can be the name of a site or an NGI: letters and digits of any script, blanks and `. _ -`.

    Nothing of it means anything to Nagios, Icinga or NRPE, nor, within quotes, to a shell. It is no name of a file or
    of an object there: see `object_name`.
    """
    return (
        0 < len(text) <= 100
        and text[0].isalnum()
        and text[-1] != " "
        and ".." not in text
        and all(char.isalnum() or char in " ._-" for char in text)
    )


MAX_PLAIN_CHARS = 100
"""Of a label's name in plain letters, of which a single one can become eighteen."""


def object_name(label: str) -> str:
    """The name of a file, group or object for what `is_label` allows: itself, or something like it that is plain."""
    if is_name(label):
        return label
    import hashlib
    import unicodedata

    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9._-]+", "_", plain)[:MAX_PLAIN_CHARS].strip("._-")
    return f"{words or 'site'}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def is_name(text: str) -> bool:
    """Whether a text can be the name of a host, a service type or a metric: and so of a file or object."""
    return _NAME.fullmatch(text) is not None and ".." not in text


# ---- Metric definitions


class Metric(Record):
    """What is asked of endpoints of some types, how often, and by which command.

    interval_s, retry_s, timeout_s: seconds
    attempts:     results that must be bad before people are told
    path:         where the executable is, unless told otherwise
    attributes:   (name of an attribute, option that takes its value), sorted
    parameters:   (option, constant), sorted; an empty constant is an option without a value
    dependencies: metrics of the same host; while one of them is bad, nobody is told about this one
    docurl:       page for people
    service_types: types of services that it is asked of, sorted
    localdb:      what this monitor adds to the GOCDB's data; the same for all metrics read together
    """

    name: str
    probe: str
    path: str
    interval_s: float
    retry_s: float
    timeout_s: float
    attempts: int
    attributes: tuple[tuple[str, str], ...]
    parameters: tuple[tuple[str, str], ...]
    dependencies: tuple[str, ...]
    flags: frozenset[str]
    docurl: str
    service_types: tuple[str, ...] = ()
    localdb: Localdb | None = None

    def is_for(self, endpoint: ServiceEndpoint) -> bool:
        """Whether it is asked of an endpoint."""
        if self.localdb is None:
            return endpoint.service_type in self.service_types
        named = self.localdb.host_metrics.get((endpoint.hostname, endpoint.service_type), ())
        return endpoint.hostname not in self.localdb.removed_hosts and (
            endpoint.service_type in self.service_types or self.name in named
        )

    @property
    def possible_types(self) -> frozenset[str]:
        """The types of services that it is asked of, and those of which it is asked on single hosts."""
        named = self.localdb.host_metrics.items() if self.localdb else ()
        on_hosts = (service_type for (_, service_type), names in named if self.name in names)
        return frozenset([*self.service_types, *on_hosts])

    def service_description(self, vo: str) -> str:
        """The name of its services: NCG appends the VO to that of a metric which acts for one."""
        return f"{self.name}-{vo}" if "VO" in self.flags else self.name


def read_metrics(text: str) -> list[Metric]:
    """Return the metrics of a definitions file, sorted by name.

    Raises: BadData with a sentence that names the metric and the key.
    """
    import json

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadData(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadData("it is not an object of metrics by their names")
    return [_metric(name, document[name]) for name in sorted(document)]


def _metric(name: str, definition: object) -> Metric:
    if not is_name(name):
        raise BadData(f"{_shown(name)} cannot be the name of a metric")
    if not isinstance(definition, dict):
        raise BadData(f"{name} is not an object")
    config = _mapping(name, definition, "config")
    probe, path, docurl = definition.get("probe"), config.get("path"), definition.get("docurl", "")
    if not isinstance(probe, str) or not _PROBE.fullmatch(probe):
        raise BadData(f"{name}: probe {_shown(probe)} is not the name of a file")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise BadData(f"{name}: path {_shown(path)} is not an absolute path of plain characters")
    if not isinstance(docurl, str) or (docurl and not _URL.fullmatch(docurl)):
        raise BadData(f"{name}: docurl {_shown(docurl)} is not a URL")
    given = _mapping(name, definition, "flags")
    if unknown := set(given) - FLAGS:
        raise BadData(f"{name}: flag {_shown(min(unknown))} is not known; known are {', '.join(sorted(FLAGS))}")
    flags = frozenset(flag for flag, value in given.items() if value not in ("", "0"))  # which are no in Perl
    return Metric(
        name=name,
        probe=probe,
        path=path.rstrip("/") or "/",
        interval_s=60.0 * _number(name, config, "interval", MAX_MINUTES),
        retry_s=60.0 * _number(name, config, "retryInterval", MAX_MINUTES),
        timeout_s=float(_number(name, config, "timeout", MAX_TIMEOUT_S)),
        attempts=_number(name, config, "maxCheckAttempts", MAX_ATTEMPTS),
        attributes=tuple(sorted(_attributes(name, definition))),
        parameters=tuple(sorted(_parameters(name, definition))),
        dependencies=tuple(sorted(_dependencies(name, definition))),
        flags=flags,
        docurl=docurl,
    )


def _mapping(name: str, definition: dict[str, object], key: str) -> dict[str, str]:
    """Return an object of texts; NCG takes numbers for texts as well, as Perl does."""
    found = definition.get(key, {})
    if not isinstance(found, dict):
        raise BadData(f"{name}: {key} is not an object")
    for inner, value in found.items():
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise BadData(f"{name}: {key} {_shown(inner)} is not a text or a whole number")
    return {inner: str(value) for inner, value in found.items()}


def _number(name: str, config: dict[str, str], key: str, largest: int) -> int:
    text = config.get(key, "")
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= largest:
        raise BadData(f"{name}: {key} {_shown(text)} is not a whole number from 1 to {largest}")
    return int(text)


def _attributes(name: str, definition: dict[str, object]) -> Iterator[tuple[str, str]]:
    for attribute, option in _mapping(name, definition, "attribute").items():
        if not is_name(attribute) or not is_option(option):
            raise BadData(f"{name}: attribute {_shown(attribute)} with {_shown(option)} is not a name with an option")
        yield attribute, option


def _parameters(name: str, definition: dict[str, object]) -> Iterator[tuple[str, str]]:
    for option, value in _mapping(name, definition, "parameter").items():
        if not is_option(option):
            raise BadData(f"{name}: parameter {_shown(option)} is not an option")
        if value in ("", "0"):  # NCG makes both an option without a value
            value = ""
        elif value not in MACROS and not is_harmless(value):
            raise BadData(f"{name}: parameter {option} has the value {_shown(value)}, which is not one plain word")
        yield option, value


def _dependencies(name: str, definition: dict[str, object]) -> Iterator[str]:
    """The metrics of the same host; those with 0, such as GridProxy-Valid, are the monitoring host's own."""
    for metric, local in _mapping(name, definition, "dependency").items():
        if not is_name(metric):
            raise BadData(f"{name}: dependency {_shown(metric)} cannot be the name of a metric")
        if local == "1":
            yield metric


# ---- localdb


class Localdb(Record):
    """What a monitor knows besides the GOCDB. Names of hosts are compared letter by letter with the GOCDB's, as by NCG.

    metrics:            names of metrics by service type, in the order given
    host_metrics:       the same by host and service type
    attributes:         values for all, by attribute: of GLOBAL_ATTRIBUTE, and over them of ATTRIBUTE
    service_attributes: values by service type and attribute
    host_attributes:    values by host and attribute
    removed_hosts:      hosts that are not to be monitored
    """

    metrics: dict[str, list[str]]
    host_metrics: dict[tuple[str, str], list[str]]
    attributes: tuple[dict[str, str], dict[str, str]]
    service_attributes: dict[str, dict[str, str]]
    host_attributes: dict[str, dict[str, str]]
    removed_hosts: set[str]


def empty_localdb() -> Localdb:
    return Localdb({}, {}, ({}, {}), {}, {}, set())


_ATTRIBUTES = {"SERVICE_ATTRIBUTE": 3, "HOST_ATTRIBUTE": 3, "ATTRIBUTE": 2, "GLOBAL_ATTRIBUTE": 2}
"""How many fields follow each. NCG reads these lines in one way, by Text::CSV_XS, and all others in another."""

_WITHOUT_EFFECT = re.compile(r"MODIFY_[A-Z_]+|REMOVE_(?:[A-Z_]+_)?METRIC")
_FIELD = r'(?:"(?:[^"]|"")*"|[^"!]*)'


def read_localdb(text: str, into: Localdb | None = None) -> Localdb:
    """Return what a localdb file says, added to what was read before.

    Raises: BadData, naming the line and what NCG would make of it, for one that would not have its effect in NCG, or
    not here. Seen with the readers of argo-ncg 0.4.18 and Text::CSV_XS 1.49.
    """
    found = into if into is not None else empty_localdb()
    for number, line in enumerate(text.split("\n"), 1):
        try:
            _localdb_line(found, line)
        except BadData as error:
            raise BadData(f"line {number} {error.sentence}") from None
        except ValueError:
            begins = re.match(r"[A-Z]+(_[A-Z]+)+", line)
            which = f", which begins with {begins[0]}" if begins else ""
            raise BadData(f"line {number} is not understood{which}") from None
    return found


_TUPLE = re.compile(r"\s*(\S+?)!(\S+?)(?:!(\S+?))?(?:!(\S+?))?(?:!(.+))?", re.ASCII)


def localdb_fields(line: str) -> list[str]:
    """What NCG has of a line of a localdb that is not for an attribute: its fields, none where it passes over it."""
    if re.match(r"\s*#", line):
        return []
    found = _TUPLE.fullmatch(line)
    return [each for each in found.groups() if each is not None] if found and found[3] else []


def localdb_problem(line: str) -> str:
    """What NCG makes of a line that does not have its effect there, as what goes on a sentence; empty for others.

    Of lines that mean nothing here, such as those for other programs, nothing is said.
    """
    try:
        _localdb_line(empty_localdb(), line)
    except BadData as error:
        return error.sentence
    except ValueError:
        pass
    return ""


def _localdb_line(found: Localdb, line: str) -> None:
    """Raises: BadData for what goes on a sentence that begins with the line; ValueError."""
    if "\r" in line:
        raise BadData("ends with CR and LF, and NCG passes over every metric in such a file")
    if not re.fullmatch(r"[ -~\t]*", line):
        raise BadData("has a character beyond ASCII, at which NCG stops reading attributes")
    is_comment = line.lstrip().startswith("#")
    if '"' in line and (is_comment or not re.fullmatch(rf"{_FIELD}(?:!{_FIELD})*", line)):
        raise BadData("has a double quote, at which NCG stops reading attributes")
    if is_comment or not line.strip():
        return
    fields = re.findall(rf"(?:^|!)({_FIELD})", line)
    word = fields[0].strip(' \t"')
    if word in _ATTRIBUTES:
        fields = [each[1:-1].replace('""', '"') if each.startswith('"') else each for each in fields]
        if any(each != each.strip() for each in fields):
            raise BadData("has blanks around its fields, which NCG takes for a part of them")
        _attribute(found, word, fields[1:])
        return
    if '"' in line:
        raise BadData("has quotes, which NCG takes for a part of a name, except in a line for an attribute")
    if _WITHOUT_EFFECT.fullmatch(word):
        raise BadData(f"has no effect in NCG, which does {word} before there are metrics; change what brings them")
    if re.search(r"\S[ \t]+(?:!|$)|![ \t]", line):
        raise BadData("has a blank beside its fields, and NCG passes over such a line")
    _apply_metric_line(found, word, fields[1:])


def _attribute(found: Localdb, word: str, fields: list[str]) -> None:
    """Raises: ValueError."""
    *owner, name, value = fields
    if len(fields) != _ATTRIBUTES[word] or not all(map(is_name, (*owner, name))) or not is_harmless(value):
        raise ValueError
    match word:
        case "HOST_ATTRIBUTE":
            found.host_attributes.setdefault(owner[0], {})[name] = value
        case "SERVICE_ATTRIBUTE":
            found.service_attributes.setdefault(owner[0], {})[name] = value
        case _:
            found.attributes[word == "ATTRIBUTE"][name] = value


def _apply_metric_line(found: Localdb, word: str, fields: list[str]) -> None:
    """Raises: ValueError."""
    match word:
        case "ADD_SERVICE_METRIC" | "SERVICE_METRIC":
            service_type, metric = _names(fields)
            _add(found.metrics.setdefault(service_type, []), metric)
        case "ADD_HOST_SERVICE_METRIC":
            host, service_type, metric = _names(fields)
            _add(found.host_metrics.setdefault((host, service_type), []), metric)
        case "REMOVE_HOST":
            [host] = _names(fields)
            found.removed_hosts.add(host)
        case _:
            raise ValueError


def _add(metrics: list[str], name: str) -> None:
    if name not in metrics:
        metrics.append(name)


def _names(fields: list[str]) -> list[str]:
    if not all(is_name(field) for field in fields):
        raise ValueError
    return fields


# ---- Attributes of an endpoint


def attributes(endpoint: ServiceEndpoint, localdb: Localdb | None = None) -> tuple[dict[str, str], BadData | None]:
    """Return the attributes of an endpoint, and why those of its URL are missing, if they are.

    One value that could not stand on a command line costs all of the URL's, and the defaults for them too: a probe that
    is given a part of what is registered would judge something else.
    A HOST_ATTRIBUTE of the localdb wins over what the URL says, and that over a SERVICE_ATTRIBUTE, which is for
    what cannot be derived, and over an ATTRIBUTE. (NCG derives less; in it all but GLOBAL_ATTRIBUTE win.)
    """
    problem = None
    found: dict[str, str] = {}
    if localdb:
        for given in (*localdb.attributes, localdb.service_attributes.get(endpoint.service_type, {})):
            found |= given
    try:
        derived = _extension_attributes(endpoint) | _url_attributes(endpoint.service_type, endpoint.url)
        for name, value in derived.items():
            if not is_harmless(value):
                raise BadData(f'{name} is "{value[:80]}", which is not one plain word')
        found |= derived
    except BadData as error:
        problem = error
        found = {name: value for name, value in found.items() if not comes_from_url(name, endpoint.service_type)}
    if localdb:
        found.update(localdb.host_attributes.get(endpoint.hostname, {}))
    return found, problem


def _extension_attributes(endpoint: ServiceEndpoint) -> dict[str, str]:
    """What a site registered beside its URL: NCG takes the KEY of every extension for an attribute.

    Here those alone that a URL could give: a site does not name the proxy that we log in with, say.
    """
    return {
        key: value
        for key, value in endpoint.extensions
        if comes_from_url(key, endpoint.service_type) and value != "0"  # which NCG takes for none
    }


def comes_from_url(name: str, service_type: str) -> bool:
    """Whether an attribute is one that a usable URL of an endpoint can give."""
    return name in ("URL", "PORT", "APPDB_URL", f"{service_type}_URL") or name.startswith(
        ("OCCI_", "CDMI_", "BROKER_", "BDII_")
    )


def _url_attributes(service_type: str, url: str) -> dict[str, str]:
    """Raises: BadData."""
    if service_type == OCCI:
        return _occi_url_attributes(url)
    found = {"BDII_PORT": str(BDII_PORT)} if service_type == BDII else {}
    url = url.strip()
    if not url:
        return found
    address = read_address(url)
    if service_type == BDII and address.scheme not in ("ldap", "ldaps"):
        return found  # often the address of a web page: the BDII is then at its usual place
    found |= {"URL": url, f"{service_type}_URL": url}
    port = address.port_or_default
    if port is not None:
        found["PORT"] = str(port)
        if service_type == CDMI:
            found["CDMI_PORT"] = str(port)
        elif service_type in BROKERS:
            found["BROKER_PORT"] = str(port)
        elif service_type == BDII and address.port is not None:
            found["BDII_PORT"] = str(port)
    if service_type in IMAGE_LISTS and _has_path(url):
        found["APPDB_URL"] = url
    return found


def _has_path(url: str) -> bool:
    """Whether a URL is that of a document and not only of a host."""
    return re.match(r"https?://[^/?#]+/[^?#]*[^/?#]", url, re.IGNORECASE) is not None


def _occi_url_attributes(url: str) -> dict[str, str]:
    from libprobe.formats.gocdb import read_endpoint_url

    read = read_endpoint_url(url)
    found = {
        "OCCI_URL": read.base,
        "OCCI_PORT": str(read.port_or_default),
        "OCCI_SCHEME": read.scheme,
        "OCCI_RESOURCE": read.resource or read.default_resource,
    }
    if read.image:
        found["OCCI_IMAGE"] = read.image
    if read.platform:
        found["OCCI_PLATFORM"] = read.platform
    return found


def _shown(value: object) -> str:
    """Return a value of a file for a sentence, unless it could be a secret in the wrong file."""
    text = str(value)
    return (
        "(not shown: it looks like a secret)" if redact.looks_secret(text, is_path=True) else f'"{excerpt(text, 60)}"'
    )
