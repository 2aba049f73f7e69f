"""The OCCI servers of the Federated Cloud, each by what sets it apart from the others.

What they have in common is in `server.py`. A difference is a class attribute where it can be, an override
where it must be. Sources: the servers' own code and, for ooi, the recordings in tests/data/occi/ooi/.
"""

from __future__ import annotations

import base64
import binascii
import http
import json
import re
import threading
import urllib.parse
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..web import Headers, Response
from . import model, renderings
from .model import (
    ACTIVE,
    BUILDING,
    ERROR,
    STOPPED,
    SUSPENDED,
    Category,
    Entity,
    Kind,
    Machine,
    Mixin,
    OcciError,
    Registry,
)
from .renderings import (
    ATTRIBUTE,
    CATEGORY,
    JSON,
    LINK,
    LOCATION,
    OCCI_JSON,
    TEXT_OCCI,
    TEXT_PLAIN,
    URI_LIST,
    Message,
    Style,
    Unreadable,
)

MAX_USER_DATA_BYTES = 16384
MAX_NAME = 255
"""Characters of a server's name in nova."""


@dataclass(frozen=True)
class Account:
    """Who is asking, and in whose name."""

    user: str
    project: str


@dataclass(frozen=True)
class Image:
    id: str
    name: str


@dataclass(frozen=True)
class Size:
    id: str
    name: str
    cores: int = 1
    memory_mb: int = 512
    disk_gb: int = 1


@dataclass(frozen=True)
class Templates:
    """What a cloud offers; each dialect has its own way to turn it into mixins."""

    images: tuple[Image, ...]
    sizes: tuple[Size, ...]


@dataclass
class Order:
    """A VM that may be created: everything has been checked but the quota."""

    title: str
    hostname: str
    size: Size
    mixins: list[str]
    user_data: str | None = None
    public_key: str | None = None
    passing_key: str | None = None  # the name of a keypair that goes when the VM has been made


