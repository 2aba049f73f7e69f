"""check_cloud_bdii as Nagios runs it: against a real slapd with GLUE 2, and against peers that misbehave."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Monitor, at, clean_environment, command
from tests.federation import ber, ldap_peer
from tests.federation import gocdb as pi
from tests.federation.bdii import SERVICE_TYPE, glue21_cloud
from tests.federation.ldap_peer import LdapPeer
from tests.machine import lacking
from tests.pace import Watch, seconds

PROBE = "check_cloud_bdii"
CLOUDS = {"occi-os": (3, 5), "ooi": (3, 5), "rocci": (3, 3), "snf": (3, 3), "rocci2": (3, 3)}
NUMBER = r"[\d.]+"
MEASURED = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
with open(f"/proc/{child.pid}/schedstat") as file:
    starved = int(file.read().split()[1]) / 1e9
print(os.wait4(child.pid, 0)[2].ru_maxrss, starved)
"""
"""Runs a command, then prints the KiB it used and the seconds that it waited for a processor."""

IN_TIME = re.compile(r"(no complete answer|not finished|did not finish) within [\d.]+ s")
"""The usual sentence; the others are the timer's behind it, on a machine too busy to get that far."""


def place(bdii) -> str:
    """Host and port of a BDII, as sentences name it."""
    return f"localhost:{bdii.port}"


@pytest.fixture
def bdii(federation):
    """The federation's BDII, as new; what a test adds to the GOCDB goes again."""
    if missing := lacking(["slapd", "glue-schema"]):
        pytest.skip(missing)
    services = list(federation.gocdb.services)
    yield federation.bdii
    federation.bdii.faults.clear()
    if federation.bdii.extra:
        federation.bdii.publish()
    federation.gocdb.services[:] = services


def register(monitor: Monitor, hostname: str, url: str, kind: str = SERVICE_TYPE, site: str = "OOI-CLOUD") -> None:
    monitor.federation.gocdb.add_service(pi.Service(hostname, kind, site, url=url))


def ooi(monitor: Monitor, *arguments: object, **options: object):
    return monitor.run(PROBE, "-H", "ooi.fedcloud.test", *arguments, **options)


# ---- the good case


