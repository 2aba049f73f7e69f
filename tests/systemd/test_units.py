"""The units and timers: systemd understands every word, what they allow is little, and what they run does its work."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.federation import gocdb as pi
from tests.probes.test_fedcloud_downtimes import FilesOfNagios
from tests.probes.test_fedcloud_publish import RESULT, Host
from tests.probes.test_fedcloud_publish_ams import Host as Messaging
from tests.systemd.unit import DIRECTORY, SETTINGS, Machine, Unit

SERVICES = sorted(path.name for path in DIRECTORY.glob("*.service"))
TIMERS = sorted(path.name for path in DIRECTORY.glob("*.timer"))
MOST_EXPOSED = 25
"""Tenths; `systemd-analyze security` calls up to 4.9 OK."""
EVERY = {
    "fedcloud-proxy.timer": timedelta(hours=6),
    "fedcloud-ncg.timer": timedelta(hours=2),
    "fedcloud-downtimes.timer": timedelta(minutes=10),
    "fedcloud-selfcheck.timer": timedelta(minutes=30),
    "fedcloud-availability.timer": timedelta(hours=1),
}
NAGIOS = "/usr/sbin/nagios4"

needs_systemd = pytest.mark.needs("systemd")
needs_nagios = pytest.mark.needs("nagios4-core")
needs_voms = pytest.mark.needs("voms-clients")


# ---- What systemd says


@needs_systemd
@pytest.mark.parametrize("name", SERVICES + TIMERS)
def test_systemd_has_nothing_to_say_about_it(name: str, tmp_path: Path) -> None:
    for path in DIRECTORY.iterdir():  # those that it names as well
        text = path.read_text().replace("/usr/bin/fedcloud-", f"{ROOT}/probes/fedcloud-")
        (tmp_path / path.name).write_text(re.sub(r"/usr/bin/voms-proxy-\w+", "/bin/true", text))
    words = ["systemd-analyze", "verify", "--man=no", tmp_path / name]
    done = subprocess.run(words, capture_output=True, text=True)
    about_ours = [line for line in done.stderr.splitlines() if "fedcloud" in line]
    assert (done.returncode, about_ours) == (0, [])


@pytest.mark.parametrize("name", SERVICES)
def test_what_judges_others_may_ask_the_kernel_whether_it_is_this_machine(name: str) -> None:
    text = (DIRECTORY / name).read_text()
    judges = "ExecStart=/usr/bin/fedcloud-" in text
    assert ("AF_NETLINK" in text) == judges


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_it_may_do_little_beside_its_work(name: str) -> None:
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}"]
    done = subprocess.run([*words, DIRECTORY / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]


@needs_systemd
@pytest.mark.parametrize("name", EVERY)
def test_it_runs_as_often_as_it_says(name: str) -> None:
    words = ["systemd-analyze", "calendar", "--iterations=2", Unit(name).one("OnCalendar")]
    done = subprocess.run(words, capture_output=True, text=True, env={"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin"})
    first, second = re.findall(r"(?:Next elapse|Iteration #2|Iter. #2): \w+ ([\d-]+ [\d:]+) UTC", done.stdout)
    assert datetime.fromisoformat(second) - datetime.fromisoformat(first) == EVERY[name], done.stdout


def test_a_timer_is_for_a_service_is_spread_and_makes_up_for_what_was_missed() -> None:
    assert set(EVERY) == set(TIMERS) - {"fedcloud-publish.timer"}  # it counts from its last run
    for name in TIMERS:
        timer = Unit(name)
        assert (DIRECTORY / name.replace(".timer", ".service")).exists()
        assert timer.one("WantedBy") == "timers.target"
        assert re.fullmatch(r"\d+(s|min)", timer.one("RandomizedDelaySec"))
        if name in EVERY:
            assert timer.one("Persistent") == timer.one("FixedRandomDelay") == "yes"


def test_a_service_that_a_timer_starts_cannot_be_enabled_by_itself_and_runs_as_nagios() -> None:
    for name in SERVICES:
        unit = Unit(name)
        assert (unit.one("User"), unit.one("Group")) == ("nagios", "nagios")
        if unit.one("Type") == "oneshot":
            assert unit.all("WantedBy") == []
            assert unit.all("EnvironmentFile") == [f"-/{SETTINGS}"]


def test_one_command_of_all_is_run_as_root_and_it_is_systemctl() -> None:
    lines = [
        line
        for name in SERVICES
        for key in Unit(name).settings
        if key.startswith("Exec")
        for line in (Unit(name).all(key))
    ]
    assert [line for line in lines if line[0] in "+!"] == ["+/usr/bin/systemctl try-reload-or-restart ${MONITOR}"]


def test_the_file_of_settings_has_every_variable_of_the_units_and_no_other() -> None:
    shown = set(re.findall(r"^#([A-Z_]+)=", (ROOT / "etc/timers.conf").read_text(), re.MULTILINE))
    of_systemd = {"STATE_DIRECTORY", "CACHE_DIRECTORY", "CREDENTIALS_DIRECTORY"}
    used = set()
    for name in SERVICES:
        if Unit(name).all("EnvironmentFile"):
            used |= set(re.findall(r"\$\{?([A-Z_]+)", (DIRECTORY / name).read_text()))
    assert shown == used - of_systemd
    page = (ROOT / "docs/timers.md").read_text().partition("## Settings")[2].partition("## ")[0]
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall("[A-Z_]{2,}", row)} == shown
    assert not re.search(r"^[^#\n]", (ROOT / "etc/timers.conf").read_text(), re.MULTILINE), "all of it is left out"


# ---- What they run


@pytest.fixture
def machine(federation, tmp_path: Path) -> Machine:
    made = Machine(tmp_path, federation.environment())
    shutil.copytree(ROOT / "etc/ncg", made / "etc/fedcloud-probes/ncg")
    return made


def definitions(machine: Machine) -> str:
    return f"--definitions {machine / 'etc/fedcloud-probes/ncg'}"


@pytest.fixture
def nagios(machine: Machine) -> Path:
    """The main configuration of a Nagios, with what fedcloud-ncg writes and an object of the operator's own."""
    main = machine / "etc/nagios4/nagios.cfg"
    state = machine / "var/lib/nagios4/x"
    own = machine / "etc/nagios4/own.cfg"
    own.write_text("define command {\n    command_name own\n    command_line /bin/true\n}\n")
    main.write_text(
        f"cfg_dir={machine / 'var/lib/fedcloud-ncg/monitor'}/nagios/objects\ncfg_file={own}\n"
        f"log_file={state}.log\nobject_cache_file={state}.cache\nstatus_file={state}.dat\ntemp_file={state}.tmp\n"
        f"temp_path={state.parent}\ncheck_result_path={state.parent}\nlock_file={state}.lock\n"
        f"state_retention_file={state}.retention\ncommand_file={state}.cmd\nlog_archive_path={state.parent}\n"
        f"illegal_object_name_chars=`~!$%^&*|'\"<>?,()=\nuse_syslog=0\ncheck_for_updates=0\n"
        # as root it would go on as nagios, who may not read a directory of the tests
        f"nagios_user={os.geteuid()}\nnagios_group={os.getegid()}\n"
    )
    return main


