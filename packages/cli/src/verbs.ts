/** The verbs. A verb's file is loaded when the verb is asked for, so that `aeraki help` need not load a proxy. */
import type { Command } from './command.ts'

export interface Verb {
  readonly name: string
  readonly summary: string
  load(): Promise<{ readonly command: Command }>
}

export const verbs: readonly Verb[] = [
  {
    name: 'control-plane',
    summary: 'serve configuration to proxies from a folder of YAML, and follow the folder',
    load: () => import('./verbs/control-plane.ts'),
  },
  {
    name: 'proxy',
    summary: 'run the MetaProtocol Proxy',
    load: () => import('./verbs/proxy.ts'),
  },
  {
    name: 'bootstrap',
    summary: 'print the bootstrap with which an Envoy or a MetaProtocol Proxy joins',
    load: () => import('./verbs/bootstrap.ts'),
  },
  {
    name: 'registry',
    summary: 'bring the services of registries, such as ZooKeeper, into the mesh',
    load: () => import('./verbs/registry.ts'),
  },
  {
    name: 'validate',
    summary: 'find every mistake in files and folders of YAML or JSON',
    load: () => import('./verbs/validate.ts'),
  },
  {
    name: 'generate',
    summary: 'print the EnvoyFilters that a folder of YAML makes of an Istio mesh',
    load: () => import('./verbs/generate.ts'),
  },
  {
    name: 'diff',
    summary: 'show what "generate" would change in a cluster, or beside another folder',
    load: () => import('./verbs/diff.ts'),
  },
  {
    name: 'install',
    summary: 'print what a Kubernetes cluster needs to run Aeraki',
    load: () => import('./verbs/install.ts'),
  },
  {
    name: 'demo',
    summary: 'a live mesh in the terminal: Dubbo calls routed, split and re-routed',
    load: () => import('./verbs/demo.ts'),
  },
  { name: 'version', summary: 'print the version and the runtimes', load: () => import('./verbs/version.ts') },
  { name: 'help', summary: 'explain a verb', load: () => import('./verbs/help.ts') },
]
