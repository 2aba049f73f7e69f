"""The OCCI model (GFD.183, GFD.184; GFD.221, GFD.224): categories, entities, and the store that keeps them.

Nothing here knows a rendering or a dialect. The state of a VM is a function of the clock, so nothing has to
run in the background and tests can look at any moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

CORE = "http://schemas.ogf.org/occi/core#"
INFRASTRUCTURE = "http://schemas.ogf.org/occi/infrastructure#"
COMPUTE_ACTION = "http://schemas.ogf.org/occi/infrastructure/compute/action#"
STORAGE_ACTION = "http://schemas.ogf.org/occi/infrastructure/storage/action#"
NETWORK_ACTION = "http://schemas.ogf.org/occi/infrastructure/network/action#"

ENTITY = f"{CORE}entity"
RESOURCE = f"{CORE}resource"
LINK = f"{CORE}link"
COMPUTE = f"{INFRASTRUCTURE}compute"
STORAGE = f"{INFRASTRUCTURE}storage"
NETWORK = f"{INFRASTRUCTURE}network"
STORAGELINK = f"{INFRASTRUCTURE}storagelink"
NETWORKINTERFACE = f"{INFRASTRUCTURE}networkinterface"
IPNETWORK = "http://schemas.ogf.org/occi/infrastructure/network#ipnetwork"
IPNETWORKINTERFACE = "http://schemas.ogf.org/occi/infrastructure/networkinterface#ipnetworkinterface"
OS_TPL = f"{INFRASTRUCTURE}os_tpl"
RESOURCE_TPL = f"{INFRASTRUCTURE}resource_tpl"

USER_DATA_11 = "http://schemas.openstack.org/compute/instance#user_data"
PUBLIC_KEY_11 = "http://schemas.openstack.org/instance/credentials#public_key"
USER_DATA_12 = "http://schemas.ogf.org/occi/infrastructure/compute#user_data"
SSH_KEY_12 = "http://schemas.ogf.org/occi/infrastructure/credentials#ssh_key"

FOREVER = float("inf")

# What a back end knows about a VM; each dialect has its own words for it.
BUILDING, ACTIVE, STOPPED, SUSPENDED, ERROR = "building", "active", "stopped", "suspended", "error"

_AFTER_ACTION = {
    "start": ACTIVE,
    "restart": ACTIVE,
    "stop": STOPPED,
    "suspend": SUSPENDED,
}


class OcciError(Exception):
    """A request the server refuses; the dialect decides how it looks."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


# -- categories ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attribute:
    """The definition of an attribute; type is one of string, number, boolean (GFD.226 section 3.4)."""

    name: str
    type: str = "string"
    mutable: bool = True
    required: bool = False
    default: Any = None
    description: str = ""


@dataclass(frozen=True)
class Category:
    """A kind, a mixin or an action. `location` is a path below the server's base, or empty."""

    term: str
    scheme: str
    title: str = ""
    attributes: tuple[Attribute, ...] = ()
    location: str = ""

    CLASS = "category"

    @property
    def id(self) -> str:
        return f"{self.scheme}{self.term}"

    @property
    def related(self) -> tuple[str, ...]:
        """Ids for the `rel` of the text renderings."""
        return ()

    def attribute(self, name: str) -> Attribute | None:
        return next((attribute for attribute in self.attributes if attribute.name == name), None)


@dataclass(frozen=True)
class Action(Category):
    CLASS = "action"


@dataclass(frozen=True)
class Kind(Category):
    parent: str = ""
    actions: tuple[str, ...] = ()

    CLASS = "kind"

    @property
    def related(self) -> tuple[str, ...]:
        return (self.parent,) if self.parent else ()


@dataclass(frozen=True)
class Mixin(Category):
    depends: tuple[str, ...] = ()
    applies: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    user_defined: bool = False

    CLASS = "mixin"

    @property
    def related(self) -> tuple[str, ...]:
        return self.depends


