from __future__ import annotations

import errno
import fcntl
import gc
import os
import pwd
import stat

import pytest

from libprobe.failures import Misconfigured
from libprobe.state.files import SYSTEM_DIRECTORY, StateDirectory, default_directory
from tests.conftest import ROOT


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


# ---- what is promised of each access, and what is said where it cannot be kept


def test_a_directory_that_cannot_be_opened_is_named_with_the_reason_and_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured) as caught:
        StateDirectory(str(tmp_path / "file"))
    assert caught.value.sentence == f"state directory {tmp_path}/file cannot be opened: Not a directory"
    assert caught.value.remedy == "repair it or give --state-dir"


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_directory_that_the_group_or_others_may_write_is_refused_with_what_mends_it(tmp_path, mode):
    (tmp_path / "open").mkdir()
    os.chmod(tmp_path / "open", mode)
    with pytest.raises(Misconfigured) as caught:
        StateDirectory(str(tmp_path / "open"))
    assert caught.value.sentence == f"state directory {tmp_path}/open can be written by others"
    assert caught.value.remedy == f"chmod 700 {tmp_path}/open"
    os.chmod(tmp_path / "open", 0o755)
    StateDirectory(str(tmp_path / "open"))


def test_a_directory_of_somebody_else_is_named_with_whose_it_is(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(Misconfigured) as caught:
        StateDirectory(str(tmp_path / "theirs"))
    owner = os.stat(tmp_path / "theirs").st_uid
    assert caught.value.sentence == f"state directory {tmp_path}/theirs belongs to uid {owner}, not to us"
    assert caught.value.remedy == "give another --state-dir"


def open_descriptors() -> set[str]:
    gc.collect()  # what other tests have left is not closed in between
    return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


def test_no_descriptor_is_left_open_nor_inherited(tmp_path):
    before = open_descriptors()
    directory = StateDirectory(str(tmp_path / "state"))
    directory.write("one", b"x")
    os.mkdir(f"{directory.path}/folder")
    assert directory.read("one", 9) == b"x"
    assert directory.read("folder", 9) is None
    assert directory.open_locked("folder") is None
    held = directory.write_locked("two", b"x")
    assert directory.open_locked("two") is None
    assert [os.get_inheritable(each) for each in (held, directory._fd)] == [False, False]
    os.close(held)
    again = directory.open_locked("two")
    assert again is not None
    assert not os.get_inheritable(again)
    os.close(again)
    directory.close()
    directory.close()
    os.chmod(directory.path, 0o777)
    with pytest.raises(Misconfigured):
        StateDirectory(directory.path)
    del directory
    assert open_descriptors() <= before


def test_names_are_listed_in_order_by_their_ending_and_without_what_is_half_written(directory):
    for name in ("b.vm", "a.vm", ".c.vm", "d.server"):
        directory.write(name, b"")
    assert directory.list_names(".vm") == ["a.vm", "b.vm"]


def test_of_too_many_names_the_first_are_listed(directory, monkeypatch):
    monkeypatch.setattr("libprobe.state.files.MAX_FILES", 2)
    for name in ("c.vm", "b.vm", "a.vm"):
        directory.write(name, b"")
    assert directory.list_names(".vm") == ["a.vm", "b.vm"]


def test_a_file_of_just_the_limit_is_read_and_a_larger_one_is_not(directory):
    directory.write("one", b"abc")
    assert (directory.read("one", 3), directory.read("one", 2)) == (b"abc", None)


def test_what_is_no_file_is_neither_read_nor_waited_for(directory):
    os.mkfifo(f"{directory.path}/pipe")
    assert directory.read("pipe", 9) is None
    assert directory.open_locked("pipe") is None


def test_when_a_file_was_written_is_told_of_a_link_itself(directory, tmp_path):
    directory.write("one", b"x")
    os.utime(f"{directory.path}/one", (1, 1_500_000_000))
    os.symlink("one", f"{directory.path}/link")
    assert directory.modified_at("one") == 1_500_000_000
    assert (directory.modified_at("link") or 0) > 1_500_000_000
    assert directory.modified_at("none") is None


def test_what_others_hold_or_have_replaced_meanwhile_is_not_opened(directory, monkeypatch):
    assert directory.open_locked("none") is None
    directory.write("one", b"old")
    real = fcntl.flock

    def replaced_before_we_hold_it(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        directory.write("one", b"new")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replaced_before_we_hold_it)
    assert directory.open_locked("one") is None
    held = directory.open_locked("one")
    assert held is not None
    assert os.read(held, 9) == b"new"
    os.write(held, b"er")  # what is noted goes to the end
    os.close(held)
    assert directory.read("one", 9) == b"newer"


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_file_that_cannot_be_written_leaves_nothing_and_says_why(directory, monkeypatch, exclusive):
    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    before = open_descriptors()
    monkeypatch.setattr("libprobe.state.files.write_all", full)
    with pytest.raises(Misconfigured) as caught:
        directory.write_locked("one", b"abc", exclusive=exclusive)
    assert caught.value.sentence == f"state directory {directory.path} cannot be written: No space left on device"
    assert os.listdir(directory.path) == []
    assert open_descriptors() <= before


def test_a_name_that_is_taken_is_told_as_such_and_nothing_of_ours_stays(directory):
    before = open_descriptors()
    directory.write("one", b"x")
    with pytest.raises(FileExistsError):
        directory.write_locked("one", b"y", exclusive=True)
    assert open_descriptors() <= before
    assert [name for name in os.listdir(directory.path) if name.startswith(".")] == []


def test_what_cannot_be_read_gets_another_name_that_is_not_too_long(directory):
    long = "x" * 255
    with open(f"{directory.path}/{long}", "w") as file:
        file.write("kept")
    assert directory.set_aside(long)
    assert os.listdir(directory.path) == ["x" * 200 + ".unreadable"]
    assert not directory.set_aside(long)


def test_what_is_forgotten_is_on_disk_as_such_and_absent_is_as_good(directory, monkeypatch):
    directory.write("one", b"x")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    directory.forget("one")
    directory.remove("one")
    assert os.listdir(directory.path) == []
    assert synced == [directory.path]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda it: it.list_names(""), "cannot be listed"),
        (lambda it: it.read("one", 9), "holds one, which cannot be opened"),
        (lambda it: it.write("one", b""), "cannot be written"),
        (lambda it: it.set_aside("one"), "does not allow to rename one"),
        (lambda it: it.remove("one"), "does not allow to remove one"),
        (lambda it: it.forget("one"), "does not allow to remove one"),
    ],
)
def test_each_access_that_the_system_refuses_is_told_with_its_reason(directory, monkeypatch, call, told):
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    for name in ("listdir", "open", "rename", "unlink"):
        monkeypatch.setattr(os, name, refused)
    with pytest.raises(Misconfigured) as caught:
        call(directory)
    assert caught.value.sentence == f"state directory {directory.path} {told}: Input/output error"
    assert caught.value.remedy == "repair it or give --state-dir"
    directory.sweep(0.0)  # which is only tidiness
    assert directory.open_locked("one") is None


