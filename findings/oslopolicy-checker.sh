#!/bin/bash
# oslopolicy-checker: of a policy file of overrides it says "failed" for what the service allows, and "passed" for what it refuses.
#
# Software:  oslo.policy 6.0.1, openstack-placement 16.0.0 (PyPI). Seen 2026-11-30.
# Expected:  a policy.yaml holds only what differs from the defaults that the service brings along, so a rule of these defaults
#            ("rule:admin_or_service_api") means in the checker what it means in the service. A name that the service has no policy
#            of is told. With --rule the exit code says whether it passed.
# Seen:      a rule that is not in the file is one that nobody has: "failed" for an administrator whom placement lets pass, and
#            "passed" for "not rule:service_api" and a service user whom placement refuses. "passed" for a misspelt name.
#            --rule: exit code 0 for "failed" and for "passed".
# Matters:   a test of the policy before it is rolled out fails where it is right, and passes where it is wrong. Write the whole
#            policy by oslopolicy-policy-generator, check that file, and read the words.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install oslo.policy==6.0.1 openstack-placement==16.0.0
mkdir .placement
cat > .placement/placement.conf <<END
[oslo_policy]
policy_file = $work/policy.yaml
END
cat > policy.yaml <<'END'
"placement:usages": "rule:admin_or_service_api"
"placement:traits:list": "role:reader and not rule:service_api"
END
for role in admin service; do
    cat > $role.json <<END
{"token": {"user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}, "methods": ["password"], "is_domain": false,
           "project": {"id": "p", "name": "p", "domain": {"id": "d", "name": "d"}}, "expires_at": "2099-01-01T00:00:00.0Z",
           "roles": [{"id": "1", "name": "reader"}, {"id": "2", "name": "$role"}]}}
END
done
cat > service.py <<'END'
"""Whether placement lets pass who has the roles reader and the one of the first argument, for the policy of the second."""
import sys

from placement import policy

role, rule = sys.argv[1:]
user = {"roles": ["reader", role], "project_id": "p", "user_id": "u"}
print("passed" if policy.get_enforcer().enforce(rule, {"project_id": "p"}, user) else "failed")
END

compare() {  # role, policy, what the checker says, what placement does, what the checker says of the whole policy
    local code=0 checker service whole
    checker=$(venv/bin/oslopolicy-checker --policy policy.yaml --access "$1.json" --rule "$2" 2> said) || code=$?
    service=$(venv/bin/python service.py "$1" "$2" 2> said)
    whole=$(venv/bin/oslopolicy-checker --policy whole.yaml --access "$1.json" --rule "$2" 2> said)
    echo "$1, $2: the checker of policy.yaml says ${checker%%:*} (exit code $code), of the whole policy ${whole%%:*}; placement: $service"
    if [ "$code ${checker%%:*} $service ${whole%%:*}" != "0 $3 $4 $5" ]; then echo "CHANGED: it was 0 $3 $4 $5"; exit 1; fi
}

venv/bin/oslopolicy-policy-generator --namespace placement > whole.yaml 2> said
compare admin placement:usages failed passed passed
compare service placement:traits:list passed failed failed
sed -i s/placement:usages/placement:usage/ policy.yaml
sed -i s/rule:admin_or_service_api/role:admin/ policy.yaml
got=$(venv/bin/oslopolicy-checker --policy policy.yaml --access admin.json 2> said | grep placement:usage)
echo "a name that placement does not have: $got"
[ "$got" = "passed: placement:usage" ] || { echo "CHANGED: it was passed"; exit 1; }
