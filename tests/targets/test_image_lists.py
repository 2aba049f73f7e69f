"""The image list that is meant, by -u, by the host of -H or by the settings."""

from __future__ import annotations

import argparse

import pytest

from libprobe.clients.appdb import DEFAULT_PATH, DEFAULT_URL
from libprobe.deadline import Deadline
from libprobe.probe.settings import Settings
from libprobe.targets.image_lists import SERVICE_TYPES, find_image_list
from tests.checks.judging import Registered
from tests.programs.test_catalogue import endpoint


def found_at(
    monkeypatch, known: dict[str, object], *, url: str = "", hostname: str = "", settings: Settings | None = None
):
    monkeypatch.setattr("libprobe.targets.topology.find_registered", Registered(known))
    monkeypatch.setattr("libprobe.targets.access.open_state_directory", lambda args: "state")
    args = argparse.Namespace(url=url, hostname=hostname, settings=settings or Settings())
    return find_image_list(args, Deadline(1))


def test_a_url_is_taken_as_it_is_and_without_a_host_it_is_that_of_the_settings_or_appdbs(monkeypatch):
    assert found_at(monkeypatch, {}, url="x", hostname="y") == ("x", [])
    assert found_at(monkeypatch, {}) == (DEFAULT_URL, [])
    assert found_at(monkeypatch, {}, settings=Settings({"appdb": {"url": "https://mine/"}})) == ("https://mine/", [])


@pytest.mark.parametrize("kind", SERVICE_TYPES)
@pytest.mark.parametrize(
    ("registered", "expected"),
    [
        ("https://a.example.org/list", "https://a.example.org/list"),
        ("https://a.example.org/", f"https://a.example.org{DEFAULT_PATH}"),
        ("https://a.example.org", f"https://a.example.org{DEFAULT_PATH}"),
    ],
)
def test_a_host_has_the_list_that_is_registered(monkeypatch, kind, registered, expected):
    known = {kind: endpoint(service_type=kind, url=registered)}
    assert found_at(monkeypatch, known, hostname="a.example.org") == (expected, [f"asked for {kind}"])


@pytest.mark.parametrize(("hostname", "shown"), [("a.example.org", "a.example.org"), ("2001:db8::1", "[2001:db8::1]")])
def test_a_host_that_is_not_registered_is_asked_for_the_monitored_list(monkeypatch, hostname, shown):
    notes = [f"asked for {SERVICE_TYPES[-1]}", f"{hostname} has no image list in the GOCDB"]
    assert found_at(monkeypatch, {}, hostname=hostname) == (f"https://{shown}{DEFAULT_PATH}", notes)
