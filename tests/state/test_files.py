from __future__ import annotations

import os
import stat

import pytest

from libprobe.failures import Misconfigured
from libprobe.state.files import StateDirectory, default_directory


@pytest.fixture
def directory(tmp_path):
    return StateDirectory(str(tmp_path / "state"))


def test_the_directory_is_made_for_us_alone(directory):
    assert stat.S_IMODE(os.stat(directory.path).st_mode) == 0o700


def test_a_directory_that_is_made_is_on_disk_with_all_above_it(tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync

    def noted(descriptor):
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    StateDirectory(str(tmp_path / "a" / "b"))
    assert synced == [str(tmp_path), str(tmp_path / "a")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "b")] == [0o700, 0o700]


def test_a_file_is_written_whole_and_read_back(directory):
    directory.write("a.json", b"one")
    directory.write("a.json", b"two")
    assert directory.read("a.json", 10) == b"two"
    assert os.listdir(directory.path) == ["a.json"]
    assert stat.S_IMODE(os.stat(f"{directory.path}/a.json").st_mode) == 0o600
    assert directory.read("none", 10) is None
    assert directory.read("a.json", 2) is None


def test_a_symbolic_link_is_neither_followed_nor_written_through(directory, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("precious")
    os.symlink(outside, f"{directory.path}/link")
    with pytest.raises(Misconfigured, match="link"):
        directory.read("link", 100)
    assert directory.open_locked("link") is None
    directory.write("link", b"ours")
    assert outside.read_text() == "precious"
    assert directory.read("link", 100) == b"ours"


def test_a_state_directory_that_is_a_link_or_open_to_others_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    os.symlink(tmp_path / "real", tmp_path / "link")
    with pytest.raises(Misconfigured, match="cannot be opened"):
        StateDirectory(str(tmp_path / "link"))
    (tmp_path / "open").mkdir()
    os.chmod(tmp_path / "open", 0o777)
    with pytest.raises(Misconfigured, match="can be written by others"):
        StateDirectory(str(tmp_path / "open"))


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be opened"):
        StateDirectory(str(tmp_path / "file"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(Misconfigured, match="belongs to uid 12345"):
        StateDirectory(str(tmp_path / "theirs"))


def test_a_locked_file_is_not_to_be_had_twice(directory):
    held = directory.write_locked("one", b"x")
    assert directory.open_locked("one") is None
    os.close(held)
    again = directory.open_locked("one")
    assert again is not None
    os.close(again)
    with pytest.raises(FileExistsError):
        directory.write_locked("one", b"y", exclusive=True)
    assert directory.read("one", 9) == b"x"


def test_half_written_files_of_killed_processes_are_swept(directory):
    half, foreign = f"{directory.path}/.one.vm.0123456789abcdef", f"{directory.path}/.gitignore"
    for path in (half, foreign):
        open(path, "w").close()
    directory.sweep(now=os.stat(half).st_mtime + 10)
    assert os.path.exists(half)
    directory.sweep(now=os.stat(half).st_mtime + 4000)
    assert not os.path.exists(half)
    assert os.path.exists(foreign)


def test_the_default_place_is_the_users_where_the_system_has_none(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("libprobe.state.files.SYSTEM_DIRECTORY", str(tmp_path / "none"))
    assert default_directory() == str(tmp_path / "fedcloud-probes")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    assert default_directory().endswith("/.local/state/fedcloud-probes")
    monkeypatch.setattr("libprobe.state.files.SYSTEM_DIRECTORY", str(tmp_path))
    assert default_directory() == str(tmp_path)
