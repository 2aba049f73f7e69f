"""Attributes of an entity, in text and in JSON: by name, each as the type that the name has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from libprobe.formats.answers import MAX_VALUE_CHARS, text_of
from libprobe.formats.occi.vocabulary import MAX_DEPTH, MAX_NAME_CHARS

INTEGERS = frozenset({"occi.compute.cores", "occi.compute.share", "occi.network.vlan"})
DECIMALS = frozenset({"occi.compute.memory", "occi.compute.speed", "occi.storage.size"})
"""Attributes that are numbers, even where occi-os puts them in quotes."""

AttributeValue = str | float | int | bool

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?([eE][+-]?[0-9]{1,3})?")


def identifiers(value: object) -> Iterator[str]:
    """Yield identifiers from a string with blanks, a list of strings, or descriptions of categories."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield text_of(item.get("scheme")) + text_of(item.get("term"))
        else:
            yield from text_of(item).split()


def set_value(attributes: dict[str, AttributeValue], name: str, text: str, quoted: bool) -> None:
    """Keep an attribute, unless it is too long or should be a number and is not."""
    value = read_value(name, text, quoted)
    if value is not None and len(text) <= MAX_VALUE_CHARS:
        attributes[name] = value


def read_value(name: str, text: str, quoted: bool) -> AttributeValue | None:
    number = read_number(text.strip())
    if name in INTEGERS:
        return None if number is None else int(number)
    if name in DECIMALS:
        return None if number is None else float(number)
    if quoted:
        return text
    if text in ("true", "false"):
        return text == "true"
    return text if number is None else number


def read_number(text: str) -> float | int | None:
    """Return a finite number in decimal notation, None for anything else."""
    match = _NUMBER.fullmatch(text[:64])
    if match is None or len(text) > 64:
        return None
    if match[1] is None and match[2] is None:
        return int(text)
    number = float(text)
    return number if abs(number) < 1e300 else None


def json_attributes(value: object) -> dict[str, AttributeValue]:
    """Return attributes with dotted names, from GFD.226's flat or rOCCI's nested form."""
    found: dict[str, AttributeValue] = {}
    for name, one in flat(value, lambda one: isinstance(one, dict)):
        if isinstance(one, str):
            set_value(found, name, text_of(one), True)
        elif isinstance(one, bool):
            found[name] = one
        elif isinstance(one, int | float) and abs(one) < 1e300:
            found[name] = float(one) if name in DECIMALS else int(one) if name in INTEGERS else one
    return found


def flat(
    value: object, is_nested: Callable[[object], bool], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, object]]:
    """Yield what a JSON object holds, by dotted names. is_nested: whether a value holds more of them itself."""
    # Every level repeats the names above it, so long names could multiply a document's size.
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return
    for key, one in value.items():
        name = prefix + text_of(key)
        if len(name) > MAX_NAME_CHARS:
            continue
        if is_nested(one):
            yield from flat(one, is_nested, name + ".", depth + 1)
        else:
            yield name, one
