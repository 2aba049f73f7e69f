"""The options of a probe made into a client that may log in: one way for every probe of a cloud."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress

from libprobe.clients import credentials, tls
from libprobe.failures import BadData, Misconfigured, OwnCredential
from libprobe.formats.address import read_address
from libprobe.records import Record
from libprobe.state import files
from libprobe.state.files import StateDirectory, default_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from libprobe.clients.http import HttpClient
    from libprobe.clients.keystone import LocalLogin, LoginRequest
    from libprobe.clients.occi import OcciClient
    from libprobe.clients.openstack import OpenStackCloud
    from libprobe.deadline import Deadline
    from libprobe.failures import Failure
    from libprobe.formats.clouds import CloudEntry

DEFAULT_VO = "ops"


class OcciAccess(Record):
    """A client for an OCCI endpoint, and the identity that it logs in with.

    identity: DN of the certificate, or the kind of login that stands for it.
    description:    the same for people, with -vv.
    client_for:       a client for another endpoint, as the same.
    """

    client: OcciClient
    identity: str
    description: str
    client_for: Callable[[str], OcciClient]


def make_occi_access(args: argparse.Namespace, base: str, deadline: Deadline) -> OcciAccess:
    """A client as the options and the settings say.

    Raises: OwnCredential for a certificate or token that is asked for, or found, and cannot be used;
            Misconfigured for a CA path that does not exist.
    """
    from libprobe.clients.occi import OcciClient

    client, login_request, certificate = _prepare_login(args, base, deadline)
    identity, words = _identity_and_description(certificate, "access token" if login_request.token else "nobody")
    return OcciAccess(
        OcciClient(client, base, login_request), identity, words, lambda other: OcciClient(client, other, login_request)
    )


class OpenStackAccess(Record):
    """An OpenStack cloud before the login, and the identity for it, as in `OcciAccess`."""

    cloud: OpenStackCloud
    identity: str
    description: str

    def describe_actor(self) -> str:
        """As whom, and in which project, we act once the cloud was logged in to."""
        scope = self.cloud.scope
        return f"acting as: {self.description}, project {scope.project}, roles {', '.join(scope.roles) or 'none'}"


def make_openstack_access(
    args: argparse.Namespace,
    base: str,
    deadline: Deadline,
    judge_address: Callable[[Failure, str], Failure] | None = None,
) -> OpenStackAccess:
    """A cloud by the URL of its Keystone, as the options and the settings say. Raises: as `make_occi_access`.

    judge_address: as `CloudEndpoint` has it.
    """
    from libprobe.clients.openstack import OpenStackCloud

    if args.cloud:
        return _make_configured_access(args, base, deadline, judge_address)
    given = ""
    if args.keystone_token_file:
        given = credentials.read_token(args.keystone_token_file, "Keystone token")
    client, login_request, certificate = _prepare_login(args, base, deadline, has_keystone_token=bool(given))
    identity, words = _identity_and_description(
        certificate, "Keystone token" if given else "access token" if login_request.token else "nobody"
    )
    return OpenStackAccess(OpenStackCloud(client, base, login_request, given), identity, words)


def _make_configured_access(
    args: argparse.Namespace, base: str, deadline: Deadline, judge_address: Callable[[Failure, str], Failure] | None
) -> OpenStackAccess:
    """A cloud as clouds.yaml has it. Raises: Misconfigured, OwnCredential."""
    from datetime import UTC, datetime

    from libprobe.clients.keystone import DEFAULT_IDENTITY_PROVIDER, LoginRequest
    from libprobe.clients.openstack import OpenStackCloud
    from libprobe.formats.clouds import ACCESS_TOKEN
    from libprobe.targets import clouds

    entry, path = clouds.find_cloud(args.cloud)
    file = f"cloud {entry.name} of {path}"
    certificate = None
    if entry.cert:
        key = os.path.expanduser(entry.key) if entry.key else None
        certificate = credentials.find_certificate(os.path.expanduser(entry.cert), key)
        assert certificate is not None
        certificate.expect_valid(now=datetime.now(UTC), seconds=deadline.remaining())
    token = entry.secret if entry.kind == ACCESS_TOKEN else ""
    problem = credentials.token_problem(token, datetime.now(UTC)) if token else ""
    if problem:
        raise OwnCredential(problem, place=file, link="in", remedy="write a new one there")
    login_request = LoginRequest(
        vo=args.vo or DEFAULT_VO,
        project=args.project or "",
        token=token,
        identity_provider=entry.auth.get("identity_provider", DEFAULT_IDENTITY_PROVIDER),
        protocol=entry.auth.get("protocol", ""),
        is_vo_given=bool(args.vo),
        plain_hosts=_plain_token_hosts(args, base),
        local_login=_local_login(entry, file),
        scope=_project_scope(entry.auth),
        file=file,
    )
    client = make_http_client(args, deadline, certificate, trust=os.path.expanduser(entry.cacert))
    cloud = OpenStackCloud(
        client, base, login_request, region=entry.region, interface=entry.interface, judge_address=judge_address
    )
    return OpenStackAccess(cloud, entry.description, f"{entry.description}, {file}")


def _local_login(entry: CloudEntry, file: str) -> LocalLogin | None:
    """The login as Keystone has it; None of an access token, which is shown to what stands before it."""
    from libprobe.clients.keystone import APPLICATION_CREDENTIAL, PASSWORD, TOKEN, LocalLogin
    from libprobe.formats import clouds

    auth = entry.auth
    if entry.kind == clouds.ACCESS_TOKEN:
        return None
    if entry.kind == clouds.KEYSTONE_TOKEN:
        return LocalLogin(TOKEN, {"id": entry.secret}, "the token", file)
    user = _by_id_or_name(auth, "user", auth.get("user_id", ""), auth.get("username", ""))
    if entry.kind == clouds.PASSWORD:
        return LocalLogin(PASSWORD, {"user": {**user, "password": entry.secret}}, entry.description, file)
    data: dict[str, Any] = {"secret": entry.secret}
    if "application_credential_id" in auth:
        data["id"] = auth["application_credential_id"]
    else:
        data.update(name=auth["application_credential_name"], user=user)
    return LocalLogin(APPLICATION_CREDENTIAL, data, entry.description, file)


def _project_scope(auth: dict[str, str]) -> dict[str, Any] | None:
    """The project of a clouds.yaml as `scope` of a request; None where it names none."""
    if "project_id" not in auth and "project_name" not in auth:
        return None
    return {"project": _by_id_or_name(auth, "project", auth.get("project_id", ""), auth.get("project_name", ""))}


def _by_id_or_name(auth: dict[str, str], what: str, identifier: str, name: str) -> dict[str, Any]:
    """A user or project by its id, or by its name in a domain."""
    if identifier:
        return {"id": identifier}
    domain = {"id": f"{what}_domain_id", "name": f"{what}_domain_name"}
    which = "id" if domain["id"] in auth else "name"
    return {"name": name, **({"domain": {which: auth[domain[which]]}} if domain[which] in auth else {})}


def _identity_and_description(certificate: credentials.Credential | None, otherwise: str) -> tuple[str, str]:
    """The identity used at a cloud: as stored in the journal, and as printed."""
    return (certificate.identity, certificate.describe()) if certificate else (otherwise, otherwise)


def _prepare_login(
    args: argparse.Namespace, base: str, deadline: Deadline, *, has_keystone_token: bool = False
) -> tuple[HttpClient, LoginRequest, credentials.Credential | None]:
    """As whom, to what, and with which client. Raises: OwnCredential."""
    from datetime import UTC, datetime

    from libprobe.clients.keystone import DEFAULT_IDENTITY_PROVIDER, LoginRequest

    settings = args.settings
    certificate = None if has_keystone_token else find_certificate(args)
    token = "" if has_keystone_token else _read_token(args, deadline, datetime.now(UTC))
    vo = args.vo or settings.get("credentials", "vo")
    if certificate:
        vo = certificate.expect_valid(now=datetime.now(UTC), seconds=deadline.remaining(), vo=vo or None)
    client = make_http_client(args, deadline, certificate)
    login_request = LoginRequest(
        vo=vo or DEFAULT_VO,
        project=args.project or "",
        token=token,
        identity_provider=args.identity_provider
        or settings.get("credentials", "identity_provider", DEFAULT_IDENTITY_PROVIDER),
        trusted_keystone=getattr(args, "keystone", None) or settings.get("credentials", "keystone"),
        is_provider_given=bool(args.identity_provider),
        is_vo_given=bool(args.vo),
        plain_hosts=_plain_token_hosts(args, base),
    )
    return client, login_request, certificate


def _plain_token_hosts(args: argparse.Namespace, base: str) -> frozenset[str]:
    """The hosts whose endpoints get a Keystone's token also over http: by --plain-token, and by the settings."""
    named = args.settings.get("credentials", "plain_token_to").split()
    return frozenset(map(credentials.host_name, named)) | (url_hosts(base) if args.plain_token else frozenset())


