"""check_perun as Nagios runs it, against a Perun that is well, in trouble, or no Perun at all."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.conftest import HANGS, SECONDS, Report, at
from tests.federation import gocdb as pi
from tests.pace import Watch, seconds
from tests.probes import wire

PROBE = "check_perun"
HOST = "perun.fedcloud.test"
METHOD = "/cert/rpc/json/utils/getPerunStatus"
NOT_HTTPS = "is not an https:// URL, and a certificate logs in over nothing else"


@pytest.fixture
def perun(federation):
    """The federation's Perun, as new."""
    service = federation.service("perun")
    service.faults.clear()
    service.web.requests.clear()
    yield service
    service.faults.clear()


def look(monitor, perun, *arguments: object, **environment: object) -> Report:
    return monitor.run(PROBE, "-u", perun.web.url, *arguments, **environment)


# ---- a Perun that is well


def test_by_host_name_alone_perun_says_its_versions(monitor, perun):
    report = monitor.run(PROBE, "-H", HOST)
    assert re.fullmatch(
        rf"Perun-Check OK - {at(perun.web.url)} runs Perun 3\.7\.0, PerunDB 3\.1\.27, answered after {SECONDS}, "
        r"the slowest of 2 consumers is 1 message behind",
        report.first,
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == ["consumer_lag", "response_time"]
    assert report.performance["consumer_lag"] == "1;;;0"
    assert re.fullmatch(r"[\d.]+s;;;0", report.performance["response_time"])


def test_it_asks_once_with_the_certificate_and_nothing_else(monitor, perun):
    assert look(monitor, perun).code == 0
    [exchange] = perun.web.requests
    assert (exchange.request.method, exchange.request.path) == ("GET", METHOD)
    assert exchange.request.peer is not None
    assert exchange.request.headers.get("Authorization") is None
    assert exchange.request.headers.get("Accept") == "application/json"


def test_v_tells_every_line_of_the_status(monitor, perun):
    report = look(monitor, perun, "-v")
    assert report.lines[:2] == [f"asked: GET {perun.web.url}{METHOD}", "Version of Perun: 3.7.0"]
    assert "AuditerConsumer: '127.0.0.1:6071' with last processed id='1204'" in report.lines
    assert "acting as" not in report.out
    assert "acting as: /DC=test/DC=fedcloud/O=People/CN=Robot - cloudmon" in look(monitor, perun, "-vv").lines


def test_the_perun_of_2015_does_not_say_its_own_version(monitor, perun):
    perun.faults.on("perun-2015")
    report = look(monitor, perun)
    assert report.code == 0
    assert report.first.startswith(f"Perun-Check OK - {at(perun.web.url)} runs PerunDB 3.1.27, answered after ")


@pytest.mark.parametrize(
    "base", ["", "/", "/cert", "/cert/rpc", "/cert/rpc/", "/cert/rpc/json", METHOD, f"{METHOD}?x=1"]
)
def test_any_part_of_the_url_will_do(monitor, perun, base):
    assert monitor.run(PROBE, "-u", perun.web.url + base).code == 0
    assert [exchange.request.path for exchange in perun.web.requests] == [METHOD]


def test_a_status_without_consumers_has_no_lag(monitor, perun):
    perun.faults.on("perun-body", body='["Version of PerunDB: 3.1.27"]')
    report = look(monitor, perun, "-c", "1")
    assert report.code == 0
    assert list(report.performance) == ["response_time"]


# ---- the lag


def test_one_message_is_one(monitor, perun):
    perun.faults.on("perun-lag", messages=1)
    report = look(monitor, perun, "-c", "0")
    assert (report.code, report.first) == (
        2,
        f"Perun-Check CRITICAL - consumer ldapcConsumer is 1 message behind on {at(perun.web.url)} (limit 0)",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "word", "limit"),
    [
        (("-w", "100"), 1, "WARNING", "100"),
        (("-w", "100", "-c", "499"), 2, "CRITICAL", "499"),
        (("-w", "100", "-c", "500"), 1, "WARNING", "100"),
    ],
)
def test_a_consumer_that_lags_behind_alerts_by_name(monitor, perun, arguments, code, word, limit):
    perun.faults.on("perun-lag", messages=500)
    report = look(monitor, perun, *arguments)
    assert report.code == code
    assert report.first == (
        f"Perun-Check {word} - consumer ldapcConsumer is 500 messages behind on {at(perun.web.url)} (limit {limit})"
    )
    assert report.performance["consumer_lag"].startswith("500;100;")


