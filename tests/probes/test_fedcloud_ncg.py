"""fedcloud-ncg as an operator runs it, and real monitors with what it writes."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libprobe.deadline import OVERLOADED
from libprobe.formats.gocdb import read_service_endpoints
from libprobe.formats.ncg import object_name
from libprobe.programs import catalogue
from libprobe.programs.ncg.validation import icinga2_command
from tests import pace
from tests.conftest import ROOT, Report, at, clean_environment, command
from tests.federation import gocdb as pi
from tests.federation.ports import free_port
from tests.nagios import read_status
from tests.pace import AMPLE_S, Watch, seconds
from tests.programs.ncg import topology

SHIPPED = ROOT / "etc/ncg"
CERTIFICATE = "eu.egi.cloud.Certificate"
NAGIOS, ICINGA = "/usr/sbin/nagios4", "/usr/sbin/icinga2"

Ncg = Callable[..., Report]


@pytest.fixture
def ncg(tmp_path: Path) -> Ncg:
    """Run fedcloud-ncg with the shipped definitions, writing to `tmp_path / "out"`."""

    def run(*arguments: object, **environment: object) -> Report:
        words = ("--definitions", SHIPPED, "--output", tmp_path / "out", *arguments)
        done = subprocess.run(
            command("fedcloud-ncg", *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=AMPLE_S,
            cwd="/tmp",
            env=clean_environment(HOME=tmp_path, **environment),
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return topology.save(topology.good(), tmp_path)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def leftovers(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if ".new-" in path.name]


# ---- Writing


def test_everything_is_written_and_accepted_by_the_real_monitors(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    report = ncg("--from", saved, "--format", "nagios", "--format", "icinga2", "--format", "nrpe")
    assert re.fullmatch(
        rf"fedcloud-ncg: 15 services on 5 hosts of 2 sites, from {saved}, in [\d.]+ m?s\n"
        r"  sites: all of the copy, certified or not \(--sites-from tells\)\n"
        r"  nagios: 6 files, accepted by Nagios 4[\d.]+\n"
        r"  icinga2: 6 files, accepted by Icinga 2[\d.]+\n"
        r"  nrpe: 2 files, not checked: nrpe has no way to check a configuration\n"
        rf"  written to {tmp_path}/out\n",
        report.out,
    ), report.out
    assert (report.code, report.err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", saved.name]


def test_the_same_input_gives_the_same_bytes_in_whatever_order_it_comes(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = topology.good()
    for hostname in ("a.example.org", "b.example.org"):
        gocdb.add_service(pi.Service(hostname, topology.OCCI, "EXAMPLE", f"https://{hostname}/?image=a"))
    first = tmp_path / "first.xml"
    first.write_bytes(topology.document(gocdb))
    gocdb.services.reverse()
    second = tmp_path / "second.xml"
    second.write_bytes(topology.document(gocdb))
    all_formats = ("--format", "nagios", "--format", "icinga2", "--format", "nrpe", "--no-validate")
    assert ncg("--from", first, *all_formats, PYTHONHASHSEED=1).code == 0
    before = contents(tmp_path / "out")
    report = ncg("--from", second, *all_formats, "--output", tmp_path / "other", PYTHONHASHSEED=2)
    assert report.code == 0
    assert contents(tmp_path / "other") == before
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert f"  unchanged in {tmp_path}/out\n" in ncg("--from", second, *all_formats).out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == stamps


def test_a_changed_topology_replaces_the_whole(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    assert ncg("--from", saved, "--format", "nagios").code == 0
    assert (tmp_path / "out/nagios/objects/sites/OTHER.SITE_1.cfg").exists()
    assert ncg("--from", saved, "--site", "EXAMPLE").code == 0
    assert [path.name for path in (tmp_path / "out/nagios/objects/sites").iterdir()] == ["EXAMPLE.cfg"]


def test_intervals_attempts_and_parents_are_those_of_the_catalogue(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    assert ncg("--from", saved, "--format", "nagios", "--format", "icinga2", "--interval-factor", "0.05").code == 0
    nagios = (tmp_path / "out/nagios/objects/templates.cfg").read_text()
    icinga = (tmp_path / "out/icinga2/conf.d/templates.conf").read_text()
    used = [metric for metric in catalogue.read(str(SHIPPED)) if metric.name in nagios]
    assert len(used) == 10
    for metric in used:
        block = re.search(rf"name +fedcloud-{metric.name}\n(.*?)\n}}", nagios, re.DOTALL)
        assert block, metric.name
        assert float(re.search(r"check_interval +(\S+)", block[1])[1]) == metric.interval_s * 0.05 / 60  # type: ignore[index]
        assert f"max_check_attempts              {metric.attempts}\n" in block[1]
        [piece] = [one for one in icinga.split("template Service") if one.startswith(f' "fedcloud-{metric.name}"')]
        assert f"check_interval = {metric.interval_s * 0.05:g}s" in piece
    site = (tmp_path / "out/nagios/objects/sites/EXAMPLE.cfg").read_text()
    of_occi = ["eu.egi.cloud.Certificate", "eu.egi.cloud.OCCI-Context-ops", "eu.egi.cloud.OCCI-VM-ops"]
    of_cdmi = ["eu.egi.cloud.Certificate_9002G0"]
    assert sorted(re.findall(r"dependent_service_description +(\S+)", site)) == sorted([*of_occi * 2, *of_cdmi])
    assert set(re.findall(r"define servicedependency {\n.*\n +service_description +(\S+)", site)) == {
        "org.nagios.OCCI-TCP",
        "org.nagios.CDMI-TCP",
    }


def own_definitions(directory: Path, **flags: str) -> Path:
    """The shipped definitions, with flags of OCCI-VM."""
    document = json.loads((SHIPPED / "fedcloud-probes.conf").read_text())
    document["eu.egi.cloud.OCCI-VM"]["flags"].update(flags)
    own = directory / "definitions"
    own.mkdir()
    (own / "metrics.conf").write_text(json.dumps(document))
    shutil.copy(SHIPPED / "fedcloud-probes.localdb", own)
    return own


def test_a_metric_that_is_not_to_be_published_is_not_obsessed_over(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    """As by NCG: Nagios then gives its results to no OCSP command."""
    own = own_definitions(tmp_path, NOPUBLISH="1")
    report = ncg("--from", saved, "--definitions", own)
    assert "accepted by Nagios" in report.out
    templates = (tmp_path / "out/nagios/objects/templates.cfg").read_text().split("define service")
    silent = [text for text in templates if re.search(r"obsess_over_service +0\n", text)]
    assert [re.findall(r"\n    name +(\S+)", text) for text in silent] == [["fedcloud-eu.egi.cloud.OCCI-VM"]]


def test_a_metric_starts_softly_as_the_page_of_options_says(ncg: Ncg, tmp_path: Path) -> None:
    page = (ROOT / "docs/options.md").read_text().partition("## A soft start\n")[2]
    added, line = (page.partition(f"```{kind}\n")[2].partition("```")[0] for kind in ("json", "text"))
    own = own_definitions(tmp_path)
    document = json.loads((own / "metrics.conf").read_text())
    for metric, parts in json.loads(added).items():
        for part, options in parts.items():
            document[metric][part].update(options)
    (own / "metrics.conf").write_text(json.dumps(document))
    with (own / "fedcloud-probes.localdb").open("a") as localdb:
        localdb.write(line)
    gocdb = pi.Gocdb()
    for host in ("cloud.example.org", "other.example.org"):
        gocdb.add_service(pi.Service(host, topology.OCCI, "EXAMPLE", f"https://{host}:8787/?image=a"))
    report = ncg("--from", topology.save(gocdb, tmp_path), "--definitions", own, "--no-validate")
    assert (report.code, report.err) == (0, "")
    site = (tmp_path / "out/nagios/objects/sites/EXAMPLE.cfg").read_text()
    services = re.findall(r"host_name +(\S+)\n +service_description +(\S+)\n +check_command +(.*)", site)
    assert {(host, name) for host, name, command in services if "--severity warn" in command} == {
        ("cloud.example.org", "eu.egi.cloud.OCCI-VM-ops"),
        ("other.example.org", "eu.egi.cloud.OCCI-VM-ops"),
        ("cloud.example.org", "org.nagios.OCCI-TCP"),
    }
    assert site.count("--severity") == 3


def test_two_endpoints_of_one_host_and_type_are_both_monitored(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = pi.Gocdb()
    for number, port in ((12, 8787), (7, 8788), (9, 8787)):
        url = f"https://cloud.example.org:{port}/?image=a"
        gocdb.add_service(pi.Service("cloud.example.org", topology.OCCI, "EXAMPLE", url, id=number))
    report = ncg("--from", topology.save(gocdb, tmp_path), "--format", "nagios", "--format", "icinga2")
    assert report.code == 1
    site = (tmp_path / "out/nagios/objects/sites/EXAMPLE.cfg").read_text()
    names = re.findall(r"\n +service_description +(\S*TCP\S*)\n +check_command +\S+ .*-p (\d+)", site)
    assert names == [("org.nagios.OCCI-TCP", "8788"), ("org.nagios.OCCI-TCP_9G0", "8787")]
    assert "    dependent_service_description   eu.egi.cloud.OCCI-VM-ops_9G0\n" in site
    assert report.out.count("of 12G0: the same is registered twice") == 4


def test_the_certificate_of_one_port_is_one_service_in_every_format(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = pi.Gocdb()
    for host, service_type, url in (
        ("keystone.example.org", topology.NOVA, topology.KEYSTONE),
        ("keystone.example.org", topology.SWIFT, topology.KEYSTONE),
        ("cloud.example.org", topology.OCCI, "https://cloud.example.org:8443/?image=a"),
        ("cloud.example.org", topology.CDMI, "https://cloud.example.org:8443/cdmi"),
    ):
        gocdb.add_service(pi.Service(host, service_type, "EXAMPLE", url))
    words = [word for kind in ("nagios", "icinga2", "nrpe", "sensu") for word in ("--format", kind)]
    report = ncg("--from", topology.save(gocdb, tmp_path), *words)
    assert (report.code, report.err) == (0, ""), report.out
    assert "accepted by Nagios" in report.out
    assert "accepted by Icinga" in report.out
    out = tmp_path / "out"
    expected = [("cloud.example.org", CERTIFICATE), ("keystone.example.org", CERTIFICATE)]
    nagios = (out / "nagios/objects/sites/EXAMPLE.cfg").read_text()
    blocks = [block.partition("\n}")[0] for block in nagios.split("define service {")[1:]]
    pairs = [re.search(r"host_name +(\S+)\n +service_description +(\S+)", block) for block in blocks]
    assert sorted(pair.groups() for pair in pairs if pair and pair[2].startswith(CERTIFICATE)) == expected
    icinga = (out / "icinga2/conf.d/sites/EXAMPLE.conf").read_text()
    objects = re.findall(r'object Service "([^"]+)" \{.*?host_name = "([^"]+)"', icinga, re.DOTALL)
    assert sorted((host, name) for name, host in objects if name.startswith(CERTIFICATE)) == expected
    for begins, path in ((r"^command\[", "nrpe/EXAMPLE.cfg"), (r'"name": "', "sensu/EXAMPLE.json")):
        text = (out / path).read_text()
        found = re.findall(begins + r"([a-z.]+)_(eu\.egi\.cloud\.Certificate[^\]\"]*)", text, re.MULTILINE)
        assert sorted(found) == expected, path
    listed = [json.loads(line) for line in (out / "services.jsonl").read_text().splitlines()]
    services = [(each["host"], each["service"]) for each in listed]
    assert len(services) == len(set(services))
    assert sorted(pair for pair in services if pair[1].startswith(CERTIFICATE)) == expected


def test_a_host_of_two_sites_is_defined_once(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = topology.good()
    gocdb.add_service(pi.Service("CLOUD.example.org", topology.PERUN, "ANOTHER"))
    report = ncg("--from", topology.save(gocdb, tmp_path), "--format", "nagios", "--format", "icinga2")
    assert report.code == 0
    assert report.out.startswith("fedcloud-ncg: 16 services on 5 hosts of 3 sites, from /")
    defined = [
        path.name
        for path in sorted((tmp_path / "out/nagios/objects/sites").iterdir())
        if re.search(r"define host {\n.*\n    host_name +cloud\.example\.org\n", path.read_text())
    ]
    assert defined == ["ANOTHER.cfg"]


def test_satellites_share_the_sites_and_icinga_accepts_the_zones(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = pi.Gocdb()
    for number in range(20):
        gocdb.add_service(pi.Service(f"h{number}.example.org", topology.PERUN, f"SITE-{number}"))
    saved = topology.save(gocdb, tmp_path)
    words = ("--from", saved, "--format", "icinga2", "--master", "top=top.example.org")
    report = ncg(*words, "--satellite", "asia=asia.example.org", "--satellite", "europe=europe.example.org")
    assert report.code == 0, report.out
    zones = tmp_path / "out/icinga2/zones.d"
    found = {path.name: len(list(path.iterdir())) for path in zones.iterdir()}
    assert set(found) == {"global-templates", "top", "asia", "europe"}
    assert found.pop("top") == 1
    assert found["asia"] + found["europe"] == 20
    assert min(found.values()) > 2
    before = {path.name for path in (zones / "asia").iterdir()}
    report = ncg(
        *words, *(word for name in ("asia", "europe", "africa") for word in ("--satellite", f"{name}={name}.org"))
    )
    assert {path.name for path in (zones / "asia").iterdir()} <= before
    zones_conf = (tmp_path / "out/icinga2/zones.conf").read_text()
    assert 'object Endpoint "top" {\n}' in zones_conf
    assert 'object Endpoint "asia" {\n  host = "asia.org"\n}' in zones_conf


def test_of_two_machines_one_alone_is_told_where_the_other_is(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    """Two that know each other's address both connect, and each closes the other's connection."""
    words = ("--from", saved, "--format", "icinga2", "--stand-alone", tmp_path / "state")
    report = ncg(*words, "--master", "top=top.example.org:5666", "--satellite", "hidden", "--satellite", "b=:5667")
    assert report.code == 0, report.out
    zones = (tmp_path / "out/icinga2/zones.conf").read_text()
    assert 'object Endpoint "top" {\n  host = "top.example.org"\n  port = 5666\n}' in zones
    assert 'object Endpoint "hidden" {\n}' in zones
    assert 'object Endpoint "b" {\n}' in zones
    assert "  bind_port = 5667\n" in (tmp_path / "out/icinga2/satellites/b.conf").read_text()


def test_nrpe_commands_are_whole_and_fixed(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    assert ncg("--from", saved, "--format", "nrpe", "--probes-path", "/opt/probes").code == 0
    lines = (tmp_path / "out/nrpe/EXAMPLE.cfg").read_text().splitlines()
    assert (
        "command[cloud.example.org_org.nagios.OCCI-TCP]=/opt/probes/check_endpoint_tcp -H cloud.example.org -t 30 "
        "-p 8787 -u https://cloud.example.org:8787/occi1.1" in lines
    )
    assert all(re.fullmatch(r"(#.*)?|command\[[A-Za-z0-9._-]+\]=/opt/probes/check_[^$`;|&<>]+", line) for line in lines)


# ---- Who may read it


def nobody() -> dict[str, object]:
    """What subprocess needs to run something as another user; nothing where we are not root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def modes(directory: Path) -> set[str]:
    return {
        f"{'directory' if path.is_dir() else 'file'} {path.stat().st_mode & 0o7777:o}"
        for path in [directory, *directory.rglob("*")]
    }


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o000])
def test_a_monitor_of_another_user_can_read_it_whatever_the_umask(ncg: Ncg, mask: int) -> None:
    """As root, `nagios4 -v` accepts what Nagios cannot read after the reload, at which it ends."""
    with tempfile.TemporaryDirectory(prefix="umask-") as path:
        directory = Path(path)
        directory.chmod(0o755)
        saved = topology.save(topology.good(), directory)
        before = os.umask(mask)
        try:
            words = ("--from", saved, "--format", "nagios", "--format", "icinga2", "--format", "nrpe")
            report = ncg(*words, "--no-validate", "--output", directory / "made/deep/out")
        finally:
            os.umask(before)
        assert report.code == 0, report.out
        out = directory / "made/deep/out"
        assert modes(directory / "made") == {"directory 755", "file 644"}
        (directory / "nagios.cfg").write_text(
            f"cfg_dir={out}/nagios/objects\nlog_file=/dev/null\nillegal_object_name_chars=`~!$%^&*|'\"<>?,()=\n"
            + "".join(f"{name}=/tmp\n" for name in ("temp_path", "log_archive_path", "check_result_path"))
        )
        done = subprocess.run(
            [NAGIOS, "-v", str(directory / "nagios.cfg")],
            capture_output=True,
            text=True,
            **nobody(),  # type: ignore[call-overload]
        )
        assert "Checked 15 services." in done.stdout, done.stdout
        read = subprocess.run(["cat", str(out / "services.jsonl")], capture_output=True, text=True, **nobody())  # type: ignore[call-overload]
        assert len(read.stdout.splitlines()) == 15


