"""check_credential as an operator's Nagios runs it, on proxies, certificates and tokens of the monitor itself."""

from __future__ import annotations

import os
import re
import time
from argparse import Namespace
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from libprobe.checks.credential import OwnCertificate
from libprobe.deadline import Deadline
from libprobe.failures import UNKNOWN, OwnMachine
from tests import planted
from tests.conftest import Probe, Report
from tests.federation.authority import Authority, subject_hash
from tests.federation.keystone import ISSUER
from tests.federation.web import Request, Response, WebServer
from tests.probes.test_access_tokens import Agent, agent  # noqa: F401

PROBE = "check_credential"
ROBOT = "/DC=test/DC=fedcloud/O=People/CN=Robot - cloudmon"


@pytest.fixture
def authority(federation) -> Authority:
    return federation.authority


class Look:
    """Runs it on what the arguments name, or on a proxy made as told."""

    def __init__(self, probe: Probe, authority: Authority, directory: Path) -> None:
        self._probe = probe
        self._authority = authority
        self._directory = directory

    def __call__(self, *arguments: object, **environment: object) -> Report:
        return self._probe(PROBE, *arguments, **{"X509_USER_PROXY": "", **environment})

    def at_proxy(self, *arguments: object, **how: object) -> Report:
        path = self._authority.proxy(path=self._directory / "x509up", **how)  # type: ignore[arg-type]
        return self("--cert", path, "--ca-path", self._authority.ca_directory, *arguments)


@pytest.fixture
def look(probe: Probe, authority: Authority, tmp_path: Path) -> Look:
    return Look(probe, authority, tmp_path)


def begins(tmp_path: Path, status: str) -> str:
    return f"Credential {status} - {tmp_path}/x509up: "


def path_of(tmp_path: Path) -> str:
    """As it stands in a sentence, for a regular expression."""
    return re.escape(f" in {tmp_path}/x509up")


# ---- proxies


def test_a_fresh_proxy_is_ok_with_all_that_it_depends_on(look, tmp_path):
    report = look.at_proxy("--vo", "ops")
    assert re.fullmatch(
        rf"Credential OK - {tmp_path}/x509up: rfc proxy of {ROBOT}, valid for 12 h, certificate valid for \d+ d, "
        r"attributes of ops for 12 h, 2 CRLs, 0 of them expired",
        report.first,
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == ["attributes_lifetime", "certificate_lifetime", "crl_age", "proxy_lifetime"]
    assert re.fullmatch(r"43[12]\d\ds;7200:;1800:", report.performance["proxy_lifetime"])
    assert re.fullmatch(r"[\d.]+s;259200;;0", report.performance["crl_age"])


def test_without_options_it_looks_at_what_the_other_probes_would_present(look, authority, tmp_path):
    report = look(X509_USER_PROXY=authority.proxy(path=tmp_path / "x509up"))
    assert report.code == 0
    assert f" rfc proxy of {ROBOT}, valid for " in report.first


def test_v_shows_every_certificate_and_the_attributes(look, tmp_path):
    lines = look.at_proxy("-v", fqans=["/ops", "/ops/Role=lcgadmin"]).lines
    assert re.fullmatch(rf"rfc: {ROBOT}/CN=\d+, valid until [-\d]+ [:\d]+ UTC", lines[0])
    assert re.fullmatch(rf"end entity: {ROBOT}, valid until [-\d]+ [:\d]+ UTC", lines[1])
    assert lines[2] == "private key of 2048 bits"
    assert re.fullmatch(r"attributes: VO ops of /DC=\S+, valid until .* UTC: /ops, /ops/Role=lcgadmin", lines[3])


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (
            {"lifetime": timedelta(minutes=90)},
            1,
            r"proxy ends in 90 minPATH \(limit 2h:\); VOMS attributes end in 90 min \(limit 2h:\)",
        ),
        (
            {"lifetime": timedelta(minutes=20)},
            2,
            r"proxy ends in 20 minPATH \(limit 30m:\); VOMS attributes end in 20 min \(limit 30m:\)",
        ),
        (
            {"lifetime": timedelta(hours=-3)},
            2,
            r"proxy expired 3 h agoPATH \(limit 30m:\); VOMS attributes expired 3 h ago \(limit 30m:\)",
        ),
        ({"ac_lifetime": timedelta(minutes=20)}, 2, r"VOMS attributes end in 20 minPATH \(limit 30m:\)"),
        ({"not_before_skew": timedelta(hours=-2)}, 2, r"not valid before \S+ \S+ UTC: \S+/x509up.*"),
        ({"mode": 0o644}, 2, r".*"),
    ],
)
def test_what_ends_or_is_not_valid_is_told_in_time(look, tmp_path, how, code, said):
    report = look.at_proxy(**how)
    assert report.code == code, report.out
    if "mode" in how:
        said = re.escape(f"proxy or certificate {tmp_path}/x509up is open to others (mode 0644) ")
        assert re.fullmatch(rf"Credential CRITICAL - {said}\(chmod 600 .*\)", report.first)
    else:
        status = "WARNING" if code == 1 else "CRITICAL"
        assert re.fullmatch(f"Credential {status} - " + said.replace("PATH", path_of(tmp_path)), report.first), (
            report.out
        )


