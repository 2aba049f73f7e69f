"""fedcloud-publish and ARGO Messaging: what is kept reaches ARGO's consumer as it was, and nothing is lost."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import fastavro
import pytest
from argo_ams_library import ArgoMessagingService as Library

from libprobe.state.spool import Spool
from tests import planted
from tests.conftest import Report, at, clean_environment, command
from tests.federation.ams import Ams
from tests.federation.consumer import METRIC_DATA
from tests.federation.web import Request, Response, WebServer
from tests.pace import AMPLE_S, Watch, seconds, until
from tests.probes.test_fedcloud_publish import RESULT

PROBE = "fedcloud-publish"
SCHEMA = fastavro.parse_schema(METRIC_DATA)
TOPIC = "/v1/projects/EGI/topics/metric_data"
AT = r"localhost:\d+"


class Host:
    """A monitoring host with a token for an AMS of its own."""

    def __init__(self, directory: Path, federation) -> None:
        self.directory = directory
        self.ams = Ams()
        authority = federation.authority
        context = authority.server_context(authority.host(["localhost"]), clients="none")
        self.web = WebServer("ams", self.ams.app, context=context, faults=self.ams.faults)
        self.url = f"{self.web.url}{TOPIC}"
        self.ca = str(authority.ca_directory)
        self.token_file = directory / "ams-token"
        self.token = self.write_token()
        self.ams.allow(self.token)

    def write_token(self) -> str:
        token = planted.secret("ams")
        self.token_file.write_text(f"{token}\n")
        self.token_file.chmod(0o600)
        return token

    def arguments(self, *more: object) -> list[str]:
        where = ["--to", "ams", "--publish", self.url, "--ams-token-file", self.token_file, "--ca-path", self.ca]
        return command(PROBE, *where, "--state-dir", self.directory / "state", *more)

    def run(self, *more: object, **environment: object) -> Report:
        done = subprocess.run(
            self.arguments(*more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=AMPLE_S,
            cwd="/tmp",
            env=clean_environment(HOME=self.directory, **environment),
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    def words(self, **changes: str) -> list[str]:
        result = {**RESULT, **{name.replace("_", "-"): value for name, value in changes.items()}}
        return [f"--{name}={value}" for name, value in result.items()]

    def keep(self, *more: object, **changes: str) -> Report:
        return self.run("--no-send", *self.words(**changes), *more)

    def keep_many(self, *texts: str) -> list[str]:
        """Keep results by their summaries, without a process for each; returns their ids."""
        from argparse import Namespace
        from datetime import UTC, datetime

        from libprobe.formats.metric_result import MetricResult
        from libprobe.programs.publish import publishing

        broker = publishing.read_broker(Namespace(to="ams", publish=self.url))
        spool = self.spool()
        for text in texts:
            result = MetricResult("h", "t", "m", "OK", text, datetime(2015, 11, 30, tzinfo=UTC))
            publishing.put(spool, broker, result)
        return spool.waiting()

    def spool(self) -> Spool:
        from argparse import Namespace

        from libprobe.probe.settings import Settings
        from libprobe.programs.publish import publishing

        state = self.directory / "state"
        args = Namespace(to="ams", publish=self.url, state_dir=str(state), settings=Settings({}))
        return publishing.open_spool(args)

    def drain(self, *more: object) -> Report:
        return self.run("--drain", *more)

    def waiting(self) -> list[str]:
        return sorted(path.stem for path in self.directory.glob("state/spool-*/*.message"))

    def refused(self) -> list[str]:
        return sorted(path.stem for path in self.directory.glob("state/spool-*/*.refused"))

    # ---- the consumer

    def consumed(self, count: int = 1000) -> list[dict]:
        """What ARGO's own library and Avro read, in order; with the attributes of each message."""
        library = Library(endpoint=f"localhost:{self.web.port}", token=self.token, project="EGI")
        pulled = library.pull_sub("reader", count, return_immediately=True, verify=self.ca)
        if pulled:
            library.ack_sub("reader", [each for each, _ in pulled], verify=self.ca)
        return [{**record(message.get_data()), "attributes": message.get_attr()} for _, message in pulled]

    def summaries(self) -> list[str]:
        return [record(base64.b64decode(each["data"]))["summary"] for each in self.ams.published()]


