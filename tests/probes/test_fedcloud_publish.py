"""fedcloud-publish as Nagios runs it after each check, and as a timer runs it to send what waits."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from libprobe.formats.metric_result import HEADERS, read_metric_result
from tests import planted
from tests.conftest import ROOT, Report, at, clean_environment, command
from tests.federation import consumer
from tests.federation.ports import free_port
from tests.federation.stomp_responder import Responder, ResponderBehaviour
from tests.pace import AMPLE_S, OWN_PART, Watch, seconds, until

PROBE = "fedcloud-publish"
QUEUE = "/topic/grid.probe.metricOutput.EGEE.ngi.nagios_example_org"
RESULT = {
    "hostname": "cloud.example.org",
    "metric": "eu.egi.cloud.OCCI-VM",
    "service": "eu.egi.cloud.OCCI-VM-ops",
    "service-type": "eu.egi.cloud.vm-management.occi",
    "site": "EXAMPLE-CLOUD",
    "url": "https://cloud.example.org:8787/?image=a&resource=b",
    "state": "CRITICAL",
    "state-type": "HARD",
    "output": "OCCI-VM CRITICAL - quota used up",
    "long-output": "VM: none\\nsize: small",
    "time": "1448878350",
    "vo": "ops",
    "roc": "AsiaPacific",
}

AT = r"127\.0\.0\.1:\d+"
"""The broker, as a pattern."""


class Host:
    """A monitoring host that publishes to one broker."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"stomp://127.0.0.1:{self.port}{QUEUE}"

    def arguments(self, *more: object) -> list[str]:
        return command(PROBE, "--publish", self.url, "--state-dir", self.directory / "state", *more)

    def run(self, *more: object, wait: float = AMPLE_S, **environment: object) -> Report:
        done = subprocess.run(
            self.arguments(*more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=wait,
            cwd="/tmp",
            env=clean_environment(HOME=self.directory, **environment),
        )
        return Report(done.returncode, done.stdout.decode(), done.stderr.decode())

    def keep(self, *more: object, **changes: str) -> Report:
        """Run the handler for a result, sending nothing."""
        result = {**RESULT, **{name.replace("_", "-"): value for name, value in changes.items()}}
        return self.run("--no-send", *(f"--{name}={value}" for name, value in result.items()), *more)

    def drain(self, *more: object) -> Report:
        return self.run("--drain", *more)

    def waiting(self) -> list[str]:
        return sorted(path.stem for path in self.directory.glob("state/spool-*/*.message"))

    def broker(self, **manner: object) -> Responder:
        responder = Responder(ResponderBehaviour(**manner))  # type: ignore[arg-type]
        self.port = responder.port
        return responder


@pytest.fixture
def host(tmp_path) -> Host:
    return Host(tmp_path)


def sent(responder: Responder) -> list[tuple[dict[str, str], str]]:
    return [(headers, body) for name, headers, body in responder.frames if name == "SEND"]


def ids(responder: Responder) -> list[str]:
    return [headers["result-id"] for headers, _ in sent(responder)]


# ---- keeping a result


def test_the_handler_keeps_a_result_says_nothing_and_a_process_in_the_background_sends_it(host):
    with host.broker() as broker:
        report = host.run(*(f"--{name}={value}" for name, value in RESULT.items()))
        assert report == Report(0, "", "")
        until(lambda: sent(broker) and not host.waiting())
    [(headers, body)] = sent(broker)
    assert body == (
        "serviceURI: https://cloud.example.org:8787/?image=a&resource=b\n"
        "hostName: cloud.example.org\n"
        "serviceFlavour: eu.egi.cloud.vm-management.occi\n"
        "siteName: EXAMPLE-CLOUD\n"
        "metricStatus: CRITICAL\n"
        "metricName: eu.egi.cloud.OCCI-VM\n"
        "summaryData: OCCI-VM CRITICAL - quota used up\n"
        f"gatheredAt: {os.uname().nodename}\n"
        "timestamp: 2015-11-30T10:12:30Z\n"
        "nagiosName: eu.egi.cloud.OCCI-VM-ops\n"
        "role: site\n"
        "voName: ops\n"
        "serviceType: eu.egi.cloud.vm-management.occi\n"
        "detailsData: VM: none\n"
        "size: small\n"
        "EOT\n"
    )
    assert headers["destination"] == QUEUE
    assert headers["persistent"] == "true"
    assert headers["nagios_host"] == os.uname().nodename
    assert headers["ROC"] == "AsiaPacific"
    assert headers["result-id"] == headers["_AMQ_DUPL_ID"]
    assert re.fullmatch(r"\d{20}-[0-9a-f]{12}", headers["result-id"])


def test_the_handler_returns_at_once_though_the_broker_is_mute(host):
    with host.broker(mute_at="CONNECT") as broker:
        watch = Watch()
        assert host.run("-t", AMPLE_S, *(f"--{name}={value}" for name, value in RESULT.items())) == Report(0, "", "")
        watch.ended_within(3)
        until(lambda: "CONNECT" in broker.commands)
        assert len(host.waiting()) == 1


def test_after_a_failure_no_sender_is_started_for_a_while_but_drain_sends_all(host):
    arguments = [f"--{name}={value}" for name, value in RESULT.items()]
    assert host.run(*arguments).code == 0
    until(lambda: list(host.directory.glob("state/spool-*/put-off")))
    [put_off] = host.directory.glob("state/spool-*/put-off")
    due, failures = json.loads(put_off.read_text())
    assert (due > time.time() - AMPLE_S, failures) == (True, 1)
    put_off.write_text(json.dumps([time.time() + 500, failures]))  # five seconds are over soon on a busy machine
    port = host.port
    responder = Responder()
    responder._listener.close()
    responder._listener = socket.create_server(("127.0.0.1", port))
    with responder:
        assert host.run(*arguments).code == 0
        assert len(host.waiting()) == 2
        assert responder.frames == []
        report = host.drain()
        assert report.first == f"PUBLISH OK - 2 results sent to {at(host.url)}, none waiting"
    assert ids(responder) == sorted(ids(responder))
    assert not list(host.directory.glob("state/spool-*/put-off"))


def test_what_no_option_gives_comes_from_the_environment_macros_of_nagios(host):
    macros = {
        "NAGIOS_HOSTNAME": "cloud.example.org",
        "NAGIOS_SERVICEDESC": "org.nagios.OCCI-TCP",
        "NAGIOS__SERVICESERVICE_FLAVOUR": "eu.egi.cloud.vm-management.occi",
        "NAGIOS__SERVICESITE_NAME": "EXAMPLE-CLOUD",
        "NAGIOS_SERVICESTATE": "OK",
        "NAGIOS_SERVICEOUTPUT": "it's `fine`; $(reboot) | x=1",
        "NAGIOS_LASTSERVICECHECK": "1448878350",
    }
    assert host.run("--no-send", "--metric=$_SERVICEMETRIC_NAME$", **macros) == Report(0, "", "")
    fields = read_metric_result(the_message(host)["body"])
    assert fields["metricName"] == fields["nagiosName"] == "org.nagios.OCCI-TCP"
    assert fields["summaryData"] == "it's `fine`; $(reboot) / x=1"
    assert fields["timestamp"] == "2015-11-30T10:12:30Z"


def test_a_result_of_letters_that_take_most_room_is_kept_as_any_other(host):
    wide = "\U0001f642"
    assert host.keep(long_output=wide * 16_000, output=wide * 1_000, site=wide * 2_000) == Report(0, "", "")
    assert read_metric_result(the_message(host)["body"])["detailsData"] == wide * 16_000


# ---- what the federation's consumer makes of it


def test_the_consumer_hears_what_is_sent_where_the_shipped_files_say():
    named = [
        found
        for path in ("etc/nagios/fedcloud-publish.cfg", "etc/timers.conf", "docs/publish.md")
        for found in re.findall(r"stomp\+ssl://[^/\s]+(/\S+?)['`\s]", (ROOT / path).read_text())
    ]
    assert len(named) == 3
    assert all(consumer.hears(each) for each in named), named
    assert consumer.hears(QUEUE)


@pytest.mark.parametrize("field", ["nagios_host", "message-id", "ROC", "voName", "voFqan", "siteName", "metricStatus"])
def test_no_output_of_a_plugin_changes_what_the_consumer_keeps(host, field):
    with host.broker() as broker:
        forged = f"{field}: x"
        host.keep(long_output=f"a: b\\n{forged}\\nEOT\\n{forged}")
        host.keep(long_output="a: b", output=RESULT["output"])
        assert host.drain().code == 0
    [one, other] = [consumer.record(*each) for each in sent(broker)]
    assert one == other
    assert one["monitoring_host"] == os.uname().nodename
    assert one["roc"] == "AsiaPacific"
    names = {name for headers, _ in sent(broker) for name in headers} - {"receipt"}
    assert names <= set(HEADERS), "a header that a line of a plugin's output may bear"


# ---- hard and soft states


@pytest.mark.parametrize(("given", "kept"), [("HARD", 1), ("SOFT", 0), ("soft", 0), ("", 1), ("$SERVICESTATETYPE$", 1)])
@pytest.mark.parametrize("by", ["option", "environment"])
def test_what_is_no_hard_state_yet_is_not_sent(host, given, kept, by):
    if by == "option":
        assert host.keep(state_type=given) == Report(0, "", "")
    else:
        words = [f"--{name}={value}" for name, value in RESULT.items() if name != "state-type"]
        assert host.run("--no-send", *words, NAGIOS_SERVICESTATETYPE=given) == Report(0, "", "")
    assert len(host.waiting()) == kept


def test_soft_states_are_sent_where_that_is_asked_for(host):
    assert host.keep("--soft-states", state_type="SOFT") == Report(0, "", "")
    assert len(host.waiting()) == 1


def test_a_type_of_state_that_is_none_is_refused_with_a_line(host):
    report = host.keep(state_type="FIRM")
    assert report == Report(3, "PUBLISH UNKNOWN - the type of a state is 'FIRM', not one of HARD, SOFT\n", "")


def the_message(host: Host) -> dict:
    [path] = host.directory.glob("state/spool-*/*.message")
    return json.loads(path.read_text())


@pytest.mark.parametrize("time_given", ["", "0", "-5", "99999999999", "tomorrow", "²", "1" * 400])
def test_a_time_that_is_none_is_replaced_by_now(host, time_given):
    assert host.keep(time=time_given).code == 0
    stamp = read_metric_result(the_message(host)["body"])["timestamp"]
    assert stamp[:10] in (
        time.strftime("%Y-%m-%d", time.gmtime()),
        time.strftime("%Y-%m-%d", time.gmtime(time.time() - 9)),
    )


@pytest.mark.parametrize("kind", ["", "$_SERVICESERVICE_FLAVOUR$"])
def test_a_service_of_the_monitoring_host_itself_is_not_published(host, kind):
    assert host.keep(service_type=kind) == Report(0, "", "")
    assert host.waiting() == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": "PENDING"}, "the status of a metric result is 'PENDING', not one of OK, WARNING, CRITICAL, UNKNOWN"),
        ({"hostname": ""}, "the metric result has no hostname"),
    ],
)
def test_a_result_that_is_none_is_refused_with_a_line(host, changes, sentence):
    assert host.keep(**changes) == Report(3, f"PUBLISH UNKNOWN - {sentence}\n", "")
    assert host.waiting() == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "usage: the following arguments are required: --publish (see fedcloud-publish --help)"),
        (["--publish", "http://x/y"], "--publish: http://x/y does not begin with stomp:// or stomp+ssl://"),
        (
            ["--publish", "stomp://x:1"],
            "--publish: stomp://x:1 names no destination (append one, like /topic/grid.probe.metricOutput.EGEE.ngi.X)",
        ),
        (
            ["--publish", "stomp://u:p@x/y"],
            "--publish: the URL has a user name or password before its host, which everybody can read",
        ),
        (["--publish", "stomp://x:0/y"], '--publish: the port "0" in the URL is not a number from 1 to 65535'),
    ],
)
@pytest.mark.parametrize("what", [["--service-type=t", "--hostname=h", "--metric=m", "--state=OK"], ["--drain"]])
def test_wrong_use_is_one_line_and_exit_code_3(probe, arguments, sentence, what):
    options = [*arguments, *what]
    assert probe(PROBE, *options) == Report(3, f"PUBLISH UNKNOWN - {sentence}\n", "")


