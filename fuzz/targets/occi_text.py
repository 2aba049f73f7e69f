"""OCCI in text/plain, text/occi and text/uri-list: models, entities, listings, what creation answers.

The first byte says the media type, the second how much of the rest comes as headers.
"""

from __future__ import annotations

from pathlib import Path

from libprobe.failures import BadData
from libprobe.formats.error_text import error_text
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import read_entity
from libprobe.formats.occi.location import created_location, path_of, read_listing, read_locations
from libprobe.formats.occi.query import nearest, read_model, read_model_headers, resolve

MAX_BYTES = 16 << 10
BASE = "/occi1.1/"
MEDIA_TYPES = ("text/plain", "text/occi", "text/uri-list", "text/html", "")
RECORDED = Path(__file__).parents[2] / "tests/data/occi/ooi"
WORDS = (
    b"Category: ", b"Link: <", b"X-OCCI-Attribute: ", b"X-OCCI-Location: ", b'; scheme="', b'; class="kind"',
    b'; class="mixin"', b'; class="action"', b'; title="', b'; rel="', b'; location="', b'; attributes="',
    b'; actions="', b'; self="', b'; category="', b"http://schemas.ogf.org/occi/infrastructure#", b"os_tpl", b"compute",
    b"resource_tpl", b"occi.compute.state", b"occi.core.id", b"occi.networkinterface.address", b'="active"', b'\\"',
    b", ", b"\r\n", b"https://cloud.example.org/occi1.1/compute/", b"?action=stop", b"..", b"%2e",
)  # fmt: skip


def read(data: bytes) -> None:
    kind, cut = (data[:2] + b"\0\0")[:2]
    media_type = MEDIA_TYPES[kind % len(MEDIA_TYPES)]
    lines = data[2:].decode("utf-8", "surrogateescape").split("\n")
    at = min(cut, len(lines))
    headers = [(name, value) for name, colon, value in (line.partition(":") for line in lines[:at]) if colon]
    body = "\n".join(lines[at:])
    assert len(error_text(body, media_type)) <= 300
    where = created_location(body, headers=headers, media_type=media_type)
    failure: BadData | None = None
    for location in [] if where is None else [where]:
        try:
            path = path_of(location, BASE)
            assert path.startswith("/") and path.isprintable() and ".." not in path.split("/")
        except BadData as bad:
            failure = bad
    for reader in (read_entity, read_listing, read_locations):
        try:
            reader(body, headers=headers, media_type=media_type)
        except BadData as bad:
            failure = bad
    for model in (lambda: read_model(lines[at:]), lambda: read_model_headers(headers)):
        try:
            found = model()
            resolve(body[:200], found.templates(occi.OS_TPL))
            nearest(body[:200], found.mixins)
        except BadData as bad:
            failure = bad
    if failure:
        raise failure


def seeds() -> dict[str, bytes]:
    found = {}
    for name, kind in (
        ("10-query-text-plain", 0),
        ("20-create-text-plain-os-context", 0),
        ("22-show-active-text-plain", 0),
        ("22-show-active-text-occi", 1),
        ("23-list-text-plain", 0),
        ("23-list-text-occi", 1),
        ("23-list-uri-list", 2),
        ("25e-action-bogus", 0),
    ):
        answer = (RECORDED / f"{name}.txt").read_bytes().partition(b"-----\n")[2].replace(b"\r\n", b"\n")
        head, _, body = answer.partition(b"\n\n")
        # few of many lines: a long input is mutated where nothing is decided
        fields = [line[:1200] for line in head.split(b"\n")[1:] if line[:2].lower() in (b"ca", b"li", b"x-", b"lo")][:6]
        rest = b"\n".join(line[:1200] for line in body.split(b"\n")[:8])
        found[name] = bytes((kind, len(fields))) + b"\n".join([*fields, rest])
    return found
