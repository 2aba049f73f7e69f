"""The alert rules for Prometheus, by its own promtool, over what the self-check writes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from libprobe.programs import catalogue
from tests.conftest import ROOT, clean_environment, command
from tests.federation import gocdb as pi
from tests.federation.federation import OCCI

RULES = ROOT / "etc/prometheus/fedcloud.rules.yml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
MINUTES = 60 * 26
needs_promtool = pytest.mark.needs("prometheus")

Series = dict[str, float]
SelfCheck = Callable[..., Series]


@pytest.fixture
def written(federation, tmp_path: Path) -> SelfCheck:
    """Run the self-check of a site; return what it wrote for Prometheus, by series."""

    def run(*words: str) -> Series:
        file = tmp_path / "fedcloud.prom"
        options = ("--definitions", ROOT / "etc/ncg", "--probes", ROOT / "probes", "--prometheus", file)
        done = subprocess.run(
            command("fedcloud-selfcheck", *words, *options),
            capture_output=True,
            text=True,
            env=clean_environment(**federation.environment(), HOME=tmp_path),
        )
        assert file.exists(), done.stdout
        families = text_string_to_metric_families(file.read_text())
        return {_name(each): each.value for family in families for each in family.samples}

    return run


def _name(sample) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}}" if labels else sample.name


class Fired:
    """What promtool says of alerts at a minute, where the series stay as they are from the beginning on."""

    def __init__(self, series: Series, directory: Path) -> None:
        self.directory = directory
        fresh = {name: value for name, value in series.items() if not name.endswith("_timestamp_seconds")}
        self.series = [{"series": name, "values": f"{value:g}x{MINUTES}"} for name, value in fresh.items()]
        # promtool's clock begins in 1970: a self-check that ran just now, at every minute
        for name in series.keys() - fresh.keys():
            self.series.append({"series": name, "values": f"0+60x{MINUTES}"})

    def expect_none(self, minute: int, *alerts: str) -> None:
        """None of these fires. Raises: AssertionError with promtool's words."""
        self._ask(minute, [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []} for alert in alerts])

    def expect(self, minute: int, alert: str, *labels: dict[str, str]) -> None:
        """Exactly these fire. Raises: AssertionError with promtool's words."""
        expected = [{"exp_labels": {"severity": ALERTS[alert]["labels"]["severity"], **each}} for each in labels]
        for each in expected:
            each["exp_annotations"] = {
                name: _filled(text, each["exp_labels"], len(labels))
                for name, text in ALERTS[alert]["annotations"].items()
            }
        self._ask(minute, [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": expected}])

    def _ask(self, minute: int, questions: list[dict]) -> None:
        case = {
            "rule_files": [str(RULES)],
            # a day in minutes takes promtool long
            "evaluation_interval": "1m" if minute < 200 else "5m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": self.series,
                    "alert_rule_test": questions,
                }
            ],
        }
        path = self.directory / "case.yml"
        path.write_text(yaml.safe_dump(case))
        done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def _filled(text: str, labels: dict[str, str], value: int) -> str:
    filled = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels.get(found[1], ""), text)
    return filled.replace("{{ $value }}", str(value))


def labels_of(name: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', name))


def states(series: Series, value: int) -> list[dict[str, str]]:
    return [labels_of(name) for name, each in series.items() if name.startswith("fedcloud_state{") and each == value]


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in done.stdout


def test_the_rules_ask_for_series_that_the_self_check_writes_and_for_the_metrics_that_others_depend_on() -> None:
    from libprobe.programs.selfcheck.prometheus import FAMILIES

    asked = {name for rule in ALERTS.values() for name in re.findall(r"\bfedcloud_(\w+)", rule["expr"])}
    assert asked <= set(FAMILIES)
    metrics = catalogue.read(str(ROOT / "etc/ncg"))
    [pattern] = {found for rule in ALERTS.values() for found in re.findall(r'metric[=!]~"([^"]+)"', rule["expr"])}
    parents = {name for metric in metrics for name in metric.dependencies}
    assert parents <= {metric.name for metric in metrics if re.fullmatch(pattern, metric.name)}
    labels = {"site", "hostname", "service_type", "metric", "url"}
    named = {each for rule in ALERTS.values() for each in re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))}
    assert named <= labels


@needs_promtool
def test_a_good_site_is_no_alert(written: SelfCheck, federation, tmp_path: Path) -> None:
    series = written(federation.sites["ooi"].gocdb_name, "--metric", "OCCI-TCP", "--metric", "OCCI-VM")
    assert len(states(series, 0)) == 2, series
    Fired(series, tmp_path).expect_none(60 * 25, *ALERTS)


