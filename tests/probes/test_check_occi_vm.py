"""check_occi_vm as Nagios runs it, against every kind of cloud and every fault."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import threading
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from libprobe.checks.removal import LOOK_AT
from tests import planted
from tests.conftest import HANGS, Monitor, at
from tests.federation.occi.dialects import KeyPairs
from tests.pace import AMPLE_S, Watch, judge, seconds, until
from tests.probes import wire

PROBE = "check_occi_vm"
CLOUDS = ["occi-os", "ooi", "rocci", "snf", "rocci2"]
OURS = re.compile(r"egi-sam-[a-z0-9-]+")


def look(monitor: Monitor, site: str, *arguments: object, **options: object):
    """Run the probe on a site's registered URL."""
    return monitor.run(PROBE, "-u", monitor.federation.site(site).url, *arguments, **options)


def requests(site) -> list[str]:
    """What the endpoint was asked, ids replaced."""
    return [
        f"{each.request.method} {re.sub(r'/compute/[^/?]+$', '/compute/ID', each.request.path)} {each.status}"
        for each in site.web.requests
    ]


def never_deleted_all(site) -> bool:
    return not any(r.startswith("DELETE") and not r.split()[1].endswith("/compute/ID") for r in requests(site))


# ---- the good case


@pytest.mark.parametrize("cloud", CLOUDS)
def test_by_host_name_alone_a_vm_is_created_watched_and_removed(monitor, cloud):
    site = monitor.federation.site(cloud)
    foreign = site.occi.add_foreign("somebody else's", "ops")
    report = monitor.run(PROBE, "-H", site.hostname)
    assert re.fullmatch(
        rf"OCCI-VM OK - VM active after [\d.]+ m?s on {at(site.base)} "
        rf"\({re.escape(site.image)}, {re.escape(site.resource)}\), removed in [\d.]+ m?s",
        report.first,
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == ["time_to_active", "time_to_create", "time_to_delete", "time_total"]
    assert re.fullmatch(r"[\d.]+s;300;;0", report.performance["time_to_active"])
    assert [vm.id for vm in site.occi.vms()] == [foreign]
    [created] = site.occi.created[1:]
    assert OURS.fullmatch(created[0])
    assert site.occi.deleted == [created]
    assert never_deleted_all(site)
    assert monitor.remembered() == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_v_tells_the_vm_its_address_the_templates_and_the_software(monitor, cloud):
    report = look(monitor, cloud, "-v")
    text = "\n".join(report.lines)
    assert report.code == 0
    for part in ("server software: ", "image: http", "size: http", "VM: /", "egi-sam-", "address: 127."):
        assert part in text
    assert "acting as" not in text
    assert "acting as: rfc proxy" in "\n".join(look(monitor, cloud, "-vv").lines)


def test_a_slow_cloud_is_measured_and_not_hammered(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("build-seconds", seconds=2.0)
    report = look(monitor, "ooi")
    active = float(report.performance["time_to_active"].partition("s")[0])
    assert report.code == 0
    judge(active, 2.5, not_before=2.0)  # benchmarks/lifecycle.py holds a tenth of a second
    assert 4 <= requests(site).count("GET /occi1.1/compute/ID 200") <= 24 + 10 * (active - 2.0)


def test_one_connection_serves_the_whole_run(monitor):
    site = monitor.federation.site("rocci")
    before = site.web.connections
    site.faults.on("build-seconds", seconds=1.0)
    assert look(monitor, "rocci").code == 0
    assert site.web.connections - before == 1


@pytest.mark.parametrize("order", [0, 1])
def test_ncg_passes_endpoint_image_and_resource_in_any_order(monitor, order):
    site = monitor.federation.site("rocci")
    options = [
        ("-H", "localhost"),
        ("--endpoint", site.base),
        ("--image", site.image),
        ("--resource", site.resource),
        ("-t", seconds(60)),
    ]
    arguments = [word for option in (options[::-1] if order else options) for word in option]
    assert monitor.run(PROBE, *arguments).code == 0
    assert len(site.occi.created) == 1


@pytest.mark.parametrize("cloud", CLOUDS)
def test_context_reaches_the_vm(monitor, tmp_path, cloud):
    key = Ed25519PrivateKey.generate().public_key()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " probe@egi"
    (tmp_path / "data").write_text("#cloud-config\n")
    (tmp_path / "key.pub").write_text(line + "\n")
    site = monitor.federation.site(cloud)
    site.faults.on("delete-ignored")
    report = look(
        monitor, cloud, "--user-data", tmp_path / "data", "--public-key", tmp_path / "key.pub", "-t", seconds(4)
    )
    [vm] = site.occi.vms()
    assert (vm.user_data, vm.public_key) == ("I2Nsb3VkLWNvbmZpZwo=", line)
    assert report.code == 1


@pytest.fixture
def public_key(tmp_path):
    """A file with a public key."""
    line = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    (tmp_path / "key.pub").write_bytes(line + b"\n")
    return tmp_path / "key.pub"


@pytest.mark.parametrize("comment", ["josé@café", "cloudmon, of EGI"])
def test_a_comment_of_the_key_that_not_every_cloud_can_hold_is_left_out(monitor, public_key, comment):
    line = public_key.read_text().strip()
    public_key.write_text(f"{line} {comment}\n")
    site = monitor.federation.site("rocci")
    site.faults.on("delete-ignored")
    assert look(monitor, "rocci", "--public-key", public_key, "-t", seconds(4)).code == 1
    [vm] = site.occi.vms()
    assert vm.public_key == line


def test_what_is_no_key_for_its_letters_is_not_sent(monitor, public_key):
    public_key.write_text("ssh-ed25519 AAAAé comment\n")
    report = look(monitor, "rocci", "--public-key", public_key)
    said = f"public key {public_key} is not one line of the form `ssh-... AAAA... comment`"
    assert report.first == f"OCCI-VM UNKNOWN - {said}"
    assert monitor.federation.site("rocci").web.requests == []


def keypairs(site) -> int:
    return sum(map(len, site.occi.dialect.key_pairs.names.values()))


def test_ooi_is_left_one_keypair_by_an_outage_and_not_one_by_each_run(monitor, public_key):
    """It makes one for each public key, and removes it after a good create only; a user has room for a hundred."""
    site = monitor.federation.site("ooi")
    assert look(monitor, "ooi", "--public-key", public_key).code == 0
    assert keypairs(site) == 0
    site.faults.on("quota")
    report = look(monitor, "ooi", "--public-key", public_key)
    assert report.code == 2
    assert report.first.endswith("; ooi may keep a keypair of it")
    for _ in range(3):
        report = look(monitor, "ooi", "--public-key", public_key, "-v")
        assert report.code == 2
        assert "keypair" not in report.first
        assert re.search(r" - no quota or capacity left.* localhost:\d+ when asked to create a VM", report.first)
        assert "asked without the public key first: ooi keeps the keypair of a create that fails" in report.lines
    assert keypairs(site) == 1
    assert len(site.occi.created) == 1
    site.faults.clear()
    report = look(monitor, "ooi", "--public-key", public_key)
    assert report.code == 0, report.out
    assert report.first.endswith(
        "; a VM was made and removed without the key first, as the last create with it had failed"
    )
    assert len(site.occi.created) == 3
    report = look(monitor, "ooi", "--public-key", public_key)
    assert (report.code, len(site.occi.created), keypairs(site)) == (0, 4, 1)
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_a_create_that_ooi_refuses_before_it_makes_a_keypair_leaves_none(monitor, public_key, monkeypatch):
    monkeypatch.setattr(KeyPairs, "LIMIT", 0)
    report = look(monitor, "ooi", "--public-key", public_key)
    assert report.code == 2
    assert report.first.endswith(
        'no quota or capacity left (403 "Quota exceeded, too many key pairs") from '
        f"{at(monitor.federation.site('ooi').base)} when asked to create a VM"
    )
    assert "asked without" not in look(monitor, "ooi", "--public-key", public_key, "-v").out


@pytest.mark.parametrize("fault", ["delete-ignored", "build-endless"])
def test_the_vm_that_is_made_without_the_key_first_is_removed_or_told(monitor, public_key, fault):
    site = monitor.federation.site("ooi")
    site.faults.on("quota")
    look(monitor, "ooi", "--public-key", public_key)
    site.faults.clear()
    site.faults.on(fault)
    report = look(monitor, "ooi", "--public-key", public_key, "-t", seconds(8))
    assert report.code == 1, report.out
    assert len(site.occi.vms()) == len(monitor.remembered()) == (fault == "delete-ignored")
    assert keypairs(site) == 1


def test_a_private_key_is_never_sent(monitor, tmp_path):
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    report = look(monitor, "ooi", "--public-key", tmp_path / "key")
    assert report.first == f"OCCI-VM UNKNOWN - public key {tmp_path}/key is a private key; it is not sent anywhere"
    assert monitor.federation.site("ooi").web.requests == []


# ---- judging the time


def test_slower_than_the_warning_limit_is_a_warning(monitor):
    monitor.federation.site("ooi").faults.on("build-seconds", seconds=0.6)
    report = look(monitor, "ooi", "-w", "500ms")
    assert re.fullmatch(
        r"OCCI-VM WARNING - VM active only after [\d.]+ m?s on localhost:\d+ \(limit 500ms\)",
        report.first,
    )
    assert report.code == 1
    assert report.performance["time_to_active"].endswith("s;0.5;;0")


def test_slower_than_the_critical_limit_is_critical(monitor):
    monitor.federation.site("ooi").faults.on("build-seconds", seconds=0.6)
    assert look(monitor, "ooi", "-w", "0.1", "-c", "0.5").code == 2


@pytest.mark.parametrize(("arguments", "code"), [([], 1), (["-c", "1ms"], 2)])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_vm_that_never_becomes_active_is_given_up_in_time_and_removed(monitor, cloud, arguments, code):
    site = monitor.federation.site(cloud)
    site.faults.on("build-endless")
    limit = seconds(6)
    report = look(monitor, cloud, "-t", limit, *arguments)
    assert report.code == code, report.out
    judge(float(report.performance["time_total"].partition("s")[0]), limit + 0.5, late_s=0)
    if code == 1:
        assert re.fullmatch(
            rf"OCCI-VM WARNING - VM still (in)?[a-z]+ after [\d.]+ m?s on {at(site.base)}, given up",
            report.first,
        )
    assert "time_to_active" not in report.performance
    assert site.occi.vms() == []


def test_a_last_poll_that_our_own_deadline_cuts_off_does_not_hide_that_the_vm_is_late(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("build-endless")
    limit = seconds(12)  # of which three quarters are for the VM to become active
    before = min(5.0, limit / 5)  # longer than either of us may be held up, shorter than what is told as no answer
    watch = Watch()
    process = monitor.start(PROBE, "-u", site.url, "-t", limit)
    until(lambda: site.occi.vms() or process.poll() is not None)
    time.sleep(max(0.0, limit * 0.75 - before - watch.seconds()))
    site.faults.on("mute", method="GET", path="/compute/", times=1)
    out, _ = process.communicate(timeout=AMPLE_S)
    said = rf"OCCI-VM WARNING - VM still inactive after [\d.]+ s on {at(site.base)}, given up \|".encode()
    assert (process.returncode, re.match(said, out) is not None) == (1, True), out
    assert site.occi.vms() == []


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        ("occi-os", "VM went into state error instead of active, no reason told,"),
        ("rocci", "VM went into state error instead of active, no reason told,"),
        ("rocci2", 'VM went into state error instead of active: "no host has room"'),
        ("snf", 'VM failed to build: "ERROR building the compute instance"'),
    ],
)
def test_a_vm_that_fails_is_critical_with_the_clouds_own_message_and_removed(monitor, cloud, said):
    site = monitor.federation.site(cloud)
    site.faults.on("build-error", message="no host has room")
    report = look(monitor, cloud, "-t", seconds(30))
    assert report.code == 2
    assert report.first == f"OCCI-VM CRITICAL - {said} on {at(site.base)}", report.out
    assert site.occi.vms() == []


def actions(site) -> list[str]:
    return [each.request.query["action"][0] for each in site.web.requests if "action" in each.request.query]


def test_a_vm_that_fails_on_ooi_is_critical_with_novas_word_and_removed(monitor):
    """It is inactive for ever there, as one that is still built; what nova says to a suspend tells them apart."""
    site = monitor.federation.site("ooi")
    site.faults.on("build-error")
    report = look(monitor, "ooi", "-t", seconds(8), "-v")
    [(_, failed)] = site.occi.created
    assert report.code == 2
    assert report.first == f'OCCI-VM CRITICAL - VM failed to build: "vm_state error" on {at(site.base)}'
    assert "ooi shows a VM that failed to build as inactive" in report.lines
    assert f"the cloud says: Cannot 'suspend' instance {failed} while it is in vm_state error" in report.lines
    assert actions(site) == ["suspend"]
    assert any(line.startswith(f"VM: /occi1.1/compute/{failed} (egi-sam-") for line in report.lines)
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_a_vm_that_is_still_built_on_ooi_is_late_and_no_more(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("build-endless")
    report = look(monitor, "ooi", "-t", seconds(8), "-v")
    assert report.code == 1
    said = rf"OCCI-VM WARNING - VM still inactive after [\d.]+ s on {at(site.base)}, given up"
    assert re.fullmatch(said, report.first), report.first
    assert actions(site) in (["suspend"], ["suspend", "suspend"])  # twice where -t had to grow beyond 20 s
    assert re.search(r"asked after [\d.]+ s what inactive means: Cannot 'suspend' .* in vm_state building", report.out)


@pytest.mark.parametrize("code", [409, 0])
def test_a_vm_that_our_question_suspended_and_the_cloud_cannot_resume_was_active(monitor, code):
    """Not late, and so not CRITICAL at the second run: no fault of the site's."""
    site = monitor.federation.site("ooi")
    for fault in ("build-endless", "active-when-asked"):
        site.faults.on(fault)
    site.faults.on("start-broken", code=code)
    for _ in range(2):
        report = look(monitor, "ooi", "-t", seconds(8))
        assert report.code == 0, report.out
        assert report.first.endswith(
            "; the VM became active as its state was asked for, was suspended by that and could not be started again"
        )
        assert float(report.performance["time_to_active"].partition("s")[0]) > 0
    assert actions(site)[0] == "suspend"
    assert site.occi.vms() == []


@pytest.mark.parametrize("cloud", ["occi-os", "rocci", "rocci2", "snf"])
def test_no_vm_of_another_software_is_asked_to_suspend(monitor, cloud):
    site = monitor.federation.site(cloud)
    site.faults.on("build-endless")
    assert look(monitor, cloud, "-t", seconds(8)).code == 1
    assert actions(site) == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_v_shows_where_a_vm_is_that_failed(monitor, cloud):
    site = monitor.federation.site(cloud)
    site.faults.on("build-error")
    report = look(monitor, cloud, "-t", seconds(8), "-v")
    [(title, failed)] = site.occi.created
    assert report.code == 2
    assert any(re.fullmatch(rf"VM: /\S*compute/{failed} \({title}\)", line) for line in report.lines), report.out


# ---- faults of the endpoint: CRITICAL, each with its reason


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_quota_refusal_is_critical_and_says_so(monitor, cloud):
    site = monitor.federation.site(cloud)
    site.faults.on("quota")
    report = look(monitor, cloud)
    assert report.code == 2
    assert "no quota or capacity left (" in report.first and "when asked to create a VM" in report.first
    assert monitor.remembered() == []


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("status", [400, 401, 403, 409, 500, 503])
def test_a_refused_create_is_critical_with_its_status(monitor, cloud, status):
    site = monitor.federation.site(cloud)
    site.faults.on("status", code=status, body="because I say so", method="POST", path="/compute")
    report = look(monitor, cloud, "-t", seconds(20))
    assert report.code == 2
    said = f'OCCI-VM CRITICAL - {status} "because I say so" from {at(site.base)} when asked to create a VM'
    assert report.first.startswith(said), report.first
    # after a 5xx something may exist all the same: that is remembered
    assert len(monitor.remembered()) == (1 if status >= 500 else 0)


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("expired", r"certificate expired [\d.]+ \w+ ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\) on"),
        ("not-yet-valid", r"certificate not valid before \d{4}-\d\d-\d\d \d\d:\d\d UTC \(in [\d.]+ \w+\) on"),
        ("wrong-host", r"certificate for elsewhere\.fedcloud\.test instead of"),
        ("self-signed", r"certificate self-signed or of an unknown root CA on"),
        ("unknown-ca", r"certificate of an untrusted CA \(.+\) on"),
    ],
)
def test_a_bad_host_certificate_is_critical_and_described(monitor, variant, said):
    site = monitor.federation.site("ooi")
    site.certificate(variant)
    report = look(monitor, "ooi")
    assert report.code == 2
    assert re.fullmatch(rf"OCCI-VM CRITICAL - {said} {at(site.base)}", report.first), report.first


