"""Whose fault it is: a site is CRITICAL only for what is the site's, whatever else fails, alone or together."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import ROOT, Monitor
from tests.federation import gocdb as pi

OCCI = "eu.egi.cloud.vm-management.occi"
HOST = "rocci.fedcloud.test"
STACK = "stack.fedcloud.test"
TWO_HOURS_S = 7200


def asked(monitor: Monitor) -> list[str]:
    """What was asked of the clouds."""
    federation = monitor.federation
    servers = [site.web for site in federation.sites.values()]
    servers += [federation.service(f"{name}-keystone").web for name in federation.clouds]
    return [each.request.path for web in servers for each in web.requests]


def assert_unknown(report, says: str) -> None:
    assert (report.code, report.err) == (3, ""), report.out
    assert re.search(says, report.first), report.first


# ---- the GOCDB

ASKS_THE_GOCDB = {
    "check_occi_vm": HOST,
    "check_occi_context": HOST,
    "check_apel_pub": HOST,
    "check_appdb_update": "appdb.fedcloud.test",
    "check_perun": "perun.fedcloud.test",
    "check_broker": "mq.fedcloud.test",
    "check_endpoint_tcp": HOST,
    "check_cloud_bdii": HOST,
    "check_openstack_vm": STACK,
    "check_openstack_swift": STACK,
    "check_openstack_images": STACK,
    "check_cloud_info": STACK,
}


def test_every_probe_that_takes_a_host_from_the_gocdb_is_among_them():
    probes = {path.name for path in (ROOT / "probes").glob("check_*") if "cli.gocdb(" in path.read_text()}
    assert probes == set(ASKS_THE_GOCDB)


@pytest.mark.parametrize(
    ("fault", "says"),
    [("status", "503 Service Unavailable from"), ("doctype-bomb", "a document with a DTD instead of results from")],
)
@pytest.mark.parametrize("probe", ASKS_THE_GOCDB)
def test_a_gocdb_that_fails_is_unknown_for_every_probe_and_no_site_is_asked(monitor, probe, fault, says):
    monitor.federation.gocdb.faults.on(fault)
    where = r"name rocci\.fedcloud\.test does not resolve \(.+\); that port is a guess: "
    guess = where if probe == "check_cloud_bdii" else ""  # it has a port without the GOCDB, and tells why it took that
    assert_unknown(monitor.run(probe, "-H", ASKS_THE_GOCDB[probe]), rf" UNKNOWN - {guess}{says} GOCDB localhost:\d+ \(")
    assert asked(monitor) == []


def let_age(monitor: Monitor, seconds: float) -> None:
    """Make what is kept of the GOCDB's answers older than it is."""
    for copy in monitor.state.glob("gocdb-*.json"):
        kept = json.loads(copy.read_text())
        copy.write_text(json.dumps({**kept, "at": time.time() - seconds}))


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        ("check_occi_vm", r"connection refused by localhost:\d+ \(127\.0\.0\.1\)"),
        ("check_occi_context", r"connection refused by localhost:\d+ \(127\.0\.0\.1\)"),
        ("check_endpoint_tcp", r"connection refused by localhost:\d+ \(127\.0\.0\.1\)"),
    ],
)
def test_a_bad_site_is_critical_by_an_old_copy_of_the_gocdb_and_that_is_said(monitor, probe, says):
    """The GOCDB may hide no outage; but if the endpoint has moved meanwhile, the reader has to be able to see it."""
    site = monitor.federation.site("rocci")
    assert monitor.run(probe, "-H", HOST).code == 0
    let_age(monitor, TWO_HOURS_S)
    monitor.federation.gocdb.faults.on("status", code=503)
    site.web.stop()
    try:
        report = monitor.run(probe, "-H", HOST)
    finally:
        site.web.start()
    assert (report.code, report.err) == (2, ""), report.out
    note = r"; GOCDB copy of 2 h ago, as the GOCDB failed: 503 Service Unavailable from localhost:\d+"
    assert re.fullmatch(rf"\S+ CRITICAL - {says}{note}", report.first), report.first


