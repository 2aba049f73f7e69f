"""The authorities of the IGTF, as its distribution has them in this machine's CA directory.

    GEANTeScienceSSLCA4.pem     with links <hash>.0 to it, for OpenSSL
    GEANTeScienceSSLCA4.info    who that is, and whether the IGTF has accredited it
    <hash>.signing_policy       which names it may sign

OpenSSL reads the first alone, so whatever lies there is trusted, the IGTF's or not.
Source: IGTF distribution 1.133, of which all 88 authorities have these three; 81 have a .namespaces file too.
"""

from __future__ import annotations

import hashlib
import os

from libprobe.clients.anchors import MAX_CERTIFICATE, read_hashed, unread
from libprobe.failures import BadData, Misconfigured
from libprobe.files import read_if_there
from libprobe.formats import igtf, subject_hash, x509

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.formats.igtf import Info, Policy

MAX_INFOS = 5000
INSTALL = "install the trust anchors of the IGTF, or name their directory with --ca-path"


class Authorities:
    """What a CA directory says of the authorities in it. Raises: Misconfigured for one without .info files."""

    def __init__(self, trust: str | None) -> None:
        if trust is None or not os.path.isdir(trust):
            what = f"{trust} is" if trust else "the system's CAs are"
            raise Misconfigured(f"{what} no CA directory, so the IGTF's .info files are not there", remedy=INSTALL)
        self.path = trust
        try:
            self._infos = sorted(name for name in os.listdir(trust) if name.endswith(".info"))[:MAX_INFOS]
        except OSError as error:
            raise Misconfigured(f"CA directory {trust} cannot be read: {error.strerror}") from None
        if not self._infos:
            raise Misconfigured(f"CA directory {trust} has no .info files, so none of the IGTF's", remedy=INSTALL)

    def info(self, certificate: bytes) -> Info | None:
        """Who an authority is, by its certificate in DER; None for one without an .info file.

        Raises: Misconfigured for one that cannot be read, or is of another certificate.
        """
        digest = hashlib.sha1(certificate, usedforsecurity=False).hexdigest()
        link = x509.read_chain_link(certificate)
        for path, data in read_hashed(self.path, link.subject, "", MAX_CERTIFICATE, unread):
            if _der(data) != certificate:
                continue
            beside = os.path.splitext(os.path.realpath(path))[0] + ".info"
            info = self._read_info(beside)
            if info is None:
                break
            if info.sha1 and info.sha1 != digest:
                raise Misconfigured(f"{beside} is of another certificate than {path}", remedy=INSTALL)
            return info
        for name in self._infos:
            info = self._read_info(os.path.join(self.path, name))
            if info and info.sha1 == digest:
                return info
        return None

    def policies(self, certificate: bytes) -> list[Policy] | None:
        """What an authority may sign, None where that is not told. Raises: Misconfigured."""
        link = x509.read_chain_link(certificate)
        path = os.path.join(self.path, f"{subject_hash.subject_hash(link.subject)}.signing_policy")
        data = read_if_there(path, "", igtf.MAX_FILE)
        if data is None:
            return None
        try:
            found = igtf.read_policies(_text(data))
        except BadData as error:
            raise Misconfigured(f"{path}: {error.sentence}", remedy=INSTALL) from None
        return [each for each in found if igtf.is_same_name(each.issuer, link.subject_words)] or None

    def _read_info(self, path: str) -> Info | None:
        data = read_if_there(path, "", igtf.MAX_FILE)
        if data is None:
            return None
        try:
            return igtf.read_info(_text(data))
        except BadData as error:
            raise Misconfigured(f"{path}: {error.sentence}", remedy=INSTALL) from None


def _der(data: bytes) -> bytes:
    try:
        return x509.first_certificate(data)
    except BadData:
        return b""


def _text(data: bytes) -> str:
    """Names in the files are UTF-8 by now, and were Latin-1 once."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
