#!/usr/bin/env bash
# Have tests written for a module, and react when they are there: with nothing but the `nats` command (0.2 or newer).
#
#     NATS_URL=nats://… ./submit-and-react.sh PROJECT src/shop/pricing.py shop.pricing src
#
# The arguments are the project's folder, the module's file in it, its import path, and the folder in it that goes on
# `sys.path` ("." for the project itself). The messages are described in schemas/asyncapi.json. Exit code: 0 for a
# suite, 1 for none, 2 where the submission was refused.
set -euo pipefail
project=$1 path=$2 module=$3 import_root=$4
namespace=${TESTWRIGHT_NAMESPACE:-default} engines=${ENGINES:-pynguin,ghostwriter}
# Ids are yours to choose: letters, digits, "-" and "_". Sending a job twice under one id does it once.
id=$(date +%s)-$$-$RANDOM job=job-$id task=task-$id
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# --jetstream waits for the server's word that a message is stored; archives may contain what looks like a template.
publish() { nats pub --jetstream --quiet --no-templates "$@"; }

tar -czf "$folder/sources" --exclude=.git -C "$project" .
digest=$(sha256sum "$folder/sources" | cut -d' ' -f1)
size=$(stat -c %s "$folder/sources")
files=$(tar -tzf "$folder/sources" | grep -cv '/$')

# Contents are laid out as in any object store, with the namespace as one more token of each subject: the server holds a
# client of one namespace to it. `nats object` knows no such token. The content in chunks, then what makes it known:
bucket=testwright-snapshots chunks=0
sum=$(printf '%s' "$digest" | xxd -r -p | basenc --base64url)
entry_of() { printf '$O.%s.M.%s.%s' "$1" "$namespace" "$(printf '%s' "$2" | basenc --base64url --wrap 0)"; }
split --bytes=512K "$folder/sources" "$folder/chunk-"
for chunk in "$folder"/chunk-*; do
  publish "\$O.$bucket.C.$namespace.$job" --force-stdin <"$chunk"
  chunks=$((chunks + 1))
done
publish "$(entry_of "$bucket" "$digest")" "{\"name\": \"$digest\", \"bucket\": \"$bucket\", \"nuid\": \"$job\", \"size\": $size,
 \"chunks\": $chunks, \"digest\": \"SHA-256=$sum\"}"

publish -H "Nats-Msg-Id:$namespace/job/$job/submit" "testwright.command.$namespace.submit" "$(
  cat <<JSON
{"type": "submit-job", "namespace": "$namespace", "job_id": "$job",
 "tasks": [{"task_id": "$task", "target": {"module": "$module", "path": "$path", "import_root": "$import_root"}}],
 "snapshot": {"digest": "$digest", "size": $size, "files": $files},
 "policy": {"engines": ["${engines//,/\",\"}"], "coverage": 80, "mutants": false}, "submitted_at": "$(date -u +%FT%TZ)"}
JSON
)"
echo "submitted $job"

# What the stream holds from its beginning, and then what comes: nothing can be missed, however late one begins.
follow=(nats sub --stream TESTWRIGHT_EVENTS --all --raw)

coproc events { exec "${follow[@]}" "testwright.event.$namespace.job.$job.*" 2>/dev/null; }
trap 'kill "$events_PID"; rm -rf "$folder"' EXIT
while read -r event <&"${events[0]}"; do
  case $event in
    *'"type":"job-rejected"'*)
      field=$(sed 's/.*"field":"\([^"]*\)".*/\1/' <<<"$event") reason=$(sed 's/.*"reason":"\([^"]*\)".*/\1/' <<<"$event")
      echo "rejected: $field $reason"
      exit 2
      ;;
    *'"type":"job-finished"'*) break ;;
  esac
done

# The end of a task is one message, and the result is in it.
"${follow[@]}" --count 1 "testwright.event.$namespace.task.$task.finished" 2>/dev/null >"$folder/result.json"
outcome=$(sed -n 's/.*"outcome":"\([a-z]*\)".*/\1/p' "$folder/result.json")
kept=$(grep -o '"verdict":"kept"' "$folder/result.json" | wc -l)
echo "finished $outcome $kept tests kept"

# A file is found the other way round: what makes it known says where its chunks are, and how many.
fetch() {
  local bucket=testwright-artifacts entry nuid chunks
  entry=$(nats sub --stream "OBJ_$bucket" --last-per-subject --raw --count 1 "$(entry_of "$bucket" "$1")" 2>/dev/null)
  nuid=$(sed 's/.*"nuid": *"\([^"]*\)".*/\1/' <<<"$entry") chunks=$(sed 's/.*"chunks": *\([0-9]*\).*/\1/' <<<"$entry")
  nats sub --stream "OBJ_$bucket" --all --raw --translate "base64 --wrap=0" --count "$chunks" \
    "\$O.$bucket.C.$namespace.$nuid" 2>/dev/null | base64 --decode
}

grep -o '"files":\[[^]]*\]' "$folder/result.json" | grep -o '"name":"[^"]*","digest":"[0-9a-f]*"' |
  sed 's/"name":"\(.*\)","digest":"\(.*\)"/\2 \1/' |
  while read -r found name; do
    fetch "$found" >"$(basename "$name")"
    sha256sum --check --quiet <<<"$found  $(basename "$name")"
    echo "wrote $(basename "$name")"
  done
[ "$outcome" = completed ]
