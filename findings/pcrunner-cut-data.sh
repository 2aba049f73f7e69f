#!/bin/bash
# pcrunner cuts the last performance datum: 85%;90;95 is 85, a limit of 10: is 10, -3 is nothing; lines of stderr are added to the data.
#
# Software:  pcrunner 1.0.3 (PyPI), as it writes a result for the monitor. Seen 2026-11-30.
# Expected:  performance data are handed on as the plugin printed them, or dropped as a whole. What a signal ended is UNKNOWN, 3. Several
#            lines are one line, with the data of all at its end, or the first line alone; stderr is not part of a result that has
#            a line on stdout.
# Seen:      of the last datum what follows a character other than letters, digits, "_", ".", ";" and "=" is dropped: 85%;90;95 is 85;
#            1d;10:;20: is 1d;10; load=-3 is load=; 1e-05 is 1e. Those before the last one are whole.
#            killed: the state in the command is -9. The second line, "more | b=2", is part of the data of the first.
#            a warning on stderr, "use b=c": a datum of its own behind those of the plugin.
# Matters:   the one figure of a plugin with one figure is wrong in every graph, with another limit and no unit, and the state is right,
#            so nobody looks. Write base units without "%", limits without ranges, or a last datum that nobody needs.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install pcrunner==1.0.3
venv/bin/python - <<'PYTHON'
import pathlib
import sys

from pcrunner.main import Check

PLUGIN = pathlib.Path("plugin").resolve()


def written(said, ending):
    """What pcrunner writes, behind the time, of a plugin with that text and end."""
    pathlib.Path("text").write_text(said + "\n")
    PLUGIN.write_text(f"#!/bin/bash\ncat {PLUGIN.parent}/text\n{ending}\n")
    PLUGIN.chmod(0o755)
    check = Check("PROCESS_SERVICE_CHECK_RESULT", "vm", str(PLUGIN), "site")
    check.run()
    return repr(check).partition(";site;vm;")[2]


for said, ending, expected in (
    ("OK - fine | time=1.5s;2;3;0;9", "", "0;OK - fine | time=1.5s;2;3;0;9"),
    ("OK - fine | a=1 b=U", "", "0;OK - fine | a=1 b=U"),
    ("WARNING - full | disk=92%;90;95", "exit 1", "1;WARNING - full | disk=92"),
    ("WARNING - full | disk=92%;90;95 inodes=3%;80;90", "exit 1", "1;WARNING - full | disk=92%;90;95 inodes=3"),
    ("OK - fine | lifetime=1d;10:;20:", "", "0;OK - fine | lifetime=1d;10"),
    ("OK - fine | drift=-3", "", "0;OK - fine | drift="),
    ("OK - fine | rate=1e-05", "", "0;OK - fine | rate=1e"),
    ("OK - fine | a=1\nmore | b=2", "", "0;OK - fine | a=1 more | b=2"),
    ("OK - fine | a=1", "echo DeprecationWarning: use b=c >&2", "0;OK - fine | a=1 DeprecationWarning: use b=c"),
    ("CRITICAL - refused", "kill -9 $$", "-9;CRITICAL - refused"),
):
    got = written(said, ending)
    print(f"{said!r}{f', {ending}' if ending else ''}:\n  {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")
PYTHON
