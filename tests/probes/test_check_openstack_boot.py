"""check_openstack_vm --boot: whether a VM is seen to boot, with its key and user_data; and what is left of it."""

from __future__ import annotations

import base64
import json
import re
import signal
import time

import pytest

from tests import planted
from tests.conftest import Monitor, Report
from tests.federation.keystone import ISSUER, user_id
from tests.federation.nova import Nova
from tests.pace import AMPLE_S, seconds, until

PROBE = "check_openstack_vm"
TIME = r"[\d.]+ m?s"
NOVA = r"localhost:\d+"
BOOTED = "Cloud-init v. 22.4.2 running 'modules:final'\n{marker}\n{marker}-key\nCloud-init v. 22.4.2 finished at Sun\n"
QUICK = ("--wait", "2")


class Site:
    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.cloud = monitor.federation.cloud("stack")
        self.nova = self.cloud.nova
        self.web = monitor.federation.service("stack-nova").web
        self.guests = monitor.federation.guests
        self.guests.reset()

    def look(self, *words: object) -> Report:
        return self.monitor.run(PROBE, "-H", self.cloud.hostname, *words)

    def journal(self) -> list[str]:
        return sorted(path.name for path in self.monitor.state.glob("*.server"))

    @property
    def is_clean(self) -> bool:
        return (self.nova.servers(), self.nova.keys, self.journal()) == ([], {}, [])


@pytest.fixture
def site(monitor) -> Site:
    return Site(monitor)


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect("OpenStack-VM", code, pattern)


def test_the_console_shows_that_key_and_user_data_reached_the_vm(site):
    site.nova.faults.on("nova-console", output=BOOTED)
    report = site.look("--boot")
    expect(
        report,
        0,
        rf"VM active after {TIME} in RegionOne of \S+ \(project ops, .+\), removed in {TIME}; its console shows "
        rf"that its key "
        rf"and user_data reached it after {TIME}",
    )
    assert "time_to_context" in report.performance
    assert "time_to_ssh" not in report.performance
    [(title, key, data)] = site.nova.handed_over
    script = base64.b64decode(data, validate=True).decode()
    assert script.startswith("#!/bin/sh\n")
    assert key.startswith("ecdsa-sha2-nistp256 ")
    assert key.split()[1][-40:] in script
    assert title in {name for name, _ in site.nova.created}
    assert site.is_clean


def test_without_boot_a_vm_is_given_neither(site):
    assert site.look().code == 0
    [(_, key, data)] = site.nova.handed_over
    assert (key, data) == ("", "")
    paths = [each.request.path for each in site.web.requests]
    assert not any("keypairs" in path or "action" in path for path in paths)


def test_a_key_that_did_not_come_is_the_sites_fault(site):
    site.nova.faults.on("nova-console", output="{marker}\n")
    expect(
        site.look("--boot", *QUICK),
        2,
        rf"public_key did not reach the VM on {NOVA}; by its console user_data ran, and no authorized_keys file has "
        rf"the key, watched for {TIME}",
    )
    assert site.is_clean


def test_user_data_that_was_not_run_is_the_sites_fault_where_cloud_init_has_finished(site):
    site.nova.faults.on("nova-console", output=BOOTED.replace("{marker}", "none"))
    expect(
        site.look("--boot", *QUICK),
        2,
        rf"user_data did not reach the VM on {NOVA}; by its console cloud-init has finished and ran nothing of it, "
        rf"watched for {TIME}",
    )
    assert site.is_clean


OF_ITS_IMAGE = "make its image write to console ttyS0"


