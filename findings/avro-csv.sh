#!/bin/bash
# avro: what `avro cat --format csv` prints, `avro write` puts into other fields; a misspelt field of --fields is dropped. Exit code 0.
#
# Software:  avro 1.12.2 (PyPI). Seen 2026-11-30.
# Expected:  columns come in the schema's order, or in that of --fields, and write finds them by the header. A file goes to CSV and back.
#            What cannot be written leaves the file that was there, and a field that may be null takes a text.
# Seen:      cat --format csv:                        the columns by the alphabet, also those of --fields; --header prints their names
#            write of that CSV:                       by position: the host is the timestamp, the header a result; exit code 0
#            cat --fields status,hostnam:             the status alone, exit code 0
#            write, a boolean "yes" or "on":          false, exit code 0
#            write of CSV, a field that may be null:  AttributeError, and the output is an empty file
# Matters:   results that go through CSV to be looked at or mended come back with hosts for timestamps, and nobody is told. Go through JSON,
#            and write to a new file.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install avro==1.12.2
schema() { # type of the fields "timestamp", "hostname", "metric" and "status"
    printf '{"type": "record", "name": "metric_data", "fields": ['
    for field in timestamp hostname metric; do printf '{"name": "%s", "type": "string"}, ' $field; done
    printf '{"name": "status", "type": %s}]}' "$1"
}
schema '"string"' > text.avsc
schema '"boolean"' > boolean.avsc
schema '["null", "string"]' > optional.avsc
compare() { # what, expected, command
    what=$1
    expected=$2
    shift 2
    code=0
    got=$(venv/bin/avro "$@" 2> errors) || code=$?
    got="$(echo "$got" | tr -d '"{}\r' | paste -sd'|') $(tail -1 errors | grep -o '^[A-Za-z]*Error' || true) exit code $code"
    echo "$what: $got"
    [ "$got" = "$expected" ] || changed "it was: $expected"
}
write() { compare "write $1 as $2" " $3 exit code $4" write --schema "$2.avsc" --output "$1.avro" "$1"; }

echo '{"timestamp": "2026-11-30T10:00:00Z", "hostname": "a.example.org", "metric": "eu.egi.TCP", "status": "CRITICAL"}' > first.json
write first.json text "" 0
good="timestamp: 2026-11-30T10:00:00Z, hostname: a.example.org, metric: eu.egi.TCP, status: CRITICAL"
compare "what it has" "$good  exit code 0" cat first.json.avro
row="a.example.org,eu.egi.TCP,CRITICAL,2026-11-30T10:00:00Z"
names="hostname,metric,status,timestamp"
compare "as CSV" "$row  exit code 0" cat --format csv first.json.avro
compare "as CSV with a header" "$names|$row  exit code 0" cat --format csv --header first.json.avro
compare "two fields as CSV" "CRITICAL,2026-11-30T10:00:00Z  exit code 0" cat --format csv --fields timestamp,status first.json.avro
compare "two fields, one misspelt" "status: CRITICAL  exit code 0" cat --fields status,hostnam first.json.avro

venv/bin/avro cat --format csv --header first.json.avro > back.csv
write back.csv text "" 0
bad="timestamp: a.example.org, hostname: eu.egi.TCP, metric: CRITICAL, status: 2026-11-30T10:00:00Z"
header="timestamp: hostname, hostname: metric, metric: status, status: timestamp"
compare "what came back" "$header|$bad  exit code 0" cat back.csv.avro

for word in true yes on; do
    echo "2026-11-30T10:00:00Z,a.example.org,eu.egi.TCP,$word" > "$word.csv"
    write "$word.csv" boolean "" 0
    got=$(venv/bin/avro cat --fields status "$word.csv.avro")
    echo "$word is: $got"
    expected='{"status": false}'
    [ "$word" = true ] && expected='{"status": true}'
    [ "$got" = "$expected" ] || changed "it was $expected"
done

cp first.json.avro optional.csv.avro
echo "2026-11-30T10:00:00Z,a.example.org,eu.egi.TCP,CRITICAL" > optional.csv
write optional.csv optional AttributeError 1
echo "the file that was there has $(wc -c < optional.csv.avro) bytes"
[ "$(wc -c < optional.csv.avro)" = 0 ] || changed "it was empty"
