"""`make demo`: the embedded federation, and every metric on every endpoint of it, by host name alone.

Prints one status line a metric, as the catalogue in etc/ncg has them, then what each cloud saw: VMs
created, deleted, left. Exits 0 only if all is OK and no VM is left.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from libprobe.formats.gocdb import ServiceEndpoint, read_service_endpoints
from libprobe.programs import catalogue
from libprobe.text import number_of
from tests.executables import clean_environment, command
from tests.federation.federation import Federation


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="fedcloud-demo-") as directory:
        print("Starting the embedded federation, on loopback addresses only:")
        with Federation(Path(directory), build_seconds=1.0) as federation:
            federation.add_broker()
            print("".join(f"  {line}\n" for line in federation.describe()))
            codes = [
                code
                for site, group in itertools.groupby(registered(federation), key=lambda each: each.site)
                for code in examine(site, list(group), federation, Path(directory))
            ]
            left = [seen_by_nova(cloud) for cloud in federation.clouds.values()]
            left += [seen(site) for site in federation.sites.values()]
        print("The federation is stopped; nothing is left of it.")
    return max(codes) or any(left)


def registered(federation: Federation) -> list[ServiceEndpoint]:
    """Every endpoint of the GOCDB, by site; those of OpenStack first, as today's clouds are asked."""
    import requests

    url = f"{federation.gocdb.url}?method=get_service_endpoint&scope="
    answer = requests.get(url, verify=str(federation.ca_directory), timeout=120)
    todays = {cloud.gocdb_name for cloud in federation.clouds.values()}
    return sorted(
        read_service_endpoints([answer.content]),
        key=lambda each: (each.site not in todays, each.site, each.service_type, each.hostname),
    )


def examine(site: str, endpoints: list[ServiceEndpoint], federation: Federation, home: Path) -> Iterator[int]:
    """Run every metric of a site's endpoints; yield their exit codes."""
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
        yield done.returncode
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