@pytest.mark.parametrize("cloud", CLOUDS)
def test_by_host_name_alone_the_sites_cloud_is_found(monitor, bdii, cloud):
    site = monitor.federation.site(cloud)
    report = monitor.run(PROBE, "-H", site.hostname)
    images, sizes = (len(each) for each in (site.occi.templates.images, site.occi.templates.sizes))
    assert re.fullmatch(
        rf"CloudBDII-Check OK - {place(bdii)} has 1 cloud service of {site.gocdb_name} in \d+ entries: "
        rf"OCCI at {at(site.base)}, {images} images, {sizes} sizes; took {NUMBER} m?s",
        report.first,
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == ["endpoints", "entries", "images", "response_time", "services", "sizes"]
    assert report.performance["services"] == "1;;;0"
    assert report.performance["images"] == f"{images};;;0"
    assert re.fullmatch(r"[\d.]+s;;;0", report.performance["response_time"])


@pytest.mark.parametrize("way", ["ldap", "ldaps", "starttls"])
def test_by_url_the_clouds_of_all_sites_are_counted(monitor, bdii, way):
    url = bdii.tls_url if way == "ldaps" else bdii.url
    report = monitor.run(PROBE, "-u", url, *(["--starttls"] if way == "starttls" else []))
    assert report.code == 0, report.out
    assert f"{at(url)} has 5 cloud services in " in report.first
    assert report.performance["endpoints"] == "5;;;0"


def test_site_narrows_it_down_and_no_gocdb_is_asked_for_a_url(monitor, bdii):
    monitor.federation.gocdb.faults.on("mute")
    report = monitor.run(PROBE, "-u", bdii.url, "--site", "rocci-cloud", "-t", seconds(5))
    assert "1 cloud service of rocci-cloud" in report.first
    assert (report.code, report.performance["services"]) == (0, "1;;;0")


def test_v_tells_the_endpoint_and_what_it_was_compared_with(monitor, bdii):
    base = monitor.federation.site("ooi").base
    assert ooi(monitor, "-v").lines == [
        "creation time: not published",
        f"asked: search at ldap://{place(bdii)} below o=glue",
        f"endpoint: OCCI at {base} of OOI-CLOUD",
        f"registered: {base}",
    ]


def test_a_base_that_is_the_sites_own_tree_will_do(monitor, bdii):
    report = ooi(monitor, "-b", "GLUE2GroupID=cloud, GLUE2DomainID=OOI-CLOUD, o=glue")
    assert report.code == 0
    assert f"{place(bdii)} has 1 cloud service of OOI-CLOUD in 12 entries" in report.first


@pytest.mark.parametrize("created", ["{:%Y-%m-%dT%H:%M:%SZ}", "{:%Y-%m-%dT%H:%M:%S+00:00}"])
def test_a_cloud_published_by_glue_2_1_is_found_as_well(monitor, bdii, created):
    now = datetime.now(UTC)
    bdii.publish(glue21_cloud("NEW-CLOUD", "https://new.test:5000/v3", created=created.format(now)))
    report = monitor.run(PROBE, "-u", bdii.url, "--site", "NEW-CLOUD", "--occi-url", "https://new.test:5000/v3/")
    assert re.fullmatch(
        rf"CloudBDII-Check OK - {place(bdii)} has 1 cloud service of NEW-CLOUD in \d+ entries, "
        rf"{NUMBER} m?s old: OCCI at new\.test:5000, 1 image, 1 size; took {NUMBER} m?s",
        report.first,
    ), report.out
    assert re.fullmatch(r"[\d.]+s;3600;;0", report.performance["age"])


# ---- freshness


def test_an_old_entry_is_a_warning_and_beyond_c_critical(monitor, bdii):
    bdii.faults.on("bdii-stale", seconds=3 * 86400, site="OOI-CLOUD")
    report = ooi(monitor)
    assert report.first == (
        f"CloudBDII-Check WARNING - newest cloud entry is 3 d old in {place(bdii)} (limit 1h); "
        f"validity of all cloud entries of OOI-CLOUD ended 3 d ago"
    )
    assert re.fullmatch(r"2592\d\d(\.\d+)?s;3600;;0", report.performance["age"])
    assert report.code == 1
    critical = ooi(monitor, "-c", "2d")
    assert critical.first == f"CloudBDII-Check CRITICAL - newest cloud entry is 3 d old in {place(bdii)} (limit 2d)"
    assert critical.code == 2
    assert monitor.run(PROBE, "-H", "rocci.fedcloud.test").code == 0


def test_a_validity_that_ended_is_a_warning_whatever_w_says(monitor, bdii):
    bdii.faults.on("bdii-stale", seconds=7200)
    report = ooi(monitor, "-w", "1d")
    assert report.first == (
        f"CloudBDII-Check WARNING - validity of all cloud entries of OOI-CLOUD ended 60 min ago in {place(bdii)}"
    )
    assert report.code == 1


def test_a_creation_time_in_the_future_is_a_warning(monitor, bdii):
    bdii.faults.on("bdii-stale", seconds=-86400 * 3)
    report = ooi(monitor)
    assert report.first == (
        f"CloudBDII-Check WARNING - newest cloud entry of OOI-CLOUD created 3 d in the future in {place(bdii)} "
        "(set the clocks by NTP, there and here)"
    )
    assert report.code == 1
    assert "age" not in report.performance


@pytest.mark.parametrize(("age", "code"), [("1h", 0), ("20h", 1)])
def test_a_time_without_a_zone_is_judged_by_the_latest_it_can_mean(monitor, bdii, age, code):
    created = datetime.now(UTC) - timedelta(hours=int(age[:-1]))
    bdii.publish(glue21_cloud("NEW-CLOUD", "https://new.test", created=f"{created:%Y-%m-%dT%H:%M:%S.%f}"))
    report = monitor.run(PROBE, "-u", bdii.url, "--site", "NEW-CLOUD", "-v")
    assert report.code == code, report.out
    assert "age" not in report.performance
    assert "creation time: published without its zone, so judged by the latest instant it can mean" in report.lines
    if code:
        assert f"newest cloud entry is 8 h old in {place(bdii)} (limit 1h)" in report.first


# ---- what is missing


def test_no_endpoint_of_the_interface_is_critical(monitor, bdii):
    bdii.faults.on("bdii-no-endpoint", site="OOI-CLOUD")
    report = ooi(monitor)
    assert report.first == (
        f"CloudBDII-Check CRITICAL - no OCCI endpoint of OOI-CLOUD in {place(bdii)} "
        "(see what cloud-info-provider prints)"
    )
    assert (report.code, report.performance["endpoints"]) == (2, "0;;;0")


def test_another_interface_can_be_asked_for_and_what_there_is_is_told(monitor, bdii):
    bdii.publish(glue21_cloud("NEW-CLOUD", "https://new.test", interfaces=["org.openstack.nova"]))
    there = ("-u", bdii.url, "--site", "NEW-CLOUD")
    assert monitor.run(PROBE, *there, "--interface", "org.openstack.nova").code == 0
    report = monitor.run(PROBE, *there)
    assert f"- no OCCI endpoint of NEW-CLOUD in {place(bdii)}; it has org.openstack.nova only (see" in report.first
    assert report.code == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("bdii-no-cloud", r"no cloud service of OOI-CLOUD in PLACE; it has \d+ entries, only of OCCI-OS-CLOUD, "
         r"ROCCI-CLOUD, \.\.\. \(check the site name\)"),
        ("bdii-no-templates", "no images and no sizes of OOI-CLOUD in PLACE"),
        ("bdii-no-domain", "no GLUE2AdminDomain entry of OOI-CLOUD in PLACE"),
    ],
)  # fmt: skip
def test_what_is_missing_of_the_site_is_told(monitor, bdii, fault, says):
    bdii.faults.on(fault, site="OOI-CLOUD")
    report = ooi(monitor)
    status, code = ("CRITICAL", 2) if "no-cloud" in fault else ("WARNING", 1)
    says = says.replace("PLACE", place(bdii))
    assert re.fullmatch(f"CloudBDII-Check {status} - {says}", report.first), report.out
    assert (report.code, report.err) == (code, "")


