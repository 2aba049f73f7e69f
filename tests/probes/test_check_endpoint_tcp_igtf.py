"""check_endpoint_tcp --tls --igtf: whose certificate is one of the IGTF's, by the files of its distribution."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization

from tests.conftest import Report
from tests.federation.authority import Authority, Issuer, slash_form, subject_hash
from tests.probes.test_check_endpoint_tcp import (  # noqa: F401 - fixtures
    SECONDS,
    anonymous,
    greeted,
    listener,
    port,
    wanting,
)

WHERE = r"localhost:\d+ \(127\.0\.0\.1\)"
HOST = "/DC=test/DC=fedcloud/O=Hosts/CN=localhost"
CA = "FedCloudTestCA"


class Directory:
    """A CA directory as the IGTF's packages make it, that of a monitor of its own."""

    def __init__(self, authority: Authority, path: Path) -> None:
        self.authority = authority
        self.path = path
        shutil.copytree(authority.ca_directory, path, symlinks=True)

    def file(self, suffix: str, alias: str = CA) -> Path:
        return self.path / f"{alias}.{suffix}"

    def change(self, suffix: str, old: str, new: str) -> None:
        text = self.file(suffix).read_text()
        assert old in text
        self.file(suffix).write_text(text.replace(old, new))

    def add(self, issuer: Issuer, alias: str, patterns: str) -> None:
        """A CA below the root, as a package of its own."""
        subject = slash_form(issuer.certificate.subject)
        texts = {
            "pem": issuer.certificate.public_bytes(serialization.Encoding.PEM).decode(),
            "signing_policy": (
                f"# EACL of {alias}\n\n access_id_CA\tX509\t'{subject}'\n pos_rights\tglobus\tCA:sign\n"
                f" cond_subjects\tglobus\t'{patterns}'\n"
            ),
            "info": (
                f"#\n# {alias}\n#\nalias = {alias}\nrequires = {CA} = 1.0, \\\n    other = 1.0\n"
                f"status = accredited:classic\nversion = 1.133\n"
                f"sha1fp.0 = {issuer.certificate.fingerprint(hashes.SHA1()).hex(':').upper()}\n"
                f'subjectdn = "{subject}"\n'
            ),
        }
        for suffix, text in texts.items():
            self.file(suffix, alias).write_text(text)
        hashed = subject_hash(issuer.certificate.subject)
        (self.path / f"{hashed}.0").symlink_to(f"{alias}.pem")
        (self.path / f"{hashed}.signing_policy").symlink_to(f"{alias}.signing_policy")


@pytest.fixture
def directory(monitor, tmp_path) -> Directory:
    return Directory(monitor.federation.authority, tmp_path / "certificates")


@pytest.fixture
def look(greeted, directory):  # noqa: F811
    """Look at a server, by the files of that directory."""

    def run(*words: object, issuer: str | Issuer = "ca", **more: object) -> Report:
        credential = directory.authority.host(["localhost"], issuer=issuer)
        return greeted(credential, "--igtf", "--ca-path", directory.path, *words, **more)

    return run


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect("Endpoint-TCP", code, pattern)


def test_the_ca_and_how_long_the_certificate_lives_are_told(look):
    report = look("-v")
    expect(
        report,
        0,
        rf"{WHERE} accepts connections after {SECONDS}, certificate valid for 36\d d, of {CA} \(IGTF classic\)",
    )
    assert list(report.performance) == ["certificate_lifetime", "connect_time", "handshake_time", "resolve_time"]
    assert f"IGTF: {CA} (accredited:classic, 1.0) may sign {HOST}" in report.lines


@pytest.mark.parametrize("status", ["discontinued", "experimental", "unaccredited", "worthless"])
def test_a_ca_that_is_not_accredited_is_critical(look, directory, status):
    directory.change("info", "accredited:classic", status)
    expect(
        look(),
        2,
        rf"certificate of a CA that the IGTF does not accredit \({CA}, {status}\) on {WHERE} "
        r"\(get one of an accredited CA\)",
    )


def test_a_ca_for_identifiers_only_is_a_warning(look, directory):
    directory.change("info", "accredited:classic", "accredited:iota")
    expect(
        look(),
        1,
        rf"certificate of a CA that the IGTF accredits for identifiers only \({CA}, accredited:iota\) on {WHERE}; "
        r"many services refuse it \(get one of a classic CA\)",
    )


def test_a_ca_that_is_trusted_and_none_of_the_igtfs_is_critical(look, directory):
    directory.add(directory.authority.intermediate("Other CA"), "OtherCA", '"/DC=test/*"')
    directory.file("info").unlink()
    ca = slash_form(directory.authority.ca_certificate.subject)
    report = look("-v")
    expect(
        report,
        2,
        rf"certificate of a CA that is not in the IGTF on {WHERE}; its CA is {ca} \(get one of an accredited CA\)",
    )
    assert (
        f"its CA has no .info file in {directory.path}; if it is accredited, update this monitor's trust anchors"
        in report.lines
    )


def test_a_ca_between_that_the_igtf_does_not_distribute_is_critical(look, directory):
    middle = directory.authority.intermediate("Issuing CA")
    expect(
        look(issuer=middle),
        2,
        rf"certificate of a CA that is not in the IGTF on {WHERE}; its CA is /DC=test/DC=fedcloud/CN=Issuing CA "
        r"\(get one of an accredited CA\)",
    )


