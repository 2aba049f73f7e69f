"""Our own credentials: found as grid tools find them, and every fault ours to repair."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from libprobe import redact
from libprobe.clients import credentials
from libprobe.failures import OwnCredential
from tests import planted
from tests.federation.authority import Authority

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A user without any credential."""
    for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 4242421)
    return tmp_path


def test_there_may_be_none_at_all(nobody):
    assert credentials.find_certificate() is None


def test_the_proxy_of_the_environment_comes_first(nobody, authority, monkeypatch):
    path = authority.proxy(path=nobody / "proxy")
    monkeypatch.setenv("X509_USER_PROXY", str(path))
    monkeypatch.setenv("X509_USER_CERT", "/none")
    monkeypatch.setenv("X509_USER_KEY", "/none")
    found = credentials.find_certificate()
    assert (found.cert_path, found.key_path, found.vos) == (str(path), None, ["ops"])
    assert found.identity == authority.robot.subject
    assert found.describe() == f"rfc proxy {path} of {authority.robot.subject}, VO ops"


def test_a_named_proxy_that_is_absent_is_not_replaced_by_another(nobody, authority, monkeypatch):
    monkeypatch.setenv("X509_USER_PROXY", str(nobody / "none"))
    with pytest.raises(OwnCredential, match="No such file"):
        credentials.find_certificate()


def test_a_plain_certificate_with_its_key(nobody, authority, monkeypatch):
    monkeypatch.setenv("X509_USER_CERT", str(authority.robot.usercert))
    monkeypatch.setenv("X509_USER_KEY", str(authority.robot.userkey))
    found = credentials.find_certificate()
    assert (found.cert_path, found.key_path, found.vos) == (
        str(authority.robot.usercert),
        str(authority.robot.userkey),
        [],
    )
    assert found.describe().startswith("certificate ")


def test_the_pair_in_the_home_directory_is_the_last_resort(nobody, authority):
    (nobody / ".globus").mkdir()
    shutil.copy(authority.robot.usercert, nobody / ".globus/usercert.pem")
    shutil.copy(authority.robot.userkey, nobody / ".globus/userkey.pem")
    (nobody / ".globus/userkey.pem").chmod(0o400)
    assert credentials.find_certificate().identity == authority.robot.subject


def test_a_key_open_to_others_is_refused(nobody, authority):
    key = nobody / "key.pem"
    shutil.copy(authority.robot.userkey, key)
    key.chmod(0o640)
    with pytest.raises(OwnCredential, match=r"is open to others \(mode 0640\) \(chmod 600"):
        credentials.find_certificate(str(authority.robot.usercert), str(key))


def test_a_certificate_without_its_key_is_refused(nobody, authority):
    cert = nobody / "cert.pem"
    shutil.copy(authority.robot.usercert, cert)
    cert.chmod(0o600)
    with pytest.raises(OwnCredential, match=r"^no private key in \S+ \(name its file with --key\)$"):
        credentials.find_certificate(str(cert))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_passphrase(nobody, authority):
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    key = nobody / "key.pem"
    encrypted = authority.robot.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
    )
    key.write_bytes(encrypted)
    key.chmod(0o600)
    with pytest.raises(OwnCredential, match=r"^encrypted private key in "):
        credentials.find_certificate(str(authority.robot.usercert), str(key))


