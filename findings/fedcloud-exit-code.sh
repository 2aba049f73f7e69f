#!/bin/bash
# fedcloud ends with exit code 0 where the command on the site failed, and where there is no such site or VO.
#
# Software:  fedcloudclient 1.4.7, python-openstackclient 10.3.0 (PyPI). Seen 2026-11-29.
# Expected:  `fedcloud openstack --site SITE --vo VO server list` runs openstack on one site; its exit code is that of openstack, or
#            some other than 0, as it is of `fedcloud site show-project-id` for an unknown VO and of `fedcloud token check` for an
#            expired token.
# Seen:      0, whatever happened. openstack's own code stands in the text as "Error code:  1", on stdout; with --json-output as
#            "Error code": 1 in a list of one. An unknown site or VO is "Error code:  11" and 0 as well; `fedcloud site env` prints
#            "VO ... not found", in place of variables, and 0.
# Matters:   a probe, or a job of cron, that trusts the exit code finds every site well. Take --json-output, and look at
#            "Error code" of each element; take `site show-project-id` where code has to tell.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install fedcloudclient==1.4.7 python-openstackclient==10.3.0
mkdir -p home/.config/fedcloud/site-config
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > home/.config/fedcloud/site-config/EXAMPLE-SITE.yaml <<SITE
gocdb: EXAMPLE-SITE
endpoint: http://127.0.0.1:$port/v3/
vos:
- name: ops
  auth:
    project_id: p
SITE
token() { # seconds that it is still valid
    venv/bin/python -c 'import jwt, sys, time
print(jwt.encode({"sub": "user", "iss": "https://127.0.0.1/", "exp": int(time.time()) + int(sys.argv[1])}, "k" * 32))' "$1"
}
valid=$(token 3600)
export HOME="$PWD/home" PATH="$PWD/venv/bin:$PATH" FEDCLOUD_OIDC_ACCESS_TOKEN="$valid"
compare() { # expected exit code and text, arguments of fedcloud
    code=0
    fedcloud "${@:3}" > said 2>&1 || code=$?
    echo "fedcloud ${*:3}: exit code $code, $(grep -oF -m 1 -- "$2" said || echo "another text")"
    if [ "$code" != "$1" ] || ! grep -qF -- "$2" said; then
        cat said >&2
        echo "CHANGED: the exit code was $1, with that text" >&2
        exit 1
    fi
}
compare 0 "Error code:  1" openstack --site EXAMPLE-SITE --vo ops server list
compare 0 '"Error code": 1,' openstack --json-output --site EXAMPLE-SITE --vo ops server list
compare 0 "Error code:  11" openstack --site NO-SITE --vo ops server list
compare 0 "Error code:  11" openstack --site EXAMPLE-SITE --vo none.example.org server list
compare 0 "VO none.example.org not found" site env --site EXAMPLE-SITE --vo none.example.org
compare 1 "VO none.example.org not found" site show-project-id --site EXAMPLE-SITE --vo none.example.org
compare 0 "Token is valid" token check
FEDCLOUD_OIDC_ACCESS_TOKEN=$(token -60)
compare 1 "Expired access token" token check
