"""Whose fault is it: every failure has the status that its place in the tree gives it."""

from __future__ import annotations

import inspect

import pytest

from libprobe import failures
from libprobe.failures import (
    CRITICAL,
    OK,
    STATUS_NAMES,
    UNKNOWN,
    WARNING,
    Asked,
    EndpointFailure,
    Failure,
    HelperFailure,
    NoAnswer,
    OwnMachine,
    ProtocolFailure,
    Refused,
)

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


ANSWER = Asked("cloud.example.org:8787", "POST https://cloud.example.org:8787/compute/", "create a VM")


def test_a_reason_stands_first_then_of_what_then_what_it_was_to_do():
    failure = ProtocolFailure("503 Service Unavailable", of=ANSWER, link="from", also="asks to wait 2 min")
    place = "from cloud.example.org:8787 when asked to create a VM"
    assert str(failure) == failure.sentence == f"503 Service Unavailable {place}; asks to wait 2 min"
    failure.add("and no other answers")
    failure.remedy = "wait for it"
    assert str(failure) == (f"503 Service Unavailable {place}; asks to wait 2 min; and no other answers (wait for it)")
    assert failure.details == ["asked: POST https://cloud.example.org:8787/compute/"]


def test_a_place_of_its_own_goes_before_that_of_who_was_asked():
    failure = Refused("connection refused", of=Asked("a.example.org:1", "GET x"), link="by", place="a (192.0.2.1)")
    assert (failure.sentence, failure.request) == ("connection refused by a (192.0.2.1)", "GET x")


def test_what_is_told_with_v_only_is_the_request_what_was_tried_and_more():
    failure = Failure("refused", of=ANSWER, more=["answered: a whole page"])
    failure.tried = ("one refused", "another refused")
    assert failure.details == [
        "asked: POST https://cloud.example.org:8787/compute/",
        "tried: one refused",
        "tried: another refused",
        "answered: a whole page",
    ]
    failure.tried = ("one refused",)
    assert len(failure.details) == 2  # it is what is told already


def test_a_failure_retold_keeps_all_but_whose_it_is():
    failure = NoAnswer("no answer", of=ANSWER, link="from", also="a fact", remedy="wait", more=["more"])
    failure.pause_s = 3.0
    helper = failure.retold(HelperFailure, whom="GOCDB", remedy="")
    assert type(helper) is HelperFailure
    assert str(helper) == "no answer from GOCDB cloud.example.org:8787 when asked to create a VM; a fact"
    assert (helper.details, helper.pause_s) == (failure.details, 3.0)
    assert str(failure.retold(OwnMachine)) == str(failure)
    assert str(Failure("GET x: it failed").retold(HelperFailure, whom="GOCDB")) == "GOCDB GET x: it failed"


def test_a_reason_that_is_a_whole_sentence_has_a_comma_before_the_place():
    failure = Failure("the list is not signed", of=Asked("h:1"), link=", from", remedy="sign it")
    assert str(failure) == "the list is not signed, from h:1 (sign it)"


def test_a_sentence_that_is_set_is_the_whole_and_the_request_stays():
    failure = Failure("refused", of=ANSWER)
    failure.sentence += ", and again"
    assert str(failure) == "refused on cloud.example.org:8787 when asked to create a VM, and again"
    assert failure.details == ["asked: POST https://cloud.example.org:8787/compute/"]
