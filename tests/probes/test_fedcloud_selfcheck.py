"""fedcloud-selfcheck as a site admin and as cron run it: stub probes for every way to end, real ones for the whole."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from prometheus_client.parser import text_string_to_metric_families

from libprobe.formats.metric_result import read_metric_result
from tests.conftest import Monitor, Report, command
from tests.federation.gocdb import Endpoint, Service
from tests.federation.stomp_responder import Responder
from tests.pace import AMPLE_S, Watch, growing, is_over, seconds, until
from tests.probes.test_check_openstack_vm import Site as OpenStackSite
from tests.probes.test_fedcloud_publish_ams import Host as Messaging

PROBE = "fedcloud-selfcheck"
TYPE = "egi.Perun"
METRIC = "org.example.Stub"

STUB = r"""#!/bin/sh
said=
while [ $# -gt 0 ]; do
    case $1 in -u) url=$2 ;; -H) host=$2 ;; -v*) said="asked with $1" ;; esac
    shift
done
log=${0%/*}/log
case ${url##*/} in
ok) echo "STUB OK - $host is fine | time=0.25s;1;2;0 users=3"; echo "a detail"; exit 0 ;;
verbose) echo "STUB OK - fine"; echo "$said"; exit 0 ;;
warning) echo "STUB WARNING - $host is slow (limit 1)"; exit 1 ;;
critical) echo "STUB CRITICAL - $host refused (restart the service)"; exit 2 ;;
unknown) echo "STUB UNKNOWN - no proxy (make one)"; exit 3 ;;
flips) [ -e "$log" ] && { echo "STUB CRITICAL - broke"; exit 2; }; echo "STUB OK - works"; exit 0 ;;
silent) exit 0 ;;
traceback) echo "Traceback" >&2; echo "KeyError: 'x'" >&2; exit 1 ;;
exit42) echo "STUB OK - fine"; exit 42 ;;
killed) kill -9 $$ ;;
noisy) echo "STUB OK - fine"; echo "a warning" >&2; exit 0 ;;
hangs) trap 'echo "STUB UNKNOWN - interrupted by SIGTERM; a VM is left"; echo cleaned >>"$log"; exit 3' TERM
    echo started >>"$log"
    while :; do sleep 0.1; done ;;
stubborn) trap '' TERM; echo started >>"$log"; while :; do sleep 0.1; done ;;
flood) while :; do echo "STUB OK - $(printf '%01000d' 0)"; done ;;
child) sleep 60 & echo $! >>"$log"; echo "STUB OK - fine"; exit 0 ;;
config) echo "STUB OK - $(tr '\n' ' ' <"$FEDCLOUD_PROBES_CONFIG")"; exit 0 ;;
counts) echo + >>"$log"; sleep 0.3; echo - >>"$log"; echo "STUB OK - fine"; exit 0 ;;
meets) echo + >>"$log"
    until [ "$(grep -c + "$log")" -ge 3 ]; do sleep 0.05; done  # the first wait for two more: so many run at once
    sleep 0.3; echo - >>"$log"; echo "STUB OK - fine"; exit 0 ;;
hostile) printf 'STUB CRITICAL - <script>x</script> [red]\033[31m\033]0;t\007 "\x27&amp; | a<b=1s\n'
    printf '<img src=x onerror=x>\nEOT\nmetricStatus: OK\n'; exit 2 ;;
