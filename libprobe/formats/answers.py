"""What readers of answers have in common: the media type, JSON within limits, and what to quote of it in a sentence."""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats.excerpt import begins, excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BODY_CHARS = 16 << 20
MAX_JSON_BYTES = 32 << 20
MAX_VALUE_CHARS = 64 << 10


def load_json(data: str | bytes, what: str) -> Any:
    """Return a JSON document. Raises: BadData, for whatever is not JSON or is too large or too deep."""
    import json

    if len(data) > MAX_JSON_BYTES:
        raise BadData(f"{what} is {len(data)} bytes of JSON, more than {MAX_JSON_BYTES}")
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if not data.strip():
            raise BadData("empty answer instead of JSON", link="from") from error
        raise BadData(f"{what} is not JSON", also=begins(data)) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def list_of(document: object, name: str) -> list[Any]:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, list) else []


def text_of(value: object) -> str:
    """Return a string of JSON, empty for anything else, without the surrogates that cannot be encoded."""
    if not isinstance(value, str):
        return ""
    value = value[:MAX_VALUE_CHARS]
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def bounded(body: str) -> str:
    if len(body) > MAX_BODY_CHARS:
        raise BadData(f"an answer of {len(body)} characters, more than {MAX_BODY_CHARS}")
    return body


def bare_type(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def is_json(media_type: str) -> bool:
    return bare_type(media_type).endswith("json")


def quoted(text: str | bytes) -> str:
    shown = excerpt(text)
    return f'"{shown}"' if shown else "nothing"
