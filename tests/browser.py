"""A real browser, Debian's chromium, and a peer that notes whatever a page makes it load."""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from pathlib import Path

from tests.pace import AMPLE_S

PWNED = "document.documentElement.setAttribute('data-pwned','1')"
"""What a script does that ran: `is_pwned` sees it."""

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def dom(page: Path, profile: Path) -> str:
    """The document tree of a page after it was loaded and its scripts ran. profile: a directory of its own."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is not installed (make test-all installs it)"
    done = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", f"file://{page}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=AMPLE_S,
    )
    shown = done.stdout.decode(errors="replace")
    assert "</body>" in shown, done.stderr.decode(errors="replace")
    return shown


def is_pwned(shown: str) -> bool:
    return 'data-pwned="1"' in shown


class Visits:
    """A web server on loopback. paths: of all that was asked of it."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        visits = self.paths

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                visits.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Visits:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def hostile(address: str) -> list[str]:
    """Texts that run a script, load something from an address, or spoil a terminal, where nobody keeps them from it."""
    return [
        f"<script>{PWNED}</script>",
        f'"><img src="{address}/image" onerror="{PWNED}">',
        f'\'><svg onload="{PWNED}">',
        f"</td></tr></table></pre></textarea></title></style></script><script>{PWNED}</script>",
        f'<iframe src="{address}/frame"></iframe><link rel=stylesheet href="{address}/style">',
        f"<style>@import url({address}/import); body {{ background: url({address}/background) }}</style>",
        f'<video src="{address}/video"></video><object data="{address}/object"></object>',
        f'" onmouseover="{PWNED}" style="background: url({address}/attribute)" autofocus onfocus="{PWNED}" x="',
        f"' onmouseover='{PWNED}' x='",
        f"&lt;script&gt;{PWNED}&lt;/script&gt; &#60;img src={address}/entity&#62;",
        f"');{PWNED};('",
        f"</script><script>{PWNED}</script>",
        f"--><script>{PWNED}</script><!--",
        f"<![CDATA[<script>{PWNED}</script>]]>",
        f"\uff1cscript\uff1e{PWNED}\uff1c/script\uff1e",
        "\x1b[31m\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x9b31m\x00\b\b\t|a=1;2;3",
        "\u202eleft\u2066\u200b\u2028\u2029\u0301" + "\u0301" * 90 + "\ud800\udcff",
    ]
