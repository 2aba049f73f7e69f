"""--response-time in every probe that has it: one meaning, whatever else -w and -c judge there."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Report
from tests.machine import lacking

TIME = r"\d[\d.]* m?s"
STACK = "stack.fedcloud.test"
PROBES = {
    "check_perun": ("perun.fedcloud.test", "response_time", "answered"),
    "check_cloud_bdii": ("ooi.fedcloud.test", "response_time", "answered"),
    "check_cloud_info": (STACK, "time_to_login", "login complete"),
    "check_openstack_images": (STACK, "time_to_login", "login complete"),
    "check_openstack_swift": (STACK, "time_to_login", "login complete"),
    "check_openstack_vm": (STACK, "time_to_login", "login complete"),
}
"""By executable a host that is well, the label of the time, and what is done in it."""


def look(monitor, name: str, *words: object) -> Report:
    if name == "check_cloud_bdii" and (missing := lacking(["slapd", "glue-schema"])):
        pytest.skip(missing)
    return monitor.run(name, "-H", PROBES[name][0], *words)


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize(
    ("limits", "code", "word", "data"),
    [
        ("0.001ms,", 1, "WARNING", "0.000001;"),
        (",0.001ms", 2, "CRITICAL", ";0.000001"),
        ("0.001ms,50", 1, "WARNING", "0.000001;50"),
        (",", None, "", ";"),
    ],
)
def test_what_takes_longer_than_its_limit_is_told_with_it(monitor, name, limits, code, word, data):
    _, label, did = PROBES[name]
    report = look(monitor, name, "-t", 60, "--response-time", limits)
    assert report.err == ""
    assert report.performance[label].startswith(re.match(r"[\d.]+s", report.performance[label])[0] + f";{data};0")
    if code is None:
        assert f"{did} only after" not in report.first
        return
    assert report.code == code, report.out
    said = rf"\S+ {word} - {did} only after {TIME} on [\w.-]+:\d+ \(limit 0\.001ms\)"
    assert re.match(said, report.first), report.first


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("5s", "'5s' is not the form WARNING,CRITICAL, as 2s,10s or ,10s"),
        ("1,2,3", "'1,2,3' is not the form WARNING,CRITICAL, as 2s,10s or ,10s"),
        ("x,1", "'x' is not a number, alone or with a unit (ms, s, m, min, h, d, w)"),
        ("10,5", "10 would never be seen, for 5 is critical wherever it alerts; are they the wrong way round?"),
    ],
)
def test_what_are_no_two_ranges_is_refused(probe, limits, said):
    report = probe("check_perun", "-H", "h", "--response-time", limits)
    assert report == Report(
        3,
        f"Perun-Check UNKNOWN - usage: argument --response-time: {said} (see check_perun --help)\n",
        "",
    )


def test_a_limit_that_t_leaves_no_time_for_is_refused(probe):
    report = probe("check_perun", "-H", "h", "-t", 20, "--response-time", "5,30")
    assert report.first == (
        "Perun-Check UNKNOWN - usage: --response-time 30 cannot be reached: with -t 20 what it judges ends after 20 s; "
        "raise -t (see check_perun --help)"
    )
