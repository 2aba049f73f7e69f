"""check_occi_vm killed, crowded and flooded: nothing is left, nothing foreign is touched, nothing grows."""

from __future__ import annotations

import re
import time

import pytest

from tests.conftest import Monitor
from tests.pace import AMPLE_S, seconds, until
from tests.probes.test_check_occi_vm import PROBE, look, never_deleted_all

CLOUDS = ["occi-os", "ooi", "rocci", "snf", "rocci2"]
MOMENTS = 12
STEP_S = 0.05


def ours(site) -> list[str]:
    names = (vm.title or vm.hostname for vm in site.occi.vms())
    return [name for name in names if name.startswith("egi-sam-") and not name.startswith("egi-sam-other-")]


def finished(monitor: Monitor, site) -> None:
    """The next run is clean and leaves nothing of ours; what is foreign is as it was."""
    report = monitor.run(PROBE, "-u", site.url)
    assert (report.code, report.err) == (0, ""), report.out
    assert ours(site) == []


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_killed_at_any_moment_the_next_run_leaves_no_vm_of_ours_and_every_other(monitor, cloud, half):
    """Sixty moments in all, from the start of the process to its end, each followed by a whole run."""
    site = monitor.federation.site(cloud)
    foreign = {site.occi.add_foreign(title, "ops") for title in ("theirs", "egi-sam-other-monitor-0123456789ab")}
    for step in range(half, MOMENTS, 2):
        site.faults.on("build-seconds", seconds=0.2)
        site.faults.on("delete-seconds", seconds=0.15)
        process = monitor.start(PROBE, "-u", site.url)
        time.sleep(0.1 + step * STEP_S)
        process.kill()
        process.communicate()
        until(site.web.is_idle)  # what it had sent may have been carried out only now
        site.faults.clear()
        finished(monitor, site)
        assert {vm.id for vm in site.occi.vms()} == foreign
        # killed before its request went out, a VM is still looked for: it may come yet
        assert not {name.removesuffix(".vm") for name in monitor.remembered()} & {each[0] for each in site.occi.created}
    assert never_deleted_all(site)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_killed_between_request_and_answer_the_vm_is_found_by_its_title(monitor, cloud):
    site = monitor.federation.site(cloud)
    foreign = site.occi.add_foreign("theirs", "ops")
    site.faults.on("late-answer", seconds=AMPLE_S, method="POST", path="/compute", times=1)
    process = monitor.start(PROBE, "-u", site.url)
    until(lambda: len(site.occi.vms()) == 2)
    process.kill()
    process.communicate()
    assert len(monitor.remembered()) == 1
    report = monitor.run(PROBE, "-u", site.url)
    assert report.code == 0
    assert report.first.endswith("; removed 1 VM that an earlier run had left")
    assert [vm.id for vm in site.occi.vms()] == [foreign]
    assert monitor.remembered() == []


def test_a_vm_that_comes_into_being_after_the_next_run_is_removed_by_the_one_after(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("held", method="POST", path="/compute", times=1)
    process = monitor.start(PROBE, "-u", site.url)
    until(lambda: site.web.held == 1)
    process.kill()
    process.communicate()
    assert monitor.run(PROBE, "-u", site.url).code == 0
    assert ours(site) == []
    site.faults.off("held")
    until(lambda: len(ours(site)) == 1)
    assert len(monitor.remembered()) == 1
    finished(monitor, site)
    assert monitor.remembered() == []


def test_twenty_runs_of_two_monitors_with_one_credential_do_not_disturb_each_other(federation, tmp_path):
    site = federation.site("ooi")
    site.faults.on("build-endless")
    foreign = site.occi.add_foreign("theirs", "ops")
    monitors = [Monitor(federation, tmp_path / name) for name in ("one", "two")]
    for monitor in monitors:
        monitor.home.mkdir()
    killed = monitors[0].start(PROBE, "-u", site.url)
    until(lambda: len(site.occi.vms()) == 2)
    killed.kill()
    killed.communicate()
    site.faults.clear()
    site.faults.on("build-seconds", seconds=0.5)
    running = [monitor.start(PROBE, "-u", site.url) for _ in range(10) for monitor in monitors]
    reports = [(process.communicate(timeout=AMPLE_S)[0].decode(), process.returncode) for process in running]
    assert [report for report in reports if report[1] != 0] == []
    assert sum("removed 1 VM that an earlier run had left" in out for out, _ in reports) == 1
    assert [vm.id for vm in site.occi.vms()] == [foreign]
    assert len(site.occi.created) == 1 + 1 + 20
    assert [monitor.remembered() for monitor in monitors] == [[], []]
    assert never_deleted_all(site)


def test_another_monitors_vm_is_not_touched(federation, tmp_path):
    site = federation.site("rocci")
    first, second = (Monitor(federation, tmp_path / name) for name in ("first", "second"))
    site.faults.on("delete-ignored")
    for monitor in (first, second):
        monitor.home.mkdir()
    assert look(first, "rocci", "-t", seconds(4)).code == 1
    site.faults.clear()
    [left] = site.occi.vms()
    assert look(second, "rocci").code == 0
    assert [vm.id for vm in site.occi.vms()] == [left.id]
    assert look(first, "rocci").code == 0
    assert site.occi.vms() == []


@pytest.mark.parametrize(
    ("fault", "filters"),
    [
        ("endless-body", {}),
        ("endless-headers", {}),
        ("gzip-bomb", {}),
        ("endless-body", {"method": "POST"}),
        ("endless-body", {"method": "GET", "path": "/compute/"}),
        ("endless-body", {"method": "DELETE"}),
    ],
)
def test_a_peer_that_sends_without_end_costs_less_than_64_mib(monitor, fault, filters):
    site = monitor.federation.site("rocci")
    site.faults.on(fault, **filters)
    report, peak = monitor.measured(PROBE, "-u", site.url, "-t", seconds(5))
    assert (report.code, report.err) in [(1, ""), (2, "")], report.out
    assert re.match(r"OCCI-VM (WARNING|CRITICAL) - .+", report.out)
    assert peak < 64 * 1024, f"{peak // 1024} MiB"
    site.faults.clear()
    finished(monitor, site)
