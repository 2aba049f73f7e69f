"""Nova, Glance and Neutron as a client sees them, over the stand-ins that answer as recorded."""

from __future__ import annotations

import json
import re
import time

import pytest

from libprobe.clients.credentials import find_certificate
from libprobe.clients.http import HttpClient
from libprobe.clients.keystone import LoginRequest
from libprobe.clients.nova import IMAGES, KIND, NETWORKS, Glance, Neutron, Nova
from libprobe.clients.openstack import OpenStackCloud
from libprobe.clients.refusals import LoginRefused, QuotaRefused, Refusal, ServerError
from libprobe.deadline import Deadline
from libprobe.failures import BadData, NoAnswer, Rejected
from tests.federation.glance import Image
from tests.pace import AMPLE_S, until

WHEN = r"from localhost:\d+ when asked to create a VM"


class Region:
    """Of the site `stack`, and us logged in to it."""

    def __init__(self, federation) -> None:
        self.site = federation.cloud("stack")
        self.web = federation.service("stack-nova").web
        certificate = find_certificate(str(federation.proxy))
        self.http = HttpClient(Deadline(AMPLE_S), trust=str(federation.ca_directory), credential=certificate)
        self.cloud = OpenStackCloud(self.http, self.site.url, LoginRequest("ops"))
        self.cloud.log_in()
        self.nova = Nova(self.cloud.service(KIND, "RegionOne"))
        self.glance = Glance(self.cloud.service(IMAGES, "RegionOne"))
        self.neutron = Neutron(self.cloud.service(NETWORKS, "RegionOne"))

    def wanted(self, **more: object) -> dict[str, object]:
        network = next(each for each in self.site.neutron.networks if each.name == "ops-net")
        image = self.site.glance.named("cirros-0.3.5")
        known = {"name": "ours", "imageRef": image.id, "flavorRef": "1", "networks": [{"uuid": network.id}]}
        return {**known, **more}


@pytest.fixture
def region(federation):
    region = Region(federation)
    yield region
    region.http.close()


def test_a_list_of_metadata_that_cannot_be_had_says_nothing(region):
    """Nova without Neutron shows names only; the metadata are not asked for where the name was found."""
    theirs = region.site.nova.add("renamed", **{"egi-sam": "ours"}).id
    assert region.nova.find("ours") == f"/servers/{theirs}"
    assert region.nova.find("ours", at_most=4) is None
    region.site.nova.faults.on("nova-no-neutron")
    assert region.nova.find("ours") is None
    mine = region.site.nova.add("ours").id
    assert region.nova.find("ours") == f"/servers/{mine}"
    assert [each.request.path for each in region.web.requests][-1] == "/v2.1/servers"


def test_a_list_that_does_not_end_is_refused(region):
    for number in range(45):
        region.site.nova.add(f"theirs-{number}")
    region.site.nova.max_limit = 1
    assert region.nova.find("egi-sam-x-0123456789ab") is None  # what a name asks for is one page
    region.site.nova.add("x")
    with pytest.raises(BadData, match=r"^the list of VMs does not end within 40 pages, from localhost:\d+$"):
        region.nova.find("theirs")


