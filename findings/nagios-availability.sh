#!/bin/bash
# Nagios has two counts of availability: by avail.cgi a service is 100 % OK, by archivejson.cgi it was CRITICAL for hours.
#
# Software:  nagios4-cgi 4.4.6-4+deb12u2 of Debian 12, its avail.cgi (as CSV) and archivejson.cgi, of one log. Seen 2026-11-29.
# Expected:  the same seconds from both; what a downtime of the host or of the service covers is "scheduled", until the last of
#            several downtimes ends.
# Seen:      of a day, seconds:                            avail.cgi                   archivejson.cgi
#            CRITICAL, soft, for two hours                 OK 86400                    CRITICAL 7200 (soft states count by default)
#            CRITICAL within a downtime of the host, 1 h   CRITICAL, scheduled, 3600   CRITICAL, not scheduled, 3600
#            CRITICAL; downtimes from 15 to 17, 16 to 18   scheduled 7200              scheduled 7200 (until the first ends)
# Matters:   what programs read and what people look up do not agree, by a site's whole maintenance, and neither says how it counts.
#            Give statetypes=hard, give each service the host's downtime, extend one instead of adding another.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download nagios4-cgi
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "nagios4-cgi $(dpkg-deb -f nagios4-cgi_*.deb Version)"
python3 - <<'PYTHON'
import csv
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path.cwd()
DAY = 1793491200  # 2026-11-01T00:00:00Z
HOUR = 3600
(HERE / "archives").mkdir()
(HERE / "nagios.cfg").write_text(f"""log_file={HERE}/nagios.log
log_archive_path={HERE}/archives
object_cache_file={HERE}/objects.cache
status_file={HERE}/status.dat
lock_file={HERE}/lock
date_format=iso8601
use_timezone=UTC
""")
(HERE / "cgi.cfg").write_text(f"main_config_file={HERE}/nagios.cfg\nphysical_html_path={HERE}\nurl_html_path=/nagios\nuse_authentication=0\n")
(HERE / "status.dat").write_text("info {\n\tcreated=1793491200\n\tversion=4.4.6\n\t}\nprogramstatus {\n\tnagios_pid=1\n\t}\n"
    "hoststatus {\n\thost_name=site\n\t}\nservicestatus {\n\thost_name=site\n\tservice_description=vm\n\t}\n")
week = "".join(f"\t{day}\t00:00-24:00\n" for day in "sunday monday tuesday wednesday thursday friday saturday".split())
(HERE / "objects.cache").write_text(f"""define timeperiod {{
\ttimeperiod_name\talways
\talias\talways
{week}\t}}
define command {{
\tcommand_name\tcheck
\tcommand_line\t/bin/true
\t}}
define contact {{
\tcontact_name\tnagiosadmin
\talias\tadmin
\tservice_notification_period\talways
\thost_notification_period\talways
\tservice_notification_commands\tcheck
\thost_notification_commands\tcheck
\tservice_notification_options\tn
\thost_notification_options\tn
\t}}
define host {{
\thost_name\tsite
\talias\tsite
\taddress\t127.0.0.1
\tcheck_period\talways
\tcheck_command\tcheck
\tmax_check_attempts\t3
\tcheck_interval\t5
\tretry_interval\t1
\tcontacts\tnagiosadmin
\tnotification_period\talways
\t}}
define service {{
\thost_name\tsite
\tservice_description\tvm
\tcheck_period\talways
\tcheck_command\tcheck
\tmax_check_attempts\t3
\tcheck_interval\t5
\tretry_interval\t1
\tcontacts\tnagiosadmin
\tnotification_period\talways
\t}}
""")


