"""Access tokens that a probe gets itself: by a refresh token, a mytoken, or from oidc-agent."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from libprobe.clients import oidc_agent
from libprobe.deadline import Deadline
from libprobe.failures import OwnMachine
from tests import planted
from tests.conftest import Monitor, Report
from tests.federation.issuer import CLIENT
from tests.pace import AMPLE_S, seconds

PROBE, LABEL = "check_openstack_swift", "OpenStack-Swift"
GOOD = r"1 MiB stored .+ \(project ops\).*"
ISSUER = r"localhost:\d+"
BUSY = r"(?:; [\d.]+ m?s of it were this machine's own)?"
STARVED = (
    r"this machine took [\d.]+ m?s of it and the peer [\d.]+ m?s \(look whether the monitoring host is overloaded\)"
)


class Site:
    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.issuer = monitor.federation.issuer
        self.cloud = monitor.federation.cloud("stack")
        self.keystone = self.cloud.keystone
        self.issuer.on_token = self.keystone.register_access_token

    def file(self, content: str, mode: int = 0o600) -> Path:
        path = self.monitor.home / "secret"
        path.write_text(f"{content}\n")
        path.chmod(mode)
        return path

    def look(self, *words: object, probe: str = PROBE, **more: object) -> Report:
        return self.monitor.run(probe, "-H", self.cloud.hostname, *words, **more)

    def refresh(self, **more: object) -> list[object]:
        return [
            *("--refresh-token-file", self.file(str(more.get("token") or self.issuer.refresh_token()))),
            *("--issuer", more.get("issuer", self.issuer.url), "--client-id", more.get("client", CLIENT)),
        ]

    def mytoken(self) -> list[object]:
        return ["--mytoken-file", self.file(self.issuer.mytoken()), "--mytoken-server", self.issuer.url]

    @property
    def was_asked(self) -> bool:
        return bool(self.monitor.federation.service("stack-keystone").web.requests)


@pytest.fixture
def site(monitor) -> Iterator[Site]:
    made = Site(monitor)
    before = made.keystone.issuers
    made.keystone.issuers = (*before, made.issuer.url)
    yield made
    made.keystone.issuers = before


def expect(report: Report, code: int, pattern: str) -> None:
    report.expect(LABEL, code, pattern)


# ---- refresh tokens


def test_a_refresh_token_becomes_an_access_token_that_the_site_takes(site):
    expect(site.look(*site.refresh()), 0, GOOD)
    [told] = site.issuer.told
    assert set(told) == {"grant_type", "refresh_token", "client_id"}
    assert (told["grant_type"], told["client_id"]) == ("refresh_token", CLIENT)
    assert len(site.issuer.tokens) == 1


def test_nothing_of_it_is_printed_or_kept(site):
    report = site.look("-vvv", *site.refresh())
    assert (report.code, planted.leaks(report.out)) == (0, [])
    kept = [path.read_text(errors="replace") for path in site.monitor.state.rglob("*") if path.is_file()]
    assert not any(planted.leaks(text) for text in kept)


def test_the_settings_name_it_as_well(site):
    words = site.refresh()
    settings = site.monitor.home / "probes.ini"
    names = ("refresh_token_file", "issuer", "client_id")
    lines = [f"{name} = {value}" for name, value in zip(names, words[1::2], strict=True)]
    settings.write_text("\n".join(["[credentials]", *lines]))
    expect(site.monitor.run(PROBE, "-u", site.cloud.url, "--config", settings), 0, GOOD)
    settings.write_text("\n".join(["[credentials]", *lines[:2]]))
    expect(
        site.monitor.run(PROBE, "-u", site.cloud.url, "--config", settings),
        3,
        r"refresh token without its client in \S+/secret \(name both with --issuer and --client-id\)",
    )


def test_a_refresh_token_that_is_refused_is_ours(site):
    path = site.monitor.home / "secret"
    expect(
        site.look(*site.refresh(token=planted.jwt(typ="Offline")), "--vo", "ops"),
        3,
        rf'our refresh token refused \(401 "Invalid client or Invalid client credentials"\) by {ISSUER} '
        r"\(correct --client-id\)",
    )
    site.issuer.refresh_token()
    expect(
        site.look(*site.refresh(token=planted.jwt(typ="Offline"))),
        3,
        rf'our refresh token refused \(400 "Invalid refresh token"\) by {ISSUER} '
        rf"\(get a new refresh token, write it into {path}\)",
    )
    assert not site.was_asked


def test_a_refresh_token_that_has_ended_is_sent_nowhere(site):
    expect(
        site.look(*site.refresh(token=planted.jwt(exp=time.time() - 7200))),
        3,
        r"our refresh token expired 2 h ago \([\d-]+ [\d:]+ UTC\) in \S+/secret \(write a new one there\)",
    )
    assert site.issuer.told == []


@pytest.mark.parametrize(
    ("fault", "more", "said"),
    [
        ("op-no-token", {}, rf"no access token \(200\) in the answer of issuer {ISSUER}"),
        (
            "op-error",
            {"status": 503, "error": "temporarily_unavailable"},
            rf"503 .+ from issuer {ISSUER} when asked to give an access token",
        ),
    ],
)
def test_an_issuer_that_fails_is_no_sites_fault(site, fault, more, said):
    site.issuer.faults.on(fault, **more)
    report = site.look("-v", *site.refresh())
    expect(report, 3, said)
    assert "no site was judged" in report.out
    assert not site.was_asked


def test_the_refresh_token_goes_to_the_issuer_that_was_named_and_nowhere_in_clear(site):
    site.issuer.faults.on("op-other-issuer")
    expect(
        site.look(*site.refresh()),
        3,
        rf"issuer https://other.example.org instead of the one named, so our refresh token is not sent, on {ISSUER} "
        r"\(name the issuer as it does itself\)",
    )
    site.issuer.faults.clear()
    site.issuer.faults.on("op-endpoint", url="http://localhost:9/token")
    expect(
        site.look(*site.refresh()),
        3,
        rf"no https, so our refresh token is not sent to localhost:9; {ISSUER} names it",
    )
    expect(
        site.look(*site.refresh(issuer="http://localhost:9")),
        3,
        r"no https, so our refresh token is not sent to localhost:9 \(name its https address\)",
    )
    assert site.issuer.told == []


def test_an_issuer_that_nobody_answers_for_is_unknown(site):
    report = site.look(*site.refresh(issuer="https://localhost:9"))
    expect(report, 3, r"connection refused by issuer localhost:9 .+")


# ---- mytokens


def test_a_mytoken_becomes_an_access_token(site):
    expect(site.look(*site.mytoken()), 0, GOOD)
    [told] = site.issuer.told
    assert set(told) == {"grant_type", "mytoken", "comment"}
    assert (told["grant_type"], told["comment"]) == ("mytoken", "fedcloud-probes")


def test_a_mytoken_that_is_refused_is_ours(site):
    words = site.mytoken()
    site.issuer.mytokens.clear()
    expect(
        site.look(*words),
        3,
        rf'our mytoken refused \(401 "token not valid"\) by {ISSUER} \(get a new mytoken, write it into \S+/secret\)',
    )
    expect(
        site.look(*words[:2]),
        3,
        r"mytoken without its server in \S+/secret \(name the server with --mytoken-server\)",
    )


def test_a_secret_that_others_can_read_is_not_used(site):
    words = site.mytoken()
    site.file("x", mode=0o644)
    expect(site.look(*words), 3, r"mytoken \S+/secret is open to others \(mode 0644\) \(chmod 600 \S+/secret\)")


# ---- oidc-agent


class Agent:
    """What oidc-agent 4.2.6 answers: JSON to JSON, and its own key to anything else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.accounts: dict[str, str] = {}
        self.asked: list[dict[str, object]] = []
        self.is_mute = False
        self.says = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError):
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        request = client.recv(1 << 16)
        if self.is_mute:
            client.recv(1)
            return
        try:
            wanted = json.loads(request)
        except ValueError:
            client.sendall(b"DFvUGFjJ7wM75F7MyUWJeiWmxpxuEzcNacfSuE6HlVQ=")
            return
        self.asked.append(wanted)
        token = self.accounts.get(str(wanted.get("account")))
        answer: dict[str, object] = {"status": "failure", "error": "No account configured with that short name"}
        if token:
            answer = {"status": "success", "access_token": token, "issuer": "x", "expires_at": 1}
        client.sendall(self.says or json.dumps(answer).encode())

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def agent(tmp_path) -> Iterator[Agent]:
    made = Agent(tmp_path / "agent")
    yield made
    made.close()


