"""fedcloud-availability: the records of Icinga 2, as a real one wrote them, and of one that runs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime
from itertools import groupby

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding

from libprobe.programs.ncg.validation import icinga2_command
from tests import planted
from tests.conftest import ROOT, clean_environment
from tests.federation.ports import free_port
from tests.nagios import STATES
from tests.pace import AMPLE_S
from tests.pace import until as wait_until
from tests.probes.test_fedcloud_availability import SWIFT, Place, entry, not_taken

DATA = ROOT / "tests/data/availability/icinga"
HOST = "cloud.example.org"
PROGRAM = shutil.which("icinga2") or "/usr/sbin/icinga2"
STRANGER = "service missing from the list of services, the first: slow on cloud.example.org"
FUTURE = "result from the future, by this machine's clock, the first"


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.services(*(entry(HOST, name, SWIFT) for name in ("hard", "soft", "passive", "pending", "missing")))
    groups = [{"name": "g", "operation": "OR", "services": [{"name": SWIFT, "operation": "OR"}]}]
    profile = {"name": "x", "metric_operation": "AND", "profile_operation": "AND", "groups": groups}
    (tmp_path / "aggregation.json").write_text(json.dumps(profile))
    return made


def timeline(place, metric, day="2026-11-29"):
    """When the status of a metric changed on a day."""
    profile = {"name": "x", "services": [{"service": SWIFT, "metrics": [metric]}]}
    (place.directory / "metrics.json").write_text(json.dumps(profile))
    words = ["--metric-profile", "metrics.json", "--aggregation-profile", "aggregation.json", "--level", "metric"]
    code, out = place.run("status", "--from", day, "--to", day, "--json", *words)
    assert code == 0, out
    (group,) = json.loads(out)["groups"]
    return [(each["timestamp"][11:19], each["value"]) for each in group["statuses"]]


HARD = [("22:38:01", "OK"), ("22:38:04", "CRITICAL"), ("22:38:19", "WARNING"), ("22:38:34", "UNKNOWN")]
HARD.append(("22:38:43", "OK"))
CONFIRMED = [("22:38:02", "OK"), ("22:38:12", "CRITICAL"), ("22:38:17", "WARNING"), ("22:38:32", "UNKNOWN")]
CONFIRMED.append(("22:38:41", "OK"))
BEFORE = [("00:00:00", "MISSING")]


def test_the_event_stream_of_a_real_icinga(place):
    events = DATA / "events.jsonl"
    assert not_taken(place, events) == [f"1 {STRANGER}, {events}:12"]
    assert timeline(place, "hard") == BEFORE + HARD
    assert timeline(place, "soft") == BEFORE + CONFIRMED
    # its only result until then is one that nothing has confirmed
    assert timeline(place, "passive") == BEFORE
    report = place.imported(events)[1]
    assert report.startswith("fedcloud-availability: 49 lines read, 0 results added, 28 known already\n")


def test_soft_states_of_an_event_stream_count_where_it_is_asked_for(place):
    assert place.imported(DATA / "events.jsonl", "--soft-states")[0] == 1
    assert timeline(place, "soft") == [*BEFORE, CONFIRMED[0], ("22:38:05", "CRITICAL"), *CONFIRMED[2:]]
    assert timeline(place, "passive") == [*BEFORE, ("22:38:29", "CRITICAL")]


DOWNTIME = b'{"downtime":{"author":"ops","comment":"x"},"timestamp":1795991880.1,"type":"DowntimeAdded"}\n'


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (DOWNTIME, []),
        (DOWNTIME * 200, []),
        (b"\n\n", []),
        (b'ings":null},"timestamp":1795991880.1,"type":"CheckResult"}\n', ["1 line that is no event of Icinga"]),
    ],
    ids=["another-kind", "many-of-another-kind", "empty-lines", "cut-off"],
)
def test_an_event_stream_may_begin_with_something_else(place, before, told):
    place.services(*(entry(HOST, name, SWIFT) for name in ("hard", "soft", "passive", "slow")))
    path = place.directory / "events.jsonl"
    path.write_bytes(before + (DATA / "events.jsonl").read_bytes())
    code, out = place.imported(path)
    assert (code, [line for line in out.splitlines() if "not taken" in line]) == (
        len(told),
        [f"  not taken: {each}, the first: {path}:1" for each in told],
    )
    assert timeline(place, "hard") == BEFORE + HARD


def test_the_states_that_a_real_icinga_keeps_count_from_their_change_to_the_last_result(place):
    state = DATA / "icinga2.state"
    assert not_taken(place, state) == [f"1 {STRANGER}, {state}, object 20"]
    assert timeline(place, "hard") == [*BEFORE, ("22:42:35", "OK")]
    assert timeline(place, "soft") == [*BEFORE, ("22:42:34", "OK")]
    # Icinga has no change of state for it: it was UNKNOWN from the first result on
    assert timeline(place, "missing") == [*BEFORE, ("22:36:50", "UNKNOWN")]


def test_a_state_that_is_not_confirmed_yet_counts_as_the_last_that_was(place):
    place.services(entry(HOST, "soft", SWIFT))
    result = {"execution_end": 1_790_850_000.5, "output": "down|a=1\nmore", "state": 2}
    update = {"last_check_result": result, "state_type": 0, "state_raw": 2, "last_hard_state_raw": 1}
    update |= {"last_hard_state_change": 1_790_820_000.9, "last_state_change": 1_790_850_000.5}
    path = place.directory / "icinga2.state"

    def write(**more):
        said = json.dumps({"name": f"{HOST}!soft", "type": "Service", "update": {**update, **more}})
        path.write_text(f"{len(said)}:{said},")

    write()
    assert place.imported(path)[0] == 0
    assert timeline(place, "soft", "2026-10-01") == [*BEFORE, ("02:00:00", "WARNING")]
    assert place.imported(path, "--soft-states")[0] == 0
    assert timeline(place, "soft", "2026-10-01")[-1] == ("10:20:00", "CRITICAL")
    place.state = place.directory / "other"
    write(last_hard_state_change=0)
    assert place.imported(path)[0] == 0
    assert timeline(place, "soft", "2026-10-01") == BEFORE


def test_the_log_of_its_compatlogger_is_one_of_nagios(place):
    assert place.imported(DATA / "compat.log")[0] == 1
    assert timeline(place, "hard")[2:6] == HARD[1:]
    assert timeline(place, "soft")[2:6] == CONFIRMED[1:]
    assert timeline(place, "pending") == BEFORE


def test_a_line_that_broke_off_does_not_take_the_event_after_it_along(place):
    """What is appended after a client was ended within a line begins on that line."""
    place.services(*(entry(HOST, name, SWIFT) for name in ("hard", "soft", "slow")))
    events = (DATA / "events.jsonl").read_bytes().splitlines(keepends=True)[:3]
    path = place.directory / "events.jsonl"
    path.write_bytes(events[0] + events[1][:300] + events[2] + b"[1]\n" + events[2].replace(b'"state":2', b'"state":7'))
    with open(path, "ab") as file:
        file.write(events[1][:40])
    assert not_taken(place, path) == [
        f"1 line that is no event of Icinga, the first: {path}:2",
        f"2 events whose result cannot be read, the first: {path}:3",
        f"1 line that is cut off, or too long to be one, the first: {path}:5",
    ]
    assert timeline(place, "hard") == BEFORE + HARD[:2]


def test_a_passive_result_of_the_future_is_told_and_left_out(place):
    """Icinga takes one; its time is then in the stream and in the file of the state."""
    ahead = time.time() + 86_400
    event = json.loads((DATA / "events.jsonl").read_text().splitlines()[2])
    event["check_result"]["execution_end"] = ahead
    update = {"state_type": 1, "state_raw": 2, "last_hard_state_raw": 2, "last_hard_state_change": ahead}
    update["last_check_result"] = event["check_result"]
    said = json.dumps({"name": f"{HOST}!hard", "type": "Service", "update": update})
    for name, text, where in (
        ("events.jsonl", f"{json.dumps(event)}\n", ":1"),
        ("x.state", f"{len(said)}:{said},", None),
    ):
        path = place.directory / name
        path.write_text(text)
        assert not_taken(place, path) == [f"1 {FUTURE}: {path}{where or ', object 1'}"]


def test_a_state_file_that_breaks_off_is_read_until_there(place):
    data = (DATA / "icinga2.state").read_bytes()
    path = place.directory / "icinga2.state"
    path.write_bytes(data[: data.index(b"cloud.example.org!missing") + 100])
    assert not_taken(place, path)[-1] == f"1 file that cannot be read to the end, the first: {path}, object 19"
    assert timeline(place, "hard") == [*BEFORE, ("22:42:35", "OK")]


def test_of_the_output_the_first_line_is_kept_without_a_secret(place):
    secret = planted.token()
    event = json.loads((DATA / "events.jsonl").read_text().splitlines()[2])
    event["check_result"]["output"] = f"\x1b[31mrefused: {secret} |a=1\nmore of it"
    path = place.directory / "events.jsonl"
    path.write_text(json.dumps(event) + "\n")
    assert place.imported(path)[0] == 0
    kept = (place.state / "availability.sqlite").read_bytes()
    assert b"refused: " in kept and secret.encode() not in kept and b"more of it" not in kept and b"a=1" not in kept


# ---- an Icinga that runs

CONFIGURATION = """
object Endpoint "localhost" {{ }}
object Zone "master" {{ endpoints = [ "localhost" ] }}
object ApiListener "api" {{ bind_host = "127.0.0.1"; bind_port = {port} }}
object ApiUser "test" {{ password = "{password}"; permissions = [ "events/CheckResult" ] }}
object CheckerComponent "checker" {{ }}
object CheckCommand "switch" {{ command = [ "{plugin}" ] }}
object Host "cloud.example.org" {{ check_command = "switch"; enable_active_checks = false }}
object Service "hard" {{
  host_name = "cloud.example.org"
  check_command = "switch"
  max_check_attempts = 1
  check_interval = 2s
  retry_interval = 2s
}}
"""


@pytest.mark.needs("icinga2-bin")
def test_a_running_icinga_is_read_as_it_tells_and_writes(place, federation, tmp_path_factory):
    directory = tmp_path_factory.mktemp("i")
    switch, plugin, events = directory / "switch", directory / "plugin", directory / "events.jsonl"
    switch.write_text("0")
    plugin.write_text(f'#!/bin/sh\nread code < {switch}\necho "code $code; said"\nexit $code\n')
    plugin.chmod(0o755)
    state = directory / "state"
    (state / "certs").mkdir(parents=True)
    credential = federation.authority.host(["localhost"])
    for kind in ("crt", "key"):
        shutil.copy(credential.path, state / f"certs/localhost.{kind}")
    ca = state / "certs/ca.crt"
    ca.write_bytes(federation.authority.ca_certificate.public_bytes(Encoding.PEM))
    port, password = free_port(), secrets.token_hex(16)
    main = directory / "icinga2.conf"
    main.write_text(CONFIGURATION.format(port=port, password=password, plugin=plugin))
    said = directory / "said"
    with open(said, "wb") as output:
        icinga = subprocess.Popen(
            [*icinga2_command(PROGRAM, str(main), str(state)), "-D", "NodeName=localhost"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment(HOME=directory),
            start_new_session=True,
        )

    def until(condition, what):
        end = time.monotonic() + AMPLE_S
        while not condition():
            assert icinga.poll() is None and time.monotonic() < end, f"{what}\n{said.read_text()[-3000:]}"
            time.sleep(0.1)

    def has_seen(state):
        return any(json.loads(line)["check_result"]["state"] == state for line in whole_lines(events))

    try:
        stream = listen(f"https://localhost:{port}/v1/events", password, ca, until)
        reader = threading.Thread(target=save, args=(stream, events))
        reader.start()
        for code in (0, 2, 3, 1):
            switch.write_text(str(code))
            until(lambda code=code: has_seen(code), f"state {code}")
        icinga.terminate()
        reader.join(AMPLE_S)
        icinga.wait(AMPLE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(icinga.pid, signal.SIGKILL)
        icinga.wait()
    # a period ends before the second in which it is asked for: a result of that second would not be told yet
    ended = int(time.time())
    wait_until(lambda: time.time() >= ended + 1)
    place.services(entry(HOST, "hard", SWIFT))
    code, out = place.imported(events)
    assert code == 0, out
    results = [json.loads(line)["check_result"] for line in whole_lines(events)]
    of_seconds = {int(each["execution_end"]): STATES[each["state"]] for each in results}
    first, last = min(of_seconds), max(of_seconds)
    words = ["--from", f"{datetime.fromtimestamp(first, UTC):%Y-%m-%d}"]
    words += ["--to", f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d}"]
    # on a slow machine two checks may end in one second, of which the later result counts
    assert values(place, words) == ["MISSING", *(state for state, _ in groupby(of_seconds.values()))]
    place.state = place.directory / "other"
    code, out = place.imported(state / "icinga2.state")
    assert code == 0, out
    assert values(place, words) == ["MISSING", "WARNING"]


def listen(url, password, ca, until):
    """The answer with the event stream, as soon as there is one."""
    session = requests.Session()
    session.trust_env = False
    found = []

    def is_answered():
        try:
            found.append(
                session.post(
                    url,
                    json={"queue": "test", "types": ["CheckResult"]},
                    headers={"Accept": "application/json"},
                    auth=("test", password),
                    verify=str(ca),
                    stream=True,
                    timeout=AMPLE_S,
                )
            )
        except requests.ConnectionError:
            return False
        return True

    until(is_answered, "Icinga answers")
    found[0].raise_for_status()
    return found[0]


def save(stream, path):
    """Keep what comes until the stream ends. The answer has neither a length nor chunks: more at a time would wait."""
    with stream, open(path, "wb", buffering=0) as file, contextlib.suppress(requests.RequestException):
        for line in stream.iter_lines(1):
            file.write(line + b"\n")


def whole_lines(path):
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def values(place, words):
    """The statuses that the metric had, one after the other."""
    profile = {"name": "x", "services": [{"service": SWIFT, "metrics": ["hard"]}]}
    (place.directory / "metrics.json").write_text(json.dumps(profile))
    profiles = ["--metric-profile", "metrics.json", "--aggregation-profile", "aggregation.json"]
    (group,) = json.loads(place.run("status", *words, *profiles, "--level", "metric", "--json")[1])["groups"]
    return [each["value"] for each in group["statuses"]]
