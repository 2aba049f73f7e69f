"""fedcloud-ncg --check-ncg: what a real argo-ncg made of the same files, case by case.

Each case was run with argo-ncg 0.4.18 and Config::General 2.65 (Debian 12): what it left out is what must be told.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from libprobe.failures import BadData
from libprobe.formats import config_general
from libprobe.programs import catalogue
from libprobe.programs.ncg.argo import _INTERNAL
from tests.conftest import ROOT, Report, clean_environment, command
from tests.pace import AMPLE_S

SHIPPED = ROOT / "etc/ncg"
ALL = "all of them"
METRICS = catalogue.read(str(SHIPPED))
N = len(METRICS)
VO = [metric.name for metric in METRICS if "VO" in metric.flags]
PROXY = [metric.name for metric in METRICS if "X509_USER_PROXY" in dict(metric.attributes)]
INTERNAL = (
    "NCG ends with exit code 2, and ncg.reload.sh throws away what it wrote, as the monitoring host's own metrics are "
    "not defined: "
)
CONFIGURATION = """\
include ncg-vars.conf
<NCG::SiteInfo>
  <GOCDB>
    SCOPE=$SCOPE
  </GOCDB>
</NCG::SiteInfo>
<NCG::LocalMetrics>
  <File>
    DB_FILE={0}/ncg.localdb
    DB_DIRECTORY={0}/ncg-localdb.d
  </File>
</NCG::LocalMetrics>
<NCG::MetricConfig>
  <JSON>
    METRIC_CONFIG_FILE={0}/metrics.conf
    METRIC_CONFIG_DIR={0}/metrics.d
  </JSON>
</NCG::MetricConfig>
<NCG::LocalMetricsAttrs>
  <Active>
    INCLUDE_PROXY_CHECKS=1 # of a proxy
  </Active>
</NCG::LocalMetricsAttrs>
<NCG::ConfigGen>
  <Nagios/>
