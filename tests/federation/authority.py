"""A throw-away grid certificate authority: CA directory, hosts, users, proxies, VOMS attributes.

Everything is made when the federation starts and lives in one directory:

    certificates/       what a grid host has in /etc/grid-security/certificates
    vomsdir/<vo>/       .lsc files of the VOMS server
    vomses              how clients find the VOMS server
    users/<name>/       usercert.pem, userkey.pem, usercred.p12
    hosts/, proxies/    one PEM file each

Sources: RFC 5280, RFC 3820, RFC 5755; OIDs and layout of the attribute certificate as in italiangrid/voms.
"""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import os
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .. import planted
from . import der

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ROBOT = "Robot - cloudmon"
P12_PASSWORD = b"cloudmon"
VOMS_HOST = "voms.fedcloud.test"
VOMS_PORT = 15009

HOST_VARIANTS = ("good", "expired", "not-yet-valid", "wrong-host", "self-signed", "unknown-ca", "revoked")
PROXY_KINDS = ("rfc", "limited", "independent", "draft", "legacy")

PROXY_CERT_INFO = "1.3.6.1.5.5.7.1.14"
DRAFT_PROXY_CERT_INFO = "1.3.6.1.4.1.3536.1.222"
POLICY_LANGUAGES = {
    "rfc": "1.3.6.1.5.5.7.21.1",
    "draft": "1.3.6.1.5.5.7.21.1",
    "independent": "1.3.6.1.5.5.7.21.2",
    "limited": "1.3.6.1.4.1.3536.1.1.1.9",
}

VOMS_ATTRIBUTE = "1.3.6.1.4.1.8005.100.100.4"
VOMS_AC_SEQUENCE = "1.3.6.1.4.1.8005.100.100.5"
VOMS_CERTIFICATES = "1.3.6.1.4.1.8005.100.100.10"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
NO_REVOCATION_AVAILABLE = "2.5.29.56"
SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
SIGNATURES = {
    (True, "md5"): "1.2.840.113549.1.1.4",
    (True, "sha1"): "1.2.840.113549.1.1.5",
    (True, "sha256"): SHA256_WITH_RSA,
    (False, "sha1"): "1.2.840.10045.4.1",
    (False, "sha256"): "1.2.840.10045.4.3.2",
}
"""By whether the key is RSA, else elliptic, and the hash."""

_SHORT_NAMES = {
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COMMON_NAME: "CN",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}


# -- names ------------------------------------------------------------------------------------------------


def slash_form(name: x509.Name) -> str:
    """Return a name as grid tools print it: `/DC=test/O=People/CN=...`, most significant part first."""
    return "".join(f"/{_SHORT_NAMES.get(part.oid, part.oid.dotted_string)}={part.value!s}" for part in name)


def subject_hash(name: x509.Name) -> str:
    """Return the file name OpenSSL >= 1.0 looks for: SHA-1 over the canonical encoding of the name.

    Canonical: every string as UTF8String in lower case, outer blanks cut, inner runs made one blank; and
    the RDNs without the SEQUENCE around them (OpenSSL, x_name.c: x509_name_canon).
    """
    strings = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1A: "ascii", 0x1C: "utf-32-be"}
    strings[0x1E] = "utf-16-be"
    canonical = b""
    for rdn in der.element(name.public_bytes()).children():
        parts = []
        for part in rdn.children():
            attribute, value = part.children()
            encoded = value.encoding
            if value.tag in strings:
                text = " ".join(re.split(r"[ \t\n\v\f\r]+", value.content.decode(strings[value.tag]).strip()))
                # Only ASCII letters are folded, as OpenSSL does.
                folded = re.sub(r"[A-Z]+", lambda found: found[0].lower(), text)
                encoded = der.tlv(der.UTF8_STRING, folded.encode())
            parts.append(der.sequence(attribute.encoding, encoded))
        canonical += der.set_of(*parts)
    return _hash_name(hashlib.sha1(canonical, usedforsecurity=False).digest())


