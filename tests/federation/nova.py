"""Nova, OpenStack's virtual machines, as release 26 behind Apache answers.

    https://localhost:18774/v2.1/servers/<id>

The state of a server is a function of the clock, so nothing has to run in the background.
Source: recordings of Nova (release Zed) with its fake hypervisor, Glance and Neutron, and of each of them failing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from .. import planted
from .faults import Fault, register
from .glance import Glance
from .keystone import Keystone, Token
from .neutron import Network, Neutron
from .openstack import Api, Refused
from .web import Request, Response

KIND = "compute"
NO_HOST = "No valid host was found. "
NO_NETWORK = "Build of instance {id} aborted: Failed to allocate the network(s), not rescheduling."
UNEXPECTED = (
    "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if "
    "possible.\n<class '{}'>"
)
CONNECT_FAILURE = "keystoneauth1.exceptions.connection.ConnectFailure"
HOST_ID = "b44a054997e5e05a011bee2922bda238ae699ba5c0ea290dc93e4f78"
FOREVER = float("inf")
MAX_VERSION = (2, 93)
DELETING_S, DELETED_S = 0.15, 0.05
"""How long a server is readable after its DELETE: as it was, then as DELETED."""

FAULTS = {
    "nova-build-seconds": Fault("A server takes `seconds` to become ACTIVE.", {"seconds": 1.0}),
    "nova-build-endless": Fault("A server is built for ever, as while the scheduler is dead."),
    "nova-build-error": Fault("A server ends in ERROR with `message`.", {"message": NO_HOST}),
    "nova-quota": Fault(
        "The project may have `limit` servers; with method=POST only creating one knows of it, not /limits.",
        {"limit": 0},
    ),
    "nova-delete-seconds": Fault("A server stays readable for `seconds` after its DELETE.", {"seconds": 1.0}),
    "nova-delete-ignored": Fault("A deleted server keeps its status, with task_state deleting: its host is dead."),
    "nova-delete-error": Fault("DELETE is accepted and leaves the server in ERROR, as while Neutron is away."),
    "nova-active-once-more": Fault("A server that is deleted while it is built is ACTIVE once more before it goes."),
    "nova-locked": Fault("DELETE is refused, 409: the server is locked."),
    "nova-no-neutron": Fault("Nova cannot reach Neutron: creating and showing a server is 500, DELETE leads to ERROR."),
    "nova-no-glance": Fault("Nova cannot reach Glance: creating a server is 500."),
    "nova-console": Fault(
        "The console of an ACTIVE server shows `output`; of {marker} in it, the word of its user_data.", {"output": ""}
    ),
    "nova-console-off": Fault("Nova tells nobody a console, 501, as with hypervisors that have none."),
    "nova-floating": Fault("A server has a floating address too, at which one can log in.", {"address": "127.71.0.23"}),
    "nova-key-stays": Fault("A keypair is not removed, 500."),
    "nova-hidden": Fault("No list names any server."),
    "nova-other-name": Fault("A server is shown with the name `title`.", {"title": "somebody-elses"}),
}
register(FAULTS)


@dataclass(frozen=True)
class Flavor:
    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    disabled: bool = False


FLAVORS = (
    Flavor("1", "m1.tiny", 1, 512, 1),
    Flavor("2", "m1.small", 1, 2048, 20),
    Flavor("3", "volume.small", 1, 1024, 0),
    Flavor("4", "eph.small", 1, 1024, 8),
    Flavor("5", "gpu.small", 4, 4096, 30),
    Flavor("6ee1a4d3-8d4f-4c3e-9c5d-1d6a3b0e2f10", "egi.medium", 2, 1024, 10),
    Flavor("98", "m1.nohost", 1, 20000, 20),
    Flavor("99", "m1.overquota", 1, 999999, 20),
)
MAX_INSTANCES, MAX_CORES, MAX_RAM = 50, 20, 51200
MAX_META = 128


@dataclass
class Server:
    """active, gone: when it becomes ACTIVE and when it is no longer to be seen, as time.time() has it.

    error: the message of its fault, empty for none. address: of its network, empty for a server without one.
    """

    id: str
    name: str
    project: str
    user: str
    image: str
    flavor: Flavor
    network: Network | None
    metadata: dict[str, str]
    user_data: str = ""
    key_name: str = ""
    public_key: str = ""
    created: float = field(default_factory=time.time)
    active: float = 0.0
    error: str = ""
    deleted: float = FOREVER
    gone: float = FOREVER
    once_more: bool = False

    @property
    def created_at(self) -> float:
        return self.created

    def state(self, now: float) -> tuple[str, str, str | None]:
        """status, vm_state, task_state."""
        if now >= self.deleted:
            if now >= self.gone - DELETED_S:
                return "DELETED", "deleted", None
            if self.once_more and now >= (self.deleted + self.gone) / 2:
                return "ACTIVE", "active", None
            status, inner = ("ACTIVE", "active") if self.deleted >= self.active else ("BUILD", "building")
            return ("ERROR", "error", None) if self.error else (status, inner, "deleting")
        if self.error:
            return "ERROR", "error", None
        if now >= self.active:
            return "ACTIVE", "active", None
        passed = now - self.created
        task = "scheduling" if passed < 0.05 or self.active == FOREVER else "spawning"
        return "BUILD", "building", task


class Nova(Api):
    """The servers of one region, made of what its Glance and its Neutron have.

    build_seconds: how long a server takes to become ACTIVE. base: the URL that its links have.
    max_limit: how many servers a page of a list has at most.
    created, deleted: (title, id) of each in order. keys: the keypairs, by name; key_users: whose each is.
    handed_over: (title, public key, user_data) of each server that was asked for.
    """

    request_ids = ("X-Openstack-Request-Id", "X-Compute-Request-Id")

    def __init__(self, keystone: Keystone, glance: Glance, neutron: Neutron, base: Any, build_seconds: float) -> None:
        super().__init__(keystone)
        self._glance = glance
        self._neutron = neutron
        self._base = base
        self._build_seconds = build_seconds
        self._lock = threading.RLock()
        self._servers: dict[str, Server] = {}
        self.flavors: list[Flavor] = []
        self.created: list[tuple[str, str]] = []
        self.deleted: list[tuple[str, str]] = []
        self.keys: dict[str, str] = {}
        self.key_users: dict[str, str] = {}
        self.handed_over: list[tuple[str, str, str]] = []
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._servers.clear()
            self.created.clear()
            self.deleted.clear()
            self.keys.clear()
            self.key_users.clear()
            self.handed_over.clear()
            self.flavors = list(FLAVORS)
            self.max_limit = 1000

    def servers(self) -> list[Server]:
        """Those that are there: without what is still shown as DELETED for a moment."""
        now = time.time()
        return [each for each in self._not_gone() if each.state(now)[0] != "DELETED"]

    def _not_gone(self) -> list[Server]:
        with self._lock:
            now = time.time()
            self._servers = {each.id: each for each in self._servers.values() if now < each.gone}
            return list(self._servers.values())

    def at(self, address: str) -> Server | None:
        """The ACTIVE server that has a floating address."""
        fault = self.faults.get("nova-floating")
        now = time.time()
        there = (each for each in self.servers() if each.state(now)[0] == "ACTIVE")
        return next(there, None) if fault and fault["address"] == address else None

    def add(self, name: str, project: str = "ops", **metadata: str) -> Server:
        """A server that somebody else has made."""
        network = next((each for each in self._neutron.networks if each.project == project), None)
        server = Server(str(uuid.uuid4()), name, project, "somebody", "", FLAVORS[0], network, metadata)
        with self._lock:
            self._servers[server.id] = server
        return server

    def take_back(self, server: Server) -> None:
        """Let a server be there that was."""
        with self._lock:
            self._servers[server.id] = server

    # -- the interface --

    def answer(self, request: Request) -> Response:
        if request.path in ("", "/", "/v2.1", "/v2.1/"):
            version = {"id": "v2.1", "status": "CURRENT", "version": "2.93", "min_version": "2.1", "links": []}
            return self.json(200, {"version": version})
        token = self.token(request)
        version = self._version(request)
        path = request.path.removeprefix("/v2.1")
        response = self._dispatch(request, path, token)
        told = ".".join(map(str, version))
        return Response(
            response.status,
            [*response.headers, ("Openstack-Api-Version", f"compute {told}"), ("X-Openstack-Nova-Api-Version", told)],
            response.body,
        )

    def _version(self, request: Request) -> tuple[int, int]:
        word, _, asked = (request.headers.get("OpenStack-API-Version") or "").partition(" ")
        if word != "compute":
            return (2, 1)
        found = re.fullmatch(r"(\d+)\.(\d+)", asked)
        version = (int(found[1]), int(found[2])) if found else (2, 1)
        if not (2, 1) <= version <= MAX_VERSION:
            said = f"Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.93."
            raise Refused(self._error(406, "computeFault", said))
        return version

    def _dispatch(self, request: Request, path: str, token: Token) -> Response:
        match request.method, path:
            case "GET", "/flavors/detail":
                return self.json(200, {"flavors": [self._flavor(each) for each in self.flavors]})
            case "GET", "/limits":
                return self.json(200, {"limits": {"rate": [], "absolute": self._limits(request, token)}})
            case "GET", "/servers":
                return self._list(request, token)
            case "GET", "/servers/detail":
                if self.fault("nova-no-neutron", request) is not None:
                    raise Refused(self._error(500, "computeFault", UNEXPECTED.format(CONNECT_FAILURE)))
                return self._list(request, token, detail=True)
            case "POST", "/servers":
                return self._create(request, token)
            case "POST", "/os-keypairs":
                return self._add_key(request, token)
        if (found := re.fullmatch(r"/os-keypairs/([^/]+)", path)) and request.method == "DELETE":
            return self._remove_key(request, found[1], token)
        if found := re.fullmatch(r"/servers/([^/]+)", path):
            server = self._mine(found[1], token)
            if request.method == "GET":
                if self.fault("nova-no-neutron", request) is not None:
                    raise Refused(self._error(500, "computeFault", UNEXPECTED.format(CONNECT_FAILURE)))
                return self.json(200, {"server": self._shown(request, server)})
            if request.method == "DELETE":
                return self._delete(request, server)
        if (found := re.fullmatch(r"/servers/([^/]+)/action", path)) and request.method == "POST":
            return self._act(request, self._mine(found[1], token))
        return self.not_found()

    def _mine(self, identifier: str, token: Token) -> Server:
        server = next((each for each in self._not_gone() if each.id == identifier), None)
        if server is None or server.project != token.project:
            raise Refused(self._error(404, "itemNotFound", f"Instance {identifier} could not be found."))
        return server

    def _list(self, request: Request, token: Token, *, detail: bool = False) -> Response:
        """By name, a regular expression; every other filter is ignored, as an unknown one is. Page by page."""
        wanted = request.query.get("name", [""])[-1]
        try:
            pattern = re.compile(wanted)
        except re.error:
            said = f"Invalid input for query parameters name. Value: {wanted}. '{wanted}' is not a 'regex'"
            return self._error(400, "badRequest", said)
        there = [each for each in self.servers() if each.project == token.project]
        found = [each for each in there if pattern.search(each.name)]
        if self.fault("nova-hidden", request) is not None:
            found = []
        marker = request.query.get("marker", [""])[-1]
        if marker:
            at = next((number for number, each in enumerate(found) if each.id == marker), None)
            if at is None:
                return self._error(400, "badRequest", f"marker [{marker}] not found")
            found = found[at + 1 :]
        limit = min(int(request.query.get("limit", ["1000"])[-1]), self.max_limit)
        page = found[:limit]
        shown = [
            self._shown(request, each) if detail else {"id": each.id, "name": each.name, "links": self._links(each)}
            for each in page
        ]
        document: dict[str, Any] = {"servers": shown}
        if page and len(page) == limit:  # also where nothing follows
            query = f"limit={limit}&marker={page[-1].id}"
            document["servers_links"] = [{"rel": "next", "href": f"{self._base()}{request.path[5:]}?{query}"}]
        return self.json(200, document)

    def _limits(self, request: Request, token: Token) -> dict[str, int]:
        mine = [each for each in self.servers() if each.project == token.project]
        fault = self.fault("nova-quota", request)
        return {
            "maxTotalInstances": int(fault["limit"]) if fault else MAX_INSTANCES,
            "maxTotalCores": MAX_CORES,
            "maxTotalRAMSize": MAX_RAM,
            "maxServerMeta": MAX_META,
            "totalRAMUsed": sum(each.flavor.ram for each in mine),
            "totalCoresUsed": sum(each.flavor.vcpus for each in mine),
            "totalInstancesUsed": len(mine),
        }

    # -- create --

    def _create(self, request: Request, token: Token) -> Response:
        try:
            wanted = json.loads(request.body)["server"]
        except (ValueError, KeyError, TypeError):
            return self._error(400, "badRequest", "Malformed request body")
        if self.fault("nova-no-glance", request) is not None:
            return self._error(500, "computeFault", UNEXPECTED.format("nova.exception.GlanceConnectionFailed"))
        flavor = self._wanted_flavor(wanted)
        image = self._wanted_image(wanted, flavor, token)
        if len(wanted.get("metadata") or {}) > MAX_META:
            return self._error(403, "forbidden", f"Maximum number of metadata items exceeds {MAX_META}")
        if self.fault("nova-no-neutron", request) is not None:
            return self._error(500, "computeFault", UNEXPECTED.format(CONNECT_FAILURE))
        network = self._wanted_network(wanted, token)
        self._expect_room(request, flavor, token)
        self._context(wanted)
        server = Server(
            str(uuid.uuid4()),
            wanted["name"],
            token.project or "",
            token.user,
            image,
            flavor,
            network,
            dict(wanted.get("metadata") or {}),
            wanted.get("user_data", ""),
            wanted.get("key_name", ""),
            self.keys.get(wanted.get("key_name", ""), ""),
        )
        self._fate(request, server)
        with self._lock:
            self._servers[server.id] = server
            self.created.append((server.name, server.id))
        answer = {
            "id": server.id,
            "links": self._links(server),
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": [{"name": "default"}],
            "adminPass": planted.MARK + secrets.token_urlsafe(9),
        }
        return self.json(202, {"server": answer}, ("Location", f"{self._base()}/servers/{server.id}"))

    def _add_key(self, request: Request, token: Token) -> Response:
        wanted = json.loads(request.body)["keypair"]
        if wanted["name"] in self.keys:
            return self._error(409, "conflictingRequest", f"Key pair '{wanted['name']}' already exists.")
        self.keys[wanted["name"]] = wanted["public_key"]
        self.key_users[wanted["name"]] = token.user
        return self.json(200, {"keypair": {**wanted, "fingerprint": "0f:aa", "user_id": "u"}})

    def _remove_key(self, request: Request, name: str, token: Token) -> Response:
        """Each user has their own keypairs, whatever the project."""
        if self.fault("nova-key-stays", request) is not None:
            return self._error(500, "computeFault", UNEXPECTED.format("oslo_db.exception.DBError"))
        if name not in self.keys or self.key_users.get(name, token.user) != token.user:
            return self._error(404, "itemNotFound", f"Keypair {name} not found for user u")
        del self.keys[name]
        return Response(202, [("Content-Type", "application/json")])

    def _context(self, wanted: dict[str, Any]) -> None:
        """Note what a server is given. Signs that base64 does not have are passed over: `%%%` is nothing."""
        name, data = wanted.get("key_name", ""), str(wanted.get("user_data", ""))
        if name and name not in self.keys:
            raise Refused(self._error(400, "badRequest", "Invalid key_name provided."))
        try:
            base64.b64decode(data)
        except binascii.Error:
            said = f"Invalid input for field/attribute user_data. Value: {data}. '{data}' is not a 'base64'"
            raise Refused(self._error(400, "badRequest", said)) from None
        self.handed_over.append((wanted["name"], self.keys.get(name, ""), data))

    def _fate(self, request: Request, server: Server) -> None:
        """When it will be ACTIVE, if ever."""
        seconds = self._build_seconds
        if (fault := self.fault("nova-build-seconds", request)) is not None:
            seconds = float(fault["seconds"])
        server.active = server.created + seconds
        if self.fault("nova-build-endless", request) is not None:
            server.active = FOREVER
        if (fault := self.fault("nova-build-error", request)) is not None:
            server.error = str(fault["message"])
        elif server.flavor.name == "m1.nohost":
            server.error = NO_HOST
        elif server.network and server.network.external and not server.network.shared:
            server.error = NO_NETWORK.format(id=server.id)

    def _wanted_flavor(self, wanted: dict[str, Any]) -> Flavor:
        reference = str(wanted.get("flavorRef"))
        flavor = next((each for each in self.flavors if each.id == reference), None)
        if flavor is None:
            raise Refused(self._error(400, "badRequest", f"Flavor {reference} could not be found."))
        return flavor

    def _wanted_image(self, wanted: dict[str, Any], flavor: Flavor, token: Token) -> str:
        reference = wanted.get("imageRef")
        if reference is None:
            raise Refused(self._error(400, "badRequest", "Missing imageRef attribute"))
        if not re.fullmatch("[0-9a-f-]{36}", str(reference)):
            said = (
                f"Invalid input for field/attribute imageRef. Value: {reference}. '{reference}' is not valid under "
                "any of the given schemas"
            )
            raise Refused(self._error(400, "badRequest", said))
        image = self._glance.seen(str(reference), token.project)
        if image is None:
            raise Refused(self._error(400, "badRequest", "Can not find requested image"))
        if image.status != "active":
            raise Refused(self._error(400, "badRequest", f"Image {image.id} is not active."))
        if flavor.disk == 0:
            said = "Only volume-backed servers are allowed for flavors with zero disk."
            raise Refused(self._error(403, "forbidden", said))
        if flavor.ram < image.min_ram:
            raise Refused(self._error(400, "badRequest", "Flavor's memory is too small for requested image."))
        if flavor.disk < image.min_disk:
            said = (
                "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is "
                f"{flavor.disk << 30} bytes, minimum size is {image.min_disk << 30} bytes."
            )
            raise Refused(self._error(400, "badRequest", said))
        return image.id

    def _wanted_network(self, wanted: dict[str, Any], token: Token) -> Network | None:
        usable = [each for each in self._neutron.networks if each.project == token.project or each.shared]
        asked = wanted.get("networks") or []
        if asked:
            identifier = str(asked[0].get("uuid"))
            chosen = next((each for each in self._neutron.seen(token.project) if each.id == identifier), None)
            if chosen is None:
                raise Refused(self._error(400, "badRequest", f"Network {identifier} could not be found."))
        elif len(usable) > 1:
            said = "Multiple possible networks found, use a Network ID to be more specific."
            raise Refused(self._error(409, "conflictingRequest", said))
        else:
            chosen = usable[0] if usable else None
        if chosen and not chosen.subnets:
            said = f"Network {chosen.id} requires a subnet in order to boot instances on."
            raise Refused(self._error(400, "badRequest", said))
        return chosen

    def _expect_room(self, request: Request, flavor: Flavor, token: Token) -> None:
        limits = self._limits(request, token)
        asked = {
            "cores": (flavor.vcpus, limits["totalCoresUsed"], limits["maxTotalCores"]),
            "instances": (1, limits["totalInstancesUsed"], limits["maxTotalInstances"]),
            "ram": (flavor.ram, limits["totalRAMUsed"], limits["maxTotalRAMSize"]),
        }
        over = {name: each for name, each in asked.items() if each[0] + each[1] > each[2]}
        if over:
            wanted, used, most = (", ".join(str(each[at]) for each in over.values()) for at in range(3))
            said = f"Quota exceeded for {', '.join(over)}: Requested {wanted}, but already used {used} of {most} "
            raise Refused(self._error(403, "forbidden", said + ", ".join(over)))

    # -- delete, and what else is done to one --

    def _delete(self, request: Request, server: Server) -> Response:
        if self.fault("nova-locked", request) is not None:
            return self._error(409, "conflictingRequest", f"Instance {server.id} is locked")
        now = time.time()
        status, _, task = server.state(now)
        gone = Response(204, [("Content-Type", "application/json")])
        if task == "deleting" or status == "DELETED":  # on its way: that does not begin anew
            return gone
        if self.fault("nova-delete-ignored", request) is not None:
            server.deleted = now
            return gone
        if any(self.fault(name, request) is not None for name in ("nova-delete-error", "nova-no-neutron")):
            server.error = "InternalServerError"
            return gone
        self.deleted.append((server.name, server.id))
        fault = self.fault("nova-delete-seconds", request)
        has_host = status == "ACTIVE" or task == "spawning"
        deleting = float(fault["seconds"]) if fault else DELETING_S if has_host else 0.0
        server.once_more = status == "BUILD" and self.fault("nova-active-once-more", request) is not None
        server.deleted = now
        server.gone = now + (deleting + DELETED_S if deleting else 0.0)
        return gone

    def _act(self, request: Request, server: Server) -> Response:
        if "os-getConsoleOutput" not in json.loads(request.body or b"{}"):
            return self._error(400, "badRequest", "There is no such action: nonsense")
        if server.state(time.time())[0] not in ("ACTIVE", "SHUTOFF"):
            return self._error(409, "conflictingRequest", f"Instance {server.id} is not ready")
        if self.fault("nova-console-off", request) is not None:
            return self._error(501, "notImplemented", "Unable to get console log, functionality not implemented")
        if (fault := self.fault("nova-console", request)) is not None:
            script = base64.b64decode(server.user_data).decode("utf-8", "replace")
            marker = next(iter(re.findall(r"echo ([0-9a-f]{32}) >", script)), "none")
            return self.json(200, {"output": str(fault["output"]).replace("{marker}", marker)})
        return self.json(200, {"output": "FAKE CONSOLE OUTPUT\nANOTHER\nLAST LINE"})

    # -- answers --

    def _error(self, status: int, kind: str, message: str) -> Response:
        return self.json(status, {kind: {"code": status, "message": message}})

    def _flavor(self, flavor: Flavor) -> dict[str, Any]:
        return {
            "id": flavor.id,
            "name": flavor.name,
            "ram": flavor.ram,
            "disk": flavor.disk,
            "swap": "",
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "OS-FLV-DISABLED:disabled": flavor.disabled,
            "vcpus": flavor.vcpus,
            "os-flavor-access:is_public": True,
            "rxtx_factor": 1.0,
            "links": [{"rel": "self", "href": f"{self._base()}/flavors/{flavor.id}"}],
        }

    def _links(self, server: Server) -> list[dict[str, str]]:
        return [{"rel": "self", "href": f"{self._base()}/servers/{server.id}"}]

    def _shown(self, request: Request, server: Server) -> dict[str, Any]:
        now = time.time()
        status, inner, task = server.state(now)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(server.created))
        fault = self.fault("nova-other-name", request)
        shown: dict[str, Any] = {
            "id": server.id,
            "name": str(fault["title"]) if fault else server.name,
            "status": status,
            "tenant_id": self.keystone.project_id(server.project),
            "user_id": server.user,
            "metadata": {} if status == "DELETED" or fault else server.metadata,
            "hostId": "" if status in ("BUILD", "ERROR") else HOST_ID,
            "image": {"id": server.image, "links": []},
            "flavor": {"id": server.flavor.id, "links": []},
            "created": stamp,
            "updated": stamp,
            "addresses": {},
            "links": self._links(server),
            "OS-EXT-STS:task_state": task,
            "OS-EXT-STS:vm_state": inner,
            "OS-EXT-STS:power_state": int(status == "ACTIVE"),
        }
        if status == "ACTIVE" and server.network:
            address = {"version": 4, "addr": "192.168.71.23", "OS-EXT-IPS:type": "fixed"}
            shown["addresses"] = {server.network.name: [address]}
            if (floating := self.fault("nova-floating", request)) is not None:
                address = {"version": 4, "addr": str(floating["address"]), "OS-EXT-IPS:type": "floating"}
                shown["addresses"][server.network.name].append(address)
        if status == "ERROR":
            shown["fault"] = {"code": 500, "created": stamp, "message": server.error}
        return shown
