"""Requests: what is sent to create a resource or to trigger an action, in a form that every server reads alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from libprobe.formats.occi.attributes import DECIMALS, INTEGERS, read_number, read_value
from libprobe.formats.occi.vocabulary import CLASSES, MIXIN, OCCI_JSON, TEXT_OCCI, TEXT_PLAIN


def render_request(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str], media_type: str
) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and body of a request to create a resource or trigger an action.

    categories: identifier and KIND, MIXIN or ACTION of each, the kind or action first.
    attributes: by name; those in INTEGERS and DECIMALS are written as numbers.
    media_type: TEXT_PLAIN, TEXT_OCCI (all in headers, each name once with its values joined by commas, as
                not every HTTP library can repeat a header) or OCCI_JSON. It is written without a charset:
                pyssf takes no media type with parameters.
    Raises: ValueError for what the rendering cannot carry so that every server reads it alike: control
    characters, quotes and backslashes, in headers also commas and what is not ASCII; this is the
    caller's mistake and no Failure.
    """
    renderers = {TEXT_PLAIN: _render_plain, TEXT_OCCI: _render_headers, OCCI_JSON: _render_json}
    if media_type not in renderers:
        raise ValueError(f"{media_type!r} is not a rendering of OCCI")
    for identifier, what in categories:
        _expect_plain(identifier, " ,;")
        if what not in CLASSES or "#" not in identifier:
            raise ValueError(f"{identifier!r} is not the identifier of a kind, mixin or action")
    for name, value in attributes.items():
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ValueError(f"{name!r} is not the name of an attribute")
        _expect_plain(value, "," if media_type == TEXT_OCCI else "")
    headers, body = renderers[media_type](categories, attributes)
    return [("Content-Type", media_type), *headers], body


def is_sendable(identifier: str) -> bool:
    """Whether every server reads a category's identifier in a request in the same way."""
    try:
        _expect_plain(identifier, " ,;")
    except ValueError:
        return False
    return "#" in identifier


def _expect_plain(text: str, forbidden: str) -> None:
    if not text.isprintable() or any(char in text for char in '"\\' + forbidden):
        raise ValueError(f"{text[:80]!r} has characters that would break the request")
    if "," in forbidden and not text.isascii():
        raise ValueError(f"{text[:80]!r} is not ASCII")


def _render_plain(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str]
) -> tuple[list[tuple[str, str]], bytes]:
    lines = [f"Category: {_category(identifier, what)}" for identifier, what in categories]
    lines += [f"X-OCCI-Attribute: {_attribute(name, value)}" for name, value in attributes.items()]
    return [], ("\n".join(lines) + "\n").encode()


def _render_headers(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str]
) -> tuple[list[tuple[str, str]], bytes]:
    headers = [("Category", ", ".join(_category(identifier, what) for identifier, what in categories))]
    if attributes:
        joined = ", ".join(_attribute(name, value) for name, value in attributes.items())
        headers.append(("X-OCCI-Attribute", joined))
    return headers, b""


def _render_json(
    categories: Sequence[tuple[str, str]], attributes: Mapping[str, str]
) -> tuple[list[tuple[str, str]], bytes]:
    import json

    document: dict[str, object] = {}
    for identifier, what in categories:
        if what == MIXIN:
            mixins = document.setdefault("mixins", [])
            assert isinstance(mixins, list)
            mixins.append(identifier)
        else:
            document[what] = identifier
    if attributes:
        document["attributes"] = {name: read_value(name, value, True) or value for name, value in attributes.items()}
    return [], json.dumps(document).encode()


def _category(identifier: str, what: str) -> str:
    scheme, _, term = identifier.rpartition("#")
    return f'{term}; scheme="{scheme}#"; class="{what}"'


def _attribute(name: str, value: str) -> str:
    is_number = name in INTEGERS | DECIMALS and read_number(value) is not None
    return f"{name}={value}" if is_number else f'{name}="{value}"'
