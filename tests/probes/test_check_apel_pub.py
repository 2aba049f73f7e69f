"""check_apel_pub as Nagios runs it, against the portal's two kinds of pages and everything that can go wrong."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.conftest import at
from tests.federation import gocdb as pi
from tests.pace import Watch, seconds

PROBE = "check_apel_pub"
SITE = "OOI-CLOUD"
HOST = "ooi.fedcloud.test"


@pytest.fixture
def portal(federation):
    """The accounting portal as new, all sites fresh."""
    federation.accounting.reset([site.gocdb_name for site in federation.sites.values()])
    federation.service("accounting").web.requests.clear()
    return federation.accounting


@pytest.fixture
def look(monitor, portal):
    return lambda *arguments, **options: monitor.run(PROBE, *arguments, **options)


@pytest.fixture
def page(federation):
    return f"accounting portal {at(federation.accounting_url)}"


# ---- the good case


def test_by_host_name_alone_the_site_is_found_and_fresh(look, monitor):
    report = look("-H", HOST)
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert report.first == f"APEL-Pub OK - {SITE} last published 2 h ago"
    assert re.fullmatch(r"720\d\.?\d*s;604800;2592000;0", report.performance["record_age"])
    assert report.performance["machines"] == "1492;;;0"
    assert re.fullmatch(r"6\d\.?\d*s;;;0", report.performance["page_age"])
    [exchange] = monitor.federation.service("accounting").web.requests
    assert (exchange.request.method, exchange.request.path) == ("GET", "/cloudtest/cloudsites2.html")


def test_by_site_name_the_gocdb_is_not_asked(look, federation):
    federation.gocdb.faults.on("close-accept")
    assert look("--site", SITE).first == f"APEL-Pub OK - {SITE} last published 2 h ago"


def test_a_time_in_another_form_is_read_if_it_can_mean_one_instant_only(look, portal, page):
    portal.publishes(SITE, form="%a, %d %b %Y %H:%M:%S GMT")
    assert look("--site", SITE).first == f"APEL-Pub OK - {SITE} last published 2 h ago"
    portal.publishes(SITE, form="01/12/2015")
    report = look("--site", SITE)
    assert (report.code, report.first) == (
        3,
        (
            f"APEL-Pub UNKNOWN - last update of {SITE}: '01/12/2015' is not a time that "
            f"can be read in one way only, on {page}"
        ),
    )


def test_v_tells_the_page_and_the_row(look, federation):
    report = look("--site", SITE, "-v")
    assert report.code == 0
    assert report.lines[0] == f"accounting page {federation.accounting_url}"
    assert re.fullmatch(r"page last updated: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", report.lines[1])
    assert re.fullmatch(rf"{SITE}: last updated \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC, OpenStack", report.lines[2])


def test_odd_markup_makes_no_difference(look, portal):
    portal.faults.on("odd-markup")
    report = look("--site", SITE)
    assert (report.code, report.performance["machines"]) == (0, "1492;;;0")
    assert report.first == f"APEL-Pub OK - {SITE} last published 2 h ago"


def test_the_later_page_of_one_site_is_known_by_itself(look, portal, federation):
    url = federation.accounting_url.replace("cloudtest/cloudsites2.html", "rss/{site}_Pub.html")
    portal.publishes(SITE, age=timedelta(0))  # the page has days only; what is older may be yesterday's
    assert look("--site", SITE, "-u", url).first == f"APEL-Pub OK - {SITE} last published less than a day ago"
    portal.publishes(SITE, age=timedelta(days=10, hours=12))
    report = look("--site", SITE, "-u", url)
    assert report.code == 1
    assert re.search(rf"{SITE} last published (9|10)(\.\d)? d ago \(limit 7d\)", report.first)


def test_the_page_may_come_from_the_settings(look, portal, federation, tmp_path):
    settings = tmp_path / "probes.ini"
    settings.write_text("[accounting]\nurl = http://localhost:1/\n")
    report = look("--site", SITE, "--config", settings)
    assert report.first == ("APEL-Pub UNKNOWN - connection refused by accounting portal localhost:1 (127.0.0.1)")
    assert look("--site", SITE, "--config", settings, "-u", federation.accounting_url).code == 0


# ---- judging the age


@pytest.mark.parametrize(
    ("age", "code", "said"),
    [
        (timedelta(days=6, hours=23), 0, "7 d ago"),
        (timedelta(days=7), 1, "7 d ago (limit 7d)"),
        (timedelta(days=29), 1, "29 d ago (limit 7d)"),
        (timedelta(days=30), 2, "30 d ago (limit 30d)"),
        (timedelta(days=800), 2, "800 d ago (limit 30d)"),
    ],
)
def test_age_decides_the_status(look, portal, age, code, said):
    portal.publishes(SITE, age=age)
    report = look("--site", SITE)
    assert (report.code, report.err) == (code, "")
    assert report.first == f"APEL-Pub {('OK', 'WARNING', 'CRITICAL')[code]} - {SITE} last published {said}"


def test_limits_are_durations_and_zero_disables_them(look, portal):
    portal.publishes(SITE, age=timedelta(hours=3))
    portal.publishes("SNF-CLOUD", age=timedelta(minutes=1))  # so it is not the portal that is stuck
    assert look("--site", SITE, "-w", "2h").code == 1
    assert look("--site", SITE, "-w", "1h", "-c", "2h").code == 2
    report = look("--site", SITE, "-w", "0", "-c", "0")
    assert report.code == 0
    assert report.performance["record_age"].endswith("s;;;0")


def test_a_name_in_another_case_is_judged_and_said(look):
    assert look("--site", "ooi-cloud").first == "APEL-Pub OK - ooi-cloud last published 2 h ago [listed as OOI-CLOUD]"


def test_the_name_in_the_gocdbs_url_field_is_tried_as_well(look, portal, federation):
    service = federation.gocdb.find("snf.fedcloud.test", "eu.egi.cloud.accounting")
    portal.records = [each for each in portal.records if each.site != "SNF-CLOUD"]
    portal.publishes("Apel-Name")
    service.url = "Apel-Name"
    try:
        report = look("-H", "snf.fedcloud.test")
    finally:
        service.url = ""
    assert report.first == "APEL-Pub OK - SNF-CLOUD last published 2 h ago [listed as Apel-Name]"


# ---- CRITICAL: the site's doing


def test_an_absent_site_is_critical_and_similar_names_are_told(look, portal, page):
    portal.faults.on("absent-site", site=SITE)
    report = look("-H", HOST)
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        rf"APEL-Pub CRITICAL - OOI-CLOUD not among 4 sites on {page}; similar: [A-Z0-9-]+(, [A-Z0-9-]+)*",
        report.first,
    )
    assert list(report.performance) == ["page_age"]


# ---- UNKNOWN: the portal's doing


def test_a_page_that_is_old_itself_blames_no_site(look, portal, page):
    portal.faults.on("page-age", seconds=2 * 86400)
    report = look("--site", SITE)
    assert report.code == 3
    assert report.first == (
        f"APEL-Pub UNKNOWN - page last updated 2 d ago (limit 24 h) on {page}; whether {SITE} publishes is not known"
    )
    assert list(report.performance) == ["page_age"]
    assert look("--site", SITE, "--page-age", "3d").code == look("--site", SITE, "--page-age", "0").code == 0


@pytest.mark.parametrize("with_date", [True, False])
def test_a_portal_on_which_every_sites_records_are_old_blames_no_site(look, portal, page, with_date):
    names = [each.site for each in portal.records]
    for days, name in enumerate(names, 31):
        portal.publishes(name, age=timedelta(days=days, hours=1))
    if not with_date:
        whole = portal._page("/cloudtest/cloudsites2.html")
        portal.body = re.sub(rb"(?i)page last updated[^<]*", b"", whole)
    for site, newest in ((names[0], 32), (names[-1], 31), ("NOT-LISTED", 31)):
        report = look("--site", site)
        listed = f"the {len(names) - 1} other sites" if site in names else f"its {len(names)} sites"
        assert (report.code, report.first) == (
            3,
            f"APEL-Pub UNKNOWN - stuck: none of {listed} updated for {newest} "
            f"d{' either' * (site in names)} on {page}; "
            f"whether {site} publishes is not known (tell its operators)",
        )
        assert list(report.performance) == (["page_age"] if with_date else [])
    assert look("--site", names[0], "-w", "0", "-c", "0").code == 0


@pytest.mark.parametrize("age", [timedelta(hours=2), timedelta(days=6, hours=23)])
def test_one_site_with_a_young_record_proves_that_the_portal_goes_on(look, portal, age):
    names = [each.site for each in portal.records]
    for name in names:
        portal.publishes(name, age=timedelta(days=31))
    portal.publishes(names[1], age=age)
    assert look("--site", names[0]).first.startswith(f"APEL-Pub CRITICAL - {names[0]} last published 31 d ago")


def test_two_other_sites_that_are_late_too_prove_nothing(look, portal):
    portal.records = portal.records[:3]
    names = [each.site for each in portal.records]
    for name in names:
        portal.publishes(name, age=timedelta(days=31))
    assert look("--site", names[0]).code == 2


def test_a_page_cut_off_before_the_site_blames_it_not(look, portal, page):
    portal.faults.on("cut-page", part=0.6)
    names = [each.site for each in portal.records]
    assert look("--site", names[0]).code == 0
    report = look("--site", names[-1])
    assert report.code == 3
    assert re.fullmatch(
        rf"APEL-Pub UNKNOWN - page breaks off after \d sites?, without {names[-1]}, from {page}", report.first
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty page from accounting portal "),
        (b"<html><h1>It works!</h1></html>", "page without accounting data from accounting portal "),
        (b"\x00\xff\xfe garbage |`$(reboot)", "page without accounting data from accounting portal "),
        (b"<table><tr><th>Site<th>LastUpdated</table>", "no site listed at all by accounting portal "),
        (b"<table><tr><th>Site<th>LastUpdated<tr><td>OOI-CLOUD<td>1999-99-99 77:88:99</table>",
         "last update of OOI-CLOUD: '1999-99-99 77:88:99' is a time that does not exist"),
        (b"<table><tr><th>Site<th>LastUpdated<tr><td>OOI-CLOUD<td>2013-01-01 00:00:00<tr><td>OOI-CLOUD<td>"
         b"2014-01-01 00:00:00</table>", "2 rows for OOI-CLOUD that differ on accounting portal "),
        (b"<table><tr><th>Site<th>LastUpdated<tr><td>OOI-CLOUD<td>2199-01-01 00:00:00</table>",
         "OOI-CLOUD last updated "),
        (b"<!--" * 50_000, "holds markup of more than 64 KiB that does not end in the page of accounting portal "),
        (b"x" * (3 << 20), "answer larger than 2048 KiB from"),
    ],
    ids=["empty", "html", "garbage", "no-rows", "bad-date", "two-rows", "future", "comment", "large"],
)  # fmt: skip
def test_a_page_that_cannot_be_used_blames_no_site(look, portal, page, body, said):
    portal.body = body
    report = look("--site", SITE)
    assert (report.code, report.err) == (3, "")
    assert report.first.startswith(f"APEL-Pub UNKNOWN - {said}"), report.first


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    [
        ("status", {"code": 500}, "500 Internal Server Error from accounting portal "),
        ("status", {"code": 404}, "404 Not Found from accounting portal "),
        ("close-accept", {}, "connection "),
        ("close-request", {}, "connection "),
        ("reset", {}, "connection reset by accounting portal "),
        ("close-body", {}, "connection closed within the answer from accounting portal "),
        ("garbage", {}, '"SSH-2.0-OpenSSH_6.6.1" instead of HTTP from accounting portal '),
        (
            "redirect",
            {"to": "http://elsewhere.test/x"},
            "redirect to another host (http://elsewhere.test/x) from accounting portal ",
        ),
        ("gzip-bomb", {"size_bytes": 1 << 24}, "body in the coding 'gzip', not asked for, from accounting portal "),
        ("endless-body", {}, "answer larger than 2048 KiB from"),
        ("endless-headers", {}, ""),
        ("html", {}, "page without accounting data from accounting portal "),
    ],
)
def test_a_portal_that_fails_is_unknown_with_its_reason(look, portal, page, fault, parameters, said):
    portal.faults.on(fault, **parameters)
    report = look("--site", SITE)
    assert (report.code, report.err) == (3, "")
    assert report.first.startswith(f"APEL-Pub UNKNOWN - {said}"), report.first


@pytest.mark.parametrize("fault", ["mute-accept", "mute", "drip-headers", "drip-body"])
def test_a_portal_that_stays_mute_or_drips_is_given_up_in_time(look, portal, page, fault):
    portal.faults.on(fault)
    limit = seconds(1.5)
    watch = Watch()
    report = look("--site", SITE, "-t", limit)
    watch.ended_within(limit + 2.5)
    assert report.code == 3
    assert re.match(rf"APEL-Pub UNKNOWN - (no|page not) .* from {page}", report.first), report.first


def test_a_portal_that_is_gone_is_unknown(look):
    report = look("--site", SITE, "-u", "http://no-such-portal.invalid/x")
    assert report.code == 3
    assert report.first.startswith("APEL-Pub UNKNOWN - accounting portal name no-such-portal.invalid does not")


# ---- UNKNOWN: our own doing


def test_a_host_that_the_gocdb_does_not_know_has_no_site(look):
    assert look("-H", "nowhere.example").first == (
        "APEL-Pub UNKNOWN - the GOCDB does not know nowhere.example, hence not its site (give --site NAME)"
    )


def test_a_host_without_an_accounting_entry_still_has_its_site(look, federation):
    service = pi.Service("bare.fedcloud.test", "eu.egi.cloud.vm-management.occi", SITE)
    federation.gocdb.add_service(service)
    try:
        assert look("-H", "bare.fedcloud.test").code == 0
    finally:
        federation.gocdb.remove_service(service)


def test_a_gocdb_that_fails_is_unknown(look, federation):
    federation.gocdb.faults.on("status", code=503)
    report = look("-H", HOST)
    assert report.code == 3
    assert re.search(r"^APEL-Pub UNKNOWN - .* GOCDB localhost:\d+", report.first)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no site is named (give --site NAME, or -H HOST to look it up in the GOCDB)"),
        (["--site", "A", "-w", "7"], "usage: argument -w/--warning: '7' would be seconds: say 7s, 7h or 7d (see "),
        (
            ["--site", "A", "-c", "-1d"],
            "usage: argument -c/--critical: needs a value (one that begins with a dash is written --critical=-...)",
        ),
        (["--site", "A", "-w", "x"], "usage: argument -w/--warning: "),
        (
            ["--site", "A", "-w", "30d", "-c", "7d"],
            "usage: -w 30d would never be seen, for -c 7d is critical wherever it alerts; are they the wrong way ",
        ),
        (["--site", "A", "-p", "80"], "usage: unknown argument -p"),
        (["--site", "A", "-u", "nonsense"], "'nonsense' is not an http or https URL"),
        (["--sit", "A"], "usage: unknown argument --sit; did you mean --site? (see "),
    ],
)
def test_wrong_usage_is_one_line_and_unknown(look, arguments, said):
    report = look(*arguments)
    assert (report.code, report.err, report.lines) == (3, "", [])
    assert report.first.startswith(f"APEL-Pub UNKNOWN - {said}"), report.first


def test_hostile_names_reach_the_report_harmless(look, portal):
    portal.publishes("OOI-CLOUDS\x1b[2J|evil=1")
    portal.faults.on("absent-site", site=SITE)
    report = look("--site", SITE)
    assert report.code == 2
    assert "\x1b" not in report.out
    assert list(report.performance) == ["page_age"]