def make_http_client(
    args: argparse.Namespace,
    deadline: Deadline,
    certificate: credentials.Credential | None = None,
    *,
    trust: str = "",
) -> HttpClient:
    """An HTTP client as the options and the settings say, presenting a certificate if there is one.

    trust: CAs that are used where no option names any, rather than those of the settings.
    """
    from libprobe.clients.http import HttpClient

    settings = args.settings
    return HttpClient(
        deadline,
        trust=tls.ca_path(args.ca_path, trust or settings.get("tls", "ca_path")),
        credential=certificate,
        proxy_from_environment=args.proxy_from_environment or settings.flag("http", "proxy_from_environment"),
    )


def ca_path(args: argparse.Namespace) -> str | None:
    """Whom to trust, as the options and the settings say; see `tls.ca_path`. Raises: Misconfigured."""
    return tls.ca_path(args.ca_path, args.settings.get("tls", "ca_path"))


def named_hosts(args: argparse.Namespace) -> frozenset[str]:
    """The hosts that the operator named by -H, or by -u alone.

    Beside -H the URL of -u may be the GOCDB's, as NCG and configurations made from the GOCDB pass both.
    """
    if args.hostname:
        return frozenset({credentials.host_name(args.hostname)})
    return url_hosts(args.url)


def url_hosts(url: str | None) -> frozenset[str]:
    """The host of a URL; none where there is no URL, or none that can be read."""
    try:
        return frozenset({credentials.host_name(read_address(url).host)}) if url else frozenset()
    except BadData:
        return frozenset()


