"""What the cloud holds before it is used: databases, projects, who is mapped to them, an image, sizes, networks."""

from __future__ import annotations

from .api import IMAGE, Api
from .lab import ENTITLEMENT, ETC, INSIDE, KEYSTONE, SERVICES, Lab, main_of

PROJECTS = {"ops": "ops", "quota.egi.eu": "quota.egi.eu", "without.egi.eu": None}
"""The VOs that are mapped to a group, and the project that has a role there."""

SIZES = {"tiny": 512, "no-host": 20_000}
"""Flavours, and their MiB. No host has room for the last: its VMs go into ERROR."""

CATALOGUE = {
    "compute": (8774, "/v2.1"),
    "image": (9292, ""),
    "network": (9696, ""),
    "placement": (8778, ""),
    "object-store": (8080, "/v1/AUTH_$(project_id)s"),
}


def fill(lab: Lab) -> None:
    """Once, in a root as Debian's packages leave it."""
    _prepare_swift(lab)
    lab.start("mariadb", "rabbitmq")
    _prepare_databases(lab)
    lab.start("keystone")
    _prepare_identity(lab.admin())
    for name in ("mariadb", "rabbitmq", "keystone"):
        lab.stop(name)
    lab.up()
    lab.command(*main_of("nova.cmd.manage", "nova"), "cell_v2", "discover_hosts")
    _prepare_offer(lab.admin())


def _prepare_swift(lab: Lab) -> None:
    (lab.root / "etc/swift/swift.conf").write_text((lab.home / "inside/swift.conf").read_text())
    storage = (lab.home / "inside/swift-storage.conf").read_text()
    for kind in ("account", "container", "object"):
        port = str(SERVICES[f"swift-{kind}"].port)
        (lab.root / f"etc/swift/{kind}-server.conf").write_text(storage.replace("KIND", kind).replace("PORT", port))
        builder = f"/etc/swift/{kind}.builder"
        lab.command("swift-ring-builder", builder, "create", "4", "1", "0")
        lab.command("swift-ring-builder", builder, "add", f"r1z1-{INSIDE}:{port}/disk", "1")
        lab.command("swift-ring-builder", builder, "rebalance")
    (lab.home / "swift/disk").mkdir(parents=True)


def _prepare_databases(lab: Lab) -> None:
    keystone = ["keystone-manage", "--config-file", f"{ETC}/keystone.conf"]
    nova = main_of("nova.cmd.manage", "nova")
    lab.command(*keystone, "db_sync")
    for kind in ("fernet_setup", "credential_setup"):
        lab.command(*keystone, kind, "--keystone-user", "root", "--keystone-group", "root")
    url = f"http://{INSIDE}:5000/v3"
    words = {"password": "of-the-admin", "region-id": "RegionOne", "public-url": KEYSTONE, "internal-url": url}
    words["admin-url"] = url
    lab.command(*keystone, "bootstrap", *(word for name in words for word in (f"--bootstrap-{name}", words[name])))
    lab.command(*main_of("placement.cmd.manage", "placement"), "db", "sync")
    lab.command(*main_of("glance.cmd.manage", "glance"), "db_sync")
    lab.command(*nova, "api_db", "sync")
    lab.command(*nova, "cell_v2", "map_cell0")
    lab.command(*nova, "cell_v2", "create_cell", "--name", "cell1")
    lab.command(*nova, "db", "sync")
    lab.command(*main_of("neutron.db.migration.cli", "neutron"), "upgrade", "heads")


def _prepare_identity(admin: Api) -> None:
    roles = {each["name"]: each["id"] for each in admin.get("identity", "/roles")["roles"]}
    me = admin.named("identity", "/users", "admin")["id"]

    def project(name: str) -> str:
        made = admin.post("identity", "/projects", {"project": {"name": name, "domain_id": "default"}})["project"]["id"]
        admin.put("identity", f"/projects/{made}/users/{me}/roles/{roles['admin']}")
        return str(made)

    service = project("service")
    user = {"name": "service", "password": "of-the-service", "domain_id": "default"}
    made = admin.post("identity", "/users", {"user": user})["user"]["id"]
    admin.put("identity", f"/projects/{service}/users/{made}/roles/{roles['admin']}")
    for kind, (port, path) in CATALOGUE.items():
        listed = admin.post("identity", "/services", {"service": {"type": kind, "name": kind}})["service"]["id"]
        for interface, base in (("public", "https://localhost"), ("internal", f"http://{INSIDE}")):
            endpoint = {"service_id": listed, "interface": interface, "region_id": "RegionOne"}
            admin.post("identity", "/endpoints", {"endpoint": {**endpoint, "url": f"{base}:{port}{path}"}})

    rules = []
    for vo, name in PROJECTS.items():
        group = admin.post("identity", "/groups", {"group": {"name": vo, "domain_id": "default"}})["group"]["id"]
        if name:
            admin.put("identity", f"/projects/{project(name)}/groups/{group}/roles/{roles['member']}")
        entitled = {"type": "HTTP_OIDC_EDUPERSON_ENTITLEMENT", "any_one_of": [ENTITLEMENT.format(vo)]}
        local = [{"user": {"name": "{0}"}}, {"group": {"id": group}}]
        rules.append({"local": local, "remote": [{"type": "HTTP_OIDC_SUB"}, entitled]})
    provider = "/OS-FEDERATION/identity_providers/egi.eu"
    issuer = {"enabled": True, "remote_ids": ["https://aai.example.org/"]}
    admin.put("identity", provider, {"identity_provider": issuer})
    admin.put("identity", "/OS-FEDERATION/mappings/egi", {"mapping": {"rules": rules}})
    admin.put("identity", f"{provider}/protocols/openid", {"protocol": {"mapping_id": "egi"}})


def _prepare_offer(admin: Api) -> None:
    for name, memory in SIZES.items():
        size = {"id": name, "name": name, "ram": memory, "disk": 1, "vcpus": 1}
        admin.post("compute", "/flavors", {"flavor": size})
    image = {"id": IMAGE, "name": "cirros", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    admin.post("image", "/images", image)
    admin.put("image", f"/images/{IMAGE}/file", b"\0" * 65536, "application/octet-stream")
    for number, name in enumerate(filter(None, PROJECTS.values()), 1):
        project = admin.named("identity", "/projects", name)["id"]
        network = {"name": name, "project_id": project}
        made = admin.post("network", "/v2.0/networks", {"network": network})["network"]["id"]
        subnet = {"network_id": made, "project_id": project, "cidr": f"192.168.{number}.0/24", "ip_version": 4}
        admin.post("network", "/v2.0/subnets", {"subnet": subnet})
    quota = admin.named("identity", "/projects", "quota.egi.eu")["id"]
    admin.put("compute", f"/os-quota-sets/{quota}", {"quota_set": {"instances": 1}})