esac
"""


class Site:
    """A site of stub endpoints in the federation's GOCDB, and a monitor that has the stub for its only probe."""

    name = "STUB-SITE"

    def __init__(self, monitor: Monitor, directory: Path) -> None:
        self.monitor = monitor
        self.gocdb = monitor.federation.gocdb
        self.probes = directory / "probes"
        self.probes.mkdir()
        (self.probes / "check_stub").write_text(STUB)
        (self.probes / "check_stub").chmod(0o755)
        self.definitions = directory / "definitions"
        self.definitions.mkdir()
        self.define(300)
        self._services: list[Service] = []

    def define(self, timeout_s: int, **flags: str) -> None:
        metric = {
            "probe": "check_stub",
            "config": {
                "path": "/nowhere",
                "interval": "15",
                "retryInterval": "3",
                "maxCheckAttempts": "3",
                "timeout": str(timeout_s),
            },
            "attribute": {"URL": "-u"},
            "flags": flags,
            "docurl": "https://docs.example.org/stub?a=1&b=2",
        }
        (self.definitions / "stub.conf").write_text(json.dumps({METRIC: metric}))
        (self.definitions / "stub.localdb").write_text(f"ADD_SERVICE_METRIC!{TYPE}!{METRIC}\n")

    def has(self, *behaviours: str, **fields: object) -> list[Service]:
        """Register an endpoint for each behaviour of the stub, on a host of that name."""
        added = []
        for number, behaviour in enumerate(behaviours):
            hostname = (
                f"{behaviour}-{len(self._services) + number}.stub.test"
                if behaviours.count(behaviour) > 1
                else f"{behaviour}.stub.test"
            )
            service = Service(hostname, TYPE, self.name, url=f"https://{hostname}/{behaviour}", **fields)  # type: ignore[arg-type]
            added.append(self.gocdb.add_service(service))
        self._services += added
        return added

    def forget(self) -> None:
        for service in self._services:
            self.gocdb.remove_service(service)
        self.gocdb.sites.pop(self.name, None)

    def arguments(self, *more: object) -> list[object]:
        what = [] if {"--host", "--all"} & set(more) else [self.name]
        return [*what, "--probes", self.probes, "--definitions", self.definitions, *more]

    def check(self, *more: object, **environment: object) -> Report:
        return self.monitor.run(PROBE, *self.arguments(*more), **environment)

    def json(self, *more: object) -> dict:
        report = self.check("--json", *more)
        assert report.err == ""
        document = json.loads(report.out)
        assert report.code == ["OK", "WARNING", "CRITICAL", "UNKNOWN"].index(document["state"])
        return document

    def log(self) -> list[str]:
        path = self.probes / "log"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def site(monitor, tmp_path):
    made = Site(monitor, tmp_path)
    yield made
    made.forget()
    made.gocdb.downtimes.clear()
    made.gocdb.page_size = 100


# ---- states and the exit code


@pytest.mark.parametrize(
    ("behaviours", "code"),
    [
        (["ok", "ok"], 0),
        (["ok", "warning"], 1),
        (["warning", "unknown", "ok"], 3),
        (["unknown", "critical", "warning"], 2),
    ],
)
def test_the_exit_code_is_the_worst_state(site, behaviours, code):
    site.has(*behaviours)
    report = site.check()
    assert (report.code, report.err) == (code, "")


def test_plain_output_is_lines_that_a_mail_can_hold(site):
    site.has("ok", "critical", "warning")
    report = site.check()
    lines = [re.sub(r" +[\d.]+ m?s ", " N s ", line) for line in report.out.splitlines()]
    assert re.fullmatch(
        r"STUB-SITE: CRITICAL - 1 CRITICAL, 1 WARNING, 1 OK; 3 metrics in [\d.]+ m?s", report.out.splitlines()[0]
    )
    assert lines[1:] == [
        "",
        "critical.stub.test  egi.Perun  STUB-SITE",
        "  CRITICAL  org.example.Stub N s  critical.stub.test refused",
        "            -> restart the service",
        "",
        "warning.stub.test  egi.Perun  STUB-SITE",
        "  WARNING   org.example.Stub N s  warning.stub.test is slow (limit 1)",
        "            -> look up this message at https://docs.example.org/stub?a=1&b=2",
        "",
        "ok.stub.test  egi.Perun  STUB-SITE",
        "  OK        org.example.Stub N s  ok.stub.test is fine",
    ]
    assert "            a detail" in site.check("-v").lines


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("silent", "the probe printed nothing"),
        ("traceback", "the probe printed nothing; KeyError: 'x'"),
        ("exit42", "the probe ended with the exit code 42; fine"),
        ("killed", "the probe was killed by SIGKILL"),
    ],
)
def test_what_is_no_result_of_a_plugin_is_unknown(site, behaviour, sentence):
    site.has(behaviour)
    [result] = site.json()["results"]
    assert (result["state"], result["reason"]) == ("UNKNOWN", sentence)


def test_what_a_probe_says_on_standard_error_is_a_detail(site):
    site.has("noisy")
    [result] = site.json()["results"]
    assert (result["state"], result["details"]) == ("OK", ["on standard error: a warning"])


def test_a_probe_that_is_not_there_is_unknown(site):
    site.has("ok")
    (site.probes / "check_stub").unlink()
    [result] = site.json()["results"]
    assert result["reason"] == "not run: /nowhere/check_stub: No such file or directory"


def test_an_unusable_registration_is_the_sites_fault_and_needs_no_probe(site):
    service = site.gocdb.add_service(Service("bad.stub.test", TYPE, site.name, url="https://bad.stub.test:99999/"))
    site._services.append(service)
    [result] = site.json()["results"]
    assert result["state"] == "CRITICAL"
    assert result["reason"].startswith("bad.stub.test: unusable registration in the GOCDB: ")
    assert result["remedy"].startswith("correct it at https://")
    assert site.log() == []