def reloads(machine: Machine) -> list[str]:
    return machine.calls.read_text().splitlines()


@needs_nagios
def test_the_monitor_is_reloaded_after_a_change_and_only_then(machine: Machine, nagios: Path, federation) -> None:
    machine.set(NCG_OPTIONS=definitions(machine), MONITOR_CHECK=f"{NAGIOS} -v {nagios}", MONITOR="nagios4.service")
    assert Unit("fedcloud-ncg.service").all("OnSuccess") == ["fedcloud-reload.service"]
    written = machine.run("fedcloud-ncg.service")
    assert (written.state, "accepted by Nagios" in written.output) == ("done", True), written
    loaded = machine.run("fedcloud-reload.service")
    assert loaded.state == "done", loaded.output[-1500:]
    assert reloads(machine) == ["try-reload-or-restart nagios4.service"]

    unchanged = machine.run("fedcloud-ncg.service")
    assert (unchanged.state, "  unchanged in " in unchanged.output) == ("done", True), unchanged
    assert machine.run("fedcloud-reload.service").state == "skipped"
    assert len(reloads(machine)) == 1

    service = federation.gocdb.add_service(
        pi.Service("new.fedcloud.test", "eu.egi.cloud.accounting", "OOI-CLOUD", url="https://new.fedcloud.test/")
    )
    try:
        assert machine.run("fedcloud-ncg.service").state == "done"
        assert machine.run("fedcloud-reload.service").state == "done"
    finally:
        federation.gocdb.remove_service(service)
    assert len(reloads(machine)) == 2