@pytest.mark.parametrize(
    ("fault", "why", "remedy"),
    [
        ({"name": "nova-console", "output": ""}, "empty console", OF_ITS_IMAGE),
        ({"name": "nova-console", "output": "a\nb\n"}, "2 lines on its console, none of user_data", OF_ITS_IMAGE),
        (
            {"name": "nova-console-off"},
            r'no console \(501 "Unable to get console log, functionality not implemented"\)',
            "see why Nova gives no console",
        ),
    ],
)
def test_a_vm_of_which_nothing_is_seen_is_a_warning(site, fault, why, remedy):
    site.nova.faults.on(fault.pop("name"), **fault)
    expect(
        site.look("--boot", *QUICK),
        1,
        rf"VM active, but not seen to boot on {NOVA}; {why}, and no public address to log in at, watched for {TIME} "
        rf"\({remedy}\)",
    )
    assert site.is_clean


# ---- a login at a floating address: the SSH server is a real one, on loopback


ADDRESS = "127.71.0.23"


def log_in(site: Site, *words: object) -> Report:
    """A run whose VM shows nothing on its console, and has an address that is reached."""
    site.nova.faults.on("nova-console", output="")
    site.nova.faults.on("nova-floating", address=ADDRESS)
    return site.look("--boot", "--ssh-port", site.guests.port, "-t", AMPLE_S, *words)


def test_a_login_at_a_floating_address_shows_that_key_and_user_data_reached_the_vm(site):
    report = log_in(site)
    expect(
        report,
        0,
        rf"VM active after {TIME} in RegionOne of \S+ \(project ops, .+\), removed in {TIME}; it accepted its key and "
        rf"had run its user_data after {TIME}",
    )
    assert {"time_to_ssh", "time_to_context"} <= set(report.performance)
    assert set(site.guests.logins) == {(ADDRESS, "cloudadm", True)}
    assert set(site.guests.commands) == {"cat /var/tmp/egi-sam-context"}
    assert "password" not in site.guests.methods
    assert site.is_clean


def test_a_vm_that_refuses_its_key_at_a_floating_address_is_the_sites_fault(site):
    site.guests.faults.on("key-refused")
    expect(
        log_in(site, "--wait", "2"),
        2,
        rf"public_key did not reach the VM on {NOVA}; .+, tried for {TIME} \(name another user with --ssh-user\)",
    )
    assert set(site.guests.logins) == {(ADDRESS, "cloudadm", False)}
    assert site.is_clean


def test_user_data_that_a_login_does_not_find_is_the_sites_fault(site):
    site.guests.faults.on("user-data-ignored")
    expect(
        log_in(site, "--wait", "2"),
        2,
        rf"user_data did not reach the VM on {NOVA}; /var/tmp/egi-sam-context is not there {TIME} after the login",
    )
    assert site.is_clean


def test_the_fixed_address_of_the_projects_own_network_is_not_tried(site):
    site.nova.faults.on("nova-console", output="")
    report = site.look("--boot", "--ssh-port", site.guests.port, *QUICK)
    assert "no public address to log in at" in report.first
    assert site.guests.logins == []
    assert site.is_clean


def test_a_key_that_stays_is_told_and_removed_by_the_next_run(site):
    site.nova.faults.on("nova-console", output=BOOTED)
    site.nova.faults.on("nova-key-stays")
    report = site.look("--boot")
    assert report.code == 1
    assert re.search(r"keypair not removed: .+ \(egi-sam-\S+; next run retries\)", report.first)
    assert (len(site.nova.keys), len(site.journal())) == (1, 1)
    site.nova.faults.clear()
    assert site.look().code == 0
    assert site.is_clean


def test_a_vm_that_did_not_get_its_key_and_stays_is_told_with_both_the_worse_first(site):
    site.nova.faults.on("nova-console", output="{marker}\n")
    site.nova.faults.on("nova-locked")
    report = site.look("--boot", *QUICK, "-t", seconds(20), "-v")
    [(title, _)] = site.nova.created
    expect(
        report,
        2,
        rf"public_key did not reach the VM on {NOVA}; by its console user_data ran, and no authorized_keys file has "
        rf"the key, watched for {TIME}; VM not removed \(next run retries\)",
    )
    assert len(report.first) <= 200 + len("OpenStack-VM CRITICAL - ")
    assert re.search(rf"VM active after {TIME}, not removed: 409 .* \({title}; next run retries\)", report.out)
    assert (len(site.nova.keys), len(site.journal())) == (1, 1)
    site.nova.faults.clear()
    assert site.look().code == 0
    assert site.is_clean


