"""check_appdb_update as Nagios runs it, against every envelope and everything that can go wrong."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from tests import planted
from tests.conftest import ROOT, at
from tests.federation import appdb as images
from tests.federation import gocdb as pi
from tests.federation.authority import Authority
from tests.federation.web import WebServer
from tests.formats.signing import signed
from tests.pace import Watch, seconds

PROBE = "check_appdb_update"
HOST = "appdb.fedcloud.test"
CA = "/DC=test/DC=fedcloud/CN=FedCloud Test CA"
SIGNER = "/DC=test/DC=fedcloud/O=Hosts/CN=appdb.fedcloud.test"
TOKEN = planted.plain_secret()


@pytest.fixture
def appdb(federation):
    """AppDB as new."""
    federation.appdb.reset()
    service = federation.service("appdb")
    service.web.requests.clear()
    service.web.use_context(federation.authority.server_context(federation.appdb.signer))
    return federation.appdb


@pytest.fixture
def look(monitor, appdb):
    return lambda *arguments, **options: monitor.run(PROBE, *arguments, **options)


@pytest.fixture
def url(federation):
    return federation.appdb_url


@pytest.fixture
def asked(federation):
    """The requests that AppDB received."""
    return federation.service("appdb").web.requests


# ---- the good case


@pytest.mark.parametrize("kind", ["clear-signed", "opaque-der", "opaque-base64", "opaque-pem"])
def test_a_fresh_list_in_any_envelope_is_ok(look, appdb, url, kind):
    appdb.kind = kind
    report = look("-H", HOST)
    assert re.fullmatch(
        rf"AppDB-Update OK - list from {at(url)} created [\d.]+ m?s ago, 3 images, signature good", report.first
    ), report.out
    assert (report.code, report.err, report.lines) == (0, "", [])
    assert list(report.performance) == ["age", "images", "size", "time_left"]
    assert re.fullmatch(r"\d\.?\d*s;21600;43200;0", report.performance["age"])
    assert report.performance["images"] == "3;;;0"
    assert re.fullmatch(r"\d{4}B;;;0", report.performance["size"])
    assert re.fullmatch(r"149\d{8}\.?\d*s", report.performance["time_left"])


def test_a_web_server_that_sends_early_hints_is_well(look, appdb, federation):
    faults = federation.service("appdb").faults
    faults.on("interim", code=103)
    report = look("-H", HOST)
    faults.clear()
    assert (report.code, report.err) == (0, ""), report.out


def test_without_options_the_list_of_the_settings_is_looked_at(look, asked):
    assert look().code == 0
    [exchange] = asked
    assert (exchange.request.path, exchange.request.headers.get("Authorization")) == (images.PATH, None)


def test_v_tells_the_signer_and_the_dates(look, url):
    report = look("-v")
    text = "\n".join(report.lines)
    assert report.code == 0
    assert re.search(rf"^signed by {SIGNER} at \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC, SHA256$", text, re.MULTILINE)
    assert re.search(r"^created \d{4}-.*, expires 2499-12-31 22:00:00 UTC$", text, re.MULTILINE)
    assert "image: " not in text
    assert "\n".join(look("-vv").lines).count("image: ") == 3


def test_a_registered_address_without_a_path_is_that_of_the_monitored_list(look, federation, url):
    service = federation.gocdb.find(HOST)
    service.url = url.removesuffix(images.PATH)
    try:
        assert look("-H", HOST).first.startswith(f"AppDB-Update OK - list from {at(url)} created")
    finally:
        service.url = url


@pytest.mark.parametrize("registered", ["http://[", "appdb.fedcloud.test", "https://appdb.fedcloud.test:x/"])
def test_a_registered_address_that_is_none_is_the_sites_fault(look, federation, url, registered):
    service = federation.gocdb.find(HOST)
    service.url = registered
    try:
        report = look("-H", HOST)
    finally:
        service.url = url
    assert report.code == 2
    assert (
        f"unusable URL in the GOCDB for {HOST} (APPDB): '{registered}' is not an http or https URL (correct it"
        in report.first
    )


def test_a_vmcatcher_host_is_known_by_its_own_type(look, federation, url):
    service = pi.Service("catcher.fedcloud.test", "eu.egi.cloud.vm-metadata.vmcatcher", "X", url=url)
    federation.gocdb.add_service(service)
    try:
        assert look("-H", service.hostname).code == 0
    finally:
        federation.gocdb.remove_service(service)


def test_a_host_that_the_gocdb_does_not_know_is_asked_for_the_monitored_list(look):
    report = look("-H", "appdb.invalid")
    assert report.code == 2
    assert report.first.startswith("AppDB-Update CRITICAL - name appdb.invalid does not resolve (")


# ---- judging the dates


@pytest.mark.parametrize(
    ("hours", "code", "age", "limit"),
    [(5.9, 0, "", ""), (6, 1, "6 h", "6h"), (11, 1, "11 h", "6h"), (12, 2, "12 h", "12h"), (480, 2, "20 d", "12h")],
)
def test_age_decides_the_status(look, appdb, url, hours, code, age, limit):
    appdb.faults.on("stale-list", seconds=hours * 3600)
    report = look()
    assert (report.code, report.err) == (code, "")
    if code:
        state = ("OK", "WARNING", "CRITICAL")[code]
        assert report.first == f"AppDB-Update {state} - list created {age} ago, from {at(url)} (limit {limit})"
    assert list(report.performance) == ["age", "images", "size", "time_left"]


def test_limits_can_be_given_and_disabled(look, appdb):
    appdb.faults.on("stale-list", seconds=10 * 3600)
    assert look("-w", "9h", "-c", "10h").code == 2
    assert look("-w", "0", "-c", "18h").code == 0


def test_an_expired_list_is_critical(look, appdb, url):
    appdb.faults.on("expired-list")
    report = look()
    assert report.code == 2
    assert report.first == (
        f"AppDB-Update CRITICAL - list expired 24 h ago, so subscribers drop its images, from {at(url)}"
    )
    assert -87000 < float(report.performance["time_left"].partition("s")[0]) <= -86400


def test_a_list_from_the_future_is_critical_and_a_little_of_it_is_not(look, appdb, url):
    appdb.faults.on("future-list", seconds=200)
    report = look()
    assert (report.code, report.performance["age"]) == (0, "0s;21600;43200;0")
    appdb.faults.on("future-list", seconds=3600)
    report = look()
    assert report.code == 2
    assert re.fullmatch(
        (
            r"AppDB-Update CRITICAL - list created (59|60) min in the future "
            rf"\(\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\), from {at(url)}"
        ),
        report.first,
    )
    appdb.faults.on("date-skew", seconds=3600)
    assert re.search(r"; its server's clock is (59|60) min ahead of ours$", look().first)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"dc:date:created": None}, 2, "the list has no dc:date:created"),
        ({"dc:date:created": "2021-10-06"}, 2, "dc:date:created: '2021-10-06' is not a time of the form YYYY-MM-DDT"),
        ({"dc:date:expires": "x"}, 2, "dc:date:expires: 'x' is not a time of the form"),
        ({"hv:images": []}, 1, "no image in the list from localhost:"),
        ({"hv:images": None}, 2, "the list has no hv:images"),
        ({"hv:version": None, "hv:uri": None}, 1, "the list lacks hv:version, hv:uri, so vmcatcher refuses it"),
    ],
)
def test_what_a_list_lacks_is_said(look, appdb, url, changes, code, said):
    appdb.changes = changes
    report = look()
    assert (report.code, report.err) == (code, "")
    assert report.first.startswith(f"AppDB-Update {('OK', 'WARNING', 'CRITICAL')[code]} - {said}"), report.first


# ---- the signature


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("broken-signature", "the document was changed after it was signed"),
        ("unknown-signer", "the certificate /DC=test/DC=fedcloud/O=Hosts/CN=unknown-signer.fedcloud.test is of a CA "
         "that is not trusted here: /DC=test/DC=elsewhere/CN=Unknown Test CA"),
        ("wrong-signer", f"hv:dn is {SIGNER}, but the list is signed by /DC=test/DC=fedcloud/O=Hosts/CN=wrong-signer."
         "fedcloud.test (if that is meant, accept it with --ignore-endorser)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["clear-signed", "opaque-der"])
def test_a_signature_that_is_not_the_endorsers_is_critical(look, appdb, url, kind, fault, said):
    appdb.kind = kind
    appdb.faults.on(fault)
    report = look()
    assert (report.code, report.err) == (2, "")
    said, bracket, remedy = said.partition(" (if that")
    assert report.first == f"AppDB-Update CRITICAL - {said}, from {at(url)}{bracket}{remedy}"
    assert look("--ignore-endorser").code == (0 if fault == "wrong-signer" else 2)
    assert look("--signature", "ignore").code == 0


def test_an_endorser_left_empty_is_critical_unless_ignored(look, appdb, url):
    appdb.changes = {"hv:endorser": {"hv:x509": {"hv:dn": "", "hv:ca": ""}}}
    report = look()
    assert report.code == 2
    assert report.first.startswith(
        f"AppDB-Update CRITICAL - hv:dn is empty, but the list is signed by {SIGNER}, from {at(url)} "
    )
    assert look("--ignore-endorser").code == 0


def test_an_unsigned_list_is_critical_unless_accepted(look, appdb, url):
    appdb.kind = "bare"
    report = look()
    assert report.code == 2
    assert report.first == (
        f"AppDB-Update CRITICAL - the list is not signed, from {at(url)} (take it as it is with --signature if-present)"
    )
    accepted = look("--signature", "if-present")
    assert accepted.code == 0
    assert accepted.first.endswith("3 images, unsigned")
    appdb.kind = "clear-signed"
    appdb.faults.on("broken-signature")
    assert look("--signature", "if-present").code == 2


def test_sha1_is_refused_unless_accepted(look, appdb, url):
    content = appdb.document().replace(b"\n", b"\r\n")
    signature = signed(content, appdb.signer, digest="sha1")
    appdb.body = images.clear_signed(content, signature)[1]
    report = look()
    assert report.first == (
        "AppDB-Update CRITICAL - it is signed with SHA1, which can be forged, from "
        f"{at(url)} (accept it with --allow-sha1)"
    )
    assert look("--allow-sha1").code == 0


@pytest.mark.parametrize(
    ("digest", "of_another", "refused", "code_if_allowed"),
    [
        (
            "sha1",
            False,
            f"the certificate {SIGNER} is signed with SHA1, which can be forged (accept it with --allow-sha1)",
            0,
        ),
        ("sha1", True, f"the certificate {SIGNER} was not made with the key of its CA {CA}", 2),
        ("md5", False, f"the certificate {SIGNER} is signed with MD5, which can be forged", 2),
    ],
)
def test_a_certificate_of_a_ca_that_signs_with_sha1_is_told_from_a_forged_one(
    look, appdb, url, federation, tmp_path, digest, of_another, refused, code_if_allowed
):
    authority = Authority(tmp_path / "forger") if of_another else federation.authority
    signer = authority.host([HOST], digest=digest)
    content = appdb.document().replace(b"\n", b"\r\n")
    appdb.body = images.clear_signed(content, images.sign(content, signer, detached=True))[1]
    report = look()
    assert (report.code, report.err) == (2, "")
    refused, bracket, remedy = refused.partition(" (accept")
    assert report.first == f"AppDB-Update CRITICAL - {refused}, from {at(url)}{bracket}{remedy}"
    accepting = look("--allow-sha1")
    assert accepting.code == code_if_allowed, accepting.out
    if code_if_allowed:
        assert accepting.first == report.first


def test_a_revoked_signer_of_a_ca_that_signs_its_crl_with_sha1_is_critical(look, appdb, url, federation, tmp_path):
    authority = federation.authority
    listed = authority.crl([authority.entry(appdb.signer.certificate)], digest="sha1")
    server = authority.host([HOST, "localhost"])
    federation.service("appdb").web.use_context(authority.server_context(server))
    report = look("--ca-path", authority.directory_with(tmp_path / "ca", listed))
    assert (report.code, report.err) == (2, "")
    assert re.fullmatch(
        rf"AppDB-Update CRITICAL - the certificate {SIGNER} was revoked on \d{{4}}-\d\d-\d\d, from {at(url)}",
        report.first,
    )


def test_a_copy_with_other_line_ends_still_fits(look, appdb):
    content = appdb.document().replace(b"\n", b"\r\n")
    whole = images.clear_signed(content, images.sign(content, appdb.signer, detached=True))[1]
    appdb.body = whole.replace(b"\r\n", b"\n")
    assert look().code == 0


def test_an_expired_signer_is_critical(look, appdb, federation, url):
    authority = federation.authority
    now = authority.now
    expired = authority.host([HOST], not_before=now - timedelta(days=9), not_after=now - timedelta(days=3))
    content = appdb.document()
    appdb.body = images.sign(content, expired)
    assert look().first == f"AppDB-Update CRITICAL - the certificate {SIGNER} expired 3 d ago, from {at(url)}"


# ---- images


def test_an_image_that_has_to_be_there_is_found(look, appdb):
    mpuri = appdb.mpuri(2)
    assert look("--image", mpuri).code == 0
    assert look("--image", mpuri.rstrip("/").rpartition(":")[0]).code == 0


def test_an_image_that_is_not_there_is_critical_and_the_nearest_is_named(look, appdb, url):
    wanted = appdb.mpuri(2).replace(":482/", ":999/")
    report = look("--image", wanted)
    assert report.code == 2
    assert report.first == (
        f"AppDB-Update CRITICAL - {wanted} is not among the 3 images of the list from {at(url)}; the nearest is "
        f"{appdb.mpuri(2)}"
    )


# ---- private lists


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def test_a_private_list_is_read_with_the_token_which_is_never_shown(look, appdb, asked, token_file):
    appdb.faults.on("private-list", token=TOKEN)
    report = look("--token-file", token_file, "-vvv")
    assert report.code == 0
    pair = base64.b64encode(f"{TOKEN}:x-oauth-basic".encode()).decode()
    assert asked[0].request.headers.get("Authorization") == f"Basic {pair}"
    assert TOKEN not in report.out
    assert pair not in report.out


def test_a_private_list_without_or_with_a_wrong_token_is_our_own_fault(look, appdb, url, tmp_path, token_file):
    appdb.faults.on("private-list", token="another-token")
    assert look().first == (
        f"AppDB-Update UNKNOWN - access token wanted: the list is private (401 Unauthorized) from {at(url)} "
        "(give one with --token-file)"
    )
    report = look("--token-file", token_file)
    assert report.code == 3
    assert report.first == (
        "AppDB-Update UNKNOWN - our access token not accepted (401 Unauthorized) "
        f"from {at(url)} (get a new one from AppDB)"
    )
    token_file.chmod(0o644)
    assert "is open to others (mode 0644)" in look("--token-file", token_file).first


def test_a_list_that_is_forbidden_without_a_challenge_is_an_outage_for_its_subscribers(look, appdb, url, token_file):
    """A private one says how to log in; where we have a token it may be ours that is not accepted."""
    appdb.faults.on("status", code=403, body="Forbidden by rule 7\n")
    report = look()
    assert (report.code, report.err) == (2, "")
    assert report.first == (f'AppDB-Update CRITICAL - 403 "by rule 7" from {at(url)} (let everybody read it)')
    assert look("--token-file", token_file).first == (
        'AppDB-Update UNKNOWN - our access token not accepted (403 "by rule 7") '
        f"from {at(url)} (get a new one from AppDB)"
    )
    appdb.faults.on("status", code=403, headers={"WWW-Authenticate": 'Basic realm="AppDB"'})
    assert look().first == (
        f"AppDB-Update UNKNOWN - access token wanted: the list is private (403 Forbidden) from {at(url)} "
        "(give one with --token-file)"
    )


@pytest.mark.parametrize(
    ("dead", "code", "said"),
    [
        ("all", 3, r"this machine's resolver does not answer, neither for \S+ nor for goc\.egi\.eu \(look at its .*\)"),
        ("appdb.example.org", 2, r"name \S+ does not resolve \(no answer from the name servers of its zone\)"),
    ],
)
def test_name_servers_that_do_not_answer_are_ours_if_they_do_so_for_another_name_too(
    look, appdb, tmp_path, dead, code, said
):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import socket\n"
        "real = socket.getaddrinfo\n"
        "def look_up(host, *more):\n"
        f"    if {dead!r} in ('all', host.decode()): raise socket.gaierror(socket.EAI_AGAIN, 'Temporary failure')\n"
        "    return real('127.0.0.1', *more)\n"
        "socket.getaddrinfo = look_up\n"
    )
    path = f"{tmp_path / 'site'}:{ROOT}"
    report = look("-u", "https://appdb.example.org/image.list", PYTHONPATH=path)
    assert (report.code, report.err) == (code, ""), report.out
    assert re.fullmatch(rf"AppDB-Update \w+ - {said}", report.first)


def test_the_token_goes_neither_in_clear_nor_to_another_host(look, appdb, federation, url, token_file):
    appdb.faults.on("redirect", to=url.replace("localhost", "127.0.0.1"))
    report = look("--token-file", token_file)
    assert report.code == 2
    assert "redirect to another host (https://127.0.0.1:" in report.first
    report = look("-u", url.replace("://", f"://{TOKEN}:x-oauth-basic@"))
    assert report.code == 3
    assert TOKEN not in report.out
    assert len(federation.service("appdb").web.requests) == 1


@pytest.fixture
def elsewhere(federation, appdb):
    """A host that a site registered as one with an image list, where others can see what it is sent; over http."""
    app = federation.service("appdb").web.app
    with WebServer("elsewhere", app) as web:
        yield web


def authorizations(web: WebServer) -> list[str | None]:
    return [each.request.headers.get("Authorization") for each in web.requests]


def test_a_token_does_not_go_in_clear_unless_that_is_allowed(look, appdb, elsewhere, token_file):
    plain = f"{elsewhere.url}{images.PATH}"
    report = look("--token-file", token_file, "-u", plain)
    assert report.code == 0
    assert report.first.endswith(" [the access token was not sent: nothing would encrypt it]")
    appdb.faults.on("private-list", token=TOKEN)
    report = look("--token-file", token_file, "-u", plain)
    assert (report.code, report.first) == (
        3,
        "AppDB-Update UNKNOWN - access token wanted, and ours not sent: nothing would encrypt it (401 Unauthorized) "
        f"from {at(plain)} (give an https URL; --plain-token sends it all the same)",
    )
    assert authorizations(elsewhere) == [None, None]
    assert look("--token-file", token_file, "-u", plain, "--plain-token").code == 0
    assert authorizations(elsewhere)[2].startswith("Basic ")


def test_a_token_does_not_go_to_a_host_that_only_the_gocdb_names(look, appdb, federation, url, asked, token_file):
    """Beside -H the URL of -u may be the GOCDB's: a configuration made from it passes both."""
    appdb.faults.on("private-list", token=TOKEN)
    there = url.replace("localhost", "127.0.0.1")
    service = pi.Service("stranger.fedcloud.test", "eu.egi.cloud.vm-metadata.vmcatcher", "X", url=there)
    federation.gocdb.add_service(service)
    try:
        for words in (("-H", service.hostname), ("-H", service.hostname, "-u", there)):
            report = look(*words, "--token-file", token_file)
            assert (report.code, report.first) == (
                3,
                "AppDB-Update UNKNOWN - access token wanted, and ours not sent: 127.0.0.1 was not named by an option "
                f"(401 Unauthorized) from {at(there)} (if it is meant, allow it with --token-to 127.0.0.1)",
            )
            assert set(authorizations(federation.service("appdb").web)) == {None}
        assert look(*words, "--token-file", token_file, "--token-to", "127.0.0.1").code == 0
        asked.clear()
        appdb.faults.clear()
        appdb.faults.on("status", code=500, body="")
        report = look(*words, "--token-file", token_file)
        assert report.code == 2
        assert report.first.endswith("; the access token was not sent: 127.0.0.1 was not named by an option")
    finally:
        federation.gocdb.remove_service(service)