def test_no_cloud_at_all_is_critical(monitor, bdii):
    bdii.faults.on("bdii-no-cloud")
    report = ooi(monitor)
    assert report.first == (
        f"CloudBDII-Check CRITICAL - no cloud service of OOI-CLOUD in {place(bdii)}; it has 6 entries "
        "(see what cloud-info-provider prints)"
    )
    bdii.faults.clear()
    bdii.faults.on("bdii-empty")
    assert f"no cloud service of OOI-CLOUD in {place(bdii)}; it has 1 entry (see" in ooi(monitor).first
    assert ooi(monitor).performance["entries"] == "1;;;0"


def test_a_base_that_does_not_exist_is_critical(monitor, bdii):
    bdii.faults.on("bdii-gone")
    report = ooi(monitor, "-v")
    assert report.first == (
        f"CloudBDII-Check CRITICAL - base o=glue does not exist on {place(bdii)}; it runs but holds no data "
        "(see why its update publishes nothing)"
    )
    assert f"asked: search at ldap://{place(bdii)} below o=glue" in report.lines
    assert (report.code, report.performance) == (2, {})


@pytest.mark.parametrize(("limits", "code"), [("1:", 0), ("100:", 2), ("10", 2), ("@60", 2)])
def test_the_number_of_entries_has_limits_of_its_own(monitor, bdii, limits, code):
    report = ooi(monitor, "--entries", limits)
    assert report.code == code
    assert re.fullmatch(rf"60;;{re.escape(limits)};0", report.performance["entries"])
    if code:
        assert report.first == f"CloudBDII-Check CRITICAL - 60 entries in {place(bdii)} (limit {limits})"


# ---- what is wrong


def test_an_endpoint_elsewhere_than_registered_is_a_warning(monitor, bdii):
    bdii.faults.on("bdii-wrong-url", site="OOI-CLOUD")
    report = ooi(monitor)
    base = monitor.federation.site("ooi").base
    assert report.first == (
        f"CloudBDII-Check WARNING - OCCI URL is https://old.invalid:8787, but the GOCDB has {base} in {place(bdii)}"
    )
    assert report.code == 1
    told = ooi(monitor, "--occi-url", "https://third.test/")
    said = "OCCI URL is https://old.invalid:8787, but --occi-url is https://third.test"
    assert told.first.endswith(f"- {said} in {place(bdii)}")
    assert ooi(monitor, "--occi-url", "HTTPS://OLD.invalid:8787/?image=x").code == 0


