import { AerakiError } from '@aeraki/api/errors'
import type { Arguments, Command } from '../command.ts'
import { generationOptions, readGenerationOptions } from '../generation-options.ts'
import { UsageError } from '../usage.ts'

const NAME = 'diff'

const SAME = 0
const DIFFERENT = 1
/** As with diff and kubectl diff: anything greater than 1. */
const FAILED = 2

export const command: Command = {
  operands: 'DIR',
  description: [
    'Shows what "aeraki generate" would change: in a cluster, or beside a folder (what it generates) or a file or folder that',
    '"aeraki generate" has printed. Lines with - are there, lines with + would be. Findings go to stderr.',
    'Exit code 0 without a difference, 1 with one, 2 when something went wrong.',
  ].join('\n'),
  options: {
    against: { type: 'string', value: 'PATH', help: 'a folder or file (default: the cluster of the kubeconfig)' },
    kubeconfig: {
      type: 'string',
      value: 'FILE',
      help: 'the kubeconfig (default: KUBECONFIG, the pod, ~/.kube/config)',
    },
    context: { type: 'string', value: 'NAME', help: 'a context of the kubeconfig' },
    ...generationOptions,
  },
  examples: [
    'aeraki diff my-mesh/',
    'aeraki diff my-mesh/ --against my-mesh.before/',
    'aeraki diff my-mesh/ --against printed.yaml',
  ],
  async run(args) {
    const [folder, ...others] = args.words
    if (folder === undefined || others.length > 0) throw new UsageError('give one folder to generate from', NAME)
    try {
      const { formatDiagnostics } = await import('@aeraki/api')
      const { differences, diagnostics, isIncomplete } = await compare(folder, args)
      if (diagnostics.length > 0) process.stderr.write(`${formatDiagnostics(diagnostics, 'text')}\n`)
      process.stdout.write(differences.map(({ text }) => text).join(''))
      if (isIncomplete) return FAILED
      return differences.length > 0 ? DIFFERENT : SAME
    } catch (error) {
      if (!(error instanceof AerakiError) || error instanceof UsageError) throw error
      process.stderr.write(`aeraki: ${error.message} (${error.code})\n`)
      return FAILED
    }
  },
}

async function compare(folder: string, args: Arguments) {
  const { diffCluster, diffPaths } = await import('@aeraki/control-plane/diff')
  const options = await readGenerationOptions(NAME, args)
  const against = args.text('against')
  if (against !== undefined) return diffPaths(folder, against, options)
  const { createKubernetesClient, loadClusterConfig } = await import('@aeraki/kubernetes')
  const client = createKubernetesClient(
    loadClusterConfig({ kubeconfig: args.text('kubeconfig'), context: args.text('context') }),
  )
  try {
    return await diffCluster(folder, client, options)
  } finally {
    client.close()
  }
}
