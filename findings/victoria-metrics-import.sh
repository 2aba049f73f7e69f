#!/bin/bash
# victoria-metrics: a status sent as text becomes 0, which is OK, and lines that it cannot read or use are dropped: 204 each time.
#
# Software:  victoria-metrics 1.79.5+ds1-2+b5 of Debian 12. Seen 2026-11-30.
# Expected:  as InfluxDB and the Pushgateway: a field of text is kept as text or refused; a line that cannot be read is a 400 with its reason;
#            times outside of what is kept are refused; a sample sent again for the same time replaces the first.
# Seen:      /write of status="CRITICAL", or text="timed out":          a series with the value 0; true is 1
#            /api/v1/import/prometheus with a value of 80%, or a label without its brace:       204, the other lines are kept
#            /api/v1/import/csv with an empty value, or a time with a blank for the T:          204, these rows are dropped
#            /api/v1/import of a line with a null among its values:     204, the whole series is dropped
#            times 3 days ahead, and 70 days ago by the default retention:      204, dropped
#            0 and 2 for the same time:                                 both kept, in an average of the time both count
# Matters:   a site whose status goes out as text is OK for ever on each dashboard, and a history that was brought in has holes; an importer
#            sees nothing of it. Send numbers, and look at vm_rows_invalid_total and vm_rows_ignored_total after each import.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download victoria-metrics
dpkg-deb -x victoria-metrics_*.deb root
echo "victoria-metrics $(dpkg-deb -f victoria-metrics_*.deb Version)"
python3 - <<'PYTHON'
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
DAY = 86400
NOW = int(time.time()) - 3600
MS = NOW * 1000
AT, AT_LOCAL = (time.strftime(form, time.gmtime(NOW)) for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S"))


def ask(path, body=None):
    try:
        with OPENER.open(urllib.request.Request(f"http://{address}{path}", body), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def series(pattern):
    """Return the values of each series whose name matches PATTERN, by its name and site."""
    ask("/internal/force_flush")
    lines = ask("/api/v1/export?" + urllib.parse.urlencode({"match[]": f'{{__name__=~"{pattern}"}}'}))[1].splitlines()
    found = [json.loads(line) for line in lines if line]
    return {each["metric"]["__name__"] + "/" + each["metric"]["site"]: each["values"] for each in found}


def counted(name):
    """Return what the server has counted under NAME, by the label that tells it, zeros left out."""
    lines = [line for line in ask("/metrics")[1].splitlines() if line.startswith(name + "{")]
    return {line.split('"')[1]: int(line.rpartition(" ")[2]) for line in lines if not line.endswith(" 0")}


with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
with open("said", "w") as said:
    daemon = subprocess.Popen(["root/usr/bin/victoria-metrics", "-storageDataPath=data", f"-httpListenAddr={address}"], stderr=said, stdout=said)
try:
    for _ in range(600):
        try:
            if ask("/health")[0] == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    for name, path, body, pattern, expected in (
        ("InfluxDB's lines", "/write",
         f'a,site=A status="CRITICAL" {MS}000000\na,site=B state=2,text="timed out" {MS}000000\na,site=C state= {MS}000000\n'
         f"a,site=D up=true {MS}000000\n", "a_.*",
         {"a_status/A": [0], "a_state/B": [2], "a_text/B": [0], "a_up/D": [1]}),
        ("Prometheus' lines", "/api/v1/import/prometheus",
         f'b{{site="A"}} 2 {MS}\nb{{site="B"}} 80% {MS}\nb{{site="C" 2 {MS}\nb{{site="D"}} 2 {MS}\n', "b", {"b/A": [2], "b/D": [2]}),
        ("rows of CSV", "/api/v1/import/csv?format=1:label:site,2:metric:c,3:time:rfc3339",
         f"A,2,{AT}\nB,,{AT}\nC,2,{AT_LOCAL}\nD,2,{AT}\n", "c", {"c/A": [2], "c/D": [2]}),
        ("lines of JSON", "/api/v1/import",
         "".join(json.dumps({"metric": {"__name__": "d", "site": site}, "values": values, "timestamps": [MS - 2000, MS - 1000, MS]}) + "\n"
                 for site, values in (("A", [0, 2, 2]), ("B", [0, None, 2]))), "d", {"d/A": [0, 2, 2]}),
        ("3 days ahead, and 70 days ago", "/api/v1/import/prometheus",
         f'e{{site="A"}} 2 {MS}\ne{{site="B"}} 2 {MS + 3 * DAY * 1000}\ne{{site="C"}} 2 {MS - 70 * DAY * 1000}\n', "e", {"e/A": [2]}),
        ("twice for the same time", "/api/v1/import/prometheus", f'f{{site="A"}} 0 {MS}\nf{{site="A"}} 2 {MS}\n', "f", {"f/A": [0, 2]}),
    ):  # fmt: skip
        code = ask(path, body.encode())[0]
        got = series(pattern)
        print(f"{name}: {code}, {got}")
        if (code, got) != (204, expected):
            sys.exit(f"CHANGED: it was 204, {expected}")
    average = ask("/api/v1/query?" + urllib.parse.urlencode({"query": "avg_over_time(f[1m])", "time": NOW + 1}))[1]
    average = json.loads(average)["data"]["result"][0]["value"][1]
    print("the average of the last:", average)
    if average != "1":
        sys.exit("CHANGED: it was 1")
    invalid, ignored = counted("vm_rows_invalid_total"), counted("vm_rows_ignored_total")
    print("counted as invalid:", invalid, "as ignored:", ignored)
    if invalid != {"influx": 1, "prometheus": 2, "csvimport": 2, "vmimport": 1} or ignored != {"big_timestamp": 1, "small_timestamp": 1}:
        sys.exit("CHANGED: it was 1, 2, 2 and 1, and 1 of either")
finally:
    daemon.kill()
    daemon.wait()
PYTHON
