"""The inventory: one order, one name each, and a warning for what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from libprobe.programs import catalogue
from libprobe.programs.ncg.inventory import MAX_WARNINGS, Inventory, InventoryCounts
from tests.conftest import ROOT
from tests.programs.ncg import topology
from tests.programs.test_catalogue import endpoint

METRICS = catalogue.read(str(ROOT / "etc/ncg"))


@pytest.fixture
def inventory(tmp_path: Path) -> Iterator[Inventory]:
    inventory = Inventory(METRICS, str(tmp_path / "inventory"))
    yield inventory
    inventory.close()


def test_a_type_that_no_metric_is_for_is_passed_over_in_silence(inventory: Inventory) -> None:
    inventory.add(endpoint("Site-BDII"))
    assert (inventory.finalize(), inventory.warnings) == (InventoryCounts(0, 0, 0), [])


def test_hosts_are_the_same_in_any_case(inventory: Inventory) -> None:
    inventory.add(endpoint(topology.PERUN, hostname="Perun.Example.org"))
    inventory.add(endpoint(topology.ACCOUNTING, hostname="perun.example.org"))
    assert inventory.finalize() == InventoryCounts(1, 1, 2)
    [host] = inventory.hosts("EXAMPLE-CLOUD")
    assert host.service_types == ["egi.Perun", "eu.egi.cloud.accounting"]


def test_one_warning_names_all_metrics_of_an_endpoint_that_are_left_out(inventory: Inventory) -> None:
    inventory.add(endpoint(url="https://cloud.example.org:8787/?image=a;rm%20-rf"))
    inventory.add(endpoint(topology.PERUN))
    assert inventory.finalize().services == 5
    assert inventory.warnings == []
    inventory.warn(endpoint(), "x")
    assert inventory.warnings == ["EXAMPLE-CLOUD, cloud.example.org, eu.egi.cloud.vm-management.occi: x"]


def test_an_unusable_url_is_one_warning(inventory: Inventory) -> None:
    inventory.add(endpoint(url="host:8787/?image=a"))
    inventory.finalize()
    assert inventory.warnings == [
        "EXAMPLE-CLOUD, cloud.example.org, eu.egi.cloud.vm-management.occi: not given to eu.egi.cloud.Certificate, "
        "eu.egi.cloud.OCCI-Context, eu.egi.cloud.OCCI-VM, org.nagios.OCCI-TCP, which will judge it: "
        'the URL "host:8787/?image=a" does not begin with https:// or http://'
    ]


def test_metrics_that_need_no_url_survive_an_unusable_one(inventory: Inventory) -> None:
    inventory.add(endpoint(topology.ACCOUNTING, url="nonsense; rm -rf /"))
    assert (inventory.finalize().services, inventory.warnings) == (1, [])


def test_without_a_key_a_second_endpoint_cannot_be_told_apart(inventory: Inventory) -> None:
    for port in (1, 2):
        inventory.add(endpoint(primary_key="", url=f"https://cloud.example.org:{port}/?image=a"))
    assert inventory.finalize().services == 4
    assert len(inventory.warnings) == 4
    assert "no key tells them apart" in inventory.warnings[0]


def services_named(inventory: Inventory, metric: str) -> list[tuple[str, str]]:
    """Name and service type of each service of a metric."""
    inventory.finalize()
    sites = list(inventory.sites())
    return [
        (each.name, each.service_type) for site in sites for each in inventory.services(site) if each.metric == metric
    ]


KEYSTONE = "https://keystone.example.org:5000/v3"
CERTIFICATE = "eu.egi.cloud.Certificate"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((topology.NOVA, KEYSTONE), (topology.SWIFT, KEYSTONE)),
        ((topology.NOVA, KEYSTONE), (topology.SWIFT, "https://KEYSTONE.example.org:5000/")),
        ((topology.NOVA, KEYSTONE), (topology.NOVA, f"{KEYSTONE}/second")),
        (
            (topology.CDMI, "https://keystone.example.org:8443/cdmi"),
            (topology.OCCI, "https://keystone.example.org:8443/"),
        ),
    ],
)
def test_the_certificate_of_one_host_and_port_is_asked_once(inventory: Inventory, first, second) -> None:
    for number, (service_type, url) in enumerate((first, second)):
        key = f"900{number}G0"
        inventory.add(endpoint(service_type, hostname="keystone.example.org", url=url, primary_key=key))
    assert services_named(inventory, CERTIFICATE) == [(CERTIFICATE, first[0])]
    assert inventory.warnings == []


def test_the_certificates_of_two_ports_are_two_services_of_different_names(inventory: Inventory) -> None:
    for number, (service_type, port) in enumerate(((topology.NOVA, 5000), (topology.SWIFT, 5001))):
        url, key = f"https://keystone.example.org:{port}/v3", f"900{number}G0"
        inventory.add(endpoint(service_type, hostname="keystone.example.org", url=url, primary_key=key))
    assert services_named(inventory, CERTIFICATE) == [
        (CERTIFICATE, topology.NOVA),
        (f"{CERTIFICATE}_9001G0", topology.SWIFT),
    ]


def test_another_sites_certificate_is_a_service_of_its_own(inventory: Inventory) -> None:
    for number, (site, service_type) in enumerate((("FIRST", topology.NOVA), ("SECOND", topology.SWIFT))):
        key = f"900{number}G0"
        inventory.add(endpoint(service_type, hostname="keystone.example.org", url=KEYSTONE, primary_key=key, site=site))
    assert len(services_named(inventory, CERTIFICATE)) == 2


def test_what_others_depend_on_is_kept_for_each_endpoint(inventory: Inventory) -> None:
    for number, path in enumerate(("", "/second")):
        url, key = f"https://cloud.example.org:8787{path}/?image=a", f"900{number}G0"
        inventory.add(endpoint(url=url, primary_key=key))
    assert [name for name, _ in services_named(inventory, "org.nagios.OCCI-TCP")] == [
        "org.nagios.OCCI-TCP",
        "org.nagios.OCCI-TCP_9001G0",
    ]


def test_a_removed_host_is_not_there_and_a_metric_of_a_host_is(tmp_path: Path) -> None:
    for path in (ROOT / "etc/ncg").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "mine.localdb").write_text(
        "REMOVE_HOST!gone.example.org\nADD_HOST_SERVICE_METRIC!cloud.example.org!egi.Perun!org.nagios.OCCI-TCP\n"
    )
    inventory = Inventory(catalogue.read(str(tmp_path)), str(tmp_path / "inventory"))
    inventory.add(endpoint())
    inventory.add(endpoint(hostname="gone.example.org"))
    inventory.add(endpoint("egi.Perun", primary_key="9002G0"))
    inventory.add(endpoint("egi.Perun", hostname="perun.example.org", site="OTHER"))
    inventory.finalize()
    assert [each.name for each in inventory.services("EXAMPLE-CLOUD")] == [
        *("eu.egi.cloud.Certificate", "eu.egi.cloud.OCCI-Context-ops", "eu.egi.cloud.OCCI-VM-ops"),
        *("eu.egi.cloud.Perun-Check", "org.nagios.OCCI-TCP", "org.nagios.OCCI-TCP_9001G0"),
    ]
    inventory.close()


def test_warnings_are_bounded(inventory: Inventory) -> None:
    for _ in range(MAX_WARNINGS + 5):
        inventory.add(endpoint(site="a;b"))
    inventory.finalize()
    assert (len(inventory.warnings), inventory.warnings_dropped) == (MAX_WARNINGS, 5)
