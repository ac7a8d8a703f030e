#!/bin/sh
# Resolve requirements.in into the lock that the engine is installed from, which is part of the package. Commit what changes.
set -eu
here=$(dirname "$0")
lock=$here/../../../services/testwright/engines/openhands/requirements.txt
options="--universal --python-version 3.12 --no-header --no-annotate"
{
    echo "# Everything that the OpenHands SDK needs, pinned: uv pip compile $options"
    # shellcheck disable=SC2086  # several options
    uv pip compile --quiet $options "$here/requirements.in" "$@"
} >"$lock.new"
mv "$lock.new" "$lock"