def test_a_key_that_stays_of_a_vm_that_failed_is_told_with_both_the_worse_first(site):
    site.nova.faults.on("nova-build-error")
    site.nova.faults.on("nova-key-stays")
    report = site.look("--boot", *QUICK)
    [(title, _)] = site.nova.created
    expect(
        report,
        2,
        rf'VM went into ERROR instead of ACTIVE: "No valid host was found" on {NOVA}; '
        rf"keypair not removed(?:: 500)? \({title}; next run retries\)",
    )
    assert len(report.first) <= 200 + len("OpenStack-VM CRITICAL - ")
    site.nova.faults.clear()
    assert site.look().code == 0
    assert site.is_clean


def left_with_key(site: Site, *words: object) -> str:
    """A VM that a run with --boot has left, and its keypair; returns their title."""
    site.nova.faults.on("nova-console", output="")
    process = site.monitor.start(PROBE, "-H", site.cloud.hostname, "--boot", *words)
    until(lambda: any(each.request.path.endswith("/action") for each in site.web.requests))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    site.nova.faults.clear()
    [title] = site.nova.keys
    return title


def with_token(site: Site, user: str) -> tuple[str, object]:
    """The option for an access token of a user of the same project."""
    token, file = planted.jwt(exp=time.time() + 3600, iss=ISSUER), site.monitor.home / "token"
    site.cloud.keystone.register_access_token(token, user)
    file.write_text(token)
    file.chmod(0o600)
    return "--token-file", file


@pytest.mark.parametrize("owner", ["certificate", "access token"])
def test_the_keypair_of_another_user_is_not_taken_for_gone(site, owner):
    """Nova says 404 of it, as of one that is not there."""
    as_owner = with_token(site, "one@egi.eu") if owner == "access token" else ()
    title = left_with_key(site, *as_owner)
    as_other = with_token(site, "two@egi.eu")
    mine = rf"access token of user {user_id('two@egi.eu')}"
    said = (
        rf"keypair not removed: not visible as {mine}; it is of user [0-9a-f]{{40}} \({title}; see fedcloud-leftovers\)"
    )
    for _ in range(2):
        expect(site.look(*as_other), 1, said)
        assert (site.nova.servers(), list(site.nova.keys)) == ([], [title])
        assert site.journal() == [f"{title}.server"]
    report = site.monitor.run("fedcloud-leftovers")
    assert ", of which only the keypair is left" in report.lines[0]
    if owner == "access token":
        as_owner = with_token(site, "one@egi.eu")
    assert site.look(*as_owner).code == 0
    assert site.is_clean


def forget_key_user(site: Site) -> None:
    """The entry as an earlier version noted it."""
    [file] = site.monitor.state.glob("*.server")
    with file.open("a") as journal:
        journal.write(json.dumps({"key_user": ""}) + "\n")


@pytest.mark.parametrize("is_worse", [False, True])
def test_a_keypair_of_whom_nothing_was_noted_is_not_taken_for_gone_behind_a_token(site, is_worse):
    title = left_with_key(site, *with_token(site, "one@egi.eu"))
    forget_key_user(site)
    site.nova.key_users[title] = "somebody else"
    if is_worse:
        site.nova.faults.on("nova-build-error")
    report = site.look(*with_token(site, "one@egi.eu"))
    said = rf"not visible as access token of user {user_id('one@egi.eu')}; whose it is was not noted"
    if is_worse:
        expect(
            report,
            2,
            rf'VM went into ERROR instead of ACTIVE: "No valid host was found" on {NOVA}; '
            rf"keypair not removed(?:: .+)? \((?:{title}; )?see fedcloud-leftovers\)",
        )
    else:
        expect(report, 1, rf"keypair not removed: {said} \({title}; see fedcloud-leftovers\)")
    assert (list(site.nova.keys), site.journal()) == ([title], [f"{title}.server"])