def record(data: bytes) -> dict:
    return fastavro.schemaless_reader(io.BytesIO(data), SCHEMA, None)  # type: ignore[return-value]


@pytest.fixture
def host(tmp_path, federation):
    made = Host(tmp_path, federation)
    with made.web:
        yield made


def test_a_result_goes_in_the_background_to_argos_consumer(host):
    report = host.run(*host.words(), "--performance-data='time to active'=12.5s;60;120 x=1")
    assert report == Report(0, "", "")
    until(lambda: host.ams.published() and not host.waiting())
    [found] = host.consumed()
    attributes = found.pop("attributes")
    assert re.fullmatch(r"\d{20}-[0-9a-f]{12}", attributes.pop("result_id"))
    assert attributes == {"type": "metric_data", "partition_date": "2015-11-30"}
    assert found == {
        "timestamp": "2015-11-30T10:12:30Z",
        "service": "eu.egi.cloud.vm-management.occi",
        "hostname": "cloud.example.org",
        "metric": "eu.egi.cloud.OCCI-VM",
        "status": "CRITICAL",
        "monitoring_host": os.uname().nodename,
        "actual_data": "'time to active'=12.5s;60;120 x=1",
        "summary": "OCCI-VM CRITICAL - quota used up",
        "message": "VM: none\\nsize: small",
        "tags": {"voname": "ops", "roc": "AsiaPacific", "endpoint_group": "EXAMPLE-CLOUD"},
    }


def test_performance_data_may_come_from_nagios_environment(host):
    report = host.run("--no-send", *host.words(), NAGIOS_SERVICEPERFDATA="x=1")
    assert report == Report(0, "", "")
    assert host.drain().code == 0
    assert [each["actual_data"] for each in host.consumed()] == ["x=1"]


def test_a_service_of_several_types_is_a_record_of_each(host):
    assert host.keep(service_type="eu.egi.one, eu.egi.two,") == Report(0, "", "")
    assert host.drain().first == f"PUBLISH OK - 2 results sent to {at(host.url)}, none waiting"
    assert [each["service"] for each in host.consumed()] == ["eu.egi.one", "eu.egi.two"]


def test_many_go_in_a_few_requests_and_in_order(host):
    texts = [f"result {n}" for n in range(250)]
    host.keep_many(*texts)
    report = host.drain()
    assert report == Report(0, report.out, "")
    assert report.performance["sent"] == "250;;;0"
    assert [each["summary"] for each in host.consumed()] == texts
    assert [each.request.method for each in host.web.requests[:3]] == ["POST"] * 3
    assert host.web.connections == 1 + 2  # one of ours, and those of the library
    assert host.waiting() == []


def test_a_request_stays_below_what_servers_take(host):
    large = "x" * 16_000
    for n in range(60):
        host.spool().put({"type": "metric_data"}, base64.b64encode(f"{n} {large}".encode()).decode())
    assert host.drain().code == 0
    sizes = [len(each.request.body) for each in host.web.requests]
    assert len(sizes) == 3
    assert max(sizes) < 600 << 10


def test_where_a_balancer_takes_only_small_requests_results_go_one_by_one(host):
    """Its 413 is about the request, so each result by itself goes through, and none is set aside."""
    texts = [f"result {n}" for n in range(130)]
    host.keep_many(*texts)
    app = host.web.app
    page = b"<html><head><title>413 Request Entity Too Large</title></head></html>"
    host.web.app = lambda asked: app(asked) if len(asked.body) < 1000 else Response(413, [], page)
    assert host.drain().code == 0
    assert (host.summaries(), host.refused()) == (texts, [])


