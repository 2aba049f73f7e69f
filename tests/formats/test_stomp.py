"""STOMP frames as brokers send them, in any pieces, and what is none."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import stomp
from libprobe.formats.stomp import Frame, FrameReader


def read(data: bytes, version: str = "1.2") -> list[Frame]:
    reader = FrameReader()
    reader.version = version
    return list(reader.feed(data))


def test_a_frame_is_command_headers_and_body():
    assert read(b"MESSAGE\nmessage-id:7\nack:a\n\nhello\0") == [
        Frame("MESSAGE", {"message-id": "7", "ack": "a"}, b"hello")
    ]


def test_a_real_answer_to_connect_is_read():
    [frame] = read(
        b"CONNECTED\nserver:RabbitMQ/3.10.8\nsession:session-h8GnWwqG_NbhAF6VgQ-l1g\nheart-beat:0,0\nversion:1.2\n\n\0\n"
    )
    assert frame.headers["server"] == "RabbitMQ/3.10.8"
    assert frame.headers["version"] == "1.2"


def test_lines_may_end_in_carriage_return_and_line_feed():
    assert read(b"\r\nRECEIPT\r\nreceipt-id:7\r\n\r\n\0\r\n") == [Frame("RECEIPT", {"receipt-id": "7"}, b"")]


def test_a_body_with_nuls_is_as_long_as_its_content_length():
    frames = read(b"MESSAGE\ncontent-length:3\n\na\0b\0\n\nRECEIPT\nreceipt-id:1\n\n\0")
    assert [frame.body for frame in frames] == [b"a\0b", b""]


def test_heartbeats_are_nothing():
    assert read(b"\n" * 1000 + b"\r\n") == []


def test_the_first_of_several_headers_with_one_name_counts():
    assert read(b"ERROR\nmessage:first\nmessage:second\n\n\0")[0].headers == {"message": "first"}


@pytest.mark.parametrize(
    ("version", "name", "value"),
    [
        ("1.2", "a:b", "c\\d\n\r\\t"),
        ("1.1", "a:b", "c\\d\n\r\\t"),
        ("1.0", "a\\cb", "c\\\\d\\n\\r\\t"),
    ],
)
def test_escapes_are_undone_from_1_1_on_and_unknown_ones_left(version, name, value):
    [frame] = read(b"MESSAGE\na\\cb:c\\\\d\\n\\r\\t\n\n\0", version)
    assert frame.headers == {name: value}


def test_connected_has_no_escapes():
    assert read(b"CONNECTED\nsession:a\\cb\n\n\0")[0].headers == {"session": "a\\cb"}


def test_1_0_allows_blanks_around_a_value():
    assert read(b"MESSAGE\nmessage-id: 7 \n\n\0", "1.0")[0].headers == {"message-id": "7"}
    assert read(b"MESSAGE\nmessage-id: 7 \n\n\0", "1.2")[0].headers == {"message-id": " 7 "}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", '"HTTP/1.1 400 Bad Request" instead of STOMP'),
        (b"SSH-2.0-OpenSSH_9.2\r\n", '"SSH-2.0-OpenSSH_9.2" instead of STOMP'),
        (b"SEND\ndestination:/queue/a\n\n\0", '"SEND destination:/queue/a" instead of STOMP'),
        (b"MESSAGES\n\n\0", '"MESSAGES" instead of STOMP'),
        (b"\xff\xfe", '"\ufffd\ufffd" instead of STOMP'),
        (b"MESSAGE\nno colon here\n\n\0", 'MESSAGE frame with the line "no colon here", which is not a header'),
        (b"MESSAGE\ncontent-length:x\n\n\0", 'frame with the content-length "x"'),
        (b"MESSAGE\ncontent-length:-1\n\n\0", 'frame with the content-length "-1"'),
        (
            b"MESSAGE\ncontent-length:1\n\nab\0",
            "MESSAGE frame longer than its content-length",
        ),
        (b"MESSAGE\ncontent-length:99999999\n\n", "frame with a body of more than 256 KiB"),
        (b"MESSAGE\n" + b"a:b\n" * 300 + b"\n\0", "MESSAGE frame with more than 200 headers"),
        (b"MESSAGE\na:" + b"x" * 20000, "frame with headers of more than 16 KiB"),
        (b"MESSAGE\n\n" + b"x" * 300000, "frame with a body of more than 256 KiB"),
    ],
)
def test_what_is_no_stomp_or_too_large_is_refused_with_the_reason(data, reason):
    with pytest.raises(BadData) as raised:
        read(data)
    assert raised.value.sentence == reason


def test_what_is_no_stomp_is_refused_as_soon_as_it_is_certain():
    reader = FrameReader()
    assert [list(reader.feed(bytes([byte]))) for byte in b"MESS"] == [[]] * 4
    with pytest.raises(BadData):
        list(reader.feed(b"E"))


def test_an_endless_frame_does_not_eat_memory():
    reader = FrameReader()
    tracemalloc.start()
    with pytest.raises(BadData):
        for _ in range(10_000):
            list(reader.feed(b"x" * 16384 if reader._buffer else b"MESSAGE\n\n"))
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20)


@given(
    st.lists(st.tuples(st.dictionaries(TEXT.filter(bool), TEXT, max_size=5), st.binary(max_size=50)), max_size=4),
    st.integers(1, 40),
)
def test_frames_are_read_the_same_in_any_pieces(contents, size):
    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n").replace(":", "\\c")

    expected, data = [], b""
    for headers, body in contents:
        headers = {name.strip(): value for name, value in headers.items() if name.strip()}
        headers["content-length"] = str(len(body))
        expected.append(Frame("MESSAGE", headers, body))
        lines = "".join(f"{escaped(name)}:{escaped(value)}\n" for name, value in headers.items())
        data += b"MESSAGE\n" + lines.encode() + b"\n" + body + b"\0\n"
    reader = FrameReader()
    reader.version = "1.2"
    found = [frame for at in range(0, len(data), size) for frame in reader.feed(data[at : at + size])]
    assert found == expected


@given(st.lists(st.binary(max_size=60), max_size=6))
@example([b"MESSAGE\n", b"\n\0"])
@example([b"ERROR\ncontent-length:2\n\n", b"a"])
def test_any_bytes_give_frames_or_bad_data(pieces):
    reader = FrameReader()
    with contextlib.suppress(BadData):
        for piece in pieces:
            assert all(frame.command in stomp.COMMANDS for frame in reader.feed(piece))