def test_a_keypair_of_whom_nothing_was_noted_is_gone_when_the_dn_that_asked_for_it_does_not_see_it(site):
    left_with_key(site)
    forget_key_user(site)
    site.nova.keys.clear()
    report = site.look()
    expect(report, 0, r"VM active after .*; removed 1 VM that an earlier run had left")
    until(lambda: site.is_clean)


def test_a_keypair_of_whom_nothing_was_noted_is_not_taken_for_gone_by_a_dn_that_its_owners_begins_with(site):
    """Nova says 404 of it, and "/CN=Jane Doe" is not "/CN=Jane Doe jd42"."""
    title = left_with_key(site)
    forget_key_user(site)
    [file] = site.monitor.state.glob("*.server")
    dn = json.loads(file.read_text().splitlines()[0])["identity"].removesuffix(" ops")
    with file.open("a") as journal:
        journal.write(json.dumps({"identity": f"{dn} jd42 ops"}) + "\n")
    site.nova.key_users[title] = "somebody else"
    said = rf"keypair not removed: not visible as {re.escape(dn)}; whose it is was not noted"
    expect(site.look(), 1, rf"{said} \({title}; see fedcloud-leftovers\)")
    assert (list(site.nova.keys), site.journal()) == ([title], [f"{title}.server"])


@pytest.mark.parametrize("whose", ["ours", "another's"])
def test_a_keypair_whose_deletion_has_no_answer_keeps_no_vm_from_being_judged(site, whose):
    site.nova.faults.on("nova-console", output=BOOTED)
    site.nova.faults.on("nova-key-stays")
    assert site.look("--boot").code == 1
    site.nova.faults.clear()
    [title] = site.nova.keys
    if whose == "another's":
        [file] = site.monitor.state.glob("*.server")
        with file.open("a") as journal:
            journal.write(json.dumps({"identity": "/CN=another ops"}) + "\n")
    site.web.faults.on("mute", method="DELETE", path=f"/v2.1/os-keypairs/{title}")
    report = site.look("-t", seconds(10))
    said = rf"keypair not removed: no complete answer within {TIME} from {NOVA} \({title}; next run retries\)"
    expect(report, 1, said)
    assert {"time_to_active", "time_to_delete"} <= report.performance.keys()
    assert (len(site.nova.created), site.journal()) == (2, [f"{title}.server"])
    until(lambda: not site.nova.servers())  # Nova shows a VM that is deleted for a moment
    site.web.faults.clear()
    assert site.look().code == 0
    until(lambda: site.is_clean)


def test_a_keypair_of_our_own_that_was_refused_is_forgotten(site):
    site.nova.faults.on("status", code=403, method="POST", path="/v2.1/os-keypairs")
    assert site.look("--boot").code == 2
    assert site.is_clean


def test_killed_while_it_boots_the_next_run_removes_vm_and_key(site):
    left_with_key(site)
    site.nova.keys["somebody-elses"] = "ssh-rsa x"
    assert site.look().code == 0
    assert set(site.nova.keys) == {"somebody-elses"}
    assert site.journal() == []


def test_ended_between_key_and_vm_both_are_removed_by_the_next_run(site):
    site.web.faults.on("held", method="POST", path="/v2.1/servers")
    process = site.monitor.start(PROBE, "-H", site.cloud.hostname, "--boot")
    until(lambda: site.web.held == 1)
    process.terminate()
    out, _ = process.communicate()
    assert b"interrupted" in out
    assert (site.nova.servers(), len(site.nova.keys), len(site.journal())) == ([], 1, 1)
    site.web.faults.off("held")
    until(site.nova.servers)
    assert site.look().code == 0
    assert site.is_clean


