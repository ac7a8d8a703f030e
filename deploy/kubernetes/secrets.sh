#!/bin/sh
# Print a Secret for each role, of the folder that `testwright auth init` has made:
#   deploy/kubernetes/secrets.sh credentials gateway-tokens | kubectl apply --filename -
# Each pod mounts the one of its role and no other. After `testwright auth rotate`: print, apply, and restart that role.
set -eu
folder=${1:?the folder of testwright auth init}/credentials
tokens=${2:?a file of tokens for the gateway}

for role in admin submitter collector workflow verifier generator gateway; do
    set -- "--from-file=credentials=$folder/$role.nk"
    case $role in
    collector) set -- "$@" "--from-file=reclaim=$folder/reclaim.nk" ;;
    gateway) set -- "$@" "--from-file=tokens=$tokens" ;;
    esac
    echo ---
    kubectl create secret generic "credentials-$role" --namespace testwright --dry-run=client --output yaml "$@"
done
