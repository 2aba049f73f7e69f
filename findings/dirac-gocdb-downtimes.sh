#!/bin/bash
# DIRAC finds no downtime of a site in the GOCDB, none of a service whose first endpoint is on another host, and none in a page of 503.
#
# Software:  dirac 9.1.22 (PyPI), its GOCDBClient. Seen 2026-11-30.
# Expected:  getStatus("Site", name) has the downtimes of the site, getStatus("Resource", host) those of the services that the GOCDB
#            registers for that host, or that have an endpoint there. What is not an answer of the GOCDB is S_ERROR.
# Seen:      "Site", one service of the site in downtime:                 S_OK(None): entries need SITENAME, the GOCDB has HOSTED_BY
#            nova.example.org, its endpoint keystone.example.org:5000:    "Resource" nova.example.org is S_OK(None)
#            two endpoints, the second on keystone.example.org:           "Resource" keystone.example.org is S_OK(None)
#            503 with a page of XHTML:                                    S_OK(None), and getServiceEndpointInfo() is S_OK([])
#            503 with a page of HTML:                                     ExpatError is raised
# Matters:   "no downtime" is what a scheduler goes by: jobs are sent to a site that has announced an outage. Ask by the host in the
#            URL of the first endpoint, and take None for "not known".
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install cachetools==8.0.2 typing_extensions==4.16.0 requests==2.34.2
venv/bin/pip -q --disable-pip-version-check install importlib_metadata==10.2.0 importlib_resources==7.1.0
PIP_NO_DEPS=1 venv/bin/pip -q --disable-pip-version-check install dirac==9.1.22 diraccommon==9.1.22 diraccfg==1.0.1
venv/bin/python - <<'PYTHON'
import http.server
import sys
import threading
import types

import requests
from DIRAC.Core.LCG import GOCDBClient


class Gocdb(http.server.BaseHTTPRequestHandler):
    answer = (200, "")

    def log_message(self, *_):
        pass

    def do_GET(self):
        code, text = self.answer
        payload = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/xml" if text.startswith("<?xml") else "text/html")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gocdb)
threading.Thread(target=server.serve_forever, daemon=True).start()


def get(url, **_):
    """The GOCDB's address is written into the module; here it is on the loopback interface."""
    return requests.get(url.replace("https://goc.egi.eu", f"http://127.0.0.1:{server.server_port}"), timeout=60)


GOCDBClient.requests = types.SimpleNamespace(get=get, exceptions=requests.exceptions)
client = GOCDBClient.GOCDBClient()


def downtime(*urls):
    endpoints = "".join(
        f"<ENDPOINT><ID>{number}</ID><NAME>nova</NAME><URL>{url}</URL><INTERFACENAME>org.openstack.nova</INTERFACENAME></ENDPOINT>"
        for number, url in enumerate(urls)
    )
    return 200, f"""<?xml version="1.0" encoding="UTF-8"?>
<results>
<DOWNTIME ID="7" PRIMARY_KEY="107G0" CLASSIFICATION="SCHEDULED">
<PRIMARY_KEY>107G0</PRIMARY_KEY><HOSTNAME>nova.example.org</HOSTNAME><SERVICE_TYPE>org.openstack.nova</SERVICE_TYPE>
<ENDPOINT>nova.example.orgorg.openstack.nova</ENDPOINT><HOSTED_BY>EXAMPLE-SITE</HOSTED_BY>
<GOCDB_PORTAL_URL>https://goc.example.org/portal/index.php?Page_Type=Downtime&amp;id=7</GOCDB_PORTAL_URL>
<AFFECTED_ENDPOINTS>{endpoints}</AFFECTED_ENDPOINTS>
<SEVERITY>OUTAGE</SEVERITY><DESCRIPTION>storage upgrade</DESCRIPTION>
<FORMATED_START_DATE>2026-01-01 08:00</FORMATED_START_DATE><FORMATED_END_DATE>2099-01-01 08:00</FORMATED_END_DATE>
</DOWNTIME>
</results>
"""


def found(what, *name):
    try:
        result = client.getStatus(what, *name)
    except Exception as error:
        return type(error).__name__
    return (result["OK"], sorted(result["Value"]) if result["Value"] else result["Value"])


def compare(answer, what, name, expected):
    Gocdb.answer = answer
    got = found(what, name)
    print(f"  {what} {name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


NONE, ONE = (True, None), (True, ["107G0 nova.example.orgorg.openstack.nova"])
NOVA, KEYSTONE = "https://nova.example.org:8774/v2.1", "https://keystone.example.org:5000/v3"
print("a downtime of nova.example.org of EXAMPLE-SITE, endpoint", NOVA)
compare(downtime(NOVA), "Resource", "nova.example.org", ONE)
compare(downtime(NOVA), "Site", "EXAMPLE-SITE", NONE)
print("its endpoint is", KEYSTONE)
compare(downtime(KEYSTONE), "Resource", "nova.example.org", NONE)
compare(downtime(KEYSTONE), "Resource", "keystone.example.org", ONE)
print("both")
compare(downtime(NOVA, KEYSTONE), "Resource", "nova.example.org", ONE)
compare(downtime(NOVA, KEYSTONE), "Resource", "keystone.example.org", NONE)
print("503 with XHTML, and with HTML")
compare((503, "<html><body><h1>Service Unavailable</h1></body></html>"), "Resource", "nova.example.org", NONE)
endpoints = client.getServiceEndpointInfo("hostname", "nova.example.org")
print("  getServiceEndpointInfo:", endpoints)
if not endpoints["OK"] or endpoints["Value"] != []:
    sys.exit("CHANGED: it was S_OK([])")
compare((503, "<html><body><p>Service<br>Unavailable</body></html>"), "Resource", "nova.example.org", "ExpatError")
PYTHON