def subject_hash_old(name: x509.Name) -> str:
    """Return the file name OpenSSL 0.9 looked for: MD5 over the name as it is encoded."""
    return _hash_name(hashlib.md5(name.public_bytes(), usedforsecurity=False).digest())


def _hash_name(digest: bytes) -> str:
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    base = ((NameOID.DOMAIN_COMPONENT, "test"), (NameOID.DOMAIN_COMPONENT, "fedcloud"))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in (*base, *parts)])


# -- what the authority hands out -------------------------------------------------------------------------


@dataclass(frozen=True)
class Credential:
    """A certificate and its key in one PEM file. weak: OpenSSL's default security level refuses it."""

    path: Path
    certificate: x509.Certificate
    key: PrivateKey
    weak: bool = False

    @property
    def subject(self) -> str:
        return slash_form(self.certificate.subject)


@dataclass(frozen=True)
class User:
    """A person or robot, with the files grid tools keep in ~/.globus."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    usercert: Path
    userkey: Path
    usercred: Path

    @property
    def subject(self) -> str:
        return slash_form(self.certificate.subject)


@dataclass(frozen=True)
class Issuer:
    """A CA."""

    certificate: x509.Certificate
    key: PrivateKey


class Authority:
    """A grid CA with its VOMS server.

    now: the instant from which validities are counted; the clock when left out. OpenSSL itself always
    compares with the clock.
    """

    def __init__(self, directory: Path, now: datetime | None = None) -> None:
        self.directory = Path(directory)
        self._fixed_now = now
        self._counter = itertools.count(1)
        self._proxy_keys: dict[int, rsa.RSAPrivateKey] = {}
        self._users: dict[str, User] = {}
        self._revoked: list[x509.RevokedCertificate] = []
        self._vos: list[str] = []
        self.ca_directory = self.directory / "certificates"
        self.vomsdir = self.directory / "vomsdir"
        self.vomses = self.directory / "vomses"
        for part in (self.ca_directory, self.vomsdir, self.directory / "hosts", self.directory / "proxies"):
            part.mkdir(parents=True, exist_ok=True)
        self._ca = self._make_ca(_name((NameOID.COMMON_NAME, "FedCloud Test CA")), _rsa_key())
        self._write_ca_directory()

    @property
    def now(self) -> datetime:
        """The current instant, to the second, as certificates are."""
        return (self._fixed_now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)

    # -- the CA and its directory --

    @property
    def ca_certificate(self) -> x509.Certificate:
        return self._ca.certificate

    @cached_property
    def _unknown_ca(self) -> Issuer:
        """A CA that is in no CA directory."""
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "test"),
                x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "elsewhere"),
                x509.NameAttribute(NameOID.COMMON_NAME, "Unknown Test CA"),
            ]
        )
        return self._make_ca(name, ec.generate_private_key(ec.SECP256R1()))

    def intermediate(self, common_name: str, *, lifetime: timedelta = timedelta(days=3650)) -> Issuer:
        """A CA below this one, which is in no CA directory. lifetime: how long it is valid from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._make_ca(_name((NameOID.COMMON_NAME, common_name)), key, above=self._ca, lifetime=lifetime)

    def _make_ca(
        self,
        name: x509.Name,
        key: PrivateKey,
        *,
        above: Issuer | None = None,
        lifetime: timedelta = timedelta(days=3650),
    ) -> Issuer:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(above.certificate.subject if above else name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=3 * 365))
            .not_valid_after(self.now + lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return Issuer(builder.sign(above.key if above else key, hashes.SHA256()), key)

    def _write_ca_directory(self) -> None:
        name = self.ca_certificate.subject
        subject = slash_form(name)
        texts = {
            "pem": _pem(self.ca_certificate).decode("ascii"),
            "signing_policy": (
                f"access_id_CA   X509    '{subject}'\n"
                "pos_rights     globus  CA:sign\n"
                "cond_subjects  globus  '\"/DC=test/DC=fedcloud/*\"'\n"
            ),
            "namespaces": f'TO Issuer "{subject}" \\\n  PERMIT Subject "/DC=test/DC=fedcloud/.*"\n',
            "info": (
                "alias = FedCloudTestCA\nversion = 1.0\nstatus = accredited:classic\n"
                f"sha1fp.0 = {self.ca_certificate.fingerprint(hashes.SHA1()).hex(':').upper()}\n"
                f'subjectdn = "{subject}"\n'
            ),
        }
        for suffix, text in texts.items():
            _write(self.ca_directory / f"FedCloudTestCA.{suffix}", text.encode(), 0o644)
        # IGTF links both hashes, so that old and new OpenSSL find the same files.
        for hashed in (subject_hash(name), subject_hash_old(name)):
            _link(self.ca_directory / f"{hashed}.0", "FedCloudTestCA.pem")
            _link(self.ca_directory / f"{hashed}.r0", "FedCloudTestCA.crl.pem")
            for suffix in ("signing_policy", "namespaces"):
                _link(self.ca_directory / f"{hashed}.{suffix}", f"FedCloudTestCA.{suffix}")
        self.write_crl()

    def write_crl(self, *, next_update: timedelta = timedelta(days=7)) -> Path:
        """Publish the CRL anew and return its path. A negative `next_update` gives an expired CRL."""
        path = self.ca_directory / "FedCloudTestCA.crl.pem"
        _write(path, self.crl(self._revoked, next_update=next_update), 0o644)
        return path

    def crl(
        self,
        revoked: Iterable[x509.RevokedCertificate] = (),
        *,
        last_update: timedelta = timedelta(hours=-1),
        next_update: timedelta = timedelta(days=7),
        extension: x509.ExtensionType | None = None,
        digest: str = "sha256",
    ) -> bytes:
        """Return a CRL of this CA in PEM. The times are counted from now; digest: see `signed_again`."""
        end = self.now + next_update
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.ca_certificate.subject)
            .last_update(min(self.now + last_update, end - timedelta(hours=1)))
            .next_update(end)
            .add_extension(x509.CRLNumber(next(self._counter)), critical=False)
        )
        if extension:
            builder = builder.add_extension(extension, critical=True)
        for entry in revoked:
            builder = builder.add_revoked_certificate(entry)
        made = builder.sign(self._ca.key, hashes.SHA256())
        if digest != "sha256":
            made = x509.load_der_x509_crl(signed_again(made, self._ca.key, digest))
        return made.public_bytes(serialization.Encoding.PEM)

    def made_anew(self, *, lifetime: timedelta = timedelta(days=3650), same_key: bool = True) -> Issuer:
        """This CA as it was or will be: of the same name, valid for so long from now, with its key or another."""
        key = self._ca.key if same_key else _rsa_key()
        return self._make_ca(self.ca_certificate.subject, key, lifetime=lifetime)

    def directory_with(self, path: Path, crl: bytes | None, *cas: Issuer) -> Path:
        """Make another machine's CA directory, with another CRL of this CA or without one; returns it.

        cas: which of its name are there instead.
        """
        path.mkdir()
        hashed = subject_hash(self.ca_certificate.subject)
        for number, issuer in enumerate(cas or (self._ca,)):
            _write(path / f"{hashed}.{number}", _pem(issuer.certificate), 0o644)
        if crl is not None:
            _write(path / f"{hashed}.r0", crl, 0o644)
        return path

    def entry(self, certificate: x509.Certificate) -> x509.RevokedCertificate:
        """A CRL's entry for a certificate, revoked a minute ago."""
        return (
            x509.RevokedCertificateBuilder()
            .serial_number(certificate.serial_number)
            .revocation_date(self.now - timedelta(minutes=1))
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            .build()
        )

    def revoke(self, certificate: x509.Certificate) -> None:
        """Revoke a certificate of this CA and publish the CRL."""
        self._revoked.append(self.entry(certificate))
        self.write_crl()

    # -- hosts --

    def host(
        self,
        names: Sequence[str],
        *,
        ips: Iterable[str] = ("127.0.0.1", "::1"),
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        issuer: str | Issuer = "ca",
        self_signed: bool = False,
        weak: bool = False,
        alternative_names: bool | str = True,
        key: PrivateKey | None = None,
        digest: str = "sha256",
    ) -> Credential:
        """Issue a host certificate; the first name is the CN.

        issuer: "ca", "unknown" (the CA that is in nobody's directory), or one of `intermediate`, whose
            certificate the server then sends along.
        weak: a 1024-bit RSA key, refused at OpenSSL's default security level 2.
        alternative_names: False leaves the names in the CN alone, as grid hosts of 2015 often did; "addresses" has
            the addresses beside it only.
        digest: see `signed_again`.
        """
        key = key or (rsa.generate_private_key(65537, 1024) if weak else ec.generate_private_key(ec.SECP256R1()))
        subject = _name((NameOID.ORGANIZATION_NAME, "Hosts"), (NameOID.COMMON_NAME, names[0]))
        between = issuer if isinstance(issuer, Issuer) else None
        signer = between or {"ca": self._ca, "unknown": self._unknown_ca}[str(issuer)] if not self_signed else None
        signing_key = signer.key if signer else key
        not_before = not_before or self.now - timedelta(days=30)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer.certificate.subject if signer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after or max(self.now, not_before) + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True, key_encipherment=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        )
        if alternative_names:
            of_names = names if alternative_names != "addresses" else ()
            general_names: list[x509.GeneralName] = [x509.DNSName(name) for name in of_names]
            general_names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
            builder = builder.add_extension(x509.SubjectAlternativeName(general_names), critical=False)
        certificate = builder.sign(signing_key, hashes.SHA256())
        if digest != "sha256":
            certificate = x509.load_der_x509_certificate(signed_again(certificate, signing_key, digest))
        path = self.directory / "hosts" / f"{names[0]}-{next(self._counter)}.pem"
        _write(path, _pem(certificate) + _pem_key(key) + (_pem(between.certificate) if between else b""), 0o600)
        return Credential(path, certificate, key, weak or digest != "sha256")

    def host_variant(self, variant: str, names: Sequence[str]) -> Credential:
        """Issue a host certificate with one of the faults of HOST_VARIANTS."""
        now = self.now
        match variant:
            case "good":
                return self.host(names)
            case "expired":
                return self.host(names, not_before=now - timedelta(days=400), not_after=now - timedelta(days=3))
            case "not-yet-valid":
                return self.host(names, not_before=now + timedelta(days=3))
            case "wrong-host":
                return self.host(["elsewhere.fedcloud.test"], ips=())
            case "self-signed":
                return self.host(names, self_signed=True)
            case "unknown-ca":
                return self.host(names, issuer="unknown")
            case "revoked":
                credential = self.host(names)
                self.revoke(credential.certificate)
                return credential
        raise ValueError(f"no such certificate variant: {variant}; known are {', '.join(HOST_VARIANTS)}")

    # -- users --

    @property
    def robot(self) -> User:
        """The monitoring robot, the owner of proxies made without `user`."""
        return self.user(ROBOT)

    def user(
        self, common_name: str, *, lifetime: timedelta = timedelta(days=390), issuer: Issuer | None = None
    ) -> User:
        """Return the user of that name, issuing the certificate on first use.

        lifetime: how long the certificate is valid from now, when it is issued. issuer: by which CA, this one if None.
        """
        if common_name not in self._users:
            self._users[common_name] = self._issue_user(common_name, lifetime, issuer or self._ca)
        return self._users[common_name]

    def renewed(self, common_name: str) -> User:
        """The user of that name with a new certificate and a new key."""
        self._users.pop(common_name, None)
        return self.user(common_name)

    def _issue_user(self, common_name: str, lifetime: timedelta, issuer: Issuer) -> User:
        key = _rsa_key()
        end = self.now + lifetime
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name((NameOID.ORGANIZATION_NAME, "People"), (NameOID.COMMON_NAME, common_name)))
            .issuer_name(issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(self.now, end) - timedelta(days=30))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                _key_usage(digital_signature=True, key_encipherment=True, data_encipherment=True),
                critical=True,
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        )
        certificate = builder.sign(issuer.key, hashes.SHA256())
        home = self.directory / "users" / re.sub(r"\W+", "-", common_name)
        home.mkdir(parents=True, exist_ok=True)
        user = User(certificate, key, home / "usercert.pem", home / "userkey.pem", home / "usercred.p12")
        _write(user.usercert, _pem(certificate), 0o644)
        _write(user.userkey, _pem_key(key), 0o400)
        encryption = serialization.BestAvailableEncryption(P12_PASSWORD)
        bundle = pkcs12.serialize_key_and_certificates(common_name.encode(), key, certificate, None, encryption)
        _write(user.usercred, bundle, 0o600)
        return user

    # -- proxies --

    def proxy(
        self,
        *,
        vos: Sequence[str] = ("ops",),
        fqans: Mapping[str, Sequence[str]] | Sequence[str] | None = None,
        lifetime: timedelta = timedelta(hours=12),
        ac_lifetime: timedelta | Mapping[str, timedelta] | None = None,
        ac_begin: timedelta | None = None,
        renewed: Mapping[str, timedelta] | None = None,
        bits: int = 2048,
        depth: int = 1,
        kind: str = "rfc",
        not_before_skew: timedelta = timedelta(minutes=5),
        path: Path | None = None,
        mode: int = 0o600,
        order: str = "normal",
        with_chain: bool = True,
        with_key: bool = True,
        pkcs8: bool = False,
        user: User | None = None,
    ) -> Path:
        """Write a proxy as voms-proxy-init does (proxy, its key, the chain) and return its path.

        vos: one attribute certificate for each, in this order; none gives a plain grid proxy.
        fqans: by VO, or a list for the first VO; default `/<vo>/Role=NULL/Capability=NULL`.
        lifetime, ac_lifetime: counted from now, may be negative; the attributes last as long as the proxy
            unless told otherwise, for all VOs or by VO.
        ac_begin: when the attributes become valid, counted from now; by default with the proxy.
        renewed: what the proxy was made from has attributes too: VO -> how long they last, counted from now. The new
        ones are in the proxy nearest to the leaf then, as after voms-proxy-init --noregen.
        depth: 2 gives a proxy of a proxy; the attributes stay in the proxy nearest to the user, as they do
            when a service delegates.
        kind: one of PROXY_KINDS; "draft" is GT3, "legacy" GT2, the others are RFC 3820.
        not_before_skew: how far in the past the validity begins; negative for not yet valid.
        order: "chain-first" puts the chain before the proxy, a file no TLS library can load.
        pkcs8: key heading `BEGIN PRIVATE KEY` instead of `BEGIN RSA PRIVATE KEY`.
        """
        if kind not in PROXY_KINDS:
            raise ValueError(f"no such kind of proxy: {kind}; known are {', '.join(PROXY_KINDS)}")
        if order not in ("normal", "chain-first"):
            raise ValueError(f"no such order: {order}")
        user = user or self.robot
        key = self._proxy_key(bits)
        not_after = self.now + lifetime
        not_before = min(self.now, not_after) - not_before_skew
        wanted = fqans if isinstance(fqans, Mapping) else ({vos[0]: fqans} if fqans is not None else {})

        def attributes(vo: str, lasts: timedelta) -> bytes:
            ends = self.now + lasts
            begins = min(self.now, ends) - not_before_skew if ac_begin is None else self.now + ac_begin
            named = wanted.get(vo, [f"/{vo}/Role=NULL/Capability=NULL"])
            return self._attribute_certificate(vo, named, user.certificate, begins, ends)

        by_vo = ac_lifetime if isinstance(ac_lifetime, Mapping) else dict.fromkeys(vos, ac_lifetime or lifetime)
        levels = [[attributes(vo, by_vo.get(vo, lifetime)) for vo in vos]]
        if renewed is not None:
            levels.insert(0, [attributes(vo, lasts) for vo, lasts in renewed.items()])
            depth = max(depth, 2)

        chain = [user.certificate]
        signer: PrivateKey = user.key
        for level in range(depth):
            last = level == depth - 1
            # Only the last step is limited or independent: the steps before it are a normal delegation.
            step = kind if last or kind in ("draft", "legacy") else "rfc"
            carried = levels[level] if level < len(levels) else []
            issued = self._issue_proxy(chain[0], signer, key, step, (not_before, not_after), carried)
            chain.insert(0, issued)
            signer = key

        leaf, *rest = (_pem(certificate) for certificate in chain)
        parts = [leaf, _pem_key(key, pkcs8=pkcs8) if with_key else b""]
        if with_chain:
            parts = [*rest, *parts] if order == "chain-first" else [*parts, *rest]
        path = path or self.directory / "proxies" / f"x509up_{next(self._counter)}"
        _write(path, b"".join(parts), mode)
        return path

    def _issue_proxy(
        self,
        issuer: x509.Certificate,
        signer: PrivateKey,
        key: rsa.RSAPrivateKey,
        kind: str,
        validity: tuple[datetime, datetime],
        attributes: Sequence[bytes],
    ) -> x509.Certificate:
        # RFC 3820 section 3.4 wants a CN that is unique to the issuer; grid tools use a number.
        common_name = "proxy" if kind == "legacy" else str(int.from_bytes(os.urandom(4), "big") >> 1)
        subject = x509.Name([*issuer.subject.rdns, _rdn(common_name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(validity[0])
            .not_valid_after(validity[1])
            .add_extension(_key_usage(digital_signature=True, key_encipherment=True), critical=True)
        )
        if kind != "legacy":
            oid = DRAFT_PROXY_CERT_INFO if kind == "draft" else PROXY_CERT_INFO
            policy = der.sequence(der.object_identifier(POLICY_LANGUAGES[kind]))
            builder = builder.add_extension(_extension(oid, der.sequence(policy)), critical=True)
        if attributes:
            # An AC_SEQ holds a SEQUENCE OF AttributeCertificate: one wrapping more than one would expect.
            value = der.sequence(der.sequence(*attributes))
            builder = builder.add_extension(_extension(VOMS_AC_SEQUENCE, value), critical=False)
        return builder.sign(signer, hashes.SHA256())

    def _proxy_key(self, bits: int) -> rsa.RSAPrivateKey:
        if bits not in self._proxy_keys:
            self._proxy_keys[bits] = rsa.generate_private_key(65537, bits)
        return self._proxy_keys[bits]

    # -- VOMS --

    @cached_property
    def voms_server(self) -> Credential:
        return self.host([VOMS_HOST], key=_rsa_key())

    def voms_uri(self, vo: str) -> str:
        """Return the policyAuthority of a VO, registering it with the VOMS server on first use."""
        if vo not in self._vos:
            self._vos.append(vo)
            self._write_voms_files()
        return f"{vo}://{VOMS_HOST}:{VOMS_PORT + self._vos.index(vo)}"

    def _write_voms_files(self) -> None:
        server = self.voms_server.subject
        lines = []
        for offset, vo in enumerate(self._vos):
            folder = self.vomsdir / vo
            folder.mkdir(exist_ok=True)
            lsc = f"{server}\n{slash_form(self.ca_certificate.subject)}\n"
            _write(folder / f"{VOMS_HOST}.lsc", lsc.encode(), 0o644)
            fields = (vo, VOMS_HOST, str(VOMS_PORT + offset), server, vo, "24")
            lines.append(" ".join(f'"{field}"' for field in fields) + "\n")
        _write(self.vomses, "".join(lines).encode(), 0o644)

    def _attribute_certificate(
        self, vo: str, fqans: Sequence[str], holder: x509.Certificate, begin: datetime, end: datetime
    ) -> bytes:
        """Return the DER of an attribute certificate (RFC 5755 section 4.1) signed by the VOMS server."""
        uri = self.voms_uri(vo)
        server = self.voms_server
        algorithm = der.sequence(der.object_identifier(SHA256_WITH_RSA), der.null())
        attribute = der.sequence(
            der.object_identifier(VOMS_ATTRIBUTE),
            der.set_of(
                der.sequence(  # IetfAttrSyntax
                    der.context(0, der.context(6, uri.encode("ascii"), constructed=False)),
                    der.sequence(*(der.octets(fqan.encode()) for fqan in fqans)),
                )
            ),
        )
        key_identifier = x509.SubjectKeyIdentifier.from_public_key(server.key.public_key()).digest
        server_der = server.certificate.public_bytes(serialization.Encoding.DER)
        information = der.sequence(
            der.integer(1),  # version 2
            der.sequence(  # holder: baseCertificateID
                der.context(
                    0,
                    der.sequence(_directory_name(holder.issuer)),
                    der.integer(holder.serial_number),
                )
            ),
            der.context(0, der.sequence(_directory_name(server.certificate.subject))),  # issuer: v2Form
            algorithm,
            der.integer(int.from_bytes(os.urandom(8), "big")),
            der.sequence(der.generalized_time(begin), der.generalized_time(end)),
            der.sequence(attribute),
            der.sequence(
                _ac_extension(VOMS_CERTIFICATES, der.sequence(der.sequence(server_der))),
                _ac_extension(NO_REVOCATION_AVAILABLE, der.null()),
                _ac_extension(
                    AUTHORITY_KEY_IDENTIFIER,
                    der.sequence(der.context(0, key_identifier, constructed=False)),
                ),
            ),
        )
        assert isinstance(server.key, rsa.RSAPrivateKey)
        signature = server.key.sign(information, padding.PKCS1v15(), hashes.SHA256())
        return der.sequence(information, algorithm, der.bits(signature))

    # -- servers --

    def server_context(self, credential: Credential, *, clients: str = "none") -> ssl.SSLContext:
        """Return a server's TLS settings.

        clients: "none" asks for no certificate; "optional" and "required" verify it against the CA
            directory and take RFC 3820 proxies.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if credential.weak:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(credential.path)
        # A resumed session carries no client chain, and the chain is what the logins read.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        if clients != "none":
            context.verify_mode = {"optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}[clients]
            context.load_verify_locations(capath=str(self.ca_directory))
            # OPENSSL_ALLOW_PROXY_CERTS in the environment does nothing since OpenSSL 1.1.
            context.verify_flags |= ssl.VerifyFlags.VERIFY_ALLOW_PROXY_CERTS
        return context


# -- reading a client's chain -----------------------------------------------------------------------------


@dataclass(frozen=True)
class VomsAttributes:
    """What one attribute certificate says. The signature is not checked, nor whose it is."""

    vo: str
    fqans: list[str]
    uri: str
    not_before: datetime
    not_after: datetime


def read_attributes(chain: Sequence[bytes]) -> list[VomsAttributes]:
    """Return the attribute certificates nearest the leaf of a chain of DER certificates, leaf first.

    Those of a proxy from which this one was made do not count where it has some itself, as in the VOMS library.
    Raises: ValueError if the extension is there and cannot be read.
    """
    for certificate in map(x509.load_der_x509_certificate, chain):
        found: list[VomsAttributes] = []
        for extension in certificate.extensions:
            if extension.oid.dotted_string != VOMS_AC_SEQUENCE:
                continue
            assert isinstance(extension.value, x509.UnrecognizedExtension)
            for wrapped in der.element(extension.value.value).children():
                found.extend(_read_attribute_certificate(each) for each in wrapped.children())
        if found:
            return found
    return []


def read_vo(chain: Sequence[bytes]) -> tuple[str, list[str]] | None:
    """Return VO and FQANs of the first attribute certificate in a client's chain, None if it has none."""
    found = read_attributes(chain)
    return (found[0].vo, found[0].fqans) if found else None


def user_dn(chain: Sequence[bytes]) -> str:
    """Return the DN of the person behind a chain: the subject of its first certificate that is no proxy."""
    certificates = [x509.load_der_x509_certificate(each) for each in chain]
    for certificate in certificates:
        if not _is_proxy(certificate):
            return slash_form(certificate.subject)
    return slash_form(certificates[-1].issuer)


def _is_proxy(certificate: x509.Certificate) -> bool:
    issuer, subject = certificate.issuer.rdns, certificate.subject.rdns
    return len(subject) == len(issuer) + 1 and subject[:-1] == issuer


def _read_attribute_certificate(encoded: der.Element) -> VomsAttributes:
    information = encoded.children()[0].children()
    begin, end = (der.read_time(each) for each in information[5].children())
    for attribute in information[6].children():
        oid, values = attribute.children()
        if oid.encoding != der.object_identifier(VOMS_ATTRIBUTE):
            continue
        syntax = values.children()[0].children()
        uri = syntax[0].children()[0].content.decode("ascii") if syntax[0].tag == 0xA0 else ""
        fqans = [each.content.decode() for each in syntax[-1].children()]
        vo = uri.partition("://")[0] or fqans[0].split("/")[1]
        return VomsAttributes(vo, fqans, uri, begin, end)
    raise ValueError("attribute certificate without FQANs")


# -- small pieces -----------------------------------------------------------------------------------------


def signed_again(
    signed: x509.Certificate | x509.CertificateRevocationList, key: PrivateKey, digest: str, *, within: str = ""
) -> bytes:
    """Return a certificate or CRL in DER, signed with a hash that `cryptography` signs with no more.

    digest: `sha1` or `md5`. within: the hash that it names of itself, where that is another than stands beside the
    signature.
    """
    made = {"sha1": hashes.SHA1(), "md5": hashes.MD5(), "sha256": hashes.SHA256()}

    def algorithm(name: str) -> bytes:
        identifier = der.object_identifier(SIGNATURES[isinstance(key, rsa.RSAPrivateKey), name])
        return der.sequence(identifier, der.null()) if isinstance(key, rsa.RSAPrivateKey) else der.sequence(identifier)

    to_be_signed, old, _ = der.element(signed.public_bytes(serialization.Encoding.DER)).children()
    parts = [algorithm(within or digest) if each == old else each.encoding for each in to_be_signed.children()]
    data = der.sequence(*parts)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(data, padding.PKCS1v15(), made[digest])
    else:
        signature = key.sign(data, ec.ECDSA(made[digest]))
    return der.sequence(data, algorithm(digest), der.bits(signature))


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _key_usage(**uses: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})


def _rdn(common_name: str) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _extension(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def _ac_extension(oid: str, value: bytes) -> bytes:
    return der.sequence(der.object_identifier(oid), der.octets(value))


def _directory_name(name: x509.Name) -> bytes:
    # GeneralName [4] is explicit because Name is a CHOICE.
    return der.context(4, name.public_bytes())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_key(key: PrivateKey, *, pkcs8: bool = False) -> bytes:
    layout = serialization.PrivateFormat.PKCS8 if pkcs8 else serialization.PrivateFormat.TraditionalOpenSSL
    return planted.note_key(key.private_bytes(serialization.Encoding.PEM, layout, serialization.NoEncryption()))


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file so that a server reading it meanwhile sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    # Created private and opened up afterwards: a key is never readable by others, not even for a moment.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    draft.chmod(mode)
    draft.replace(path)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def pem_blocks(path: Path) -> Iterator[str]:
    """Yield the headings of a PEM file in order, such as CERTIFICATE or RSA PRIVATE KEY."""
    yield from re.findall(r"-----BEGIN ([A-Z ]+)-----", path.read_text("ascii"))
