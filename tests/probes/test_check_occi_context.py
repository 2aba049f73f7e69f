"""check_occi_context as Nagios runs it: what is announced, and what reaches a VM that is booted."""

from __future__ import annotations

import base64
import re
import signal

import pytest

from libprobe.probe import cli
from tests.conftest import ROOT, Monitor, at
from tests.federation.occi import Image, Templates
from tests.pace import AMPLE_S, OWN_PART, Watch, seconds, until
from tests.probes import wire

PROBE = "check_occi_context"
CLOUDS = ["occi-os", "ooi", "rocci", "snf", "rocci2"]
COUNTS = {"occi-os": (5, 14, 3, 5), "ooi": (9, 19, 3, 5), "rocci": (8, 12, 3, 3), "snf": (3, 12, 3, 3)}
COUNTS["rocci2"] = (11, 14, 3, 3)
S = "http://schemas.ogf.org/occi/"
OLD_USER_DATA = "http://schemas.openstack.org/compute/instance#user_data"


@pytest.fixture(autouse=True)
def guests(federation):
    federation.guests.reset()
    return federation.guests


def look(monitor: Monitor, site: str, *arguments: object, **options: object):
    """Run the probe on a site's registered URL."""
    return monitor.run(PROBE, "-u", monitor.federation.site(site).url, *arguments, **options)


def boot(monitor: Monitor, site: str, *arguments: object, **options: object):
    """The same with --boot, in the little time that a test has."""
    port = monitor.federation.guests.port
    return look(monitor, site, "--boot", "--ssh-port", port, "-t", AMPLE_S, *arguments, **options)


def announces(monitor: Monitor, *lines: str, site: str = "rocci", **headers: str):
    """Let a cloud answer its query interface with these categories, and look at that."""
    fault = {"code": 200, "body": "\n".join(lines), "headers": {"Content-Type": "text/plain", **headers}}
    monitor.federation.site(site).faults.on("status", **fault)
    return monitor.run(PROBE, "-u", monitor.federation.site(site).base)


def kind(term: str, scheme: str = f"{S}infrastructure#") -> str:
    return f'Category: {term}; scheme="{scheme}"; class="kind"'


def mixin(term: str, scheme: str = f"{S}infrastructure#", rel: str = "") -> str:
    return f'Category: {term}; scheme="{scheme}"; class="mixin"; rel="{rel}"'


KINDS = [
    *(kind(term, f"{S}core#") for term in ("entity", "resource", "link")),
    *(kind(term) for term in ("compute", "storage", "network", "storagelink", "networkinterface")),
]
TEMPLATES = [
    *(mixin("os_tpl"), mixin("resource_tpl")),
    mixin("image1", "http://x.org/os#", f"{S}infrastructure#os_tpl"),
    mixin("small", "http://x.org/size#", f"{S}infrastructure#resource_tpl"),
]
CONTEXT = [
    mixin("user_data", "http://schemas.openstack.org/compute/instance#"),
    mixin("public_key", "http://schemas.openstack.org/instance/credentials#"),
]


# ---- what is announced


@pytest.mark.parametrize("cloud", CLOUDS)
def test_by_host_name_alone_an_endpoint_with_everything_is_ok(monitor, cloud):
    site = monitor.federation.site(cloud)
    report = monitor.run(PROBE, "-H", site.hostname)
    kinds, mixins, images, sizes = COUNTS[cloud]
    assert report.first == (
        f"OCCI-Context OK - {at(site.base)} offers all that is required, {images} images and {sizes} sizes"
    )
    assert (report.code, report.err, report.lines) == (0, "", [])
    performance = report.performance
    assert re.fullmatch(r"\d\.\d+s;;;0", performance.pop("response_time"))
    assert performance == {
        "images": f"{images};;;0",
        "kinds": f"{kinds};;;0",
        "mixins": f"{mixins};;;0",
        "sizes": f"{sizes};;;0",
    }
    assert site.occi.created == []


def test_the_query_interface_is_read_once(monitor):
    site = monitor.federation.site("rocci")
    assert look(monitor, "rocci").code == 0
    assert [f"{each.request.method} {each.request.path}" for each in site.web.requests] == ["GET /-/"]


