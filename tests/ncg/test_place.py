"""A directory is replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from libprobe.failures import Misconfigured
from libprobe.ncg.place import MARK, Place


def write(place: Place, **files: str) -> None:
    for name, text in files.items():
        Path(place.staging, name).write_text(text)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with Place(str(tmp_path / "out")) as place:
        write(place, a="old", b="old")
        place.replace()
    return tmp_path / "out"


def test_a_new_directory_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with Place(str(tmp_path / "deep/out")) as place:
        write(place, a="1")
        assert not (tmp_path / "deep/out").exists()
        place.replace()
    assert names(tmp_path / "deep/out") == [MARK, "a"]
    assert names(tmp_path / "deep") == [".out.lock", "out"]


def test_the_old_files_are_gone_after_a_replacement(old: Path) -> None:
    with Place(str(old)) as place:
        write(place, c="new")
        place.replace()
    assert names(old) == [MARK, "c"]
    assert names(old.parent) == [".out.lock", "out"]


def test_there_is_never_an_instant_without_the_directory(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(*_: object) -> None:
        raise AssertionError("renamed where the two could change places at once")

    with Place(str(old)) as place:
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
    with Place(str(old)) as place:
        write(place, c="new")
        place.replace()
    assert names(old) == [MARK, "c"]
    assert names(old.parent) == [".out.lock", "out"]


def test_without_a_replacement_the_old_one_stays_and_nothing_is_left(old: Path) -> None:
    with pytest.raises(RuntimeError), Place(str(old)) as place:
        write(place, c="new")
        raise RuntimeError
    assert names(old) == [MARK, "a", "b"]
    assert names(old.parent) == [".out.lock", "out"]


def test_what_a_killed_run_left_is_removed(old: Path) -> None:
    (old.parent / ".out.new-abc").mkdir()
    (old.parent / ".out.new-abc/file").write_text("half")
    with Place(str(old)):
        assert len([name for name in names(old.parent) if ".new-" in name]) == 1
    assert names(old.parent) == [".out.lock", "out"]


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
    with Place(str(old)) as place:
        write(place, **files)
        assert place.is_unchanged() == same


def test_a_link_to_the_directory_stays_a_link(old: Path) -> None:
    link = old.parent / "link"
    link.symlink_to(old)
    with Place(str(link)) as place:
        write(place, c="new")
        place.replace()
    assert link.is_symlink()
    assert names(old) == [MARK, "c"]


@pytest.mark.parametrize("path", ["/", "/etc", "/etc/passwd"])
def test_what_is_not_ours_is_refused(path: str) -> None:
    with pytest.raises(Misconfigured), Place(path):
        pass


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with Place(str(tmp_path / "out")) as place:
        place.replace()
    assert names(tmp_path / "out") == [MARK]


def test_only_one_run_at_a_time(old: Path) -> None:
    with Place(str(old)), pytest.raises(Misconfigured, match="another fedcloud-ncg is writing"), Place(str(old)):
        pass
