#!/bin/bash
# check_soa_serials drops -z beside -f, and one zone that a server cannot answer hides all others that differ: UNKNOWN without a word.
#
# Software:  check_soa_serials 1.0.0 (PyPI), with dnspython 2.9.2 and nagiosplugin 1.4.0; DNS servers of a few lines on the loopback
#            interface, the first of them in the place of those of /etc/resolv.conf. Seen 2026-11-30.
# Expected:  zones of the file and of -z are compared, each for itself; a difference is CRITICAL whatever comes after it. A host may be an
#            address, and -w 5 without -c is a limit.
# Seen:      zone b differs by 4: -z b                 CRITICAL
#            -f FILE with zone a, -z b                 OK; b is dropped
#            -z b -z c, where one server fails for c   UNKNOWN, no text; b is not told
#            hosts 127.0.0.1 and 127.0.0.2             UNKNOWN, "The DNS query name does not exist: 127.0.0.1."
#            zone d differs by 1: -w 5                 CRITICAL; -w 5 -c 10 is OK
#            an empty line in the file                 compares the root zone
# Matters:   the zone that was added to the command line, beside the list, is never looked at; and a secondary server that has lost one
#            zone hides that it is behind in all of them. One service for each zone.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install check_soa_serials==1.0.0 dnspython==2.9.2 nagiosplugin==1.4.0
cat > run.py <<'PROGRAM'
import runpy
import sys

import dns.resolver

resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], int(sys.argv.pop(1))
dns.resolver.default_resolver = resolver
runpy.run_module("check_soa_serials", run_name="__main__", alter_sys=True)
PROGRAM
venv/bin/python - <<'PYTHON'
import pathlib
import socket
import subprocess
import sys
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

SERIALS = {"a.test.": (5, 5), "b.test.": (5, 9), "c.test.": (5, None), "d.test.": (5, 6), ".": (1, 2)}
ADDRESSES = {"ns1.test.": "127.0.0.1", "ns2.test.": "127.0.0.2"}


def answer(wire, which):
    """The answer of the first or the second server; it is the resolver as well."""
    asked = dns.message.from_wire(wire)
    reply = dns.message.make_response(asked)
    reply.flags |= dns.flags.AA
    question = asked.question[0]
    name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
    if kind == "A" and name in ADDRESSES:
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", ADDRESSES[name]))
    elif kind == "SOA" and name in SERIALS and SERIALS[name][which]:
        text = f"ns1.test. hostmaster.test. {SERIALS[name][which]} 3600 600 86400 60"
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "SOA", text))
    else:
        reply.set_rcode(dns.rcode.SERVFAIL if name in SERIALS else dns.rcode.NXDOMAIN)
    return reply.to_wire()


def serve(peer, which):
    while True:
        wire, where = peer.recvfrom(4096)
        peer.sendto(answer(wire, which), where)


ports = []
for which, address in enumerate(ADDRESSES.values()):
    peer = socket.socket(type=socket.SOCK_DGRAM)
    peer.bind((address, 0))
    ports.append(peer.getsockname()[1])
    threading.Thread(target=serve, args=(peer, which), daemon=True).start()


def check(arguments, code, text, hosts=("ns1.test", "ns2.test")):
    named = [f"{host}:{port}" for host, port in zip(hosts, ports)]
    command = ["venv/bin/python", "run.py", str(ports[0]), *arguments.split(), *named]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = done.stdout.partition("\n")[0]
    print(f"{arguments} {' '.join(hosts)}: {done.returncode}, {said.partition(' | ')[0]}")
    said = said.removeprefix("SOASERIALS ").strip()
    if done.returncode != code or not said.startswith(text) or (text == "UNKNOWN" and said != text):
        sys.exit(f"CHANGED: it was {code} with {text}; {done.stdout} {done.stderr}")


pathlib.Path("zones").write_text("a.test\n")
pathlib.Path("spaced").write_text("a.test\n\n")
CRITICAL = "CRITICAL - zones_critical is 1"
check("-z a.test", 0, "OK")
check("-z b.test", 2, f"{CRITICAL}: b.test")
check("-z a.test -z b.test", 2, f"{CRITICAL}: b.test")
check("-f zones -z b.test", 0, "OK")
check("-z b.test -z c.test", 3, "UNKNOWN")
check("-z a.test", 3, "UNKNOWN: dns.resolver.NXDOMAIN: The DNS query name does not exist: 127.0.0.1.", ("127.0.0.1", "127.0.0.2"))
check("-z d.test -w 5 -c 10", 0, "OK")
check("-z d.test -w 5", 2, f"{CRITICAL}: d.test")
check("-f spaced", 2, CRITICAL)
PYTHON
