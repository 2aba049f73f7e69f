"""Perun's RPC: `GET <base>/<login>/rpc/json/<manager>/<method>`, asked for its status.

Answers are judged by their shape first: older versions send errors with status 200, and the login page of a
web server in front has 200 as well.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData, EndpointFailure, OwnCredential, ProtocolFailure, Rejected
from libprobe.formats.excerpt import excerpt
from libprobe.formats.perun import PerunError, Status, read_answer

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


def read_status(http: HttpClient, url: str, identity: str) -> Status:
    """Ask a Perun for its status.

    identity: DN of the certificate that we present, for sentences.
    Raises: the failures of `HttpClient`; Rejected for a login page and 401, 403; OwnCredential where Perun does
            not know us; EndpointFailure for its other errors, in its own words; BadData, ProtocolFailure.
    """
    # a redirect leads to a login: there is nothing for us behind it
    answer = http.request("GET", url, headers=[("Accept", "application/json")], max_bytes=MAX_ANSWER, follow=False)
    if 300 <= answer.status < 400:
        target = re.split(r"[?#]", answer.header("Location") or "nowhere", maxsplit=1)[0]
        raise Rejected(f"{answer.asked}: not logged in: redirects to {excerpt(target, 120)} ({answer.status})")
    if answer.page:
        if answer.status >= 400:
            raise _refused(answer, answer.page)
        raise Rejected(f"{answer.asked}: not logged in: answered {answer.status} with {answer.page} instead of JSON")
    try:
        read = read_answer(answer.body)
    except BadData as error:
        if answer.status >= 400:
            raise _refused(answer, excerpt(answer.body, 80)) from None
        raise BadData(f"{answer.asked}: {error.sentence}") from None
    if isinstance(read, PerunError):
        raise _explained_error(answer, read, identity)
    if answer.status != 200:
        raise ProtocolFailure(f"{answer.asked}: answered {answer.status} {answer.reason}, though with a good status")
    return read


def _refused(answer: Response, said: str) -> EndpointFailure:
    words = f"{answer.status}: {said}" if said else f"{answer.status} {answer.reason}"
    if answer.status in (401, 403):
        return Rejected(f"{answer.asked}: refused our certificate ({words})")
    if answer.status == 404:
        return EndpointFailure(f"{answer.asked}: not found ({words}); is that the base of a Perun?")
    return ProtocolFailure(f"{answer.asked}: failed ({words}{answer.wanted_pause})")


def _explained_error(answer: Response, error: PerunError, identity: str) -> EndpointFailure | OwnCredential:
    said = f"{error.name} {error.error_id}" + (f": {error.message}" if error.message else "")
    if _OF_OURS.search(error.name):
        return OwnCredential(f"{answer.asked}: {said}", remedy=f"register {identity} as a user of Perun")
    return EndpointFailure(f"{answer.asked}: answered with its error {said}")
