"""The catalogue of metrics: the one reader of etc/ncg.

    for metric in catalogue.read():
        for endpoint in endpoints:
            if metric.is_for(endpoint):
                subprocess.run(catalogue.command(metric, endpoint))

The files are NCG's own, so that a monitoring host with NCG and one without ask the same things. They are
looked for in the directory that is named, in /etc/fedcloud-probes/ncg, and where this package is.
"""

from __future__ import annotations

import os

from libprobe.failures import BadData, Misconfigured
from libprobe.files import read_small_file
from libprobe.formats.ncg import (
    MACROS,
    Metric,
    attributes,
    comes_from_url,
    empty_localdb,
    is_harmless,
    is_label,
    read_localdb,
    read_metrics,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.formats.gocdb import ServiceEndpoint

SYSTEM_DIRECTORY = "/etc/fedcloud-probes/ncg"
PACKAGED_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "definitions")
"""In a checkout a link to etc/ncg, in an installed package a copy of it."""

MAX_FILE_BYTES = 4 << 20
DEFAULT_VO = "ops"

__all__ = ["DEFAULT_VO", "Metric", "command", "read"]


def read(path: str | None = None) -> list[Metric]:
    """Return all metrics, sorted by name.

    path: a directory with *.conf (metric definitions) and *.localdb; None for the system's, else the package's.
    Raises: Misconfigured, naming the file, for what cannot be read, means nothing or contradicts itself.
    """
    directory = path or (SYSTEM_DIRECTORY if os.path.isdir(SYSTEM_DIRECTORY) else PACKAGED_DIRECTORY)
    localdb = empty_localdb()
    metrics: dict[str, Metric] = {}
    for name in _listed(directory):
        text = _text(os.path.join(directory, name))
        try:
            if name.endswith(".conf"):
                for metric in read_metrics(text):
                    if metric.name in metrics:
                        raise BadData(f"{metric.name} is defined in another file as well")
                    metrics[metric.name] = metric
            elif name.endswith(".localdb"):
                read_localdb(text, localdb)
        except BadData as error:
            raise Misconfigured(f"{os.path.join(directory, name)}: {error.sentence}") from None
    if not metrics:
        raise Misconfigured(f"{directory} defines no metric", remedy="name a directory like etc/ncg of the sources")
    types: dict[str, set[str]] = {name: set() for name in metrics}
    given = [*localdb.metrics.items(), *((" ".join(key), names) for key, names in localdb.host_metrics.items())]
    for owner, names in given:
        if unknown := [name for name in names if name not in types]:
            raise Misconfigured(f"{directory}: {owner} is given the metric {unknown[0]}, which is not defined")
    for service_type, names in localdb.metrics.items():
        for name in names:
            types[name].add(service_type)
    for metric in metrics.values():
        if missing := [name for name in metric.dependencies if name not in metrics]:
            raise Misconfigured(f"{directory}: {metric.name} depends on {missing[0]}, which is not defined")
    return [
        metrics[name]._replace(service_types=tuple(sorted(types[name])), localdb=localdb) for name in sorted(metrics)
    ]


def command(
    metric: Metric,
    endpoint: ServiceEndpoint,
    probes: str = "",
    *,
    vo: str = DEFAULT_VO,
    cert: str = "",
) -> list[str]:
    """Return the command, word by word, that asks a metric of an endpoint.

    probes: directory of the executables; empty for the one in the definition.
    vo, cert: for metrics that act for a VO; an empty one leaves the choice to the probe.
    Raises: BadData, for the endpoint's registration, when a value that is needed is missing because the URL is
            unusable, or is not one plain word and could become something else on a command line.
    """
    path = os.path.join(probes or metric.path, metric.probe)
    return [path, *(word for option in options(metric, endpoint, vo=vo, cert=cert) for word in option if word)]


def url_problem(metric: Metric, endpoint: ServiceEndpoint) -> BadData | None:
    """Why a metric must do without what is registered as an endpoint's URL, None where it has or needs none of it."""
    values, problem = attributes(endpoint, metric.localdb)
    missing = (name for name, _ in metric.attributes if name not in values)
    return problem if any(comes_from_url(name, endpoint.service_type) for name in missing) else None


def options(
    metric: Metric, endpoint: ServiceEndpoint, *, vo: str = DEFAULT_VO, cert: str = "", looks_up: bool = False
) -> list[tuple[str, str]]:
    """Return the options of `command` with their values, an empty one for a bare option. Raises: BadData.

    looks_up: leave out what an unusable URL does not give, where the probe has -H: it looks the host up in the GOCDB
              and judges what it finds there. (So does NCG.)
    """
    values, problem = attributes(endpoint, metric.localdb)
    values |= {name: value for name, value in (("VONAME", vo), ("X509_USER_PROXY", cert)) if value}
    found: dict[str, str] = {}
    if "NOHOSTNAME" not in metric.flags:
        found["-H"] = _expect_harmless("host name", endpoint.hostname)
    if "NOTIMEOUT" not in metric.flags:
        found["-t"] = f"{metric.timeout_s:g}"
    for name, option in metric.attributes:
        if name in values:
            # NCG makes 0 an option without a value
            found[option] = "" if values[name] == "0" else _expect_harmless(name, values[name])
        elif problem and comes_from_url(name, endpoint.service_type) and not (looks_up and "-H" in found):
            raise problem
    for option, value in metric.parameters:
        expanded = _expand_macros(value, endpoint)
        is_plain = not value or (MACROS.get(value) == "site" and is_label(expanded))
        found[option] = expanded if is_plain else _expect_harmless(option, expanded)
    return list(found.items())


def _expand_macros(value: str, endpoint: ServiceEndpoint) -> str:
    return str(getattr(endpoint, MACROS[value])) if value in MACROS else value


def _expect_harmless(what: str, value: str) -> str:
    if not is_harmless(value):
        raise BadData(f'{what} is "{value[:80]}", which is not one plain word')
    return value


def _listed(directory: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except OSError as error:
        raise Misconfigured(f"metric definitions in {directory} cannot be read: {error.strerror}") from None


def _text(path: str) -> str:
    data = read_small_file(path, "", MAX_FILE_BYTES)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is not UTF-8") from None
