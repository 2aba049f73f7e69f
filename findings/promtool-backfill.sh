#!/bin/bash
# promtool: a backfill with times in milliseconds makes blocks of the year 55838, for which Prometheus deletes all the others.
#
# Software:  prometheus 2.42.0 of Debian 12. Seen 2026-11-30.
# Expected:  `tsdb create-blocks-from openmetrics` refuses a time that is thousands of years ahead, and samples that it cannot take: the
#            newest first, or two of one time. Prometheus deletes what is older than its retention, counted from now.
# Seen:      times in milliseconds, as its older text format has them:  exit code 0, a block from 1700000000000000
#            Prometheus started with that block beside a good one:     "Deleting obsolete block", the good one is gone
#            200 samples, the newest first:                            exit code 0, a block of 2 samples; the others are gone
#            two samples of one time:                                  exit code 0, the first stays
# Matters:   the history of a server is lost by one wrong unit in a file that was to add to it. Look at `promtool tsdb list` in a directory
#            of its own before blocks are moved into that of the server: its times, and the number of samples.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download prometheus
dpkg-deb -x prometheus_*.deb root
echo "prometheus $(dpkg-deb -f prometheus_*.deb Version)"

python3 - <<'PYTHON'
BEGIN = 1700000000


def write(path, samples):
    with open(path, "w") as file:
        print("# TYPE up gauge", *samples, "# EOF", sep="\n", file=file)


write("seconds", [f'up{{site="A"}} {state} {BEGIN + 60 * state}' for state in (0, 1)])
write("milliseconds", [f'up{{site="B"}} {state} {BEGIN + 60 * state}000' for state in (0, 1)])
write("oldest-first", [f'up{{site="{site}"}} 1 {BEGIN + 60 * number}' for number in range(100) for site in "AB"])
write("newest-first", [f'up{{site="{site}"}} 1 {BEGIN + 60 * number}' for number in reversed(range(100)) for site in "AB"])
write("one-time", [f'up{{site="A"}} {state} {BEGIN}' for state in (0, 1)])
PYTHON

backfill() { # file, directory
    code=0
    root/usr/bin/promtool tsdb create-blocks-from openmetrics "$1" "$2" > said 2>&1 || code=$?
    samples=$(awk '$1 ~ /^01/ { samples += $5 } END { print samples + 0 }' said)
    first=$(awk '$1 ~ /^01/ { print $2; exit }' said)
    echo "$1: exit code $code, $(grep -c '^up' "$1") samples in the file, $samples in blocks, the first at $first"
}
compare() { # file, samples, first
    backfill "$1" "blocks-$1"
    [ "$code,$samples,$first" = "0,$2,$3" ] || { cat said; changed "it was exit code 0, $2 samples, the first at $3"; }
}
compare oldest-first 200 1700000000000
compare newest-first 2 1700005940000
compare one-time 1 1700000000000
compare seconds 2 1700000000000
mkdir blocks-one-time/wal # without it promtool reads no block
kept=$(root/usr/bin/promtool tsdb dump blocks-one-time)
echo "one-time: $kept"
[[ $kept = *'} 0 1700000000000' ]] || changed "the first of two samples of one time stayed"

blocks() { find data -maxdepth 1 -name '01*' | wc -l; }
echo 'scrape_configs: []' > prometheus.yml
start() { # start the server, ask it for the good samples and end it
    root/usr/bin/prometheus --config.file prometheus.yml --storage.tsdb.path data --web.listen-address 127.0.0.1:0 > log 2>&1 &
    server=$!
    port=
    for _ in $(seq 600); do
        port=$(sed -n 's/.*Listening on.*address=127.0.0.1:\([0-9]*\).*/\1/p' log)
        [ -n "$port" ] && curl -fsS "127.0.0.1:$port/-/ready" > /dev/null 2>&1 && break
        sleep 0.2
    done
    values=$(curl -fsS "127.0.0.1:$port/api/v1/query?query=up&time=1700000060" | grep -o '"value":[^]]*]') || true
    kill "$server"
    wait "$server" 2> /dev/null || true
    server=
    echo "Prometheus with $1: ${values:-nothing}, $(blocks) blocks, deleted: $(grep -c 'Deleting obsolete block' log || true)"
}
mv blocks-seconds data
start "the good block"
[ "$values,$(blocks)" = '"value":[1700000060,"1"],1' ] || changed "it was the sample, in one block"
backfill milliseconds data
[ "$code,$first" = 0,1700000000000000 ] || [ "$code,$first" = 0,1700000060000000 ] || changed "it was exit code 0, and a time in the year 55838"
before=$(blocks)
start "those of the file in milliseconds beside it"
[ "$values,$(blocks)" = ",$((before - 1))" ] || changed "the good block was deleted"
