"""What the monitors say decides; a monitor that is not there, hangs or miscounts is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from libprobe.deadline import Deadline
from libprobe.programs.ncg import program, validation
from libprobe.programs.ncg.configuration import ConfigurationOptions
from libprobe.programs.ncg.inventory import InventoryCounts
from libprobe.programs.ncg.validation import ConfigurationRejected, ValidationResult, validate
from tests.executables import ROOT
from tests.pace import AMPLE_S, Watch, seconds
from tests.programs.ncg import topology

NAGIOS_SAYS = """\
Nagios Core 4.4.6
Checking objects...
\tChecked 12 services.
\tChecked 5 hosts.
Total Warnings: 0
Total Errors:   0
"""
ICINGA_SAYS = """\
information/cli: Icinga application loader (version: r2.13.6-1)
information/ConfigItem: Instantiated 12 Services.
information/ConfigItem: Instantiated 5 Hosts.
"""
GOOD = {"nagios": NAGIOS_SAYS, "icinga2": ICINGA_SAYS}
PROGRAM = {"nagios": "nagios4", "icinga2": "icinga2"}
COUNTS = InventoryCounts(2, 5, 12)


@pytest.fixture
def monitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a program of ours in the place of a monitor."""
    monkeypatch.setattr(validation, "_PATH", f"{tmp_path}:/usr/bin:/bin")

    def install(kind: str, says: str, code: int = 0) -> None:
        script = tmp_path / PROGRAM[kind]
        script.write_text(f"#!/bin/sh\ncat <<'THE_END'\n{says}\nTHE_END\nexit {code}\n")
        script.chmod(0o755)

    return install


def ask(kind: str, counts: InventoryCounts = COUNTS, limit: float = AMPLE_S) -> ValidationResult:
    return validate(kind, "/nonexistent", ConfigurationOptions(), counts, Deadline(limit))


@pytest.mark.parametrize("kind", GOOD)
def test_a_monitor_that_is_not_installed_is_said(monitor, kind: str) -> None:
    assert ask(kind) == ValidationResult(False, f"not checked: {PROGRAM[kind]} is not installed here")


@pytest.mark.parametrize(("kind", "words"), [("nagios", "Nagios 4.4.6"), ("icinga2", "Icinga 2.13.6")])
def test_a_monitor_that_accepts_is_named_with_its_version(monitor, kind: str, words: str) -> None:
    monitor(kind, GOOD[kind])
    assert ask(kind) == ValidationResult(True, f"accepted by {words}")


def test_what_nagios_warns_of_is_told_with_its_number_and_refuses_nothing(monitor) -> None:
    warnings = "".join(f"Warning: Host 'h{number}' is  odd|ly made\n" for number in range(7))
    often = (
        "Warning: Service 'a' on host 'b'  has a notification interval less than its check interval!  Notifications ..."
    )
    monitor("nagios", f"{often}\n{warnings}" + NAGIOS_SAYS.replace("Warnings: 0", "Warnings: 8"))
    first = tuple(f"nagios4 warns: Host 'h{number}' is odd/ly made" for number in range(5))
    assert ask("nagios") == ValidationResult(True, "accepted by Nagios 4.4.6", first, 2)


def test_a_configuration_that_is_warned_of_is_written_and_the_report_says_of_what(
    monitor, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("FEDCLOUD_PROBES_CONFIG", "/dev/null")
    monkeypatch.setattr(validation, "MAIN_FILES", ())
    warnings = "".join(f"Warning: Host 'h{number}' is oddly made\n" for number in range(7))
    monitor("nagios", warnings + "\tChecked 15 services.\n\tChecked 5 hosts.\nTotal Errors:   0")
    saved = topology.save(topology.good(), tmp_path)
    words = ["--from", str(saved), "--definitions", str(ROOT / "etc/ncg"), "--output", str(tmp_path / "out")]
    code, report = program.execute(["fedcloud-ncg", *words])
    first = [f"  nagios4 warns: Host 'h{number}' is oddly made" for number in range(5)]
    said = [
        "  nagios: 6 files, accepted by Nagios",
        f"  written to {tmp_path}/out",
        "7 warnings:",
        *first,
        "  ... and 2 more",
    ]
    assert (code, report.splitlines()[-9:]) == (1, said)
    assert (tmp_path / "out/nagios/objects").is_dir()


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("counts", [InventoryCounts(2, 5, 13), InventoryCounts(2, 4, 12), InventoryCounts(0, 0, 0)])
def test_a_monitor_that_found_other_numbers_is_not_believed(monitor, kind: str, counts: InventoryCounts) -> None:
    """Something became a definition of its own, or was swallowed by another."""
    monitor(kind, GOOD[kind])
    with pytest.raises(ConfigurationRejected, match="in a configuration of"):
        ask(kind, counts)


@pytest.mark.parametrize(
    ("kind", "says", "complaint"),
    [
        ("nagios", "Error: Host 'a|b' is bad\nTotal Errors:   1", "Error: Host 'a/b' is bad"),
        ("nagios", "", "it says nothing"),
        ("icinga2", "[x] critical/config: Error: syntax error\n( in x)", "critical/config: Error: syntax error"),
        ("icinga2", "Segmentation fault", "Segmentation fault"),
    ],
)
def test_the_first_complaint_is_reported(monitor, kind: str, says: str, complaint: str) -> None:
    monitor(kind, says, code=1)
    with pytest.raises(ConfigurationRejected) as caught:
        ask(kind)
    assert caught.value.sentence.endswith(f"{PROGRAM[kind]} does not accept the configuration: {complaint}")


def test_a_nagios_that_counts_errors_and_exits_with_0_is_not_believed(monitor) -> None:
    monitor("nagios", NAGIOS_SAYS.replace("Errors:   0", "Errors:   1"))
    with pytest.raises(ConfigurationRejected):
        ask("nagios")


@pytest.mark.parametrize("kind", GOOD)
def test_a_monitor_that_hangs_is_ended_with_its_children(monitor, tmp_path: Path, kind: str) -> None:
    script = tmp_path / PROGRAM[kind]
    script.write_text("#!/bin/sh\nsleep 100 &\nwait\n")
    script.chmod(0o755)
    limit = seconds(0.3)
    watch = Watch()
    with pytest.raises(ConfigurationRejected, match=f"did not finish within {limit:g} s"):
        ask(kind, limit=limit)
    watch.ended_within(limit + 5)


def test_an_endless_output_is_not_kept_in_memory(monitor, tmp_path: Path) -> None:
    script = tmp_path / "nagios4"
    script.write_text("#!/bin/sh\nhead -c 20000000 /dev/zero | tr '\\0' x\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(ConfigurationRejected) as caught:
        ask("nagios")
    assert len(caught.value.sentence) < 600


def test_the_main_file_is_known_that_reads_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mains = [tmp_path / name for name in ("absent.cfg", "other.cfg", "main.cfg")]
    monkeypatch.setattr(validation, "MAIN_FILES", tuple(map(str, mains)))
    assert validation.find_main_file(str(tmp_path / "out")) == ""
    mains[1].write_text("cfg_dir=/etc/other\n#cfg_dir=out\n")
    mains[2].write_text(" cfg_dir = out/nagios/objects \n")
    assert validation.find_main_file(str(tmp_path / "out")) == str(mains[2])


def test_nrpe_cannot_be_asked() -> None:
    assert ask("nrpe") == ValidationResult(False, "not checked: nrpe has no way to check a configuration")
