"""Whether the certificate of a server is one of the IGTF's: each CA above it accredited, and each signed as it may.

All of that is judged by the IGTF's own files in our CA directory. What they say against a certificate is the site's;
that one of them is missing, or cannot be read, is ours.
"""

from __future__ import annotations

from libprobe.failures import BadData, Misconfigured
from libprobe.formats import x509
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libprobe.clients.chain import CertificateChain
    from libprobe.clients.igtf import Authorities
    from libprobe.formats.igtf import Info

IDENTIFIER_ONLY = "iota"
"""The profile of CAs that do not look at who people are; EGI takes it together with other proof only."""


class Accredited(Record):
    """The CA that has signed a server's certificate. steps: what was seen of each CA of the chain, in words."""

    info: Info
    steps: list[str]


def judge(chain: CertificateChain, authorities: Authorities, subject: str) -> Accredited:
    """Raises: BadData for a certificate that the IGTF does not cover; Misconfigured where our files do not say."""
    links = [x509.read_chain_link(each) for each in chain.certificates]
    infos: list[Info] = []
    steps = []
    for below, above, encoded in zip(links, links[1:], chain.certificates[1:], strict=False):
        info = authorities.info(encoded)
        if info is None:
            raise _stranger(subject, above.subject_words, authorities.path)
        if not info.profile:
            raise BadData(
                f"certificate of a CA that the IGTF does not accredit ({info.alias}, {info.status or 'no status'})",
                place=subject,
                remedy="get one of an accredited CA",
            )
        policies = authorities.policies(encoded)
        if policies is None:
            raise Misconfigured(
                f"no signing policy of {info.alias}",
                place=authorities.path,
                link="in",
                also=f"whether it may sign {below.subject_words} is unknown",
                remedy="install the trust anchors of the IGTF whole",
            )
        if not any(each.permits(below.subject_words) for each in policies):
            permitted = [pattern for each in policies for pattern in each.patterns]
            more = f" and {len(permitted) - 3} more" if len(permitted) > 3 else ""
            raise BadData(
                f"certificate name not permitted to CA {info.alias}",
                place=subject,
                also=f"its signing policy permits {', '.join(permitted[:3])}{more}, not {below.subject_words}",
                remedy="get a certificate under a name that the CA may give",
            )
        infos.append(info)
        steps.append(f"{info.alias} ({info.status}, {info.version}) may sign {below.subject_words}")
    if not chain.is_complete or not infos:
        raise _stranger(subject, links[-1].issuer_words, authorities.path)
    return Accredited(infos[0], steps)


def _stranger(subject: str, issuer: str, directory: str) -> BadData:
    return BadData(
        "certificate of a CA that is not in the IGTF",
        place=subject,
        also=f"its CA is {issuer}",
        remedy="get one of an accredited CA",
        more=[f"its CA has no .info file in {directory}; if it is accredited, update this monitor's trust anchors"],
    )
