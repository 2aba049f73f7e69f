"""The user_data by which a VM of OCCI is seen to boot."""

from __future__ import annotations

import subprocess

from libprobe.checks import boot, occi_context


def test_the_user_data_is_a_script_that_a_shell_runs_and_everybody_may_read_the_result(tmp_path):
    text = occi_context.marker_script("c0ffee").decode()
    assert text.startswith("#!/bin/sh\n")
    path = tmp_path / "marker"
    script = tmp_path / "script"
    script.write_text(text.replace(boot.MARKER_FILE, str(path)))
    subprocess.run(["/bin/sh", "-eu", str(script)], check=True)
    assert path.read_text() == "c0ffee\n"
    assert path.stat().st_mode & 0o777 == 0o644
