"""`make demo`: the embedded federation, and every metric on every endpoint of it, by host name alone.

Prints one status line a metric, as the catalogue in etc/ncg has them, then what each cloud saw: VMs
created, deleted, left. At last, of these results, the availability of its sites: a page, whose path is the last line.
Exits 0 only if all is OK, no VM is left and the page is written.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from libprobe.formats.gocdb import ServiceEndpoint, read_service_endpoints
from libprobe.formats.metric_result import STATUSES, MetricResult, write_metric_result
from libprobe.programs import catalogue
from libprobe.text import number_of
from tests.executables import ROOT, clean_environment, command
from tests.federation.federation import Federation

PAGE = ROOT / "build/demo/availability.html"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="fedcloud-demo-") as directory:
        print("Starting the embedded federation, on loopback addresses only:")
        with Federation(Path(directory), build_seconds=1.0) as federation:
            federation.add_broker()
            print("".join(f"  {line}\n" for line in federation.describe()))
            topology = answer_of_gocdb(federation)
            results = [
                result
                for site, group in itertools.groupby(registered(topology, federation), key=lambda each: each.site)
                for result in examine(site, list(group), federation, Path(directory))
            ]
            left = [seen_by_nova(cloud) for cloud in federation.clouds.values()]
            left += [seen(site) for site in federation.sites.values()]
        print("The federation is stopped; nothing is left of it.\n")
        trouble = write_page(results, topology, Path(directory), PAGE)
    print(trouble or f"How available its sites were by these results, as a page for a browser:\n{PAGE}")
    return max(STATUSES.index(each.status) for each in results) or any(left) or bool(trouble)


def answer_of_gocdb(federation: Federation) -> bytes:
    """Its document of every service endpoint."""
    import requests

    url = f"{federation.gocdb.url}?method=get_service_endpoint&scope="
    return requests.get(url, verify=str(federation.ca_directory), timeout=120).content


def registered(topology: bytes, federation: Federation) -> list[ServiceEndpoint]:
    """Every endpoint of the GOCDB, by site; those of OpenStack first, as today's clouds are asked."""
    todays = {cloud.gocdb_name for cloud in federation.clouds.values()}
    return sorted(
        read_service_endpoints([topology]),
        key=lambda each: (each.site not in todays, each.site, each.service_type, each.hostname),
    )


def write_page(results: Sequence[MetricResult], topology: bytes, directory: Path, page: Path) -> str:
    """Make the page of availability of some results, as an operator would; returns what went wrong, empty if nothing.

    topology: the GOCDB's document. directory: for what is needed on the way. page: the file, which is replaced.
    """
    (directory / "topology.xml").write_bytes(topology)
    (directory / "results").write_text("".join(map(write_metric_result, results)))
    days = [f"{each.timestamp:%Y-%m-%d}" for each in (results[0], results[-1])]
    text = ""
    taken = ("import", "--topology", directory / "topology.xml", directory / "results")
    for words in (taken, ("figures", "--from", days[0], "--to", days[-1], "--html")):
        done = subprocess.run(
            command("fedcloud-availability", *words, "--state-dir", directory / "availability"),
            capture_output=True,
            text=True,
            env=clean_environment(FEDCLOUD_PROBES_CONFIG="/dev/null", HOME=directory),
        )
        if done.returncode:
            return f"There is no page of availability: {done.stdout.strip() or done.stderr.strip()}"
        text = done.stdout
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)
    return ""


def examine(site: str, endpoints: list[ServiceEndpoint], federation: Federation, home: Path) -> Iterator[MetricResult]:
    """Run every metric of a site's endpoints; yield their results."""
    print(site)
    for endpoint, metric in itertools.product(endpoints, catalogue.read()):
        if endpoint.service_type not in metric.service_types:
            continue
        words = by_host_name(catalogue.command(metric, endpoint, "probes"), endpoint.service_type)
        done = subprocess.run(
            command(words[0].removeprefix("probes/"), *words[1:]),
            capture_output=True,
            text=True,
            env=clean_environment(**federation.environment(), HOME=home),
        )
        print(f"  {metric.name}\n    $ {' '.join(words).removeprefix('probes/')}\n    {done.stdout.strip()}")
        yield MetricResult(
            endpoint.hostname,
            endpoint.service_type,
            metric.name,
            STATUSES[done.returncode] if 0 <= done.returncode < len(STATUSES) else "UNKNOWN",
            done.stdout.partition("\n")[0].partition("|")[0].strip(),
            datetime.now(UTC),
            site=site,
        )
    print()


def by_host_name(words: list[str], service_type: str) -> list[str]:
    """The command as a person types it: the GOCDB supplies what NCG would pass."""
    program, *options = words
    if "-H" not in options:
        return words
    kept = ["-H", options[options.index("-H") + 1]]
    if program.endswith("check_endpoint_tcp"):
        kept += ["--service-type", service_type]
        kept += [each for each in options if each in ("--tls", "--tls-by-scheme", "--igtf")]
        if "--certificate" in options:
            kept += ["--certificate", options[options.index("--certificate") + 1]]
    return [program, *kept]


def seen_by_nova(cloud) -> str:
    """As `seen`, of an OpenStack cloud."""
    made, removed, left = (
        sum(len(part(nova)) for nova in cloud.novas.values())
        for part in (lambda nova: nova.created, lambda nova: nova.deleted, lambda nova: nova.servers())
    )
    print(f"{cloud.gocdb_name} (Nova) saw {made} create, {removed} delete; {number_of(left, 'VM')} left")
    return "left" if left else ""


def seen(site) -> str:
    """Print what a cloud saw; return something if a VM was left."""
    left = len(site.occi.vms())
    print(
        f"{site.gocdb_name} ({site.occi.dialect.server}) saw {len(site.occi.created)} create, "
        f"{len(site.occi.deleted)} delete; {number_of(left, 'VM')} left"
    )
    return "left" if left else ""


if __name__ == "__main__":
    sys.exit(main())
