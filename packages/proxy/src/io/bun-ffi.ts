/** The C library through `bun:ffi`, whichever this Linux has: https://bun.sh/docs/api/ffi. */
import { createRequire } from 'node:module'

/** Types of arguments and of the result, as `bun:ffi` calls them. */
export interface Signature {
  readonly args: readonly string[]
  readonly returns: string
}

export interface OpenLibc<Symbols> {
  readonly symbols: Symbols
  /** What is at a pointer. */
  readonly read: { i32(pointer: number, offset: number): number }
}

interface BunFfi {
  dlopen(name: string, signatures: Readonly<Record<string, Signature>>): { readonly symbols: unknown }
  readonly read: OpenLibc<unknown>['read']
}

/** Throws where neither glibc nor musl is there with all of these, or the process runs on Node. */
export function openLibc<Symbols>(signatures: Readonly<Record<string, Signature>>): OpenLibc<Symbols> {
  // Only Bun can resolve it; neither Node nor the type checker should try.
  const ffi = createRequire(import.meta.url)('bun:ffi') as BunFfi
  const open = (name: string): Symbols => ffi.dlopen(name, signatures).symbols as Symbols
  try {
    return { symbols: open('libc.so.6'), read: ffi.read }
  } catch {
    return { symbols: open(`libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`), read: ffi.read }
  }
}
