#!/bin/bash
# Builds Consul into .peers/consul from the Go module proxy. Does nothing when it is up to date; --up-to-date only says,
# by its exit code, whether it is.
set -euo pipefail
cd "$(dirname "$0")"
out=../../.peers/consul
stamp=$(cat go.mod build.sh | sha256sum | cut -d' ' -f1)
[ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ] && exit 0
[ "${1:-}" = --up-to-date ] && exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp go.mod "$work"
# The indirect requirements are written into the copy.
(cd "$work" && GOFLAGS=-mod=mod nice go build -ldflags '-s -w' -o consul github.com/hashicorp/consul)
mkdir -p "$out"
mv "$work/consul" "$out/consul"
echo "$stamp" > "$out/.stamp"