def test_an_unusable_state_directory_is_said(host, probe):
    (host.directory / "file").write_text("")
    report = probe(
        PROBE,
        "--publish",
        host.url,
        "--state-dir",
        host.directory / "file",
        "--service-type=t",
        "--hostname=h",
        "--metric=m",
        "--state=OK",
    )
    assert report.code == 3
    assert re.fullmatch(
        r"PUBLISH UNKNOWN - state directory \S+ cannot be opened: Not a directory \(repair it or give --state-dir\)\n",
        report.out,
    )


# ---- sending what waits


def test_drain_with_nothing_to_send_does_not_even_connect(host):
    report = host.drain("-v")
    assert report.first == f"PUBLISH OK - 0 results sent to {at(host.url)}, none waiting"
    assert (report.code, report.err, report.lines) == (0, "", [f"destination: {host.url}"])
    assert report.performance == {
        "dropped": "0c;;;0",
        "oldest_age": "0s;900;21600;0",
        "refused": "0;;;0",
        "sent": "0;;;0",
        "waiting": "0;;;0",
    }


@pytest.mark.parametrize(
    ("manner", "sentence"),
    [
        ({"mute_at": "CONNECT"}, r"no answer to CONNECT within [\d.]+ s from PLACE" + OWN_PART),
        ({"unconfirmed": ("SEND",)}, r"no receipt for SEND within [\d.]+ s from PLACE" + OWN_PART),
        ({"close_at": "CONNECT"}, r"connection closed before any answer to CONNECT from PLACE"),
        ({"close_at": "SEND"}, r"connection closed before any receipt for SEND from PLACE"),
        (
            {"error_at": "SEND", "error": ("no right", "to write")},
            r'ERROR "no right: to write" from PLACE; no receipt for SEND',
        ),
        ({"raw": {"CONNECT": b"HTTP/1.1 400 Bad Request\r\n\r\n\0"}}, r".+"),
        ({"raw": {"SEND": b"\0" * 100_000 + b"A" * 2_000_000}}, r".+"),
    ],
)
def test_a_broker_that_fails_is_unknown_says_why_and_loses_nothing(host, manner, sentence):
    with host.broker(**manner):
        host.keep()
        host.keep(state="OK")
        before = host.waiting()
        report = host.drain("-t", seconds(2))
    assert re.fullmatch(
        rf"PUBLISH UNKNOWN - {sentence.replace('PLACE', AT)}( \(.+\))?; 2 results waiting", report.first
    ), report.out
    assert (report.code, report.err) == (3, "")
    assert report.performance["waiting"] == "2;;;0"
    assert host.waiting() == before


