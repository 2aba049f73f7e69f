"""The reader of files that somebody named."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from libprobe import files
from libprobe.failures import BadData, Misconfigured
from libprobe.files import read_if_there, read_parsed, read_small_file


def test_a_file_that_the_user_named_must_be_readable_and_small(tmp_path):
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_small_file(str(tmp_path / "none"), "user_data", 10)
    (tmp_path / "big").write_text("x" * 11)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Misconfigured, match="is a pipe"):
        read_small_file(str(tmp_path / "pipe"), "user_data", 10)
    with pytest.raises(Misconfigured, match="larger than 10 bytes"):
        read_small_file(str(tmp_path / "big"), "user_data", 10)
    assert read_small_file(str(tmp_path / "big"), "user_data", 11) == b"x" * 11


def test_one_that_is_not_there_may_be_none_and_the_sentence_names_what_it_is_to_be(tmp_path):
    assert read_if_there(str(tmp_path / "none"), "settings file", 10) is None
    with pytest.raises(Misconfigured) as raised:
        read_small_file(str(tmp_path / "none"), "settings file", 10)
    assert raised.value.sentence == f"settings file {tmp_path}/none cannot be read: No such file or directory"
    with pytest.raises(Misconfigured) as raised:
        read_if_there(str(tmp_path), "", 10)
    assert raised.value.sentence == f"{tmp_path} cannot be read: Is a directory"


def test_a_device_is_read_as_far_as_the_limit():
    assert read_small_file(os.devnull, "settings file", 10) == b""
    with pytest.raises(Misconfigured, match=r"^/dev/zero is larger than 10 bytes$"):
        read_small_file("/dev/zero", "", 10)


# ---- what was made of a file, kept by a process that runs many checks


class Numbers:
    """A parser that tells how often it was asked, as (content, path, how often)."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, data: bytes, path: str) -> tuple[int, str, int]:
        self.asked += 1
        if not data.isdigit():
            raise BadData(f"{path} is no number")
        return int(data), path, self.asked


@pytest.fixture
def kept(monkeypatch):
    """As in a process of the worker, whose files are settled at once."""
    monkeypatch.setattr(files, "_kept", None)
    monkeypatch.setattr(files, "SETTLED_S", 0.0)
    files.keep_parsed()


def test_what_was_made_of_a_file_holds_as_long_as_the_file_is_the_same(kept, tmp_path):
    path, numbers = tmp_path / "number", Numbers()

    def read() -> tuple[int, str, int] | None:
        return read_parsed(str(path), "", 10, numbers)

    assert read() is None
    path.write_text("7")
    assert read() == read() == (7, str(path), 1)
    path.write_text("12")
    assert read() == (12, str(path), 2)
    other = tmp_path / "other"
    other.write_text("34")
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)
    assert read() == (34, str(path), 3), "another file of the same time and size took its place"
    path.unlink()
    assert read() is None
    path.write_text("eight")
    for _ in range(2):
        with pytest.raises(BadData, match="is no number"):
            read()
    path.write_text("12345678901")
    with pytest.raises(Misconfigured, match="larger than 10 bytes"):
        read()


def test_two_that_read_a_file_for_different_ends_do_not_meet(kept, tmp_path):
    path = tmp_path / "number"
    path.write_text("7")
    assert read_parsed(str(path), "", 10, Numbers()) == (7, str(path), 1)
    assert read_parsed(str(path), "", 10, lambda data, path: data) == b"7"


def test_a_process_that_does_not_say_so_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "_kept", None)
    path, numbers = tmp_path / "number", Numbers()
    path.write_text("7")
    assert [read_parsed(str(path), "", 10, numbers) for _ in range(2)] == [(7, str(path), 1), (7, str(path), 2)]


def test_a_file_that_was_just_written_is_read_again(kept, monkeypatch, tmp_path):
    """The clock of a file system stands still for some milliseconds, in which a file may be written once more."""
    monkeypatch.setattr(files, "SETTLED_S", 3600.0)
    path, numbers = tmp_path / "number", Numbers()
    path.write_text("7")
    assert [read_parsed(str(path), "", 10, numbers) for _ in range(2)] == [(7, str(path), 1), (7, str(path), 2)]


def test_a_file_that_was_just_written_is_not_kept_however_long_it_took_to_read(kept, monkeypatch, tmp_path):
    """It may have been written once more behind the reader, which was stopped, or is on a busy machine."""
    monkeypatch.setattr(files, "SETTLED_S", 2.0)
    path, numbers, late = tmp_path / "number", Numbers(), [0.0]
    monkeypatch.setattr(files, "time", SimpleNamespace(time=lambda: path.stat().st_ctime + late[0]))
    path.write_text("7")

    def slowly(data: bytes, path: str) -> tuple[int, str, int]:
        late[0] += 3600.0
        return numbers(data, path)

    asked = [read_parsed(str(path), "", 10, slowly) for _ in range(3)]
    assert asked == [(7, str(path), 1), (7, str(path), 2), (7, str(path), 2)]


def test_what_is_kept_is_of_the_file_that_was_opened(kept, monkeypatch, tmp_path):
    """A link of a release of CAs may lead to another one while it is read, and back."""
    link = tmp_path / "current"
    for name, content in (("one", "1"), ("other", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "number").write_text(content)

    def lead_to(name: str) -> None:
        link.unlink(missing_ok=True)
        link.symlink_to(name)

    def open_meanwhile(*arguments: Any, really: Any = os.open) -> int:
        lead_to("other")
        try:
            descriptor: int = really(*arguments)
            return descriptor
        finally:
            lead_to("one")

    lead_to("one")
    numbers, path = Numbers(), str(link / "number")
    with monkeypatch.context() as changed:
        changed.setattr(os, "open", open_meanwhile)
        assert read_parsed(path, "", 10, numbers) == (2, path, 1)
    assert read_parsed(path, "", 10, numbers) == (1, path, 2)
    assert read_parsed(path, "", 10, numbers) == (1, path, 2)


def test_a_file_that_does_not_tell_its_size_is_read_again(kept):
    """The kernel's own tell neither that nor when they changed."""
    path, asked = "/proc/self/stat", []
    assert os.stat(path).st_size == 0

    def length(data: bytes, path: str) -> int:
        asked.append(path)
        return len(data)

    assert all(read_parsed(path, "", 4096, length) for _ in range(2))
    assert asked == [path, path]


def test_the_files_of_which_something_is_kept_have_a_size_together(kept, monkeypatch, tmp_path):
    monkeypatch.setattr(files, "MAX_KEPT_BYTES", 10)
    numbers = Numbers()
    for name, size in (("a", 4), ("b", 4), ("c", 4), ("d", 11)):
        (tmp_path / name).write_text("1" * size)
        read_parsed(str(tmp_path / name), "", 20, numbers)
    asked = {}
    for name in ("b", "c", "d", "a"):
        before = numbers.asked
        read_parsed(str(tmp_path / name), "", 20, numbers)
        asked[name] = numbers.asked - before
    assert asked == {"b": 0, "c": 0, "d": 1, "a": 1}