def test_limits_are_the_operators(look, tmp_path):
    report = look.at_proxy("-w", "20h:", "-c", "15h:")
    assert report.first == (
        f"Credential CRITICAL - proxy ends in 12 h in {tmp_path}/x509up (limit 15h:); "
        "VOMS attributes end in 12 h (limit 15h:)"
    )
    report = look.at_proxy("--long-lived", "500d:,")
    assert (report.code, report.first.partition(" ends in ")[0]) == (1, "Credential WARNING - certificate")


@pytest.mark.parametrize(
    ("arguments", "how", "said"),
    [
        (["--vo", "ops"], {"vos": ["other.example"]}, "no VOMS attributes of ops, only of other.example,"),
        (["--vo", "ops"], {"vos": []}, "no VOMS attributes"),
        (["--fqan", "/ops/Role=lcgadmin"], {}, "no VOMS attribute /ops/Role=lcgadmin"),
    ],
)
def test_what_the_probes_need_of_it_is_critical_where_it_lacks(look, tmp_path, arguments, how, said):
    report = look.at_proxy(*arguments, **how)
    assert report.code == 2
    assert report.first.startswith(f"Credential CRITICAL - {said} in {tmp_path}/x509up")


def test_of_several_vos_the_attributes_that_are_asked_for_count(look, tmp_path):
    two = {"vos": ["ops", "other.example"], "ac_lifetime": {"other.example": timedelta(minutes=20)}}
    report = look.at_proxy("--vo", "ops", **two)
    assert (report.code, report.err) == (0, ""), report.out
    assert ", attributes of ops for 12 h, " in report.first
    assert re.fullmatch(r"43[12]\d\ds;7200:;1800:", report.performance["attributes_lifetime"])
    any_of_them = look.at_proxy(**two)
    assert any_of_them.code == 2
    assert any_of_them.first == (
        f"Credential CRITICAL - VOMS attributes end in 20 min in {tmp_path}/x509up (limit 30m:)"
    )


def test_attributes_that_are_not_valid_yet_are_critical(look, tmp_path):
    report = look.at_proxy(ac_begin=timedelta(hours=2))
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        rf"Credential CRITICAL - VOMS attributes of ops not valid before \d{{4}}-\d\d-\d\d \d\d:\d\d UTC"
        rf"{path_of(tmp_path)} \(set the clock of this machine, or of the VOMS server\)",
        report.first,
    ), report.first


def test_without_the_end_entitys_certificate_it_is_a_warning(look, tmp_path):
    report = look.at_proxy(with_chain=False)
    assert (report.code, report.first) == (
        1,
        f"Credential WARNING - no end entity certificate, which Keystone needs, in {tmp_path}/x509up",
    )