MISBEHAVIOUR = [
    *((fault, {}, said) for fault, said in wire.SAID.items() if fault != "gzip-bomb"),
    ("gzip-bomb", {"size_bytes": 1 << 24}, wire.SAID["gzip-bomb"]),
    (
        "endless-body",
        {},
        r"answer larger than 32768 KiB from PLACE|line of more than 1024 KiB in the answer of PLACE",
    ),
    ("html", {}, r'page "Sign in" \(200\) from PLACE when asked to say what it offers'),
    (
        "redirect",
        {"to": "http://127.0.0.1:1/x"},
        r"redirect to another origin \(http://127\.0\.0\.1:1/x\) from PLACE",
    ),
    ("redirect", {"to": "file:///etc/passwd"}, r"redirect to another origin \(file:///etc/passwd\) from PLACE"),
    ("redirect", {"to": "/-/"}, r"more than 3 redirects from PLACE; the last to https://PLACE/-/"),
    (
        "status",
        {"code": 404},
        r"404 Not Found from PLACE when asked to say what it offers "
        r"\(check that the URL is that of the OCCI endpoint\)",
    ),
    ("status", {"code": 500}, r"500 Internal Server Error from PLACE when asked to say what it offers"),
    (
        "status",
        {"code": 503, "body": "under maintenance"},
        r'503 "under maintenance" from PLACE when asked to say what it offers',
    ),
    ("status", {"code": 403}, r"403 Forbidden from PLACE when asked to say what it offers"),
    ("status", {"code": 401}, r"401 Unauthorized from PLACE when asked to say what it offers"),
]


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    MISBEHAVIOUR,
    ids=[f"{f}-{'-'.join(map(str, p.values()))}" for f, p, _ in MISBEHAVIOUR],
)
@pytest.mark.parametrize("cloud", ["rocci"])
def test_a_misbehaving_endpoint_is_critical_within_the_deadline_with_its_reason(
    monitor, cloud, fault, parameters, said
):
    site = monitor.federation.site(cloud)
    site.faults.on(fault, **parameters)
    limit = seconds(3 if fault in HANGS else 30)
    watch = Watch()
    report = look(monitor, cloud, "-t", limit)
    watch.ended_within(limit + 1.5)
    wire.expect(report, "OCCI-VM", said, site.base)
    assert site.occi.vms() == []


