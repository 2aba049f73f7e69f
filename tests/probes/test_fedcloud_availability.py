from __future__ import annotations

import csv
import gzip
import json
import os
import random
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libprobe.formats.metric_result import MetricResult, write_metric_result
from tests import browser, planted
from tests.executables import ROOT, clean_environment, command
from tests.formats import test_avro
from tests.nagios import SmallNagios, service
from tests.pace import AMPLE_S

DATA = ROOT / "tests/data/availability/nagios"
OCTOBER = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
DAY, HOUR = 86_400, 3_600
SITE = "EXAMPLE-SITE"
VM, SWIFT, BDII = "eu.egi.cloud.vm-management.occi", "org.openstack.swift", "eu.egi.cloud.information.bdii"
STORE, QUERY = "eu.egi.cloud.OpenStack-Swift-ops", "org.nagios.CloudBDII-Check"


def entry(host, name, service_type, site=SITE):
    return {"host": host, "service": name, "service_type": service_type, "site": site, "url": ""}


ENTRIES = [entry("swift.example.org", STORE, SWIFT), entry("bdii.example.org", QUERY, BDII)]


class Place:
    """A state directory, and what is imported into it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"

    def run(self, *words, **environment):
        done = subprocess.run(
            command("fedcloud-availability", *words, "--state-dir", self.state),
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=clean_environment(FEDCLOUD_PROBES_CONFIG="/dev/null", **environment),
            timeout=AMPLE_S,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    def services(self, *entries):
        (self.directory / "services.jsonl").write_text("".join(json.dumps(each) + "\n" for each in entries))

    def log(self, *lines, name="nagios.log", start=OCTOBER):
        """A log of Nagios: (seconds after the start, text) each."""
        path = self.directory / name
        path.write_text("".join(f"[{start + at}] {text}\n" for at, text in lines))
        return path

    def imported(self, *words):
        code, out = self.run("import", "--services", ".", *words)
        return code, out

    def figures(self, *words):
        code, out = self.run("figures", "--month", "2026-10", "--csv", *words)
        assert code == 0, out
        return list(csv.DictReader(out.splitlines()))


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.services(*ENTRIES)
    return made


STARTS = (0, "Nagios 4.4.6 starting... (PID=1)")
ENDS = "Successfully shutdown... (PID=1)"


def state(host, name, status, output="said", kind="HARD", what="SERVICE ALERT"):
    return f"{what}: {host};{name};{status};{kind};1;{output}"


def swift(status, output="said", **more):
    return state("swift.example.org", STORE, status, output, **more)


def bdii(status, output="said", **more):
    return state("bdii.example.org", QUERY, status, output, **more)


CURRENT = {"what": "CURRENT SERVICE STATE"}
MONTH = [
    STARTS,
    (0, swift("OK", **CURRENT)),
    (0, bdii("OK", **CURRENT)),
    (5 * DAY, swift("CRITICAL", "PUT container: 503 Service Unavailable")),
    (5 * DAY + 6 * HOUR, swift("OK", "stored and read back")),
    (20 * DAY, bdii("UNKNOWN", "the GOCDB did not answer")),
    (20 * DAY + HOUR, bdii("OK")),
    (31 * DAY + 5, bdii("WARNING")),
]


def test_a_month_by_hand(place):
    assert place.imported(place.log(*MONTH)) == (
        0,
        "fedcloud-availability: 8 lines read, 7 results added, 0 known already\n"
        f"  topology: 2 endpoints from {datetime.now(UTC):%Y-%m-%d} on\n",
    )
    code, out = place.run("figures", "--month", "2026-10")
    assert (code, out) == (
        0,
        "2026-10, UTC\n"
        "site          availability  reliability  unknown  downtime\n"
        "EXAMPLE-SITE       99.19 %      99.19 %   0.13 %    0.00 %\n",
    )
    (row,) = place.figures()
    up, unknown = (31 - 0.25 - 0.04167) / 31, 0.04167 / 31
    assert float(row["availability"]) == pytest.approx(100 * up / (1.00000001 - unknown), abs=1e-5)
    assert (row["ngi"], row["site"], row["unknown"]) == ("", SITE, "0.00134")


def test_days_and_hours_and_levels(place):
    place.imported(place.log(*MONTH))
    days = place.figures("--by", "day")
    assert [row["from"] for row in days[:2]] == ["2026-10-01", "2026-10-02"]
    assert [row["availability"] for row in days if row["availability"] != "100"] == ["75"]
    _, out = place.run("figures", "--from", "2026-10-06", "--to", "2026-10-06", "--by", "hour", "--csv")
    hours = list(csv.DictReader(out.splitlines()))
    assert [row["availability"] for row in hours] == ["0"] * 6 + ["100"] * 18
    assert hours[0]["from"] == "2026-10-06T00:00:00Z"
    metrics = place.figures("--level", "metric")
    assert {(row["group"], row["endpoint"], row["metric"]) for row in metrics} == {
        ("storage-management", "swift.example.org", "eu.egi.cloud.OpenStack-Swift"),
        ("information", "bdii.example.org", "org.nagios.CloudBDII-Check"),
    }


def test_the_json_of_argos_web_api(place):
    place.imported(place.log(*MONTH))
    _, out = place.run("figures", "--from", "2026-10-06", "--to", "2026-10-07", "--by", "day", "--json")
    (group,) = json.loads(out)["results"]
    (site,) = group["endpoints"]
    assert (site["name"], site["type"]) == (SITE, "SITES")
    assert site["results"][0] == {
        "timestamp": "2026-10-06",
        "availability": "75",
        "reliability": "75",
        "unknown": "0",
        "uptime": "0.75",
        "downtime": "0",
    }
    _, out = place.run("figures", "--month", "2026-10", "--by", "month", "--level", "endpoint", "--json")
    (site,) = json.loads(out)["results"]
    flavours = {each["name"]: each["endpoints"] for each in site["serviceflavors"]}
    assert flavours[SWIFT][0]["name"] == "swift.example.org"
    assert flavours[SWIFT][0]["results"][0]["timestamp"] == "2026-10"
    _, out = place.run("status", SITE, "--from", "2026-10-06", "--to", "2026-10-06", "--json")
    (site,) = json.loads(out)["groups"]
    assert site["statuses"] == [
        {"timestamp": "2026-10-06T00:00:00Z", "value": "CRITICAL"},
        {"timestamp": "2026-10-06T06:00:00Z", "value": "OK"},
    ]


def test_prometheus_has_a_series_for_each_site(place):
    place.imported(place.log(*MONTH))
    _, out = place.run("figures", "--month", "2026-10", "--prometheus")
    assert 'fedcloud_unknown_ratio{site="EXAMPLE-SITE",period="2026-10"} 0.00134\n' in out


def test_why_a_site_was_down(place):
    place.imported(place.log(*MONTH))
    code, out = place.run("why", SITE, "--month", "2026-10")
    assert code == 0
    assert out.splitlines() == [
        "EXAMPLE-SITE, 2026-10: availability 99.19 %, reliability 99.19 %, unknown 0.13 %, downtime 0.00 %",
        "",
        "2026-10-06T00:00:00Z to 2026-10-06T06:00:00Z, 6 h: CRITICAL, 0.81 % of the availability",
        "  eu.egi.cloud.OpenStack-Swift on swift.example.org: PUT container: 503 Service Unavailable "
        "(result of 2026-10-06T00:00:00Z)",
        "",
        "2026-10-21T00:00:00Z to 2026-10-21T01:00:00Z, 1 h: UNKNOWN, does not count",
        "  org.nagios.CloudBDII-Check on bdii.example.org: the GOCDB did not answer (result of 2026-10-21T00:00:00Z)",
        "",
        "changed most often:",
        f"  2 changes: {SWIFT} swift.example.org eu.egi.cloud.OpenStack-Swift",
        f"  2 changes: {BDII} bdii.example.org org.nagios.CloudBDII-Check",
    ]
    document = json.loads(place.run("why", SITE, "--month", "2026-10", "--json")[1])
    assert [each["seconds"] for each in document["outages"]] == [6 * HOUR, HOUR]


def test_the_status_at_an_instant(place):
    place.imported(place.log(*MONTH))
    code, out = place.run("status", "--at", "2026-10-06T05:59:59Z")
    assert (code, out.splitlines()[-1]) == (0, "EXAMPLE-SITE  CRITICAL")
    assert place.run("status", "--at", "2026-10-06T08:00:00+02:00")[1].splitlines()[-1] == "EXAMPLE-SITE  OK"
    out = place.run("status", "--at", "2026-10-06T05:59:59Z", "--level", "endpoint")[1]
    assert f"EXAMPLE-SITE  storage-management  {SWIFT}" in out and "CRITICAL" in out


DOWNTIMES = """<?xml version="1.0" encoding="UTF-8"?>
<results>
  <DOWNTIME ID="7" PRIMARY_KEY="7G0" CLASSIFICATION="UNSCHEDULED">
    <PRIMARY_KEY>7G0</PRIMARY_KEY><HOSTNAME>swift.example.org</HOSTNAME><SERVICE_TYPE>org.openstack.swift</SERVICE_TYPE>
    <ENDPOINT>x</ENDPOINT><HOSTED_BY>EXAMPLE-SITE</HOSTED_BY><GOCDB_PORTAL_URL>https://g.example.org/</GOCDB_PORTAL_URL>
    <SEVERITY>{severity}</SEVERITY><DESCRIPTION>disks are replaced</DESCRIPTION>
    <INSERT_DATE>{start}</INSERT_DATE><START_DATE>{start}</START_DATE><END_DATE>{end}</END_DATE>
  </DOWNTIME>
