from __future__ import annotations

import pytest

from libprobe.checks.availability import SiteAvailability
from libprobe.deadline import Deadline
from libprobe.failures import Misconfigured
from libprobe.state.files import StateDirectory
from libprobe.timelines import profiles
from libprobe.timelines.algebra import OK
from libprobe.timelines.store import Store

SITE, SWIFT, METRIC = "EXAMPLE-SITE", "org.openstack.swift", "eu.egi.cloud.OpenStack-Swift"
DAY, NOVEMBER = 86_400, 1_793_491_200
"""2026-11-01."""


@pytest.fixture
def directory(tmp_path):
    """A store with a result of the last minute of October."""
    path = tmp_path / "state"
    path.mkdir(0o700)
    found = StateDirectory(str(path))
    with Store(found, create=True) as store:
        store.put_topology(0, [(SITE, SWIFT, "swift.example.org", "")])
        add(store, NOVEMBER - 60)
    return found


def add(store, at):
    with store.writer() as writer:
        writer.add(writer.series("swift.example.org", SWIFT, METRIC), at, OK)


def measured(directory, now, site=SITE, stale_s=DAY):
    """The check that is done, and its metrics by name."""
    check = SiteAvailability(
        site, directory, profiles.read(), Deadline(30), target=80.0, stale_s=stale_s, now=NOVEMBER + now
    )
    return check, {each.name: each.value for each in check.measure()}


@pytest.mark.parametrize("now", [0, 600, DAY - 1])
def test_a_month_that_has_only_begun_is_no_reason_to_wake_anybody(directory, now):
    check, found = measured(directory, now)
    assert list(found) == ["outcome"] and found["outcome"].status == OK
    assert check.facts["said"] == "2026-11 has only begun, no result of it is imported yet for EXAMPLE-SITE"


def test_after_its_first_day_it_is_unknown(directory):
    (judgement,) = measured(directory, DAY + 1)[1].values()
    assert str(judgement.sentence).startswith("no result since 2026-10-31 imported for EXAMPLE-SITE")
    (judgement,) = measured(directory, DAY + 1, stale_s=float("inf"))[1].values()
    assert str(judgement.sentence).startswith("no data of 2026-11 for EXAMPLE-SITE")


def test_a_site_that_is_not_there_is_told_on_the_first_day_too(directory):
    with pytest.raises(Misconfigured, match="no endpoint of EXAMPEL-SITE counts in 2026-11"):
        measured(directory, 600, site="EXAMPEL-SITE")


def test_once_something_of_the_month_is_imported_there_are_figures(directory):
    with Store(directory) as store:
        add(store, NOVEMBER + 300)
    check, found = measured(directory, 600)
    assert (found["availability"], found["reliability"]) == (100.0, 100.0)
    assert check.facts["said"].startswith(
        "EXAMPLE-SITE was available 100.00 % of 2026-11 so far, reliable 100.00 %; 80 %"
    )