def split_id(identifier: str) -> tuple[str, str]:
    """Return the scheme, which ends in '#', and the term of a category's id."""
    scheme, mark, term = identifier.rpartition("#")
    return scheme + mark, term


class Registry:
    """The categories of a server by id, in the order they are listed."""

    def __init__(self, categories: Iterable[Category]) -> None:
        self._categories = {category.id: category for category in categories}

    def __iter__(self) -> Iterator[Category]:
        return iter(list(self._categories.values()))

    def get(self, identifier: str) -> Category | None:
        return self._categories.get(identifier)

    def kind(self, identifier: str) -> Kind:
        kind = self._categories[identifier]
        assert isinstance(kind, Kind)
        return kind

    def at(self, path: str) -> Category | None:
        """Return the kind or mixin whose collection is at PATH, with or without the slash at its end."""
        wanted = path.rstrip("/")
        for category in self:
            if category.location and category.location.rstrip("/") == wanted:
                return category
        return None

    def add(self, mixin: Mixin) -> None:
        self._categories[mixin.id] = mixin

    def remove(self, mixin: Mixin) -> None:
        self._categories.pop(mixin.id, None)

    def without(self, gone: Iterable[str]) -> Registry:
        """Return a copy that lacks the mixins with these terms or ids."""
        names = set(gone)
        return Registry(c for c in self if not (isinstance(c, Mixin) and names & {c.term, c.id}))


# -- entities --------------------------------------------------------------------------------------


@dataclass
class Entity:
    """attributes: what the client gave or the cloud knows, by full name; no state of a VM."""

    id: str
    kind: str
    project: str
    mixins: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    user: str = ""

    @property
    def title(self) -> str:
        return str(self.attributes.get("occi.core.title", ""))


@dataclass
class Link(Entity):
    """source and target: (kind, id)."""

    source: tuple[str, str] = ("", "")
    target: tuple[str, str] = ("", "")


@dataclass
class Machine(Entity):
    """A VM as the back end keeps it.

    built_at: when building ends, FOREVER if it never does. gone_at: when a deletion takes effect. looks: after this
    number of further looks it does so at once. is_listed_only: it cannot be seen at its own path any more.
    """

    hostname: str = ""
    cores: int = 1
    memory_mb: int = 512
    created_at: float = 0.0
    built_at: float = 0.0
    failure: str | None = None
    settled: str = ACTIVE
    gone_at: float | None = None
    looks: int = 0
    connected: bool = False
    is_listed_only: bool = False
    user_data: str | None = None
    public_key: str | None = None

    def state(self, now: float) -> str:
        if now < self.built_at:
            return BUILDING
        return self.settled if self.failure is None else ERROR

    def act(self, term: str) -> None:
        self.settled = _AFTER_ACTION.get(term, self.settled)

    def looked_at(self) -> None:
        """A look at a VM that is being deleted: at the last but one it is shut off, at the last one gone."""
        self.looks -= 1
        if self.looks == 1:
            self.settled = STOPPED
        elif self.looks == 0:
            self.gone_at = 0.0

    def is_gone(self, now: float) -> bool:
        return self.gone_at is not None and now >= self.gone_at


@dataclass(frozen=True)
class VM:
    """A VM as tests see it: a copy, taken at one moment.

    state: building, active, stopped, suspended or error. user_data: base64, as it reached the cloud; None
    if it did not, whatever the client sent.
    """

    id: str
    title: str
    hostname: str
    project: str
    user: str
    created_at: float
    state: str
    mixins: tuple[str, ...]
    user_data: str | None
    public_key: str | None


