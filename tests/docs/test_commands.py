"""Every command that a page shows is run, with stand-ins for the names of hosts, sites and files.

What cannot be run here stands in NOT_RUN with the reason; it is read by the shell, and by the parser of the
executable where it is one of ours.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import parsers
from tests.conftest import ROOT, clean_environment
from tests.docs.pages import OURS, commands, mentioned
from tests.federation.stomp_responder import Responder

MAKE = "takes minutes, and runs these tests itself"
FUZZ = "takes minutes; .ci/run does it"
PACKAGES = "scripts/build-packages builds the packages, and tests/packages installs and runs them"
IMAGE = "scripts/build-image builds the image, and tests/packages/image.py runs it with buildah"
ROLE = "tests/scripts/test_ansible.py runs the role"
NOT_RUN = {
    "make demo": "CI does nothing but start it once more; tests/federation and tests/probes have its parts",
    "make test": MAKE,
    "make test-all": MAKE,
    "make check": MAKE,
    "make plan": "asks apt about the whole machine; tests/scripts/test_add_packages.py does so with a small one",
    "make test-python PYTHON=/usr/local/bin/python3.12": MAKE,
    "make test-patch-release PYTHON=/usr/local/bin/python3.11": MAKE,
    "make oldest": MAKE,
    "make other-debian": MAKE,
    "make slowest": MAKE,
    "make coverage": MAKE,
    "make mutation": "takes an hour and more, and runs these tests itself",
    'make mutation-sample WHAT="state clients/ways.py" SEED=11 COUNT=28': "takes minutes, and runs other tests itself",
    "make openstack": MAKE,
    'make openstack WHAT="-k quota"': MAKE,
    "make openstack WHAT=--up": MAKE,
    "make reliability": MAKE,
    "python -m tests.reliability --sentences FILE": "takes minutes; tests/reliability runs the same cells",
    "python -m tests.reliability --door": "takes minutes; tests/programs/worker/test_faults.py does a part of it",
    "make lint": "the linters run beside the tests",
    "make fuzz": FUZZ,
    'make fuzz SECONDS=600 TARGETS="cms voms"': FUZZ,
    "make fuzz INPUTS=5000 SEED=1": FUZZ,
    "make test WHAT=tests/probes/test_check_perun.py": MAKE,
    "make test-busy WHAT=tests/probes/test_check_perun.py RUNS=1": MAKE,
    "~/fedcloud/bin/pip install .": "scripts/check-wheel installs the wheel and runs what it installs",
    "python3 -m venv ~/fedcloud": "scripts/check-wheel does it elsewhere",
    "python3 -m venv /opt/fedcloud-probes": "scripts/check-wheel does it elsewhere",
    "/opt/fedcloud-probes/bin/pip install '.[boot]'": "needs the package index",
    "pip index versions fedcloud-probes": "needs the package index",
    "podman build -t fedcloud-probes .": IMAGE,
    "podman run --rm fedcloud-probes": IMAGE,
    "podman run --rm --network host --userns keep-id --user $(id -u):$(id -g) "
    "-v $X509_USER_PROXY:/tmp/x509up_u$(id -u):ro "
    "-v /etc/grid-security/certificates:/etc/grid-security/certificates:ro "
    "-v ~/.local/state/fedcloud-probes:/var/lib/fedcloud-probes fedcloud-probes EXAMPLE-SITE": IMAGE,
    "podman volume create fedcloud-state": IMAGE,
    "podman run --rm --entrypoint check_endpoint_tcp -v fedcloud-state:/var/lib/fedcloud-probes fedcloud-probes "
    "-u cloud.example.org:8787": IMAGE,
    "dnf install ./fedcloud-probes-1.0.0-1.el9.x86_64.rpm": PACKAGES,
    "apt install ./fedcloud-probes_1.0.0-1_amd64.deb": PACKAGES,
    "make packages": PACKAGES,
    "scripts/fetch-wheels wheels": PACKAGES,
    "tar -cf fedcloud-probes-wheels-1.0.0.tar wheels": PACKAGES,
    "dpkg-buildpackage -b -us -uc": PACKAGES,
    "voms-proxy-init --rfc --voms ops": "needs a VOMS server; tests/federation makes the proxies",
    "voms-proxy-init --rfc --voms ops --valid 24:00 --cert /etc/grid-security/robotcert.pem --key "
    "/etc/grid-security/robotkey.pem --out /var/lib/fedcloud-probes/x509up": "likewise",
    "systemctl enable --now fedcloud-worker": "needs systemd; tests/programs/worker runs what the unit runs",
    "systemctl disable --now fedcloud-worker": "likewise",
    "systemctl enable --now fedcloud-proxy.timer fedcloud-ncg.timer fedcloud-downtimes.timer": "needs systemd; "
    "tests/systemd runs what the units run",
    "systemctl list-timers 'fedcloud-*'": "needs systemd",
    "systemctl start fedcloud-ncg.service": "needs systemd; tests/systemd runs what the unit runs",
    "journalctl -u 'fedcloud-*'": "needs systemd",
    "icingacli director basket restore < /usr/share/fedcloud-probes/icinga-director/fedcloud-director-basket.json": ""
    "needs a Director with its database; tests/scripts/test_make_icinga.py looks at the basket",
    "case $? in 0|1) grep -q '^  written to' /run/fedcloud-ncg.report && nagios4 -v /etc/nagios4/nagios.cfg > "
    "/dev/null && systemctl reload nagios4 ;; esac": "likewise",
    "fedcloud-ncg --contacts-cert /etc/grid-security/hostcert.pem --contacts-key /etc/grid-security/hostkey.pem": ""
    "needs a certificate; tests/probes/test_fedcloud_ncg.py has one",
    "fedcloud-ncg --from topology.xml --contacts-from sites.xml --contacts-from ngis.xml": "likewise, saved answers",
    "ncg.reload.sh": "is NCG's own",
    "ansible-doc -t role fedcloud_probes": ROLE,
    "ansible-playbook -i monitor.example.org, --check --diff monitor.yml": ROLE,
    "ansible-playbook -i monitor.example.org, monitor.yml": ROLE,
    "pip install --require-hashes -r requirements-3.11.txt": "needs the package index",
    "pip install --no-deps --no-index fedcloud_probes-*.whl": "scripts/check-wheel installs the wheel",
    "check_openstack_vm -H keystone.example.org --token-file /etc/fedcloud-probes/token": "needs a Keystone and its "
    "token; tests/probes/test_check_openstack_vm.py has both",
    "check_openstack_vm -u https://keystone.example.org:5000/v3 --image 1017 --region RegionOne -t 10m": "likewise",
    "check_openstack_vm -H keystone.example.org": "likewise",
    "check_availability --site EXAMPLE-SITE": "needs results that were imported",
    "check_availability --site EXAMPLE-SITE -w 95: -c 80:": "likewise",
    "check_cloud_info -H keystone.example.org --token-file /etc/fedcloud-probes/token": ""
    "needs a Keystone and the information system; tests/probes/test_check_cloud_info.py has both",
    "check_cloud_info -u https://keystone.example.org:5000/v3 --auth none": "likewise",
    "check_openstack_images -H keystone.example.org --token-file /etc/fedcloud-probes/token": ""
    "needs a Keystone and its token; tests/probes/test_check_openstack_images.py has both",
    "check_openstack_images -u https://keystone.example.org:5000/v3 --vo vo.example.org --list "
    "https://vmcaster.example.org/store/vo/vo.example.org/image.list --list-login-file /etc/fedcloud-probes/vo": ""
    "likewise",
    "check_openstack_swift -H keystone.example.org --token-file /etc/fedcloud-probes/token": "needs a Keystone and its "
    "token; tests/probes/test_check_openstack_swift.py has both",
    "check_openstack_swift -u https://keystone.example.org:5000/v3 --region RegionOne --size 64MiB -t 5m": "likewise",
    "check_credential --token-file /etc/fedcloud-probes/token --issuer https://aai.egi.eu/auth/realms/egi": ""
    "needs an issuer of tokens; tests/probes/test_check_credential.py has one",
    "fedcloud-downtimes --output /etc/nagios4/fedcloud --nagios /etc/nagios4/nagios.cfg": "needs a running Nagios; "
    "tests/cloudmon has one",
    "fedcloud-downtimes --output /etc/icinga2/fedcloud --icinga https://mon.example.org:5665/": "likewise, Icinga",
    "fedcloud-downtimes --ncg --nagios /etc/nagios/nagios.cfg": "likewise, Nagios",
    "runuser -u nagios -- fedcloud-leftovers": "needs that user; tests/probes/test_fedcloud_leftovers.py runs it",
    "runuser -u nagios -- fedcloud-leftovers --remove": "likewise",
    "fedcloud-leftovers --remove --title egi-sam-mon-1e78b6-7b83323fcd52 --instead-at https://new.example.org:8787": ""
    "needs a VM of that title; tests/probes/test_fedcloud_leftovers.py has one",
    "fedcloud-leftovers --remove --at https://keystone.example.org:5000/v3 --token-file /etc/fedcloud-probes/token": ""
    "needs what was left there; tests/probes/test_fedcloud_leftovers_openstack.py leaves it",
    "icinga2 pki save-cert --host mon.example.org --trustedcert /tmp/master.crt": "needs a running master",
    "icinga2 node setup --cn asia.example.org --zone asia.example.org --parent_zone mon.example.org --parent_host "
    "mon.example.org --endpoint mon.example.org,mon.example.org --trustedcert /tmp/master.crt --ticket TICKET "
    "--accept-config --accept-commands --disable-confd": "likewise",
}
AVAILABILITY = "needs a month of results; tests/probes/test_fedcloud_availability.py has one"
NOT_RUN |= {
    "fedcloud-availability import --services /etc/nagios4/fedcloud /var/log/nagios4/nagios.log": AVAILABILITY,
    "fedcloud-availability figures --month 2026-10": AVAILABILITY,
    "fedcloud-availability why EXAMPLE-SITE --month 2026-10": AVAILABILITY,
}
WORKER = "needs a running Nagios; tests/programs/worker has one, and a stand-in for its query handler"
NOT_RUN |= {
    "fedcloud-worker": WORKER,
    "fedcloud-worker --socket /var/lib/nagios4/rw/nagios.qh --probe check_occi_vm --runners 4 --max-runners 6": WORKER,
}
DOOR = "stays until it is stopped; tests/programs/worker/test_door.py has one, and asks it"
NOT_RUN |= {
    "systemctl enable --now fedcloud-door.socket": "needs systemd; tests/programs/worker has systemd-socket-activate",
    "fedcloud-worker --local": DOOR,
    "fedcloud-worker --status --door /run/fedcloud-probes/door --as prometheus": DOOR,
}
ELSEWHERE = {"docs/adding-a-metric.md": "test_example.py runs them, in a checkout with the example in it"}

INSTEAD = [
    (r"stomp://mq\.example\.org:6163", "stomp://127.0.0.1:{extra[broker].port}"),
    (r"https://vmcaster\.example\.org/\S+", "{extra[federation].appdb_url}"),
    (r"ldap://bdii\.example\.org:2170/o=glue", "{extra[federation].bdii.url}"),
    (r"https://perun\.example\.org/", "{extra[perun].web.url}/"),
    (r"perun\.example\.org", "perun.fedcloud.test"),
    (r"--boot --wait 5m", "--boot --wait 1m -t 180 --ssh-port {extra[federation].guests.port}"),
    (r"https://cloud\.example\.org:8787/\?image=uuid_monitoring_20&resource=small", "{site.url}"),
    (
        r"--endpoint https://cloud\.example\.org:8787 --image uuid_monitoring_20 --resource small",
        "--endpoint {site.base} --image {site.image} --resource {site.resource}",
    ),
    (r"-u https://cloud\.example\.org:8787(?= --tls)", "-u {site.base}"),
    (r"-u https://keystone\.example\.org:5000/v3(?= --tls)", "-u {extra[federation].clouds[stack].url}"),
    (r"-H cloud\.example\.org -p 8787", "-H localhost -p {site.web.port}"),
    (r"cloud\.example\.org", "{site.hostname}"),
    (r"EXAMPLE-SITE|KR-KISTI-CLOUD", "{site.gocdb_name}"),
    (r"fedcloud-selfcheck --all", "fedcloud-selfcheck --all --metric OCCI-TCP"),  # all of them takes long
    (r"^nagios4 ", "nagios4 -v "),  # in place of staying in the foreground
    (r"^icinga2 daemon ", "icinga2 daemon -C "),
    (r"^(?:\S+ ){5}(?=fedcloud-)", ""),  # when cron does it
    (r"(?<![\w.])/(etc|opt|run|tmp|usr|var)/", r"{root}/\1/"),
]
"""What stands in a page, and what is used in its place."""


DIRECTORIES = (
    "etc/fedcloud-probes/ncg",
    "etc/nagios4",
    "etc/icinga2",
    "etc/ncg-metric-config.d",
    "etc/argo-ncg/ncg-localdb.d",
    "usr/libexec",
    "var/www/html",
    "var/lib/prometheus/node-exporter",
    "usr/share/pnp4nagios/html/templates",
    "run",
    "tmp",
    "here",
)
"""What a machine has before any of our commands is typed; `here` is where they are."""


@pytest.mark.parametrize("page", sorted({each.page for each in commands()} - set(ELSEWHERE)))
def test_the_commands_of_a_page_do_what_it_says_one_after_the_other(
    page: str, tmp_path: Path, federation, broker
) -> None:
    for name in DIRECTORIES:
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "here/probes").symlink_to(ROOT / "probes")
    # the executables as a package puts them, and Debian's path of the monitors
    path = ":".join([str(ROOT / "probes"), str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    for text in [each.text for each in commands() if each.page == page and each.text not in NOT_RUN]:
        standing_in = stand_in(text, tmp_path, federation, broker)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", standing_in],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=tmp_path / "here",
            env=clean_environment(**federation.environment(), PATH=path, HOME=tmp_path / "here"),
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{standing_in}\n{done.stdout}"
        if standing_in.startswith("check_"):
            assert " OK - " in done.stdout.partition("\n")[0]


@pytest.fixture(scope="module")
def broker() -> Iterator[Responder]:
    with Responder() as responder:
        yield responder


def stand_in(text: str, root: Path, federation, broker: Responder) -> str:
    [perun] = [each for each in federation.services if each.name == "perun"]
    names = {"site": federation.sites["ooi"], "extra": {"federation": federation, "broker": broker, "perun": perun}}
    for pattern, instead in INSTEAD:
        filled = instead.replace("{root}", str(root))
        text = re.sub(pattern, filled.format(**names) if re.search(r"{[a-z]+[.[]", filled) else filled, text)
    return text


def test_what_is_not_run_stands_in_a_page_and_has_a_reason() -> None:
    shown = {each.text for each in commands()}
    assert [text for text in NOT_RUN if text not in shown] == []
    assert all(NOT_RUN.values())
    assert {each.page for each in commands()} > set(ELSEWHERE)


@pytest.mark.parametrize("text", NOT_RUN)
def test_what_is_not_run_is_at_least_a_command(text: str) -> None:
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    if text.startswith("make "):
        done = subprocess.run(
            ["make", "-n", "-o", ".venv/ready", *shlex.split(text)[1:]], cwd=ROOT, capture_output=True
        )
        assert done.returncode == 0, done.stderr
    if text.startswith(("systemctl ", "journalctl ")):
        for name, kind in re.findall(r"\b(fedcloud-\w+)(\.\w+)?", text):
            assert (ROOT / f"etc/systemd/{name}{kind or '.service'}").exists()
    if found := re.search(r"\[(\w+)\]", text):
        assert f'        "{found[1]}": [' in (ROOT / "setup.py").read_text()


def test_every_option_of_a_command_of_ours_is_one() -> None:
    seen = [
        each for each in [*mentioned(), *commands()] if (found := OURS.search(each.text)) and found[1] != "check_cdmi"
    ]
    assert len(seen) > 20
    for each in seen:
        assert unknown_options(each.text) == [], each


def unknown_options(text: str) -> list[str]:
    found = OURS.search(text)
    assert found
    known = parsers.parser_of(ROOT / "probes" / found[1]).options
    words = [word.partition("=")[0] for word in text[found.end() :].partition(" | ")[0].split()]
    options = [word for word in words if re.fullmatch(r"-[a-zA-Z0-9]|--[a-z-]+|-v+", word)]
    return [option for option in options if option not in known and option.strip("v") != "-"]
