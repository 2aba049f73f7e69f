#!/bin/bash
# pretiac makes CRITICAL of a plugin that is missing or was killed, and sends the long text of others to Icinga as performance data.
#
# Software:  pretiac 0.7.0 (PyPI): CheckExecution, by which "pretiac check" runs plugins and hands their results to Icinga 2.
#            Seen 2026-11-30.
# Expected:  as Icinga does with a plugin of its own: what has not judged anything (no such file, not executable, killed, an exit code above
#            3) is UNKNOWN; the text is all lines without what stands behind "|", performance data are those of all lines.
# Seen:      missing, not executable, killed, exit code 4: ServiceState.CRITICAL.
#            "OK - fine | a=1", then "long text", then "more | b=2": the text is "OK - fine", performance data are
#            "a=1\nlong text\nmore", and b=2 is lost. Without performance data in the first line the long text is kept.
#            no output: an empty text, the state as the plugin ended.
# Matters:   a host on which the package of plugins is not installed yet, or memory is short, pages for each service of its list, and
#            a site's availability suffers for the monitor's fault. The lines that say why are gone from the alarm. Have plugins print one
#            line, and look for "Plugin not found" before believing a CRITICAL.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install pretiac==0.7.0
venv/bin/python - <<'PYTHON'
import pathlib
import sys

from pretiac.check_executor import CheckExecution

PLUGIN = pathlib.Path("plugin").resolve()


def execute(said, ending, mode=0o755):
    pathlib.Path("text").write_text(said)
    PLUGIN.write_text(f"#!/bin/bash\ncat {PLUGIN.parent}/text\n{ending}\n")
    PLUGIN.chmod(mode)
    return CheckExecution([str(PLUGIN)])


def compare(what, done, expected):
    got = (done.exit_status.value, done.plugin_output.replace(str(PLUGIN.parent), "."), done.performance_data)
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


for said, ending, expected in (
    ("OK - fine | a=1 b=2;10:;20:\n", "", (0, "OK - fine", "a=1 b=2;10:;20:")),
    ("UNKNOWN - no answer\n", "exit 3", (3, "UNKNOWN - no answer", None)),
    ("UNKNOWN - odd\n", "exit 4", (2, "UNKNOWN - odd", None)),
    ("OK - fine\n", "kill -9 $$", (2, "OK - fine", None)),
    ("", "exit 1", (1, "", None)),
    ("OK - fine\nlong text\n", "", (0, "OK - fine\nlong text", None)),
    ("OK - fine | a=1\nlong text\nmore | b=2\n", "", (0, "OK - fine", "a=1\nlong text\nmore")),
):
    compare(f"{said!r}, {ending or 'exit 0'}", execute(said, ending), expected)
compare("no such plugin", CheckExecution("./absent -w 1"), (2, "Plugin not found: ./absent", None))
done = execute("OK - fine\n", "", mode=0o644)
compare("not executable", done, (2, "PermissionError: (13, 'Permission denied')", None))
PYTHON