def test_v_says_in_which_form_contextualisation_is_offered(monitor):
    site = monitor.federation.site("ooi")
    report = look(monitor, "ooi", "-v")
    assert report.lines == [
        f"endpoint: {site.base}",
        "server software: ooi/1.2.0 OCCI/1.1 OCCI/1.2",
        f"user_data: OCCI 1.1 ({OLD_USER_DATA}), OCCI 1.2 ({S}infrastructure/compute#user_data)",
        "public_key: OCCI 1.1 (http://schemas.openstack.org/instance/credentials#public_key), "
        f"OCCI 1.2 ({S}infrastructure/credentials#ssh_key)",
        f"registered image: http://schemas.openstack.org/template/os#{site.image} (monitoring)",
        f"registered resource: http://schemas.openstack.org/template/resource#{site.resource} (Flavor: m1.tiny)",
    ]
    assert "acting as: rfc proxy" in "\n".join(look(monitor, "ooi", "-vv").lines)


def test_all_that_is_missing_is_named_in_one_sentence(monitor):
    base = monitor.federation.site("rocci").base
    lines = [line for line in [*KINDS, *TEMPLATES] if not re.match(r"Category: (storage|storagelink|image1);", line)]
    report = announces(monitor, *lines)
    assert report.first == (
        "OCCI-Context CRITICAL - not offered: storage, storagelink, image template, "
        f"user_data or public_key, on {at(base)}"
    )
    assert (report.code, report.err) == (2, "")
    assert report.performance["kinds"] == "6;;;0"
    report = announces(monitor, kind("entity", f"{S}core#"))
    assert (
        "not offered: resource, link, compute, storage, network, storagelink, networkinterface, os_tpl, "
        "image template, resource_tpl, size template, user_data or 1 more, on localhost:"
    ) in report.first


@pytest.mark.parametrize(("kept", "missing"), [(0, "user_data"), (1, "public_key"), (None, "user_data or public_key")])
def test_missing_context_mixins_alone_are_a_warning(monitor, kept, missing):
    base = monitor.federation.site("rocci").base
    context = [] if kept is None else [CONTEXT[1 - kept]]
    report = announces(monitor, *KINDS, *TEMPLATES, *context)
    assert report.first == (
        f"OCCI-Context WARNING - not offered: {missing}, on {at(base)}, so what "
        "users hand over does not reach their VMs"
    )
    assert (report.code, report.err) == (1, "")


def test_context_mixins_of_occi_1_2_will_do(monitor):
    newer = [
        mixin("user_data", f"{S}infrastructure/compute#"),
        mixin("ssh_key", f"{S}infrastructure/credentials#"),
    ]
    assert announces(monitor, *KINDS, *TEMPLATES, *newer).code == 0


def test_templates_that_nobody_shared_with_the_monitoring_vo_are_critical_and_say_so(monitor):
    base = monitor.federation.site("rocci").base
    report = announces(monitor, *KINDS, *TEMPLATES[:2], *CONTEXT)
    assert report.code == 2
    assert report.first == (
        f"OCCI-Context CRITICAL - not offered to us: image template or size template, on {at(base)} "
        "(share some with the monitoring VO)"
    )


def test_what_is_optional_may_be_missing_and_v_says_that_it_is(monitor):
    site = monitor.federation.site("rocci")
    announces(monitor, *[line for line in [*KINDS, *TEMPLATES, *CONTEXT] if "storage" not in line])
    options = ["--optional", "storage", "--optional", f"{S}infrastructure#storagelink"]
    report = monitor.run(PROBE, "-u", site.base, *options, "-v")
    assert report.code == 0, report.out
    assert "not offered, and optional: storage, storagelink" in report.lines
    assert monitor.run(PROBE, "-u", site.base, *options[:2]).first.endswith(
        f"not offered: storagelink, on {at(site.base)}"
    )


