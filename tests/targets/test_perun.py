"""The Perun that is meant, by -u or by the host of -H."""

from __future__ import annotations

import argparse

import pytest

from libprobe.deadline import Deadline
from libprobe.failures import BadData, Misconfigured
from libprobe.formats.service_types import PERUN
from libprobe.targets.perun import PerunEndpoint, find_perun
from tests.checks.judging import Registered
from tests.programs.test_catalogue import endpoint

URL = "https://perun.example.org/cert/rpc/json/utils/getPerunStatus"


def options(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"url": None, "hostname": None, "port": None, **given})


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({"url": "https://perun.example.org"}, URL),
        ({"url": "https://perun.example.org:8443/krb", "port": None}, "https://perun.example.org:8443/krb/rpc/json/utils/getPerunStatus"),
        ({"url": "https://perun.example.org:8443", "port": 443}, URL.replace(".org/", ".org:443/")),
        ({"url": "https://[2001:db8::1]/cert"}, URL.replace("perun.example.org", "[2001:db8::1]")),
    ],
)  # fmt: skip
def test_the_url_is_that_of_u_with_the_port_of_p(given, url):
    assert find_perun(options(**given), Deadline(1)) == PerunEndpoint(url)


@pytest.mark.parametrize(
    ("given", "sentence", "remedy"),
    [
        ({}, "no Perun is named", "give -H HOST or -u URL"),
        (
            {"url": "http://perun.example.org"},
            "-u: http://perun.example.org is not an https:// URL, and a certificate logs in over nothing else",
            "",
        ),
    ],
)
def test_options_that_name_none_are_our_mistake(given, sentence, remedy):
    with pytest.raises(Misconfigured) as raised:
        find_perun(options(**given), Deadline(1))
    assert (raised.value.sentence, raised.value.remedy) == (sentence, remedy)


@pytest.fixture
def registered(monkeypatch):
    def know(known: object) -> Registered:
        found = Registered({PERUN: known})
        monkeypatch.setattr("libprobe.targets.topology.find_registered", found)
        monkeypatch.setattr("libprobe.targets.access.open_state_directory", lambda args: "state")
        return found

    return know


@pytest.mark.parametrize(
    ("url", "port", "expected"),
    [
        ("https://perun.example.org/krb", None, URL.replace("cert", "krb")),
        ("https://perun.example.org", 8443, URL.replace(".org/", ".org:8443/")),
        (" ", None, URL),
    ],
)
def test_a_host_has_the_url_that_is_registered_or_its_own(registered, url, port, expected):
    asked = registered(endpoint(service_type=PERUN, url=url)).asked
    found = find_perun(options(hostname="perun.example.org", port=port), Deadline(1))
    assert found == PerunEndpoint(expected, (f"asked for {PERUN}",))
    assert asked == [PERUN]


def test_an_unregistered_host_is_tried_by_its_name(registered):
    registered(None)
    notes = (f"asked for {PERUN}", f"perun.example.org is not in the GOCDB as {PERUN}")
    assert find_perun(options(hostname="perun.example.org"), Deadline(1)) == PerunEndpoint(URL, notes)
    with pytest.raises(Misconfigured, match=r"^-H: "):
        find_perun(options(hostname="a:b:c]"), Deadline(1))


def test_a_registered_url_that_cannot_be_used_is_the_sites_fault(registered):
    registered(endpoint(service_type=PERUN, url="http://perun.example.org"))
    with pytest.raises(
        BadData,
        match=(
            r"unusable URL in the GOCDB for cloud\.example\.org \(EXAMPLE-CLOUD\): "
            r"http://perun\.example\.org is not an https:// URL, and a certificate logs in over nothing "
            r"else \(correct it in the GOCDB\)"
        ),
    ):
        find_perun(options(hostname="perun.example.org"), Deadline(1))
