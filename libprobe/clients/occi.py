"""An OCCI endpoint: ask what it offers; create, watch, find and delete virtual machines and volumes.

Speaks to occi-os, ooi, rOCCI-server 1.1 and 2.0 and snf-occi: text/plain first, another rendering
where that is refused (406), a login at the Keystone that a 401 names. Of every address that a server
gives only the path is used: behind a TLS proxy its scheme, host and port are often wrong.
Source: occi.md sections 2, 3, 9 and 10; the recordings of a real ooi.
"""

from __future__ import annotations

import re
from copy import copy
from urllib.parse import urlsplit

from libprobe.clients.keystone import REFUSALS, Keystone, LoginRequest, most_relevant_refusal
from libprobe.clients.refusals import (
    LOCKED,
    UNKNOWN_MACHINE,
    LockedRefusal,
    LoginRefused,
    QuotaRefused,
    Refusal,
    ServerError,
    certainly_not_created,
    describe_attempt,
    machine_names,
)
from libprobe.failures import (
    Asked,
    BadData,
    Failure,
    HelperFailure,
    Misconfigured,
    OwnCredential,
    ProtocolFailure,
)
from libprobe.formats.address import host_port_of, read_http_url
from libprobe.formats.challenges import keystones
from libprobe.formats.error_text import is_quota, web_page
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import Entity, read_entity
from libprobe.formats.occi.location import ListedResource, created_location, path_of, read_listing
from libprobe.formats.occi.query import Model, read_model, read_model_headers, read_model_json
from libprobe.formats.occi.rendering import render_request
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from libprobe.clients.http import HttpClient, Response, ResponseHead, ResponseStream
    from libprobe.clients.keystone import ProjectToken
    from libprobe.clients.machines import VirtualMachine
    from libprobe.deadline import Deadline

MAX_MODEL = 32 << 20
MAX_KEYSTONES = 4
MAX_NOTED_LINES, MAX_NOTED_CHARS = 40, 400
"""Of an answer that turns out to be a web page."""

QUERY = "say what it offers"
"""What the query interface is asked to do."""

CREATED = (200, 201, 202, 204)
NO_LIMIT = 1 << 30
"""How many VMs of a listing without titles are asked for theirs, where nothing else bounds it."""


class MemberWords(Record):
    """How sentences name the members of a collection, and what is asked for by their creation and deletion."""

    noun: str
    create: str
    delete: str


VMS = MemberWords("VM", "create a VM", "delete the VM")
VOLUMES = MemberWords("volume", "create a volume", "delete the volume")
LINKS = MemberWords("link", "attach the volume", "detach the volume")

LOCATIONS = {occi.COMPUTE: "/compute/", occi.STORAGE: "/storage/", occi.STORAGE_LINK: "/storagelink/"}
"""Where the members of each kind are by the specification, below the endpoint's URL."""


