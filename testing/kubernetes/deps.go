// Package kubernetes has no code: it names the module whose CRDs build.sh takes, for `go mod tidy` to keep it.
package kubernetes

import _ "istio.io/api/label"