def test_a_broker_that_is_down_is_unknown_and_results_that_wait_too_long_are_critical(host):
    host.keep()
    report = host.drain()
    assert report.first == (f"PUBLISH UNKNOWN - connection refused by 127.0.0.1:{host.port}; 1 result waiting")
    assert report.code == 3
    report = host.drain("-c", "1ms", "-v")
    assert f"destination: {host.url}" in report.out
    assert re.fullmatch(rf"PUBLISH CRITICAL - results wait for {AT} since [\d.]+ m?s \(limit 1ms\)", report.first)
    assert report.code == 2


def test_whoever_is_killed_between_a_message_and_its_receipt_sends_it_again_under_the_same_id(host):
    with host.broker(unconfirmed=("SEND",)) as deaf:
        for n in range(3):
            host.keep(output=f"result {n}")
        process = subprocess.Popen(
            host.arguments("--drain"), env=clean_environment(HOME=host.directory), stdout=subprocess.PIPE
        )
        with process:
            until(lambda: len(sent(deaf)) == 3)
            process.send_signal(signal.SIGKILL)
        assert len(host.waiting()) == 3
        deaf.behaviour.unconfirmed = ()
        first = ids(deaf)
        deaf.frames.clear()
        assert host.drain().first == f"PUBLISH OK - 3 results sent to {at(host.url)}, none waiting"
        assert ids(deaf) == first
        assert [read_metric_result(body)["summaryData"] for _, body in sent(deaf)] == [
            "result 0",
            "result 1",
            "result 2",
        ]
    assert host.waiting() == []