def test_oidc_agent_gives_a_token_that_outlives_the_run(site, agent):
    agent.accounts["egi"] = site.issuer.access_token()
    site.keystone.register_access_token(agent.accounts["egi"])
    expect(site.look("--oidc-agent", "egi", "-t", "200", OIDC_SOCK=agent.path), 0, GOOD)
    [asked] = agent.asked
    assert 150 <= asked.pop("min_valid_period") <= 201
    assert asked == {"request": "access_token", "account": "egi", "application_hint": "fedcloud-probes"}


def test_the_socket_may_stand_in_the_settings(site, agent):
    agent.accounts["egi"] = site.issuer.access_token()
    site.keystone.register_access_token(agent.accounts["egi"])
    settings = site.monitor.home / "probes.ini"
    settings.write_text(f"[credentials]\noidc_agent = egi\noidc_socket = {agent.path}\n")
    expect(site.monitor.run(PROBE, "-u", site.cloud.url, "--config", settings), 0, GOOD)


def test_an_account_that_is_not_loaded_is_ours(site, agent):
    expect(
        site.look("--oidc-agent", "nosuch", OIDC_SOCK=agent.path),
        3,
        rf'no access token for account nosuch \("No account configured with that short name"\) from oidc-agent at '
        rf"{agent.path} \(run oidc-add nosuch\)",
    )
    assert not site.was_asked