# ---- AppDB fails: CRITICAL


def test_appdbs_own_error_is_told_in_its_words(look, appdb, url):
    appdb.faults.on("appdb-error", details="Image list does not exist")
    assert look().first == (
        f'AppDB-Update CRITICAL - error "Image list does not exist" instead of an image list from {at(url)}'
    )
    body = json.dumps({"egiappdb": {"errors": ["no such | list\x1b[2J"]}})
    appdb.faults.on("status", code=404, body=body)
    assert look().first == f'AppDB-Update CRITICAL - 404 "no such / list [2J" from {at(url)}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b" ", "empty answer"),
        (b"<html>login</html>", "page without a title instead of an image list"),
        (b"[1, 2]", "JSON, but no image list"),
        (b"0\x82\xff\xff garbage", "the signature cannot be read"),
        (
            b"Content-Type: multipart/signed; boundary=x\n\n--x\n{}",
            "the S/MIME message breaks off: its second boundary",
        ),
        (b"x" * (2 << 20), "answer larger than 1024 KiB"),
        (b"[" * 100_000, "no image list, nor JSON at all"),
    ],
    ids=["empty", "html", "array", "der", "cut", "large", "deep"],
)
def test_what_is_no_list_is_critical_and_described(look, appdb, url, body, said):
    appdb.body = body
    report = look()
    assert (report.code, report.err) == (2, "")
    assert re.match(rf"AppDB-Update CRITICAL - {re.escape(said)}.* (from|by) {at(url)}", report.first), report.first


