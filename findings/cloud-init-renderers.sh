#!/bin/bash
# cloud-init loses parts of the network that Nova describes: for networkd its bonds and VLANs, for NetworkManager its name servers.
#
# Software:  cloud-init 22.4.2-1+deb12u4 of Debian 12. Seen 2026-11-30.
# Expected:  what network_data.json of the config drive says (a bond of two links, a VLAN on it, the name server) is in the files for
#            each of the five programs that cloud-init writes for, or "net-convert" fails, or warns.
# Seen:      eni, netplan and sysconfig have all of it. networkd: no .netdev file, no word of the bond's members or the VLAN's number,
#            so there is neither bond nor VLAN, and no network. network-manager: no name server; the bond without its mode, which is
#            then round robin (802.3ad was said), and bond and VLAN without their MTU. Exit code 0, no warning, for all five.
# Matters:   the same image list works at a site with DHCP and fails at one that hands out fixed addresses: machines come up
#            ACTIVE, and are not reached, or reach nothing by name. Run net-convert with the image's renderer and the site's
#            network_data.json, and compare.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download cloud-init python3-attr python3-configobj python3-jinja2 python3-json-pointer \
    python3-jsonpatch python3-jsonschema python3-markupsafe python3-netifaces python3-oauthlib python3-pyrsistent python3-requests \
    python3-six python3-yaml
for package in *.deb; do dpkg-deb -x "$package" root; done
dpkg-deb -f cloud-init_*.deb Version
cat > network_data.json <<'JSON'
{"links": [
   {"id": "a", "type": "phy", "mtu": 9000, "ethernet_mac_address": "fa:16:3e:00:00:01"},
   {"id": "b", "type": "phy", "mtu": 9000, "ethernet_mac_address": "fa:16:3e:00:00:02"},
   {"id": "bond0", "type": "bond", "bond_links": ["a", "b"], "mtu": 8000, "ethernet_mac_address": "fa:16:3e:00:00:01",
    "bond_mode": "802.3ad", "bond_miimon": 100},
   {"id": "storage", "type": "vlan", "vlan_link": "bond0", "vlan_id": 7, "mtu": 1500, "vlan_mac_address": "fa:16:3e:00:00:03"}],
 "networks": [
   {"id": "n0", "type": "ipv4", "link": "bond0", "ip_address": "192.0.2.10", "netmask": "255.255.255.0", "network_id": "n0",
    "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "192.0.2.1"}]},
   {"id": "n1", "type": "ipv4", "link": "storage", "ip_address": "198.51.100.10", "netmask": "255.255.255.0", "network_id": "n1",
    "routes": []}],
 "services": [{"type": "dns", "address": "192.0.2.53"}]}
JSON
PYTHONPATH="$work/root/usr/lib/python3/dist-packages" TZ=UTC python3 -W ignore - <<'PYTHON'
import contextlib
import io
import pathlib
import re
import sys

import cloudinit.util
from cloudinit.cmd.main import main

cloudinit.util.chownbyname = lambda *_: None  # files for networkd are given to its user, which takes root
LOOK_FOR = {
    "both addresses": r"192\.0\.2\.10[\s\S]*198\.51\.100\.10|198\.51\.100\.10[\s\S]*192\.0\.2\.10",
    "gateway": r"192\.0\.2\.1\b",
    "name server": r"192\.0\.2\.53",
    "members of the bond": r"(?im)^ *(master=|bond=|bond-master |interfaces:)",
    "mode of the bond": r"802\.3ad",
    "MTU of the bond": r"(?i)mtu\w*[:= ]+8000",
    "number of the VLAN": r"(?im)^ *(vlan[-_])?id[:= ]+7$|^VLAN=yes$",
    "MTU of the VLAN": r"(?i)mtu\w*[:= ]+1500",
}
LOST = {
    "eni": [],
    "netplan": [],
    "sysconfig": [],
    "networkd": ["members of the bond", "mode of the bond", "number of the VLAN"],
    "network-manager": ["name server", "mode of the bond", "MTU of the bond", "MTU of the VLAN"],
}
for kind, expected in LOST.items():
    said = io.StringIO()
    arguments = ["devel", "net-convert", "-p", "network_data.json", "-k", "network_data.json", "-d", kind, "-O", kind]
    arguments += ["-D", "rhel" if kind in ("sysconfig", "network-manager") else "debian"]
    for number in (1, 2):
        arguments += ["-m", f"eth{number},fa:16:3e:00:00:0{number}"]
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(["cloud-init", *arguments]) or 0
    files = sorted(path for path in pathlib.Path(kind).rglob("*") if path.is_file() and "udev" not in path.parts)
    text = "\n".join(path.read_text() for path in files)
    lost = [what for what, pattern in LOOK_FOR.items() if not re.search(pattern, text)]
    print(f"{kind}: exit code {code}, {len(files)} files, not in them: {', '.join(lost) or 'nothing'}")
    if (code, lost) != (0, expected):
        sys.exit(f"CHANGED: it was exit code 0, not in them: {expected}")
    if re.search("(?i)warn|unsupported|ignor", said.getvalue()):
        sys.exit(f"CHANGED: it warns: {said.getvalue()}")
PYTHON
