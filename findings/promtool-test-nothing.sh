#!/bin/bash
# promtool: a test of "no alert" succeeds where no rule was read or its name is misspelt, and the interval of a group is not kept.
#
# Software:  prometheus 2.42.0+ds-5+deb12u1 of Debian 12, its promtool. Seen 2026-11-30.
# Expected:  `promtool test rules` fails where a file of rule_files is not there or a tested alert has no rule, and evaluates a group as
#            often as the group says. `promtool check config` says that no rule file was found.
# Seen:      rule_files names a file that is not there, alertname is no rule's, a series is misspelt: with "exp_alerts: []" SUCCESS,
#            exit code 0, for the first with a warning.
#            a group with "interval: 30m", an alert with "for: 10m": expected and found firing after 11 minutes, though Prometheus
#            looks for the second time after 30.
#            check config with rule_files: [rulse/*.yml], which matches nothing: SUCCESS, not a word of it. A name without * fails.
# Matters:   the test that nobody is paged in a downtime goes on to succeed after the alert was renamed, and a Prometheus with no rules at
#            all passes the check before its reload. Have beside each "no alert" one that expects the alert, and no interval in groups.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus
dpkg-deb -x prometheus_*.deb root
echo "prometheus $(dpkg-deb -f prometheus_*.deb Version)"
python3 - <<'PYTHON'
import json
import pathlib
import subprocess
import sys


def save(name, content):
    pathlib.Path(name).write_text(json.dumps(content))


def promtool(what, code, words, *arguments):
    done = subprocess.run(["root/usr/bin/promtool", *arguments], capture_output=True, text=True, timeout=120)
    said = " ".join((done.stdout + done.stderr).split())
    print(f"{what}: {done.returncode}, {said}")
    if done.returncode != code or ("SUCCESS" in said) != (code == 0) or ("WARNING" in said or "existing" in said) != words:
        sys.exit(f"CHANGED: it was {code}, and {'a word' if words else 'no word'} about the file")


def test(what, code, words=False, rules="rules.yml", alert="SiteDown", series="probe_state", after="20m", expected=()):
    alerts = [{"exp_labels": {"site": site}} for site in expected]
    expectation = {"eval_time": after, "alertname": alert, "exp_alerts": alerts}
    inputs = [{"series": f'{series}{{site="A"}}', "values": "2x90"}]
    case = {"interval": "1m", "input_series": inputs, "alert_rule_test": [expectation]}
    save("test.yml", {"rule_files": [rules], "evaluation_interval": "1m", "tests": [case]})
    promtool(what, code, words, "test", "rules", "test.yml")


for file, group in (("rules.yml", {}), ("slow.yml", {"interval": "30m"})):
    alert = {"alert": "SiteDown", "expr": "probe_state == 2", "for": "10m"}
    save(file, {"groups": [{"name": "sites", "rules": [alert], **group}]})
test("fires, as expected", 0, expected="A")
test("fires, not expected", 1)
test("no such file", 0, words=True, rules="rulse.yml")
test("no such alert", 0, alert="SiteDwon")
test("no such series", 0, series="probe_staet")
test("interval 30m, after 9m", 0, rules="slow.yml", after="9m")
test("interval 30m, after 11m", 0, rules="slow.yml", after="11m", expected="A")
for files, code, words in (("rules.yml", 0, False), ("rulse.yml", 1, True), ("rulse/*.yml", 0, False)):
    save("prometheus.yml", {"rule_files": [files]})
    promtool(f"check config with {files}", code, words, "check", "config", "prometheus.yml")
PYTHON
