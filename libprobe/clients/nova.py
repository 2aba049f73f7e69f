"""Nova, OpenStack's virtual machines, and what they are made of: Glance's images and Neutron's networks.

    POST   <compute>/servers        202 with an id, also for a VM that will end in ERROR
    GET    <compute>/servers/<id>   BUILD, ACTIVE, ERROR, ...; 404 when it is gone
    DELETE <compute>/servers/<id>   204; the VM is there for a while still, and may be ACTIVE once more

    GET    <compute>/servers?name=, /servers/detail     what there is; the second with metadata, and 500 without Neutron

Microversion 2.1, which every site has. A filter that Nova does not know is ignored, and all VMs are listed: by metadata
no user can ask, so each entry is looked at before anything is deleted. A create request without an answer may be
carried out minutes later.
Source: openstack.md sections 4 to 8.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from urllib.parse import urlsplit

from libprobe import redact
from libprobe.clients.glance import GlanceClient
from libprobe.clients.keystone import request_id
from libprobe.clients.openstack import time_limit
from libprobe.clients.refusals import LOCKED, LockedRefusal, QuotaRefused, Refusal
from libprobe.failures import Asked, BadData, EndpointFailure
from libprobe.formats import servers
from libprobe.formats.address import host_port_of
from libprobe.formats.servers import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from typing import Any

    from libprobe.clients.http import Response
    from libprobe.clients.machines import VirtualMachine
    from libprobe.clients.openstack import ServiceClient
    from libprobe.deadline import Deadline
    from libprobe.failures import Failure
    from libprobe.formats.servers import GlanceImage, Network, Quota, Size

KIND, IMAGES, NETWORKS = "compute", "image", "network"
READING_S, CHANGING_S = 30.0, 60.0
"""How long one request may take: Nova without its message queue never answers, and the run goes on after that."""

PAGE, MAX_PAGES = 500, 40
CONSOLE_LINES = 1000
MAX_DOCUMENT = 16 << 20

_QUOTA = re.compile(r"quota|overlimit|maximum number of (?:ports|fixed ips)", re.IGNORECASE)
_POLICY = re.compile(r"polic|authori[sz]|permi", re.IGNORECASE)
_UNREACHED = (
    ("GlanceConnectionFailed", "Glance"),
    ("ConnectFailure", "Neutron or Keystone"),
)
"""The class at the end of an unexpected error of Nova's, and which service it could not reach."""


