"""The federation under a real Icinga 2, a master and a satellite, with the generated configuration.

The steps share the two and build on each other, so they are one test.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest

from tests.conftest import at
from tests.federation import gocdb as pi
from tests.federation.federation import OCCI, Federation
from tests.nagios import Service

from .downtimes import outages_of_the_gocdb_and_no_other_are_scheduled_and_ended, tell
from .icinga import SATELLITE, IcingaCloud
from .monitor import at_our_pace
from .scenes import (
    ATTEMPTS,
    CERTIFICATE,
    CONTEXT,
    NEW_HOST,
    NEW_SITE,
    VM,
    builder,
    building,
    expect_states,
    finish_building,
    registered,
)

pytestmark = pytest.mark.needs("icinga2-bin")


@pytest.fixture
def monitor(whole_machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IcingaCloud]:
    """A federation of its own, as its GOCDB changes, and an Icinga that has just been started."""
    directory = tmp_path_factory.mktemp("icinga")
    with (
        Federation(directory / "federation") as federation,
        IcingaCloud(federation, directory / "monitor", interval_factor=at_our_pace()) as running,
    ):
        yield running


def test_a_satellite_sees_what_happens_and_its_master_tells(monitor: IcingaCloud) -> None:
    all_metrics_of_all_sites_become_ok_on_the_satellite(monitor)
    faults_turn_exactly_the_right_services_critical_until_they_are_mended(monitor)
    a_new_site_appears_after_a_reload_and_a_running_check_goes_on(monitor)
    outages_of_the_gocdb_and_no_other_are_scheduled_and_ended(monitor, "Icinga", monitor.directory)
    the_interface_of_icinga_refuses_a_wrong_password(monitor)
    no_vm_is_left_after_the_satellite_and_its_probes_were_killed(monitor)


def all_metrics_of_all_sites_become_ok_on_the_satellite(monitor: IcingaCloud) -> None:
    wanted = {service for services in registered(monitor.federation).values() for service in services}
    monitor.until(lambda: set(monitor.status()) == wanted and monitor.is_checking(), "the satellite checks")
    monitor.round(wanted)
    monitor.until(monitor.is_all_ok, "all metrics of all sites are OK")
    monitor.until(lambda: set(monitor.hosts().values()) == {"UP"}, "all hosts are UP")
    assert {each.source for each in monitor.status().values()} == {SATELLITE}
    assert all(site.occi.created and not site.occi.vms() for site in monitor.federation.sites.values())


def faults_turn_exactly_the_right_services_critical_until_they_are_mended(monitor: IcingaCloud) -> None:
    """A used-up quota fails the VM alone; an expired certificate all that speaks TLS, but not the port."""
    full, expired = monitor.federation.site("ooi"), monitor.federation.site("rocci")
    expiry = rf"certificate expired 3 d ago \([\d-]+ [\d:]+ UTC\) on {at(expired.base)}"
    reasons = {
        Service(full.hostname, VM): r"OCCI-VM CRITICAL - no quota or capacity left \(403 "
        rf'"Quota exceeded for instances: [^"]+\.\.\."\) from {at(full.base)} when asked to create a VM',
        Service(expired.hostname, VM): rf"OCCI-VM CRITICAL - {expiry}",
        Service(expired.hostname, CONTEXT): rf"OCCI-Context CRITICAL - {expiry}",
        Service(expired.hostname, CERTIFICATE): rf"Endpoint-TCP CRITICAL - {expiry} \(127\.0\.0\.1\)",
    }
    full.faults.on("quota")
    expired.certificate("expired")
    monitor.round(monitor.status())
    monitor.round(reasons)  # two attempts make it hard: now people would be told
    monitor.round(each for each in reasons if ATTEMPTS[each.name] > 2)
    expect_states(monitor, dict.fromkeys(reasons, "CRITICAL"))
    found = monitor.status()
    for service, reason in reasons.items():
        assert re.fullmatch(reason, found[service].output), found[service].output
        assert (found[service].is_hard, found[service].source) == (True, SATELLITE)

    full.faults.clear()
    expired.certificate("good")
    monitor.round(reasons)
    expect_states(monitor, {})


def a_new_site_appears_after_a_reload_and_a_running_check_goes_on(monitor: IcingaCloud) -> None:
    """The satellite takes the new configuration from the master, and reloads while a probe runs below it."""
    before = monitor.status()
    slow, endpoint = monitor.federation.site("snf"), monitor.federation.site("rocci2")
    service = pi.Service(NEW_HOST, OCCI, NEW_SITE, url=endpoint.url, endpoints=[pi.Endpoint(endpoint.url)])
    monitor.federation.gocdb.add_service(service)
    assert "\n  written to " in monitor.generate()
    [identifier] = building(monitor, [slow])
    running = builder(monitor, slow)
    slow.faults.clear()
    monitor.master.reload()
    monitor.until(lambda: len(monitor.status()) == len(before) + 4, "the master has the new site's services")
    new = registered(monitor.federation)[NEW_SITE]
    monitor.until(lambda: monitor.is_checking(new), "the satellite checks the new site")
    assert monitor.satellite.said().count("Reload done, old process shutting down") == 2
    assert running in monitor.probes()
    monitor.round(new)
    known = monitor.status()
    assert {known[each].state for each in (*before, *new)} == {"OK"}
    assert new == {each for each in known if each.host == NEW_HOST}

    assert identifier in [vm.id for vm in slow.occi.vms()]
    finish_building(slow)
    monitor.until(lambda: running not in monitor.probes(), "the probe that was running has ended")
    assert identifier in [gone for _, gone in slow.occi.deleted]
    monitor.round([Service(slow.hostname, VM)])
    expect_states(monitor, {})


def the_interface_of_icinga_refuses_a_wrong_password(monitor: IcingaCloud) -> None:
    wrong = monitor.directory / "wrong"
    wrong.write_text("fedcloud-downtimes:not the password\n")
    wrong.chmod(0o600)
    report = tell(monitor, monitor.directory, "--icinga-login", wrong)
    assert re.fullmatch(
        r"fedcloud-downtimes: not done: 401 Unauthorized from Icinga localhost:\d+ when asked to list its downtimes "
        r"\(look at the ApiUser, its password and permissions\)\n",
        report.out,
    ), report.out
    assert (report.code, report.err) == (2, "")


def no_vm_is_left_after_the_satellite_and_its_probes_were_killed(monitor: IcingaCloud) -> None:
    """The probes of all sites but one are killed with it; the one that lives on keeps its VM until it is done."""
    sites = list(monitor.federation.sites.values())
    spared = monitor.federation.site("snf")
    victims = [site for site in sites if site is not spared]
    abandoned = building(monitor, sites)
    monitor.satellite.kill()
    survivors = monitor.probes("check_occi_vm", spared.hostname)
    killed = set(monitor.probes()) - set(survivors)
    monitor.signal(killed, signal.SIGKILL)
    assert survivors and len(killed) >= len(victims)
    assert {vm.id for site in sites for vm in site.occi.vms()} >= set(abandoned)

    for site in sites:
        site.faults.clear()
    monitor.satellite.start()
    monitor.round(each for each in monitor.status() if each.name == VM)
    # a check that Icinga itself began meanwhile may have a VM at this moment: of those left behind there is none
    assert not set(abandoned) & {vm.id for site in victims for vm in site.occi.vms()}
    monitor.until(lambda: not any(site.occi.vms() for site in victims), "the VMs of checks under way are gone too")
    assert set(abandoned) & {vm.id for vm in spared.occi.vms()}
    finish_building(spared)
    monitor.until(lambda: not set(survivors) & set(monitor.probes()), "the probe that was spared has ended")
    monitor.round([Service(spared.hostname, VM)])
    assert not set(abandoned) & {vm.id for site in sites for vm in site.occi.vms()}
    monitor.until(lambda: not any(site.occi.vms() for site in sites), "no VM is left at any site")
    state = monitor.federation.directory / "state"
    monitor.until(lambda: not list(state.glob("*.vm")), "and none is remembered")
    monitor.until(monitor.is_all_ok, "all metrics are OK again")
