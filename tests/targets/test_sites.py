"""The site whose accounting records are meant, by --site or by the host of -H."""

from __future__ import annotations

import argparse

import pytest

from libprobe.deadline import Deadline
from libprobe.failures import Misconfigured
from libprobe.formats.service_types import ACCOUNTING
from libprobe.targets.sites import AccountedSite, find_site
from tests.checks.judging import Registered
from tests.programs.test_catalogue import endpoint


@pytest.fixture
def registered(monkeypatch):
    def know(**known: object) -> Registered:
        found = Registered({ACCOUNTING if name == "own" else "": each for name, each in known.items()})
        monkeypatch.setattr("libprobe.targets.topology.find_registered", found)
        monkeypatch.setattr("libprobe.targets.access.open_state_directory", lambda args: "state")
        return found

    return know


def meant(site: str = "", hostname: str = "") -> AccountedSite:
    return find_site(argparse.Namespace(site=site, hostname=hostname), Deadline(1))


def test_a_site_that_is_named_is_meant_and_nobody_is_asked():
    assert meant("EXAMPLE-SITE", "host")._replace(blame=None) == AccountedSite("EXAMPLE-SITE")


def test_without_a_site_and_a_host_nobody_is_meant():
    with pytest.raises(Misconfigured) as raised:
        meant()
    expected = "no site is named (give --site NAME, or -H HOST to look it up in the GOCDB)"
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("url", "alias"),
    [("OTHER", "OTHER"), ("EXAMPLE-CLOUD", ""), ("https://x/", ""), ("a:b", ""), ("a/b", ""), ("a b", ""), ("", "")],
)
def test_the_site_of_a_host_is_that_of_its_accounting_service_and_the_url_may_be_another_name(registered, url, alias):
    asked = registered(own=endpoint(service_type=ACCOUNTING, site="EXAMPLE-CLOUD", url=url)).asked
    assert meant(hostname="host") == AccountedSite("EXAMPLE-CLOUD", alias, (f"asked for {ACCOUNTING}",))
    assert asked == [ACCOUNTING]


def test_without_an_accounting_service_it_is_that_of_any(registered):
    asked = registered(any=endpoint(service_type="other", site="EXAMPLE-CLOUD", url="OTHER")).asked
    assert meant(hostname="host") == AccountedSite("EXAMPLE-CLOUD", "", ("asked for any",))
    assert asked == [ACCOUNTING, ""]


@pytest.mark.parametrize("known", [{}, {"own": endpoint(service_type=ACCOUNTING, site="", url="")}])
def test_a_host_that_the_gocdb_does_not_know_is_of_no_site(registered, known):
    registered(**known)
    with pytest.raises(Misconfigured) as raised:
        meant(hostname="host")
    assert str(raised.value) == "the GOCDB does not know host, hence not its site (give --site NAME)"