class OcciClient:
    """One collection of an OCCI endpoint, as one user: its VMs, unless `volumes` or `links` has made it.

    base: URL without query and trailing slash; login_request: how to log in where a Keystone is named.
    project, project_id, user, caveat: where the login at a Keystone has led, as in `keystone.ProjectToken`; empty
    without one.
    """

    deletion_request: tuple[str, ...] = ()

    def __init__(self, http: HttpClient, base: str, login_request: LoginRequest) -> None:
        parts = urlsplit(base)
        self.base = base
        self.server = ""
        self.project = self.project_id = self.user = ""
        self.caveat = ""
        self._http = http
        self._login_request = login_request
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/")
        self._locations = {kind: f"{self._path}{path}" for kind, path in LOCATIONS.items()}
        self._collection = self._locations[occi.COMPUTE]
        self._words = VMS
        self._token = ""
        self._rendering = occi.TEXT_PLAIN
        self._lists_in_json = True

    def query(self) -> Model:
        """What the endpoint offers. Logs in if it must. Raises: Failure."""
        for rendering in (occi.TEXT_PLAIN, occi.OCCI_JSON):
            try:
                model = self._query(rendering)
                break
            except _NotAcceptable:
                self._rendering = occi.TEXT_OCCI
        else:
            said = f"neither {occi.TEXT_PLAIN} nor {occi.OCCI_JSON} offered"
            raise ProtocolFailure(said, of=self._asked(f"GET {self.base}/-/"), link="by")
        for identifier in LOCATIONS:
            kind = model.find(identifier)
            if kind and kind.location:
                try:
                    path = urlsplit(kind.location).path
                except ValueError:
                    path = ""  # as of one that is not a path: where they are by the specification
                if path.startswith("/") and path.strip("/"):
                    self._locations[identifier] = path.rstrip("/") + "/"
        self._collection = self._locations[occi.COMPUTE]
        return model

    def volumes(self) -> OcciClient:
        """Return a client for the storage resources of this endpoint, logged in as this one is; `query` comes first."""
        return self._beside(occi.STORAGE, VOLUMES)

    def links(self) -> OcciClient:
        """Likewise for the links between VMs and storage resources."""
        return self._beside(occi.STORAGE_LINK, LINKS)

    def _beside(self, kind: str, words: MemberWords) -> OcciClient:
        other = copy(self)
        other._collection, other._words = self._locations[kind], words  # noqa: SLF001 - of our own class
        return other

    def create(self, categories: Sequence[tuple[str, str]], attributes: Mapping[str, str]) -> str | None:
        """Create a member; returns its path, or None when the answer does not say where it is.

        Raises: Failure; whether something may have been created all the same tell `certainly_not_created`, and
                NOT_CREATED what the endpoint says of that.
        """

        def ask(rendering: str) -> Response:
            try:
                body = render_request(categories, attributes, rendering)
            except ValueError as error:  # what was offered is looked at before; this is what we hand over
                raise Misconfigured(
                    f"what the {self._words.noun} is given cannot be sent as {rendering} ({error})",
                    of=self._asked(f"POST {self.base}"),
                    link="to",
                    remedy="take a public key with a plain comment",
                ) from None
            return self._exchange_in_rendering("POST", self._collection, rendering, body=body)

        answer = self._try_renderings(ask)
        if answer.status not in CREATED:
            raise self._refusal_failure(answer, self._words.create)
        location = created_location(answer.text, headers=answer.headers, media_type=answer.media_type)
        return self.own_path(location) if location else None

    def show(self, path: str) -> Entity | None:
        """The member at a path, None if there is none. Raises: Failure."""
        answer = self._try_renderings(lambda rendering: self._exchange_in_rendering("GET", path, rendering))
        if answer.status in (404, 410):
            return None
        if answer.status != 200:
            raise self._refusal_failure(answer, f"describe the {self._words.noun}")
        try:
            return read_entity(answer.text, headers=answer.headers, media_type=answer.media_type)
        except BadData as error:
            raise answer.as_unreadable(error) from None

    def delete(self, path: str) -> bool:
        """Ask to delete one member; True if it was there, False if it was gone already. Raises: Failure.

        The path has passed `own_path`: a DELETE on the collection would remove every member of the project.
        """
        answer = self._exchange_in_rendering("DELETE", self.own_path(path), self._rendering)
        if answer.status in (404, 410):
            return False
        if answer.status not in CREATED:
            raise self._refusal_failure(answer, self._words.delete)
        return True

    def trigger_action(self, path: str, action: str) -> None:
        """Trigger an action of the VM at a path: `start`, `stop`, `suspend`. Raises: Failure."""
        where = f"{self.own_path(path)}?action={action}"

        def ask(rendering: str) -> Response:
            body = render_request([(occi.COMPUTE_ACTION + action, occi.ACTION)], {}, rendering)
            return self._exchange_in_rendering("POST", where, rendering, body=body)

        answer = self._try_renderings(ask)
        if answer.status not in CREATED:
            raise self._refusal_failure(answer, f"{action} the VM")

    def find(self, title: str, *, gone: str = "", at_most: int = NO_LIMIT) -> str | None:
        """The path of a member with exactly this title or host name, None if there is none. Raises: Failure.

        gone: a path where nothing is to be seen; one that is listed there all the same is found as well.
        at_most: how many that are listed without a title are asked for theirs.

        A JSON listing carries titles; where there is none, each is asked, from both ends inwards: ours is new, and
        the newest stands first on ooi and last elsewhere.
        """
        listing = self._listing()
        if not all(listed.address for listed in listing):  # pyssf's JSON
            self._lists_in_json = False
            listing = self._listing()
        unnamed: list[str] = []
        for listed in listing:
            if title in (listed.title, listed.hostname):
                return self.own_path(listed.address)
            if not listed.title and not listed.hostname:
                unnamed.append(listed.address)
        asked = _from_both_ends(unnamed)
        last = gone.rpartition("/")[2]
        asked[at_most:] = [each for each in asked[at_most:] if gone and each.rpartition("/")[2] == last]
        for address in asked:
            try:
                path = self.own_path(address)
                called = machine_names(self.show(path) or UNKNOWN_MACHINE)
            except (BadData, Refusal):
                continue  # somebody's broken VM must not hide ours
            if title in called or (path == gone and not called):
                return path
        return None

    def own_path(self, location: str) -> str:
        """The path of a member from an address that the server gave.

        Raises: BadData unless it lies below the collection, and not below another one within it, as pyssf has its
        links at /storage/link/: nothing else is ever asked for or deleted.
        """
        path, noun = path_of(location, self._collection), self._words.noun
        inner = [
            each for each in self._locations.values() if path.startswith(each) and len(each) > len(self._collection)
        ]
        if not path.startswith(self._collection):
            where = f"outside of {self._collection}"
        elif inner:
            where = f"below {inner[0]}"
        else:
            return path
        said = f"{location[:60]!r}, {where}, for a {noun}'s address"
        raise BadData(said, of=self._asked(f"{noun}s below {self.base}"), link="from")

    def expect_listing(self) -> None:
        """Raises: Failure unless the members can be listed, so that one whose address is lost can be found again."""
        self._listing()

    def has_failed_deletion(self, machine: VirtualMachine) -> bool:
        """Whether a deletion that was accepted has failed: nothing of OCCI shows that."""
        return False

    @property
    def loading_s(self) -> float:
        """Seconds of the first exchange that were ours: see `HttpClient.loading_s`."""
        return self._http.loading_s

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Let that deadline hold for the exchanges in the block."""
        return self._http.using_deadline(deadline)

    def reconnect(self) -> None:
        """Go on over new connections: an exchange was broken off within."""
        self._http.close()

    # ---- exchanges

    def _listing(self) -> list[ListedResource]:
        order = [occi.OCCI_JSON, self._rendering] if self._lists_in_json else [self._rendering]
        for rendering in order:
            answer = self._exchange_in_rendering("GET", self._collection, rendering)
            if answer.status == 406 or (rendering == occi.OCCI_JSON and answer.status >= 400):
                self._lists_in_json = False
                continue
            if answer.status == 204:
                return []
            if answer.status != 200:
                raise self._refusal_failure(answer, f"list the {self._words.noun}s")
            return read_listing(answer.text, headers=answer.headers, media_type=answer.media_type)
        asked = self._asked(f"GET {self._origin}{self._collection}")
        raise ProtocolFailure("no rendering offered that we read", of=asked, link="by")

    def _asked(self, request: str) -> Asked:
        return Asked(host_port_of(self.base), request)

    def _query(self, rendering: str) -> Model:
        url = f"{self.base}/-/"
        asked: list[str] = []
        first: Failure | None = None
        while True:
            with self._http.stream("GET", url, headers=self._headers(rendering)) as answer:
                self.server = answer.header("Server") or self.server
                if answer.status == 406:
                    raise _NotAcceptable
                if answer.status == 200:
                    return self._read_model(answer)
                named = self._keystones(answer)
                refusal = self._refusal_failure(answer.as_refusal(), QUERY)
            others = [each for each in named if each not in asked][: MAX_KEYSTONES - len(asked)]
            if not others:
                raise first or refusal
            if asked:
                first = first or refusal  # the token was of a Keystone that is not the one
            try:
                asked += self._login(others)
            except (*REFUSALS, HelperFailure) as failure:
                raise first or failure from None

    def _read_model(self, answer: ResponseStream) -> Model:
        beginning: list[str] = []
        try:
            if answer.media_type == occi.OCCI_JSON or answer.media_type == "application/json":
                return read_model_json(answer.read(MAX_MODEL))
            if answer.media_type == occi.TEXT_OCCI:  # where text/plain was wanted, and is not what came
                return read_model_headers(answer.headers)
            return read_model(_recording_first(answer.lines(MAX_MODEL), beginning))
        except BadData as error:
            page = web_page(answer.media_type, "\n".join(beginning))
            if page:
                asked = Asked(answer.place, answer.request, QUERY)
                raise ProtocolFailure(f"{page} ({answer.status})", of=asked, link="from") from None
            error.placed(answer)
            raise

    def _try_renderings(self, ask: Callable[[str], Response]) -> Response:
        """Ask in the rendering that worked last, else in the others; the one that works stays."""
        others = (each for each in (occi.TEXT_PLAIN, occi.TEXT_OCCI, occi.OCCI_JSON) if each != self._rendering)
        for rendering in (self._rendering, *others):
            answer = ask(rendering)
            if answer.status not in (406, 415):
                self._rendering = rendering
                return answer
        return answer

    def _exchange_in_rendering(
        self, method: str, path: str, rendering: str, *, body: tuple[list[tuple[str, str]], bytes] | None = None
    ) -> Response:
        """One exchange, with one more login if the token has expired meanwhile."""
        words = self._words
        doing = {"POST": words.create, "DELETE": words.delete}.get(method, f"show {words.noun}s")
        for attempt in (1, 2):
            extra, data = body or ([], None)
            headers = [*self._headers(rendering), *extra]
            answer = self._http.request(method, self._origin + path, headers=headers, body=data, doing=doing)
            self.server = answer.header("Server") or self.server
            named = self._keystones(answer)
            if not named or attempt == 2:
                break
            self._login(named[:MAX_KEYSTONES])
        if answer.status < 300 and answer.page_description:
            raise answer.failure(ProtocolFailure)
        return answer

    def _keystones(self, answer: ResponseHead) -> list[str]:
        """The Keystones at which a refusal tells us to log in; by the book it is a 401, and some send 403."""
        return keystones(answer.headers) if answer.status in (401, 403) else []

    def _headers(self, rendering: str) -> list[tuple[str, str]]:
        headers = [("Accept", rendering)]
        if self._token:
            headers.append(("X-Auth-Token", self._token))
        return headers

    def _login(self, named: Sequence[str]) -> Sequence[str]:
        """Get a token from the first of the named Keystones that gives one; returns those that were asked.

        Raises: Failure, the first that is about us; Misconfigured where none may be trusted with our login.
        """
        failures: list[Failure] = []
        for at, uri in enumerate(named):
            try:
                login = self._login_at(uri, is_last=at == len(named) - 1)
            except (*REFUSALS, HelperFailure) as failure:
                failures.append(failure)
            else:
                self._token, self.project, self.caveat = login.token, login.project, login.caveat
                self.project_id, self.user = login.project_id, login.user
                return named[: at + 1]
        told = most_relevant_refusal([each for each in failures if not isinstance(each, _TokenNotSent)] or failures)
        told.tried = tuple(said for each in failures for said in each.tried or (describe_attempt(each),))
        raise told

    def _login_at(self, uri: str, *, is_last: bool) -> ProjectToken:
        """A token of one Keystone, unless the endpoint could not be sent it. Raises: as `_login`.

        is_last: no other one is named, for which time would have to be left.
        """
        try:
            keystone = Keystone(self._http, uri, self.base, self._login_request)
        except Misconfigured as failure:
            raise failure.retold(_TokenNotSent) from None
        address = read_http_url(self.base)
        if not address.is_secure and address.host not in self._login_request.plain_hosts:
            raise _TokenNotSent(
                "Keystone token wanted over http, unencrypted,",
                of=self._asked(self.base),
                link="by",
                remedy="use an https URL; --plain-token sends it all the same",
                more=[f"the Keystone that was not asked for a token: {keystone.base}"],
            )
        deadline = self._http.current_deadline()
        with self._http.using_deadline(deadline if is_last else deadline.earlier_by(deadline.remaining() / 2)):
            return keystone.login()

    def _refusal_failure(self, answer: Response, doing: str) -> Failure:
        """A refusal with the cloud's own words, and whose fault it is."""
        failure = self._refusal(answer, doing)
        failure.pause_s = answer.pause_s
        return failure

    def _refusal(self, answer: Response, doing: str) -> Failure:
        if answer.status == 401 and not self._token and self._http.credential is None:
            remedy = "give a proxy with --cert"
            return OwnCredential("login wanted (401)", of=answer, link="by", also="we have none", remedy=remedy)
        if is_quota(answer.error_text) and answer.status < 500:
            return answer.failure(QuotaRefused, doing, reason="no quota or capacity left")
        if answer.status in (401, 403):
            not_in = answer.failure(LoginRefused, doing, also=self._http.clock_skew_words)
            credential = self._http.credential
            return (
                credential.blame_if_weak(not_in, self._login_request.vo) if credential and not self._token else not_in
            )
        if answer.status >= 500:
            return answer.failure(ServerError, doing)
        if answer.status == 409 and LOCKED.match(answer.error_text):
            return answer.failure(LockedRefusal, doing)
        if answer.status == 404 and self._words is VMS:
            return answer.failure(Refusal, doing, remedy="check that the URL is that of the OCCI endpoint")
        return answer.failure(Refusal, doing)


