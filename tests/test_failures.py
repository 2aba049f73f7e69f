"""Whose fault is it: every failure has the status that its place in the tree gives it."""

from __future__ import annotations

import inspect

import pytest

from libprobe import failures
from libprobe.failures import CRITICAL, OK, STATUS_NAMES, UNKNOWN, WARNING, EndpointFailure, Failure

ALL = {name: each for name, each in vars(failures).items() if inspect.isclass(each) and issubclass(each, Failure)}
STATUSES = {
    **dict.fromkeys(
        ["EndpointFailure", "NameUnknown", "Refused", "Unreachable", "NoAnswer", "TlsFailure", "Rejected"], CRITICAL
    ),
    **dict.fromkeys(["ProtocolFailure", "BadData"], CRITICAL),
    **dict.fromkeys(
        ["Failure", "HelperFailure", "OwnCredential", "CertificateWanted", "OwnMachine", "Misconfigured"], UNKNOWN
    ),
}


def test_exit_codes_are_those_of_nagios():
    assert (OK, WARNING, CRITICAL, UNKNOWN) == (0, 1, 2, 3)
    assert STATUS_NAMES == ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def test_every_failure_is_known_here():
    assert {name: each.status for name, each in ALL.items()} == STATUSES


@pytest.mark.parametrize("name", ALL)
def test_only_the_endpoints_doing_is_critical(name):
    assert issubclass(ALL[name], EndpointFailure) == (ALL[name].status == CRITICAL)


@pytest.mark.parametrize("name", ALL)
def test_a_failure_is_its_sentence_and_its_remedy(name):
    plain, told = ALL[name]("it went wrong"), ALL[name]("it went wrong", remedy="do this")
    assert (str(plain), plain.sentence, plain.remedy, plain.args) == (*["it went wrong"] * 2, "", ("it went wrong",))
    assert (str(told), told.sentence, told.remedy) == ("it went wrong (do this)", "it went wrong", "do this")


def test_the_picture_names_every_failure():
    picture = failures.__doc__ or ""
    assert [name for name in ALL if name not in picture] == []
