#!/usr/bin/env bash
# Waits for the server and has it label one image.
# usage: smoke_test.sh IMAGE [MODEL] [URL]
set -euo pipefail
image=${1:?usage: smoke_test.sh IMAGE [MODEL] [URL]}
model=${2:-digits}
url=${3:-http://localhost:8501}
here=$(cd "$(dirname "$0")" && pwd)
seconds=${SMOKE_TEST_SECONDS:-60}
for ((second = 0; second < seconds; second++)); do
  if answer=$(python3 "$here/client_rest.py" --url="$url" --model="$model" \
      --timeout=5 "$image" 2>&1); then
    echo "$answer"
    echo "ok: $model answers at $url"
    exit 0
  fi
  sleep 1
done
echo "smoke_test: $model does not answer at $url within $seconds s: $answer" >&2
exit 1
