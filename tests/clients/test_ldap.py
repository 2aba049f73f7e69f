from __future__ import annotations

import re
import ssl

import pytest

from libprobe.clients import ldap, tls
from libprobe.deadline import Deadline
from libprobe.failures import (
    EndpointFailure,
    NoAnswer,
    ProtocolFailure,
    Refused,
    Rejected,
    TlsFailure,
)
from tests.federation import ber, ldap_peer
from tests.federation.ldap_peer import LdapPeer
from tests.pace import AMPLE_S, Watch, seconds


def ask(peer: LdapPeer, *, limit: float = AMPLE_S, access: ldap.LdapConnectOptions | None = None) -> list:
    """Bind, search, and return the entries."""
    scheme = peer.url.partition(":")[0]
    with ldap.LdapClient(ldap.LdapAddress(scheme, "localhost", peer.port), Deadline(limit), access) as client:
        client.connect()
        client.bind()
        return list(client.search("o=glue", ["objectClass"]))


def explained(behaviour, **options) -> tuple[type, str]:
    with LdapPeer(behaviour) as peer, pytest.raises(EndpointFailure) as caught:
        ask(peer, **options)
    return type(caught.value), str(caught.value).replace(str(peer.port), "PORT")


@pytest.mark.parametrize("way", [ldap_peer.answers, ldap_peer.in_single_octets])
def test_entries_come_however_they_are_cut_into_pieces(way):
    entries = [ber.entry(2, f"a={number}", {"objectClass": ["x", "y"]}) for number in range(5)]
    with LdapPeer(way(*entries)) as peer:
        found = ask(peer)
    assert [each.dn for each in found] == ["a=0", "a=1", "a=2", "a=3", "a=4"]
    assert found[0].attributes == {"objectclass": ["x", "y"]}


def test_entries_are_given_out_before_the_answer_is_complete():
    def slow(peer):
        peer.bound().send(ldap_peer.BASE)
        peer.wait()

    with (
        LdapPeer(slow) as peer,
        ldap.LdapClient(ldap.LdapAddress("ldap", "localhost", peer.port), Deadline(AMPLE_S)) as client,
    ):
        client.connect()
        client.bind()
        assert next(client.search("o=glue", ["objectClass"])).dn == "o=glue"


def test_what_is_asked_is_version_3_nobody_and_these_attributes():
    received = []

    def listen(peer):
        received.append(peer.read())
        peer.send(ldap_peer.BOUND)
        received.append(peer.read())
        peer.send(ldap_peer.DONE)
        received.append(peer.read())

    with LdapPeer(listen) as peer:
        ask(peer)
    bind, search, unbind = received
    assert bind == bytes.fromhex("300c020101600702010304008000")
    assert search.startswith(b"\x30") and b"\x04\x06o=glue\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00" in search
    assert search.endswith(b"\x87\x0bobjectClass\x30\x0d\x04\x0bobjectClass")
    assert unbind == b"\x30\x05\x02\x01\x7f\x42\x00"


def test_references_are_told_and_not_followed():
    with LdapPeer(ldap_peer.answers()) as other:
        answer = ldap_peer.answers(ber.reference(2, [other.url]), ldap_peer.BASE)
        with LdapPeer(answer) as peer:
            address = ldap.LdapAddress("ldap", "localhost", peer.port)
            with ldap.LdapClient(address, Deadline(AMPLE_S)) as client:
                client.connect()
                client.bind()
                assert len(list(client.search("o=glue", []))) == 1
                assert client.references == [other.url]
        assert other.connections == 0


BIND, SEARCH = " localhost:PORT", " localhost:PORT when asked to search"


