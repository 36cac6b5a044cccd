/** Answers every Dubbo request with the same response and the request's id. On Bun: bun backend.ts; prints its port. */
import { bun, Channel } from './bun-sockets.ts'
import { idAt, responseFrame } from './dubbo.ts'

const response = responseFrame(64)

const server = bun.listen<Channel>({
  hostname: '127.0.0.1',
  port: 0,
  socket: {
    open: (socket) => {
      socket.data = new Channel()
    },
    data: (socket, chunk) => {
      const channel = socket.data
      channel.frames(chunk, (bytes, at) => {
        const answer = Buffer.from(response)
        bytes.copy(answer, idAt, at + idAt, at + idAt + 8)
        channel.append(answer)
      })
      channel.flush(socket)
    },
    drain: (socket) => socket.data.flush(socket),
    close: () => undefined,
    error: () => undefined,
  },
})
console.log(server.port)
