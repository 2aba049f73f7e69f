"""The reader of files that somebody named."""

from __future__ import annotations

import os

import pytest

from libprobe.failures import Misconfigured
from libprobe.files import read_if_there, read_small_file


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
