"""What the executables say of their performance data, from which tables and dashboards are made, is what they give."""

from __future__ import annotations

import re

import pytest

from libprobe.programs import catalogue
from scripts import parsers
from tests.conftest import ROOT, Monitor
from tests.federation.stomp_responder import Responder
from tests.pace import AMPLE_S

VALUE = re.compile(r"-?[0-9]+(?:\.[0-9]+)?([a-zA-Z%]*)(?:;[0-9.:@~-]*){0,4}")
RUNS = {
    "check_occi_vm": ("-H", "ooi.fedcloud.test"),
    "check_occi_context": (
        "-H",
        "ooi.fedcloud.test",
        "--boot",
        "-t",
        f"{AMPLE_S:g}",
        "--ssh-port",
        "{federation.guests.port}",
    ),
    "check_apel_pub": ("-H", "ooi.fedcloud.test"),
    "check_appdb_update": (),
    "check_openstack_vm": ("-H", "stack.fedcloud.test"),
    "check_openstack_images": ("-H", "stack.fedcloud.test"),
    "check_cloud_info": ("-H", "stack.fedcloud.test"),
    "check_openstack_swift": ("-H", "stack.fedcloud.test"),
    "check_perun": ("-H", "perun.fedcloud.test"),
    "check_cloud_bdii": ("-H", "ooi.fedcloud.test"),
    "check_endpoint_tcp": ("-H", "ooi.fedcloud.test", "--tls"),
    "check_broker": ("-u", "stomp://127.0.0.1:{broker.port}", "--destination", "/queue/x"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_probe_gives_the_labels_and_units_that_it_says(monitor: Monitor, name: str) -> None:
    with Responder() as broker:
        words = [str(word).format(federation=monitor.federation, broker=broker) for word in RUNS[name]]
        report = monitor.run(name, *words)
    assert (report.code, report.err) == (0, ""), report.out
    given = {label: VALUE.fullmatch(text) for label, text in report.performance.items()}
    assert all(given.values()), report.performance
    described = parsers.describe(parsers.parser_of(ROOT / "probes" / name).description or "").measured
    units = {label: unit for label, unit, _ in described}
    assert {label: found[1] for label, found in given.items()} == {label: units[label] for label in given}  # type: ignore[index]
    options = {word for word in words if word.startswith("--")}
    expected = {label for label, _, when in described if not when or set(re.findall(r"--[a-z]+", when)) & options}
    if name == "check_apel_pub":
        expected -= {"machines"} - set(given)  # where the page has them
    missing = expected - set(given)
    assert missing == set()
    assert set(given) - expected <= {label for label, _, when in described if when and "--" not in when}


def test_every_probe_is_tried() -> None:
    assert set(RUNS) == {metric.probe for metric in catalogue.read(str(ROOT / "etc/ncg"))}
