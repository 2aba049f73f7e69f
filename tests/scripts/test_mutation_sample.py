from __future__ import annotations

import pytest

from scripts.mutation_sample import test_files as files_of
from tests.conftest import ROOT


@pytest.mark.parametrize("folder", ["checks", "clients", "state"])
def test_every_module_is_judged_by_test_files_that_are_there(folder):
    modules = [path for path in (ROOT / "libprobe" / folder).glob("*.py") if path.name != "__init__.py"]
    assert modules
    for path in modules:
        files = files_of(str(path.relative_to(ROOT)))
        assert files
        assert [name for name in files if not (ROOT / name).is_file()] == []


def test_a_module_has_the_file_of_its_name_and_those_of_the_table():
    assert files_of("libprobe/clients/ways.py") == ["tests/clients/test_ways.py"]
    assert files_of("libprobe/checks/removal.py") == ["tests/probes/test_check_occi_vm_orphans.py"]
