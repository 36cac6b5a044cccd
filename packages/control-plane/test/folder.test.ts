import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import assert from 'node:assert/strict'
import fs, {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createFolderSource } from '../src/sources/folder.ts'
import type { OriginUpdate, Source } from '../src/sources/source.ts'

const rule = (name: string) =>
  `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: ${name}}, spec: {host: ${name}.example}}\n`

describe('folder source', () => {
  let root: string
  let folder: string
  let source: Source
  let names: Map<string, string[]>
  let errors: Map<string, string[]>
  let changed: () => void

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'aeraki-folder-'))
    folder = join(root, 'config')
    mkdirSync(folder)
    names = new Map()
    errors = new Map()
    changed = () => {}
  })

  afterEach(async () => {
    await source.close()
    rmSync(root, { recursive: true, force: true })
  })

  /** Without the periodic walk: what these tests see, events have told. */
  async function start(rescanMs = 0): Promise<void> {
    source = createFolderSource(folder, { debounceMs: 10, rescanMs })
    await source.start((updates) => {
      for (const update of updates) apply(update)
      changed()
    })
  }

  function apply({ origin, state, objects, diagnostics }: OriginUpdate): void {
    errors.set(
      origin,
      diagnostics.map(({ code, file }) => `${code} ${basename(file)}`),
    )
    if (state === 'removed') names.delete(origin)
    else
      names.set(
        origin,
        objects.map(({ metadata }) => metadata.name),
      )
  }

  function problems(): string[] {
    return [...errors.values()].flat().toSorted()
  }

  function seen(): string[] {
    return [...names.values()].flat().toSorted()
  }

  async function until(expected: string[]): Promise<void> {
    while (seen().join() !== expected.join()) {
      await new Promise<void>((resolve) => {
        changed = resolve
      })
    }
  }

  test('reads YAML and JSON below the folder, hidden files and other files not', async () => {
    mkdirSync(join(folder, 'deep', '.hidden'), { recursive: true })
    writeFileSync(join(folder, 'a.yaml'), rule('a'))
    writeFileSync(join(folder, 'deep', 'b.json'), rule('b').replaceAll(/([\w.]+\/v1|[A-Za-z.]+)/g, '"$1"'))
    writeFileSync(join(folder, 'deep', '.hidden', 'c.yaml'), rule('c'))
    writeFileSync(join(folder, 'd.txt'), rule('d'))
    await start()
    assert.deepEqual(seen(), ['a', 'b'])
  })

  test('sees files written, replaced by a rename, and removed', async () => {
    writeFileSync(join(folder, 'a.yaml'), rule('a'))
    await start()
    writeFileSync(join(folder, 'a.yaml'), rule('a') + `---\n${rule('b')}`)
    await until(['a', 'b'])
    writeFileSync(join(folder, '.a.yaml.swp'), rule('c'))
    renameSync(join(folder, '.a.yaml.swp'), join(folder, 'a.yaml'))
    await until(['c'])
    rmSync(join(folder, 'a.yaml'))
    await until([])
  })

  test('sees folders that come, go and come again', async () => {
    await start()
    for (const name of ['one', 'two']) {
      mkdirSync(join(folder, 'deep', 'deeper'), { recursive: true })
      writeFileSync(join(folder, 'deep', 'deeper', 'a.yaml'), rule(name))
      await until([name])
      writeFileSync(join(folder, 'deep', 'deeper', 'b.yaml'), rule('b'))
      await until(['b', name].toSorted())
      rmSync(join(folder, 'deep'), { recursive: true })
      await until([])
    }
  })

  test('keeps what it had while the whole folder is away', async () => {
    writeFileSync(join(folder, 'a.yaml'), rule('a'))
    writeFileSync(join(folder, 'b.yaml'), rule('b'))
    await start(50)
    let calls = 0
    changed = () => (calls += 1)
    renameSync(folder, `${folder}.away`)
    await new Promise((resolve) => setTimeout(resolve, 150))
    assert.equal(calls, 0)
    mkdirSync(`${folder}.new`)
    writeFileSync(join(`${folder}.new`, 'b.yaml'), rule('c'))
    renameSync(`${folder}.new`, folder)
    await until(['c'])
  })

  test('follows a Kubernetes volume’s swap of its ..data link', async () => {
    const version = (n: number) => {
      mkdirSync(join(folder, `..v${n}`))
      writeFileSync(join(folder, `..v${n}`, 'rule.yaml'), rule(`v${n}`))
      symlinkSync(`..v${n}`, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    }
    version(1)
    symlinkSync(join('..data', 'rule.yaml'), join(folder, 'rule.yaml'))
    await start()
    assert.deepEqual(seen(), ['v1'])
    version(2)
    rmSync(join(folder, '..v1'), { recursive: true })
    await until(['v2'])
  })

  test('a file that is empty for a moment while it is written loses nothing', async () => {
    const path = join(folder, 'a.yaml')
    writeFileSync(path, rule('a'))
    await start()
    const states: string[] = []
    changed = () => states.push(seen().join())
    writeFileSync(path, '')
    await new Promise((resolve) => setTimeout(resolve, 60))
    writeFileSync(path, rule('b'))
    await until(['b'])
    assert.ok(!states.includes(''))
  })

  test('a file that is cut off for a moment while it is written loses nothing', async () => {
    const path = join(folder, 'a.yaml')
    const whole = `${rule('a')}---\n${rule('b')}`
    writeFileSync(path, whole)
    await start()
    const states: string[] = []
    changed = () => states.push(seen().join())
    writeFileSync(path, rule('c').trimEnd())
    await new Promise((resolve) => setTimeout(resolve, 60))
    appendFileSync(path, `\n---\n${rule('b')}`)
    await until(['b', 'c'])
    assert.deepEqual(
      states.filter((state) => !state.includes('b')),
      [],
    )
  })

  test('a file that stays without a line break at its end is taken', async () => {
    const path = join(folder, 'a.yaml')
    writeFileSync(path, rule('a'))
    await start()
    writeFileSync(path, rule('b').trimEnd())
    await until(['b'])
  })

  test('one file that cannot be read takes nothing else away, and keeps what it held', async () => {
    writeFileSync(join(folder, 'a.yaml'), rule('a'))
    mkdirSync(join(folder, 'deep'))
    writeFileSync(join(folder, 'deep', 'b.yaml'), rule('b'))
    symlinkSync('loop.yaml', join(folder, 'loop.yaml'))
    await start()
    assert.deepEqual(seen(), ['a', 'b'])
    assert.deepEqual(problems(), ['SOURCE_UNREADABLE loop.yaml'])
    rmSync(join(folder, 'deep'), { recursive: true })
    symlinkSync('deep', join(folder, 'deep'))
    writeFileSync(join(folder, 'a.yaml'), rule('c'))
    await until(['b', 'c'])
    assert.deepEqual(problems(), ['SOURCE_UNREADABLE deep', 'SOURCE_UNREADABLE loop.yaml'])
    rmSync(join(folder, 'deep'))
    rmSync(join(folder, 'loop.yaml'))
    await until(['c'])
    assert.deepEqual(problems(), [])
  })

  test('a file beyond all measure is refused unread', async () => {
    writeFileSync(join(folder, 'a.yaml'), rule('a'))
    const file = openSync(join(folder, 'huge.yaml'), 'w')
    ftruncateSync(file, 40 * 1024 * 1024)
    closeSync(file)
    await start()
    assert.deepEqual(seen(), ['a'])
    assert.deepEqual(problems(), ['SOURCE_UNREADABLE huge.yaml'])
  })

  test('a file that is written or replaced is all that is read, however many there are', async () => {
    for (let i = 0; i < 50; i += 1) writeFileSync(join(folder, `${i}.yaml`), rule(`rule-${i}`))
    await start()
    // The looks that follow the start and fresh files are over.
    await new Promise((resolve) => setTimeout(resolve, 500))
    const rest = seen().filter((name) => name !== 'rule-7')
    const walks = mock.method(fs, 'readdirSync')
    const stats = mock.method(fs, 'statSync')
    const reads = mock.method(fs, 'readFileSync')
    syncBuiltinESMExports()
    try {
      writeFileSync(join(folder, '7.yaml'), rule('written'))
      await until([...rest, 'written'].toSorted())
      writeFileSync(join(folder, '7.yaml.new'), rule('replaced'))
      renameSync(join(folder, '7.yaml.new'), join(folder, '7.yaml'))
      await until([...rest, 'replaced'].toSorted())
      writeFileSync(join(folder, 'more.yaml'), rule('more'))
      await until([...rest, 'replaced', 'more'].toSorted())
      assert.equal(walks.mock.callCount(), 0)
      // Fresh files are read again, as another write may leave the same stat.
      const paths = new Set([...stats.mock.calls, ...reads.mock.calls].map((call) => String(call.arguments[0])))
      assert.deepEqual([...paths].toSorted(), [join(folder, '7.yaml'), join(folder, 'more.yaml')])
    } finally {
      mock.restoreAll()
      syncBuiltinESMExports()
    }
  })

  test('an empty folder is a mesh of nothing', async () => {
    let calls = 0
    changed = () => (calls += 1)
    await start()
    assert.deepEqual([seen(), calls], [[], 1])
  })

  test('a walk finds what no event has told', async () => {
    await start(20)
    writeFileSync(join(folder, 'a.yaml'), rule('a'))
    await until(['a'])
  })
})

test('a folder that is not there is an error at the start', async () => {
  const source = createFolderSource('/nonexistent/config')
  await assert.rejects(
    source.start(() => {}),
    { code: 'SOURCE_UNREADABLE' },
  )
  await source.close()
})
