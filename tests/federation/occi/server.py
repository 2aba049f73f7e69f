"""The OCCI server: what a request to a path means (GFD.185 section 3, GFD.223 section 5), in any dialect."""

from __future__ import annotations

import email.utils
import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..faults import Faults
from ..web import Request, Response
from . import model
from .dialects import DIALECTS, Account, Order, Size, Templates
from .model import (
    VM,
    Category,
    Entity,
    Kind,
    Link,
    Machine,
    Mixin,
    OcciError,
    Registry,
    Store,
)
from .renderings import TEXT_OCCI, TEXT_PLAIN, URI_LIST, LinkView, Message, View, Writer

QUERY_PATHS = ("/-/", "/.well-known/org/ogf/occi/-/")
UNSEEN_S = 5.0
"""How long a VM that is deleted by and by stays, if nobody looks at it."""
NOT_FOUND = "The resource could not be found."
NO_STORAGE = (
    "Unexpected API Error. Please report this at http://bugs.launchpad.net/ooi/ and attach the ooi API log if possible."
)
MALFORMED = "The server could not comply with the request since it is either malformed or otherwise incorrect."


class OcciServer:
    """One cloud's OCCI endpoint.

    login: from a request to an Account, or to the Response that refuses it. base_url: scheme and authority
    of the endpoint, without a path. path: where the server is mounted, `/occi1.1` for ooi. build_seconds:
    how long a VM takes to become active when no fault says otherwise. network: second number of its VMs'
    addresses.
    """

    def __init__(
        self,
        dialect: str,
        *,
        login: Callable[[Request], Account | Response],
        templates: Templates | None = None,
        faults: Faults,
        base_url: Callable[[], str],
        path: str = "",
        build_seconds: float = 0.0,
        network: int = 1,
    ) -> None:
        self.network = network
        self.dialect = DIALECTS[dialect]()
        self.login = login
        self.templates = templates or self.dialect.default_templates
        self.faults = faults
        self.base_url = base_url
        self.path = path.rstrip("/")
        self.build_seconds = build_seconds
        self.store = Store(self._connect)
        self._prefixes = [self.path]
        if self.path and "1.2" in self.dialect.speaks:
            self._prefixes.append(self.path.replace("occi1.1", "occi1.2"))
        self.reset()

    # -- inspection ----------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget every VM, link, mixin and counter, as if newly installed."""
        self.registry = Registry(self.dialect.categories(self.templates))
        mixins = (self.dialect.resource_template(size) for size in self.templates.sizes)
        self._sizes = {mixin.id: size for mixin, size in zip(mixins, self.templates.sizes, strict=True)}
        self.dialect.key_pairs.names.clear()
        self._addresses = 0
        self.store.clear()
        for network in self.dialect.networks():
            self.store.add(network)

    @property
    def created(self) -> list[tuple[str, str]]:
        """(title, id) of every VM ever created, in order; those of add_foreign() are among them."""
        return list(self.store.created)

    @property
    def deleted(self) -> list[tuple[str, str]]:
        """(title, id) of every VM that is gone for good."""
        self.store.machines()  # lets pending deletions take effect
        return list(self.store.deleted)

    def vms(self, project: str | None = None) -> list[VM]:
        now = time.time()
        return [_vm(machine, now) for machine in self.store.machines(project)]

    def storages(self) -> list[str]:
        """Return the titles of all storage resources."""
        return [entity.title for entity in self.store.of_kind(model.STORAGE)]

    def storage_links(self) -> list[tuple[str, str]]:
        """Return the ids of VM and storage of all links between them."""
        links = self.store.of_kind(model.STORAGELINK)
        return [(link.source[1], link.target[1]) for link in links if isinstance(link, Link)]

    def add_foreign_storage(self, title: str, project: str) -> str:
        """Put a storage there that somebody else made; return its id."""
        attributes = {"occi.core.title": title, "occi.storage.size": 1.0, "occi.storage.state": "online"}
        entity = Entity(self.dialect.new_id(), model.STORAGE, project, [], attributes, "somebody else")
        self.store.add(entity)
        return entity.id

    def add_foreign_link(self, machine: str, storage: str, project: str) -> str:
        """Attach a storage to a VM, both named by their ids, as somebody else did; return the path of the link."""
        link = Link(f"{machine}_{storage}", model.STORAGELINK, project, [], {"occi.storagelink.state": "active"})
        link.source, link.target = (model.COMPUTE, machine), (model.STORAGE, storage)
        self.store.add(link)
        return f"{self.path}{self.registry.kind(link.kind).location}{link.id}"

    def at(self, address: str) -> VM | None:
        """Return the VM that has a network interface with this address."""
        now = time.time()
        for machine in self.store.machines():
            links = self.store.links((machine.kind, machine.id))
            if any(link.attributes.get("occi.networkinterface.address") == address for link in links):
                return _vm(machine, now)
        return None

    def add_foreign(self, title: str, project: str) -> str:
        """Put a VM there that somebody else made; return its id."""
        image = self.dialect.os_template(self.templates.images[0]).id
        size_id, size = next(iter(self._sizes.items()))
        order = Order(title, title, size, [image, size_id])
        return self._boot(order, Account("somebody else", project), None).id

    def give(self, identifier: str, project: str) -> None:
        """Hand a VM over to another project: whoever acts for its old one does not see it any more."""
        with self.store.lock:
            [machine] = [each for each in self.store.machines() if each.id == identifier]
            machine.project = project

    # -- requests ------------------------------------------------------------------------------------------

    def app(self, request: Request) -> Response:
        """Answer one request; the application of a WebServer."""
        response = self._app(request)
        skew = self.faults.take("clock-skew", request.method, request.path)
        if skew is not None:
            date = email.utils.formatdate(time.time() + skew["seconds"], usegmt=True)
            response.headers.append(("Date", date))
        return response

    def _app(self, request: Request) -> Response:
        prefix = self._prefix(request.path)
        if prefix is None:
            text = f"404 Not Found\n{NOT_FOUND}\n{request.path}\n\n"
            return Response(404, [("Content-Type", "text/plain; charset=utf8")], text.encode())
        account = self.login(request)
        if isinstance(account, Response):
            return account
        media = TEXT_PLAIN
        try:
            version = re.search(r"OCCI/(\d+\.\d+)", request.headers.get("User-Agent") or "")
            if version and version[1] not in self.dialect.speaks:
                raise OcciError(501, f"OCCI/{version[1]} not supported")
            media = self.dialect.accepted(request.headers)
            is_plain = media != TEXT_OCCI and request.path.removeprefix(prefix) not in QUERY_PATHS
            if is_plain and self.faults.take("headers-only", request.method, request.path) is not None:
                raise OcciError(406, self.dialect.not_acceptable(media))
            return _Visit(self, request, prefix, account, media).answer()
        except OcciError as error:
            return self.dialect.error(error, media)

    def _prefix(self, path: str) -> str | None:
        return next((p for p in self._prefixes if not p or path == p or path.startswith(f"{p}/")), None)

    # -- VMs -----------------------------------------------------------------------------------------------

    def _boot(self, order: Order, account: Account, request: Request | None) -> Machine:
        """Create a VM. request: None if no fault is to meddle."""
        now = time.time()

        def fault(name: str) -> dict[str, Any] | None:
            return self.faults.take(name, request.method, request.path) if request is not None else None

        building = fault("build-seconds")
        seconds = building["seconds"] if building is not None else self.build_seconds
        if request is None:
            seconds = 0.0
        if fault("build-endless") is not None:
            seconds = model.FOREVER
        failing = fault("build-error")
        failure = failing["message"] if failing is not None else None
        host_memory_mb = self.dialect.host_memory_mb
        if host_memory_mb is not None and order.size.memory_mb > host_memory_mb:
            failure = "No valid host was found. There are not enough hosts available."
        identifier = self.dialect.new_id()
        machine = Machine(
            identifier,
            model.COMPUTE,
            account.project,
            list(order.mixins),
            {"occi.core.title": order.title or f"server-{identifier}"},
            account.user,
            hostname=order.hostname or (f"server-{identifier}" if not order.title else ""),
            cores=order.size.cores,
            memory_mb=order.size.memory_mb,
            created_at=now,
            built_at=now + seconds,
            failure=failure,
            user_data=order.user_data,
            public_key=order.public_key,
        )
        self.store.add(machine)
        return machine

    def _connect(self, machine: Machine) -> Link:
        """Return the network interface a VM gets when it is up."""
        self._addresses += 1
        number = self._addresses
        address = f"127.{number // 62500 % 40 + self.network}.{number // 250 % 250}.{number % 250 + 1}"
        told = self.faults.take("vm-address")
        if told is not None:
            address = told["address"]
        return Link(
            self.dialect.interface_id(machine, address),
            model.NETWORKINTERFACE,
            machine.project,
            [model.IPNETWORKINTERFACE],
            {
                "occi.networkinterface.address": address,
                "occi.networkinterface.allocation": "dynamic",
                "occi.networkinterface.interface": "eth0",
                "occi.networkinterface.mac": f"fa:16:3e:{number >> 16 & 255:02x}:"
                f"{number >> 8 & 255:02x}:{number & 255:02x}",
                "occi.networkinterface.state": "active",
            },
            source=(model.COMPUTE, machine.id),
            target=(model.NETWORK, self.dialect.network_id),
        )


