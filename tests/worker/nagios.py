"""A throw-away Nagios 4 in a directory of its own: own configuration, own query socket, own log."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.conftest import clean_environment

PROGRAM = shutil.which("nagios4") or "/usr/sbin/nagios4"

MAIN = """
cfg_file={directory}/objects.cfg
resource_file={directory}/resource.cfg
log_file={directory}/nagios.log
object_cache_file={directory}/objects.cache
precached_object_file={directory}/objects.precache
status_file={directory}/status.dat
state_retention_file={directory}/retention.dat
command_file={directory}/nagios.cmd
query_socket={directory}/nagios.qh
lock_file={directory}/nagios.lock
temp_file={directory}/nagios.tmp
temp_path={directory}
check_result_path={directory}/results
log_archive_path={directory}/results
status_update_interval={status_interval}
retain_state_information=1
use_retained_scheduling_info=0
interval_length=1
execute_host_checks=0
execute_service_checks={checks}
accept_passive_service_checks=1
check_external_commands=1
service_check_timeout={check_timeout}
check_for_orphaned_services=1
enable_notifications=0
enable_event_handlers=0
enable_flap_detection=0
log_initial_states=0
log_service_retries=0
log_passive_checks=0
log_external_commands=0
use_syslog=0
service_inter_check_delay_method={spread}
max_service_check_spread=1
service_interleave_factor=1
max_concurrent_checks={at_once}
check_result_reaper_frequency=1
max_check_result_reaper_time=5
event_broker_options=0
use_large_installation_tweaks=1
enable_environment_macros=0
daemon_dumps_core=0
nagios_user={user}
nagios_group={group}
check_workers={core_workers}
"""

RESULTS = """
process_performance_data=1
service_perfdata_file={directory}/results.log
service_perfdata_file_mode=a
service_perfdata_file_template=$SERVICEDESC$\t$SERVICESTATEID$\t$SERVICEOUTPUT$
"""

OBJECTS = """
define timeperiod {
    timeperiod_name always
    alias always
    sunday 00:00-24:00
    monday 00:00-24:00
    tuesday 00:00-24:00
    wednesday 00:00-24:00
    thursday 00:00-24:00
    friday 00:00-24:00
    saturday 00:00-24:00
}
define command {
    command_name line
    command_line $ARG1$
}
define command {
    command_name nothing
    command_line /bin/true
}
define contact {
    contact_name nobody
    host_notifications_enabled 0
    service_notifications_enabled 0
    host_notification_period always
    service_notification_period always
    host_notification_options n
    service_notification_options n
    host_notification_commands nothing
    service_notification_commands nothing
}
define host {
    host_name cloud.example.org
    address 127.0.0.1
    max_check_attempts 1
    check_period always
    contacts nobody
}
"""

SERVICE = """
define service {{
    host_name cloud.example.org
    service_description {name}
    check_command line!{command}
    check_period always
    check_interval {interval}
    retry_interval {interval}
    max_check_attempts 1
    contacts nobody
    notification_period always
}}
"""


class Nagios:
    """See the module.

    services: command lines by name. interval: seconds between two checks of one service.
    waits:    run no checks before `begin`, so that workers can register.
    at_once:  checks at once at most, 0 for any number.
    results:  write a line for each result that was processed into the file `results.log`.
    """

    def __init__(
        self,
        directory: Path,
        services: dict[str, str],
        *,
        interval: float = 1,
        check_timeout: int = 60,
        status_interval: int = 1,
        core_workers: int = 4,
        spread: str = "n",
        waits: bool = False,
        at_once: int = 0,
        results: bool = False,
    ) -> None:
        self.directory = directory
        self.query_socket = directory / "nagios.qh"
        (directory / "results").mkdir(parents=True)
        (directory / "resource.cfg").touch()
        settings = {
            "check_timeout": check_timeout,
            "status_interval": status_interval,
            "core_workers": core_workers,
            "checks": int(not waits),
            "at_once": at_once,
        }
        who = {"user": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}
        (directory / "nagios.cfg").write_text(MAIN.format(directory=directory, spread=spread, **settings, **who))
        if results:
            with open(directory / "nagios.cfg", "a") as file:
                file.write(RESULTS.format(directory=directory))
        objects = [
            SERVICE.format(name=name, command=command.replace("!", "\\!"), interval=interval)
            for name, command in services.items()
        ]
        (directory / "objects.cfg").write_text(OBJECTS + "".join(objects))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Nagios:
        with open(self.directory / "output", "wb") as output:
            self.process = subprocess.Popen(
                [PROGRAM, str(self.directory / "nagios.cfg")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env=clean_environment(HOME=self.directory),
                start_new_session=True,
            )
        return self

    def command(self, line: str) -> None:
        """Give an external command, once there is a pipe for it."""
        path = self.directory / "nagios.cmd"
        end = time.monotonic() + 20
        while not path.is_fifo() and time.monotonic() < end:
            time.sleep(0.01)
        with open(path, "w") as pipe:
            pipe.write(f"[{int(time.time())}] {line}\n")

    def begin(self) -> None:
        self.command("START_EXECUTING_SVC_CHECKS")

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # its core workers and what they run
            except ProcessLookupError:
                pass
            self.process.wait()

    def log(self) -> str:
        path = self.directory / "nagios.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def status(self) -> dict[str, dict[str, str]]:
        """What status.dat has of each service."""
        path = self.directory / "status.dat"
        try:
            text = path.read_text(errors="replace")
        except FileNotFoundError:
            return {}
        found = {}
        for block in re.findall(r"servicestatus \{\n(.*?)\n\t\}", text, re.DOTALL):
            pairs = dict(line.strip().split("=", 1) for line in block.splitlines() if "=" in line)
            found[pairs["service_description"]] = pairs
        return found
