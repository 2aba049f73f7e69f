"""Which endpoint is meant: from the options, or from the GOCDB by host name alone.

Order: -u URL; --endpoint with --image and --resource, as NCG passes them; -H host, looked up in the
GOCDB; and for a host that the GOCDB does not know, `https://host:8787/`. Where several are given, the
earlier names the endpoint, while --image, --resource and --port always win over what a URL says.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from libprobe.deadline import OutOfTime
from libprobe.failures import Asked, BadData, Failure, HelperFailure, Misconfigured
from libprobe.formats import gocdb as format_gocdb
from libprobe.formats.address import host_port_of, without_query
from libprobe.formats.service_types import KEYSTONE_PORT, NOVA, OCCI, OCCI_PORT, SWIFT
from libprobe.records import Record
from libprobe.text import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from libprobe.clients.gocdb import RegisteredEndpoints
    from libprobe.deadline import Deadline
    from libprobe.state.files import StateDirectory

LOOK_UP_SHARE = 0.25
LOOK_UP_MAX_S = 20.0


class CloudEndpoint(Record):
    """An OCCI endpoint and the templates to use there.

    base:     URL without query and trailing slash.
    image:    as registered or given; None: choose. resource: likewise.
    fallback: size to try first where none is registered (ARGO's rule).
    site:     GOCDB site name, empty if unknown.
    named_by_option: the option or setting that named `image` and `resource`, where the GOCDB did not.
    registration: asks the GOCDB for what is registered of the host, where it has not been asked.
    judge_address: of a cloud of clouds.yaml, whose fault a failure is where no Keystone is seen at its URL; it is given
                   the failure and the file. None where the URL is the site's: by -H, or the one that -u tests.
    notes:    what the reader should know of how it was found, for the status line.
    caveats: what the reader of a failure should know besides.
    """

    base: str
    image: str | None
    resource: str | None
    fallback: str
    site: str = ""
    notes: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    named_by_option: tuple[tuple[str, str], ...] = ()
    registration: Callable[[], CloudEndpoint] | None = None
    judge_address: Callable[[Failure, str], Failure] | None = None

    def describe(self) -> str:
        """`https://cloud.example.org:8787 of SITE`."""
        return f"{self.base} of {self.site}" if self.site else self.base

    def option_that_chose(self, what: str, wanted: str) -> str:
        """The option by which the operator chose an image or a resource; empty where the site registered it.

        A configuration made from the GOCDB passes what is registered by options: so where a host is given beside them,
        the GOCDB is asked whose choice it was, now that it matters. If that fails, the site is not blamed.
        """
        by = dict(self.named_by_option).get(what, "")
        if by and self.registration:
            try:
                return "" if getattr(self.registration(), what) == wanted else by
            except Failure:
                return by
        return by


def find_occi(args: argparse.Namespace, deadline: Deadline, cache: StateDirectory) -> CloudEndpoint:
    """The OCCI endpoint that the options mean.

    Raises: Misconfigured for options that name none; HelperFailure when the GOCDB is needed and fails;
            BadData for a registered URL that is unusable, which is the site's doing.
    """
    if args.url or args.endpoint:
        try:
            endpoint = _read_endpoint(args.url or args.endpoint)
        except BadData as error:
            raise Misconfigured(f"{'-u' if args.url else '--endpoint'}: {error.sentence}") from None
    elif args.hostname:
        endpoint = _find_endpoint(args, deadline, cache)
    else:
        raise Misconfigured("no endpoint is named", remedy="give -H HOST or -u URL")
    if args.port:
        endpoint = endpoint._replace(base=_with_port(endpoint.base, args.port))
    settings = args.settings
    source = "" if args.hostname and not (args.url or args.endpoint) else "-u" if args.url else "--endpoint"
    templates = (("image", args.image, endpoint.image), ("resource", args.resource, endpoint.resource))
    chosen_by = tuple(
        (what, f"--{what}" if given else source if known else f"probes.ini [occi] {what}")
        for what, given, known in templates
        if source or not known or (given and given != known)  # else the site has registered it
    )
    instead = [
        f"--{option} was given in place of the registered {known}"
        for option, given, known in templates
        if given and known and given != known
    ]
    return endpoint._replace(
        caveats=tuple(instead),
        named_by_option=chosen_by,
        registration=(lambda: _find_endpoint(args, deadline, cache)) if source and args.hostname else None,
        image=args.image or endpoint.image or settings.get("occi", "image") or None,
        resource=args.resource or endpoint.resource or settings.get("occi", "resource") or None,
    )


def find_keystone(
    args: argparse.Namespace, deadline: Deadline, cache: StateDirectory, service_type: str
) -> CloudEndpoint:
    """The Keystone of an OpenStack cloud that the options mean; what a URL says of images and sizes is kept.

    service_type: as what the host of -H is looked up. Raises: as `find_occi`.
    """

    def registered() -> CloudEndpoint:
        return _find_endpoint(args, deadline, cache, service_type, KEYSTONE_PORT, "/v3")

    if args.url:
        try:
            endpoint = _read_endpoint(args.url)
        except BadData as error:
            raise Misconfigured(f"-u: {error.sentence}") from None
    elif args.cloud:
        endpoint = configured_keystone(args.cloud)
    elif args.hostname:
        endpoint = registered()
    else:
        raise Misconfigured("no endpoint is named", remedy="give -H HOST, -u URL or --cloud NAME")
    if args.port:
        endpoint = endpoint._replace(base=_with_port(endpoint.base, args.port))
    source = "-u" if args.url else f"auth_url of cloud {args.cloud}" if args.cloud else ""
    return endpoint._replace(
        named_by_option=(("image", source), ("resource", source)) if source else (),
        registration=registered if source and args.hostname else None,
        judge_address=(lambda failure, file: unseen_keystone_failure(args, deadline, endpoint.base, failure, file))
        if args.cloud
        else None,
    )


def configured_keystone(name: str) -> CloudEndpoint:
    """The Keystone of a cloud of clouds.yaml. Raises: as `clouds.find_cloud`."""
    from libprobe.targets import clouds

    entry, path = clouds.find_cloud(name)
    try:
        return _read_endpoint(entry.auth["auth_url"])
    except BadData as error:
        raise Misconfigured(f"auth_url: {error.sentence}", place=f"cloud {name} of {path}", link="in") from None


def _read_endpoint(text: str) -> CloudEndpoint:
    """Raises: BadData."""
    url = format_gocdb.read_endpoint_url(text)
    return CloudEndpoint(url.base, url.image, url.resource, url.default_resource)


def _find_endpoint(
    args: argparse.Namespace,
    deadline: Deadline,
    cache: StateDirectory,
    service_type: str = OCCI,
    default_port: int = OCCI_PORT,
    default_path: str = "",
) -> CloudEndpoint:
    chosen, notes = find_registered(args, deadline, cache, service_type)
    if chosen is None:
        known_as = "" if service_type == OCCI else f" as {service_type}"
        notes.append(f"{args.hostname} is not in the GOCDB{known_as}, tried on port {default_port}")
        host = f"[{args.hostname}]" if ":" in args.hostname else args.hostname
        return CloudEndpoint(f"https://{host}:{default_port}{default_path}", None, None, "small", notes=tuple(notes))
    try:
        endpoint = _read_endpoint(chosen.url)
    except BadData as error:
        raise unusable_registration(chosen, error.sentence) from None
    return endpoint._replace(site=chosen.site, notes=tuple(notes))


def unusable_registration(registered: format_gocdb.ServiceEndpoint, why: str) -> BadData:
    """The site's registration is wrong: what to say of it."""
    return BadData(
        f"unusable URL in the GOCDB for {registered.hostname} ({registered.site}): {why}",
        remedy=f"correct it at {registered.portal_url}" if registered.portal_url else "correct it in the GOCDB",
    )


def find_registered(
    args: argparse.Namespace, deadline: Deadline, cache: StateDirectory, service_type: str = ""
) -> tuple[format_gocdb.ServiceEndpoint | None, list[str]]:
    """What the GOCDB has of the host of -H, and notes for the status line; None if it has nothing.

    service_type: exact; empty for any (then all of one host are of one site).
    Raises: HelperFailure when the GOCDB fails and no copy is kept; Misconfigured when several endpoints
            are registered and nothing decides.
    """
    ways, port = deadline.connect_options, getattr(args, "port", None)
    try:
        found = _look_up_in_gocdb(args, deadline, cache, service_type)
    except HelperFailure:
        if ways:  # some do without
            ways.add_endpoint("", args.hostname, port)
        raise
    notes = []
    if found.reason:
        notes.append(f"GOCDB copy of {duration(found.age_s)} ago, as the GOCDB failed: {found.reason}")
    if found.cache_error:
        notes.append(f"the GOCDB's answer could not be kept for later runs: {found.cache_error}")
    if found.unreadable:
        notes.append(f"the GOCDB's {found.unreadable[0].sentence}")
    monitored = [each for each in found.endpoints if each.monitored] or found.endpoints
    if not monitored:
        if ways:
            ways.add_endpoint("", args.hostname, port)
        return None, notes
    chosen = _choose_endpoint(monitored, port) if service_type else monitored[0]
    if ways:
        ways.add_endpoint(chosen.url, args.hostname, port)
    return chosen, notes


def is_site_registered(args: argparse.Namespace, deadline: Deadline, name: str) -> bool:
    """Whether the GOCDB has anything registered of a site. Raises: HelperFailure."""
    allowed = min(LOOK_UP_MAX_S, deadline.remaining() * LOOK_UP_SHARE)
    return _first_registered(args, deadline, allowed, frozenset(), name, lambda each: True)


def _first_registered(
    args: argparse.Namespace,
    deadline: Deadline,
    allowed_s: float,
    service_types: frozenset[str],
    site: str,
    is_meant: Callable[[format_gocdb.ServiceEndpoint], bool],
) -> bool:
    """Whether one of the registered endpoints is meant, by whatever scope and whether monitored or not.

    service_types, site: of which endpoints; empty for all. Raises: HelperFailure.
    """
    from libprobe.clients.gocdb import DEFAULT_URL, EndpointSelection, Gocdb
    from libprobe.targets import access

    http = access.make_http_client(args, deadline.earlier_by(deadline.remaining() - allowed_s))
    url = args.gocdb or args.settings.get("gocdb", "url", DEFAULT_URL)
    try:
        wanted = EndpointSelection(service_types, site, (), monitored_only=False)
        return any(is_meant(each) for each in Gocdb(http, url, None, cache_s=0).topology(wanted))
    except OutOfTime:
        raise HelperFailure("no answer in time", of=_gocdb(url), link="from") from None
    finally:
        http.close()


def unseen_keystone_failure(
    args: argparse.Namespace, deadline: Deadline, base: str, failure: Failure, file: str
) -> Failure:
    """Whose fault it is that no Keystone is seen where a cloud of clouds.yaml has it: the site's if it is registered
    there, else that of who wrote the file.

    failure: what to say if it is the site's. file: `cloud NAME of FILE`.
    """
    from libprobe.formats.cloud_info import normalize_keystone_url

    wanted = normalize_keystone_url(base)
    of_host: list[tuple[bool, str]] = []

    def is_it(each: format_gocdb.ServiceEndpoint) -> bool:
        for url in dict.fromkeys((each.url, each.direct_url, *(url for url, _ in each.endpoints))):
            place = normalize_keystone_url(url)
            if place == wanted:
                return True
            if place.host == wanted.host:
                of_host.append((place.port != wanted.port, without_query(url)))
        return False

    kinds = frozenset({NOVA, SWIFT})
    try:
        if _first_registered(args, deadline, min(LOOK_UP_MAX_S, deadline.remaining()), kinds, "", is_it):
            return failure
        known = f"the GOCDB has {min(of_host)[1]}" if of_host else "not registered in the GOCDB"
    except HelperFailure as helper:
        known = "whether it is registered in the GOCDB is not known"
        failure.more += (f"{helper}", *helper.details)
    corrected = f"correct auth_url in {file}"
    remedy = failure.remedy if corrected in failure.remedy else corrected
    unseen = failure.retold(Misconfigured, remedy=remedy)
    unseen.add(known)
    return unseen


def absent_site_failure(args: argparse.Namespace, deadline: Deadline, failure: Failure) -> Failure:
    """Whose fault it is that a site is nowhere to be found, which --site names: the site's only if there is such a one.

    failure: what to say if it is the site's.
    """
    try:
        if is_site_registered(args, deadline, args.site):
            return failure
    except HelperFailure as helper:
        helper.more += tuple(failure.details)
        told = helper.retold(HelperFailure, remedy="")
        told.sentence = f"{failure.sentence}; whether there is such a site is not known: {helper.sentence}"
        return told
    unknown = failure.retold(Misconfigured, remedy="give --site as the GOCDB spells it")
    unknown.add(f"nor does the GOCDB know a site {args.site}")
    return unknown


def _gocdb(url: str) -> Asked:
    return Asked(f"GOCDB {host_port_of(url)}", f"GET {url}")


def _choose_endpoint(endpoints: list[format_gocdb.ServiceEndpoint], port: int | None) -> format_gocdb.ServiceEndpoint:
    """The one endpoint that is meant. Raises: Misconfigured when several differ and nothing decides."""
    if port:
        endpoints = [each for each in endpoints if _port_of(each.url) == port] or endpoints
    if len({each.url for each in endpoints}) > 1:
        listed = ", ".join(sorted({each.url for each in endpoints})[:3])
        raise Misconfigured(
            f"several endpoints of {endpoints[0].hostname} in the GOCDB",
            remedy="choose one with -p or -u",
            more=[f"the GOCDB has: {listed}"],
        )
    return endpoints[0]


def _look_up_in_gocdb(
    args: argparse.Namespace, deadline: Deadline, cache: StateDirectory, service_type: str
) -> RegisteredEndpoints:
    from libprobe.clients.gocdb import DEFAULT_URL, Gocdb
    from libprobe.targets import access

    settings = args.settings
    allowed = min(LOOK_UP_MAX_S, deadline.seconds * LOOK_UP_SHARE)
    http = access.make_http_client(args, deadline.earlier_by(deadline.seconds - allowed))
    url = args.gocdb or settings.get("gocdb", "url", DEFAULT_URL)
    hours = settings.number("gocdb", "cache_hours", 1.0)
    try:
        return Gocdb(http, url, cache, cache_s=hours * 3600).endpoints_of(args.hostname, service_type)
    except OutOfTime:
        raise HelperFailure("no answer in time", of=_gocdb(url), link="from", remedy="give -u URL") from None
    finally:
        http.close()


def _port_of(url: str) -> int | None:
    try:
        return format_gocdb.read_endpoint_url(url).port_or_default
    except BadData:
        return None


def _with_port(base: str, port: int) -> str:
    parts = urlsplit(base)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path}"