def test_a_proxy_that_was_made_with_another_key_than_that_of_its_certificate_is_critical(look, authority, tmp_path):
    """By their names alone the two fit: somebody renewed the certificate and put it behind the old proxy."""
    path = authority.proxy(path=tmp_path / "x509up", user=authority.user("Robot - renewed"))
    again = authority.renewed("Robot - renewed")
    *before, _ = re.split("(?=-----BEGIN CERTIFICATE)", path.read_text())
    path.write_text("".join(before) + again.certificate.public_bytes(Encoding.PEM).decode())
    report = look("--cert", path, "--ca-path", authority.ca_directory)
    assert report.code == 2, report.out
    assert report.first == (
        f"Credential CRITICAL - proxy not made with the key of the certificate beside it in {tmp_path}/x509up "
        "(make a new one)"
    )
    who = "/DC=test/DC=fedcloud/O=People/CN=Robot - renewed"
    told = look("--cert", path, "--ca-path", authority.ca_directory, "-v").lines
    assert any(re.fullmatch(rf"proxy: {who}/CN=\d+; certificate: {who}", line) for line in told), told


def test_a_ca_bundle_that_cannot_be_read_is_told(look, authority, tmp_path):
    path = authority.proxy(path=tmp_path / "x509up")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.ca_certificate.public_bytes(Encoding.PEM))
    assert look("--cert", path, "--ca-path", bundle).code == 0
    bundle.write_text("no PEM")
    report = look("--cert", path, "--ca-path", bundle)
    assert report.code == 3
    assert f"CA bundle {bundle} cannot be read as PEM" in report.first


def test_a_ca_directory_that_is_not_there_is_told(look, authority, tmp_path):
    path = authority.proxy(path=tmp_path / "x509up")
    report = look("--cert", path, "--ca-path", tmp_path / "nowhere")
    assert (report.code, report.first) == (
        3,
        f"Credential UNKNOWN - no trust anchors in {tmp_path}/nowhere (name them with --ca-path)",
    )
    assert list(report.performance) == ["attributes_lifetime", "certificate_lifetime", "proxy_lifetime"]


def test_one_that_is_not_there_is_critical(look, tmp_path):
    report = look("--cert", tmp_path / "x509up")
    sentence = f"proxy or certificate {tmp_path}/x509up cannot be read: No such file or directory"
    assert (report.code, report.first) == (2, f"Credential CRITICAL - {sentence}")


# ---- certificates, and the CA directory


def test_a_host_certificate_with_its_key(look, authority):
    host = authority.host(["cloudmon.fedcloud.test"])
    report = look("--cert", host.path, "--ca-path", authority.ca_directory)
    assert report.code == 0, report.out
    assert re.search(r": certificate of /DC=\S+/CN=cloudmon\.fedcloud\.test, valid for \d+ d, 2 CRLs", report.first)
    assert list(report.performance) == ["certificate_lifetime", "crl_age"]


def test_a_revoked_certificate_is_critical_also_behind_a_proxy(look, authority, tmp_path):
    revoked = authority.user("Robot - revoked")
    directory = authority.directory_with(tmp_path / "ca", authority.crl([authority.entry(revoked.certificate)]))
    path = authority.proxy(path=tmp_path / "x509up", user=revoked)
    report = look("--cert", path, "--ca-path", directory)
    assert report.code == 2
    assert re.fullmatch(
        rf"Credential CRITICAL - certificate revoked on \d{{4}}-\d\d-\d\d{path_of(tmp_path)} \(request a new one\)",
        report.first,
    ), report.out


def test_a_ca_that_is_not_among_the_trust_anchors_is_a_warning(look, authority, tmp_path):
    directory = tmp_path / "anchors"
    directory.mkdir()
    (directory / "00000000.0").write_text("")
    path = authority.proxy(path=tmp_path / "x509up")
    report = look("--cert", path, "--ca-path", directory)
    assert report.code == 1
    assert re.fullmatch(
        rf"Credential WARNING - CA /DC=test/\S+( \S+)* is missing in {directory}; it issued {tmp_path}/x509up "
        r"\(update the trust anchors, or ask whether it is still accredited\)",
        report.first,
    ), report.first


