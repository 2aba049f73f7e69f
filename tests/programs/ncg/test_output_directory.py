"""A directory is replaced as a whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from libprobe.failures import Misconfigured
from libprobe.programs.ncg.output_directory import MARK, OutputDirectory
from tests.conftest import ROOT


def write(place: OutputDirectory, **files: str) -> None:
    for name, text in files.items():
        Path(place.staging, name).write_text(text)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with OutputDirectory(str(tmp_path / "out")) as place:
        write(place, a="old", b="old")
        place.replace()
    return tmp_path / "out"


def test_a_new_directory_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with OutputDirectory(str(tmp_path / "deep/out")) as place:
        write(place, a="1")
        assert not (tmp_path / "deep/out").exists()
        place.replace()
    assert names(tmp_path / "deep/out") == [MARK, "a"]
    assert names(tmp_path / "deep") == ["out"]


def test_the_old_files_are_gone_after_a_replacement(old: Path) -> None:
    with OutputDirectory(str(old)) as place:
        write(place, c="new")
        place.replace()
    assert names(old) == [MARK, "c"]
    assert names(old.parent) == ["out"]


def test_there_is_never_an_instant_without_the_directory(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(*_: object) -> None:
        raise AssertionError("renamed where the two could change places at once")

    with OutputDirectory(str(old)) as place:
        write(place, c="new")
        monkeypatch.setattr(os, "rename", renamed)
        place.replace()
    assert names(old) == [MARK, "c"]


def test_without_the_system_call_two_renames_do_it(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        @staticmethod
        def renameat2(*_: object) -> int:
            import ctypes

            ctypes.set_errno(errno.EINVAL)
            return -1

    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: Library)
    with OutputDirectory(str(old)) as place:
        write(place, c="new")
        place.replace()
    assert names(old) == [MARK, "c"]
    assert names(old.parent) == ["out"]


def test_without_a_replacement_the_old_one_stays_and_nothing_is_left(old: Path) -> None:
    with pytest.raises(RuntimeError), OutputDirectory(str(old)) as place:
        write(place, c="new")
        raise RuntimeError
    assert names(old) == [MARK, "a", "b"]
    assert names(old.parent) == ["out"]


def test_what_a_killed_run_left_is_removed(old: Path) -> None:
    (old.parent / ".out.new-abc").mkdir()
    (old.parent / ".out.new-abc/file").write_text("half")
    with OutputDirectory(str(old)):
        assert len([name for name in names(old.parent) if ".new-" in name]) == 1
    assert names(old.parent) == ["out"]


@pytest.mark.parametrize(
    ("files", "same"),
    [
        ({"a": "old", "b": "old"}, True),
        ({"a": "old", "b": "new"}, False),
        ({"a": "old"}, False),
        ({"a": "old", "b": "old", "c": ""}, False),
    ],
)
def test_it_is_known_whether_anything_changed(old: Path, files: dict[str, str], same: bool) -> None:
    with OutputDirectory(str(old)) as place:
        write(place, **files)
        assert place.is_unchanged() == same


def test_a_link_to_the_directory_stays_a_link(old: Path) -> None:
    link = old.parent / "link"
    link.symlink_to(old)
    with OutputDirectory(str(link)) as place:
        write(place, c="new")
        place.replace()
    assert link.is_symlink()
    assert names(old) == [MARK, "c"]


@pytest.mark.parametrize("path", ["/", "/etc", "/etc/passwd"])
def test_what_is_not_ours_is_refused(path: str) -> None:
    with pytest.raises(Misconfigured), OutputDirectory(path):
        pass


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with OutputDirectory(str(tmp_path / "out")) as place:
        place.replace()
    assert names(tmp_path / "out") == [MARK]


def test_only_one_run_at_a_time(old: Path) -> None:
    with (
        OutputDirectory(str(old)),
        pytest.raises(Misconfigured, match="another fedcloud-ncg is writing"),
        OutputDirectory(str(old)),
    ):
        pass


def test_a_run_that_comes_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), OutputDirectory(str(tmp_path / "deep/er/out")):
        assert names(tmp_path / "deep/er")[0] == ".out.lock"
        raise RuntimeError
    assert names(tmp_path) == []


def test_one_that_is_turned_away_does_not_take_the_lock_of_another(old: Path) -> None:
    with OutputDirectory(str(old)):
        for _ in range(2):
            with pytest.raises(Misconfigured, match="another fedcloud-ncg"), OutputDirectory(str(old)):
                pass
        assert ".out.lock" in names(old.parent)
    assert names(old.parent) == ["out"]


def test_a_lock_whose_file_went_with_its_holder_is_taken_anew(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening and the locking of the file its holder ends, and a third run makes a new one."""
    flock, ended = fcntl.flock, []
    first = OutputDirectory(str(old)).__enter__()

    def late(descriptor: int, operation: int) -> None:
        if not ended:
            ended.append(descriptor)
            first.__exit__(None, None, None)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with (
        OutputDirectory(str(old)),
        pytest.raises(Misconfigured, match="another fedcloud-ncg"),
        OutputDirectory(str(old)),
    ):
        pass
    assert ended
    assert names(old.parent) == ["out"]


CROWD = """
import os, sys
from libprobe.failures import Misconfigured
from libprobe.programs.ncg.output_directory import OutputDirectory
done = turned_away = 0
while done < 40:
    try:
        with OutputDirectory(sys.argv[1]):
            os.close(os.open(sys.argv[2], os.O_CREAT | os.O_EXCL))  # fails if another holds the lock too
            os.unlink(sys.argv[2])
        done += 1
    except Misconfigured as error:
        assert "another fedcloud-ncg is writing" in str(error), error
        turned_away += 1
print(done)
"""


def test_of_many_runs_side_by_side_one_at_a_time_has_the_lock(tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", CROWD, tmp_path / "deep/out", tmp_path / "inside"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    assert [run.communicate() for run in runs] == [("40\n", "")] * 4
    # the directory stays if the run that made it ended while another was busy in it
    assert [path for path in tmp_path.rglob("*") if path.name != "deep"] == []
