"""A clouds.yaml with its secure.yaml and clouds-public.yaml, between lines of `%%`, down to the login of one cloud."""

from __future__ import annotations

from typing import Any

from libprobe.formats import clouds, plain_yaml
from libprobe.formats.plain_yaml import Doubtful

MAX_BYTES = 4 << 10
SEPARATOR = b"\n%%\n"
NAME = "site"
WORDS = (
    b"clouds:\n  site:\n    ", b"public-clouds:\n  ", b"profile: ", b"auth: {", b"auth:\n      ", b"auth_type: ",
    b"v3applicationcredential", b"v3oidcaccesstoken", b"auth_url: https://", b"username: ", b"password: '",
    b"project_name: ", b"user_domain_name: ", b"region_name: ", b"regions:\n    - name: ", b"\n  - - ", b"[{a: [",
    b"? ", b': "\\u0041', b" # ", b"0x1f", b"1_000", b"12:30", b"2026-11-25", b".inf", b"~", b"yes", b"<<: *",
    b"\xc2\xa0", SEPARATOR,
)  # fmt: skip
PLAIN = (str, int, float, bool, Doubtful, type(None))


def read(data: bytes) -> None:
    texts = [each.decode("utf-8", "replace") for each in data.split(SEPARATOR)[:3]]
    own, secure, profiles = [plain_yaml.read(each) for each in [*texts, "", ""][:3]]
    for each in (own, secure, profiles):
        _expect_plain(each)
    entry = clouds.read_cloud(clouds.merged(own, secure), NAME, profiles)
    assert entry.secret
    assert entry.description


def _expect_plain(found: Any) -> None:
    if isinstance(found, dict):
        assert all(isinstance(each, str) for each in found), "a key that is no text"
    for each in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        _expect_plain(each)
    assert isinstance(found, (dict, list, *PLAIN))


def seeds() -> dict[str, bytes]:
    password = (
        b"clouds:\n  site:\n    auth:\n      auth_url: https://keystone.example.org:5000/v3\n"
        b"      username: opsuser\n      user_domain_name: Default\n      project_id: '0a1b'\n"
        b"      password: a-planted-one\n    region_name: RegionOne # the only one\n"
    )
    credential = (
        b"clouds:\n  site: {auth_type: v3applicationcredential, regions: [RegionOne], interface: internalURL,"
        b' auth: {auth_url: "https://k/v3", application_credential_id: 0a1b}}\n'
        b"%%\nclouds:\n  site:\n    auth:\n      application_credential_secret: 'it''s'"
    )
    profile = (
        b"---\nclouds:\n  site:\n    profile: egi\n    auth-type: v3oidcaccesstoken\n"
        b"    auth:\n      access_token: abc\n"
        b"    regions:\n    - name: A\n      values:\n    - B\n"
        b"%%\n# nothing\n%%\npublic-clouds:\n  egi:\n    auth:\n      auth_url: https://k/v3\n"
        b"      identity-provider: egi.eu\n      protocol: openid\n"
    )
    values = (
        b'- [yes, ~, 0123, 12:30, 1.50, -7]\n-\n  - 2026-11-25\n  - - "a\\u0041\\n"\n    - {\'a b\': c, "d":e, f: }\n'
        b"- k : v\n  'q': [ ]\n"
    )
    return {"password": password, "credential": credential, "profile": profile, "values": values}
