/** Which files of a folder are configuration: .yaml, .yml and .json, in it and below; hidden files and folders are not. */
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { type Diagnostic, fileFinding } from '../diagnostic.ts'

export interface Folder {
  /** In the order of their paths. */
  readonly files: readonly string[]
  /** All that were walked, the root among them. */
  readonly folders: ReadonlySet<string>
  /** Files and folders below the root that can't be looked at; the rest is as if they held nothing. */
  readonly unreadable: readonly { readonly path: string; readonly cause: unknown }[]
}

const extensions = new Set(['.yaml', '.yml', '.json'])

/** Whether a file of this name is configuration, and not hidden. */
export function isConfigurationFile(name: string): boolean {
  return !name.startsWith('.') && extensions.has(extname(name).toLowerCase())
}

/**
 * Links are followed, a folder once: one that leads back up does not go round for ever. What goes away while we look
 * is not there. Throws what `readdir` throws if the root itself can't be read.
 */
export function walkFolder(root: string): Folder {
  const files: string[] = []
  const folders = new Set<string>()
  const unreadable: { path: string; cause: unknown }[] = []
  const seen = new Set<string>()

  function enter(folder: string): void {
    const real = realpathSync(folder)
    if (seen.has(real)) return
    seen.add(real)
    const entries = readdirSync(folder, { withFileTypes: true })
    folders.add(folder)
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue
      const path = join(folder, entry.name)
      attempt(path, () => {
        // A Kubernetes ConfigMap volume is made of links.
        const kind = entry.isSymbolicLink() ? statSync(path) : entry
        if (kind.isDirectory()) enter(path)
        else if (kind.isFile() && isConfigurationFile(entry.name)) files.push(path)
      })
    }
  }

  function attempt(path: string, look: () => void): void {
    try {
      look()
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') unreadable.push({ path, cause })
    }
  }

  enter(root)
  return { files: files.toSorted(), folders, unreadable }
}

/** The finding about a file or folder that can't be read. */
export function unreadableFinding(code: string, file: string, message: string): Diagnostic {
  const remedy = 'Check its permissions, and where links lead.'
  return fileFinding({ file, line: 0, column: 0 }, { code, message, remedy })
}