def test_a_later_run_heals_the_modes(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    words = ("--from", saved, "--no-validate")
    assert ncg(*words).code == 0
    for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert f"  written to {tmp_path}/out\n" in ncg(*words).out
    assert modes(tmp_path / "out") == {"directory 755", "file 644"}
    (tmp_path / "out/services.jsonl").chmod(0o600)
    assert f"  written to {tmp_path}/out\n" in ncg(*words).out
    assert f"  unchanged in {tmp_path}/out\n" in ncg(*words).out


def test_what_is_not_the_configuration_stays_closed_to_others(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    """The state of a monitor that stands alone, to whose command pipe others could write."""
    words = ("--from", saved, "--no-validate", "--stand-alone", tmp_path / "state")
    before = os.umask(0o000)
    try:
        assert ncg(*words).code == 0
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "state").iterdir()} == {0}


# ---- Which sites and services


def others(gocdb: pi.Gocdb) -> None:
    """Sites that nobody is to be woken for, each with one service."""
    for name, certification, infrastructure in (
        ("CANDIDATE", "Candidate", "Production"),
        ("UNCERTIFIED", "Uncertified", "Production"),
        ("SUSPENDED", "Suspended", "Production"),
        ("TEST-SITE", "Certified", "Test"),
        ("CLOSED", "Closed", "Production"),
    ):
        gocdb.add_site(pi.Site(name, certification=certification, infrastructure=infrastructure))
        gocdb.add_service(pi.Service(f"{name.lower()}.example.org", topology.PERUN, name))


@pytest.fixture
def with_others(federation) -> Iterator[object]:
    gocdb = federation.gocdb
    services, sites = list(gocdb.services), dict(gocdb.sites)
    others(gocdb)
    yield federation
    gocdb.services[:], gocdb.sites = services, sites


def sites_of(directory: Path) -> set[str]:
    return {json.loads(line)["site"] for line in (directory / "services.jsonl").read_text().splitlines()}


LEFT_OUT = "4 endpoints of 4 sites not certified or not in production: CANDIDATE, SUSPENDED, TEST-SITE, UNCERTIFIED"


def test_sites_that_are_not_certified_are_left_out_and_named(ncg: Ncg, with_others, tmp_path: Path) -> None:
    environment = with_others.environment()
    report = ncg("--no-validate", **environment)
    assert report.code == 0, report.out
    assert f"  left out: {LEFT_OUT}\n" in report.out
    certified = sites_of(tmp_path / "out")
    assert not certified & {"CANDIDATE", "UNCERTIFIED", "SUSPENDED", "TEST-SITE", "CLOSED"}
    report = ncg("--no-validate", "--any-site", **environment)
    assert "left out" not in report.out
    assert sites_of(tmp_path / "out") - certified == {"CANDIDATE", "UNCERTIFIED", "SUSPENDED", "TEST-SITE"}
    report = ncg("--no-validate", "--site", "SUSPENDED", **environment)
    assert report.code == 2
    assert report.out == (
        f"fedcloud-ncg: not written: no endpoint to be monitored in GOCDB {at(with_others.gocdb.url)}; 1 endpoint "
        "of 1 site not certified or not in production: SUSPENDED (give --any-site if they are to be monitored, or "
        "--allow-empty); the old configuration stays\n"
    )
    words = ("--site", "SUSPENDED", "--any-site", "--shrink-limit", "100")
    assert ncg("--no-validate", *words, **environment).code == 0


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("get_site_list", {"certification_status": "Certified", "production_status": "Production"}),
        ("get_site", {}),
    ],
)
def test_a_saved_list_of_sites_says_which_of_a_saved_copy_count(
    ncg: Ncg, tmp_path: Path, method: str, query: dict[str, str]
) -> None:
    gocdb = topology.good()
    others(gocdb)
    saved = topology.save(gocdb, tmp_path)
    assert "  sites: all of the copy, certified or not (--sites-from tells)\n" in ncg("--from", saved).out
    request = type("Request", (), {"peer": object()})()
    (tmp_path / "sites.xml").write_bytes(gocdb._document({"method": method, "scope": "", **query}, request))
    words = ("--from", saved, "--no-validate", "--sites-from", tmp_path / "sites.xml")
    assert ncg(*words).out.startswith(
        "fedcloud-ncg: not written: services of 2 sites instead of 6, without CANDIDATE, "
    )
    report = ncg(*words, "--shrink-limit", "100")
    assert f"  left out: {LEFT_OUT}\n" in report.out
    assert sites_of(tmp_path / "out") == {"EXAMPLE", "OTHER.SITE_1"}


def test_services_that_are_not_in_production_are_monitored_unless_told_otherwise(ncg: Ncg, tmp_path: Path) -> None:
    """As long as the GOCDB says Monitored, which a site has while it is being certified, with Production at N."""
    gocdb = topology.good()
    gocdb.add_service(pi.Service("beta.example.org", topology.PERUN, "EXAMPLE", beta=True))
    gocdb.add_service(pi.Service("new.example.org", topology.PERUN, "EXAMPLE", production=False))
    saved = topology.save(gocdb, tmp_path)
    hosts = {"beta.example.org", "new.example.org"}
    assert ncg("--from", saved, "--no-validate").code == 0
    assert hosts <= {json.loads(line)["host"] for line in (tmp_path / "out/services.jsonl").read_text().splitlines()}
    assert ncg("--from", saved, "--no-validate", "--production-only", "--shrink-limit", "100").code == 0
    assert not hosts & {json.loads(line)["host"] for line in (tmp_path / "out/services.jsonl").read_text().splitlines()}


UNUSABLE = {
    "": "the endpoint has no URL",
    "https://{}/?image=a#b": "everything from '#' on in ",
    "https://{}/?image=a b": "a blank",
    "{}:8787/?image=a": "does not begin with https://",
    "https://{}/?image=a%3Brm": "which is not one plain word",
}


