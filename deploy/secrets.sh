#!/bin/sh
# Make what deploy/compose.yaml mounts, in deploy/secrets or in TESTWRIGHT_SECRETS: a credential for each role, what the
# server knows of them, and tokens. Who has a credential keeps it; what it allows is what the image says now.
#   deploy/secrets.sh                     make what is missing
#   deploy/secrets.sh rotate generator    give a role a new credential; the one before is accepted, too
#   deploy/secrets.sh retire generator    accept nothing but the newest
# A server that runs reads it when told: docker compose -f deploy/compose.yaml kill --signal HUP nats
set -eu
cd "$(dirname "$0")"
mkdir -p "${TESTWRIGHT_SECRETS:-./secrets}"
cd "${TESTWRIGHT_SECRETS:-./secrets}"

# Only its owner enters the folder; in it files can be read by all, as the user in the containers is another one.
chmod 700 .
umask 022
mkdir -p auth server

word() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

verb=${1:-init}
[ $# -eq 0 ] || shift
docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL --user "$(id -u):$(id -g)" \
    --volume "$PWD/auth:/auth" --entrypoint testwright "${TESTWRIGHT_IMAGE:-testwright}" \
    auth "$verb" /auth "$@" >/dev/null
chmod -R a+rX auth/credentials

# A folder of its own, which a running server sees change: of one file that is mounted it would keep the old content.
cp auth/auth.conf server/auth.conf
if [ ! -e server/routes.conf ]; then
    password=$(word)
    {
        echo "authorization { user: route, password: \"$password\" }"
        echo "routes = ["
        for server in nats-1 nats-2 nats-3; do echo "  \"nats://route:$password@$server:6222\""; done
        echo "]"
    } >server/routes.conf
fi
[ -e gateway-tokens ] || word >gateway-tokens