class Nova:
    """The VMs of a project in a region. A path is what follows the base: `/servers/<id>`.

    project, project_id, user, caveat: as of the cloud's login.
    creation_request, deletion_request: by which name the site finds our last creation, and our last deletion, in its
    logs; for -v.
    """

    server = ""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self._http = service.cloud.http
        self.base = service.base
        self.region = service.region
        self.project = service.cloud.scope.project
        self.project_id = service.cloud.scope.project_id
        self.user = service.cloud.login.user
        self.caveat = service.cloud.caveat
        self.creation_request: tuple[str, ...] = ()
        self.deletion_request: tuple[str, ...] = ()

    def create(self, wanted: Mapping[str, Any]) -> str | None:
        """Create a VM; returns its path, or None when the answer does not say where it is. Raises: Failure."""
        body = json.dumps({"server": wanted}).encode()
        headers = [("Content-Type", "application/json")]
        with time_limit(self._service, CHANGING_S):
            answer = self._service.request(
                "POST", "/servers", headers=headers, body=body, secret_body=True, doing="create a VM"
            )
        self.creation_request = request_id(answer)
        if answer.status not in (200, 201, 202):
            raise self._refused(answer, "create a VM")
        try:
            made = answer.json()["server"]
            redact.register(str(made.get("adminPass", "")))
            return self.own_path(f"/servers/{made['id']}")
        except (BadData, KeyError, TypeError, AttributeError):
            location = answer.header("Location")
            return self.own_path(location) if location else None

    def add_key(self, name: str, public: str) -> None:
        """Make a public key known, for VMs of ours. Raises: Failure."""
        body = json.dumps({"keypair": {"name": name, "public_key": public}}).encode()
        headers = [("Content-Type", "application/json")]
        with time_limit(self._service, CHANGING_S):
            answer = self._service.request("POST", "/os-keypairs", headers=headers, body=body)
        if answer.status not in (200, 201):
            raise self._refused(answer, "take a key")

    def remove_key(self, name: str) -> bool:
        """Remove a key; returns whether our user had one, for each user sees only their own. Raises: Failure."""
        with time_limit(self._service, CHANGING_S):
            answer = self._service.request("DELETE", f"/os-keypairs/{name}")
        if _is_gone(answer):
            return False
        if not answer.is_success:
            raise self._refused(answer, "remove the key")
        return True

    def console(self, path: str) -> str:
        """The last lines of a VM's console; empty where Nova has none (yet). Raises: Failure."""
        body = json.dumps({"os-getConsoleOutput": {"length": CONSOLE_LINES}}).encode()
        headers = [("Content-Type", "application/json")]
        with time_limit(self._service, READING_S):
            answer = self._service.request("POST", f"{path}/action", headers=headers, body=body, max_bytes=MAX_DOCUMENT)
        if answer.status == 409:
            return ""
        if answer.status != 200:
            raise self._refused(answer, "show the VM's console")
        document = answer.json()
        output = document.get("output") if isinstance(document, dict) else None
        if not isinstance(output, str):
            raise answer.bad_answer("no output", link="in the answer of")
        return output

    def show(self, path: str) -> Server | None:
        """The VM at a path; None when it is gone. Raises: Failure."""
        with time_limit(self._service, READING_S):
            answer = self._service.request("GET", path)
        if _is_gone(answer):
            return None
        if answer.status != 200:
            raise self._refused(answer, "show the VM")
        server = answer.read_json(servers.read_server)
        return None if server.status in ("DELETED", "SOFT_DELETED") else server

    def delete(self, path: str) -> bool:
        """Ask to delete one VM; True if it was there, False if it was gone already. Raises: Failure."""
        with time_limit(self._service, CHANGING_S):
            answer = self._service.request("DELETE", self.own_path(path))
        self.deletion_request = request_id(answer)
        if _is_gone(answer):
            return False
        if not answer.is_success:
            raise self._refused(answer, "delete the VM")
        return True

    def find(self, title: str, *, gone: str = "", at_most: int = 0) -> str | None:
        """The path of a VM with exactly this name, or with it in its metadata; None if there is none. Raises: Failure.

        gone, at_most: see `ComputeClient.find`; a list of Nova's has all names, and none of what is gone. With
        `at_most` the metadata are not gone through, nor do they count where Nova cannot show them.
        """
        found = self._find_listed(f"/servers?name={title}&limit={PAGE}", title)
        if found or at_most:
            return found
        with suppress(EndpointFailure):
            return self._find_listed(f"/servers/detail?limit={PAGE}", title)
        return None

    def _find_listed(self, path: str, title: str) -> str | None:
        """The first VM of a list, page by page, that bears a title."""
        marker = ""
        for _ in range(MAX_PAGES):
            with time_limit(self._service, READING_S):
                answer = self._service.request("GET", path + marker, max_bytes=MAX_DOCUMENT)
            if answer.status != 200:
                raise self._refused(answer, "list the VMs")
            page = answer.read_json(servers.read_names)
            for identifier, *called in page:
                if title in called:
                    return self.own_path(f"/servers/{identifier}")
            if not page or not answer.read_json(servers.goes_on):
                return None
            marker = f"&marker={page[-1][0]}"
        asked = Asked(host_port_of(self.base), f"GET {self.base}/servers")
        raise BadData(f"the list of VMs does not end within {MAX_PAGES} pages", of=asked, link=", from")

    def has_failed_deletion(self, server: VirtualMachine) -> bool:
        """Whether a deletion that was accepted has failed: one without Neutron ends in ERROR."""
        return isinstance(server, Server) and server.status == "ERROR" and server.task != "deleting"

    def sizes(self) -> list[Size]:
        """The flavours that may be used. Raises: Failure."""
        return self._get("/flavors/detail", "list the sizes").read_json(servers.read_sizes)

    def quotas(self) -> list[Quota]:
        """What the project may have, and has. Raises: Failure."""
        return self._get("/limits", "tell the project's limits").read_json(servers.read_quotas)

    def own_path(self, location: str) -> str:
        """The path of a VM from an address that the server gave. Raises: BadData for anything else."""
        try:
            path = urlsplit(location).path
        except ValueError:
            path = ""
        identifier = path.rpartition("/servers/")[2] if "/servers/" in path else ""
        if not servers.is_identifier(identifier):
            raise BadData(f"{location[:60]!r} for a VM's address", of=self._service.asked, link="from")
        return f"/servers/{identifier}"

    @property
    def loading_s(self) -> float:
        """See `HttpClient.loading_s`."""
        return self._http.loading_s

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Let that deadline hold for the exchanges in the block."""
        return self._http.using_deadline(deadline)

    def reconnect(self) -> None:
        """Go on over new connections: an exchange was broken off within."""
        self._http.close()

    def _get(self, path: str, doing: str) -> Response:
        with time_limit(self._service, READING_S):
            answer = self._service.request("GET", path, max_bytes=MAX_DOCUMENT)
        if answer.status != 200:
            raise self._refused(answer, doing)
        return answer

    def _refused(self, answer: Response, doing: str) -> Failure:
        """A refusal in Nova's words, with what they mean."""
        said = answer.error_text
        kind = QuotaRefused if answer.status in (403, 413, 429) and _QUOTA.search(said) else Refusal
        if kind is QuotaRefused or (answer.status == 403 and said and not _POLICY.search(said)):
            return answer.failure(kind, doing, more=request_id(answer))
        if answer.status == 409 and LOCKED.match(said):
            return answer.failure(LockedRefusal, doing, more=request_id(answer))
        failure = self._service.refusal_failure(answer, doing)
        unreached = next((service for name, service in _UNREACHED if name in said), "")
        if answer.status >= 500 and unreached:
            failure.add(f"Nova could not reach {unreached}")
        if answer.status == 409 and "Multiple possible networks" in said:
            failure.remedy = "name one with --network"
        return failure


