"""SiteAccounting on the page of 2015, at that page's own time, and on made-up pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nagiosplugin import Check as Framework

from libprobe.checks.accounting import SiteAccounting
from libprobe.clients.accounting import FetchedPage
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, OK, UNKNOWN, WARNING
from libprobe.formats.accounting import read_page
from libprobe.judge.contexts import Freshness, Outcome, Scalar
from libprobe.judge.summaries import OneLine, RankedResults
from libprobe.probe.cli import age_limit
from libprobe.targets.sites import AccountedSite
from tests.checks.judging import judge as evaluated

PAGE = (Path(__file__).parents[1] / "data" / "apel" / "cloudsites2.html").read_bytes()
THEN = datetime(2015, 12, 1, 7, 30, 8, tzinfo=UTC)
URL = "http://portal.test/cloudsites2.html"
PORTAL = "accounting portal portal.test:80"

# Judged by hand at 2015-12-01 07:30:08 with 7 d and 30 d: no row of that day is between the two.
STATES = {
    "100IT": OK,
    "BIFI": OK,
    "CERN-PROD": OK,
    "CESGA": OK,
    "CESNET-MetaCloud": OK,
    "CETA-GRID": OK,
    "CSIC-EBD-LW": CRITICAL,  # 32.7 days
    "CYFRONET-CLOUD": OK,
    "FZJ": CRITICAL,  # 168.9 days
    "GoeGrid": OK,
    "GRIF": CRITICAL,  # 811.9 days
    "HG-09-Okeanos-Cloud": OK,
    "IFCA-LCG2": OK,
    "IISAS-Bratislava": CRITICAL,  # 965.8 days
    "IISAS-FedCloud": OK,
    "IISAS-GPUCloud": OK,
    "IN2P3-CC": CRITICAL,  # 986.7 days
    "IN2P3-IRES": OK,
    "INFN-CATANIA-NEBULA": OK,
    "INFN-CATANIA-STACK": OK,
    "INFN-PADOVA-STACK": OK,
    "KISTI": CRITICAL,  # 215.9 days
    "KR-KISTI-CLOUD": OK,  # 2.4 days
    "KTH-CLOUD": CRITICAL,  # 300.4 days
    "MK-04-FINKICLOUD": CRITICAL,  # 39.9 days
    "NCG-INGRID-PT": OK,
    "PRISMA-INFN-BARI": OK,  # 3.6 days
    "SZTAKI": CRITICAL,  # 274.0 days
    "TR-FC1-ULAKBIM": OK,  # 3.0 days
    "TW-EMI-PPS": CRITICAL,  # 809.7 days
    "UA-BITP": OK,
    "UPV-GRyCAP": OK,
}


class Portal:
    def __init__(self, page: bytes, skew: float | None = 0.0) -> None:
        self._page, self._skew = page, skew

    def page(self, site: str) -> FetchedPage:
        return FetchedPage(read_page([self._page]), URL, self._skew)


def judge(page: bytes, site: str | AccountedSite, *, now=THEN, warning="7d", critical="30d", skew=0.0, **options):
    """The exit code and the sentence."""
    subject = site if isinstance(site, AccountedSite) else AccountedSite(site)
    check = SiteAccounting(Portal(page, skew), subject, Deadline(10), now=lambda: now, **options)
    run = Framework(
        check,
        Freshness("record_age", age_limit(warning), age_limit(critical), sentence=lambda age, _: f"{age} ago"),
        Scalar("machines"),
        Scalar("page_age"),
        Outcome("outcome"),
        OneLine("{site} {record_age}{notes}"),
        RankedResults(),
    )
    run()
    return run.exitcode, run.summary_str


def table(*rows: tuple[str, str], made: str = "2015-12-01 07:30:08") -> bytes:
    body = "".join(f"<tr><td>{site}</td><td>{updated}</td></tr>" for site, updated in rows)
    return f"Page last updated: {made}<table><tr><th>Site<th>LastUpdated</tr>{body}</table>".encode()


def test_the_hand_made_list_names_all_sites_of_the_page():
    assert [row.site for row in read_page([PAGE]).rows] == list(STATES)
    assert list(STATES.values()).count(CRITICAL) == 10


@pytest.mark.parametrize(("site", "code"), STATES.items())
def test_every_site_of_2015_is_judged_as_by_hand(site, code):
    assert judge(PAGE, site)[0] == code


@pytest.mark.parametrize(
    ("age", "code"),
    [(timedelta(0), OK), (timedelta(days=7, seconds=-1), OK), (timedelta(days=7), WARNING),
     (timedelta(days=30, seconds=-1), WARNING), (timedelta(days=30), CRITICAL), (timedelta(days=4000), CRITICAL)],
)  # fmt: skip
def test_exactly_at_a_limit_is_the_worse_state(age, code):
    assert judge(table(("A", f"{THEN - age:%Y-%m-%d %H:%M:%S}")), "A")[0] == code


@pytest.mark.parametrize(
    ("warning", "critical", "code"), [("0", "30d", OK), ("7d", "0", WARNING), ("0", "0", OK), ("", "10d", CRITICAL)]
)
def test_zero_disables_a_level(warning, critical, code):
    page = table(("A", "2015-11-20 00:00:00"))
    assert judge(page, "A", warning=warning, critical=critical)[0] == code


def test_a_name_is_no_part_and_no_pattern_of_another():
    for name in ("KR-KISTI", "CLOUD", ".*", "GRI.", "A("):
        code, said = judge(PAGE, name)
        assert code == CRITICAL
        assert said.startswith(f"{name} not among 32 sites on {PORTAL}")


def test_a_name_in_another_case_is_judged_and_said():
    assert judge(PAGE, "UPV-GryCAP") == (OK, "UPV-GryCAP 75 min [listed as UPV-GRyCAP]")


def test_the_exact_name_wins_over_one_in_another_case():
    page = table(("a", "2013-01-01 00:00:00"), ("A", "2015-12-01 07:30:00"))
    assert judge(page, "A")[0] == OK
    assert judge(page, "a")[0] == CRITICAL


def test_the_name_in_the_gocdbs_url_field_counts_where_the_sites_own_is_absent():
    assert judge(PAGE, AccountedSite("SITE", "BIFI")) == (OK, "SITE 22 h [listed as BIFI]")
    assert judge(PAGE, AccountedSite("FZJ", "BIFI"))[0] == CRITICAL


def test_an_absent_site_is_critical_and_similar_names_are_told():
    code, said = judge(PAGE, "KISTI-CLOUD")
    assert code == CRITICAL
    assert "similar: KR-KISTI-CLOUD" in said


def test_equal_rows_are_one_and_rows_that_differ_are_refused():
    assert judge(table(("A", "2015-12-01 07:00:00"), ("A", "2015-12-01 07:00:00")), "A")[0] == OK
    code, said = judge(table(("A", "2015-12-01 07:00:00"), ("A", "2013-12-01 07:00:00")), "A")
    assert code == UNKNOWN
    assert said == f"2 rows for A that differ on {PORTAL}; A 2015-12-01 07:00:00, A 2013-12-01 07:00:00"
    assert (
        judge(table(("a", "2015-12-01 07:00:00"), ("Aa", "2013-12-01 07:00:00"), ("aA", "2014-01-01")), "AA")[0]
        == UNKNOWN
    )


def test_an_old_page_judges_nobody_present_or_absent():
    for site in ("BIFI", "GRIF", "NOWHERE"):
        code, said = judge(PAGE, site, now=THEN + timedelta(days=1))
        assert code == UNKNOWN
        assert said == (f"page last updated 24 h ago (limit 24 h) on {PORTAL}; whether {site} publishes is not known")
    assert judge(PAGE, "BIFI", now=THEN + timedelta(days=1, seconds=-1))[0] == OK
    assert judge(PAGE, "BIFI", now=THEN + timedelta(days=3), page_age=0)[0] == OK


def late(*days: int) -> bytes:
    """Rows of A, B, C and so on, each so many days old."""
    return table(*((chr(65 + n), f"{THEN - timedelta(days=each):%Y-%m-%d %H:%M:%S}") for n, each in enumerate(days)))


def test_where_all_others_are_as_late_it_is_the_portal_that_is_stuck():
    limit = timedelta(days=30).total_seconds()
    unknown = f"on {PORTAL}; whether {{}} publishes is not known (tell its operators)"
    assert judge(late(40, 42, 43, 41), "A", limit=limit) == (
        UNKNOWN,
        f"stuck: none of the 3 other sites updated for 41 d either {unknown.format('A')}",
    )
    assert judge(late(40, 42, 43, 41), "NOWHERE", limit=limit) == (
        UNKNOWN,
        f"stuck: none of its 4 sites updated for 40 d {unknown.format('NOWHERE')}",
    )
    assert judge(late(40, 42, 43, 30), "A", limit=limit)[0] == UNKNOWN
    for judged in (late(40, 42, 43, 29), late(40, 42, 43)):  # one that is not late; and others too few to tell
        assert judge(judged, "A", limit=limit) == (CRITICAL, "40 d ago (limit 30d)")


def test_a_page_that_does_not_say_when_it_was_made_is_taken_as_it_is():
    assert judge(table(("A", "2015-12-01 07:00:00"), made="once"), "A")[0] == OK


@pytest.mark.parametrize(
    ("skew", "clock"),
    [
        (None, "the portal's clock or this machine's is wrong"),
        (7200.0, "the portal's clock is 2 h ahead of this machine's"),
        (-7200.0, "the portal's clock is 2 h behind this machine's"),
        (1.0, "the clocks agree, so the time itself is wrong"),
    ],
)
def test_a_date_in_the_future_is_refused_and_the_clock_is_named(skew, clock):
    code, said = judge(table(("A", "2015-12-01 07:35:09")), "A", skew=skew)
    assert code == UNKNOWN
    assert said.startswith(f"A last updated 5 min in the future (2015-12-01 07:35:09 UTC) on {PORTAL}; ")
    assert said.endswith(f"; {clock}")
    code, said = judge(table(("A", "2015-12-01 07:00:00"), made="2015-12-02 07:00:00"), "A", skew=skew)
    assert code == UNKNOWN
    assert said.startswith(f"page last updated 23 h in the future (2015-12-02 07:00:00 UTC) on {PORTAL}; ")


def test_a_little_in_the_future_is_now():
    assert judge(table(("A", "2015-12-01 07:35:08")), "A")[0] == OK


@pytest.mark.parametrize("text", ["1999-99-99 77:88:99", "", "never"])
def test_an_impossible_date_is_the_portals_fault(text):
    code, said = judge(table(("A", text)), "A")
    assert code == UNKNOWN
    assert said.startswith("last update of A: ") and said.endswith(f", on {PORTAL}")


def test_a_page_cut_off_before_the_site_says_nothing_of_it_and_after_it_does():
    cut = PAGE[: PAGE.index(b"KTH-CLOUD")]
    assert judge(cut, "BIFI")[0] == OK
    code, said = judge(cut, "SZTAKI")
    assert (code, said) == (
        UNKNOWN,
        "page breaks off after 23 sites, without SZTAKI, from accounting portal portal.test:80",
    )


def test_an_empty_table_blames_no_site():
    assert judge(table(), "A") == (UNKNOWN, "no site listed at all by accounting portal portal.test:80")


# ---- the page of one site


def publication(status: str) -> bytes:
    return (
        f"<table><tr><td>Title<tr><th>Publication  Status<tr><td>{status}</table><li>lastBuild : 2015-12-01 05:10:00.00"
    ).encode()


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("2015-12-01", OK),
        ("2015-11-24", OK),
        ("2015-11-23", WARNING),
        ("2015-11-01", WARNING),
        ("2015-10-31", CRITICAL),
    ],
)
def test_a_day_counts_from_its_end_so_that_seven_days_are_still_fresh(day, code):
    assert judge(publication(f"OK [ last published n days ago: {day} ]"), "A")[0] == code


def test_published_today_is_said_so():
    assert judge(publication("OK [ last published 0 days ago: 2015-12-01 ]"), "A") == (OK, "A less than a day")


@pytest.mark.parametrize("word", ["WARN", "ERROR"])
def test_the_portals_own_doubt_is_a_warning_where_the_date_is_fresh(word):
    code, said = judge(publication(f"{word} [ last published 1 days ago: 2015-11-30 ]"), "A")
    assert code == WARNING
    assert said == f"'{word} [ last published 1 days ago: 2015-11-30 ]' for A on {PORTAL}"


def test_a_status_without_a_date_is_critical_unless_it_says_ok():
    assert judge(publication("ERROR [ never published ]"), "A")[0] == CRITICAL
    assert judge(publication("OK"), "A")[0] == UNKNOWN


def test_a_day_to_come_is_refused():
    assert judge(publication("OK [ last published -2 days ago: 2015-12-03 ]"), "A")[0] == UNKNOWN


# ---- the whole of a report


def whole(page: bytes, site: str = "A"):
    check = SiteAccounting(Portal(page, 0.0), AccountedSite(site), Deadline(10), now=lambda: THEN)
    age = Freshness("record_age", age_limit("7d"), age_limit("30d"))
    return evaluated(check, "{site} {record_age}{notes}", age, "machines", "page_age")


def test_a_row_is_told_and_measured():
    page = (
        b"Page last updated: 2015-12-01 07:00:08<table><tr><th>Site<th>NumberOfMachines<th>LastUpdated"
        b"<tr><td>A<td>1,492<td>2015-11-30 07:30:08</table>"
    )
    found = whole(page)
    assert (found.status, found.sentence) == (OK, "A 24 h")
    assert found.values == {"machines": "1492;;;0", "page_age": "1800s;;;0", "record_age": "86400s;604800;2592000;0"}
    assert found.details == [
        (1, f"accounting page {URL}"),
        (1, "page last updated: 2015-12-01 07:00:08 UTC"),
        (1, "A: last updated 2015-11-30 07:30:08 UTC, of no type"),
    ]


def test_publication_statuses_that_differ_judge_nobody():
    twice = publication("OK [ last published 1 days ago: 2015-11-30 ]") + publication("ERROR [ never published ]")
    found = whole(twice)
    assert (found.status, found.sentence) == (
        UNKNOWN,
        "2 publication statuses that differ on accounting portal portal.test:80",
    )
    same = publication("OK [ last published 1 days ago: 2015-11-30 ]")
    assert whole(same + same).status == OK
    assert (1, "status: OK [ last published 1 days ago: 2015-11-30 ]") in whole(same).details


def test_a_status_without_a_date_is_repeated():
    never = "A has no date of publication on accounting portal portal.test:80, which says 'ERROR [ never published ]'"
    assert whole(publication("ERROR [ never published ]")).sentence == never
    lost = f"'OK' without the date of the last publication on {PORTAL}"
    assert whole(publication("OK")).sentence == lost
