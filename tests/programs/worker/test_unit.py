"""The unit: systemd understands every word of it, and what it allows is little."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from libprobe.probe import door
from libprobe.programs.worker import supervisor
from tests.conftest import ROOT

UNIT = ROOT / "etc/systemd/fedcloud-worker.service"
OF_THE_DOOR = ROOT / "etc/systemd/fedcloud-door.service"
MOST_EXPOSED = 25
"""Tenths; `systemd-analyze security` calls up to 4.9 OK."""

pytestmark = pytest.mark.needs("systemd")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the program of this checkout."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/usr/bin/fedcloud-worker", f"{ROOT}/probes/fedcloud-worker"))
    return path


def test_systemd_has_nothing_to_say_about_it(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    about_it = [line for line in done.stderr.splitlines() if UNIT.name in line]  # and not about others of this machine
    assert (done.returncode, about_it) == (0, [])


def test_a_word_that_systemd_does_not_know_would_be_told(unit):
    unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectSytem="))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    assert "Unknown key 'ProtectSytem'" in done.stderr


def test_it_may_do_little_beside_its_work(unit):
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", unit]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:]


def test_the_unit_of_the_door_is_that_of_nagios_worker_but_for_what_asks():
    """Limits and hardening are the same; a check there has the environment of who asks, and none of the unit's."""
    lines = [set(path.read_text().splitlines()) for path in (UNIT, OF_THE_DOOR)]
    differ = {line.partition("=")[0] for line in lines[0] ^ lines[1] if line and line[0] not in "#["}
    assert differ == {"Description", "After", "Requires", "ExecStart", "Restart", "Environment", "WantedBy"}


def test_the_socket_is_where_executables_look_for_it_in_a_directory_of_the_users_own():
    text = OF_THE_DOOR.with_suffix(".socket").read_text()
    assert f"\nListenStream={door.DEFAULT}\n" in text
    made = f"/usr/bin/install -d -m 0700 -o nagios -g nagios {os.path.dirname(door.DEFAULT)}"
    assert f"\nExecStartPre={made}\n" in text


def test_systemd_waits_as_long_as_the_worker_takes_to_drain():
    seconds = int(re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)[1])
    assert seconds > supervisor.Limits().drain_s + 2 * supervisor.CLEAN_UP_S