# ---- what is refused, and by whom


def failing(host: Host, name: str, **parameters: object) -> Report:
    host.keep_many("one", "two")
    before = host.waiting()
    host.ams.faults.on(name, **parameters)
    report = host.drain("-t", seconds(20))
    assert (report.code, report.err) == (3, "")
    assert host.waiting() == before, "nothing is lost"
    assert host.refused() == []
    host.ams.faults.clear()
    assert host.drain().code == 0
    assert list(dict.fromkeys(host.summaries())) == ["one", "two"]
    return report


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (401, '401 UNAUTHORIZED "Unauthorized" from {AT} when asked to take 2 messages (write a valid token into the '
         "file of --ams-token-file)"),
        (403, '403 FORBIDDEN "Access to this resource is forbidden" from {AT} when asked to take 2 messages (ask for '
         "the right to publish on that topic, for the user of the token)"),
        (404, '404 NOT_FOUND "Topic doesn\'t exist" from {AT} when asked to take 2 messages (look at project and topic '
         "in --publish)"),
        (408, '408 TIMEOUT "ack timeout" from {AT} when asked to take 2 messages'),
        (500, '500 INTERNAL_SERVER_ERROR "Backend Error" from {AT} when asked to take 2 messages'),
        (400, '400 INVALID_ARGUMENT "Invalid Message Arguments" from {AT} when asked to take a message'),
        (413, '413 INVALID_ARGUMENT "Message size is too large" from {AT} when asked to take a message'),
    ],
)  # fmt: skip
def test_what_ams_refuses_or_fails_at_is_told_in_its_words_and_kept(host, code, says):
    report = failing(host, "ams-error", code=code)
    told = re.escape(says).replace(re.escape("{AT}"), AT)
    assert re.fullmatch(f"PUBLISH UNKNOWN - {told}; 2 results waiting", report.first), report.out


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (400, "400 Bad Request from {AT} when asked to take a message"),
        (403, "403 Forbidden from {AT} when asked to take a message"),
        (408, "408 Request Timeout from {AT} when asked to take 2 messages"),
        (413, '413 "Payload Too Large" from {AT} when asked to take a message'),
        (429, "429 Too Many Requests from {AT} when asked to take 2 messages"),
        (502, "502 Bad Gateway from {AT} when asked to take 2 messages"),
        (503, "503 Service Unavailable from {AT} when asked to take 2 messages"),
        (504, "504 Gateway Timeout from {AT} when asked to take 2 messages"),
    ],
)
def test_what_a_balancer_says_is_told_to_be_its_and_kept(host, code, says):
    report = failing(host, "balancer", code=code)
    told = re.escape(says).replace(re.escape("{AT}"), AT)
    assert re.fullmatch(rf"PUBLISH UNKNOWN - {told}; 2 results waiting", report.first), report.out


@pytest.mark.parametrize(
    ("fault", "parameters", "says"),
    [
        ("html", {}, r'page "Sign in" \(200\) instead of JSON from'),
        ("unconfirmed", {}, r"1 of 2 messages confirmed \(200\) by"),
        ("status", {"code": 200, "body": "{}"}, r"no messages confirmed \(200\) by"),
        ("lost-answer", {}, "connection closed before an answer from"),
        ("endless-body", {}, "answer larger than 256 KiB from"),
        (
            "status",
            {"code": 404, "body": "404 page not found"},
            r'404 "page not found" from',
        ),
    ],
)
def test_an_answer_that_confirms_nothing_confirms_nothing(host, fault, parameters, says):
    report = failing(host, fault, **parameters)
    assert re.fullmatch(
        rf"PUBLISH UNKNOWN - {says} {AT}( when asked to take 2 messages)?; 2 results waiting", report.first
    ), report.out


