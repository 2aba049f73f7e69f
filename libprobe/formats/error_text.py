"""What a server says in words where it does not do what it was asked: of error pages, login pages, JSON and plain text.

One reader for all probes: the title or the first sentence, without markup, and without the status, which the sentence
of a failure has already. And whether it says that there is no room.
"""

from __future__ import annotations

import re

from libprobe.formats.excerpt import excerpt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Headers = Iterable[tuple[str, str]]

MAX_READ = 64 << 10
MAX_TITLE_AT = 8192
"""How far into a web page its title is looked for."""

MAX_SHORT = 70
"""Characters of a server's own words in a status line; -v has them all."""

MAX_DEPTH = 3

RENAMED = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Statuses with the names of RFC 9110, which Python has from 3.13 on."""

_PAGE = re.compile(r"\s{0,400}(?:<\?xml[^>]{0,200}\?>\s{0,100})?<(?:!doctype html|html)", re.IGNORECASE)
_TITLE = re.compile(r"<(?:title|h1)[^<>]{0,200}>([^<]{0,400})", re.IGNORECASE)
_UNSEEN = re.compile(r"<(script|style)\b[^<>]*>.{0,20000}?</\1\s*>", re.IGNORECASE | re.DOTALL)
_SAYS_NOTHING = re.compile(
    r"(?:The server is currently unavailable\. Please try again at a later time\."
    r"|The server has either erred or is incapable of performing the requested operation\."
    r"|The server could not comply with the request since it is either malformed or otherwise incorrect\."
    r"|The request you have made requires authentication\.|Access was denied to this resource\."
    r"|The resource could not be found\.|There was a conflict when trying to complete your request\.)\s*"
)
"""What webob and Keystone write before the reason, or instead of one, and which the status says already."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z<\"'(])")


def phrase(status: int) -> str:
    """What a status is called: `Service Unavailable`; empty for one that nobody has defined."""
    from http import HTTPStatus

    try:
        return RENAMED.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return ""


def status_words(status: int) -> str:
    """A status as a sentence names it: `503 Service Unavailable`."""
    return f"{status} {phrase(status)}".rstrip()


def own_words(status: int, said: str) -> str:
    """The words of a server without the status and its name, which they often begin with; empty if nothing is left."""
    rest = re.sub(
        rf"^(?:(?:http|error)\b[\s/:.0-9-]{{0,20}}?)?{status}\b[\s:.,-]*", "", said.strip(), flags=re.IGNORECASE
    )
    named = phrase(status)
    if named and rest.lower().startswith(named.lower()):
        after = rest[len(named) :]
        rest = after.lstrip(" :.,-!") if not after[:1].isalnum() else rest
    rest = _SAYS_NOTHING.sub("", rest).strip()
    return "" if _letters(rest) == _letters(named) else rest


def _letters(words: str) -> str:
    """Words to compare by: a web server writes `Gateway Time-out`."""
    return "".join(filter(str.isalpha, words)).lower()


def in_short(said: str) -> str:
    """The first sentence of what a server says, of MAX_SHORT characters at most."""
    return excerpt(_SENTENCE_END.split(said, maxsplit=1)[0].rstrip("."), MAX_SHORT)


def error_text(body: str, media_type: str, headers: Headers = ()) -> str:
    """Return the server's own words from an error, on one line of at most 300 characters.

    Read are plain text, JSON (`{"code", "message"}`, OpenStack's `{"error": {"message"}}` and
    `{"badRequest": {"message"}}`) and HTML (title and first heading, else the first sentence); before these the header
    X-OCCI-Error, by which rOCCI-server gives its reason in text/occi. Empty if nothing is said.
    """
    for name, value in headers:
        if name.lower() == "x-occi-error" and value.strip():
            return excerpt(value[:MAX_READ], 300)
    body = body[:MAX_READ].strip()
    beginning = body[:64].lower()
    # Servers label their errors badly: what it begins with counts more than the media type.
    if "html" in media_type.lower() or beginning.startswith(("<!doctype html", "<html")):
        return excerpt(_html_text(body), 300)
    if "json" in media_type.lower() or beginning.startswith("{"):
        import json

        try:
            said = _json_text(json.loads(body))
            return excerpt(re.sub(r"(?:\s*<br ?/>)+", " ", said[:MAX_READ]), 300)  # webob puts some after its messages
        except (ValueError, RecursionError):
            pass
    return excerpt(body, 300)


def web_page(media_type: str, text: str) -> str:
    """What to call a web page: `page "Sign in"`, or `page without a title`; empty for anything else.

    text: how it begins. Servers label what they send badly, so what it begins with counts as well.
    """
    if not _PAGE.match(text) and not ("html" in media_type and text.lstrip()[:1] == "<"):
        return ""
    found = _TITLE.search(text[:MAX_TITLE_AT])
    from html import unescape

    title = excerpt(unescape(found[1]), 60) if found else ""
    return f'page "{title}"' if title else "page without a title"


def _json_text(document: object, depth: int = 0) -> str:
    if isinstance(document, str):
        return document
    if not isinstance(document, dict) or depth > MAX_DEPTH:
        return ""
    for name in ("message", "error_description", "detail", "description"):
        if isinstance(document.get(name), str) and document[name].strip():
            return str(document[name])
    texts = (_json_text(value, depth + 1) for value in document.values() if isinstance(value, dict))
    found = next(filter(None, texts), "")
    return found or next((_text(document[name]) for name in ("error", "title", "reason") if name in document), "")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _html_text(page: str) -> str:
    from html import unescape

    title, heading = (unescape(_element_text(page, tag)).strip() for tag in ("title", "h1"))
    if not title and not heading:
        return unescape(re.sub(r"<[^<>]*>", " ", _UNSEEN.sub(" ", page)))
    if heading in title:
        return title
    return heading if title in heading else f"{title}: {heading}"


def _element_text(page: str, tag: str) -> str:
    """Return the text of the first element TAG, without the tags in it."""
    lowered = page.lower()
    start = lowered.find("<" + tag)
    begin = page.find(">", start) + 1 if start >= 0 else 0
    end = lowered.find("</" + tag, begin) if begin else -1
    return re.sub(r"<[^<>]*>", " ", page[begin:end]) if end >= 0 else ""


_QUOTA = re.compile(
    r"quota|over ?limit|capacity|insufficient|not enough|no valid host|no more|zero fixed"
    r"|out of (?:memory|resources|space)|resources? (?:are |is )?(?:exhausted|unavailable|not available)"
    r"|(?:limit|maximum number)\b[^.]{0,80}\b(?:exceed|reach)|exceed[^.]{0,40}\blimit"
    r"|cannot allocate|unable to allocate",
    re.IGNORECASE,
)


def is_quota(text: str) -> bool:
    """Whether an error text is a refusal for lack of quota or capacity rather than a malfunction.

    Liberal, over the words of nova, neutron, OpenNebula and Synnefo: what is decided by it is only how
    the refusal is described.
    """
    text = text[:2_000]
    return _QUOTA.search(text) is not None and "rate limit" not in text.lower()
