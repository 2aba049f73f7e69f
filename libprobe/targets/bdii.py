"""Which BDII is meant: from the options, or from the GOCDB by host name alone.

Order: -u URL; the URL that the GOCDB has of -H, where it is an LDAP URL; else `ldap://host:2170`.
The base is that of -b, else of the URL if it is one of GLUE 2, else `o=glue`. The site is that of --site,
else the GOCDB's.
"""

from __future__ import annotations

from libprobe.clients import tls
from libprobe.clients.ldap import LdapAddress, LdapConnectOptions
from libprobe.failures import BadData, HelperFailure, Misconfigured
from libprobe.formats import glue2, ldap
from libprobe.formats.service_types import BDII_PORT, OCCI, TOP_BDII
from libprobe.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from libprobe.deadline import Deadline
    from libprobe.formats.gocdb import ServiceEndpoint

DEFAULT_BASE = "o=glue"


class Bdii(Record):
    """A BDII and what is known of it beforehand.

    site:  GOCDB site name, empty if unknown or if there are many.
    notes: what the reader should know of how it was found, for the status line.
    is_base_given: whether it was the operator who named the base.
    lookup_failure: why the address is a guess; then it is not the site's fault if nothing answers there.
    """

    address: LdapAddress
    base: str
    site: str
    notes: tuple[str, ...] = ()
    lookup_failure: HelperFailure | None = None
    is_base_given: bool = False


def find_bdii(args: argparse.Namespace, deadline: Deadline) -> Bdii:
    """The BDII that the options mean.

    Raises: Misconfigured for options that name none, or for several registered endpoints of one host;
            BadData for a registered URL that is unusable, which is the site's doing.
    """
    if not args.url and not args.hostname:
        raise Misconfigured("no BDII is named", remedy="give -H HOST or -u ldap://HOST:2170/o=glue")
    site = ""
    notes: list[str] = []
    lookup_failure: HelperFailure | None = None
    registered: ServiceEndpoint | None = None
    if args.hostname and not (args.url and args.site):  # else nothing is left to be looked up
        try:
            registered, notes = _find_registered(args, deadline)
        except HelperFailure as failure:
            lookup_failure = failure
            notes = [f"not compared with the GOCDB: {failure.sentence}"]
    if registered and args.service_type != TOP_BDII:
        site = registered.site
    url = _url(args, registered)
    if not url.port and not registered and not lookup_failure and not args.url:
        notes.append(f"{args.hostname} is not in the GOCDB as {args.service_type}")
    base = _expect_dn(args.base) if args.base else (url.base if _is_glue2(url.base) else DEFAULT_BASE)
    is_told = bool(args.url or args.port)
    address = LdapAddress(url.scheme, url.host, args.port or url.port or BDII_PORT)
    return Bdii(address, base, args.site or site, tuple(notes), None if is_told else lookup_failure, bool(args.base))


def make_connect_options(args: argparse.Namespace, found: Bdii) -> LdapConnectOptions:
    """How to reach a BDII as the options and the settings say. Raises: Misconfigured for a missing CA path."""
    is_ldaps = found.address.scheme == "ldaps"
    context = None
    if is_ldaps or args.starttls:
        from libprobe.targets import access

        context = tls.make_context(access.ca_path(args))
    return LdapConnectOptions(context, args.starttls and not is_ldaps, args.family)


def make_occi_lookup(args: argparse.Namespace, deadline: Deadline) -> Callable[[str], str]:
    """How to learn which OCCI URL the GOCDB has of a host: empty if none, or several. It raises HelperFailure."""

    def look_up(hostname: str) -> str:
        import argparse

        from libprobe.targets import access, topology

        asked = argparse.Namespace(**{**vars(args), "hostname": hostname, "port": None})
        try:
            chosen, _ = topology.find_registered(asked, deadline, access.open_state_directory(args), OCCI)
        except Misconfigured:
            return ""
        return chosen.url if chosen else ""

    return look_up


def _find_registered(args: argparse.Namespace, deadline: Deadline) -> tuple[ServiceEndpoint | None, list[str]]:
    from libprobe.targets import access, topology

    return topology.find_registered(args, deadline, access.open_state_directory(args), args.service_type)


def _url(args: argparse.Namespace, registered: ServiceEndpoint | None) -> ldap.LdapUrl:
    if args.url:
        try:
            return ldap.read_url(args.url)
        except BadData as error:
            raise Misconfigured(f"-u: {error.sentence}") from None
    if registered and ldap.is_ldap_url(registered.url):
        try:
            return ldap.read_url(registered.url)
        except BadData as error:
            from libprobe.targets import topology

            raise topology.unusable_registration(registered, error.sentence) from None
    return ldap.LdapUrl("ldap", args.hostname.strip("[]"), None, "")


def _expect_dn(base: str) -> str:
    """Raises: Misconfigured for anything but a DN."""
    try:
        if not base.isprintable() or not glue2.split_dn(base):
            raise BadData(f"{base!r} is not a DN")
    except BadData as error:
        raise Misconfigured(f"--base: {error.sentence}", remedy="give a DN like o=glue") from None
    return base.strip()


def _is_glue2(base: str) -> bool:
    """A site may have registered the base of GLUE 1, `mds-vo-name=SITE,o=grid`, where there are no clouds."""
    return base.isprintable() and "".join(base.lower().split()).endswith("o=glue")