ACCREDITED = r"; it issued \S+/x509up \(update the trust anchors, or ask whether it is still accredited\)"


def test_a_ca_that_has_ended_or_has_another_key_in_the_ca_directory_is_a_warning(look, authority, tmp_path):
    path = authority.proxy(path=tmp_path / "x509up")
    old, other = authority.made_anew(lifetime=timedelta(days=-3)), authority.made_anew(same_key=False)
    ca = "Credential WARNING - CA /DC=test/DC=fedcloud/CN=FedCloud Test CA "
    for name, cas, said in (
        ("old", [old], r"expired (3 d|72 h) ago in {}"),
        ("other", [other], "has another key in {}"),
        ("both", [other, old], r"expired (3 d|72 h) ago in {}"),
    ):
        directory = authority.directory_with(tmp_path / name, None, *cas)
        report = look("--cert", path, "--ca-path", directory)
        assert report.code == 1, report.out
        assert re.fullmatch(ca + said.format(re.escape(str(directory))) + ACCREDITED, report.first), report.out
    directory = authority.directory_with(tmp_path / "renewed", None, other, old, authority.made_anew())
    assert look("--cert", path, "--ca-path", directory).code == 0


def test_the_cas_above_ones_ca_are_looked_at_as_well(look, authority, tmp_path):
    below = authority.intermediate("Robots CA", lifetime=timedelta(days=-1))
    robot = authority.user("Robot - below", issuer=below)
    path = authority.proxy(path=tmp_path / "x509up", user=robot)
    directory = authority.directory_with(tmp_path / "ca", None, authority.made_anew(same_key=False))
    hashed = subject_hash(below.certificate.subject)
    (directory / f"{hashed}.0").write_bytes(below.certificate.public_bytes(Encoding.PEM))
    report = look("--cert", path, "--ca-path", directory)
    assert report.code == 1
    assert re.search(r"CA \S+/CN=Robots CA expired (24 h|1 d) ago in .*", report.first)
    assert re.search(r"; CA \S+/CN=FedCloud Test CA has another key; it issued ", report.first)


def test_a_ca_in_the_ca_directory_that_cannot_be_read_is_told(look, authority, tmp_path):
    path = authority.proxy(path=tmp_path / "x509up")
    directory = authority.directory_with(tmp_path / "ca", None)
    [file] = directory.glob("*.0")
    file.write_bytes(b"0\x82\x01\x00")
    assert look("--cert", path, "--ca-path", directory).code in (1, 3)


def test_lists_that_are_no_longer_fetched_are_a_warning(look, authority, tmp_path):
    path = authority.proxy(path=tmp_path / "x509up")
    old = authority.crl(last_update=timedelta(days=-9), next_update=timedelta(days=2))
    directory = authority.directory_with(tmp_path / "old", old)
    report = look("--cert", path, "--ca-path", directory)
    assert report.code == 1
    assert report.first == f"Credential WARNING - no new CRL for 9 d in {directory} (run fetch-crl) (limit 3d)"
    expired = authority.crl(last_update=timedelta(days=-9), next_update=timedelta(days=-2))
    directory = authority.directory_with(tmp_path / "expired", expired)
    report = look("--cert", path, "--ca-path", directory, "-v")
    assert report.code == 3  # by that list no server of the CA can be judged either
    assert re.fullmatch(
        rf"Credential UNKNOWN - the CRL {directory}/[0-9a-f]{{8}}\.r0 expired (48 h|2 d) ago \(run fetch-crl\)",
        report.first,
    ), report.out
    assert any(re.fullmatch(rf"expired CRLs in {directory}: [0-9a-f]{{8}}\.r0", line) for line in report.lines)


