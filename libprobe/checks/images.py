"""Whether a project sees the images that its VO's lists publish, in their versions, and no others of these lists.

The lists are a helper's: while they cannot be had, or are not to be trusted, the site is asked all the same, for its
own faults come first. How long an image is out of step is judged, and not that it is: a new version takes its time to
every site. Since when is known by the list, if it tells when it published a version; else since a run of ours first saw
it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from nagiosplugin import Metric

from libprobe.checks import imagelist as lists
from libprobe.checks.base import Check, outcome_metric
from libprobe.checks.imagelist import SignatureRules
from libprobe.clients import documents
from libprobe.clients.appdb import AppDb
from libprobe.clients.credentials import Audience, read_token
from libprobe.clients.images import KIND, GlanceImages
from libprobe.deadline import OutOfTime
from libprobe.failures import WARNING, Asked, BadData, EndpointFailure, Failure, HelperFailure, Misconfigured
from libprobe.formats import imagelist, smime
from libprobe.formats.address import host_port_of, read_http_url, without_query
from libprobe.formats.images import from_image_list
from libprobe.records import Record
from libprobe.text import duration, number_of, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from libprobe.clients.http import HttpClient
    from libprobe.clients.registry import Registry
    from libprobe.deadline import Deadline
    from libprobe.formats.images import CloudImage, PublishedImage
    from libprobe.state.first_seen import FirstSeen
    from libprobe.targets.access import OpenStackAccess
    from libprobe.targets.topology import CloudEndpoint

    class ImageListSource(Protocol):
        """name: its whole address. place: as a sentence names it."""

        name: str
        place: str

        def fetch(self) -> PublishedImages: ...


LISTS_SHARE = 0.4
"""Of the time, what the lists may take; the rest is the site's."""

MAX_NAMED = 3
NAMES_LENGTH, DETAIL_LENGTH = 60, 110
"""Characters of images named in a sentence, and of the reason beside one name; -v shows every image and reason."""

MISSING, OUTDATED, SURPLUS = "missing", "out of date", "no longer in the list"
"""The ways in which an image can be out of step, as they are told."""


def find_sources(args: argparse.Namespace, http: HttpClient) -> list[ImageListSource]:
    """The lists of --list, of the settings, or EGI's own. Raises: Misconfigured; OwnCredential.

    It is not among the targets, because it makes the sources that this check reads and verifies, not addresses only.
    """
    from libprobe.clients import registry
    from libprobe.targets import access

    urls = args.list or args.settings.get("images", "lists").split() or [registry.DEFAULT_URL]
    login, hosts = "", frozenset[str]().union(*map(access.url_hosts, urls))
    if args.list_login_file:
        if len(hosts) > 1 or any(not read_http_url(url).is_secure for url in urls if documents.is_url(url)):
            raise Misconfigured("the login of --list-login-file goes to one host only, over https")
        login = read_token(args.list_login_file, "login of the list")
    rules = lists.make_signature_rules(args)
    audience = Audience(hosts, False, "--list", "--list", "give an https URL")
    found: list[ImageListSource] = []
    for url in urls:
        documents.expect_url(url)
        if registry.is_registry(url):
            found.append(RegistryProject(registry.Registry(http, url, login)))
        else:
            source = AppDb(http, url, login, audience, option="--list-login-file")
            found.append(SignedList(source, rules))
    return found


WHOM = "image list"
"""What a sentence calls a list that cannot be had, before its host."""


class PublishedImages(Record):
    """What a list has. claims: whether a cloud's image is one that came from this list, in whatever version."""

    images: list[PublishedImage]
    claims: Callable[[CloudImage], bool]


class ImageDiscrepancy(Record):
    """One image that is out of step. key: by which it is known from run to run. since: seconds since the epoch."""

    how: str
    name: str
    key: str
    detail: str
    since: float = 0.0


