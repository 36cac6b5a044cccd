/**
 * Who has read what: while a service is built it names the facts it looks at, present or not, and a change to a fact
 * names the services to build again.
 */
export interface Dependencies<Reader> {
  /** Replaces what the reader has read before. */
  record(reader: Reader, facts: ReadonlySet<string>): void
  forget(reader: Reader): void
  readersOf(fact: string): Iterable<Reader>
}

export function createDependencies<Reader>(): Dependencies<Reader> {
  const byFact = new Map<string, Set<Reader>>()
  const byReader = new Map<Reader, ReadonlySet<string>>()

  function forget(reader: Reader): void {
    for (const fact of byReader.get(reader) ?? []) {
      const readers = byFact.get(fact)
      readers?.delete(reader)
      if (readers?.size === 0) byFact.delete(fact)
    }
    byReader.delete(reader)
  }

  return {
    record(reader, facts) {
      forget(reader)
      byReader.set(reader, facts)
      for (const fact of facts) {
        const readers = byFact.get(fact)
        if (readers === undefined) byFact.set(fact, new Set([reader]))
        else readers.add(reader)
      }
    },
    forget,
    readersOf: (fact) => byFact.get(fact) ?? [],
  }
}
