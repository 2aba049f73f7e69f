"""CMS signatures: those of real tools fit, all others are refused with their reason."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import cms, smime
from tests.federation.authority import Authority
from tests.formats.signing import signed

CONTENT = b'{"hv:imagelist": {}}\r\n'


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def elliptic(authority):
    return authority.host(["ec.test"])


@pytest.fixture(scope="module")
def classic(authority):
    return authority.host(["rsa.test"], key=rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def signature(elliptic):
    return signed(CONTENT, elliptic)


def verify(data: bytes, candidates=(CONTENT,), **options):
    return cms.verify(data, candidates, **options)


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("kind", ["elliptic", "classic"])
@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize("attributes", [True, False])
def test_a_good_signature_is_accepted(request, kind, digest, detached, attributes):
    signer = request.getfixturevalue(kind)
    data = signed(CONTENT, signer, digest=digest, detached=detached, attributes=attributes)
    found = verify(data, [CONTENT] if detached else None)
    assert (found.signer, found.content, found.digest) == (signer.certificate, CONTENT, digest)
    assert found.signing_time == (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) if attributes else None)


def test_pss_and_a_signer_named_by_key_are_accepted(classic):
    assert verify(signed(CONTENT, classic, scheme="rsassa_pss")).signer == classic.certificate
    assert verify(signed(CONTENT, classic, by_key_identifier=True)).signer == classic.certificate


def test_the_rendering_that_was_signed_is_the_one_returned(elliptic):
    assert verify(signed(CONTENT, elliptic), [b"other", CONTENT, b"more"]).content == CONTENT


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"digest_of": b"other"}, "the document was changed after it was signed"),
        ({"content_type": "signed_data"}, "of another type of content"),
        ({"signers": 2}, "the document has 2 signatures; one is expected"),
        ({"signers": 0}, "the document has 0 signatures; one is expected"),
        ({"certificates": []}, "does not carry the certificate of its signer"),
        ({"repeat_digest": True}, "does not have exactly one signed attribute message_digest"),
        ({"digest": "md5", "scheme": "rsassa_pkcs1v15"}, "signed with the hash 'md5', which is not accepted"),
        ({"digest": "sha1"}, "signed with SHA1, which can be forged"),
        ({"named_digest": "sha512", "scheme": "sha256_rsa", "attributes": False}, "two hashes, sha512 and sha256"),
        ({"scheme": "sha256_ecdsa"}, "signed with ecdsa, which does not go with the key of /DC=test"),
        ({"detached": False}, "two documents"),
    ],
)  # fmt: skip
def test_a_bad_signature_is_refused_with_its_reason(classic, options, why):
    with pytest.raises(BadData, match=why):
        verify(signed(CONTENT, classic, **options))


def test_sha1_is_accepted_only_where_that_is_asked_for(classic):
    assert verify(signed(CONTENT, classic, digest="sha1"), allow_sha1=True).digest == "sha1"
    with pytest.raises(BadData) as caught:
        verify(signed(CONTENT, classic, digest="sha1"))
    assert caught.value.remedy == "accept it with --allow-sha1"
    with pytest.raises(BadData):
        verify(signed(CONTENT, classic, digest="md5"), allow_sha1=True)


@pytest.mark.parametrize("attributes", [True, False])
def test_the_signature_of_another_key_is_refused(authority, elliptic, attributes):
    class Impostor:
        certificate = elliptic.certificate
        key = ec.generate_private_key(ec.SECP256R1())

    why = "not made with the key of /DC=test/DC=fedcloud/O=Hosts/CN=ec.test" if attributes else "does not fit the doc"
    with pytest.raises(BadData, match=why):
        verify(signed(CONTENT, Impostor, attributes=attributes))


def test_a_changed_document_is_refused(elliptic):
    for attributes in (True, False):
        with pytest.raises(BadData, match="document"):
            verify(signed(CONTENT, elliptic, attributes=attributes), [CONTENT + b"x"])


def test_a_structure_of_another_kind_is_named(elliptic):
    from asn1crypto import cms as asn1

    with pytest.raises(BadData, match="the CMS structure is data, not signed_data"):
        verify(asn1.ContentInfo({"content_type": "data", "content": b"x"}).dump())
    with pytest.raises(BadData, match="a signature and no document"):
        verify(signed(CONTENT, elliptic), None)
    with pytest.raises(BadData, match="a signature and no document"):
        cms.content(signed(CONTENT, elliptic))
    assert cms.content(signed(CONTENT, elliptic, detached=False)) == CONTENT


@pytest.mark.parametrize(
    "data", [b"", b"0", b"0\x80" * 5000, b"\x30\x84\xff\xff\xff\xff", b"0\x82\x10\x00" + b"\0" * 40]
)
def test_what_is_no_cms_is_bad_data(data):
    with pytest.raises(BadData):
        verify(data)
    with pytest.raises(BadData):
        cms.content(data)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_flipped_byte_is_accepted_or_crashes(signature, data):
    whole = bytearray(signature)
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        found = verify(bytes(whole))
    except BadData:
        return
    assert found.content == CONTENT  # bytes that are not signed, such as the version, may differ


@given(st.binary(max_size=200))
def test_nothing_but_bad_data_comes_of_bytes(data):
    with pytest.raises(BadData):
        verify(data)


# ---- what OpenSSL writes


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-nodetach"],
        ["-nodetach", "-outform", "DER"],
        ["-nodetach", "-outform", "PEM"],
        ["-text"],
        ["-md", "sha512"],
        ["-noattr"],
        ["-nosmimecap"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("text", [b'{\n "a": 1\n}\n', b'{"hv:imagelist": {"a": 1}}', b'{\r\n "a": 1\r\n}\r\n'])
@pytest.mark.parametrize("kind", ["elliptic", "classic"])
def test_what_openssl_signs_is_accepted(request, tmp_path: Path, kind, options, text):
    signer = request.getfixturevalue(kind)
    (tmp_path / "list").write_bytes(text)
    command = ["openssl", "smime", "-sign", "-signer", signer.path, "-in", tmp_path / "list", *options]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    envelope = smime.open_envelope(data)
    candidates = [envelope.content, smime.canonical(envelope.content)] if envelope.kind == "clear-signed" else None
    found = verify(envelope.signature, candidates)
    assert found.signer == signer.certificate
    assert smime.without_text_header(found.content).replace(b"\r\n", b"\n") == text.replace(b"\r\n", b"\n")
    if envelope.kind == "clear-signed":  # a copy with other line ends fits as well
        copy = smime.open_envelope(data.replace(b"\r\n", b"\n"))
        assert verify(copy.signature, [copy.content, smime.canonical(copy.content)]).signer == signer.certificate
