"""Switches faults of a running federation over plain HTTP on loopback, for demonstrations by hand.

    GET    /                                     services, faults that are on, VMs
    GET    /sites/<name>/vms                     the VMs of a site
    PUT    /sites/<name>/faults/<fault>?p=value  switch a fault on
    DELETE /sites/<name>/faults[/<fault>]        switch one off, or all
    PUT    /sites/<name>/certificate/<variant>   serve another host certificate

<name> is a site or any other HTTP service, such as gocdb or ooi-keystone. Answers are plain text.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime

from .federation import Federation, HttpService
from .occi import OcciServer
from .web import Request, Response, WebServer


class Control:
    """The control server; a service of the federation like the others."""

    def __init__(self, federation: Federation, *, port: int = 0) -> None:
        self.name = "control"
        self.federation = federation
        self.web = WebServer(self.name, self.app, port=port)

    @property
    def url(self) -> str:
        return self.web.url

    def start(self) -> None:
        self.web.start()

    def stop(self) -> None:
        self.web.stop()

    def describe(self) -> str:
        return f"{self.name:20} {self.url:26} this control server"

    def app(self, request: Request) -> Response:
        if request.headers.get("Origin") is not None or not _is_local(request.headers.get("Host")):
            # No page in a browser has any business here.
            return _text(403, "not for browsers")
        parts = [urllib.parse.unquote(part) for part in request.path.split("/") if part]
        parameters = {name: values[-1] for name, values in request.query.items()}
        try:
            return _text(200, self._answer(request.method, parts, parameters))
        except KeyError as error:
            return _text(404, str(error.args[0]))
        except (ValueError, TypeError) as error:
            return _text(400, str(error))

    def _answer(self, method: str, parts: list[str], parameters: dict[str, str]) -> str:
        federation = self.federation
        match method, parts:
            case "GET", []:
                return "\n".join(self._overview())
            case "GET", ["sites", name, "vms"]:
                return "\n".join(_vms(federation.site(name).occi)) or "no VMs"
            case "GET", ["sites", name, "faults"]:
                return "\n".join(_active(self._http(name))) or "no faults"
            case "PUT", ["sites", name, "faults", fault]:
                federation.switch(name, fault).on(fault, **parameters)
                return f"{name}: {fault} is on"
            case "DELETE", ["sites", name, "faults", fault]:
                federation.switch(name, fault).off(fault)
                return f"{name}: {fault} is off"
            case "DELETE", ["sites", name, "faults"]:
                self._http(name).faults.clear()
                site = federation.sites.get(name)
                if site is not None and site.keystone is not None:
                    site.keystone.faults.clear()
                return f"{name}: no faults"
            case "PUT", ["sites", name, "certificate", variant]:
                federation.site(name).certificate(variant)
                return f"{name}: certificate is {variant}"
        raise KeyError(f"no such request: {method} /{'/'.join(parts)}\n\n{__doc__}")

    def _http(self, name: str) -> HttpService:
        service = self.federation.service(name)
        if not isinstance(service, HttpService):
            raise ValueError(f"{name} has no faults")
        return service

    def _overview(self) -> Iterator[str]:
        for service in self.federation.services:
            yield service.describe()
            if isinstance(service, HttpService):
                yield from (f"    fault {line}" for line in _active(service))
            site = self.federation.sites.get(service.name)
            if site is not None:
                yield from (f"    VM    {line}" for line in _vms(site.occi))


def _active(service: HttpService) -> Iterator[str]:
    for name, parameters in service.faults.active().items():
        yield " ".join((name, *(f"{key}={value}" for key, value in parameters.items())))


def _vms(occi: OcciServer) -> Iterator[str]:
    for vm in occi.vms():
        created = datetime.fromtimestamp(vm.created_at, UTC).strftime("%H:%M:%SZ")
        yield f"{vm.id} {vm.state} {vm.title!r} project={vm.project} created={created}"


def _text(status: int, text: str) -> Response:
    return Response(status, [("Content-Type", "text/plain; charset=utf-8")], f"{text}\n".encode())


def _is_local(host: str | None) -> bool:
    return (host or "").rpartition(":")[0] in ("localhost", "127.0.0.1")
