"""fedcloud-availability: events of Sensu Go, in the forms of its reference. No Sensu was run for them."""

from __future__ import annotations

import json

import pytest

from libprobe.programs.availability import sensu
from tests import planted
from tests.probes.test_fedcloud_availability import HOUR, OCTOBER, SITE, STORE, SWIFT, Place, entry, not_taken

HOST = "swift.example.org"
LABELS = {"metric": "eu.egi.cloud.OpenStack-Swift", "hostname": HOST, "service": SWIFT, "site": SITE, "vo": "ops"}
ENTITY = {"metadata": {"name": f"{SWIFT}__{HOST}", "namespace": "default"}, "entity_class": "proxy"}


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.services(entry(HOST, STORE, SWIFT))
    return made


def event(at, status, output="said", *, attempts="1", history=(), labels=LABELS, entity=ENTITY, **more):
    """history: (time, status) each of the results before."""
    metadata = {"name": f"{HOST}_{STORE}", "namespace": "default", "labels": labels}
    metadata["annotations"] = {"attempts": attempts, "retry_interval": "300"}
    check = {
        "command": "check_openstack_swift",
        "duration": 5.06,
        "executed": at,
        "history": [{"status": each, "executed": when} for when, each in (*history, (at, status))],
        "is_silenced": False,
        "issued": at,
        "metadata": metadata,
        "occurrences": 1,
        "output": f"{output} | time=5s\nmore\n",
        "proxy_entity_name": ENTITY["metadata"]["name"],
        "state": "passing",
        "status": status,
        **more,
    }
    return {
        "check": check,
        "entity": entity,
        "id": "3c3e68f6",
        "metadata": {"namespace": "default"},
        "timestamp": at + 6,
    }


DAY = [(OCTOBER + hour * HOUR, 2 if 6 <= hour < 12 else 0) for hour in range(24)]


def wrapped(each):
    return {"type": "Event", "api_version": "core/v2", "metadata": {"namespace": "default"}, "spec": each}


@pytest.mark.parametrize(
    "form",
    [
        lambda events: "".join(json.dumps(each) + "\n" for each in events),
        lambda events: json.dumps(events, indent=2) + "\n",
        lambda events: json.dumps(events),
        lambda events: "\n".join(json.dumps(wrapped(each), indent=2) for each in events),
    ],
    ids=["lines", "array", "array-in-a-line", "wrapped"],
)
def test_each_form_of_events_is_read(place, form, monkeypatch):
    path = place.directory / "events.json"
    path.write_text(form([event(at, status) for at, status in DAY]))
    code, out = place.imported(path)
    assert code == 0, out
    assert out.partition("read, ")[2].startswith("24 results added, 0 known already")
    assert place.figures("--by", "day")[0]["availability"] == "75"
    assert place.imported(path)[1].partition("read, ")[2].startswith("0 results added, 24 known already")


def test_the_results_before_an_event_are_in_its_history(place):
    """A list of all events that is taken now and then has them all, each once."""
    path = place.directory / "events.json"
    lists = [[event(*DAY[last], f"result {last}", history=DAY[max(0, last - 20) : last])] for last in (5, 6, 20, 23)]
    path.write_text("".join(json.dumps(each) for each in lists))
    code, out = place.imported(path)
    assert (code, out.partition("read, ")[2].partition(";")[0].splitlines()[0]) == (
        0,
        "24 results added, 0 known already",
    )
    assert place.figures("--by", "day")[0]["availability"] == "75"
    assert "result 6 (result of 2026-10-01T06:00:00Z)" in place.run("why", SITE, "--month", "2026-10")[1]


def test_a_status_counts_once_its_check_failed_as_often_as_attempts_says(place):
    path = place.directory / "events.jsonl"
    results = [0, 2, 0, 2, 1, 2, 2, 0]
    times = [(OCTOBER + number * HOUR, status) for number, status in enumerate(results)]
    path.write_text(json.dumps(event(*times[-1], attempts="3", history=times[:-1])))

    def timeline(*words):
        assert place.imported(path, *words)[0] == 0
        out = place.run("status", SITE, "--from", "2026-10-01", "--to", "2026-10-01", "--json")[1]
        (site,) = json.loads(out)["groups"]
        return [(each["timestamp"][11:13], each["value"]) for each in site["statuses"]]

    assert timeline() == [("00", "OK"), ("05", "CRITICAL"), ("07", "OK")]
    place.state = place.directory / "other"
    soft = [("00", "OK"), ("01", "CRITICAL"), ("02", "OK"), ("03", "CRITICAL"), ("04", "WARNING"), ("05", "CRITICAL")]
    assert timeline("--soft-states") == [*soft, ("07", "OK")]
    # without a history it is Sensu's own count that tells
    place.state = place.directory / "third"
    lines = [event(OCTOBER, 0), event(OCTOBER + HOUR, 2, attempts="3", occurrences=2)]
    lines.append(event(OCTOBER + 2 * HOUR, 2, attempts="3", occurrences=3))
    for each in lines:
        each["check"]["history"] = None
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert timeline() == [("00", "OK"), ("02", "CRITICAL")]