</NCG::ConfigGen>
include ncg.conf.d/*.conf
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Of an NCG that takes all metrics."""
    path = tmp_path / "argo-ncg"
    for name in ("ncg-localdb.d", "metrics.d"):
        (path / name).mkdir(parents=True)
    (path / "ncg.conf").write_text(CONFIGURATION.format(path))
    (path / "ncg-vars.conf").write_text("# NAGIOS_ADMIN = root@localhost\n")
    (path / "ncg.localdb").touch()
    (path / "metrics.conf").write_text(json.dumps({name: {"probe": "x"} for name in _INTERNAL}))
    (path / "metrics.d/fedcloud-probes.conf").symlink_to(SHIPPED / "fedcloud-probes.conf")
    shutil.copy(SHIPPED / "fedcloud-probes.localdb", path / "ncg-localdb.d/fedcloud-probes")
    return path


def ncg(directory: Path, *words: object) -> Report:
    done = subprocess.run(
        command("fedcloud-ncg", "--definitions", SHIPPED, "--check-ncg", directory, *words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=AMPLE_S,
        cwd="/tmp",
        env=clean_environment(HOME=directory.parent, SCOPE="EGI"),
    )
    return Report(done.returncode, done.stdout.decode(), done.stderr.decode())


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_bytes(change(path.read_text()).encode())


def test_all_metrics_are_taken_and_nothing_is_written(directory: Path) -> None:
    before = sorted(directory.rglob("*"))
    assert ncg(directory) == Report(0, f"fedcloud-ncg: NCG takes {N} of {N} metrics, by {directory}\n", "")
    assert sorted(directory.rglob("*")) == before


def replace(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


LAST_LINES = {
    "no block JSON": (
        lambda text: text.replace("<JSON>", "<json>").replace("</JSON>", "</json>"),
        0,
        [
            f"skips {ALL}: NCG has no definition of it: NCG::MetricConfig has no block JSON (add an empty one)",
            f"skips {ALL}: {INTERNAL}{', '.join(_INTERNAL)}",
        ],
    ),
    "POEM without a token": (
        replace("<NCG::MetricConfig>", "<NCG::MetricConfig>\n<POEM>\n TOKEN = $POEM_TOKEN\n</POEM>"),
        0,
        [
            f"skips {ALL}: NCG has no definition of it: NCG::MetricConfig ends for NCG at POEM, which has no TOKEN, so "
            "it does not come to JSON (give it one, or take the block POEM out)",
            f"skips {ALL}: {INTERNAL}{', '.join(_INTERNAL)}",
        ],
    ),
    "POEM with one": (
        replace("<NCG::MetricConfig>", "<NCG::MetricConfig>\n<POEM>\n TOKEN = t0p-secret\n</POEM>"),
        N,
        ["POEM is asked first, and NCG ends with exit code 2 where it does not answer"],
    ),
    "WEBAPI without a token": (
        replace("<NCG::LocalMetrics>", "<NCG::LocalMetrics>\n<WEBAPI>\n PROFILES = X\n</WEBAPI>"),
        0,
        [
            f"skips {ALL}: NCG::LocalMetrics ends for NCG at WEBAPI, which has no TOKEN, so it reads no localdb (give "
            "it one, or take the block WEBAPI out)"
        ],
    ),
    "proxies switched off": (
        replace("INCLUDE_PROXY_CHECKS=1", ""),
        N - len(PROXY),
        [
            f"skips {', '.join(PROXY)}: it can use a proxy, and INCLUDE_PROXY_CHECKS=1 does not stand inside the block "
            "Active of NCG::LocalMetricsAttrs"
        ],
    ),
    "proxies switched on at the top": (
        lambda text: "INCLUDE_PROXY_CHECKS=1\n" + text.replace("INCLUDE_PROXY_CHECKS=1", ""),
        0,
        [
            f"skips {ALL}: {INTERNAL}srce.gridproxy.validity, srce.gridproxy.get, argo.oidc.token-fetch, "
            "argo.oidc.refresh-token-validity",
            f"skips {', '.join(PROXY)}: it can use a proxy, and INCLUDE_PROXY_CHECKS=1 does not stand inside the block "
            "Active of NCG::LocalMetricsAttrs, only outside of it",
        ],
    ),
    "proxies switched on beside the block": (
        replace("<NCG::LocalMetricsAttrs>", "<NCG::LocalMetricsAttrs>\nINCLUDE_PROXY_CHECKS 1"),
        0,
        [
            f"skips {ALL}: INCLUDE_PROXY_CHECKS is in NCG::LocalMetricsAttrs, but in no block within it, so NCG "
            "takes it for a module that it does not have, and leaves out what it comes to after it, in no certain order"
        ],
    ),
    "another VO": (
        lambda text: "VO=fedcloud\n" + text,
        N - len(VO),
        [
            f"skips {', '.join(VO)}: it acts for a VO: NCG is to act for fedcloud, and takes the sites to support ops "
            "alone (give VO=fedcloud inside GOCDB of NCG::SiteInfo as well)"
        ],
    ),
    "another VO in both places": (
        lambda text: "VO=fedcloud\n" + text.replace("<GOCDB>", "<GOCDB>\nVO=fedcloud"),
        N,
        [],
    ),
    "two blocks of a name": (
        lambda text: text + "<NCG::MetricConfig>\n</NCG::MetricConfig>\n",
        0,
        [f"skips {ALL}: NCG ends with an error, because there are two blocks NCG::MetricConfig (make them one)"],
    ),
    "remote checks": (
        lambda text: "PROBES_TYPE = remote\n" + text,
        0,
        [f"skips {ALL}: PROBES_TYPE is remote, so NCG generates no check that is run here (make it all)"],
    ),
    "nothing to generate": (
        replace("<Nagios/>", "# <Nagios/>"),
        0,
        [f"skips {ALL}: nothing is written, because NCG::ConfigGen has no block Nagios"],
    ),
    "a site's own block": (
        replace("<NCG::LocalMetrics>", "<NCG::LocalMetrics>\n<EXAMPLE>\n</EXAMPLE>"),
        N,
        ["EXAMPLE in NCG::LocalMetrics: a site of that name has the metrics of it alone"],
    ),
}


@pytest.mark.parametrize("case", LAST_LINES)
def test_what_ncgs_own_configuration_drops_is_said_with_the_reason(directory: Path, case: str) -> None:
    change, taken, lines = LAST_LINES[case]
    edit(directory / "ncg.conf", change)
    report = ncg(directory)
    assert report.out.splitlines() == [
        f"fedcloud-ncg: NCG takes {taken} of {N} metrics, by {directory}",
        *(f"  {line}" for line in lines),
    ]
    assert (report.code, report.err) == (1 if taken < N else 0, "")


LOCALDB = {
    "CR and LF": (
        lambda text: text.replace("\n", "\r\n"),
        [f"skips {ALL}: {{}} has lines that end with CR and LF, and NCG passes over all metrics in them"],
    ),
    "a blank at the end": (
        replace("OCCI-TCP\n", "OCCI-TCP \n"),
        ["skips org.nagios.OCCI-TCP: {}, line 6 has a blank beside its fields, and NCG passes over such a line"],
    ),
    "a comment": (
        replace("ADD_SERVICE_METRIC!egi.Perun", "# ADD_SERVICE_METRIC!egi.Perun"),
        [
            "skips eu.egi.cloud.Perun-Check: no line of a localdb gives it to a service type (link "
            "fedcloud-probes.localdb into {0.parent})"
        ],
    ),
    "a service type of several": (
        replace("ADD_SERVICE_METRIC!egi.MSGBroker!org.nagios.Broker-TCP\n", ""),
        [
            "skips org.nagios.Broker-TCP for egi.MSGBroker: no line of a localdb gives it to a service type (link "
            "fedcloud-probes.localdb into {0.parent})"
        ],
    ),
    "a quote": (
        lambda text: '# "attributes"\n' + text,
        ["{}, line 1 has a double quote, at which NCG stops reading attributes"],
    ),
    "another's lines": (lambda text: "ADD_HOST_SERVICE!a.example.org!Site-BDII\nADD_SITE!X\n" + text, []),
}


@pytest.mark.parametrize("case", LOCALDB)
def test_what_a_localdb_loses_is_said_with_its_line(directory: Path, case: str) -> None:
    change, lines = LOCALDB[case]
    path = directory / "ncg-localdb.d/fedcloud-probes"
    edit(path, change)
    assert ncg(directory).out.splitlines()[1:] == [f"  {line.format(path)}" for line in lines]


def test_definitions_that_ncg_does_not_read_are_said(directory: Path) -> None:
    nowhere = f"skips {ALL}: NCG has no definition of it: "
    ours = directory / "metrics.d/fedcloud-probes.conf"
    ours.unlink()
    assert ncg(directory).out.splitlines()[1:] == [
        f"  {nowhere}no *.conf below {directory}/metrics.d has it (link fedcloud-probes.conf into it)"
    ]
    ours.write_text("{,}")
    [line] = ncg(directory).out.splitlines()[1:]
    assert line.startswith(f"  {nowhere}{ours} is not JSON (Expecting property name") and line.endswith(
        ", and NCG passes over it"
    )
    shutil.copy(SHIPPED / "fedcloud-probes.conf", ours)
    (directory / "metrics.d/deeper").mkdir()
    shutil.copy(ours, directory / "metrics.d/deeper/old.conf")
    first = ncg(directory)
    assert (first.code, first.out.count(", of which NCG makes one, in no certain order\n")) == (0, N)
    shutil.rmtree(directory / "metrics.d")
    assert ncg(directory).out.splitlines()[1] == (
        f"  {nowhere}{directory}/metrics.d is not there (make the directory, and link fedcloud-probes.conf into it)"
    )
    (directory / "metrics.conf").unlink()
    assert ncg(directory).out.splitlines()[1] == (
        f"  {nowhere}{directory}/metrics.conf is not there, so NCG reads none of {directory}/metrics.d either (put [] "
        "into it)".replace("[]", "{}")
    )


def test_what_cannot_be_read_is_exit_code_2(directory: Path) -> None:
    (directory / "ncg-vars.conf").unlink()
    assert ncg(directory) == Report(
        2,
        f"fedcloud-ncg: not checked: NCG cannot read its configuration: {directory}/ncg.conf includes ncg-vars.conf, "
        "which is not there\n",
        "",
    )
    os.mkfifo(directory / "ncg-vars.conf")
    # nobody writes into it, and nobody waits
    assert ncg(directory) == Report(2, f"fedcloud-ncg: not checked: {directory}/ncg-vars.conf is a pipe\n", "")
    (directory / "ncg.conf").unlink()
    assert ncg(directory) == Report(
        2, f"fedcloud-ncg: not checked: {directory}/ncg.conf cannot be read: No such file or directory\n", ""
    )


def test_an_option_for_writing_is_refused(directory: Path) -> None:
    report = ncg(directory, "--output", directory)
    assert report.code == 3
    assert "--output" in report.out and "--check-ncg" in report.out


def of(text: str, **files: str) -> config_general.ConfigBlock:
    return config_general.read("top", text, lambda name, of: [(name, files[name])], {"HOME": "/root"})


def test_a_configuration_is_read_as_perl_reads_it() -> None:
    """As Config::General 2.65 gave it for the same text."""
    text = """
        A = 1
        B "two words"
        <M N>
          C = $A$B/${A}x\\$A $HOME $NONE.
        </M>
        A = 3
        include other
        T <<E
        <X>
        E
        L = a \\
         b
        S = '$A'
        H=a\\#b
    """
    block = of(text, other="O=$A#b\n")
    assert block.blocks("M")[0].blocks("N")[0].text("C") == "1two words/1x$A /root "
    assert (block.text("A"), block.is_on("A"), block.text("O"), block.text("L")) == ("3", True, "1", "a b")
    assert (block.text("B"), block.text("S"), block.text("H")) == ("two words", "'$A'", "a#b")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<A>\n", "top: <A> has no end"),
        ("<A>\n</B>\n", "top, line 2: </B> ends no block"),
        ("</B>\n", "top, line 1: </B> ends no block"),
        ("include self\n", "self is included by itself"),
    ],
)
def test_what_perl_would_not_read_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadData) as error:
        of(text, self="include self\n")
    assert error.value.sentence == sentence
