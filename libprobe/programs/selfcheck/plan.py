"""What is to be run: the metrics of the catalogue, for the endpoints that the GOCDB has."""

from __future__ import annotations

import os
import sys

from libprobe.failures import BadData, Misconfigured
from libprobe.programs import catalogue
from libprobe.programs.selfcheck.results import MetricJob, RunningDowntime
from libprobe.text import number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from libprobe.clients.gocdb import OutageIndex
    from libprobe.formats.gocdb import ServiceEndpoint
    from libprobe.programs.catalogue import Metric


def choose_metrics(metrics: Sequence[Metric], names: Sequence[str]) -> list[Metric]:
    """The metrics of those names, all if none is given; the last part of a name is enough.

    Raises: Misconfigured for a name that no metric has.
    """
    if not names:
        return list(metrics)
    found = []
    for name in names:
        matching = [each for each in metrics if name in (each.name, each.name.rpartition(".")[2])]
        if not matching:
            known = ", ".join(each.name.rpartition(".")[2] for each in metrics)
            raise Misconfigured(f"there is no metric {name}", remedy=f"there are {known}")
        found += [each for each in matching if each not in found]
    return found


def make_jobs(
    endpoints: Sequence[ServiceEndpoint],
    outages: OutageIndex,
    metrics: Sequence[Metric],
    probes: str,
    *,
    vo: str,
    cert: str,
    verbose: int = 0,
) -> tuple[list[MetricJob], list[str]]:
    """A job for each metric of each endpoint, and notes on endpoints for which there is no metric.

    probes: directory of the executables; what is not there is taken from where its definition says.
    verbose: how often -v is passed on to those.
    """
    planned: list[MetricJob] = []
    without: dict[str, int] = {}
    for endpoint in endpoints:
        outage = outages.find_for(endpoint)
        silence = (
            RunningDowntime(outage.description, outage.classification, outage.end, outage.portal_url)
            if outage
            else None
        )
        asked = [each for each in metrics if each.is_for(endpoint)]
        if not asked:
            without[endpoint.service_type] = without.get(endpoint.service_type, 0) + 1
        planned += [_job(metric, endpoint, silence, probes, vo, cert, verbose) for metric in asked]
    notes = [f"no metric for {number_of(count, 'endpoint')} of the type {name}" for name, count in without.items()]
    return planned, notes


def _job(
    metric: Metric,
    endpoint: ServiceEndpoint,
    silence: RunningDowntime | None,
    probes: str,
    vo: str,
    cert: str,
    verbose: int,
) -> MetricJob:
    argv, problem, remedy = [], "", ""
    beside = os.path.isfile(os.path.join(probes, metric.probe))
    try:
        argv = catalogue.command(metric, endpoint, probes if beside else "", vo=vo, cert=cert)
        if beside and verbose:
            argv.append(f"-{'v' * verbose}")
    except BadData as error:
        problem = f"{endpoint.hostname}: unusable registration in the GOCDB: {error.sentence}"
        remedy = f"correct it at {endpoint.portal_url}" if endpoint.portal_url else "correct it in the GOCDB"
    acts_for_vo = "VO" in metric.flags
    return MetricJob(
        site=endpoint.site,
        hostname=endpoint.hostname,
        service_type=endpoint.service_type,
        url=endpoint.url,
        roc=endpoint.roc,
        metric=metric.name,
        docurl=metric.docurl,
        argv=(*_interpreter(argv[0]), *argv) if argv else (),
        timeout_s=metric.timeout_s,
        downtime=silence,
        problem=problem,
        remedy=remedy,
        is_published="NOPUBLISH" not in metric.flags,
        vo=(vo or catalogue.DEFAULT_VO) if acts_for_vo else "",
        nagios_name=metric.service_description(vo or catalogue.DEFAULT_VO),
    )


def _interpreter(path: str) -> tuple[str, ...]:
    """Our own Python for a probe in Python: it has what the probe imports, which that in $PATH may not have."""
    try:
        with open(path, "rb") as file:
            first = file.readline(200)
    except OSError:
        return ()
    if not first.startswith(b"#!") or b"python" not in first:
        return ()
    own, *options = first.removeprefix(b"#!").decode("utf-8", "replace").split()
    if own == sys.executable:  # of our package, and started as a monitor starts it
        return (own, *options)
    # a package starts us with -I; what PYTHONPATH has is not for the probes of others that we run either
    return (sys.executable, "-I") if sys.flags.isolated else (sys.executable,)