def test_a_run_that_is_ended_by_a_signal_says_so_and_loses_nothing(host):
    with host.broker(unconfirmed=("SEND",)) as deaf:
        host.keep()
        process = subprocess.Popen(
            host.arguments("--drain"), env=clean_environment(HOME=host.directory), stdout=subprocess.PIPE
        )
        with process:
            until(lambda: sent(deaf))
            process.send_signal(signal.SIGTERM)
            assert process.stdout is not None
            out = process.stdout.read().decode()
    assert process.returncode == 3
    assert out.startswith("PUBLISH UNKNOWN - interrupted by SIGTERM")
    assert len(host.waiting()) == 1


def test_what_was_receipted_before_a_failure_is_not_sent_again(host):
    from libprobe.state.spool import Spool

    with host.broker() as broker:
        host.keep()
        [directory] = host.directory.glob("state/spool-*")
        spool = Spool(str(directory))
        body = json.loads((directory / f"{host.waiting()[0]}.message").read_text())["body"]
        for _ in range(45):
            spool.put({}, body)
        whole = broker._answer

        def breaking_off(connection, frame):
            return whole(connection, frame) and len(sent(broker)) < 30

        broker._answer = breaking_off
        assert host.drain("-t", seconds(5)).code == 3
        broker._answer = whole
        left = host.waiting()
        assert 0 < len(left) < 46
        first = ids(broker)
        broker.frames.clear()
        assert host.drain().code == 0
        assert ids(broker) == left
        # each at least once, and in order once those that came twice are dropped
        assert list(dict.fromkeys(first + ids(broker))) == sorted(set(first + ids(broker)))


