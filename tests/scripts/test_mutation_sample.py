from __future__ import annotations

import pytest

from scripts.mutation_sample import NOTICED, UNNOTICED, run
from scripts.mutation_sample import test_files as files_of
from tests.conftest import ROOT
from tests.pace import AMPLE_S


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


@pytest.mark.parametrize(
    ("holds", "found"), [("True", (UNNOTICED, "")), ("False", (NOTICED, "test_it.py::test_whether_it_holds"))]
)
def test_the_tests_of_a_copy_say_whether_a_change_is_noticed(tmp_path, holds, found):
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "test_it.py").write_text(f"def test_whether_it_holds():\n    assert {holds}\n")
    assert run(tmp_path, ["test_it.py"], AMPLE_S) == found