@pytest.mark.parametrize(
    "fault", ["mute", "drip-headers", "drip-body", "close-request", "close-body", "garbage", "endless-body", "reset"]
)
def test_a_fault_in_the_middle_of_the_life_is_critical_and_the_vm_is_removed(monitor, fault):
    site = monitor.federation.site("ooi")
    site.faults.on(fault, method="GET", path="/compute/", times=1 if fault in HANGS else 3)
    report = look(monitor, "ooi", "-t", seconds(6 if fault in HANGS else 30))
    assert report.err == ""
    assert report.code in (0, 2)
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_a_name_that_does_not_resolve_and_a_port_nobody_listens_on(monitor):
    report = monitor.run(PROBE, "-u", "https://cloud.invalid:8787/?image=a&resource=b")
    assert report.code == 2
    assert report.first.startswith("OCCI-VM CRITICAL - name cloud.invalid does not resolve (")
    report = monitor.run(PROBE, "-u", "https://127.0.0.1:1/?image=a&resource=b")
    assert report.first == "OCCI-VM CRITICAL - connection refused by 127.0.0.1:1"


def test_plain_http_on_a_tls_port_is_named(monitor):
    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        base = f"https://127.0.0.1:{listener.getsockname()[1]}"
        report = monitor.run(PROBE, "-u", f"{base}/?image=a&resource=b")
    assert report.first == f"OCCI-VM CRITICAL - no TLS spoken on {at(base)}"