# ---- a Perun in trouble: CRITICAL, in its own words


@pytest.mark.parametrize("code", [200, 400, 500])
def test_an_error_of_perun_is_critical_in_its_own_words_whatever_the_status(monitor, perun, code):
    perun.faults.on("perun-error", code=code)
    report = look(monitor, perun)
    assert (report.code, report.err) == (2, "")
    assert report.first == (
        f'Perun-Check CRITICAL - InternalErrorException 1506a4: "The database does not answer" from {at(perun.web.url)}'
    )


@pytest.mark.parametrize("name", ["PrivilegeException", "UserNotExistsException", "UserExtSourceNotExistsException"])
def test_a_certificate_that_perun_does_not_know_is_our_own_fault(monitor, perun, name):
    perun.faults.on("perun-error", exception=name, message="nobody")
    report = look(monitor, perun)
    assert report.code == 3
    assert report.first == (
        f'Perun-Check UNKNOWN - {name} 1506a4: "nobody" from {at(perun.web.url)} '
        "(register /DC=test/DC=fedcloud/O=People/CN=Robot - cloudmon as a user of Perun)"
    )


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    [
        ("perun-version", {}, r'PerunDB version "\.\." \(not three numbers\) in the answer of PLACE'),
        ("perun-no-version", {}, r"no line `Version of PerunDB` in the answer of PLACE"),
        ("perun-body", {"body": ""}, r"empty answer from PLACE"),
        (
            "perun-body",
            {"body": "{}"},
            r'neither a status nor an error of Perun in the answer of PLACE; it begins "\{\}"',
        ),
        (
            "perun-body",
            {"body": "x | y\x1b[31m<b>"},
            r'answer that is not JSON from PLACE; it begins "x / y \[31m\[b\]"',
        ),
        (
            "perun-body",
            {"body": '["Version of PerunDB: 3.1.27"]', "code": 500},
            r"500 Internal Server Error, though with a status of Perun's from PLACE",
        ),
        ("perun-body", {"body": "[" * 200_000}, r'answer that is not JSON from PLACE; it begins "\[+\.\.\."'),
        ("html", {}, r'page "Sign in" \(200\) from PLACE; not logged in'),
        (
            "redirect",
            {"to": "https://login.test/idp?x=1"},
            r"redirect to https://login\.test/idp \(302\) from PLACE; not logged in",
        ),
        ("redirect", {"to": "/login"}, r"redirect to /login \(302\) from PLACE; not logged in"),
        ("status", {"code": 401, "body": "go away"}, r'our certificate refused \(401 "go away"\) from PLACE'),
        ("status", {"code": 403}, r"our certificate refused \(403 Forbidden\) from PLACE"),
        ("status", {"code": 404}, r"404 Not Found from PLACE \(check that this is the base of a Perun\)"),
        ("status", {"code": 503, "body": "under maintenance"}, r'503 "under maintenance" from PLACE'),
        *(
            (fault, {}, wire.SAID[fault])
            for fault in (
                "mute-accept",
                "close-headers",
                "mute",
                "drip-headers",
                "drip-body",
                "close-request",
                "close-body",
                "garbage",
                "endless-headers",
            )
        ),
        ("endless-body", {}, r"answer larger than 256 KiB from PLACE"),
        ("gzip-bomb", {"size_bytes": 1 << 20}, wire.SAID["gzip-bomb"]),
    ],
)
def test_a_perun_that_misbehaves_is_critical_within_the_deadline_with_its_reason(
    monitor, perun, fault, parameters, said
):
    perun.faults.on(fault, **parameters)
    limit = seconds(2 if fault in HANGS else 30)
    watch = Watch()
    report = look(monitor, perun, "-t", limit)
    watch.ended_within(limit + 1.5)
    wire.expect(report, "Perun-Check", said, perun.web.url)


