"""Where a machine is: the members of a collection, the address of what was created, and the path to ask or delete.

`path_of` is the safety of every DELETE: what it returns is never a collection, nor what could be read in two ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from libprobe.failures import BadData
from libprobe.formats.answers import MAX_BODY_CHARS, bare_type, bounded, is_json, list_of, load_json, quoted, text_of
from libprobe.formats.excerpt import begins
from libprobe.formats.occi import grammar
from libprobe.formats.occi.attributes import json_attributes
from libprobe.formats.occi.vocabulary import HOSTNAME, ID, MAX_ENTRIES, TEXT_OCCI, TEXT_PLAIN, TITLE, URI_LIST, Headers
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_URL_OR_PATH = re.compile(r"(?:https?://|/)[^\s]+", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@%/-]*")


class ListedResource(Record):
    """One member of a collection; JSON listings tell more than an address, or no address at all."""

    location: str | None
    id: str | None
    title: str | None
    hostname: str | None

    @property
    def address(self) -> str:
        """Where it is, or the id that names it below the collection; empty if the listing does not tell.

        An id that is its name as well is what its client has sent: pyssf shows that, and gives the member another
        address, which its JSON does not tell.
        """
        return self.location or (self.id if self.id not in (self.title, self.hostname) else "") or ""


def read_listing(body: str, *, headers: Headers = (), media_type: str = TEXT_PLAIN) -> list[ListedResource]:
    """Return the members of a collection; an empty answer is an empty collection.

    Raises: BadData if something else than a list came, or one of more than MAX_ENTRIES.
    """
    if is_json(media_type):
        return [_json_listed(entry) for entry in _json_resources(body)]
    return [ListedResource(location, None, None, None) for location in _text_locations(body, headers, media_type)]


def read_locations(body: str, *, headers: Headers = (), media_type: str = TEXT_PLAIN) -> list[str]:
    """Return the address of each member of a collection, or its bare id where JSON gives no address.

    Raises: as `read_listing`.
    """
    listing = read_listing(body, headers=headers, media_type=media_type)
    return [entry.address for entry in listing if entry.address]


def _text_locations(body: str, headers: Headers, media_type: str) -> list[str]:
    found: list[str] = []
    for name, value in headers:
        if name.lower() in ("x-occi-location", "location"):  # both generations of rOCCI-server say Location
            found.extend(grammar.addresses(value))
    if bare_type(media_type) != TEXT_OCCI:
        found.extend(_body_locations(bounded(body), media_type))
    if len(found) > MAX_ENTRIES:
        raise BadData(f"a collection of more than {MAX_ENTRIES} members")
    return found


def _body_locations(body: str, media_type: str) -> Iterator[str]:
    is_uri_list = bare_type(media_type) == URI_LIST
    for line in grammar.lines(body):
        found = grammar.field(line)
        if found is not None and found[0] == "x-occi-location":
            yield from grammar.addresses(found[1])
        elif _URL_OR_PATH.fullmatch(line):
            yield line
        # pyssf begins a uri-list with a comment, and answers OK where it has nothing to say.
        elif not line.startswith("#") and (is_uri_list or line != "OK"):
            raise BadData("no list of addresses", also=begins(line))


def _json_resources(body: str) -> list[Any]:
    """Return the members of `{"resources": [...]}`, `{}` or a bare list."""
    if not body.strip():
        return []
    document = load_json(bounded(body), "the collection")
    entries = document if isinstance(document, list) else list_of(document, "resources")
    is_empty = not document or (isinstance(document, dict) and "resources" in document)
    if not entries and not is_empty:
        raise BadData("no resources", also=begins(body))
    if len(entries) > MAX_ENTRIES:
        raise BadData(f"a collection of more than {MAX_ENTRIES} members")
    return entries


def _json_listed(entry: object) -> ListedResource:
    if isinstance(entry, str):
        return ListedResource(text_of(entry) or None, None, None, None)
    given = entry if isinstance(entry, dict) else {}
    attributes = json_attributes(given.get("attributes"))
    title = text_of(given.get("title")) or str(attributes.get(TITLE, ""))
    return ListedResource(
        location=text_of(given.get("location")) or None,
        id=text_of(given.get("id")) or str(attributes.get(ID, "")) or None,
        title=title or None,
        hostname=str(attributes.get(HOSTNAME, "")) or None,
    )


def created_location(body: str, *, headers: Headers = (), media_type: str = TEXT_PLAIN) -> str | None:
    """Return the address of what was created, or its bare id if JSON gives no more; None if not said.

    Looked for in this order: the Location header, an X-OCCI-Location header, a body line with it, the
    first body line that is an address and no comment, the first of the JSON resources. It may be
    relative or have the wrong host: see `path_of`.
    """
    given = [(name.lower(), value.strip()) for name, value in headers]
    for wanted in ("location", "x-occi-location"):
        for name, value in given:
            first = next(grammar.addresses(value), "") if name == wanted else ""
            if first:
                return first
    body = body[:MAX_BODY_CHARS]
    return _json_created(body) if is_json(media_type) else _text_created(body)


def _text_created(body: str) -> str | None:
    address = None
    for line in grammar.lines(body):
        found = grammar.field(line)
        if found is not None and found[0] == "x-occi-location":
            location = next(grammar.addresses(found[1]), None)
            if location is not None:
                return location
        if address is None and _URL_OR_PATH.fullmatch(line):
            address = line
    return address


def _json_created(body: str) -> str | None:
    try:
        document = load_json(body, "the answer")
    except BadData:
        return None
    entries = document if isinstance(document, list) else list_of(document, "resources") or [document]
    if not entries:
        return None
    listed = _json_listed(entries[0])
    return listed.location or listed.id


def path_of(location: str, base_path: str) -> str:
    """Return the path at which to ask for what LOCATION names, without its host, query and fragment.

    location:  absolute, relative or a bare id, as the cloud gave it. Behind a TLS proxy its scheme, host
               and port are often wrong, so the caller keeps those of the endpoint.
    base_path: of the collection, such as `/occi1.1/compute/`; ids are relative to it.
    Raises: BadData for one that names nothing, the collection or what is above it, since a DELETE there
    would remove every machine of the project; and for one with `..`, blanks or other characters that
    could be read in two ways.
    """
    from urllib.parse import unquote

    location = location.strip()
    path = _location_path(location).partition("#")[0].partition("?")[0]
    if not _PATH.fullmatch(path) or _has_bad_escape(path.lower()):
        raise BadData(f"the address {quoted(location)} has characters that do not belong in one")
    base = [part for part in base_path.split("/") if part]
    parts = [part for part in path.split("/") if part]
    if parts and not path.startswith("/"):
        is_beside = bool(base) and len(parts) > 1 and parts[0] == base[-1]
        parts = [*(base[:-1] if is_beside else base), *parts]
    plain = [unquote(part).lower() for part in parts]
    if any(part in (".", "..") for part in plain):
        raise BadData(f"the address {quoted(location)} leads out of its place with dots")
    if _is_collection(plain, [part.lower() for part in base]):
        raise BadData(f"the address {quoted(location)} is that of a whole collection")
    return "/" + "/".join(parts)


# pyssf has the links of storage at /storage/link/, which without its slash looks like the address of one
_COLLECTIONS = frozenset(
    {"-", "compute", "network", "storage", "networkinterface", "networklink", "storagelink", "ipreservation", "link"}
)


def _is_collection(parts: list[str], base: list[str]) -> bool:
    """Whether a path is the collection BASE, what is above or beside it, or another one's."""
    is_above = parts == base[: len(parts)]
    is_beside = len(parts) == len(base) and parts[:-1] == base[:-1]
    return not parts or is_above or is_beside or parts[-1] in _COLLECTIONS or parts[-1:] == base[-1:]


def _location_path(location: str) -> str:
    """Return what follows scheme and authority; a bare id is returned without a leading slash."""
    scheme, separator, rest = location.partition("://")
    if separator and "/" not in scheme and "?" not in scheme:
        if scheme.lower() not in ("http", "https"):
            raise BadData(f"the address {quoted(location)} is neither http nor https")
        authority, _, path = rest.partition("/")
        if not authority or "?" in authority or "#" in authority:
            return ""
        return "/" + path
    if location.startswith("//"):
        raise BadData(f"the address {quoted(location)} does not say where its path begins")
    return location.removeprefix("urn:uuid:")


def _has_bad_escape(path: str) -> bool:
    """Whether a percent sign hides a separator or control character, or hides nothing."""
    for code in path.split("%")[1:]:
        if not re.match(r"[0-9a-f]{2}", code) or code[:2] in ("2f", "5c", "3f", "23", "25", "7f"):
            return True
        if int(code[:2], 16) <= 0x20:
            return True
    return False
