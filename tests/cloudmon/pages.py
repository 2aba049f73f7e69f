"""Nagios' own web pages, from Debian's package nagios4-cgi, on a loopback port. They show; they command nothing.

A server for these programs alone: Apache would need root or a user of its own, PHP for one frame page, and a
configuration as long as this file.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import mimetypes
import os
import posixpath
import re
import subprocess
import threading
import urllib.parse
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path

PACKAGE = "nagios4-cgi"
PROGRAMS = Path("/usr/lib/cgi-bin/nagios4")
FILES = {"/nagios4/stylesheets/": Path("/etc/nagios4/stylesheets"), "/nagios4/": Path("/usr/share/nagios4/htdocs")}
CGI = "/nagios4/cgi-bin/"
FIRST = f"{CGI}status.cgi?host=all&limit=0"
CGI_S = 300.0
OWN_HOSTS = ("localhost", "127.0.0.1")

# cmd.cgi refuses every command: it wants a cookie, and no cookie is passed on, and it wants authentication.
SETTINGS = """\
main_config_file={configuration}
physical_html_path=/usr/share/nagios4/htdocs
url_html_path=/nagios4
use_authentication=0
use_pending_states=1
escape_html_tags=1
refresh_rate=10
result_limit=0
"""


def is_installed() -> bool:
    return (PROGRAMS / "status.cgi").exists()


class Pages:
    """The pages of one Nagios. configuration: its main file; directory: where this server's own file goes."""

    def __init__(self, configuration: Path, directory: Path, *, port: int = 0) -> None:
        settings = directory / "cgi.cfg"
        settings.write_text(SETTINGS.format(configuration=configuration))
        handler = functools.partial(_Handler, settings)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.server_port}/"

    def __enter__(self) -> Pages:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    timeout = 300
    server_version = "cloudmon"

    def __init__(self, settings: Path, *arguments: object) -> None:
        self._settings = settings
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if (self.headers.get("Host") or "").rpartition(":")[0] not in OWN_HOSTS:
            # A name that somebody else's DNS leads here.
            return self._error(403, "not this host's name")
        path, _, query = self.path.partition("?")
        path = urllib.parse.unquote(path)
        if path in ("/", "/nagios4", "/nagios4/"):
            return self._answer(302, [("Location", FIRST)], b"")
        if path.startswith(CGI):
            return self._program(path.removeprefix(CGI), query)
        return self._file(path)

    def _program(self, name: str, query: str) -> None:
        if "/" in name or not name.endswith(".cgi") or not (PROGRAMS / name).is_file():
            return self._error(404, "no such program")
        environment = {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "NAGIOS_CGI_CONFIG": str(self._settings),
            "PATH": os.defpath,
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": f"{CGI}{name}",
            "SERVER_NAME": "localhost",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        try:
            done = subprocess.run(
                [str(PROGRAMS / name)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                timeout=CGI_S,
            )
        except subprocess.TimeoutExpired:
            return self._error(504, f"{name} did not answer within {CGI_S:g} s")
        head, *rest = re.split(rb"\r?\n\r?\n", done.stdout, maxsplit=1)
        if not rest:
            return self._error(502, f"{name} answered nothing that a browser could read")
        fields: Message = BytesHeaderParser().parsebytes(head)
        status = int(fields.get("Status", "200").split()[0])
        return self._answer(status, [(key, value) for key, value in fields.items() if key != "Status"], rest[0])

    def _file(self, path: str) -> None:
        for prefix, directory in FILES.items():
            name = path.removeprefix(prefix)
            if name != path and name == posixpath.normpath(name).lstrip("/") and not name.startswith(".."):
                with contextlib.suppress(OSError, ValueError):
                    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
                    return self._answer(200, [("Content-Type", kind)], (directory / name).read_bytes())
        return self._error(404, "no such page")

    def _error(self, status: int, text: str) -> None:
        self._answer(status, [("Content-Type", "text/plain; charset=utf-8")], f"{text}\n".encode())

    def _answer(self, status: int, fields: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        # What the pages hold came from the clouds: it may load nothing from elsewhere.
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline' 'unsafe-eval' data:")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass
