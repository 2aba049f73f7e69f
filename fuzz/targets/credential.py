"""A file with a proxy or certificate: PEM blocks, certificates, key, and the attributes within."""

from __future__ import annotations

from libprobe.formats import x509

MAX_BYTES = 16 << 10
WORDS = (
    b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\n",
    b"-----END PRIVATE KEY-----\n", b"-----BEGIN RSA PRIVATE KEY-----\n", b"Proc-Type: 4,ENCRYPTED\n",
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", b"-----BEGIN TRUSTED CERTIFICATE-----\n", b"MII", b"AAAA", b"==",
)  # fmt: skip


def read(data: bytes) -> None:
    found = x509.read_credential(data)
    assert found.not_before.tzinfo and found.not_after.tzinfo
    for text in (found.subject, found.issuer, found.identity, found.not_after_of):
        assert isinstance(text, str)
    assert found.key_bits is None or found.key_bits >= 0
    assert found.proxy is None or isinstance(found.proxy, str)


def seeds() -> dict[str, bytes]:
    """Certificates that are made and thrown away here: each time others. No whole private key is kept."""
    import tempfile
    from pathlib import Path

    from tests.federation.authority import Authority

    with tempfile.TemporaryDirectory() as directory:
        authority = Authority(Path(directory))
        certificate = authority.robot.usercert.read_bytes()
        proxies = {
            kind: authority.proxy(kind=kind, bits=1024, with_key=False).read_bytes()
            for kind in ("rfc", "limited", "draft", "legacy")
        }
        delegated = authority.proxy(vos=("ops", "fedcloud.egi.eu"), depth=2, bits=1024, with_key=False).read_bytes()
    key = b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"
    encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"
    return {
        "certificate": certificate,
        "delegated": delegated,
        "bad-key": certificate + key,
        "encrypted": certificate + encrypted,
        **proxies,
    }
