#!/usr/bin/env bash
# Write verified tests for the modules that a change touches, and a report of each. Used by the templates beside it.
#
#     changed.sh BASE OUTPUT PATH [option of `testwright generate`]…
#
# BASE is the git revision that the change is compared with; PATH the folder of the sources. OUTPUT gets the suites, one
# report a task in Markdown, and summary.md with all of them. Ends well where nothing has changed; with exit code 1
# where a task failed or stayed below its coverage.
set -euo pipefail
base=$1 output=$2 path=$3
shift 3
mkdir -p "$output/suites"
: >"$output/summary.md"

status=0
# One server for both verbs: it keeps the results for as long as this script runs.
data=$(mktemp -d)
export TESTWRIGHT_DATA=$data
coproc UP { exec testwright up --json --listen 127.0.0.1:0; }
up=$UP_PID
trap 'kill "$up" 2>/dev/null; wait "$up" 2>/dev/null || true; rm -rf "$data"' EXIT
read -r _ <&"${UP[0]}" # the line that says that all of it stands

testwright generate "$path" --changed-since "$base" --output "$output/suites" --json "$@" \
  >"$output/results.json" || status=$?
((status <= 1)) || exit "$status"

python3 - "$output/results.json" <<'PYTHON' >"$output/tasks"
import json, sys
for task in json.load(open(sys.argv[1], encoding="utf-8")).get("tasks", []):
    print(task["task_id"], task["outcome"])
PYTHON
while read -r task outcome; do
  testwright result "$task" --output "$output/suites" --report "$output/$task.md" >/dev/null || true
  [[ ! -f $output/$task.md ]] || cat "$output/$task.md" >>"$output/summary.md"
  [[ $outcome == completed ]] || echo "- \`$task\` $outcome" >>"$output/summary.md"
done <"$output/tasks"
[[ -s $output/summary.md ]] || echo "testwright: no module has changed." >"$output/summary.md"
exit "$status"
