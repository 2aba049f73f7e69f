"""The configuration of the embedded federation, byte for byte; see tests/data/ncg/README.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from libprobe import __version__
from tests.conftest import ROOT, clean_environment, command
from tests.federation import gocdb as pi
from tests.programs.ncg import topology

GOLDEN = ROOT / "tests/data/ncg/federation"
RUNS = {
    "one-machine": ("--format", "nagios", "--format", "icinga2", "--format", "nrpe"),
    "argo": ("--format", "sensu", "--format", "poem"),
    "satellites": ("--format", "icinga2", "--satellite", "asia=asia.fedcloud.test", "--satellite", "europe=10.0.0.7"),
}


def registered(federation) -> pi.Gocdb:
    """What the federation registers by itself, without what single tests add to it."""
    found = pi.Gocdb()
    sites = {site.gocdb_name for site in federation.sites.values()}
    for service in sorted(federation.gocdb.services, key=lambda each: each.id):
        if service.site in sites and service.hostname in {site.hostname for site in federation.sites.values()}:
            found.add_service(service)
    return found


def normal(text: str) -> str:
    """Ports are the system's choice, and ids depend on what else is registered."""
    text = re.sub(r"localhost:\d+", "localhost:PORT", text)
    text = re.sub(r'-p \d+|(?<=tcp_port = ")\d+', lambda found: "-p PORT" if "-p" in found[0] else "PORT", text)
    text = re.sub(r'("(?:primary_key|monitored_id|info_ID)": ")\d+(?=(?:G0)?")', r"\1ID", text)
    text = text.replace(__version__, "VERSION")
    text = re.sub(r'(?<=\[")\d+(?=", ")', "ID", text)
    return re.sub(r"&id=\d+", "&id=ID", text)


@pytest.mark.parametrize("run", RUNS)
def test_the_federations_configuration_is_as_it_was(federation, tmp_path: Path, run: str) -> None:
    saved = topology.save(registered(federation), tmp_path)
    words = (
        "--definitions",
        ROOT / "etc/ncg",
        "--server",
        "mon.fedcloud.test",
        "--output",
        tmp_path / "out",
        "--from",
        saved,
        *RUNS[run],
    )
    done = subprocess.run(
        command("fedcloud-ncg", *words), capture_output=True, text=True, env=clean_environment(HOME=tmp_path)
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != ".fedcloud-ncg"]
    now = {str(path.relative_to(tmp_path / "out")): normal(path.read_text()) for path in files}
    golden = GOLDEN / run
    if os.environ.get("WRITE_GOLDEN"):
        shutil.rmtree(golden, ignore_errors=True)
        for name, text in now.items():
            (golden / name).parent.mkdir(parents=True, exist_ok=True)
            (golden / name).write_text(text)
    before = {str(path.relative_to(golden)): path.read_text() for path in golden.rglob("*") if path.is_file()}
    assert sorted(now) == sorted(before)
    for name, text in before.items():
        assert now[name] == text, name
