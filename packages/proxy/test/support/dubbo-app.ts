/**
 * A provider or a consumer in a process of its own, which knows nothing of a mesh:
 *
 *   provider NAME PORT       answers every request with its name; prints "listening"
 *   consumer HOST PORT N     makes N calls, one after the other, on one connection; prints the answers as JSON
 */
import { connect, createServer, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { dubboFrames, dubboRequest, dubboResponse, readResponse } from './dubbo-bytes.ts'

export const dubboApp = fileURLToPath(import.meta.url)

export async function provide(name: string, port: number): Promise<Server> {
  const server = createServer((socket) => {
    let kept = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      const { frames, rest } = dubboFrames(Buffer.concat([kept, chunk]))
      kept = Buffer.from(rest)
      for (const frame of frames) socket.write(dubboResponse(frame.readBigUInt64BE(4), name))
    })
    socket.on('error', () => socket.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return server
}

/** Calls until `enough` of the answers so far says so. Rejects when the connection ends before. */
export async function consume(
  host: string,
  port: number,
  enough: (answers: readonly string[]) => boolean,
): Promise<readonly string[]> {
  const answers: string[] = []
  await new Promise<void>((resolve, reject) => {
    let kept = Buffer.alloc(0)
    const socket = connect(port, host, () => socket.write(dubboRequest(1n)))
    socket.on('data', (chunk) => {
      const { frames, rest } = dubboFrames(Buffer.concat([kept, chunk]))
      kept = Buffer.from(rest)
      for (const frame of frames) {
        const { id, status, value } = readResponse(frame)
        answers.push(status === 20 ? value : `status ${status}`)
        if (enough(answers)) {
          socket.end()
          resolve()
        } else socket.write(dubboRequest(id + 1n))
      }
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`the connection ended after ${answers.length} answers`)))
  })
  return answers
}

if (process.argv[1] === dubboApp) {
  const [role, first = '', second = '', third = ''] = process.argv.slice(2)
  if (role === 'provider') {
    await provide(first, Number(second))
    process.stdout.write('listening\n')
  } else {
    const answers = await consume(first, Number(second), ({ length }) => length === Number(third))
    process.stdout.write(`${JSON.stringify(answers)}\n`)
  }
}
