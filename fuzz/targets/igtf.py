"""What the IGTF distributes beside a CA: an .info file, or a signing policy and the names that it may permit.

The first byte says which; the names follow the policy after a line of `%%`.
"""

from __future__ import annotations

from libprobe.formats.igtf import is_same_name, read_info, read_policies

MAX_BYTES = 4 << 10
SEPARATOR = "\n%%\n"
WORDS = (
    b"alias = ", b"status = accredited:classic", b"version = 1.133", b"sha1fp.0 = 8A:C7", b'subjectdn = "/C=', b" \\\n",
    b"access_id_CA X509 '/C=", b"access_id_ca ", b"pos_rights globus CA:sign", b"neg_rights ",
    b"cond_subjects globus '\"",
    b'" "', b"\"'", b"/DC=*", b"/CN=?", b"/emailAddress=", b"/Email=", b"/USERID=", b"/E=", b"*a*a*a*", b"# EACL",
    SEPARATOR.encode(),
)  # fmt: skip


def read(data: bytes) -> None:
    text = data[1:].decode("utf-8", "replace")
    if not (data[:1] or b"\0")[0] & 1:
        info = read_info(text)
        assert info.alias
        assert info.status.endswith(info.profile)
        return
    text, _, names = text.partition(SEPARATOR)
    for policy in read_policies(text):
        for name in names.splitlines()[:4]:
            policy.permits(name)
            is_same_name(policy.issuer, name)
        for pattern in policy.patterns:
            permitted = pattern.replace("*", "/O=any").replace("?", "x")
            assert policy.permits(permitted), permitted


def seeds() -> dict[str, bytes]:
    info = (
        b"\0# ExampleCA\nalias = ExampleCA\nca_url = https://example.org/a=b.crt\nstatus = accredited:mics\n"
        b'version = 1.133\nrequires = RootCA = 1.133, \\\n    OtherCA\nsha1fp.0 = 8A:C7\nsubjectdn = "/C=IN/CN=CA"\n'
    )
    policy = (
        b"\1# EACL\n access_id_CA X509 '/C=GR/O=Root/CN=Root'\n pos_rights globus CA:sign\n"
        b' cond_subjects globus \'"/C=GR/O=Root/CN=Root" "/DC=org/DC=tcs/*"\'\n'
        b"access_id_CA\tX509\t'/C=CL/CN=CA/emailAddress=ca@example.org'\npos_rights\tglobus\tCA:sign\n"
        b"cond_subjects\tglobus\t'/C=CL/O=Reuna?/*'\n%%\n/DC=org/DC=tcs/CN=x\n/C=CL/O=Reuna1/Email=a"
    )
    stars = (
        b"\1access_id_CA X509 /CN=a\npos_rights globus CA:sign\ncond_subjects globus '*a*a*a*a*a*a*a*a*a*a'\n%%\n"
        + b"a" * 300
        + b"b"
    )
    return {"info": info, "policy": policy, "stars": stars}