@needs_promtool
def test_a_critical_metric_is_told_after_the_second_time(written: SelfCheck, federation, tmp_path: Path) -> None:
    site = federation.sites["ooi"]
    site.faults.on("status", code=500)
    series = written(site.gocdb_name, "--metric", "OCCI-TCP", "--metric", "OCCI-VM")
    [red] = states(series, 2)
    assert red["metric"] == "eu.egi.cloud.OCCI-VM"
    fired = Fired(series, tmp_path)
    fired.expect(39, "FedcloudCritical")
    fired.expect(41, "FedcloudCritical", red)
    fired.expect(41, "FedcloudPortDead")


@needs_promtool
def test_a_dead_port_is_told_once_and_an_outage_that_is_announced_not_at_all(
    written: SelfCheck, federation, tmp_path: Path
) -> None:
    dead = pi.Service("dead.fedcloud.test", OCCI, "ROCCI-CLOUD", url="https://localhost:1/?image=a&resource=b")
    service = federation.gocdb.add_service(dead)
    words = ("--host", "dead.fedcloud.test", "--metric", "OCCI-TCP", "--metric", "OCCI-VM")
    try:
        series = written(*words)
        downtime = federation.gocdb.add_downtime(service)
        announced = written(*words)
        federation.gocdb.remove_downtime(downtime)
    finally:
        federation.gocdb.remove_service(service)
    red = states(series, 2)
    assert sorted(each["metric"] for each in red) == ["eu.egi.cloud.OCCI-VM", "org.nagios.OCCI-TCP"], series
    fired = Fired(series, tmp_path)
    fired.expect(41, "FedcloudPortDead", next(each for each in red if "TCP" in each["metric"]))
    fired.expect(41, "FedcloudCritical")
    assert len(states(announced, 2)) == 2
    Fired(announced, tmp_path).expect_none(60 * 25, *ALERTS)


@needs_promtool
def test_a_proxy_that_expired_is_told_as_one_trouble_of_this_machine(
    written: SelfCheck, federation, tmp_path: Path
) -> None:
    from datetime import timedelta

    expired = federation.authority.proxy(lifetime=timedelta(hours=-1))
    series = written(federation.sites["ooi"].gocdb_name, "--metric", "OCCI-VM", "--cert", str(expired))
    unknown = states(series, 3)
    assert [each["metric"] for each in unknown] == ["eu.egi.cloud.OCCI-VM"], series
    fired = Fired(series, tmp_path)
    fired.expect(41, "FedcloudMonitorBlind", {})
    fired.expect(60 * 4, "FedcloudUnknown")
    # beside others that are good it is this one alone
    more = written(federation.sites["ooi"].gocdb_name, "--metric", "OCCI-TCP")
    more |= written(federation.sites["rocci"].gocdb_name, "--metric", "OCCI-TCP")
    fired = Fired(series | more, tmp_path)
    fired.expect(60 * 4, "FedcloudUnknown", *unknown)
    fired.expect(60 * 4, "FedcloudMonitorBlind")


@needs_promtool
def test_a_self_check_that_stopped_or_was_never_there_or_does_not_end_is_told(
    written: SelfCheck, federation, tmp_path: Path
) -> None:
    series = written(federation.sites["ooi"].gocdb_name, "--metric", "OCCI-TCP")
    stopped = Fired(series, tmp_path)
    for each in stopped.series:
        if each["series"] == "fedcloud_selfcheck_timestamp_seconds":
            each["values"] = f"0x{MINUTES}"
    stopped.expect(120, "FedcloudSelfcheckStopped")
    stopped.expect(132, "FedcloudSelfcheckStopped", {})
    Fired({}, tmp_path).expect(11, "FedcloudSelfcheckStopped", {})
    Fired(series | {"fedcloud_selfcheck_complete": 0}, tmp_path).expect(41, "FedcloudSelfcheckCutShort", {})


@needs_promtool
def test_a_warning_is_a_ticket_after_a_day(written: SelfCheck, federation, tmp_path: Path) -> None:
    series = written(federation.sites["ooi"].gocdb_name, "--metric", "OCCI-TCP")
    [good] = states(series, 0)
    warned = {name: 1 if name.startswith("fedcloud_state{") else value for name, value in series.items()}
    fired = Fired(warned, tmp_path)
    fired.expect(60 * 23, "FedcloudWarning")
    fired.expect(60 * 24 + 1, "FedcloudWarning", good)
    fired.expect_none(60 * 25, *(ALERTS.keys() - {"FedcloudWarning"}))
