#!/bin/bash
# The node exporter drops samples of one file whose HELP, TYPE or labels clash with another's, with node_textfile_scrape_error 0.
#
# Software:  prometheus-node-exporter 1.5.0-1+b6 of Debian 12, its textfile collector; promtool of prometheus
#            2.42.0+ds-5+deb12u1. Seen 2026-11-28.
# Expected:  two programs may write files with one metric of different labels. Where one explains it in other words or not at
#            all, the samples are merged; or else node_textfile_scrape_error, made for this, is 1.
# Seen:      two files, site="a" and site="b": with the same HELP both are exported. With another HELP, no HELP, or another TYPE
#            only the first file's sample is there. The answer is 200, node_textfile_scrape_error 0,
#            node_scrape_collector_success 1, node_textfile_mtime_seconds fresh for both files; a line in the log is all.
#            promtool check metrics has no fault to find in either file. The same sample twice within one file: one is lost,
#            in the same silence, and promtool does not see that either.
# Matters:   after an upgrade that mends a typing error in a HELP text, the file of the host's other instance is gone from the
#            graphs and no alert on the collector's own metrics fires. Alert on absence of each site's
#            sample; write one metric from one program, or keep its HELP for ever.
set -eu
work=$(mktemp -d)
exporter=
trap '[ -z "$exporter" ] || kill "$exporter" 2>/dev/null; wait; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

apt-get -qq -o APT::Sandbox::User=root download prometheus-node-exporter prometheus
for package in ./*.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f prometheus-node-exporter_*.deb Version

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir files
root/usr/bin/prometheus-node-exporter --collector.disable-defaults --collector.textfile --collector.textfile.directory=files \
    --web.listen-address="127.0.0.1:$port" > log 2>&1 &
exporter=$!
ask() { python3 -c 'import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())' \
    "http://127.0.0.1:$port/metrics"; }
for _ in $(seq 100); do ask > answer 2>/dev/null && break; sleep 0.2; done

good='# HELP probe_up Is it up?\n# TYPE probe_up gauge\n'
compare() { # what, text of a.prom, text of b.prom, expected
    printf "$2" > files/a.prom
    printf "$3" > files/b.prom
    lint=0
    for each in files/*; do
        code=0
        root/usr/bin/promtool check metrics < "$each" > said 2>&1 || code=$?
        [ "$code" = 0 ] || grep -q "no help text" said || lint=1
    done
    ask > answer
    samples=$(grep -o '^probe_up{.*' answer | paste -sd' ')
    fresh=$(grep -c '^node_textfile_mtime_seconds' answer)
    got="$samples, scrape_error $(awk '$1 == "node_textfile_scrape_error" {print $2}' answer), files $fresh, promtool $lint"
    echo "$1: $got"
    [ "$got" = "$4" ] || changed "$1 was $4"
}
a='probe_up{site="a"} 1'
b='probe_up{site="b"} 0'
quiet="scrape_error 0, files 2, promtool 0"
compare "the same HELP" "$good$a\n" "$good$b\n" "$a $b, $quiet"
compare "another HELP" "$good$a\n" "# HELP probe_up Is the site up?\n# TYPE probe_up gauge\n$b\n" "$a, $quiet"
compare "no HELP" "$good$a\n" "# TYPE probe_up gauge\n$b\n" "$a, $quiet"
compare "another TYPE" "$good$a\n" "# HELP probe_up Is it up?\n# TYPE probe_up untyped\n$b\n" "$a, $quiet"
compare "twice in a file" "$good$a\n" "$good$b\n$b\n" "$a $b, $quiet"
compare "the same in both" "$good$a\n" "${good}probe_up{site=\"a\"} 0\n" "$a, $quiet"
