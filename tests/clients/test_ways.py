"""--connect-to and --source-address: what is read, and whose connections are led elsewhere."""

from __future__ import annotations

import argparse

import pytest

from libprobe.clients.ways import ConnectOptions, ConnectRule, of_options, read_source, read_way
from libprobe.failures import BadData, Misconfigured
from libprobe.probe.settings import Settings

HOST = "cloud.example.org"


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("192.0.2.7", ("", None, "192.0.2.7", None, True)),
        ("192.0.2.7:8443", ("", None, "192.0.2.7", 8443, True)),
        ("Node1.example.org:443", ("", None, "node1.example.org", 443, True)),
        ("[2001:db8::7]", ("", None, "2001:db8::7", None, True)),
        ("[2001:db8::7]:443", ("", None, "2001:db8::7", 443, True)),
        ("a.example.org:443:192.0.2.7:8443", ("a.example.org", 443, "192.0.2.7", 8443, False)),
        ("a.example.org:443:[::1]:", ("a.example.org", 443, "::1", None, False)),
        ("[::1]:443:b:8443", ("::1", 443, "b", 8443, False)),
        ("::b:8443", ("", None, "b", 8443, False)),
        ("a:::8443", ("a", None, "", 8443, False)),
        ("a.example.org.:443:b.:", ("a.example.org", 443, "b", None, False)),
    ],
)
def test_both_forms_are_read(text, way):
    assert read_way(text) == ConnectRule(*way)


FORMS = "is not HOST:PORT, nor HOST1:PORT1:HOST2:PORT2 (an IPv6 address is written in brackets, [::1]:443)"
NO_HOST = "is not the name of a host, nor an address"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", f"'' {FORMS}"),
        (":443", f"':443' {FORMS}"),
        ("2001:db8::7", f"'2001:db8::7' {FORMS}"),
        ("a:1:b", f"'a:1:b' {FORMS}"),
        ("a:1:b:2:c", f"'a:1:b:2:c' {FORMS}"),
        ("https://a/", f"'https://a/' {FORMS}"),
        ("a:b", f"'a:b' {FORMS}"),
        ("::1:443", f"'1' {NO_HOST}"),
        ("[192.0.2.7]", f"'[192.0.2.7]' {NO_HOST}"),
        ("[::1", f"'[::1' {FORMS}"),
        ("a b", f"'a b' {NO_HOST}"),
        ("a:99999", "'99999' is not a port between 1 and 65535"),
        ("a:0", "'0' is not a port between 1 and 65535"),
        ("a:1:b:999999", "'999999' is not a port between 1 and 65535"),
    ],
)
def test_what_is_neither_is_refused(text, said):
    with pytest.raises(BadData) as refused:
        read_way(text)
    assert refused.value.sentence == said


def test_a_source_is_a_numeric_address():
    assert (read_source("192.0.2.7"), read_source("2001:db8::7")) == ((2, "192.0.2.7"), (10, "2001:db8::7"))
    for text in ("eth0", "", "cloud.example.org", "[::1]", "192.0.2.7:80", "1\0"):
        with pytest.raises(BadData, match="is not an IPv4 or IPv6 address"):
            read_source(text)


def led(ways: ConnectOptions, *places: tuple[str, int]) -> list[tuple[str, int]]:
    return [ways.lead(*each) for each in places]


def test_the_short_form_is_for_the_endpoints_own_port_alone():
    """In an OpenStack cloud Keystone and Nova are on one host, behind two ports."""
    ways = ConnectOptions([read_way("192.0.2.7:9")], {})
    ways.add_endpoint(f"https://{HOST}:5000/v3")
    assert led(ways, (HOST.upper(), 5000), (HOST, 8774), ("goc.egi.eu", 443)) == [
        ("192.0.2.7", 9),
        (HOST, 8774),
        ("goc.egi.eu", 443),
    ]
    assert ways.notes() == ["asked at 192.0.2.7:9 by --connect-to"]


@pytest.mark.parametrize(
    ("url", "port", "its"),
    [
        (f"https://{HOST}/", None, 443),
        (f"http://{HOST}/", None, 80),
        (f"https://{HOST}:1/", 2, 2),
        (f"{HOST}:3", None, 3),
        (f"ldap://{HOST}/o=glue", None, 2170),  # whose port is the probe's choice
        ("", None, 4),
        ("", 5, 5),
    ],
)
def test_its_port_is_that_of_the_option_or_the_url(url, port, its):
    ways = ConnectOptions([read_way("192.0.2.7:9")], {})
    ways.add_endpoint(url, HOST, port)
    assert ways.lead(HOST, its) == ("192.0.2.7", 9)
    if its not in (2170, 4):
        assert ways.lead(HOST, its + 1) == (HOST, its + 1)