@pytest.mark.parametrize(("cloud", "left_out"), [("occi-os", ""), ("snf", ", storage, storagelink")])
def test_what_software_on_pyssf_does_not_announce_is_held_against_no_site(monitor, cloud, left_out):
    report = look(monitor, cloud, "-v")
    assert report.code == 0, report.out
    assert f"not announced, as software on pyssf may leave it: entity, resource, link{left_out}" in report.lines
    report = look(monitor, cloud, "--require", "resource")
    where = at(monitor.federation.site(cloud).base)
    assert (report.code, report.first) == (2, f"OCCI-Context CRITICAL - not offered: resource, on {where}")


def test_what_is_required_by_an_option_is_critical(monitor):
    site = monitor.federation.site("rocci")
    assert look(monitor, "rocci", "--require", "ipnetwork", "--require", f"{S}infrastructure#compute").code == 0
    report = look(monitor, "rocci", "--require", "floatingippool", "--require", "http://x.org/y#z")
    assert report.code == 2
    assert report.first == (
        f"OCCI-Context CRITICAL - not offered: floatingippool or http://x.org/y#z, on {at(site.base)}"
    )
    announces(monitor, *KINDS, *TEMPLATES)
    report = monitor.run(PROBE, "-u", site.base, "--require", "user_data")
    assert report.code == 2
    assert "not offered: user_data or public_key, on localhost:" in report.first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--optional", "storagelnk"],
            "usage: argument --optional: 'storagelnk' is nothing that is required; did you mean storagelink? "
            "(see check_occi_context --help)",
        ),
        (
            ["--optional", "http://x.org/#storage"],
            "usage: argument --optional: 'http://x.org/#storage' is nothing that is required; did you mean storage? "
            "(see check_occi_context --help)",
        ),
        (
            ["--optional", "storage", "--require", f"{S}infrastructure#storage"],
            "--optional storage contradicts --require or --boot (leave out one of them)",
        ),
        (
            ["--optional", "ssh_key", "--boot"],
            "--optional ssh_key contradicts --require or --boot (leave out one of them)",
        ),
        (
            ["--user-data", "x"],
            "usage: unknown argument --user-data (see check_occi_context --help)",
        ),
        (
            ["--ssh-port", "0"],
            "usage: argument --ssh-port: '0' is not a port between 1 and 65535 (see check_occi_context --help)",
        ),
    ],
)
def test_wrong_usage_is_unknown_and_asks_nobody(monitor, arguments, said):
    report = look(monitor, "rocci", *arguments)
    assert report.first == f"OCCI-Context UNKNOWN - {said}"
    assert (report.code, report.err) == (3, "")
    assert monitor.federation.site("rocci").web.requests == []


def test_templates_of_u_that_are_not_offered_are_the_operators_and_the_nearest_are_named(monitor):
    site = monitor.federation.site("rocci")
    report = monitor.run(PROBE, "-u", f"{site.base}/?image=uuid_monitoring_19&resource=smal")
    assert report.code == 3
    assert re.fullmatch(
        r"OCCI-Context UNKNOWN - image uuid_monitoring_19, which -u names, not among the 3 templates offered "
        rf"by {at(site.base)}; nearest: uuid_monitoring_20 \(correct -u\); resource smal, which -u names, not among "
        r"the 3 templates offered; nearest: small \(correct -u\)",
        report.first,
    ), report.first


def test_parts_that_cannot_be_read_are_counted_with_v(monitor):
    announces(monitor, *KINDS, *TEMPLATES, *CONTEXT, "Category: ; scheme=", "hello")
    report = monitor.run(PROBE, "-u", monitor.federation.site("rocci").base, "-v")
    assert report.code == 0
    assert "2 parts of the query interface could not be read" in report.lines


def test_text_from_outside_is_made_safe(monitor):
    site = monitor.federation.site("rocci")
    hostile = [
        mixin("uuid_monitoring_2\x1b[31m|<b>", "http://x.org/os#", f"{S}infrastructure#os_tpl"),
        *(KINDS + TEMPLATES + CONTEXT),
    ]
    announces(monitor, *hostile)
    report = monitor.run(PROBE, "-u", f"{site.base}/?image=uuid_monitoring_19&resource=small")
    assert report.code == 3
    assert report.err == ""
    assert not set("\x1b<>") & set(report.out)
    assert report.out.count("|") == 1


