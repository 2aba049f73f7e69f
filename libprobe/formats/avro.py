"""Avro's object container files, as far as records of plain values are in them: what ARGO keeps metric results in.

Source: "Apache Avro 1.12 Specification": Object Container Files, Binary Encoding. Codecs null and deflate.
Everything is bounded: a block, what it unpacks to, the depth of a schema, and how often a value may repeat.
"""

from __future__ import annotations

import json
import struct
import zlib

from libprobe.failures import BadData

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Reads = Callable[[int], bytes]

MAGIC = b"Obj\x01"
MAX_HEADER_BYTES = 1 << 20
MAX_BLOCK_BYTES = 64 << 20
MAX_DEPTH = 20
MAX_ITEMS = 100_000
_SYNC_BYTES = 16


def read_records(read: Reads) -> Iterator[dict[str, Any]]:
    """Yield the records of a file. read: as of a binary file. Raises: BadData where it is none, or breaks off."""
    try:
        if read(len(MAGIC)) != MAGIC:
            raise BadData("not an Avro file")
        metadata: dict[str, bytes] = {}
        budget = MAX_HEADER_BYTES
        while count := _read_long(read):
            if count < 0:
                _read_long(read)  # the size of what follows, for who skips it
            for _ in range(_bounded(abs(count), 1000)):
                name = _exactly(read, _bounded(_read_long(read), budget)).decode()
                metadata[name] = _exactly(read, _bounded(_read_long(read), budget))
                budget -= len(name) + len(metadata[name])
        schema = json.loads(metadata["avro.schema"])
        codec = metadata.get("avro.codec", b"null").decode()
        if codec not in ("null", "deflate"):
            raise BadData(f"the Avro file is packed by {codec[:20]}, and not by deflate")
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise BadData("the Avro file does not hold records")
        sync = _exactly(read, _SYNC_BYTES)
        yield from _blocks(read, schema, codec, sync)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error, zlib.error) as error:
        raise BadData(f"the Avro file cannot be read on: {type(error).__name__}") from None


def _blocks(read: Reads, schema: Any, codec: str, sync: bytes) -> Iterator[dict[str, Any]]:
    while first := read(1):
        count = _read_long(read, first)
        data = _exactly(read, _bounded(_read_long(read), MAX_BLOCK_BYTES))
        if _exactly(read, _SYNC_BYTES) != sync:
            raise BadData("a block of the Avro file does not end where it should")
        if codec == "deflate":
            unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
            data = unpacking.decompress(data, MAX_BLOCK_BYTES)
            if unpacking.unconsumed_tail:
                raise BadData(f"a block of the Avro file unpacks to more than {MAX_BLOCK_BYTES >> 20} MiB")
        rest = _Bytes(data)
        for _ in range(_bounded(count, len(data))):  # none is of no length
            yield _read_value(schema, rest.read, {}, 0)


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        self._at += size
        return found


def _read_value(schema: Any, read: Reads, named: dict[str, Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise BadData("the schema of the Avro file is too deep")
    if isinstance(schema, list):
        return _read_value(schema[_bounded(_read_long(read), len(schema) - 1)], read, named, depth + 1)
    kind = schema["type"] if isinstance(schema, dict) else named.get(schema, schema)
    if isinstance(schema, dict) and "name" in schema:
        named[schema["name"]] = schema
    if isinstance(kind, (dict, list)):
        return _read_value(kind, read, named, depth + 1)
    if kind == "null":
        return None
    if kind in ("string", "bytes"):
        data = _exactly(read, _bounded(_read_long(read), MAX_BLOCK_BYTES))
        return data.decode("utf-8", "replace") if kind == "string" else data
    if kind in ("int", "long"):
        return _read_long(read)
    if kind == "boolean":
        return _exactly(read, 1) != b"\0"
    if kind in ("float", "double"):
        return struct.unpack("<f" if kind == "float" else "<d", _exactly(read, 4 if kind == "float" else 8))[0]
    if kind == "enum":
        return schema["symbols"][_bounded(_read_long(read), len(schema["symbols"]) - 1)]
    if kind == "record":
        return {str(each["name"]): _read_value(each["type"], read, named, depth + 1) for each in schema["fields"]}
    if kind in ("map", "array"):
        return _read_items(schema, kind == "map", read, named, depth)
    raise BadData("the schema of the Avro file has a type that is not known here")


def _read_items(schema: Any, is_map: bool, read: Reads, named: dict[str, Any], depth: int) -> Any:
    entries: list[Any] = []
    while count := _read_long(read):
        if count < 0:
            _read_long(read)
        for _ in range(_bounded(abs(count), MAX_ITEMS - len(entries))):
            key = _read_value("string", read, named, depth + 1) if is_map else None
            value = _read_value(schema["values" if is_map else "items"], read, named, depth + 1)
            entries.append((key, value) if is_map else value)
    return dict(entries) if is_map else entries


def _read_long(read: Reads, first: bytes = b"") -> int:
    """A whole number, zigzag, seven bits at a time."""
    value = shift = 0
    while True:
        byte = first or _exactly(read, 1)
        first = b""
        value |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
        if shift > 63:
            raise BadData("the Avro file has a number that cannot be read")


def _bounded(value: int, most: int) -> int:
    if not 0 <= value <= most:
        raise BadData("the Avro file has an impossible length")
    return value


def _exactly(read: Reads, size: int) -> bytes:
    data = read(size)
    if len(data) != size:
        raise BadData("the Avro file breaks off")
    return data