@needs_nagios
def test_a_configuration_that_nagios_refuses_is_not_loaded_and_tried_again(machine: Machine, nagios: Path) -> None:
    machine.set(NCG_OPTIONS=definitions(machine), MONITOR_CHECK=f"{NAGIOS} -v {nagios}", MONITOR="nagios4.service")
    assert machine.run("fedcloud-ncg.service").state == "done"
    own = nagios.with_name("own.cfg")
    good = own.read_text()
    own.write_text(good + "define service {\n    use no-such-template\n}\n")
    for _ in range(2):
        refused = machine.run("fedcloud-reload.service")
        assert (refused.state, refused.failed[:3]) == ("failed", ["/usr/bin/env", NAGIOS, "-v"])
        assert "no-such-template" in refused.output
    assert reloads(machine) == []
    own.write_text(good)
    assert machine.run("fedcloud-reload.service").state == "done"
    assert len(reloads(machine)) == 1


@needs_nagios
def test_a_reload_that_failed_is_tried_again(machine: Machine, nagios: Path) -> None:
    machine.set(NCG_OPTIONS=definitions(machine), MONITOR_CHECK=f"{NAGIOS} -v {nagios}", MONITOR="nagios4.service")
    assert machine.run("fedcloud-ncg.service").state == "done"
    works = (machine.directory / "bin/systemctl").read_text()
    machine.stands_in("systemctl", "exit 1")
    assert machine.run("fedcloud-reload.service").state == "failed"
    (machine.directory / "bin/systemctl").write_text(works)
    assert machine.run("fedcloud-reload.service").state == "done"
    assert len(reloads(machine)) == 1


def test_a_gocdb_that_does_not_answer_changes_nothing_and_the_unit_has_failed(machine: Machine, federation) -> None:
    machine.set(NCG_OPTIONS=f"{definitions(machine)} --no-validate")
    assert machine.run("fedcloud-ncg.service").state == "done"
    before = (machine.directory / "var/lib/fedcloud-ncg/monitor").stat()
    federation.service("gocdb").faults.on("status", code=503)
    failed = machine.run("fedcloud-ncg.service")
    assert (failed.state, "the old configuration stays" in failed.output) == ("failed", True), failed
    after = (machine.directory / "var/lib/fedcloud-ncg/monitor").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.fixture
def files_of_nagios(machine: Machine) -> Iterator[FilesOfNagios]:
    machine.set(NCG_OPTIONS=f"{definitions(machine)} --no-validate")
    assert machine.run("fedcloud-ncg.service").state == "done"
    lines = (machine.directory / "var/lib/fedcloud-ncg/monitor/services.jsonl").read_text().splitlines()
    services = [(entry["host"], entry["service"]) for entry in map(json.loads, lines) if "service" in entry]
    (machine / "var/nagios/x").touch()
    running = FilesOfNagios(machine.directory / "var/nagios", services)
    try:
        yield running
    finally:
        running.stop()


def test_nagios_is_told_of_an_outage(machine: Machine, files_of_nagios: FilesOfNagios, federation) -> None:
    machine.set(DOWNTIMES_OPTIONS=f"--nagios {files_of_nagios.main}")
    site = federation.sites["ooi"]
    service = federation.gocdb.find(site.hostname)
    downtime = federation.gocdb.add_downtime(service, description="Storage firmware upgrade")
    try:
        told = machine.run("fedcloud-downtimes.service")
    finally:
        federation.gocdb.remove_downtime(downtime)
    assert told.state == "done", told
    assert any("Storage firmware upgrade" in line for line in files_of_nagios.told), told
    assert Unit("fedcloud-downtimes.service").one("ConditionPathExists") == (
        "/var/lib/fedcloud-ncg/monitor/services.jsonl"
    )