def test_more_is_read_where_that_is_asked_for(look, appdb):
    appdb.kind, appdb.images = "opaque-der", 1500
    assert look().code == 2
    report = look("--max-size", "4MiB")
    assert (report.code, report.performance["images"]) == (0, "1500;;;0")


@pytest.mark.parametrize(
    ("fault", "parameters", "said"),
    [
        ("status", {"code": 503}, "503 Service Unavailable from"),
        ("close-accept", {}, "connection "),
        ("reset", {}, "connection "),  # Python's ssl tells a reset as it tells an end
        ("close-body", {}, "connection closed within the answer from"),
        ("garbage", {}, '"SSH-2.0-OpenSSH_6.6.1" instead of HTTP from'),
        ("gzip-bomb", {"size_bytes": 1 << 24}, "body in the coding 'gzip', not asked for, from"),
        ("endless-body", {}, "answer larger than 1024 KiB from"),
        (
            "redirect",
            {"to": "https://elsewhere.test/x"},
            "redirect to another host (https://elsewhere.test/x) from",
        ),
    ],
)
def test_an_appdb_that_fails_is_critical_with_its_reason(look, appdb, url, fault, parameters, said):
    appdb.faults.on(fault, **parameters)
    report = look()
    assert (report.code, report.err) == (2, "")
    if fault != "close-accept":
        assert report.first.startswith(f"AppDB-Update CRITICAL - {said}"), report.first