def open_state_directory(args: argparse.Namespace) -> StateDirectory:
    """Where this monitor keeps what must outlive a run. Raises: Misconfigured."""
    return StateDirectory(args.state_dir or args.settings.get("state", "directory") or default_directory())


def open_existing_state(args: argparse.Namespace) -> StateDirectory:
    """Return where this monitor has kept its state, to read it only. Raises: Misconfigured where there is none."""
    named = args.state_dir or args.settings.get("state", "directory")
    path = named or default_directory()
    if not named and path != files.SYSTEM_DIRECTORY and os.path.isdir(files.SYSTEM_DIRECTORY):
        owner = os.stat(files.SYSTEM_DIRECTORY).st_uid
        with suppress(KeyError):
            name = pwd.getpwuid(owner).pw_name
            raise Misconfigured(
                f"the state in {files.SYSTEM_DIRECTORY} is that of user {name}",
                remedy=f"run this as that user: runuser -u {name} -- fedcloud-leftovers; or give --state-dir",
            )
    if not os.path.isdir(path):
        raise Misconfigured(f"there is no state directory {path}", remedy="name that of the probes with --state-dir")
    return StateDirectory(path)


def find_certificate(args: argparse.Namespace) -> credentials.Credential | None:
    """The certificate or proxy of the options, the settings or the grid's usual places; None if none is used.

    It is not judged yet: see `Credential.expect_valid`. Raises: OwnCredential.
    """
    if args.auth in ("none", "token"):
        return None
    settings = args.settings
    named = args.cert or settings.get("credentials", "cert") or None
    if args.key and not args.cert:
        raise OwnCredential("--key is given without the certificate that it belongs to", remedy="name it with --cert")
    if args.auth == "auto" and not named and _token_source(args):
        return None
    key = (args.key if args.cert else args.key or settings.get("credentials", "key")) or None
    found = credentials.find_certificate(named, key)
    if not found and args.auth == "x509":
        raise no_certificate()
    return found