def test_the_token_follows_no_redirect(host, federation):
    authority = federation.authority
    context = authority.server_context(authority.host(["localhost"]), clients="none")
    asked: list[Request] = []

    def other(request: Request) -> Response:
        asked.append(request)
        return Response(200, [], b'{"messageIds": ["0", "1"]}')

    with WebServer("other", other, context=context) as elsewhere:
        report = failing(host, "redirect", to=f"{elsewhere.url}/?x-api-key=here", code=307)
    assert asked == []
    assert re.fullmatch(
        rf"PUBLISH UNKNOWN - redirect to https://localhost:\d+/ \(307\) from {AT} \(give the "
        r"address of AMS itself in --publish\); 2 results waiting",
        report.first,
    ), report.out


@pytest.mark.parametrize("code", [400, 413])
def test_a_message_that_is_refused_for_good_is_set_aside_and_stops_nothing(host, code):
    kept = host.keep_many(*(f"result {n}" if n != 4 else "too large" for n in range(8)))
    host.ams.faults.on("ams-refuses", text="too large", code=code)
    report = host.drain()
    assert (report.code, report.err) == (1, "")
    assert re.fullmatch(
        r"PUBLISH WARNING - 1 result that the broker refused is set aside in \S+, the last with: "
        rf"{code} INVALID_ARGUMENT .+ from {AT} when asked to take a message",
        report.first,
    ), report.out
    assert (report.performance["sent"], report.performance["refused"]) == ("7;;;0", "1;;;0")
    assert (host.waiting(), host.refused()) == ([], [kept[4]])
    sent = [each["attributes"]["result_id"] for each in host.consumed()]
    assert list(dict.fromkeys(sent)) == kept[:4] + kept[5:]
    assert sorted(sent)[:8] == sorted(kept[:4] * 2), "those before it were taken with the first request too"


def test_more_than_any_run_tries_may_be_refused_in_a_row(host):
    host.keep_many(*["too large"] * 150, *(f"good {n}" for n in range(150)))
    host.ams.faults.on("ams-refuses", text="too large")
    for _ in range(60):  # twelve do where each run has the time for all that it may try
        if not host.waiting():
            break
        report = host.drain()
    assert (report.code, host.waiting()) == (1, [])
    assert list(dict.fromkeys(host.summaries())) == [f"good {n}" for n in range(150)]


def test_automatic_senders_wait_as_long_as_they_are_asked_to(host):
    from libprobe.state.spool import MAX_PUT_OFF_S

    host.keep_many("one")
    host.ams.faults.on("status", code=429, headers={"Retry-After": "120"})
    report = host.drain()
    refused = r"429 Too Many Requests from localhost:\d+ when asked to take a message; asks to wait 120 s"
    assert re.fullmatch(f"PUBLISH UNKNOWN - {refused}; 1 result waiting", report.first), report.out
    until_then = host.spool().postponed()[0] - time.time()
    assert 60 < until_then <= MAX_PUT_OFF_S


# ---- the token


def test_a_token_that_is_changed_while_results_wait_is_taken_at_once(host):
    host.keep_many("one")
    host.ams.tokens.clear()
    assert "401 UNAUTHORIZED" in host.drain().first
    host.ams.allow(host.write_token())
    assert host.drain().code == 0
    assert host.summaries() == ["one"]


def test_a_token_that_is_changed_between_two_requests_of_a_run_is_read_again(host):
    host.keep_many(*(f"result {n}" for n in range(250)))
    app = host.web.app

    def changing(request: Request) -> Response:
        if len(host.web.requests) == 1:
            host.ams.tokens.clear()
            host.ams.allow(host.write_token())
        return app(request)

    host.web.app = changing
    assert host.drain().code == 0
    assert host.summaries() == [f"result {n}" for n in range(250)]