@pytest.mark.parametrize("fault", ["mute-accept", "drip-handshake", "mute", "drip-headers", "drip-body"])
def test_an_appdb_that_stays_mute_or_drips_is_given_up_in_time(look, appdb, url, fault):
    appdb.faults.on(fault)
    limit = seconds(1.5)
    watch = Watch()
    report = look("-t", limit)
    watch.ended_within(limit + 2.5)
    assert (report.code, report.err) == (2, "")
    # on a busy machine the timer behind the deadline may be the first to say so
    assert re.match(rf"AppDB-Update CRITICAL - .* (from|with|by) {at(url)}", report.first)


@pytest.mark.parametrize("variant", ["expired", "wrong-host", "self-signed", "unknown-ca"])
def test_a_bad_host_certificate_is_critical(look, federation, appdb, url, variant):
    authority = federation.authority
    credential = authority.host_variant(variant, [HOST, "localhost"])
    federation.service("appdb").web.use_context(authority.server_context(credential))
    report = look()
    assert report.code == 2
    assert re.match(rf"AppDB-Update CRITICAL - certificate .* (on|instead of) {at(url)}", report.first), report.first


# ---- our own doing: UNKNOWN


def test_a_ca_directory_without_cas_is_our_own_fault(look, tmp_path):
    (tmp_path / "empty").mkdir()
    report = look("--ca-path", tmp_path / "empty")
    assert report.code == 3
    assert "holds no CA certificates" in report.first


