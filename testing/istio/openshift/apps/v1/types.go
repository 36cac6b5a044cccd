// Package v1 has the one kind of apps.openshift.io that istiod can put a sidecar into.
package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var GroupVersion = schema.GroupVersion{Group: "apps.openshift.io", Version: "v1"}

type DeploymentConfig struct {
	metav1.TypeMeta
	metav1.ObjectMeta
}

func (d *DeploymentConfig) DeepCopyObject() runtime.Object {
	return &DeploymentConfig{TypeMeta: d.TypeMeta, ObjectMeta: *d.ObjectMeta.DeepCopy()}
}
