from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from libprobe import files, redact
from libprobe.failures import Misconfigured
from libprobe.probe import door
from libprobe.probe.settings import read_settings


def written(tmp_path, text: str | bytes) -> str:
    path = tmp_path / "probes.ini"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_values_are_read_and_absent_ones_have_their_default(tmp_path):
    settings = read_settings(written(tmp_path, "[gocdb]\nurl = https://goc.example.org/\ncache_hours = 2.5\n"))
    assert settings.get("gocdb", "url") == "https://goc.example.org/"
    assert settings.number("gocdb", "cache_hours", 1) == 2.5
    assert settings.get("tls", "ca_path", "/x") == "/x"
    assert settings.flag("http", "proxy_from_environment") is False


def test_the_environment_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDCLOUD_PROBES_CONFIG", written(tmp_path, "[tls]\nca_path = /certs\n"))
    assert read_settings().get("tls", "ca_path") == "/certs"


def test_a_byte_order_mark_is_no_part_of_the_first_section(tmp_path, monkeypatch):
    """An editor of another system begins a file with one; it is not to be seen. The door reads the file by itself."""
    path = written(tmp_path, b"\xef\xbb\xbf[worker]\nsocket = /run/ours\n")
    assert read_settings(path).get("worker", "socket") == "/run/ours"
    monkeypatch.delenv(door.ENVIRONMENT, raising=False)
    assert door.socket_path(["--config", path]) == "/run/ours"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gocbd]\nurl = x\n", "has an unknown section: [gocbd]; did you mean gocdb?"),
        ("[gocdb]\nulr = x\n", "has an unknown key in [gocdb]: 'ulr'; did you mean url?"),
        ("url = x\n", ": line 1 comes before the first [section]"),
        ("[gocdb]\nurl = a\nurl = b\n", ": line 3 sets a key for the second time"),
        (b"[gocdb]\nurl = \xff\n", "is not UTF-8"),
        ("[gocdb]\nurl = " + "x" * 70000, "is larger than 65536 bytes"),
    ],
)
def test_a_broken_file_is_refused_with_its_fault(tmp_path, text, said):
    with pytest.raises(Misconfigured, match="settings file") as caught:
        read_settings(written(tmp_path, text))
    assert said in str(caught.value)


@examples(max_examples=50)
@given(st.text(max_size=200) | st.text(alphabet="[]gocdbtls url=:;#%\n ", max_size=60))
def test_any_file_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.ini"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = read_settings(str(path))
    except Misconfigured:
        return
    assert isinstance(found.get("gocdb", "url"), str)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Misconfigured, match="is a pipe"):
        read_settings(str(tmp_path / "pipe"))


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(Misconfigured, match="does not exist"):
        read_settings(str(tmp_path / "none.ini"))


@pytest.mark.parametrize("text", ["maybe", "2"])
def test_a_flag_is_yes_or_no(tmp_path, text):
    settings = read_settings(written(tmp_path, f"[http]\nproxy_from_environment = {text}\n"))
    with pytest.raises(Misconfigured, match="not yes or no"):
        settings.flag("http", "proxy_from_environment")


@pytest.mark.parametrize("text", ["-1", "nan", "1e9", "often"])
def test_a_number_is_plain_and_not_negative(tmp_path, text):
    settings = read_settings(written(tmp_path, f"[gocdb]\ncache_hours = {text}\n"))
    with pytest.raises(Misconfigured, match="cache_hours"):
        settings.number("gocdb", "cache_hours", 1)


@pytest.mark.parametrize(
    "text", ["[DEFAULT]\n", "[DEFAULT]\nca_path = /somewhere\n", "[tls]\n[DEFAULT]\nca_path = x\n"]
)
def test_a_section_default_is_refused_for_its_values_would_hold_nowhere(tmp_path, text):
    path = tmp_path / "probes.ini"
    path.write_text(text)
    with pytest.raises(Misconfigured, match="has an unknown section"):
        read_settings(str(path))


def test_a_secret_of_settings_that_are_kept_is_known_to_each_check(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_kept", {})
    monkeypatch.setattr(files, "SETTLED_S", 0.0)
    secret = "eyJhbGciOiJub25lIn0eyJzdWIiOiJyb2JvdCJ9"
    path = written(tmp_path, f"[appdb]\nurl = https://appdb.test/list?access_token={secret}\n")
    found = read_settings(path)
    assert redact.blank(f"asked with {secret}") == "asked with [secret]"
    redact.forget_secrets()
    assert read_settings(path) is found
    assert redact.blank(f"asked with {secret}") == "asked with [secret]"
    redact.forget_secrets()
