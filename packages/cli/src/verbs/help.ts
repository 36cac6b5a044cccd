import type { Command } from '../command.ts'
import { overallHelp, verbHelp } from '../help.ts'
import { didYouMean, UsageError } from '../usage.ts'
import { verbs } from '../verbs.ts'

export const command: Command = {
  operands: '[VERB]',
  description: 'Lists the verbs, or explains one.',
  options: {},
  examples: ['aeraki help', 'aeraki help proxy'],
  async run({ words }) {
    const [name] = words
    if (name === undefined) {
      process.stdout.write(overallHelp())
      return 0
    }
    const verb = verbs.find((candidate) => candidate.name === name)
    if (verb === undefined) {
      const names = verbs.map((candidate) => candidate.name)
      throw new UsageError(`unknown verb "${name}".${didYouMean(name, names)}`)
    }
    process.stdout.write(verbHelp(verb.name, (await verb.load()).command))
    return 0
  },
}
