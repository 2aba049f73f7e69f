#!/bin/bash
# In clouds.yaml a key that is left empty, "user_domain_name:", is sent to Keystone as the domain "None".
#
# Software:  openstacksdk 4.22.0, and 4.2.0, keystoneauth1 5.18.1. Seen 2026-11-29.
# Expected:  a key without a value counts as one that is not there, or is refused as a mistake. So it is of "password:".
# Seen:      user_domain_name, user_domain_id, project_domain_name, project_domain_id, project_name and project_id become the
#            text "None": the login goes to the domain "None", the project "None" is asked for. An empty "password:" ends in a TypeError, before anything is sent.
#            With 4.2.0 "token: gAAAA..." in auth, where the documentation has it, is replaced by "None" as well; beside auth
#            it is taken. With 4.22.0 it is taken in both places.
# Matters:   templates of configuration management leave keys empty. Keystone answers such a login with 401 "The request you
#            have made requires authentication", as it does a wrong password: the file looks right, and the password is doubted.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
changed() { echo "CHANGED: $1" >&2; exit 1; }

cat > show.py <<'PYTHON'
"""Print what a cloud of a clouds.yaml would send to Keystone, or why it would not."""

import json
import sys

from openstack import exceptions
from openstack.config import loader

LOGIN = {"auth_url": "https://keystone.example.org:5000/v3", "username": "u", "password": "p", "project_id": "i"}
CASES = {
    "user-domain": ("v3password", {**LOGIN, "user_domain_name": None}, {}),
    "project": ("v3password", {**LOGIN, "user_domain_id": "d", "project_id": None}, {}),
    "password": ("v3password", {**LOGIN, "user_domain_id": "d", "password": None}, {}),
    "token-in-auth": ("v3token", {"auth_url": LOGIN["auth_url"], "project_id": "i", "token": "gAAAA"}, {}),
    "token-beside": ("v3token", {"auth_url": LOGIN["auth_url"], "project_id": "i"}, {"token": "gAAAA"}),
}
for name, (kind, auth, more) in CASES.items():
    with open("clouds.yaml", "w") as file:
        json.dump({"clouds": {"site": {"auth_type": kind, "auth": auth, **more}}}, file)  # JSON is YAML; null is empty
    try:
        found = loader.OpenStackConfig(config_files=["clouds.yaml"], secure_files=[], vendor_files=[]).get_one("site")
    except (exceptions.ConfigException, Exception) as error:
        print(name, type(error).__name__)
        continue
    sent = found.config["auth"]
    print(name, *(f"{key}={sent[key]}" for key in ("user_domain_name", "project_id", "token") if key in sent))
PYTHON

python3 -m venv 4.22.0
4.22.0/bin/pip -q --disable-pip-version-check install openstacksdk==4.22.0 keystoneauth1==5.18.1
python3 -m venv 4.2.0
4.2.0/bin/pip -q --disable-pip-version-check install openstacksdk==4.2.0 keystoneauth1==5.18.1
for version in 4.22.0 4.2.0; do
    env -i PATH="$PATH" HOME="$work" "$version"/bin/python -W ignore show.py 2> /dev/null > "$version.out"
    echo "openstacksdk $version"
    sed 's/^/    /' "$version.out"
    grep -qx 'user-domain user_domain_name=None project_id=i' "$version.out" || changed "$version: an empty domain"
    grep -qx 'project project_id=None' "$version.out" || changed "$version: an empty project"
    grep -qx 'password TypeError' "$version.out" || changed "$version: an empty password"
    grep -qx 'token-beside project_id=i token=gAAAA' "$version.out" || changed "$version: a token beside auth"
done
grep -qx 'token-in-auth project_id=i token=gAAAA' 4.22.0.out || changed "4.22.0: a token in auth"
grep -qx 'token-in-auth project_id=i token=None' 4.2.0.out || changed "4.2.0: a token in auth"