def test_the_published_host_is_looked_up_where_the_bdii_is_another_host(monitor, bdii):
    register(monitor, "bdii.ooi.test", bdii.url)
    report = monitor.run(PROBE, "-H", "bdii.ooi.test", "-v")
    assert report.code == 0
    assert "registered: no OCCI endpoint of bdii.ooi.test or localhost in the GOCDB" in report.lines
    register(monitor, "localhost", "https://localhost:1/", "eu.egi.cloud.vm-management.occi")
    monitor.state = monitor.state / "fresh"  # where no answer of the GOCDB is kept
    report = monitor.run(PROBE, "-H", "bdii.ooi.test")
    assert report.first.endswith(f", but the GOCDB has https://localhost:1 in {place(bdii)}")
    assert report.code == 1


def test_strict_tells_values_that_are_none(monitor, bdii):
    assert ooi(monitor, "--strict").code == 0
    bdii.faults.on("bdii-list-values", site="OOI-CLOUD")
    assert ooi(monitor).code == 0
    report = ooi(monitor, "--strict", "-v")
    leaf = f"GLUE2ServiceID={monitor.federation.site('ooi').base}_cloud.compute"
    faults = sorted(line for line in report.lines if line.startswith("fault: "))
    assert faults == sorted(
        [
            f"fault: GLUE2ServiceQualityLevel of {leaf} is no value: None",
            f"fault: GLUE2ServiceCapability of {leaf} is a list printed as one value: "
            "['cloud.managementSystem', 'cloud.vm.uploadImage']",
        ]
    )
    assert re.fullmatch(
        rf"CloudBDII-Check WARNING - GLUE2Service\w+ of .*, and 1 fault more \(see -v\) in {place(bdii)}",
        report.first,
    )
    assert report.code == 1
    assert monitor.run(PROBE, "-H", "rocci.fedcloud.test", "--strict").code == 0


# ---- where it is


def test_a_host_that_the_gocdb_does_not_know_is_asked_on_port_2170(monitor, bdii):
    report = monitor.run_alone(PROBE, "-H", "127.0.0.1")
    assert report.first == (
        "CloudBDII-Check CRITICAL - connection refused by 127.0.0.1:2170; "
        "127.0.0.1 is not in the GOCDB as eu.egi.cloud.information.bdii"
    )
    report = monitor.run(PROBE, "-H", "127.0.0.1", "-p", bdii.port)
    assert report.first.endswith(f"; 127.0.0.1 is not in the GOCDB as {SERVICE_TYPE}")
    assert report.code == 0


@pytest.mark.parametrize("url", ["", "https://localhost:8787/"])
def test_a_registered_url_that_is_not_ldap_leaves_the_usual_port(monitor, bdii, url):
    register(monitor, "127.0.0.2", url)
    assert "connection refused by 127.0.0.2:2170" in monitor.run_alone(PROBE, "-H", "127.0.0.2").first


def test_a_registered_base_of_glue_1_is_not_used(monitor, bdii):
    register(monitor, "site-bdii.test", f"ldap://localhost:{bdii.port}/mds-vo-name=OOI-CLOUD,o=grid", "Site-BDII")
    report = monitor.run(PROBE, "-H", "site-bdii.test", "--service-type", "Site-BDII")
    assert report.code == 0
    assert f"{place(bdii)} has 1 cloud service of OOI-CLOUD" in report.first


def test_a_top_bdii_is_not_one_site(monitor, bdii):
    register(monitor, "top.test", bdii.url, "Top-BDII")
    assert "has 5 cloud services in" in monitor.run(PROBE, "-H", "top.test", "--service-type", "Top-BDII").first
    narrowed = monitor.run(PROBE, "-H", "top.test", "--service-type", "Top-BDII", "--site", "SNF-CLOUD")
    assert "has 1 cloud service of SNF-CLOUD in" in narrowed.first


def test_an_unusable_registered_url_is_the_sites_doing(monitor, bdii):
    register(monitor, "bad.test", "ldap://bad.test:99999/")
    report = monitor.run(PROBE, "-H", "bad.test")
    assert re.fullmatch(
        r"CloudBDII-Check CRITICAL - unusable URL in the GOCDB for bad\.test \(OOI-CLOUD\): the port in "
        r"'ldap://bad\.test:99999/' is not a number from 1 to 65535 \(correct it at https://.*\)",
        report.first,
    )


def test_several_registered_urls_need_a_choice(monitor, bdii):
    for port in (1, 2):
        register(monitor, "two.test", f"ldap://two.test:{port}/")
    report = monitor.run(PROBE, "-H", "two.test", "-v")
    assert "the GOCDB has: ldap://two.test:1/, ldap://two.test:2/" in report.lines
    assert report.first == (
        "CloudBDII-Check UNKNOWN - several endpoints of two.test in the GOCDB (choose one with -p or -u)"
    )
    assert report.code == 3