@dataclass
class KeyPairs:
    """The named keys of each user, which outlive the VMs they were made for (nova)."""

    LIMIT: ClassVar[int] = 100

    names: dict[str, set[str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, user: str, name: str) -> bool:
        """Return whether the name was free. Raises: OcciError for one too many."""
        with self.lock:
            names = self.names.setdefault(user, set())
            known = name in names
            if not known and len(names) >= self.LIMIT:
                raise OcciError(403, "Quota exceeded, too many key pairs.")
            names.add(name)
            return not known

    def remove(self, user: str, name: str) -> None:
        with self.lock:
            self.names[user].discard(name)


def is_base64(text: str, *, strictly: bool = True) -> bool:
    """Not strictly, characters that are not base64 are skipped, as nova has it: `%%%` is nothing."""
    try:
        base64.b64decode(text, validate=strictly)
    except (binascii.Error, ValueError):
        return False
    return True


def is_public_key(text: str) -> bool:
    words = text.split()
    return len(words) >= 2 and words[0].startswith(("ssh-", "ecds")) and is_base64(words[1])


class Dialect:
    """The behaviour most servers share, in the words of none of them."""

    name: ClassVar[str]
    server: ClassVar[str]
    version: ClassVar[str] = "1.1"
    speaks: ClassVar[tuple[str, ...]] = ("1.1",)
    style: ClassVar[Style] = Style()
    media: ClassVar[tuple[str, ...]] = (TEXT_PLAIN, TEXT_OCCI, URI_LIST)
    default_media: ClassVar[str] = TEXT_PLAIN
    json_media: ClassVar[tuple[str, ...]] = ()
    text_charset: ClassVar[str] = ""

    os_scheme: ClassVar[str]
    size_scheme: ClassVar[str]
    user_data_names: ClassVar[Mapping[str, str]] = {model.USER_DATA_11: "org.openstack.compute.user_data"}
    public_key_names: ClassVar[Mapping[str, str]] = {model.PUBLIC_KEY_11: "org.openstack.credentials.publickey.data"}

    states: ClassVar[Mapping[str, str]]
    refuses_head: ClassVar[bool] = False
    collections_need_slash: ClassVar[bool] = False
    user_mixins: ClassVar[bool] = False
    filters: ClassVar[bool] = True
    updates: ClassVar[bool] = False
    serves_root: ClassVar[bool] = True
    brief_json_lists: ClassVar[bool] = False
    lists_uris_of_entities: ClassVar[bool] = False
    lists_newest_first: ClassVar[bool] = False
    delete_looks: int = 0  # for this number of looks after its deletion a VM is still there

    create_status: ClassVar[int] = 201
    delete_status: ClassVar[int] = 200
    action_status: ClassVar[int] = 200
    empty_list_status: ClassVar[int] = 200
    refused_delete_status: ClassVar[int | None] = None
    wrong_state_status: ClassVar[int] = 409
    attached_status: ClassVar[int] = 400
    tells_link_state: ClassVar[bool] = True
    ok_body: ClassVar[bytes] = b""
    quota: ClassVar[tuple[int, str]]
    ram_quota_mb: ClassVar[int | None] = None
    host_memory_mb: ClassVar[int | None] = None

    network_id: ClassVar[str] = "1"
    default_templates: ClassVar[Templates]
    unlisted: ClassVar[Registry] = Registry(())  # mixins that entities carry and the query interface conceals

    def __init__(self) -> None:
        self._counter = 1000
        self._lock = threading.Lock()
        self.key_pairs = KeyPairs()

    # -- the model -----------------------------------------------------------------------------------------

    def categories(self, templates: Templates) -> list[Category]:
        raise NotImplementedError

    def os_template(self, image: Image) -> Mixin:
        raise NotImplementedError

    def resource_template(self, size: Size) -> Mixin:
        raise NotImplementedError

    def templates(self, templates: Templates) -> list[Mixin]:
        return [
            *(self.os_template(image) for image in templates.images),
            *(self.resource_template(size) for size in templates.sizes),
        ]

    def networks(self) -> list[Entity]:
        """Return the networks every project finds there."""
        attributes = {
            "occi.network.address": "127.0.0.0/8",
            "occi.network.gateway": "127.0.0.1",
            "occi.network.state": "active",
            "occi.core.title": "private",
        }
        return [Entity(self.network_id, model.NETWORK, "", [model.IPNETWORK], attributes)]

    # -- names ---------------------------------------------------------------------------------------------

    def number(self) -> int:
        with self._lock:
            self._counter += 1
            return self._counter

    def new_id(self) -> str:
        return str(uuid.uuid4())

    def interface_id(self, machine: Machine, address: str) -> str:
        return f"{machine.id}_{address}"

    # -- media types ---------------------------------------------------------------------------------------

    def content_type(self, media: str) -> str:
        return f"{media}; charset={self.text_charset}" if self.text_charset else media

    def accepted(self, headers: Headers) -> str:
        """Return the media type to answer in. Raises: OcciError 406."""
        header = ", ".join(headers.all("Accept"))
        ranges = []
        for position, part in enumerate(filter(None, (p.strip() for p in header.split(",")))):
            media, *parameters = (piece.strip() for piece in part.split(";"))
            quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
            ranges.append((-_number(quality), position, media.lower()))
        if not ranges:
            return self.default_media
        for disfavour, _, media in sorted(ranges):
            if disfavour == 0:
                continue
            if media in self.media:
                return media
            if media == "*/*":
                return self.default_media
            if media.endswith("/*"):
                for known in self.media:
                    if known.startswith(media[:-1]):
                        return known
        raise OcciError(406, self.not_acceptable(header))

    def not_acceptable(self, header: str) -> str:
        return f"Invalid Accept {header}."

    def not_readable(self, header: str) -> str:
        return f"Invalid Content-type {header}."

    def sent_media(self, headers: Headers) -> str:
        """Return the media type of a request. Raises: OcciError 406."""
        header = headers.get("Content-Type") or self.default_media
        for part in header.split(","):  # the client of rOCCI sends `text/plain,text/occi`
            media = part.split(";")[0].strip().lower()
            if media in self.media:
                return media
        raise OcciError(406, self.not_readable(header))

    def read(self, headers: Headers, body: bytes) -> Message:
        """Return what a request says. Raises: OcciError."""
        media = self.sent_media(headers)
        try:
            if media == TEXT_OCCI:
                return renderings.read_headers(headers)
            if media == TEXT_PLAIN:
                return self.read_text(body)
            if media == URI_LIST:
                return renderings.read_uri_list(body)
            return renderings.read_json(body)
        except Unreadable as error:
            raise OcciError(self.unreadable_status(media), str(error)) from error

    def read_text(self, body: bytes) -> Message:
        return renderings.read_text(body)

    def unreadable_status(self, media: str) -> int:
        return 400

    # -- answers -------------------------------------------------------------------------------------------

    def extra_headers(self) -> list[tuple[str, str]]:
        return []

    def serves(self, category: Category) -> bool:
        """Whether the collection of a category is answered for."""
        return True

    def answer(self, status: int, media: str, body: str = "", headers: Iterable[tuple[str, str]] = ()) -> Response:
        own = [("Server", self.server)] if self.server else []
        fields = [("Content-Type", self.content_type(media)), *headers, *own]
        return Response(status, [*fields, *self.extra_headers()], body.encode())

    def error(self, error: OcciError, media: str) -> Response:
        response = self.answer(error.status, TEXT_PLAIN, error.message)
        return response if error.status != 304 else replace(response, body=b"")

    def done(self, status: int, media: str) -> Response:
        """Return the answer to a deletion or an action that succeeded."""
        response = self.answer(status, media)
        return response if status == 204 else replace(response, body=self.ok_body)

    def created(self, writer: renderings.Writer, view: renderings.View, media: str, located: bool) -> Response:
        """Return the answer to a creation; not LOCATED, it does not say where the entity is."""
        headers = [("Location", writer.location(view.path))] if located else []
        response = self.answer(self.create_status, media, headers=headers)
        return replace(response, body=self.ok_body)

    # -- VMs -----------------------------------------------------------------------------------------------

    def state(self, machine: Machine, now: float) -> str:
        return self.states[machine.state(now)]

    def attributes(self, machine: Machine, address: str | None, now: float) -> dict[str, Any]:
        raise NotImplementedError

    def actions(self, machine: Machine, now: float) -> list[str]:
        """Return the terms of the actions that an entity offers."""
        state = machine.state(now)
        if state == ACTIVE:
            return ["stop", "restart", "suspend"]
        return ["start"] if state in (STOPPED, SUSPENDED) else []

    def order(self, message: Message, registry: Registry, sizes: Mapping[str, Size], account: Account) -> Order:
        """Return what a request for a VM asks for.

        sizes: by the id of the mixin. Raises: OcciError, with the status and the words of the server.
        """
        raise NotImplementedError

    def context(self, message: Message) -> tuple[str | None, str | None]:
        """Return the user data and the public key that the server takes notice of, unchecked."""
        ids = message.ids()

        def given(names: Mapping[str, str]) -> str | None:
            found = (message.attributes.get(name) for mixin, name in names.items() if mixin in ids)
            return next((str(value) for value in found if value not in (None, "")), None)

        return given(self.user_data_names), given(self.public_key_names)

    def select(self, message: Message, registry: Registry, related: str) -> Mixin | None:
        """Return the first mixin of the request that is a template of the type RELATED."""
        for identifier in message.ids():
            category = registry.get(identifier)
            if isinstance(category, Mixin) and related in category.depends:
                return category
        return None

    def check_registered(self, message: Message, registry: Registry) -> None:
        for category in message.categories:
            if registry.get(category.id) is None:
                raise OcciError(400, self.not_registered(category.id))

    def not_registered(self, identifier: str) -> str:
        return f"Category {identifier} is not registered."

    def check_kind(self, message: Message, kind: str) -> None:
        if kind not in message.ids():
            raise OcciError(400, "Could not find a valid kind.")

    def check_action(self, message: Message, term: str, known: Iterable[str]) -> None:
        """Refuse an action that is unknown or does not go with its request. Raises: OcciError."""
        if term not in known:
            raise OcciError(400, f"Invalid action {term} provided.")

    def wrong_state(self, machine: Machine, term: str, now: float) -> str:
        return f"Cannot '{term}' instance {machine.id} while it is in vm_state {machine.state(now)}"

    def storage_refusal(self, identifier: str, state: str) -> str:
        """Return the words for a storage that cannot be attached, or removed, in its present state: those of Cinder."""
        return f"Invalid volume: volume {identifier} status must be available. Currently in {state}"

    def not_found(self, kind: str, identifier: str) -> str:
        return f"Resource not found: {identifier}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class Nova(Dialect):
    """What the servers on OpenStack take over from nova: its templates, limits and words."""

    os_scheme = "http://schemas.openstack.org/template/os#"
    size_scheme = "http://schemas.openstack.org/template/resource#"
    states = {BUILDING: "inactive", ACTIVE: "active", STOPPED: "inactive", ERROR: "inactive"}
    ram_quota_mb = 51200
    host_memory_mb = 16384
    default_templates = Templates(
        images=(
            Image("4e50f9d4-398c-46c8-bfc8-0ba85c488749", "Image for EGI Centos 7 [CentOS/7/VirtualBox]"),
            Image("203726ed-36f6-4de6-8ffd-233190bf2d83", "cirros-0.3.5"),
            Image("7d1c8b0e-52f5-4f0b-9a41-9c6d2b8a1e77", "monitoring"),
        ),
        sizes=(
            Size("1", "m1.tiny", 1, 512, 1),
            Size("2", "m1.small", 1, 2048, 20),
            Size("6ee1a4d3-8d4f-4c3e-9c5d-1d6a3b0e2f10", "egi.medium", 2, 1024, 10),
            Size("98", "m1.nohost", 1, 20000, 20),
            Size("99", "m1.overquota", 1, 999999, 20),
        ),
    )

    def check_name(self, name: str) -> None:
        trouble = "is too long" if len(name) > MAX_NAME else "is too short" if not name.strip() else ""
        if trouble:
            raise OcciError(400, f"Invalid input for field/attribute name. Value: {name}. '{name}' {trouble}")

    def check_context(self, message: Message, account: Account) -> tuple[str | None, str | None]:
        user_data, public_key = self.context(message)
        if public_key is not None:
            name = message.attributes.get("org.openstack.credentials.publickey.name")
            if not is_public_key(public_key):
                raise OcciError(400, "Keypair data is invalid: failed to generate fingerprint")
            if name and not self.key_pairs.add(account.user, str(name)):
                raise OcciError(409, f"Key pair '{name}' already exists.")
        if user_data is not None and not is_base64(user_data, strictly=False):
            raise OcciError(
                400,
                f"Invalid input for field/attribute user_data. Value: {user_data}. '{user_data}' is not a 'base64'",
            )
        return user_data, public_key


class Ooi(Nova):
    """ooi 1.2.0, a middleware of nova."""

    name = "ooi"
    tells_link_state = False
    server = "ooi/1.2.0 OCCI/1.1 OCCI/1.2"
    version = "1.2"
    speaks = ("1.1", "1.2")
    style = Style(
        all_related=False,
        details=False,
        links_to_links=True,
        header_names={ATTRIBUTE: "X-Occi-Attribute", LOCATION: "X-Occi-Location"},
    )
    media = (TEXT_PLAIN, TEXT_OCCI, URI_LIST, OCCI_JSON)
    json_media = (OCCI_JSON,)
    text_charset = "utf8"
    states = {**Nova.states, SUSPENDED: "suspended"}
    # The names its create code reads; those it advertises are lost silently.
    user_data_names = {**Dialect.user_data_names, model.USER_DATA_12: "occi.compute.user_data"}
    public_key_names = {**Dialect.public_key_names, model.SSH_KEY_12: "occi.credentials.ssh_key"}
    filters = False
    serves_root = False
    brief_json_lists = True
    lists_uris_of_entities = True
    lists_newest_first = True
    delete_looks = 2
    create_status = 200
    delete_status = 204
    action_status = 204
    empty_list_status = 204
    quota = (403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances")
    network_id = "33a67675-5335-4cfb-a461-b8c8527eb734"
    _os_network = Mixin(
        "osnetwork",
        "http://schemas.openstack.org/infrastructure/network#",
        "openstack network",
        (),
        "/osnetwork/",
    )
    unlisted = Registry([_os_network])

    def accepted(self, headers: Headers) -> str:
        """Return the media type to answer in, by whole types: a parameter makes another one. Raises: OcciError 406."""
        ranges = [part.strip() for header in headers.all("Accept") for part in header.split(",")]
        if any("/" not in part for part in ranges):
            return self.default_media  # no header of HTTP, which counts as none
        plain = [part for part in ranges if all(each.strip().startswith("q=") for each in part.split(";")[1:])]
        if ranges and not plain:
            raise OcciError(406, self.not_acceptable(", ".join(ranges)))
        return super().accepted(Headers([("Accept", part) for part in plain]))

    def serves(self, category: Category) -> bool:
        return isinstance(category, Kind) and category.scheme != model.CORE

    def networks(self) -> list[Entity]:
        (private,) = super().networks()
        attributes = {
            "occi.network.address": "127.0.0.0/8",
            "occi.network.gateway": "127.0.0.1",
            "org.openstack.network.ip_version": 4,
            "occi.network.state": "active",
        }
        private.mixins.append(self._os_network.id)
        private.attributes = {**attributes, "occi.core.title": "private"}
        public = Entity("PUBLIC", model.NETWORK, "", [], {"occi.core.title": "PUBLIC"})
        return [private, public]

    def os_template(self, image: Image) -> Mixin:
        return Mixin(
            image.id,
            self.os_scheme,
            image.name,
            (),
            f"/os_tpl/{image.id}",
            (model.OS_TPL,),
            (model.COMPUTE,),
        )

    def resource_template(self, size: Size) -> Mixin:
        values = (
            ("occi.compute.cores", size.cores),
            ("occi.compute.memory", size.memory_mb),
            ("org.openstack.flavor.disk", size.disk_gb),
            ("org.openstack.flavor.ephemeral", 0),
            ("org.openstack.flavor.swap", 0),
        )
        attributes = [model.Attribute(name, "number", False, default=value) for name, value in values]
        attributes.append(model.Attribute("org.openstack.flavor.name", "string", False))
        return Mixin(
            size.id,
            self.size_scheme,
            f"Flavor: {size.name}",
            tuple(attributes),
            f"/resource_tpl/{size.id}",
            (model.RESOURCE_TPL,),
            (model.COMPUTE,),
        )

    def categories(self, templates: Templates) -> list[Category]:
        entity, resource, link = model.core_kinds()
        kinds = model.infrastructure_kinds(self.version)
        # Its path does not follow from its term, and core#link names no parent.
        kinds[-1] = replace(kinds[-1], location="/networklink/")
        link = replace(link, parent="")
        network = next(kind for kind in kinds if kind.term == "network")
        reservation = replace(
            network,
            term="ipreservation",
            title="IPReservation",
            parent=model.NETWORK,
            location="/ipreservation/",
            actions=(),
            attributes=(
                model.Attribute(
                    "occi.ipreservation.address",
                    description="Internet Protocol(IP) network address re-served for Compute instances "
                    "linking with this IPReservation instance",
                ),
                model.Attribute(
                    "occi.ipreservation.used",
                    "boolean",
                    False,
                    description="Indication whether the reserved address is currently in use.",
                ),
                model.Attribute(
                    "occi.ipreservation.state",
                    mutable=False,
                    description="Indicates the state of the resource.",
                ),
                *network.attributes,
            ),
        )
        pools = "http://schemas.openstack.org/network#floatingippool"
        images = [self.os_template(image) for image in templates.images]
        sizes = [self.resource_template(size) for size in templates.sizes]
        return [
            *(entity, resource, link, *kinds, reservation),
            Mixin(
                "neutron",
                "http://schemas.openstack.org/infrastructure/network#",
                "Network component",
                (),
                "/neutron/",
            ),
            *model.network_mixins(),
            *model.template_mixins(),
            *sizes,
            *images,
            *model.context_mixins_11("/openstack_user_data/", "/openstack_public_key/"),
            *model.context_mixins_12(public_key_attribute="occi.crendentials.ssh.publickey"),
            Mixin(
                "public",
                "http://schemas.openstack.org/network/floatingippool#",
                "public",
                (),
                "/floatingippool/public",
                (pools,),
                (model.NETWORKINTERFACE,),
            ),
            Mixin(
                "floatingippool",
                "http://schemas.openstack.org/network#",
                "Floating IP pool base mixin",
                (),
                "/floatingippool/",
                applies=(model.NETWORKINTERFACE,),
            ),
            *(replace(action, attributes=()) for action in model.actions()),
        ]

    def read(self, headers: Headers, body: bytes) -> Message:
        try:
            message = super().read(headers, body)
        except OcciError as error:
            if error.status == 500:
                error.message = "The server has either erred or is incapable of performing the requested operation."
            raise
        if not message:
            raise OcciError(400, "No schema found")
        return message

    def unreadable_status(self, media: str) -> int:
        return 500 if media == TEXT_PLAIN else 400

    def extra_headers(self) -> list[tuple[str, str]]:
        request = f"req-{uuid.uuid4()}"
        return [("X-Openstack-Request-Id", request), ("X-Compute-Request-Id", request)]

    def error(self, error: OcciError, media: str) -> Response:
        response = super().error(error, media)
        if media == OCCI_JSON:
            text, content_type = json.dumps({"code": error.status, "message": error.message}), OCCI_JSON
        elif media == TEXT_OCCI:
            text, content_type = "", "text/occi; charset=UTF-8"
        else:
            text, content_type = error.message, "text/plain; charset=UTF-8"
        return replace(response, headers=[("Content-Type", content_type), *response.headers[1:]], body=text.encode())

    def done(self, status: int, media: str) -> Response:
        return self.answer(status, media, headers=[("Content-Length", "0")])

    def created(self, writer: renderings.Writer, view: renderings.View, media: str, located: bool) -> Response:
        if media == OCCI_JSON:
            document = writer.collection_json([view] if located else [], brief=True)
            return self.answer(self.create_status, media, json.dumps(document))
        fields = writer.location_fields([view.path] if located else [])
        if media == TEXT_OCCI:
            return self.answer(self.create_status, media, headers=writer.headers(fields))
        if media == URI_LIST:
            return self.answer(self.create_status, media, "\n".join(value for _, value in fields))
        return self.answer(self.create_status, media, writer.text(fields))

    def attributes(self, machine: Machine, address: str | None, now: float) -> dict[str, Any]:
        return {
            "occi.compute.cores": machine.cores,
            "occi.compute.hostname": machine.title,
            "occi.compute.memory": machine.memory_mb,
            "occi.compute.state": self.state(machine, now),
            "occi.core.id": machine.id,
            "occi.core.title": machine.title,
        }

    def actions(self, machine: Machine, now: float) -> list[str]:
        return ["start", "stop", "restart", "suspend", "save"]

    def order(self, message: Message, registry: Registry, sizes: Mapping[str, Size], account: Account) -> Order:
        self.check_kind(message, model.COMPUTE)
        chosen: dict[str, str] = {}
        unknown = []
        context = (*self.user_data_names, *self.public_key_names)
        for category in message.categories:
            if category.scheme in (self.os_scheme, self.size_scheme):
                chosen.setdefault(category.scheme, category.term)
            elif category.id not in (model.COMPUTE, *context):
                unknown.append(category.id)
        for scheme in (self.os_scheme, self.size_scheme):
            if scheme not in chosen:
                raise OcciError(400, f"Missing OCCI types: '{scheme}'.")
        if unknown:
            raise OcciError(400, f"Schema does not match. Expecting '', but found '{unknown}'.")
        image, flavor = chosen[self.os_scheme], chosen[self.size_scheme]
        twice = ({model.USER_DATA_11, model.USER_DATA_12}, {model.PUBLIC_KEY_11, model.SSH_KEY_12})
        if any(pair <= set(message.ids()) for pair in twice):
            raise OcciError(409, "Conflicting OCCI Mixins used in request")
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", image):
            raise OcciError(
                400,
                f"Invalid input for field/attribute imageRef. Value: {image}. "
                f"'{image}' is not valid under any of the given schemas",
            )
        user_data, public_key = self.check_context(message, account)
        passing_key = None
        if public_key is not None and not message.attributes.get("org.openstack.credentials.publickey.name"):
            passing_key = uuid.uuid4().hex
            self.key_pairs.add(account.user, passing_key)
        if registry.get(f"{self.size_scheme}{flavor}") is None:
            raise OcciError(400, f"Flavor {flavor} could not be found.")
        if registry.get(f"{self.os_scheme}{image}") is None:
            raise OcciError(400, "Can not find requested image")
        title = str(message.attributes.get("occi.core.title", "OCCI_VM"))
        self.check_name(title)
        mixins = [f"{self.os_scheme}{image}", f"{self.size_scheme}{flavor}"]
        return Order(title, title, sizes[mixins[1]], mixins, user_data, public_key, passing_key)

    def check_kind(self, message: Message, kind: str) -> None:
        kinds = [c.id for c in message.categories if c.parameters.get("class") == "kind" or c.id == kind]
        found = kinds[0] if kinds else None
        if found != kind:
            raise OcciError(400, f"Schema does not match. Expecting '{kind}', but found '{found}'.")

    def not_found(self, kind: str, identifier: str) -> str:
        if kind == model.COMPUTE:
            return f"Instance {identifier} could not be found."
        return f"{model.split_id(kind)[1].capitalize()} {identifier} could not be found."


class Pyssf(Dialect):
    """What the servers built on the pyssf library have in common."""

    server = "pyssf OCCI/1.1"
    style = Style(
        quote_numbers=True,
        attributes_first=False,
        absolute_links=False,
        lead="\n",
        join_headers=", ",
        header_body="OK",
        pyssf_json=True,
    )
    media = (TEXT_PLAIN, TEXT_OCCI, URI_LIST, OCCI_JSON)
    json_media = (OCCI_JSON,)
    ok_body = b"OK"
    collections_need_slash = True
    refuses_head = True
    user_mixins = True
    wrong_state_status = 400
    # pyssf knows no 409: what it does not know becomes a 500.
    refused_delete_status = 500

    def _walk(self, header: str | None) -> str | None:
        """Return the first type pyssf knows: only a `;q=` is taken off, its value ignored."""
        if not header:
            return self.default_media
        for part in header.split(","):
            media = re.sub(r";\s*q=[^;]*$", "", part.strip())
            if media == "*/*":
                return self.default_media
            if media in self.media:
                return media
        return None

    def accepted(self, headers: Headers) -> str:
        header = headers.get("Accept")
        media = self._walk(header)
        if media is None:
            raise OcciError(406, f"Requested MIME Type not supported: {header}")
        return media

    def sent_media(self, headers: Headers) -> str:
        header = headers.get("Content-Type")
        media = self._walk(header)
        if media is None:
            raise OcciError(406, f"Requested MIME Type not supported: {header}")
        return media

    def read_text(self, body: bytes) -> Message:
        # Lines that are no OCCI field are passed over.
        known = re.compile(rb"\s*(category|link|x-occi-attribute|x-occi-location)\s*:", re.IGNORECASE)
        return renderings.read_text(b"\n".join(line for line in body.splitlines() if known.match(line)))

    def not_registered(self, identifier: str) -> str:
        return f"The following category is not registered within this service (See Query interfaces): {identifier}"

    def _pyssf_categories(self, templates: Templates, user_data_at: str, public_key_at: str) -> list[Category]:
        """Return what the application registers, of which none registers the core kinds."""
        kinds = [
            replace(kind, location={"networkinterface": "/network/interface/"}.get(kind.term, kind.location))
            if kind.term != "storagelink"
            else replace(kind, location="/storage/link/")
            for kind in model.infrastructure_kinds("1.1", omit=("save",))
        ]
        return [
            *kinds,
            *model.network_mixins("/network/"),
            *model.template_mixins(),
            *self.templates(templates),
            *model.context_mixins_11(user_data_at, public_key_at),
            *model.actions(omit=("save",)),
        ]


class OcciOs(Pyssf, Nova):
    """occi-os (stable/icehouse, stable/juno)."""

    name = "occi-os"
    states = {**Nova.states, SUSPENDED: "inactive"}
    updates = True
    quota = (400, "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances")
    network_id = "admin"

    def os_template(self, image: Image) -> Mixin:
        return Mixin(
            image.id,
            self.os_scheme,
            f"Image: {image.name}",
            (),
            f"/{image.id}/",
            (model.OS_TPL,),
            (model.COMPUTE,),
        )

    def resource_template(self, size: Size) -> Mixin:
        term = size.name.strip().replace(" ", "_").replace(".", "-").lower()
        term = urllib.parse.quote(term)
        return Mixin(
            term,
            self.size_scheme,
            f"Flavor: {size.name} ",
            (),
            f"/{term}/",
            (model.RESOURCE_TPL,),
            (model.COMPUTE,),
        )

    def categories(self, templates: Templates) -> list[Category]:
        return self._pyssf_categories(templates, "/compute/user_data/", "/compute/public_key/")

    def interface_id(self, machine: Machine, address: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{machine.id}/{address}"))

    def attributes(self, machine: Machine, address: str | None, now: float) -> dict[str, Any]:
        return {
            "org.openstack.compute.console.vnc": "N/A",
            "occi.compute.architecture": "x86",
            "occi.compute.state": self.state(machine, now),
            "occi.compute.speed": 0.0,
            "org.openstack.compute.state": machine.state(now),
            "occi.compute.memory": machine.memory_mb / 1024,
            "occi.compute.cores": machine.cores,
            "occi.compute.hostname": machine.hostname,
            "occi.core.id": machine.id,
        }

    def order(self, message: Message, registry: Registry, sizes: Mapping[str, Size], account: Account) -> Order:
        self.check_registered(message, registry)
        self.check_kind(message, model.COMPUTE)
        fixed = {f"occi.compute.{name}" for name in ("architecture", "cores", "memory", "speed", "state")}
        refused = sorted(fixed & set(message.attributes))
        if refused:
            raise OcciError(400, f"There are unsupported attributes in the request: {', '.join(refused)}")
        image = self.select(message, registry, model.OS_TPL)
        if image is None:
            raise OcciError(400, "Please provide a valid OS Template.")
        size = self.select(message, registry, model.RESOURCE_TPL)
        size_id = size.id if size is not None else next(iter(sizes))
        named = "org.openstack.credentials.publickey.name" in message.attributes
        if model.PUBLIC_KEY_11 in message.ids() and not named:
            raise OcciError(400, "'org.openstack.credentials.publickey.name'")
        user_data, public_key = self.check_context(message, account)
        name = str(message.attributes.get("occi.compute.hostname") or "")
        return Order(name, name, sizes[size_id], [image.id, size_id], user_data, public_key)

    def check_context(self, message: Message, account: Account) -> tuple[str | None, str | None]:
        try:
            return super().check_context(message, account)
        except OcciError as error:
            raise OcciError(400, error.message) from error  # pyssf knows no 409

    def check_action(self, message: Message, term: str, known: Iterable[str]) -> None:
        super().check_action(message, term, known)
        if term == "restart" and "method" not in message.attributes:
            raise OcciError(400, "Please provide a method!")


class SnfOcci(Pyssf):
    """snf-occi in front of Synnefo, before it moved to ooi's code."""

    name = "snf-occi"
    style = replace(Pyssf.style, absolute_category_locations=False)
    os_scheme = "http://schemas.ogf.org/occi/os_tpl#"
    size_scheme = "http://schemas.ogf.org/occi/resource_tpl#"
    # A VM that failed never shows a state: reading it is an error.
    states = {BUILDING: "inactive", ACTIVE: "active", STOPPED: "inactive", SUSPENDED: "inactive"}
    quota = (403, "Resource Limit Exceeded for your account: limit for resource 'Virtual Machines' exceeded")
    default_templates = Templates(
        images=(
            Image("101", "Debian Base"),
            Image("102", "CentOS 6"),
            Image("103", "monitoring"),
        ),
        sizes=(
            Size("1", "C1R512D5drbd", 1, 512, 5),
            Size("2", "C1R1024D10drbd", 1, 1024, 10),
            Size("3", "C2R2048D20drbd", 2, 2048, 20),
        ),
    )

    def _template(self, scheme: str, name: str, related: str, attributes: tuple[tuple[str, Any], ...]) -> Mixin:
        term = re.sub(r"[^a-z0-9]+", "_", name.lower())
        definitions = tuple(model.Attribute(key, default=value, mutable=False) for key, value in attributes)
        return Mixin(term, scheme, name, definitions, f"/{term}/", (related,), (model.COMPUTE,))

    def os_template(self, image: Image) -> Mixin:
        return self._template(self.os_scheme, image.name, model.OS_TPL, (("occi.core.id", image.id),))

    def resource_template(self, size: Size) -> Mixin:
        values = (
            ("occi.core.id", size.id),
            ("occi.compute.cores", size.cores),
            ("occi.compute.memory", size.memory_mb),
        )
        return self._template(self.size_scheme, size.name, model.RESOURCE_TPL, values)

    def categories(self, templates: Templates) -> list[Category]:
        registered = self._pyssf_categories(templates, "/mixins/user_data/", "/mixins/public_key/")
        of_storage = (model.STORAGE, model.STORAGELINK)
        return [each for each in registered if each.id not in of_storage and each.scheme != model.STORAGE_ACTION]

    def new_id(self) -> str:
        return str(self.number())

    def state(self, machine: Machine, now: float) -> str:
        if machine.state(now) == ERROR:
            raise OcciError(500, "ERROR building the compute instance")
        return super().state(machine, now)

    def attributes(self, machine: Machine, address: str | None, now: float) -> dict[str, Any]:
        return {
            "occi.compute.state": self.state(machine, now),
            "occi.core.id": machine.id,
            "occi.core.title": machine.title,
            "occi.compute.architecture": "x86",
            "occi.compute.cores": machine.cores,
            "occi.compute.memory": machine.memory_mb,
            "occi.compute.hostname": address or "",
        }

    def order(self, message: Message, registry: Registry, sizes: Mapping[str, Size], account: Account) -> Order:
        self.check_registered(message, registry)
        self.check_kind(message, model.COMPUTE)
        image = self.select(message, registry, model.OS_TPL)
        size = self.select(message, registry, model.RESOURCE_TPL)
        title = message.attributes.get("occi.core.title")
        if image is None or size is None or not title:
            raise OcciError(406, "Missing details about compute instance")
        user_data, public_key = self.context(message)
        if user_data is not None and not is_base64(user_data):
            raise OcciError(400, "Incorrect padding")
        return Order(str(title), str(title), sizes[size.id], [image.id, size.id], user_data, public_key)


class Rocci(Dialect):
    """What both generations of rOCCI-server have in common."""

    json_media = (OCCI_JSON, JSON)
    media = (TEXT_PLAIN, TEXT_OCCI, URI_LIST, OCCI_JSON, JSON)
    text_charset = "utf-8"
    host: ClassVar[str] = "localhost"
    default_templates = Templates(
        images=(Image("20", "monitoring"), Image("21", "Basic Ubuntu 14.04"), Image("22", "CentOS 6")),
        sizes=(
            Size("small", "small", 1, 1024, 10),
            Size("medium", "medium", 2, 4096, 20),
            Size("large", "large", 4, 8192, 40),
        ),
    )

    def new_id(self) -> str:
        return str(self.number())

    def interface_id(self, machine: Machine, address: str) -> str:
        return f"compute_{machine.id}_nic_0"

    def resource_template(self, size: Size) -> Mixin:
        attributes = (
            model.Attribute("occi.compute.cores", "number", default=size.cores),
            model.Attribute("occi.compute.memory", "number", default=size.memory_mb / 1024),
        )
        return Mixin(
            size.id,
            self.size_scheme,
            f"Resource template {size.name}",
            attributes,
            f"/mixin/resource_tpl/{size.id}/",
            (model.RESOURCE_TPL,),
            (model.COMPUTE,),
        )

    def not_acceptable(self, header: str) -> str:
        return "Requested media format is not acceptable"

    def not_readable(self, header: str) -> str:
        return f"Media type '{header}' is not supported!"

    def order(self, message: Message, registry: Registry, sizes: Mapping[str, Size], account: Account) -> Order:
        self.check_registered(message, registry)
        self.check_kind(message, model.COMPUTE)
        self.check_entity(message)
        image = self.select(message, registry, model.OS_TPL)
        size = self.select(message, registry, model.RESOURCE_TPL)
        self.check_templates(message, image, size)
        user_data, public_key = self.context(message)
        if user_data is not None and len(user_data) > MAX_USER_DATA_BYTES:
            raise OcciError(409, f"User data exceeds the allowed size of {MAX_USER_DATA_BYTES} bytes!")
        if user_data is not None and not is_base64(user_data):
            raise OcciError(409, "User data contains invalid characters! Allowed is base64 only.")
        if public_key is not None and not public_key.startswith(("ssh-", "ecds")):
            raise OcciError(409, "Public key is invalid!")
        chosen = sizes[size.id] if size is not None else next(iter(sizes.values()))
        cores = message.attributes.get("occi.compute.cores", chosen.cores)
        memory = message.attributes.get("occi.compute.memory", chosen.memory_mb / 1024)
        try:
            chosen = replace(chosen, cores=int(cores), memory_mb=int(float(memory) * 1024))
        except (TypeError, ValueError) as error:
            raise OcciError(400, f"Attribute type mismatch: {error}") from error
        title = str(message.attributes.get("occi.core.title") or f"rOCCI compute {uuid.uuid4()}")
        hostname = str(message.attributes.get("occi.compute.hostname") or "")
        mixins = [mixin.id for mixin in (image, size) if mixin is not None]
        return Order(title, hostname, chosen, mixins, user_data, public_key)

    def check_entity(self, message: Message) -> None:
        """Hold what is to be created against its kind. Raises: OcciError."""

    def check_templates(self, message: Message, image: Mixin | None, size: Mixin | None) -> None:
        raise NotImplementedError

    def check_action(self, message: Message, term: str, known: Iterable[str]) -> None:
        super().check_action(message, term, known)
        if not message.categories:
            raise OcciError(400, "Provided action does not have a term!")
        if message.categories[0].term != term:
            raise OcciError(400, "Action terms in params and body do not match!")

    def attributes(self, machine: Machine, address: str | None, now: float) -> dict[str, Any]:
        attributes = {
            "occi.core.id": machine.id,
            "occi.core.title": machine.title,
            "occi.compute.architecture": "x64",
            "occi.compute.cores": machine.cores,
            "occi.compute.memory": machine.memory_mb / 1024,
            "occi.compute.state": self.state(machine, now),
        }
        if machine.hostname:
            attributes["occi.compute.hostname"] = machine.hostname
        return attributes


class Rocci11(Rocci):
    """rOCCI-server 1.1 with OpenNebula."""

    name = "rocci-1.1"
    server = ""  # only what its web server says
    style = Style(
        separator=";",
        join_headers=",",
        header_names={LOCATION: "Location"},
        absolute_category_locations=False,
        absolute_links=False,
        nested_json=True,
    )
    os_scheme = "http://occi.localhost/occi/infrastructure/os_tpl#"
    size_scheme = "http://fedcloud.egi.eu/occi/compute/flavour/1.0#"
    states = {
        BUILDING: "inactive",
        ACTIVE: "active",
        STOPPED: "suspended",
        SUSPENDED: "suspended",
        ERROR: "error",
    }
    refused_delete_status = 304
    quota = (400, "[VirtualMachineAllocate] User [5] : limit of 10 reached for VMS quota in USER quotas.")

    def os_template(self, image: Image) -> Mixin:
        slug = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", image.name.lower()))
        term = f"uuid_{slug}_{image.id}"
        return Mixin(
            term,
            self.os_scheme,
            image.name,
            (),
            f"/mixin/os_tpl/{term}/",
            (model.OS_TPL,),
            (model.COMPUTE,),
        )

    def categories(self, templates: Templates) -> list[Category]:
        return [
            *model.core_kinds(),
            *(
                replace(kind, location=f"/link{kind.location}") if kind.parent == model.LINK else kind
                for kind in model.infrastructure_kinds("1.1", omit=("save",))
            ),
            *model.network_mixins("/mixin/"),
            *model.template_mixins("/mixin/"),
            *self.templates(templates),
            *model.context_mixins_11("/mixin/user_data/", "/mixin/public_key/"),
            *model.actions(omit=("save",)),
        ]

    def state(self, machine: Machine, now: float) -> str:
        # PENDING comes first and does not last; PROLOG and BOOT are the rest of the wait.
        pending_s = min(1.0, (machine.built_at - machine.created_at) / 2)
        if machine.state(now) == BUILDING and now < machine.created_at + pending_s:
            return "waiting"
        return super().state(machine, now)

    def check_templates(self, message: Message, image: Mixin | None, size: Mixin | None) -> None:
        if image is None and message.links:
            raise OcciError(501, "Creating a compute instance from links only is not supported!")
        if image is None:
            raise OcciError(409, "Given instance does not contain an os_tpl mixin necessary to create it!")

    def created(self, writer: renderings.Writer, view: renderings.View, media: str, located: bool) -> Response:
        if media != TEXT_PLAIN:
            return super().created(writer, view, media, located)
        fields = writer.location_fields([view.path] if located else [])
        return self.answer(self.create_status, media, writer.text(fields))


class Rocci20(Rocci):
    """rOCCI-server 2.0 with OpenNebula, behind Keystorm."""

    name = "rocci-2.0"
    server = "rOCCI-server OCCI/1.1 OCCI-CRTP/1.0 OCCI/1.2 OCCI-CRTP/1.1"
    version = "1.2"
    speaks = ("1.1", "1.2")
    style = Style(
        applies_in_rel=True,
        header_names={CATEGORY: "X-OCCI-Category", LINK: "X-OCCI-Link", LOCATION: "Location"},
        absolute_category_locations=False,
        absolute_links=False,
    )
    os_scheme = "http://localhost/occi/infrastructure/os_tpl#"
    size_scheme = "http://localhost/occi/infrastructure/resource_tpl#"
    user_data_names = {**Dialect.user_data_names, model.USER_DATA_12: "occi.compute.userdata"}
    public_key_names = {**Dialect.public_key_names, model.SSH_KEY_12: "occi.credentials.ssh.publickey"}
    states = {
        BUILDING: "waiting",
        ACTIVE: "active",
        STOPPED: "inactive",
        SUSPENDED: "inactive",
        ERROR: "error",
    }
    delete_status = 204
    action_status = 204
    empty_list_status = 204
    quota = (409, "[one.template.instantiate] User [5] : limit of 10 reached for VMS quota in USER quotas.")

    def os_template(self, image: Image) -> Mixin:
        return Mixin(
            image.id,
            self.os_scheme,
            image.name,
            (),
            f"/mixin/os_tpl/{image.id}/",
            (model.OS_TPL,),
            (model.COMPUTE,),
        )

    def categories(self, templates: Templates) -> list[Category]:
        return [
            *model.core_kinds(),
            *model.infrastructure_kinds("1.2"),
            *model.extension_kinds(),
            *model.network_mixins("/mixin/"),
            *model.template_mixins("/mixin/"),
            *self.templates(templates),
            *model.context_mixins_11("/mixin/openstack_user_data/", "/mixin/openstack_public_key/"),
            *model.context_mixins_12(prefix="/mixin/"),
            *model.actions(),
        ]

    def error(self, error: OcciError, media: str) -> Response:
        if media == TEXT_OCCI:
            return self.answer(error.status, media, headers=[("X-OCCI-Error", error.message)])
        if media in self.json_media:
            symbol = http.HTTPStatus(error.status).phrase.lower().replace(" ", "_")
            return self.answer(error.status, media, json.dumps({"status": symbol, "error": error.message}))
        return super().error(error, media)

    def check_entity(self, message: Message) -> None:
        identifier = message.attributes.get("occi.core.id")
        if identifier is None:
            trouble = "Value is required but not provided"
        elif not re.fullmatch(r"[^\W_](?:[^\W_]|-|_)*", str(identifier)):
            trouble = f'"{identifier}" does not match pattern /^[[:alnum:]]([[:alnum:]]|-|_)*$/'
        else:
            return
        raise OcciError(409, f'Invalid content: Attribute "occi.core.id" invalid: {trouble}')

    def check_templates(self, message: Message, image: Mixin | None, size: Mixin | None) -> None:
        if image is None or size is None:
            raise OcciError(409, "Invalid content: Submitted entity is not compliant with server restrictions")

    def attributes(self, machine: Machine, address: str | None, now: float) -> dict[str, Any]:
        attributes = super().attributes(machine, address, now)
        if machine.state(now) == ERROR and machine.failure:
            attributes["occi.compute.state.message"] = machine.failure
        return attributes

    def created(self, writer: renderings.Writer, view: renderings.View, media: str, located: bool) -> Response:
        fields = writer.location_fields([view.path] if located else [])
        if media in self.json_media:
            return self.answer(self.create_status, media, json.dumps([value for _, value in fields]))
        if media == TEXT_OCCI:
            return self.answer(self.create_status, media, headers=writer.headers(fields))
        if media == URI_LIST:
            return self.answer(self.create_status, media, "\n".join(value for _, value in fields))
        return self.answer(self.create_status, media, writer.text(fields))


DIALECTS: dict[str, type[Dialect]] = {dialect.name: dialect for dialect in (OcciOs, Ooi, Rocci11, Rocci20, SnfOcci)}
