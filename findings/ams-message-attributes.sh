#!/bin/bash
# An AmsMessage that was made without attributes cannot be given any, and data that is base64 already is encoded again.
#
# Software:  argo-ams-library 1.0.0 (PyPI). Seen 2026-11-28.
# Expected:  AmsMessage(data=...).set_attr("type", "metric_data") adds an attribute, as documented ("Set attributes of
#            message"); a message round-trips through dict(): AmsMessage(**message.dict()) is the same message.
# Seen:      the default of attributes is the text '', so set_attr raises AttributeError: 'str' object has no attribute
#            'update'. And AmsMessage(**dict) encodes once more: "b2s=" becomes "YjJzPQ==", unless b64enc=False is given.
# Matters:   a publisher that puts the attributes on later, or that re-sends spooled messages, fails at the first message, or
#            sends what no consumer can read, with a 200 from the service. Pass attributes={} and b64enc=False.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install argo-ams-library==1.0.0
venv/bin/python - <<'PYTHON'
import sys

from argo_ams_library import AmsMessage

message = AmsMessage(data="ok")
try:
    message.set_attr("type", "metric_data")
    said = message.dict()
except AttributeError as error:
    said = f"AttributeError: {error}"
again = AmsMessage(**message.dict())
kept = AmsMessage(b64enc=False, **message.dict())
print("set_attr on a message without attributes:", said)
print("dict():", message.dict(), "  remade:", again.dict(), "  with b64enc=False:", kept.dict())
if not isinstance(said, str):
    sys.exit("CHANGED: set_attr works")
if (again.dict()["data"], kept.dict()["data"]) != ("YjJzPQ==", "b2s="):
    sys.exit("CHANGED: data is encoded otherwise")
PYTHON
