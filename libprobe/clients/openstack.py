"""An OpenStack cloud: a project's token of its Keystone, and the services that its catalogue names.

    cloud = Cloud(http, "https://keystone.example.org:5000/v3", wish)
    cloud.log_in()
    for region in cloud.regions("compute", "image", chosen=""):
        nova = cloud.service("compute", region)

Nothing is asked with a token of no project: most services answer it, 200, as if all were well. All services are taken
from one region. The token goes to https only, unless the operator allows otherwise, and never where a redirect leads.
Source: Identity API v3; openstack.md sections 2, 3 and 11.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext

from libprobe.clients import credentials
from libprobe.clients.keystone import NEW_KEYSTONE_TOKEN, TOKEN, Keystone, RefusedToken, issuer_problem, request_id
from libprobe.clients.refusals import LoginRefused, Refusal, ServerError
from libprobe.failures import (
    Asked,
    BadData,
    EndpointFailure,
    Failure,
    Misconfigured,
    OwnCredential,
    ProtocolFailure,
    Rejected,
)
from libprobe.formats.access_token import read_claims
from libprobe.formats.address import host_port_of, read_http_url
from libprobe.formats.openstack import read_scope
from libprobe.text import some_to_choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from libprobe.clients.http import HttpClient, Response, ResponseStream
    from libprobe.clients.keystone import LoginRequest, ProjectToken
    from libprobe.formats.openstack import TokenScope

DOUBT_SHARE, DOUBT_MAX_S = 0.1, 20.0
"""Part of the time that a login leaves to find out whose its Keystone's URL is, where that is in doubt, and at most."""

SERVICES = {"compute": "Nova", "image": "Glance", "network": "Neutron", "object-store": "Swift"}


