"""What of this machine keeps a connection from getting as far as the peer: routes, rules, gateways, addresses, ports.

Each in a network of the test's own, in which nobody is at the other end.
"""

from __future__ import annotations

import errno
import socket
import subprocess
import sys

import pytest

from libprobe.clients import routes
from libprobe.formats.address import host_and_port
from tests.conftest import Report, alone
from tests.executables import clean_environment, command
from tests.pace import AMPLE_S, seconds

pytestmark = pytest.mark.needs("iproute2")

NETWORK = """
ip link add inside type veth peer name outside
ip addr add 192.0.2.10/24 dev inside
ip link set inside up
ip link set outside up
ip -6 addr add 2001:db8::10/64 dev inside nodad || true
"""
ALIVE = """
ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev inside
ip -6 neigh add 2001:db8::1 lladdr 02:00:00:00:00:01 dev inside
"""
"""The first gateway says where it is, and drops what it is sent."""

PORTS = """
import socket, subprocess, sys
server = socket.create_server(("127.0.0.1", 443))
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("40000 40001")
kept = []
try:
    while True:
        kept.append(socket.create_connection(("127.0.0.1", 443)))
except OSError:
    sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


def in_network(setting: str, *words: object) -> subprocess.CompletedProcess[bytes]:
    """Run a command, or what the setting itself runs, in a network that is set up so."""
    script = f'{NETWORK}{setting}\nexec "$@"'
    return subprocess.run(
        [*alone(), "/bin/sh", "-ec", script, "sh", *map(str, words or ["true"])],
        capture_output=True,
        timeout=AMPLE_S,
        cwd="/tmp",
        env=clean_environment(),
    )


def probe_of(address: str) -> list[str]:
    return command("check_endpoint_tcp", "-H", address, "-p", 443, "-t", seconds(10))


def tried(setting: str, address: str, *before: str) -> Report:
    """What check_endpoint_tcp says of port 443 of an address there."""
    done = in_network(setting, *before, *probe_of(address))
    return Report(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8:9::7"])
@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_a_route_of_ours_that_leads_nowhere_is_ours(kind, address):
    """The kernel says "Invalid argument", "No route to host" and "Permission denied" of them."""
    report = tried(f"ip route add {kind} {address}", address)
    assert (report.code, report.first) == (
        3,
        f"Endpoint-TCP UNKNOWN - this machine's own routes say {kind} on the way to {host_and_port(address, 443)} "
        f"(look at `ip route get {address}`, `ip route` and `ip rule`)",
    )


def test_a_rule_of_ours_is_found_by_the_port_that_it_is_about():
    setting = """
    ip route add default via 192.0.2.1
    ip rule add ipproto tcp dport 443 table 77
    ip route add default via 192.0.2.3 table 77
    """
    report = tried(ALIVE + setting, "198.51.100.7")
    assert report.code == 3
    assert (
        "this machine's gateway 192.0.2.3 does not answer on the way to 198.51.100.7:443 (look at the gateway"
        in report.first
    )


@pytest.mark.parametrize(
    ("net", "gateway"), [("198.51.100.{}", "192.0.2."), ("2001:db8:9::{:x}", "2001:db8::")], ids=["IPv4", "IPv6"]
)
def test_a_dead_gateway_among_several_is_told(net, gateway):
    """Which one leads to an address is the kernel's choice, by both addresses: some of sixteen lead to the dead one.

    The connections go out at once, so that all are asked what became of them before the kernel avoids it.
    """
    addresses = [net.format(number) for number in range(1, 17)]
    route = f"ip route add {net.format(0)}/{64 if ':' in net else 24}"
    asks = "".join(f"{{ {' '.join(probe_of(each))} || true; }} &\n" for each in addresses)
    done = in_network(f"{ALIVE}{route} nexthop via {gateway}1 nexthop via {gateway}2\n{asks}wait")
    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(addresses), done
    dead = [line for line in lines if f"this machine's gateway {gateway}2 does not answer" in line]
    assert dead
    assert not [line for line in lines if "No route to host" in line]


def test_a_gateway_of_the_other_family_is_asked_as_such():
    report = tried("ip route add 198.51.100.0/24 via inet6 2001:db8::9 dev inside", "198.51.100.7")
    assert report.code == 3
    assert "this machine's gateway 2001:db8::9 does not answer on the way to 198.51.100.7:443" in report.first


def test_no_address_to_connect_from_is_told_as_such():
    report = tried(
        "ip link set lo down; for each in inside outside; do ip -6 addr flush dev $each; done; "
        "ip -6 route add 2001:db8:9::/64 dev inside",
        "2001:db8:9::7",
    )
    assert (report.code, report.first) == (
        3,
        "Endpoint-TCP UNKNOWN - this machine's interfaces have no IPv6 address to connect from on the way to "
        "[2001:db8:9::7]:443 (give it one, or take its route away)",
    )


@pytest.mark.parametrize(("family", "kind"), [(socket.AF_INET, "IPv4"), (socket.AF_INET6, "IPv6")])
def test_of_which_kind_the_missing_address_is_said(monkeypatch, family, kind):
    """Without one a kernel sends IPv4 all the same, from 0.0.0.0, unless its rules forbid that."""

    def unaddressed(*_):
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(socket, "socket", unaddressed)
    said = routes.Obstacle(f"interfaces have no {kind} address to connect from", "give it one, or take its route away")
    assert routes._source_obstacle(family, ("192.0.2.1", 443)) == said


def test_local_ports_that_are_used_up_are_told_as_such():
    report = tried("", "127.0.0.1", sys.executable, "-c", PORTS)
    assert (report.code, report.first) == (
        3,
        "Endpoint-TCP UNKNOWN - this machine's local ports to there are all in use on the way to 127.0.0.1:443 "
        "(look at `ss -tan`; net.ipv4.ip_local_port_range says how many there are)",
    )


def test_a_name_that_leads_to_a_link_local_address_is_whose_it_is(tmp_path):
    """The kernel says "Invalid argument" of one without an interface."""
    hosts = tmp_path / "hosts"
    hosts.write_text("fe80::7 cloud.example.org\n")
    mounting = ["unshare", "--mount", "mount", "--bind", hosts, "/etc/hosts"]
    if in_network("", *mounting).returncode:
        pytest.skip("nothing can be mounted over /etc/hosts, as in a directory that is a machine's root")
    mount = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    report = tried("", "cloud.example.org", "unshare", "--mount", "sh", "-ec", mount, "sh")
    assert (report.code, report.first) == (
        2,
        "Endpoint-TCP CRITICAL - only a link-local address for cloud.example.org:443 (fe80::7)",
    )
