#!/bin/bash
# ldif3 ends at the first value in base64; it and its successor ldif make an entry None of "version: 1", and write blanks that they lose.
#
# Software:  ldif3 3.2.2, ldif 4.3.0 (PyPI). Seen 2026-11-30.
# Expected:  what `ldapsearch -L` prints is read: "version: 1" with a blank line behind it is no entry, "name:: ..." is a value in base64.
#            What is written is read back as it was.
# Seen:      ldif3, "GLUE2EntityName:: w6k=":       AttributeError, Python 3.9 and later have no base64.decodestring; the same to write "é"
#            both, "version: 1" and a blank line:   an entry (None, {}) comes first; without the blank line it does not
#            both, a value that ends with a blank:  is written as it is, and is read without the blank
#            both, LDIF of changes:                 ValueError at "changetype: modify"
# Matters:   a dump of a BDII stops at the first name with an accent, and a count of its entries is one too many. Use ldif, and drop
#            entries without a name.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install ldif3==3.2.2 ldif==4.3.0
venv/bin/python - <<'PYTHON'
import io
import sys

import ldif
import ldif3

ENTRY = "dn: GLUE2ServiceID=a,o=glue\nobjectClass: GLUE2Service\n"
CHANGES = "dn: GLUE2ServiceID=a,o=glue\nchangetype: modify\nreplace: status\nstatus: ok\n-\nadd: level\nlevel: 1\n-\n"
BLANK = {"note": ["up ", " down"]}


def fail_unless(name, got, expected):
    print(f"{name}: {got}")
    if got != expected:
        sys.exit(f"CHANGED: it was {expected}")


def parse(library, text):
    """Return the entries, and the name of the exception that ended them."""
    entries = []
    try:
        for name, entry in library.LDIFParser(io.BytesIO(text.encode())).parse():
            entries.append((name, dict(entry)))
    except Exception as error:
        entries.append(type(error).__name__)
    return entries


def written(library, entry):
    file = io.BytesIO()
    try:
        library.LDIFWriter(file).unparse("o=glue", entry)
    except Exception as error:
        return type(error).__name__
    return file.getvalue().decode()


good = ("GLUE2ServiceID=a,o=glue", {"objectClass": ["GLUE2Service"]})
named = (good[0], {**good[1], "GLUE2EntityName": ["é"]})
for library, base64, accent in ((ldif3, "AttributeError", "AttributeError"), (ldif, named, "dn: o=glue\nname:: w6k=\n\n")):
    name = library.__name__
    fail_unless(f"{name}, an entry", parse(library, ENTRY), [good])
    fail_unless(f"{name}, a value in base64", parse(library, f"{ENTRY}GLUE2EntityName:: w6k=\n"), [base64])
    fail_unless(f"{name}, to write it", written(library, {"name": ["é"]}), accent)
    fail_unless(f"{name}, a version", parse(library, f"version: 1\n{ENTRY}"), [good])
    fail_unless(f"{name}, a version and a blank line", parse(library, f"version: 1\n\n{ENTRY}"), [(None, {}), good])
    fail_unless(f"{name}, changes", parse(library, CHANGES), ["ValueError"])
fail_unless("ldif, blanks, written and read", parse(ldif, written(ldif, BLANK)), [("o=glue", {"note": ["up", " down"]})])
fail_unless("ldif3, a blank at the end, written", written(ldif3, {"note": ["up "]}), "dn: o=glue\nnote: up \n\n")
fail_unless("ldif3, read", parse(ldif3, "dn: o=glue\nnote: up \n\n"), [("o=glue", {"note": ["up"]})])
PYTHON
