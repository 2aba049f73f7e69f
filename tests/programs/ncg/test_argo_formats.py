"""fedcloud-ncg --format sensu and --format poem: what Sensu Go and the tools of ARGO are given."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from libprobe.programs import catalogue
from libprobe.programs.ncg import configured_services, poem
from tests.conftest import ROOT, clean_environment, command
from tests.federation import gocdb as pi
from tests.programs.ncg import scg, topology
from tests.programs.ncg.test_configuration import SPECIAL

METRICS = {metric.name: metric for metric in catalogue.read(str(ROOT / "etc/ncg"))}
BOTH = ("--format", "sensu", "--format", "poem")
FROM_URL = {"--image", "--resource", "-p"}
"""What argo-scg cannot give: the probes read it from the URL, or look it up."""


class Monitor:
    """A directory into which configurations are written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.output = directory / "out"

    def run(self, gocdb: pi.Gocdb, *words: object) -> subprocess.CompletedProcess[str]:
        saved = topology.save(gocdb, self.directory)
        return subprocess.run(
            command(
                "fedcloud-ncg", "--definitions", ROOT / "etc/ncg", "--from", saved, "--output", self.output, *words
            ),
            capture_output=True,
            text=True,
            env=clean_environment(HOME=self.directory),
        )

    def resources(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted((self.output / "sensu").glob("*.json")):
            text, at = path.read_text(), 0
            while text[at:].strip():
                document, end = json.JSONDecoder().raw_decode(text[at:].lstrip())
                found.append(document)
                at = len(text) - len(text[at:].lstrip()) + end
        return found

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        found = [each for each in self.resources() if each["type"] == kind]
        assert len({each["metadata"]["name"] for each in found}) == len(found)
        return {each["metadata"]["name"]: each for each in found}

    def poem(self, name: str) -> Any:
        return json.loads((self.output / f"poem/{name}.json").read_text())


@pytest.fixture
def monitor(tmp_path: Path) -> Monitor:
    return Monitor(tmp_path)


@pytest.fixture
def both(monitor: Monitor) -> Monitor:
    done = monitor.run(topology.clouds(), *BOTH, "--format", "nrpe", "--cert", "/etc/x509up")
    assert (done.returncode, done.stderr) == (1, ""), done.stdout
    return monitor


def options(line: str) -> tuple[str, frozenset[tuple[str, ...]]]:
    """The executable, and each option with its value."""
    executable, *words = shlex.split(line)
    found: list[list[str]] = []
    for word in words:
        if word.startswith("-"):
            found.append([word])
        else:
            found[-1].append(word)
    return executable, frozenset(tuple(each) for each in found)


# ---- Sensu


def test_each_service_is_a_check_that_runs_what_nrpe_would(both):
    text = "".join(path.read_text() for path in (both.output / "nrpe").glob("*.cfg"))
    by_nrpe = dict(re.findall(r"^command\[([^\]]+)\]=(.+)$", text, re.MULTILINE))
    checks = both.of_type("CheckConfig")
    assert {name: each["spec"]["command"] for name, each in checks.items()} == by_nrpe
    assert len(checks) == len((both.output / "services.jsonl").read_text().splitlines()) > 25


def test_a_check_is_what_sensu_takes_and_as_often_as_its_metric(both):
    entities = both.of_type("Entity")
    for name, check in both.of_type("CheckConfig").items():
        spec, labels = check["spec"], check["metadata"]["labels"]
        metric = METRICS[labels["metric"]]
        assert (check["api_version"], spec["publish"], spec["round_robin"]) == ("core/v2", True, True)
        assert (spec["interval"], spec["timeout"]) == (metric.interval_s, metric.timeout_s + 30)
        assert (spec["handlers"], spec["subscriptions"]) == ([], ["fedcloud-probes"])
        assert spec["output_metric_format"] == "nagios_perfdata"
        assert check["metadata"]["annotations"]["attempts"] == str(metric.attempts)
        entity = entities[spec["proxy_entity_name"]]
        assert entity["spec"] == {"entity_class": "proxy"}
        assert entity["metadata"]["labels"].items() <= labels.items()
        assert spec["proxy_entity_name"] == f"{labels['service']}__{labels['hostname']}"
        assert labels.get("vo") == ("ops" if "VO" in metric.flags else None)
        for each in (name, spec["proxy_entity_name"]):
            assert re.fullmatch(r"[\w.\-]+", each), each  # all that Sensu has in a name
        for values in (labels, check["metadata"]["annotations"]):
            assert all(isinstance(value, str) for value in values.values())


def test_the_factor_of_intervals_holds_and_no_check_is_run_all_the_time(monitor):
    monitor.run(topology.clouds(), *BOTH, "--interval-factor", "0.0001")
    assert {each["spec"]["interval"] for each in monitor.of_type("CheckConfig").values()} == {1, 2, 4}
    assert {each["config"]["interval"] for metric in monitor.poem("metrics") for each in metric.values()} == {"1"}


# ---- POEM


def test_argo_scg_makes_the_same_commands_of_it(both):
    ours = {
        (each["metadata"]["labels"]["metric"], each["spec"]["proxy_entity_name"], each["spec"]["command"])
        for each in both.of_type("CheckConfig").values()
    }
    theirs = list(scg.commands(both.output / "poem"))
    assert len(theirs) > 20
    expected = {(metric, options(line)) for metric, _, line in ours}
    for metric, entity, line in theirs:
        executable, given = options(line)
        unknown = FROM_URL | {option for option, value in METRICS[metric].parameters if "FLAVOUR" in value}
        near = [
            each
            for name, (path, each) in expected
            if (name, path) == (metric, executable) and {pair for pair in each if pair[0] not in unknown} == given
        ]
        assert near, (metric, entity, line)


def test_what_argo_scg_will_leave_out_is_a_warning(monitor):
    done = monitor.run(topology.clouds(), "--format", "poem")
    assert done.returncode == 1
    assert (
        "OTHER.SITE_1, bare.example.org, org.openstack.nova: argo-scg will leave out eu.egi.Keystone-IGTF, "
        "eu.egi.cloud.Certificate, eu.egi.cloud.InfoProvider, eu.egi.cloud.OpenStack-Images, "
        "eu.egi.cloud.OpenStack-VM, org.nagios.Keystone-TCP: there is no URL that it could give them" in done.stdout
    )
    asked = {entity for _, entity, _ in scg.commands(monitor.output / "poem")}
    assert "org.openstack.nova__bare.example.org" not in asked


def test_a_site_whose_name_has_a_blank_is_a_warning(monitor):
    gocdb = topology.good()
    gocdb.add_service(pi.Service("apel.example.org", topology.ACCOUNTING, "My Site"))
    done = monitor.run(gocdb, "--format", "poem")
    assert (
        "My Site, apel.example.org, eu.egi.cloud.accounting: argo-scg will give eu.egi.cloud.APEL-Pub the name of the "
        "site in pieces: it does not quote" in done.stdout
    )


def test_a_second_keystone_on_a_host_has_a_name_of_its_own(both):
    names = [each["hostname"] for each in both.poem("topology") if each["service"] == topology.NOVA]
    assert names[0] == "keystone.example.org"
    assert re.fullmatch(r"keystone\.example\.org_\d+G0", names[1])
    assert {each["tags"]["hostname"] for each in both.poem("topology") if each["hostname"].startswith("keystone")} == {
        "keystone.example.org"
    }


def test_the_answers_have_the_shapes_of_poems_and_the_web_apis(both):
    metrics = both.poem("metrics")
    for each in metrics:
        [(name, metric)] = each.items()
        assert set(metric) == {
            *("tags", "probe", "config", "flags", "dependency", "attribute", "parameter"),
            *("file_parameter", "file_attribute", "parent", "docurl"),
        }
        for key in ("config", "flags", "dependency", "attribute", "parameter"):
            assert all(isinstance(value, str) for value in metric[key].values()), (name, key)
        assert set(metric["config"]) == {"interval", "maxCheckAttempts", "path", "retryInterval", "timeout"}
    templates = {each["name"]: each for each in both.poem("metric_templates")}
    assert set(templates) == {name for each in metrics for name in each}
    probes = {f"{each['name']} {each['package'].partition(' ')[2]}" for each in both.poem("probes")}
    assert {each["probeversion"] for each in templates.values()} == probes
    assert templates["eu.egi.cloud.APEL-Pub"]["attribute"] == [{"key": "", "value": ""}]
    [profile] = both.poem("metric_profiles")["data"]
    assert {each["service"] for each in profile["services"]} == {each["service"] for each in both.poem("topology")}
    assert both.poem("default_ports") == {}
    assert both.poem("metric_overrides")["local"]["global_attributes"][1:] == [
        {"attribute": "VONAME", "value": "ops"},
        {"attribute": "X509_USER_PROXY", "value": "/etc/x509up"},
    ]


# ---- as with the other formats


def test_one_question_for_two_types_of_services_is_no_warning(monitor):
    gocdb = pi.Gocdb()
    for kind in (topology.NOVA, topology.SWIFT):
        gocdb.add_service(pi.Service("keystone.example.org", kind, "EXAMPLE", topology.KEYSTONE))
    done = monitor.run(gocdb, *BOTH)
    assert (done.returncode, "warning" in done.stdout) == (0, False), done.stdout
    names = [each["metadata"]["labels"]["metric"] for each in monitor.of_type("CheckConfig").values()]
    for name in ("org.nagios.Keystone-TCP", "eu.egi.Keystone-IGTF", "eu.egi.cloud.Certificate"):
        assert names.count(name) == 1, name
    asked = [(metric, entity) for metric, entity, _ in scg.commands(monitor.output / "poem")]
    assert ("org.nagios.Keystone-TCP", "org.openstack.swift__keystone.example.org") in asked


@pytest.mark.parametrize("kind", ["sensu", "poem"])
@pytest.mark.parametrize("lost", [False, True])
def test_so_many_fewer_services_are_not_believed_also_where_the_list_is_lost(monitor, kind, lost):
    gocdb = topology.clouds()
    for number in range(10):
        gocdb.add_service(pi.Service(f"k{number}.example.org", topology.NOVA, f"SITE-{number}", topology.KEYSTONE))
    assert monitor.run(gocdb, "--format", kind).returncode in (0, 1)
    before = {path: path.read_bytes() for path in monitor.output.rglob("*.json")}
    if lost:
        (monitor.output / "services.jsonl").unlink()
    gocdb = pi.Gocdb()
    gocdb.add_service(pi.Service("k1.example.org", topology.ACCOUNTING, "SITE-1"))
    done = monitor.run(gocdb, "--format", kind)
    assert done.returncode == 2
    assert "may go in one run" in done.stdout
    assert {path: path.read_bytes() for path in monitor.output.rglob("*.json")} == before


def test_formats_that_are_not_written_anew_stay(both):
    before = {path: path.read_bytes() for kind in ("sensu", "poem") for path in (both.output / kind).rglob("*.json")}
    assert len(before) == 9
    assert both.run(topology.clouds(), "--format", "nrpe").returncode == 0
    assert {path: path.read_bytes() for path in before} == before


def test_what_was_written_is_read_back(both):
    listed = [json.loads(line) for line in (both.output / "services.jsonl").read_text().splitlines()]
    found = {
        (each.host, each.service, each.service_type, each.site)
        for each in configured_services.read(str(both.output), "sensu")
    }
    assert found == {(each["host"], each["service"], each["service_type"], each["site"]) for each in listed}
    endpoints = list(configured_services.read(str(both.output), "poem"))
    assert {each.host for each in endpoints} == {each["host"] for each in listed}


def test_damaged_files_are_read_as_far_as_they_go(both):
    for path in (*(both.output / "sensu").glob("*.json"), both.output / "poem/topology.json"):
        path.write_text(path.read_text()[:1500] + '{"type": 1')
    assert len(list(configured_services.read(str(both.output), "sensu"))) > 0
    assert len(list(configured_services.read(str(both.output), "poem"))) > 0


def test_a_directory_that_lost_its_topology_keeps_no_run_from_writing_it_anew(monitor):
    assert monitor.run(topology.good(), "--format", "poem").returncode == 1
    written = (monitor.output / "poem/topology.json").read_bytes()
    for lost in (("poem/topology.json",), ("poem/topology.json", "services.jsonl")):
        for name in lost:
            (monitor.output / name).unlink()
        done = monitor.run(topology.good(), "--format", "poem")
        assert (done.returncode, done.stderr) == (1, ""), done.stdout  # 1: of warnings that have nothing to do with it
        assert "cannot be" not in done.stdout
        assert (monitor.output / "poem/topology.json").read_bytes() == written


def test_without_its_topology_the_list_still_tells_what_there_was(monitor):
    gocdb = topology.clouds()
    for number in range(10):
        gocdb.add_service(pi.Service(f"k{number}.example.org", topology.NOVA, f"SITE-{number}", topology.KEYSTONE))
    assert monitor.run(gocdb, "--format", "poem").returncode == 1
    (monitor.output / "poem/topology.json").unlink()
    done = monitor.run(topology.good(), "--format", "poem")
    assert done.returncode == 2
    assert "may go in one run" in done.stdout


def test_a_line_of_a_topology_is_read_in_bounded_pieces_and_costs_only_itself(both):
    path = both.output / "poem/topology.json"
    before = list(configured_services.read(str(both.output), "poem"))
    lines = path.read_text().splitlines(keepends=True)
    # what follows where the limit cuts would be an endpoint by itself
    long = "x" * poem.MAX_LINE + lines[2]
    path.write_text("".join([*lines[:2], long, "y" * (4 * poem.MAX_LINE + 7), "\n", *lines[3:]]))
    after = list(configured_services.read(str(both.output), "poem"))
    assert after == [before[0], *before[2:]]


def test_a_topology_in_one_endless_line_takes_no_memory(tmp_path):
    (tmp_path / "poem").mkdir()
    with (tmp_path / "poem/topology.json").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        assert list(poem.read(str(tmp_path))) == []
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_nothing_hostile_gets_into_a_command(monitor):
    gocdb = topology.clouds()
    topology.hostile(gocdb)
    done = monitor.run(gocdb, *BOTH, "--any-site")
    assert done.returncode == 1, done.stdout
    lines = [each["spec"]["command"] for each in monitor.of_type("CheckConfig").values()]
    lines += [line for _, _, line in scg.commands(monitor.output / "poem")]
    assert len(lines) > 50
    for line in lines:
        assert not (SPECIAL - {" ", "'"}) & set(line), line