# ---- how long it takes, and how much


def test_the_response_time_is_judged_when_limits_are_given(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("slow", seconds=0.3)
    report = look(monitor, "rocci", "-w", "100ms", "-c", "600", "-t", AMPLE_S)
    assert re.fullmatch(
        rf"OCCI-Context WARNING - query interface answered only after [\d.]+ s on {at(site.base)} \(limit 100ms\)",
        report.first,
    )
    assert report.performance["response_time"].endswith("s;0.1;600;0")
    assert look(monitor, "rocci", "-c", "100ms").code == 2


def test_twenty_thousand_images_are_judged_quickly_in_64_mib(monitor):
    site = monitor.federation.site("occi-os")
    many = [Image(f"{number:08x}-52f5", f"image {number} of a collection, {'x' * 250}") for number in range(20_000)]
    templates = site.occi.templates
    site.occi.templates = Templates((*many, *templates.images), templates.sizes)
    try:
        site.occi.reset()
        for arguments in ([], ["--image", "monitorin"]):
            watch = Watch()
            report, peak_kib = monitor.measured(PROBE, "-u", site.url, *arguments)
            assert report.performance["images"] == "20003;;;0"
            assert report.code == (3 if arguments else 0)
            assert peak_kib < 64 << 10
            watch.ended_within(30)  # half a second on a machine with nothing else to do
    finally:
        site.occi.templates = templates
        site.occi.reset()


# ---- faults of the endpoint, of ours and of third parties


MISBEHAVIOUR = [
    *((fault, {}, wire.SAID[fault]) for fault in ("mute", "drip-body", "garbage", "close-body")),
    ("endless-body", {}, r"answer larger than 32768 KiB from PLACE"),
    ("html", {}, r'page "Sign in" \(200\) from PLACE when asked to say what it offers'),
    (
        "status",
        {"code": 404},
        r"404 Not Found from PLACE when asked to say what it offers "
        r"\(check that the URL is that of the OCCI endpoint\)",
    ),
    ("status", {"code": 503, "body": "maintenance"}, r'503 "maintenance" from PLACE when asked to say what it offers'),
    ("status", {"code": 401}, r"401 Unauthorized from PLACE when asked to say what it offers"),
]


@pytest.mark.parametrize(
    ("fault", "parameters", "said"), MISBEHAVIOUR, ids=[f"{f}{p.get('code', '')}" for f, p, _ in MISBEHAVIOUR]
)
def test_a_misbehaving_endpoint_is_critical_within_the_deadline(monitor, fault, parameters, said):
    site = monitor.federation.site("rocci")
    site.faults.on(fault, **parameters)
    limit = seconds(3 if fault in ("mute", "drip-body") else 30)
    watch = Watch()
    report = look(monitor, "rocci", "-t", limit)
    watch.ended_within(limit + 1.5)
    wire.expect(report, "OCCI-Context", said, site.base)
    assert report.performance == {}


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        ("expired", r"certificate expired 3 d ago \([\d-]+ [\d:]+ UTC\) on"),
        ("wrong-host", r"certificate for elsewhere\.fedcloud\.test instead of"),
        ("unknown-ca", r"certificate of an untrusted CA \(Unknown Test CA\) on"),
    ],
)
def test_a_bad_host_certificate_is_critical(monitor, variant, said):
    site = monitor.federation.site("ooi")
    site.certificate(variant)
    report = look(monitor, "ooi")
    assert report.code == 2
    assert re.fullmatch(rf"OCCI-Context CRITICAL - {said} {at(site.base)}", report.first), report.first


def test_nobody_listening_is_critical_and_a_name_that_does_not_resolve_too(monitor):
    report = monitor.run(PROBE, "-u", "https://127.0.0.1:1/")
    assert report.code == 2
    assert report.first == ("OCCI-Context CRITICAL - connection refused by 127.0.0.1:1")
    assert monitor.run(PROBE, "-u", "https://cloud.invalid:1/").code == 2