# ---- templates


def test_an_option_that_took_the_place_of_what_is_registered_is_told_with_the_failure(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("status", code=503)
    report = monitor.run("check_occi_vm", "-H", site.hostname, "--image", "nonsense")
    assert report.code == 2
    assert report.first.endswith("; --image was given in place of the registered " + site.image), report.first


def test_a_host_that_is_not_in_the_gocdb_is_told_with_the_failure(monitor):
    report = monitor.run("check_occi_vm", "-H", "oooi.fedcloud.test")
    assert report.code == 2
    assert re.fullmatch(
        r"OCCI-VM CRITICAL - name oooi\.fedcloud\.test does not resolve \(Name or service not "
        r"known\); oooi\.fedcloud\.test is not in the GOCDB, tried on port 8787",
        report.first,
    ), report.first


def test_a_key_without_its_certificate_is_our_own_fault(monitor, tmp_path):
    report = monitor.run("check_occi_vm", "-H", "ooi.fedcloud.test", "--key", tmp_path / "key")
    assert (report.code, report.first) == (
        3,
        "OCCI-VM UNKNOWN - usage: --key has no effect without --cert (see check_occi_vm --help)",
    )


def test_a_template_of_u_that_is_not_offered_is_the_operators_and_the_nearest_is_named(monitor):
    site = monitor.federation.site("rocci")
    report = monitor.run(PROBE, "-u", f"{site.base}/?image=uuid_monitoring_19&resource=small")
    assert report.code == 3
    assert re.fullmatch(
        rf"OCCI-VM UNKNOWN - image uuid_monitoring_19, which -u names, not among the \d+ templates offered by "
        rf"{at(site.base)}; nearest: uuid_monitoring_20 \(correct -u\)",
        report.first,
    ), report.first
    assert site.occi.created == []


def test_a_template_that_goes_away_is_critical(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("template-gone", term=site.image)
    report = monitor.run(PROBE, "-H", site.hostname)
    assert report.code == 2
    assert f"registered image {site.image} not among the " in report.first


def test_without_a_registered_image_several_offered_cannot_be_chosen_from(monitor):
    site = monitor.federation.site("ooi")
    report = monitor.run(PROBE, "-u", site.base)
    assert report.code == 3
    assert re.fullmatch(
        rf"OCCI-VM UNKNOWN - no image registered and \d+ offered \(.+, \.\.\.\) by {at(site.base)} "
        r"\(choose with --image, or in probes.ini \[occi\] image\)",
        report.first,
    ), report.first


def test_without_a_registered_size_the_smallest_is_taken(monitor):
    site = monitor.federation.site("ooi")
    report = monitor.run(PROBE, "-u", f"{site.base}/?image={site.image}")
    assert report.code == 0
    assert f"({site.image}, 1)" in report.first


# ---- what clouds do to addresses


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("fault", ["wrong-authority", "relative-location"])
def test_only_the_path_of_a_location_counts(monitor, cloud, fault):
    site = monitor.federation.site(cloud)
    site.faults.on(fault)
    assert look(monitor, cloud).code == 0
    assert site.occi.vms() == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_vm_whose_address_is_not_told_is_found_by_its_title(monitor, cloud):
    site = monitor.federation.site(cloud)
    site.occi.add_foreign("another", "ops")
    site.faults.on("no-location")
    report = look(monitor, cloud)
    assert report.code == 0, report.out
    assert [vm.title for vm in site.occi.vms()] == ["another"]


@pytest.mark.parametrize("cloud", ["occi-os", "snf"])
def test_the_id_that_we_gave_is_no_address(monitor, cloud):
    """pyssf shows the id that its client sent, and its JSON listing tells no address."""
    site = monitor.federation.site(cloud)
    site.faults.on("client-id")
    site.faults.on("lost-answer", method="POST", path="/compute")
    report = look(monitor, cloud, "-t", seconds(20))
    assert report.code == 2
    assert "when asked to create a VM" in report.first
    assert len(site.occi.created) == 1
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_the_title_is_sent_as_an_id_that_rocci_takes(monitor):
    site = monitor.federation.site("rocci2")
    assert look(monitor, "rocci2").code == 0
    [posted] = [each.request.body.decode() for each in site.web.requests if each.request.method == "POST"]
    [identifier] = re.findall(r'occi\.core\.id="(.*)"', posted)
    assert [title for title, _ in site.occi.created] == [identifier]
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", identifier)


def test_a_location_that_is_a_strangers_vm_is_never_deleted(monitor, federation):
    site = federation.site("ooi")
    stranger = site.occi.add_foreign("precious", "ops")
    body = f"X-OCCI-Location: {site.base}/compute/{stranger}"
    site.faults.on(
        "status", code=200, body=body, headers={"Content-Type": "text/plain"}, method="POST", path="/compute"
    )
    report = look(monitor, "ooi", "-t", seconds(10))
    assert report.code == 2
    assert f"another VM (precious) given for our new one by {at(site.base)}" in report.first
    assert [vm.title for vm in site.occi.vms()] == ["precious"]


def test_a_location_that_is_a_strangers_vm_is_never_deleted_when_asked_without_the_key_first(monitor, public_key):
    site = monitor.federation.site("ooi")
    site.faults.on("quota")
    assert look(monitor, "ooi", "--public-key", public_key).code == 2
    site.faults.clear()
    stranger = site.occi.add_foreign("precious", "ops")
    body = f"X-OCCI-Location: {site.base}/compute/{stranger}"
    site.faults.on(
        "status", code=200, body=body, headers={"Content-Type": "text/plain"}, method="POST", path="/compute"
    )
    report = look(monitor, "ooi", "--public-key", public_key, "-t", seconds(10))
    assert report.code in (1, 2), report.out
    assert f"another VM given for our new one by {at(site.base)}" in report.out
    assert [vm.title for vm in site.occi.vms()] == ["precious"]


@pytest.mark.parametrize(
    "location", ["/occi1.1/compute/", "/occi1.1/", "/", "/occi1.1/network/x", "/occi1.1/compute/../compute/"]
)
def test_a_location_that_is_no_vms_is_never_deleted(monitor, location):
    site = monitor.federation.site("ooi")
    site.occi.add_foreign("precious", "ops")
    site.faults.on(
        "status", code=201, headers={"Content-Type": "text/plain", "Location": location}, method="POST", path="/compute"
    )
    report = look(monitor, "ooi", "-t", seconds(8))
    assert report.code == 2
    assert not any(each.startswith("DELETE") for each in requests(site))
    assert [vm.title for vm in site.occi.vms()] == ["precious"]


# ---- nothing is left behind


def test_a_lost_answer_to_create_leaves_no_vm(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("lost-answer", method="POST", path="/compute")
    report = look(monitor, "ooi", "-t", seconds(20))
    assert report.code == 2
    assert "when asked to create a VM" in report.first
    assert len(site.occi.created) == 1
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_an_answer_to_create_that_comes_too_late_leaves_no_vm(monitor):
    site = monitor.federation.site("rocci")
    limit = seconds(6)
    site.faults.on("late-answer", seconds=5 * limit, method="POST", path="/compute")
    report = look(monitor, "rocci", "-t", limit)
    assert report.code == 2
    assert site.occi.vms() == []


def test_a_delete_that_is_refused_is_a_warning_and_the_next_run_removes_the_vm(monitor):
    site = monitor.federation.site("rocci")
    foreign = site.occi.add_foreign("foreign", "ops")
    site.faults.on("delete-refused")
    report = look(monitor, "rocci", "-t", seconds(8))
    assert report.code == 1
    assert re.search(
        r"VM active after [\d.]+ m?s, not removed: 304 Not Modified from localhost:\d+ when asked to delete the VM "
        r"\(egi-sam-[a-z0-9-]+; next run retries\)",
        report.first,
    ), report.first
    assert len(monitor.remembered()) == 1
    site.faults.clear()
    report = look(monitor, "rocci")
    assert report.code == 0
    assert report.first.endswith("; removed 1 VM that an earlier run had left")
    assert [vm.id for vm in site.occi.vms()] == [foreign]
    assert monitor.remembered() == []


def test_a_vm_that_somebody_has_locked_is_asked_for_once_and_named(monitor):
    """As ooi passes on what nova says of it; whoever asks again is refused until somebody unlocks it."""
    site = monitor.federation.site("ooi")
    body = "Instance 2346f0a9-aba3-459b-b4c1-82badb2734e3 is locked"
    site.faults.on("status", method="DELETE", code=409, body=body)
    report = look(monitor, "ooi")
    [(title, _)] = site.occi.created
    report.expect(
        "OCCI-VM",
        1,
        rf'VM active after [\d.]+ m?s, not removed: 409 "{body}" from {at(site.base)} when asked to delete the VM '
        rf"\({title}; next run retries\)",
    )
    assert [each for each in requests(site) if each.startswith("DELETE")] == ["DELETE /occi1.1/compute/ID 409"]
    assert len(monitor.remembered()) == 1
    site.faults.clear()
    assert look(monitor, "ooi").code == 0
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


@pytest.mark.parametrize(
    ("cloud", "fault", "said"),
    [
        ("rocci", "delete-refused", "304 Not Modified"),
        ("rocci2", "delete-refused", r'409(?: "\S+ cannot be deleted in its present state")?'),
        ("rocci2", "delete-ignored", r"still there [\d.]+ m?s after its deletion was accepted"),
    ],
)
def test_a_vm_that_fails_and_is_not_removed_is_told_with_both_the_worse_first(monitor, cloud, fault, said):
    site = monitor.federation.site(cloud)
    site.faults.on("build-error", message="no host has room")
    site.faults.on(fault)
    report = look(monitor, cloud, "-t", seconds(8), "-v")
    [(title, failed)] = site.occi.created
    why = "" if cloud == "rocci" else ': "no host has room"'
    report.expect(
        "OCCI-VM",
        2,
        rf"VM went into state error instead of active{why or ', no reason told,'} on {at(site.base)}; "
        rf"VM not removed(?:: {said})? \({title}; next run retries\)",  # as much as fits, by the monitor's own name
    )
    assert len(report.first) <= 200 + len("OCCI-VM CRITICAL - ")
    assert any(re.fullmatch(rf"not removed: /\S*compute/{failed} \({title}\)", line) for line in report.lines)
    assert len(monitor.remembered()) == 1
    site.faults.clear()
    assert look(monitor, cloud).code == 0
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


def test_a_run_that_is_ended_tells_that_its_vm_is_not_removed(monitor):
    site = monitor.federation.site("rocci2")
    site.faults.on("build-endless")
    site.faults.on("delete-refused")
    process = monitor.start(PROBE, "-u", site.url)
    until(lambda: any(each.startswith("GET") and "compute/ID 200" in each for each in requests(site)))
    process.terminate()
    out, err = process.communicate(timeout=AMPLE_S)
    [(title, _)] = site.occi.created
    assert (process.returncode, err) == (3, b"")
    assert re.fullmatch(
        r"OCCI-VM UNKNOWN - interrupted by SIGTERM; VM not removed: 409"
        rf'(?: "\S+ cannot be deleted in its present state" from {at(site.base)})? \({title}; next run retries\)',
        out.decode().splitlines()[0].partition(" | ")[0],
    ), out
    assert len(monitor.remembered()) == 1


def test_a_delete_that_has_no_effect_is_a_warning(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("delete-ignored")
    report = look(monitor, "ooi", "-t", seconds(8))
    assert report.code == 1
    assert re.search(
        r"VM active after .*, not removed: still there .* after its deletion was accepted by localhost:", report.first
    )
    assert len(monitor.remembered()) == 1


def test_a_delete_that_is_refused_once_is_tried_again(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("delete-refused", times=2, code=500)
    report = look(monitor, "ooi", "-t", seconds(20))
    assert report.code == 0
    assert site.occi.vms() == []


def test_a_vm_that_takes_time_to_go_is_waited_for(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("delete-seconds", seconds=0.8)
    report = look(monitor, "ooi")
    assert report.code == 0
    judge(float(report.performance["time_to_delete"].partition("s")[0]), 1.6, not_before=0.8)


def test_leftovers_that_cannot_be_removed_do_not_stop_the_check_and_are_a_warning(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("delete-ignored")
    look(monitor, "ooi", "-t", seconds(8))
    [left] = site.occi.vms()
    site.faults.clear()
    site.faults.on("delete-refused", path=left.id)
    report = look(monitor, "ooi", "-t", seconds(12))
    assert report.code == 1
    assert "VM of an earlier run not removed: " in report.first and f"({left.title}; next run retries)" in report.first
    assert [vm.id for vm in site.occi.vms()] == [left.id]
    assert "time_to_active" in report.performance


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_cleans_up_within_seconds_and_prints_a_line(monitor, number):
    site = monitor.federation.site("ooi")
    site.faults.on("build-endless")
    process = monitor.start(PROBE, "-u", site.url)
    until(lambda: site.occi.vms())
    watch = Watch()
    process.send_signal(number)
    out, err = process.communicate(timeout=AMPLE_S)
    watch.ended_within(5.5)
    assert (process.returncode, err) == (3, b"")
    assert out.decode().startswith(f"OCCI-VM UNKNOWN - interrupted by {signal.Signals(number).name}")
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_a_signal_while_cleaning_does_not_stop_the_cleaning(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("held", method="DELETE", times=1)
    process = monitor.start(PROBE, "-u", site.url)
    until(lambda: site.web.held == 1)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    site.faults.off("held")
    out, _ = process.communicate(timeout=AMPLE_S)
    assert process.returncode == 3
    assert b"interrupted by SIGTERM" in out
    assert site.occi.vms() == []


def test_state_that_cannot_be_kept_stops_before_anything_is_created(monitor):
    site = monitor.federation.site("ooi")
    monitor.state.parent.mkdir(exist_ok=True)
    monitor.state.write_text("in the way")
    report = look(monitor, "ooi")
    assert report.code == 3
    assert f"state directory {monitor.state} cannot be opened" in report.first
    assert site.occi.created == []


# ---- our own credential: UNKNOWN, and what to do


def without_proxy(monitor, site: str, *arguments: object, **environment: object):
    return look(monitor, site, *arguments, X509_USER_PROXY="", **environment)


def test_no_credential_at_all_where_one_is_wanted(monitor):
    report = without_proxy(monitor, "ooi")
    keystone = at(monitor.federation.site("ooi").keystone.url)
    assert (report.code, report.first) == (
        3,
        f"OCCI-VM UNKNOWN - VOMS proxy or access token wanted by {keystone}; we have none "
        "(give --cert or $X509_USER_PROXY, or --token-file)",
    )
    report = without_proxy(monitor, "rocci")
    rocci = at(monitor.federation.site("rocci").base)
    assert (report.code, report.first) == (
        3,
        f"OCCI-VM UNKNOWN - login wanted (401) by {rocci}; we have none (give a proxy with --cert)",
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"lifetime": -3600}, r"proxy expired [\d.]+ \w+ ago in \S+ \(run voms-proxy-init --rfc --voms ops\)"),
        ({"lifetime": 100}, r"proxy ends in [\d.]+ \w+ in \S+; this run may take 7 min \(run voms-proxy-init "),
        ({"ac_lifetime": -60}, r"VOMS attributes expired [\d.]+ \w+ ago in \S+ \(run voms-proxy-init "),
        ({"mode": 0o644}, r"is open to others \(mode 0644\) \(chmod 600 "),
        ({"with_key": False}, r"no private key in \S+ \(name its file with --key\)"),
        ({"order": "chain-first"}, r".+"),
    ],
)
def test_a_bad_proxy_is_unknown_and_says_what_to_do(monitor, tmp_path, made, said):
    from datetime import timedelta

    made = {key: timedelta(seconds=value) if "lifetime" in key else value for key, value in made.items()}
    path = monitor.federation.authority.proxy(path=tmp_path / "proxy", **made)
    report = look(monitor, "ooi", "--cert", path)
    assert report.code == 3
    assert re.search(said, report.first), report.first
    assert str(path) in report.first
    assert monitor.federation.site("ooi").web.requests == []


def test_a_proxy_of_another_vo_is_ours_to_repair(monitor):
    report = look(monitor, "ooi", "--cert", monitor.federation.other_proxy, "--vo", "ops")
    assert report.code == 3
    assert f"no VOMS attributes of ops in {monitor.federation.other_proxy}; it has fedcloud.egi.eu (run" in report.first


def test_a_file_that_is_no_proxy(monitor, tmp_path):
    (tmp_path / "x").write_text("hello")
    (tmp_path / "x").chmod(0o600)
    report = look(monitor, "ooi", "--cert", tmp_path / "x")
    assert report.code == 3
    assert f" in {tmp_path}/x (run voms-proxy-init --rfc --voms ops)" in report.first
    report = look(monitor, "ooi", "--cert", tmp_path / "none")
    assert (
        report.first
        == f"OCCI-VM UNKNOWN - proxy or certificate {tmp_path}/none cannot be read: No such file or directory"
    )


def test_an_access_token_is_exchanged_and_never_shown(monitor, tmp_path):
    site = monitor.federation.site("ooi")
    token = planted.secret("access")
    site.keystone.register_access_token(token, "robot", ["ops"])
    (tmp_path / "token").write_text(token + "\n")
    (tmp_path / "token").chmod(0o600)
    report = without_proxy(monitor, "ooi", "--token-file", tmp_path / "token", "-vvv")
    assert report.code == 0, report.out
    assert token not in report.out
    report = without_proxy(monitor, "ooi", "--token-file", tmp_path / "none")
    assert report.code == 3
    (tmp_path / "token").chmod(0o644)
    assert "is open to others" in without_proxy(monitor, "ooi", "--token-file", tmp_path / "token").first


def test_vvv_shows_the_exchange_without_any_secret(monitor):
    for cloud in CLOUDS:
        site = monitor.federation.site(cloud)
        report = look(monitor, cloud, "-vvv")
        assert f"libprobe.http: request: POST {site.base}/compute/" in report.lines
        assert "libprobe.http: request: X-OCCI-Attribute: occi.core.title=" in report.out
        if site.keystone:
            assert "libprobe.http: request: X-Auth-Token: [secret]" in report.lines
            assert [token for token in site.keystone.tokens if token in report.out] == []


# ---- Keystone


def test_a_keystone_that_does_not_know_our_vo_is_the_sites_fault(monitor):
    for cloud in ("ooi", "occi-os"):
        site = monitor.federation.site(cloud)
        site.keystone.faults.on("ks-vo-unmapped")
        report = look(monitor, cloud)
        assert report.code == 2
        assert "VO ops may not be mapped there" in report.first


def test_a_keystone_outside_the_endpoints_domain_gets_no_login(monitor):
    site = monitor.federation.site("ooi")
    header = {"WWW-Authenticate": "Keystone uri='https://evil.example.org:5000/v3'"}
    site.faults.on("status", code=401, headers=header)
    report = look(monitor, "ooi")
    assert report.code == 3
    assert report.first == (
        f"OCCI-VM UNKNOWN - Keystone outside its own domain named by {at(site.base)} (if it is to be trusted, allow it "
        "with --keystone https://evil.example.org:5000)"
    )


@pytest.mark.parametrize("fault", ["ks-no-projects", "ks-no-token-header", "mute", "close-request", "garbage", "html"])
@pytest.mark.parametrize("cloud", ["ooi", "occi-os"])
def test_a_broken_keystone_is_critical_within_the_deadline(monitor, cloud, fault):
    site = monitor.federation.site(cloud)
    site.keystone.faults.on(fault)
    limit = seconds(4 if fault in HANGS else 30)
    watch = Watch()
    report = look(monitor, cloud, "-t", limit)
    watch.ended_within(limit + 1.5)
    if fault == "ks-no-token-header" and cloud == "occi-os":
        return  # v2.0 has the token in its body
    assert report.code == 2, report.out


def test_a_token_that_expires_meanwhile_is_renewed(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("held", method="GET", path="/compute/", times=1)
    process = monitor.start(PROBE, "-u", site.url)
    until(lambda: site.web.held == 1)
    site.keystone.tokens.clear()
    site.faults.off("held")
    out, _ = process.communicate(timeout=AMPLE_S)
    assert process.returncode == 0, out
    assert site.keystone.tokens
    assert site.occi.vms() == []


# ---- the GOCDB


def test_a_gocdb_that_fails_is_unknown_and_no_sites_fault(monitor):
    site = monitor.federation.site("ooi")
    monitor.federation.gocdb.faults.on("status", code=503)
    report = monitor.run(PROBE, "-H", site.hostname)
    assert report.code == 3
    assert re.fullmatch(
        r"OCCI-VM UNKNOWN - 503 Service Unavailable from GOCDB localhost:\d+ \(give -u URL\)",
        report.first,
    ), report.first


@pytest.mark.parametrize("fault", ["gocdb-error", "raw-ampersand", "truncated", "mute", "html", "garbage", "drip-body"])
def test_a_stale_copy_is_used_and_said_to_be_stale(monitor, fault):
    site = monitor.federation.site("ooi")
    assert monitor.run(PROBE, "-H", site.hostname).code == 0
    monitor.federation.gocdb.faults.on(fault)
    report = monitor.run(PROBE, "-H", site.hostname, "-t", seconds(12))
    assert report.code == 0  # fresh enough not to ask again
    assert "GOCDB copy" not in report.first
    [copy] = monitor.state.glob("gocdb-*.json")
    copy.write_text(re.sub(r'"at": [\d.]+', f'"at": {time.time() - 7200}', copy.read_text()))
    report = monitor.run(PROBE, "-H", site.hostname, "-t", seconds(12))
    assert report.code == 0
    assert "; GOCDB copy of 2 h ago, as the GOCDB failed: " in report.first, report.first


def test_a_host_that_the_gocdb_does_not_know_is_tried_on_the_usual_port(monitor):
    report = monitor.run_alone(PROBE, "-H", "127.0.0.1")
    assert report.code == 2
    assert report.first.startswith("OCCI-VM CRITICAL - connection refused by 127.0.0.1:8787")


def test_wildcards_of_the_gocdb_match_nothing(monitor):
    report = monitor.run(PROBE, "-H", "%.fedcloud.test", "-t", seconds(5))
    assert report.code in (2, 3)
    assert all(site.occi.created == [] for site in monitor.federation.sites.values())


def test_an_unusable_url_in_the_gocdb_is_the_sites_fault_and_says_where_to_correct_it(monitor):
    from tests.federation import gocdb

    added = gocdb.Service(
        "broken.fedcloud.test", "eu.egi.cloud.vm-management.occi", "BROKEN", url="cloud:8787/?image=a"
    )
    monitor.federation.gocdb.add_service(added)
    report = monitor.run(PROBE, "-H", "broken.fedcloud.test")
    monitor.federation.gocdb.remove_service(added)
    assert report.code == 2
    assert "unusable URL in the GOCDB for broken.fedcloud.test (BROKEN): " in report.first
    assert "correct it at https://" in report.first


# ---- TLS with client certificates


def strict_context(site, version: ssl.TLSVersion, ca: str | None = None) -> ssl.SSLContext:
    """A server that insists on a client certificate, of the federation's CA or of another one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.credential.path)
    context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=ca or site.authority.host_variant("unknown-ca", ["localhost"]).path)
    return context


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_valid_certificate_that_is_refused_is_the_sites_fault(monitor, version):
    site = monitor.federation.site("rocci")
    site.web.use_context(strict_context(site, version))
    report = look(monitor, "rocci")
    assert report.code == 2
    assert re.search(r"(our client certificate refused|our certificate may have been refused)", report.first)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_where_one_is_required_is_ours_to_repair(monitor, version):
    site = monitor.federation.site("rocci")
    site.web.use_context(strict_context(site, version))
    report = without_proxy(monitor, "rocci")
    assert report.code == 3
    assert report.first == (
        f"OCCI-VM UNKNOWN - client certificate wanted by {at(site.base)}; we have none (give a proxy with --cert)"
    )


def test_a_key_too_weak_for_tls_is_ours_and_the_cure_is_named(monitor, tmp_path):
    weak = monitor.federation.authority.proxy(path=tmp_path / "weak", bits=1024)
    report = look(monitor, "rocci", "--cert", weak)
    assert report.code == 3
    assert "1024-bit key or its signature is too weak for TLS today" in report.first
    assert "(make the proxy with voms-proxy-init --rfc --bits 2048)" in report.first


# ---- renderings and clocks


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_create_in_plain_text_that_is_not_acceptable_is_repeated_in_headers(monitor, cloud):
    site = monitor.federation.site(cloud)
    site.faults.on("status", code=406, method="POST", path="/compute", times=1)
    assert look(monitor, cloud).code == 0
    posted = [each.request for each in site.web.requests if each.request.method == "POST"]
    assert [request.headers.get("Content-Type") for request in posted] == ["text/plain", "text/occi"]
    assert posted[1].body == b""
    assert site.occi.vms() == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_vm_is_found_in_a_listing_in_headers(monitor, cloud):
    """Which are `Location` on rOCCI-server; read as 'no VM' they would hide what was left."""
    site = monitor.federation.site(cloud)
    site.occi.add_foreign("another", "ops")
    site.faults.on("headers-only")
    site.faults.on("no-location")
    report = look(monitor, cloud)
    assert report.code == 0, report.out
    assert [vm.title for vm in site.occi.vms()] == ["another"]
    assert monitor.remembered() == []


@pytest.mark.parametrize("cloud", ["ooi", "rocci2"])
def test_our_vm_is_found_among_many_in_whatever_order_they_are_listed(monitor, cloud):
    """ooi lists the newest first, the others last; without titles each has to be asked."""
    site = monitor.federation.site(cloud)
    strangers = {site.occi.add_foreign(f"another {number}", "ops") for number in range(30)}
    site.faults.on("headers-only")
    site.faults.on("no-location")
    report = look(monitor, cloud)
    assert report.code == 0, report.out
    asked = {each.request.path.rpartition("/")[2] for each in site.web.requests if each.request.method == "GET"}
    assert len(asked & strangers) <= 1 + LOOK_AT
    assert {vm.id for vm in site.occi.vms()} == strangers


def test_a_reason_that_is_given_in_a_header_is_told(monitor):
    site = monitor.federation.site("rocci2")
    site.faults.on("headers-only")
    site.faults.on("quota")
    report = look(monitor, "rocci2")
    assert (report.code, report.first) == (
        2,
        "OCCI-VM CRITICAL - no quota or capacity left (409 "
        '"[one.template.instantiate] User [5] : limit of 10 reached for '
        f'VMS q...") from {at(site.base)} when asked to create a VM',
    )


def test_a_query_interface_without_plain_text_is_read_as_json(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("status", code=406, path="/-/", times=1)
    assert look(monitor, "ooi").code == 0
    assert [e.request.headers.get("Accept") for e in site.web.requests if e.request.path.endswith("/-/")] == [
        "text/plain",
        "application/occi+json",
        "application/occi+json",
    ]


def test_a_refusal_by_a_cloud_whose_clock_is_wrong_says_so(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("date-skew", seconds=-7200)
    site.faults.on("status", code=403, method="POST", path="/compute")
    report = look(monitor, "ooi")
    assert report.code == 2
    assert report.first.endswith(
        f"403 Forbidden from {at(site.base)} when asked to create a VM; its clock is 2 h behind ours"
    )
