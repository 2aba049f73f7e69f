"""The event handler under a real Nagios 4: what a plugin prints arrives as a message, and as nothing else."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from libprobe.formats.metric_result import read_metric_result
from tests.conftest import ROOT, clean_environment
from tests.federation.stomp_responder import Responder

NAGIOS = shutil.which("nagios4") or "/usr/sbin/nagios4"

PLUGIN = r"""#!/bin/sh
cat <<'END'
X CRITICAL - it's "bad"; $(touch {marker}) `touch {marker}` $USER1$ \ ; touch {marker} & | time=1s
--state=OK
'; touch {marker}; '
EOT
metricStatus: OK
END
exit 2
"""

OBJECTS = """
define timeperiod {{
    timeperiod_name always
    alias always
    sunday 00:00-24:00
    monday 00:00-24:00
    tuesday 00:00-24:00
    wednesday 00:00-24:00
    thursday 00:00-24:00
    friday 00:00-24:00
    saturday 00:00-24:00
}}
define contact {{
    contact_name nobody
    host_notifications_enabled 0
    service_notifications_enabled 0
    host_notification_period always
    service_notification_period always
    host_notification_options n
    service_notification_options n
    host_notification_commands plugin
    service_notification_commands plugin
}}
define command {{
    command_name plugin
    command_line {plugin}
}}
define host {{
    host_name cloud.example.org
    address 127.0.0.1
    max_check_attempts 1
    check_period always
    contacts nobody
}}
define service {{
    host_name cloud.example.org
    service_description eu.egi.cloud.OCCI-VM-ops
    check_command plugin
    check_period always
    check_interval 1
    retry_interval 1
    max_check_attempts 3
    contacts nobody
    notification_period always
    _metric_name eu.egi.cloud.OCCI-VM
    _service_flavour eu.egi.cloud.vm-management.occi
    _site_name EXAMPLE-CLOUD
    _service_uri https://cloud.example.org:8787/
    _vo ops
}}
define service {{
    host_name cloud.example.org
    service_description disk of the monitoring host
    check_command plugin
    check_period always
    check_interval 1
    retry_interval 1
    max_check_attempts 3
    contacts nobody
    notification_period always
}}
"""


@pytest.fixture
def nagios(tmp_path):
    """Start Nagios, unprivileged where it can be, with the shipped command for a broker on a port."""
    # where user nagios may reach it: pytest's own directories are closed to others
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> Path:
        configuration = configure(tmp_path, port)
        log = (tmp_path / "output").open("wb")
        environment = clean_environment(HOME=tmp_path)
        running.append(subprocess.Popen([NAGIOS, configuration], stdout=log, stderr=log, env=environment))
        return tmp_path

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def configure(directory: Path, port: int) -> Path:
    for name in ("rw", "check_results", "archives"):
        (directory / name).mkdir()
    plugin = directory / "plugin"
    plugin.write_text(PLUGIN.replace("{marker}", str(directory / "marker")))
    plugin.chmod(0o755)
    (directory / "objects.cfg").write_text(OBJECTS.format(plugin=plugin))
    shipped = (ROOT / "etc/nagios/fedcloud-publish.cfg").read_text()
    program = f"{sys.executable} {ROOT}/probes/fedcloud-publish --state-dir {directory}/state"
    shipped = shipped.replace("/usr/bin/fedcloud-publish", program)
    shipped = re.sub(r"stomp\+ssl://\S+(?=')", f"stomp://127.0.0.1:{port}/queue/results", shipped)
    (directory / "publish.cfg").write_text(shipped)
    import getpass

    user = getpass.getuser()
    lines = {
        "cfg_file": [directory / "objects.cfg", directory / "publish.cfg"],
        "obsess_over_services": [1],
        "ocsp_command": ["fedcloud-publish"],
        "ocsp_timeout": [15],
        "log_file": [directory / "nagios.log"],
        "object_cache_file": [directory / "objects.cache"],
        "precached_object_file": [directory / "objects.precache"],
        "status_file": [directory / "status.dat"],
        "command_file": [directory / "rw/nagios.cmd"],
        "query_socket": [directory / "rw/nagios.qh"],
        "lock_file": [directory / "nagios.pid"],
        "temp_file": [directory / "nagios.tmp"],
        "temp_path": [directory],
        "log_archive_path": [directory / "archives"],
        "check_result_path": [directory / "check_results"],
        "state_retention_file": [directory / "retention.dat"],
        "nagios_user": [user],
        "nagios_group": [user],
        "interval_length": [1],
        "service_inter_check_delay_method": ["n"],
        "check_workers": [2],
        "illegal_macro_output_chars": ["`~$&|'\"<>"],
    }
    path = directory / "nagios.cfg"
    path.write_text("".join(f"{name}={value}\n" for name, values in lines.items() for value in values))
    return path


def test_each_result_arrives_once_in_order_and_its_text_does_nothing(nagios):
    with Responder() as broker:
        directory = nagios(broker.port)
        end = time.monotonic() + 40
        while len([name for name in broker.commands if name == "SEND"]) < 3:
            assert time.monotonic() < end, (directory / "nagios.log").read_text()[-3000:]
            time.sleep(0.05)
    messages = [(headers, read_metric_result(body)) for name, headers, body in broker.frames if name == "SEND"]
    for _, fields in messages:
        assert fields["metricStatus"] == "CRITICAL"
        assert fields["metricName"] == "eu.egi.cloud.OCCI-VM"
        assert fields["nagiosName"] == "eu.egi.cloud.OCCI-VM-ops"
        assert fields["hostName"] == "cloud.example.org"
        assert fields["siteName"] == "EXAMPLE-CLOUD"
        assert fields["serviceType"] == fields["serviceFlavour"] == "eu.egi.cloud.vm-management.occi"
        assert fields["serviceURI"] == "https://cloud.example.org:8787/"
        assert fields["summaryData"].startswith("X CRITICAL - its bad")
        assert fields["detailsData"].splitlines()[0] == "--state=OK"
        assert fields["detailsData"].splitlines()[2:4] == ["> EOT", "> metricStatus: OK"]
    assert not (directory / "marker").exists()
    ids = [headers["result-id"] for headers, _ in messages]
    assert ids == sorted(set(ids))
    stamps = [fields["timestamp"] for _, fields in messages]
    assert stamps == sorted(stamps)
    assert "Warning: OCSP" not in (directory / "nagios.log").read_text()
