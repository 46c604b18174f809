import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { BpfMetrics } from '@libbpf-node/otel'
import { ConfigError } from './config/config-error.js'
import type { Health } from './health.js'
import { contentTypes, formatFor, writeMetrics } from './prometheus.js'

export interface Served {
  readonly metrics: BpfMetrics
  readonly health: Health
}

/** Serves /metrics, /healthz and /readyz. Resolves when it listens, with the address. */
export async function serve(listen: string, served: Served): Promise<{ server: Server; address: string }> {
  const at = listen.lastIndexOf(':')
  const host = listen.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  const server = createServer((request, response) => {
    answer(request, response, served).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' })
      response.end(`${String(error)}\n`)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new ConfigError(`listen ${listen}: ${error.message}`)))
    server.listen(Number(listen.slice(at + 1)), host === '' ? undefined : host, resolve)
  })
  const { address, port, family } = server.address() as AddressInfo
  return { server, address: family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}` }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { metrics, health }: Served,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end()
    return
  }
  switch (request.url?.split('?')[0]) {
    case '/metrics': {
      const format = formatFor(request.headers.accept)
      const text = await writeMetrics(metrics, format)
      await sendText(request, response, contentTypes[format], text)
      return
    }
    case '/healthz':
      // The process is alive if it can answer. A restart does not help what does not run.
      send(response, 200, health)
      return
    case '/readyz':
      send(response, health.ready ? 200 : 503, health)
      return
    case '/':
      send(response, 200, { metrics: '/metrics', health: '/healthz', ready: '/readyz' })
      return
    default:
      send(response, 404, { error: `there is no ${request.url}; there are /metrics, /healthz and /readyz` })
  }
}

/** Sends text, compressed on libuv's thread pool if the client takes that: a tenth of the bytes, and fewer turns. */
async function sendText(
  { headers }: IncomingMessage,
  response: ServerResponse,
  type: string,
  text: string,
): Promise<void> {
  const isCompressed = /\bgzip\b/.test(String(headers['accept-encoding'])) && text.length > smallest
  const body = isCompressed ? await compress(text, { level: constants.Z_BEST_SPEED }) : Buffer.from(text)
  response
    .writeHead(200, {
      'content-type': type,
      'content-length': body.length,
      ...(isCompressed && { 'content-encoding': 'gzip' }),
    })
    .end(body)
}

const compress = promisify(gzip)
/** Fewer characters than this are not worth compressing. */
const smallest = 1024

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`)
}