@pytest.mark.parametrize(("days", "code"), [(-1, 0), (1, 1)])
def test_the_newest_list_counts_unless_it_is_of_the_future(look, authority, tmp_path, days, code):
    path = authority.proxy(path=tmp_path / "x509up")
    directory = authority.directory_with(tmp_path / "ca", authority.crl(last_update=timedelta(days=-9)))
    other = authority.crl(last_update=timedelta(days=days))
    (directory / "00000001.r0").write_bytes(other)
    report = look("--cert", path, "--ca-path", directory)
    assert (report.code, report.err) == (code, "")
    old = f"Credential WARNING - no new CRL for 9 d in {directory} (run fetch-crl) (limit 3d)"
    assert report.first == old if code else report.first.endswith(", 2 CRLs, 0 of them expired")
    assert round(float(report.performance["crl_age"].partition("s")[0]) / 86400) == (9 if code else 1)


def test_lists_that_this_machine_had_no_time_to_read_are_told_as_its_own_fault(authority, tmp_path):
    directory = authority.directory_with(tmp_path / "ca", authority.crl())
    check = OwnCertificate(Namespace(vo=None, fqan=None), Deadline(2.0, spent=2.0), str(directory))
    with pytest.raises(OwnMachine) as caught:
        check._survey_crls(str(directory))
    said = f"CRLs of {directory} not read within 2 s by this machine (look whether the monitoring host is overloaded)"
    assert (caught.value.status, str(caught.value)) == (UNKNOWN, said)


def test_what_lies_in_the_ca_directory_and_is_no_list_costs_itself(look, authority, tmp_path):
    path = authority.proxy(path=tmp_path / "x509up")
    directory = authority.directory_with(tmp_path / "ca", authority.crl())
    [good] = directory.glob("*.r0")
    (directory / "00000001.r0").write_bytes(b"no list")
    os.mkfifo(directory / "00000002.r0")
    report = look("--cert", path, "--ca-path", directory, "-v")
    assert report.code == 0, report.out
    assert "1 CRL, 0 of them expired" in report.first
    assert any("00000002.r0 is a pipe" in line for line in report.lines)
    good.unlink()
    os.mkfifo(good)
    report = look("--cert", path, "--ca-path", directory)
    assert report.code == 3
    assert f"{good} is a pipe" in report.first


def test_a_kind_of_proxy_that_servers_refuse_is_a_warning(look, tmp_path):
    report = look.at_proxy(kind="legacy")
    assert (report.code, report.first) == (
        1,
        f"Credential WARNING - {tmp_path}/x509up is a legacy (GT2) proxy, which servers on today's OpenSSL refuse",
    )


# ---- tokens


@pytest.fixture
def token(tmp_path: Path) -> Path:
    return tmp_path / "token"


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path


def jwt(seconds: float, **claims: object) -> str:
    return planted.jwt(iss=ISSUER, exp=int(time.time() + seconds), **claims)


@pytest.mark.parametrize(
    ("seconds", "code", "said"),
    [
        (3300, 0, "{token}: access token of {issuer}, valid for 55 min"),
        (400, 1, r"access token ends in [67](\.\d)? min in {token} \(limit 10m:\)"),
        (60, 2, r"access token ends in \d+(\.\d)? s in {token} \(limit 2m:\)"),
        (-7200, 2, r"access token expired (2 h|120 min) ago in {token} \(limit 2m:\)"),
    ],
)
def test_an_access_token_is_judged_by_what_it_says_of_itself(look, token, seconds, code, said):
    report = look("--token-file", write(token, jwt(seconds)))
    assert report.code == code, report.out
    status = ("OK", "WARNING", "CRITICAL")[code]
    pattern = f"Credential {status} - {said.format(issuer=re.escape(ISSUER), token=re.escape(str(token)))}"
    assert re.fullmatch(pattern, report.first), report.out
    assert re.fullmatch(r"-?\d+s;600:;120:", report.performance["token_lifetime"])