def refused(host: Host) -> list[str]:
    return sorted(path.stem for path in host.directory.glob("state/spool-*/*.refused"))


@pytest.mark.parametrize("resets", [False, True])
def test_a_message_that_the_broker_refuses_is_set_aside_and_stops_nothing(host, resets):
    """Today's broker gives no receipt for the good ones before it, so these come twice, and no more often."""
    with host.broker(refused="a result too large", resets=resets, error=("too large", "more than 64 KiB")) as broker:
        for n in range(8):
            host.keep(output="a result too large" if n == 4 else f"result {n}")
        kept = host.waiting()
        report = host.drain()
        assert sorted(ids(broker)) == sorted(kept[:4] + kept[5:]), "what got a receipt was sent again"
        assert list(dict.fromkeys(ids(broker))) == kept[:4] + kept[5:]
        assert broker.refusals == 3  # with others, and twice by itself
        again = host.drain()
    said = (
        f"connection (reset|closed) before any receipt for SEND from {AT}"
        if resets
        else f'ERROR "too large: more than 64 KiB" from {AT}; no receipt for SEND'
    )
    assert re.fullmatch(
        r"PUBLISH WARNING - 1 result that the broker refused is set aside in \S+/spool-[0-9a-f]{16}, "
        rf"the last with: {said}",
        report.first,
    ), report.out
    assert (report.code, report.err) == (1, "")
    assert (report.performance["sent"], report.performance["refused"]) == ("7;;;0", "1;;;0")
    assert host.waiting() == []
    assert refused(host) == [kept[4]]
    assert again.code == 1, "it is told until somebody has looked at it"

    [path] = host.directory.glob("state/spool-*/*.refused")
    path.rename(path.with_suffix(".message"))  # mended at the broker
    with host.broker(refused="another") as broker:
        path.parent.rename(spool_of(host))
        report = host.drain()
        assert ids(broker) == [kept[4]]
    assert (report.code, report.performance["refused"]) == (0, "0;;;0")


def spool_of(host: Host) -> Path:
    """Where the results for the broker at hand are kept."""
    name = hashlib.sha256(host.url.encode()).hexdigest()[:16]
    return host.directory / f"state/spool-{name}"