def test_without_the_gocdb_only_a_silent_guess_is_unknown(monitor, bdii):
    monitor.federation.gocdb.faults.on("status", code=503)
    guessed = monitor.run_alone(PROBE, "-H", "127.0.0.3")
    assert re.fullmatch(
        r"CloudBDII-Check UNKNOWN - connection refused by 127\.0\.0\.3:2170; that port is a guess: "
        r"[^;]*GOCDB[^;]* \(give the address with -u or -p\)",
        guessed.first,
    ), guessed.out
    assert guessed.code == 3
    told = monitor.run(PROBE, "-H", "localhost", "-p", bdii.port)
    assert re.search(r"has 5 cloud services .*; not compared with the GOCDB: .*\b503\b.*", told.first)
    assert told.code == 0


def test_as_ncg_calls_it_the_gocdb_is_asked_for_the_occi_endpoint_only(monitor, bdii):
    gocdb = monitor.federation.gocdb
    gocdb.server.requests.clear()
    arguments = ("-u", bdii.url, "--site", "OOI-CLOUD")
    assert ooi(monitor, *arguments).code == 0
    asked = [each.request.query["service_type"] for each in gocdb.server.requests]
    assert asked == [["eu.egi.cloud.vm-management.occi"]]
    gocdb.faults.on("status", code=503)
    monitor.state = monitor.state / "fresh"
    report = ooi(monitor, *arguments)
    assert re.search(r"; not compared with the GOCDB: .*\b503\b.*", report.first)
    assert report.code == 0


# ---- options


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], r"no BDII is named \(give -H HOST or -u ldap://HOST:2170/o=glue\)"),
        (["-u", "http://host/"], r"-u: 'http://host/' is not a URL of the form ldap://host:2170/o=glue"),
        (["-u", "ldap://h:1/", "-b", "nonsense"], r"--base: 'nonsense' is not a DN \(give a DN like o=glue\)"),
        (
            ["-u", "ldap://h:1/", "-w", "2d", "-c", "1d"],
            r"usage: -w 2d would never be seen, for -c 1d is critical wherever it alerts; "
            r"are they the wrong way round\? \(see .* --help\)",
        ),
        (["-u", "ldaps://h:1/", "--ca-path", "/proc/nonexistent"], r"CA path /proc/nonexistent cannot be read: .*"),
        (["-u", "ldap://h:1/", "--entries", "x"], r"usage: argument --entries: 'x' is not a number \(see .* --help\)"),
        (
            ["-u", "ldap://h:1/", "--strct"],
            r"usage: unknown argument --strct; did you mean --strict\? \(see .* --help\)",
        ),
        (["-p", "0"], r"usage: argument -p/--port: '0' is not a port between 1 and 65535 \(see .* --help\)"),
    ],
)
def test_wrong_options_are_unknown(probe, arguments, says):
    report = probe(PROBE, *arguments)
    assert re.fullmatch(f"CloudBDII-Check UNKNOWN - {says}", report.first), report.out
    assert (report.code, report.err) == (3, "")


def test_help_needs_no_ldap_library(probe):
    report = probe(PROBE, "--help")
    assert (report.code, report.err) == (3, "")
    assert "Metric:        org.nagios.CloudBDII-Check" in report.out
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", *command(PROBE, "--help")[1:]],
        capture_output=True,
        text=True,
        env=clean_environment(),
    ).stderr
    assert "libprobe.probe.cli" in imported
    assert not re.search(r"\b(ldap3|requests|nagiosplugin|ssl)\b", imported)


# ---- peers that misbehave


@pytest.mark.parametrize(
    "behaviour",
    [
        ldap_peer.close_at_once,
        ldap_peer.close_inside_an_entry,
        ldap_peer.reset,
        ldap_peer.http,
        ldap_peer.tls_alert,
        ldap_peer.terminal_escapes,
        ldap_peer.huge_length,
        ldap_peer.deep_nesting,
        ldap_peer.disconnect,
        ldap_peer.bind_fails(2, "\x1b[31mno | evil=1\n<b>"),
        ldap_peer.search_fails(51),
    ],
)
def test_a_peer_that_misbehaves_is_critical_in_one_clean_line(probe, behaviour):
    with LdapPeer(behaviour) as peer:
        report = probe(PROBE, "-u", peer.url, "-t", seconds(10))
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        rf"CloudBDII-Check CRITICAL - [^|<>\n\x1b:]+ localhost:{peer.port}[^|<>\n\x1b]*\n", report.out
    ), report.out


