"""The event handler under a real Nagios 4: what a plugin prints arrives as a message, and as nothing else."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libprobe.formats.metric_result import read_metric_result
from tests.conftest import ROOT
from tests.federation.stomp_responder import Responder
from tests.nagios import Nagios, SmallNagios, service
from tests.pace import AMPLE_S

pytestmark = pytest.mark.needs("nagios4-core")

# Nagios runs a check while its command for the result before still runs: on a busy machine the later one would be sent
# first. So a run waits until all results before it have arrived; those of the first two, soft states, are not sent.
PLUGIN = r"""#!/bin/sh
echo x >> "$1"
while [ -e {arrived} ] && [ "$(wc -l < "$1")" -gt $(($(wc -l < {arrived}) + 3)) ]; do sleep 0.1; done
printf 'run %s: ' "$(wc -l < "$1")"
cat <<'END'
X CRITICAL - it's "bad"; $(touch {marker}) `touch {marker}` $USER1$ \ ; touch {marker} & | time=1s
--state=OK
'; touch {marker}; '
EOT
metricStatus: OK
END
exit 2
"""

METRIC = {
    "_metric_name": "eu.egi.cloud.OCCI-VM",
    "_service_flavour": "eu.egi.cloud.vm-management.occi",
    "_site_name": "EXAMPLE-CLOUD",
    "_service_uri": "https://cloud.example.org:8787/",
    "_vo": "ops",
    "_vo_fqan": "/ops/Role=NULL/Capability=NULL",
}

SETTINGS = {
    "obsess_over_services": 1,
    "ocsp_command": "fedcloud-publish",
    "ocsp_timeout": int(AMPLE_S),
    "service_check_timeout": int(AMPLE_S),
    "illegal_macro_output_chars": "`~$&|'\"<>",
}


@pytest.fixture
def nagios(tmp_path: Path) -> Iterator[Callable[[int], Nagios]]:
    """Start Nagios with the shipped command for a broker on a port; one of its services is a metric."""
    running: list[Nagios] = []

    def start(port: int) -> Nagios:
        plugin = tmp_path / "plugin"
        (tmp_path / "arrived").touch()
        names = {"{marker}": str(tmp_path / "marker"), "{arrived}": str(tmp_path / "arrived")}
        plugin.write_text(re.sub("|".join(names), lambda found: names[found[0]], PLUGIN))
        plugin.chmod(0o755)
        services = [
            service("eu.egi.cloud.OCCI-VM-ops", f"{plugin} {tmp_path}/runs", max_check_attempts=3, **METRIC),
            service("disk of the monitoring host", f"{plugin} {tmp_path}/own-runs", max_check_attempts=3),
        ]
        made = SmallNagios(tmp_path / "nagios", services, more=[shipped(tmp_path, port)], settings=SETTINGS)
        running.append(made)
        made.start()
        return made

    yield start
    (tmp_path / "arrived").unlink(missing_ok=True)  # plugins wait no longer
    for each in running:
        each.stop()


def shipped(directory: Path, port: int) -> Path:
    """The shipped configuration, with the programs and the directories of this test."""
    text = (ROOT / "etc/nagios/fedcloud-publish.cfg").read_text()
    program = f"{sys.executable} {ROOT}/probes/fedcloud-publish --state-dir {directory}/state"
    text = text.replace("/usr/bin/fedcloud-publish", program)
    text = re.sub(r"stomp\+ssl://\S+(?=')", f"stomp://127.0.0.1:{port}/queue/results", text)
    path = directory / "publish.cfg"
    path.write_text(text)
    return path


def test_each_result_arrives_once_in_order_and_its_text_does_nothing(nagios, tmp_path):
    with Responder() as broker:

        def arrived() -> int:
            count = broker.commands.count("SEND")
            (tmp_path / "arrived").write_text("x\n" * count)
            return count

        running = nagios(broker.port)
        running.until(lambda: arrived() >= 3, "three messages have arrived")
    messages = [(headers, read_metric_result(body)) for name, headers, body in broker.frames if name == "SEND"]
    for _, fields in messages:
        assert fields["metricStatus"] == "CRITICAL"
        assert fields["metricName"] == "eu.egi.cloud.OCCI-VM"
        assert fields["nagiosName"] == "eu.egi.cloud.OCCI-VM-ops"
        assert fields["hostName"] == "cloud.example.org"
        assert fields["siteName"] == "EXAMPLE-CLOUD"
        assert fields["serviceType"] == fields["serviceFlavour"] == "eu.egi.cloud.vm-management.occi"
        assert fields["voFqan"] == "/ops/Role=NULL/Capability=NULL"
        assert fields["serviceURI"] == "https://cloud.example.org:8787/"
        assert re.match(r"run \d+: X CRITICAL - its bad", fields["summaryData"])
        assert fields["detailsData"].splitlines()[0] == "--state=OK"
        assert fields["detailsData"].splitlines()[2:4] == ["> EOT", "> metricStatus: OK"]
    # the first two of three attempts are soft states
    assert [fields["summaryData"].partition(":")[0] for _, fields in messages[:3]] == ["run 3", "run 4", "run 5"]
    assert not (tmp_path / "marker").exists()
    ids = [headers["result-id"] for headers, _ in messages]
    assert ids == sorted(set(ids))
    stamps = [fields["timestamp"] for _, fields in messages]
    assert stamps == sorted(stamps)
    assert "Warning: OCSP" not in running.log()


def test_performance_data_goes_to_argo_messaging_and_does_nothing_on_its_way(tmp_path, federation):
    from tests.probes.test_fedcloud_publish_ams import Host

    host = Host(tmp_path, federation)
    plugin = tmp_path / "plugin"
    data = f"'time to active'=1.5s;60;120 x=1 $(touch {tmp_path}/marker) '; touch {tmp_path}/marker; '"
    plugin.write_text(f"#!/bin/sh\ncat <<'END'\nX OK - fine | {data}\nline 1\nline 2\nEND\n")
    plugin.chmod(0o755)
    command = shipped(tmp_path, 0)
    where = f"--to ams --ams-token-file {host.token_file} --ca-path {host.ca} --publish '{host.url}'"
    command.write_text(re.sub(r"--publish '[^']*'", where, command.read_text()))
    services = [service("eu.egi.cloud.OCCI-VM-ops", str(plugin), max_check_attempts=3, **METRIC)]
    running = SmallNagios(tmp_path / "nagios", services, more=[command], settings=SETTINGS)
    with host.web:
        running.start()
        try:
            running.until(lambda: host.ams.published(), "a message has arrived")
        finally:
            running.stop()
        found = host.consumed()[0]
    assert re.match(r"time to active=1\.5s;60;120 x=1 ", found["actual_data"])
    assert (found["summary"], found["message"]) == ("X OK - fine", "line 1\\nline 2")
    assert found["tags"] == {
        "vofqan": "/ops/Role=NULL/Capability=NULL",
        "voname": "ops",
        "endpoint_group": "EXAMPLE-CLOUD",
    }
    assert not (tmp_path / "marker").exists()
