"""The dashboards for Grafana: made anew they are the same, and they ask for nothing that is not there."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from libprobe.programs import catalogue
from libprobe.programs.selfcheck import prometheus
from scripts import parsers
from tests.conftest import ROOT, clean_environment

SHIPPED = ROOT / "etc/grafana"
NAMES = ("icinga2", "nagflux", "prometheus")
METRICS = {metric.name: metric for metric in catalogue.read(str(ROOT / "etc/ncg"))}
GENERATED = (ROOT / "tests/data/ncg/federation/one-machine/icinga2/conf.d/commands.conf").read_text()


def dashboard(name: str) -> dict:
    return json.loads((SHIPPED / f"fedcloud-{name}.json").read_text())


def graphs(name: str) -> list[dict]:
    return [panel for panel in dashboard(name)["panels"] if panel["type"] == "timeseries"]


def test_made_anew_they_are_the_same(tmp_path: Path) -> None:
    """After a change: scripts/make-dashboards etc/grafana"""
    words = [sys.executable, ROOT / "scripts/make-dashboards", tmp_path]
    subprocess.run(words, check=True, capture_output=True, env=clean_environment())
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in SHIPPED.iterdir()}
    assert sorted(made) == [f"fedcloud-{name}.json" for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_grafana_can_place_every_panel_and_knows_its_data_source(name: str) -> None:
    found = dashboard(name)
    assert re.fullmatch(r"[a-z0-9-]{1,40}", found["uid"])
    assert isinstance(found["schemaVersion"], int)
    assert "id" not in found  # given by Grafana at import
    panels = found["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for first, second in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart_x = first["x"] + first["w"] <= second["x"] or second["x"] + second["w"] <= first["x"]
        apart_y = first["y"] + first["h"] <= second["y"] or second["y"] + second["h"] <= first["y"]
        assert apart_x or apart_y
    variables = {each["name"]: each for each in found["templating"]["list"]}
    kind = variables["datasource"]["query"]
    for panel in panels:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": kind, "uid": "${datasource}"}
            assert [target["refId"] for target in panel["targets"]] == [
                chr(ord("A") + n) for n in range(len(panel["targets"]))
            ]


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_has_a_row_and_its_graphs_lead_to_its_page(name: str) -> None:
    rows = [panel["title"] for panel in dashboard(name)["panels"] if panel["type"] == "row"]
    assert [title for title in rows if title != "States"] == sorted(METRICS)
    for panel in graphs(name):
        metric = METRICS[panel["title"].partition(":")[0]]
        assert panel["links"][0]["url"] == metric.docurl


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_asks_for_labels_that_the_probe_of_its_metric_gives(name: str) -> None:
    for metric in METRICS.values():
        described = parsers.describe(parsers.parser_of(ROOT / "probes" / metric.probe).description or "").measured
        asked = [
            (target, panel["fieldConfig"]["defaults"]["unit"])
            for panel in graphs(name)
            if panel["title"].startswith(f"{metric.name}: ")
            for target in panel["targets"]
        ]
        found = {}
        for target, unit in asked:
            text = target.get("query") or target["expr"]
            label = re.search(r"(?:\"metric\" = |\"performanceLabel\" = |label=)['\"](\w+)['\"]", text)
            assert label, text
            found[label[1]] = unit
            assert metric.name in text.replace("\\.", ".")
        assert found == {label: {"s": "s", "B": "bytes", "": "short"}[unit] for label, unit, _ in described}


def test_icinga_measurements_are_the_check_commands_that_fedcloud_ncg_writes() -> None:
    asked = {
        re.search(r'FROM "(\w+)"', target["query"])[1] for panel in graphs("icinga2") for target in panel["targets"]
    }  # type: ignore[index]
    written = set(re.findall(r'object CheckCommand "(\w+)"', GENERATED))
    assert {metric.probe.removeprefix("check_") for metric in METRICS.values()} == asked
    assert written <= asked


def test_prometheus_is_asked_for_families_that_the_self_check_writes() -> None:
    for panel in dashboard("prometheus")["panels"]:
        for target in panel.get("targets", ()):
            assert target["expr"].partition("{")[0].removeprefix("fedcloud_") in prometheus.FAMILIES
