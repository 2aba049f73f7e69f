"""The CAs and CRLs of this machine."""

from __future__ import annotations

import pytest
from cryptography import x509

from libprobe.clients.anchors import TrustAnchors
from libprobe.failures import Misconfigured
from tests.federation.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


def test_a_directory_is_looked_up_by_hashed_names(authority):
    anchors = TrustAnchors(str(authority.ca_directory))
    ca = authority.ca_certificate
    assert anchors.find_trusted(ca.subject) == [ca]
    assert anchors.find_trusted(authority.host(["a.test"]).certificate.subject) == []
    found = anchors.find_crl(ca)
    assert found.crl.issuer == ca.subject
    assert found.path.endswith(".r0")


def test_a_ca_without_a_crl_has_none(authority, tmp_path):
    for path in authority.ca_directory.glob("????????.0"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert TrustAnchors(str(tmp_path)).find_crl(authority.ca_certificate) is None


def test_a_bundle_is_looked_through(authority):
    anchors = TrustAnchors(str(authority.ca_directory / "FedCloudTestCA.pem"))
    assert anchors.find_trusted(authority.ca_certificate.subject) == [authority.ca_certificate]
    assert anchors.find_crl(authority.ca_certificate) is None


def test_a_ca_of_a_bundle_is_found_by_its_name_in_whatever_case_it_is_written(authority):
    anchors = TrustAnchors(str(authority.ca_directory / "FedCloudTestCA.pem"))
    ca = authority.ca_certificate
    loud = x509.Name([x509.NameAttribute(each.oid, str(each.value).upper()) for each in ca.subject])
    assert loud != ca.subject
    assert anchors.find_by_name(ca.subject.public_bytes()) == anchors.find_by_name(loud.public_bytes()) == [ca]
    assert anchors.find_by_name(authority.host(["a.test"]).certificate.subject.public_bytes()) == []
    assert TrustAnchors(str(authority.ca_directory)).find_by_name(ca.subject.public_bytes()) == []


def test_several_cas_of_one_hash_are_all_found(authority, tmp_path):
    other = Authority(tmp_path / "other")
    for path in authority.ca_directory.glob("????????.0"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / path.name).with_suffix(".1").write_bytes(other.ca_directory.joinpath(path.name).read_bytes())
    found = TrustAnchors(str(tmp_path)).find_trusted(authority.ca_certificate.subject)
    assert found == [authority.ca_certificate, other.ca_certificate]


def test_a_system_without_a_grid_directory_has_its_own_bundle():
    assert TrustAnchors(None).path


def test_what_is_no_ca_directory_or_bundle_is_our_own_fault(authority, tmp_path):
    with pytest.raises(Misconfigured, match=r"CA directory .* holds no CA certificates"):
        TrustAnchors(str(tmp_path))
    with pytest.raises(Misconfigured, match=r"CA path .*/absent does not exist"):
        TrustAnchors(str(tmp_path / "absent"))
    (tmp_path / "large").write_bytes(b" " * ((4 << 20) + 1))
    with pytest.raises(Misconfigured, match=rf"^{tmp_path}/large is larger than 4194304 bytes"):
        TrustAnchors(str(tmp_path / "large"))
    (tmp_path / "garbage").write_text("garbage")
    with pytest.raises(Misconfigured, match=r"CA bundle .*/garbage cannot be read as PEM"):
        TrustAnchors(str(tmp_path / "garbage"))


@pytest.mark.parametrize("suffix", [".0", ".r0"])
@pytest.mark.parametrize("content", [b"garbage", b"-----BEGIN CERTIFICATE-----\n", b"x" * (9 << 20)])
def test_a_broken_file_is_our_own_fault_and_named(authority, tmp_path, suffix, content):
    for path in authority.ca_directory.glob("????????.*0"):
        (tmp_path / path.name).write_bytes(content if path.name[8:] == suffix else path.read_bytes())
    anchors = TrustAnchors(str(tmp_path))
    with pytest.raises(Misconfigured, match=rf"/[0-9a-f]{{8}}\{suffix} (cannot be read|is larger than)"):
        if suffix == ".0":
            anchors.find_trusted(authority.ca_certificate.subject)
        else:
            anchors.find_crl(authority.ca_certificate)
