"""AppDB: fetching a published image list, with the token that a private one needs."""

from __future__ import annotations

import base64

from libprobe import redact
from libprobe.clients import documents
from libprobe.clients.http import HttpClient
from libprobe.failures import BadData, OwnCredential, ProtocolFailure
from libprobe.formats import imagelist
from libprobe.formats.address import read_http_url
from libprobe.formats.error_text import in_short
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.clients.credentials import Audience
    from libprobe.clients.http import Response

DEFAULT_PATH = "/store/vappliance/fedcloud.monitoring.va/image.list"
DEFAULT_URL = f"https://vmcaster.appdb.egi.eu{DEFAULT_PATH}"
MAX_LIST = 1 << 20
"""About a thousand images. Decoding takes up to ten times as much memory, and a probe has 64 MiB."""

PASSWORD = "x-oauth-basic"
"""What AppDB takes as the password beside an access token, literally."""


class FetchedDocument(Record):
    """A document as it came, its media type, and by how many seconds its server's clock is ahead of ours, if known."""

    body: bytes
    media_type: str
    clock_skew: float | None


class AppDb:
    """One published list.

    token:    empty for a public list, else from the file that an option names. audience: to whom it may go; a list of
              others is asked for without it.
    notes:    what the reader of a result should know: that the token was not sent, and why.
    Raises: Misconfigured for an unusable address.
    """

    def __init__(
        self,
        http: HttpClient,
        url: str,
        token: str = "",
        audience: Audience | None = None,
        *,
        max_bytes: int = MAX_LIST,
        option: str = "--token-file",
    ) -> None:
        documents.expect_url(url)
        self.url = url
        self.notes: list[str] = []
        self._http = http
        self._token = token
        self._has_token = bool(token)
        self._max_bytes = max_bytes
        self._wanted = "access token wanted: the list is private"
        self._remedy = f"give one with {option}"
        address = read_http_url(url)
        if token:
            if audience is None:
                raise ValueError("a token, and nobody whom it may be sent to")
            withheld = audience.refusal_for(address.host, is_encrypted=address.is_secure)
            if withheld:
                self._token, self._remedy = "", withheld.remedy
                self._wanted = f"access token wanted, and ours not sent: {withheld.why}"
                self.notes.append(f"the access token was not sent: {withheld.why}")

    def fetch(self) -> FetchedDocument:
        """Return the document. Raises: the failures of `clients.http`; OwnCredential when a token is at fault."""
        headers = [("Accept", "application/json, multipart/signed, */*;q=0.5")]
        if self._token:
            pair = base64.b64encode(f"{self._token}:{PASSWORD}".encode()).decode()
            headers.append(("Authorization", f"Basic {redact.register(pair)}"))
        try:
            answer = documents.get(self._http, self.url, max_bytes=self._max_bytes, headers=headers)
        except BadData as failure:
            raise failure.retold(BadData, remedy="raise --max-size to read more") from None
        except OwnCredential as failure:
            remedy = "open it to everybody"
            raise failure.retold(OwnCredential, remedy=remedy) from None
        if answer.status in (401, 403) and not self._is_shut_to_all(answer):
            what = "our access token not accepted" if self._token else self._wanted
            remedy = "get a new one from AppDB" if self._token else self._remedy
            raise answer.failure(OwnCredential, reason=what, remedy=remedy)
        if answer.status != 200:
            words = imagelist.appdb_error(answer.body)
            remedy = "let everybody read it" if answer.status == 403 else ""
            reason = f'{answer.status} "{in_short(words)}"' if words else ""
            raise answer.failure(ProtocolFailure, remedy=remedy, outcome=reason)
        if not answer.body.strip():
            raise answer.bad_answer("empty answer")
        return FetchedDocument(answer.body, answer.media_type, self._http.clock_skew)

    def _is_shut_to_all(self, answer: Response) -> bool:
        """Whether nobody is served: a 403 to us, who have no token and were not asked for one.

        A private list says 401, or names how to log in (RFC 9110 section 15.5.4).
        """
        return answer.status == 403 and not self._has_token and answer.header("WWW-Authenticate") is None