class Glance(GlanceClient):
    """The images of a region that a VM can be made of."""

    limit_s = READING_S

    def images(self) -> list[GlanceImage]:
        """All that are listed, whatever their status. Raises: Failure."""
        return self.listed(servers.read_images, "list the images")

    def image(self, identifier: str) -> GlanceImage | None:
        """The image of an id, also one that no list has, as a hidden one; None where there is none. Raises: Failure."""
        with time_limit(self._service, self.limit_s):
            answer = self._service.request("GET", f"/v2/images/{identifier}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._service.refusal_failure(answer, "show the image")
        return answer.read_json(servers.read_image)


class Neutron:
    """The networks that a project sees in a region."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service.at_root("/v2.0")
        self.base = self._service.base

    def networks(self) -> list[Network]:
        """Raises: Failure."""
        with time_limit(self._service, READING_S):
            answer = self._service.request("GET", "/v2.0/networks", max_bytes=MAX_DOCUMENT)
        if answer.status != 200:
            raise self._service.refusal_failure(answer, "list the networks")
        project = self._service.cloud.scope.project_id
        return answer.read_json(lambda document: servers.read_networks(document, project))


def _is_gone(answer: Response) -> bool:
    """Whether Nova itself says that there is no such VM: a 404 of what stands before it says nothing of VMs."""
    if answer.status != 404:
        return False
    try:
        said = answer.json()
    except BadData:
        return False
    return isinstance(said, dict) and "itemNotFound" in said