def test_a_self_check_in_json_holds_everything(site):
    [service] = site.has("ok")
    document = site.json()
    assert {name: document[name] for name in ("version", "subject", "state", "tally", "in_downtime", "notes")} == {
        "version": 1,
        "subject": "STUB-SITE",
        "state": "OK",
        "tally": {"OK": 1},
        "in_downtime": 0,
        "notes": [],
    }
    [result] = document["results"]
    assert 0 < result.pop("seconds") < 20
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result.pop("started"))
    assert result == {
        "site": "STUB-SITE",
        "hostname": "ok.stub.test",
        "service_type": TYPE,
        "url": service.url,
        "metric": METRIC,
        "state": "OK",
        "counts": True,
        "reason": "ok.stub.test is fine",
        "remedy": None,
        "before": None,
        "performance": [
            {
                "label": "time",
                "value": 0.25,
                "unit": "s",
                "warning": "1",
                "critical": "2",
                "minimum": 0.0,
                "maximum": None,
            },
            {
                "label": "users",
                "value": 3.0,
                "unit": "",
                "warning": "",
                "critical": "",
                "minimum": None,
                "maximum": None,
            },
        ],
        "details": ["a detail"],
        "downtime": None,
        "documentation": "https://docs.example.org/stub?a=1&b=2",
    }


def test_junit_counts_critical_as_failure_unknown_as_error_and_downtime_as_skipped(site, tmp_path):
    services = site.has("ok", "warning", "critical", "unknown", "hostile")
    site.gocdb.add_downtime(services[4])
    report = site.check("--junit", "-")
    root = ElementTree.fromstring(report.out)
    assert report.code == 2
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    failure = root.find(".//failure")
    assert failure.get("message") == "critical.stub.test refused"
    assert failure.text == "critical.stub.test refused\nWhat to do: restart the service"
    assert root.find(".//system-out").text == (
        "WARNING: warning.stub.test is slow (limit 1)\n"
        "What to do: look up this message at https://docs.example.org/stub?a=1&b=2"
    )
    assert root.find(".//skipped").get("message").startswith("CRITICAL in downtime until ")


def test_prometheus_gets_states_times_and_performance_data_with_base_units_in_their_names(site, tmp_path):
    services = site.has("ok", "critical", "hostile")
    site.gocdb.add_downtime(services[1])
    path = tmp_path / "fedcloud.prom"
    report = site.check("--prometheus", path)
    assert (report.code, report.err) == (2, "")
    assert report.out.startswith("STUB-SITE: CRITICAL - ")
    assert [each.name for each in path.parent.iterdir() if "prom" in each.name] == ["fedcloud.prom"]
    samples = {
        (sample.name, sample.labels.get("hostname"), sample.labels.get("label")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    assert samples["fedcloud_state", "ok.stub.test", None] == 0
    assert samples["fedcloud_state", "critical.stub.test", None] == 2
    assert samples["fedcloud_in_downtime", "critical.stub.test", None] == 1
    assert samples["fedcloud_in_downtime", "ok.stub.test", None] == 0
    assert samples["fedcloud_performance_seconds", "ok.stub.test", "time"] == 0.25
    assert samples["fedcloud_performance", "ok.stub.test", "users"] == 3
    assert samples["fedcloud_selfcheck_complete", None, None] == 1
    assert 0 < samples["fedcloud_check_duration_seconds", "ok.stub.test", None] < 60
    assert abs(samples["fedcloud_selfcheck_timestamp_seconds", None, None] - time.time()) < 600


# ---- what is checked


def test_a_host_and_all_sites_can_be_checked_too(site):
    site.has("ok", "critical")
    assert site.json("--host", "ok.stub.test")["tally"] == {"OK": 1}
    assert site.json("--host", "OK.stub.TEST")["subject"] == "host OK.stub.TEST"
    everything = site.json("--all")
    assert everything["subject"] == "all sites"
    assert {each["site"] for each in everything["results"]} >= {"STUB-SITE"}


def test_names_are_compared_exactly_where_the_gocdb_takes_wildcards(site):
    site.has("ok")
    for name in ("STUB%", "STUB_SITE", "%"):
        report = site.monitor.run(PROBE, name)
        assert re.fullmatch(
            rf"SELFCHECK UNKNOWN - no endpoint of {name} in GOCDB localhost:\d+ "
            r"\(write the name as the GOCDB has it\)\n",
            report.out,
        )
        assert report.code == 3


def test_a_choice_of_metrics_by_full_or_short_name(site):
    site.has("ok")
    assert len(site.json("--metric", "Stub")["results"]) == 1
    assert len(site.json("--metric", METRIC, "--metric", "Stub")["results"]) == 1
    assert site.check("--metric", "Nope") == Report(
        3, "SELFCHECK UNKNOWN - there is no metric Nope (there are Stub)\n", ""
    )


def test_what_is_not_monitored_is_left_out_unless_nothing_else_is_there(site):
    site.has("ok")
    hidden = site.has("critical", monitored=False)
    assert [each["hostname"] for each in site.json()["results"]] == ["ok.stub.test"]
    assert "critical.stub.test" not in {each["hostname"] for each in site.json("--all")["results"]}
    document = site.json("--host", hidden[0].hostname)
    assert document["state"] == "CRITICAL"
    assert document["notes"] == ["none of the endpoints is monitored in the GOCDB"]


def test_endpoints_without_a_metric_are_noted_and_nothing_at_all_is_unknown(site):
    site._services.append(site.gocdb.add_service(Service("x.stub.test", "org.openstack.nova", site.name)))
    document = site.json()
    assert document["state"] == "UNKNOWN"
    assert document["notes"] == [
        "no metric for 1 endpoint of the type org.openstack.nova",
        "nothing to run: no metric matches",
    ]


@pytest.mark.parametrize(("given", "said"), [(["-v"], "asked with -v"), (["-vv"], "asked with -vv"), ([], "")])
def test_what_is_to_be_said_is_asked_of_the_probes_too(site, given, said):
    site.has("verbose")
    [result] = site.json(*given)["results"]
    assert result["details"] == ([said] if said else [])


def test_a_gocdb_that_pages_is_read_to_its_end(site):
    site.gocdb.page_size = 3
    site.has(*["ok"] * 8)
    assert len(site.json()["results"]) == 8


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("gocdb-error", {}),
        ("truncated", {}),
        ("raw-ampersand", {}),
        ("doctype-bomb", {}),
        ("empty", {}),
        ("html", {}),
        ("garbage", {}),
        ("close-accept", {}),
        ("close-body", {}),
        ("endless-headers", {}),
        ("gzip-bomb", {}),
        ("status", {"code": 503}),
        ("mute", {}),
        ("drip-body", {"interval": 0.5}),
    ],
)
def test_a_gocdb_that_fails_is_unknown_and_says_so(site, fault, parameters):
    site.has("ok")
    site.gocdb.faults.on(fault, **parameters)
    report = site.check("-t", seconds(2))
    assert re.fullmatch(r"SELFCHECK UNKNOWN - (.+ GOCDB localhost:\d+|the time of -t was up).*\n", report.out), (
        report.out
    )
    assert (report.code, report.err) == (3, "")


