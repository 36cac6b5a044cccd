/** The seed talk's Dubbo resources, as they stand there, and workloads for them. */
const host = 'org.apache.dubbo.samples.basic.api.demoservice'

export const seed = {
  service: `---
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: test-dubbo-service
  annotations:
    interface: org.apache.dubbo.samples.basic.api.DemoService
spec:
  hosts:
    - ${host}
  addresses:
    - 193.193.192.192
  ports:
    - number: 20880
      name: tcp-dubbo
      protocol: TCP
  workloadSelector:
    labels:
      app: dubbo-sample-provider
  resolution: STATIC
`,
  split: `---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: test-dubbo-route
spec:
  hosts:
    - ${host}
  http:
    - name: "reviews-traffic-splitting"
      route:
        - destination:
            host: ${host}
            subset: v1
          weight: 30
        - destination:
            host: ${host}
            subset: v2
          weight: 70
`,
  versions: `---
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata:
  name: versions
spec:
  host: ${host}
  subsets:
  - name: v1
    labels: {version: v1}
  - name: v2
    labels: {version: v2}
`,
  workloads: [1, 2]
    .map(
      (n) => `---
apiVersion: networking.istio.io/v1beta1
kind: WorkloadEntry
metadata: {name: provider-v${n}}
spec:
  address: 127.77.1.${n}
  labels: {app: dubbo-sample-provider, version: v${n}}
`,
    )
    .join(''),
}