def test_a_key_is_made_and_removed_once(region):
    region.nova.add_key("ours", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 egi-sam")
    with pytest.raises(
        Refusal, match=r"^409 .Key pair 'ours' already exists. from localhost:\d+ when asked to take a key$"
    ):
        region.nova.add_key("ours", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 egi-sam")
    assert [region.nova.remove_key("ours") for _ in range(2)] == [True, False]
    assert [each.request.method for each in region.web.requests] == ["POST", "POST", "DELETE", "DELETE"]


def test_networks_that_are_not_listed_are_told_with_what_was_asked(region):
    region.site.neutron.faults.on("status", code=503)
    with pytest.raises(
        ServerError, match=r"^503 Service Unavailable from localhost:\d+ when asked to list the networks$"
    ):
        region.neutron.networks()


def test_a_life(region):
    path = region.nova.create(region.wanted(metadata={"argo-mon-host": "here"}))
    [server] = region.site.nova.servers()
    assert (path, server.name, server.metadata) == (f"/servers/{server.id}", "ours", {"argo-mon-host": "here"})
    assert region.nova.find("ours") == path
    until(lambda: region.nova.show(path).state == "active")
    assert region.nova.show(path).addresses == ["192.168.71.23"]
    region.site.nova.faults.on("nova-delete-seconds", seconds=AMPLE_S)
    assert region.nova.delete(path)
    assert region.nova.show(path).state == "ACTIVE, deleting"
    assert region.nova.deletion_request[0].startswith("in the site's logs: X-Openstack-Request-Id req-")
    server.gone = time.time()
    assert region.nova.show(path) is None
    assert region.nova.find("ours") is None
    until(lambda: not region.nova.delete(path))


def test_only_exactly_our_name_is_found_whatever_the_list_has(region):
    region.site.nova.add("ours-too")
    region.site.nova.add("not ours")
    assert region.nova.find("ours") is None
    server = region.site.nova.add("ours")
    assert region.nova.find("ours") == f"/servers/{server.id}"


@pytest.mark.parametrize(
    ("wanted", "kind", "status", "said"),
    [
        ({"flavorRef": "4711"}, Refusal, 400, f'^400 "Flavor 4711 could not be found" {WHEN}$'),
        (
            {"flavorRef": "3"},
            Refusal,
            403,
            f'^403 "Only volume-backed servers are allowed for flavors with zero disk" {WHEN}$',
        ),
        (
            {"flavorRef": "99"},
            QuotaRefused,
            403,
            rf'^403 "Quota exceeded for ram: Requested 999999, but already used 0 of 512\.\.\." {WHEN}$',
        ),
        (
            {"networks": []},
            Refusal,
            409,
            f'^409 "Multiple possible networks found, use a Network ID to be more specific" {WHEN} ',
        ),
    ],
    ids=["unknown size", "size without a disk", "quota", "several networks"],
)
def test_a_refusal_to_create_is_told_in_novas_words(region, wanted, kind, status, said):
    with pytest.raises(kind, match=said) as caught:
        region.nova.create(region.wanted(**wanted))
    assert re.fullmatch(r"in the site's logs: X-Openstack-Request-Id req-[0-9a-f-]{36}", caught.value.details[-1])
    assert caught.value.http_status == status
    assert not isinstance(caught.value, Rejected)
    assert bool(caught.value.remedy) is (status == 409)


def test_what_nova_could_not_reach_is_named(region):
    for fault, service in (("nova-no-neutron", "Neutron or Keystone"), ("nova-no-glance", "Glance")):
        region.site.nova.faults.on(fault)
        with pytest.raises(
            ServerError,
            match=(
                r'^500 "Unexpected API Error" from localhost:\d+ when asked to create a '
                rf"VM; Nova could not reach {service}$"
            ),
        ):
            region.nova.create(region.wanted())
        region.site.nova.faults.clear()


def test_a_policy_is_told_with_our_roles(region):
    words = json.dumps(
        {"forbidden": {"code": 403, "message": "Policy doesn't allow os_compute_api:x to be performed."}}
    )
    region.site.nova.faults.on("status", code=403, body=words, headers={"Content-Type": "application/json"})
    with pytest.raises(LoginRefused, match="our roles in project ops: member, reader"):
        region.nova.quotas()


def test_a_404_that_is_not_novas_says_nothing_of_a_vm(region):
    region.site.nova.faults.on("status", code=404, body="<html><h1>Not Found</h1></html>")
    for ask in (region.nova.show, region.nova.delete):
        with pytest.raises(Refusal, match=r"^404 .* from localhost:\d+ when asked to \w+ the VM"):
            ask("/servers/1")


@pytest.mark.parametrize(
    "address", ["/servers/..", "/servers/", "https://h/v2.1/flavors/1", "", "https://[::", "/servers/a/b"]
)
def test_only_an_address_of_one_vm_is_asked_for_or_deleted(region, address):
    with pytest.raises(BadData, match=r"^'.*' for a VM's address from localhost:\d+$"):
        region.nova.delete(address)
    assert [each for each in region.web.requests if each.request.method == "DELETE"] == []


def test_a_request_that_is_never_answered_ends_before_the_run(region, monkeypatch):
    monkeypatch.setattr("libprobe.clients.nova.READING_S", 0.5)
    region.site.nova.faults.on("mute")
    began = time.monotonic()
    with pytest.raises(NoAnswer):
        region.nova.quotas()
    assert time.monotonic() - began < AMPLE_S / 2


def test_a_catalogue_may_name_image_and_network_with_their_version(region):
    for kind, version, listed in ((IMAGES, "/v2", Glance.images), (NETWORKS, "/v2.0", Neutron.networks)):
        service = region.cloud.service(kind, "RegionOne")
        usual = {Glance.images: Glance, Neutron.networks: Neutron}[listed]
        names = [each.name for each in listed(usual(service))]
        service.base += version
        assert [each.name for each in listed(usual(service))] == names != []


def test_images_of_all_pages_and_one_that_none_lists(region):
    region.site.glance.faults.on("glance-pages", size=4)
    assert len(region.glance.images()) == 8
    hidden = region.site.glance.named("hidden")
    assert region.glance.image(hidden.id).name == "hidden"
    assert region.glance.image("00000000-0000-0000-0000-000000000005") is None
    region.site.glance.faults.clear()
    region.site.glance.faults.on("glance-next", next="https://elsewhere.example.org/v2/images?x")
    with pytest.raises(BadData, match="which is no page of it"):
        region.glance.images()
    first = region.site.glance.images[0].id
    region.site.glance.faults.on("glance-next", next=f"/v2/images?marker={first}")
    with pytest.raises(
        BadData, match=rf"^pages that go round in a circle from localhost:\d+; the marker '{first}' came"
    ):
        region.glance.images()


def test_a_page_of_images_of_which_none_can_be_read_is_not_the_last(region):
    unreadable = [Image("theirs", id=f"{number}" * 300) for number in range(4)]
    region.site.glance.images[2:2] = unreadable
    region.site.glance.faults.on("glance-pages", size=2)
    assert len(region.glance.images()) == 8
    assert region.glance.unreadable == 4
    region.site.glance.images.remove(unreadable[0])
    region.glance.images()
    assert region.glance.unreadable == 3


def test_glance_says_401_where_keystone_is_down(region):
    region.site.glance.faults.on("os-no-keystone")
    with pytest.raises(LoginRefused, match="Keystone takes this token, so Glance cannot ask it"):
        region.glance.images()
    region.site.nova.faults.on("os-no-keystone")
    with pytest.raises(
        ServerError, match=r'^503 "The Keystone service is temporarily unavailable" from localhost:\d+ when asked to '
    ):
        region.nova.quotas()


def test_networks_sizes_and_quotas(region):
    assert [each.name for each in region.neutron.networks() if each.is_usable] == ["ops-net"]
    assert "m1.tiny" in [each.name for each in region.nova.sizes()]
    assert [each.limit for each in region.nova.quotas()] == [50, 20, 51200]
