from __future__ import annotations

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libprobe.failures import BadData
from libprobe.formats import avro

TEXT = st.text(max_size=20)
OPTIONAL = ["null", "string"]
SCHEMA = {
    "namespace": "argo.avro",
    "type": "record",
    "name": "metric_data",
    "fields": [
        *({"name": name, "type": "string"} for name in ("timestamp", "service", "hostname", "metric", "status")),
        *({"name": name, "type": OPTIONAL} for name in ("monitoring_host", "summary", "message")),
        {"name": "tags", "type": ["null", {"name": "Tags", "type": "map", "values": OPTIONAL}]},
    ],
}
"""Of ARGO's metric results, by its fields."""


def written(records, schema=SCHEMA, codec="null"):
    file = io.BytesIO()
    fastavro.writer(file, fastavro.parse_schema(schema), records, codec=codec, sync_interval=200)
    return file.getvalue()


def result(**more):
    texts = dict.fromkeys(("timestamp", "service", "hostname", "metric", "status"), "x")
    return {**texts, "monitoring_host": None, "summary": "said", "message": None, "tags": {"a": None, "b": "c"}, **more}


def read(data):
    return list(avro.read_records(io.BytesIO(data).read))


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_records_are_those_that_another_library_wrote(codec):
    records = [result(summary=f"said {number}", tags=None if number % 2 else {}) for number in range(50)]
    assert read(written(records, codec=codec)) == records


EVERYTHING = {
    "type": "record",
    "name": "r",
    "fields": [
        {"name": "a", "type": "long"},
        {"name": "b", "type": "boolean"},
        {"name": "c", "type": "double"},
        {"name": "d", "type": {"type": "array", "items": "bytes"}},
        {"name": "e", "type": {"type": "enum", "name": "en", "symbols": ["x", "y"]}},
        {"name": "f", "type": ["null", "en"]},
    ],
}


@given(st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False), st.lists(st.binary(max_size=9)))
def test_values_of_each_type(a, b, c, d):
    record = {"a": a, "b": b, "c": c, "d": d, "e": "y", "f": "x"}
    assert read(written([record], EVERYTHING)) == [record]


@given(st.data())
def test_a_damaged_file_is_refused_or_read(data):
    good = bytearray(written([result()] * 5, codec=data.draw(st.sampled_from(["null", "deflate"]))))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(good[: data.draw(st.integers(0, len(good)))]))
    except BadData as error:
        assert error.sentence.isprintable()


def test_what_breaks_off_is_told_after_what_was_whole():
    data = written([result(summary=str(number)) for number in range(50)])
    records = avro.read_records(io.BytesIO(data[:-30]).read)
    assert [next(records)["summary"] for _ in range(20)] == [str(number) for number in range(20)]
    with pytest.raises(BadData, match="breaks off"):
        list(records)
