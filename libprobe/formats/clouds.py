"""One cloud of a clouds.yaml: where its Keystone is, and how to log in, merged as openstacksdk does it.

    clouds:
      NAME:
        profile: of clouds-public.yaml     what follows stands over it
        auth_type: v3applicationcredential
        auth: {auth_url, application_credential_id, application_credential_secret}
        region_name, interface, cacert, cert, key

secure.yaml has the same form, and is laid over clouds.yaml value by value. What openstacksdk would read in another way
than people do, or in a way that has no place in a probe, is refused: nothing is ever taken for another value.
Seen with openstacksdk 4.2.0: what stands beside `auth` belongs into it; of a project and its domains the outer one
wins, of anything else the inner; a dash in a key is an underscore; a number is its text; an empty value is none.
Source: openstack.config.loader of openstacksdk; the options of the plugins of keystoneauth1.
"""

from __future__ import annotations

from libprobe.failures import BadData
from libprobe.formats.plain_yaml import Doubtful
from libprobe.records import Record
from libprobe.text import some_to_choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

PASSWORD, APPLICATION_CREDENTIAL = "password", "application credential"
KEYSTONE_TOKEN, ACCESS_TOKEN = "Keystone token", "access token"
KINDS = {
    "password": PASSWORD,
    "v3password": PASSWORD,
    "v3applicationcredential": APPLICATION_CREDENTIAL,
    "token": KEYSTONE_TOKEN,
    "v3token": KEYSTONE_TOKEN,
    "v3oidcaccesstoken": ACCESS_TOKEN,
}
"""`auth_type`: what the login is by."""

SECRETS = {
    PASSWORD: "password",
    APPLICATION_CREDENTIAL: "application_credential_secret",
    KEYSTONE_TOKEN: "token",
    ACCESS_TOKEN: "access_token",
}
INTERFACES = ("public", "internal", "admin")

PROJECT_KEYS = {
    "project_id": ("tenant_id", "project_id"),
    "project_name": ("tenant_name", "project_name"),
    "project_domain_id": ("project_domain_id",),
    "project_domain_name": ("project_domain_name",),
    "user_domain_id": ("user_domain_id",),
    "user_domain_name": ("user_domain_name",),
    "domain_id": ("domain_id",),
    "domain_name": ("domain_name",),
    "token": ("token",),
}
"""Of these the outer value wins over that in `auth`, and the last name over the others."""

AUTH_KEYS = (
    "auth_url",
    "username",
    "user_id",
    "password",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "access_token",
    "identity_provider",
    "protocol",
    "default_domain_id",
    "default_domain_name",
    "system_scope",
    "trust_id",
)
"""Of these the value in `auth` wins over the outer one."""

REPLACED = ("auth_url", "region_name", "regions", "interface", "cacert", "cert", "key", "auth_type")
"""Values in which openstacksdk replaces names in braces."""

OLD_NAMES = {
    "user_name": "username",
    "tenant": "project_name",
    "endpoint_type": "interface",
    "auth_plugin": "auth_type",
    "auth_token": "token",
}
"""Names that are refused with the one of today: openstacksdk takes some of them, and overlooks others."""

QUOTE = "put it in quotes"


class CloudEntry(Record):
    """How to log in to one cloud.

    kind:   PASSWORD, APPLICATION_CREDENTIAL, KEYSTONE_TOKEN or ACCESS_TOKEN.
    auth:   what `auth` has of it, by the names of AUTH_KEYS and PROJECT_KEYS, without what is empty; with its secret.
    region, interface, cacert, cert, key: empty where the file says nothing.
    """

    name: str
    kind: str
    auth: dict[str, str]
    region: str = ""
    interface: str = "public"
    cacert: str = ""
    cert: str = ""
    key: str = ""

    @property
    def secret(self) -> str:
        return self.auth[SECRETS[self.kind]]

    @property
    def description(self) -> str:
        """The login as printed: without the secret."""
        auth = self.auth
        user = auth.get("username") or auth.get("user_id", "")
        if self.kind == PASSWORD:
            return f"user {user}"
        if self.kind == APPLICATION_CREDENTIAL:
            named = auth.get("application_credential_id") or f"{auth.get('application_credential_name')} of {user}"
            return f"application credential {named}"
        return self.kind