def test_the_first_way_that_fits_counts_and_what_is_empty_stays_as_it_is():
    ways = ConnectOptions([read_way(f"{HOST}:443:b:"), read_way(f"{HOST}:::8443"), read_way("::[::1]:1")], {})
    assert led(ways, (HOST, 443), (HOST, 80), ("c", 5), ("d", 5)) == [("b", 443), (HOST, 8443), ("::1", 1), ("::1", 1)]
    assert ways.notes() == [f"asked at b:443, {HOST}:8443, [::1]:1 by --connect-to"]


def test_a_way_that_nobody_took_is_told():
    assert ConnectOptions([], {}).notes() == []
    ways = ConnectOptions([read_way("192.0.2.7")], {})
    assert ways.lead(HOST, 1) == (HOST, 1)
    assert ways.notes() == ["--connect-to changed nothing: no connection was meant for what it is for"]
    assert ways.notes(is_known=False) == [], "a run that came to no endpoint has other things to say"


def test_many_ways_are_not_all_told():
    ways = ConnectOptions([read_way("::192.0.2.7:")], {})
    for port in range(1, 6):
        ways.lead(HOST, port)
    assert ways.notes() == ["asked at 192.0.2.7:1, 192.0.2.7:2, 192.0.2.7:3 and 2 more by --connect-to"]


def test_the_kind_of_address_is_that_of_the_only_source():
    assert [
        ConnectOptions([], sources).family
        for sources in ({}, {2: "192.0.2.7"}, {10: "::1"}, {2: "192.0.2.7", 10: "::1"})
    ] == [*(0, 2, 10, 0)]


# ---- from the options of a probe


def options(**given: object) -> argparse.Namespace:
    """Those of a probe with --url and -H, of which none but these is given."""
    usual = {"hostname": "", "url": "", "proxy_from_environment": False, "settings": Settings()}
    return argparse.Namespace(**{**usual, **given})


def test_without_any_such_option_nothing_is_led_elsewhere():
    assert of_options(argparse.Namespace()) is None  # of an executable that has none of them
    assert of_options(options(connect_to=None, source_address=None)) is None


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({"url": f"https://{HOST}:8443/v3"}, (HOST, 8443)),
        ({"endpoint": f"https://{HOST}/", "port": 8443}, (HOST, 8443)),
        ({"hostname": HOST, "port": 8443}, (HOST, 8443)),
    ],
    ids=str,
)
def test_what_the_options_name_is_led_elsewhere_and_nothing_else(given, there):
    ways = of_options(options(connect_to=[read_way("192.0.2.7")], **given))
    assert ways is not None
    assert led(ways, there, ("other.example.org", 8443)) == [("192.0.2.7", 8443), ("other.example.org", 8443)]


def test_a_source_is_taken_for_its_kind_of_address():
    ways = of_options(options(source_address=[(2, "192.0.2.7"), (10, "::1")]))
    assert ways is not None
    assert ways.sources == {2: "192.0.2.7", 10: "::1"}
    assert of_options(options(source_address=[(2, "192.0.2.7")], family=2)) is not None


@pytest.mark.parametrize(
    ("given", "said", "remedy"),
    [
        (
            {"source_address": [(2, "192.0.2.7"), (2, "192.0.2.8")]},
            "--source-address is given twice for one kind of address",
            "leave out one of them",
        ),
        (
            {"source_address": [(10, "::1")], "family": 2},
            "--source-address ::1 cannot reach what -4 asks for",
            "",
        ),
        (
            {"source_address": [(2, "192.0.2.7")], "family": 10},
            "--source-address 192.0.2.7 cannot reach what -6 asks for",
            "",
        ),
        (
            {"connect_to": [read_way("192.0.2.7")], "proxy_from_environment": True},
            "--connect-to does nothing through a web proxy, which connects by itself",
            "leave out --proxy-from-environment, or proxy_from_environment in probes.ini",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_options_that_contradict_each_other_are_refused(given, said, remedy):
    with pytest.raises(Misconfigured) as refused:
        of_options(options(**given))
    assert (refused.value.sentence, refused.value.remedy) == (said, remedy)