def test_the_self_check_leaves_a_page_and_series_for_others_to_read(machine: Machine, federation) -> None:
    site = federation.sites["ooi"]
    machine.set(SELFCHECK_OPTIONS=f"{site.gocdb_name} --metric OCCI-TCP {definitions(machine)} --probes {ROOT}/probes")
    good = machine.run("fedcloud-selfcheck.service")
    assert good.state == "done", good
    cache = machine.directory / "var/cache/fedcloud-selfcheck"
    assert "<html" in (cache / "index.html").read_text()
    assert 'metric="org.nagios.OCCI-TCP"' in (cache / "fedcloud.prom").read_text()
    for name in ("index.html", "fedcloud.prom"):
        assert (cache / name).stat().st_mode & 0o777 == 0o644, name


def test_a_site_that_is_critical_is_no_failure_of_the_unit_and_a_gocdb_that_is_gone_is(
    machine: Machine, federation
) -> None:
    federation.sites["ooi"].faults.on("status", code=500)
    name = federation.sites["ooi"].gocdb_name
    more = f"--metric OCCI-VM {definitions(machine)} --probes {ROOT}/probes"
    machine.set(SELFCHECK_OPTIONS=f"{name} {more}")
    red = machine.run("fedcloud-selfcheck.service")
    assert (red.state, ": CRITICAL - " in red.output) == ("done", True), red
    machine.set(SELFCHECK_OPTIONS=f"NO-SUCH-SITE {more}")
    assert machine.run("fedcloud-selfcheck.service").state == "failed"


def test_what_waits_is_sent_to_the_broker(machine: Machine, tmp_path: Path, federation) -> None:
    host = Host(tmp_path)
    host.keep()
    assert len(host.waiting()) == 1
    with host.broker() as broker:
        # a spool is of one address
        (tmp_path / "state").rename(tmp_path / "before")
        host.keep()
        machine.set(BROKER=host.url, PUBLISH_OPTIONS=f"--state-dir {tmp_path}/state")
        sent = machine.run("fedcloud-publish.service")
    assert (sent.state, sent.output.startswith("PUBLISH OK - 1 result sent to ")) == ("done", True), sent
    assert host.waiting() == []
    assert broker is not None
    assert RESULT["metric"]


def test_what_waits_is_sent_to_argo_messaging(machine: Machine, tmp_path: Path, federation) -> None:
    host = Messaging(tmp_path, federation)
    host.keep()
    token = f"--to ams --ams-token-file {host.token_file} --ca-path {host.ca}"
    machine.set(BROKER=host.url, PUBLISH_OPTIONS=f"{token} --state-dir {tmp_path}/state")
    with host.web:
        sent = machine.run("fedcloud-publish.service")
    assert (sent.state, sent.output.startswith("PUBLISH OK - 1 result sent to ")) == ("done", True), sent
    assert host.summaries() == [RESULT["output"]]


def test_the_log_and_its_archives_are_kept_and_a_line_that_is_cut_off_is_no_failure(
    machine: Machine, federation
) -> None:
    machine.set(NCG_OPTIONS=f"{definitions(machine)} --no-validate")
    assert machine.run("fedcloud-ncg.service").state == "done"
    services = machine.directory / "var/lib/fedcloud-ncg/monitor/services.jsonl"
    entry = next(entry for entry in map(json.loads, services.read_text().splitlines()) if "service" in entry)
    what = f"{entry['host']};{entry['service']}"
    log, archives = machine / "var/log/nagios4/nagios.log", machine / "var/log/nagios4/archives/x"
    log.write_text(f"[1790899200] LOG ROTATION: DAILY\n[1790899300] SERVICE ALERT: {what};OK;HARD;1;good\n[17908")
    archive = archives.with_name("nagios-10-02-2026-00.log")
    archive.write_text(f"[1790812800] SERVICE ALERT: {what};CRITICAL;HARD;1;no answer\n")
    kept = machine.run("fedcloud-availability.service")
    assert (kept.state, kept.output.splitlines()[0]) == (
        "done",
        "fedcloud-availability: 4 lines read, 2 results added, 0 known already",
    ), kept
    assert f"not taken: 1 line that is cut off, or too long to be one, the first: {log}:3" in kept.output
    log.unlink()
    gone = machine.run("fedcloud-availability.service")
    of_el = machine.directory / "var/log/nagios/nagios.log"
    assert (gone.state, f"not done: no log is there: {log}, {of_el}" in gone.output) == ("failed", True), gone
    (machine / "var/log/nagios/nagios.log").write_text(
        f"[1790985600] LOG ROTATION: DAILY\n[1790985700] SERVICE ALERT: {what};WARNING;HARD;1;slow\n"
    )
    archive.rename(machine / "var/log/nagios/archives/nagios-10-02-2026-00.log")
    kept = machine.run("fedcloud-availability.service")
    assert (kept.state, kept.output.splitlines()[0]) == (
        "done",
        "fedcloud-availability: 3 lines read, 1 result added, 1 known already",
    ), kept


