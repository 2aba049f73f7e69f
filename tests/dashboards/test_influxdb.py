"""From a real Icinga 2 into the dashboard: what its InfluxdbWriter writes, set up as docs/dashboards.md has it."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from libprobe.programs.ncg.validation import icinga2_command
from tests.conftest import ROOT, clean_environment, command
from tests.dashboards.test_grafana import graphs
from tests.federation.web import Request, Response, WebServer
from tests.pace import AMPLE_S

PROGRAM = shutil.which("icinga2") or "/usr/sbin/icinga2"
FINISHED = {"occi_vm": "time_total", "endpoint_tcp": "connect_time"}
"""Measurements that are waited for, with a label of each."""


@pytest.fixture
def influx():
    """A database that keeps the lines that are written to it, in `lines`."""
    lines: queue.Queue[str] = queue.Queue()

    def app(request: Request) -> Response:
        assert request.path == "/write"
        for line in request.body.decode().splitlines():
            lines.put(line)
        return Response(204)

    with WebServer("influxdb", app) as server:
        server.lines = lines
        yield server


def test_icinga_writes_what_the_dashboard_reads(federation, influx, tmp_path: Path) -> None:
    environment = clean_environment(**federation.environment(), HOME=tmp_path)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    state = tmp_path / "state"
    words = ["--site", "OOI-CLOUD", "--format", "icinga2", "--stand-alone", state, "--output", tmp_path / "out"]
    words += ["--gocdb", federation.gocdb.url, "--probes-path", ROOT / "probes", "--interval-factor", "0.001"]
    subprocess.run(command("fedcloud-ncg", *words, "--no-validate"), check=True, capture_output=True, env=environment)
    [writer] = re.findall(
        r"^```icinga2\n(.*?)^```", (ROOT / "docs/dashboards.md").read_text(), re.MULTILINE | re.DOTALL
    )
    main = tmp_path / "out/icinga2/icinga2.conf"
    ours = writer.replace("8086", str(influx.port)).replace("enable_send", "flush_interval = 1s\n  enable_send")
    (tmp_path / "icinga2.conf").write_text(f'include "{main}"\n{ours}')
    with open(tmp_path / "output", "wb") as output:
        process = subprocess.Popen(
            icinga2_command(PROGRAM, str(tmp_path / "icinga2.conf"), str(state)),
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        lines = until_there(influx.lines, process, tmp_path / "output")
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # nothing of it is kept, and it may take minutes to end by itself
        process.wait()
    for (measurement, label), tags in lines.items():
        if measurement in FINISHED and label:
            assert any(answers(query, measurement, tags) for query in queries()), (measurement, tags)


def queries() -> list[str]:
    return [target["query"] for panel in graphs("icinga2") for target in panel["targets"]]


def answers(query: str, measurement: str, tags: dict[str, str]) -> bool:
    """Whether a query of the dashboard, for all hosts, finds a point."""
    equal = re.findall(r"\"(\w+)\" = '(\w+)'", query)
    like = re.findall(r'"(\w+)" =~ /(\S+)/ ', query.replace("$host", ".*"))
    assert len(equal) + len(like) == query.count(" AND ")
    return (
        f'FROM "{measurement}" ' in query
        and all(tags[name] == value for name, value in equal)
        and all(re.search(pattern, tags[name]) for name, pattern in like)
    )


def until_there(
    lines: queue.Queue[str], process: subprocess.Popen[bytes], output: Path
) -> dict[tuple[str, str], dict[str, str]]:
    """Tags of points by measurement and label, when everything that is waited for has come."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    end = time.monotonic() + AMPLE_S
    while not found.keys() >= set(FINISHED.items()):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < end, (sorted(found), output.read_text()[-2000:])
        try:
            key, _fields = lines.get(timeout=1.0).split(" ", 1)
        except queue.Empty:
            continue
        measurement, *tags = key.split(",")
        named = dict(tag.split("=", 1) for tag in tags)
        found[measurement, named.get("metric", "")] = named
    return found
