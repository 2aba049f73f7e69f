"""A HEPiX image list as AppDB publishes it: what it says of itself and of its images.

Sources: hepixvmitrust and vmcatcher for the fields, cloudkeeper for what is needed in practice, the AppDB
wiki for the `ad:` extensions. Numbers come as strings, optional fields are often absent, the oldest lists
have no `hv:imagelist` around them.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from libprobe.failures import BadData
from libprobe.formats.error_text import MAX_TITLE_AT, in_short, web_page
from libprobe.formats.excerpt import begins, excerpt
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_PARTS = 150_000
"""Values in a document: a list of 2 MiB has about 45,000, but empty arrays could be 700,000, at 64 bytes each."""
MAX_IMAGES = 20_000
MAX_FIELD_CHARS = 4_096

_LIST_FIELDS = (
    "dc:identifier",
    "dc:description",
    "dc:title",
    "dc:source",
    "hv:version",
    "hv:uri",
)
_IMAGE_FIELDS = (
    "dc:title",
    "dc:description",
    "hv:size",
    "sl:checksum:sha512",
    "sl:arch",
    "hv:uri",
    "dc:identifier",
    "sl:os",
    "sl:osversion",
    "sl:comments",
    "hv:hypervisor",
    "hv:version",
)
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(Z|[+-]00:?00|[+-]\d\d:?\d\d)?", re.ASCII)
_EMAIL = re.compile(r"/(?:E|Email)=", re.IGNORECASE)


class ImageListEntry(Record):
    """One image. expires: aware, None if it does not say or says it unreadably. Texts are empty where absent.

    sha512: of its file, in hexadecimal. missing_fields: the fields without which hepixvmitrust drops it silently.
    """

    identifier: str
    mpuri: str
    title: str
    version: str
    expires: datetime | None
    missing_fields: tuple[str, ...]
    sha512: str = ""


class ImageList(Record):
    """A list.

    created, expires: aware UTC instants. has_zone: whether `created` names its zone; UTC if not.
    endorser, endorser_ca: DNs of who is to sign it and of his CA, empty where absent.
    missing_fields: the fields without which vmcatcher refuses it.
    is_wrapped: whether it is within `hv:imagelist`, unlike the deprecated form.
    """

    created: datetime
    expires: datetime
    has_zone: bool
    identifier: str
    title: str
    version: str
    uri: str
    vo: str
    endorser: str
    endorser_ca: str
    images: tuple[ImageListEntry, ...]
    missing_fields: tuple[str, ...]
    is_wrapped: bool


def read_image_list(content: bytes) -> ImageList:
    """Read the JSON of an image list. Raises: BadData, with AppDB's own words if it answered with an error."""
    document = _document(content)
    if not isinstance(document, dict):
        raise BadData("JSON, but no image list", link="from", also=begins(content))
    is_wrapped = "hv:imagelist" in document
    if not is_wrapped and "egiappdb" in document:
        said = _appdb_words(document["egiappdb"])
        raise BadData(f'error "{in_short(said)}" instead of an image list', link="from", more=[f"AppDB says: {said}"])
    found = document["hv:imagelist"] if is_wrapped else document
    if not isinstance(found, dict) or not (is_wrapped or "hv:images" in found or "dc:date:created" in found):
        raise BadData("JSON without an hv:imagelist", link="from", also=begins(content))
    created = _text(found.get("dc:date:created"))
    endorser = _endorser(found.get("hv:endorser"))
    return ImageList(
        created=_required_time(found, "dc:date:created"),
        expires=_required_time(found, "dc:date:expires"),
        has_zone=not created[-1:].isdigit() or "+" in created,
        identifier=_text(found.get("dc:identifier")),
        title=_text(found.get("dc:title")),
        version=_text(found.get("hv:version")),
        uri=_text(found.get("hv:uri")),
        vo=_text(found.get("ad:vo")),
        endorser=_text(endorser.get("hv:dn")),
        endorser_ca=_text(endorser.get("hv:ca")),
        images=_images(found.get("hv:images")),
        missing_fields=tuple(name for name in _LIST_FIELDS if name not in found),
        is_wrapped=is_wrapped,
    )


def appdb_error(body: bytes) -> str:
    """AppDB's own words in an error document; empty if the body is none."""
    try:
        document = _document(body)
    except BadData:
        return ""
    is_error = isinstance(document, dict) and "egiappdb" in document and "hv:imagelist" not in document
    return _appdb_words(document["egiappdb"]) if is_error else ""


