"""The federation under a real Nagios 4 with the generated configuration, from the first check to a crash.

The steps share one Nagios and build on each other, so they are one test.
"""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Iterator

import pytest

from tests.conftest import at
from tests.federation import broker
from tests.federation import gocdb as pi
from tests.federation.federation import OCCI, Federation
from tests.nagios import Service
from tests.pace import AMPLE_S

from . import pages
from .downtimes import OfNagios, outages_of_the_gocdb_and_no_other_are_scheduled_and_ended
from .monitor import CloudMonitor, at_our_pace
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

pytestmark = pytest.mark.needs("nagios4-core")


@pytest.fixture
def monitor(whole_machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudMonitor]:
    """A federation of its own, as its GOCDB changes, and a Nagios that has just been started."""
    directory = tmp_path_factory.mktemp("cloudmon")
    with Federation(directory / "federation") as federation:
        messages = None
        if broker.is_installed():
            messages, _ = broker.of_test_run(tmp_path_factory.getbasetemp())
            url = f"stomp://localhost:{messages.plain}/"
            federation.gocdb.add_service(pi.Service("mq.fedcloud.test", "egi.MSGBroker", "EGI-MESSAGES", url=url))
        try:
            with CloudMonitor(federation, directory / "monitor", interval_factor=at_our_pace()) as running:
                yield running
        finally:
            if messages:
                messages.stop()


def test_the_central_monitor_sees_what_happens_to_the_federation(monitor: CloudMonitor) -> None:
    all_metrics_of_all_sites_become_ok(monitor)
    faults_turn_exactly_the_right_services_critical_until_they_are_mended(monitor)
    a_new_site_appears_after_a_reload_and_a_running_check_goes_on(monitor)
    outages_of_the_gocdb_and_no_other_are_scheduled_and_ended(OfNagios(monitor), "Nagios", monitor.directory)
    no_vm_is_left_after_nagios_and_its_probes_were_killed(monitor)


# ---- The steps


def all_metrics_of_all_sites_become_ok(monitor: CloudMonitor) -> None:
    by_site = registered(monitor.federation)
    wanted = {service for services in by_site.values() for service in services}
    assert {site.gocdb_name for site in monitor.federation.sites.values()} < set(by_site)
    monitor.until(lambda: set(monitor.status()) == wanted and monitor.is_all_ok(), "all metrics of all sites are OK")
    up = dict.fromkeys((service.host for service in wanted), "UP")
    monitor.until(lambda: monitor.hosts() == up, "all hosts are UP")
    assert all(site.occi.created and not site.occi.vms() for site in monitor.federation.sites.values())


def faults_turn_exactly_the_right_services_critical_until_they_are_mended(monitor: CloudMonitor) -> None:
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
        assert found[service].is_hard
        assert f"SERVICE ALERT: {service.host};{service.name};CRITICAL;HARD;{ATTEMPTS[service.name]};" in monitor.log()
    if pages.is_installed():
        the_web_pages_show_the_critical_services(monitor, len(reasons))

    full.faults.clear()
    expired.certificate("good")
    monitor.round(reasons)
    expect_states(monitor, {})
    for service in reasons:
        assert f"SERVICE ALERT: {service.host};{service.name};OK;HARD;" in monitor.log()


def the_web_pages_show_the_critical_services(monitor: CloudMonitor, count: int) -> None:
    with pages.Pages(monitor.configuration, monitor.directory) as shown:
        page = fetched(shown.url)
        hosts = fetched(f"{shown.url}nagios4/cgi-bin/status.cgi?hostgroup=all&style=hostdetail")
        refusal = fetched(f"{shown.url}nagios4/cgi-bin/cmd.cgi?cmd_typ=11&cmd_mod=2")  # stop all notifications
    assert page.count("class='statusCRITICAL'") == count
    assert page.count("class='statusOK'") == len(monitor.status()) - count
    assert hosts.count("class='statusHOSTUP'>UP<") == len(monitor.hosts())
    for each in (page, hosts):
        assert "statusHOSTPENDING" not in each
        assert "disabled.gif" not in each  # the red cross of what is not checked at all
    assert "Quota exceeded for instances" in page
    assert "Error: Invalid or missing CSRF cookie!" in refusal


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=AMPLE_S) as answer:
        return answer.read().decode()


def a_new_site_appears_after_a_reload_and_a_running_check_goes_on(monitor: CloudMonitor) -> None:
    """A reload takes Nagios' workers away from under a probe, whose result is lost: it must still remove its VM."""
    before = monitor.status()
    slow, endpoint = monitor.federation.site("snf"), monitor.federation.site("rocci2")
    service = pi.Service(NEW_HOST, OCCI, NEW_SITE, url=endpoint.url, endpoints=[pi.Endpoint(endpoint.url)])
    monitor.federation.gocdb.add_service(service)
    assert "\n  written to " in monitor.generate()
    [identifier] = building(monitor, [slow])
    running = builder(monitor, slow)
    starts = monitor.log().count(" starting... ")
    slow.faults.clear()
    monitor.reload()
    monitor.until(lambda: len(monitor.status()) == len(before) + 4, "the new site's services are there")
    assert monitor.log().count(" starting... ") == starts + 1
    known = monitor.status()
    assert {known[each].state for each in before} == {"OK"}
    assert running in monitor.probes()
    monitor.until(monitor.is_all_ok, "the new site is OK, and all others still are")
    assert set(registered(monitor.federation)[NEW_SITE]) == {each for each in known if each.host == NEW_HOST}

    assert identifier in [vm.id for vm in slow.occi.vms()]  # a second check left it to the first
    finish_building(slow)
    monitor.until(lambda: running not in monitor.probes(), "the probe that was running has ended")
    assert identifier in [gone for _, gone in slow.occi.deleted]
    monitor.round([Service(slow.hostname, VM)])
    expect_states(monitor, {})


def no_vm_is_left_after_nagios_and_its_probes_were_killed(monitor: CloudMonitor) -> None:
    """The probes of all sites but one are killed with it; the one that lives on keeps its VM until it is done."""
    sites = list(monitor.federation.sites.values())
    spared = monitor.federation.site("snf")
    victims = [site for site in sites if site is not spared]
    abandoned = building(monitor, sites)
    monitor.kill()
    survivors = monitor.probes("check_occi_vm", spared.hostname)
    killed = set(monitor.probes()) - set(survivors)
    monitor.signal(killed, signal.SIGKILL)
    assert survivors and len(killed) >= len(victims)
    assert {vm.id for site in sites for vm in site.occi.vms()} >= set(abandoned)

    for site in sites:
        site.faults.clear()
    monitor.start()
    monitor.round(each for each in monitor.status() if each.name == VM)
    # a check that Nagios itself began meanwhile may have a VM at this moment: of those left behind there is none
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