class Store:
    """Every entity of one cloud; safe to use from any thread.

    Entities are handed out as they are kept: change them under `lock` only.
    connect: makes the network interface of a VM, which exists from the moment the VM is built.
    """

    def __init__(self, connect: Callable[[Machine], Link]) -> None:
        self.lock = threading.RLock()
        self._connect = connect
        self.created: list[tuple[str, str]] = []
        self.deleted: list[tuple[str, str]] = []
        self._entities: dict[tuple[str, str], Entity] = {}

    def add(self, entity: Entity) -> None:
        with self.lock:
            self._entities[entity.kind, entity.id] = entity
            if isinstance(entity, Machine):
                self.created.append((entity.title, entity.id))

    def get(self, kind: str, identifier: str, project: str) -> Entity | None:
        with self.lock:
            self._sweep()
            entity = self._entities.get((kind, identifier))
            return entity if entity is not None and entity.project in ("", project) else None

    def remove(self, entity: Entity) -> None:
        """Forget an entity at once, and the links from and to it."""
        with self.lock:
            key = (entity.kind, entity.id)
            if self._entities.pop(key, None) is None:
                return
            if isinstance(entity, Machine):
                self.deleted.append((entity.title, entity.id))
            for link in self.links(key):
                self.remove(link)

    def links(self, end: tuple[str, str]) -> list[Link]:
        """Return the links from and to an entity, named by its kind and id."""
        with self.lock:
            links = [entity for entity in self._entities.values() if isinstance(entity, Link)]
        return [link for link in links if end in (link.source, link.target)]

    def select(self, project: str, kind: str | None = None, mixin: str | None = None) -> list[Entity]:
        """Return what a project sees, in the order of creation; an entity of no project is everybody's."""
        with self.lock:
            self._sweep()
            return [
                entity
                for entity in self._entities.values()
                if entity.project in ("", project)
                and (kind is None or entity.kind == kind)
                and (mixin is None or mixin in entity.mixins)
            ]

    def of_kind(self, kind: str) -> list[Entity]:
        """Return what there is of a kind, of all projects, in the order of creation."""
        with self.lock:
            self._sweep()
            return [entity for entity in self._entities.values() if entity.kind == kind]

    def machines(self, project: str | None = None) -> list[Machine]:
        with self.lock:
            self._sweep()
            machines = [entity for entity in self._entities.values() if isinstance(entity, Machine)]
        return [machine for machine in machines if project is None or machine.project == project]

    def clear(self) -> None:
        with self.lock:
            self._entities.clear()
            self.created.clear()
            self.deleted.clear()

    def _sweep(self) -> None:
        """Let happen what the clock says: deletions take effect, VMs that are built get their interface."""
        now = time.time()
        for machine in [entity for entity in self._entities.values() if isinstance(entity, Machine)]:
            if machine.is_gone(now):
                self.remove(machine)
            elif not machine.connected and machine.state(now) == ACTIVE:
                machine.connected = True
                self.add(self._connect(machine))


# -- the standard's own categories -----------------------------------------------------------------


def _text(name: str, description: str, **more: Any) -> Attribute:
    return Attribute(name, "string", description=description, **more)


def _number(name: str, description: str, **more: Any) -> Attribute:
    return Attribute(name, "number", description=description, **more)


def _fixed(name: str, description: str = "Current state of the instance") -> Attribute:
    return _text(name, description, mutable=False)


def _message(kind: str) -> Attribute:
    return _fixed(f"occi.{kind}.state.message", "Human-readable explanation of the current instance state")


_ENTITY = (
    _fixed("occi.core.id", "A unique identifier"),
    _text("occi.core.title", "The display name of the instance"),
)
_RESOURCE = (_text("occi.core.summary", "A summarizing description of the resource instance."), *_ENTITY)
_LINK = (
    _text("occi.core.source", "The Resource instance the link originates from", required=True),
    _text("occi.core.target", "The unique identifier of an Object this Link instance points to", required=True),
    *_ENTITY,
)

_ACTIONS = {
    "compute": (COMPUTE_ACTION, ("start", "stop", "restart", "suspend", "save")),
    "storage": (STORAGE_ACTION, ("online", "offline", "backup", "snapshot", "resize")),
    "network": (NETWORK_ACTION, ("up", "down")),
}
_ACTION_ATTRIBUTES = {
    "stop": ("method",),
    "restart": ("method",),
    "suspend": ("method",),
    "save": ("method", "name"),
    "resize": ("size",),
}