# ---- in each region


TIMES = rf"{TIME}(?: and {TIME})?"
"""Of two regions; what is the same of both is said once."""


def boot_in_each(monitor: Monitor, *outputs: str, words: tuple[object, ...] = ()) -> tuple[Report, list[Nova]]:
    """A run over all regions whose consoles show `outputs`, one each; and what the regions have of it."""
    cloud = monitor.federation.cloud("regions")
    novas = [cloud.novas[region] for region in ("RegionOne", "RegionTwo")]
    for nova, output in zip(novas, outputs, strict=True):
        nova.faults.on("nova-console", output=output)
    report = monitor.run(PROBE, "-H", cloud.hostname, "--boot", "--all-regions", "-t", AMPLE_S, *words)
    return report, novas


def test_a_vm_of_each_region_is_seen_to_boot_with_a_key_of_its_own(monitor):
    report, novas = boot_in_each(monitor, BOOTED, BOOTED)
    expect(
        report,
        0,
        rf"VM active after {TIMES} in RegionOne and RegionTwo of \S+ \(project ops, .+\), removed in {TIMES}; "
        rf"its console shows that its key and user_data reached it after {TIMES}",
    )
    (first, one, _), (second, two, _) = (each for nova in novas for each in nova.handed_over)
    assert len({first, second}) == len({one, two}) == 2
    assert [(nova.servers(), nova.keys, len(nova.created)) for nova in novas] == [([], {}, 1)] * 2
    assert list(monitor.state.glob("*.server")) == []


def test_the_region_whose_vm_got_no_key_is_named_and_the_other_was_tried(monitor):
    report, novas = boot_in_each(monitor, "{marker}\n", BOOTED, words=("--wait", "2"))
    expect(
        report,
        2,
        rf"RegionOne: public_key did not reach the VM on {NOVA}; by its console user_data ran, and no authorized_keys "
        rf"file has the key, watched for {TIME}",
    )
    assert [(nova.servers(), nova.keys, len(nova.created)) for nova in novas] == [([], {}, 1)] * 2


def test_a_key_that_stays_in_one_region_is_named_with_that_and_removed_there_by_the_next_run(monitor):
    cloud = monitor.federation.cloud("regions")
    cloud.novas["RegionTwo"].faults.on("nova-key-stays")
    report, novas = boot_in_each(monitor, BOOTED, BOOTED)
    assert report.code == 1
    assert re.search(r"RegionTwo: keypair not removed: .+ \(egi-sam-\S+; next run retries\)", report.first)
    assert [len(nova.keys) for nova in novas] == [0, 1]
    cloud.novas["RegionTwo"].faults.off("nova-key-stays")
    assert monitor.run(PROBE, "-H", cloud.hostname, "--all-regions").code == 0
    assert [nova.keys for nova in novas] == [{}, {}]


def test_a_key_that_stays_has_its_own_regions_name_behind_what_is_worse_in_the_next(monitor):
    cloud = monitor.federation.cloud("regions")
    cloud.novas["RegionOne"].faults.on("nova-key-stays")
    cloud.novas["RegionTwo"].faults.on("nova-build-error")
    report = monitor.run(PROBE, "-H", cloud.hostname, "--all-regions", "--boot", *QUICK)
    assert report.code == 2
    assert re.search(r"CRITICAL - RegionTwo: VM went into ERROR .+; RegionOne: keypair not removed\b", report.first)
    assert [len(nova.keys) for nova in (cloud.novas["RegionOne"], cloud.novas["RegionTwo"])] == [1, 0]


def test_options_of_booting_need_it(site):
    expect(site.look("--wait", "3"), 3, r"usage: --wait has no effect without --boot \(see check_openstack_vm --help\)")