def test_the_whole_chain_is_judged(look, directory):
    middle = directory.authority.intermediate("Issuing CA")
    directory.add(middle, "IssuingCA", '"/DC=test/DC=nobody/*" "/DC=test/DC=fedcloud/O=Hosts/*"')
    report = look("-v", issuer=middle)
    expect(report, 0, rf"{WHERE} .*, certificate valid for 36\d d, of IssuingCA \(IGTF classic\)")
    assert f"IGTF: IssuingCA (accredited:classic, 1.133) may sign {HOST}" in report.lines
    assert f"IGTF: {CA} (accredited:classic, 1.0) may sign /DC=test/DC=fedcloud/CN=Issuing CA" in report.lines
    directory.change("signing_policy", "/DC=test/DC=fedcloud/*", "/DC=test/DC=fedcloud/O=People/*")
    expect(
        look(issuer=middle),
        2,
        rf"certificate name not permitted to CA {CA} on {WHERE}; its signing policy permits "
        r"/DC=test/DC=fedcloud/O=People/\*, not /DC=test/DC=fedcloud/CN=Issuing CA "
        r"\(get a certificate under a name that the CA may give\)",
    )


def test_a_name_that_the_signing_policy_forbids_is_critical(look, directory):
    directory.change("signing_policy", "/DC=test/DC=fedcloud/*", "/DC=test/DC=fedclou?/O=People/*")
    expect(
        look(),
        2,
        rf"certificate name not permitted to CA {CA} on {WHERE}; its signing policy permits "
        rf"/DC=test/DC=fedclou\?/O=People/\*, not {HOST} \(get a certificate under a name that the CA may give\)",
    )


def test_of_many_names_that_a_ca_may_give_three_are_told(look, directory):
    several = " ".join(f'"/DC=test/O={letter}/*"' for letter in "ABCDE")
    directory.add(directory.authority.intermediate("Many CA"), "ManyCA", several)
    text = directory.file("signing_policy", "ManyCA").read_text()
    ca = slash_form(directory.authority.ca_certificate.subject)
    directory.file("signing_policy").write_text(text.replace("/DC=test/DC=fedcloud/CN=Many CA", ca))
    expect(
        look(),
        2,
        rf"certificate name not permitted to CA {CA} on {WHERE}; its signing policy permits "
        rf"/DC=test/O=A/\*, /DC=test/O=B/\*, /DC=test/O=C/\* and 2 more, not {HOST} "
        r"\(get a certificate under a name that the CA may give\)",
    )


def test_a_signing_policy_that_is_missing_is_our_own_fault(look, directory):
    directory.file("signing_policy").unlink()
    for path in directory.path.glob("*.signing_policy"):
        path.unlink()
    expect(
        look(),
        3,
        rf"no signing policy of {CA} in {directory.path}; whether it may sign {HOST} is unknown "
        r"\(install the trust anchors of the IGTF whole\)",
    )


@pytest.mark.parametrize(
    ("suffix", "text", "said"),
    [
        (
            "signing_policy",
            "this is no policy\n",
            r"\S+\.signing_policy: line 1 is no part of a signing policy: this .*",
        ),
        ("info", "# nothing\n", r"\S+\.info: it names no alias \(.*"),
        ("info", "alias = X\nsha1fp.0 = 00:11\n", r"\S+\.info is of another certificate than \S+\.0 \(.*"),
    ],
)
def test_a_file_that_cannot_be_used_is_our_own_fault(look, directory, suffix, text, said):
    directory.file(suffix).write_text(text)
    expect(look(), 3, said)


def test_files_that_are_no_links_are_found_by_the_fingerprint(look, directory):
    """As where they were copied from another machine."""
    for path in directory.path.iterdir():
        if path.is_symlink():
            data = path.read_bytes()
            path.unlink()
            path.write_bytes(data)
    expect(look(), 0, rf".*, of {CA} \(IGTF classic\)")


def test_a_directory_without_the_igtfs_files_says_nothing_of_a_site(look, directory, tmp_path):
    bundle = directory.file("pem")
    directory.file("info").unlink()
    report = look()
    expect(
        report,
        3,
        rf"CA directory {directory.path} has no \.info files, so none of the IGTF's \(install the trust anchors of the "
        r"IGTF, or name their directory with --ca-path\)",
    )
    other = tmp_path / "bundle.pem"
    shutil.copy(bundle, other)
    expect(look("--ca-path", other), 3, rf"{other} is no CA directory, so the IGTF's \.info files are not there \(.*")


def test_a_server_that_refuses_us_is_judged_where_it_shows_its_certificate(look, directory, anonymous):  # noqa: F811
    report = look(settings=wanting(directory.authority), **anonymous)
    expect(report, 0, rf".*, of {CA} \(IGTF classic\), and wants a client certificate")
    directory.change("info", "accredited:classic", "discontinued")
    expect(
        look(settings=wanting(directory.authority), **anonymous),
        2,
        rf"certificate of a CA that the IGTF does not accredit \({CA}, discontinued\) on {WHERE} "
        r"\(get one of an accredited CA\)",
    )


def test_igtf_without_a_handshake_is_refused(probe):
    report = probe("check_endpoint_tcp", "-H", "localhost", "-p", 1, "--igtf")
    assert (report.code, report.first) == (
        3,
        "Endpoint-TCP UNKNOWN - usage: --igtf has no effect without --tls or --tls-by-scheme "
        "(see check_endpoint_tcp --help)",
    )


def test_without_it_nothing_of_the_igtf_is_read(monitor, greeted, tmp_path):  # noqa: F811
    authority = monitor.federation.authority
    bare = authority.directory_with(tmp_path / "bare", authority.crl())
    assert not [name for name in os.listdir(bare) if name.endswith(".info")]
    report = greeted(authority.host(["localhost"]), "--ca-path", bare)
    assert (report.code, re.search("IGTF", report.out)) == (0, None)
