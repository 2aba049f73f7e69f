"""Images as lists publish them and as a cloud's Glance has them: which are the same, and of the same version.

A list's image has names that stay (its identifier, its address in the marketplace, `repository:tag` in a registry) and
marks that change with each version (a version, the revision of that address, digests). Whoever brings images to a
cloud writes both beside Glance's own fields: atrope as `appdb_id`, `vmcatcher_event_ad_mpuri`, `image_hash` or
`sha512`, and what the list said as JSON in `APPLIANCE_ATTRIBUTES`; vmcatcher as `vmcatcher_event_*`.
Sources: atrope 2.0.0 and its later versions (dispatcher/glance.py); cloud-info-provider 1.2.0 for what is read of it.
"""

from __future__ import annotations

import re
from datetime import datetime

from libprobe.failures import BadData
from libprobe.formats.imagelist import read_time, without_revision
from libprobe.formats.openstack import read_json_property
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from libprobe.formats.imagelist import ImageListEntry

MAX_CHARS = 1024
MAX_ATTRIBUTES = 64 << 10

VERSION, REVISION, DIGEST, SHA512 = "version", "revision", "digest", "sha512"
"""The kinds of marks: as the list calls it; of its address; of the artefact in the registry; of the file."""

TAG = "eu.egi.cloud.tag"
"""The annotation without which an artefact of the registry is no image for clouds; its value is the version."""

_IDENTIFIERS = ("appdb_id", "dc:identifier", "vmcatcher_event_dc_identifier")
_ADDRESSES = ("vmcatcher_event_ad_mpuri", "ad:mpuri", "marketplace")
_REFERENCES = ("eu.egi.cloud.image_ref",)
_VERSIONS = ("hv:version", "vmcatcher_event_hv_version", TAG)
_SHA512 = ("sha512", "sl:checksum:sha512", "vmcatcher_event_sl_checksum_sha512")
_WITH_DIGEST = re.compile(r"(.+)-sha256:([0-9a-f]{64})")


class PublishedImage(Record):
    """An image that a list has, and a cloud should have.

    name: for people. names: those that stay. version_marks: kind of mark -> value; published: when it came into the
    list, if that is known.
    """

    name: str
    names: frozenset[str]
    version_marks: Mapping[str, str]
    published: datetime | None = None

    @property
    def version_description(self) -> str:
        """Its version, as people know it; empty where it has none."""
        return describe_version(self.version_marks)


class CloudImage(Record):
    """An image that a cloud has.

    names, version_marks: as those of a list, empty for one that is of no list. vo: if it says.
    """

    id: str
    name: str
    status: str
    created: datetime | None
    names: frozenset[str]
    version_marks: Mapping[str, str]
    vo: str = ""

    def is_version_of(self, listed: PublishedImage) -> bool:
        """Whether nothing that both say of the version differs; one that says nothing is taken for the same."""
        common = self.version_marks.keys() & listed.version_marks.keys()
        return all(self.version_marks[kind] == listed.version_marks[kind] for kind in common)

    def differing_versions(self, listed: PublishedImage) -> tuple[str, str]:
        """What the list and this image say of the version where they differ; empty where nothing does."""
        marks = self.version_marks
        kinds = [kind for kind, value in listed.version_marks.items() if marks.get(kind, value) != value]
        return (
            describe_version({kind: listed.version_marks[kind] for kind in kinds}),
            describe_version({kind: marks[kind] for kind in kinds}),
        )


def describe_version(marks: Mapping[str, str]) -> str:
    """Return the version; where there is none, the first characters of a digest, a revision or a checksum."""
    for kind in (VERSION, DIGEST, REVISION, SHA512):
        if marks.get(kind):
            return marks[kind] if kind == VERSION else f"{kind} {marks[kind][:12]}"
    return ""


def from_image_list(image: ImageListEntry) -> PublishedImage:
    """An image of a HEPiX list."""
    names = set(_names_of_address(image.mpuri))
    if image.identifier:
        names.add(_identifier(image.identifier))
    marks = {VERSION: image.version, SHA512: image.sha512, REVISION: _revision(image.mpuri)}
    name = image.title or image.mpuri or image.identifier
    return PublishedImage(name, frozenset(names), {kind: value for kind, value in marks.items() if value})


def from_registry(
    repository: str, tags: list[str], digest: str, version: str, published: datetime | None
) -> PublishedImage:
    """An artefact of a registry, by all of its tags. digest: `sha256:...`."""
    names = frozenset(reference_name(f"{repository}:{tag}") for tag in tags)
    marks = {DIGEST: digest.removeprefix("sha256:"), VERSION: version}
    return PublishedImage(
        f"{repository}:{tags[0]}", names, {kind: value for kind, value in marks.items() if value}, published
    )


def reference_name(reference: str) -> str:
    """The name of `[host/]repository:tag`; who brings images to clouds leaves the host away at times."""
    host, slash, rest = reference.partition("/")
    return "reference " + (rest if slash and re.search(r"[.:]|^localhost$", host) else reference)


def read_cloud_images(document: object) -> list[CloudImage]:
    """The images of one page of Glance's list, without entries that are not images. Raises: BadData."""
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise BadData("answer that is no list of images", link="from")
    return [image for image in map(read_cloud_image, images) if image]


def read_cloud_image(document: object) -> CloudImage | None:
    """Return an image of Glance's list; None if the entry is not an image."""
    if not isinstance(document, dict) or not _text(document.get("id")):
        return None
    properties = {**read_json_property(document.get("APPLIANCE_ATTRIBUTES"), MAX_ATTRIBUTES), **document}
    names: set[str] = set()
    marks: dict[str, str] = {}
    for key in _REFERENCES:
        if value := _text(properties.get(key)):
            names.add(reference_name(value))
    for key in (*_IDENTIFIERS, *_ADDRESSES):
        value = _text(properties.get(key))
        artefact = _WITH_DIGEST.fullmatch(value)
        if artefact:
            names.add(reference_name(artefact[1]))
            marks[DIGEST] = artefact[2]
        elif value and key in _ADDRESSES:
            names |= set(_names_of_address(value))
            marks[REVISION] = marks.get(REVISION) or _revision(value)
        elif value:
            names.add(_identifier(value))
    marks[VERSION] = next(filter(None, (_text(properties.get(key)) for key in _VERSIONS)), "")
    marks[SHA512] = next(filter(None, (_text(properties.get(key)).lower() for key in _SHA512)), "")
    algorithm, _, value = _text(properties.get("image_hash")).lower().partition(":")
    if algorithm == "sha512":
        marks[SHA512] = value
    return CloudImage(
        _text(document["id"]),
        _text(document.get("name")),
        _text(document.get("status")),
        _time(document.get("created_at")),
        frozenset(names),
        {kind: value for kind, value in marks.items() if value},
        _text(properties.get("vo")),
    )


# ---- parts


def _identifier(value: str) -> str:
    return f"identifier {value.lower()}"


def _names_of_address(mpuri: str) -> Iterator[str]:
    """An address in the marketplace without its revision, and without how it is reached."""
    if mpuri:
        yield "address " + without_revision(mpuri).partition("://")[2]


def _revision(mpuri: str) -> str:
    base = without_revision(mpuri)
    return mpuri.rstrip("/")[len(base) + 1 :]


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) and len(value) <= MAX_CHARS else ""


def _time(value: object) -> datetime | None:
    try:
        return read_time(_text(value))
    except BadData:
        return None
