"""The OCCI servers: ooi against recordings of the real one, the others against what is known of them."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis.strategies import (
    binary,
    booleans,
    dictionaries,
    integers,
    lists,
    none,
    recursive,
    sampled_from,
    text,
)

from .faults import Faults
from .occi import DIALECTS, Account, OcciServer
from .occi.model import FOREVER
from .occi.renderings import Unreadable, flat, nested, read_category, read_json, read_text
from .web import Headers, Request, Response

RECORDINGS = Path(__file__).parent.parent / "data" / "occi" / "ooi"
BASE = "http://127.0.0.1:8787"
PROJECT = Account("/C=EU/O=EGI/CN=robot", "ops")

KIND = 'compute; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"'
KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCImUQ18XxJSEObht3BqJoIk3/h robot@egi"
USER_DATA_11 = 'user_data; scheme="http://schemas.openstack.org/compute/instance#"; class="mixin"'
PUBLIC_KEY_11 = 'public_key; scheme="http://schemas.openstack.org/instance/credentials#"; class="mixin"'
USER_DATA_12 = 'user_data; scheme="http://schemas.ogf.org/occi/infrastructure/compute#"; class="mixin"'
SSH_KEY_12 = 'ssh_key; scheme="http://schemas.ogf.org/occi/infrastructure/credentials#"; class="mixin"'

every_dialect = pytest.mark.parametrize("dialect", sorted(DIALECTS))


def login(request: Request) -> Account | Response:
    token = request.headers.get("X-Auth-Token", "SCOPED_TOKEN")
    if token == "SCOPED_TOKEN":
        return PROJECT
    return Account("other", "elsewhere") if token == "OTHER" else Response(401)


@dataclass
class Client:
    """Asks a server without a network in between."""

    server: OcciServer

    def __call__(
        self, method: str, path: str, *fields: tuple[str, str], body: str | bytes = "", **headers: str
    ) -> Response:
        url = urlsplit(path)
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        data = body.encode() if isinstance(body, str) else body
        query = parse_qs(url.query, keep_blank_values=True)
        prefix = self.server.path if not url.path.startswith("/occi1.") else ""
        return self.server.app(Request(method, prefix + url.path, query, Headers([*named, *fields]), data))

    def templates(self) -> tuple[str, str]:
        """Return the Category values of the first image and the first size."""
        dialect, templates = self.server.dialect, self.server.templates
        pair = (
            dialect.os_template(templates.images[0]),
            dialect.resource_template(templates.sizes[0]),
        )
        image, size = (f'{mixin.term}; scheme="{mixin.scheme}"; class="mixin"' for mixin in pair)
        return image, size

    def order(self, *categories: str, title: str = "probe-vm", **attributes: str) -> str:
        lines = [f"Category: {category}" for category in (KIND, *self.templates(), *categories)]
        given = {"occi.core.id": title, "occi.core.title": title, "occi.compute.hostname": title, **attributes}
        lines += [f'X-OCCI-Attribute: {name}="{value}"' for name, value in given.items()]
        return "\n".join(lines)

    def create(self, *categories: str, title: str = "probe-vm", **attributes: str) -> Response:
        body = self.order(*categories, title=title, **attributes)
        return self("POST", "/compute/", body=body, Content_Type="text/plain")

    def settle(self) -> None:
        """Let deletions take effect."""
        for machine in self.server.store.machines():
            if machine.gone_at is not None:
                machine.gone_at = 0.0

    def vm(self) -> str:
        """Create a VM; return its path."""
        assert self.create().status in (200, 201)
        return f"/compute/{self.server.vms()[-1].id}"


def of(response: Response, name: str) -> str:
    return Headers(response.headers).get(name) or ""


@pytest.fixture
def make() -> Callable[..., Client]:
    def make(dialect: str, **options: Any) -> Client:
        path = "/occi1.1" if dialect == "ooi" else ""
        faults = options.pop("faults", None) or Faults()
        return Client(OcciServer(dialect, login=login, faults=faults, base_url=lambda: BASE, path=path, **options))

    return make


@pytest.fixture
def client(dialect: str, make: Callable[..., Client]) -> Client:
    return make(dialect)


# -- ooi against the recordings ---------------------------------------------------------------------


@dataclass
class Recording:
    name: str
    request: Request
    status: int
    headers: Headers
    body: str


def read_recording(path: Path) -> Recording:
    asked, _, answered = path.read_text().partition("----- response (")
    answered = answered.partition("\n")[2]

    def parts(text: str) -> tuple[str, Headers, str]:
        head, _, body = text.partition("\n\n")
        first, *lines = head.split("\n")
        fields = [tuple(line.split(": ", 1)) for line in lines if ": " in line]
        return first, Headers(fields), body  # type: ignore[arg-type]

    line, headers, body = parts(asked)
    method, target, _ = line.split(" ")
    url = urlsplit(target)
    # The recorder put a line end after every body.
    data = body.removesuffix("\n") if headers.get("Content-Length", "0") != "0" else ""
    first, answer_headers, answer = parts(answered)
    request = Request(method, url.path, parse_qs(url.query), headers, data.encode())
    return Recording(path.name, request, int(first.split(" ")[1]), answer_headers, answer.removesuffix("\n"))


# 64b, 65: floating addresses become resources of their own there.
NOT_SERVED = ("64b-", "65-")
BUILDING = ("21-", "50b-", "50c-", "44c-")


def replayed() -> list[Recording]:
    paths = [path for path in sorted(RECORDINGS.glob("*.txt")) if path.name[:3] not in ("00-", "70-")]
    recordings = [read_recording(path) for path in paths if not path.name.startswith(NOT_SERVED)]
    return [
        recording
        for recording in recordings
        if recording.request.headers.get("X-Auth-Token") == "SCOPED_TOKEN"
        and recording.request.path.startswith(("/occi1.", "/-/"))
    ]


def normalised(text: str) -> str:
    text = re.sub(r"(?<=compute/)[0-9a-f-]{36}|[0-9a-f-]{36}(?=_\d)|(?<=Instance )[0-9a-f-]{36}", "VM", text)
    text = re.sub(r'(core\.id="|"id": ")[0-9a-f-]{36}(?=")', r"\1VM", text)
    text = re.sub(r"(?<!\d)(192\.168\.77|203\.0\.113|127\.\d+\.\d+)\.\d+(/\d+)?(?![\d:])", "ADDRESS", text)
    return re.sub(r"fa:16:3e(:[0-9a-f]{2}){3}", "MAC", text)


def occi_fields(headers: Headers) -> list[tuple[str, str]]:
    names = ("category", "link", "x-occi-attribute", "x-occi-location")
    return [(name, normalised(value)) for name, value in headers.items() if name.lower() in names]


def shape(body: str, content_type: str) -> Any:
    return json.loads(normalised(body)) if "json" in content_type and body else normalised(body).strip()


def test_ooi_answers_as_the_recorded_server_did(make: Callable[..., Client]) -> None:
    faults = Faults()
    faults.on("build-endless")
    server = make("ooi", faults=faults).server
    # The recorded cloud offered two images only.
    server.templates = type(server.templates)(server.templates.images[:2], server.templates.sizes)
    server.dialect.delete_looks = 0  # the recorder waited for a VM to be gone
    server.reset()
    recordings = replayed()
    ours: dict[str, str] = {}
    differences = []
    for recording in recordings:
        name, request = recording.name, recording.request
        with server.store.lock:
            for machine in server.store.machines():
                machine.built_at = FOREVER if name.startswith(BUILDING) else 0.0
                machine.gone_at = 0.0 if name.startswith("60-") else machine.gone_at
        if name.startswith("51-"):
            faults.on("delete-seconds", seconds=60)
        if name.startswith("61-"):  # a cloud without a volume service
            faults.on("no-storage", times=1)
        for theirs, mine in ours.items():
            request.path = request.path.replace(theirs, mine)
            request.body = request.body.replace(theirs.encode(), mine.encode())
        answer = server.app(request)
        headers, got = Headers(answer.headers), answer.body.decode()
        if request.method == "POST" and recording.status == 200 and "compute" in request.path:
            text = recording.body + str(recording.headers.items())
            found = re.findall(r"compute/([0-9a-f-]{36})|\"id\": \"([0-9a-f-]{36})", text)
            ours["".join(found[0])] = server.vms()[-1].id
        if request.method == "HEAD":
            got = ""
        content_type = recording.headers.get("Content-Type", "")
        expected = (
            recording.status,
            content_type,
            recording.headers.get("Server"),
            occi_fields(recording.headers),
            shape(recording.body, content_type or ""),
        )
        actual = (
            answer.status,
            headers.get("Content-Type", ""),
            headers.get("Server"),
            occi_fields(headers),
            shape(got, content_type or ""),
        )
        if actual != expected:
            pair = next((e, a) for e, a in zip(expected, actual, strict=True) if e != a)
            differences.append(f"{name}\n  real {pair[0]}\n  ours {pair[1]}")
    assert len(recordings) > 80
    assert not differences, "\n".join(differences)


def test_ooi_contextualises_as_the_recorded_nova_showed(make: Callable[..., Client]) -> None:
    client = make("ooi")
    data = base64.b64encode(b"#!/bin/sh\n").decode()

    def context(*categories: str, **attributes: str) -> tuple[str | None, str | None]:
        assert client.create(*categories, **attributes).status == 200
        vm = client.server.vms()[-1]
        return vm.user_data, vm.public_key

    eleven = {"org.openstack.compute.user_data": data, "org.openstack.credentials.publickey.data": KEY}
    advertised = {"occi.compute.userdata": data, "occi.crendentials.ssh.publickey": KEY}
    read = {"occi.compute.user_data": data, "occi.credentials.ssh_key": KEY}
    assert context(USER_DATA_11, PUBLIC_KEY_11, **eleven) == (data, KEY)
    assert context(USER_DATA_12, SSH_KEY_12, **advertised) == (None, None)
    assert context(USER_DATA_12, SSH_KEY_12, **read) == (data, KEY)
    assert context(USER_DATA_11, SSH_KEY_12, **eleven, **read) == (data, KEY)
    for twice in ((USER_DATA_11, USER_DATA_12), (PUBLIC_KEY_11, SSH_KEY_12)):
        answer = client.create(*twice, **eleven, **read)
        assert (answer.status, answer.body) == (409, b"Conflicting OCCI Mixins used in request")
    eleven["org.openstack.compute.user_data"] = "%%%"
    assert context(USER_DATA_11, **eleven) == ("%%%", None)


def test_ooi_deletes_by_and_by(make: Callable[..., Client]) -> None:
    client = make("ooi")
    path = client.vm()
    assert client("DELETE", path).status == 204
    states = []
    for _ in range(3):
        answer = client("GET", path)
        states += re.findall(r'occi\.compute\.state="(\w+)"', answer.body.decode()) or [answer.status]
        assert client("DELETE", path).status == (404 if answer.status == 404 else 204)
    assert states == ["active", "inactive", 404]
    assert client.server.vms() == []
    path = client.vm()
    client("DELETE", path)
    assert len(client.server.vms()) == 1
    assert path.encode() in client("GET", "/compute/").body


def test_ooi_compares_media_types_as_a_whole(make: Callable[..., Client]) -> None:
    client = make("ooi")
    assert client("GET", "/-/", Accept="text/plain; charset=utf-8").status == 406
    answer = client("GET", "/-/", Accept="text/occi; charset=utf-8, text/plain;q=0.1")
    assert (answer.status, of(answer, "Content-Type")) == (200, "text/plain; charset=utf8")
    for wrong in ("nonsense", "text"):
        assert of(client("GET", "/-/", Accept=wrong), "Content-Type") == "text/plain; charset=utf8"


def test_ooi_serves_infrastructure_only(make: Callable[..., Client]) -> None:
    client = make("ooi")
    for path in ("/entity/", "/resource/", "/link/", "/os_tpl/"):
        assert client("GET", path).status == 404
    for path in ("/compute/", "/network/", "/storage/", "/networklink/", "/storagelink/", "/ipreservation/"):
        assert client("GET", path).status in (200, 204)


@pytest.mark.parametrize(("title", "status"), [("x" * 255, 200), ("x" * 256, 400), ("", 400)])
def test_a_title_on_ooi_is_a_name_of_nova(make: Callable[..., Client], title: str, status: int) -> None:
    assert make("ooi").create(title=title).status == status


def test_ooi_removes_the_keypair_that_it_makes_after_a_good_create_only(make: Callable[..., Client]) -> None:
    client = make("ooi")
    key = {"org.openstack.credentials.publickey.data": KEY}
    names = client.server.dialect.key_pairs.names.setdefault(PROJECT.user, set())
    assert client.create(PUBLIC_KEY_11, **key).status == 200
    assert names == set()
    client.server.faults.on("quota")
    for _ in range(100):
        assert client.create(PUBLIC_KEY_11, **key).status == 403
    client.server.faults.clear()
    assert len(names) == 100
    answer = client.create(PUBLIC_KEY_11, **key)
    assert (answer.status, answer.body) == (403, b"Quota exceeded, too many key pairs.")
    assert client.create().status == 200


# -- every dialect ----------------------------------------------------------------------------------


@every_dialect
def test_a_vm_is_created_described_listed_and_deleted(client: Client) -> None:
    path = client.vm()
    vm = client.server.vms("ops")[0]
    assert (vm.title, vm.project, vm.state) == ("probe-vm", "ops", "active")
    shown = client("GET", path, Accept="text/plain")
    assert shown.status == 200
    assert re.search(rb'occi\.compute\.state="active"', shown.body)
    assert b"occi.networkinterface.address=" in shown.body
    assert path.encode() in client("GET", "/compute/", Accept="text/plain").body
    assert client("DELETE", path).status in (200, 204)
    client.settle()
    assert client("GET", path).status == 404
    assert client("DELETE", path).status == 404
    assert client.server.created == client.server.deleted == [("probe-vm", vm.id)]


@every_dialect
def test_the_newest_is_listed_last_and_by_ooi_first(client: Client) -> None:
    paths = [client.vm().encode() for _ in range(3)]
    for media in ("text/plain", "text/uri-list", "application/occi+json"):
        body = client("GET", "/compute/", Accept=media).body
        names = paths if "json" not in media else [path.rpartition(b"/")[2] for path in paths]
        if all(name in body for name in names):  # pyssf tells no address in JSON without actions
            found = sorted(names, key=body.index)
            assert found == (names[::-1] if client.server.dialect.name == "ooi" else names)


@every_dialect
def test_the_query_interface_lists_the_standard(client: Client) -> None:
    for path in ("/-/", "/.well-known/org/ogf/occi/-/"):
        text = client("GET", path, Accept="text/plain").body.decode()
        registered = {"occi-os": "network storage", "snf-occi": "network"}.get(client.server.dialect.name)
        for term in ("entity", "resource", "link"):
            assert (f"Category: {term};" in text) == (registered is None)
        for term in ("compute", "storage", "network", "networkinterface", "storagelink"):
            if term.startswith("storage") and "storage" not in (registered or "storage"):
                assert f"Category: {term};" not in text
                continue
            line = next(line for line in text.splitlines() if line.startswith(f"Category: {term};"))
            assert 'class="kind"' in line
        for kind in ("os_tpl", "resource_tpl"):
            related = f'rel="http://schemas.ogf.org/occi/infrastructure#{kind}'
            assert text.count(related) >= 3
        assert "http://schemas.openstack.org/compute/instance#" in text
        assert "http://schemas.openstack.org/instance/credentials#" in text


@every_dialect
def test_text_occi_says_in_headers_what_text_plain_says_in_lines(client: Client) -> None:
    image, size = client.templates()
    categories = ", ".join((KIND, image, size))
    attributes = 'occi.core.id="d", occi.core.title="a, b", occi.compute.hostname="c"'
    fields = [("Category", categories), ("X-OCCI-Attribute", attributes)]
    answer = client("POST", "/compute/", *fields, Content_Type="text/occi", Accept="text/occi")
    assert answer.status in (200, 201)
    assert client.server.vms()[0].title == ("c" if client.server.dialect.name == "occi-os" else "a, b")
    path = f"/compute/{client.server.vms()[0].id}"
    shown = client("GET", path, Accept="text/occi")
    assert 'occi.compute.state="active"' in ",".join(Headers(shown.headers).all("X-OCCI-Attribute"))
    assert shown.body in (b"", b"OK")


@every_dialect
def test_the_content_type_of_the_client_of_rocci_is_taken(client: Client) -> None:
    answer = client("POST", "/compute/", body=client.order(), Content_Type="text/plain,text/occi")
    assert answer.status in (200, 201)
    assert len(client.server.vms()) == 1


@every_dialect
def test_the_server_says_what_it_is(client: Client) -> None:
    assert (
        of(client("GET", "/-/"), "Server")
        == {
            "occi-os": "pyssf OCCI/1.1",
            "ooi": "ooi/1.2.0 OCCI/1.1 OCCI/1.2",
            "rocci-1.1": "",
            "rocci-2.0": "rOCCI-server OCCI/1.1 OCCI-CRTP/1.0 OCCI/1.2 OCCI-CRTP/1.1",
            "snf-occi": "pyssf OCCI/1.1",
        }[client.server.dialect.name]
    )


def test_rocci_20_has_kinds_of_its_own(make: Callable[..., Client]) -> None:
    kinds = {kind.term: kind.location for kind in make("rocci-2.0").server.registry if kind.CLASS == "kind"}
    assert len(kinds) == 11
    assert {kinds[term] for term in ("networkinterface", "storagelink", "ipreservation", "securitygrouplink")} == {
        *("/networkinterface/", "/storagelink/", "/ipreservation/", "/securitygrouplink/"),
    }


@every_dialect
def test_a_vm_belongs_to_its_project(client: Client) -> None:
    path = client.vm()
    assert client("GET", path, X_Auth_Token="OTHER").status == 404
    assert client("DELETE", path, X_Auth_Token="OTHER").status == 404
    assert path.encode() not in client("GET", "/compute/", X_Auth_Token="OTHER").body
    assert client("GET", "/-/", X_Auth_Token="nonsense").status == 401
    foreign = client.server.add_foreign("precious", "ops")
    assert foreign.encode() in client("GET", "/compute/").body
    client("DELETE", "/compute/", X_Auth_Token="OTHER")
    assert len(client.server.vms()) == 2
    assert client("DELETE", "/compute/").status in (200, 204)
    client.settle()
    assert client.server.vms() == []
    assert ("precious", foreign) in client.server.deleted


@every_dialect
def test_unknown_things_are_refused(client: Client) -> None:
    assert client("GET", "/nonsense/").status == 404
    assert client("GET", "/compute/nope").status == 404
    assert client("GET", "/-/", Accept="image/png").status == 406
    assert client("POST", "/compute/", body="<vm/>", Content_Type="application/xml").status == 406
    assert client("GET", "/-/", User_Agent="probe/1 OCCI/9.9").status == 501
    assert client("GET", "/-/", User_Agent="probe/1 OCCI/1.1").status == 200
    assert client("PATCH", "/compute/").status == 405
    assert client.create('foo; scheme="http://example.org/mixin#"; class="mixin"').status == 400
    assert client.server.vms() == []


@every_dialect
def test_actions_change_the_state(client: Client) -> None:
    path = client.vm()

    def act(term: str) -> int:
        scheme = "http://schemas.ogf.org/occi/infrastructure/compute/action#"
        body = f'Category: {term}; scheme="{scheme}"; class="action"'
        return client("POST", f"{path}?action={term}", body=body, Content_Type="text/plain").status

    assert act("stop") in (200, 204)
    assert client.server.vms()[0].state == "stopped"
    assert act("stop") in (400, 409)
    assert act("start") in (200, 204)
    assert client.server.vms()[0].state == "active"
    assert act("suspend") in (200, 204)
    assert client.server.vms()[0].state == "suspended"
    assert act("explode") == 400


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) - {"snf-occi"}))
def test_a_storage_can_be_made_linked_and_removed(client: Client) -> None:
    path = client.vm()
    storage = 'storage; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"'
    body = f"Category: {storage}\nX-OCCI-Attribute: occi.storage.size=2.0"
    assert client("POST", "/storage/", body=body, Content_Type="text/plain").status in (200, 201)
    listed = client("GET", "/storage/", Accept="text/uri-list").body.decode().splitlines()[-1]
    where = urlsplit(listed).path
    link = 'storagelink; scheme="http://schemas.ogf.org/occi/infrastructure#"; class="kind"'
    body = (
        f'Category: {link}\nX-OCCI-Attribute: occi.core.source="{BASE}{client.server.path}{path}"\n'
        f'X-OCCI-Attribute: occi.core.target="{where}"'
    )
    kinds = {kind.term: kind.location for kind in client.server.registry if kind.CLASS == "kind"}
    assert client("POST", kinds["storagelink"], body=body, Content_Type="text/plain").status in (200, 201)
    assert b"occi.storagelink.deviceid" in client("GET", path, Accept="text/plain").body
    broken = body.replace(where, "/storage/none")
    assert client("POST", kinds["storagelink"], body=broken, Content_Type="text/plain").status == 400
    relative = where.removeprefix(client.server.path)
    assert client("DELETE", relative).status == 400
    [(machine, volume)] = client.server.storage_links()
    assert client("DELETE", f"{kinds['storagelink']}{machine}_{volume}").status in (200, 204)
    assert client.server.storage_links() == []
    assert client("DELETE", relative).status in (200, 204)
    assert client.server.storages() == []
    assert b"occi.storagelink" not in client("GET", path, Accept="text/plain").body


@every_dialect
def test_a_thousand_cuts_leave_the_counters_right(client: Client) -> None:
    def life() -> None:
        for _ in range(5):
            client.create()

    threads = [threading.Thread(target=life) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    paths = [f"/compute/{vm.id}" for vm in client.server.vms()]
    assert len(set(paths)) == len(client.server.created) == 20
    assert all(client("DELETE", path).status in (200, 204) for path in paths)
    client.settle()
    assert len(client.server.deleted) == 20


# -- what sets the dialects apart -------------------------------------------------------------------


@pytest.mark.parametrize(
    "dialect, status, where",
    [
        ("occi-os", 201, "header"),
        ("ooi", 200, "body"),
        ("rocci-1.1", 201, "body"),
        ("rocci-2.0", 201, "body"),
    ],
)
def test_creation_says_where_the_vm_is(client: Client, status: int, where: str) -> None:
    answer = client.create()
    identifier = client.server.vms()[0].id
    assert answer.status == status
    text = of(answer, "Location") if where == "header" else answer.body.decode()
    assert text.endswith(f"/compute/{identifier}")
    assert text.startswith(BASE if where == "header" else "X-OCCI-Location: ")


@pytest.mark.parametrize("dialect", ["occi-os", "snf-occi"])
def test_pyssf_takes_the_first_type_it_knows_and_no_parameters(client: Client) -> None:
    assert of(client("GET", "/-/", Accept="text/occi;q=0.1,text/plain"), "Content-Type") == "text/occi"
    assert of(client("GET", "/-/", Accept="a/b, text/plain"), "Content-Type") == "text/plain"
    assert client("GET", "/-/", Accept="text/plain; charset=utf-8").status == 406
    body = client.order()
    assert client("POST", "/compute/", body=body, Content_Type="text/plain; charset=utf-8").status == 406
    assert client("GET", "/-/", Accept="text/plain").body.startswith(b"\nCategory: ")
    assert client("HEAD", "/-/").status == 405
    assert client("GET", "/compute").status == 404
    assert client("GET", "/compute/", Accept="text/uri-list").body == b"# uri:/compute/"
    assert client("GET", client.vm(), Accept="text/uri-list").status == 400


@pytest.mark.parametrize("dialect", ["occi-os", "snf-occi"])
def test_pyssf_lists_in_json_without_addresses_but_those_of_actions(client: Client) -> None:
    client.server.faults.on("client-id")
    path = client.vm()
    [listed] = json.loads(client("GET", "/compute/", Accept="application/occi+json").body)
    assert sorted(listed) == ["actions", "attributes", "kind", "links", "mixins"]
    assert listed["attributes"]["occi.core.id"] == "probe-vm"
    assert listed["kind"]["term"] == "compute"
    assert listed["actions"][0]["link"] == f"{path}?action=stop"
    model = json.loads(client("GET", "/-/", Accept="application/occi+json").body)
    compute = next(each for each in model if each["term"] == "compute")
    assert compute["attributes"]["occi.compute.state"] == "immutable"
    assert "class" not in compute


@pytest.mark.parametrize("dialect", ["ooi", "rocci-1.1", "rocci-2.0"])
def test_the_others_negotiate(client: Client) -> None:
    assert of(client("GET", "/-/", Accept="text/occi;q=0.2,text/plain"), "Content-Type").startswith("text/plain")
    is_ooi = client.server.dialect.name == "ooi"
    assert client("GET", "/-/", Accept="text/plain; charset=utf-8").status == (406 if is_ooi else 200)
    assert client("HEAD", "/-/").status == 200


@pytest.mark.parametrize("dialect", ["occi-os"])
def test_occi_os_has_its_own_names(client: Client) -> None:
    text = client("GET", "/-/").body.decode()
    assert 'm1-tiny; scheme="http://schemas.openstack.org/template/resource#"' in text
    assert 'title="Flavor: m1.tiny "' in text
    assert 'title="Image: cirros-0.3.5"' in text
    shown = client("GET", client.vm()).body.decode()
    assert 'occi.compute.cores="1"' in shown
    assert 'org.openstack.compute.state="active"' in shown
    assert "occi.core.title=" not in shown
    assert client("POST", "/compute/", body=client.order(**{"occi.compute.cores": "2"})).status == 400
    restart = 'Category: restart; scheme="http://schemas.ogf.org/occi/infrastructure/compute/action#"'
    path = f"/compute/{client.server.vms()[0].id}"
    assert client("POST", f"{path}?action=restart", body=restart).status == 400
    body = f'{restart}\nX-OCCI-Attribute: method="warm"'
    assert client("POST", f"{path}?action=restart", body=body).status == 200


@pytest.mark.parametrize("dialect", ["occi-os", "snf-occi"])
def test_pyssf_keeps_mixins_of_its_users(client: Client) -> None:
    mixin = 'mine; scheme="http://example.org/occi#"; class="mixin"; location="/mine/"'
    assert client("POST", "/-/", body=f"Category: {mixin}").status == 200
    assert client("POST", "/-/", body=f"Category: {mixin}").status == 400
    path = client.vm()
    assert client("POST", "/mine/", body=f"X-OCCI-Location: {BASE}{path}").status == 200
    assert path.encode() in client("GET", "/mine/").body
    assert client("PUT", "/mine/", body="").status == 200
    assert path.encode() not in client("GET", "/mine/").body
    assert client("DELETE", "/-/", body=f"Category: {mixin}").status == 200
    assert client("GET", "/mine/").status == 404
    assert client("DELETE", "/-/", body=f"Category: {KIND}").status == 403
    assert len(client.server.vms()) == 1


@pytest.mark.parametrize("dialect", ["occi-os"])
def test_occi_os_updates_what_may_change(client: Client) -> None:
    path = client.vm()
    new_name = 'X-OCCI-Attribute: occi.compute.hostname="renamed"'
    assert client("POST", path, body=new_name).status == 200
    assert client.server.vms()[0].hostname == "renamed"
    assert client("POST", path, body='X-OCCI-Attribute: occi.compute.state="active"').status == 400
    assert client("PUT", path, body=new_name).status == 400
    assert client("PUT", path, body=f"Category: {KIND}\n{new_name}").status == 200


@pytest.mark.parametrize("dialect", ["occi-os", "snf-occi", "rocci-1.1", "rocci-2.0"])
def test_the_query_interface_can_be_filtered(client: Client) -> None:
    text = client("GET", "/-/", ("Category", KIND), Content_Type="text/occi").body.decode()
    assert text.strip().count("Category:") == 1
    client.vm()
    other = 'network; scheme="http://schemas.ogf.org/occi/infrastructure#"'
    assert b"compute/" not in client("GET", "/compute/", ("Category", other), Content_Type="text/occi").body


def answered_headers(client: Client, path: str, name: str) -> list[str]:
    return Headers(client("GET", path, Accept="text/occi").headers).all(name)


def test_the_text_occi_of_both_roccis(make: Callable[..., Client]) -> None:
    """As rOCCI-server 1.1.9 and 2.0.4 write it."""
    for dialect, names in (("rocci-1.1", ("Category", "Link")), ("rocci-2.0", ("X-OCCI-Category", "X-OCCI-Link"))):
        client = make(dialect)
        paths = [client.vm(), client.vm()]
        listed = [f"{BASE}{path}" for path in paths]
        is_joined = dialect == "rocci-1.1"
        assert answered_headers(client, "/compute/", "Location") == ([",".join(listed)] if is_joined else listed)
        assert answered_headers(client, "/compute/", "X-OCCI-Location") == []
        for name in names:
            found = answered_headers(client, paths[0], name)
            assert (len(found) == 1) if is_joined else (len(found) > 1)
        assert of(client("GET", "/nonsense/", Accept="text/occi"), "X-OCCI-Error") == (
            "" if is_joined else "The resource could not be found."
        )


@pytest.mark.parametrize("dialect", ["rocci-1.1", "rocci-2.0"])
def test_a_rocci_marks_a_template_by_what_it_depends_on_and_the_newer_by_what_it_applies_to_as_well(
    client: Client,
) -> None:
    lines = [line for line in client("GET", "/-/").body.decode().splitlines() if "monitoring" in line]
    [line] = [line for line in lines if "infrastructure/os_tpl#" in line]
    newer = " http://schemas.ogf.org/occi/infrastructure#compute" * (client.server.dialect.name == "rocci-2.0")
    assert f'rel="http://schemas.ogf.org/occi/infrastructure#os_tpl{newer}"' in line
    mixins = json.loads(client("GET", "/-/", Accept="application/json").body)["mixins"]
    [image] = [mixin for mixin in mixins if mixin["title"] == "monitoring"]
    assert image["depends"] == ["http://schemas.ogf.org/occi/infrastructure#os_tpl"]
    assert image["applies"] == ["http://schemas.ogf.org/occi/infrastructure#compute"]


@pytest.mark.parametrize("dialect", ["rocci-1.1"])
def test_rocci_11_has_its_own_shapes(client: Client) -> None:
    text = client("GET", "/-/").body.decode()
    line = next(line for line in text.splitlines() if "uuid_monitoring_20;" in line)
    assert 'location="/mixin/os_tpl/uuid_monitoring_20/"' in line
    shown = json.loads(client("GET", client.vm(), Accept="application/json").body)
    resource = shown["resources"][0]
    assert resource["attributes"]["occi"]["compute"]["cores"] == 1
    kind = json.loads(client("GET", "/-/", Accept="application/json").body)["kinds"][3]
    assert kind["attributes"]["occi"]["compute"]["cores"]["Mutable"] is True
    wrong = 'Category: start; scheme="http://schemas.ogf.org/occi/infrastructure/compute/action#"'
    path = f"/compute/{client.server.vms()[0].id}?action=stop"
    assert client("POST", path, body=wrong).status == 400


@pytest.mark.parametrize("dialect", ["rocci-1.1", "rocci-2.0"])
def test_rocci_checks_the_context(client: Client) -> None:
    def status(text: str) -> int:
        return client.create(USER_DATA_11, **{"org.openstack.compute.user_data": text}).status

    assert status("A" * 16384) == 201
    assert status("A" * 16388) == 409
    assert status("#cloud-config") == 409
    names = {"org.openstack.credentials.publickey.data": "junk"}
    assert client.create(PUBLIC_KEY_11, **names).status == 409


@pytest.mark.parametrize(
    "dialect, status",
    [("occi-os", 400), ("ooi", 400), ("rocci-1.1", 409), ("rocci-2.0", 409), ("snf-occi", 406)],
)
def test_no_image_no_vm(client: Client, status: int) -> None:
    size = client.templates()[1]
    body = f'Category: {KIND}\nCategory: {size}\nX-OCCI-Attribute: occi.core.id="vm"'
    answer = client("POST", "/compute/", body=body, Content_Type="text/plain")
    assert answer.status == status
    if client.server.dialect.name == "rocci-2.0":
        assert answer.body == b"Invalid content: Submitted entity is not compliant with server restrictions"
    assert client.server.vms() == []


def test_rocci_20_wants_an_id_though_it_gives_its_own(make: Callable[..., Client]) -> None:
    client = make("rocci-2.0")
    body = client.order()
    refused = 'Invalid content: Attribute "occi.core.id" invalid:'
    without = "\n".join(line for line in body.splitlines() if "occi.core.id" not in line)
    answer = client("POST", "/compute/", body=without, Content_Type="text/plain")
    assert (answer.status, answer.body.decode()) == (409, f"{refused} Value is required but not provided")
    answer = client("POST", "/compute/", body=body.replace('id="probe-vm"', 'id="/probe"'), Content_Type="text/plain")
    assert (answer.status, answer.body.decode()[:50]) == (409, refused)
    assert client.server.vms() == []
    assert client("POST", "/compute/", body=body, Content_Type="text/plain").status == 201
    assert [vm.id for vm in client.server.vms()] != ["probe-vm"]


def test_json_of_the_standard_creates_a_vm(make: Callable[..., Client]) -> None:
    for dialect in ("ooi", "rocci-1.1", "rocci-2.0"):
        client = make(dialect)
        image, size = (mixin.split(";")[0] for mixin in client.templates())
        kind = client.server.dialect
        document = {
            "kind": "http://schemas.ogf.org/occi/infrastructure#compute",
            "mixins": [f"{kind.os_scheme}{image}", f"{kind.size_scheme}{size}"],
            "attributes": {"occi": {"core": {"id": "json", "title": "json"}}},
        }
        body = json.dumps(document if dialect != "rocci-1.1" else {"resources": [document]})
        answer = client("POST", "/compute/", body=body, Content_Type="application/occi+json")
        assert answer.status in (200, 201), answer
        assert client.server.vms()[0].title == "json"


# -- renderings -------------------------------------------------------------------------------------


def test_reading_is_lenient() -> None:
    category = read_category('x.Y-1;scheme="http://h/s#";class=kind;title="a; \\"b\\", c";')
    assert (category.id, category.parameters["class"]) == ("http://h/s#x.Y-1", "kind")
    assert category.parameters["title"] == 'a; "b", c'
    message = read_text(b'X-OCCI-ATTRIBUTE: a="1, 2", b=3, c=1.5, d=true, e=text\r\n\r\nX-OCCI-Location: /x, /y')
    assert message.attributes == {"a": "1, 2", "b": 3, "c": 1.5, "d": True, "e": "text"}
    assert message.locations == ["/x", "/y"]
    for bad in (b"hello", b"Category: x", b"Category: x; scheme=", b"Link: /x", b"X-OCCI-Attribute: a"):
        with pytest.raises(Unreadable):
            read_text(bad)


@given(binary(max_size=200))
def test_no_body_does_more_than_fail_to_be_read(body: bytes) -> None:
    for read in (read_text, read_json):
        with contextlib.suppress(Unreadable):
            read(body)


@given(
    recursive(
        none() | booleans() | integers() | text(max_size=5),
        lambda inner: (
            lists(inner, max_size=3)
            | dictionaries(
                sampled_from(["kind", "mixins", "attributes", "links", "resources", "source", "term", "action"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_no_document_does_more_than_fail_to_be_read(document: Any) -> None:
    with contextlib.suppress(Unreadable):
        read_json(json.dumps(document).encode())


def test_attributes_nest_and_unnest() -> None:
    attributes = {"occi.core.id": "1", "occi.compute.cores": 2, "org.openstack.compute.state": "active"}
    assert nested(attributes)["occi"] == {"core": {"id": "1"}, "compute": {"cores": 2}}
    assert flat(nested(attributes)) == flat(attributes) == attributes


# -- faults -----------------------------------------------------------------------------------------


@every_dialect
@pytest.mark.parametrize("fault", ["build-endless", "build-seconds"])
def test_a_vm_can_be_held_in_building(client: Client, fault: str) -> None:
    parameters = {"seconds": 60} if fault == "build-seconds" else {}
    client.server.faults.on(fault, **parameters)
    shown = client("GET", client.vm()).body.decode()
    assert re.search(r'occi\.compute\.state="(inactive|waiting)"', shown)
    assert "networkinterface" not in shown.partition("X-OCCI-Attribute")[2]
    assert client.server.vms()[0].state == "building"


@pytest.mark.parametrize(
    "dialect, status, text",
    [
        ("occi-os", 200, 'org.openstack.compute.state="error"'),
        ("occi-os", 200, 'occi.compute.state="inactive"'),
        ("ooi", 200, 'occi.compute.state="inactive"'),
        ("rocci-1.1", 200, 'occi.compute.state="error"'),
        ("rocci-2.0", 200, 'occi.compute.state.message="no luck"'),
        ("snf-occi", 500, "ERROR building the compute instance"),
    ],
)
def test_a_failed_vm_looks_as_its_server_shows_it(client: Client, status: int, text: str) -> None:
    client.server.faults.on("build-error", message="no luck")
    answer = client("GET", client.vm())
    assert answer.status == status
    assert text in answer.body.decode()
    assert client("DELETE", f"/compute/{client.server.vms()[0].id}").status in (200, 204)


@pytest.mark.parametrize(
    "dialect, status",
    [("occi-os", 400), ("ooi", 403), ("rocci-1.1", 400), ("rocci-2.0", 409), ("snf-occi", 403)],
)
def test_a_quota_refuses(client: Client, status: int) -> None:
    client.server.faults.on("quota", times=1)
    answer = client.create()
    assert answer.status == status
    assert re.search(rb"[Qq]uota|Limit", answer.body)
    assert client.create().status in (200, 201)


@pytest.mark.parametrize(
    "dialect, status",
    [("occi-os", 500), ("ooi", 409), ("rocci-1.1", 304), ("rocci-2.0", 409), ("snf-occi", 500)],
)
def test_a_deletion_can_be_refused_ignored_or_slow(client: Client, status: int) -> None:
    path, faults = client.vm(), client.server.faults
    faults.on("delete-refused", times=1)
    assert client("DELETE", path).status == status
    faults.on("delete-ignored", times=1)
    assert client("DELETE", path).status in (200, 204)
    assert client("GET", path).status == 200
    faults.on("delete-seconds", seconds=60)
    assert client("DELETE", path).status in (200, 204)
    assert client("DELETE", path).status in (200, 204)
    assert client("GET", path).status == 200
    assert client.server.deleted == []


@every_dialect
def test_locations_can_be_wrong_relative_or_missing(client: Client) -> None:
    faults = client.server.faults

    def said(answer: Response) -> str:
        return of(answer, "Location") + of(answer, "X-OCCI-Location") + answer.body.decode()

    faults.on("wrong-authority", times=1)
    assert "http://internal.invalid:9999/" in said(client.create())
    faults.on("relative-location", times=1)
    relative = said(client.create())
    assert "/compute/" in relative
    assert "http" not in relative
    faults.on("no-location", times=1)
    answer = client.create()
    assert answer.status in (200, 201)
    assert "compute" not in said(answer)
    assert len(client.server.vms()) == 3


@every_dialect
def test_a_template_can_go(client: Client) -> None:
    term = client.templates()[0].split(";")[0]
    path = client.vm()
    client.server.faults.on("template-gone", term=term)
    assert f"Category: {term};" not in client("GET", "/-/").body.decode()
    assert client.create().status in (400, 406, 409)
    assert term in client("GET", path).body.decode()


@every_dialect
def test_a_list_can_be_hidden_and_the_clock_be_off(client: Client) -> None:
    client.vm()
    client.server.faults.on("hide-list")
    assert b"compute" not in client("GET", "/compute/", Accept="text/plain").body
    client.server.faults.on("clock-skew", seconds=-86400 * 365 * 10)
    assert "20" in of(client("GET", "/-/"), "Date")