def no_certificate() -> OwnCredential:
    """What to say where one is needed, and `find_certificate` finds none."""
    remedy = "make one with voms-proxy-init --rfc, or name it with --cert"
    return OwnCredential("no certificate or proxy found", remedy=remedy)


TOKEN_SOURCES = ("token_file", "oidc_agent", "mytoken_file", "refresh_token_file")
"""Where an access token may come from, by option and setting; of the settings the first that is there."""


def _token_source(args: argparse.Namespace) -> tuple[str, str] | None:
    """From where an access token is to be got, and the file or account there; None where nothing says so.

    What an option names wins over any setting, and a setting counts where there is an option like it.
    """
    names = [name for name in TOKEN_SOURCES if hasattr(args, name)]
    given = ((name, getattr(args, name)) for name in names)
    configured = ((name, args.settings.get("credentials", name)) for name in names)
    return next(((name, str(value)) for each in (given, configured) for name, value in each if value), None)


def _read_token(args: argparse.Namespace, deadline: Deadline, now: datetime) -> str:
    """Our access token, where one is wanted. Raises: OwnCredential, Misconfigured, HelperFailure."""
    if args.auth in ("none", "x509"):
        return ""
    source = _token_source(args)
    if source is None:
        if args.auth == "token":
            raise OwnCredential("no access token found", remedy="name its file with --token-file, or --oidc-agent")
        return ""
    kind, value = source
    if kind == "token_file":
        return credentials.read_access_token(value, now=now)
    if kind == "oidc_agent":
        from libprobe.clients import oidc_agent

        token, whence = oidc_agent.request_token(value, find_agent(args), deadline), f"oidc-agent account {value}"
    else:
        token, whence = _renew_token(args, kind, value, deadline, now), f"the issuer for {value}"
    problem = credentials.token_problem(token, now)
    if problem:
        raise OwnCredential(
            f"{problem}, though it is new,", place=whence, link="from", remedy="correct this host's clock"
        )
    return token


def find_agent(args: argparse.Namespace) -> str:
    """The path of oidc-agent's socket; empty where nothing names it."""
    from libprobe.clients.oidc_agent import VARIABLE

    return args.settings.get("credentials", "oidc_socket") or os.environ.get(VARIABLE, "")


def _renew_token(args: argparse.Namespace, kind: str, path: str, deadline: Deadline, now: datetime) -> str:
    """An access token for a refresh token or a mytoken."""
    from libprobe.clients.issuer import AccessTokenIssuer, MytokenServer

    settings = args.settings
    what = "mytoken" if kind == "mytoken_file" else "refresh token"
    secret = credentials.read_token(path, what)
    problem = credentials.token_problem(secret, now, what=what)
    if problem:
        raise OwnCredential(problem, place=path, link="in", remedy="write a new one there")
    client = make_http_client(args, deadline)
    if kind == "mytoken_file":
        server = args.mytoken_server or settings.get("credentials", "mytoken_server")
        if not server:
            raise Misconfigured(
                "mytoken without its server", place=path, link="in", remedy="name the server with --mytoken-server"
            )
        return MytokenServer(client, server).renew(secret, path)
    issuer = args.issuer or settings.get("credentials", "issuer")
    client_id = args.client_id or settings.get("credentials", "client_id")
    if not issuer or not client_id:
        raise Misconfigured(
            f"refresh token without its {'client' if issuer else 'issuer'}",
            place=path,
            link="in",
            remedy="name both with --issuer and --client-id",
        )
    return AccessTokenIssuer(client, issuer, client_id).renew(secret, path)
