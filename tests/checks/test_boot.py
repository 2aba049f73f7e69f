"""What the login to a VM decides by itself: which addresses are tried, whose fault a failure is."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from libprobe.checks import boot
from libprobe.checks.openstack_boot import BootedServer
from libprobe.clients.exchange import NoRoute
from libprobe.clients.ssh import KeyRefused
from libprobe.deadline import Deadline
from libprobe.failures import CRITICAL, UNKNOWN, WARNING, EndpointFailure, NoAnswer, Refused, Unreachable
from tests.pace import AMPLE_S


@pytest.mark.parametrize(
    ("told", "tried"),
    [
        (["10.0.0.5", "8.8.8.8"], ["8.8.8.8", "10.0.0.5"]),
        (["8.8.8.8/24", "8.8.8.8"], ["8.8.8.8"]),
        (["[2a00:1450::5]", "192.168.0.1"], ["2a00:1450::5", "192.168.0.1"]),
        (["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"], []),
        (["hello", "", "1.2.3", "8.8.8.8; rm -rf /", "08.8.8.8"], []),
        (["::1", "127.0.0.1"], ["::1", "127.0.0.1"]),
        ([f"10.0.0.{number}" for number in range(1, 200)], ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]),
    ],
)
def test_what_can_be_an_address_is_tried_public_ones_first(told, tried):
    assert boot.usable_addresses(told) == tried


@pytest.mark.parametrize(
    ("address", "failure", "is_sites"),
    [
        ("8.8.8.8", NoAnswer("x"), True),
        ("8.8.8.8", Unreachable("x"), True),
        ("8.8.8.8", KeyRefused("x"), True),
        ("127.1.0.2", Refused("x"), True),
        ("10.0.0.5", NoAnswer("x"), False),
        ("10.0.0.5", KeyRefused("x"), False),
        ("100.64.1.1", Refused("x"), False),
        ("169.254.1.1", Refused("x"), False),
        ("2a00:1450::5", Unreachable("x"), False),
        ("2a00:1450::5", Refused("x"), True),
        ("fd00::5", Refused("x"), False),
        ("2a00:1450::5", NoRoute("x"), False),
    ],
)
def test_only_an_address_that_everybody_can_reach_is_held_against_the_site(address, failure, is_sites):
    assert boot._is_sites_fault(address, failure) is is_sites


def test_an_address_without_a_route_from_here_does_not_keep_the_others_from_being_tried(monkeypatch):
    """Clouds give their VMs a global IPv6 address beside the other one, and a monitor may have no IPv6."""
    tried: list[str] = []

    @contextmanager
    def login(host, *_):
        tried.append(host)
        if ":" in host:
            raise NoRoute("Network is unreachable", place=f"[{host}]:22", link="at")
        yield SimpleNamespace(software="SSH-2.0-x", read=lambda path, most: b"ab" * 16)

    monkeypatch.setattr(boot.ssh, "login", login)
    life = boot.BootLifeCycle.__new__(boot.BootLifeCycle)
    life.deadline = life._login_deadline = Deadline(AMPLE_S)
    life.details, life.facts, life._asked_at = [], {}, time.monotonic()
    life._login_options, life._key, life._marker = boot.SshLoginOptions("root", 22), None, "ab" * 16
    life._login_address, life._logged_in_at, life._marker_state = "", 0.0, ""
    found = [each.name for each in life._keep_trying_to_log_in("/1", ["2a00:1450::5", "8.8.8.8"])]
    assert (tried, found) == (["2a00:1450::5", "8.8.8.8"], ["time_to_login", "time_to_context"])


@pytest.mark.parametrize(
    ("console", "kind", "said"),
    [
        (
            "a\nb\n",
            boot.Inconclusive,
            "VM active, but not seen to boot on nova.example.org:8774; 2 lines on its console, none of user_data, and "
            "this monitor has no route to 2a00:1450::5, watched for 42 s (make its image write to console ttyS0)",
        ),
        (
            "Cloud-init v. 23 finished at ",
            EndpointFailure,
            "user_data did not reach the VM on nova.example.org:8774; by its console cloud-init has finished and ran "
            "nothing of it, watched for 42 s",
        ),
    ],
)
def test_where_this_monitor_has_no_route_to_a_vm_its_console_decides(console, kind, said):
    life = BootedServer.__new__(BootedServer)
    life.subject = "https://nova.example.org:8774/v2.1"
    life._marker, life._console, life._console_failure = "ab" * 16, console, None
    failure = life.login_failure({"2a00:1450::5": NoRoute("Network is unreachable")}, 42.0)
    assert (type(failure), str(failure)) == (kind, said)


@pytest.mark.parametrize("other", [NoRoute("x"), Unreachable("x")])
def test_a_monitor_that_has_no_way_to_ipv4_either_is_what_is_told(other):
    cloud = boot.BootLifeCycle.__new__(boot.BootLifeCycle)
    nova = BootedServer.__new__(BootedServer)
    nova._marker, nova._console, nova._console_failure = "ab" * 16, "", None
    own = NoRoute("Network is unreachable", place="8.8.8.8:22", link="at")
    assert own.status == UNKNOWN
    for life in (cloud, nova):
        life.subject = "https://cloud.example.org:8787"
        assert life.login_failure({"2a00:1450::5": other, "8.8.8.8": own}, 42.0) is own


def test_a_route_that_is_lost_after_the_login_is_not_held_against_the_site():
    life = boot.BootLifeCycle.__new__(boot.BootLifeCycle)
    own = NoRoute("Network is unreachable", place="8.8.8.8:22", link="at")
    assert life._marker_failure(own, 42.0) is own


def test_an_address_that_this_monitor_need_not_reach_is_no_failure_of_its_own():
    life = boot.BootLifeCycle.__new__(boot.BootLifeCycle)
    life.subject = "https://cloud.example.org:8787"
    first = NoRoute("Network is unreachable", place="[::5]:22", link="at")
    assert boot.route_failure({"2a00:1450::5": first, "10.0.0.5": first}) is None
    failure = life.login_failure({"2a00:1450::5": first}, 42.0)
    assert (failure.status, str(failure)) == (
        WARNING,
        "contextualisation not seen: VM without a public address that we reach on cloud.example.org:8787; "
        "Network is unreachable at [::5]:22, tried for 42 s",
    )


def test_between_looks_the_pauses_grow_to_ten_seconds():
    assert [boot._poll_interval(passed) for passed in (0, 4, 20, 80, 500)] == [0.5, 0.5, 2.0, 8.0, 10.0]


@pytest.mark.parametrize(("content", "what"), [(b"", "is not there"), (b"of another run\n", "holds something else")])
def test_what_the_file_of_the_user_data_holds_is_told(content, what):
    life = boot.BootLifeCycle.__new__(boot.BootLifeCycle)
    life.subject = "https://cloud.example.org:8787"
    life._marker, life._marker_state, life._logged_in_at = "ab" * 16, "", time.monotonic() - 42
    life._login_deadline = Deadline(0.1)
    with pytest.raises(boot._MarkerMissing) as caught:
        life._await_marker(SimpleNamespace(read=lambda path, most: content))
    failure = life._marker_failure(caught.value, 42.0)
    assert failure.status == CRITICAL
    assert re.fullmatch(
        r"user_data did not reach the VM on cloud\.example\.org:8787; "
        rf"/var/tmp/egi-sam-context {what} [\d.]+ s after the login",
        failure.sentence,
    ), failure.sentence