class SignedList:
    """A HEPiX image list, as AppDB publishes it, by the rules for its signature."""

    def __init__(
        self, source: AppDb, rules: SignatureRules, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.name = without_query(source.url)
        self.place = f"{WHOM} {host_port_of(self.name)}"
        self._source = source
        self._rules = rules
        self._now = now

    def fetch(self) -> PublishedImages:
        """Raises: Failure."""
        try:
            fetched = self._source.fetch()
        except BadData as failure:
            raise failure.retold(BadData, remedy="") from None
        now = self._now()
        try:
            envelope = smime.open_envelope(fetched.body, fetched.media_type)
            content, proof = lists.verify_envelope(envelope, self._rules, now)
            del fetched, envelope
            found = imagelist.read_image_list(smime.without_text_header(content))
            del content
            fault = lists.signer_problem(found, proof, self._rules)
            if fault:
                raise BadData(fault, remedy="if that is meant, accept it with --ignore-endorser")
            if now >= found.expires:
                past = duration((now - found.expires).total_seconds())
                raise BadData(f"the list expired {past} ago, so nobody is to keep its images")
        except BadData as error:
            asked = Asked(host_port_of(self.name), f"GET {self.name}")
            error.placed(asked, ", from" if error.link == "on" else error.link)
            raise
        # subscribers take what has expired away
        images = [from_image_list(each) for each in found.images if each.expires is None or each.expires > now]
        names = {name for each in found.images for name in from_image_list(each).names}
        places = {_marketplace_site(name) for name in names if name.startswith("address ")}

        def claims(image: CloudImage) -> bool:
            """What bears the name of one of it; and what its VO has from the same place, which tells VOs by nothing."""
            is_of_vo = bool(found.vo) and image.vo == found.vo
            return bool(image.names & names) or (
                is_of_vo and any(_marketplace_site(name) in places for name in image.names)
            )

        return PublishedImages(images, claims)


class RegistryProject:
    """A project of a registry; all its tags without a dash are to be at the sites."""

    def __init__(self, registry: Registry) -> None:
        self.name = self.place = registry.name
        self._registry = registry

    def fetch(self) -> PublishedImages:
        """Raises: Failure."""
        begin = f"reference {self._registry.project}/"
        return PublishedImages(
            self._registry.images(), lambda image: any(name.startswith(begin) for name in image.names)
        )


class ImagesInStep(Check):
    """Compares the images of each region with those of the lists.

    http: by which the sources are fetched. region: the only one that is looked at; empty for all.
    Yields: time_to_login (s), published, in_step, missing, outdated, surplus, lag (s, of what is longest out of step).
    """

    def __init__(
        self,
        endpoint: CloudEndpoint,
        access: OpenStackAccess,
        http: HttpClient,
        sources: Iterable[ImageListSource],
        since: FirstSeen,
        deadline: Deadline,
        *,
        region: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(deadline)
        self.subject = endpoint.base
        self.caveats = endpoint.notes
        self._notes = list(endpoint.notes)
        self.facts.update(endpoint=self.place, notes="")
        self._endpoint = endpoint
        self._access = access
        self._cloud = access.cloud
        self._sources = list(sources)
        self._http = http
        self._since = since
        self._region = region
        self._now = now

    @property
    def login_place(self) -> str:
        """The Keystone: once that has let us in, the subject is the Glance that is asked."""
        return host_port_of(self._endpoint.base) or self._endpoint.base

    def measure(self) -> Iterator[Metric]:
        published, failure = self._fetch_lists()
        try:
            self._cloud.log_in()
            yield Metric("time_to_login", self._cloud.login_s, "s", min=0)
            yield from self._judge_login()
            clouds = self._cloud_images()
        except EndpointFailure:
            if failure:
                yield self.failed(failure)
            raise
        if failure:
            raise failure
        yield from self._compare(published, clouds)

    # ---- the lists

    def _fetch_lists(self) -> tuple[list[PublishedImages], Failure | None]:
        """What the lists have, or why that cannot be had."""
        until = self.deadline.earlier_by(self.deadline.remaining() * (1 - LISTS_SHARE))
        try:
            with until.enforced(), self._http.using_deadline(until):
                return [source.fetch() for source in self._sources], None
        except OutOfTime:
            names = " and ".join(each.name for each in self._sources)
            asked = Asked(f"{WHOM} {host_port_of(names) or names}", f"GET {names}")
            return [], documents.unread_failure("not read", asked, until)
        except EndpointFailure as failure:
            return [], failure.retold(HelperFailure, whom=WHOM)
        except Failure as failure:
            return [], failure
        finally:
            self._http.close()  # where descriptors are short, the site's connection needs them

    # ---- the site

    def _judge_login(self) -> Iterator[Metric]:
        scope = self._cloud.scope
        self.facts["project"] = scope.project
        yield from self.judge_project(self._cloud.caveat)
        self.detail(1, f"endpoint: {self._endpoint.describe()}")
        self.detail(1, f"catalogue: {scope.describe()}")
        self.detail(2, self._access.describe_actor())

    def _cloud_images(self) -> list[tuple[GlanceImages, list[CloudImage]]]:
        regions = self._cloud.regions(KIND, chosen=self._region)
        self.facts["regions"] = " and ".join(regions)
        clients = [GlanceImages(self._cloud.service(KIND, region)) for region in regions]
        return [(each, self._asking(each).list_all()) for each in clients]

    def _asking(self, glance: GlanceImages) -> GlanceImages:
        """The Glance of a region, which is what is asked from here on, and no longer the Keystone."""
        self.subject = glance.base
        return glance

    def _compare(
        self, published: list[PublishedImages], clouds: list[tuple[GlanceImages, list[CloudImage]]]
    ) -> Iterator[Metric]:
        listed = [image for each in published for image in each.images]
        now = self._now()
        found: list[tuple[GlanceImages, list[ImageDiscrepancy]]] = []
        for client, images in clouds:
            self.detail(
                1, f"images of {client.region}: {number_of(len(images), 'image')} by GET {client.base}/v2/images"
            )
            if client.unreadable:
                self._notes.append(f"{number_of(client.unreadable, 'image')} of {client.region} could not be read")
            out = list(self._find_discrepancies(client, listed, published, images))
            noted = self._since.note(
                f"images at {client.base} of project {self._cloud.scope.project_id}", [each.key for each in out], now
            )
            out = [each._replace(since=min(noted[each.key], each.since or now)) for each in out]
            found.append((client, out))
            for each in out:
                self.detail(1, f"{client.region}: {each.name} {each.how} for {duration(now - each.since)}{each.detail}")
        every = [each for _, out in found for each in out]
        counts = {how: sum(each.how == how for each in every) for how in (MISSING, OUTDATED, SURPLUS)}
        total = len(listed) * len(clouds)
        in_step = total - counts[MISSING] - counts[OUTDATED]
        yield Metric("published", total, min=0)
        yield Metric("in_step", in_step, min=0)
        for label, how in (("missing", MISSING), ("outdated", OUTDATED), ("surplus", SURPLUS)):
            yield Metric(label, counts[how], min=0)
        names = " and ".join(dict.fromkeys(each.place for each in self._sources))
        for source in self._sources:
            self.detail(1, f"list: {source.name}")
        counted = number_of(total, "image")
        self.facts.update(counted=counted if in_step == total else f"{in_step} of {counted}", lists=names)
        said = [
            ((f"{client.region}: " if len(found) > 1 else "") + _describe_discrepancy(out, now), client.base)
            for client, out in found
            if out
        ]
        self.facts["late"] = "; ".join(f"{text}, on {host_port_of(base)}" for text, base in said)
        self._notes += [text for text, _ in said]
        if not listed:
            yield outcome_metric(WARNING, f"nothing to compare with: no image in {names}")
        self.facts["notes"] = "".join(f"; {note}" for note in self._notes)
        yield Metric("lag", max((now - each.since for each in every), default=0.0), "s", min=0)

    def _find_discrepancies(
        self,
        client: GlanceImages,
        listed: list[PublishedImage],
        published: list[PublishedImages],
        images: list[CloudImage],
    ) -> Iterator[ImageDiscrepancy]:
        by_name: dict[str, list[CloudImage]] = {}
        for image in images:
            for name in image.names:
                by_name.setdefault(name, []).append(image)
        kept: set[str] = set()
        missing: list[tuple[PublishedImage, list[CloudImage]]] = []
        for each in listed:
            there = {image.id: image for name in each.names for image in by_name.get(name, ())}.values()
            active = [image for image in there if image.status == "active"]
            same = [image for image in active if image.is_version_of(each)]
            kept.update(image.id for image in same or active)
            if same:
                self.detail(
                    2,
                    f"{client.region}: {each.name} {each.version_description}: image "
                    f"{same[0].id}{_describe_age(same[0])}",
                )
            elif active:
                newest = max(active, key=lambda image: (image.created is not None, image.created, image.id))
                in_list, there_is = newest.differing_versions(each)
                detail = f": the list has {in_list}, image {newest.id} is {there_is}"
                yield ImageDiscrepancy(OUTDATED, each.name, _discrepancy_key(OUTDATED, each), detail, _published(each))
            else:
                missing.append((each, list(there)))
        pending = {name for image in (self._asking(client).list_pending() if missing else ()) for name in image.names}
        for each, inactive in missing:
            why = f": image {inactive[0].id} is there, and {inactive[0].status}" if inactive else ""
            if pending & each.names:
                why = ": it is shared with the project, which has not accepted it"
            yield ImageDiscrepancy(MISSING, each.name, _discrepancy_key(MISSING, each), why, _published(each))
        for image in images:
            if image.status == "active" and image.id not in kept and any(each.claims(image) for each in published):
                yield ImageDiscrepancy(SURPLUS, image.name or image.id, f"{SURPLUS} {image.id}", f": image {image.id}")


def _describe_discrepancy(out: list[ImageDiscrepancy], now: float) -> str:
    """Return one sentence on the discrepancies, the longest lasting first."""
    said = []
    for how in (MISSING, OUTDATED, SURPLUS):
        some = sorted((each for each in out if each.how == how), key=lambda each: (each.since, each.name))
        if not some:
            continue
        lag = now - some[0].since
        said.append(f"{how} {f'for {duration(lag)}' if lag >= 1 else 'as seen now'}: {_name_some(some)}")
    return "; ".join(said)


def _name_some(some: list[ImageDiscrepancy]) -> str:
    """As many by name as there is room for, at least the first; the others are counted."""
    named: list[str] = []
    for each in some[:MAX_NAMED]:
        text = shortened(each.name, NAMES_LENGTH) + shortened(each.detail, DETAIL_LENGTH)
        if named and len(", ".join([*named, text])) > NAMES_LENGTH:
            break
        named.append(text)
    others = len(some) - len(named)
    return ", ".join(named) + (f" and {number_of(others, 'other')}" if others else "")


def _discrepancy_key(how: str, listed: PublishedImage) -> str:
    """Return the key of a discrepancy, with the image's version: the delay counts anew for each version."""
    return " ".join(
        [how, *sorted(listed.names), *(f"{kind}={value}" for kind, value in sorted(listed.version_marks.items()))]
    )


def _published(listed: PublishedImage) -> float:
    return listed.published.timestamp() if listed.published else 0.0


def _describe_age(image: CloudImage) -> str:
    return f" of {image.created:%Y-%m-%d %H:%M} UTC" if image.created else ""


def _marketplace_site(name: str) -> str:
    """Where an address in the marketplace is, without the image's own part."""
    return name.rpartition("/")[0]
