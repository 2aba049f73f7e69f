"""fedcloud-leftovers: what it lists of the journal, and what it removes at the clouds."""

from __future__ import annotations

import re
import time

import pytest

from libprobe.failures import Misconfigured
from libprobe.probe import cli
from libprobe.probe.settings import Settings
from libprobe.state import files
from libprobe.targets import access
from tests.conftest import Monitor
from tests.pace import seconds, until
from tests.probes.test_check_occi_vm import PROBE, look
from tests.probes.test_check_occi_vm_orphans import change_entry, left_over, unattended

PROGRAM = "fedcloud-leftovers"
OWNER = r"/DC=test/.* ops"
DAYS_AGO = 3 * 86400


def several(monitor: Monitor):
    """A VM left at each of two clouds; returns (site, VM) of both, the later one first."""
    found = []
    for cloud in ("rocci", "ooi"):
        site = monitor.federation.site(cloud)
        kept = {path.name: path.read_bytes() for path in monitor.state.glob("*.vm")} if monitor.state.exists() else {}
        for name in kept:
            (monitor.state / name).unlink()
        found.insert(0, (site, left_over(monitor, site)))
        for name, content in kept.items():
            (monitor.state / name).write_bytes(content)
    return found


# ---- listing


def test_nothing_left_is_ok(monitor):
    assert look(monitor, "ooi").code == 0
    report = monitor.run(PROGRAM)
    assert (report.code, report.first, report.lines, report.err) == (0, "LEFTOVERS OK - nothing is left", [], "")
    assert report.performance == {"leftovers": "0;;;0", "oldest_age": "0s;86400;;0"}


def test_each_is_listed_with_where_it_is_since_when_and_whose_and_no_cloud_is_asked(monitor):
    (late, young), (early, old) = several(monitor)
    for site in (late, early):
        site.web.requests.clear()
    report = monitor.run(PROGRAM)
    assert (report.code, report.err) == (0, "")
    assert re.fullmatch(r"LEFTOVERS OK - 2 VMs left, the oldest asked for [\d.]+ m?(s|in) ago", report.first)
    for line, (site, vm) in zip(report.lines, ((early, old), (late, young)), strict=True):
        title = re.escape(vm.title or vm.hostname)
        assert re.fullmatch(
            rf"{title} at {re.escape(site.base)} \(/\S*compute/{vm.id}\), asked for [\d.]+ m?(s|in) ago by \S.*", line
        ), line
        assert site.web.requests == []
    assert report.performance["leftovers"] == "2;;;0"
    [chosen] = monitor.run(PROGRAM, "--at", late.base).lines
    assert chosen.startswith(young.title)
    assert monitor.run(PROGRAM, "--title", young.title).lines == [chosen] or "ago" in chosen


def test_an_old_one_is_a_warning_or_critical_and_tells_that_nobody_comes_by(monitor):
    left_over(monitor, monitor.federation.site("ooi"))
    change_entry(monitor, created_at=time.time() - DAYS_AGO, path="", looks=4)
    unattended(monitor)
    report = monitor.run(PROGRAM)
    assert (report.code, report.first) == (
        1,
        f"LEFTOVERS WARNING - 1 VM left, the oldest asked for 3 d ago in the journal in {monitor.state} (limit 1d)",
    )
    [line] = report.lines
    assert re.fullmatch(
        rf"egi-sam-\S+ at https://\S+, asked for 3 d ago by {OWNER}, not found by 4 runs; no run has looked after it "
        r"for (25 h|1\.04 d)",
        line,
    ), line
    assert monitor.run(PROGRAM, "-w", "0").code == 0
    assert monitor.run(PROGRAM, "-c", "2d").code == 2


def test_the_vm_of_a_run_at_work_is_counted_and_let_be(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("build-endless")
    process = monitor.start(PROBE, "-u", site.url)
    until(lambda: site.occi.vms())
    report = monitor.run(PROGRAM, "--remove")
    assert (report.first, report.lines) == ("LEFTOVERS OK - nothing is left", ["and 1 VM of checks that are running"])
    assert len(site.occi.vms()) == 1
    site.faults.clear()
    process.terminate()
    process.communicate()


def test_a_damaged_entry_is_told_of(monitor):
    assert look(monitor, "ooi").code == 0
    (monitor.state / "egi-sam-x-0123456789ab.vm").write_text("{")
    for _ in range(2):
        report = monitor.run(PROGRAM)
        assert (report.code, report.lines) == (
            0,
            [f"damaged, so its VM is unknown: {monitor.state}/egi-sam-x-0123456789ab.vm.unreadable"],
        )


# ---- removing


def test_all_are_removed_each_at_its_cloud(monitor):
    (late, young), (early, old) = several(monitor)
    foreign = late.occi.add_foreign("theirs", "ops")
    report = monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first, report.err) == (0, "LEFTOVERS OK - nothing is left", "")
    assert [line.partition(" at ")[0] for line in report.lines] == [
        f"removed: {vm.title or vm.hostname}" for vm in sorted((young, old), key=lambda vm: vm.title or vm.hostname)
    ]
    assert [vm.id for vm in late.occi.vms()] == [foreign]
    assert (early.occi.vms(), monitor.remembered()) == ([], [])