def merged(clouds: Any, secure: Any) -> Any:
    """clouds.yaml with secure.yaml laid over it. Raises: BadData where one has a mapping and the other none."""
    if not isinstance(secure, dict) or not isinstance(clouds, dict):
        return clouds if secure is None else secure
    found = dict(clouds)
    for key, value in secure.items():
        if isinstance(value, dict) and key in found:
            if not isinstance(found[key], dict):
                raise BadData("a mapping where clouds.yaml has a plain value")
            value = merged(found[key], value)
        found[key] = value
    return found


def read_cloud(document: Any, name: str, profiles: Any = None) -> CloudEntry:
    """One cloud of what `merged` gives. profiles: what clouds-public.yaml has, None where there is none.

    Raises: BadData, whose place is `cloud NAME` where there is one; it quotes no value of the file.
    """
    clouds = document.get("clouds") if isinstance(document, dict) else None
    if not isinstance(clouds, dict):
        raise BadData("no mapping `clouds`")
    if name not in clouds:
        names = [each for each in clouds if isinstance(each, str)]
        near = some_to_choose(name, names)
        raise BadData(f"no cloud {name}", remedy=f"choose one that it has: {near}" if near else "")
    return _Reading(name, clouds[name], profiles).entry()


class _Reading:
    def __init__(self, name: str, own: Any, profiles: Any) -> None:
        self._name = name
        entry = self._normal(own)
        profile = entry.pop("profile", None) or entry.pop("cloud", None)
        if profile:
            below = self._profile(profile, profiles)
            if "region_name" in entry and "regions" not in entry:
                below.pop("regions", None)
            entry = self._over(below, entry)
        auth = entry.pop("auth", {})
        if not isinstance(auth, dict):
            self._refuse("auth that is no mapping", "indent auth_url and what belongs to the login below auth")
        self._auth, self._entry = auth, entry

    def _refuse(self, what: str, remedy: str = "") -> NoReturn:
        raise BadData(what, place=f"cloud {self._name}", link="in", remedy=remedy)

    def _normal(self, found: Any) -> dict[str, Any]:
        """A mapping, with underscores in its keys and in those of its `auth`."""
        if not isinstance(found, dict):
            self._refuse("no mapping of keys to values")
        normal: dict[str, Any] = {}
        for key, value in found.items():
            plain = key.replace("-", "_")
            if plain in normal:
                self._refuse(f"{plain} twice, with a dash and with an underscore,")
            normal[plain] = self._normal(value) if plain == "auth" and isinstance(value, dict) else value
        return normal

    def _profile(self, profile: Any, profiles: Any) -> dict[str, Any]:
        found = profiles.get("public-clouds") if isinstance(profiles, dict) else None
        if not isinstance(profile, str) or not isinstance(found, dict) or profile not in found:
            self._refuse("a profile that no clouds-public.yaml has", "write auth_url and the rest of it there")
        chosen = self._normal(found[profile])
        if "profile" in chosen or "cloud" in chosen:
            self._refuse("a profile that names a profile itself")
        return chosen

    def _over(self, below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
        """Values over others, those of `auth` one by one."""
        together = {**below, **above}
        if "auth" in below and "auth" in above:
            if not isinstance(below["auth"], dict) or not isinstance(above["auth"], dict):
                self._refuse("auth that is no mapping")
            together["auth"] = {**below["auth"], **above["auth"]}
        return together

    def entry(self) -> CloudEntry:
        for where in (self._entry, self._auth):
            for old, new in OLD_NAMES.items():
                if old in where:
                    self._refuse(f"old name {old}, which not every program reads,", f"write {new}")
        kind = self._kind()
        region = self._region()
        auth = self._login(kind)
        interface = self._text(self._entry, "interface") or "public"
        interface = interface.removesuffix("URL")
        if interface not in INTERFACES:
            self._refuse("unknown interface", f"choose one of {', '.join(INTERFACES)}")
        self._judge_trust()
        cacert, cert, key = (self._text(self._entry, name) for name in ("cacert", "cert", "key"))
        return CloudEntry(self._name, kind, auth, region, interface, cacert, cert, key)

    def _kind(self) -> str:
        auth_type = self._text(self._entry, "auth_type") or "password"
        if auth_type not in KINDS:
            self._refuse("unsupported auth_type", f"choose one of {', '.join(KINDS)}")
        return KINDS[auth_type]

    def _region(self) -> str:
        regions = self._entry.get("regions")
        if regions is None:
            region = self._text(self._entry, "region_name")
            if "," in region:
                self._refuse("several regions in region_name", "write one there")
            return region
        if not isinstance(regions, list) or not regions:
            self._refuse("regions that are no list")
        first = regions[0]
        if isinstance(first, dict):
            if first.get("values"):
                self._refuse("values of the first region's own", "write them beside auth")
            first = first.get("name")
        return self._text({"regions": first}, "regions")

    def _login(self, kind: str) -> dict[str, str]:
        found = {}
        for name, aliases in PROJECT_KEYS.items():
            given = [(where, alias) for alias in aliases for where in (self._auth, self._entry) if alias in where]
            for where, alias in given:
                if where[alias] is None:  # openstacksdk takes it for the text None
                    self._refuse(f"empty {alias}", "leave it out, or give it a value")
            found[name] = self._text(*given[-1]) if given else ""
        for name in AUTH_KEYS:
            found[name] = self._text(self._auth, name) or self._text(self._entry, name)
        self._share_domains(found, is_generic=self._text(self._entry, "auth_type") in ("", "password", "token"))
        for name, value in found.items():
            if value and name in ("system_scope", "trust_id"):
                self._refuse(f"unsupported {name}", "name a project")
        needed = ["auth_url", SECRETS[kind], *(("identity_provider", "protocol") if kind == ACCESS_TOKEN else ())]
        for name in needed:
            if not found[name]:
                self._refuse(f"no {name}")
        if not found["auth_url"].lower().startswith(("https://", "http://")):
            self._refuse("auth_url that is no http or https URL")
        is_by_name = kind == APPLICATION_CREDENTIAL and not found["application_credential_id"]
        if is_by_name and not found["application_credential_name"]:
            self._refuse("no application_credential_id")
        if kind == PASSWORD or is_by_name:
            self._judge_user(found)
        is_project_needed = kind != APPLICATION_CREDENTIAL and found["project_name"] and not found["project_id"]
        if is_project_needed and not self._domain(found, "project"):
            self._refuse("project_name without project_domain_name or project_domain_id")
        return {name: value for name, value in found.items() if value}

    def _share_domains(self, found: dict[str, str], *, is_generic: bool) -> None:
        """A domain that is given once is that of user and project, as is the default one."""
        is_scoped = bool(found["project_id"] or found["project_name"])
        for which in ("id", "name"):
            shared = found.pop(f"domain_{which}")
            if shared and not is_scoped:
                self._refuse(f"domain_{which} without a project", "name a project")
            for whose in ("user", "project"):
                found[f"{whose}_domain_{which}"] = found[f"{whose}_domain_{which}"] or shared
        for which in ("id", "name"):
            default = found.pop(f"default_domain_{which}")
            if default and not is_generic:
                self._refuse(f"default_domain_{which}, which is only for auth_type password and token,")
            for whose in ("user", "project"):
                found[f"{whose}_domain_{which}"] = found[f"{whose}_domain_{which}"] or default

    def _judge_user(self, found: dict[str, str]) -> None:
        if found["user_id"]:
            return
        if not found["username"]:
            self._refuse("no username")
        if not self._domain(found, "user"):
            self._refuse("username without user_domain_name or user_domain_id")

    @staticmethod
    def _domain(found: dict[str, str], whose: str) -> str:
        return found[f"{whose}_domain_id"] or found[f"{whose}_domain_name"]

    def _judge_trust(self) -> None:
        """Nobody is sent a secret who is not known to be the one it is for."""
        for name, harmless in (("verify", True), ("insecure", False)):
            value = self._entry.get(name)
            if value is not None and value is not harmless:
                self._refuse(
                    f"{name} against the verification of certificates, without which no secret is sent,",
                    "name the CA with cacert or --ca-path",
                )

    def _text(self, where: dict[str, Any], name: str) -> str:
        """A value as text; empty where there is none."""
        value = where.get(name)
        if value is None:
            return ""
        if isinstance(value, Doubtful):
            self._refuse(f"{name} that YAML reads as another number or a date (line {value.line})", QUOTE)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            self._refuse(f"{name} that is no text", QUOTE)
        text = str(value)
        if not text.isprintable():
            self._refuse(f"control characters in {name}")
        if _has_brace(text) and name in REPLACED:
            self._refuse(f"brace in {name}, which openstacksdk replaces,")
        return text


def _has_brace(text: str) -> bool:
    return "{" in text or "}" in text