def test_an_agent_that_is_not_there_or_fails_is_told(site, agent):
    expect(
        site.look("--oidc-agent", "egi"),
        3,
        r"no oidc-agent for account egi: \$OIDC_SOCK is not set \(start oidc-agent, or name its socket in probes.ini, "
        r"\[credentials\] oidc_socket\)",
    )
    expect(
        site.look("--oidc-agent", "egi", OIDC_SOCK="/nonexistent"),
        3,
        r"no socket of oidc-agent \(No such file or directory\) at /nonexistent \(start oidc-agent\)",
    )
    expect(
        site.look("--oidc-agent", "egi", OIDC_SOCK="/etc/hosts"),
        3,
        r"no socket of oidc-agent that is ours at /etc/hosts",
    )
    agent.says = b"nonsense"
    expect(
        site.look("--oidc-agent", "egi", OIDC_SOCK=agent.path),
        3,
        rf"answer that is not a JSON object from oidc-agent at {agent.path}",
    )
    agent.says = b"x" * (300 << 10)
    expect(
        site.look("--oidc-agent", "egi", OIDC_SOCK=agent.path),
        3,
        rf"more than 131072 bytes from oidc-agent at {agent.path}",
    )


def test_an_agent_that_says_nothing_does_not_hold_a_run(site, agent):
    agent.is_mute = True
    report = site.look("--oidc-agent", "egi", "-t", seconds(8), OIDC_SOCK=agent.path)
    expect(
        report,
        3,
        rf"no complete answer within .+ from oidc-agent at {agent.path}({BUSY} \(try it with oidc-token\)|; {STARVED})",
    )


def test_time_that_this_machine_took_itself_is_no_fault_of_oidc_agent(agent):
    agent.is_mute = True
    with pytest.raises(OwnMachine, match=rf"no complete answer within .+ from oidc-agent at {agent.path}; {STARVED}"):
        oidc_agent.request_token("egi", str(agent.path), Deadline(10, spent=9.9))


def test_the_time_that_oidc_agent_took_is_counted_as_its_own(agent):
    """Else whoever is asked next and does not answer would be told to have had a monitor that is overloaded."""
    agent.accounts["egi"] = planted.jwt(iss="https://issuer.example.org", exp=time.time() + 3600)
    deadline = Deadline(AMPLE_S)
    assert oidc_agent.request_token("egi", str(agent.path), deadline) == agent.accounts["egi"]
    assert deadline.waits.seconds > 0
    assert deadline.waits.last.place == f"oidc-agent at {agent.path}"


def test_one_source_is_enough(site):
    report = site.look("--oidc-agent", "egi", *site.mytoken())
    expect(
        report,
        3,
        rf"usage: --oidc-agent has no effect together with --mytoken-file; leave one of them out "
        rf"\(see {PROBE} --help\)",
    )