def test_a_gocdb_that_is_down_is_unknown(site):
    report = site.check("--gocdb", "https://localhost:1/")
    assert re.fullmatch(
        r"SELFCHECK UNKNOWN - connection refused by GOCDB localhost:1 \(127\.0\.0\.1\)\n",
        report.out,
    )
    assert report.code == 3


# ---- downtimes


def test_what_is_in_downtime_is_run_and_marked_and_does_not_count(site):
    [down] = site.has("critical")
    site.has("ok")
    site.gocdb.add_downtime(down, description="New firmware")
    document = site.json()
    assert (document["state"], document["tally"], document["in_downtime"]) == ("OK", {"OK": 1}, 1)
    marked = document["results"][0]
    assert (marked["state"], marked["counts"], marked["downtime"]["description"]) == ("CRITICAL", False, "New firmware")
    report = site.check()
    assert re.fullmatch(r"STUB-SITE: OK - 1 OK, 1 in downtime; 2 metrics in [\d.]+ m?s", report.first)
    assert any(
        re.fullmatch(r"  in downtime until \d{4}-\d\d-\d\d \d\d:\d\d UTC: New firmware", line) for line in report.lines
    )
    assert site.json("--count-downtimes")["state"] == "CRITICAL"


def test_a_warning_a_past_and_a_future_downtime_silence_nothing(site):
    [service] = site.has("critical")
    now = datetime.now(UTC)
    site.gocdb.add_downtime(service, severity="WARNING")
    site.gocdb.add_downtime(service, start=now - timedelta(hours=3), end=now - timedelta(hours=1))
    site.gocdb.add_downtime(service, start=now + timedelta(hours=1), end=now + timedelta(hours=3))
    assert site.json()["state"] == "CRITICAL"


def test_a_downtime_of_another_endpoint_of_the_service_silences_nothing(site):
    urls = ("https://other.stub.test/", "https://third.stub.test/")
    [service] = site.has("critical", endpoints=[Endpoint(url, monitored=False) for url in urls])
    downtime = site.gocdb.add_downtime(service, endpoints=service.endpoints[:1])
    assert site.json()["state"] == "CRITICAL"
    downtime.endpoints = tuple(each.id for each in service.endpoints)  # all of them, as the GOCDB's form has it
    assert site.json()["state"] == "OK"


