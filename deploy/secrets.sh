#!/bin/sh
# Make in the folder FOLDER (deploy/secrets by default) what deploy/compose.yaml mounts; what is there already stays.
# One user for all roles until there is one for each: the file of a role is the only thing that has to change then.
set -eu
folder=${1:-$(dirname "$0")/secrets}
roles="admin submitter generator verifier collector workflow gateway"

# Only its owner enters the folder; in it files can be read by all, as the user in the containers is another one.
mkdir -p "$folder"
chmod 700 "$folder"
umask 022

word() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

if [ ! -e "$folder/authorization.conf" ]; then
    password=$(word)
    echo "authorization { users = [ { user: testwright, password: \"$password\" } ] }" >"$folder/authorization.conf"
    for role in $roles; do
        echo "nats://testwright:$password@nats:4222" >"$folder/$role.url"
    done
    # Clients are not in the containers' network.
    echo "nats://testwright:$password@127.0.0.1:${NATS_PORT:-4222}" >"$folder/client.url"
fi
if [ ! -e "$folder/routes.conf" ]; then
    password=$(word)
    {
        echo "authorization { user: route, password: \"$password\" }"
        echo "routes = ["
        for server in nats-1 nats-2 nats-3; do echo "  \"nats://route:$password@$server:6222\""; done
        echo "]"
    } >"$folder/routes.conf"
fi
[ -e "$folder/gateway-tokens" ] || word >"$folder/gateway-tokens"