def actions(omit: Iterable[str] = ()) -> list[Action]:
    """Return the actions of the infrastructure, but for those OCCI 1.1 or a server lacks."""
    return [
        Action(
            term,
            scheme,
            f"{term} {kind} instance",
            tuple(
                Attribute(name, "number" if name == "size" else "string") for name in _ACTION_ATTRIBUTES.get(term, ())
            ),
        )
        for kind, (scheme, terms) in _ACTIONS.items()
        for term in terms
        if term not in set(omit)
    ]


def _action_ids(kind: str, omit: Iterable[str]) -> tuple[str, ...]:
    scheme, terms = _ACTIONS[kind]
    return tuple(f"{scheme}{term}" for term in terms if term not in set(omit))


def core_kinds() -> list[Kind]:
    return [
        Kind("entity", CORE, "entity", _ENTITY, "/entity/"),
        Kind("resource", CORE, "resource", _RESOURCE, "/resource/", ENTITY),
        Kind("link", CORE, "link", _LINK, "/link/", ENTITY),
    ]


def infrastructure_kinds(version: str, link_prefix: str = "/", omit: Iterable[str] = ()) -> list[Kind]:
    """Return compute, storage, storagelink, network and networkinterface of OCCI 1.1 or 1.2.

    link_prefix: where the collections of links are. omit: actions the server lacks.
    """
    newer = version == "1.2"
    omit = set(omit)

    def message(kind: str) -> tuple[Attribute, ...]:
        return (_message(kind),) if newer else ()

    compute = (
        _text("occi.compute.architecture", "CPU architecture of the instance"),
        _number("occi.compute.cores", "Number of virtual cores assigned to the instance"),
        _text("occi.compute.hostname", "Fully Qualified DNS hostname for the instance"),
        _number("occi.compute.share", "Relative number of CPU shares for the instance")
        if newer
        else _number("occi.compute.speed", "CPU clock frequency in gigahertz"),
        _number("occi.compute.memory", "Maximum RAM in gigabytes allocated to the instance"),
        _fixed("occi.compute.state"),
        *message("compute"),
    )
    storage = (
        _number("occi.storage.size", "Storage size of the instance in gigabytes", required=True),
        _fixed("occi.storage.state"),
        *message("storage"),
    )
    storagelink = (
        _text("occi.storagelink.deviceid", "Device identifier as defined by the OCCI service provider"),
        _text("occi.storagelink.mountpoint", "Point to where the storage is mounted in the guest OS"),
        _fixed("occi.storagelink.state"),
        *message("storagelink"),
    )
    network = (
        _text("occi.network.vlan", "802.1q VLAN identifier"),
        _text("occi.network.label", "Tag based VLANs"),
        _fixed("occi.network.state"),
        *message("network"),
    )
    interface = (
        _fixed(
            "occi.networkinterface.interface",
            "Identifier that relates the link to the link's device interface.",
        ),
        _text("occi.networkinterface.mac", "MAC address associated with the link's device interface."),
        _fixed("occi.networkinterface.state"),
        *message("networkinterface"),
    )

    def resource(term: str, attributes: tuple[Attribute, ...]) -> Kind:
        title = f"{term} resource"
        found = _action_ids(term, omit)
        return Kind(term, INFRASTRUCTURE, title, (*attributes, *_RESOURCE), f"/{term}/", RESOURCE, found)

    def link(term: str, title: str, attributes: tuple[Attribute, ...]) -> Kind:
        return Kind(term, INFRASTRUCTURE, title, (*attributes, *_LINK), f"{link_prefix}{term}/", LINK)

    return [
        resource("compute", compute),
        resource("storage", storage),
        link("storagelink", "storage link resource", storagelink),
        resource("network", network),
        link("networkinterface", "network link resource", interface),
    ]