def test_a_record_that_cannot_be_read_is_noted_and_the_others_count(site):
    first, second = site.has("critical", "ok")
    site.gocdb.faults.on("unreadable-record", key=f"{first.id}G0")
    document = site.json()
    assert [each["hostname"] for each in document["results"]] == [second.hostname]
    assert document["notes"][0].startswith(
        f"the GOCDB's service endpoint {first.id}G0 cannot be read: it is not well-formed: "
    )


def test_downtimes_that_cannot_be_read_are_noted_and_silence_nothing(site):
    site.has("critical")
    original = site.gocdb._document
    of_downtimes = b"<results><DOWNTIME"  # broken off
    site.gocdb._document = lambda parameters, request: (
        of_downtimes if "get_downtime" in str(parameters) else original(parameters, request)
    )
    try:
        document = site.json()
    finally:
        site.gocdb._document = original
    assert document["state"] == "CRITICAL"
    assert re.match(r"downtimes unknown: .* GOCDB localhost:\d+", document["notes"][0])


# ---- time, signals and what probes leave


def test_so_many_probes_run_at_a_time_and_no_more(site):
    site.has(*["meets"] * 7)
    assert site.check("--jobs", "3").code == 0
    running = highest = 0
    for mark in site.log():
        running += 1 if mark == "+" else -1
        highest = max(highest, running)
    assert (running, highest) == (0, 3)


def test_a_probe_that_does_not_end_is_told_to_and_what_it_says_then_is_kept(site):
    site.define(int(seconds(1)))
    site.has("hangs")
    [result] = site.json()["results"]
    assert (result["state"], result["reason"]) == (
        "UNKNOWN",
        "it exceeded its own time-out and was killed; a VM is left",
    )
    assert site.log() == ["started", "cleaned"]


def test_a_probe_that_floods_is_read_on_and_costs_no_memory(site):
    site.define(int(seconds(1)))
    site.has("flood")
    [result] = site.json()["results"]
    assert result["state"] == "UNKNOWN"
    assert result["reason"].startswith("it exceeded its own time-out and was killed; 000")


def test_what_a_probe_left_running_is_ended_and_not_waited_for(site):
    site.has("child")
    watch = Watch()
    assert site.check().code == 0
    watch.ended_within(20)
    [number] = site.log()
    until(lambda: is_over(int(number)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_passed_on_the_clean_up_is_waited_for_and_what_was_found_is_shown(site, number):
    site.has("critical", "hangs")
    process = site.monitor.start(PROBE, *site.arguments("--jobs", "1"))
    until(lambda: site.log() == ["started"])  # so the first of the two is over: one runs at a time, by name
    process.send_signal(number)
    out, err = process.communicate(timeout=AMPLE_S)
    assert err == b""
    assert process.returncode == 2  # what was found to be critical stays critical
    assert site.log() == ["started", "cleaned"]
    name = signal.Signals(number).name
    assert f"Cut short: interrupted by {name}." in out.decode()
    # the probe was told to end by SIGTERM, whatever we were told by: of the two the reader hears of ours
    assert f"interrupted by {name}; a VM is left" in out.decode()


def test_a_signal_while_the_gocdb_is_asked_is_unknown(site):
    site.gocdb.faults.on("mute")
    before = site.gocdb.server.connections
    process = site.monitor.start(PROBE, *site.arguments())
    until(lambda: site.gocdb.server.connections > before)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=AMPLE_S)
    assert (process.returncode, out, err) == (3, b"SELFCHECK UNKNOWN - interrupted by SIGTERM\n", b"")


def test_when_the_time_is_up_what_runs_is_ended_and_the_rest_not_begun(site):
    site.has("hangs", "ok")
    for limit in growing(2):
        report = site.check("-t", limit, "--jobs", "1")
        if site.log():
            break
    assert report.code == 3
    assert f"Cut short: the {limit:g} s of -t were up." in report.lines
    assert any(line.endswith(f"not run: the {limit:g} s of -t were up") for line in report.lines)
    assert site.log() == ["started", "cleaned"]


def test_ctrl_c_in_the_middle_of_an_occi_vm_leaves_no_vm(monitor, federation):
    cloud = federation.site("ooi")
    cloud.faults.on("build-endless")
    process = monitor.start(PROBE, cloud.gocdb_name, "--metric", "OCCI-VM", "--json")
    until(lambda: cloud.occi.vms())
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=AMPLE_S)
    [result] = json.loads(out)["results"]
    assert (process.returncode, err, result["state"]) == (3, b"", "UNKNOWN")
    assert cloud.occi.vms() == []
    assert monitor.remembered() == []


# ---- changes