def test_the_service_is_that_of_the_check_or_of_its_entity(place):
    """argo-scg has the labels at the entity, and names a check by its metric."""
    path = place.directory / "events.jsonl"
    labelled = {**ENTITY, "metadata": {"name": "x", "labels": {"hostname": HOST, "service": SWIFT, "site": SITE}}}
    of_entity = [event(OCTOBER, 0, labels=None, entity=labelled), event(OCTOBER + HOUR, 2, labels=None)]
    for each in of_entity:
        each["check"]["metadata"]["name"] = "eu.egi.cloud.OpenStack-Swift"
    of_entity[0]["check"]["proxy_entity_name"] = ""
    path.write_text("".join(json.dumps(each) + "\n" for each in of_entity))
    assert place.imported(path)[1].partition("read, ")[2].startswith("2 results added")
    rows = place.run("status", SITE, "--at", "2026-10-01T02:00:00Z", "--level", "metric")[1]
    assert "eu.egi.cloud.OpenStack-Swift  CRITICAL" in rows


@pytest.mark.parametrize("name", ["-ops", "-Fast", ""])
def test_a_check_whose_label_names_the_metric_counts_for_it(place, name):
    """Whatever it is called itself: a name of other capitals than `METRIC-ops` would be no series of any metric."""
    path = place.directory / "events.json"
    named = event(OCTOBER, 2)
    named["check"]["metadata"]["name"] = f"{HOST}_{LABELS['metric']}{name}"
    path.write_text(json.dumps(named))
    assert place.imported(path)[0] == 0
    rows = place.run("status", SITE, "--at", "2026-10-01T02:00:00Z", "--level", "metric")[1]
    assert "eu.egi.cloud.OpenStack-Swift  CRITICAL" in rows


def test_what_is_no_result_of_a_service_is_passed_over_or_told(place):
    path = place.directory / "events.jsonl"
    alive = event(OCTOBER, 0, labels=None, entity={"metadata": {"name": "agent"}}, proxy_entity_name="")
    alive["check"]["metadata"]["name"] = "keepalive"
    other = event(OCTOBER, 0, labels=None, entity={"metadata": {"name": "agent"}}, proxy_entity_name="")
    numbers = {"entity": ENTITY, "metrics": {"points": []}, "timestamp": OCTOBER}
    late = event(OCTOBER, "2")
    lines = [event(OCTOBER, 127), alive, other, numbers, late, {"check": {}, "entity": {}}]
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert not_taken(place, path) == [
        f"1 event of a check that does not name a service, the first: {path}:3",
        f"2 events that are not of Sensu Go, or lack a status or time, the first: {path}:5",
    ]
    assert "UNKNOWN" in place.run("status", SITE, "--at", "2026-10-01T02:00:00Z")[1]


def test_an_event_that_cannot_be_read_does_not_take_the_next_along(place):
    path = place.directory / "events.jsonl"
    whole = [json.dumps(event(at, status)) for at, status in DAY[:4]]
    path.write_text(f"{whole[0]}\n{whole[1][:200]}\n{whole[2]}\n{{}}}}\n{whole[3]}\n{whole[0][:-20]}")
    assert not_taken(place, path) == [
        f"2 events that cannot be read, the first: {path}:2",
        f"1 event that is not of Sensu Go, or lacks a status or time, the first: {path}:4",
        f"1 event that is cut off at the end of a file, the first: {path}:6",
    ]
    assert place.imported(path)[1].partition("read, ")[2].startswith("0 results added, 3 known already")
    indented = [json.dumps(event(at, status), indent=2) for at, status in DAY[:3]]
    path.write_text(f"{indented[0]}\n{indented[1][:300]}\n{indented[2]}\n")
    assert place.imported(path)[1].count("not taken") == 1


def test_a_file_is_read_in_pieces(place, monkeypatch, tmp_path):
    """However the pieces fall, in the middle of a word, a number or a letter of two bytes."""
    text = json.dumps([event(at, status, "déjà") for at, status in DAY], indent=1, ensure_ascii=False).encode()

    class InPieces:
        def __init__(self, size):
            self.at, self.size = 0, size

        def read(self, _):
            self.at += self.size
            return text[self.at - self.size : self.at]

    class Kept:
        lines = 0

    for size in (7, 64, 1000):
        kept = Kept()
        found = [value for value, _ in sensu._events(InPieces(size), "x", kept)]
        assert [each["check"]["executed"] for each in found] == [at for at, _ in DAY]
        assert found[0]["check"]["output"].startswith("déjà") and kept.lines == text.count(b"\n")


def test_a_secret_in_the_output_of_an_event_is_not_kept(place):
    secret = planted.token()
    path = place.directory / "events.jsonl"
    path.write_text(json.dumps(event(OCTOBER, 2, f"\x1b[31mrefused: {secret}")))
    assert place.imported(path)[0] == 0
    kept = (place.state / "availability.sqlite").read_bytes()
    assert b"refused: " in kept and secret.encode() not in kept and b"time=5s" not in kept
