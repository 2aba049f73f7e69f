"""What the IGTF distributes beside the certificate of an authority: who it is, and which names it may sign.

    alias = GEANTeScienceSSLCA4            access_id_CA   X509    '/C=NL/O=GEANT Vereniging/CN=GEANT eScience SSL CA 4'
    status = accredited:classic            pos_rights     globus  CA:sign
    sha1fp.0 = 8A:C7:...                   cond_subjects  globus  '"/DC=org/DC=terena/DC=tcs/*" "/C=NL/O=GEANT/*"'
    subjectdn = "/C=NL/..."

On the left `<alias>.info`, on the right `<hash>.signing_policy`, in which `*` stands for any number of characters, `?`
for one. A line of an .info file that ends with a backslash goes on in the next.
Source: IGTF distribution 1.133; Globus GSI, "Signing policy"; GFD.189.
"""

from __future__ import annotations

import re

from libprobe.failures import BadData
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FILE = 256 << 10
MAX_PATTERN, MAX_STARS = 1000, 10
ACCREDITED = "accredited:"

_LINE = re.compile(r"(access_id_CA|access_id_ca|pos_rights|neg_rights|cond_subjects)\s+(\S+)\s+(.+)")
_TYPES = {"email": "emailaddress", "e": "emailaddress", "userid": "uid"}
"""Attributes that one and another program calls otherwise in a name in slash form."""


class Info(Record):
    """An authority. status: `accredited:classic`, `unaccredited`, ...; sha1: of its certificate, in lower case."""

    alias: str
    status: str
    version: str
    sha1: str
    subject: str

    @property
    def profile(self) -> str:
        """By which of the IGTF's profiles it is accredited; empty for one that is not."""
        return self.status.removeprefix(ACCREDITED) if self.status.startswith(ACCREDITED) else ""


class Policy(Record):
    """Which names an authority may sign, as patterns of names in slash form."""

    issuer: str
    patterns: Sequence[str]

    def permits(self, subject: str) -> bool:
        return any(_matches(pattern, subject) for pattern in self.patterns)


def read_info(text: str) -> Info:
    """Raises: BadData for a file that does not tell who it is of."""
    values: dict[str, str] = {}
    for line in re.sub(r"\\[ \t]*\r?\n", " ", text).splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            values.setdefault(name.strip().lower(), value.strip())
    if not values.get("alias"):
        raise BadData("it names no alias")
    return Info(
        values["alias"][:100],
        values.get("status", "")[:100],
        values.get("version", "")[:40],
        values.get("sha1fp.0", "").replace(":", "").lower(),
        values.get("subjectdn", "").strip('"'),
    )


def read_policies(text: str) -> list[Policy]:
    """The policies of a signing_policy file: of each authority that it names, what that may sign.

    Raises: BadData for a file with a line that a policy does not have, or with a right other than signing.
    """
    found: list[Policy] = []
    issuer, may_sign = "", False
    for at, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        parts = _LINE.fullmatch(words)
        if parts is None:
            raise BadData(f"line {at} is no part of a signing policy: {words[:80]}")
        kind, _, value = parts.groups()
        if kind.lower() == "access_id_ca":
            issuer, may_sign = _unquoted(value), False
        elif kind == "pos_rights":
            may_sign = value.strip() == "CA:sign"
        elif kind == "neg_rights":
            raise BadData(f"line {at} takes a right away, which no policy of the IGTF does")
        elif issuer and may_sign:
            patterns = re.findall(r'"([^"]*)"', value) or [_unquoted(value)]
            if any(len(each) > MAX_PATTERN or each.count("*") > MAX_STARS for each in patterns):
                raise BadData(f"line {at} has a pattern that is too long, or has too many stars")
            found.append(Policy(issuer, patterns))
    return found


def is_same_name(one: str, other: str) -> bool:
    """Whether two names in slash form are one, whatever their attributes are called."""
    return _plain(one) == _plain(other)


def _matches(pattern: str, subject: str) -> bool:
    """Whether a name is of a pattern. A regular expression with ten stars would try for years what ten stars can be:
    here only the last star that was met is tried with more, which finds the same.
    """
    wanted, name = _plain(pattern), _plain(subject)
    at = here = 0
    star, tried = -1, 0
    while here < len(name):
        each = wanted[at : at + 1]
        if each == "*":
            star, tried = at, here
            at += 1
        elif each and each in ("?", name[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            tried += 1
            at, here = star + 1, tried
        else:
            return False
    return not wanted[at:].strip("*")


def _plain(name: str) -> str:
    """A name with one spelling of its attributes' types."""

    def spelled(found: re.Match[str]) -> str:
        kind = found[1].lower()
        return f"/{_TYPES.get(kind, kind)}="

    return re.sub(r"/([A-Za-z][A-Za-z0-9.]*)=", spelled, name)


def _unquoted(value: str) -> str:
    return value.strip().strip("'").strip().strip('"')