def test_repeat_shows_what_changed_since_the_last_time(site):
    site.has("flips", "ok")
    first = site.check("--repeat")
    assert first.code == 0
    assert not any("hanged since" in line for line in first.lines)
    assert re.fullmatch(r"Nothing changed since \d{4}-\d\d-\d\d \d\d:\d\d UTC\.", site.check("--repeat").lines[-1])
    (site.probes / "log").write_text("")
    site.gocdb.remove_service("ok.stub.test")
    site.has("warning")
    report = site.check("--repeat")
    at = next(index for index, line in enumerate(report.lines) if line.startswith("Changed since "))
    assert report.lines[at + 1 :] == [
        f"  worse   {METRIC} at flips.stub.test: was OK, is CRITICAL",
        f"  new     {METRIC} at warning.stub.test: is WARNING",
        f"  gone    {METRIC} at ok.stub.test",
    ]
    (site.probes / "log").unlink()
    assert f"  better  {METRIC} at flips.stub.test: was CRITICAL, is OK" in site.check("--repeat").lines


def test_another_choice_has_a_history_of_its_own_and_a_damaged_one_counts_as_none(site):
    site.has("ok")
    site.check("--repeat")
    assert site.json("--repeat", "--host", "ok.stub.test")["compared_with"] is None
    assert site.json("--repeat")["compared_with"]
    for path in site.monitor.state.glob("selfcheck-*.json"):
        path.write_text('{"at": NaN, "runs": {"x": [[1, 9, 1, ""]]}}')
    assert site.json("--repeat")["compared_with"] is None


# ---- files, options, settings


def test_a_page_is_written_whole_and_the_terminal_gets_one_line(site, tmp_path):
    site.has("critical")
    page = tmp_path / "state.html"
    page.write_text("old")
    report = site.check("--html", page)
    assert re.fullmatch(r"STUB-SITE: CRITICAL - 1 CRITICAL; 1 metric in [\d.]+ m?s\n", report.out)
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.iterdir() if "state.html" in path.name) == ["state.html"]
    assert site.check("--html", "-").out.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("words", [(), ("--json",), ("--prometheus", "-")])
@pytest.mark.parametrize(("behaviour", "code"), [("ok", 3), ("warning", 1)])
def test_a_report_that_cannot_be_written_is_no_good_result(site, words, behaviour, code):
    site.has(behaviour)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command(PROBE, *site.monitor.keeping(PROBE), *site.arguments(*words)),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=site.monitor.environment,
            timeout=AMPLE_S,
        )
    said = "fedcloud-selfcheck: the report cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize("option", ["--html", "--junit", "--prometheus"])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_run(site, option):
    site.has("counts")
    report = site.check(option, "/nowhere/x")
    assert report == Report(
        3, "SELFCHECK UNKNOWN - /nowhere/x cannot be written (name a file in a directory that is yours)\n", ""
    )
    assert site.log() == []


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--probes", "is not a directory (name the one that has the check_*)"),
        ("--cert", "is not a file (make a proxy with voms-proxy-init --rfc, or name it)"),
    ],
)
def test_what_every_probe_would_miss_is_said_before_the_gocdb_is_asked(probe, option, sentence):
    report = probe(PROBE, "A", option, "/nowhere", "--gocdb", "https://localhost:1/")
    assert report == Report(3, f"SELFCHECK UNKNOWN - {option} /nowhere {sentence}\n", "")


