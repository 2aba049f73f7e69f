#!/bin/bash
# The accounting record of a machine that still runs says that it ended in 1970: cASO writes "EndTime: 0".
#
# Software:  caso 5.2.2 (PyPI). Seen 2026-11-28.
# Expected:  the cloud usage record knows NULL, or no line, for a machine that has not ended; a machine without an end has a
#            WallDuration up to the moment of measuring.
# Seen:      CloudRecord.ssm_message() of a machine without an end has "EndTime: 0" and neither WallDuration nor CpuDuration,
#            unless the extractor has set a duration. An end before the start (a clock that was set back) is no error either: the
#            record is sent with WallDuration: -3600 and CpuDuration: -7200.
# Matters:   who reads EndTime as an instant gets 1970-01-01T00:00:00Z: a record 56 years old, a negative duration, a
#            freshness alarm. 0 in this field means "still running".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install caso==5.2.2
venv/bin/python - <<'PYTHON'
import datetime
import sys
import uuid

from caso import record

noon = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.timezone.utc)


def message(end):
    """The record of a machine that was started at noon, as it is sent to the accounting repository."""
    return record.CloudRecord(
        uuid=uuid.UUID(int=1),
        site_name="EXAMPLE-SITE",
        compute_service="cloud",
        name="vm",
        user_id="user",
        group_id="group",
        fqan="/ops",
        user_dn="/DC=org/DC=example/CN=user",
        start_time=noon,
        end_time=end,
        status="started" if end is None else "completed",
        cpu_count=2,
        memory=2048,
        disk=20,
    ).ssm_message()


running, backwards = message(None), message(noon - datetime.timedelta(hours=1))
print(running)
lines = dict(line.split(": ", 1) for line in running.splitlines())
if lines.get("EndTime") != "0" or "WallDuration" in lines:
    sys.exit("CHANGED: a running machine has another EndTime, or a WallDuration")
if "WallDuration: -3600" not in backwards:
    sys.exit("CHANGED: an end before the start no longer makes a negative duration")
print("\nwith an end before the start:", [line for line in backwards.splitlines() if "Time" in line or "Duration" in line])
PYTHON