@pytest.mark.parametrize(
    ("behaviour", "kind", "sentence"),
    [
        (ldap_peer.close_at_once, ProtocolFailure, "connection (closed before an answer from|reset by)" + BIND),
        (ldap_peer.close_on_bind, ProtocolFailure, "connection closed before an answer from" + BIND),
        (ldap_peer.close_on_search, ProtocolFailure, "connection closed within the answer from" + SEARCH),
        (ldap_peer.close_inside_an_entry, ProtocolFailure, "connection closed within the answer from" + SEARCH),
        (ldap_peer.reset, ProtocolFailure, "connection reset by" + BIND),
        (ldap_peer.http, ProtocolFailure, "answered in HTTP instead of LDAP on" + BIND),
        (ldap_peer.tls_alert, ProtocolFailure,
         "speaks TLS instead of plain LDAP on" + BIND + r" \(register it as ldaps://\)"),
        (ldap_peer.huge_length, ProtocolFailure,
         "message of 2 GiB announced by" + SEARCH + "; more than 1 MiB is refused"),
        (ldap_peer.indefinite_length, ProtocolFailure, "message of indefinite or oversized length from" + SEARCH),
        (ldap_peer.deep_nesting, ProtocolFailure, r"broken LDAP \(.* 0x30 where 0x04 .*\) from" + SEARCH),
        (ldap_peer.huge_number, ProtocolFailure, r"broken LDAP \(number of 500000 bytes\) from" + SEARCH),
        (ldap_peer.other_number, ProtocolFailure, "answer to a request 99 that was not sent from" + SEARCH),
        (ldap_peer.other_end, ProtocolFailure, "answer to another kind of request from" + SEARCH),
        (ldap_peer.entry_for_bind, ProtocolFailure, "answer to another kind of request from" + BIND),
        (ldap_peer.disconnect, ProtocolFailure, r"disconnected \(unavailable, 52\) by" + SEARCH + "; shutting down"),
        (ldap_peer.bind_fails(2, "historical protocol version requested"), ProtocolFailure,
         r"LDAP version 3 refused \(protocolError, 2\) by" + BIND
         + r"; historical protocol version requested \(update its LDAP server\)"),
        (ldap_peer.bind_fails(8), Rejected,
         r"login required \(strongerAuthRequired, 8\) by" + BIND + r" \(allow anonymous reads\)"),
        (ldap_peer.bind_fails(48, "anonymous bind disallowed"), Rejected,
         r"login required \(inappropriateAuthentication, 48\) by" + BIND
         + r"; anonymous bind disallowed \(allow anonymous reads\)"),
        (ldap_peer.bind_fails(51), EndpointFailure, r"bind refused \(busy, 51\) by" + BIND),
        (ldap_peer.bind_fails(51, "Busy"), EndpointFailure, r"bind refused \(busy, 51\) by" + BIND),
        (ldap_peer.bind_fails(52, "later"), EndpointFailure, r"bind refused \(unavailable, 52\) by" + BIND + "; later"),
        (ldap_peer.bind_fails(123), EndpointFailure, r"bind refused \(LDAP error, 123\) by" + BIND),
        (ldap_peer.search_fails(1, "oops"), EndpointFailure, r"refused \(operationsError, 1\) by" + SEARCH + "; oops"),
        (ldap_peer.search_fails(32), ldap.NoSuchBase,
         "base o=glue does not exist on" + BIND
         + r"; it runs but holds no data \(see why its update publishes nothing\)"),
        (ldap_peer.search_fails(4, after=3), EndpointFailure,
         r"cut short after 3 answers \(sizeLimitExceeded, 4\) by" + SEARCH
         + r" \(set its sizelimit to unlimited: a BDII answers in full\)"),
        (ldap_peer.search_fails(3), EndpointFailure,
         r"cut short after 0 answers \(timeLimitExceeded, 3\) by" + SEARCH
         + r" \(set its timelimit to unlimited: a BDII answers in full\)"),
        (ldap_peer.search_fails(10, referrals=("ldap://up.test/",)), ProtocolFailure,
         "referral to ldap://up.test/ from" + SEARCH + r" \(register the server that has the data\)"),
        (ldap_peer.search_fails(50), Rejected,
         r"refused \(insufficientAccessRights, 50\) by" + SEARCH + r" \(allow anonymous reads\)"),
        (ldap_peer.search_fails(53, "no"), EndpointFailure,
         r"refused \(unwillingToPerform, 53\) by" + SEARCH + "; no"),
    ],
)  # fmt: skip
def test_every_way_to_misbehave_has_its_sentence(behaviour, kind, sentence):
    found, said = explained(behaviour)
    assert found is kind
    assert re.fullmatch(sentence, said), said


