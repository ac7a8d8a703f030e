#!/usr/bin/env bash
# Have tests written for a module, and react when they are there: with nothing but the `nats` command.
#
#     NATS_URL=nats://… ./submit-and-react.sh PROJECT src/shop/pricing.py shop.pricing src
#
# The messages are described in schemas/asyncapi.json.
set -euo pipefail
project=$1 path=$2 module=$3 import_root=$4
namespace=${TESTWRIGHT_NAMESPACE:-default}
job=job-$(date +%s)-$$ task=task-$(date +%s)-$$
folder=$(mktemp -d)

# Core NATS hears what is published from now on: listen before you ask. It ends with the first message.
nats sub --count 1 --raw "testwright.event.$namespace.job.$job.finished" >"$folder/finished.json" &
listening=$!

tar -czf "$folder/sources" --exclude=.git -C "$project" .
digest=$(sha256sum "$folder/sources" | cut -d' ' -f1)
size=$(stat -c %s "$folder/sources")

# The object store takes no roll-ups, so that nobody can replace what others have stored. `nats object put` asks for
# one; these publishes are the same without it. A project of more than 512 KiB needs one publish for each chunk.
bucket=testwright-snapshots nuid=$job
sum=$(printf '%s' "$digest" | xxd -r -p | basenc --base64url)
entry=$(printf '%s' "$digest" | basenc --base64url --wrap 0)
nats pub --jetstream "\$O.$bucket.C.$nuid" --force-stdin <"$folder/sources"
nats pub --jetstream "\$O.$bucket.M.$entry" \
  "{\"name\": \"$digest\", \"bucket\": \"$bucket\", \"nuid\": \"$nuid\", \"size\": $size, \"chunks\": 1, \"digest\": \"SHA-256=$sum\"}"

# --jetstream waits for the server's word that the command is stored.
nats pub --jetstream -H "Nats-Msg-Id:$namespace/job/$job/submit" "testwright.command.$namespace.submit" "$(
  cat <<JSON
{"type": "submit-job", "namespace": "$namespace", "job_id": "$job",
 "tasks": [{"task_id": "$task", "target": {"module": "$module", "path": "$path", "import_root": "$import_root"}}],
 "snapshot": {"digest": "$digest", "size": $size, "files": $(tar -tzf "$folder/sources" | grep -cv '/$')},
 "policy": {}, "submitted_at": "$(date -u +%FT%TZ)"}
JSON
)"

wait "$listening"
nats stream get TESTWRIGHT_EVENTS --last-for "testwright.event.$namespace.task.$task.finished"
# Its files: nats object get testwright-artifacts DIGEST
