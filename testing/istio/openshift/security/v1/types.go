// Package v1 has the annotations of security.openshift.io by which namespaces get their user ids.
package v1

const (
	UIDRangeAnnotation           = "openshift.io/sa.scc.uid-range"
	SupplementalGroupsAnnotation = "openshift.io/sa.scc.supplemental-groups"
)

type IDRange struct {
	Min int64
	Max int64
}
