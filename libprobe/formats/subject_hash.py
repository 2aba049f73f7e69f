"""The file names of a CA directory: OpenSSL's hash of a distinguished name.

SHA-1 over the canonical encoding of the name: every string as UTF8String in lower case, outer blanks cut and
inner runs made one, the RDNs without the SEQUENCE around them (OpenSSL, x_name.c: x509_name_canon).
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from libprobe.failures import BadData
from libprobe.formats import der
from libprobe.formats.der import DerElement
from libprobe.text import number_of

_STRINGS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_UPPER = re.compile(r"[A-Z]+")
_KEPT, _MAX_KEPT_BYTES = 64, 1024
"""Names whose form is kept: a check over TLS asks for those of the same few CAs six times. A longer one is not kept."""
_BLANKS = re.compile(r"[ \t\n\v\f\r]+")


def subject_hash(name: bytes) -> str:
    """Return the hash of a DER-encoded name as eight hexadecimal digits. Raises: BadData."""
    digest = hashlib.sha1(canonical(name), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def canonical(name: bytes) -> bytes:
    """Return a DER-encoded name in the form in which two that mean the same are equal. Raises: BadData."""
    return (_kept_form if len(name) <= _MAX_KEPT_BYTES else _form)(name)


def _form(name: bytes) -> bytes:
    encoding = b""
    for rdn in der.read(name).expect(der.SEQUENCE).children():
        parts = [_canonical(attribute) for attribute in rdn.expect(der.SET).children()]
        encoding += der.encode(der.SET, b"".join(sorted(parts)))
    return encoding


_kept_form = lru_cache(_KEPT)(_form)


def _canonical(attribute: DerElement) -> bytes:
    parts = attribute.expect(der.SEQUENCE).children()
    if len(parts) != 2:
        raise BadData(f"an attribute of a name with {number_of(len(parts), 'part')}")
    kind, value = parts
    encoded = der.encode(value.tag, value.value)
    if value.tag in _STRINGS:
        text = _BLANKS.sub(" ", value.text().strip(" \t\n\v\f\r"))
        # only ASCII letters are folded
        encoded = der.encode(der.UTF8_STRING, _UPPER.sub(lambda found: found[0].lower(), text).encode())
    return der.encode(der.SEQUENCE, der.encode(kind.tag, kind.value) + encoded)
