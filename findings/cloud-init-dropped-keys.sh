#!/bin/bash
# cloud-init schema: "Valid cloud-config" of a key that is misspelt or stands twice; a misspelt merge_how loses the lists of its part.
#
# Software:  cloud-init 22.4.2-1+deb12u4 of Debian 12. Seen 2026-11-30.
# Expected:  a name that no module reads is an error on the first level as it is below it ("Additional properties are not allowed"),
#            and so are a key that stands twice and a merge_how of settings that there are none of. Of several parts of user data
#            the lists are joined as merge_how says, whichever part says it.
# Seen:      pakcages, Packages, ssh_authorised_keys, runcmd twice and "merge_how: list(apend)+..." are each "Valid cloud-config",
#            exit code 0; of two runcmd the last is kept. With dict(recurse_lists) the second part's packages are dropped, with
#            list(apend), with merge_hwo or with merge_how in the first part alone the first part's. No warning in any of these.
# Matters:   of a site's part and a user's part one is lost: machines come up without the user's key, or without the site's
#            accounting agent. Write merge_how into the last part, look at what became of the parts (instance/cloud-config.txt),
#            and compare the keys of the first level with a list of your own.
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
PYTHONPATH="$work/root/usr/lib/python3/dist-packages" TZ=UTC python3 -W ignore - <<'PYTHON'
import contextlib
import io
import logging
import pathlib
import sys
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import yaml
from cloudinit import handlers, helpers, user_data
from cloudinit.cmd.main import main
from cloudinit.handlers.cloud_config import CloudConfigPartHandler

FIRST = "#cloud-config\n"
MERGE = "merge_how: list(append)+dict(recurse_list)+str()\n"
warned = io.StringIO()
logging.basicConfig(level=logging.WARNING, stream=warned)


def compare(what, got, expected):
    print(f"{what}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def judge(text):
    """Exit code of "cloud-init schema", and whether it says Valid."""
    pathlib.Path("config.yaml").write_text(FIRST + text)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main(["cloud-init", "schema", "--config-file", "config.yaml"]) or 0
    except SystemExit as end:
        code = end.code
    return code, "Valid cloud-config" in said.getvalue()


class Instance:
    """The data source, of which its identifier alone is asked for."""

    @staticmethod
    def get_instance_id():
        return "i"


def merged(*parts):
    """What cloud-init makes of these parts of user data, in this order, as it does at the first boot."""
    message = MIMEMultipart()
    for part in parts:
        message.attach(MIMEText(FIRST + part, "cloud-config"))
    top = pathlib.Path("cloud").absolute()
    (top / "instances/i").mkdir(parents=True, exist_ok=True)
    if not (top / "instance").exists():
        (top / "instance").symlink_to("instances/i")
    paths = helpers.Paths({"cloud_dir": str(top), "run_dir": str(top / "run")}, ds=Instance)
    handler = CloudConfigPartHandler(paths, cloud_config_path="cloud_config")
    known = helpers.ContentHandlers()
    known.register(handler)
    state = {"handlers": known, "handlerdir": str(top), "data": None, "frequency": "per-instance", "handlercount": 0, "excluded": []}
    handlers.call_begin(handler, None, "per-instance")
    known.initialized.append(handler)
    handlers.walk(user_data.UserDataProcessor(paths).process(message.as_string()), handlers.walker_callback, data=state)
    handlers.call_end(handler, None, "per-instance")
    return yaml.safe_load((top / "instance/cloud-config.txt").read_text()).get("packages")


for text, expected in (
    ("packages: [curl]\n", (0, True)),
    ("pakcages: [curl]\n", (0, True)),
    ("Packages: [curl]\n", (0, True)),
    ("ssh_authorised_keys: [ssh-ed25519 AAAA]\n", (0, True)),
    ("runcmd: [one]\nruncmd: [two]\n", (0, True)),
    ("merge_how: list(apend)+dict(recurse_list)+str()\n", (0, True)),
    ("ntp: {server: [ntp.example.org]}\n", (1, False)),
    ("apt: {sorces: {}}\n", (1, False)),
):
    compare(f"schema: {text!r}", judge(text), expected)
site, user = "packages: [site]\n", "packages: [user]\n"
for what, parts, expected in (
    ("no merge_how", (site, user), ["user"]),
    ("in the second part", (site, MERGE + user), ["site", "user"]),
    ("in the first part", (MERGE + site, user), ["user"]),
    ("merge_hwo in the second part", (site, MERGE.replace("how", "hwo") + user), ["user"]),
    ("list(apend) in the second part", (site, MERGE.replace("append", "apend") + user), ["user"]),
    ("dict(recurse_lists) in the second part", (site, MERGE.replace("recurse_list", "recurse_lists") + user), ["site"]),
):
    compare(f"packages of two parts, {what}", merged(*parts), expected)
compare("warnings", warned.getvalue(), "")
PYTHON