ONE_OF = "only one of --json, --junit -, --html - and --prometheus - can have standard output"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give one of SITE, --host HOST and --all"),
        (["A", "--all"], "give one of SITE, --host HOST and --all"),
        (["A", "--json", "--html", "-"], ONE_OF),
        (["A", "--junit", "-", "--prometheus", "-"], ONE_OF),
        (["A", "--jobs", "0"], "argument --jobs: '0' is not a number from 1 to 256"),
        (["A", "--job", "3"], "unknown argument --job; did you mean --jobs?"),
        (["A B"], "argument SITE: 'A B' is empty or has blanks or control characters in it"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_3(probe, arguments, sentence):
    line = f"SELFCHECK UNKNOWN - usage: {sentence} (see fedcloud-selfcheck --help)\n"
    assert probe(PROBE, *arguments) == Report(3, line, "")


def test_help_and_version_exit_with_3(probe):
    assert probe(PROBE, "--help").out.startswith("usage: fedcloud-selfcheck ")
    assert probe(PROBE, "-V").out.startswith("fedcloud-selfcheck ")
    assert (probe(PROBE, "--help").code, probe(PROBE, "-V").code) == (3, 3)


def test_what_the_options_say_of_gocdb_state_and_cas_holds_for_the_probes_too(site):
    site.has("config")
    [result] = site.json("--gocdb", site.gocdb.url, "--ca-path", site.monitor.federation.ca_directory)["results"]
    assert f"url = {site.gocdb.url}" in result["reason"]
    assert f"directory = {site.monitor.state}" in result["reason"]
    assert f"ca_path = {site.monitor.federation.ca_directory}" in result["reason"]
    leftovers = [
        path for path in Path("/tmp").glob("fedcloud-selfcheck-*.ini") if site.monitor.state.name in path.read_text()
    ]
    assert not [path for path in leftovers if str(site.monitor.state) in path.read_text()]


@pytest.mark.parametrize("option", [[], ["--json"], ["--html", "-"]])
def test_the_exit_code_survives_a_closed_standard_output(site, option):
    site.has("critical")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command(PROBE, "--state-dir", site.monitor.state, *site.arguments(*option)),
        stdout=writer,
        stderr=subprocess.PIPE,
        env=site.monitor.environment,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (2, b"")


# ---- a terminal


def on_terminal(site: Site, *more: object) -> tuple[int, str]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command(PROBE, "--state-dir", site.monitor.state, *site.arguments(*more)),
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env={**site.monitor.environment, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(master)
    return process.wait(AMPLE_S), seen.decode()


def test_a_terminal_gets_a_table_in_colours_and_progress_that_goes_away(site):
    site.has("ok", "critical")
    code, seen = on_terminal(site)
    assert code == 2
    assert "2/2" in seen  # the progress
    final = seen[seen.rindex("\x1b[2K") :]
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", final)
    assert "2/2" not in plain
    assert re.search(
        r"CRITICAL +Stub +[\d.]+ m?s +critical\.stub\.test refused", plain
    )  # narrow: the last part of the name
    assert "-> restart the service" in plain
    assert re.search(r"STUB-SITE: CRITICAL - 1 CRITICAL, 1 OK; 2 metrics in [\d.]+ m?s", plain)
    assert "\x1b[1;31mCRITICAL" in final


def test_hostile_output_reaches_neither_the_terminal_nor_its_markup(site):
    site.has("hostile")
    for out in (site.check("-v").out, on_terminal(site, "-v")[1]):
        assert "\x1b]0;" not in out
        assert "[script]x[/script] [red]" in out
        assert "<script>" not in out


# ---- messages


def test_a_metric_that_is_not_to_be_published_is_not_sent(site):
    site.define(300, NOPUBLISH="1")
    site.has("ok")
    with Responder() as broker:
        report = site.check("--publish", f"stomp://127.0.0.1:{broker.port}/queue/results")
    assert report.code == 0
    assert "SEND" not in broker.commands


def test_results_are_sent_as_messages_and_forgotten(site):
    site.has("ok", "hostile", "silent")
    with Responder() as broker:
        report = site.check("--publish", f"stomp://127.0.0.1:{broker.port}/queue/results")
    assert report.lines[-1] == f"Note: 2 results sent to stomp://127.0.0.1:{broker.port}/queue/results"
    sent = [(headers, read_metric_result(body)) for name, headers, body in broker.frames if name == "SEND"]
    by_host = {fields["hostName"]: fields for _, fields in sent}
    assert {headers["nagios_host"] for headers, _ in sent} == {os.uname().nodename}
    assert {host: fields["metricStatus"] for host, fields in by_host.items()} == {
        "ok.stub.test": "OK",
        "hostile.stub.test": "CRITICAL",
    }
    fine = by_host["ok.stub.test"]
    assert (fine["metricName"], fine["siteName"], fine["serviceURI"]) == (METRIC, site.name, "https://ok.stub.test/ok")
    assert (fine["summaryData"], fine["detailsData"]) == ("ok.stub.test is fine", "a detail")
    assert by_host["hostile.stub.test"]["detailsData"].endswith("> EOT\n> metricStatus: OK")


def test_results_wait_for_a_broker_that_is_down_and_go_with_the_next_run(site):
    site.has("ok")
    with Responder() as broker:
        url = f"stomp://127.0.0.1:{broker.port}/queue/results"
        broker.behaviour.close_at = "SEND"
        first = site.check("--publish", url)
        assert first.code == 0
        assert first.lines[-1] == (
            f"Note: 1 result could not be sent and will be, with the next run: "
            f"connection closed before any receipt for SEND from 127.0.0.1:{broker.port}"
        )
        broker.behaviour.close_at = ""
        broker.frames.clear()
        assert site.check("--publish", url).lines[-1] == f"Note: 2 results sent to {url}"
    ids = [headers["result-id"] for name, headers, _ in broker.frames if name == "SEND"]
    assert ids == sorted(ids)


def test_results_go_to_argo_messaging_with_their_performance_data(site, tmp_path, federation):
    host = Messaging(tmp_path, federation)
    site.has("ok", "counts")
    with host.web:
        where = ["--to", "ams", "--publish", host.url, "--ams-token-file", host.token_file, "--ca-path", host.ca]
        report = site.check(*where)
        found = {each["hostname"]: each for each in host.consumed()}
    assert report.lines[-1] == f"Note: 2 results sent to {host.url}"
    fine = found["ok.stub.test"]
    assert (fine["metric"], fine["status"], fine["tags"]["endpoint_group"]) == (METRIC, "OK", site.name)
    assert (fine["summary"], fine["message"]) == ("ok.stub.test is fine", "a detail")
    assert fine["actual_data"] == "'time'=0.25s;1;2;0 'users'=3"
    assert {each["attributes"]["type"] for each in found.values()} == {"metric_data"}


def test_results_that_cannot_be_kept_are_unknown(site):
    site.has("ok")
    site.monitor.state.mkdir(mode=0o700)
    url = "stomp://127.0.0.1:1/queue/x"
    os.symlink("/tmp", site.monitor.state / f"spool-{hashlib.sha256(url.encode()).hexdigest()[:16]}")
    report = site.check("--publish", url)
    assert report.code == 3
    assert re.fullmatch(
        r"Note: state directory \S+ cannot be opened: .+ \(repair it or give --state-dir\)", report.lines[-1]
    )


def test_a_wrong_address_for_messages_is_said_before_anything_is_run(site):
    site.has("counts")
    report = site.check("--publish", "stomp://127.0.0.1:1/")
    assert report.first.startswith("SELFCHECK UNKNOWN - --publish: stomp://127.0.0.1:1/ names no destination")
    assert (report.code, site.log()) == (3, [])


# ---- clouds of today and of before


OPENSTACK = {
    ("org.openstack.nova", "eu.egi.Keystone-IGTF"),
    ("org.openstack.nova", "eu.egi.cloud.Certificate"),
    ("org.openstack.nova", "eu.egi.cloud.InfoProvider"),
    ("org.openstack.nova", "eu.egi.cloud.OpenStack-Images"),
    ("org.openstack.nova", "eu.egi.cloud.OpenStack-VM"),
    ("org.openstack.nova", "org.nagios.Keystone-TCP"),
    ("org.openstack.swift", "eu.egi.Keystone-IGTF"),
    ("org.openstack.swift", "eu.egi.cloud.Certificate"),
    ("org.openstack.swift", "eu.egi.cloud.OpenStack-Swift"),
    ("org.openstack.swift", "org.nagios.Keystone-TCP"),
}


def of_a_cloud(
    monitor: Monitor, site: str, *words: object, **environment: object
) -> tuple[Report, list[dict[str, str]]]:
    report = monitor.run(PROBE, site, "--json", *words, **environment)
    return report, json.loads(report.out)["results"]


def test_all_metrics_of_an_openstack_site_are_asked(monitor):
    report, results = of_a_cloud(monitor, "STACK-CLOUD")
    assert (report.code, {each["state"] for each in results}) == (0, {"OK"}), report.out
    assert {(each["service_type"], each["metric"]) for each in results} == OPENSTACK


@pytest.mark.parametrize("login", ["--cert", "--token-file"])
def test_a_login_that_is_named_holds_for_every_cloud(monitor, tmp_path, login):
    """Where the environment has none."""
    nowhere = {"X509_USER_PROXY": "", "HOME": tmp_path}
    cloud = OpenStackSite(monitor)
    file = cloud.with_token()[1] if login == "--token-file" else monitor.federation.proxy
    metrics = [word for name in ("OpenStack-VM", "OpenStack-Swift", "InfoProvider") for word in ("--metric", name)]
    report, results = of_a_cloud(monitor, "STACK-CLOUD", *metrics, login, file, **nowhere)
    assert (report.code, len(results)) == (0, 3), report.out
    asked = [each.request.path for each in monitor.federation.service("stack-keystone").web.requests]
    logins = {path.split("/")[-2] for path in asked if path.endswith("/auth") and "OS-FEDERATION" in path}
    assert logins == {"openid" if login == "--token-file" else "mapped"}
    if login == "--cert":
        report, [result] = of_a_cloud(monitor, "OOI-CLOUD", "--metric", "OCCI-VM", login, file, **nowhere)
        assert (report.code, result["state"]) == (0, "OK"), report.out


def test_a_token_file_that_is_none_is_told_before_anything_is_run(monitor, tmp_path):
    report = monitor.run(PROBE, "STACK-CLOUD", "--token-file", tmp_path / "none")
    assert (report.code, report.first) == (
        3,
        "SELFCHECK UNKNOWN - --token-file names no file (get an access token, or name its file)",
    )