def test_a_perun_that_cannot_be_reached_is_critical(monitor):
    report = monitor.run(PROBE, "-u", "https://127.0.0.1:1")
    assert report.first == ("Perun-Check CRITICAL - connection refused by 127.0.0.1:1")
    report = monitor.run(PROBE, "-H", "perun.invalid")
    assert report.code == 2
    assert re.fullmatch(
        r"Perun-Check CRITICAL - name perun\.invalid does not resolve \([^()]+\); perun\.invalid is not in the GOCDB "
        r"as egi\.Perun",
        report.first,
    ), report.first


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("expired", r"certificate expired 3 d ago \([\d-]+ [\d:]+ UTC\) on"),
        ("wrong-host", r"certificate for elsewhere\.fedcloud\.test instead of"),
        ("unknown-ca", r"certificate of an untrusted CA \(Unknown Test CA\) on"),
    ],
)
def test_a_bad_host_certificate_is_critical_and_described(monitor, perun, federation, variant, said):
    authority = federation.authority
    good = perun.web.context
    credential = authority.host_variant(variant, [HOST, "localhost"])
    perun.web.use_context(authority.server_context(credential, clients="optional"))
    try:
        report = look(monitor, perun)
    finally:
        perun.web.use_context(good)
    assert report.code == 2
    assert re.fullmatch(rf"Perun-Check CRITICAL - {said} {at(perun.web.url)}", report.first), report.first


def test_a_url_in_the_gocdb_that_cannot_be_used_is_the_sites_fault(monitor, federation):
    service = federation.gocdb.add_service(pi.Service("p2.fedcloud.test", "egi.Perun", "P2", url="http://perun.test/"))
    try:
        report = monitor.run(PROBE, "-H", "p2.fedcloud.test")
        assert report.code == 2
        assert report.first.startswith(
            "Perun-Check CRITICAL - unusable URL in the GOCDB for p2.fedcloud.test (P2): "
            f"http://perun.test/ {NOT_HTTPS} (correct it at https://"
        )
    finally:
        federation.gocdb.remove_service(service)


# ---- ours: UNKNOWN


def test_without_a_certificate_it_is_unknown(monitor, perun, tmp_path):
    environment = {key: value for key, value in monitor.environment.items() if key != "X509_USER_PROXY"}
    monitor.environment = environment
    report = look(monitor, perun, "--cert", tmp_path / "none")
    assert report.code == 3
    assert report.first == (
        f"Perun-Check UNKNOWN - proxy or certificate {tmp_path}/none cannot be read: No such file or directory"
    )
    assert perun.web.requests == []


def test_an_expired_proxy_is_unknown_and_perun_is_not_asked(monitor, perun, federation, tmp_path):
    path = federation.authority.proxy(path=tmp_path / "proxy", lifetime=timedelta(seconds=-3600))
    report = look(monitor, perun, "--cert", path)
    assert report.code == 3
    assert re.fullmatch(
        rf"Perun-Check UNKNOWN - proxy expired 6\d min ago in {re.escape(str(path))} "
        r"\(run voms-proxy-init --rfc --voms ops\)",
        report.first,
    )
    assert perun.web.requests == []


def test_a_certificate_and_its_key_in_two_files_will_do(monitor, perun, federation):
    robot = federation.authority.robot
    assert look(monitor, perun, "--cert", robot.usercert, "--key", robot.userkey).code == 0


def test_a_gocdb_that_fails_is_unknown(monitor, federation):
    federation.gocdb.faults.on("empty")
    report = monitor.run(PROBE, "-H", HOST)
    assert report.code == 3
    assert report.first == (
        f"Perun-Check UNKNOWN - empty document in the answer of GOCDB {at(federation.gocdb.url)} (give -u URL)"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no Perun is named (give -H HOST or -u URL)"),
        (("-u", "http://perun.test"), f"-u: http://perun.test {NOT_HTTPS}"),
        (("-u", "perun.test:443"), f"-u: perun.test:443 {NOT_HTTPS}"),
        (("-u", "https://"), '-u: the URL "https://" names no host'),
        (
            ("-u", "https://x", "-w", "7d"),
            "usage: argument -w/--warning: '7d' has the unit 'd', but takes none (see check_perun --help)",
        ),
    ],
)
def test_options_that_do_not_fit_are_unknown(probe, arguments, said):
    assert probe(PROBE, *arguments) == Report(3, f"Perun-Check UNKNOWN - {said}\n", "")
