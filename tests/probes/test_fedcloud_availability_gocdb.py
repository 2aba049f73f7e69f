"""fedcloud-availability import --gocdb: today's endpoints and the downtimes, from a GOCDB that is asked."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.federation import gocdb as pi
from tests.federation.web import WebServer
from tests.probes.test_fedcloud_availability import BDII, SITE, STARTS, SWIFT, VM, Place, bdii, entry, state, swift

DAY = 86_400
OTHER = "OTHER-SITE"


@pytest.fixture(autouse=True)
def yesterday() -> int:
    """When it began. The program takes today from the clock, so no test begins shortly before midnight (UTC)."""
    left = DAY - time.time() % DAY
    if left < 120:
        time.sleep(left + 1)
    return int(time.time()) // DAY * DAY - DAY


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.services(
        entry("swift.example.org", "eu.egi.cloud.OpenStack-Swift-ops", SWIFT),
        entry("bdii.example.org", "org.nagios.CloudBDII-Check", BDII),
        entry("other.example.org", "eu.egi.cloud.OpenStack-Swift-ops", SWIFT, OTHER),
    )
    return made


@pytest.fixture
def gocdb():
    found = pi.Gocdb(base_url=lambda: server.url)
    with WebServer("gocdb", found.app, faults=found.faults) as server:
        found.add_site(pi.Site(SITE, roc="NGI_ONE"))
        found.add_site(pi.Site(OTHER, roc="NGI_TWO"))
        found.add_service(pi.Service("Swift.example.org", SWIFT, SITE))
        found.add_service(pi.Service("bdii.example.org", BDII, SITE))
        found.add_service(pi.Service("other.example.org", SWIFT, OTHER))
        yield found


def lines_of(place, yesterday):
    other = state("other.example.org", "eu.egi.cloud.OpenStack-Swift-ops", "OK", what="CURRENT SERVICE STATE")
    current = {"what": "CURRENT SERVICE STATE"}
    return place.log(STARTS, (0, swift("OK", **current)), (0, bdii("OK", **current)), (0, other), start=yesterday)


def topology(place):
    return [(each.site, each.host, each.ngi, each.start // DAY, each.end // DAY) for each in kept(place)]


def kept(place):
    from libprobe.state.files import StateDirectory
    from libprobe.timelines.store import Store

    with Store(StateDirectory(str(place.state))) as store:
        return store.endpoints()


def today():
    return f"{datetime.now(UTC):%Y-%m-%d}"


def test_the_endpoints_of_today_come_from_the_gocdb_with_their_ngis(place, gocdb, yesterday):
    gocdb.add_service(pi.Service("horizon.example.org", "org.openstack.horizon", SITE))  # no metric is for it
    gocdb.add_service(pi.Service("hidden.example.org", SWIFT, SITE, monitored=False))
    gocdb.add_service(pi.Service("local.example.org", SWIFT, SITE, scopes=("Local",)))
    gocdb.add_site(pi.Site("CANDIDATE", certification="Candidate"))
    gocdb.add_service(pi.Service("vm.example.org", VM, "CANDIDATE"))
    code, out = place.imported(lines_of(place, yesterday), "--gocdb", gocdb.url)
    assert code == 0, out
    assert out.splitlines()[1:] == [
        f"  topology: 3 endpoints from {today()} on",
        "  left out: 1 endpoint of 1 site not certified or not in production: CANDIDATE",
        "  downtimes: 0 outages of services kept, 0 withdrawn",
    ]
    assert {each[:3] for each in topology(place)} == {
        (SITE, "swift.example.org", "NGI_ONE"),
        (SITE, "bdii.example.org", "NGI_ONE"),
        (OTHER, "other.example.org", "NGI_TWO"),
    }
    code, out = place.imported("--gocdb", gocdb.url, "--any-site", "--scope", "")
    assert code == 0 and "topology: 5 endpoints" in out, out


def test_a_site_that_is_no_longer_in_the_gocdb_keeps_its_days(place, gocdb, yesterday):
    place.imported(lines_of(place, yesterday), "--as-of", f"{datetime.fromtimestamp(yesterday, UTC):%Y-%m-%d}")
    gocdb.remove_service("other.example.org")
    assert place.run("import", "--gocdb", gocdb.url)[0] == 0
    (other,) = [each for each in topology(place) if each[0] == OTHER]
    assert other[4] == int(time.time()) // DAY
    words = ["--from", f"{datetime.fromtimestamp(yesterday, UTC):%Y-%m-%d}", "--to", today(), "--by", "day", "--csv"]
    rows = list(csv.DictReader(place.run("figures", *words)[1].splitlines()))
    assert [row["site"] for row in rows].count(OTHER) == 1
    assert [row["availability"] for row in rows if row["site"] == OTHER] == ["100"]
    gocdb.add_service(pi.Service("other.example.org", SWIFT, OTHER))
    assert place.run("import", "--gocdb", gocdb.url)[0] == 0
    rows = list(csv.DictReader(place.run("figures", *words)[1].splitlines()))
    assert [row["site"] for row in rows].count(OTHER) == 2


def test_the_list_of_services_keeps_the_ngis_that_the_gocdb_told(place, gocdb):
    place.run("import", "--gocdb", gocdb.url)
    assert place.imported() == (0, f"fedcloud-availability: done\n  topology: unchanged on {today()}\n")
    assert {each[2] for each in topology(place)} == {"NGI_ONE", "NGI_TWO"}


def test_downtimes_come_along_and_what_is_withdrawn_goes(place, gocdb, yesterday):
    start = datetime.fromtimestamp(yesterday, UTC)
    service = gocdb.find("Swift.example.org")
    gocdb.add_downtime(service, start=start, end=start + timedelta(hours=6))
    later = gocdb.add_downtime(service, start=start + timedelta(days=9))
    gocdb.add_downtime(service, start=start, severity="WARNING")
    code, out = place.run("import", "--gocdb", gocdb.url)
    assert code == 0 and "downtimes: 2 outages of services kept, 0 withdrawn" in out, out
    gocdb.remove_downtime(later)
    code, out = place.run("import", "--gocdb", gocdb.url)
    assert code == 0 and "downtimes: 1 outage of services kept, 1 withdrawn" in out, out
    place.imported(lines_of(place, yesterday))
    words = ["--from", f"{start:%Y-%m-%d}", "--to", f"{start:%Y-%m-%d}", "--csv"]
    rows = {row["site"]: row for row in csv.DictReader(place.run("figures", *words)[1].splitlines())}
    assert (rows[SITE]["down"], rows[OTHER]["down"]) == ("0.25", "0")


def test_a_gocdb_that_fails_costs_no_result_and_changes_no_topology(place, gocdb, yesterday):
    place.run("import", "--gocdb", gocdb.url)
    before = topology(place)
    for fault, says in (
        ("gocdb-error", "The database is not available"),
        ("no-results", "no endpoint to be monitored"),
    ):
        gocdb.faults.on(fault)
        code, out = place.imported(lines_of(place, yesterday), "--gocdb", gocdb.url)
        gocdb.faults.off(fault)
        assert code == 1
        (said,) = [line for line in out.splitlines() if "not taken: " in line]
        assert says in said and said.endswith("; the endpoints and downtimes that are known stay"), said
        assert out.startswith("fedcloud-availability: 4 lines read, ")
        assert topology(place) == before
    code, out = place.imported(lines_of(place, yesterday), "--gocdb", "http://127.0.0.1:1/gocdbpi/public/")
    assert code == 1 and "connection refused by GOCDB 127.0.0.1:1" in out, out
