"""What every probe says of a web server that misbehaves before it has answered, by the fault of `tests.federation`.

Each is a pattern of the sentence, in which PLACE stands for the host and port that were asked.
"""

from __future__ import annotations

import re

from tests.conftest import SECONDS, Report, at
from tests.pace import OWN_PART, timer_was_first

_HUNG_UP = r"connection (?:closed before an answer from|reset by) PLACE; our certificate may have been refused"

SAID = {
    "mute-accept": rf"TLS handshake not complete within {SECONDS} with PLACE",
    "close-accept": r"connection (?:closed|reset) in TLS handshake by PLACE \(enable TLS there\)",
    "drip-handshake": rf"TLS handshake not complete within {SECONDS} with PLACE",
    "mute": rf"no complete answer within {SECONDS} from PLACE",
    "drip-headers": rf"no complete answer within {SECONDS} from PLACE",
    "drip-body": rf"no complete answer within {SECONDS} from PLACE",
    "close-request": _HUNG_UP,
    "reset": _HUNG_UP,  # Python's ssl tells a reset as it tells an end
    "garbage": r'"SSH-2\.0-OpenSSH_6\.6\.1" instead of HTTP from PLACE',
    "close-headers": r"connection closed within the answer from PLACE",
    "close-body": r"connection closed within the answer from PLACE",
    "endless-headers": r"malformed HTTP \(got more than 100 headers\) from PLACE",
    "gzip-bomb": r"body in the coding 'gzip', not asked for, from PLACE",
}


def expect(report: Report, subject: str, said: str, url: str) -> None:
    """A probe that is CRITICAL with such a sentence of the server of a URL, or was ended by its timer."""
    assert (report.code, report.err) == (2, ""), report.out
    pattern = rf"{subject} CRITICAL - (?:{said.replace('PLACE', re.escape(at(url)))}){OWN_PART}"
    assert re.fullmatch(pattern, report.first) or timer_was_first(report.first), report.first
