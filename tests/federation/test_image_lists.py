"""The embedded AppDB signs as OpenSSL expects it."""

from __future__ import annotations

import subprocess

import pytest

from tests.federation.appdb import KINDS, PATH, AppDb
from tests.federation.authority import Authority
from tests.federation.web import Request


@pytest.fixture
def appdb(tmp_path):
    authority = Authority(tmp_path)
    return AppDb(authority, authority.host(["appdb.test"]), lambda: "https://appdb.test")


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    ("kind", "form"),
    [("clear-signed", "SMIME"), ("opaque-base64", "SMIME"), ("opaque-der", "DER"), ("opaque-pem", "PEM")],
)
@pytest.mark.parametrize("fault", ["", "broken-signature", "unknown-signer"])
def test_openssl_accepts_what_is_signed_and_refuses_what_is_not(appdb, kind, form, fault):
    appdb.kind = kind
    if fault:
        appdb.faults.on(fault)
    body = appdb.app(Request("GET", PATH)).body
    command = ["openssl", "smime", "-verify", "-inform", form, "-CApath", appdb.authority.ca_directory]
    done = subprocess.run([*command, "-purpose", "any"], input=body, capture_output=True)
    assert (done.returncode == 0) is (fault == ""), done.stderr
    assert fault or b'"hv:imagelist"' in done.stdout


def test_unsigned_lists_and_other_paths(appdb):
    appdb.kind = KINDS[-1]
    assert appdb.app(Request("GET", PATH)).body.startswith(b'{\n   "hv:imagelist"')
    assert appdb.app(Request("GET", "/store/vo/ops/image.list")).status == 200
    assert appdb.app(Request("GET", "/elsewhere")).status == 404
