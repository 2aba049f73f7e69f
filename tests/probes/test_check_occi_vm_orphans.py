"""check_occi_vm and VMs of ours that nobody is told of: lost answers, strangers, moved endpoints, changed owners."""

from __future__ import annotations

import json
import re
import ssl

import pytest

from tests.conftest import Monitor
from tests.pace import seconds
from tests.probes.test_check_occi_vm import PROBE, look, never_deleted_all

BROKEN = {
    "corrupt-record": r"TLS failed: .*",
    "tls-alert": r"TLS .*",
    "lost-answer": r"connection (closed before an answer|reset).*",
    "close-headers": r"connection closed within its answer",
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
    assert re.fullmatch(rf"OCCI-VM CRITICAL - POST {re.escape(site.base)}/compute/: {BROKEN[fault]}", report.first), (
        report.first
    )
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
