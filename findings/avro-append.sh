#!/bin/bash
# avro: appending with a schema spoils the whole file; fastavro drops fields that the file's own schema does not have. No word of either.
#
# Software:  avro 1.12.2, fastavro 1.13.1 (PyPI). Seen 2026-11-30.
# Expected:  a writer on a file opened with "ab+", with the schema that it has, adds a record; with another schema it is refused. A field
#            that is not in the schema, misspelt or new, is refused.
# Seen:      DataFileWriter(open(path, "ab+"), DatumWriter(), schema):  close() returns; a second header stands in the middle, and what comes
#            after the first records is a UnicodeDecodeError, with fastavro a ValueError. With "ab" the same. Without the schema it
#            is appended.
#            fastavro.writer(open(path, "a+b"), wider schema, ...):     returns; the field that is new is dropped, the codec asked for too
#            fastavro.writer(..., [{... "sumary": "..."}]):             returns; the record has no summary. avro refuses it.
# Matters:   results of a day in one file that each run appends to, as ARGO keeps them, end with the second run; after an upgrade of the
#            schema the new field is missing until the file is a new one. Append without a schema, and fastavro with strict=True.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install avro==1.12.2 fastavro==1.13.1
venv/bin/python - <<'PYTHON'
import json
import sys

import avro.schema
import fastavro
from avro.datafile import DataFileReader, DataFileWriter
from avro.io import DatumReader, DatumWriter

FIELDS = ("timestamp", "service", "hostname", "metric", "status")
OPTIONAL = {"type": ["null", "string"], "default": None}
SCHEMA = {
    "type": "record",
    "name": "metric_data",
    "fields": [{"name": name, "type": "string"} for name in FIELDS] + [{"name": "summary", **OPTIONAL}],
}
WIDER = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "message", **OPTIONAL}]}
RESULT = dict.fromkeys(FIELDS, "text") | {"summary": "all is well"}
parsed = avro.schema.parse(json.dumps(SCHEMA))


def write(path, mode, record, *schema):
    writer = DataFileWriter(open(path, mode), DatumWriter(), *schema)
    writer.append(record)
    writer.close()


def write_fast(path, mode, record, schema, **options):
    with open(path, mode) as file:
        fastavro.writer(file, fastavro.parse_schema(schema), [record], **options)


def ending(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except Exception as error:
        return type(error).__name__
    return "returned"


def read(path, reader):
    """Return how many records come out, and how that ended."""
    records = []

    def collect():
        with open(path, "rb") as file:
            for record in reader(file):
                records.append(record)

    ended = ending(collect)
    return records, ended


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


for mode, schema, expected in (
    ("ab+", [parsed], ("returned", 1, "UnicodeDecodeError", 1, "ValueError")),
    ("ab", [parsed], ("returned", 1, "UnicodeDecodeError", 1, "ValueError")),
    ("ab+", [], ("returned", 3, "returned", 3, "returned")),
):
    path = f"{mode}{len(schema)}.avro"
    write(path, "wb", RESULT, parsed)
    ended = [ending(write, path, mode, RESULT, *schema) for _ in range(2)]
    if len(set(ended)) > 1:
        sys.exit(f"CHANGED: both appends ended as one: {ended}")
    ended = ended[0]
    records, slow = read(path, lambda file: DataFileReader(file, DatumReader()))
    fast_records, fast = read(path, fastavro.reader)
    name = f'avro, three runs, appending with "{mode}", {"the" if schema else "no"} schema'
    fail_unless(name, (ended, len(records), slow, len(fast_records), fast), expected)

write_fast("wider.avro", "wb", RESULT, SCHEMA)
ended = ending(write_fast, "wider.avro", "a+b", RESULT | {"message": "why"}, WIDER, codec="deflate")
with open("wider.avro", "rb") as file:
    reader = fastavro.reader(file)
    records = list(reader)
fail_unless(
    "fastavro, appending with a wider schema and a codec",
    (ended, len(records), "message" in records[1], reader.codec),
    ("returned", 2, False, "null"),
)
misspelt = {("sumary" if name == "summary" else name): value for name, value in RESULT.items()}
ended = ending(write_fast, "misspelt.avro", "wb", misspelt, SCHEMA)
fail_unless("fastavro, a field misspelt", (ended, read("misspelt.avro", fastavro.reader)[0][0]["summary"]), ("returned", None))
fail_unless("the same with strict=True", ending(write_fast, "strict.avro", "wb", misspelt, SCHEMA, strict=True), "ValueError")
fail_unless("avro, a field misspelt", ending(write, "refused.avro", "wb", misspelt, parsed), "AvroTypeException")
PYTHON