@pytest.mark.parametrize("behaviour", [ldap_peer.mute, ldap_peer.mute_after_bind, ldap_peer.drip])
def test_a_peer_that_is_mute_or_drips_is_left_at_the_deadline(behaviour):
    watch = Watch()
    limit = seconds(0.3)
    kind, said = explained(behaviour, limit=limit)
    assert kind is NoAnswer
    assert re.fullmatch(f"no complete answer within [\\d.]+ s from({BIND}|{SEARCH})", said), said
    watch.ended_within(limit + 1.2)


def test_more_entries_or_bytes_than_anybody_has_are_given_up(monkeypatch):
    monkeypatch.setattr(ldap, "MAX_ENTRIES", 5000)
    kind, said = explained(ldap_peer.endless_entries)
    assert kind is ProtocolFailure
    gave_up = "no end after 5001 entries and 0 MiB from" + SEARCH
    assert said == f"{gave_up} (ask for less of it with --base)"
    monkeypatch.setattr(ldap, "MAX_ANSWER", 2 << 20)
    assert "references without end from localhost" in explained(ldap_peer.endless_references)[1]


def test_a_closed_port_is_refused():
    with LdapPeer(ldap_peer.mute) as peer:
        port = peer.port
    with (
        ldap.LdapClient(ldap.LdapAddress("ldap", "127.0.0.1", port), Deadline(AMPLE_S)) as client,
        pytest.raises(Refused, match=f"connection refused by 127.0.0.1:{port}"),
    ):
        client.connect()


# ---- TLS


def served(authority, variant: str) -> ssl.SSLContext:
    names = ["localhost"]
    credential = authority.host(names) if variant == "good" else authority.host_variant(variant, names)
    return authority.server_context(credential)


def trusting(federation) -> ldap.LdapConnectOptions:
    return ldap.LdapConnectOptions(tls.make_context(str(federation.ca_directory)))


def test_a_good_certificate_is_taken_and_the_deadline_holds_inside_tls(federation):
    context = served(federation.authority, "good")
    with LdapPeer(ldap_peer.answers(ldap_peer.BASE), context) as peer:
        assert len(ask(peer, access=trusting(federation))) == 1
    limit = seconds(0.4)
    watch = Watch()
    with LdapPeer(ldap_peer.drip, context) as peer, pytest.raises(NoAnswer):
        ask(peer, access=trusting(federation), limit=limit)
    watch.ended_within(limit + 1.2)


@pytest.mark.parametrize(
    ("variant", "says"),
    [
        ("expired", r"certificate expired 3 d ago \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)"),
        ("wrong-host", r"certificate for elsewhere\.fedcloud\.test instead of"),
        ("self-signed", r"certificate self-signed or of an unknown root CA"),
        ("unknown-ca", r"certificate of an untrusted CA \(Unknown Test CA\)"),
    ],
)
def test_a_bad_certificate_is_told_as_everywhere(federation, variant, says):
    with (
        LdapPeer(ldap_peer.answers(), served(federation.authority, variant)) as peer,
        pytest.raises(TlsFailure) as caught,
    ):
        ask(peer, access=trusting(federation))
    link = "" if variant == "wrong-host" else " on"
    assert re.fullmatch(f"{says}{link} localhost:{peer.port}", str(caught.value)), caught.value


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (ldap_peer.starttls_refused,
         r"StartTLS refused \(protocolError, 2\) by localhost:PORT; unsupported extended operation "
         r"\(leave --starttls out, or enable TLS there\)"),
        (ldap_peer.more_than_the_answer_to_starttls, "data before TLS began from localhost:PORT"),
        (ldap_peer.starttls_then_plain, ".*TLS.* localhost:PORT"),
        (ldap_peer.http, "answered in HTTP instead of LDAP on localhost:PORT"),
        (ldap_peer.close_on_bind, "connection closed before an answer from localhost:PORT"),
    ],
)  # fmt: skip
def test_starttls_is_all_or_nothing(federation, behaviour, says):
    access = trusting(federation)._replace(start_tls=True)
    kind, said = explained(behaviour, access=access)
    assert kind is ProtocolFailure
    assert re.fullmatch(says, said), said


def test_a_mute_handshake_ends_at_the_deadline(federation):
    with LdapPeer(ldap_peer.mute) as peer, pytest.raises(NoAnswer, match="TLS handshake not complete within"):
        address = ldap.LdapAddress("ldaps", "localhost", peer.port)
        with ldap.LdapClient(address, Deadline(seconds(0.3)), trusting(federation)) as client:
            client.connect()