def test_what_was_gone_already_is_forgotten(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    site.occi.reset()
    report = monitor.run(PROGRAM, "--remove")
    assert (report.code, report.first) == (0, "LEFTOVERS OK - nothing is left")
    assert report.lines[0].startswith(f"was gone already: {ours.title} at {site.base}")
    assert monitor.remembered() == []


def test_one_that_stays_is_a_warning_with_the_clouds_answer(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    site.faults.on("delete-refused")
    report = monitor.run(PROGRAM, "--remove", "-t", seconds(6))
    assert report.code == 1
    assert re.fullmatch(
        rf"LEFTOVERS WARNING - VM not removed: 409 .* from localhost:{site.web.port} when asked to delete the VM.* "
        rf"\({ours.title}\)",
        report.first,
    ), report.first
    assert " when asked to delete the VM" in report.lines[0]
    assert len(monitor.remembered()) == 1


def test_an_endpoint_that_is_down_keeps_no_other_from_being_cleaned(monitor):
    (late, young), (early, _) = several(monitor)
    late.faults.on("status", code=503)
    report = monitor.run(PROGRAM, "--remove")
    assert report.code == 1
    assert re.search(rf"VM not removed: 503 .* \({young.title}\)", report.first), report.first
    assert (early.occi.vms(), monitor.remembered()) == ([], [f"{young.title}.vm"])


def test_a_vm_of_another_owner_is_removed_by_its_title_or_named(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    change_entry(monitor, identity="/DC=org/CN=old ops")
    site.occi.give(ours.id, "other-project")
    report = monitor.run(PROGRAM, "--remove")
    assert report.code == 1
    assert re.fullmatch(
        rf"LEFTOVERS WARNING - VM not removed: not visible as {OWNER} \({ours.title}\)",
        report.first,
    ), report.first
    site.occi.give(ours.id, "ops")
    assert monitor.run(PROGRAM, "--remove").code == 0
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


def test_a_vm_is_removed_at_the_endpoint_that_took_the_place_of_another(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    stranger = site.occi.add_foreign("precious", "ops")
    change_entry(monitor, endpoint="https://closed.example.org:8787", path=f"/occi1.1/compute/{stranger}")
    report = monitor.run(PROGRAM, "--remove", "--title", ours.title, "--instead-at", site.base)
    assert report.code == 0, report.out
    assert report.lines[0].startswith(f"removed: {ours.title} at https://closed.example.org:8787")
    assert ([vm.id for vm in site.occi.vms()], monitor.remembered()) == ([stranger], [])


def test_without_a_credential_nothing_is_asked_and_all_are_listed(monitor, tmp_path):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    site.web.requests.clear()
    report = monitor.run(PROGRAM, "--remove", "--cert", tmp_path / "none")
    assert report.code == 3
    assert report.first == (
        f"LEFTOVERS UNKNOWN - proxy or certificate {tmp_path}/none cannot be read: No such file or directory"
    )
    assert report.lines[0].startswith(ours.title)
    assert (site.web.requests, monitor.remembered()) == ([], [f"{ours.title}.vm"])


# ---- forgetting, and usage


def test_one_is_forgotten_by_its_title_alone(monitor):
    (_, young), (_, old) = several(monitor)
    report = monitor.run(PROGRAM, "--forget", "--title", young.title)
    assert report.code == 0
    assert report.lines[0].startswith(f"forgotten: {young.title} at ")
    assert monitor.remembered() == [f"{old.title or old.hostname}.vm"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--forget"], "usage: --forget has no effect without --title (see fedcloud-leftovers --help)"),
        (["--cert", "/x"], "usage: --cert has no effect without --remove (see fedcloud-leftovers --help)"),
        (
            ["--title", "egi-sam-x"],
            "no VM, volume or container egi-sam-x in the journal in {state} (see what it has without --title or --at)",
        ),
        (
            ["--at", "https://x.example.org/"],
            "no VM, volume or container at https://x.example.org in the journal in {state} (see what it has without "
            "--title or --at)",
        ),
    ],
)
def test_what_cannot_be_done_is_unknown_and_says_why(monitor, words, said):
    assert look(monitor, "ooi").code == 0
    report = monitor.run(PROGRAM, *words)
    assert (report.code, report.first) == (3, f"LEFTOVERS UNKNOWN - {said.format(state=monitor.state)}")


def test_a_directory_that_no_run_has_used_is_not_taken_for_one_without_leftovers(monitor):
    report = monitor.run(PROGRAM)
    assert (report.code, report.first) == (
        3,
        f"LEFTOVERS UNKNOWN - there is no state directory {monitor.state} (name that of the probes with --state-dir)",
    )
    assert not monitor.state.exists()


def test_whoever_is_not_the_user_of_the_probes_is_told_as_whom_to_run_it(monkeypatch, tmp_path):
    """As root, say, whose own directory would be empty."""
    (tmp_path / "system").mkdir()
    monkeypatch.setattr(files, "SYSTEM_DIRECTORY", str(tmp_path / "system"))
    monkeypatch.setattr(access, "default_directory", lambda: str(tmp_path / "own"))
    parser = cli.Parser(prog="test", doc="")
    parser.add_argument("--state-dir")
    args = parser.parse_args([])
    args.settings = Settings()
    with pytest.raises(Misconfigured, match=r"is that of user \S+ \(run this as that user: runuser -u \S+ -- "):
        access.open_existing_state(args)