def test_an_id_token_in_its_place_is_a_warning(look, token):
    report = look("--token-file", write(token, jwt(3300, typ="ID")))
    assert (report.code, report.first) == (
        1,
        f"Credential WARNING - ID token instead of an access token in {token}; most services refuse it as a login",
    )


@pytest.mark.parametrize("exp", ["1764352514", True, -1, [], 1e300])
def test_an_end_that_is_no_date_is_not_taken_for_none(look, token, exp):
    report = look("--token-file", write(token, planted.jwt(iss=ISSUER, exp=exp)))
    assert report.code == 1, report.out
    assert report.first == (
        f"Credential WARNING - access token has exp in a form that is not a date in {token}; "
        "servers may refuse it or never let it end"
    )


@pytest.mark.parametrize(("seconds", "code"), [(3600, 2), (30, 0)])
def test_a_token_that_is_not_valid_yet_is_critical_but_for_what_clocks_differ(look, token, seconds, code):
    report = look("--token-file", write(token, jwt(7200, nbf=int(time.time() + seconds))))
    assert (report.code, report.err) == (code, ""), report.out
    instant = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    said = (
        rf"OK - {token}: access token of {ISSUER}, valid for (2 h|120 min)",
        "",
        rf"CRITICAL - access token of {ISSUER} not valid before {instant} in {token}",
    )
    assert re.fullmatch(f"Credential {said[code]}", report.first), report.first


def test_a_token_that_never_says_when_it_ends_is_no_alert(look, token):
    report = look("--token-file", write(token, planted.jwt(iss=ISSUER)))
    assert (report.code, report.first, report.performance) == (
        0,
        f"Credential OK - {token}: access token of {ISSUER}, does not say when it ends",
        {},
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "nothing instead of an access token"),
        ("<html><body>Sign in</body></html>", "a page of HTML instead of an access token"),
    ],
)
def test_a_file_that_holds_something_else_is_critical(look, token, content, said):
    report = look("--token-file", write(token, content))
    assert report.code == 2
    assert report.first.startswith(f"Credential CRITICAL - {said} in {token} (")


def test_an_opaque_token_is_known_to_its_issuer_only(look, token):
    report = look("--token-file", write(token, planted.plain_secret()))
    assert (report.code, report.first) == (
        0,
        f"Credential OK - {token}: access token, opaque, only its issuer knows when it ends",
    )


def test_a_refresh_token_beside_it_has_the_limits_of_what_lives_long(look, token, tmp_path):
    refresh = write(tmp_path / "refresh", jwt(10 * 86400, typ="Refresh"))
    report = look("--token-file", write(token, jwt(3300)), "--refresh-token-file", refresh)
    assert report.code == 1
    assert re.fullmatch(
        rf"Credential WARNING - refresh token ends in (10|9\.\d) d in {refresh} \(limit 14d:\)", report.first
    ), report.out
    assert re.fullmatch(r"\d+s;1209600:;259200:", report.performance["refresh_token_lifetime"])


def mytoken(seconds: float, **claims: object) -> str:
    """As a server of mytokens makes them; `iss` is that server, `oidc_iss` is who gives the access tokens."""
    said = {"ver": "0.7", "token_type": "mytoken", "oidc_iss": ISSUER, "capabilities": ["AT"], "typ": None, **claims}
    return planted.jwt(iss=MYTOKENS, exp=int(time.time() + seconds), **said)


MYTOKENS = "https://mytoken.fedcloud.test"


