/** The flags of the proxy's process. */
export interface ProxyFlag {
  readonly name: string
  /** Undefined: a switch. */
  readonly value?: string
  readonly help: string
}

/** One line each; the help of `aeraki proxy` is made of it, too. */
export const proxyFlags: readonly ProxyFlag[] = [
  { name: 'bootstrap', value: 'FILE', help: "Envoy's bootstrap, YAML or JSON; instead of --control-plane" },
  { name: 'control-plane', value: 'HOST:PORT', help: 'where xDS comes from' },
  {
    name: 'node',
    value: 'ID',
    help: 'sidecar~IP~NAME.NAMESPACE~NAMESPACE.svc.cluster.local; a gateway begins with router~',
  },
  { name: 'locality', value: 'REGION/ZONE/SUBZONE', help: 'where this workload runs; the last two may be left out' },
  { name: 'labels', value: 'K=V,...', help: "the workload's labels" },
  { name: 'namespace', value: 'NS', help: "the workload's namespace; default: as in the node id" },
  {
    name: 'app',
    value: 'HOST[:PORT]',
    help: 'the local application, for inbound listeners; default 127.0.0.1 and the same port; "off" for none',
  },
  { name: 'admin-address', value: 'HOST:PORT', help: 'admin pages; default 127.0.0.1:15000, "off" for none' },
  {
    name: 'status-address',
    value: 'HOST:PORT',
    help: '/ready and /stats/prometheus alone, for probes and Prometheus; default: nowhere but on the admin pages',
  },
  {
    name: 'concurrency',
    value: 'N',
    help: 'workers, each with a thread of its own; "auto" or 0: one per core that the process may use; default 1',
  },
  {
    name: 'intercept',
    value: 'PORT',
    help: 'redirects connections to VIPs to this port of the proxy (iptables, root)',
  },
  { name: 'log-level', value: 'LEVEL', help: 'trace, debug, info (default), warning, error, critical or off' },
  { name: 'drain-time', value: 'SECONDS', help: 'how long SIGTERM waits for requests in flight; default 5' },
  { name: 'help', help: 'prints this' },
]
