"""The message broker of the federation: what it says where there is none, and that it goes when nobody needs it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.federation import broker
from tests.pace import AMPLE_S, until

USER = """
import sys
from pathlib import Path
from tests.federation.broker import shared
running, _ = shared(Path(sys.argv[1]))
print(running.plain, flush=True)
sys.stdin.read()
"""


def test_where_the_package_is_missing_it_says_so_and_starts_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(broker, "SERVER", Path("/proc/nonexistent"))
    with broker.Broker(tmp_path / "broker") as absent:
        assert (absent.plain, absent.tls) == (0, 0)
        assert absent.describe().endswith("message broker: not here, as rabbitmq-server is not installed")
    assert not (tmp_path / "broker").exists()


@pytest.mark.needs("rabbitmq-server")
def test_a_broker_whose_users_are_killed_goes_too(tmp_path):
    command = [sys.executable, "-c", USER, str(tmp_path / "broker")]
    user = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert user.stdout
        port = int(user.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), AMPLE_S):
            pass
    finally:
        user.kill()
        user.communicate()
    until(lambda: not (tmp_path / "broker" / "ready.json").exists(), every_s=0.1)

    def is_refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), AMPLE_S).close()
        except ConnectionRefusedError:
            return True
        return False

    until(is_refused, every_s=0.1)