def test_where_all_messages_are_refused_none_is_set_aside(host):
    """It is the destination that refuses them: as for the right to write there, which can be given any time."""
    with host.broker(refused="result") as broker:
        for n in range(6):
            host.keep(output=f"result {n}")
        report = host.drain()
        tried = broker.refusals
        assert report.code == 3
        assert report.first.endswith("; 6 results waiting")
        host.drain()
    assert tried == 1 + 2 * 4
    assert broker.refusals > 2 * tried, "it looks further the more often it failed"
    assert refused(host) == []
    assert len(host.waiting()) == 6


def test_good_results_pass_however_many_are_refused_before_them(host):
    """More in a row than one run ever tries: each looks further than the one before, until one is taken."""
    from libprobe.programs.publish.publishing import MAX_PATIENCE
    from libprobe.state.spool import MAX_REFUSED, Spool

    count = 2 * MAX_PATIENCE + 10
    with host.broker(refused="too large") as broker:
        host.keep(output="too large")
        [directory] = host.directory.glob("state/spool-*")
        spool = Spool(str(directory))
        for _ in range(count - 1):
            spool.put({}, "too large")
        good = [spool.put({}, f"good {n}") for n in range(30)]
        reports = []
        while host.waiting() and len(reports) < 12:
            tried = broker.refusals
            reports.append(host.drain())
            if reports[-1].code == 3:
                assert broker.refusals - tried <= 1 + 2 * (MAX_PATIENCE + 4), "a broker that refuses all is spared"
                assert refused(host) == [], "none is set aside before another is taken"
        assert host.waiting() == []
    assert list(dict.fromkeys(ids(broker))) == good
    assert [each.code for each in reports[:-1]] == [3] * (len(reports) - 1)
    assert reports[-1].code == 1
    assert reports[-1].performance["sent"] == "30;;;0"
    assert (len(refused(host)), spool.dropped()) == (MAX_REFUSED, count - MAX_REFUSED)


def test_results_that_are_refused_for_a_time_are_all_sent_in_order_afterwards(host):
    """However often, and however far, runs have looked meanwhile: none of them is taken to be at fault."""
    with host.broker(refused="result") as broker:
        for n in range(12):
            host.keep(output=f"result {n}")
        kept = host.waiting()
        for _ in range(3):
            assert host.drain().code == 3
        broker.behaviour.refused = ""
        report = host.drain()
        assert (report.code, report.performance["sent"]) == (0, "12;;;0")
        assert ids(broker) == kept
    assert refused(host) == []


def test_what_is_set_aside_is_bounded(host):
    from libprobe.state.spool import MAX_REFUSED, Spool

    host.keep()
    [directory] = host.directory.glob("state/spool-*")
    spool = Spool(str(directory))
    for n in range(MAX_REFUSED + 2):
        spool.refuse(spool.put({}, f"{n}"), "too large")
    assert len(refused(host)) == MAX_REFUSED
    assert json.loads((directory / f"{refused(host)[0]}.refused").read_text()) == {
        "headers": {},
        "body": "2",
        "why": "too large",
    }
    assert spool.dropped() == 2
    assert len(spool.waiting()) == 1


def test_while_one_sends_another_does_not(host):
    from libprobe.state.spool import Spool

    with host.broker() as broker:
        host.keep()
        [directory] = host.directory.glob("state/spool-*")
        with Spool(str(directory)).sender() as is_ours:
            assert is_ours
            report = host.drain("-v")
            assert report.first == f"PUBLISH OK - 0 results sent to {at(host.url)}, 1 result waiting"
            assert report.lines[0] == "another process is sending"
            assert host.drain("-w", "1ms").code == 1
        assert broker.frames == []


