"""The template for PNP4Nagios, run by PHP as PNP runs it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment

pytestmark = pytest.mark.needs("php-cli")
TEMPLATE = ROOT / "etc/pnp4nagios/fedcloud.php"
PNP = """
class Pnp {
    public $MACRO = array('DISP_HOSTNAME' => "cloud.example.org", 'DISP_SERVICEDESC' => "it's OCCI-VM");
    public $DS;
    function run($template) { include $template; return array($ds_name, $opt, $def); }
}
error_reporting(E_ALL);
set_error_handler(function ($number, $text) { fwrite(STDERR, $text); exit(1); });
$pnp = new Pnp();
$pnp->DS = json_decode($argv[2], true);
echo json_encode($pnp->run($argv[1]));
"""


def entry(name: str, unit: str, number: int, **more: str) -> dict[str, str]:
    return {"NAME": name, "UNIT": unit, "ACT": "1", "RRDFILE": "/var/lib/pnp/x.rrd", "DS": str(number), **more}


def run(*entries: dict[str, str]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    done = subprocess.run(["php", "-r", PNP, "--", TEMPLATE, json.dumps(entries)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    titles, options, definitions = json.loads(done.stdout)
    return titles, options, definitions


def test_php_accepts_it() -> None:
    done = subprocess.run(["php", "-l", TEMPLATE], capture_output=True, text=True)
    assert done.stdout.startswith("No syntax errors"), done.stdout


def test_values_of_one_kind_share_a_graph_and_each_has_its_line() -> None:
    titles, options, definitions = run(
        entry("time_to_active", "s", 1, WARN="300", CRIT=""),
        entry("images", "", 2),
        entry("time_total", "s", 3),
        entry("size", "B", 4),
        entry("record_age", "s", 5, WARN="604800", CRIT="2592000"),
    )
    assert list(titles.values()) == ["Times (seconds)", "Numbers", "Sizes (bytes)", "Ages (days)"]
    assert sorted(options) == sorted(definitions) == sorted(titles)
    assert re.findall(r"DEF:\w+=/var/lib/pnp/x\.rrd:(\d):AVERAGE ", definitions["1"]) == ["1", "3"]
    assert re.findall(r"HRULE:(\S+)", definitions["1"]) == ["300#ffcc00"]
    assert re.findall(r"HRULE:(\S+)", definitions["4"]) == ["7#ffcc00", "30#ff0000"]
    for text in definitions.values():
        assert text.count(" CDEF:") == text.count("LINE1:") == text.count(":LAST:") == text.count(":MAX:")


def test_no_text_of_a_service_reaches_the_shell() -> None:
    _, options, definitions = run(entry("a'; touch /tmp/x; '", "", 1))
    assert "'cloud.example.org / it'\\''s OCCI-VM'" in options["1"]
    assert "touch" in definitions["1"]
    assert ";" not in definitions["1"]


@pytest.mark.needs("rrdtool")
def test_rrdtool_draws_the_graphs(tmp_path: Path) -> None:
    labels = [("time_to_active", "s", "300"), ("record_age", "s", "604800"), ("size", "B", ""), ("images", "", "")]
    sources = [f"DS:{number}:GAUGE:600:U:U" for number in range(1, len(labels) + 1)]
    rrd = tmp_path / "x.rrd"
    subprocess.run(["rrdtool", "create", rrd, "--step", "300", *sources, "RRA:AVERAGE:0.5:1:100"], check=True)
    entries = [
        entry(label, unit, number, WARN=warning, RRDFILE=str(rrd))
        for number, (label, unit, warning) in enumerate(labels, 1)
    ]
    titles, options, definitions = run(*entries)
    assert len(titles) == 4
    for number in titles:
        image = tmp_path / f"{number}.png"
        drawing = f"rrdtool graph {image} {options[number]} {definitions[number]}"
        done = subprocess.run(
            ["sh", "-c", drawing], capture_output=True, text=True, env=clean_environment(HOME=tmp_path)
        )
        assert (done.returncode, done.stderr) == (0, ""), drawing
        assert image.read_bytes().startswith(b"\x89PNG")
