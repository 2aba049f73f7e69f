"""TLS contexts that the checks of one process share: only as long as the files behind them are the same."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from libprobe.clients import tls
from libprobe.clients.http import HttpClient
from libprobe.credentials import find_certificate
from libprobe.deadline import Deadline
from libprobe.failures import TlsFailure


@pytest.fixture
def sharing(monkeypatch):
    monkeypatch.setattr(tls, "_shared", None)
    tls.share()


@pytest.fixture
def trust(federation, tmp_path):
    """A copy of the federation's CA directory."""
    return shutil.copytree(federation.ca_directory, tmp_path / "certificates", symlinks=True)


def ask(site, trust):
    client = HttpClient(Deadline(10), trust=str(trust))
    try:
        client.request("GET", f"{site.base}/-/")
    finally:
        client.close()


def test_a_process_that_does_not_say_so_shares_nothing(trust):
    assert tls.context_for_http(str(trust)) is not tls.context_for_http(str(trust))


def test_the_context_is_the_same_as_long_as_its_files_are(sharing, trust, federation, tmp_path):
    proxy = tmp_path / "proxy"
    shutil.copy(federation.environment()["X509_USER_PROXY"], proxy)
    proxy.chmod(0o600)
    credential = find_certificate(str(proxy))
    first = tls.context_for_http(str(trust), credential)
    assert tls.context_for_http(str(trust), credential) is first
    assert tls.context_for_http(str(trust)) is not first
    shutil.copy(proxy, tmp_path / "new")
    os.replace(tmp_path / "new", proxy)
    assert tls.context_for_http(str(trust), credential) is not first


def test_threads_that_ask_at_once_get_the_same(sharing, trust, monkeypatch):
    """Each bundle of CAs in memory as often as there are threads would be most of what the process takes."""
    make = tls.context
    monkeypatch.setattr(tls, "context", lambda *args: time.sleep(0.2) or make(*args))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: tls.context_for_http(str(trust)), range(8)))
    assert len(set(map(id, made))) == 1


def test_a_context_ends_by_its_age(sharing, trust, monkeypatch):
    first = tls.context_for_http(str(trust))
    later = time.monotonic() + tls.SHARED_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert tls.context_for_http(str(trust)) is not first


def test_no_more_than_some_are_kept(sharing, trust, tmp_path):
    for number in range(3 * tls.MAX_SHARED):
        tls.context_for_http(str(shutil.copytree(trust, tmp_path / str(number), symlinks=True)))
        assert len(tls._shared) <= tls.MAX_SHARED


def test_a_ca_that_was_taken_away_is_trusted_no_more(sharing, trust, federation):
    """OpenSSL would go on with what it has read: the directory's time tells that it has changed."""
    site = federation.site("ooi")
    shutil.copy(trust / "FedCloudTestCA.pem", trust / "00000000.0")  # so that the directory is not without any CA
    ask(site, trust)
    for path in trust.glob("*.0"):
        if path.name != "00000000.0":
            path.unlink()
    with pytest.raises(TlsFailure, match="of a CA that is not trusted here"):
        ask(site, trust)


def test_what_is_not_http_gets_a_context_that_says_nothing_of_http(sharing, trust):
    assert tls.context(str(trust)) not in [made for _, made in tls._shared.values()]
    tls.context_for_http(str(trust))
    assert tls.context(str(trust)) not in [made for _, made in tls._shared.values()]
