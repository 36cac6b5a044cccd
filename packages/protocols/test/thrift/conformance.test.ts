import { describe } from 'node:test'
import { describeConformance } from '../../src/conformance/kit.ts'
import { thrift } from '../../src/thrift/index.ts'
import { forms, readException } from './messages.ts'
import { samplesOf } from './samples.ts'

for (const form of forms) {
  describe(`Thrift, ${form.transport} ${form.protocol}`, () => {
    describeConformance({
      protocol: thrift,
      samples: samplesOf(form),
      // The length of an unframed message is known when it is there.
      ...(form.transport === 'unframed' ? {} : { headerBytes: 4 }),
      readError(reply) {
        const { seqid, message } = readException(form, reply)
        return { idHigh: 0, idLow: seqid, message }
      },
    })
  })
}

describe('Thrift, all transports and protocols on one connection', () => {
  describeConformance({
    protocol: thrift,
    samples: forms.flatMap(samplesOf),
    readError(reply, to) {
      const form = forms.find((it) => formTag(it) === to.tag)
      if (form === undefined) throw new Error(`no form has tag ${to.tag}`)
      const { seqid, message } = readException(form, reply)
      return { idHigh: 0, idLow: seqid, message }
    },
  })
})

function formTag(form: (typeof forms)[number]): number {
  const transport = { framed: 0, unframed: 1, header: 2 }[form.transport]
  return transport | ({ binary: 0, lax: 1, compact: 2 }[form.protocol] << 2)
}