class _TokenNotSent(Misconfigured):
    """A Keystone was not asked, or its token not sent: nobody has allowed that."""


class _NotAcceptable(Exception):
    """The rendering is not offered (406)."""


def _recording_first(lines: Iterable[str], beginning: list[str]) -> Iterator[str]:
    """Yield the lines; append the first of them, cut to a length, to `beginning`."""
    for line in lines:
        if len(beginning) < MAX_NOTED_LINES:
            beginning.append(line[:MAX_NOTED_CHARS])
        yield line


def _from_both_ends(listed: Sequence[str]) -> list[str]:
    """Return the members from both ends in turn, the last one first: clouds list the newest VM last, or first."""
    return [listed[(number // 2 if number % 2 else -1 - number // 2)] for number in range(len(listed))]


_BEFORE_KEYPAIR = re.compile(r"\bkey ?pair|OCCI (?:type|mixin)|\bschema\b", re.IGNORECASE)


def leaves_keypair(failure: Failure) -> bool:
    """Whether ooi may keep a keypair of a create with a public key that ended so.

    It reads the request, makes a keypair of a random name, asks nova for the VM, and removes the keypair where that
    was made: seen with ooi 1.2.0. OCCI has no way to remove it.
    """
    if isinstance(failure, Refusal):
        is_unread = failure.http_status in (401, 404, 405, 406, 411, 415, 501)
        return not is_unread and not _BEFORE_KEYPAIR.search(failure.error_text)
    return not certainly_not_created(failure)  # what only says so is a Refusal