</results>
"""


@pytest.mark.parametrize("severity, reliability, share", [("OUTAGE", "100", "0.25"), ("WARNING", "75", "0")])
def test_a_declared_outage_counts_for_reliability_and_a_warning_does_not(place, severity, reliability, share):
    start = OCTOBER + 5 * DAY
    path = place.directory / "downtimes.xml"
    path.write_text(DOWNTIMES.format(severity=severity, start=start, end=start + 6 * HOUR))
    code, out = place.imported(place.log(*MONTH), "--downtimes", path)
    assert code == 0, out
    days = place.figures("--by", "day")
    assert (days[5]["availability"], days[5]["reliability"], days[5]["down"]) == ("75", reliability, share)
    out = place.run("why", SITE, "--month", "2026-10")[1]
    assert ("downtime 7, 2026-10-06T00:00:00Z to 2026-10-06T06:00:00Z: disks are replaced" in out) == (share != "0")


def test_the_statuses_of_an_endpoint_end_where_it_leaves_the_topology(place):
    place.imported("--as-of", "2026-10-01", place.log(*MONTH))
    place.services(ENTRIES[0])
    assert place.imported("--as-of", "2026-10-03")[0] == 0
    words = ["status", SITE, "--from", "2026-10-01", "--to", "2026-10-04", "--level", "endpoint"]
    rows = [line.split(maxsplit=5)[3:] for line in place.run(*words)[1].splitlines()[2:]]
    of_bdii = [row[1:] for row in rows if row[0] == "bdii.example.org"]
    assert of_bdii == [["2026-10-01T00:00:00Z", "OK"], ["2026-10-03T00:00:00Z", "not in the topology"]]
    assert [row[1:] for row in rows if row[0] == "swift.example.org"] == [["2026-10-01T00:00:00Z", "OK"]]


def test_an_excluded_time_is_unknown_until_it_is_taken_back(place):
    place.imported(place.log(*MONTH))
    words = ["--from", "2026-10-06T00:00:00Z", "--to", "2026-10-06T06:00:00Z", "--reason", "the monitor had no network"]
    assert place.run("exclude", SITE, *words) == (
        0,
        "fedcloud-availability: exclusion 1 from 2026-10-06T00:00:00Z to 2026-10-06T06:00:00Z\n",
    )
    assert place.figures("--by", "day")[5]["availability"] == "100"
    assert place.run("exclude")[1].splitlines()[-1].endswith("EXAMPLE-SITE  the monitor had no network")
    why = place.run("why", SITE, "--month", "2026-10")[1].splitlines()
    said = "  excluded from 2026-10-06T00:00:00Z to 2026-10-06T06:00:00Z: the monitor had no network"
    assert why.count(said) == 1 and why[why.index(said) - 2].startswith("2026-10-06T00:00:00Z to 2026-10-06T06:00:00Z")
    document = json.loads(place.run("why", SITE, "--month", "2026-10", "--json")[1])
    assert [each["excluded"] for each in document["outages"]] == [["the monitor had no network"], []]
    assert place.run("exclude", "--take-back", "1") == (0, "fedcloud-availability: exclusion 1 is taken back\n")
    before = place.figures()
    assert place.run("exclude", "--metric", STORE, *words)[1].startswith("fedcloud-availability: exclusion 2 from ")
    assert place.figures() != before
    assert place.run("exclude", "--take-back", "2")[0] == 0
    assert place.figures("--by", "day")[5]["availability"] == "75"
    code, out = place.run("exclude", "EXAMPEL-SITE", *words)
    assert (code, out) == (
        2,
        "fedcloud-availability: not done: no site EXAMPEL-SITE is known (did you mean EXAMPLE-SITE?)\n",
    )


def test_endpoints_count_on_the_days_on_which_they_were_registered(place):
    place.imported(place.log(*MONTH), "--as-of", "2026-10-01")
    place.services(ENTRIES[1])
    assert place.imported("--as-of", "2026-10-06")[1].endswith("topology: 1 endpoint from 2026-10-06 on\n")
    assert {row["availability"] for row in place.figures("--by", "day")} == {"100"}
    assert len(place.figures("--by", "day", "--level", "endpoint")) == 5 + 31


def argo_endpoint(host, service_type, date, tags=None, kind="SITES", site=SITE):
    return {"date": date, "group": site, "type": kind, "service": service_type, "hostname": host, "tags": tags}


def saved(place, name, entries):
    path = place.directory / name
    path.write_text(json.dumps({"status": {"code": "200"}, "data": entries}))
    return path


def test_the_topology_of_argo_counts_by_its_days_with_its_ngis(place):
    place.imported(place.log(*MONTH), "--as-of", "2026-10-31")
    place.state.joinpath("availability.sqlite").unlink()
    both = [argo_endpoint("bdii.example.org", BDII, "2026-10-01", {"monitored": "1"})]
    both += [argo_endpoint("Swift.example.org_12G0", SWIFT, "2026-10-01", {"hostname": "Swift.example.org"})]
    both += [argo_endpoint("x.example.org", SWIFT, "2026-10-01", kind="SERVICEGROUPS", site="NO-SITE")]
    both += [argo_endpoint("y.example.org", SWIFT, "2026-10-01", {"monitored": "0"}, site="NOT-MONITORED")]
    later = [argo_endpoint("bdii.example.org", BDII, "2026-10-06")]
    groups = [{"date": "2026-10-01", "group": "NGI_X", "type": "NGI", "subgroup": SITE, "tags": {}}]
    words = ["--topology", saved(place, "endpoints.json", [*later, *both])]
    words += ["--topology", saved(place, "groups.json", groups)]
    code, out = place.imported(place.log(*MONTH), *words)
    assert code == 0
    assert out.endswith("  topology: 2 endpoints from 2026-10-01 on\n  topology: 1 endpoint from 2026-10-06 on\n")
    assert {row["availability"] for row in place.figures("--by", "day")} == {"100"}
    assert len(place.figures("--by", "day", "--level", "endpoint")) == 5 + 31
    assert {(row["ngi"], row["site"]) for row in place.figures()} == {("NGI_X", SITE)}
    code, out = place.run("import", *words, "--as-of", "2026-10-02")
    assert (code, out) == (
        2,
        "fedcloud-availability: not done: the topology has days of its own (leave out --as-of)\n",
    )


@pytest.mark.parametrize(
    "text, says",
    [
        ('{"data": 5}', "is no answer of ARGO's web API about a topology (give topology/endpoints or topology/groups)"),
        ('[{"group": "S"}]', "is no answer of ARGO's web API about a topology (give topology/endpoints or"),
        ('{"data": [{"group": "N", "subgroup": "S"}]}', "no monitored endpoint of a site is in topology.json (name a"),
    ],
)
def test_a_topology_that_is_none_is_told(place, text, says):
    (place.directory / "topology.json").write_text(text)
    code, out = place.run("import", "--topology", "topology.json")
    assert code == 2
    assert out.startswith("fedcloud-availability: not done: ") and says in out, out


def test_the_groups_of_sites_by_their_weight(place):
    other = entry("other.example.org", QUERY, BDII, "OTHER-SITE")
    place.services(*ENTRIES, other)
    down = state("other.example.org", QUERY, "CRITICAL", **CURRENT)
    place.imported(place.log(*MONTH[:3], (0, down), (31 * DAY, bdii("WARNING"))))
    assert [row["availability"] for row in place.figures("--level", "ngi")] == ["50"]
    weights = {"weight_type": "hepspec", "groups": [{"name": SITE, "value": 300}, {"name": "OTHER-SITE", "value": 100}]}
    (place.directory / "weights.json").write_text(json.dumps({"data": [weights]}))
    assert [row["availability"] for row in place.figures("--level", "ngi", "--weights", "weights.json")] == ["75"]


# ---- what Nagios writes


def test_the_log_of_a_real_nagios(place):
    place.services(*(entry("cloud.example.org", name, SWIFT) for name in ("hard", "soft", "pending")))
    profile = {"name": "x", "services": [{"service": SWIFT, "metrics": ["hard", "pending"]}]}
    (place.directory / "metrics.json").write_text(json.dumps(profile))
    groups = [{"name": "g", "operation": "OR", "services": [{"name": SWIFT, "operation": "OR"}]}]
    profile = {"name": "x", "metric_operation": "AND", "profile_operation": "AND", "groups": groups}
    (place.directory / "aggregation.json").write_text(json.dumps(profile))

    def line(log, metric):
        words = ["--metric-profile", "metrics.json", "--aggregation-profile", "aggregation.json"]
        day = ["--from", "2026-11-29", "--to", "2026-11-29", "--level", "metric", "--json"]
        groups = json.loads(place.run("status", *day, *words)[1])["groups"]
        (found,) = [each["statuses"] for each in groups if each["name"].endswith(f"/{metric}")]
        return [(each["timestamp"][11:19], each["value"]) for each in found]

    hard = [("10:51:25", "WARNING"), ("10:51:28", "CRITICAL"), ("10:51:31", "OK"), ("10:51:33", "CRITICAL")]
    hard += [("10:51:36", "UNKNOWN"), ("10:51:38", "OK"), ("10:51:41", "CRITICAL"), ("10:52:04", "OK")]
    hard += [("10:52:14", "CRITICAL"), ("11:01:00", "OK")]
    assert place.imported(DATA / "current.log", DATA / "rotated.log")[0] == 0
    assert line("rotated", "hard") == [("00:00:00", "MISSING"), *hard]
    # INITIAL SERVICE STATE says OK of a service that was never checked, and PASSIVE SERVICE CHECK 0 of a CRITICAL
    place.state = place.directory / "other"
    place.imported(DATA / "initial-states.log")
    assert line("initial", "pending") == [("00:00:00", "MISSING"), ("10:51:51", "CRITICAL")]


def test_states_that_nagios_retains_count_from_their_change_to_the_last_check(place):
    place.services(*(entry("cloud.example.org", name, SWIFT) for name in ("hard", "soft", "pending")))
    code, out = place.imported(DATA / "retention.dat")
    assert (code, out.splitlines()[0].partition(", ")[2]) == (0, "3 results added, 0 known already")


@pytest.mark.needs("nagios4-core")
def test_a_running_nagios_is_read_as_it_writes(place, tmp_path_factory):
    directory = tmp_path_factory.mktemp("n")
    switch = directory / "switch"
    switch.write_text("0")
    plugin = directory / "plugin"
    plugin.write_text(f'#!/bin/sh\nread code < {switch}\necho "code $code; said"\nexit $code\n')
    plugin.chmod(0o755)
    nagios = SmallNagios(directory / "n", [service(STORE, str(plugin))], settings={"log_initial_states": 1})
    place.services(entry("cloud.example.org", STORE, SWIFT))
    began = int(time.time())
    nagios.start()
    try:
        for code, name in ((0, "OK"), (2, "CRITICAL"), (3, "UNKNOWN"), (0, "OK")):
            switch.write_text(str(code))
            nagios.until(lambda name=name: [each.state for each in nagios.status().values()] == [name], name)
    finally:
        nagios.stop()
    code, out = place.imported(nagios.state / "nagios.log", nagios.state / "retention.dat")
    assert code == 0, out
    today = f"{datetime.fromtimestamp(began, UTC):%Y-%m-%d}"
    words = ["status", "--from", today, "--to", f"{datetime.now(UTC):%Y-%m-%d}", "--json"]
    (site,) = json.loads(place.run(*words)[1])["groups"]
    assert [each["value"] for each in site["statuses"]] == ["MISSING", "CRITICAL", "UNKNOWN", "OK"]


def covered(place, *lines):
    """The days of October on which the first service is known."""
    place.services(ENTRIES[0])
    code, out = place.imported(place.log(*lines))
    assert code == 0, out
    return [int(row["from"][-2:]) for row in place.figures("--by", "day") if row["unknown"] != "1"]


OK_NOW = (0, swift("OK", **CURRENT))


def test_a_day_without_a_line_is_known_while_nagios_runs(place):
    assert covered(place, STARTS, OK_NOW, (4 * DAY, "Auto-save of retention data completed successfully.")) == [
        *range(1, 6)
    ]
    place.state = place.directory / "other"
    assert covered(place, STARTS, OK_NOW, (4 * DAY, "LOG ROTATION: DAILY"), (4 * DAY, swift("OK", **CURRENT))) == [
        *range(1, 6)
    ]


def test_a_day_on_which_nagios_did_not_run_is_missing(place):
    assert covered(place, STARTS, OK_NOW, (DAY, "Warning: something"), (4 * DAY, STARTS[1]), (5 * DAY, ENDS)) == [
        1,
        5,
        6,
    ]
    place.state = place.directory / "other"
    lines = [STARTS, OK_NOW, (DAY + 5, ENDS), (4 * DAY, "Nagios 4.4.6 starting... (PID=2)"), (4 * DAY + 9, swift("OK"))]
    assert covered(place, *lines) == [1, 2, 5]


def test_a_service_that_a_new_files_list_lacks_is_gone(place):
    rotation = (4 * DAY, "LOG ROTATION: DAILY")
    lines = [STARTS, OK_NOW, (0, bdii("OK", **CURRENT)), (2 * DAY, bdii("WARNING")), (3 * DAY, ENDS)]
    lines += [(3 * DAY, STARTS[1]), rotation, (4 * DAY, bdii("OK", **CURRENT)), (9 * DAY, bdii("CRITICAL"))]
    place.services(*ENTRIES)
    assert place.imported(place.log(*lines))[0] == 0
    found = place.figures("--by", "day", "--level", "endpoint")
    known = [int(row["from"][-2:]) for row in found if row["service"] == SWIFT and row["unknown"] != "1"]
    assert known == [1, 2, 3, 4]


def test_a_service_that_is_gone_was_there_until_its_status_changed_last(place):
    lines = [STARTS, OK_NOW, (0, bdii("OK", **CURRENT)), (DAY, ENDS), (DAY, STARTS[1])]
    lines += [(DAY + HOUR, swift("CRITICAL")), (4 * DAY, swift("OK")), (6 * DAY, "LOG ROTATION: DAILY")]
    lines += [(6 * DAY, bdii("OK", **CURRENT)), (9 * DAY, bdii("CRITICAL"))]
    assert place.imported(place.log(*lines))[0] == 0
    found = place.figures("--by", "day", "--level", "metric")
    known = [int(row["from"][-2:]) for row in found if row["service"] == SWIFT and row["unknown"] != "1"]
    assert known == [1, 2, 3, 4, 5]


def test_logs_of_two_monitors_that_overlap_are_both_read(place):
    third = state("third.example.org", STORE, "OK", **CURRENT)
    place.services(*ENTRIES, entry("third.example.org", STORE, SWIFT))
    one = place.log(OK_NOW, (5 * DAY, "LOG ROTATION: DAILY"), name="one.log")
    other = place.log((HOUR, bdii("OK", **CURRENT)), (HOUR, third), (DAY, bdii("CRITICAL")), name="other.log")
    code, out = place.imported(one, other)
    assert (code, out.splitlines()[0]) == (0, "fedcloud-availability: 5 lines read, 4 results added, 0 known already")


def test_soft_states_count_only_where_it_is_asked_for(place):
    lines = [STARTS, OK_NOW, (HOUR, swift("CRITICAL", kind="SOFT")), (2 * HOUR, swift("OK", kind="SOFT")), (DAY, ENDS)]
    place.services(ENTRIES[0])
    log = place.log(*lines)
    place.imported(log)
    assert place.figures("--by", "day")[0]["availability"] == "100"
    place.state = place.directory / "other"
    place.imported(log, "--soft-states")
    assert place.figures("--by", "day")[0]["availability"] == "95.83333"


def test_archives_are_read_by_their_time_packed_or_not_and_twice_is_once(place):
    first = place.log(*MONTH[:4], name="z-first.log")
    second = place.log(STARTS, *MONTH[4:], name="a-second.log", start=OCTOBER)
    second.write_text(second.read_text().split("\n", 1)[1])
    packed = place.directory / "first.gz"
    packed.write_bytes(gzip.compress(first.read_bytes()))
    assert place.imported(second, packed)[0] == 0
    (row,) = place.figures()
    place.imported(second, packed, first)
    assert place.figures() == [row]
    other = Place(place.directory)
    other.state = place.directory / "whole"
    other.imported(place.log(*MONTH))
    assert other.figures() == [row]


def test_of_a_directory_of_archives_those_are_read_that_can_be_new(place):
    archives = place.directory / "archives"
    archives.mkdir()
    names = [f"nagios-10-0{day + 1}-2026-00.log" for day in range(3)]
    for day, name in enumerate(names):
        lines = [(0, "LOG ROTATION: DAILY"), (0, swift("OK", **CURRENT)), (5 * HOUR, bdii("UNKNOWN", f"day {day}"))]
        path = place.log(*lines, name=f"archives/{name}", start=OCTOBER + day * DAY)
        os.utime(path, (OCTOBER + (day + 1) * DAY,) * 2)
    (archives / "other.txt").write_text("no log")
    packed = archives / f"{names[0]}.gz"
    packed.write_bytes(gzip.compress((archives / names[0]).read_bytes()))
    (archives / names[0]).unlink()
    os.utime(packed, (OCTOBER + DAY,) * 2)
    assert place.imported(archives)[1].startswith("fedcloud-availability: 9 lines read, 4 results added, 0 known")
    code, out = place.imported(archives)
    assert (code, out.splitlines()[0]) == (
        0,
        "fedcloud-availability: 6 lines read, 1 result added, 2 known already, 1 archive passed over",
    )
    assert len(out.splitlines()) == 2 and "name the file" not in out and str(packed) not in out
    code, out = place.imported(archives, "-v")
    assert code == 0
    before = "2026-10-02T05:00:00Z, a day before the newest result of the last import"
    passed = f"  passed over: 1 archive last written to before {before} (to have one read, name the file itself)\n"
    assert f"{passed}    {packed}\n" in out
    code, out = place.imported(packed)
    assert (code, out.splitlines()[0]) == (
        0,
        "fedcloud-availability: 3 lines read, 0 results added, 2 known already",
    )
    assert "passed over" not in out


def test_files_that_are_not_there_are_left_out_where_that_is_asked_for(place):
    log, archives = place.log(*MONTH), place.directory / "archives"
    missing = place.directory / "missing.log"
    code, out = place.imported("--skip-missing", "-v", missing, log, archives)
    assert (code, out.splitlines()[0]) == (0, "fedcloud-availability: 8 lines read, 7 results added, 0 known already")
    assert f"  not there: {missing}\n  not there: {archives}\n" in out
    log.unlink()
    assert place.imported("--skip-missing", missing, log, archives) == (
        2,
        f"fedcloud-availability: not done: no log is there: {missing}, {log}, {archives} (name the monitor's log)\n",
    )
    archives.mkdir()
    shutil.copy(place.log(*MONTH), archives / "nagios-10-01-2026-00.log")
    log.unlink()
    assert place.imported("--skip-missing", missing, log, archives) == (
        2,
        f"fedcloud-availability: not done: no log is there: {missing}, {log} (name the monitor's log)\n",
    )
    code, out = place.imported("--skip-missing", archives)
    assert (code, out.splitlines()[0]) == (0, "fedcloud-availability: 8 lines read, 0 results added, 7 known already")


def test_the_zone_of_the_host_makes_no_difference(place):
    log = place.log(*MONTH)
    place.imported(log)
    rows = place.figures("--by", "day")
    place.state = place.directory / "other"
    place.run("import", "--services", ".", log, TZ="Asia/Kolkata")
    _, out = place.run("figures", "--month", "2026-10", "--csv", "--by", "day", TZ="America/St_Johns")
    assert list(csv.DictReader(out.splitlines())) == rows


# ---- messages of fedcloud-publish


def message(at, status, summary="said", **more):
    values = {"timestamp": datetime.fromtimestamp(at, UTC), "summary": summary, "status": status, "site": SITE, **more}
    return write_metric_result(MetricResult("swift.example.org", SWIFT, "eu.egi.cloud.OpenStack-Swift", **values))


def test_messages_that_a_consumer_has_kept_are_results(place):
    place.services(ENTRIES[0])
    results = [(OCTOBER + hour * HOUR, "CRITICAL" if 6 <= hour < 12 else "OK") for hour in range(24)]
    path = place.directory / "messages.txt"
    path.write_text("\n".join(message(at, status) for at, status in reversed(results)))
    assert place.imported(path)[1].partition("read, ")[2].startswith("24 results added, 0 known already")
    assert place.figures("--by", "day")[0]["availability"] == "75"
    assert place.imported(path)[1].partition("read, ")[2].startswith("0 results added, 24 known already")


def test_what_waits_in_the_spool_counts(place):
    place.services(ENTRIES[0])
    words = [
        "--publish",
        "stomp://localhost:1/queue/x",
        "--no-send",
        "-H",
        "swift.example.org",
        "--service-type",
        SWIFT,
    ]
    words += ["--metric", "eu.egi.cloud.OpenStack-Swift", "--state-dir", place.state, "--output", "no room"]
    for at, state_of in ((0, "OK"), (6 * HOUR, "CRITICAL")):
        put = command("fedcloud-publish", *words, "--state", state_of, "--time", OCTOBER + at)
        subprocess.run(put, check=True, env=clean_environment(FEDCLOUD_PROBES_CONFIG="/dev/null"), cwd=place.directory)
    (spool,) = place.state.glob("spool-*")
    assert place.imported(spool)[0] == 0
    assert place.figures("--by", "day")[0]["availability"] == "25"
    assert "no room (result of 2026-10-01T06:00:00Z)" in place.run("why", SITE, "--month", "2026-10")[1]


def test_messages_that_are_none_are_told_and_the_others_count(place):
    place.services(ENTRIES[0])
    good = message(OCTOBER, "OK")
    path = place.directory / "messages.txt"
    path.write_text(f"{good}{good.replace('metricStatus: OK', 'metricStatus: FINE')}{good[:-4]}")
    assert not_taken(place, path) == [
        f"1 message that is no metric result, the first: {path}:12: the metric result has the status 'FINE'",
        f"1 message that is cut off at the end of a file, the first: {path}:23",
    ]
    assert place.figures("--by", "day")[0]["availability"] == "100"


def test_the_metric_data_of_argo(place):
    place.services(ENTRIES[0])
    metric = "eu.egi.cloud.OpenStack-Swift"
    made = [
        test_avro.result(
            timestamp=f"2026-10-01T{hour:02}:00:00Z",
            service=SWIFT,
            hostname="swift.example.org",
            metric=metric,
            status="CRITICAL" if 6 <= hour < 12 else "OK",
        )
        for hour in range(24)
    ]
    path = place.directory / "day.avro"
    path.write_bytes(test_avro.written(made, codec="deflate"))
    assert place.imported(path)[1].partition(", ")[2].startswith("24 results added, 0 known already")
    assert place.figures("--by", "day")[0]["availability"] == "75"


def test_metric_data_that_cannot_be_read_is_told_and_the_rest_counts(place):
    known = {"service": SWIFT, "hostname": "swift.example.org", "metric": "eu.egi.cloud.OpenStack-Swift"}
    times = [f"2026-10-01T0{hour}:00:00Z" for hour in range(4)]
    made = [test_avro.result(timestamp=at, status="OK", **known) for at in times]
    path = place.directory / "day.avro"
    path.write_bytes(test_avro.written([*made[:2], {**made[2], "status": "FINE"}, {**made[3], "timestamp": "2026"}]))
    (said,) = not_taken(place, path)
    assert said == f"2 records that are not metric results, the first: {path}, record 3: no 'FINE'"
    path.write_bytes(test_avro.written(made)[:-9])
    (said,) = not_taken(place, path)
    assert said.startswith("1 file that cannot be read to the end, the first: ") and "breaks off" in said


# ---- bad input


def not_taken(place, *words):
    code, out = place.imported(*words)
    assert code == 1
    return [line.removeprefix("  not taken: ") for line in out.splitlines() if "not taken: " in line]


def test_a_line_that_is_cut_off_is_told_and_the_others_are_read(place):
    log = place.log(*MONTH)
    log.write_bytes(log.read_bytes()[:-20])
    assert not_taken(place, log) == [f"1 line that is cut off, or too long to be one, the first: {log}:8"]
    assert place.figures("--by", "day")[5]["availability"] == "75"


def test_lines_of_something_else_are_told_with_their_place(place):
    log = place.log(*MONTH[:4])
    text = log.read_text()
    log.write_text(text + "not a line\n[17" + "\n" + text.splitlines()[3][:60] + "\nanother\n")
    assert not_taken(place, log) == [
        f"3 lines that are not of a Nagios log, the first: {log}:5",
        f"1 line of a state that cannot be read, the first: {log}:7",
    ]


def test_an_archive_that_breaks_off_is_told_and_what_is_before_it_and_in_others_counts(place):
    log = place.log(*MONTH)
    packed, cut, damaged = (place.directory / f"{name}.gz" for name in ("a", "b", "c"))
    packed.write_bytes(gzip.compress(log.read_bytes())[:-12])
    cut.write_bytes(gzip.compress(log.read_bytes())[:30])
    damaged.write_bytes(gzip.compress(log.read_bytes())[:10] + b"\xff" * 60)
    for broken in (packed, cut, damaged):
        (said,) = not_taken(place, broken, log)
        assert said.startswith(f"1 file that cannot be read to the end, the first: {broken}: "), said
    assert place.figures("--by", "day")[5]["availability"] == "75"


def test_what_an_archive_that_breaks_off_did_not_tell_is_missing(place):
    chance = random.Random(1)
    lines = [(n * HOUR, swift("OK", chance.randbytes(200).hex())) for n in range(1, 24 * 24)]
    states = [(0, swift("OK", **CURRENT)), (0, bdii("OK", **CURRENT))]
    first = place.log(STARTS, *states, *lines, name="first.log")
    packed = place.directory / "first.gz"
    packed.write_bytes(gzip.compress(first.read_bytes())[: first.stat().st_size // 4])
    then = {"start": OCTOBER + 25 * DAY, "name": "then.log"}
    last = place.log(
        STARTS, (0, swift("OK", **CURRENT)), (0, bdii("OK", **CURRENT)), (6 * DAY, bdii("WARNING")), **then
    )
    (said,) = not_taken(place, packed, last)
    assert said.startswith(f"1 file that cannot be read to the end, the first: {packed}: "), said
    assert said.count(str(packed)) == 1
    days = place.figures("--by", "day")
    assert [days[day]["availability"] for day in (2, 20, 28)] == ["100", "-1", "100"]
    assert (days[2]["unknown"], days[20]["unknown"]) == ("0", "1")


def test_archives_are_read_though_a_result_was_appended_meanwhile(place):
    archives = place.directory / "archives"
    archives.mkdir()
    old = place.log(*MONTH[:4], name="archives/nagios-10-06-2026-00.log")
    os.utime(old, (OCTOBER + 5 * DAY,) * 2)
    place.imported(place.log(*MONTH))  # a file by itself says nothing of the archives, as a result that is appended
    assert "passed over" not in place.imported(archives)[1]


def test_a_clock_that_went_back_is_told(place):
    log = place.log(*MONTH[:5], (5 * DAY + HOUR, bdii("CRITICAL")), (6 * DAY, bdii("OK")))
    (said,) = not_taken(place, log)
    assert said == (
        f"1 time at which the clock went back: each result counts at its own time, the first: {log}:6, by 18000 s"
    )


def test_results_of_the_future_and_of_a_clock_that_was_not_set_are_told_and_left_out(place):
    ahead = int(time.time()) + DAY - OCTOBER
    log = place.log((-OCTOBER + 60, swift("OK")), *MONTH[:3], (ahead, swift("CRITICAL")))
    assert not_taken(place, log) == [
        f"1 result from before the year 2000, by a clock that was not set, the first: {log}:1",
        f"1 result from the future, by this machine's clock, the first: {log}:5",
    ]


def test_services_that_are_not_in_the_list_are_told(place):
    log = place.log(*MONTH, (31 * DAY + 6, state("new.example.org", "x", "OK")))
    (said,) = not_taken(place, log)
    assert said == f"1 service missing from the list of services, the first: x on new.example.org, {log}:9"


def test_hostile_output_of_a_plugin_stays_text(place):
    place.imported(place.log(STARTS, (0, swift("CRITICAL", "\x1b[2J<script>|evil\u202e")), (DAY, swift("OK"))))
    out = place.run("why", SITE, "--month", "2026-10")[1]
    assert "\x1b" not in out and "<script>" not in out and "\u202e" not in out and "[script]/evil" in out


def test_a_secret_in_the_output_of_a_plugin_is_not_kept(place):
    secret = planted.token()
    place.imported(place.log(STARTS, (0, swift("CRITICAL", f"refused: {secret}")), (DAY, swift("OK"))))
    assert secret not in place.run("why", SITE, "--month", "2026-10", "--json")[1]
    assert secret.encode() not in (place.state / "availability.sqlite").read_bytes()


def test_on_the_page_a_site_that_was_never_down_has_100_also_where_little_is_known(place):
    seconds = 20
    ok = (DAY - seconds, swift("OK", **CURRENT)), (DAY - seconds, bdii("OK", **CURRENT))
    place.imported(place.log(*ok, (2 * DAY, swift("CRITICAL")), (2 * DAY + 10 * HOUR, swift("OK"))))
    for last, cells in (("2026-10-01", ["100", "100"]), ("2026-10-03", ["79", "100", "100", "58"])):
        page = place.run("figures", "--from", "2026-10-01", "--to", last, "--html")[1]
        assert re.findall(r"<td[^>]*>([^<]*)</td>", page) == cells


@pytest.mark.needs("chromium")
def test_the_page_shows_days_and_outages_and_runs_nothing(place, tmp_path):
    attack = f"<script>{browser.PWNED}</script>"
    lines = [each for each in MONTH if "503" not in each[1]]
    place.imported(place.log(*lines[:3], (5 * DAY, swift("CRITICAL", f"503 {attack}")), *lines[3:]))
    code, page = place.run("figures", "--month", "2026-10", "--html")
    assert code == 0
    path = place.directory / "page.html"
    path.write_text(page)
    shown = browser.dom(path, tmp_path / "profile")
    assert not browser.is_pwned(shown) and "<script" not in shown
    assert 'title="2026-10-06: availability 75.00 %, reliability 75.00 %' in shown
    assert shown.count("<td") == 1 + 31
    assert "2026-10-06T00:00:00Z to 2026-10-06T06:00:00Z, 6 h: CRITICAL, 0.81 % of the availability<br>" in shown
    assert re.search(r'<rect class="CRITICAL" x="161.29" width="8.06"', shown)


EXCLUDED = ["exclude", "--from", "2026-10-06", "--to", "2026-10-06", "--reason", "x"]


@pytest.mark.parametrize(
    "words, says",
    [
        (["import", "services.jsonl"], "services.jsonl is not a log, status.dat or retention.dat of"),
        (["import", "nowhere.log"], "nowhere.log cannot be read: No such file or directory"),
        (["figures", "--from", "2026-10-06"], "--from and --to belong together"),
        (["figures", "--month", "2099-01"], "2099-01 has not begun"),
        (["figures", "--from", "2026-10-06", "--to", "2026-10-05"], "--to is before --from"),
        (["figures", "EXAMPEL-SITE", "--month", "2026-10"], "did you mean EXAMPLE-SITE?"),
        (["figures", "--metric-profile", "services.jsonl"], "services.jsonl is not a profile"),
        (["status", "--at", "2099-01-01T00:00:00Z"], "2099-01-01T00:00:00Z is in the future"),
        (["exclude", "--take-back", "5"], "there is no exclusion 5"),
        (["exclude", "--reason", "x"], "an exclusion needs --from, --to and --reason"),
        (["figures", "example-site", "--month", "2026-10"], "did you mean EXAMPLE-SITE?"),
        (["import", "--services", ".", "--as-of", "2099-01-01"], "--as-of 2099-01-01 is in the future"),
        (
            [*EXCLUDED, "--host", "swft.example.org"],
            "no host swft.example.org is known (did you mean swift.example.org?)",
        ),
        ([*EXCLUDED, "--service-type", "org.openstack.swif"], "did you mean org.openstack.swift?"),
        ([*EXCLUDED, "--metric", "eu.egi.cloud.Nothing-At-All"], "no metric eu.egi.cloud.Nothing-At-All is known"),
        ([*EXCLUDED, "--metric", "eu.egi.cloud.OpenStack"], "no metric eu.egi.cloud.OpenStack is known"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(place, words, says):
    place.imported(place.log(*MONTH))
    code, out = place.run(*words)
    assert code == 2
    assert out.startswith("fedcloud-availability: not done: ") and says in out, out
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    "words, says",
    [
        (["why"], "why takes the name of one site"),
        (["prune"], "prune needs --keep, as --keep 400d"),
        (["figures", "--reason", "x"], "--reason has no effect with figures"),
        (["status", "--at", "2026-10-06", "--month", "2026-10"], "--at is one instant"),
        (["figures", "--prometheus", "--by", "day"], "leave out --by"),
        (["figures", "--html", "--by", "day"], "leave out --by"),
        (["import"], "import takes files, or --services, --topology, --gocdb or --downtimes"),
        (["import", "--services", ".", "--any-site"], "--any-site has no effect without --gocdb"),
        (["import", "--gocdb", "http://127.0.0.1:1/", "--as-of", "2026-10-01"], "leave one of them out"),
        (["figures", "--gocdb", "http://127.0.0.1:1/"], "--gocdb has no effect with figures"),
        (["import", "--services", ".", "--skip-missing"], "--skip-missing has no effect without files"),
        (["invent"], "the first word must be a command: one of import, figures, why"),
    ],
)
def test_wrong_usage_is_a_sentence(place, words, says):
    code, out = place.run(*words)
    assert code == 3
    assert out.startswith("fedcloud-availability: usage: ") and says in out


def test_without_a_store_it_is_said_what_to_do(place):
    place.state.mkdir(0o700)
    code, out = place.run("figures")
    assert code == 2
    assert (
        out == f"fedcloud-availability: not done: there are no results in {place.state} "
        "(run fedcloud-availability import)\n"
    )


def test_pruning_forgets_and_keeps_how_the_rest_began(place):
    place.imported(place.log(*MONTH))
    age = (int(time.time()) - (OCTOBER + 10 * DAY)) // DAY
    code, out = place.run("prune", "--keep", f"{age}d")
    assert code == 0 and "forgotten" in out
    code, out = place.run("figures", "--from", "2026-10-12", "--to", "2026-10-31", "--csv")
    (row,) = csv.DictReader(out.splitlines())
    assert (row["availability"], row["unknown"]) == ("100", "0.00208")


def test_an_exclusion_names_a_metric_without_the_vo_of_its_service(place):
    place.imported(place.log(*MONTH))
    code, out = place.run(*EXCLUDED, "--metric", "eu.egi.cloud.OpenStack-Swift")
    assert code == 0, out
    assert place.figures("--by", "day")[5]["unknown"] == "1"


def test_others_cannot_read_the_store(place):
    place.imported(place.log(*MONTH))
    assert os.stat(place.state / "availability.sqlite").st_mode & 0o077 == 0
