// What istiod's sidecar injection names of OpenShift's API, which the Go module proxy can't verify. No injection is tested.
module github.com/openshift/api

go 1.25.0

require k8s.io/apimachinery v0.35.3