@pytest.mark.parametrize("kind", ["directory", "pipe", "huge"])
def test_what_is_no_regular_file_of_sensible_size_is_refused(nobody, kind):
    path = nobody / "proxy"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path.write_bytes(b"x" * (credentials.MAX_FILE + 1))
        path.chmod(0o600)
    with pytest.raises(OwnCredential, match=r"not a regular file|larger than"):
        credentials.find_certificate(str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_somebody_else_planted_is_refused(nobody, authority):
    path = authority.proxy(path=nobody / "proxy")
    os.chown(path, 12345, 12345)
    with pytest.raises(OwnCredential, match=r"belongs to another user \(uid 12345\)"):
        credentials.find_certificate(str(path))


@pytest.mark.parametrize(
    ("made", "seconds", "vo", "said"),
    [
        ({"lifetime": timedelta(hours=1)}, 300, None, None),
        ({"lifetime": timedelta(hours=1)}, 300, "ops", None),
        (
            {"lifetime": timedelta(hours=-2)},
            300,
            None,
            r"^proxy expired 2 h ago in \S+ \(run voms-proxy-init --rfc --voms \S+\)$",
        ),
        (
            {"lifetime": timedelta(seconds=200)},
            300,
            None,
            r"^proxy ends in \d+(\.\d)? \w+ in \S+; this run may take 5 min \(",
        ),
        ({"ac_lifetime": timedelta(seconds=-10)}, 300, None, r"^VOMS attributes expired [\d.]+ \w+ ago in "),
        ({"vos": ("fedcloud.egi.eu",)}, 300, "ops", r"^no VOMS attributes of ops in \S+; it has fedcloud.egi.eu \("),
        ({"vos": ("ops", "dteam")}, 300, "dteam", None),
    ],
)
def test_it_must_last_for_the_run_and_be_of_the_vo(nobody, authority, made, seconds, vo, said):
    found = credentials.find_certificate(str(authority.proxy(path=nobody / "proxy", **made)))
    if said is None:
        found.expect_valid(now=datetime.now(UTC), seconds=seconds, vo=vo)
        return
    with pytest.raises(OwnCredential, match=said):
        found.expect_valid(now=datetime.now(UTC), seconds=seconds, vo=vo)


def test_a_clock_that_is_behind_is_said(nobody, authority):
    found = credentials.find_certificate(str(authority.proxy(path=nobody / "proxy")))
    with pytest.raises(
        OwnCredential,
        match=r"^(proxy|certificate) not valid before [-0-9]+ [0-9:]+ UTC in \S+ \(set this machine's clock\)$",
    ):
        found.expect_valid(now=NOW - timedelta(days=4000), seconds=1)


def test_a_token_is_read_and_registered_as_a_secret(tmp_path):
    path = tmp_path / "token"
    path.write_text("abcdef.ghijkl\n")
    path.chmod(0o600)
    assert credentials.read_token(str(path)) == "abcdef.ghijkl"
    assert redact.blank("x abcdef.ghijkl y") == "x [secret] y"
    redact.forget_secrets()


def test_what_is_no_token_is_refused_and_not_quoted(tmp_path):
    path = tmp_path / "token"
    path.write_text("secret words\n")
    path.chmod(0o600)
    with pytest.raises(OwnCredential) as caught:
        credentials.read_token(str(path))
    assert str(caught.value) == (f"several words instead of an access token in {path} (write the token alone there)")
    with pytest.raises(OwnCredential, match=r"^no password \(one line of printable characters\) in "):
        credentials.read_token(str(path), "password")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({}, ""),
        ({"exp": 3600, "nbf": -60}, ""),
        ({"exp": -30}, ""),
        ({"exp": -7200}, r"our access token of https://aai\.egi\.eu for cloud expired 2 h ago \(\S+ \S+ UTC\)"),
        ({"exp": 7200, "nbf": 30}, ""),
        ({"exp": 7200, "nbf": 3600}, r"our access token .* is not valid before \S+ \S+ UTC"),
    ],
)
def test_a_token_says_itself_when_it_is_valid_and_clocks_may_differ_by_a_minute(claims, said):
    now = NOW.replace(microsecond=0)
    times = {name: int(now.timestamp()) + seconds for name, seconds in claims.items()}
    fault = credentials.token_problem(planted.jwt(iss="https://aai.egi.eu", aud="cloud", **times), now)
    assert re.fullmatch(said, fault), fault
    assert credentials.token_problem("opaque", now) == ""


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"exp": 3600}, ""),
        ({"exp": -30}, ""),
        ({"exp": -7200}, r"our access token of \S+ expired 2 h ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)"),
        ({"nbf": 7200, "exp": 9000}, r"our access token of \S+ is not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
    ],
)
def test_an_access_token_of_a_file_is_to_be_valid_now(tmp_path, times, said):
    at = NOW.timestamp()
    token = planted.jwt(iss="https://aai.example.org/", **{name: at + seconds for name, seconds in times.items()})
    path = tmp_path / "token"
    path.write_text(f"{token}\n")
    path.chmod(0o600)
    if not said:
        assert credentials.read_access_token(str(path), now=NOW) == token
        return
    with pytest.raises(OwnCredential, match=f"^{said} in {path} \\(write a new one there\\)$"):
        credentials.read_access_token(str(path), now=NOW)
