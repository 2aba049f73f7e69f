"""VOMS attribute certificates, and the DER reader below them."""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats import der, subject_hash, voms

MAX_BYTES = 4 << 10
WORDS = (
    b"\x30\x82", b"\x06\x0a\x2b\x06\x01\x04\x01\xbe\x45\x64\x64\x04", b"\x04\x0a/ops/Role=", b"\xa0\x0a", b"\xa4\x0a",
    b"\x86\x05ops://", b"\x18\x0f20261125120000Z", b"\x03\x01\x00", b"\x31\x08", b"\x0c\x04", b"/Capability=NULL",
    b"\x1e\x02", b"\x1c\x04", b"\x1f\x81", b"\x84\xff\xff\xff\xff",
)  # fmt: skip


def read(data: bytes) -> None:
    failure: BadData | None = None
    try:
        for found in voms.read_attribute_certificates(data):
            assert found.vo.isprintable() and all(fqan.startswith("/") for fqan in found.fqans)
            assert len(found.plain_fqans) == len(found.fqans)
            assert found.not_before.tzinfo and found.not_after.tzinfo
    except BadData as bad:
        failure = bad
    try:
        subject_hash.subject_hash(data)
    except BadData as bad:
        failure = bad
    try:
        _walk(der.read(data), 6)
    except BadData as bad:
        failure = bad
    if failure:
        raise failure


def _walk(element: der.DerElement, depth: int) -> None:
    for reader in (element.text, element.oid, element.time):
        try:
            reader()
        except BadData:
            pass
    if depth and element.tag & 0x20:
        for child in element.children()[:50]:
            _walk(child, depth - 1)


def seeds() -> dict[str, bytes]:
    from tests.formats.test_voms import ISSUER, certificate, name, sequence, tlv

    return {
        "one": sequence(sequence(certificate())),
        "two": sequence(sequence(certificate(), certificate(["/ops"], None))),
        "old": sequence(certificate(issuer=ISSUER)),
        "name": name(("0603550403", "A  b"), ("060355040a", "Example")),
        "types": sequence(
            tlv(0x1E, b"\0a"), tlv(0x14, b"\xe9"), tlv(0x06, b"\x2a\x86\x48"), tlv(0x18, b"20261125120000Z")
        ),
    }