@pytest.mark.parametrize("url", UNUSABLE)
def test_a_bad_url_turns_its_services_red_and_not_invisible(ncg: Ncg, federation, tmp_path: Path, url: str) -> None:
    """The probe is not given it, looks it up by itself, and says what is wrong with it."""
    gocdb = federation.gocdb
    service = pi.Service("bad.fedcloud.test", topology.OCCI, "BAD-SITE", url.format("bad.fedcloud.test"))
    gocdb.add_service(service)
    try:
        words = ("--site", "BAD-SITE", "--format", "nrpe", "--format", "nagios", "--probes-path", ROOT / "probes")
        report = ncg(*words, **federation.environment())
        assert report.code == 1, report.out
        assert report.out.startswith("fedcloud-ncg: 4 services on 1 host of 1 site, ")
        names = "eu.egi.cloud.Certificate, eu.egi.cloud.OCCI-Context, eu.egi.cloud.OCCI-VM, org.nagios.OCCI-TCP"
        assert f"not given to {names}, which will " in report.out
        lines = (tmp_path / "out/nrpe/BAD-SITE.cfg").read_text().splitlines()
        commands = [shlex.split(line.partition("=")[2]) for line in lines if line.startswith("command[")]
        assert len(commands) == 4
        for command_ in commands:
            assert command_[1:3] == ["-H", "bad.fedcloud.test"]
            environment = clean_environment(**federation.environment(), HOME=tmp_path)
            done = subprocess.run([sys.executable, *command_], capture_output=True, text=True, env=environment)
            assert done.returncode == 2, done.stdout
    finally:
        gocdb.remove_service(service)


def test_an_ampersand_in_a_url_costs_that_option_alone(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = pi.Gocdb()
    gocdb.add_service(pi.Service("s.example.org", topology.CDMI, "S", "https://s.example.org:8080/?a=b&c=d"))
    gocdb.add_service(pi.Service("p.example.org", topology.PERUN, "S", "https://p.example.org/?a=b&c=d"))
    assert ncg("--from", topology.save(gocdb, tmp_path), "--format", "nrpe").code == 1
    lines = (tmp_path / "out/nrpe/S.cfg").read_text().splitlines()
    ends = {line.partition("/check_")[2] for line in lines if line.startswith("command[")}
    assert ends == {
        "perun -H p.example.org -t 60",
        "endpoint_tcp -H s.example.org -t 30 --service-type eu.egi.cloud.storage-management.cdmi",
        "endpoint_tcp -H s.example.org -t 60 --certificate 30d:,7d: "
        "--service-type eu.egi.cloud.storage-management.cdmi --tls-by-scheme",
    }


def test_extensions_of_the_gocdb_are_attributes_as_far_as_they_are_the_sites_own(ncg: Ncg, tmp_path: Path) -> None:
    """As in NCG, where the URL's own parameters win; but no site names the proxy that the probes log in with."""
    gocdb = pi.Gocdb()
    given = {"OCCI_IMAGE": "ext", "X509_USER_PROXY": "/etc/shadow", "VONAME": "evil", "other": "x", "OCCI_X": "0"}
    for host, query in (("a.example.org", ""), ("b.example.org", "?image=own")):
        url = f"https://{host}/{query}"
        gocdb.add_service(pi.Service(host, topology.OCCI, "S", url, extensions=given))
    single = pi.Endpoint("https://c.example.org/", extensions={"OCCI_IMAGE": "of-endpoint"})
    gocdb.add_service(pi.Service("c.example.org", topology.OCCI, "S", endpoints=[single]))
    gocdb.add_service(
        pi.Service("d.example.org", topology.OCCI, "S", "https://d.example.org/", extensions={"OCCI_IMAGE": "a;b"})
    )
    report = ncg("--from", topology.save(gocdb, tmp_path), "--format", "nrpe")
    assert 'OCCI_IMAGE is "a;b", which is not one plain word' in report.out
    lines = (tmp_path / "out/nrpe/S.cfg").read_text().splitlines()
    images = [re.findall(r"--image (\S+)", line) for line in lines if "check_occi_vm" in line]
    assert images == [["ext"], ["own"], ["of-endpoint"], []]
    assert not re.search("shadow|evil", "".join(lines))


ODD_SITES = ["EXAMPLE CLOUD", "Universität Gießen", "Κύπρος", "東京", "a_b-c.d"]


def test_a_site_of_any_letters_is_kept_in_files_of_plain_names(ncg: Ncg, stubs: Path, tmp_path: Path) -> None:
    gocdb = pi.Gocdb()
    for number, site in enumerate(ODD_SITES):
        gocdb.add_site(pi.Site(site, roc=f"NGI {site}"))
        gocdb.add_service(pi.Service(f"h{number}.example.org", topology.ACCOUNTING, site))
    words = ("--probes-path", stubs, "--stand-alone", tmp_path / "state", "--interval-factor", "0.0001")
    report = ncg("--from", topology.save(gocdb, tmp_path), "--format", "icinga2", "--format", "nrpe", *words)
    assert report.code == 0, report.out
    assert "accepted by Icinga" in report.out
    assert sites_of(tmp_path / "out") == set(ODD_SITES)
    names = [path.name for path in (tmp_path / "out").rglob("*")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names), names
    assert len(list((tmp_path / "out/nrpe").iterdir())) == len(ODD_SITES)
    for path in (tmp_path / "out/nrpe").iterdir():
        for line in path.read_text().splitlines():
            if line.startswith("command["):
                subprocess.run(["/bin/sh", "-c", line.partition("=")[2]], check=True, stdout=subprocess.DEVNULL)
    wanted_sites = {("check_apel_pub", site) for site in ODD_SITES}
    assert {(call[0], call[call.index("--site") + 1]) for call in calls(stubs)} == wanted_sites
    (stubs / "said").unlink()

    report = ncg("--from", tmp_path / "topology.xml", "--format", "nagios", *words)
    assert "accepted by Nagios" in report.out
    groups = (tmp_path / "out/nagios/objects/groups.cfg").read_text()
    assert "alias                           Site Universität Gießen\n" in groups
    with running([NAGIOS, str(tmp_path / "out/nagios/nagios.cfg")], tmp_path / "log") as monitor:
        pace.until(lambda: monitor.poll() is not None or len(set(calls(stubs))) >= len(ODD_SITES), every_s=0.05)
    assert {(call[0], call[call.index("--site") + 1]) for call in calls(stubs)} == wanted_sites


# ---- What was there before


def test_two_sites_of_one_file_name_are_both_written(ncg: Ncg, tmp_path: Path) -> None:
    """A site can be called as the files of another are; so can a third as those of the second then are."""
    plain = object_name("EXAMPLE CLOUD")
    names = {"EXAMPLE CLOUD": f"{plain}-3", plain: plain, f"{plain}-2": f"{plain}-2"}
    gocdb = pi.Gocdb()
    for number, site in enumerate(names):
        gocdb.add_service(pi.Service(f"h{number}.example.org", topology.PERUN, site))
    gocdb.add_service(pi.Service("h.example.org", topology.PERUN, "\ufdfa" * 90))  # of 18 plain letters each
    words = ("--format", "nagios", "--format", "icinga2", "--format", "nrpe")
    report = ncg("--from", topology.save(gocdb, tmp_path), *words)
    assert report.code == 1
    assert report.out.splitlines()[-2:] == [
        "1 warning:",
        f"  EXAMPLE CLOUD: its files and groups are called {plain}-3, as another site's are {plain}",
    ]
    assert "  nagios: 8 files, accepted by Nagios " in report.out
    assert "  icinga2: 8 files, accepted by Icinga " in report.out
    for number, name in enumerate(names.values()):
        site = (tmp_path / f"out/nagios/objects/sites/{name}.cfg").read_text()
        assert f"host_name                       h{number}.example.org\n" in site
        assert f"hostgroups                      SITE_{name}," in site
        assert f'"h{number}.example.org"' in (tmp_path / f"out/icinga2/conf.d/sites/{name}.conf").read_text()
        assert f"command[h{number}.example.org_" in (tmp_path / f"out/nrpe/{name}.cfg").read_text()


def many(count: int, directory: Path) -> Path:
    gocdb = pi.Gocdb()
    for number in range(count):
        gocdb.add_service(pi.Service(f"h{number:02}.example.org", topology.PERUN, f"SITE-{number}"))
    return topology.save(gocdb, directory)


def test_a_topology_that_shrinks_beyond_a_share_is_refused_and_said(ncg: Ncg, tmp_path: Path) -> None:
    assert ncg("--from", many(20, tmp_path), "--no-validate").code == 0
    before = contents(tmp_path / "out")
    report = ncg("--from", many(3, tmp_path), "--no-validate")
    assert (report.code, report.err) == (2, "")
    first, *goes = report.out.splitlines()
    assert first == (
        "fedcloud-ncg: not written: 3 services instead of 20, and no more than 50% of them may go in one run (look "
        "whether the GOCDB's answer is whole; if all is right, give --shrink-limit 100 this once); the old "
        "configuration stays"
    )
    names = [f"h{number:02}.example.org eu.egi.cloud.Perun-Check (SITE-{number})" for number in range(3, 20)]
    assert goes == [f"  goes: {name}" for name in names]
    assert contents(tmp_path / "out") == before
    assert leftovers(tmp_path) == []
    assert ncg("--from", many(3, tmp_path), "--no-validate", "--shrink-limit", "84%").code == 2
    report = ncg("--from", many(3, tmp_path), "--no-validate", "--shrink-limit", "85")
    assert (report.code, report.out.splitlines()[3]) == (0, "  0 services more, 17 fewer than before")
    assert ncg("--from", many(2, tmp_path), "--no-validate").code == 0


REFUSED = (
    ", and no more than 50% of them may go in one run (look whether the GOCDB's answer is whole; if all is right, give "
    "--shrink-limit 100 this once); the old configuration stays"
)


def test_what_shrinks_is_judged_by_site_and_by_kind_too(ncg: Ncg, tmp_path: Path) -> None:
    """A total does not tell: one large site hides many small ones that went, and one type all of another."""
    gocdb = pi.Gocdb()
    for number in range(30):
        gocdb.add_service(pi.Service(f"large{number}.example.org", topology.PERUN, "LARGE"))
    for number in range(9):
        gocdb.add_service(pi.Service(f"small{number}.example.org", topology.PERUN, f"SMALL-{number}"))
        gocdb.add_service(pi.Service(f"small{number}.example.org", topology.ACCOUNTING, f"SMALL-{number}"))
    gocdb.add_service(pi.Service("bdii.example.org", topology.BDII, "LARGE"))
    everything = list(gocdb.services)
    words = ("--from", topology.save(gocdb, tmp_path), "--no-validate")
    assert ncg(*words).code == 0
    before = contents(tmp_path / "out")

    gocdb.services[:] = [each for each in everything if each.site in ("LARGE", "SMALL-0", "SMALL-1")]
    topology.save(gocdb, tmp_path)
    report = ncg(*words)
    gone = ", ".join(f"SMALL-{number}" for number in range(2, 9))
    assert (report.code, report.out.splitlines()[0]) == (
        2,
        f"fedcloud-ncg: not written: services of 3 sites instead of 10, without {gone}{REFUSED}",
    )

    gocdb.services[:] = [each for each in everything if each.service_type != topology.ACCOUNTING]
    topology.save(gocdb, tmp_path)
    report = ncg(*words)
    assert (report.code, report.out.splitlines()[0]) == (
        2,
        f"fedcloud-ncg: not written: 0 services of type eu.egi.cloud.accounting instead of 9{REFUSED}",
    )
    assert contents(tmp_path / "out") == before

    # the only service of its type, or a whole site, is that site's own doing: it is said
    gocdb.services[:] = [each for each in everything if each.service_type != topology.BDII and each.site != "SMALL-8"]
    topology.save(gocdb, tmp_path)
    report = ncg(*words)
    assert (report.code, report.out.splitlines()[3:5]) == (
        0,
        ["  0 services more, 3 fewer than before", "  no service any more: SMALL-8"],
    )


@pytest.mark.parametrize("kind", ["nagios", "icinga2", "nrpe"])
@pytest.mark.parametrize("record", [None, "", "{", "part"])
def test_what_shrinks_is_told_without_the_list_of_services(
    ncg: Ncg, tmp_path: Path, kind: str, record: str | None
) -> None:
    words = ("--from", many(20, tmp_path), "--no-validate", "--format", kind)
    assert ncg(*words).code == 0
    path = tmp_path / "out/services.jsonl"
    if record is None:
        path.unlink()
    else:
        path.write_text(path.read_text().splitlines(keepends=True)[0] if record == "part" else record)
    many(3, tmp_path)
    report = ncg(*words)
    assert report.code == 2
    first, *goes = report.out.splitlines()
    assert first == f"fedcloud-ncg: not written: 3 services instead of 20{REFUSED}"
    names = [f"h{number:02}.example.org eu.egi.cloud.Perun-Check (SITE-{number})" for number in range(3, 20)]
    assert goes == [f"  goes: {name}" for name in names]
    # by kind as well, where the files tell it
    gocdb = pi.Gocdb()
    for number in range(20):
        gocdb.add_service(pi.Service(f"h{number:02}.example.org", topology.ACCOUNTING, f"SITE-{number}"))
    topology.save(gocdb, tmp_path)
    assert ncg(*words).code == (0 if kind == "nrpe" else 2)


def test_a_broken_answer_of_the_gocdb_is_not_taken_over(ncg: Ncg, federation, tmp_path: Path) -> None:
    gocdb = federation.gocdb
    assert ncg("--no-validate", **federation.environment()).code == 0
    before = contents(tmp_path / "out")
    services = list(gocdb.services)
    try:
        gocdb.services[:] = [each for each in services if each.service_type == topology.PERUN]
        report = ncg("--no-validate", **federation.environment())
    finally:
        gocdb.services[:] = services
    assert report.code == 2
    assert re.match(r"fedcloud-ncg: not written: \d+ services? instead of \d+, ", report.out)
    assert contents(tmp_path / "out") == before


def test_a_dry_run_says_what_would_come_go_and_change(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    report = ncg("--from", saved, "--no-validate", "--dry-run")
    assert report.code == 0
    assert report.out.splitlines()[3] == f"  not written to {tmp_path}/out: --dry-run"
    assert report.out.count("\n  comes: ") == 15
    assert [path.name for path in tmp_path.iterdir()] == [saved.name]
    assert ncg("--from", saved, "--no-validate").code == 0
    before = contents(tmp_path / "out")
    gocdb = topology.good()
    gocdb.remove_service("mq.example.org")
    gocdb.find("cloud.example.org", topology.CDMI).url = "https://cloud.example.org:8081/"
    gocdb.add_service(pi.Service("new.example.org", topology.PERUN, "NEW"))
    report = ncg("--from", topology.save(gocdb, tmp_path), "--no-validate", "--dry-run")
    assert report.out.splitlines()[3:] == [
        "  1 service more, 2 fewer than before",
        f"  not written to {tmp_path}/out: --dry-run",
        "  goes: mq.example.org eu.egi.cloud.Broker-Check (OTHER.SITE_1)",
        "  goes: mq.example.org org.nagios.Broker-TCP (OTHER.SITE_1)",
        "  comes: new.example.org eu.egi.cloud.Perun-Check (NEW)",
        "  changed: nagios/objects/commands.cfg",
        "  changed: nagios/objects/groups.cfg",
        "  changed: nagios/objects/sites/EXAMPLE.cfg",
        "  new: nagios/objects/sites/NEW.cfg",
        "  changed: nagios/objects/sites/OTHER.SITE_1.cfg",
        "  changed: nagios/objects/templates.cfg",
        "  changed: services.jsonl",
    ]
    assert contents(tmp_path / "out") == before


def listed(directory: Path, name: str = "services.jsonl") -> set[str]:
    return {json.loads(line)["host"] for line in (directory / name).read_text().splitlines()}


def test_a_run_with_another_format_leaves_what_the_first_one_wrote(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    satellite = ("--satellite", "asia=asia.example.org")
    assert ncg("--from", saved, "--format", "icinga2", *satellite, "--no-validate").code == 0
    icinga = contents(out / "icinga2")
    everything = listed(out)
    report = ncg("--from", saved, "--site", "EXAMPLE", "--format", "nagios", "--no-validate")
    assert report.code == 0, report.out
    assert contents(out / "icinga2") == icinga
    assert [path.name for path in (out / "nagios/objects/sites").iterdir()] == ["EXAMPLE.cfg"]
    assert listed(out) == everything, "the list is of all that is monitored from here"
    one_site = listed(out, ".services-nagios.jsonl")
    assert one_site == {"cloud.example.org", "six.example.org"}
    # what shrinks is judged by what its own format had
    assert ncg("--from", saved, "--site", "EXAMPLE", "--format", "nagios", "--no-validate").out.endswith(
        f"  unchanged in {out}\n"
    )
    assert ncg("--from", saved, "--site", "OTHER.SITE_1", "--format", "nrpe", "--no-validate").code == 0
    assert contents(out / "icinga2") == icinga
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"icinga2", "nagios", "nrpe"}
    words = ("--format", "nrpe", "--format", "nagios", "--format", "icinga2", "--no-validate")
    assert ncg("--from", saved, *words).code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *(".fedcloud-ncg", "icinga2", "nagios", "nrpe", "services.jsonl")
    ]


def test_a_list_that_is_damaged_is_written_anew_with_its_format(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--from", saved, "--no-validate")
    assert ncg(*words).code == 0
    (out / "services.jsonl").write_text("{")
    report = ncg(*words, "--format", "nrpe")
    assert report.out == (
        f"fedcloud-ncg: not written: {out}/services.jsonl is not what fedcloud-ncg wrote (give --format nagios too, so "
        "that it is written anew); the old configuration stays\n"
    )
    assert ncg(*words, "--format", "nrpe", "--format", "nagios").code == 0


# ---- The live GOCDB


def test_the_live_gocdb_is_read_page_by_page(ncg: Ncg, federation, tmp_path: Path) -> None:
    federation.gocdb.page_size = 2
    try:
        report = ncg(**federation.environment())
    finally:
        federation.gocdb.page_size = pi.PAGE_SIZE
    assert report.code == 0, report.out
    assert ", from the GOCDB, in " in report.out
    names = {path.stem for path in (tmp_path / "out/nagios/objects/sites").iterdir()}
    assert {site.gocdb_name for site in federation.sites.values()} <= names
    asked = [each.request.query for each in federation.gocdb.server.requests]
    [sites, *asked] = asked
    assert (sites["method"], sites["scope"]) == (["get_site_list"], [""])
    assert (sites["certification_status"], sites["production_status"]) == (["Certified"], ["Production"])
    asked = [query for query in asked if query["method"] != ["get_site_list"]]
    assert all(query["monitored"] == ["Y"] and query["scope"] == ["EGI"] for query in asked)
    assert len([query for query in asked if query["service_type"] == [topology.OCCI]]) == 3


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("gocdb-error", r'error "The database is not available" in the answer of {place}'),
        ("raw-ampersand", r"the document is not well-formed: .* in the answer of {place}"),
        ("truncated", r"the document breaks off after \d+ complete records? in the answer of {place}"),
        ("doctype-bomb", r"a document with a DTD instead of results from {place}"),
        ("empty", r"empty document in the answer of {place}"),
    ],
)
def test_a_faulty_gocdb_leaves_the_old_configuration(
    ncg: Ncg, federation, tmp_path: Path, fault: str, sentence: str
) -> None:
    assert ncg("--no-validate", **federation.environment()).code == 0
    before = contents(tmp_path / "out")
    federation.gocdb.faults.on(fault)
    report = ncg("--no-validate", **federation.environment())
    sentence = sentence.format(place=f"GOCDB {at(federation.gocdb.url)}")
    assert re.fullmatch(
        rf"fedcloud-ncg: not written: {sentence}; the old configuration stays\n",
        report.out,
    ), report.out
    assert (report.code, report.err) == (2, "")
    assert contents(tmp_path / "out") == before
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("by", ["control", "latin-1"])
def test_a_record_that_cannot_be_read_is_left_out_with_a_warning(ncg: Ncg, federation, tmp_path: Path, by: str) -> None:
    [one, *_] = federation.sites.values()
    service = federation.gocdb.find(one.hostname, topology.OCCI)
    federation.gocdb.faults.on("unreadable-record", key=f"{service.id}G0", by=by)
    report = ncg("--no-validate", **federation.environment())
    assert (report.code, report.err) == (1, "")
    assert re.search(
        rf"^1 warning:\n  left out: service endpoint {service.id}G0 cannot be read: it is not well-formed: ",
        report.out,
        re.MULTILINE,
    ), report.out
    entries = [json.loads(line) for line in (tmp_path / "out/services.jsonl").read_text().splitlines()]
    hosts = {each["host"] for each in entries if each["service_type"] == topology.OCCI}
    assert hosts == {each.hostname for each in federation.sites.values()} - {one.hostname}


