"""What a CDMI server says of itself: the capabilities object of its root.

    {"objectType": "application/cdmi-capability", "capabilities": {"cdmi_domains": "true", ...}, ...}

Source: CDMI 1.0.2 (ISO/IEC 17826), chapter 12; values are texts.
"""

from __future__ import annotations

import json

from libprobe.failures import BadData
from libprobe.formats.excerpt import excerpt

MEDIA_TYPE = "application/cdmi-capability"


def read_capabilities(body: bytes) -> set[str]:
    """Return the names of the capabilities that are switched on.

    Raises: BadData for anything but a capabilities object.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise BadData(f"not JSON: {excerpt(body)}") from None
    if not isinstance(document, dict) or document.get("objectType") != MEDIA_TYPE:
        raise BadData(f"no capabilities object: {excerpt(body)}")
    found = document.get("capabilities")
    if not isinstance(found, dict):
        raise BadData("a capabilities object without capabilities")
    return {name for name, value in found.items() if value not in ("false", False, "", None)}
