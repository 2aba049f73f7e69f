"""The messages between Nagios and a worker: what Nagios sends is read or refused, what is sent it can read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import wproc

MESSAGE = b"job_id=7\0type=0\0command=/opt/check_x -H y -u 'https://y/?a=b'\0timeout=60"


def pairs(message: bytes) -> dict[bytes, bytes]:
    assert message.endswith(wproc.END)
    return dict(pair.split(b"=", 1) for pair in message[: -len(wproc.END)].split(b"\0"))


def test_a_registration_names_one_plugin_and_ends_in_nul():
    assert wproc.registration("n", "/opt/check_x", 5) == b"@wproc register name=n;max_jobs=5;plugin=/opt/check_x\0"


@pytest.mark.parametrize("path", ["/opt/a b/check_x", "/opt/a;b/check_x", "/opt/a=b", "/opt/\0x", "/opt/\nx"])
def test_a_path_that_nagios_cannot_match_is_refused(path):
    with pytest.raises(BadData):
        wproc.registration("n", path, 5)


def test_an_order_is_read_with_the_equals_signs_of_its_command():
    order = wproc.read_order(MESSAGE)
    assert (order.key, order.type, order.timeout) == (b"7", b"0", 60.0)
    assert order.command == b"/opt/check_x -H y -u 'https://y/?a=b'"
    assert order.environment == []


def test_the_environment_is_kept_in_order():
    order = wproc.read_order(MESSAGE + b"\0env=NAGIOS_A=1\0env=NAGIOS_B=x=y")
    assert order.environment == [b"NAGIOS_A=1", b"NAGIOS_B=x=y"]


@pytest.mark.parametrize(
    "message", [b"", b"job_id=1", b"command=x", b"job_id=1\0command=x\0timeout=soon", b"job_id=1\0command=x\0nonsense"]
)
def test_what_is_no_order_is_refused(message):
    with pytest.raises(BadData):
        wproc.read_order(message)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_order_or_bad_data(message):
    try:
        assert wproc.read_order(message).timeout >= 0
    except BadData:
        pass


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_output_can_end_a_message_or_begin_a_pair(out, err):
    message = wproc.result(wproc.read_order(MESSAGE), 1.0, 2.5, 512, out, err)
    assert message.count(wproc.END) == 1
    found = pairs(message)
    assert list(found) == [
        *(b"job_id", b"type", b"start", b"stop", b"runtime", b"exited_ok", b"wait_status", b"outstd", b"outerr")
    ]
    assert (found[b"job_id"], found[b"wait_status"], found[b"runtime"]) == (b"7", b"512", b"1.500000")


def test_a_clock_that_was_set_back_gives_no_negative_runtime():
    assert pairs(wproc.result(wproc.read_order(MESSAGE), 9.0, 2.5, 0, b""))[b"runtime"] == b"0.000000"


def test_a_time_out_is_said_in_nagios_own_way():
    found = pairs(wproc.timed_out(wproc.read_order(MESSAGE), 1.0, 61.0))
    assert (found[b"exited_ok"], found[b"error_code"]) == (b"0", b"62")
