#!/bin/bash
# openstacksdk takes the first of "regions" in clouds.yaml, whatever region_name says beside it; timeout and region are dropped.
#
# Software:  openstacksdk 4.22.0, keystoneauth1 5.18.1 (PyPI). Seen 2026-11-30.
# Expected:  regions: [A, B] with region_name: B is B, as openstack.connect(region_name="B") is; region_name: C is refused as it is
#            there. A "timeout" bounds requests, as --timeout of the command line does; what no one reads is an error, or a warning.
# Seen:      A, for region_name: B as for C, by a call without a region. "region: B" without a list is no region, so any region that
#            comes first in the catalogue. "timeout: 5" bounds nothing (api_timeout does), "default_microversion" is dropped
#            (compute_default_microversion is read), "endpoint_override" and "nova_endpoint_override" too. Not a word of it.
# Matters:   machines are made, counted or deleted in another region than the file names; requests wait for ever on a site that does
#            not answer. Give the region with each call, and look at config.region_name.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install openstacksdk==4.22.0 keystoneauth1==5.18.1
venv/bin/python - <<'PYTHON'
import io
import json
import logging
import os
import sys

for name in [name for name in os.environ if name.startswith("OS_")]:
    del os.environ[name]

from openstack.config import OpenStackConfig
from openstack.exceptions import ConfigException

AUTH = {"auth_url": "http://127.0.0.1:9/v3", "username": "u", "password": "secret", "project_name": "p",
        "user_domain_id": "d", "project_domain_id": "d"}  # fmt: skip
said = io.StringIO()
logging.basicConfig(level=logging.INFO, stream=said)


def cloud(values, **asked):
    """The configuration of a cloud with these values in clouds.yaml (JSON is YAML)."""
    with open("clouds.yaml", "w") as file:
        json.dump({"clouds": {"site": {"auth": AUTH, **values}}}, file)
    return OpenStackConfig(config_files=["clouds.yaml"], secure_files=[], vendor_files=[]).get_one("site", **asked)


def region(values, **asked):
    try:
        return cloud(values, **asked).region_name
    except ConfigException as error:
        return type(error).__name__


def compare(what, got, expected):
    print(f"{what}: {got!r}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected!r}")


both = {"regions": ["A", "B"]}
compare("regions A, B: region", region(both), "A")
compare("regions A, B, called with B: region", region(both, region_name="B"), "B")
compare("regions A, B, called with C: region", region(both, region_name="C"), "ConfigException")
compare("regions A, B and region_name B: region", region({**both, "region_name": "B"}), "A")
compare("regions A, B and region_name C: region", region({**both, "region_name": "C"}), "A")
compare("region_name B: region", region({"region_name": "B"}), "B")
compare("region B: region", region({"region": "B"}), "")
compare("api_timeout 5: timeout", cloud({"api_timeout": 5}).get_session().timeout, 5.0)
compare("timeout 5: timeout", cloud({"timeout": 5}).get_session().timeout, None)
for name, expected in (("compute_default_microversion", "2.60"), ("default_microversion", None)):
    compare(f"{name} 2.60: microversion", cloud({name: "2.60"}).get_default_microversion("compute"), expected)
for name, expected in (("compute_endpoint_override", "http://o/"), ("nova_endpoint_override", None), ("endpoint_override", None)):
    compare(f"{name}: endpoint", cloud({name: "http://o/"}).get_endpoint("compute"), expected)
compare("log", said.getvalue(), "")
PYTHON