def read_time(text: str) -> datetime:
    """Return `YYYY-MM-DDThh:mm:ssZ` as an aware UTC instant; without a zone it is UTC, fractions are dropped.

    Raises: BadData for anything else, a date alone included.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise BadData(f"{excerpt(text)!r} is not a time of the form YYYY-MM-DDThh:mm:ssZ")
    zone = (match[7] or "Z").replace(":", "")
    if zone not in ("Z", "+0000", "-0000"):
        raise BadData(f"{excerpt(text)!r} is not in UTC, as image lists have to be")
    try:
        return datetime(*(int(part) for part in match.groups()[:6]), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        raise BadData(f"{excerpt(text)!r} is a time that does not exist") from None


def same_name(first: str, second: str) -> bool:
    """Whether two DNs in slash form are the same, written by different tools."""
    return _plain_name(first) == _plain_name(second)


def find_image(images: tuple[ImageListEntry, ...], mpuri: str) -> ImageListEntry | None:
    """The image of an ad:mpuri, which ends in `:<revision>/`; one given without revision finds any revision."""
    wanted = mpuri.rstrip("/")
    for image in images:
        offered = image.mpuri.rstrip("/")
        if offered and wanted in (offered, without_revision(offered)):
            return image
    return None


def without_revision(mpuri: str) -> str:
    """An ad:mpuri without its last slash and `:<revision>`."""
    base, colon, revision = mpuri.rstrip("/").rpartition(":")
    return base if colon and revision.isdigit() and "/" in base.partition("://")[2] else mpuri.rstrip("/")


# ---- parts


def _document(content: bytes) -> Any:
    parts = content.count(b",") + content.count(b"[") + content.count(b"{")
    if parts > MAX_PARTS:
        raise BadData(f"it holds {parts} values or more, beyond {MAX_PARTS}")

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number of JSON")

    try:
        return json.loads(content, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        why = "too deep" if isinstance(error, RecursionError) else str(error)[:80]
        page = web_page("", content[:MAX_TITLE_AT].decode("utf-8", "replace"))
        what = f"{page} instead of an image list" if page else "no image list, nor JSON at all"
        raise BadData(
            what, link="from", also="" if page else begins(content), more=[f"as JSON it cannot be read: {why}"]
        ) from None


def _text(value: object) -> str:
    """A text or number as text, cut at MAX_FIELD_CHARS; anything else is empty."""
    if isinstance(value, str):
        return value[:MAX_FIELD_CHARS].strip()
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)[:MAX_FIELD_CHARS] if abs(value) < 1e18 else ""
    return ""


def _required_time(found: dict[str, Any], name: str) -> datetime:
    text = _text(found.get(name))
    if not text:
        raise BadData(f"the list has no {name}")
    try:
        return read_time(text)
    except BadData as error:
        raise BadData(f"{name}: {error.sentence}") from None


def _endorser(value: object) -> dict[str, Any]:
    inner = value.get("hv:x509") if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _images(value: object) -> tuple[ImageListEntry, ...]:
    if not isinstance(value, list):
        raise BadData("the list has no hv:images")
    if len(value) > MAX_IMAGES:
        raise BadData(f"the list has {len(value)} images, more than {MAX_IMAGES}")
    inner = [each.get("hv:image", each) if isinstance(each, dict) else None for each in value]
    return tuple(_image(each) for each in inner if isinstance(each, dict))


def _image(found: dict[str, Any]) -> ImageListEntry:
    expires: datetime | None = None
    try:
        expires = read_time(_text(found.get("dc:date:expires")))
    except BadData:
        pass  # optional for images
    return ImageListEntry(
        identifier=_text(found.get("dc:identifier")),
        mpuri=_text(found.get("ad:mpuri")),
        title=_text(found.get("dc:title")),
        version=_text(found.get("hv:version")),
        expires=expires,
        missing_fields=tuple(name for name in _IMAGE_FIELDS if name not in found),
        sha512=_text(found.get("sl:checksum:sha512")).lower(),
    )


def _appdb_words(value: object) -> str:
    """`details` or `errors` of an error document, whatever shape they have."""
    if isinstance(value, str):
        return excerpt(value, 200) or "without a reason"
    if not isinstance(value, dict):
        return "without a reason"
    said = []
    for name in ("details", "errors", "error", "message"):
        part = value.get(name)
        texts = [part] if isinstance(part, str) else part[:3] if isinstance(part, list) else []
        said += [excerpt(each, 160) for each in texts if isinstance(each, str) and each.strip()]
    return "; ".join(dict.fromkeys(said[:3])) or excerpt(_text(value.get("status")), 160) or "without a reason"


def _plain_name(name: str) -> str:
    """One spelling of the mail attribute, and bytes beyond ASCII as OpenSSL prints them."""
    text = _EMAIL.sub("/emailAddress=", name.strip())
    return "".join(char if " " <= char <= "~" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02X}" for byte in char.encode("utf-8", "replace"))