def test_no_credential_a_bad_one_and_a_failing_gocdb_are_unknown(monitor, tmp_path):
    report = look(monitor, "ooi", X509_USER_PROXY="")
    assert (report.code, report.err) == (3, "")
    assert re.fullmatch(
        r"OCCI-Context UNKNOWN - VOMS proxy or access token wanted by localhost:\d+; we have none "
        r"\(give --cert or \$X509_USER_PROXY, or --token-file\)",
        report.first,
    ), report.first
    report = look(monitor, "ooi", "--cert", tmp_path / "none")
    assert report.first == (
        f"OCCI-Context UNKNOWN - proxy or certificate {tmp_path}/none cannot be read: No such file or directory"
    )
    monitor.federation.gocdb.faults.on("status", code=503)
    report = monitor.run(PROBE, "-H", "ooi.fedcloud.test")
    assert report.code == 3
    assert report.first == (
        f"OCCI-Context UNKNOWN - 503 Service Unavailable from GOCDB {at(monitor.federation.gocdb.url)} (give -u URL)"
    )
    assert monitor.run(PROBE).first == "OCCI-Context UNKNOWN - no endpoint is named (give -H HOST or -u URL)"


# ---- what reaches a VM


@pytest.mark.parametrize("cloud", CLOUDS)
def test_with_boot_the_key_lets_us_in_and_the_user_data_has_run(monitor, guests, cloud):
    site = monitor.federation.site(cloud)
    foreign = site.occi.add_foreign("somebody else's", "ops")
    report = boot(monitor, cloud)
    assert re.fullmatch(
        rf"OCCI-Context OK - VM on {at(site.base)} accepted its key after [\d.]+ m?s and had run its user_data "
        r"after [\d.]+ m?s, removed in [\d.]+ m?s",
        report.first,
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == [
        *("images", "kinds", "mixins", "response_time", "sizes", "time_to_active", "time_to_context"),
        *("time_to_create", "time_to_delete", "time_to_login", "time_total"),
    ]
    times = [float(report.performance[f"time_to_{end}"].partition("s")[0]) for end in ("active", "login", "context")]
    assert times == sorted(times)
    assert [vm.id for vm in site.occi.vms()] == [foreign]
    assert monitor.remembered() == []
    [(address, user, accepted)] = set(guests.logins)  # more than one where the machine was too slow for the first
    assert (user, accepted) == ("cloudadm", True)
    assert address.startswith("127.")
    assert guests.methods == {"publickey"}
    assert set(guests.commands) == {"cat /var/tmp/egi-sam-context"}


def test_each_run_has_a_key_and_a_marker_of_its_own_and_neither_is_shown(monitor):
    site = monitor.federation.site("ooi")
    seen = []
    for _ in range(2):
        site.web.requests.clear()
        report = boot(monitor, "ooi", "-vvv")
        assert report.code == 0
        [body] = [each.request.body.decode() for each in site.web.requests if each.request.method == "POST"]
        key = re.search(r'publickey.data="(ecdsa-sha2-nistp256 [A-Za-z0-9+/=]+ egi-sam)"', body)
        encoded = re.search(r'compute.user_data="([A-Za-z0-9+/=]+)"', body)
        assert key
        assert encoded
        script = base64.b64decode(encoded[1]).decode()
        marker = re.fullmatch(r"#!/bin/sh\numask 022\necho ([0-9a-f]{32}) > /var/tmp/egi-sam-context\n", script)
        assert marker
        assert encoded[1] not in report.out
        assert "PRIVATE KEY" not in report.out
        seen += [key[1], marker[1]]
    assert len(set(seen)) == 4


def test_v_tells_how_the_vm_was_reached(monitor, guests):
    report = boot(monitor, "ooi", "-v")
    text = "\n".join(report.lines)
    assert re.search(
        rf"^VM: /occi1.1/compute/\S+ \(egi-sam-\S+\)\naddress: (127\S+)\nSSH: \1:{guests.port}, ", text, re.M
    )
    assert text.count("server software: ") == 1


def test_v_tells_the_size_that_was_taken_where_none_is_registered(monitor, guests):
    site = monitor.federation.site("ooi")
    port = ("--ssh-port", guests.port)
    report = monitor.run(PROBE, "-u", f"{site.base}/?image={site.image}", "--boot", *port, "-t", AMPLE_S, "-v")
    assert re.fullmatch(
        rf"OCCI-Context OK - VM on {at(site.base)} accepted its key after [\d.]+ m?s and had run its user_data "
        r"after [\d.]+ m?s, removed in [\d.]+ m?s",
        report.first,
    ), report.out
    assert report.code == 0
    assert [line for line in report.lines if line.startswith(("image: ", "size: "))] == [
        "size: http://schemas.openstack.org/template/resource#1 (Flavor: m1.tiny)"
    ]
    assert (site.occi.vms(), monitor.remembered()) == ([], [])


def test_a_user_data_that_takes_its_time_is_waited_for(monitor, guests):
    guests.faults.on("user-data-seconds", seconds=0.8)
    report = boot(monitor, "rocci")
    assert report.code == 0, report.out
    login, context = (float(report.performance[f"time_to_{what}"].partition("s")[0]) for what in ("login", "context"))
    assert context >= 0.8
    assert login <= context
    assert len(guests.logins) == 1


def test_a_key_that_is_installed_late_is_waited_for(monitor, guests):
    guests.faults.on("key-refused", times=1)
    report = boot(monitor, "rocci")
    assert report.code == 0, report.out
    assert [accepted for *_, accepted in guests.logins] == [False, True]


def test_a_session_that_is_lost_is_begun_again(monitor, guests):
    guests.faults.on("session-lost", times=1)
    report = boot(monitor, "rocci")
    assert report.code == 0, report.out
    assert len(guests.logins) == 2


VM_FAULTS = [
    (
        "key-refused",
        r"public_key did not reach the VM on CLOUD; our key refused for user cloudadm by VM, tried for "
        r"[\d.]+ m?s \(name another user with --ssh-user\)",
    ),
    (
        "user-data-ignored",
        r"user_data did not reach the VM on CLOUD; /var/tmp/egi-sam-context is not there [\d.]+ m?s after the login",
    ),
    (
        "command-mute",
        r"user_data could not be seen in the VM on CLOUD; no complete answer within [\d.]+ m?s from VM "
        r"when asked to read /var/tmp/egi-sam-context, tried for [\d.]+ m?s",
    ),
    (
        "mute-accept",
        r"no login to the active VM on CLOUD; no complete answer within [\d.]+ m?s from VM, tried for [\d.]+ m?s",
    ),
    ("garbage", r"no login to the active VM on CLOUD; answer that is not SSH from VM, tried for [\d.]+ m?s"),
]


@pytest.mark.parametrize(("fault", "said"), VM_FAULTS, ids=[fault for fault, _ in VM_FAULTS])
def test_a_vm_that_did_not_get_what_was_handed_over_is_critical_and_removed(monitor, guests, fault, said):
    site = monitor.federation.site("rocci")
    guests.faults.on(fault)
    wait = seconds(1)
    watch = Watch()
    report = boot(monitor, "rocci", "--wait", wait)
    watch.ended_within(wait + 10)
    assert (report.code, report.err) == (2, "")
    said = said.replace(", tried for", f"{OWN_PART}, tried for")
    said = said.replace("from VM", rf"from 127\.[\d.]+:{guests.port}").replace(
        "by VM", rf"by 127\.[\d.]+:{guests.port}"
    )
    said = said.replace("CLOUD", f"localhost:{site.web.port}")
    assert re.fullmatch(f"OCCI-Context CRITICAL - {said}", report.first), report.first
    assert "time_to_active" in report.performance
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_a_user_of_ours_that_the_image_does_not_have_is_no_fault_of_the_sites(monitor):
    report = boot(monitor, "rocci", "--wait", seconds(1), "--ssh-user", "centos")
    assert report.code == 3
    assert "- user centos of --ssh-user refused by the VM on localhost:" in report.first


def test_a_closed_port_is_critical(monitor):
    site = monitor.federation.site("rocci")
    report = boot(monitor, "rocci", "--wait", seconds(1), "--ssh-port", "1")
    assert re.fullmatch(
        rf"OCCI-Context CRITICAL - no login to the active VM on localhost:{site.web.port}; connection refused "
        r"by 127\.[\d.]+:1, tried for [\d.]+ m?s",
        report.first,
    ), report.first


def test_what_ooi_loses_in_the_form_of_occi_1_2_is_found_out(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("template-gone", term=OLD_USER_DATA)
    assert look(monitor, "ooi").code == 0  # by its announcements nothing is wrong
    report = boot(monitor, "ooi", "--wait", seconds(1.2), "-v")
    assert report.code == 2
    assert report.first.endswith(", handed over by OCCI 1.2's ssh_key (name another user with --ssh-user)")
    assert f"public_key was handed over by {S}infrastructure/credentials#ssh_key" in report.lines
    assert site.occi.vms() == []


def test_the_form_of_occi_1_2_works_where_the_cloud_reads_it(monitor):
    site = monitor.federation.site("rocci2")
    site.faults.on("template-gone", term=OLD_USER_DATA)
    assert boot(monitor, "rocci2").code == 0


@pytest.mark.parametrize("address", ["", "0.0.0.0"])
def test_a_vm_without_a_usable_address_is_critical(monitor, address):
    site = monitor.federation.site("ooi")
    site.faults.on("vm-address", address=address)
    report = boot(monitor, "ooi", "--wait", seconds(1.2))
    assert report.code == 2
    told = f"VM active without a usable address ({address})" if address else "VM active without an address"
    assert report.first == f"OCCI-Context CRITICAL - {told} on localhost:{site.web.port}"
    assert site.occi.vms() == []


def test_a_vm_that_is_active_too_late_to_be_judged_is_a_warning(monitor, guests):
    site = monitor.federation.site("rocci")
    guests.faults.on("key-refused")
    limit = seconds(6)
    report = boot(monitor, "rocci", "-t", limit, "--wait", limit - 1)
    assert (report.code, report.err) == (1, "")
    assert re.search(
        r"; VM active so late that [\d.]+ m?s were left for this \(raise -t to wait longer\)$",
        report.first,
    ), report.first
    assert site.occi.vms() == []


@pytest.mark.parametrize(
    ("fault", "said", "left"),
    [
        (
            "key-refused",
            r"public_key did not reach the VM on .* \(name another user with --ssh-user\)",
            r" \((?:TITLE; )?",
        ),
        ("user-data-ignored", r"user_data did not reach the VM on .* after the login", r"(?:: 409)? \((?:TITLE; )?"),
    ],
)
def test_a_vm_without_what_was_handed_over_that_stays_is_told_with_both(monitor, guests, fault, said, left):
    site = monitor.federation.site("rocci2")
    guests.faults.on(fault)
    site.faults.on("delete-refused")
    report = boot(monitor, "rocci2", "-t", seconds(10), "--wait", seconds(1), "-v")
    [(title, _)] = site.occi.created
    report.expect("OCCI-Context", 2, rf"{said}; VM not removed{left.replace('TITLE', title)}next run retries\)")
    assert len(report.first) <= 200 + len("OCCI-Context CRITICAL - ")
    assert re.search(rf"VM active after .*, not removed: 409 .* when asked to delete the VM \({title}; ", report.out)
    assert len(monitor.remembered()) == 1


def test_a_vm_with_private_addresses_only_is_a_warning(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("vm-address", address="192.0.2.1")
    report = boot(monitor, "ooi", "--wait", seconds(1))
    assert (report.code, report.err) == (1, "")
    assert re.fullmatch(
        r"OCCI-Context WARNING - contextualisation not seen: VM without a public address that we reach on "
        rf"localhost:{site.web.port}; .*192\.0\.2\.1.*, tried for [\d.]+ m?s",
        report.first,
    ), report.first
    assert site.occi.vms() == []


def test_an_endpoint_without_context_mixins_creates_nothing_and_is_critical(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("template-gone", term="user_data")
    report = boot(monitor, "rocci")
    assert report.code == 2
    assert report.first == f"OCCI-Context CRITICAL - not offered: user_data, on {at(site.base)}"
    assert site.occi.created == []


def test_an_endpoint_that_does_not_answer_is_reported_once_with_boot_too(monitor):
    site = monitor.federation.site("rocci")
    site.faults.on("status", code=503)
    report = boot(monitor, "rocci")
    assert report.code == 2
    assert re.fullmatch(
        rf"OCCI-Context CRITICAL - 503 Service Unavailable from {at(site.base)} when asked to say what it offers",
        report.first,
    )


def test_a_vm_that_never_becomes_active_is_a_warning_and_nobody_logs_in(monitor, guests):
    site = monitor.federation.site("rocci")
    site.faults.on("build-endless")
    report = boot(monitor, "rocci", "-t", seconds(6))
    assert report.code == 1
    said = r" - VM still (?:inactive|waiting) after [\d.]+ m?s on localhost:\d+, given up$"
    assert re.search(said, report.first), report.first
    assert guests.logins == []
    assert site.occi.vms() == []


def test_a_signal_while_logging_in_removes_the_vm(monitor, guests):
    site = monitor.federation.site("rocci")
    guests.faults.on("key-refused")
    process = monitor.start(PROBE, "-u", site.url, "--boot", "--ssh-port", guests.port)
    until(lambda: guests.logins)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=AMPLE_S)
    assert (process.returncode, err) == (3, b"")
    assert out.startswith(b"OCCI-Context UNKNOWN - interrupted by SIGTERM")
    assert site.occi.vms() == []
    assert monitor.remembered() == []


def test_without_paramiko_boot_is_unknown_before_anything_is_created_and_the_rest_works(monitor, tmp_path):
    site = monitor.federation.site("rocci")
    (tmp_path / "paramiko.py").write_text("raise ModuleNotFoundError('paramiko')\n")
    path = f"{tmp_path}:{ROOT}"
    report = boot(monitor, "rocci", PYTHONPATH=path)
    assert report.first == (
        "OCCI-Context UNKNOWN - no Python library paramiko, which --boot needs (pip install 'paramiko~=5.0')"
    )
    assert (report.code, report.err) == (3, "")
    assert site.occi.created == []
    assert look(monitor, "rocci", PYTHONPATH=path).code == 0


def test_boot_with_twenty_thousand_images_stays_below_64_mib(monitor, guests):
    site = monitor.federation.site("rocci")
    many = [Image(str(number), f"image {number} of a collection, {'x' * 60}") for number in range(1000, 21_000)]
    templates = site.occi.templates
    site.occi.templates = Templates((*templates.images, *many), templates.sizes)
    try:
        site.occi.reset()
        report, peak_kib = monitor.measured(PROBE, "-u", site.url, "--boot", "--ssh-port", guests.port)
        assert report.code == 0, report.out
        assert peak_kib < 64 << 10
    finally:
        site.occi.templates = templates
        site.occi.reset()


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ([], 60),
        (["--boot"], 600),
        (["-t", "60", "--boot"], 60),
        (["--boot", "-t", "90"], 90),
        (["-t", "5m"], 300),
    ],
)
def test_boot_raises_the_default_of_t_and_nothing_that_was_given(arguments, seconds):
    parser = cli.Parser(prog="check", doc="")
    parser.add_argument("--boot", action=cli.LongerRunAction, seconds=600.0, help="boot")
    cli.standard(parser, timeout=60.0)
    args = parser.parse_args(arguments)
    assert (args.timeout, args.boot) == (seconds, "--boot" in arguments)


def test_help_says_what_boot_does(monitor):
    report = monitor.run(PROBE, "--help")
    assert (report.code, report.err) == (3, "")
    for word in ("--optional ID", "--require ID", "--boot", "--ssh-user NAME", "--ssh-port PORT"):
        assert word in report.out


def test_a_refusal_whose_body_never_ends_does_not_take_the_time_of_the_login(monitor):
    site = monitor.federation.site("ooi")
    site.faults.on("drip-body", interval=AMPLE_S, times=1)
    report = look(monitor, "ooi", "-t", AMPLE_S)
    assert (report.code, report.err) == (0, ""), report.out
    assert [each.status for each in site.web.requests][:2] == [401, 200]
