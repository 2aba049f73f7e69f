"""Nagios' pages and what a hostile site makes a plugin print: in a real browser nothing of it runs or is loaded."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from libprobe.failures import CRITICAL
from libprobe.probe import output
from tests import browser
from tests.pace import AMPLE_S

from . import pages

OBJECTS = """\
define timeperiod {
    timeperiod_name 24x7
    alias           24x7
}
define command {
    command_name    check
    command_line    /bin/true
}
define contact {
    contact_name                    monitor
    host_notification_period        24x7
    service_notification_period     24x7
    host_notification_commands      check
    service_notification_commands   check
}
define host {
    host_name       cloud.example.org
    alias           cloud.example.org
    address         127.0.0.1
    check_command   check
    check_period    24x7
    notification_period 24x7
    contacts        monitor
    max_check_attempts 1
    check_interval  5
    retry_interval  1
    notification_interval 60
}
"""
SERVICE = """\
define service {{
    host_name           cloud.example.org
    service_description {name}
    check_command       check
    check_period        24x7
    notification_period 24x7
    contacts            monitor
    max_check_attempts  1
    check_interval      5
    retry_interval      1
    notification_interval 60
}}
"""
HOST_STATUS = """\
hoststatus {{
    host_name=cloud.example.org
    has_been_checked=1
    current_state=0
    state_type=1
    last_check=1764000000
    plugin_output={output}
    }}
"""
STATUS = """\
servicestatus {{
    host_name=cloud.example.org
    service_description={name}
    has_been_checked=1
    current_state=2
    last_hard_state=2
    state_type=1
    current_attempt=1
    max_attempts=1
    last_check=1764000000
    plugin_output={output}
    long_plugin_output={details}
    performance_data={performance}
    }}
"""

pytestmark = pytest.mark.needs("nagios4-cgi", "chromium")


class Shown:
    """The pages of a Nagios whose services have the given states; rendered without any policy of a web server.

    outputs: what the plugin of each service printed, by the service's name.
    """

    def __init__(self, directory: Path, outputs: dict[str, str], *, settings: str = pages.SETTINGS) -> None:
        self._directory = directory
        main = directory / "nagios.cfg"
        main.write_text(f"object_cache_file={directory}/objects.cache\nstatus_file={directory}/status.dat\n")
        (directory / "objects.cache").write_text(OBJECTS + "".join(SERVICE.format(name=name) for name in outputs))
        states = [
            "info {\n    created=1764000000\n    version=4.4.6\n    }\nprogramstatus {\n    nagios_pid=1\n    }\n"
        ]
        states.append(HOST_STATUS.format(output=next(iter(outputs.values())).split("\n")[0].split("|")[0]))
        for name, printed in outputs.items():
            first, _, details = printed.partition("\n")
            said, _, performance = first.partition("|")
            # as Nagios writes it: NUL ends what it read of a plugin
            values = [part.split("\0")[0].replace("\n", "\\n") for part in (said, details, performance)]
            states.append(STATUS.format(name=name, output=values[0], details=values[1], performance=values[2]))
        (directory / "status.dat").write_bytes("".join(states).encode("utf-8", "replace"))
        self._settings = directory / "cgi.cfg"
        self._settings.write_text(settings.format(configuration=main))

    def page(self, program: str, query: str) -> str:
        """What a browser has made of a page."""
        done = subprocess.run(
            [pages.PROGRAMS / program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={
                "NAGIOS_CGI_CONFIG": str(self._settings),
                "QUERY_STRING": query,
                "REQUEST_METHOD": "GET",
                "PATH": os.defpath,
            },
            timeout=AMPLE_S,
        )
        path = self._directory / f"{program}.html"
        path.write_bytes(b"<meta charset=utf-8>" + done.stdout.partition(b"\n\n")[2])
        shown = browser.dom(path, self._directory / "profile")
        assert "cloud.example.org" in shown, shown[-2000:]
        return shown


def printed_by_us(text: str) -> str:
    """The report of a probe whose site said this."""
    return output.render("OCCI-VM", CRITICAL, f"https://cloud.example.org/: {text} (renew it)", [], [text, text])


ALL = "host=all"
ONE = "type=2&host=cloud.example.org&service="


def test_nothing_that_a_site_says_runs_in_nagios_pages_or_loads_anything(tmp_path: Path) -> None:
    with browser.Visits() as visits:
        texts = browser.hostile(visits.url)
        # a report is bounded: each text has a service of its own
        outputs = {f"ours-{number}": printed_by_us(text) for number, text in enumerate(texts)}
        outputs["ours"] = printed_by_us(" ".join(texts))
        outputs |= {f"foreign-{number}": text for number, text in enumerate(texts)}
        shown = Shown(tmp_path, outputs)
        for program, query in (("status.cgi", ALL), ("extinfo.cgi", f"{ONE}ours"), ("extinfo.cgi", f"{ONE}foreign-3")):
            page = shown.page(program, query)
            assert not browser.is_pwned(page), program
    assert visits.paths == []


def test_without_either_defence_the_same_runs_and_loads(tmp_path: Path) -> None:
    """Where Nagios does not escape, a foreign plugin's text runs and ours does not."""
    naked = pages.SETTINGS.replace("escape_html_tags=1", "escape_html_tags=0")
    found = {}
    for who in ("foreign", "ours"):
        (tmp_path / who).mkdir()
        with browser.Visits() as visits:
            texts = browser.hostile(visits.url)
            make = printed_by_us if who == "ours" else str
            outputs = {f"service-{number}": make(text) for number, text in enumerate(texts)}
            page = Shown(tmp_path / who, outputs, settings=naked).page("status.cgi", ALL)
        found[who] = (browser.is_pwned(page), bool(visits.paths))
    assert found == {"foreign": (True, True), "ours": (False, False)}