class OpenStackCloud:
    """A cloud by the URL of its Keystone, as the GOCDB has it.

    token: one of this Keystone's, a registered secret, that we have already; empty to log in as the wish says.
    region: that of the file which has the login, taken where no option names one. interface: likewise.
    judge_address: whose fault a failure is where nothing shows that there is a Keystone at the URL, which only that
                   file names; it is given the failure and the file. None to take the URL for the site's.
    is_doubtful: whether a login failed so, and the URL is not known to be a site's.
    login, scope: once `log_in` has been called. login_s: seconds that it took the Keystone.
    """

    login: ProjectToken
    scope: TokenScope
    login_s = 0.0

    def __init__(
        self,
        http: HttpClient,
        url: str,
        login_request: LoginRequest,
        token: str = "",
        *,
        region: str = "",
        interface: str = "public",
        judge_address: Callable[[Failure, str], Failure] | None = None,
    ) -> None:
        self.http = http
        self._judge_address = judge_address
        self.is_doubtful = False
        self._region = region
        self._interface = interface
        self.login_request = login_request
        self.keystone = Keystone(http, url, url, login_request, only="v3")
        self._given_token = token

    @property
    def caveat(self) -> str:
        """That the project is none of the wanted VO, as far as can be seen; empty where it is."""
        return self.login.caveat

    @property
    def is_logged_in(self) -> bool:
        return hasattr(self, "scope")

    @property
    def is_token_ours(self) -> bool:
        """Whether we came with a token of this Keystone: then how long it is good is our matter, and not the site's."""
        login = self.login_request.local_login
        return bool(self._given_token) or (login is not None and login.method == TOKEN)

    def log_in(self) -> None:
        """Get a project's token and its catalogue. Raises: Failure."""
        began, loading_s = time.monotonic(), self.http.loading_s
        try:
            with self._time_for_login():
                self.login = self.keystone.login_with(self._given_token) if self._given_token else self.keystone.login()
        except RefusedToken as failure:
            raise self._blame_token(failure) from None
        except EndpointFailure as failure:
            raise self._blame_address(failure) from None
        self.login_s = time.monotonic() - began - (self.http.loading_s - loading_s)
        answer = self.login.answer
        assert answer is not None, "version 3 gives a token with an answer"
        self.scope = answer.read_json(lambda document: read_scope(document, self._interface))

    def regions(self, *kinds: str, chosen: str, is_each: bool = False) -> list[str]:
        """The regions that have services of all the kinds, or the one that was chosen.

        is_each: whether all are wanted, and the region of the login's file does not count.
        Raises: Misconfigured for a chosen one that is not there; BadData where no region has them all.
        """
        there, keystone = self.scope.regions(*kinds), self.keystone.asked
        needed = f"{self._interface} endpoint of {' and '.join(kinds)}"
        named_by = "--region"
        if not chosen and self._region and not is_each:
            chosen, named_by = self._region, self.login_request.file
        if not chosen and not there:
            reason = f"no region with a {needed}"
            raise BadData(reason, of=keystone, link="in the catalogue of", also=self.scope.describe())
        if chosen and chosen not in there:
            if any(each.region == chosen for each in self.scope.offered):
                reason = f"no {needed} in region {chosen}"
                raise BadData(reason, of=keystone, link="in the catalogue of", also=self.scope.describe())
            names = sorted({each.region for each in self.scope.offered})
            near = some_to_choose(chosen, names) or "none"
            raise Misconfigured(
                f"no region {chosen}, which {named_by} names,",
                of=keystone,
                link="in the catalogue of",
                remedy=f"choose one that it has, with its capitals: {near}",
            )
        return [chosen] if chosen else there

    def service(self, kind: str, region: str) -> ServiceClient:
        """The service of a kind in a region. Raises: BadData; Misconfigured for one that may not get our token."""
        try:
            base = self.scope.url(kind, region)
        except BadData as error:
            raise BadData(error.sentence, of=self.keystone.asked, link="in") from None
        address = read_http_url(base)
        if not address.is_secure and credentials.host_name(address.host) not in self.login_request.plain_hosts:
            raise Misconfigured(
                f"{kind} not asked: the catalogue has it at {base}, where nothing would encrypt our token,",
                of=self.keystone.asked,
                link="says",
                remedy="name the https address there",
                more=["[credentials] plain_token_to in probes.ini sends the token all the same"],
            )
        return ServiceClient(self, kind, region, base)

    def _time_for_login(self) -> AbstractContextManager[None]:
        """Leave some of the time to find out whose the Keystone's URL is, where that may be in doubt."""
        if self._judge_address is None:
            return nullcontext()
        deadline = self.http.current_deadline()
        left_s = min(DOUBT_MAX_S, deadline.remaining() * DOUBT_SHARE)
        return self.http.using_deadline(deadline.earlier_by(left_s))

    def _blame_address(self, failure: EndpointFailure) -> Failure:
        """Return a failure of the login as it is, or as the operator's where the URL may be wrong."""
        if self._judge_address is None or self.keystone.is_surely_one(failure):
            return failure
        judged = self._judge_address(failure, self.login_request.file)
        self.is_doubtful = not isinstance(judged, EndpointFailure)
        return judged

    def _blame_token(self, failure: RefusedToken) -> Failure:
        """Return the refusal of an access token as OwnCredential, or as the site's fault where the token is in order.

        A site that cannot ask the issuer says the same, word for word, as one that got a token which has ended. So what
        the token says of itself decides: the site is at fault where it is of the issuer and good for a while still.
        """
        from datetime import UTC, datetime

        claims = read_claims(self.login_request.token)
        now = datetime.now(UTC)
        is_good = (
            claims is not None
            and claims.expires is not None
            and (claims.expires - now).total_seconds() > credentials.CLOCK_TOLERANCE_S
            and not credentials.token_problem(self.login_request.token, now, tolerance=0.0)
            and not issuer_problem(self.login_request.token, self.login_request.identity_provider)
        )
        if not is_good or self.http.clock_skew_words:
            return failure
        remedy = "see whether the issuer is reached from there and its keys are known"
        refused = failure.retold(Rejected, remedy=remedy)
        refused.add("it is of that issuer and has not ended")
        refused.more += ("mod_auth_openidc's log tells whether the issuer was reached",)
        return refused


