"""Whether the federation's information system knows an OpenStack site as it is: its endpoint, its VOs, their projects.

Users and their tools find a site, and the project to act in, by what is published there. That is compared with the
Keystone that we log in to: of the projects that are not ours it lets nobody know whether they exist.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from nagiosplugin import Metric

from libprobe.checks.base import Check, outcome_metric
from libprobe.failures import CRITICAL, UNKNOWN, WARNING, Failure, HelperFailure
from libprobe.formats.address import host_port_of
from libprobe.formats.cloud_info import normalize_keystone_url
from libprobe.text import duration, number_of, similar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from libprobe.clients.cloud_info import CloudInfo, FederationSites
    from libprobe.deadline import Deadline
    from libprobe.formats.cloud_info import Site
    from libprobe.targets.access import OpenStackAccess
    from libprobe.targets.topology import CloudEndpoint

INFO_SHARE = 0.4
"""Of the time, what the information system may take; the rest is the site's."""

MAX_NAMED = 5


class PublishedSite(Check):
    """Compares what is published of a site with its Keystone.

    access: None where only what is published is to be looked at.
    Yields: projects (published), confirmed (of them, those that Keystone has for us), info_age (s), time_to_login (s),
            and judgements.
    """

    def __init__(
        self, endpoint: CloudEndpoint, info: CloudInfo, access: OpenStackAccess | None, deadline: Deadline
    ) -> None:
        super().__init__(deadline)
        self.subject = endpoint.base
        self.caveats = endpoint.notes
        self._notes = list(endpoint.notes)
        self._endpoint = endpoint
        self._info = info
        self._access = access
        self.facts.update(endpoint=endpoint.base, notes="", confirmed="not looked at in its Keystone")

    def measure(self) -> Iterator[Metric]:
        self.detail(1, f"endpoint: {self._endpoint.describe()}")
        found, lost = self._ask_information_system(fresh=False)
        ours, refused = None, None
        if self._access:
            try:
                ours = yield from self._our_projects(self._access)
            except Failure as failure:
                refused = failure
        if found and not (self._access and self._access.cloud.is_doubtful):  # a URL of no site is published by none
            told = len(self.details)
            said = list(self._judge(found, ours))
            if found.age_s and not found.reason and any(each.context == "outcome" for each in said):
                # a copy is for what is well: it may have been corrected since
                del self.details[told:]
                found, lost = self._ask_information_system(fresh=True)
                said = list(self._judge(found, ours)) if found else []
            yield from said
        if found:
            yield Metric("info_age", found.age_s, "s", min=0)
            self.detail(1, f"information system: {self._info.url}, {number_of(len(found.sites), 'site')}")
            self._note(found)
        if refused and lost:
            yield self.failed(lost)
        if refused or lost:
            raise refused or lost  # type: ignore[misc]
        self.facts["notes"] = "".join(f"; {note}" for note in self._notes)

    # ---- what is published

    def _ask_information_system(self, *, fresh: bool) -> tuple[FederationSites | None, HelperFailure | None]:
        """What the information system has, or why that cannot be had."""
        until = self.deadline.earlier_by(self.deadline.remaining() * (1 - INFO_SHARE))
        try:
            with until.enforced(), self._info.using_deadline(until):
                return self._info.sites(fresh=fresh), None
        except HelperFailure as failure:
            return None, failure

    def _note(self, found: FederationSites) -> None:
        if found.reason:
            self._notes.append(f"by what was published {duration(found.age_s)} ago; now {found.reason}")
        if found.cache_error:
            self._notes.append(f"what is published could not be kept for other checks: {found.cache_error}")

    def _judge(self, found: FederationSites, ours: dict[str, str] | None) -> Iterator[Metric]:
        """ours: id and name of each project that Keystone has for us, None where it was not asked."""
        site = self._find_site(found)
        if site is None:
            yield self._judge_absence(found)
            return
        yield from self._judge_description(site)
        if self._access and ours is not None and site.projects:
            yield from self._compare_projects(self._access, site, ours)

    def _find_site(self, found: FederationSites) -> Site | None:
        """The site of our endpoint; where several name it, what all of them have."""
        at = [site for site in found.sites if site.is_same_as(self.subject)]
        if len(at) < 2:
            return at[0] if at else None
        projects = dict.fromkeys(project for site in at for project in site.projects)
        return at[0]._replace(name=" and ".join(dict.fromkeys(site.name for site in at)), projects=tuple(projects))

    def _judge_absence(self, found: FederationSites) -> Metric:
        where = f"information system {host_port_of(self._info.url)}"
        if not found.sites:
            return outcome_metric(UNKNOWN, f"no site at all in {where}")
        if found.reason:
            said = f"{self.place} not in {where} {duration(found.age_s)} ago"
            return outcome_metric(UNKNOWN, f"{said}; now {found.reason}")
        named = [site for site in found.sites if self._endpoint.site and site.name == self._endpoint.site]
        if named:
            return outcome_metric(
                CRITICAL,
                f"another endpoint of {named[0].name} than {self.place} in {where}: {_safe_url(named[0].url)} (correct "
                "the one that is wrong)",
            )
        host = urlsplit(self.subject).hostname or ""
        hosts = {read.host: site.url for site in found.sites if (read := normalize_keystone_url(site.url)).scheme}
        near = similar(host, hosts)
        nearest = f", the nearest is {_safe_url(hosts[near[0]])}" if near else ""
        absent = f"{self.place} not among the {number_of(len(found.sites), 'site')} in {where}{nearest}"
        if len(found.sites) == 1:
            absent = f"{self.place} not in {where}, whose only site is {_safe_url(found.sites[0].url)}"
        return outcome_metric(CRITICAL, f"{absent} (see whether its information provider runs)")

    def _judge_description(self, site: Site) -> Iterator[Metric]:
        self.facts.update(site=site.name or "a site", projects=number_of(len(site.projects), "project"))
        yield Metric("projects", len(site.projects), min=0)
        if site.url.rstrip("/") != self.subject:
            self.detail(1, f"published as {site.url}")
        for project in site.projects:
            self.detail(2, f"published: project {project.id} of VO {project.vo}")
        if not site.projects:
            yield outcome_metric(
                WARNING,
                f"published as {site.name} without any project, so no VO finds it: {self.place}",
            )

    # ---- the Keystone

    def _our_projects(self, access: OpenStackAccess) -> Generator[Metric, None, dict[str, str]]:
        """Id and name of each project that Keystone has for us. Raises: Failure."""
        cloud = access.cloud
        cloud.log_in()
        yield Metric("time_to_login", cloud.login_s, "s", min=0)
        scope = cloud.scope
        self.detail(2, access.describe_actor())
        ours = {each["id"]: each["name"] for each in cloud.keystone.projects(cloud.login.token)}
        return {scope.project_id: scope.project, **ours}

    def _compare_projects(self, access: OpenStackAccess, site: Site, ours: dict[str, str]) -> Iterator[Metric]:
        confirmed = [project for project in site.projects if project.id in ours]
        yield Metric("confirmed", len(confirmed), min=0)
        vos = ", ".join(dict.fromkeys(project.vo for project in confirmed[:MAX_NAMED]))
        self.facts["confirmed"] = f"{len(confirmed)} of them ours and in its Keystone ({vos or 'none'})"
        published = {project.id for project in site.projects}
        for identifier, name in ours.items():
            if identifier not in published:
                self.detail(1, f"not published: project {identifier}, {name}, which Keystone offers us")
        yield from self._judge_vo_project(access, site, ours)

    def _judge_vo_project(self, access: OpenStackAccess, site: Site, ours: dict[str, str]) -> Iterator[Metric]:
        """Whether the project that is published for our VO is the one that Keystone has for it."""
        cloud = access.cloud
        vo, scope = cloud.login_request.vo, cloud.scope
        of_vo = [project for project in site.projects if project.vo == vo]
        has = f"Keystone lets us into {scope.project}"
        self.detail(1, f"the project that Keystone offers us: {scope.project_id}, {scope.project}")
        if not of_vo:
            near = ", ".join(dict.fromkeys(project.vo for project in site.projects[:MAX_NAMED]))
            yield outcome_metric(
                WARNING, f"no project of VO {vo} published for {self.place} ({site.name}), only of {near}; {has}"
            )
        elif not any(project.id in ours for project in of_vo):
            if cloud.caveat or cloud.login_request.project:
                said = f"whether project {of_vo[0].id}, published for VO {vo}, exists on {self.place} is not seen"
                yield outcome_metric(UNKNOWN, f"{said}; {has}, which may not be one of that VO")
                return
            yield outcome_metric(
                CRITICAL,
                f"project {of_vo[0].id}, published for VO {vo}, is none of ours on {self.place}; {has} (correct its id "
                "at the information provider)",
            )


def _safe_url(url: str) -> str:
    return url.partition("?")[0].rpartition("@")[2][:200]
