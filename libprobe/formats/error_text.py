"""What a server says of an error, in whatever form it says it; and whether it says that there is no room."""

from __future__ import annotations

import re

from libprobe.failures import BadData
from libprobe.formats.answers import bare_type, is_json, load_json, text_of
from libprobe.formats.excerpt import excerpt
from libprobe.formats.occi.vocabulary import Headers


def error_text(body: str, media_type: str, headers: Headers = ()) -> str:
    """Return the cloud's own words from an error, on one line of at most 300 characters.

    Read are plain text, JSON (`{"code", "message"}`, OpenStack's `{"error": {"message"}}` and
    `{"badRequest": {"message"}}`) and HTML (title and first heading); before these the header X-OCCI-Error, by
    which rOCCI-server gives its reason in text/occi. Empty if nothing is said.
    """
    for name, value in headers:
        if name.lower() == "x-occi-error" and value.strip():
            return excerpt(value[: 64 << 10], 300)
    body = body[: 64 << 10].strip()
    beginning = body[:64].lower()
    # Servers label their errors badly: what it begins with counts more than the media type.
    if "html" in bare_type(media_type) or beginning.startswith(("<!doctype html", "<html")):
        return excerpt(_html_text(body), 300)
    if is_json(media_type) or beginning.startswith("{"):
        try:
            said = _json_text(load_json(body, "the error"))
            return excerpt(re.sub(r"(?:\s*<br ?/>)+", " ", said[: 64 << 10]), 300)  # webob puts some after its messages
        except BadData:
            pass
    return excerpt(body, 300)


def _json_text(document: object, depth: int = 0) -> str:
    if isinstance(document, str):
        return text_of(document)
    if not isinstance(document, dict) or depth > 3:
        return ""
    for name in ("message", "error_description", "detail", "description"):
        if isinstance(document.get(name), str) and document[name].strip():
            return text_of(document[name])
    texts = (_json_text(value, depth + 1) for value in document.values() if isinstance(value, dict))
    found = next(filter(None, texts), "")
    return found or next((text_of(document[name]) for name in ("error", "title", "reason") if name in document), "")


def _html_text(page: str) -> str:
    from html import unescape

    title, heading = (unescape(_tagged(page, tag)).strip() for tag in ("title", "h1"))
    if not title and not heading:
        return unescape(re.sub(r"<[^<>]*>", " ", page))
    if heading in title:
        return title
    return heading if title in heading else f"{title}: {heading}"


def _tagged(page: str, tag: str) -> str:
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