def extension_kinds() -> list[Kind]:
    """Return the kinds that rOCCI-server 2.0 has beyond the standard's."""

    def kind(term: str, parent: str, *attributes: Attribute) -> Kind:
        return Kind(term, INFRASTRUCTURE, f"{term} resource", attributes, f"/{term}/", parent)

    rules = Attribute("occi.securitygroup.rules", "array", required=True, description="Security rules")
    return [
        kind(
            "ipreservation",
            NETWORK,
            _text("occi.ipreservation.address", "Reserved Internet Protocol (IP) address"),
            Attribute("occi.ipreservation.used", "boolean", False, description="Whether the address is in use"),
            _fixed("occi.ipreservation.state"),
            *_RESOURCE,
        ),
        kind("securitygroup", RESOURCE, rules, _fixed("occi.securitygroup.state"), *_RESOURCE),
        kind("securitygrouplink", LINK, _fixed("occi.securitygrouplink.state"), *_LINK),
    ]


def network_mixins(prefix: str = "/") -> list[Mixin]:
    return [
        Mixin(
            "ipnetwork",
            split_id(IPNETWORK)[0],
            "IP Networking Mixin",
            (
                _text("occi.network.address", "Internet Protocol (IP) network address"),
                _text("occi.network.gateway", "Internet Protocol (IP) network address"),
                _text("occi.network.allocation", "Address allocation mechanism: dynamic, static"),
            ),
            f"{prefix}ipnetwork/",
            applies=(NETWORK,),
        ),
        Mixin(
            "ipnetworkinterface",
            split_id(IPNETWORKINTERFACE)[0],
            "IP Network interface Mixin",
            (
                _text("occi.networkinterface.address", "Internet Protocol (IP) network address of the link"),
                _text("occi.networkinterface.gateway", "Internet Protocol (IP) network address"),
                _text("occi.networkinterface.allocation", "Address allocation mechanism: dynamic, static"),
            ),
            f"{prefix}ipnetworkinterface/",
            applies=(NETWORKINTERFACE,),
        ),
    ]


def template_mixins(prefix: str = "/") -> list[Mixin]:
    return [
        Mixin("os_tpl", INFRASTRUCTURE, "OCCI OS Template", (), f"{prefix}os_tpl/", applies=(COMPUTE,)),
        Mixin(
            "resource_tpl",
            INFRASTRUCTURE,
            "OCCI Resource Template",
            (),
            f"{prefix}resource_tpl/",
            applies=(COMPUTE,),
        ),
    ]


def context_mixins_11(user_data_at: str, public_key_at: str) -> list[Mixin]:
    """Return the FedCloud extension's contextualisation mixins, with the paths of their collections."""
    return [
        Mixin(
            "user_data",
            split_id(USER_DATA_11)[0],
            "Contextualization extension - user_data",
            (Attribute("org.openstack.compute.user_data", mutable=False, required=True),),
            user_data_at,
        ),
        Mixin(
            "public_key",
            split_id(PUBLIC_KEY_11)[0],
            "Contextualization extension - public_key",
            (
                Attribute("org.openstack.credentials.publickey.name", mutable=False),
                Attribute("org.openstack.credentials.publickey.data", mutable=False, required=True),
            ),
            public_key_at,
        ),
    ]


def context_mixins_12(
    user_data_attribute: str = "occi.compute.userdata",
    public_key_attribute: str = "occi.credentials.ssh.publickey",
    prefix: str = "/",
) -> list[Mixin]:
    return [
        Mixin(
            "user_data",
            split_id(USER_DATA_12)[0],
            "Contextualization mixin",
            (
                _text(
                    user_data_attribute,
                    "Contextualization data (e.g., script, executable) that the client supplies once and "
                    "only once. It cannot be updated.",
                    required=True,
                ),
            ),
            f"{prefix}user_data/",
            applies=(COMPUTE,),
        ),
        Mixin(
            "ssh_key",
            split_id(SSH_KEY_12)[0],
            "Credentials mixin",
            (
                _text(
                    public_key_attribute,
                    "The contents of the public key file to be injected into the Compute Resource",
                    required=True,
                ),
            ),
            f"{prefix}ssh_key/",
            applies=(COMPUTE,),
        ),
    ]