# ---- The proxy


@pytest.fixture
def robot(machine: Machine, federation) -> Machine:
    """A machine with a robot certificate, a good proxy, and a voms-proxy-init that makes one as a VOMS server's."""
    robot = federation.authority.robot
    (machine / "etc/grid-security/robotcert.pem").write_bytes(pem(robot)[0])
    (machine / "etc/grid-security/robotkey.pem").write_bytes(pem(robot)[1])
    (machine / "var/lib/fedcloud-probes/x509up").write_text("the old one\n")
    return machine


def pem(user) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    certificate = user.certificate.public_bytes(Encoding.PEM)
    return certificate, user.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def makes(machine: Machine, proxy: Path) -> None:
    machine.stands_in(
        "voms-proxy-init",
        f'echo "$*" >>{machine.calls}\nwhile [ "$1" != --out ]; do shift; done\ncp {proxy} "$2"\nchmod 600 "$2"',
    )


@pytest.fixture
def voms_environment(robot: Machine, federation) -> Machine:
    robot.environment["X509_VOMS_DIR"] = str(federation.authority.vomsdir)
    return robot


@needs_voms
def test_a_good_proxy_takes_the_place_of_the_old_one(voms_environment: Machine, federation) -> None:
    machine = voms_environment
    makes(machine, federation.authority.proxy(lifetime=timedelta(hours=24)))
    renewed = machine.run("fedcloud-proxy.service")
    assert renewed.state == "done", renewed
    state = machine.directory / "var/lib/fedcloud-probes"
    assert "BEGIN CERTIFICATE" in (state / "x509up").read_text()
    assert (state / "x509up").stat().st_mode & 0o777 == 0o600
    assert not (state / ".x509up.new").exists()
    assert "--rfc --voms ops --valid 24:00 --cert " in machine.calls.read_text()


@needs_voms
@pytest.mark.parametrize(
    "proxy", [{"vos": ()}, {"lifetime": timedelta(hours=6)}, {"vos": ("fedcloud.egi.eu",)}], ids=str
)
def test_a_proxy_that_is_no_good_does_not_take_its_place(voms_environment: Machine, federation, proxy: dict) -> None:
    machine = voms_environment
    makes(machine, federation.authority.proxy(**{"lifetime": timedelta(hours=24), **proxy}))
    refused = machine.run("fedcloud-proxy.service")
    assert (refused.state, refused.failed[0]) == ("failed", "/usr/bin/voms-proxy-info"), refused
    assert (machine.directory / "var/lib/fedcloud-probes/x509up").read_text() == "the old one\n"


@needs_voms
def test_voms_proxy_init_takes_the_options_and_without_a_voms_server_the_old_proxy_stays(
    voms_environment: Machine, federation
) -> None:
    machine = voms_environment
    machine.set(PROXY_OPTIONS=f"--vomses {federation.authority.vomses}")
    failed = machine.run("fedcloud-proxy.service")
    assert failed.state == "failed", failed
    assert (machine.directory / "var/lib/fedcloud-probes/x509up").read_text() == "the old one\n"
    assert re.search(r"Contacting +voms\.fedcloud\.test", failed.output), failed
