"""A signature in CMS, and the chain of its signer; the structure's own roots are the ones that are trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz import judged
from libprobe.failures import BadData
from libprobe.formats import chains, cms, dn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.x509 import Certificate, Name

MAX_BYTES = 16 << 10
CONTENT = b'{"hv:imagelist": {}}\r\n'
WORDS = (
    b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02", b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01",
    b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01", b"\x06\x05\x2b\x0e\x03\x02\x1a", b"\x30\x80", b"\x00\x00",
    b"\xa0\x82", b"\x31\x82", b"\x30\x82", b"\x24\x80", b"\x04\x82", b"\x55\x1d\x13", b"\x55\x1d\x0f", b"\xff" * 4,
)  # fmt: skip


def read(data: bytes) -> None:
    failure: BadData | None = None
    try:
        cms.content(data)
    except BadData as bad:
        failure = bad
    for candidates in ([CONTENT], None):
        try:
            found = cms.verify(data, candidates, allow_sha1=True)
        except BadData as bad:
            failure = bad
            continue
        assert candidates is None or found.content == CONTENT, "accepted for what was not signed"
        for roots in (found.certificates, ()):
            try:
                chain = chains.verify(found.signer, found.certificates, _of(roots), lambda _: None, judged.NOW)
            except BadData as bad:
                failure = bad
            else:
                assert all(dn.slash_form(each.subject) for each in chain)
    if failure:
        raise failure


def _of(roots: Sequence[Certificate]) -> Callable[[Name], list[Certificate]]:
    """As the CA directory would answer that holds the self-signed ones of these."""
    return lambda name: [each for each in roots if each.subject == name and each.issuer == name]


def seeds() -> dict[str, bytes]:
    """Signed with keys that are made and thrown away here: each time others."""
    import tempfile
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa

    from tests.federation.authority import Authority
    from tests.formats.signing import signed

    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        elliptic = authority.host(["ec.test"])
        classic = authority.host(["rsa.test"], key=rsa.generate_private_key(65537, 1024))
    root = authority.ca_certificate
    return {
        "detached": signed(CONTENT, elliptic),
        "chain": signed(CONTENT, elliptic, certificates=[elliptic.certificate, root]),
        "opaque": signed(CONTENT, elliptic, detached=False, attributes=False),
        "by-key": signed(CONTENT, elliptic, by_key_identifier=True),
        "rsa": signed(CONTENT, classic),
        "pss": signed(CONTENT, classic, scheme="rsassa_pss"),
        "sha1": signed(CONTENT, classic, digest="sha1"),
    }
