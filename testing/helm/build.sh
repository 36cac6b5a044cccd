#!/bin/bash
# Builds Helm into .peers/helm from the Go module proxy. Does nothing when it is up to date; --up-to-date only says, by its
# exit code, whether it is. A cold build takes minutes.
set -euo pipefail
cd "$(dirname "$0")"
out=../../.peers/helm
stamp=$(cat go.mod go.sum build.sh | sha256sum | cut -d' ' -f1)
[ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ] && exit 0
[ "${1:-}" = --up-to-date ] && exit 1
version=$(go list -m -f '{{.Version}}' helm.sh/helm/v3)
mkdir -p "$out"
nice go build -trimpath -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$version" -o "$out/helm" helm.sh/helm/v3/cmd/helm
echo "$stamp" > "$out/.stamp"
