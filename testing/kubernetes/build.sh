#!/bin/bash
# Builds a real Kubernetes API server, etcd and kubectl into .peers/kubernetes from the Go module proxy, and puts Istio's
# CRDs beside them. Does nothing when they are up to date; --up-to-date only says, by its exit code, whether they are.
# A cold build takes minutes: see docs/kubernetes.md.
set -euo pipefail
cd "$(dirname "$0")"
out=../../.peers/kubernetes
stamp=$(cat go.mod go.sum build.sh | sha256sum | cut -d' ' -f1)
[ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ] && exit 0
[ "${1:-}" = --up-to-date ] && exit 1
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=$(cut -d. -f2 <<<"$version")
component=k8s.io/component-base/version
flags="-s -w -X $component.gitVersion=$version -X $component.gitMajor=1 -X $component.gitMinor=$minor"
mkdir -p "$out"
build() { nice go build -trimpath -ldflags "$flags" -o "$out/$1" "$2"; }
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
build kubectl k8s.io/kubernetes/cmd/kubectl
build etcd go.etcd.io/etcd/server/v3
crds=$(go list -m -f '{{.Dir}}' istio.io/api)/kubernetes/customresourcedefinitions.gen.yaml
install -m 644 "$crds" "$out/istio-crds.yaml"
echo "$stamp" > "$out/.stamp"