def _vm(machine: Machine, now: float) -> VM:
    return VM(
        machine.id,
        machine.title,
        machine.hostname,
        machine.project,
        machine.user,
        machine.created_at,
        machine.state(now),
        tuple(machine.mixins),
        machine.user_data,
        machine.public_key,
    )


class _Visit:
    """One request of one account, from its path to its answer."""

    def __init__(self, server: OcciServer, request: Request, prefix: str, account: Account, media: str) -> None:
        self.server = server
        self.dialect = server.dialect
        self.store = server.store
        self.request = request
        self.account = account
        self.media = media
        self.method = "GET" if request.method == "HEAD" else request.method
        self.path = urllib.parse.unquote(request.path[len(prefix) :]) or "/"
        self.prefix = prefix
        gone = self._fault("template-gone")
        self.registry = server.registry if gone is None else server.registry.without([gone["term"]])
        self.writer = Writer(self.dialect.style, self._urls(), prefix)

    def _fault(self, name: str) -> dict[str, Any] | None:
        return self.server.faults.take(name, self.request.method, self.request.path)

    def _urls(self) -> Callable[[str], str]:
        wrong = self._fault("wrong-authority")
        if self._fault("relative-location") is not None:
            base = ""
        elif wrong is not None:
            base = wrong["to"].rstrip("/")
        else:
            base = self.server.base_url().rstrip("/")
        return lambda path: f"{base}{self.prefix}{path}"

    def answer(self) -> Response:
        if self.request.method == "HEAD" and self.dialect.refuses_head:
            raise OcciError(405, "Method not supported.")
        if self.path in QUERY_PATHS:
            return self._dispatch("query", {"GET", "POST", "PUT", "DELETE"})
        category = self.registry.at(self.path)
        slash_fits = self.path.endswith("/") or not self.dialect.collections_need_slash
        if category is not None and slash_fits and isinstance(category, Kind | Mixin):
            if not self.dialect.serves(category):
                raise OcciError(404, NOT_FOUND)
            if category.id == model.STORAGE and self._fault("no-storage") is not None:
                raise OcciError(500, NO_STORAGE)
            self.category = category
            return self._dispatch("collection", {"GET", "POST", "PUT", "DELETE"})
        if self.path.endswith("/"):
            return self._folder()
        self.entity = self._entity_at(self.path)
        return self._dispatch("entity", {"GET", "POST", "PUT", "DELETE"})

    def _dispatch(self, what: str, methods: set[str]) -> Response:
        if self.method not in methods:
            raise OcciError(405, "Method not supported.")
        handler: Callable[[], Response] = getattr(self, f"_{what}_{self.method.lower()}")
        return handler()

    def _folder(self) -> Response:
        """Answer for a path that ends in a slash and is no collection of a category."""
        if self.path == "/" and self.dialect.serves_root:
            if self.method != "GET":
                raise OcciError(405, "Method not supported.")
            return self._list(self.store.select(self.account.project))
        raise OcciError(404, NOT_FOUND)

    def _entity_at(self, path: str) -> Entity:
        parent, _, identifier = path.rpartition("/")
        kind = self.registry.at(f"{parent}/")
        if not isinstance(kind, Kind) or not identifier:
            raise OcciError(404, NOT_FOUND)
        entity = self.store.get(kind.id, identifier, self.account.project)
        if entity is None or (isinstance(entity, Machine) and entity.is_listed_only):
            raise OcciError(404, self.dialect.not_found(kind.id, identifier))
        return entity

    def _message(self) -> Message:
        return self.dialect.read(self.request.headers, self.request.body)

    # -- rendering -----------------------------------------------------------------------------------------

    def _path_of(self, end: tuple[str, str]) -> str:
        kind, identifier = end
        return f"{self.registry.kind(kind).location}{identifier}"

    def view(self, entity: Entity) -> View:
        now = time.time()
        kind = self.registry.kind(entity.kind)
        mixins = [self._mixin(identifier) for identifier in entity.mixins]
        path = self._path_of((entity.kind, entity.id))
        if isinstance(entity, Link):
            attributes = {**entity.attributes, "occi.core.id": entity.id}
            return LinkView(kind, entity.id, path, mixins, attributes, source=entity.source, target=entity.target)
        with self.store.lock:
            links = [link for link in self.store.links((entity.kind, entity.id)) if link.source[1] == entity.id]
        views = [self._link_view(link) for link in links]
        if isinstance(entity, Machine):
            address = next((link.attributes.get("occi.networkinterface.address") for link in links), None)
            attributes = self.dialect.attributes(entity, address, now)
            extra = {k: v for k, v in entity.attributes.items() if k != "occi.core.title"}
            attributes = {**attributes, **extra}
            terms = self.dialect.actions(entity, now)
        else:
            own = {k: v for k, v in entity.attributes.items() if k != "occi.core.title"}
            attributes = {**own, "occi.core.id": entity.id}
            if entity.title:
                attributes["occi.core.title"] = entity.title
            terms = [model.split_id(action)[1] for action in kind.actions]
        offered = [action for action in kind.actions if model.split_id(action)[1] in terms]
        return View(kind, entity.id, path, mixins, attributes, offered, views)

    def _link_view(self, link: Link) -> LinkView:
        view = self.view(link)
        assert isinstance(view, LinkView)
        return replace(
            view,
            source=(link.source[0], self._path_of(link.source)),
            target=(link.target[0], self._path_of(link.target)),
        )

    def _mixin(self, identifier: str) -> Category:
        """Return a mixin; one that is not offered any more still names itself on older entities."""
        for registry in (self.registry, self.server.registry, self.dialect.unlisted):
            if (mixin := registry.get(identifier)) is not None:
                return mixin
        scheme, term = model.split_id(identifier)
        return Mixin(term, scheme)

    def _shown(self, entity: Entity) -> View:
        return self._link_view(entity) if isinstance(entity, Link) else self.view(entity)

    def _show(self, entity: Entity) -> Response:
        if self.media == URI_LIST:
            if not self.dialect.lists_uris_of_entities:
                status = 400 if self.dialect.collections_need_slash else 406
                raise OcciError(status, "Unable to handle this request with the text/uri-list rendering.")
            return self._answer(200, self.writer.location(self._path_of((entity.kind, entity.id))))
        view = self._shown(entity)
        if self.media in self.dialect.json_media:
            document = self.writer.entity_json(view)
            if self.dialect.style.nested_json:
                document = {"links" if isinstance(view, LinkView) else "resources": [document]}
            return self._answer(200, json.dumps(document))
        return self._fields(self.writer.entity_fields(view))

    def _fields(self, fields: Iterable[tuple[str, str]]) -> Response:
        if self.media == TEXT_OCCI:
            return self._answer(200, self.dialect.style.header_body, self.writer.headers(fields))
        return self._answer(200, self.writer.text(fields))

    def _answer(self, status: int, body: str = "", headers: Iterable[tuple[str, str]] = ()) -> Response:
        return self.dialect.answer(status, self.media, body, headers)

    def _list(self, entities: list[Entity]) -> Response:
        if (broken := self._fault("list-broken")) is not None:
            time.sleep(broken["seconds"])
            raise OcciError(500, "The list cannot be had.")
        if self._fault("hide-list") is not None:
            entities = []
        if self.dialect.lists_newest_first and all(isinstance(entity, Machine) for entity in entities):
            entities = entities[::-1]
        if self.media in self.dialect.json_media:
            views = [self._shown(entity) for entity in entities]
            document = self.writer.collection_json(views, self.dialect.brief_json_lists)
            return self._answer(200, json.dumps(document))
        paths = [self._path_of((entity.kind, entity.id)) for entity in entities]
        if not paths and self.dialect.empty_list_status == 204:
            return self.dialect.done(204, self.media)
        if self.media == URI_LIST:
            first = [f"# uri:{self.path}"] if self.dialect.collections_need_slash else []
            return self._answer(200, "\n".join([*first, *(self.writer.location(path) for path in paths)]))
        return self._fields(self.writer.location_fields(paths))

    # -- the query interface -------------------------------------------------------------------------------

    def _query_get(self) -> Response:
        categories = list(self.registry)
        if self.dialect.filters:
            wanted = self._filter().ids()
            categories = [category for category in categories if not wanted or category.id in wanted]
        return self._categories(categories)

    def _filter(self) -> Message:
        """Return the categories and attributes that what is asked for has to have."""
        headers = self.request.headers
        if not self.request.body and "Category" not in headers and "X-OCCI-Attribute" not in headers:
            return Message()
        message = self._message()
        self.dialect.check_registered(message, self.registry)
        return message

    def _categories(self, categories: list[Category]) -> Response:
        if self.media in self.dialect.json_media:
            return self._answer(200, json.dumps(self.writer.model_json(categories)))
        if self.media == URI_LIST:
            if not self.dialect.lists_uris_of_entities:
                status = 400 if self.dialect.collections_need_slash else 406
                raise OcciError(status, "Unable to handle this request with the text/uri-list rendering.")
            return self._answer(200, "\n".join(self.writer.category(category) for category in categories))
        return self._fields(self.writer.category_fields(categories))

    def _query_put(self) -> Response:
        raise OcciError(*((405, "Method not supported.") if self.dialect.user_mixins else self._no_user_mixins()))

    def _no_user_mixins(self) -> tuple[int, str]:
        if self.dialect.serves_root:
            return 501, "Requested functionality is not implemented"
        return 400, MALFORMED

    def _query_post(self) -> Response:
        if not self.dialect.user_mixins:
            raise OcciError(*self._no_user_mixins())
        message = self._message()
        if not message.categories:
            raise OcciError(400, "Could not find a mixin in the request.")
        mixins = []
        for category in message.categories:
            location = urllib.parse.urlsplit(category.parameters.get("location", "")).path
            if not location.startswith("/") or not location.endswith("/"):
                raise OcciError(400, "Could not determine the location of the mixin.")
            if self.registry.get(category.id) or self.registry.at(location):
                raise OcciError(400, "Category with same term, scheme or location already exists.")
            title, related = category.parameters.get("title", ""), category.parameters.get("rel", "")
            mixins.append(
                Mixin(
                    category.term,
                    category.scheme,
                    title,
                    (),
                    location,
                    tuple(related.split()),
                    user_defined=True,
                )
            )
        for mixin in mixins:
            self.server.registry.add(mixin)
        return self._categories(list(mixins))

    def _query_delete(self) -> Response:
        if not self.dialect.user_mixins:
            raise OcciError(*self._no_user_mixins())
        message = self._message()
        found = [self.registry.get(identifier) for identifier in message.ids()]
        if not found or None in found:
            raise OcciError(400, "This Mixin is not registered!")
        for mixin in found:
            if not isinstance(mixin, Mixin) or not mixin.user_defined:
                raise OcciError(403, "This Mixin cannot be deleted!")
        for mixin in found:
            assert isinstance(mixin, Mixin)
            with self.store.lock:
                for entity in self.store.select(self.account.project, mixin=mixin.id):
                    entity.mixins.remove(mixin.id)
            self.server.registry.remove(mixin)
        return self.dialect.done(200, self.media)

    # -- collections ---------------------------------------------------------------------------------------

    def _members(self) -> list[Entity]:
        project = self.account.project
        if isinstance(self.category, Mixin):
            return self.store.select(project, mixin=self.category.id)
        parents = {model.ENTITY: (), model.RESOURCE: (model.RESOURCE,), model.LINK: (model.LINK,)}
        if self.category.id in parents:
            wanted = parents[self.category.id]
            everything = self.store.select(project)
            return [e for e in everything if not wanted or self.registry.kind(e.kind).parent in wanted]
        return self.store.select(project, kind=self.category.id)

    def _collection_get(self) -> Response:
        entities = self._members()
        if self.dialect.filters:
            asked = self._filter()
            categories, attributes = set(asked.ids()), asked.attributes
            entities = [
                entity
                for entity in entities
                if categories <= {entity.kind, *entity.mixins} and self._has(entity, attributes)
            ]
        return self._list(entities)

    def _has(self, entity: Entity, attributes: dict[str, Any]) -> bool:
        if not attributes:
            return True
        shown = self._shown(entity).attributes
        return all(str(shown.get(name)) == str(value) for name, value in attributes.items())

    def _collection_post(self) -> Response:
        if "action" in self.request.query:
            return self._act(self._members(), [self.category.id])
        message = self._message()
        if isinstance(self.category, Mixin):
            return self._assign(message, replacing=False)
        if self.category.id == model.COMPUTE:
            if self._fault("create-twice") is not None:
                self._create_machine(message)
            entity: Entity = self._create_machine(message)
            if (refused := self._fault("create-refused")) is not None:
                raise OcciError(refused["code"], "The request cannot be carried out just now.")
        elif self.category.parent == model.LINK:
            entity = self._create_link(message)
        elif self.category.parent == model.RESOURCE:
            entity = self._create_resource(message, self.category)
        else:
            raise OcciError(405, "Method not supported.")
        located = self._fault("no-location") is None
        return self.dialect.created(self.writer, self._shown_new(entity), self.media, located)

    def _shown_new(self, entity: Entity) -> View:
        """Return a view that does not stumble over a VM whose building has failed already."""
        try:
            return self._shown(entity)
        except OcciError:
            kind = self.registry.kind(entity.kind)
            return View(kind, entity.id, self._path_of((entity.kind, entity.id)), [], {})

    def _collection_put(self) -> Response:
        if isinstance(self.category, Mixin):
            return self._assign(self._message(), replacing=True)
        raise OcciError(405, "Method not supported.")

    def _assign(self, message: Message, replacing: bool) -> Response:
        """Attach the mixin of this collection to the entities named; REPLACING, detach it from all others."""
        mixin = self.category
        if not isinstance(mixin, Mixin) or not mixin.user_defined:
            raise OcciError(400, "This operation is only supported on Collections of user-defined Mixins.")
        named = [self._located(location) for location in message.locations]
        with self.store.lock:
            for entity in self._members():
                if replacing and entity not in named:
                    entity.mixins.remove(mixin.id)
            for entity in named:
                if mixin.id not in entity.mixins:
                    entity.mixins.append(mixin.id)
        return self.dialect.done(200, self.media)

    def _located(self, location: str) -> Entity:
        """Return the entity a client names by its URL or path. Raises: OcciError 400."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(location).path)
        if self.prefix and path.startswith(f"{self.prefix}/"):
            path = path[len(self.prefix) :]
        try:
            return self._entity_at(path)
        except OcciError as error:
            raise OcciError(400, f"Could not find the resource with id: {location}") from error

    def _collection_delete(self) -> Response:
        if isinstance(self.category, Mixin) and self.category.user_defined:
            named = [self._located(location) for location in self._filter_locations()]
            with self.store.lock:
                for entity in named:
                    if self.category.id in entity.mixins:
                        entity.mixins.remove(self.category.id)
            if named:
                return self.dialect.done(200, self.media)
        for entity in self._members():
            if entity.project:
                self._delete(entity)
        return self.dialect.done(self.dialect.delete_status, self.media)

    def _filter_locations(self) -> list[str]:
        if not self.request.body and "X-OCCI-Location" not in self.request.headers:
            return []
        return self._message().locations

    # -- creation ------------------------------------------------------------------------------------------

    def _create_machine(self, message: Message) -> Machine:
        sizes: dict[str, Size] = self.server._sizes
        order = self.dialect.order(message, self.registry, sizes, self.account)
        if self._fault("quota") is not None:
            raise OcciError(*self.dialect.quota)
        targets = [self._located(link.target) for link in message.links]
        with self.store.lock:
            self._check_ram(order)
            machine = self.server._boot(order, self.account, self.request)
            given = message.attributes.get("occi.core.id")
            if given and self._fault("client-id") is not None:
                machine.attributes["occi.core.id"] = given
            user_mixins = (self.registry.get(identifier) for identifier in message.ids())
            machine.mixins += [m.id for m in user_mixins if isinstance(m, Mixin) and m.user_defined]
            for link, target in zip(message.links, targets, strict=True):
                self._attach(machine, target, link.kinds, dict(link.attributes))
        if order.passing_key:
            self.dialect.key_pairs.remove(self.account.user, order.passing_key)
        return machine

    def _check_ram(self, order: Order) -> None:
        quota = self.dialect.ram_quota_mb
        used = sum(machine.memory_mb for machine in self.store.machines(self.account.project))
        if quota is not None and used + order.size.memory_mb > quota:
            raise OcciError(
                self.dialect.quota[0],
                f"Quota exceeded for ram: Requested {order.size.memory_mb}, but already used {used} of {quota} ram",
            )

    def _create_link(self, message: Message) -> Link:
        self.dialect.check_kind(message, self.category.id)
        try:
            ends = [str(message.attributes[f"occi.core.{end}"]) for end in ("source", "target")]
        except KeyError as error:
            raise OcciError(400, "Both occi.core.[source, target] attributes need to be resources.") from error
        source, target = (self._located(end) for end in ends)
        own = {k: v for k, v in message.attributes.items() if not k.startswith("occi.core.")}
        title = message.attributes.get("occi.core.title")
        if title:
            own["occi.core.title"] = title
        known = [identifier for identifier in message.ids() if self.registry.get(identifier)]
        return self._attach(source, target, (self.category.id, *known), own)

    def _attach(self, source: Entity, target: Entity, kinds: Iterable[str], attributes: dict[str, Any]) -> Link:
        fitting = {model.NETWORK: model.NETWORKINTERFACE, model.STORAGE: model.STORAGELINK}
        kind = fitting.get(target.kind)
        if kind is None or not isinstance(source, Machine):
            raise OcciError(400, "A link leads from a compute resource to a network or a storage resource.")
        mixins = [i for i in dict.fromkeys(kinds) if isinstance(self.registry.get(i), Mixin)]
        if kind == model.NETWORKINTERFACE:
            link = self.server._connect(source)
            link.attributes.update(attributes)
            link.mixins += [mixin for mixin in mixins if mixin not in link.mixins]
        else:
            if self._fault("storage-making") is not None:
                raise OcciError(400, self.dialect.storage_refusal(target.id, "creating"))
            if any(link.kind == kind for link in self.store.links((target.kind, target.id))):
                raise OcciError(400, self.dialect.storage_refusal(target.id, "in-use"))
            state = {"occi.storagelink.deviceid": "/dev/vdb"}
            if self.dialect.tells_link_state:
                is_stuck = self._fault("link-inactive") is not None
                state["occi.storagelink.state"] = "inactive" if is_stuck else "active"
            identifier = f"{source.id}_{target.id}"
            link = Link(identifier, kind, source.project, mixins, {**state, **attributes})
        link.source, link.target = (source.kind, source.id), (target.kind, target.id)
        self.store.add(link)
        return link

    def _create_resource(self, message: Message, kind: Kind) -> Entity:
        """Create a storage or a network resource."""
        self.dialect.check_kind(message, kind.id)
        missing = [a.name for a in kind.attributes if a.required and a.name not in message.attributes]
        if missing:
            raise OcciError(400, f"Missing attributes: {', '.join(missing)}")
        mixins = [i for i in message.ids() if isinstance(self.registry.get(i), Mixin)]
        state = "online" if kind.id == model.STORAGE else "active"
        if kind.id == model.STORAGE and (stuck := self._fault("storage-offline")) is not None:
            state = stuck["state"]
        own = {k: v for k, v in message.attributes.items() if k != "occi.core.id"}
        attributes = {**own, f"occi.{kind.term}.state": state}
        project, user = self.account.project, self.account.user
        entity = Entity(self.dialect.new_id(), kind.id, project, mixins, attributes, user)
        self.store.add(entity)
        return entity

    # -- one entity ----------------------------------------------------------------------------------------

    def _entity_get(self) -> Response:
        if isinstance(self.entity, Machine) and self.entity.looks:
            with self.store.lock:
                self.entity.looked_at()
            self.entity = self._entity_at(self.path)
        return self._show(self.entity)

    def _entity_post(self) -> Response:
        if "action" in self.request.query:
            return self._act([self.entity], [self.entity.kind])
        if not self.dialect.serves_root:
            raise OcciError(400, "Invalid action None provided.")
        return self._update(keep=True)

    def _entity_put(self) -> Response:
        if not self.dialect.serves_root:
            raise OcciError(405, "Method not supported.")
        return self._update(keep=False)

    def _update(self, keep: bool) -> Response:
        """Change the attributes a client may change; KEEP those it does not name."""
        if not self.dialect.updates:
            raise OcciError(501, "Requested functionality is not implemented")
        message = self._message()
        kind = self.registry.kind(self.entity.kind)
        self.dialect.check_registered(message, self.registry)
        if not keep:
            self.dialect.check_kind(message, kind.id)
        definitions = {attribute.name: attribute for attribute in kind.attributes}
        for name in message.attributes:
            if name not in definitions or not definitions[name].mutable:
                raise OcciError(400, f"The attribute {name} cannot be changed.")
        with self.store.lock:
            if not keep:
                for name in [n for n in self.entity.attributes if n in definitions and definitions[n].mutable]:
                    del self.entity.attributes[name]
            own = dict(message.attributes)
            if isinstance(self.entity, Machine):
                self.entity.hostname = str(own.pop("occi.compute.hostname", self.entity.hostname))
            self.entity.attributes.update(own)
            for identifier in message.ids():
                category = self.registry.get(identifier)
                if isinstance(category, Mixin) and identifier not in self.entity.mixins:
                    self.entity.mixins.append(identifier)
        return self._show(self.entity)

    def _entity_delete(self) -> Response:
        refused = self._fault("delete-refused")
        if refused is not None:
            status = self.dialect.refused_delete_status or refused["code"]
            raise OcciError(status, f"{self.entity.id} cannot be deleted in its present state.")
        if not self.entity.project:
            raise OcciError(403, "Policy does not allow this request to be performed.")
        if self.entity.kind == model.STORAGE and self.store.links((self.entity.kind, self.entity.id)):
            raise OcciError(self.dialect.attached_status, self.dialect.storage_refusal(self.entity.id, "in-use"))
        self._delete(self.entity)
        return self.dialect.done(self.dialect.delete_status, self.media)

    def _delete(self, entity: Entity) -> None:
        if self._fault("delete-ignored") is not None:
            return
        if isinstance(entity, Machine) and self._fault("delete-listed") is not None:
            entity.is_listed_only = True
            return
        slow = self._fault("delete-seconds")
        with self.store.lock:
            looks = self.dialect.delete_looks
            if not isinstance(entity, Machine) or (slow is None and not looks):
                self.store.remove(entity)
            elif entity.gone_at is None:
                entity.gone_at = time.time() + (UNSEEN_S if slow is None else slow["seconds"])
                entity.looks = looks + 1 if slow is None else 0

    def _act(self, entities: list[Entity], kinds: Iterable[str]) -> Response:
        """Trigger an action on each of the entities, which are of these kinds."""
        terms = self.request.query["action"]
        known = [
            model.split_id(action)[1]
            for kind in kinds
            if isinstance(found := self.registry.get(kind), Kind)
            for action in found.actions
        ]
        message = self._message()
        self.dialect.check_action(message, terms[0], known)
        now = time.time()
        with self.store.lock:
            for entity in entities:
                if isinstance(entity, Machine):
                    if entity.built_at == model.FOREVER and self._fault("active-when-asked") is not None:
                        entity.built_at = now
                    if terms[0] == "start" and (broken := self._fault("start-broken")) is not None:
                        if broken["code"]:
                            raise OcciError(broken["code"], "The VM cannot be resumed on this host.")
                        continue
                    if not self._applies(terms[0], entity.state(now)):
                        text = self.dialect.wrong_state(entity, terms[0], now)
                        raise OcciError(self.dialect.wrong_state_status, text)
                    entity.act(terms[0])
                else:
                    state = {"online": "online", "offline": "offline", "up": "active", "down": "inactive"}
                    name = f"occi.{self.registry.kind(entity.kind).term}.state"
                    entity.attributes[name] = state.get(terms[0], entity.attributes.get(name))
        return self.dialect.done(self.dialect.action_status, self.media)

    def _applies(self, term: str, state: str) -> bool:
        if term == "start":
            return state in (model.STOPPED, model.SUSPENDED)
        return state == model.ACTIVE
