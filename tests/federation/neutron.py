"""Neutron, OpenStack's networks, as release 21 behind Apache answers.

    https://localhost:19696/v2.0/networks

Source: recordings of Neutron (release Zed). Its networks are those that the recorded one shows to project ops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .openstack import Api, short_id
from .web import Request, Response

KIND = "network"


@dataclass
class Network:
    """project: that owns it, by name. number: tells those apart that have one owner and one name."""

    name: str
    project: str = "ops"
    subnets: int = 1
    up: bool = True
    shared: bool = False
    external: bool = False
    number: int = 0

    @property
    def id(self) -> str:
        which = f"/{self.number}" if self.number else ""
        return short_id(f"network/{self.project}/{self.name}{which}")


def recorded() -> list[Network]:
    return [
        Network("no-subnet", subnets=0),
        Network("ops-net"),
        Network("down-net", subnets=0, up=False),
        Network("public", "admin", external=True),
        Network("vo-net", "fedcloud.egi.eu"),
    ]


class Neutron(Api):
    """The networks of one region."""

    networks: list[Network]

    def __init__(self, keystone: Any) -> None:
        super().__init__(keystone)
        self.reset()

    def reset(self) -> None:
        self.networks = recorded()

    def seen(self, project: str | None) -> list[Network]:
        """Own, shared, and external networks of others."""
        return [each for each in self.networks if each.project == project or each.shared or each.external]

    def answer(self, request: Request) -> Response:
        if request.path in ("/", ""):
            return self.json(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": []}]})
        token = self.token(request)
        if request.path == "/v2.0/networks" and request.method == "GET":
            return self.json(200, {"networks": [self._shown(each) for each in self.seen(token.project)]})
        return self.not_found()

    def _shown(self, network: Network) -> dict[str, Any]:
        owner = self.keystone.project_id(network.project)
        return {
            "id": network.id,
            "name": network.name,
            "tenant_id": owner,
            "admin_state_up": network.up,
            "mtu": 1500,
            "status": "ACTIVE",  # whatever its administrative state
            "subnets": [short_id(f"subnet/{network.id}/{each}") for each in range(network.subnets)],
            "shared": network.shared,
            "router:external": network.external,
            "port_security_enabled": True,
            "tags": [],
            "project_id": owner,
        }
