#!/bin/bash
# oslo.middleware healthcheck: an application without settings takes those of another one in its file; a misspelt backend is 200.
#
# Software:  oslo.middleware 8.2.0, PasteDeploy 3.1.0, Paste 3.10.1 (PyPI). Seen 2026-11-30.
# Expected:  each application of an api-paste.ini has the settings of its own section: /live, which names no backend, is always 200,
#            and /ready is 503 while the file of its disable_by_file is there. A backend that does not exist is refused at the start.
# Seen:      where the section of /ready is loaded first, /live is 503 too once /ready was asked; where /live is loaded first it is
#            200. With "backends = disable_by_files" (the plugin is disable_by_file) one warning is logged, and the answer is 200.
# Matters:   a service that is taken out of the balancer for maintenance is restarted by whoever looks at /live, and one whose
#            backend is misspelt stays in it. Write /live first, and look at both answers with the file there.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install oslo.middleware==8.2.0 PasteDeploy==3.1.0 Paste==3.10.1
cat >ask.py <<'PYTHON'
"""Load api-paste.ini as a service does, and print the codes of /ready and /live."""

import logging
import os

import paste.deploy
import webob

logging.basicConfig()
application = paste.deploy.loadapp(f"config:{os.getcwd()}/api-paste.ini", name="main")
print(*(webob.Request.blank(path).get_response(application).status_int for path in ("/ready", "/live")))
PYTHON

compare() { # what, the first application, the second one, backend, expected codes of /ready and /live
    cat >api-paste.ini <<END
[composite:main]
use = egg:Paste#urlmap
/$2 = $2
/$3 = $3

[app:live]
paste.app_factory = oslo_middleware:Healthcheck.app_factory

[app:ready]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
backends = $4
disable_by_file_path = $work/maintenance
END
    seen=$(venv/bin/python ask.py 2>stderr) || { cat stderr; exit 1; }
    echo "$1: /ready and /live are $seen $(cat stderr)"
    [ "$seen" = "$5" ] || { echo "CHANGED: it was $5"; exit 1; }
}

compare "no maintenance" ready live disable_by_file "200 200"
touch maintenance
compare "maintenance, /live is loaded first" live ready disable_by_file "503 200"
compare "maintenance, /ready is loaded first" ready live disable_by_file "503 503"
compare "maintenance, the backend is misspelt" live ready disable_by_files "200 200"
[ "$(grep -c disable_by_files stderr)" = 1 ] || { echo "CHANGED: there was one warning of it"; exit 1; }
