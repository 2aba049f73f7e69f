#!/bin/bash
# rrdtool xport writes legends as they are: with "<" or "&" it is no XML, with a quote or a backslash no JSON.
#
# Software:  rrdtool 1.7.2-4+b8 of Debian 12. Seen 2026-11-29.
# Expected:  whatever a legend says, xport is a document: "up to 5 s & more" is escaped in XML, 'site "A"' in JSON. With --showtime
#            both have times as numbers, as "start" and "end" are.
# Seen:      XML:   limit < 5 s, vm & storage: not well-formed. Quotes are fine there.
#            JSON:  site "A", C:\vm, a tab: not JSON. "<" and "&" are fine there. Values that are not known are null.
#            --json --showtime: each time is a text, "1790000400", beside numbers; "start" and "end" are numbers.
#            exit code 0 for all of it.
# Matters:   a page of graphs that was fine for years is empty for the one metric whose label somebody made readable. Legends for
#            xport are names that a program gives (letters, digits, "_"), and words for people are added behind.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

apt-get -qq -o APT::Sandbox::User=root download rrdtool librrd8 libdbi1 libcairo2 libpango-1.0-0 libpangocairo-1.0-0 libpangoft2-1.0-0 \
    libglib2.0-0 libpng16-16 libxml2 libicu72 libfontconfig1 libfreetype6 libpixman-1-0 libxcb-shm0 libxcb-render0 libxrender1 libxext6 \
    libx11-6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0 libharfbuzz0b libgraphite2-3 libfribidi0 libthai0 libdatrie1 libbrotli1
for package in ./*.deb; do dpkg-deb -x "$package" root; done
echo "rrdtool $(dpkg-deb -f rrdtool_*.deb Version)"
LD_LIBRARY_PATH=$(echo root/usr/lib/*-linux-gnu) python3 - <<'PYTHON'
import json
import subprocess
import sys
import xml.etree.ElementTree

BEGIN = 1790000100


def rrdtool(*arguments):
    return subprocess.run(["root/usr/bin/rrdtool", *arguments], capture_output=True, text=True, check=True, timeout=120).stdout


def xport(*arguments):
    return rrdtool("xport", "-s", str(BEGIN), "-e", str(BEGIN + 1500), "DEF:value=one.rrd:value:AVERAGE", *arguments)


def reads(parse, text):
    try:
        parse(text)
    except (ValueError, SyntaxError) as error:
        return f"no: {error}"
    return "yes"


rrdtool("create", "one.rrd", "--start", str(BEGIN), "--step", "300", "DS:value:GAUGE:600:U:U", "RRA:AVERAGE:0.5:1:10")
for number in (1, 2, 3):
    rrdtool("update", "one.rrd", f"{BEGIN + number * 300}:{number}")
for legend, as_xml, as_json in (
    ("value", "yes", "yes"),
    ("limit < 5 s", "no", "yes"),
    ("vm & storage", "no", "yes"),
    ('site "A"', "yes", "no"),
    ("C\\:\\vm", "yes", "no"),
    ("a\ttab", "yes", "no"),
):
    got = reads(xml.etree.ElementTree.fromstring, xport(f"XPORT:value:{legend}")), reads(json.loads, xport("--json", f"XPORT:value:{legend}"))
    print(f"{legend!r:16} XML {got[0]}; JSON {got[1]}")
    if tuple(each[:3].strip(":") for each in got) != (as_xml[:3], as_json[:3]):
        sys.exit(f"CHANGED: it was XML {as_xml}, JSON {as_json}")
document = json.loads(xport("--json", "--showtime", "XPORT:value:value"))
print(document["meta"]["start"], document["data"])
if not isinstance(document["meta"]["start"], int) or document["data"][0] != ["1790000400", 1.0] or document["data"][-1][1] is not None:
    sys.exit("CHANGED: it was a number, and [\"1790000400\", 1.0], ending with null")
PYTHON
