#!/bin/bash
# Builds .peers/envoy-contrib/check, which judges configurations of Envoy's contrib filters by Envoy's own messages, from the
# Go module proxy. Does nothing when it is up to date; --up-to-date only says, by its exit code, whether it is.
set -euo pipefail
cd "$(dirname "$0")"
out=../../.peers/envoy-contrib
stamp=$(cat go.mod go.sum build.sh main.go | sha256sum | cut -d' ' -f1)
[ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ] && exit 0
[ "${1:-}" = --up-to-date ] && exit 1
mkdir -p "$out"
nice go build -trimpath -o "$out/check" .
echo "$stamp" > "$out/.stamp"
