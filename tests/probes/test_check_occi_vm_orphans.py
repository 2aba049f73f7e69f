"""check_occi_vm and VMs of ours that nobody is told of: lost answers, strangers, moved endpoints, changed owners."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import time

import pytest

from tests.conftest import Monitor, at
from tests.pace import seconds
from tests.probes.test_check_occi_vm import PROBE, look, never_deleted_all

BROKEN = {
    "corrupt-record": r"TLS failed \(.*\) with",
    "tls-alert": r"TLS .* (by|with)",
    "lost-answer": r"connection (closed before an answer from|reset by)",
    "close-headers": r"connection closed within the answer from",
}
"""What a cloud does once it has read the whole request and made the VM, and what is said of it."""


def only_with(site, version: ssl.TLSVersion) -> None:
    context = site.authority.server_context(site.credential, clients=site.clients)
    context.minimum_version = context.maximum_version = version
    site.web.use_context(context)


def entries(monitor: Monitor) -> list[dict[str, object]]:
    """What the journal says: each entry's lines, the later ones over the earlier."""
    found = []
    for name in monitor.remembered():
        values: dict[str, object] = {}
        for line in (monitor.state / name).read_text().splitlines():
            values |= json.loads(line)
        found.append(values)
    return found


# ---- the answer to the create request is lost


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("cloud", ["ooi", "rocci"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_connection_that_breaks_after_the_create_request_is_no_proof_that_there_is_no_vm(
    monitor, fault, cloud, version
):
    site = monitor.federation.site(cloud)
    only_with(site, version)
    foreign = site.occi.add_foreign("theirs", "ops")
    site.faults.on(fault, method="POST", path="/compute", times=1)
    site.faults.on("hide-list")  # nor is it found at once
    report = look(monitor, cloud, "-t", seconds(20))
    assert report.code == 2, report.out
    assert re.fullmatch(
        rf"OCCI-VM CRITICAL - {BROKEN[fault]} {at(site.base)} when asked to create a VM.*", report.first
    ), report.first
    [left] = [vm for vm in site.occi.vms() if vm.id != foreign]
    [entry] = entries(monitor)
    assert (entry["title"], entry["endpoint"], entry.get("path")) == (left.title or left.hostname, site.base, None)
    site.faults.clear()
    report = look(monitor, cloud)
    assert report.first.endswith("; removed 1 VM that an earlier run had left"), report.out
    assert [vm.id for vm in site.occi.vms()] == [foreign]
    assert monitor.remembered() == []
    assert never_deleted_all(site)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_vm_whose_answer_was_lost_is_found_and_removed_by_the_same_run(monitor, fault):
    site = monitor.federation.site("ooi")
    site.faults.on(fault, method="POST", path="/compute", times=1)
    assert look(monitor, "ooi").code == 2
    assert len(site.occi.created) == 1
    assert site.occi.vms() == []
    assert monitor.remembered() == []


# ---- what the cloud says of a VM is not so


@pytest.mark.parametrize("cloud", ["ooi", "rocci", "occi-os"])
def test_both_vms_that_a_cloud_makes_of_one_request_are_removed(monitor, cloud):
    site = monitor.federation.site(cloud)
    stranger = site.occi.add_foreign("theirs", "ops")
    site.faults.on("create-twice", times=1)
    report = look(monitor, cloud)
    assert report.code == 0, report.out
    assert report.first.endswith("; removed 1 VM that the cloud had made beside the one asked for, of one request")
    assert len({title for title, _ in site.occi.created} - {"theirs"}) == 1
    assert [vm.id for vm in site.occi.vms()] == [stranger]
    assert monitor.remembered() == []


@pytest.mark.parametrize("cloud", ["ooi", "rocci", "occi-os"])
@pytest.mark.parametrize("code", [409, 413, 429])
def test_a_vm_that_was_made_though_the_cloud_refused_to_is_removed(monitor, cloud, code):
    site = monitor.federation.site(cloud)
    site.faults.on("create-refused", code=code, times=1)
    report = look(monitor, cloud, "-v")
    assert report.code == 2, report.out
    said = f'OCCI-VM CRITICAL - {code} "The request cannot be carried out just now" from {at(site.base)}'
    assert report.first == f"{said} when asked to create a VM"
    [(_, made)] = site.occi.created
    assert any(re.fullmatch(rf"made though it was refused: /\S*{made}", line) for line in report.lines), report.out
    assert f"warning: VM made that was refused, on {at(site.base)}; it was removed" in report.lines
    assert site.occi.vms() == []
    assert monitor.remembered() == []


@pytest.mark.parametrize(("code", "kept"), [(403, 0), (429, 1), (503, 1)])
def test_where_a_refusal_cannot_be_looked_into_that_changes_nothing_of_the_result(monitor, code, kept):
    """Who lists no VMs to us is believed; whoever cannot just then is asked by the next run."""
    site = monitor.federation.site("ooi")
    site.faults.on("create-refused", code=409, times=1)
    site.faults.on("status", code=code, method="GET", path="/compute/")
    report = look(monitor, "ooi", "-t", seconds(20))
    assert report.code == 2
    assert ' - 409 "' in report.first and "when asked to create a VM" in report.first
    assert "GET" not in report.first
    assert len(monitor.remembered()) == kept
    site.faults.clear()
    assert look(monitor, "ooi").code == 0
    assert len(site.occi.vms()) == 1 - kept


@pytest.mark.parametrize("list_takes", [0, 8])
def test_a_listing_that_cannot_be_had_says_nothing_of_a_vm_that_is_gone(monitor, list_takes):
    site = monitor.federation.site("ooi")
    site.faults.on("list-broken", seconds=list_takes)
    report = look(monitor, "ooi", "-t", seconds(20))
    assert report.code == 0, report.out
    assert re.search(r"removed in \d", report.first)
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


@pytest.mark.parametrize("cloud", ["ooi", "rocci", "occi-os"])
def test_a_vm_that_is_listed_still_is_not_gone_though_its_path_says_404(monitor, cloud):
    site = monitor.federation.site(cloud)
    site.faults.on("delete-listed")
    report = look(monitor, cloud, "-t", seconds(8))
    assert report.code == 1, report.out
    assert re.fullmatch(
        r"OCCI-VM WARNING - VM active after [\d.]+ m?s, not removed: 404 for what is listed after [\d.]+ m?s still "
        rf"from {at(site.base)} \(egi-sam-\S+; next run retries\)",
        report.first,
    ), report.first
    assert len(site.occi.vms()) == len(monitor.remembered()) == 1


# ---- the noted path is another's


def left_over(monitor: Monitor, site):
    """A VM that a run could not remove, and that the journal therefore knows."""
    site.faults.on("delete-ignored")
    assert look(monitor, site.name, "-t", seconds(6)).code == 1
    site.faults.clear()
    [vm] = site.occi.vms()
    return vm


def change_entry(monitor: Monitor, **values: object) -> None:
    """Let the journal's only entry say something else."""
    [name] = monitor.remembered()
    with (monitor.state / name).open("a") as file:
        file.write(json.dumps(values) + "\n")


def test_a_noted_path_that_is_a_strangers_is_let_be_and_ours_is_removed_when_it_appears(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    stranger = site.occi.add_foreign("precious", "ops")
    change_entry(monitor, path=f"/occi1.1/compute/{stranger}")
    site.faults.on("hide-list")
    assert look(monitor, "ooi").code == 0
    [entry] = entries(monitor)
    assert (entry["title"], entry["path"], entry["looks"]) == (ours.title, "", 1)
    assert {vm.id for vm in site.occi.vms()} == {ours.id, stranger}
    site.faults.clear()  # by now the cloud lists it
    report = look(monitor, "ooi")
    assert report.first.endswith("; removed 1 VM that an earlier run had left"), report.out
    assert [vm.id for vm in site.occi.vms()] == [stranger]
    assert monitor.remembered() == []
    assert never_deleted_all(site)


# ---- the journal knows it under another owner, or another URL


@pytest.mark.parametrize("code", [403, 500, 503])
def test_a_noted_path_that_cannot_be_shown_just_then_is_let_be(monitor, code):
    """Whose VM it is was not seen: it may be a stranger's by now."""
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    stranger = site.occi.add_foreign("production-db", "ops")
    change_entry(monitor, path=f"/occi1.1/compute/{stranger}")
    site.faults.on("hide-list")
    site.faults.on("status", code=code, method="GET", path=f"/occi1.1/compute/{stranger}")
    report = look(monitor, "ooi")
    assert report.code in (1, 2), report.out
    assert {vm.id for vm in site.occi.vms()} >= {ours.id, stranger}
    assert len(entries(monitor)) == 1
    site.faults.clear()
    site.faults.on("status", code=code, method="GET", path=f"/occi1.1/compute/{stranger}")
    assert look(monitor, "ooi").code == 0
    assert [vm.id for vm in site.occi.vms()] == [stranger]
    assert monitor.remembered() == []


def test_a_cloud_that_says_404_to_the_removal_of_a_vm_that_is_there_has_not_removed_it(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("status", code=404, method="DELETE")
    report = look(monitor, "rocci", "-t", seconds(6))
    assert report.code == 1, report.out
    assert re.search(
        r"not removed: 404 for what is shown all the same from localhost:\d+ \(egi-sam-.*; next run retries\)$",
        report.first,
    )
    assert len(site.occi.vms()) == len(monitor.remembered()) == 1
    site.faults.clear()
    assert look(monitor, "rocci").code == 0
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


def test_a_vm_of_a_changed_owner_that_is_seen_is_removed_by_its_title(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    change_entry(monitor, identity="/DC=org/CN=the robot's old name ops")
    report = look(monitor, "ooi")
    assert report.code == 0, report.out
    assert report.first.endswith("; removed 1 VM that an earlier run had left")
    assert ours.id in [each[1] for each in site.occi.deleted]
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


def test_a_vm_of_a_changed_owner_that_is_not_seen_is_named_by_every_run_with_where_it_is_and_whose(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    change_entry(monitor, identity="/DC=org/CN=old other-project", created_at=time.time() - 3 * 86400)
    site.occi.give(ours.id, "other-project")
    for _ in range(2):
        report = look(monitor, "ooi")
        assert report.code == 1, report.out
        assert re.fullmatch(
            rf"OCCI-VM WARNING - VM of an earlier run not removed: not visible as \S.*? \({ours.title} at "
            rf"{at(site.base)}, 3 d old; see fedcloud-leftovers\)",
            report.first,
        ), report.first
        assert "time_to_active" in report.performance
        assert monitor.remembered() == [f"{ours.title}.vm"]
    site.occi.give(ours.id, "ops")
    assert look(monitor, "ooi").code == 0
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


def test_a_strangers_vm_at_the_path_of_another_owner_is_let_be_even_if_it_shows_no_name(monitor):
    """What our own journal says of another owner's path is no proof: only the title is."""
    site = monitor.federation.site("ooi")
    left_over(monitor, site)
    stranger = site.occi.add_foreign("", "ops")
    change_entry(monitor, identity="/DC=org/CN=old ops", path=f"/occi1.1/compute/{stranger}")
    assert look(monitor, "ooi").code == 0
    assert [vm.id for vm in site.occi.vms()] == [stranger]


@pytest.mark.parametrize("how", ["same host", "same site"])
def test_a_vm_of_an_endpoint_that_moved_is_removed_at_its_new_url(monitor, how):
    site = monitor.federation.site("ooi")
    left_over(monitor, site)
    old = "https://localhost:1/occi1.1" if how == "same host" else "https://old.invalid:8787"
    change_entry(monitor, endpoint=old, site=site.gocdb_name)
    report = monitor.run(PROBE, "-H", site.hostname)
    assert report.code == 0, report.out
    assert report.first.endswith("; removed 1 VM that an earlier run had left")
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


def test_a_vm_that_is_at_the_old_url_still_is_removed_there_with_the_credential_of_today(monitor):
    old, new = monitor.federation.site("rocci"), monitor.federation.site("ooi")
    ours = left_over(monitor, old)  # both are on this host: to the probe it is one that moved
    for number in range(2):
        if number:
            change_entry(monitor, identity="/DC=org/CN=old")
        report = look(monitor, "ooi")
        assert report.code == 0, report.out
        assert report.first.endswith("; removed 1 VM that an earlier run had left")
        assert ours.id in [each[1] for each in old.occi.deleted]
        assert (old.occi.vms(), new.occi.vms(), monitor.remembered()) == ([], [], [])
        ours = left_over(monitor, old) if not number else ours


def test_a_vm_at_an_old_url_where_nobody_answers_is_named_and_after_a_day_a_warning(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    site.occi.give(ours.id, "other-project")
    change_entry(monitor, endpoint="https://localhost:1/old")
    said = (
        r"VM of an earlier run not removed: connection refused by localhost:1 \(127\.0\.0\.1\) "
        rf"\({ours.title} at localhost:1, [\d.]+ m?s old; see fedcloud-leftovers\)"
    )
    report = look(monitor, "ooi")
    assert re.fullmatch(rf"OCCI-VM OK - .*; {said}", report.first), report.first
    unattended(monitor)
    report = look(monitor, "ooi")
    assert re.fullmatch(rf"OCCI-VM WARNING - {said}", report.first), report.first
    assert monitor.remembered() == [f"{ours.title}.vm"]


def test_an_old_url_where_nobody_speaks_takes_ten_seconds_at_most_from_the_check(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    site.occi.give(ours.id, "other-project")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        change_entry(monitor, endpoint=f"https://localhost:{mute.getsockname()[1]}")
        report = look(monitor, "ooi")
    assert report.code == 0, report.out
    assert "TLS handshake not complete within" in report.first


def test_a_vm_of_an_endpoint_that_nobody_asks_any_more_is_told_of_by_any_run_after_a_day(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    change_entry(monitor, endpoint="https://closed.example.org:8787")
    assert "closed.example.org" not in look(monitor, "ooi").out
    unattended(monitor)
    report = look(monitor, "ooi", "-v")
    assert report.code == 0, report.out
    said = f"no run looks any more for VM {ours.title} at closed.example.org:8787 (see fedcloud-leftovers)"
    assert report.first.endswith(f"; {said}"), report.first
    assert re.search(
        rf"^no run looks any more for the VM {ours.title} at https://closed\.example\.org:8787"
        r" \(\S+\), asked for [\d.]+ m?s ago by /DC=test/.* ops$",
        report.out,
        re.MULTILINE,
    ), report.out


def test_a_run_that_does_not_get_in_still_counts_as_one_that_looks(monitor):
    site = monitor.federation.site("ooi")
    left_over(monitor, site)
    unattended(monitor)
    site.faults.on("status", code=503)
    assert look(monitor, "ooi").code == 2
    assert "journal" not in look(monitor, "rocci").first


def unattended(monitor: Monitor) -> None:
    """As if no run had come by for more than a day."""
    for name in monitor.remembered():
        before = time.time() - 25 * 3600
        os.utime(monitor.state / name, (before, before))


# ---- our own VMs fill the quota


def test_a_quota_that_our_own_left_over_fills_is_not_held_against_the_site(monitor):
    site = monitor.federation.site("ooi")
    ours = left_over(monitor, site)
    site.faults.on("delete-refused")
    site.faults.on("quota")
    report = look(monitor, "ooi", "-t", seconds(12))
    assert report.code == 3, report.out
    assert re.fullmatch(
        rf"OCCI-VM UNKNOWN - no quota or capacity left \(.*\) from {at(site.base)} when asked to create a VM; "
        rf"1 VM of this monitor's own may fill it, so the site is not blamed: {ours.title} is still there",
        report.first,
    ), report.first
    site.faults.off("delete-refused")
    report = look(monitor, "ooi")
    assert (report.code, report.first.endswith(f": {ours.title} was removed only just now")) == (3, True), report.out
    report = look(monitor, "ooi")  # nothing of ours is there any more
    assert report.code == 2, report.out
    assert re.fullmatch(
        rf'OCCI-VM CRITICAL - no quota or capacity left \(403 "Quota exceeded for instances: .*"\) from {at(site.base)}'
        " when asked to create a VM",
        report.first,
    ), report.first


# ---- no VM becomes active, run after run


def test_a_cloud_on_which_no_vm_becomes_active_is_critical_from_the_second_run_on(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("build-endless")
    limit = seconds(6)
    said = rf"VM still inactive after [\d.]+ s on {at(site.base)}, given up"
    report = look(monitor, "ooi", "-t", limit)
    assert re.fullmatch(rf"OCCI-VM WARNING - {said}", report.first), report.first
    report = look(monitor, "ooi", "-t", limit)
    assert re.fullmatch(rf"OCCI-VM CRITICAL - {said}, as in the run [\d.]+ m?s before", report.first), report.first
    report = look(monitor, "ooi", "-t", limit)
    assert re.fullmatch(
        rf"OCCI-VM CRITICAL - {said}, as in each of the 2 runs before, for [\d.]+ (s|min)", report.first
    ), report.first
    site.faults.on("status", code=503)  # which is no active VM either
    assert look(monitor, "ooi").code == 2
    site.faults.clear()
    assert look(monitor, "ooi").code == 0
    site.faults.on("build-endless")
    assert look(monitor, "ooi", "-t", limit).code == 1
    assert site.occi.vms() == []


def test_one_endpoint_that_is_late_says_nothing_of_another(monitor):
    for cloud in ("ooi", "rocci"):
        monitor.federation.site(cloud).faults.on("build-endless")
        assert look(monitor, cloud, "-t", seconds(6)).code == 1


def test_where_that_cannot_be_remembered_it_stays_a_warning_that_says_so(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("build-endless")
    limit = seconds(6)
    assert look(monitor, "ooi", "-t", limit).code == 1
    [kept] = monitor.state.glob("late-vm-*.json")
    kept.unlink()
    kept.mkdir()
    report = look(monitor, "ooi", "-t", limit)
    assert report.code == 1
    assert re.fullmatch(
        rf"OCCI-VM WARNING - VM still inactive after [\d.]+ s on {at(site.base)}, given up; whether the run before"
        rf" ended so too is not known: state directory {monitor.state} cannot be written: Is a directory "
        r"\(repair it or give --state-dir\)",
        report.first,
    ), report.first


def test_the_limit_of_the_time_to_active_can_be_reached_with_the_defaults(federation):
    """Of -t, what is kept for cleaning leaves more than the default of -w."""
    from libprobe.deadline import working_seconds
    from scripts import parsers

    [path] = [path for path in parsers.EXECUTABLES if path.name == PROBE]
    parser = parsers.parser_of(path)
    timeout, warning = parser.get_default("timeout"), float(parser.get_default("warning"))
    assert working_seconds(timeout) - 30 > warning


@pytest.mark.parametrize(
    ("probe", "words", "said"),
    [
        (PROBE, ("-w", "6m"), "-w 6m cannot be reached: with -t 420 what it judges ends after 6 min; raise -t"),
        (
            PROBE,
            ("-w", "300", "-t", "2m"),
            "-w 300 cannot be reached: with -t 120 what it judges ends after 90 s; raise -t",
        ),
        (PROBE, ("-c", "~:400"), "-c ~:400 cannot be reached: with -t 420 what it judges ends after 6 min; raise -t"),
        (
            "check_occi_context",
            ("-w", "5m"),
            "-w 5m cannot be reached: with -t 60 what it judges ends after 60 s; raise -t",
        ),
        ("check_occi_context", ("-w", "5m", "--boot"), ""),
        ("check_occi_context", ("-w", "5m", "-t", "301"), ""),
        (PROBE, ("-w", "6m", "-t", "7.1m"), ""),
        (PROBE, ("-t", "20"), ""),
        (PROBE, ("-w", "", "-c", ""), ""),
        (
            PROBE,
            ("-w", "@500:600"),
            "-w @500:600 cannot be reached: with -t 420 what it judges ends after 6 min; raise -t",
        ),
        (PROBE, ("-w", "10:"), ""),
    ],
)
def test_a_limit_that_ends_after_the_run_is_refused(monitor, probe, words, said):
    report = monitor.run(probe, *words)
    assert report.code == 3
    name = "OCCI-VM" if probe == PROBE else "OCCI-Context"
    if said:
        assert report.first == f"{name} UNKNOWN - usage: {said} (see {probe} --help)"
    else:
        assert report.first == f"{name} UNKNOWN - no endpoint is named (give -H HOST or -u URL)"


def test_the_other_check_that_boots_judges_endless_building_alike_and_by_itself(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("build-endless")
    limit = seconds(8)
    said = rf"OCCI-Context {{}} - VM still inactive after [\d.]+ s on {at(site.base)}, given up"
    words = ("check_occi_context", "-u", site.url, "--boot", "-t", limit)
    assert look(monitor, "ooi", "-t", limit).code == 1
    report = monitor.run(*words)  # the first of its kind, though that of check_occi_vm was right before
    assert (report.code, bool(re.fullmatch(said.format("WARNING"), report.first))) == (1, True), report.first
    report = monitor.run(*words)
    assert report.code == 2
    assert re.fullmatch(said.format("CRITICAL") + r", as in the run [\d.]+ m?s before", report.first), report.first
    site.faults.clear()
    assert look(monitor, "ooi").code == 0  # which says nothing of it
    site.faults.on("build-endless")
    report = monitor.run(*words)
    assert report.code == 2
    assert ", as in each of the 2 runs before, for " in report.first
    assert site.occi.vms() == []
