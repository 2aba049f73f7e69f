"""AppDB's publication of image lists: signed by the federation's CA, anew for every request.

    /store/vappliance/<name>/image.list    any name; the monitored one is fedcloud.monitoring.va
    /store/vo/<vo>/image.list              the same for a VO

Clear-signed messages are put together as `openssl smime -sign` writes them: no header and no blank line
before the first part, CRLF within it and LF outside.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from .authority import Authority, Credential, slash_form
from .faults import Fault, Faults, register
from .web import Request, Response

SERVICE_TYPE = "eu.egi.cloud.vm-metadata.appdb-vmcaster"
PATH = "/store/vappliance/fedcloud.monitoring.va/image.list"
KINDS = ("clear-signed", "opaque-der", "opaque-base64", "opaque-pem", "bare")
DAY_S = 86400.0

FAULTS = {
    "stale-list": Fault("The image list was created `seconds` ago.", {"seconds": 9 * 3600.0}),
    "expired-list": Fault("The image list expired `seconds` ago.", {"seconds": DAY_S}),
    "future-list": Fault("The image list is created `seconds` from now.", {"seconds": 3600.0}),
    "wrong-signer": Fault("The image list is signed by a host that it does not name."),
    "unknown-signer": Fault("The image list is signed, as it says, by a certificate of a CA that nobody trusts."),
    "broken-signature": Fault("The image list is changed after it was signed."),
    "appdb-error": Fault("AppDB answers 200 with an `egiappdb` document.", {"details": "Image list does not exist"}),
    "private-list": Fault("AppDB wants this access token.", {"token": None}),
}
register(FAULTS)


@dataclass
class AppDb:
    """The lists and who signs them.

    kind:   one of KINDS. changes: keys of the list to set, or to leave out where the value is None.
    body:   serve this instead.
    """

    authority: Authority
    signer: Credential
    base_url: Callable[[], str]
    faults: Faults = field(default_factory=Faults)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    kind: str = "clear-signed"
    images: int = 3
    changes: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None

    def __post_init__(self) -> None:
        self._other_signers: dict[str, Credential] = {}

    def reset(self) -> None:
        self.kind, self.images, self.changes, self.body = "clear-signed", 3, {}, None
        self.faults.clear()

    def mpuri(self, number: int) -> str:
        return f"{self.base_url()}/store/vo/image/{uuid.UUID(int=number)}:{480 + number}/"

    # -- serving --

    def app(self, request: Request) -> Response:
        if not re.fullmatch(r"/store/(vappliance|vo)/[^/]+/image\.list", request.path):
            return Response(404, [("Content-Type", "text/plain")], b"Not Found\n")
        private = self.faults.take("private-list", request.method, request.path)
        if private is not None:
            expected = base64.b64encode(f"{private['token']}:x-oauth-basic".encode()).decode()
            if request.headers.get("Authorization") != f"Basic {expected}":
                challenge = [("WWW-Authenticate", 'Basic realm="EGI AppDB"'), ("Content-Type", "text/plain")]
                return Response(401, challenge, b"Unauthorized\n")
        error = self.faults.take("appdb-error", request.method, request.path)
        if error is not None:
            body = json.dumps({"egiappdb": {"status": "error", "details": error["details"]}}).encode()
            return Response(200, [("Content-Type", "application/json")], body)
        if self.body is not None:
            return Response(200, [("Content-Type", "text/plain")], self.body)
        headers, body = self.signed(self.document(request.path), request)
        return Response(200, headers, body)

    def document(self, path: str = PATH) -> bytes:
        """The list as JSON, pretty-printed with LF."""
        created = self.clock()
        expires = datetime(2499, 12, 31, 22, tzinfo=UTC)
        if (fault := self.faults.take("stale-list")) is not None:
            created -= timedelta(seconds=fault["seconds"])
        if (fault := self.faults.take("future-list")) is not None:
            created += timedelta(seconds=fault["seconds"])
        if (fault := self.faults.take("expired-list")) is not None:
            expires = self.clock() - timedelta(seconds=fault["seconds"])
        signer = self._signer("unknown-signer") if self.faults.get("unknown-signer") is not None else self.signer
        fields: dict[str, Any] = {
            "dc:date:created": f"{created:%Y-%m-%dT%H:%M:%SZ}",
            "dc:date:expires": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
            "dc:identifier": str(uuid.UUID(int=810)),
            "dc:title": "Image list of fedcloud.monitoring.va",
            "dc:description": "",
            "dc:source": self.base_url(),
            "ad:vo": "ops",
            "ad:swid": "810",
            "hv:version": f"{created:%Y%m%d%H%M%S}",
            "hv:uri": f"{self.base_url()}{path}",
            "hv:endorser": {
                "hv:x509": {
                    "dc:creator": "AppDB",
                    "hv:ca": slash_form(signer.certificate.issuer),
                    "hv:dn": signer.subject,
                    "hv:email": "appdb@fedcloud.test",
                }
            },
            "hv:images": [{"hv:image": self._image(number)} for number in range(1, self.images + 1)],
        }
        fields.update(self.changes)
        kept = {name: value for name, value in fields.items() if value is not None}
        return json.dumps({"hv:imagelist": kept}, indent=3).encode()

    def _image(self, number: int) -> dict[str, Any]:
        identifier = str(uuid.UUID(int=number))
        return {
            "dc:identifier": identifier,
            "ad:mpuri": self.mpuri(number),
            "dc:title": f"Image {number} [CentOS/7/KVM]",
            "dc:description": "",
            "hv:hypervisor": "KVM",
            "hv:format": "OVA",
            "hv:size": "121243136",
            "hv:uri": f"{self.base_url()}/images/{identifier}.ova",
            "hv:version": "1.2",
            "dc:date:expires": "2499-12-31T22:00:00Z",
            "sl:arch": "x86_64",
            "sl:checksum:sha512": "0" * 128,
            "sl:comments": "",
            "sl:os": "Linux",
            "sl:osname": "CentOS",
            "sl:osversion": "7",
            "hv:ram_minimum": "512",
            "hv:core_minimum": "1",
        }

    def signed(self, document: bytes, request: Request) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of the answer, in the envelope of `kind`."""
        if self.kind == "bare":
            return [("Content-Type", "application/json")], document
        signer = self.signer
        for name in ("wrong-signer", "unknown-signer"):
            if self.faults.take(name, request.method, request.path) is not None:
                signer = self._signer(name)
        broken = self.faults.take("broken-signature", request.method, request.path) is not None
        content = document.replace(b"\n", b"\r\n")
        if self.kind == "clear-signed":
            signature = sign(content, signer, detached=True)
            return clear_signed(content.replace(b"CentOS", b"CentOZ") if broken else content, signature)
        encoded = sign(document, signer)
        if broken:
            encoded = encoded.replace(b"CentOS", b"CentOZ")
        if self.kind == "opaque-der":
            return [("Content-Type", "application/pkcs7-mime; smime-type=signed-data")], encoded
        text = base64.encodebytes(encoded)
        if self.kind == "opaque-pem":
            return [("Content-Type", "text/plain")], b"-----BEGIN PKCS7-----\n" + text + b"-----END PKCS7-----\n"
        head = (
            b'MIME-Version: 1.0\nContent-Disposition: attachment; filename="smime.p7m"\n'
            b'Content-Type: application/x-pkcs7-mime; smime-type=signed-data; name="smime.p7m"\n'
            b"Content-Transfer-Encoding: base64\n\n"
        )
        return [("Content-Type", "text/plain")], head + text

    def _signer(self, name: str) -> Credential:
        if name not in self._other_signers:
            issuer = "unknown" if name == "unknown-signer" else "ca"
            self._other_signers[name] = self.authority.host([f"{name}.fedcloud.test"], issuer=issuer)
        return self._other_signers[name]


def sign(content: bytes, signer: Credential, *, detached: bool = False) -> bytes:
    """Return a CMS signature in DER."""
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities]
    if detached:
        options.append(pkcs7.PKCS7Options.DetachedSignature)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    return builder.add_signer(signer.certificate, signer.key, hashes.SHA256()).sign(serialization.Encoding.DER, options)


def clear_signed(content: bytes, signature: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """Return the headers and the body of a multipart/signed message."""
    boundary = "----5F2B0A9C3D4E5F60718293A4B5C6D7E8"
    head = (
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/signed; protocol="application/x-pkcs7-signature"; '
        f'micalg="sha-256"; boundary="{boundary}"\n\nThis is an S/MIME signed message\n\n--{boundary}\n'
    ).encode()
    tail = (
        f"\n--{boundary}\n"
        'Content-Type: application/x-pkcs7-signature; name="smime.p7s"\n'
        "Content-Transfer-Encoding: base64\n"
        'Content-Disposition: attachment; filename="smime.p7s"\n\n'
    ).encode()
    end = f"\n--{boundary}--\n\n".encode()
    body = head + content + tail + base64.encodebytes(signature) + end
    return [("Content-Type", "text/plain; charset=utf-8")], body
