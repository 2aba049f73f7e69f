"""A real Apache before a cloud, which asks for the client's certificate only where a path wants it.

`<Location> SSLVerifyClient require` is how a site protects one path of a host. With TLS 1.3 the server then asks within
the connection, if the client's greeting allowed it (RFC 8446 section 4.2.6); with TLS 1.2 it negotiates anew. Neither
Python's `ssl` module nor a stand-in of ours can do the latter as a server.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.pace import AMPLE_S

from .authority import Authority
from .ports import free_port
from .web import Exchange, Peer, Request, Response, WebServer, slash_form

SERVER = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authz_core", "headers", "proxy", "proxy_http", "socache_shmcb", "ssl")

CONFIG = """
ServerRoot {directory}
PidFile {directory}/pid
ErrorLog {directory}/error.log
Listen 127.0.0.1:{port}
ServerName localhost
{modules}
User {user}
SSLSessionCache shmcb:{directory}/sessions(512000)
SSLEngine on
SSLProtocol {protocol}
SSLCertificateFile {certificate}
SSLCACertificatePath {cas}
SSLVerifyDepth 10
ProxyPass / {behind}/
RequestHeader unset X-Client-Certificate
<Location {path}>
    SSLVerifyClient require
    RequestHeader set X-Client-Certificate "%{{SSL_CLIENT_CERT}}s"
</Location>
"""


class Apache:
    """Apache on loopback as a proxy of an application; a context manager.

    protocol: `TLSv1.2` or `TLSv1.3`, the only one that it speaks. path: where it wants a client certificate, which the
    application then sees as the peer of the request. asked_of_application: those requests, with their results.
    """

    def __init__(
        self, directory: Path, authority: Authority, app: Callable[[Request], Response], *, protocol: str, path: str
    ) -> None:
        self.port = free_port()
        self.asked_of_application: list[Exchange] = []
        self._behind = WebServer("behind-apache", self._answer)
        self._app = app
        self._protocol = protocol
        self._path = path
        self._authority = authority
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def __enter__(self) -> Apache:
        self._behind.start()
        here = self._directory
        here.mkdir()
        (here / "httpd.conf").write_text(
            CONFIG.format(
                directory=here,
                port=self.port,
                modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED),
                user="daemon" if os.geteuid() == 0 else f"#{os.geteuid()}",
                protocol=self._protocol,
                certificate=self._authority.host(["localhost"]).path,
                cas=self._authority.ca_directory,
                behind=self._behind.url,
                path=self._path,
            )
        )
        self._process = subprocess.Popen(
            [str(SERVER), "-d", str(here), "-f", str(here / "httpd.conf"), "-DFOREGROUND"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(here / "started").open("wb"),
        )
        give_up = time.monotonic() + AMPLE_S
        while self._process.poll() is None and time.monotonic() < give_up:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=AMPLE_S).close()
                return self
            time.sleep(0.01)
        said = "".join(each.read_text() for each in (here / "started", here / "error.log") if each.exists())
        self.__exit__()
        raise RuntimeError(f"Apache does not start: {said}")

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(AMPLE_S)
        self._behind.stop()

    def _answer(self, received: Request) -> Response:
        request = _with_peer(received)
        response = self._app(request)
        self.asked_of_application.append(Exchange(request, response.status))
        return response


def _with_peer(request: Request) -> Request:
    """The request with the certificate that Apache has verified as its peer."""
    pem = request.headers.get("X-Client-Certificate") or ""
    if "BEGIN" not in pem:
        return request
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    lines = pem.replace(begin, "").replace(end, "").split()  # a header has blanks for the ends of lines
    certificate = x509.load_pem_x509_certificate("\n".join([begin, *lines, end]).encode())
    encoded = certificate.public_bytes(Encoding.DER)
    return replace(request, peer=Peer(slash_form(encoded), (encoded,)))
