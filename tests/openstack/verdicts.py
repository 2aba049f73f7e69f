"""What the executables say of a real OpenStack, and that they leave nothing there: `make openstack` runs this."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.conftest import Report
from tests.pace import AMPLE_S, until

from .api import Api
from .conftest import Robot, Row
from .lab import Lab

PROBE = "check_occi_vm"
MOMENTS = 10
REFUSED = (
    r'our access token refused \(401 "JWT token could not be validated"\) from localhost:5000 '
    r"\(get a new one of the issuer that the site trusts\)"
)


# ---- the good case


def test_a_vm_is_made_and_gone_again(robot: Robot, row: Row):
    report = robot.look()
    assert re.fullmatch(
        r"OCCI-VM OK - VM active after [\d.]+ m?s on \S+ \(\S+, tiny\), removed in [\d.]+ m?s", report.first
    )
    assert (report.code, report.err) == (0, "")
    assert robot.remembered() == []
    row("nothing", report)


def test_what_is_announced_is_complete(robot: Robot, row: Row):
    report = robot.run("check_occi_context", *robot.arguments())
    assert (report.code, report.err) == (0, ""), report.out
    row("nothing (check_occi_context)", report)


def test_a_slow_build_is_waited_for(lab: Lab, robot: Robot, admin: Api, row: Row):
    before = admin.servers()
    with lab.paused("nova-compute"):
        process = robot.start(PROBE, *robot.arguments())
        until(lambda: len(admin.servers()) > len(before))
        time.sleep(15)
    out, err = process.communicate(timeout=AMPLE_S)
    report = Report(process.returncode, out.decode(), err.decode())
    assert report.code == 0, report.out
    assert float(report.performance["time_to_active"].partition("s")[0]) > 15
    row("nova-compute held for 15 s", report)


# ---- whose fault


def test_a_build_that_failed_is_the_sites_fault_and_told_with_its_reason(robot: Robot, row: Row):
    report = robot.look("-v", resource="no-host")
    assert report.code == 2, report.out
    assert "vm_state error" in report.first
    assert robot.remembered() == []
    row("a size for which no host has room", report)


def test_a_used_up_quota_is_told(lab: Lab, tmp_path: Path, row: Row):
    admin = lab.admin("quota.egi.eu")
    made = admin.create("theirs")
    try:
        report = Robot(lab, tmp_path, "quota.egi.eu").look(vo="quota.egi.eu")
    finally:
        admin.delete("compute", f"/servers/{made}")
    assert (report.code, report.err) == (2, ""), report.out
    assert report.first.startswith("OCCI-VM CRITICAL - no quota or capacity left (403 "), report.first
    row("a quota of one VM, and there is one", report)


def test_an_access_token_that_expired_is_ours(lab: Lab, tmp_path: Path, row: Row):
    report = Robot(lab, tmp_path, "ops", lifetime_s=-3600).look()
    ended = r"expired 60 min ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\) in \S+/token \(write a new one there\)"
    report.expect("OCCI-VM", 3, rf"our access token of https://aai\.example\.org/ {ended}")
    row("an access token that has expired", report)


def test_what_is_no_access_token_is_ours(robot: Robot, row: Row):
    robot.token.write_text("garbage\n")
    report = robot.look()
    report.expect("OCCI-VM", 3, REFUSED)
    row("no access token in the file: `garbage`", report)


def test_an_access_token_that_another_issuer_signed_is_ours(robot: Robot, row: Row):
    signed = robot.token.read_text().strip()
    robot.token.write_text(signed[:-20] + "".join(reversed(signed[-20:])) + "\n")
    report = robot.look()
    report.expect("OCCI-VM", 3, REFUSED)
    row("an access token whose signature is not that of the issuer", report)


def test_a_vo_that_has_no_project_is_told(lab: Lab, tmp_path: Path, row: Row):
    report = Robot(lab, tmp_path, "without.egi.eu").look(vo="without.egi.eu")
    told = r"no project for VO without\.egi\.eu for us on localhost:5000; logged in, and offered none"
    report.expect("OCCI-VM", 2, told)
    row("a VO that is mapped to a group without a project", report)


@pytest.mark.parametrize("service", ["nova-compute", "keystone", "rabbitmq"])
def test_a_service_of_the_site_that_is_down_is_the_sites_fault(lab: Lab, robot: Robot, row: Row, service: str):
    """The first run may be a WARNING: that no VM becomes active is CRITICAL when it happens twice."""
    with lab.stopped(service):
        first = robot.look("-t", 90)
        second = robot.look("-t", 90)
    after = robot.look()
    row(f"{service} stopped", first)
    row(f"{service} stopped, the next run", second)
    row(f"{service} runs again", after)
    assert first.code in (1, 2) and second.code == 2, first.out + second.out
    assert (after.code, after.err) == (0, ""), after.out
    assert robot.remembered() == []


# ---- nothing is left


def test_killed_at_any_moment_the_next_run_leaves_nothing(lab: Lab, robot: Robot, admin: Api):
    """Ten moments from the start of a run to its end, as long as one takes here."""
    before = admin.servers()
    began = time.monotonic()
    assert robot.look().code == 0
    took = time.monotonic() - began
    found = 0
    for moment in range(MOMENTS):
        process = robot.start(PROBE, *robot.arguments())
        time.sleep(took * (moment + 0.5) / MOMENTS)
        process.kill()
        process.communicate()
        found += admin.servers() != before
        report = robot.look()
        assert (report.code, report.err) == (0, ""), report.out
        until(lambda: admin.servers() == before, f"there is no more than {before}", patience_s=90)
    assert found, "no run was killed while its VM was there"


def test_two_monitors_at_once_do_not_disturb_each_other(lab: Lab, tmp_path: Path):
    robots = [Robot(lab, tmp_path / name, "ops") for name in ("one", "two")]
    running = [robot.start(PROBE, *robot.arguments()) for _ in range(3) for robot in robots]
    reports = [(process.communicate(timeout=AMPLE_S), process.returncode) for process in running]
    assert [report for report in reports if report[1] != 0] == []
    assert [robot.remembered() for robot in robots] == [[], []]


# ---- Swift: for probes of storage to come


def test_swift_keeps_an_object(lab: Lab):
    api = lab.admin("ops")
    path = f"/AUTH_{api.project}/tries"
    api.put("object-store", path)
    api.put("object-store", f"{path}/one", b"1", "text/plain")
    assert api.get("object-store", f"{path}/one") == b"1"
    api.delete("object-store", f"{path}/one")
    api.delete("object-store", path)
