"""What a sentence says of an answer that nobody expected: whose words, where it leads, how long to wait."""

from __future__ import annotations

import re

import pytest

PROBE = "check_occi_vm"


def test_a_keystone_that_is_out_of_order_refuses_nothing_and_its_number_stands_once(monitor):
    site = monitor.federation.site("ooi")
    page = "<html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1></body></html>"
    site.keystone.faults.on("status", code=503, body=page, headers={"Content-Type": "text/html"})
    report = monitor.run(PROBE, "-u", site.url)
    assert re.fullmatch(
        r"OCCI-VM CRITICAL - 503 Service Unavailable from localhost:\d+ when asked to log in", report.first
    )
    assert (report.code, report.err) == (2, "")


def test_a_redirected_post_is_told_with_where_it_leads_and_without_what_may_be_secret(monitor):
    site = monitor.federation.site("rocci")
    target = "https://someone:else@login.example.org/oidc?state=4f2a9c#at"
    site.faults.on("redirect", to=target, method="POST")
    report = monitor.run(PROBE, "-u", site.url)
    assert re.fullmatch(
        r"OCCI-VM CRITICAL - redirect to https://login\.example\.org/oidc \(302\) from localhost:\d+ when asked to "
        "create a VM",
        report.first,
    ), report.first
    assert "4f2a9c" not in report.out and "someone" not in report.out


@pytest.mark.parametrize(
    ("where", "method", "doing"),
    [
        ("endpoint", "GET", "say what it offers"),
        ("endpoint", "POST", "create a VM"),
        ("keystone", "POST", "log in"),
    ],
)
def test_a_login_page_is_told_by_one_sentence_without_markup(monitor, where, method, doing):
    site = monitor.federation.site("ooi")
    (site if where == "endpoint" else site.keystone).faults.on("html", method=method)
    report = monitor.run(PROBE, "-u", site.url)
    assert report.code == 2
    assert re.fullmatch(
        rf'OCCI-VM CRITICAL - page "Sign in" \(200\) from localhost:\d+ when asked to {doing}', report.first
    ), report.first


def test_garbage_with_the_word_category_in_it_is_no_empty_offer(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("status", code=200, body="this is no model\nCategory: nothing of the kind\n")
    report = monitor.run(PROBE, "-u", site.url)
    assert report.code == 2
    assert 'it begins "this is no model"' in report.first


def test_an_image_may_be_named_by_a_title_with_blanks(monitor):
    site = monitor.federation.site("rocci2")
    report = monitor.run(PROBE, "-u", site.url, "--image", "Basic Ubuntu 14.04", "-v")
    assert report.code == 0, report.out
    report = monitor.run(PROBE, "-u", site.url, "--image", "a\nb")
    assert report.code == 3
    assert "argument --image: 'a\\nb' is empty or has" in report.first


def test_a_delete_that_is_refused_is_not_repeated_before_the_pause_that_the_server_asks_for(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("status", code=503, headers={"Retry-After": "2"}, method="DELETE", times=1)
    report = monitor.run(PROBE, "-u", site.url)
    assert report.code == 0, report.out
    at = [each.request.at for each in site.web.requests if each.request.method == "DELETE"]
    assert len(at) == 2
    assert at[1] - at[0] >= 2.0
    assert site.occi.vms() == []


def test_a_delete_that_could_be_repeated_too_late_only_is_told_at_once_and_kept_in_the_journal(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("status", code=503, headers={"Retry-After": "3600"}, method="DELETE")
    report = monitor.run(PROBE, "-u", site.url)
    assert "when asked to delete the VM; asks to wait 60 min (egi-sam-" in report.out
    assert len([each for each in site.web.requests if each.request.method == "DELETE"]) == 1
    site.faults.clear()
    report = monitor.run(PROBE, "-u", site.url)
    assert site.occi.vms() == []