class ServiceClient:
    """One service of a project in one region.

    kind: its type in the catalogue. base: its URL there, without the slash at its end.
    """

    def __init__(self, cloud: OpenStackCloud, kind: str, region: str, base: str) -> None:
        self.cloud = cloud
        self.kind = kind
        self.region = region
        self.base = base
        self.name = SERVICES.get(kind, kind)
        self.asked = Asked(host_port_of(base), base)

    def at_root(self, version: str) -> ServiceClient:
        """The service at its root, whether or not the catalogue's URL ends with a version, as `/v2`."""
        return ServiceClient(self.cloud, self.kind, self.region, self.base.removesuffix(version))

    def request(self, method: str, path: str, *, headers: Any = (), body: Any = None, **more: Any) -> Response:
        """Ask and read the whole answer, whatever its status. path: what follows the base. Raises: Failure."""
        return self.cloud.http.request(
            method, self.base + path, headers=self._headers(headers), body=body, follow=None, **more
        )

    def stream(
        self, method: str, path: str, *, headers: Any = (), body: Any = None
    ) -> AbstractContextManager[ResponseStream]:
        """Ask, and give the answer to read piece by piece. Raises: Failure."""
        return self.cloud.http.stream(method, self.base + path, headers=self._headers(headers), body=body, follow=None)

    def refusal_failure(self, answer: Response, doing: str) -> Failure:
        """A refusal in the service's own words, with the name by which its administrators find it in their logs."""
        failure = self._refusal(answer, doing)
        failure.more += request_id(answer)
        return failure

    def _refusal(self, answer: Response, doing: str) -> Failure:
        if answer.status == 401:
            said, more, is_known = self._inspect_token()
            if not is_known and self.cloud.is_token_ours:
                ended = "our Keystone token is unknown by now or has ended"
                return answer.failure(OwnCredential, doing, reason=ended, outcome="401", remedy=NEW_KEYSTONE_TOKEN)
            return answer.failure(LoginRefused, doing, also=said, more=more)
        if answer.status == 403:
            login = self.cloud.scope
            roles = ", ".join(login.roles) or "none"
            return answer.failure(LoginRefused, doing, also=f"our roles in project {login.project}: {roles}")
        if answer.status >= 500:
            return answer.failure(ServerError, doing)
        if 300 <= answer.status < 400:
            return answer.failure(ProtocolFailure, doing, also="our token does not follow")
        return answer.failure(Refusal, doing)

    def _inspect_token(self) -> tuple[str, tuple[str, ...], bool]:
        """Return what Keystone says of a token that a service refuses: for the sentence, and more of it for -v; and
        whether it may still know the token.

        Glance and Swift refuse any where they cannot ask Keystone, which is no fault of the token.
        """
        try:
            answer = self.cloud.keystone.inspect_token(self.cloud.login.token)
            if answer.status == 404:
                self.cloud.keystone.expect_presence()
        except EndpointFailure as failure:
            return f"Keystone is out of order: {failure.sentence}", tuple(failure.details), True
        if answer.is_success:
            return f"Keystone takes this token, so {self.name} cannot ask it, or asks another one", (), True
        if answer.status in (401, 404):
            return f"nor does Keystone take it any more ({answer.status})", (), False
        refusal = answer.failure(EndpointFailure)
        return f"Keystone is out of order: {refusal.sentence}", tuple(refusal.details), True

    def _headers(self, more: Any) -> Iterator[tuple[str, str]]:
        yield "X-Auth-Token", self.cloud.login.token
        yield from more


@contextmanager
def time_limit(service: ServiceClient, seconds: float) -> Iterator[None]:
    """Bound the requests in the block to that time, all together."""
    http = service.cloud.http
    deadline = http.current_deadline()
    with http.using_deadline(deadline.earlier_by(max(0.0, deadline.remaining() - seconds))):
        yield