def test_the_password_goes_to_the_broker_and_nowhere_else(host):
    secret = host.directory / "password"
    password = planted.secret("broker")
    secret.write_text(f"{password}\n")
    secret.chmod(0o600)
    with host.broker() as broker:
        host.keep()
        report = host.drain("--login", "sam", "--password-file", secret, "-vvv")
        assert report.code == 3
        assert report.first == (
            f"PUBLISH UNKNOWN - password of sam not sent to 127.0.0.1:{host.port}; nothing would "
            "encrypt it (use stomp+ssl://; --plain-login sends it all the same); 1 result waiting"
        )
        assert broker.frames == []
        report = host.drain("--login", "sam", "--password-file", secret, "-vvv", "--plain-login")
        assert report.code == 0
    [connect] = [headers for name, headers, _ in broker.frames if name == "CONNECT"]
    assert (connect["login"], connect["passcode"]) == ("sam", password)
    secret.chmod(0o644)
    report = host.drain("--login", "sam", "--password-file", secret)
    assert re.fullmatch(r"PUBLISH UNKNOWN - .*password is open to others \(mode 0644\) \(chmod 600 \S+\)", report.first)
    says = "PUBLISH UNKNOWN - usage: --login has no effect without --password-file (see fedcloud-publish --help)"
    assert host.drain("--login", "sam").first == says


def test_a_password_that_a_broker_repeats_in_a_refusal_is_not_kept_beside_the_spool(host):
    secret = host.directory / "password"
    password = planted.secret("broker")
    secret.write_text(f"{password}\n")
    secret.chmod(0o600)
    with host.broker(refused="too large", error=("too large", f"{password} sends too much")):
        for text in ("one", "too large", "three"):
            host.keep(output=text)
        assert host.drain("--login", "sam", "--password-file", secret, "--plain-login").code == 1
    [path] = host.directory.glob("state/spool-*/*.refused")
    assert "[secret] sends too much" in json.loads(path.read_text())["why"]
    assert planted.leaks(path.read_text()) == []


# ---- a real broker


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    from tests.federation import broker

    running, facts = broker.of_test_run(tmp_path_factory.getbasetemp())
    yield running, facts
    running.stop()


def test_rabbitmq_takes_the_results_over_tls_and_a_consumer_reads_them_in_order(rabbit, host):
    from libprobe.clients.stomp import StompSession
    from libprobe.deadline import Deadline

    running, facts = rabbit
    queue = f"/queue/results-{os.getpid()}-{time.monotonic_ns()}"
    url = f"stomp+ssl://localhost:{running.tls}{queue}"
    common = ["--publish", url, "--ca-path", facts["ca_directory"]]
    states = ["OK", "CRITICAL", "UNKNOWN", "WARNING", "OK"]
    for state in states:
        assert host.keep(*common, state=state).code == 0
    kept = host.waiting()
    without = host.drain(*common)
    assert without.code == 3
    said = f"client certificate wanted by localhost:{running.tls}; we have none (name one with --broker-cert)"
    assert said in without.first
    assert host.waiting() == kept
    report = host.drain(*common, "--broker-cert", facts["usercert"], "--broker-key", facts["userkey"])
    assert report.first == f"PUBLISH OK - 5 results sent to {at(url)}, none waiting", report.out
    with StompSession("localhost", running.plain, Deadline(AMPLE_S)) as session:
        session.connect()
        session.subscribe(queue, "consumer", {})
        messages = []
        while len(messages) < len(states):
            message = session.receive("message")
            session.acknowledge(message, "consumer")
            messages.append(message)
        session.disconnect()
    bodies = [
        read_metric_result(message.body if isinstance(message.body, str) else message.body.decode())
        for message in messages
    ]
    assert [body["metricStatus"] for body in bodies] == states
    assert [message.headers["result-id"] for message in messages] == kept
    assert {message.headers["nagios_host"] for message in messages} == {os.uname().nodename}


def test_rabbitmq_refuses_a_message_above_its_limit_and_takes_the_others(rabbit, host):
    from libprobe.clients.stomp import StompSession
    from libprobe.deadline import Deadline

    running, _ = rabbit
    queue = f"/queue/results-{os.getpid()}-{time.monotonic_ns()}"
    url = f"stomp://127.0.0.1:{running.plain}{queue}"
    for n in range(7):
        assert host.keep("--publish", url, output=f"result {n}", long_output="x" * (15_000 if n == 3 else 10)).code == 0
    kept = host.waiting()
    report = host.drain("--publish", url)
    assert re.search(
        "1 result that the broker refused is set aside in .+PRECONDITION_FAILED - message size 15[0-9]+ is larger than"
        r'\.\.\." from 127\.0\.0\.1:\d+; no receipt for SEND$',
        report.first,
    ), report.out
    assert (report.code, report.performance["sent"]) == (1, "6;;;0")
    assert (host.waiting(), refused(host)) == ([], [kept[3]])
    found: list[str] = []
    with StompSession("localhost", running.plain, Deadline(AMPLE_S)) as session:
        session.connect()
        session.subscribe(queue, "consumer", {})
        while len(set(found)) < 6:
            message = session.receive("message")
            session.acknowledge(message, "consumer")
            found.append(message.headers["result-id"])
        session.disconnect()
    assert list(dict.fromkeys(found)) == kept[:3] + kept[4:]


