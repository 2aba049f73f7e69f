"""A library that is missing is named, with what to install, and the exit code is 3: no program calls it a bug."""

from __future__ import annotations

import sys

import pytest

from libprobe.probe import output
from tests.conftest import ROOT, Probe

HIDE = """
from importlib.machinery import PathFinder

found = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name.partition(".")[0] == {name!r} else found(name, *more)
"""

RUNS = {
    "check_occi_vm": ("nagiosplugin", ["-u", "https://127.0.0.1:1/?image=a&resource=b"]),
    "check_perun": ("requests", ["-H", "perun.fedcloud.test"]),
    "check_apel_pub": ("requests", ["--site", "OOI-CLOUD"]),
    "check_cloud_bdii": ("ldap3", ["-H", "ooi.fedcloud.test"]),
    "check_occi_context": ("requests", ["-H", "ooi.fedcloud.test"]),
    "check_appdb_update": ("cryptography", []),
    "check_credential": ("nagiosplugin", []),
    "check_availability": ("nagiosplugin", ["--site", "X"]),
    "check_openstack_images": ("requests", ["-H", "stack.fedcloud.test"]),
    "check_cloud_info": ("requests", ["-H", "stack.fedcloud.test"]),
    "check_openstack_swift": ("requests", ["-H", "stack.fedcloud.test"]),
    "check_openstack_vm": ("requests", ["-H", "stack.fedcloud.test"]),
    "fedcloud-ncg": ("jinja2", ["--output", "{tmp}/written", "--no-validate"]),
    "fedcloud-downtimes": ("requests", ["--nagios", "{tmp}/nagios.cfg", "--output", "{tmp}"]),
    "fedcloud-leftovers": ("nagiosplugin", []),
    "fedcloud-selfcheck": ("requests", ["OOI-CLOUD"]),
    "fedcloud-worker": ("nagiosplugin", ["--socket", "{tmp}/nagios.qh"]),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_missing_library_is_named_with_what_to_install(probe: Probe, federation, tmp_path, name):
    library, words = RUNS[name]
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(HIDE.format(name=library))
    (tmp_path / "nagios.cfg").write_text(f"status_file={tmp_path}/status.dat\ncommand_file={tmp_path}/nagios.cmd\n")
    (tmp_path / "services.jsonl").touch()
    report = probe(
        name,
        *(word.format(tmp=tmp_path) for word in words),
        **{**federation.environment(), "PYTHONPATH": f"{hidden}:{ROOT}"},
    )
    assert report.code == 3, report.out
    assert (
        f"a library is missing: {sys.executable} has no {library} (install it there: {sys.executable}" in report.first
    )
    assert f"-m pip install '{output.DISTRIBUTIONS[library]}'" in report.first
    assert "bug" not in report.out
    assert report.err == ""