def test_half_written_files_are_swept_after_an_hour(directory):
    half = f"{directory.path}/.one.vm.0123456789abcdef"
    open(half, "w").close()
    os.utime(half, (1000, 1000))
    directory.sweep(now=1000 + 3600)
    assert os.path.exists(half)
    os.mkdir(f"{directory.path}/.a.0123456789abcdef")  # which is not ours to remove, and in nobody's way
    directory.sweep(now=1000 + 3601)
    assert os.listdir(directory.path) == [".a.0123456789abcdef"]


def test_everything_is_written_even_where_the_system_takes_it_in_pieces(directory, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:2]))
    directory.write("one", b"abcde")
    assert directory.read("one", 9) == b"abcde"


def test_a_user_without_a_home_or_a_name_has_a_place_that_cannot_be_made(monkeypatch):
    monkeypatch.setattr("libprobe.state.files.SYSTEM_DIRECTORY", "/nonexistent/system")
    for name in ("XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(_: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert default_directory() == "/nonexistent/.local/state/fedcloud-probes"
    monkeypatch.setenv("HOME", "/home/nagios")
    assert default_directory() == "/home/nagios/.local/state/fedcloud-probes"


def test_the_systems_place_is_for_its_owner_only(monkeypatch, tmp_path):
    monkeypatch.setattr("libprobe.state.files.SYSTEM_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert default_directory() == "/state/fedcloud-probes"


def test_the_systems_place_is_the_one_that_the_packages_make():
    assert f"chmod 700 {SYSTEM_DIRECTORY}\n" in (ROOT / "debian/fedcloud-probes.postinst").read_text()
