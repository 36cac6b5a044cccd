#!/bin/bash
# Builds a real istiod into .peers/istio from the Go module proxy. Does nothing when it is up to date; --up-to-date only
# says, by its exit code, whether it is. A cold build takes minutes.
set -euo pipefail
cd "$(dirname "$0")"
out=../../.peers/istio
stamp=$(cat go.mod go.sum build.sh openshift/*/v1/*.go | sha256sum | cut -d' ' -f1)
[ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ] && exit 0
[ "${1:-}" = --up-to-date ] && exit 1
mkdir -p "$out"
nice go build -trimpath -ldflags '-s -w -X istio.io/istio/pkg/version.buildVersion=1.29.7 -X istio.io/istio/pkg/version.buildStatus=Clean' -o "$out/istiod" istio.io/istio/pilot/cmd/pilot-discovery
echo "$stamp" > "$out/.stamp"
