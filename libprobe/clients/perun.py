"""Perun's RPC: `GET <base>/<login>/rpc/json/<manager>/<method>`, asked for its status.

Answers are judged by their shape first: older versions send errors with status 200, and the login page of a
web server in front has 200 as well.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData, EndpointFailure, OwnCredential, ProtocolFailure, Rejected
from libprobe.formats.error_text import in_short, status_words
from libprobe.formats.perun import PerunError, PerunReport, read_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.clients.http import HttpClient, Response

METHOD = "utils/getPerunStatus"
MAX_ANSWER = 256 << 10
_OF_OURS = re.compile(r"Privilege|UserNotExists|UserExtSource|NotRegistered|MemberNotExists")
"""Names of exceptions that mean: the certificate is none of a registered user's."""


def rpc_url(base: str) -> str:
    """The URL of the status, from the base of a Perun, of its RPC, or of the method itself; no query.

    Without a login in the path it is `cert`, the part of the web server that wants a client certificate.
    """
    url = re.split(r"[?#]", base, maxsplit=1)[0].rstrip("/")
    if url.endswith(f"/{METHOD}"):
        return url
    if re.search(r"/rpc/json$", url):
        return f"{url}/{METHOD}"
    if re.search(r"/rpc$", url):
        return f"{url}/json/{METHOD}"
    if re.search(r"/(?:cert|krb|fed|ba|oauth|non)$", url):
        return f"{url}/rpc/json/{METHOD}"
    return f"{url}/cert/rpc/json/{METHOD}"


def read_status(http: HttpClient, url: str, identity: str) -> PerunReport:
    """Ask a Perun for its status.

    identity: DN of the certificate that we present, for sentences.
    Raises: the failures of `HttpClient`; Rejected for a login page and 401, 403; OwnCredential where PerunEndpoint does
            not know us; EndpointFailure for its other errors, in its own words; BadData, ProtocolFailure.
    """
    # a redirect leads to a login: there is nothing for us behind it
    answer = http.request("GET", url, headers=[("Accept", "application/json")], max_bytes=MAX_ANSWER, follow=None)
    if 300 <= answer.status < 400:
        raise answer.failure(Rejected, reason="" if answer.redirect_words else "not logged in", also="not logged in")
    if answer.page_description:
        if answer.status >= 400:
            raise _status_failure(answer)
        raise answer.failure(Rejected, also="not logged in")
    try:
        read = read_answer(answer.body)
    except BadData as error:
        if answer.status >= 400:
            raise _status_failure(answer) from None
        raise answer.as_unreadable(error) from None
    if isinstance(read, PerunError):
        raise _error_failure(answer, read, identity)
    if answer.status != 200:
        outcome = f"{status_words(answer.status)}, though with a status of Perun's"
        raise answer.failure(ProtocolFailure, outcome=outcome)
    return read


def _status_failure(answer: Response) -> EndpointFailure:
    if answer.status in (401, 403):
        return answer.failure(Rejected, reason="our certificate refused")
    if answer.status == 404:
        return answer.failure(EndpointFailure, remedy="check that this is the base of a Perun")
    return answer.failure(ProtocolFailure)


def _error_failure(answer: Response, error: PerunError, identity: str) -> EndpointFailure | OwnCredential:
    said = f"{error.name} {error.error_id}" + (f': "{in_short(error.message)}"' if error.message else "")
    more = [f"Perun's error {error.error_id}: {error.name}: {error.message}"]
    if _OF_OURS.search(error.name):
        remedy = f"register {identity} as a user of Perun"
        return OwnCredential(said, of=answer, link="from", remedy=remedy, more=more)
    return EndpointFailure(said, of=answer, link="from", more=more)
