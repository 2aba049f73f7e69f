"""What Perun says of itself, then and now."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.perun import PerunError, PerunReport, read_answer

OF_2015 = [
    "Version of PerunDB: 3.1.27",
    "Version of Servlet: Apache Tomcat/7.0.28",
    "Version of DB-driver: PostgreSQL Native Driver-9.4",
    "Version of DB: PostgreSQL-9.4.5",
    "Version of Java platform: 1.7.0_85",
    "AuditerConsumer: 'ldapcConsumer' with last processed id='1203'",
    "AuditerConsumer: '127.0.0.1:6071' with last processed id='1198'",
    "LastMessageId: 1204",
    "Timestamp: 2015-11-30 10:12:30.99",
]


def read(document: object) -> PerunReport | PerunError:
    return read_answer(json.dumps(document).encode())


def test_the_status_of_2015_is_read():
    status = read(OF_2015)
    assert isinstance(status, PerunReport)
    assert (status.database_version, status.version, status.last_message) == ("3.1.27", "", 1204)
    assert status.lags() == {"ldapcConsumer": 1, "127.0.0.1:6071": 6}
    assert status.lines == OF_2015


def test_perun_says_its_own_version_since_2019():
    assert read(["Version of Perun: 3.7.0", *OF_2015]).version == "3.7.0"


def test_a_consumer_ahead_of_the_newest_message_lags_by_nothing():
    assert read([OF_2015[0], OF_2015[5], "LastMessageId: 1200"]).lags() == {"ldapcConsumer": 0}


def test_without_a_newest_message_there_is_no_lag():
    assert read([OF_2015[0], OF_2015[5]]).lags() == {}


@pytest.mark.parametrize("error_id", ["1506a4", 7])
def test_an_object_with_an_error_id_is_an_error(error_id):
    document = {"errorId": error_id, "name": "PrivilegeException", "message": "nobody\nknows <you>"}
    assert read(document) == PerunError(str(error_id), "PrivilegeException", "nobody knows <you>")


def test_an_error_may_say_little():
    assert read({"errorId": "1"}) == PerunError("1", "unnamed error", "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty answer"),
        (b"<html>", 'answer that is not JSON; it begins "<html>"'),
        (b"[" * 100_000, 'answer that is not JSON; it begins "' + "[" * 27 + '..."'),
        (b"{}", 'neither a status nor an error of Perun; it begins "{}"'),
        (b"7", 'neither a status nor an error of Perun; it begins "7"'),
        (b"null", 'neither a status nor an error of Perun; it begins "null"'),
        (b"[7]", 'no list of at most 2000 lines; it begins "[7]"'),
        (b"[]", "no line `Version of PerunDB`"),
        (b'["Version of PerunDB: .."]', 'PerunDB version ".." (not three numbers)'),
        (b'["Version of PerunDB: 3.1"]', 'PerunDB version "3.1" (not three numbers)'),
        (b'["Version of PerunDB: 3.1.x"]', 'PerunDB version "3.1.x" (not three numbers)'),
        (
            '["Version of PerunDB: ٣.١.٢"]'.encode(),
            'PerunDB version "٣.١.٢" (not three numbers)',
        ),
    ],
)
def test_anything_else_is_refused_with_the_reason(body, reason):
    with pytest.raises(BadData) as raised:
        read_answer(body)
    assert raised.value.sentence == reason


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.sampled_from(OF_2015),
        lambda each: st.lists(each) | st.dictionaries(st.sampled_from(["errorId", "name", "message", "x"]), each),
    )
)
def test_any_document_gives_an_answer_or_bad_data(document):
    with contextlib.suppress(BadData):
        assert isinstance(read(document), PerunReport | PerunError)


@given(st.binary())
def test_any_bytes_give_an_answer_or_bad_data(body):
    with contextlib.suppress(BadData):
        read_answer(body)
