"""Every benchmark can be started: what it takes from the tests and the library is there."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks import availability, monitors, soak_door, soak_worker, spark, walk
from libprobe.state.files import StateDirectory
from libprobe.timelines import profiles
from libprobe.timelines.calculation import Calculation, Period
from libprobe.timelines.evaluation import SITE, Outage
from libprobe.timelines.store import Store
from tests.conftest import ROOT, clean_environment, command
from tests.pace import AMPLE_S, until

SHARED = {"measure", "monitors"}
PROGRAMS = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in SHARED)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_benchmark_can_be_started(name):
    words = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=clean_environment(), timeout=AMPLE_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"usage: .*\b{name}\b", done.stdout)


def test_the_soak_knows_what_the_probe_says(tmp_path):
    """A result of another address, or of another state, is wrong; so it has to know the right ones word by word."""
    said = {}
    with socket.create_server((soak_worker.address(1), 0)) as listener:
        port = listener.getsockname()[1]
        for number, at in ((0, 1), (1, port)):
            words = command("check_endpoint_tcp", "-H", soak_worker.address(number), "-p", at)
            done = subprocess.run(words, capture_output=True, text=True, env=clean_environment(), timeout=AMPLE_S)
            said[number] = f"{done.returncode}\t{done.stdout}"
            assert soak_door.judge(number, done.returncode, done.stdout, port) == "right"
            assert soak_door.judge(number, 3, done.stdout, port) == "wrong"
            assert soak_door.judge(number + 2, done.returncode, done.stdout, port) == "wrong"
            assert soak_door.judge(1 - number, done.returncode, done.stdout, port) == "wrong"
    results = tmp_path / "results"
    results.write_text(f"0\t{said[0]}1\t{said[1]}")
    assert soak_worker.judge(results, port) == (1, 0, 0)
    results.write_text(f"0\t{said[1]}1\t{said[0]}2\t{said[0]}3\t{said[1]}")
    assert soak_worker.judge(results, port) == (0, 4, 0)


def test_a_walk_comes_back_to_a_place_that_it_has_left():
    assert walk.counted(["a", "b", "b", "a", "c", "b"]) == (3, 6, 2)
    assert walk.counted([]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("before", "called", "up"),
    [
        ("probes/check_perun", "libprobe/probe/run.py", False),
        ("libprobe/probe/run.py", "probes/check_perun", True),
        ("libprobe/formats/occi/query.py", "libprobe/text.py", False),
        ("libprobe/formats/occi/query.py", "libprobe/clients/occi.py", True),
        ("", "libprobe/probe/door.py", False),
    ],
)
def test_a_step_up_the_map_is_one_to_a_folder_above(before, called, up):
    assert walk.is_upwards((before, called)) is up


@pytest.mark.needs("nagios-nrpe-server")
def test_a_real_nrpe_is_asked_without_check_nrpe():
    commands = {"well": ["/bin/echo", "all is well"], "badly": ["/bin/ls", "/nonexistent", "2>&1"]}
    user = monitors.User(unprivileged=True)
    if user.changes and subprocess.run([*user.prefix, "true"], capture_output=True).returncode:
        pytest.skip("root may not become nobody here")
    with (
        tempfile.TemporaryDirectory(prefix="nrpe-") as path,
        monitors.nrpe(Path(path), commands, user) as port,
    ):
        assert monitors.ask_nrpe(port, "well") == (0, "all is well")
        assert monitors.ask_nrpe(port, "badly")[0] == 2
        assert "not defined" in monitors.ask_nrpe(port, "of no name")[1]


@pytest.mark.needs("icinga2-bin")
def test_a_real_icinga_runs_the_commands_of_a_benchmark_and_writes_down_what_came_of_them(tmp_path):
    commands = {"well": ["/bin/echo", "all is well"], "badly": ["/bin/false"]}

    def found() -> dict[str, tuple[int, str]]:
        return {each.name: (each.state, each.output) for each in monitors.results(tmp_path)}

    with monitors.icinga(tmp_path, commands, 2, 0.2, keeps_results=True) as process:
        until(lambda: process.poll() is not None or len(found()) == 2)
        assert process.poll() is None, (tmp_path / "icinga.log").read_text()
        assert found() == {"well": (0, "all is well"), "badly": (1, "")}


def test_argos_own_algorithm_has_the_figures_of_the_program(tmp_path, capsys):
    tmp_path.chmod(0o700)
    logs, _ = availability.write_inputs(tmp_path, 20, 1)
    availability.measured(tmp_path, "import", "--services", ".", *logs)
    availability.compare(tmp_path)
    said = capsys.readouterr().out
    assert said.startswith("2 sites of 10 endpoints, ")
    assert re.findall(r"  (.+?), [\d,]+: .*, with equal figures", said) == ["the changes", "a result every 15 minutes"]
    availability.compare_with_reading(tmp_path, 1)
    costs = r"[\d.]+ ms, pair by pair \d+ ms, \d+ times as long, with equal figures\n"
    reading = rf"  with their reading, of the store and of \d+ MiB of Avro: {costs}"
    assert re.fullmatch(reading, capsys.readouterr().out)
    availability.print_steps(tmp_path, 30)
    first, *steps = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"steps of 2 sites of 10 endpoints, 5,\d{3} changes:", first)
    measured = re.compile(r"  (.+): (-?[\d.]+) ms, -?[\d.]+ us for each change")
    names, times = zip(*(measured.fullmatch(each).groups() for each in steps), strict=True)
    assert list(names) == [
        *(availability.READING, availability.MADE, *availability.JOINED.values(), availability.COUNTED, "the rest")
    ]
    assert float(times[0]) > 0


def test_each_step_of_a_calculation_is_kept_with_what_it_was_given(tmp_path):
    recorder = availability.Recorder()
    join = recorder.watch("", lambda *given: given)
    below = recorder.watch_level(lambda level, given: join(given))
    assert (join("metrics"), below(SITE, "groups"), join("others")) == (("metrics",), ("groups",), ("others",))
    kept = {step: [call() for call in calls] for step, calls in recorder.calls.items() if calls}
    assert kept == {availability.JOINED[""]: [("metrics",), ("others",)], availability.JOINED[SITE]: [("groups",)]}


def test_the_query_for_spark_has_the_figures_of_the_program(tmp_path):
    """With results at midnight, days and metrics without any, outages that meet, and an endpoint that went."""
    day, chance = 86_400, random.Random(1)
    profile = profiles.read()
    kinds = sorted(profile.service_types)[:3]
    endpoints = [(f"S{site}", kind, f"{kind}{site}{n}", "") for site in range(3) for kind in kinds for n in range(2)]
    state = tmp_path / "state"
    state.mkdir(0o700)
    with Store(StateDirectory(str(state)), create=True) as store:
        store.put_topology(20_000, endpoints)
        store.put_topology(20_004, endpoints[1:])
        with store.writer() as writer:
            for _, kind, host, _ in endpoints:
                for metric in profile.metrics[kind][: 2 if host.endswith("1") else 9]:
                    # one that logs in has its VO at its end
                    series = writer.series(host, kind, metric if kind == kinds[0] else f"{metric}-ops")
                    for at in {chance.choice((0, 3599, 43_200)) + chance.randrange(-2, 9) * day for _ in range(9)}:
                        writer.add(series, 20_000 * day + at, chance.choice((0, 0, 0, 1, 2, 4)))
        outages = [
            (host, kind, 20_001 * day + n, 20_003 * day + n) for n in (-50, 50) for _, kind, host, _ in endpoints[:4]
        ]
        store.put_outages((Outage(*each, id=str(number)) for number, each in enumerate(outages)), 0)
        period = Period("", 20_000 * day, 20_007 * day)
        found = Calculation(store, profile, period)
        ours = [(row.path[0], *row.figures[:2]) for row in found.rows(sorted(found.sites), SITE, "period")]
    spark.export([str(state)], profile, period, tmp_path)
    assert len({row[1:] for row in ours}) == 3
    assert spark.difference([ours, spark.on_sqlite(tmp_path)]) < 0.00001