def test_the_token_goes_to_ams_and_nowhere_else(host):
    host.keep_many("one")
    report = host.drain("-vvv")
    assert report.code == 0
    [exchange] = host.web.requests
    assert exchange.request.headers.get("x-api-key") == host.token
    assert exchange.request.query == {}
    assert planted.leaks(exchange.request.body.decode()) == []
    assert "request: x-api-key: [secret]" in report.out
    kept = b"".join(path.read_bytes() for path in host.directory.rglob("state/**/*") if path.is_file())
    assert planted.leaks(kept.decode("utf-8", "replace")) == []


def test_a_server_that_repeats_the_token_gives_nothing_away(host):
    host.keep_many("one")
    host.web.app = lambda request: Response(403, [], f"bad token {request.headers.get('x-api-key')}".encode())
    report = host.drain("-vvv")
    assert report.code == 3
    assert "bad token [secret]" in report.out


def test_a_token_that_is_repeated_in_a_refusal_is_not_kept_beside_the_spool(host):
    host.keep_many("one", "too large", "three")
    app = host.web.app

    def repeating(request: Request) -> Response:
        if base64.b64decode(json.loads(request.body)["messages"][-1]["data"]).find(b"too large") < 0:
            return app(request)
        error = {"code": 413, "message": f"{request.headers.get('x-api-key')} sends too much", "status": "X"}
        return Response(413, [("Content-Type", "application/json")], json.dumps({"error": error}).encode())

    host.web.app = repeating
    host.ams.faults.on("ams-refuses", text="too large")
    report = host.drain()
    assert (report.code, len(host.refused())) == (1, 1)
    [path] = host.directory.glob("state/spool-*/*.refused")
    assert "[secret] sends too much" in json.loads(path.read_text())["why"]
    assert planted.leaks(path.read_text()) == []
    host.write_token()
    assert host.drain().code == 1


