"""From a signer to a CA that we trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from libprobe.clients.anchors import TrustAnchors
from libprobe.failures import BadData, Misconfigured
from libprobe.formats import chains
from tests.federation.authority import Authority

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def look(authority, credential, others=(), *, now=NOW, **options):
    anchors = TrustAnchors(str(authority.ca_directory))
    return chains.verify(credential.certificate, others, anchors.find_trusted, anchors.find_crl, now, **options)


def issued(name: str, issuer=None, *, ca=False, path_length=None, sign=True, digest=None, extension=None, days=30):
    """A certificate with its key, as a Credential is used here. issuer: None for self-signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=60))
        .not_valid_after(NOW + timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    builder = builder.add_extension(
        x509.KeyUsage(not ca, False, False, False, False, bool(ca) and sign, False, False, False), critical=True
    )
    if extension:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(extension), b"\5\0"), True)
    certificate = builder.sign(issuer.key if issuer else key, digest or hashes.SHA256())
    return SimpleNamespace(certificate=certificate, key=key)


def judge(signer, others=(), trusted=(), **options):
    certificates = [each.certificate for each in others]
    anchors = [each.certificate for each in trusted]
    return chains.verify(
        signer.certificate,
        certificates,
        lambda name: [each for each in anchors if each.subject == name],
        lambda issuer: None,
        NOW,
        **options,
    )


def test_a_signer_of_a_trusted_ca_is_accepted(authority):
    signer = authority.host(["appdb.test"])
    assert look(authority, signer) == [signer.certificate, authority.ca_certificate]


def test_certificates_between_may_come_along_in_any_order():
    root = issued("root", ca=True)
    middle = issued("middle", root, ca=True, path_length=1)
    low = issued("low", middle, ca=True)
    signer = issued("signer", low)
    stranger = issued("stranger", ca=True)
    chain = judge(signer, [root, stranger, middle, low], [root])
    assert chain == [each.certificate for each in (signer, low, middle, root)]


@pytest.mark.parametrize("variant", ["expired", "not-yet-valid", "self-signed", "unknown-ca", "revoked"])
def test_a_faulty_signer_is_refused_with_its_fault(authority, variant):
    signer = authority.host_variant(variant, ["appdb.test"])
    why = {
        "expired": r"the certificate /DC=test.*/CN=appdb.test expired 3 d ago",
        "not-yet-valid": r"CN=appdb.test is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC$",
        "self-signed": r"the signer .*/CN=appdb.test is self-signed, and not trusted here",
        "unknown-ca": r"is of a CA that is not trusted here: /DC=test/DC=elsewhere/CN=Unknown Test CA",
        "revoked": r"/CN=appdb.test was revoked on \d{4}-\d\d-\d\d",
    }[variant]
    with pytest.raises(BadData, match=why):
        look(authority, signer)


def test_a_proxy_is_no_signer(authority):
    certificate = x509.load_pem_x509_certificate(authority.proxy().read_bytes())
    with pytest.raises(BadData, match=r"it is signed with the proxy .*; subscribers take no proxies"):
        look(authority, SimpleNamespace(certificate=certificate))


def test_an_expired_crl_is_our_own_fault_and_an_absent_one_no_hindrance(authority):
    signer = authority.host(["appdb.test"])
    path = authority.write_crl(next_update=timedelta(days=-20))
    with pytest.raises(Misconfigured, match=r"the CRL .*\.r0 expired 20 d ago, so .* \(run fetch-crl\)"):
        look(authority, signer)
    path.unlink()
    assert look(authority, signer)


def test_a_crl_of_somebody_else_is_our_own_fault(authority, tmp_path):
    other = Authority(tmp_path / "other")
    (authority.ca_directory / "FedCloudTestCA.crl.pem").write_bytes(
        (other.ca_directory / "FedCloudTestCA.crl.pem").read_bytes()
    )
    with pytest.raises(Misconfigured, match=r"is not signed by /DC=test/DC=fedcloud/CN=FedCloud Test CA"):
        look(authority, authority.host(["appdb.test"]))


def test_a_ca_of_the_same_name_and_another_key_is_not_the_issuer(authority, tmp_path):
    signer = Authority(tmp_path / "other").host(["appdb.test"])
    with pytest.raises(BadData, match="was not made with the key of its CA /DC=test/DC=fedcloud/CN=FedCloud Test CA"):
        look(authority, signer)


def test_a_trusted_ca_that_expired_is_our_own_fault():
    root = issued("root", ca=True, days=-1)
    with pytest.raises(Misconfigured, match=r"the trusted CA /CN=root expired .* ago"):
        judge(issued("signer", root), (), [root])


def test_only_cas_issue_and_only_as_deep_as_they_may():
    root = issued("root", ca=True)
    shallow = issued("shallow", ca=True, path_length=0)
    cases = [
        (issued("x", issued("host", root)), "is of a CA that is not trusted here", []),
    ]
    host, no_constraints, no_sign = (
        issued("host", root),
        issued("none", root, ca=None),
        issued("nosign", root, ca=True, sign=False),
    )
    low = issued("low", shallow, ca=True)
    cases += [
        (issued("x", host), "/CN=host is not a CA's", [host]),
        (issued("x", no_constraints), "/CN=none is not a CA's", [no_constraints]),
        (issued("x", no_sign), r"the CA /CN=nosign may not issue certificates \(key usage\)", [no_sign]),
        (issued("x", low), "the CA /CN=shallow may have 0 CAs below it, and has 1", [low]),
        (issued("x", root, ca=True), r"/CN=x is not for signing \(key usage\)", []),
        (issued("x", root, extension="1.2.3.4"), "critical extension that is not understood: 1.2.3.4", []),
    ]
    for signer, why, others in cases:
        with pytest.raises(BadData, match=why):
            judge(signer, others, [root, shallow])


def test_an_endless_chain_ends():
    chain = [issued("root", ca=True)]
    for number in range(10):
        chain.append(issued(f"ca{number}", chain[-1], ca=True))
    with pytest.raises(BadData, match="is longer than 8 certificates"):
        judge(issued("signer", chain[-1]), chain[1:], chain[:1])
    first, second = issued("loop", ca=True), issued("loop", ca=True)
    with pytest.raises(BadData, match="not trusted here"):
        judge(issued("signer", first), [first, second])