def test_a_mytoken_is_known_as_one_and_is_of_the_issuer_of_its_access_tokens(look, tmp_path, issuer):
    url = f"{issuer.url}/realms/test"
    path = write(tmp_path / "mytoken", mytoken(10.01 * 86400, oidc_iss=url))
    named = look("--refresh-token-file", path, "--issuer", url)
    assert (named.code, named.first) == (1, f"Credential WARNING - mytoken ends in 10 d in {path} (limit 14d:)")
    settings = write(tmp_path / "probes.ini", f"[credentials]\nmytoken_file = {path}\n")
    assert look(FEDCLOUD_PROBES_CONFIG=settings).first == named.first
    other = look("--refresh-token-file", write(path, mytoken(90 * 86400)), "--issuer", url)
    assert (other.code, other.first) == (
        2,
        f"Credential CRITICAL - mytoken for access tokens of {ISSUER}, not of {url}, in {path}",
    )
    good = look("--refresh-token-file", path)
    assert good.code == 0
    assert good.first == f"Credential OK - {path}: mytoken of {MYTOKENS}, valid for 90 d"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        (
            {"capabilities": ["tokeninfo", "list_mytokens"]},
            "mytoken without capability AT, so that it gives no access token, in {path} (make one that has it)",
        ),
        (
            {"rotation": {"on_AT": True, "lifetime": 86400}},
            "mytoken that changes with each use, after which the file has the old one, in {path} "
            "(make one without rotation)",
        ),
    ],
)
def test_a_mytoken_that_the_probes_cannot_use_is_critical(look, tmp_path, claims, said):
    path = write(tmp_path / "mytoken", mytoken(90 * 86400, **claims))
    report = look("--refresh-token-file", path)
    assert (report.code, report.first) == (2, f"Credential CRITICAL - {said.format(path=path)}")


def test_a_mytoken_in_place_of_an_access_token_is_told(look, token):
    report = look("--token-file", write(token, mytoken(3300)))
    assert (report.code, report.first) == (
        2,
        f"Credential CRITICAL - a mytoken instead of an access token in {token} (write the token alone there)",
    )


def test_an_account_of_oidc_agent_in_the_settings_is_asked_for_a_token(look, tmp_path, agent: Agent):  # noqa: F811
    agent.accounts["egi"] = jwt(40)
    lines = f"[credentials]\noidc_agent = egi\noidc_socket = {agent.path}\n"
    settings = write(tmp_path / "probes.ini", lines)
    good = look("--config", settings)
    assert (good.code, good.first) == (
        0,
        f"Credential OK - oidc-agent account egi gives an access token of {ISSUER}",
    )
    assert [each["account"] for each in agent.asked] == ["egi"]
    other = look("--config", settings, "--issuer", "https://127.0.0.1:1/")
    assert (other.code, other.first.partition(", from ")[0]) == (
        2,
        f"Credential CRITICAL - access token of {ISSUER}, not of https://127.0.0.1:1/",
    )
    agent.accounts.clear()
    refused = look("--config", settings)
    assert (refused.code, refused.first) == (
        2,
        'Credential CRITICAL - no access token for account egi ("No account configured with that short name") from '
        f"oidc-agent at {agent.path} (run oidc-add egi)",
    )
    agent.close()
    agent.path.unlink()
    gone = look("--config", settings)
    assert (gone.code, gone.first) == (
        2,
        f"Credential CRITICAL - no socket of oidc-agent (No such file or directory) at {agent.path} (start oidc-agent)",
    )
    proxy = look.at_proxy("--config", settings)
    assert proxy.code == 0 and "rfc proxy" in proxy.first  # an option wins over the settings


# ---- the issuer


@pytest.fixture
def issuer() -> Iterator[WebServer]:
    """An issuer of tokens that describes itself."""
    with WebServer("issuer", lambda request: Response(404)) as web:

        def describe(request: Request) -> Response:
            if request.path != "/realms/test/.well-known/openid-configuration":
                return Response(404)
            described = f'{{"issuer": "{web.url}/realms/test"}}'.encode()
            return Response(200, [("Content-Type", "application/json")], described)

        web.app = describe
        yield web


