"""Answers that real servers gave, and strategies for hostile ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

RECORDINGS = Path(__file__).parents[2] / "data" / "occi" / "ooi"


VM = "http://127.0.0.1:8787/occi1.1/compute/179c425e-ce7f-4657-a06d-9eb5b9cd4f42"


VM_ID = VM.rpartition("/")[2]


INFRA = 'scheme="http://schemas.ogf.org/occi/infrastructure#"'


OS = "http://schemas.openstack.org/template/os#"


class Answer(NamedTuple):
    headers: list[tuple[str, str]]
    media_type: str
    body: str


def recorded(name: str) -> Answer:
    """Return the answer of a recorded exchange."""
    text = (RECORDINGS / f"{name}.txt").read_text(encoding="utf-8")
    answer = text.partition("\n----- response")[2].partition("\n")[2]
    head, _, body = answer.partition("\n\n")
    headers = [(key, value.strip()) for key, _, value in (line.partition(":") for line in head.split("\n")[1:])]
    return Answer(headers, dict(headers).get("Content-Type", ""), body)


def sent(name: str) -> list[tuple[str, str]]:
    """Return the headers of what a rOCCI-server sent in text/occi."""
    lines = (RECORDINGS.parent / "rocci" / f"{name}.headers").read_text().splitlines()
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]


PIECES = [
    "Category: ",
    "Link: ",
    "X-OCCI-Attribute: ",
    "X-OCCI-Location: ",
    'compute; scheme="http://s#"; class="kind"',
    "<http://x/?action=y>; ",
    'rel="',
    "occi.compute.cores=",
    '"',
    "\\",
    ",",
    ";",
    "\n",
    "=",
    " ",
    "\ud800",
    "1e9999",
]


texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))


json_values: st.SearchStrategy[object] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), st.just(10**400)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    "kinds",
                    "mixins",
                    "resources",
                    "attributes",
                    "occi",
                    "links",
                    "id",
                    "kind",
                    "term",
                    "scheme",
                ]
                + ["location", "target", "title", "message", "error", "depends", "occi.compute.cores"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)


bodies = st.one_of(texts, json_values.map(json.dumps))


media_types = st.sampled_from(["text/plain", "text/occi", "text/uri-list", "application/occi+json", "text/html", ""])


headers_ = st.lists(st.tuples(st.sampled_from(["Category", "Link", "X-OCCI-Location", "Location"]), texts), max_size=3)