def test_a_copy_beyond_a_month_is_no_ground_to_judge_a_site(monitor):
    assert monitor.run("check_endpoint_tcp", "-H", HOST).code == 0
    let_age(monitor, 31 * 86400)
    monitor.federation.gocdb.faults.on("status", code=503)
    assert_unknown(monitor.run("check_endpoint_tcp", "-H", HOST), r"503 Service Unavailable from GOCDB localhost:\d+")


def test_a_host_that_nobody_registered_is_not_judged_without_a_word_of_that(monitor):
    report = monitor.run_alone("check_occi_vm", "-H", "127.0.0.3")
    assert report.code == 2
    assert report.first.endswith(
        "connection refused by 127.0.0.3:8787; 127.0.0.3 is not in the GOCDB, tried on port 8787"
    )


# ---- the accounting portal


@pytest.mark.parametrize(
    ("fault", "parameters", "says"),
    [
        ("status", {"code": 503}, "503 Service Unavailable from"),
        ("html", {}, "page without accounting data from"),
        ("reset", {}, "connection reset by"),
        ("page-age", {}, r"page last updated 2 d ago \(limit 24 h\) on"),
    ],
)
def test_a_portal_that_fails_is_unknown_however_old_the_record_is(monitor, fault, parameters, says):
    federation = monitor.federation
    federation.accounting.publishes("ROCCI-CLOUD", age=timedelta(days=60))
    assert monitor.run("check_apel_pub", "--site", "ROCCI-CLOUD").code == 2
    federation.accounting.faults.on(fault, **parameters)
    assert_unknown(monitor.run("check_apel_pub", "--site", "ROCCI-CLOUD"), rf"{says} accounting portal localhost:\d+")


# ---- Keystone

KEYSTONE_FAULTS = [
    ("status", {"code": 503}, r"503"),
    ("ks-vo-unmapped", {}, r"VO ops may not be mapped there"),
    ("garbage", {}, r'" instead of HTTP'),
    ("ks-no-projects", {}, r"no project for VO ops for us"),
]


@pytest.mark.parametrize(("fault", "parameters", "says"), KEYSTONE_FAULTS)
def test_a_keystone_outside_the_site_is_a_helper_and_the_sites_own_is_the_site(monitor, fault, parameters, says):
    """The cloud is at `localhost` and its Keystone too; at 127.0.0.1 it is another host, of nobody's domain."""
    site = monitor.federation.site("ooi")
    site.keystone.faults.on(fault, **parameters)
    own = monitor.run("check_occi_vm", "-u", site.url)
    assert (own.code, own.err) == (2, ""), own.out
    assert re.search(says, own.first), own.first

    keystone = monitor.federation.service("ooi-keystone").web.url.replace("localhost", "127.0.0.1")
    challenge = {"WWW-Authenticate": f"Keystone uri='{keystone}/v3'"}
    site.faults.on("status", code=401, headers=challenge)
    shared = monitor.run("check_occi_vm", "-u", site.url, "--keystone", keystone, "-v")
    assert_unknown(shared, rf"^OCCI-VM UNKNOWN - (?=.*{says}).* outside Keystone 127\.0\.0\.1:\d+")
    assert "the endpoint was not judged" in shared.out.splitlines()
    assert site.occi.created == []


# ---- what we keep ourselves


@pytest.fixture
def expired_crl(federation):
    federation.authority.write_crl(next_update=-timedelta(days=3))
    yield
    federation.authority.write_crl()


def test_a_crl_of_ours_that_has_expired_is_unknown(monitor, expired_crl):
    federation = monitor.federation
    site = federation.site("rocci")
    for command in (
        ("check_occi_vm", "-u", site.url),
        ("check_occi_context", "-u", site.url),
        ("check_appdb_update",),
        ("check_perun", "-H", "perun.fedcloud.test"),
        ("check_endpoint_tcp", "--tls", "-u", site.url),
    ):
        says = (
            r"certificate cannot be judged on (?:GOCDB )?\S+(?: \(127\.0\.0\.1\))?; the CRL \S+ expired 3 d ago "
            r"\(run fetch-crl\)$"
        )
        assert_unknown(monitor.run(*command), says)
    assert asked(monitor) == []


