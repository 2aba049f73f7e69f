"""`make demo`: the embedded federation, and every probe on every site of it by host name alone.

Prints one status line a probe, then what each cloud saw: VMs created, deleted, left. Exits 0 only if all
is OK and no VM is left.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import clean_environment, command
from tests.federation.federation import Federation, Site

PROBES = {"eu.egi.cloud.vm-management.occi": ["check_occi_vm"]}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="fedcloud-demo-") as directory:
        print("starting the embedded federation: a grid CA, a GOCDB, Keystones and five clouds, on loopback only")
        with Federation(Path(directory), build_seconds=1.0) as federation:
            worst = max(examine(federation, site, Path(directory)) for site in federation.sites.values())
        print("\nthe federation is stopped; nothing is left of it")
    return worst


def examine(federation: Federation, site: Site, home: Path) -> int:
    """Run the probes on a site; return the worst exit code, or 2 if a VM was left."""
    print(f"\n{site.gocdb_name} ({site.occi.dialect.server})")
    worst = 0
    for probe in PROBES["eu.egi.cloud.vm-management.occi"]:
        print(f"  $ {probe} -H {site.hostname}")
        done = subprocess.run(
            command(probe, "-H", site.hostname),
            capture_output=True,
            text=True,
            env=clean_environment(**federation.environment(), HOME=home),
        )
        print(f"  {done.stdout.rstrip()}")
        worst = max(worst, done.returncode)
    left = len(site.occi.vms())
    print(f"  the endpoint saw {len(site.occi.created)} create, {len(site.occi.deleted)} delete; {left} VMs left")
    return max(worst, 2 if left else 0)


if __name__ == "__main__":
    sys.exit(main())
