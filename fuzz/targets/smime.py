"""A published image list as AppDB sends it: envelope, signature, JSON, and the whole judgement of it.

The first byte says which rules hold and which type the transport named.
"""

from __future__ import annotations

import os

from fuzz import judged
from libprobe.checks.imagelist import PublishedList, SignatureRules
from libprobe.clients.appdb import FetchedDocument
from libprobe.failures import BadData
from libprobe.formats import imagelist, smime

MAX_BYTES = 16 << 10
TYPES = ("", "application/json", "multipart/signed", "application/pkcs7-mime")
IMAGE = "https://appdb.egi.eu/store/vo/image/0000-1111:7/"
WORDS = (
    b"MIME-Version: 1.0\n", b'Content-Type: multipart/signed; boundary="', b"Content-Type: text/plain\n", b"--",
    b"Content-Type: application/pkcs7-signature\n", b"Content-Type: application/pkcs7-mime\n", b"\n\n", b"\r\n",
    b"Content-Transfer-Encoding: base64\n", b"-----BEGIN PKCS7-----", b"-----END PKCS7-----", b"-----BEGIN CMS-----",
    b'"hv:imagelist": {', b'"hv:images": [', b'"hv:image": {', b'"ad:mpuri": "', b'"dc:date:created": "',
    b'"dc:date:expires": "', b"2026-11-25T11:00:00Z", b'"hv:endorser": {"hv:x509": {"hv:dn": "', b'"egiappdb": {',
    b'"details": "', b"\\ud800", b"1e308", b"NaN", b"[[[[", b"MI",
)  # fmt: skip


class Recorded:
    """A list that is at hand."""

    url = "https://vmcaster.example.org/image.list"

    def __init__(self, body: bytes, media_type: str) -> None:
        self._fetched = FetchedDocument(body, media_type, 3.0)

    def fetch(self) -> FetchedDocument:
        return self._fetched


def read(data: bytes) -> None:
    kind = (data[:1] or b"\0")[0]
    media_type = TYPES[kind % len(TYPES)]
    signature = ("require", "if-present", "ignore")[kind // 4 % 3]
    rules = SignatureRules(signature, allow_sha1=True, ca_path=os.path.dirname(__file__))
    source = Recorded(data[1:], media_type)
    judged.check(
        PublishedList(source, rules, judged.deadline(), image=IMAGE, now=lambda: judged.NOW),
        "size",
        "images",
        "time_left",
        "age",
    )
    imagelist.appdb_error(data[1:])
    try:
        smime.canonical(smime.without_text_header(smime.open_envelope(data[1:], media_type).content))
    except BadData as bad:
        failure = bad
    else:
        return
    raise failure


LIST = b"""{"hv:imagelist": {"dc:date:created": "2026-11-25T11:00:00Z", "dc:date:expires": "2027-11-25T11:00:00Z",
"dc:identifier": "a", "dc:title": "b", "hv:version": "1", "hv:uri": "https://vmcaster.example.org/image.list",
"ad:vo": "ops", "hv:endorser": {"hv:x509": {"hv:dn": "/O=Grid/CN=ec.test", "hv:ca": "/O=Grid/CN=CA"}},
"hv:images": [{"hv:image": {"ad:mpuri": "https://appdb.egi.eu/store/vo/image/0000-1111:7/", "dc:title": "c",
"dc:date:expires": "2026-01-01T00:00:00Z"}}]}}
"""


def seeds() -> dict[str, bytes]:
    import base64
    import tempfile
    from pathlib import Path

    from tests.federation.authority import Authority
    from tests.formats.signing import signed

    with tempfile.TemporaryDirectory() as directory:
        signer = Authority(Path(directory)).host(["ec.test"])
    detached = base64.encodebytes(signed(smime.canonical(LIST), signer))
    opaque = base64.encodebytes(signed(LIST, signer, detached=False))
    clear = (
        b'MIME-Version: 1.0\nContent-Type: multipart/signed; boundary="xx"\n\n'
        b"This is an S/MIME signed message\n\n--xx\n" + LIST + b"\n--xx\nContent-Type: application/x-pkcs7-signature\n"
        b"Content-Transfer-Encoding: base64\n\n" + detached + b"\n--xx--\n"
    )
    return {
        "unsigned": b"\x04" + LIST,
        "clear": b"\x02" + clear,
        "clear-ignored": b"\x0a" + clear,
        "opaque": b"\x03" + b"Content-Type: application/pkcs7-mime\n\n" + opaque,
        "pem": b"\x00-----BEGIN PKCS7-----\n" + opaque + b"-----END PKCS7-----\n",
        "error": b'\x05{"egiappdb": {"details": "no such list", "errors": ["x"]}}',
        "old": b'\x05{"hv:images": [], "dc:date:created": "2026-11-25T11:00:00Z", "dc:date:expires": "2026-01-01T0:0"}',
    }