def test_the_issuers_clock_is_asked_for(look, token, issuer):
    url = f"{issuer.url}/realms/test"
    content = planted.jwt(iss=url, exp=int(time.time() + 3300))
    report = look("--token-file", write(token, content), "--issuer", url)
    assert report.code == 0, report.out
    assert re.fullmatch(
        rf"Credential OK - {token}: access token of {url}, valid for 55 min; the clock of localhost differs by "
        r"[\d.]+ m?s",
        report.first,
    ), report.out
    assert [each.request.path for each in issuer.requests] == ["/realms/test/.well-known/openid-configuration"]
    assert all("Authorization" not in each.request.headers for each in issuer.requests)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3600, "clock 60 min ahead of ours at {} (set this machine's clock) (limit -60s:60s)"),
        (-3600, "clock 60 min behind ours at {} (set this machine's clock) (limit -60s:60s)"),
    ],
)
def test_a_clock_that_is_far_from_the_issuers_is_a_warning(look, token, issuer, seconds, said):
    url = f"{issuer.url}/realms/test"
    issuer.faults.on("date-skew", seconds=seconds)
    report = look("--token-file", write(token, planted.jwt(iss=url, exp=int(time.time() + 7200))), "--issuer", url)
    assert (report.code, report.first) == (1, f"Credential WARNING - {said.format(url)}")
    assert round(float(report.performance["clock_offset"].partition("s")[0]) / 60) == seconds / 60


def test_an_issuer_of_another_name_is_told_and_a_slash_makes_no_other(look, token, issuer):
    url = f"{issuer.url}/realms/test"
    content = write(token, planted.jwt(iss=f"{url}/", exp=int(time.time() + 3300)))
    assert look("--token-file", content, "--issuer", f"{url}/").code == 0
    issuer.app = lambda request: Response(200, [], b'{"issuer": "https://other.example.org/"}')
    report = look("--token-file", content, "--issuer", url)
    assert (report.code, report.first) == (
        3,
        f"Credential UNKNOWN - issuer {url} calls itself https://other.example.org/",
    )
    issuer.app = lambda request: Response(200, [], b"[]")
    report = look("--token-file", content, "--issuer", url)
    assert (report.code, report.first) == (3, f"Credential UNKNOWN - issuer {url} calls itself None")


def test_an_issuer_that_wants_a_certificate_is_not_to_be_helped_with_ours(look, token, authority):
    context = authority.server_context(authority.host(["localhost"]), clients="required")
    with WebServer("issuer", lambda request: Response(404), context=context) as web:
        trust = ("--ca-path", authority.ca_directory)
        content = planted.jwt(iss=web.url, exp=int(time.time() + 3300))
        report = look("--token-file", write(token, content), "--issuer", web.url, *trust)
    assert report.code == 3, report.out
    assert re.search(r" - client certificate wanted by issuer localhost:\d+; we have none$", report.first)
    assert "--cert" not in report.out


def test_a_token_of_another_issuer_is_critical(look, token, issuer):
    url = f"{issuer.url}/realms/test"
    report = look("--token-file", write(token, jwt(3300)), "--issuer", url)
    assert (report.code, report.first) == (
        2,
        f"Credential CRITICAL - access token of {ISSUER}, not of {url}, in {token}",
    )


def test_an_issuer_that_does_not_answer_says_nothing_of_the_token(look, token, issuer):
    url = f"{issuer.url}/realms/nowhere"
    content = planted.jwt(iss=url, exp=int(time.time() + 3300))
    report = look("--token-file", write(token, content), "--issuer", url, "-v")
    assert (report.code, report.first) == (
        3,
        f"Credential UNKNOWN - 404 Not Found from issuer {issuer.url.removeprefix('http://')}",
    )
    assert f"asked: GET {url}/.well-known/openid-configuration" in report.lines
    assert "token_lifetime" in report.performance


# ---- wrong options


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-w", "7200"], "would alert when much time is left; did you mean 7200d:?"),
        (["-w", "2h:,1h:"], "is not one range"),
        (["--key", "/x"], "--key"),
        (["-w", "30m:", "-c", "2h:"], "-w"),
    ],
)
def test_what_cannot_be_meant_is_refused(look, arguments, said):
    report = look(*arguments)
    assert report.code == 3
    assert said in report.out