def ask(program, **query):
    environment = os.environ | {
        "NAGIOS_CGI_CONFIG": str(HERE / "cgi.cfg"), "REQUEST_METHOD": "GET", "REMOTE_USER": "nagiosadmin", "TZ": "UTC",
        "QUERY_STRING": "&".join(f"{name}={value}" for name, value in query.items()),
    }  # fmt: skip
    done = subprocess.run([f"root/usr/lib/cgi-bin/nagios4/{program}"], env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout.partition("\n\n")[2].strip()


def count(log):
    """Seconds of each state, by avail.cgi and by archivejson.cgi."""
    lines = ["0 LOG VERSION: 2.0", "0 CURRENT HOST STATE: site;UP;HARD;1;ok", "0 CURRENT SERVICE STATE: site;vm;OK;HARD;1;ok", *log]
    parts = (line.partition(" ") for line in lines)
    (HERE / "nagios.log").write_text("".join(f"[{DAY + int(float(hour) * HOUR)}] {text}\n" for hour, _, text in parts))
    table = ask(
        "avail.cgi", t1=DAY, t2=DAY + 24 * HOUR, host="site", service="vm", csvoutput="", assumeinitialstates="yes",
        assumestateretention="yes", assumestatesduringnotrunning="yes", includesoftstates="no", initialassumedservicestate=0, backtrack=4,
    )  # fmt: skip
    names, values = list(csv.reader(table.splitlines(), skipinitialspace=True))[:2]
    page = {name.strip(): int(value) for name, value in zip(names, values) if name.startswith("TIME_") and value.strip() not in ("", "0")}
    answer = json.loads(ask(
        "archivejson.cgi", query="availability", availabilityobjecttype="services", hostname="site", servicedescription="vm",
        starttime=DAY, endtime=DAY + 24 * HOUR, assumeinitialstate="true", assumestateretention="true",
        assumestatesduringnagiosdowntime="true", assumedinitialservicestate="ok", backtrackedarchives=4,
    ))  # fmt: skip
    return page, {name: value for name, value in answer["data"]["service"].items() if isinstance(value, int) and value}


def compare(what, got, *expected):
    print(what, *(f"  {program:16} {seconds}" for program, seconds in zip(("avail.cgi", "archivejson.cgi"), got)), sep="\n")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


ALERT = "SERVICE ALERT: site;vm;"
compare(
    "CRITICAL in a hard state, 4 to 6 o'clock",
    count([f"4 {ALERT}CRITICAL;HARD;3;bad", f"6 {ALERT}OK;HARD;3;ok"]),
    {"TIME_OK_UNSCHEDULED": 79200, "TIME_CRITICAL_UNSCHEDULED": 7200},
    {"time_ok": 79200, "time_critical": 7200},
)
compare(
    "CRITICAL in a soft state, 4 to 6 o'clock",
    count([f"4 {ALERT}CRITICAL;SOFT;1;bad", f"6 {ALERT}OK;SOFT;2;ok"]),
    {"TIME_OK_UNSCHEDULED": 86400},
    {"time_ok": 79200, "time_critical": 7200},
)
compare(
    "CRITICAL from 13 to 14 o'clock, a downtime of the host from 12 to 14",
    count([
        "12 HOST DOWNTIME ALERT: site;STARTED; x", f"13 {ALERT}CRITICAL;HARD;3;bad", "14 HOST DOWNTIME ALERT: site;STOPPED; x",
        f"14 {ALERT}OK;HARD;3;ok",
    ]),
    {"TIME_OK_SCHEDULED": 3600, "TIME_OK_UNSCHEDULED": 79200, "TIME_CRITICAL_SCHEDULED": 3600},
    {"time_ok": 82800, "time_critical": 3600},
)  # fmt: skip
compare(
    "CRITICAL from 14 o'clock, downtimes of the service from 15 to 17 and 16 to 18",
    count([
        f"14 {ALERT}CRITICAL;HARD;3;bad", "15 SERVICE DOWNTIME ALERT: site;vm;STARTED; a", "16 SERVICE DOWNTIME ALERT: site;vm;STARTED; b",
        "17 SERVICE DOWNTIME ALERT: site;vm;STOPPED; a", "18 SERVICE DOWNTIME ALERT: site;vm;STOPPED; b",
    ]),
    {"TIME_OK_UNSCHEDULED": 50400, "TIME_CRITICAL_SCHEDULED": 7200, "TIME_CRITICAL_UNSCHEDULED": 28800},
    {"time_ok": 50400, "time_critical": 28800, "scheduled_time_critical": 7200},
)  # fmt: skip
PYTHON
