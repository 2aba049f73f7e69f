from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import pytest

from libprobe.state.files import StateDirectory
from libprobe.timelines.algebra import CRITICAL, NUMBERS, OK
from libprobe.timelines.store import Store

SITE, SWIFT, METRIC = "EXAMPLE-SITE", "org.openstack.swift", "eu.egi.cloud.OpenStack-Swift"
DAY = 86_400


def filled(directory, *results, days=None):
    """A store with one endpoint; results: (seconds before now, status) each, seen on every day till now."""
    now = int(time.time())  # not that of the collection: a run of all tests may begin in the month before
    directory.mkdir(mode=0o700, exist_ok=True)
    with Store(StateDirectory(str(directory)), create=True) as store:
        store.put_topology(0, [(SITE, SWIFT, "swift.example.org", "")])
        with store.writer() as writer:
            series = writer.series("swift.example.org", SWIFT, METRIC)
            for before, status in results:
                writer.add(series, now - before, status)
            if results:
                writer.note_confirmed(series, now - 71 * DAY, now if days is None else now - days * DAY)
    return directory


def check(probe, directory, *words):
    return probe("check_availability", "--site", SITE, "--state-dir", directory, *words)


FIRST = (60 * DAY, OK)


def test_a_site_that_was_up_is_ok(probe, tmp_path):
    report = check(probe, filled(tmp_path / "s", FIRST))
    assert report.code == 0, report.out
    month = f"{datetime.now(UTC):%Y-%m}"
    assert report.first.startswith(
        f"Availability OK - EXAMPLE-SITE was available 100.00 % of {month} so far, reliable 100.00 %; "
    )
    assert re.search(
        r"; 80 % is kept with up to [\d.]+ \w+ more of outage this month "
        r"\| availability=100%;80:;;0;100 outage_left=\d+s "
        r"reliability=100%;85:;;0;100 unknown=0%;;;0;100$",
        report.out.strip(),
    )


def test_a_site_that_was_down_is_a_warning_with_what_is_left(probe, tmp_path):
    directory = filled(tmp_path / "s", (60 * DAY, CRITICAL))
    report = check(probe, directory, "--reliability", "0:")
    assert report.code == 1, report.out
    assert report.first.startswith("Availability WARNING - available 0.00 % of ")
    assert "(limit 80:)" in report.first
    assert check(probe, directory, "-c", "60:", "--reliability", "0:").code == 2
    assert "cannot be reached any more this month" in check(probe, directory, "--target", "100").first


def test_a_reliability_below_its_limit_is_a_warning(probe, tmp_path):
    report = check(probe, filled(tmp_path / "s", (60 * DAY, CRITICAL)), "-w", "")
    assert report.code == 1
    assert (
        re.search(r"- reliable 0\.00 % of \S+ so far: EXAMPLE-SITE; ", report.first) and "(limit 85:)" in report.first
    )


@pytest.mark.parametrize("stale, code", [("1d", 3), ("30d", 0), ("0", 0)])
def test_a_store_that_nobody_fills_any_more_is_unknown(probe, tmp_path, stale, code):
    directory = filled(tmp_path / "s", FIRST, days=4)
    report = check(probe, directory, "--stale", stale)
    since = f"{datetime.fromtimestamp(time.time() - 4 * DAY, UTC):%Y-%m-%d}"
    told = f"no result since {since} imported for EXAMPLE-SITE (run fedcloud-availability import)"
    if code:
        assert (report.code, report.first.strip()) == (3, f"Availability UNKNOWN - {told}")
    else:
        assert report.code in (0, 3) and told not in report.first  # on the first days of a month nothing is known


def test_what_is_not_there_is_unknown_and_says_what_to_do(probe, tmp_path):
    report = check(probe, filled(tmp_path / "s"))
    assert (report.code, report.first.strip()) == (
        3,
        "Availability UNKNOWN - no result ever imported for EXAMPLE-SITE (run fedcloud-availability import)",
    )
    report = probe("check_availability", "--site", "EXAMPEL-SITE", "--state-dir", filled(tmp_path / "s", FIRST))
    assert report.code == 3 and "did you mean EXAMPLE-SITE?" in report.first
    (tmp_path / "empty").mkdir(0o700)
    report = check(probe, tmp_path / "empty")
    assert report.code == 3 and "there are no results in" in report.first


def test_a_month_of_which_nothing_is_known_is_unknown(probe, tmp_path):
    report = check(probe, filled(tmp_path / "s", FIRST, (50 * DAY, NUMBERS["UNKNOWN"])))
    assert report.code == 3
    assert re.match(r"Availability UNKNOWN - no data of \d{4}-\d\d for EXAMPLE-SITE \(run its metrics\)", report.first)
