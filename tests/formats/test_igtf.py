"""The files of the IGTF's distribution: .info and .signing_policy."""

from __future__ import annotations

import time

import pytest

from libprobe.failures import BadData
from libprobe.formats.igtf import Policy, is_same_name, read_info, read_policies

INFO = """#
# @(#)$Id: ExampleCA.info,v 1.2 2023/07/29 12:57:50 pma Exp $
# status = worthless
alias = ExampleCA
ca_url = https://example.org/a=b.crt
status = accredited:mics
version = 1.133
requires = RootCA = 1.133, \\
    OtherCA = 1.133
sha1fp.0 = 8A:C7:AD:8F
subjectdn = "/C=IN/O=Example, Inc./CN=Example CA - G1"
"""

POLICY = """# EACL
 access_id_CA   X509    '/C=GR/O=Root/CN=Root'
 pos_rights     globus  CA:sign
 cond_subjects  globus  '"/C=GR/O=Root/CN=Root" "/DC=org/DC=terena/DC=tcs/*"'

access_id_CA\tX509\t'/C=CL/O=REUNACA/CN=CA/emailAddress=ca@example.org'
pos_rights\tglobus\tCA:sign
cond_subjects\tglobus\t'/C=CL/O=Reuna?/*'
"""


def test_an_info_file():
    info = read_info(INFO)
    assert (info.alias, info.status, info.profile, info.version) == ("ExampleCA", "accredited:mics", "mics", "1.133")
    assert (info.sha1, info.subject) == ("8ac7ad8f", "/C=IN/O=Example, Inc./CN=Example CA - G1")


@pytest.mark.parametrize("status", ["", "experimental", "unaccredited", "discontinued"])
def test_what_is_not_accredited_has_no_profile(status):
    assert read_info(INFO.replace("accredited:mics", status)).profile == ""


def test_a_name_takes_no_time_out_of_proportion_whatever_stars_a_pattern_has():
    policies = f"access_id_CA X509 /CN=a\npos_rights globus CA:sign\ncond_subjects globus '{'*a' * 10}'\n"
    [policy] = read_policies(policies)
    began = time.process_time()
    assert policy.permits("a" * 3000)
    assert not policy.permits("a" * 3000 + "b")
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("pattern", "name", "permitted"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("**", "a", True),
        ("?", "", False),
        ("a*", "a", True),
        ("*b", "abab", True),
        ("*b", "aba", False),
        ("a*b?d*", "axxbdcd", False),
        ("a*b?d*", "axxbbd", True),
        ("/CN=a.*", "/CN=ab", False),
        ("*\\d", "5", False),
    ],
)
def test_stars_and_question_marks(pattern, name, permitted):
    assert Policy("x", [pattern]).permits(name) is permitted


@pytest.mark.parametrize("text", ["", "# alias = x", "alias =\n", "\x00\xff"])
def test_an_info_file_that_is_nobodys(text):
    with pytest.raises(BadData):
        read_info(text)


@pytest.mark.parametrize(
    ("subject", "permitted"),
    [
        ("/DC=org/DC=terena/DC=tcs/C=NL/O=Nikhef/CN=host.nikhef.nl", True),
        ("/dc=org/dc=terena/dc=tcs/CN=x", True),
        ("/DC=org/DC=terena/DC=tcs", False),
        ("/DC=org/DC=Terena/DC=tcs/CN=x", False),
        ("/C=GR/O=Root/CN=Root", True),
        ("/C=GR/O=Root/CN=Root2", False),
        ("/X=1/DC=org/DC=terena/DC=tcs/CN=x", False),
    ],
)
def test_a_name_is_permitted_by_its_pattern_as_a_whole(subject, permitted):
    [root, _] = read_policies(POLICY)
    assert root.permits(subject) is permitted


def test_each_authority_of_a_file_has_its_own_patterns():
    _, other = read_policies(POLICY)
    assert is_same_name(other.issuer, "/C=CL/O=REUNACA/CN=CA/Email=ca@example.org")
    assert (other.patterns, other.permits("/C=CL/O=Reuna1/CN=a\nb")) == (["/C=CL/O=Reuna?/*"], True)
    assert not other.permits("/C=CL/O=Reuna12/CN=a")


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        POLICY.replace("pos_rights     globus  CA:sign", "neg_rights     globus  CA:sign"),
        POLICY.replace("/C=CL/O=Reuna?/*", "*" * 11),
        POLICY.replace("/C=CL/O=Reuna?/*", "x" * 1001),
    ],
)
def test_a_policy_that_is_none(text):
    with pytest.raises(BadData):
        read_policies(text)


def test_another_right_permits_nothing():
    assert len(read_policies(POLICY.replace("CA:sign", "CA:read"))) == 0