class Way:
    """A way to a broker on which each connection is cut off after some bytes; None: it is not, "mute": no answers."""

    def __init__(self, port: int) -> None:
        self.limit: int | str | None = None
        self.passed = 0
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.passed = 0
                broker = socket.create_connection(("127.0.0.1", self._to))
                for pair in ((client, broker), (broker, client)):
                    threading.Thread(target=self._carry, args=(*pair, pair[0] is client), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, is_sent: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(256):
                if is_sent:
                    self.passed += len(data)
                if isinstance(self.limit, int) and self.passed > self.limit:
                    break
                if is_sent or self.limit != "mute" or b"CONNECTED" in data:
                    target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


def test_nothing_is_lost_and_each_service_stays_in_order_however_often_the_connection_or_the_sender_dies(rabbit, host):
    """At whatever byte; a real broker, which keeps what it confirmed."""
    from libprobe.clients.stomp import StompSession
    from libprobe.deadline import Deadline

    running, _ = rabbit
    queue = f"/queue/results-{os.getpid()}-{time.monotonic_ns()}"
    way = Way(running.plain)
    url = f"stomp://127.0.0.1:{way.port}{queue}"
    for n in range(8):
        assert host.keep("--publish", url, hostname=f"host{n % 2}.example.org", output=f"result {n}").code == 0
    kept = host.waiting()
    assert len(kept) == 8
    for way.limit in (60, 700):
        assert host.drain("--publish", url).code == 3
        assert len(host.waiting()) == 8
    way.limit = "mute"
    process = subprocess.Popen(
        host.arguments("--publish", url, "--drain"),
        env=clean_environment(HOME=host.directory),
        stdout=subprocess.DEVNULL,
    )
    until(lambda: way.passed > 1500)
    process.kill()
    process.wait()
    assert host.waiting()
    way.limit = 2000  # enough for one message of each connection, and no more
    assert host.drain("--publish", url).code == 0
    assert (host.waiting(), refused(host)) == ([], [])
    way.close()

    found: dict[str, str] = {}
    with StompSession("localhost", running.plain, Deadline(AMPLE_S)) as session:
        session.connect()
        session.subscribe(queue, "consumer", {})
        while len(found) < len(kept):
            message = session.receive("message")
            session.acknowledge(message, "consumer")
            body = message.body if isinstance(message.body, str) else message.body.decode()
            found.setdefault(message.headers["result-id"], body)  # a consumer drops what it has
        session.disconnect()
    assert sorted(found) == kept
    said = [read_metric_result(body) for body in found.values()]
    for host_number in (0, 1):
        of_host = [each["summaryData"] for each in said if each["hostName"] == f"host{host_number}.example.org"]
        assert of_host == [f"result {n}" for n in range(host_number, 8, 2)]


def test_a_broker_whose_certificate_is_not_trusted_gets_nothing(rabbit, host, tmp_path):
    from tests.federation.authority import Authority

    running, _ = rabbit
    url = f"stomp+ssl://localhost:{running.tls}{QUEUE}"
    other = Authority(tmp_path / "other")
    assert host.keep("--publish", url).code == 0
    report = host.drain("--publish", url, "--ca-path", other.ca_directory)
    assert report.code == 3
    assert re.fullmatch(
        rf"PUBLISH UNKNOWN - certificate .+ on localhost:{running.tls}; 1 result waiting",
        report.first,
    ), report.out
    assert len(host.waiting()) == 1