def test_an_expired_crl_is_our_own_fault(look, federation, tmp_path):
    federation.authority.write_crl(next_update=timedelta(days=-2))
    directory: Path = federation.ca_directory
    try:
        for path in directory.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    finally:
        federation.authority.write_crl()
    report = look("--ca-path", tmp_path)
    assert report.code == 3
    assert re.fullmatch(
        r"AppDB-Update UNKNOWN - certificate cannot be judged on localhost:\d+; the CRL \S+\.r0 expired 2 d ago "
        r"\(run fetch-crl\)",
        report.first,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-w", "9"], "usage: argument -w/--warning: '9' would be seconds: say 9s, 9h or 9d (see "),
        (["-w", "13h"], "usage: -w 13h would never be seen, for -c 12h is critical wherever it alerts;"),
        (["--max-size", "1GiB"], "usage: argument --max-size: '1GiB' is not between 1KiB and 50MiB"),
        (["--signature", "maybe"], "usage: argument --signature: invalid choice: 'maybe'"),
        (["-u", "nonsense"], "'nonsense' is not an http or https URL"),
        (
            ["--token-file", "/proc/nonexistent"],
            "access token /proc/nonexistent cannot be read: No such file or directory",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_unknown(look, arguments, said):
    report = look(*arguments)
    assert (report.code, report.err, report.lines) == (3, "", [])
    assert report.first.startswith(f"AppDB-Update UNKNOWN - {said}"), report.first


def test_memory_is_bounded_for_the_worst_list_that_is_read(look, appdb, monitor):
    import subprocess
    import sys

    from tests.conftest import command

    text = json.dumps({"hv:imagelist": {"dc:title": "\U0001f600" + "a" * 1_030_000}}, ensure_ascii=False).encode()
    appdb.body = images.sign(text, appdb.signer)
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure, *command(PROBE)], env=monitor.environment, capture_output=True, text=True
    )
    assert "the list has no dc:date:created" in done.stdout
    assert int(done.stdout.splitlines()[-1]) < 64 << 10
