"""Time and peak memory as what we read grows: `python -m benchmarks.growth [--quick]`.

Topologies (GOCDB XML), image lists (JSON), answers of a BDII (LDAP entries), query interfaces (OCCI
categories). Each case is a process of its own, made by this file: it reads one document in pieces, as the
clients hand them over, and tells time and peak memory. Beside each stands the limit: the parser of the
standard library that we use, asked to do nothing with the same document.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import machine, progress, table

CHUNK = 16 << 10
HEADER = """import sys, time
sys.path.insert(0, {root!r})
{imports}
def peak_mib():  # of this program; ru_maxrss would begin with that of whoever started it
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
"""
FOOTER = """
start = time.perf_counter()
base = peak_mib()
count = run(sys.argv[1])
print(count, time.perf_counter() - start, base, peak_mib())
"""
PIECES = (
    "def pieces(path):\n    with open(path, 'rb') as file:\n        yield from iter(lambda: file.read(16384), b'')\n"
)

OURS = {
    "topology": (
        "from libprobe.formats.gocdb import read_service_endpoints",
        PIECES + "def run(path):\n    return sum(1 for _ in read_service_endpoints(pieces(path)))\n",
    ),
    "image list": (
        "from libprobe.formats.imagelist import read_image_list",
        "def run(path):\n    return len(read_image_list(open(path, 'rb').read()).images)\n",
    ),
    "BDII answer": (
        "from libprobe.clients.ldap import LdapAddress, LdapClient\nfrom libprobe.deadline import Deadline",
        "def run(port):\n    with LdapClient(Address('ldap', 'localhost', int(port)), Deadline(600)) as client:\n"
        "        client.connect()\n        client.bind()\n"
        "        return sum(1 for _ in client.search('o=glue', ['objectClass', 'GLUE2EntityName']))\n",
    ),
    "query interface": (
        "from libprobe.formats.occi import read_model",
        "def run(path):\n    return len(read_model(open(path, encoding='utf-8')))\n",
    ),
}
LIMITS = {
    "topology": (
        "from xml.parsers import expat",
        PIECES + "def run(path):\n    parser = expat.ParserCreate()\n    seen = []\n"
        "    parser.StartElementHandler = lambda *_: None\n    parser.EndElementHandler = lambda *_: None\n"
        "    parser.CharacterDataHandler = lambda *_: None\n"
        "    for piece in pieces(path):\n        parser.Parse(piece)\n    parser.Parse(b'', True)\n    return 0\n",
    ),
    "image list": ("import json", "def run(path):\n    json.loads(open(path, 'rb').read())\n    return 0\n"),
    "query interface": (
        "import re",
        'def run(path):\n    pattern = re.compile(r\'([\\w!-]+)="((?:[^"\\\\\\\\]|\\\\\\\\.)*)"\')\n'
        "    return sum(len(pattern.findall(line)) for line in open(path, encoding='utf-8'))\n",
    ),
}


def run(kind: str, parts: tuple[str, str], argument: str) -> tuple[int, float, float, float]:
    root = str(Path(__file__).resolve().parent.parent)
    source = HEADER.format(root=root, imports=parts[0]) + parts[1] + FOOTER
    done = subprocess.run([sys.executable, "-c", source, argument], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{kind}: {done.stderr}")
    count, *numbers = done.stdout.split()
    return int(count), *map(float, numbers)  # type: ignore[return-value]


def topology(directory: Path, endpoints: int) -> Path:
    from benchmarks.ncg import write_topology

    path = directory / f"topology-{endpoints}.xml"
    write_topology(path, endpoints)
    return path


def image_list(directory: Path, mebibytes: int) -> Path:
    image = {
        "hv:image": {
            "dc:identifier": "8ac4f1a0-0000-4000-8000-000000000000",
            "dc:title": "Image for EGI " + "x" * 80,
            "dc:description": "d" * 5000,
            "hv:uri": "https://cernvm.cern.ch/releases/ucernvm-images.2.3-0.cernvm.x86_64/image.ova",
            "hv:size": 19005440,
            "hv:version": "2015.03.1",
            "ad:mpuri": "https://appdb.egi.eu/store/vm/image/8ac4f1a0-0000-4000-8000-000000000000:1/",
            "sl:checksum:sha512": "a" * 128,
        }
    }
    count = (mebibytes << 20) // len(json.dumps(image))
    document = {
        "hv:imagelist": {
            "dc:date:created": "2026-11-01T10:00:00Z",
            "dc:date:expires": "2027-11-01T10:00:00Z",
            "dc:identifier": "76fdee70-8119-5d33-9f40-3c57e1c60df1",
            "dc:title": "A list",
            "dc:description": "A list",
            "dc:source": "https://appdb.egi.eu/",
            "hv:version": "20261101",
            "hv:endorser": {"hv:x509": {"dc:creator": "EGI", "hv:dn": "/CN=x", "hv:ca": "/CN=y", "hv:email": "a@b.c"}},
            "hv:images": [image] * count,
        }
    }
    path = directory / f"list-{mebibytes}.json"
    path.write_text(json.dumps(document))
    return path


def query(directory: Path, templates: int) -> Path:
    path = directory / f"query-{templates}.txt"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(
            f'Category: uuid_{number:06d}; scheme="http://occi.example.org/occi/os_tpl#"; class="mixin"; '
            f'title="Image {number} for EGI [Ubuntu/14.04]"; rel="http://schemas.ogf.org/occi/infrastructure#os_tpl"; '
            f'location="/mixin/os_tpl/uuid_{number:06d}/"\n'
            for number in range(templates)
        )
    return path


def bdii(count: int) -> tuple[float, float]:
    """Seconds and MiB more for this number of entries; a real slapd would measure itself, so the octets are
    prepared."""
    from tests.federation import ber
    from tests.federation.ldap_peer import LdapPeer, answers

    entries = [
        ber.entry(
            2,
            f"GLUE2EntityID=image{number},GLUE2ServiceID=cloud,o=glue",
            {"objectClass": ["GLUE2ApplicationEnvironment"], "GLUE2EntityName": [f"Image {number} for EGI"]},
        )
        for number in range(count)
    ]
    with LdapPeer(answers(*entries)) as peer:
        _, seconds, base, peak = run("BDII answer", OURS["BDII answer"], str(peer.port))
    return seconds, peak - base


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave the largest of each out")
    args = parser.parse_args()
    print(machine() + "\n", flush=True)
    plans = [
        ("topology", topology, (30, 3_000, 30_000, 100_000), "endpoints"),
        ("image list", image_list, (1, 10, 50), "MiB"),
        ("query interface", query, (200, 2_000, 20_000), "templates"),
    ]
    rows = []
    with tempfile.TemporaryDirectory(prefix="fedcloud-bench-") as scratch:
        for kind, write, sizes, unit in plans:
            for size in sizes[: -1 if args.quick else None]:
                progress(f"{kind}: {size} {unit}")
                path = write(Path(scratch), size)
                began = time.monotonic()
                _, seconds, base, peak = run(kind, OURS[kind], str(path))
                _, limit, limit_base, limit_peak = run(kind, LIMITS[kind], str(path))
                progress(f"    {time.monotonic() - began:.1f} s")
                rows.append(
                    (
                        kind,
                        f"{size} {unit}",
                        f"{path.stat().st_size / 2**20:.1f}",
                        f"{seconds:.3f}",
                        f"{seconds / size * 1e6:.0f}",
                        f"{peak - base:.1f}",
                        f"{limit:.3f}",
                        f"{seconds / limit:.1f}",
                        f"{limit_peak - limit_base:.1f}",
                    )
                )
                path.unlink()
        for size in (200, 2_000, 20_000)[: -1 if args.quick else None]:
            progress(f"BDII answer: {size} entries")
            seconds, more = bdii(size)
            rate = f"{seconds / size * 1e6:.0f}"
            rows.append(("BDII answer", f"{size} entries", "", f"{seconds:.3f}", rate, f"{more:.1f}", "", "", ""))
    head = ("what", "size", "MiB", "s", "µs per unit", "MiB more", "parser alone s", "x", "parser's MiB")
    table(head, rows)


if __name__ == "__main__":
    main()
