"""Swift, OpenStack's object store: containers and objects of one project in one region.

    PUT <account>/<container>            201, or 202 where it is there
    PUT <account>/<container>/<object>   201 with the MD5 of what was stored as its ETag
    DELETE of either                     204, 404 where it is not there, 409 for a container that is not empty

A 404 is not to be trusted: while its disks fail, and a minute after, Swift says so of what is there.
Source: openstack.md section 9.
"""

from __future__ import annotations

import re
from contextlib import contextmanager

from libprobe.failures import EndpointFailure
from libprobe.records import Record
from libprobe.text import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from libprobe.clients.http import ResponseHead
    from libprobe.clients.openstack import ServiceClient
    from libprobe.clients.transport import ChunkedBody
    from libprobe.deadline import Deadline
    from libprobe.failures import HasAsked

KIND = "object-store"
MAX_LISTED = 100


class ContainerNotEmpty(EndpointFailure):
    """The container has objects (409)."""


class ListedObject(Record):
    """An object as its container lists it; a hash that is not told is empty."""

    name: str
    bytes: int | None
    hash: str


class Swift:
    """The containers of a project in a region. Names are such as need no quoting in a URL."""

    def __init__(self, service: ServiceClient) -> None:
        self._service = service
        self.base = service.base
        self.region = service.region

    def using_deadline(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Let another deadline hold for what is asked in the block."""
        return self._service.cloud.http.using_deadline(deadline)

    def create_container(self, container: str) -> None:
        """Make a container. Raises: Failure."""
        answer = self._service.request("PUT", f"/{container}", body=b"")
        if answer.status not in (201, 202):
            raise self._service.refusal_failure(answer, "make a container")

    def put_object(self, container: str, name: str, content: ChunkedBody) -> str:
        """Store an object; returns its ETag, empty where it is not told. Raises: Failure."""
        kind = [("Content-Type", "application/octet-stream")]
        answer = self._service.request("PUT", f"/{container}/{name}", headers=kind, body=content)
        if answer.status != 201:
            raise self._service.refusal_failure(answer, f"store an object of {size(len(content))}")
        return _etag(answer)

    def list_objects(self, container: str) -> list[ListedObject]:
        """The first objects of a container. Raises: Failure."""
        answer = self._service.request("GET", f"/{container}?format=json&limit={MAX_LISTED}")
        if answer.status == 204:
            return []
        if answer.status != 200:
            raise self._service.refusal_failure(answer, "list a container")
        listed = answer.json()
        if not isinstance(listed, list):
            raise answer.bad_answer("answer that is no list of objects")
        return [
            ListedObject(each["name"], _number(each.get("bytes")), _text(each.get("hash")))
            for each in listed[:MAX_LISTED]
            if isinstance(each, dict) and isinstance(each.get("name"), str)
        ]

    @contextmanager
    def read_object(self, container: str, name: str, most: int) -> Iterator[ObjectDownload]:
        """Read an object of at most this size, piece by piece. Raises: Failure, for any answer but a good one."""
        with self._service.stream("GET", f"/{container}/{name}") as answer:
            if answer.status != 200:
                raise self._service.refusal_failure(answer.as_refusal(), "give the object back")
            yield ObjectDownload(answer, _etag(answer), answer.chunks(most))

    def has_container(self, container: str) -> bool:
        """Whether there is a container. Raises: Failure."""
        answer = self._service.request("GET", f"/{container}?format=json&limit=1")
        if answer.status == 404:
            return False
        if not answer.is_success or answer.page_description:
            raise self._service.refusal_failure(answer, "list a container")
        return True

    def delete(self, container: str, name: str = "") -> bool:
        """Delete an object, or a container; False where there is none. Raises: ContainerNotEmpty; Failure."""
        answer = self._service.request("DELETE", f"/{container}/{name}" if name else f"/{container}")
        if answer.status == 404:
            return False
        if not answer.is_success or answer.page_description:
            failure = self._service.refusal_failure(answer, "delete an object" if name else "delete a container")
            raise failure.retold(ContainerNotEmpty) if answer.status == 409 and not name else failure
        return True


class ObjectDownload(Record):
    """An object that is being read. asked: who gives it, for the words of a failure."""

    asked: HasAsked
    etag: str
    chunks: Iterator[bytes]


def _etag(answer: ResponseHead) -> str:
    """The MD5 of an object in hexadecimal; empty where another thing, or nothing, is told."""
    told = (answer.header("Etag") or "").strip().strip('"').lower()
    return told if re.fullmatch("[0-9a-f]{32}", told) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