def test_a_gocdb_that_lists_nothing_does_not_empty_the_configuration(ncg: Ncg, federation, tmp_path: Path) -> None:
    assert ncg("--no-validate", **federation.environment()).code == 0
    before = contents(tmp_path / "out")
    federation.gocdb.faults.on("no-results")
    report = ncg("--no-validate", **federation.environment())
    assert report.out == (
        f"fedcloud-ncg: not written: no endpoint to be monitored in GOCDB {at(federation.gocdb.url)} (see --site "
        "and --scope, or give --allow-empty if that is right); the old configuration stays\n"
    )
    assert contents(tmp_path / "out") == before
    assert ncg("--allow-empty", **federation.environment()).code == 0
    assert not (tmp_path / "out/nagios/objects/sites").exists()


def test_a_mute_gocdb_is_given_up_at_the_deadline(ncg: Ncg, federation) -> None:
    federation.gocdb.faults.on("mute")
    limit = seconds(1.5)
    watch = Watch()
    report = ncg("-t", limit, **federation.environment())
    watch.ended_within(limit + 3.5)
    assert report.code == 2
    place = rf"GOCDB {at(federation.gocdb.url)}"
    assert re.fullmatch(
        rf"fedcloud-ncg: not written: (no complete answer within [\d.]+ s from {place}{pace.OWN_PART}"
        rf"|not finished within [\d.]+ s \((raise -t to wait longer|{re.escape(OVERLOADED)})\)); "
        r"the old configuration stays\n",
        report.out,
    ), report.out


