"""Results as ARGO's own publisher hands them on: byte for byte what Avro's libraries make of its schema."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone

import avro.io
import avro.schema
import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats.metric_data import MAX_FIELD, MAX_PERFORMANCE, write_metric_data
from libprobe.formats.metric_result import MAX_DETAILS, MAX_SUMMARY, STATUSES, MetricResult
from libprobe.state.spool import MAX_MESSAGE_BYTES
from tests.federation.consumer import METRIC_DATA

SCHEMA = fastavro.parse_schema(METRIC_DATA)
AVRO = avro.schema.parse(json.dumps(METRIC_DATA))
AT = datetime(2015, 11, 30, 10, 12, 30, tzinfo=UTC)
RESULT = MetricResult(
    hostname="cloud.example.org",
    service_type="eu.egi.cloud.vm-management.occi",
    metric="eu.egi.cloud.OCCI-VM",
    status="CRITICAL",
    summary="OCCI-VM CRITICAL - quota used up",
    timestamp=AT,
    site="EXAMPLE-CLOUD",
    details="VM: none\nsize: small",
    gathered_at="nagios.example.org",
    vo="ops",
    fqan="/ops/Role=NULL",
    roc="AsiaPacific",
    performance="'time to active'=12.5s;60;120",
)


def read(data: bytes) -> dict:
    stream = io.BytesIO(data)
    record = fastavro.schemaless_reader(stream, SCHEMA, None)
    assert stream.read() == b"", "bytes behind the record"
    return record


def test_a_result_is_the_record_that_argo_expects():
    attributes, data = write_metric_data(RESULT)
    assert attributes == {"type": "metric_data", "partition_date": "2015-11-30"}
    assert read(data) == {
        "timestamp": "2015-11-30T10:12:30Z",
        "service": "eu.egi.cloud.vm-management.occi",
        "hostname": "cloud.example.org",
        "metric": "eu.egi.cloud.OCCI-VM",
        "status": "CRITICAL",
        "monitoring_host": "nagios.example.org",
        "actual_data": "'time to active'=12.5s;60;120",
        "summary": "OCCI-VM CRITICAL - quota used up",
        "message": "VM: none\\nsize: small",
        "tags": {
            "vofqan": "/ops/Role=NULL",
            "voname": "ops",
            "roc": "AsiaPacific",
            "endpoint_group": "EXAMPLE-CLOUD",
        },
    }


def test_what_is_not_known_is_null_and_tags_are_a_map_where_any_text_is_known():
    bare = MetricResult("h", "t", "m", "OK", "", AT)
    record = read(write_metric_data(bare)[1])
    assert [record[name] for name in ("monitoring_host", "actual_data", "summary", "message", "tags")] == [None] * 5
    assert read(write_metric_data(bare._replace(summary="fine"))[1])["tags"] == {}
    assert read(write_metric_data(bare._replace(roc="X"))[1])["tags"] == {"roc": "X"}


texts = st.text(max_size=200)


@given(
    st.builds(
        MetricResult,
        hostname=st.text("abc.é日🙂", min_size=1, max_size=200),
        service_type=st.text("abc", min_size=1),
        metric=st.text("abc", min_size=1),
        status=st.sampled_from(STATUSES),
        summary=texts,
        timestamp=st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),
        site=texts,
        details=st.text(max_size=400),
        gathered_at=texts,
        vo=texts,
        fqan=texts,
        roc=texts,
        performance=texts,
    )
)
def test_any_result_is_the_same_bytes_as_those_of_both_libraries(result):
    data = write_metric_data(result)[1]
    record = read(data)
    by_fastavro, by_avro = io.BytesIO(), io.BytesIO()
    fastavro.schemaless_writer(by_fastavro, SCHEMA, record)
    avro.io.DatumWriter(AVRO).write(record, avro.io.BinaryEncoder(by_avro))
    assert data == by_fastavro.getvalue() == by_avro.getvalue()
    assert avro.io.DatumReader(AVRO).read(avro.io.BinaryDecoder(io.BytesIO(data))) == record


def test_line_breaks_are_as_nagios_writes_them_and_nothing_else_ends_a_line():
    record = read(
        write_metric_data(RESULT._replace(details="a\r\nb\x0bc\u2028d\n\x1b[31me", performance="x=1\ny=2"))[1]
    )
    assert record["message"] == "a\\nb c d\\ne"
    assert record["actual_data"] == "x=1 y=2"


def test_texts_are_bounded_and_fit_into_the_spool():
    wide = "\U0001f642"
    large = RESULT._replace(
        summary=wide * 9_000, details=wide * 90_000, performance=wide * 90_000, site=wide * 9_000, fqan=wide * 9_000
    )
    data = write_metric_data(large)[1]
    record = read(data)
    assert record["summary"] == wide * MAX_SUMMARY
    assert record["message"] == wide * MAX_DETAILS
    assert record["actual_data"] == wide * MAX_PERFORMANCE
    assert record["tags"]["endpoint_group"] == wide * MAX_FIELD
    assert len(data) * 4 // 3 + 1000 < MAX_MESSAGE_BYTES


def test_the_day_is_that_of_the_result_in_utc():
    late = datetime(2015, 12, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
    attributes, data = write_metric_data(RESULT._replace(timestamp=late))
    assert attributes["partition_date"] == "2015-11-30"
    assert read(data)["timestamp"] == "2015-11-30T22:30:00Z"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"status": "PENDING"},
            "the status of a metric result is 'PENDING', not one of OK, WARNING, CRITICAL, UNKNOWN",
        ),
        ({"hostname": "", "metric": ""}, "the metric result has no hostname and no metric"),
        ({"service_type": " "}, "the metric result has no service type"),
        ({"timestamp": datetime(2015, 1, 1)}, "the time of the metric result has no time zone"),
    ],
)
def test_what_is_no_result_is_refused(change, sentence):
    with pytest.raises(BadData, match=f"^{sentence}$"):
        write_metric_data(RESULT._replace(**change))
