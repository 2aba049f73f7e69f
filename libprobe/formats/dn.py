"""Distinguished names in the slash form that grid tools and the GOCDB's HOSTDN use.

`/C=KR/O=KISTI/O=GRID/CN=80864141 Sangwan Kim`: most significant part first, as OpenSSL's
X509_NAME_oneline prints it. A slash inside a value makes the form ambiguous, so use it to show names
and compare encoded names where that is possible.
"""

from __future__ import annotations

from collections.abc import Iterable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.x509 import Name

SHORT_NAMES = {
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
}
"""Attribute types by object identifier, in OpenSSL's spelling (RFC 4519, RFC 2985)."""


def slash_form(name: Name) -> str:
    """Return a `cryptography` name in slash form.

    Raises: ValueError, from the library, for an attribute that it cannot decode.
    """
    return joined((attribute.oid.dotted_string, attribute.value) for rdn in name.rdns for attribute in rdn)


def joined(attributes: Iterable[tuple[str, str | bytes]]) -> str:
    """Return pairs of object identifier and value, most significant first, in slash form.

    A type without a short name keeps its dotted number; control characters become `\\xHH`.
    """
    return "".join(f"/{SHORT_NAMES.get(oid, oid)}={_shown(value)}" for oid, value in attributes)


def _shown(value: str | bytes) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return "".join(f"\\x{byte:02X}" for byte in char.encode("utf-8", "replace"))