def test_a_reference_to_another_server_is_told_with_v_and_not_followed(probe):
    with LdapPeer(ldap_peer.answers()) as other:
        with LdapPeer(ldap_peer.answers(ber.reference(2, [other.url]), ldap_peer.BASE)) as peer:
            report = probe(PROBE, "-u", peer.url, "-v")
        assert other.connections == 0
    assert (report.code, report.err) == (2, "")
    assert report.first == (
        f"CloudBDII-Check CRITICAL - no cloud service in localhost:{peer.port}; it has 1 entry "
        "(see what cloud-info-provider prints)"
    )
    assert f"reference, not followed: {other.url}" in report.lines


@pytest.mark.parametrize("behaviour", [ldap_peer.mute, ldap_peer.drip, ldap_peer.mute_after_bind])
def test_a_peer_that_never_ends_is_cut_at_the_deadline(probe, behaviour):
    limit = seconds(3)
    watch = Watch()
    with LdapPeer(behaviour) as peer:
        report = probe(PROBE, "-u", peer.url, "-t", limit)
    assert (report.code, report.err) == (2, "")
    assert IN_TIME.search(report.first), report.out
    watch.ended_within(limit + 1.5)


@pytest.mark.parametrize(
    "behaviour", [ldap_peer.endless_entries, ldap_peer.endless_references, ldap_peer.endless_services]
)
def test_no_answer_however_large_fills_the_memory(behaviour):
    limit = seconds(4)
    with LdapPeer(behaviour) as peer:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *command(PROBE, "-u", peer.url, "-t", limit)],
            capture_output=True,
            text=True,
            env=clean_environment(),
        )
    report, used = done.stdout.splitlines()
    kib, starved_s = used.split()
    if float(starved_s) > limit / 8 and report.startswith("CloudBDII-Check UNKNOWN - "):
        assert "this machine" in report  # which did not let us run so long: then it is not the peer's fault
    else:
        assert report.startswith("CloudBDII-Check CRITICAL - ")
        assert IN_TIME.search(report) or "without end" in report or "no end after" in report, report
    assert int(kib) < 64 << 10


def test_a_bad_certificate_is_critical(monitor):
    authority = monitor.federation.authority
    context = authority.server_context(authority.host_variant("expired", ["localhost"]))
    with LdapPeer(ldap_peer.answers(), context) as peer:
        report = monitor.run(PROBE, "-u", peer.url)
    assert re.fullmatch(
        rf"CloudBDII-Check CRITICAL - certificate expired 3 d ago \(.* UTC\) on localhost:{peer.port}",
        report.first,
    )


def test_text_from_outside_is_printed_clean_and_short(probe):
    evil = "OCCI\x1b[2J|x=1;2\n<script>" + "A" * 3000
    service = {"objectClass": ["GLUE2ComputingService"], "GLUE2ServiceType": ["IaaS"]}
    endpoint = {
        "objectClass": ["GLUE2ComputingEndpoint"],
        "GLUE2EndpointInterfaceName": [evil],
        "GLUE2EndpointURL": [evil],
    }
    dn = "GLUE2ServiceID=s,GLUE2GroupID=cloud,o=glue"
    answer = ldap_peer.answers(ber.entry(2, dn, service), ber.entry(2, f"GLUE2EndpointID=e,{dn}", endpoint))
    with LdapPeer(answer) as peer:
        report = probe(PROBE, "-u", peer.url, "-v")
    assert report.code == 2
    assert f"no OCCI endpoint in localhost:{peer.port}; it has OCCI /x=1;2 [script]AAA" in report.first
    assert report.out.count("|") == 1
    assert "\x1b" not in report.out
    assert len(report.out) <= 20_000


def test_an_entry_whose_dn_is_nonsense_is_told_and_not_counted(probe):
    service = {"objectClass": ["GLUE2CloudComputingService"]}
    answer = ldap_peer.answers(ber.entry(2, "nonsense", service))
    with LdapPeer(answer) as peer:
        report = probe(PROBE, "-u", peer.url, "-v")
    assert f"no cloud service in localhost:{peer.port}; it has 1 entry (see" in report.first
    assert "entries not counted, by their DN or for their number: 1" in report.lines
