"""What is made for Icinga: CheckCommands, and the Director's basket with the same ones."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from libprobe.programs import catalogue
from scripts import parsers
from tests.conftest import ROOT, clean_environment

METRICS = {metric.name: metric for metric in catalogue.read(str(ROOT / "etc/ncg"))}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("icinga2")
    words = [sys.executable, ROOT / "scripts/make-icinga", directory]
    subprocess.run(words, check=True, capture_output=True, env=clean_environment())
    return directory


@pytest.fixture(scope="module")
def basket(made: Path) -> dict:
    return json.loads((made / "fedcloud-director-basket.json").read_text())


def test_the_basket_has_the_commands_that_are_included_elsewhere(made: Path, basket: dict) -> None:
    text = (made / "fedcloud-probes.conf").read_text()
    assert set(basket["Command"]) == set(re.findall('^object CheckCommand "(.*)"', text, re.MULTILINE))
    probes = {path.name for path in parsers.EXECUTABLES if path.name.startswith("check_")}
    # a monitor looks at what is its own by services of its own
    assert len(basket["Command"]) == len(probes - {"check_credential", "check_availability"})
    for command in basket["Command"].values():
        assert f'command = [ "{command["command"]}" ]' in text
        for option, argument in command["arguments"].items():
            [key] = argument.keys() - {"description"}
            assert re.search(f'"{option}" = {{\\n *{key} = "{re.escape(argument[key])}"', text), (option, argument)
    assert sum(len(each["arguments"]) for each in basket["Command"].values()) == len(
        re.findall("(value|set_if) =", text)
    )


def test_each_option_is_one_of_the_probe(basket: dict) -> None:
    for command in basket["Command"].values():
        known = parsers.parser_of(ROOT / "probes" / command["command"].rpartition("/")[2]).options
        for option, argument in command["arguments"].items():
            assert (known[option].nargs == 0) == ("set_if" in argument), option


def test_each_variable_has_a_field_of_its_kind(basket: dict) -> None:
    fields = basket["Datafield"]
    used = []
    for name, command in basket["Command"].items():
        mine = [fields[str(each["datafield_id"])] for each in command["fields"]]
        variables = {argument.get("value", argument.get("set_if")) for argument in command["arguments"].values()}
        assert {f"${field['varname']}$" for field in mine} == variables
        assert all(field["varname"].startswith(f"{name}_") for field in mine)
        used += [each["datafield_id"] for each in command["fields"]]
    assert sorted(used) == list(range(1, len(fields) + 1))


def test_each_metric_has_a_template_that_sets_variables_of_its_command(basket: dict) -> None:
    assert set(basket["ServiceTemplate"]) == {f"fedcloud-{name}" for name in METRICS}
    for name, metric in METRICS.items():
        template = basket["ServiceTemplate"][f"fedcloud-{name}"]
        command = basket["Command"][template["check_command"]]
        known = {argument.get("value", argument.get("set_if")) for argument in command["arguments"].values()}
        assert {f"${variable}$" for variable in template["vars"]} <= known
        assert template["vars"][f"{template['check_command']}_timeout"] == f"{metric.timeout_s:g}"
        assert float(command["timeout"]) > metric.timeout_s
        assert (template["check_interval"], template["notes_url"]) == (str(int(metric.interval_s)), metric.docurl)


def test_icinga_finds_as_many_commands_as_there_are_probes(made: Path, basket: dict, tmp_path: Path) -> None:
    icinga = shutil.which("icinga2", path="/usr/sbin:/usr/bin")
    if not icinga:
        pytest.skip("icinga2 is not installed")
    from libprobe.programs.ncg.validation import icinga2_command

    main = tmp_path / "icinga2.conf"
    main.write_text(f'include "{made}/fedcloud-probes.conf"\nobject CheckerComponent "checker" {{ }}\n')
    done = subprocess.run(icinga2_command(icinga, str(main), str(tmp_path), "-C"), capture_output=True, text=True)
    assert f"{len(basket['Command'])} CheckCommands" in done.stdout, done.stdout
