/**
 * The Dubbo stack of the demo's apps: `sofa-rpc-node` speaking `js-remoting-for-apache-dubbo`, both from npm and without
 * types of their own. Here is the part of them that the apps use.
 */
import { createRequire } from 'node:module'
import type { Server } from 'node:net'

/** What a Dubbo call carries beside its arguments. */
export type Attachments = Readonly<Record<string, unknown>>

/** Silent but for what a user of the demo must know. */
export interface DubboLogger {
  info(...words: readonly unknown[]): void
  warn(...words: readonly unknown[]): void
  error(...words: readonly unknown[]): void
}

export interface DubboRequest {
  readonly data: { readonly requestProps: Attachments }
}

export interface DubboServer {
  /** The accepting socket for one port; an app overrides it to choose the address. */
  _startServer(port: number): Server
  /** The `this` of the service's methods. */
  createContext(request: DubboRequest): object | null
  addService(info: { interfaceName: string; version: string }, methods: Record<string, unknown>): void
  start(): Promise<void>
  close(): Promise<void>
}

export interface DubboConsumer {
  ready(): Promise<void>
  /** Rejects when the provider answers with an error, the connection fails or no answer comes in time. */
  invoke(
    method: string,
    args: readonly unknown[],
    options: { requestProps: Attachments; responseTimeout?: number },
  ): Promise<unknown>
  close(): void
}

export interface DubboClient {
  createConsumer(options: {
    interfaceName: string
    version: string
    serverHost: string
    responseTimeout: number
  }): DubboConsumer
  close(): Promise<void>
}

interface ServerOptions {
  logger: DubboLogger
  protocol: unknown
  port: number
  /** Connections without a request for so long are closed, milliseconds. */
  maxIdleTime: number
}

const require = createRequire(import.meta.url)

export const dubboProtocol: unknown = require('js-remoting-for-apache-dubbo')

export const { RpcServer } = require('sofa-rpc-node').server as {
  RpcServer: new (options: ServerOptions) => DubboServer
}

export const { RpcClient } = require('sofa-rpc-node').client as {
  RpcClient: new (options: { logger: DubboLogger; protocol: unknown }) => DubboClient
}

/** Drops what the stack says about connections that come and go; keeps what went wrong with a call. */
export const quietLogger: DubboLogger = {
  info: () => {},
  warn: () => {},
  error: (...words) => console.error(...words),
}

/** The interface of the talk's demo. */
export const DEMO_SERVICE = 'org.apache.dubbo.samples.basic.api.DemoService'
/** Dubbo's own default for a service without a version. */
export const DEMO_VERSION = '0.0.0'
