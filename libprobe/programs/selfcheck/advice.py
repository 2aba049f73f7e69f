"""What to do about a result that is not OK, in the imperative, where the probe itself does not say it.

A probe's line is for those who know the field; the self-check's reader may see such a line for the first time.
The probes are the authority on what happened: here stand only the causes that their sentences name.
"""

from __future__ import annotations

import re

_CAUSES = (
    # certificates and TLS
    (r"certificate expired", "renew the host certificate, and restart the service so that it serves the new one"),
    (r"certificate (?:is )?not (?:valid before|yet valid)", "set the clocks by NTP, there and here, and ask again"),
    (r"certificate self-signed", "install a host certificate of a CA that the grid trusts (IGTF)"),
    (r"certificate of an untrusted CA", "install a host certificate of a CA of the IGTF, or that CA here"),
    (
        r"certificate (?:not for|for \S.* instead of) ",
        "request a certificate with the name that the GOCDB has, or correct that name",
    ),
    (
        r"certificate.* revoked",
        "request a new host certificate, and ask its CA why it revoked this one",
    ),
    (r"no TLS version offered", "enable TLS 1.2 or later"),
    (r"no TLS spoken|does not speak TLS on this port", "enable TLS on this port, or correct the URL in the GOCDB"),
    (
        r"client certificate|our certificate refused",
        "make the endpoint trust our CA and VO (trust anchors, CRLs, .lsc files), and read its log of this time",
    ),
    (r"TLS handshake not complete within", "see what the service waits for, and how loaded its machine is"),
    (r"TLS|certificate", "check the TLS settings of the service, and read its log of this time"),
    (
        r"other bytes than were stored|another MD5 than|not in its container's list",
        "look for what damages or withholds data: disks, and proxies or caches before the object store",
    ),
    (
        r"missing (?:for|as seen)|out of date (?:for|as seen)|no longer in the list",
        "look at the log of what brings images to this site, and at the quota of its image store",
    ),
    (
        r"published for|in information system|another endpoint of|without any project",
        "correct the site's entry where its information provider has it: endpoint, VOs and the ids of their projects",
    ),
    # the network
    (
        r"name \S+ does not resolve|name not resolved",
        "correct the host name in the GOCDB, or its entry in the DNS",
    ),
    (r"connection refused", "start the service, or correct its address in the GOCDB"),
    (
        r"no connection within|no time left to connect",
        "open the port in the firewall, or start the machine",
    ),
    (
        r"[Nn]o route|[Nn]etwork is unreachable|[Hh]ost is (?:down|unreachable)",
        "repair the route to the endpoint, or start the machine",
    ),
    (
        r"connection (?:closed|reset|lost)|closed the connection|disconnected",
        "read the log of the service of this time: it broke off",
    ),
    (r"larger than|gave up reading", "see why the answer is so large, and that this is the service that is meant"),
    (
        r"[^ ] within [\d.]+ m?(?:s|in)\b|not finished|given up",
        "see what the service waits for, and how loaded its machine is",
    ),
    # what it answered
    (r"[Qq]uota|capacity", "remove what is not used, or raise the quota of the VO"),
    (r"VM is ACTIVE without any address", "give the project a network with a subnet, or share one with it"),
    (
        r"\b(?:401|403)\b|logged in, and offered|refused (?:our|the) |our key refused|login \S+ refused",
        "let the monitoring in: map its DN and its VO there",
    ),
    (r"\b(?:404|410)\b|redirect", "correct the URL in the GOCDB"),
    (r"\b429\b", "raise the limit of requests for the monitoring"),
    (
        r"(?:^|[ (])(?:409|50\d)\b|answered with an error|failed[ :(]|ERROR|refused \(",
        "read the log of the service of this time",
    ),
    (
        r"answer|malformed|broken|breaks off|sent |announces |offer|JSON|no "
        r"CMS|cannot be read|holds |body|page |document"
        r"|results|X-Subject-Token|no category|without accounting|boundary|instead of|announced|frame |references",
        "check that this is the service that is meant, and its version, and read its log of this time",
    ),
    # this monitor
    (r"No such file or directory", "install the probe, or name its directory with --probes"),
    (r"^not run: ", "run the self-check again, with a longer -t or more --jobs"),
    (r"^interrupted by ", "run the self-check again"),
    (
        r"exceeded its own time-out|exit code \d+|printed nothing|killed by|bug",
        "run the probe by itself with -v, and report it",
    ),
    (
        r"cannot be (?:read|written)|belongs to another user|is not a regular file",
        "make the file readable for the monitor's user, and nobody else",
    ),
)
"""Of what a sentence says, and what to do about it; the first that fits counts."""

_LIMIT = re.compile(r" \(limit [^()]+\)$")


_HELPER = re.compile(r"\b(?:GOCDB|accounting portal|information system|image list|outside Keystone) [\w.:-]+")
"""How a sentence names whom it blames, where that is neither the endpoint nor we."""


def advice(sentence: str, remedy: str, *, critical: bool, page: str) -> str:
    """What to do, beginning with a verb.

    remedy:   the probe's own, which goes before all else.
    critical: whether it is the endpoint's doing; else the monitor's, or that of a third party.
    page:     the address of the metric's page, which explains every message; may be empty.
    """
    if remedy:
        return remedy
    if not _LIMIT.search(sentence):
        for pattern, what in _CAUSES:
            if re.search(pattern, sentence):
                # a third party's trouble is told to the third party
                return what if critical or not _HELPER.search(sentence) else f"ask whoever runs it to {what}"
    elsewhere = f"at {page}" if page else "on the page of the metric"
    if critical:
        return f"look up this message {elsewhere}, and read the log of the service of this time"
    return f"look up this message {elsewhere}"
