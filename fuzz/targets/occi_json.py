"""OCCI in JSON: models, entities and listings."""

from __future__ import annotations

from pathlib import Path

from libprobe.failures import BadData
from libprobe.formats.error_text import error_text
from libprobe.formats.occi import vocabulary as occi
from libprobe.formats.occi.entity import Entity, read_entity
from libprobe.formats.occi.location import created_location, read_listing, read_locations
from libprobe.formats.occi.query import nearest, read_model_json, resolve

MAX_BYTES = 16 << 10
MEDIA_TYPE = "application/occi+json"
RECORDED = Path(__file__).parents[2] / "tests/data/occi/ooi"
WORDS = (
    b'"kinds": [', b'"mixins": [', b'"actions": [', b'"term": "', b'"scheme": "', b'"attributes": {', b'"links": [',
    b'"location": "', b'"id": "', b'"kind": "', b'"resources": [', b'"compute": ', b'"target": ', b'"state": "active"',
    b'"message": "', b'"error": {', b'"depends": [', b"null", b"true", b"1e999", b"NaN", b"\\ud800", b"[[[[", b'{"": ',
)  # fmt: skip


def read(data: bytes) -> None:
    failure: BadData | None = None
    try:
        model = read_model_json(data)
        for kind in (occi.OS_TPL, occi.RESOURCE_TPL):
            resolve("small", model.templates(kind))
        nearest("small", model.mixins)
    except BadData as bad:
        failure = bad
    body = data.decode("utf-8", "replace")
    error_text(body, MEDIA_TYPE)
    created_location(body, media_type=MEDIA_TYPE)
    for reader in (read_entity, read_listing, read_locations):
        try:
            found = reader(body, media_type=MEDIA_TYPE)
            if isinstance(found, Entity):
                assert isinstance(found.id + found.state + found.hostname, str)
                assert all(isinstance(each, str) for each in found.addresses)
        except BadData as bad:
            failure = bad
    if failure:
        raise failure


def seeds() -> dict[str, bytes]:
    found = {
        "quota": b'{"error": {"code": 403, "message": "Quota exceeded for cores"}}',
        "rocci2": b'{"kinds": [], "mixins": [{"term": "x", "scheme": "http://a/b#", "depends": '
        b'["http://schemas.ogf.org/occi/infrastructure#os_tpl"], "location": "/mixin/os_tpl/x/"}]}',
    }
    for name in ("22-show-active-occi-json", "23-list-occi-json"):
        answer = (RECORDED / f"{name}.txt").read_bytes().partition(b"-----\n")[2].replace(b"\r\n", b"\n")
        found[name] = answer.partition(b"\n\n")[2][:8000]
    return found