# ---- What goes wrong


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--formt", "nagios"], "unknown argument --formt; did you mean --format?"),
        (
            ["--format", "zabbix"],
            "argument --format: invalid choice: 'zabbix' (choose from 'nagios', 'icinga2', 'nrpe', 'sensu', 'poem')",
        ),
        (["--interval-factor", "-1"], "argument --interval-factor: '-1' is not a number above 0 and at most 1000"),
        (["--shrink-limit", "101"], "argument --shrink-limit: '101' is not a number from 0 to 100"),
        (["--interval-factor", "0"], "argument --interval-factor: '0' is not a number above 0 and at most 1000"),
        (
            ["--format", "icinga2", "--satellite", "a b=c"],
            "--satellite 'a b=c' is not NAME, NAME=HOST, NAME=HOST:PORT or NAME=:PORT",
        ),
        (
            ["--format", "icinga2", "--satellite", "a=c:0"],
            "--satellite 'a=c:0' is not NAME, NAME=HOST, NAME=HOST:PORT or NAME=:PORT",
        ),
        (
            ["--format", "icinga2", "--satellite", "a="],
            "--satellite 'a=' is not NAME, NAME=HOST, NAME=HOST:PORT or NAME=:PORT",
        ),
        (
            ["--format", "icinga2", "--satellite", "a"],
            "--satellite a has no HOST, and neither has --master: one of the two must know where the other is",
        ),
        (
            ["--format", "icinga2", "--satellite", "master=h"],
            "--satellite and --master must all have names of their own",
        ),
        (["--probes-path", "/a b"], "--probes-path '/a b' is not an absolute path of plain characters"),
        (["--contact", "a;b@c"], "--contact 'a;b@c' is not a plain e-mail address"),
        (["--vo", "$x$"], "--vo '$x$' is not the name of a VO"),
        (["--nrpe-at", "a:0"], "--nrpe-at 'a:0' is not HOST or HOST:PORT"),
        (["--nrpe-at", "a", "--plugins-path", "b"], "--plugins-path 'b' is not an absolute path of plain characters"),
        (["--server", "a b"], "--server 'a b' is not a host name"),
        (["--fqan", "/ops;x"], "--fqan '/ops;x' is not an FQAN like /ops/Role=NULL"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_3(ncg: Ncg, arguments: list[str], sentence: str) -> None:
    assert ncg(*arguments) == Report(3, f"fedcloud-ncg: usage: {sentence} (see fedcloud-ncg --help)\n", "")


def test_help_says_the_exit_codes(ncg: Ncg) -> None:
    report = ncg("--help")
    assert (report.code, report.err) == (3, "")
    said = " ".join(report.out.split())
    assert "Exit codes: 0 written, 1 written with warnings, 2 not written and the old configuration kept" in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, " cannot be read: No such file or directory"),
        (b"", ": empty document"),
        (b"<html>", ": no results"),
        (b"<results><SERVICE_ENDPOINT>", ": the document breaks off after 0 complete records"),
        (b"\x00\xff" * 1000, ": no document"),
    ],
)
def test_a_saved_copy_that_is_none_is_said(ncg: Ncg, tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "copy.xml"
    if content is not None:
        path.write_bytes(content)
    remedy = " (name a saved answer of the GOCDB)" if content is not None else ""
    assert ncg("--from", path) == Report(
        2, f"fedcloud-ncg: not written: {path}{sentence}{remedy}; the old configuration stays\n", ""
    )


def test_a_fifo_in_place_of_a_copy_does_not_hang(ncg: Ncg, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert ncg("--from", tmp_path / "fifo").out == (
        f"fedcloud-ncg: not written: {tmp_path}/fifo is not a file; the old configuration stays\n"
    )


def test_a_directory_of_somebody_elses_files_is_never_replaced(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious").write_text("keep")
    report = ncg("--from", saved)
    assert report.code == 2
    assert report.out.startswith(
        f"fedcloud-ncg: not written: {tmp_path}/out holds files that fedcloud-ncg did not write"
    )
    assert contents(tmp_path / "out") == {"precious": b"keep"}


def test_two_runs_do_not_write_at_once(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    with open(tmp_path / ".out.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        report = ncg("--from", saved)
    assert report.code == 2
    assert report.out.startswith(f"fedcloud-ncg: not written: another fedcloud-ncg is writing {tmp_path}/out")


def test_a_run_that_is_terminated_says_so_and_leaves_nothing(federation, tmp_path: Path) -> None:
    federation.gocdb.faults.on("mute")
    words = ("--output", tmp_path / "out", "--definitions", SHIPPED)
    process = subprocess.Popen(
        command("fedcloud-ncg", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(HOME=tmp_path, **federation.environment()),
    )
    pace.until(lambda: leftovers(tmp_path))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=AMPLE_S)
    assert (process.returncode, err) == (2, b"")
    assert out == b"fedcloud-ncg: not written: interrupted by SIGTERM; the old configuration stays\n"
    assert list(tmp_path.iterdir()) == []


def test_what_a_monitor_does_not_accept_does_not_replace_the_old_one(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    """A definition of another file with the same name: nothing that allow-lists could prevent."""
    assert ncg("--from", saved).code == 0
    before = contents(tmp_path / "out")
    broken = tmp_path / "libprobe"
    shutil.copytree(ROOT / "libprobe", broken, symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
    template = broken / "programs/ncg/templates/nagios/groups.cfg"
    template.write_text(template.read_text() + "\ndefine hostgroup {\n}\n")
    program = tmp_path / "fedcloud-ncg"
    shutil.copy(ROOT / "probes/fedcloud-ncg", program)
    words = ("--definitions", SHIPPED, "--output", tmp_path / "out", "--from", saved, "--site", "EXAMPLE")
    done = subprocess.run(
        [sys.executable, program, *map(str, words)],
        capture_output=True,
        text=True,
        env={**clean_environment(HOME=tmp_path), "PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert re.match(
        r"fedcloud-ncg: not written: /usr/sbin/nagios4 does not accept the configuration: Error: ", done.stdout
    )
    assert contents(tmp_path / "out") == before


# ---- Overrides

OVERRIDES = """\
[all]
repeat = 4h
[metric eu.egi.cloud.OCCI-VM]
notify = critical, recovery
[ngi AsiaPacific]
parents = router.example.org
[site EXAMPLE]
contacts = cloud@example.org
escalate = 3 boss@example.org, noc@example.org
[site OTHER.SITE_1]
repeat = never
[site GONE]
notify = none
[host perun.example.org]
notify = none
parents = router.example.org core.example.org
[parent router.example.org]
address = 192.0.2.1
[parent core.example.org]
address = core.example.net
"""


def test_overrides_survive_every_regeneration_and_real_monitors_accept_them(
    ncg: Ncg, saved: Path, tmp_path: Path
) -> None:
    path = tmp_path / "overrides"
    path.write_text(OVERRIDES)
    words = ("--from", saved, "--format", "nagios", "--format", "icinga2", "--overrides", path)
    assert ncg(*words, "--interval-factor", "2").code == 1
    report = ncg(*words)
    assert report.out.splitlines()[-2:] == ["1 warning:", "  overrides: nothing is monitored of [site GONE]"]
    assert "  nagios: 7 files, accepted by Nagios " in report.out
    assert "  icinga2: 7 files, accepted by Icinga " in report.out
    site = (tmp_path / "out/nagios/objects/sites/EXAMPLE.cfg").read_text()
    vm = re.search(r"service_description +eu.egi.cloud.OCCI-VM-ops\n(.*?)}", site, re.DOTALL)[1]  # type: ignore[index]
    assert "notification_options            c,r\n    notification_interval           240\n" in vm
    assert "contact_groups                  +fedcloud-site-EXAMPLE\n" in vm
    assert site.count("first_notification              3\n    last_notification               0\n") == 11
    escalated = "fedcloud-operators,fedcloud-site-EXAMPLE,fedcloud-escalation-site_EXAMPLE-"
    assert site.count(f"contact_groups                  {escalated}") == 11
    assert site.count("service_description             fedcloud-ping\n") == 11
    assert site.count("parents                         router.example.org\n") == 2
    other = (tmp_path / "out/nagios/objects/sites/OTHER.SITE_1.cfg").read_text()
    assert "parents                         router.example.org,core.example.org\n" in other
    perun = re.search(
        r"service_description "
        r"+eu.egi.cloud.Perun-Check\n(.*?)}",
        other,
        re.DOTALL,
    )[1]  # type: ignore[index]
    assert "notification_options            n\n    notification_interval           0\n" in perun
    icinga = (tmp_path / "out/icinga2/conf.d/sites/EXAMPLE.conf").read_text()
    assert icinga.count("vars.fedcloud_states = [ Critical, OK ]\n  vars.fedcloud_repeat = 14400s\n") == 2
    assert icinga.count("vars.fedcloud_escalate_after = 28800s\n") == 11
    before = contents(tmp_path / "out")
    again = ncg(*words).out
    assert f"  unchanged in {tmp_path}/out\n" in again
    assert "before" not in again, "what is pinged is no service of a site that could go"
    assert contents(tmp_path / "out") == before


IN = "[site X]: "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[side X]\nnotify = none\n", "a section is not one of [all], [metric NAME], [ngi NAME], [site NAME], "),
        ("[site]\nnotify = none\n", "a section is not one of [all]"),
        (
            "[site X]\nnotify = sms\n",
            IN + "notify is 'sms'; give some of critical, unknown, warning, recovery",
        ),
        ("[site X]\nrepeat = 4\n", IN + "repeat is '4'; give a duration as 4h, or never"),
        ("[site X]\ncontact = a@b\n", "[site X] has no contact; known are contacts, escalate, notify, parents, repeat"),
        ("[site X]\ncontacts = a@b;c\n", IN + "contacts is 'a@b;c'; give e-mail addresses of plain characters"),
        ("[all]\nescalate = 1 a@b\nrepeat = 1h\n", "[all]: escalate is '1 a@b'; give from which notification on, 2 "),
        ("[site X]\nescalate = 3 a@b\n", IN + "escalate counts notifications, so it needs a repeat here or in [all]"),
        ("[site X]\nparents = r\n", IN + "there is no [parent r] with its address"),
        ("[parent r]\n", "[parent r] needs the name of a host, and an address"),
        ("[parent r]\naddress = $x\n", "[parent r]: address is '$x'; give an IPv4 address or the name of a host"),
        ("nonsense\n", "line 1 comes before the first [section]"),
    ],
)
def test_an_override_that_means_nothing_is_refused_with_its_section(
    ncg: Ncg, saved: Path, tmp_path: Path, text: str, sentence: str
) -> None:
    path = tmp_path / "overrides"
    path.write_text(text)
    report = ncg("--from", saved, "--no-validate", "--overrides", path)
    assert report.code == 2
    assert report.out.startswith(f"fedcloud-ncg: not written: overrides {path}: {sentence}"), report.out


@pytest.mark.parametrize("kind", ["nagios", "icinga2"])
def test_real_monitors_tell_whom_the_overrides_name(ncg: Ncg, stubs: Path, tmp_path: Path, kind: str) -> None:
    """Who is told of what lasts, and who of nothing."""
    stub, mails = stubs / "stub", stubs / "mails"
    stub.write_text(f"{stub.read_text()}sys.exit(2)\n")
    (stubs / "check_ping").write_text("#!/bin/sh\nexit 2\n")
    (stubs / "check_ping").chmod(0o755)
    mail = stubs / "mail"
    mail.write_text(f'#!/bin/sh\necho "$3" "$2" >> {mails}\n')
    mail.chmod(0o755)
    gocdb = pi.Gocdb()
    for name in ("A", "B", "C"):
        gocdb.add_service(pi.Service(f"{name.lower()}.example.org", topology.PERUN, name))
    (tmp_path / "overrides").write_text(
        "[all]\nrepeat = 60s\n[site A]\nescalate = 2 boss@example.org\n[site B]\nnotify = none\n"
        "[site C]\nparents = router.example.org\n[parent router.example.org]\naddress = 192.0.2.1\n"
    )
    words = ("--stand-alone", tmp_path / "state", "--interval-factor", "0.0001", "--probes-path", stubs)
    words = (*words, "--overrides", tmp_path / "overrides", "--plugins-path", stubs)
    assert ncg("--from", topology.save(gocdb, tmp_path), "--format", kind, *words).code == 0
    if kind == "nagios":
        path, old = tmp_path / "out/nagios/objects/commands.cfg", "/usr/bin/mail "
        arguments = [NAGIOS, str(tmp_path / "out/nagios/nagios.cfg")]
    else:
        path, old = tmp_path / "out/icinga2/conf.d/contacts.conf", "mail "
        arguments = icinga2_command(ICINGA, str(tmp_path / "out/icinga2/icinga2.conf"), str(tmp_path / "state"))
    path.write_text(path.read_text().replace(f"| {old}", f"| {mail} "))

    def told() -> set[str]:
        lines = mails.read_text().splitlines() if mails.exists() else []
        return {f"{line.split()[0]} {host}" for line in lines for host in re.findall(r" on (\S+) is ", line)}

    awaited = {"root@localhost a.example.org", "boss@example.org a.example.org", "root@localhost router.example.org"}
    with running(arguments, tmp_path / "log") as monitor:
        pace.until(lambda: monitor.poll() is not None or awaited <= told(), every_s=0.05)
    assert awaited <= told()
    assert not any("b.example.org" in each for each in told())


# ---- Beside the operator's own configuration


OWN = """\
define command {{
    command_name {command}
    command_line /bin/true
}}
define host {{
    host_name own.example.org
    address 127.0.0.1
    check_command {command}
    max_check_attempts 1
    contact_groups fedcloud-operators
}}
define service {{
    host_name own.example.org
    service_description own
    check_command {command}
    max_check_attempts 1
    contact_groups fedcloud-operators
}}
"""


@pytest.mark.parametrize("inside", [False, True])
def test_an_object_of_the_operators_own_with_a_name_of_ours_is_told_before_the_reload(
    ncg: Ncg, saved: Path, tmp_path: Path, inside: bool
) -> None:
    """Nagios 4.4.6 ends at a reload because of it. inside: where we write is within a directory of the operator's."""
    own = tmp_path / "etc/objects"
    own.mkdir(parents=True)
    out = own / "fedcloud" if inside else tmp_path / "out"
    (own / "own.cfg").write_text(OWN.format(command="check-own"))
    main = tmp_path / "etc/nagios.cfg"
    reads = "cfg_dir=objects\n" + ("" if inside else f"cfg_dir={out}/nagios/objects\n")
    main.write_text(f"# mine\n{reads}resource_file=resource.cfg\nlog_file=/nowhere/log\nlock_file=/nowhere/lock\n")
    (tmp_path / "etc/resource.cfg").write_text("$USER1$=/usr/lib/nagios/plugins\n")
    words = ("--from", saved, "--output", out, "--main-config", main)
    for _ in range(2):
        report = ncg(*words)
        assert report.code == 0, report.out
        assert re.search(rf"  nagios: 6 files, accepted by Nagios 4[\d.]+, also together with {main}\n", report.out)
    before = contents(out)
    of_ours = {
        "command": OWN.format(command="fedcloud-host"),
        "host": OWN.replace("own.e", "perun.e").format(command="check-own"),
    }
    for what, text in of_ours.items():
        (own / "own.cfg").write_text(text)
        report = ncg(*words, "--interval-factor", "2")
        assert report.code == 2, what
        assert re.match(
            rf"fedcloud-ncg: not written: /usr/sbin/nagios4 does not accept the configuration together with {main}: "
            rf"Warning: Duplicate definition found for {what} .*Error: ",
            report.out,
        ), report.out
    assert contents(out) == before
    assert ncg("--from", saved, "--output", out).code == 0, "nobody knows of that Nagios"
    main.unlink()
    assert ncg(*words).out == (
        f"fedcloud-ncg: not written: Nagios' main configuration {main} cannot be read: No such file or directory; the "
        "old configuration stays\n"
    )


# ---- Hostile values, and real monitors


def test_hostile_entries_are_left_out_with_a_warning_each(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    assert ncg("--from", saved, "--format", "nagios", "--format", "icinga2", "--format", "nrpe").code == 0
    good = contents(tmp_path / "out")
    gocdb = topology.good()
    count = topology.hostile(gocdb)
    report = ncg(
        "--from", topology.save(gocdb, tmp_path), "--format", "nagios", "--format", "icinga2", "--format", "nrpe"
    )
    assert (report.code, report.err) == (1, "")
    assert "accepted by Nagios" in report.out
    assert "accepted by Icinga" in report.out
    assert all(line.isprintable() for line in report.out.splitlines())
    now = contents(tmp_path / "out")
    entries = now.pop("services.jsonl").decode("ascii").splitlines()
    fields = ["host", "service", "service_type", "site", "url", "primary_key", "endpoints", "monitored_id"]
    assert all(list(json.loads(line)) == fields for line in entries)
    assert set(good.pop("services.jsonl").decode().splitlines()) <= set(entries)
    for name, data in good.items():
        if "groups" not in name:
            assert now[name] == data, name
    survivors = [name for name in now if name not in good]
    assert all("EVIL" in name for name in survivors)
    # What is left of them is harmless: `a?`, for one, is a URL that ends there.
    # One that is asked without its URL is said, and then that it is asked like another one of its host.
    assert count - 40 < int(re.search(r"(\d+) warnings:", report.out)[1]) <= 3 * count  # type: ignore[index]
    for data in now.values():
        text = data.decode("ascii")
        assert not re.search(r"touch|USER1|evil[^1-4]|define service {\nhost_name evil|7 \* 7", text)


STUB = """\
#!{python} -IS
import json, os, sys
line = json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n"
descriptor = os.open({said!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(descriptor, line.encode())
print("STUB OK - asked | time=0.1s")
"""


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """Executables in the place of the probes, that write down how they were called."""
    directory = tmp_path / "stubs"
    directory.mkdir()
    stub = directory / "stub"
    stub.write_text(STUB.format(python=sys.executable, said=str(directory / "said")))
    stub.chmod(0o755)
    for probe in {metric.probe for metric in catalogue.read(str(SHIPPED))}:
        (directory / probe).symlink_to(stub)
    return directory


def wanted(gocdb: pi.Gocdb, stubs: Path) -> list[tuple[str, ...]]:
    """The command lines of all good services, options sorted: the order is not part of the promise."""
    metrics = catalogue.read(str(SHIPPED))
    return sorted(
        in_order(catalogue.command(metric, endpoint, str(stubs)))
        for endpoint in read_service_endpoints([topology.document(gocdb)])
        for metric in metrics
        if endpoint.service_type in metric.service_types
    )


def in_order(words: list[str]) -> tuple[str, ...]:
    options: list[tuple[str, ...]] = []
    for word in words[1:]:
        options = [*options, (word,)] if word.startswith("-") else [*options[:-1], (*options[-1], word)]
    return (os.path.basename(words[0]), *(word for option in sorted(options) for word in option))


def calls(stubs: Path) -> list[tuple[str, ...]]:
    said = stubs / "said"
    text = said.read_text() if said.exists() else ""
    whole = text[: text.rfind("\n") + 1]  # of a line that is just being written a reader can see a part
    return [in_order(json.loads(line)) for line in whole.splitlines()]


@contextmanager
def running(arguments: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A monitor in a session of its own, which is ended with all its children."""
    with open(log, "wb") as file:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(log.parent)},
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


@pytest.mark.parametrize("kind", ["nagios", "icinga2"])
def test_a_real_monitor_runs_exactly_the_commands_of_the_catalogue(
    ncg: Ncg, stubs: Path, tmp_path: Path, kind: str
) -> None:
    """With every hostile value in its input: what the probes get is what the good entries say, word by word."""
    gocdb = topology.good()
    expected = wanted(gocdb, stubs)
    topology.hostile(gocdb)
    path = topology.save(gocdb, tmp_path)
    words = ("--stand-alone", tmp_path / "state", "--interval-factor", "0.0001", "--probes-path", stubs)
    report = ncg("--from", path, "--format", kind, *words)
    assert report.code == 1
    evil = wanted_of_evil(tmp_path / "out", kind)
    if kind == "nagios":
        arguments = [NAGIOS, str(tmp_path / "out/nagios/nagios.cfg")]
    else:
        main = str(tmp_path / "out/icinga2/icinga2.conf")
        arguments = icinga2_command(ICINGA, main, str(tmp_path / "state"))
    with running(arguments, tmp_path / "log") as monitor:
        pace.until(lambda: monitor.poll() is not None or set(expected) <= set(calls(stubs)), every_s=0.05)
    others = set(calls(stubs)) - set(expected)
    assert set(expected) <= set(calls(stubs)), (tmp_path / "log").read_text()[-3000:]
    assert len(others) <= evil
    for call in others:
        assert not re.search(r"touch|USER1|[\s$`;|&<>\\'\"{}*!]", "".join(call)), call
    assert not (tmp_path / "x").exists()


def wanted_of_evil(directory: Path, kind: str) -> int:
    """How many services the hostile site has left."""
    text = "".join(path.read_text() for path in directory.rglob("EVIL.c*"))
    return len(re.findall("^define service {" if kind == "nagios" else "^object Service ", text, re.MULTILINE))


def test_a_shell_reads_the_commands_of_nrpe_word_by_word(ncg: Ncg, stubs: Path, tmp_path: Path) -> None:
    """NRPE gives the line to a shell."""
    gocdb = topology.good()
    expected = wanted(gocdb, stubs)
    assert ncg("--from", topology.save(gocdb, tmp_path), "--format", "nrpe", "--probes-path", stubs).code == 0
    lines = [line for path in (tmp_path / "out/nrpe").iterdir() for line in path.read_text().splitlines()]
    for line in lines:
        if line.startswith("command["):
            subprocess.run(
                ["/bin/sh", "-c", line.partition("=")[2]], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL
            )
    assert sorted(calls(stubs)) == expected


def test_a_dead_port_is_told_once_by_a_real_nagios(ncg: Ncg, stubs: Path, tmp_path: Path) -> None:
    """First the port, then all that needs it."""
    stub, all_dead = stubs / "stub", stubs / "dead"
    asked = f"sys.argv[0][-4:] == '_tcp' or os.path.exists({str(all_dead)!r})"
    refused = f"if {asked}:\n    print('refused')\n    sys.exit(2)\n"
    stub.write_text(stub.read_text().replace("print(", refused + "print("))
    gocdb = pi.Gocdb()
    gocdb.add_service(pi.Service("dead.example.org", topology.OCCI, "DEAD", "https://dead.example.org:8787/?image=a"))
    words = ("--stand-alone", tmp_path / "state", "--interval-factor", "0.0001", "--probes-path", stubs)
    assert ncg("--from", topology.save(gocdb, tmp_path), *words).code == 0
    commands = tmp_path / "out/nagios/objects/commands.cfg"
    commands.write_text(commands.read_text().replace("/usr/bin/mail", "/bin/true"))
    log = tmp_path / "state/nagios.log"
    hard = "SERVICE ALERT: dead.example.org;eu.egi.cloud.OCCI-{}-ops;CRITICAL;HARD"
    told = "SERVICE NOTIFICATION: fedcloud-operator;dead.example.org;org.nagios.OCCI-TCP;CRITICAL"
    dependent = [hard.format("VM"), hard.format("Context")]

    def text() -> str:
        return log.read_text() if log.exists() else ""

    def until_all_are_in_the_log(lines: list[str]) -> None:
        pace.until(lambda: monitor.poll() is not None or all(line in text() for line in lines), every_s=0.05)
        assert all(line in text() for line in lines), text()

    with running([NAGIOS, str(tmp_path / "out/nagios/nagios.cfg")], tmp_path / "log") as monitor:
        until_all_are_in_the_log([told])
        all_dead.touch()
        until_all_are_in_the_log(dependent)
    assert re.findall(r"NOTIFICATION: [^;]+;[^;]+;([^;]+);", text()) == ["org.nagios.OCCI-TCP"]


def test_a_dead_port_is_told_once_by_a_real_icinga(ncg: Ncg, stubs: Path, tmp_path: Path) -> None:
    """First the port, then all that needs it; the mails are what people would get."""
    stub, dead, mails = stubs / "stub", stubs / "dead", stubs / "mails"
    stub.write_text(
        f"{stub.read_text()}if os.path.exists({str(dead)!r}) and sys.argv[0][-4:] in open({str(dead)!r}).read():\n"
        "    sys.exit(2)\n"
    )
    mail = stubs / "mail"
    mail.write_text(f'#!/bin/sh\n{{ echo "$@"; cat; }} | tr "\\n" "~" >> {mails}\necho >> {mails}\n')
    mail.chmod(0o755)
    gocdb = pi.Gocdb()
    gocdb.add_service(pi.Service("dead.example.org", topology.OCCI, "DEAD", "https://dead.example.org:8787/?image=a"))
    words = ("--stand-alone", tmp_path / "state", "--interval-factor", "0.0001", "--probes-path", stubs)
    assert ncg("--from", topology.save(gocdb, tmp_path), "--format", "icinga2", *words).code == 0
    contacts = tmp_path / "out/icinga2/conf.d/contacts.conf"
    contacts.write_text(contacts.read_text().replace("| mail ", f"| {mail} "))
    main = str(tmp_path / "out/icinga2/icinga2.conf")
    count = dict.fromkeys(("check_endpoint_tcp", "check_occi_vm", "check_occi_context"), 0)

    def until(condition: Callable[[], object]) -> None:
        pace.until(lambda: monitor.poll() is not None or condition(), every_s=0.05)
        assert monitor.poll() is None, (tmp_path / "log").read_text()[-3000:]

    def all_asked(times: int) -> None:
        """Wait until each probe was called so many times more."""
        before = {name: sum(call[0] == name for call in calls(stubs)) for name in count}
        until(lambda: all(sum(call[0] == name for call in calls(stubs)) >= before[name] + times for name in count))

    def told() -> list[str]:
        return mails.read_text().splitlines() if mails.exists() else []

    with running(icinga2_command(ICINGA, main, str(tmp_path / "state")), tmp_path / "log") as monitor:
        all_asked(2)
        dead.write_text("_tcp")
        until(told)
        dead.write_text("_tcp i_vm text")
        all_asked(5)
        assert len(told()) == 1
        dead.unlink()
        until(lambda: len(told()) > 1)
        all_asked(3)
    assert told() == [
        f"-s {kind}: org.nagios.OCCI-TCP on dead.example.org is {state} root@localhost~Service: org.nagios.OCCI-TCP~"
        f"Host: dead.example.org~Site: DEAD~State: {state}~Reason: STUB OK - asked ~Page: {page}~"
        for kind, state in (("PROBLEM", "CRITICAL"), ("RECOVERY", "OK"))
        for page in [next(each.docurl for each in catalogue.read(str(SHIPPED)) if each.name == "org.nagios.OCCI-TCP")]
    ]


ARGO = """#!{python} -IS
import os, sys
descriptor = os.open({said!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(descriptor, ("\\x1f".join(sys.argv[1:]) + "\\n").encode())
"""


@pytest.mark.parametrize("fqan", ["", "/ops/Role=NULL"])
def test_argos_own_publisher_gets_its_arguments_from_a_real_nagios(
    ncg: Ncg, stubs: Path, tmp_path: Path, fqan: str
) -> None:
    """By the custom variables that ARGO's OCSP command and its alarms name, _server and _vo_fqan among them."""
    state, said = tmp_path / "state", tmp_path / "argo.said"
    words = ("--stand-alone", state, "--interval-factor", "0.0001", "--probes-path", stubs, "--server", "mon.test")
    words = (*words, "--fqan", fqan) if fqan else words
    assert ncg("--from", topology.save(topology.good(), tmp_path), *words).code == 0
    macros = {
        "service": "_SERVICESERVICE_FLAVOUR",
        "hostname": "HOSTNAME",
        "metric": "_SERVICEMETRIC_NAME",
        "vofqan": "_SERVICEVO_FQAN",
        "voname": "_SERVICEVO",
        "roc": "_SERVICEROC",
        "site": "_SERVICESITE_NAME",
        "server": "_SERVICESERVER",
        "status": "SERVICESTATE",
    }
    argo = tmp_path / "argo"
    argo.write_text(ARGO.format(python=sys.executable, said=str(said)))
    argo.chmod(0o755)
    arguments = " ".join(f'--{name} "${macro}$"' for name, macro in macros.items())
    (tmp_path / "argo.cfg").write_text(f"define command {{\ncommand_name argo\ncommand_line {argo} {arguments}\n}}\n")
    main = tmp_path / "out/nagios/nagios.cfg"
    main.write_text(f"{main.read_text()}cfg_file={tmp_path}/argo.cfg\nobsess_over_services=1\nocsp_command=argo\n")

    def calls_of_argo() -> dict[str, dict[str, str]]:
        found = {}
        for line in said.read_text().splitlines() if said.exists() else []:
            given = dict(itertools.pairwise(line.split("\x1f")))
            found[f"{given['--hostname']} {given['--metric']}"] = given
        return found

    with running([NAGIOS, str(main)], tmp_path / "log") as monitor:
        # of the 15 services two are the certificates of one host's two endpoints, by one name of a metric
        pace.until(lambda: monitor.poll() is not None or len(calls_of_argo()) == 14, every_s=0.05)
    assert monitor.poll() is not None
    given = calls_of_argo()
    everywhere = {"--roc": "AsiaPacific", "--server": "mon.test", "--status": "OK"}
    assert {name: given["cloud.example.org eu.egi.cloud.OCCI-VM"][name] for name in (*everywhere, "--service")} == {
        **everywhere,
        "--service": topology.OCCI,
    }
    assert all(each.items() >= everywhere.items() for each in given.values())
    acts = {name for name, each in given.items() if each["--voname"] == "ops"}
    assert acts == {name for name in given if "OCCI-VM" in name or "OCCI-Context" in name}
    for name, each in given.items():
        assert each["--vofqan"] == ((fqan or "ops") if name in acts else each["--voname"])


def test_hosts_and_services_are_in_groups_of_their_ngi_and_country(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = topology.good()
    for name, roc, country in (("A", "NGI_IT", "Italy"), ("B", "IT", "Côte d'Ivoire"), ("C", "Pays de l'Est", "")):
        gocdb.add_site(pi.Site(name, roc=roc, country=country, country_code=""))
        gocdb.add_service(pi.Service(f"{name.lower()}.example.org", topology.PERUN, name))
    gocdb.add_site(pi.Site("D", roc="NGI Été", country="Viet Nam"))
    gocdb.add_service(pi.Service("d.example.org", topology.PERUN, "D"))
    gocdb.add_service(pi.Service("d.example.org", topology.ACCOUNTING, "A"))
    report = ncg("--from", topology.save(gocdb, tmp_path), "--format", "nagios", "--format", "icinga2")
    assert "accepted by Nagios" in report.out and "accepted by Icinga" in report.out
    assert report.out.splitlines()[-2:] == [
        "1 warning:",
        "  NGI_IT: its groups are called IT-2, as another NGI's are IT",
    ]
    viet, ete = object_name("Viet Nam"), object_name("NGI Été").removeprefix("NGI_")
    site = (tmp_path / "out/nagios/objects/sites/D.cfg").read_text()
    groups = ("SITE_D", "SERVICE_egi.Perun", "METRIC_eu.egi.cloud.Perun-Check", f"NGI_{ete}", f"COUNTRY_{viet}")
    assert f"servicegroups                   {','.join(groups)}\n" in site
    text = (tmp_path / "out/nagios/objects/groups.cfg").read_text()
    assert f"servicegroup_name               NGI_{ete}\n    alias                           NGI NGI Été\n" in text
    assert (
        f"hostgroup_name                  COUNTRY_{viet}\n    alias                           Country Viet Nam\n"
        in text
    )
    of_a = (tmp_path / "out/nagios/objects/sites/A.cfg").read_text()
    host = re.search(r"host_name +d\.example\.org\n.*\n +hostgroups +(\S+)", of_a)
    assert host, "the host of two sites is of both NGIs"
    assert {"NGI_IT-2", f"NGI_{ete}", "COUNTRY_Italy", f"COUNTRY_{viet}"} <= set(host[1].split(","))
    for name in ("B", "C"):  # what is no label, or is not told, is in no group
        assert "COUNTRY" not in (tmp_path / f"out/nagios/objects/sites/{name}.cfg").read_text()
    assert "NGI_" not in (tmp_path / "out/icinga2/conf.d/sites/C.conf").read_text()
    assert '"NGI_IT"' in (tmp_path / "out/icinga2/conf.d/sites/B.conf").read_text()
    icinga = (tmp_path / "out/icinga2/conf.d/templates.conf").read_text()
    assert "vars.server = " in icinga and 'vars.vo_fqan = "ops"' in icinga


# ---- Whom to tell


def told_of(out: Path, site: str) -> dict[str, list[str]]:
    """The addresses that are told of a site, by format."""
    found = {}
    for kind, directory, pattern in (
        ("nagios", "nagios/objects/sites", r"email +(\S+)"),
        ("icinga2", "icinga2/conf.d", r'email = "(\S+)"'),
    ):
        text = (out / directory / (f"{site}.cfg" if kind == "nagios" else "contacts.conf")).read_text()
        if kind == "icinga2":
            text = "".join(re.findall(rf'object User "fedcloud-site-{site}-[0-9]+" {{(.*?)}}', text, re.DOTALL))
        found[kind] = re.findall(pattern, text)
    return found


def with_contacts() -> pi.Gocdb:
    gocdb = topology.good()
    gocdb.sites["EXAMPLE"].email = "grid@example.org; grid@example.org, second@example.org;$(touch x)@example.org"
    gocdb.sites["OTHER.SITE_1"].email = ""
    return gocdb


def test_contacts_of_sites_and_ngis_are_asked_of_the_gocdb_with_a_certificate(
    ncg: Ncg, federation, tmp_path: Path
) -> None:
    words = ("--format", "nagios", "--format", "icinga2", "--contacts-cert", federation.proxy)
    federation.gocdb.page_size = 2
    try:
        report = ncg(*words, **federation.environment())
    finally:
        federation.gocdb.page_size = pi.PAGE_SIZE
    assert report.code == 0, report.out
    assert "accepted by Nagios" in report.out and "accepted by Icinga" in report.out
    site = min(site.gocdb_name for site in federation.sites.values())
    email = federation.gocdb.sites[site].email
    assert told_of(tmp_path / "out", site) == {"nagios": [email], "icinga2": [email]}
    assert "a.person@" not in "".join(data.decode() for data in contents(tmp_path / "out").values())
    asked = [
        each.request.query["method"] for each in federation.gocdb.server.requests if "/private/" in each.request.path
    ]
    assert asked[0] == ["get_site"] and asked[-1] == ["get_roc_contacts"]


def test_a_gocdb_that_tells_no_contacts_leaves_the_old_configuration(ncg: Ncg, federation, tmp_path: Path) -> None:
    """An unknown certificate, say: nobody is left untold without a word."""
    assert ncg("--no-validate", **federation.environment()).code == 0
    before = contents(tmp_path / "out")
    original = federation.gocdb._document

    def document(parameters, request):
        if parameters.get("method") == "get_site":
            raise pi._Refused("<error>You need to be registered.</error>")
        return original(parameters, request)

    federation.gocdb._document = document
    try:
        report = ncg("--no-validate", "--contacts-cert", federation.proxy, **federation.environment())
    finally:
        del federation.gocdb._document
    assert report.code == 2
    place = f"GOCDB {at(federation.gocdb.url)}"
    assert report.out == (
        f'fedcloud-ncg: not written: error "You need to be registered." in the answer of {place} (the GOCDB tells '
        "contacts to a certificate that it knows; or use --contacts-from); the old configuration stays\n"
    )
    assert contents(tmp_path / "out") == before


def test_saved_contacts_are_told_the_sites_own_before_its_ngis(ncg: Ncg, tmp_path: Path) -> None:
    gocdb = with_contacts()
    request = type("Request", (), {"peer": object()})()
    words: list[object] = ["--from", topology.save(gocdb, tmp_path), "--format", "nagios", "--format", "icinga2"]
    for method in ("get_site", "get_roc_contacts"):
        path = tmp_path / f"{method}.xml"
        path.write_bytes(gocdb._document({"method": method}, request))
        words += ["--contacts-from", path]
    report = ncg(*words)
    assert "accepted by Nagios" in report.out and "accepted by Icinga" in report.out
    assert report.out.splitlines()[-3:] == [
        "2 warnings:",
        *(f'  EXAMPLE: "{word}" is not notified: not a plain e-mail address' for word in ("$(touch", "x)@example.org")),
    ]
    own = ["grid@example.org", "second@example.org"]
    assert told_of(tmp_path / "out", "EXAMPLE") == {"nagios": own, "icinga2": own}
    of_ngi = ["operations@asiapacific.test"]
    assert told_of(tmp_path / "out", "OTHER.SITE_1") == {"nagios": of_ngi, "icinga2": of_ngi}


@pytest.mark.parametrize("kind", ["nagios", "icinga2"])
def test_a_site_is_told_of_its_own_services_by_a_real_monitor(ncg: Ncg, stubs: Path, tmp_path: Path, kind: str) -> None:
    """Beside the operator, who is told of all."""
    stub, mails = stubs / "stub", stubs / "mails"
    stub.write_text(f"{stub.read_text()}sys.exit(2)\n")
    mail = stubs / "mail"
    mail.write_text(f'#!/bin/sh\necho "$3" "$2" >> {mails}\n')
    mail.chmod(0o755)
    gocdb = pi.Gocdb()
    for name in ("A", "B", "C"):
        gocdb.add_service(pi.Service(f"{name.lower()}.example.org", topology.PERUN, name))
        gocdb.sites[name].email = f"{name.lower()}@example.org" if name != "C" else ""
    (tmp_path / "sites.xml").write_bytes(
        gocdb._document({"method": "get_site"}, type("Request", (), {"peer": object()})())
    )
    words = ("--stand-alone", tmp_path / "state", "--interval-factor", "0.0001", "--probes-path", stubs)
    words = (*words, "--contacts-from", tmp_path / "sites.xml", "--contact", "operator@example.org")
    assert ncg("--from", topology.save(gocdb, tmp_path), "--format", kind, *words).code == 0
    if kind == "nagios":
        path, old = tmp_path / "out/nagios/objects/commands.cfg", "/usr/bin/mail "
        arguments = [NAGIOS, str(tmp_path / "out/nagios/nagios.cfg")]
    else:
        path, old = tmp_path / "out/icinga2/conf.d/contacts.conf", "mail "
        main = str(tmp_path / "out/icinga2/icinga2.conf")
        arguments = icinga2_command(ICINGA, main, str(tmp_path / "state"))
    path.write_text(path.read_text().replace(f"| {old}", f"| {mail} "))

    def told() -> set[str]:
        return set(mails.read_text().splitlines()) if mails.exists() else set()

    with running(arguments, tmp_path / "log") as monitor:
        pace.until(lambda: monitor.poll() is not None or len(told()) >= 5, every_s=0.05)
    assert told() == {
        f"{address} PROBLEM: eu.egi.cloud.Perun-Check on {name}.example.org is CRITICAL"
        for name in "abc"
        for address in ("operator@example.org", *([f"{name}@example.org"] if name != "c" else []))
    }


NRPED, CHECK_NRPE = "/usr/sbin/nrpe", "/usr/lib/nagios/plugins/check_nrpe"


def test_a_real_nrpe_runs_exactly_the_commands_of_the_catalogue(ncg: Ncg) -> None:
    """NRPE refuses to run as root, so what it needs lies where nobody can read it."""
    user, group = ("nobody", "nogroup") if os.geteuid() == 0 else (str(os.geteuid()), str(os.getegid()))
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nrpe-") as path:
        directory = Path(path)
        directory.chmod(0o755)
        for probe in {metric.probe for metric in catalogue.read(str(SHIPPED))}:
            (directory / probe).write_text('#!/bin/sh\nprintf \'[%s]\' "${0##*/}" "$@"\nexit 1\n')
            (directory / probe).chmod(0o755)
        gocdb = topology.good()
        saved = topology.save(gocdb, directory)
        assert ncg("--from", saved, "--format", "nrpe", "--output", directory / "out", "--probes-path", path).code == 0
        (directory / "nrpe.cfg").write_text(
            f"server_address=127.0.0.1\nserver_port={port}\npid_file={directory}/pid\nlog_file={directory}/log\n"
            f"nrpe_user={user}\nnrpe_group={group}\nallowed_hosts=127.0.0.1\ndont_blame_nrpe=0\ncommand_timeout=450\n"
            f"include_dir={directory}/out/nrpe\n"
        )

        def ask(name: str, *more: str) -> tuple[int, str]:
            words = [CHECK_NRPE, "-H", "127.0.0.1", "-p", str(port), "-t", "300", "-c", name, *more]
            done = subprocess.run(words, capture_output=True, text=True)
            return done.returncode, done.stdout

        with running([NRPED, "-c", str(directory / "nrpe.cfg"), "-f"], directory / "output") as daemon:
            pace.until(lambda: daemon.poll() is not None or "NRPE v" in ask("_NRPE_CHECK")[1], every_s=0.05)
            assert daemon.poll() is None, (directory / "output").read_text()
            for entry in map(json.loads, (directory / "out/services.jsonl").read_text().splitlines()):
                code, said = ask(f"{entry['host']}_{entry['service']}")
                [wanted_call] = [
                    in_order(catalogue.command(metric, endpoint, path))
                    for endpoint in read_service_endpoints([topology.document(gocdb)])
                    for metric in catalogue.read(str(SHIPPED))
                    if (endpoint.hostname, metric.service_description("ops"))
                    == (entry["host"], entry["service"].removesuffix(f"_{endpoint.primary_key}"))
                    and endpoint.service_type == entry["service_type"]
                    and endpoint.service_type in metric.service_types
                ]
                assert (code, in_order(re.findall(r"\[((?:[^][]|\[[^][]*\])*)\]", said))) == (1, wanted_call)
            # it takes no arguments from whoever asks
            assert ask("cloud.example.org_org.nagios.OCCI-TCP", "-a", "x")[0] == 3


@pytest.mark.parametrize("kind", ["nagios", "icinga2"])
def test_a_real_master_asks_a_real_nrpe_and_blames_no_site_for_it(ncg: Ncg, kind: str) -> None:
    """Both halves of one run; check_nrpe 4.1.0 calls a machine that does not answer CRITICAL, but for -u."""
    user, group = ("nobody", "nogroup") if os.geteuid() == 0 else (str(os.geteuid()), str(os.getegid()))
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nrpe-") as path:
        directory = Path(path)
        directory.chmod(0o755)
        said = directory / "said"
        said.touch()
        said.chmod(0o666)
        (directory / "check_perun").write_text(f'#!/bin/sh\necho "$*" >> {said}\necho "from afar: $2"\nexit 1\n')
        (directory / "check_perun").chmod(0o755)
        gocdb = pi.Gocdb()
        for name in ("a", "b"):
            gocdb.add_service(pi.Service(f"{name}.example.org", topology.PERUN, "EXAMPLE"))
        words = ("--from", topology.save(gocdb, directory), "--output", directory / "out", "--probes-path", path)
        words = (*words, "--format", "nrpe", "--format", kind, "--nrpe-at", f"127.0.0.1:{port}")
        report = ncg(*words, "--stand-alone", directory / "state", "--interval-factor", "0.0001")
        assert report.code == 0, report.out
        assert f"  {kind}: 7 files, accepted by " in report.out
        (directory / "nrpe.cfg").write_text(
            f"server_address=127.0.0.1\nserver_port={port}\npid_file={directory}/pid\nlog_file={directory}/log\n"
            f"nrpe_user={user}\nnrpe_group={group}\nallowed_hosts=127.0.0.1\ndont_blame_nrpe=0\n"
            f"command_timeout=450\ninclude_dir={directory}/out/nrpe\n"
        )
        arguments = [NAGIOS, str(directory / "out/nagios/nagios.cfg")]
        if kind == "icinga2":
            arguments = icinga2_command(ICINGA, str(directory / "out/icinga2/icinga2.conf"), str(directory / "state"))

        def results() -> dict[str, tuple[str, str]]:
            status = directory / "state/status.dat"
            found = read_status(status.read_text(errors="replace")) if status.exists() else ()
            return {f"{service.host}": (each.state, each.output) for service, each in found}

        def until(condition: Callable[[], object]) -> None:
            pace.until(lambda: monitor.poll() is not None or condition(), every_s=0.05)
            assert monitor.poll() is None, (directory / "log of the monitor").read_text()[-2000:]

        with running(arguments, directory / "log of the monitor") as monitor:
            with running([NRPED, "-c", str(directory / "nrpe.cfg"), "-f"], directory / "output"):
                until(lambda: all(f"-H {name}.example.org" in said.read_text() for name in "ab"))
                if kind == "nagios":
                    until(lambda: all(results().get(f"{name}.example.org", ("",))[0] == "WARNING" for name in "ab"))
                    assert all("from afar: " in results()[f"{name}.example.org"][1] for name in "ab")
                    # its first answer may be of the moment before the daemon was up
                    until(lambda: results().get("fedcloud-nrpe", ("", ""))[1].startswith("NRPE v"))
            if kind == "nagios":
                until(lambda: all(results().get(f"{name}.example.org", ("",))[0] == "UNKNOWN" for name in "ab"))


def test_the_real_probes_are_ok_with_the_commands_made_for_the_federation(federation, tmp_path: Path) -> None:
    """One endpoint for each metric that the federation has a service for."""
    asked = {}
    for endpoint in read_service_endpoints([topology.document(federation.gocdb)]):
        for metric in catalogue.read(str(SHIPPED)):
            if endpoint.service_type in metric.service_types and endpoint.service_type != topology.BROKER:
                asked.setdefault(metric.name, catalogue.command(metric, endpoint, str(ROOT / "probes")))
    assert {"eu.egi.cloud.OCCI-VM", "eu.egi.cloud.OCCI-Context", "org.nagios.OCCI-TCP"} <= set(asked)
    environment = clean_environment(**federation.environment(), HOME=tmp_path)
    for name, words in asked.items():
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=AMPLE_S
        )
        assert (done.returncode, done.stderr) == (0, ""), (name, words, done.stdout)


# ---- Growth


def test_four_thousand_endpoints_take_no_more_memory_than_ten(ncg: Ncg, tmp_path: Path) -> None:
    """Measured as the whole process, without the monitors that check; see benchmarks/ncg.py for 100,000."""
    from benchmarks.ncg import measure, write_topology

    write_topology(tmp_path / "small.xml", 10)
    write_topology(tmp_path / "large.xml", 4_000, bytes_each=1_000)
    small = measure(tmp_path / "small.xml", tmp_path / "small")
    large = measure(tmp_path / "large.xml", tmp_path / "large")
    assert (small.code, large.code) == (0, 0)
    assert large.peak_mib < min(64, small.peak_mib + 16)


def test_nothing_is_left_but_the_configuration(ncg: Ncg, saved: Path, tmp_path: Path) -> None:
    assert ncg("--from", saved).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "topology.xml"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".fedcloud-ncg", "nagios", "services.jsonl"]