def test_a_token_that_others_can_read_or_that_is_not_there_is_told_and_all_is_kept(host):
    host.keep_many("one")
    host.token_file.chmod(0o644)
    assert re.fullmatch(
        r"PUBLISH UNKNOWN - token \S+ is open to others \(mode 0644\) \(chmod 600 \S+\); 1 result waiting",
        host.drain().first,
    )
    host.token_file.unlink()
    assert re.fullmatch(
        r"PUBLISH UNKNOWN - token \S+ cannot be read: No such file or directory; 1 result waiting", host.drain().first
    )
    assert host.web.requests == []
    assert len(host.waiting()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--publish", "https://x/v1/projects/EGI/topics/t"],
            "--publish: https://x/v1/projects/EGI/topics/t does not begin with stomp:// or stomp+ssl:// "
            "(give --to ams, if it is ARGO Messaging)",
        ),
        (["--to", "ams", "--publish", "http://x/v1/projects/EGI/topics/t"],
         "--publish: http://x/v1/projects/EGI/topics/t does not begin with https://"),
        (
            ["--to", "ams", "--publish", "https://x/metric_data"],
            "--publish: https://x/metric_data names no topic (append one, like /v1/projects/EGI/topics/metric_data)",
        ),
        (["--to", "ams", "--publish", "https://x/v1/projects/EGI/topics/t?key=abc"], None),
        (["--publish", "stomp://x/q", "--ams-token-file", "./f"],
         "usage: --ams-token-file has no effect without --to=ams (see fedcloud-publish --help)"),
        (["--to", "ams", "--publish", "https://x/v1/projects/EGI/topics/t", "--login", "n", "--password-file", "./f"],
         "usage: --login has no effect together with --to=ams; leave one of them out (see fedcloud-publish --help)"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line_and_exit_code_3(probe, tmp_path, arguments, sentence):
    report = probe(PROBE, *arguments, "--drain", "--state-dir", tmp_path / "state")
    assert (report.code, report.err) == (3, "")
    assert sentence is None or report.out == f"PUBLISH UNKNOWN - {sentence}\n"
    assert report.out.startswith("PUBLISH UNKNOWN - ")


def test_without_a_token_file_results_are_kept_and_drain_says_what_is_missing(host, probe):
    host.keep_many("one")
    state = host.directory / "state"
    report = probe(PROBE, "--to", "ams", "--publish", host.url, "--drain", "--state-dir", state, "--ca-path", host.ca)
    assert report.first == (
        f"PUBLISH UNKNOWN - no token for {at(host.url)} (name its file with --ams-token-file); 1 result waiting"
    )


# ---- outages and kills


def test_results_outlast_an_outage_and_arrive_in_order(host):
    host.web.stop()
    for n in range(3):
        assert host.run(*host.words(output=f"result {n}")) == Report(0, "", "")
    until(lambda: list(host.directory.glob("state/spool-*/put-off")))
    assert re.fullmatch(
        r"PUBLISH UNKNOWN - connection refused by localhost:\d+ \(127\.0\.0\.1\); 3 results waiting",
        host.drain().first,
    )
    host.web.start()
    assert host.drain().first == f"PUBLISH OK - 3 results sent to {at(host.url)}, none waiting"
    assert host.summaries() == [f"result {n}" for n in range(3)]
    assert not list(host.directory.glob("state/spool-*/put-off"))


def test_an_ams_that_is_mute_ends_a_run_in_time_and_costs_the_handler_nothing(host):
    host.ams.faults.on("mute")
    watch = Watch()
    assert host.run("-t", AMPLE_S, *host.words()) == Report(0, "", "")
    watch.ended_within(3)
    until(lambda: host.web.requests)
    assert len(host.waiting()) == 1


def test_whoever_is_killed_before_the_answer_sends_it_again_under_the_same_id(host):
    kept = host.keep_many(*(f"result {n}" for n in range(5)))
    host.ams.faults.on("late-answer", seconds=AMPLE_S)
    process = subprocess.Popen(
        host.arguments("--drain"), env=clean_environment(HOME=host.directory), stdout=subprocess.DEVNULL
    )
    until(lambda: len(host.ams.published()) == 5)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert host.waiting() == kept
    host.ams.faults.clear()
    assert host.drain().code == 0
    assert [each["attributes"]["result_id"] for each in host.ams.published()] == kept * 2


def test_nothing_is_lost_however_often_the_sender_is_killed(host):
    texts = [f"result {n}" for n in range(400)]
    host.keep_many(*texts)
    host.ams.faults.on("late-answer", seconds=0.02)
    for n in range(12):
        before = len(host.web.requests)
        process = subprocess.Popen(
            host.arguments("--drain"), env=clean_environment(HOME=host.directory), stdout=subprocess.DEVNULL
        )
        until(lambda at=before, p=process: len(host.web.requests) > at or p.poll() is not None)
        time.sleep(n * 0.004)
        process.kill()
        process.wait()
    host.ams.faults.clear()
    assert host.drain().code == 0
    assert (host.waiting(), host.refused()) == ([], [])
    assert list(dict.fromkeys(host.summaries())) == texts
    ids: dict[str, str] = {}
    for each in host.ams.published():
        data = ids.setdefault(each["attributes"]["result_id"], each["data"])
        assert data == each["data"], "one id, one result"
    assert len(ids) == len(texts)


def test_stomp_and_ams_have_spools_of_their_own(host):
    assert host.keep() == Report(0, "", "")
    stomp = command(PROBE, "--publish", "stomp://127.0.0.1:1/q", "--state-dir", host.directory / "state", "--no-send")
    assert subprocess.run([*stomp, *host.words()], env=clean_environment(HOME=host.directory)).returncode == 0
    spools = list(host.directory.glob("state/spool-*"))
    bodies = [json.loads(next(each.glob("*.message")).read_text())["body"][:10] for each in spools]
    assert len(spools) == 2
    assert sum(body.startswith("serviceURI") for body in bodies) == 1
