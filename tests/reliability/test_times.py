"""With -v, a failure tells where the time went, and names last the phase in which it ended."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import command
from tests.federation.ldap_peer import Conversation, LdapPeer
from tests.pace import AMPLE_S
from tests.reliability.peers import Grid, Nowhere
from tests.reliability.runs import run

SLOW_S = 2.5
TOLD_S = 1.0
"""Of it, at least: the probe may be held up just when it comes to the next phase."""
T = r"[\d.]+ (?:ms|s)"
URL = r"GET https://\S+/cert/rpc/json/utils/getPerunStatus"


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    return Grid(tmp_path_factory.mktemp("grid"))


def asked(peer: Conversation) -> None:
    """Read a whole request."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        seen += peer.sock.recv(65536) or b"\r\n\r\n"


def slow_to_shake_hands(peer: Conversation) -> None:
    peer.sock.recv(65536)  # with which the handshake begins
    time.sleep(SLOW_S)


def slow_to_answer(peer: Conversation) -> None:
    asked(peer)
    time.sleep(SLOW_S)


def slow_to_end(peer: Conversation) -> None:
    asked(peer)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal")
    time.sleep(SLOW_S)


def times(grid: Grid, directory: Path, host: str, port: int) -> str:
    """What is told of an exchange that failed, behind what was asked."""
    environment = {"X509_USER_PROXY": grid.proxy, "X509_CERT_DIR": grid.authority.ca_directory}
    words = ["check_perun", "-u", f"https://{host}:{port}", "-v", "-t", AMPLE_S, "--state-dir", directory / "state"]
    outcome = run(command(*words), directory, **environment)
    assert (outcome.code, outcome.err) == (2, ""), outcome.out
    [line] = re.findall(rf"^asked: {URL}\ntime: (.*)$", outcome.out.partition("\n")[2], re.MULTILINE)
    return line


@pytest.mark.parametrize(
    ("behaviour", "secure", "told"),
    [
        (slow_to_shake_hands, False, rf"resolve {T}, connect {T}, tls ({T})"),
        (slow_to_answer, True, rf"resolve {T}, connect {T}, tls {T}, send {T}, waited ({T}) for the head"),
        (slow_to_end, True, rf"resolve {T}, connect {T}, tls {T}, send {T}, waited {T} for the head, body ({T})"),
    ],
)
def test_the_phase_in_which_it_ended_is_named_last_and_has_the_time(
    grid: Grid, tmp_path: Path, behaviour: Callable[[Conversation], None], secure: bool, told: str
):
    with LdapPeer(behaviour, grid.context() if secure else None) as peer:
        line = times(grid, tmp_path, "localhost", peer.port)
    match = re.fullmatch(told, line)
    assert match, line
    number, unit = match[1].split()
    assert float(number) / (1000 if unit == "ms" else 1) >= TOLD_S, line


def test_what_was_not_begun_is_not_named(grid: Grid, tmp_path: Path):
    with Nowhere() as nobody:
        assert re.fullmatch(rf"resolve {T}, connect {T}", times(grid, tmp_path, "localhost", nobody.port))
        assert re.fullmatch(rf"resolve {T}", times(grid, tmp_path, "cloud.invalid", nobody.port))
