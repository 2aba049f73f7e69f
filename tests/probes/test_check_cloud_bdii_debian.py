"""check_cloud_bdii against the BDII that Debian packages, with its own configuration and update daemon."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from tests import pace
from tests.conftest import at
from tests.federation.bdii import Bdii, Cloud
from tests.federation.debian_bdii import DebianBdii
from tests.federation.faults import Faults
from tests.machine import lacking

PROBE = "check_cloud_bdii"
SITE = "OOI-CLOUD"
"""One that the federation's GOCDB knows: what nobody has registered is missed by nobody."""
OCCI = "https://cloud.example.test:8787"


class Provider(Bdii):
    """Writes the LDIF of a cloud, and serves nothing itself: the suffix is the package's own."""

    def __init__(self, *, dated: bool = False) -> None:
        cloud = Cloud(SITE, OCCI, [("os_tpl#ubuntu", "Ubuntu 22.04")], [("resource_tpl#small", "small")], dated)
        self.faults, self.extra = Faults(), ""
        self._clouds, self._clock = lambda: [cloud], lambda: datetime.now(UTC)

    def ldif(self) -> str:
        return super().ldif().partition("\n\n")[2]


@pytest.fixture
def bdii(tmp_path):
    if missing := lacking(["slapd", "glue-schema", "bdii"]):
        pytest.skip(missing)
    with DebianBdii(tmp_path / "bdii") as running:
        yield running


def place(bdii) -> str:
    """Host and port of a BDII, as sentences name it."""
    return bdii.url.removeprefix("ldap://").partition("/")[0]


def look(monitor, bdii, *, until: str):
    """Ask until the update daemon has done its work and that is said."""

    def ask():
        report = monitor.run(PROBE, "-u", bdii.url, "--site", SITE)
        return report if until in report.first else None

    return pace.until(ask, until, every_s=0.3)


def test_a_cloud_is_missed_until_its_provider_publishes_it(monitor, bdii):
    report = look(monitor, bdii, until="it has 3 entries")
    assert report.first == (
        f"CloudBDII-Check CRITICAL - no cloud service of {SITE} in {place(bdii)}; it has 3 entries "
        "(see what cloud-info-provider prints)"
    )
    assert (report.code, report.err) == (2, "")
    bdii.publish("cloud", Provider().ldif())
    report = look(monitor, bdii, until=" OK - ")
    assert re.fullmatch(
        rf"CloudBDII-Check OK - {re.escape(place(bdii))} has 1 cloud service of {SITE} in \d+ entries: "
        rf"OCCI at {re.escape(at(OCCI))}, 1 image, 1 size; took [\d.]+ m?s",
        report.first,
    ), report.out
    assert (report.code, report.err) == (0, "")


def test_what_a_provider_no_longer_renews_is_stale(monitor, bdii):
    provider = Provider(dated=True)
    bdii.publish("cloud", provider.ldif())
    report = look(monitor, bdii, until=" OK - ")
    assert f"has 1 cloud service of {SITE} in " in report.first, report.out
    provider.faults.on("bdii-stale", seconds=3 * 86400)
    bdii.publish("cloud", provider.ldif())
    report = look(monitor, bdii, until=" WARNING - ")
    assert report.code == 1, report.out
    assert report.first == (
        f"CloudBDII-Check WARNING - newest cloud entry is 3 d old in {place(bdii)} (limit 1h); "
        f"validity of all cloud entries of {SITE} ended 3 d ago"
    )
    bdii.publish("cloud", "")
    report = look(monitor, bdii, until=f"no cloud service of {SITE} in {place(bdii)}; it has 3 entries")
    assert report.code == 2, report.out
