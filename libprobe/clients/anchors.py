"""The CAs and CRLs that this machine trusts, read as OpenSSL reads them: by hashed names, or from one bundle."""

from __future__ import annotations

import os
from contextlib import contextmanager

from libprobe.failures import BadData, Misconfigured
from libprobe.files import read_if_there, read_parsed
from libprobe.formats import subject_hash
from libprobe.formats.crl import MAX_CRL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from cryptography import x509

    from libprobe.formats.chains import IssuerCrl

    Made = TypeVar("Made")

MAX_SAME_HASH = 8
MAX_CERTIFICATE = 64 << 10
MAX_BUNDLE = 4 << 20
INSTALL = "install the trust anchors, or name another with --ca-path"


class TrustAnchors:
    """Trust anchors. path: directory or bundle, None for the system's (see `tls.ca_path`).

    Raises: Misconfigured when there are none there.
    """

    def __init__(self, path: str | None) -> None:
        if path is None:
            import ssl

            defaults = ssl.get_default_verify_paths()
            path = defaults.cafile or defaults.capath or defaults.openssl_cafile
        self.path = path
        self._bundle: list[x509.Certificate] | None = None
        if not os.path.isdir(path):
            self._bundle = self._read_bundle()
            return
        try:
            if not any(name[-2:] == ".0" for name in os.listdir(path)):
                raise Misconfigured(f"CA directory {path} holds no CA certificates (<hash>.0)", remedy=INSTALL)
        except OSError as error:
            raise Misconfigured(f"CA directory {path} cannot be read: {error.strerror}") from None

    def find_trusted(self, name: x509.Name) -> list[x509.Certificate]:
        """The CAs of that name. Raises: Misconfigured for a file that cannot be read; BadData for the name."""
        if self._bundle is not None:
            return [each for each in self._bundle if each.subject == name]
        from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

        found = []
        for path, data in read_hashed(self.path, name.public_bytes(), "", MAX_CERTIFICATE, unread):
            made = _loaded(path, data, load_pem_x509_certificate, load_der_x509_certificate)
            if made.subject == name:
                found.append(made)
        return found

    def find_by_name(self, name: bytes) -> list[x509.Certificate]:
        """The CAs of a bundle that have a name, which is DER. Raises: BadData for the name."""
        wanted = subject_hash.canonical(name)
        return [each for each in self._bundle or () if subject_hash.canonical(each.subject.public_bytes()) == wanted]

    def find_crl(self, issuer: x509.Certificate) -> IssuerCrl | None:
        """The newest CRL of a CA; None if there is none. Raises: Misconfigured for one that cannot be read."""
        if self._bundle is not None:
            return None
        from cryptography.x509 import load_der_x509_crl, load_pem_x509_crl

        from libprobe.formats.chains import IssuerCrl

        found = []
        for path, data in read_hashed(self.path, issuer.subject.public_bytes(), "r", MAX_CRL, unread):
            crl = _loaded(path, data, load_pem_x509_crl, load_der_x509_crl)
            if crl.issuer == issuer.subject:
                found.append(IssuerCrl(crl, path))
        return max(found, key=lambda each: each.crl.last_update_utc, default=None)

    def _read_bundle(self) -> list[x509.Certificate]:
        from cryptography.x509 import load_pem_x509_certificates

        data = read_if_there(self.path, "", MAX_BUNDLE)
        if data is None:
            raise Misconfigured(f"CA path {self.path} does not exist", remedy=INSTALL)
        try:
            with silence_warnings():
                return load_pem_x509_certificates(data)
        except ValueError:
            raise Misconfigured(f"CA bundle {self.path} cannot be read as PEM", remedy=INSTALL) from None


def read_hashed(
    directory: str, name: bytes, kind: str, limit: int, parse: Callable[[bytes, str], Made]
) -> list[tuple[str, Made]]:
    """The files of a name in a CA directory, with what is made of each: certificates (kind ""), or CRLs (kind "r").

    name: DER. parse: as in `files.read_parsed`.
    Raises: Misconfigured for a file that cannot be read; BadData for the name; as `parse`.
    """
    stem = os.path.join(directory, subject_hash.subject_hash(name))
    found = []
    for number in range(MAX_SAME_HASH):
        path = f"{stem}.{kind}{number}"
        made = read_parsed(path, "", limit, parse)
        if made is None:
            break
        found.append((path, made))
    return found


def unread(data: bytes, path: str) -> bytes:
    """For `read_hashed`: the content itself."""
    return data


@contextmanager
def silence_warnings() -> Iterator[None]:
    """Keep the library's warnings about old CAs, such as zero serials, from standard error."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _loaded(path: str, data: bytes, of_pem: Callable[[bytes], Any], of_der: Callable[[bytes], Any]) -> Any:
    try:
        with silence_warnings():
            return of_pem(data) if b"-----BEGIN" in data else of_der(data)
    except (ValueError, BadData) as error:
        raise Misconfigured(f"{path} cannot be read: {str(error)[:100]}") from None
