"""The federation's Nova, Glance and Neutron answer as the recorded ones do: status, words and headers."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.federation.glance import Glance
from tests.federation.keystone import Keystone
from tests.federation.neutron import Network, Neutron
from tests.federation.nova import FLAVORS, Nova
from tests.federation.web import Headers, Request, Response
from tests.pace import AMPLE_S

BASE = "https://localhost:18774/v2.1"
UNKNOWN = "00000000-0000-0000-0000-000000000005"


class Region:
    """Three services and their own Keystone, asked without a network. token: of project ops."""

    def __init__(self) -> None:
        self.keystone = Keystone(("v3",), url=lambda: "https://localhost:18500")
        self.glance, self.neutron = Glance(self.keystone), Neutron(self.keystone)
        self.nova = Nova(self.keystone, self.glance, self.neutron, lambda: BASE, 0.0)
        self.token = self.issue("ops")
        self.image = self.glance.named("cirros-0.3.5").id
        self.network = next(each for each in self.neutron.networks if each.name == "ops-net")

    def issue(self, project: str | None) -> str:
        ends = self.keystone._clock() + self.keystone.lifetime
        return self.keystone._issue("robot", ("ops",), project, ends, ("openid",)).id

    def ask(self, api: Any, method: str, path: str, document: Any = None, **more: str) -> Response:
        path, _, query = path.partition("?")
        asked = {name: [value] for name, _, value in (each.partition("=") for each in query.split("&")) if name}
        fields = [("X-Auth-Token", self.token), *((name.replace("_", "-"), value) for name, value in more.items())]
        body = b"" if document is None else json.dumps(document).encode()
        return api.app(Request(method, path, asked, Headers(fields), body))

    def read(self, api: Any, path: str) -> Any:
        return json.loads(self.ask(api, "GET", path).body)

    def create(self, **more: Any) -> Response:
        wanted = {"name": "probe", "imageRef": self.image, "flavorRef": "1", "networks": [{"uuid": self.network.id}]}
        given = {name: value for name, value in {**wanted, **more}.items() if value is not None}
        return self.ask(self.nova, "POST", "/v2.1/servers", {"server": given})

    def made(self, **more: Any) -> str:
        """The path of a server that was made."""
        return f"/v2.1/servers/{json.loads(self.create(**more).body)['server']['id']}"


@pytest.fixture
def region() -> Region:
    return Region()


def said(response: Response) -> tuple[int, str, str]:
    [(kind, error)] = json.loads(response.body).items()
    assert error["code"] == response.status
    return response.status, kind, error["message"]


def test_a_servers_life_is_as_recorded(region):
    region.nova.faults.on("nova-build-seconds", seconds=AMPLE_S)
    answer = region.create(metadata={"argo-mon-host": "mon.example.org"})
    assert answer.status == 202
    server = json.loads(answer.body)["server"]
    assert set(server) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    headers = dict(answer.headers)
    assert headers["Location"] == f"{BASE}/servers/{server['id']}"
    assert headers["X-Openstack-Request-Id"] == headers["X-Compute-Request-Id"]
    path = f"/v2.1/servers/{server['id']}"
    shown = region.read(region.nova, path)["server"]
    assert (shown["status"], shown["addresses"], shown["hostId"]) == ("BUILD", {}, "")
    assert "fault" not in shown
    [kept] = region.nova.servers()
    kept.active = time.time()
    shown = region.read(region.nova, path)["server"]
    assert (shown["status"], list(shown["addresses"])) == ("ACTIVE", ["ops-net"])
    region.nova.faults.on("nova-delete-seconds", seconds=AMPLE_S)
    assert [region.ask(region.nova, "DELETE", path).status for _ in range(2)] == [204, 204]
    shown = region.read(region.nova, path)["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", "deleting")
    kept.gone = time.time()
    assert region.ask(region.nova, "GET", path).status == 404
    assert said(region.ask(region.nova, "DELETE", path)) == (
        404,
        "itemNotFound",
        f"Instance {server['id']} could not be found.",
    )


@pytest.mark.parametrize(
    ("wanted", "answered"),
    [
        ({"imageRef": UNKNOWN}, (400, "badRequest", "Can not find requested image")),
        ({"imageRef": None}, (400, "badRequest", "Missing imageRef attribute")),
        ({"imageRef": "queued"}, (400, "badRequest", "Image {queued} is not active.")),
        ({"imageRef": "bigram"}, (400, "badRequest", "Flavor's memory is too small for requested image.")),
        (
            {"imageRef": "bigdisk"},
            (
                400,
                "badRequest",
                "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is 1073741824 "
                "bytes, minimum size is 42949672960 bytes.",
            ),
        ),
        ({"flavorRef": "4711"}, (400, "badRequest", "Flavor 4711 could not be found.")),
        (
            {"flavorRef": "3"},
            (403, "forbidden", "Only volume-backed servers are allowed for flavors with zero disk."),
        ),
        ({"networks": [{"uuid": UNKNOWN}]}, (400, "badRequest", f"Network {UNKNOWN} could not be found.")),
        (
            {"networks": None},
            (409, "conflictingRequest", "Multiple possible networks found, use a Network ID to be more specific."),
        ),
        (
            {"flavorRef": "99"},
            (403, "forbidden", "Quota exceeded for ram: Requested 999999, but already used 0 of 51200 ram"),
        ),
        (
            {"metadata": {str(each): "" for each in range(129)}},
            (403, "forbidden", "Maximum number of metadata items exceeds 128"),
        ),
    ],
)
def test_what_is_refused_is_refused_in_the_recorded_words(region, wanted, answered):
    named = {each.name: each.id for each in region.glance.images}
    if wanted.get("imageRef") in named:
        wanted = {"imageRef": named[wanted["imageRef"]]}
    status, kind, message = answered
    assert said(region.create(**wanted)) == (status, kind, message.replace("{queued}", named["queued"]))
    assert region.nova.servers() == []


def test_what_is_accepted_and_ends_in_error_is_told_there(region):
    external = next(each for each in region.neutron.networks if each.external)
    path = region.made(networks=[{"uuid": external.id}])
    shown = region.read(region.nova, path)["server"]
    assert shown["status"] == "ERROR"
    assert shown["fault"]["message"].endswith("Failed to allocate the network(s), not rescheduling.")
    path = region.made(flavorRef="98")
    assert region.read(region.nova, path)["server"]["fault"]["message"] == "No valid host was found. "
    assert region.ask(region.nova, "DELETE", path).status == 204
    assert region.ask(region.nova, "GET", path).status == 404


def test_user_data_that_is_no_base64_is_taken_and_lost(region):
    """Nova refuses a length that base64 cannot have, and nothing else: `%%%` is 202, and the VM is given nothing."""
    refused = said(region.create(user_data="abc"))
    assert refused == (
        400,
        "badRequest",
        "Invalid input for field/attribute user_data. Value: abc. 'abc' is not a 'base64'",
    )
    region.nova.faults.on("nova-console", output="{marker}")
    word = "0" * 32
    script = base64.b64encode(f"echo {word} >/dev/console".encode()).decode()
    for data, shown in ((script, word), ("%%%", "none")):
        path = region.made(user_data=data)
        answer = region.ask(region.nova, "POST", f"{path}/action", {"os-getConsoleOutput": {}})
        assert json.loads(answer.body)["output"] == shown


def test_without_any_network_a_server_is_active_and_has_no_address(region):
    region.neutron.networks.clear()
    shown = region.read(region.nova, region.made(networks=None))["server"]
    assert (shown["status"], shown["addresses"]) == ("ACTIVE", {})
    region.neutron.networks.append(Network("theirs", "admin", shared=True))
    assert list(region.read(region.nova, region.made(networks=None))["server"]["addresses"]) == ["theirs"]


def test_of_a_list_names_are_patterns_and_other_filters_are_ignored(region):
    region.made(name="probe"), region.made(name="other")
    listed = {
        query: sorted(each["name"] for each in region.read(region.nova, f"/v2.1/servers{query}")["servers"])
        for query in ("", "?name=prob", "?name=^robe$", "?metadata=x", "?nonsense=1")
    }
    both = ["other", "probe"]
    assert list(listed.values()) == [both, ["probe"], [], both, both]
    assert region.ask(region.nova, "GET", "/v2.1/servers?name=[").status == 400
    assert region.ask(region.nova, "DELETE", "/v2.1/servers").status == 404
    region.token = region.issue("training")
    assert region.read(region.nova, "/v2.1/servers")["servers"] == []


def test_deletions_that_do_not_go_as_they_should(region):
    region.nova.faults.on("nova-locked", times=1)
    path = region.made()
    assert said(region.ask(region.nova, "DELETE", path))[2].endswith(" is locked")
    region.nova.faults.on("nova-delete-error", times=1)
    assert region.ask(region.nova, "DELETE", path).status == 204
    assert region.read(region.nova, path)["server"]["status"] == "ERROR"
    assert region.ask(region.nova, "DELETE", path).status == 204
    assert region.ask(region.nova, "GET", path).status == 404
    region.nova.faults.on("nova-delete-ignored")
    path = region.made()
    assert region.ask(region.nova, "DELETE", path).status == 204
    shown = region.read(region.nova, path)["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", "deleting")
    assert region.read(region.nova, "/v2.1/limits")["limits"]["absolute"]["totalInstancesUsed"] == 1


def test_one_deleted_while_it_is_built_may_be_active_once_more(region):
    region.nova.faults.on("nova-build-seconds", seconds=AMPLE_S)
    region.nova.faults.on("nova-active-once-more")
    region.nova.faults.on("nova-delete-seconds", seconds=AMPLE_S)
    path = region.made()
    [server] = region.nova.servers()

    def seen() -> tuple[str, str | None]:
        shown = region.read(region.nova, path)["server"]
        return shown["status"], shown["OS-EXT-STS:task_state"]

    region.ask(region.nova, "DELETE", path)
    assert seen() == ("BUILD", "deleting")
    server.deleted -= 1.5 * AMPLE_S  # as if most of its time were over
    assert seen() == ("ACTIVE", None)
    server.gone = time.time()
    assert region.ask(region.nova, "GET", path).status == 404


def test_a_service_that_nova_needs_is_down(region):
    path = region.made()
    region.nova.faults.on("nova-no-neutron")
    for answer in (region.create(), region.ask(region.nova, "GET", path)):
        status, kind, message = said(answer)
        assert (status, kind, message[-16:]) == (500, "computeFault", "ConnectFailure'>")
    assert region.ask(region.nova, "DELETE", path).status == 204
    region.nova.faults.clear()
    assert region.read(region.nova, path)["server"]["status"] == "ERROR"
    region.nova.faults.on("nova-no-glance")
    assert said(region.create())[2].endswith("<class 'nova.exception.GlanceConnectionFailed'>")


def test_tokens_are_judged_as_by_each_service(region):
    good = region.token
    region.token = "nonsense"
    answers = [
        region.ask(region.nova, "GET", "/v2.1/limits"),
        region.ask(region.glance, "GET", "/v2/images"),
        region.ask(region.neutron, "GET", "/v2.0/networks"),
    ]
    assert [each.status for each in answers] == [401, 401, 401]
    assert {dict(each.headers)["Www-Authenticate"] for each in answers} == {'Keystone uri="https://localhost:18500/v3"'}
    assert json.loads(answers[1].body)["code"] == "401 Unauthorized"
    region.token = region.issue(None)  # of no project, and yet it reads
    for api, path in ((region.nova, "/v2.1/limits"), (region.glance, "/v2/images"), (region.neutron, "/v2.0/networks")):
        assert region.ask(api, "GET", path).status == 200
        api.faults.on("os-no-keystone")
    region.token = good
    assert region.ask(region.nova, "GET", "/v2.1/limits").status == 503
    assert region.ask(region.glance, "GET", "/v2/images").status == 401


def test_microversions_are_told_and_a_wrong_one_is_refused(region):
    answer = region.ask(region.nova, "GET", "/v2.1/limits")
    assert dict(answer.headers)["Openstack-Api-Version"] == "compute 2.1"
    answer = region.ask(region.nova, "GET", "/v2.1/limits", OpenStack_API_Version="compute 2.999")
    assert said(answer)[2] == "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.93."
    assert region.ask(region.nova, "GET", "/v2.1/limits", OpenStack_API_Version="volume 9.9").status == 200


def test_images_come_in_pages_of_which_the_last_may_be_empty(region):
    region.glance.faults.on("glance-pages", size=4)
    path, pages = "/v2/images", []
    while path:
        page = region.read(region.glance, path)
        pages.append([each["name"] for each in page["images"]])
        path = page.get("next", "")
    assert [len(each) for each in pages] == [4, 4, 0]
    assert pages[0][:2] == ["deactivated", "queued"]
    hidden = region.glance.named("hidden")
    assert region.read(region.glance, f"/v2/images/{hidden.id}")["os_hidden"] is True
    region.glance.faults.clear()
    found = region.read(region.glance, "/v2/images?ad:appid=1017")["images"]
    assert [each["name"] for each in found] == ["Image for EGI Centos 7 [CentOS/7/VirtualBox]"]
    assert region.ask(region.glance, "GET", "/v2/images/").status == 404


def test_networks_are_ones_own_shared_ones_and_external_ones_of_others(region):
    listed = region.read(region.neutron, "/v2.0/networks")["networks"]
    assert [each["name"] for each in listed] == ["no-subnet", "ops-net", "down-net", "public"]
    assert {each["status"] for each in listed} == {"ACTIVE"}
    assert [each["router:external"] for each in listed] == [False, False, False, True]


def test_flavours_are_as_recorded(region):
    listed = region.read(region.nova, "/v2.1/flavors/detail")["flavors"]
    assert [(each["id"], each["name"], each["ram"], each["disk"]) for each in listed] == [
        (each.id, each.name, each.ram, each.disk) for each in FLAVORS
    ]
