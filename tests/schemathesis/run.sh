#!/usr/bin/env bash
# Holds the administration API to its own OpenAPI document: schemathesis sends what the document allows, and what it forbids, to the
# real server. Usage: tests/schemathesis/run.sh PATH-TO-scopegate [schemathesis options]. Needs `schemathesis` (PyPI) in the PATH, or
# its command in SCHEMATHESIS.
set -euo pipefail

scopegate=$(realpath "${1:?usage: run.sh PATH-TO-scopegate}")
shift
schemathesis=${SCHEMATHESIS:-schemathesis}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap finish EXIT

cd "$folder"
cp "$here/../../routes.yaml" .
cat > authorization-server.yaml <<'YAML'
issuer: http://127.0.0.1:0
address: 127.0.0.1:0
database: authorization-server.sqlite
audience: [https://api.example.com]
policy: [routes.yaml]
gateway_token: a-token-of-the-gateway
lifetimes: {access_token: 4h, signing_key: 720h}
YAML
"$scopegate" authorization-server > log &
server=$!

until grep -q '"msg":"serving"' log; do
    kill -0 "$server" || { echo 'the server did not start' >&2; exit 1; }
    read -r -t 0.05 <> <(:) || true
done
base=$(sed -n 's/.*"issuer":"\([^"]*\)".*/\1/p' log | head -n 1)

# A client that acts alone and is permitted everything, as an administrator is.
mapfile -t scopes < <("$scopegate" authorization-server scope list --format json \
    | python3 -c 'import json, sys; [print("--scope", s["name"], sep="\n") for s in json.load(sys.stdin) if s["token"]]')
secret=$("$scopegate" authorization-server client add schemathesis --name Schemathesis "${scopes[@]}" --format json \
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["client_secret"])')
token=$(python3 - "$base" "$secret" <<'PYTHON'
import base64, json, sys, urllib.request
base, secret = sys.argv[1:]
basic = base64.b64encode(f"schemathesis:{secret}".encode()).decode()
request = urllib.request.Request(base + "/oauth/token", b"grant_type=client_credentials", {"Authorization": "Basic " + basic})
print(json.load(urllib.request.urlopen(request))["access_token"])
PYTHON
)

export PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=hooks
run() {
    "$schemathesis" --config-file "$here/schemathesis.toml" run "$base/api/v1/openapi.json" --checks all --no-color "$@"
}
run --header "Authorization: Bearer $token" --exclude-tag gateway "$@"
run --header 'Authorization: Bearer a-token-of-the-gateway' --include-tag gateway "$@"