def test_a_site_whose_certificate_has_expired_is_critical_even_then(monitor, expired_crl):
    site = monitor.federation.site("rocci")
    site.certificate("expired")
    report = monitor.run("check_endpoint_tcp", "--tls", "-u", site.url)
    assert report.code == 2
    assert "certificate expired 3 d ago" in report.first


ASKS_WITH_A_PROXY = {
    "check_occi_vm": lambda federation: federation.site("rocci").url,
    "check_occi_context": lambda federation: federation.site("rocci").url,
    "check_perun": lambda federation: federation.service("perun").web.url,
    **dict.fromkeys(
        ("check_openstack_vm", "check_openstack_swift", "check_openstack_images", "check_cloud_info"),
        lambda federation: federation.cloud("stack").url,
    ),
}


@pytest.mark.parametrize("probe", ASKS_WITH_A_PROXY)
@pytest.mark.parametrize(
    ("lifetimes", "says", "also"),
    [
        ({"lifetime": timedelta(seconds=45)}, "proxy ends in", r"; this run may take [\d.]+ s"),
        ({"lifetime": timedelta(hours=-1)}, "proxy expired 60 min ago", ""),
        (
            {"lifetime": timedelta(hours=1), "ac_lifetime": timedelta(seconds=45)},
            "VOMS attributes end in",
            r"; this run may take [\d.]+ s",
        ),
    ],
    ids=["within the run", "before", "its VOMS attributes within the run"],
)
def test_a_proxy_of_ours_that_ends_is_unknown_and_nobody_is_asked(
    monitor, tmp_path: Path, probe, lifetimes, says, also
):
    federation = monitor.federation
    proxy = federation.authority.proxy(path=tmp_path / "x509up", **lifetimes)
    url = ASKS_WITH_A_PROXY[probe](federation)
    for is_dead in (False, True):  # a site that is bad as well does not change whose fault comes first
        if is_dead:
            federation.site("rocci").faults.on("status", code=503)
        report = monitor.run(probe, "-u", url, "-t", "60", X509_USER_PROXY=proxy)
        what = says if says.endswith("ago") else rf"{says} [\d.]+ s"
        remedy = r"\(run voms-proxy-init --rfc --voms ops\)"
        assert_unknown(report, rf" UNKNOWN - {what} in {re.escape(str(proxy))}{also} {remedy}$")
    assert asked(monitor) == []


# ---- several at once


def test_a_site_that_is_bad_is_critical_beside_helpers_that_fail(monitor):
    """fedcloud-selfcheck asks all metrics of a site: UNKNOWN of one must not hide CRITICAL of another."""
    federation = monitor.federation
    federation.accounting.faults.on("status", code=503)
    metrics = [f"--metric={name}" for name in ("eu.egi.cloud.OCCI-Context", "eu.egi.cloud.APEL-Pub")]
    helper_alone = monitor.run("fedcloud-selfcheck", "ROCCI-CLOUD", *metrics)
    assert (helper_alone.code, helper_alone.err) == (3, ""), helper_alone.out
    federation.site("rocci").faults.on("status", code=503)
    both = monitor.run("fedcloud-selfcheck", "ROCCI-CLOUD", *metrics)
    assert (both.code, both.err) == (2, ""), both.out
    assert re.search(r"1 CRITICAL, 1 UNKNOWN", both.out), both.out


def test_one_broker_that_fails_and_a_bdii_that_does_are_told_apart(monitor):
    """Brokers looked up in a BDII: when that fails, nothing is known of any broker."""
    report = monitor.run("check_broker", "--bdii", "ldap://127.0.0.1:1")
    assert_unknown(report, r" UNKNOWN - connection refused by BDII 127\.0\.0\.1:1 \(give the broker with -u\)$")


def test_an_unusable_registration_is_the_sites_though_the_gocdb_hands_it_out(monitor):
    federation = monitor.federation
    service = pi.Service("odd.fedcloud.test", OCCI, "ODD-CLOUD", url="https://[odd/?image=a")
    federation.gocdb.add_service(service)
    try:
        report = monitor.run("check_occi_vm", "-H", "odd.fedcloud.test")
    finally:
        federation.gocdb.services.remove(service)
    assert report.code == 2
    assert "unusable URL in the GOCDB for " in report.first
