#!/bin/bash
# prometheus-api-client: a program that runs for long gets the same ten minutes again and again, and chunks count their edges twice.
#
# Software:  prometheus-api-client 0.7.2 (PyPI), prometheus 2.42.0+ds-5+deb12u1 of Debian 12. Seen 2026-11-30.
# Expected:  get_metric_range_data("site_up") without times is of the ten minutes before the call. With chunk_size it returns the samples
#            that it returns without, each series once.
# Seen:      without times:               the ten minutes before the program imported the library, whenever it is called
#            1 h in chunks of 10 min, a sample each minute, 0 at each full 10 min, else 1:  six items for the one series; 66 samples, not 61,
#            availability by them 0.818 instead of 0.885
#            times without a zone:         those of the machine's zone
# Matters:   an exporter or a report that runs as a service tells for ever how the sites were at its start; a month in daily chunks has a
#            sample too many a day. Give both times, aware ones, and drop what comes twice (MetricsList does).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download prometheus
dpkg-deb -x prometheus_*.deb root
echo "prometheus $(dpkg-deb -f prometheus_*.deb Version)"
python3 -m venv venv
export PIP_NO_DEPS=1 # without pandas and others, which are not used
venv/bin/pip -q --disable-pip-version-check install prometheus-api-client==0.7.2 requests==2.34.2 urllib3==2.8.0 idna==3.20 certifi==2026.7.22 charset-normalizer==3.5.3
no_proxy=127.0.0.1 NO_PROXY=127.0.0.1 venv/bin/python - <<'PYTHON'
import os
import socket
import subprocess
import sys
import time
import urllib.parse
from datetime import datetime, timedelta, timezone

os.environ["TZ"] = "CET-1"  # that of Paris in winter, which needs no file of zones
time.tzset()

import requests
from prometheus_api_client.prometheus_connect import PrometheusConnect

imported = time.time()
BEGIN = 1700006400 - 1700006400 % 3600
asked = []


def times(*given):
    prometheus.get_metric_range_data("site_up", None, *given)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(asked[-1]).query)
    return query["query"][0], float(query["time"][0])


samples = [(BEGIN + 60 * minute, 0 if minute % 10 == 0 else 1) for minute in range(61)]
with open("samples", "w") as file:
    file.write("# TYPE site_up gauge\n" + "".join(f'site_up{{site="A"}} {value} {when}\n' for when, value in samples) + "# EOF\n")
subprocess.run(["root/usr/bin/promtool", "tsdb", "create-blocks-from", "openmetrics", "samples", "data"], check=True, stdout=subprocess.DEVNULL)
with open("prometheus.yml", "w") as file:
    file.write("scrape_configs: []\n")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--storage.tsdb.retention.time=100y", f"--web.listen-address={address}"]
with open("said", "w") as said:
    daemon = subprocess.Popen(["root/usr/bin/prometheus", *options], stderr=said)
try:
    session = requests.Session()
    for _ in range(600):
        try:
            if session.get(f"http://{address}/-/ready", timeout=60).ok:
                break
        except OSError:
            pass
        time.sleep(0.1)
    session.hooks["response"].append(lambda answer, *_, **__: asked.append(answer.url))
    prometheus = PrometheusConnect(f"http://{address}", session=session)

    first = times()
    time.sleep(max(0.0, imported + 5 - time.time()))
    second = times()
    print(f"without times: {first}, later {second}; imported at {imported:.0f}, called at {time.time():.0f}")
    if first != second or second[1] > imported + 1:
        sys.exit("CHANGED: it was the time of the import")

    begin, end = (datetime.fromtimestamp(BEGIN + 3600 * hours, timezone.utc) for hours in (0, 1))
    for chunk, items, count, available in ((None, 1, 61, 0.885), (timedelta(minutes=10), 6, 66, 0.818)):
        data = prometheus.get_metric_range_data("site_up", None, begin, end, chunk)
        values = [float(value) for each in data for _, value in each["values"]]
        got = (len(data), len(values), round(sum(values) / len(values), 3))
        print(f"an hour in chunks of {chunk}: {got}")
        if got != (items, count, available):
            sys.exit(f"CHANGED: it was {items}, {count}, {available}")

    naive = times(datetime(2023, 11, 14, 23), datetime(2023, 11, 15))
    print(f"until 2023-11-15 00:00 without a zone, one hour east of UTC: {naive}")
    if naive[1] != datetime(2023, 11, 14, 23, tzinfo=timezone.utc).timestamp():
        sys.exit("CHANGED: it was the machine's zone")
finally:
    daemon.kill()
    daemon.wait()
PYTHON
