"""Downtimes in a running Icinga 2, through the interface of its master, which tells its satellites.

Source: Icinga 2 documentation, REST API: object queries and actions; 2.13.6 as it answers.
"""

from __future__ import annotations

import base64
import json

from libprobe import redact
from libprobe.clients.credentials import read_private
from libprobe.clients.http import HttpClient
from libprobe.failures import BadData, CertificateWanted, HelperFailure, OwnCredential
from libprobe.formats.error_text import in_short
from libprobe.programs.ncg.scheduled import AUTHOR, HostAndService, MonitorState, ScheduledDowntime, number_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

    from libprobe.deadline import Deadline

MAX_ANSWER = 256 << 20

DOING = {
    "objects/services": "list its services",
    "objects/downtimes": "list its downtimes",
    "actions/schedule-downtime": "schedule downtimes",
    "actions/remove-downtime": "end downtimes",
}
"""By the path of a request what it is to do."""


class Icinga:
    """The interface of an Icinga. Raises: Failure, from every method.

    url:   as https://mon.example.org:5665/, with the name that is in its certificate
    login: file with `user:password`, closed to others
    ca:    file or directory of the authority
    """

    name = "Icinga"

    def __init__(self, url: str, login: str, ca: str, deadline: Deadline) -> None:
        words = read_private(login, "Icinga login").decode("utf-8", "replace").strip()
        user, colon, password = words.partition(":")
        if not (user and colon and password) or "\n" in words:
            raise OwnCredential(f"{login} does not hold one line user:password")
        redact.register(password)
        code = redact.register(base64.b64encode(words.encode()).decode())
        self._headers = [("Accept", "application/json"), ("Authorization", f"Basic {code}")]
        self._url = url.rstrip("/")
        self._http = HttpClient(deadline, trust=ca)

    def known(self, services: Collection[HostAndService]) -> MonitorState:
        found = set()
        if services:
            names = sorted(f"{host}!{service}" for host, service in services)
            request = {
                "filter": "service.__name in names",
                "filter_vars": {"names": names},
                "attrs": ["host_name", "name"],
            }
            found = {(each["host_name"], each["name"]) for each in self._objects("services", request)}
        request = {"filter": "downtime.author == author", "filter_vars": {"author": AUTHOR}}
        ours = [
            ScheduledDowntime(
                each["host_name"],
                each["service_name"],
                number_in(each["comment"]),
                int(each["start_time"]),
                int(each["end_time"]),
                each["comment"],
                each["__name"],
            )
            for each in self._objects("downtimes", request)
            if each["service_name"]
        ]
        return MonitorState(frozenset(found), ours)

    def schedule(self, downtimes: Iterable[ScheduledDowntime]) -> None:
        """One request for all services of a downtime."""
        alike: dict[tuple[int, int, str], list[str]] = {}
        for each in downtimes:
            alike.setdefault((each.start, each.end, each.comment), []).append(f"{each.host}!{each.service}")
        for (start, end, comment), names in alike.items():
            request = {
                "type": "Service",
                "filter": "service.__name in names",
                "filter_vars": {"names": names},
                "start_time": start,
                "end_time": end,
                "fixed": True,
                "author": AUTHOR,
                "comment": comment,
            }
            self._ask("actions/schedule-downtime", request)

    def end(self, downtimes: Iterable[ScheduledDowntime]) -> None:
        names = [each.handle for each in downtimes]
        if names:
            request = {"type": "Downtime", "filter": "downtime.__name in names", "filter_vars": {"names": names}}
            self._ask("actions/remove-downtime", request)

    def _objects(self, kind: str, request: Mapping[str, object]) -> list[dict[str, Any]]:
        return [each["attrs"] for each in self._ask(f"objects/{kind}", request, is_query=True)]

    def _ask(self, path: str, request: Mapping[str, object], *, is_query: bool = False) -> list[dict[str, Any]]:
        headers = [*self._headers, ("Content-Type", "application/json")]
        if is_query:
            headers.append(("X-HTTP-Method-Override", "GET"))  # a GET with a body, which filters need
        url = f"{self._url}/v1/{path}"
        body = json.dumps(request).encode()
        try:
            answer = self._http.request("POST", url, headers=headers, body=body, max_bytes=MAX_ANSWER)
        except CertificateWanted as failure:
            raise OwnCredential(failure.sentence, remedy="let its ApiUser in by a password alone") from None
        answer.doing = DOING[path]
        answer.place = f"{self.name} {answer.place}"
        if answer.status in (401, 403):
            raise answer.failure(OwnCredential, remedy="look at the ApiUser, its password and permissions")
        if answer.status == 404 and is_query:
            return []  # so it says that nothing passes the filter
        try:
            document = answer.json()
        except BadData:
            if answer.status == 200:
                raise
            document = None  # a page of whatever stands before Icinga: its status counts
        if answer.status == 500 and not is_query and document == {"results": []}:
            return []  # so an action says that nothing passes its filter: what was to be ended is over, say
        if answer.status != 200:
            said = document.get("status") if isinstance(document, dict) else ""
            outcome = f'{answer.status} "{in_short(said)}"' if isinstance(said, str) and said else ""
            raise answer.failure(HelperFailure, outcome=outcome, more=[f"Icinga says: {said}"] if outcome else [])
        try:
            results = document["results"]
            if failed := [each for each in results if int(each.get("code", 200)) >= 300]:
                said = str(failed[0].get("status"))
                raise answer.failure(HelperFailure, outcome=f'"{in_short(said)}"', more=[f"Icinga says: {said}"])
            return list(results)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise answer.bad_answer("answer that is not a list of results") from None
