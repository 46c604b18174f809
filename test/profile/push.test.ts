// Profiles that are sent to servers. The servers here check what Pyroscope and Parca define, and decode the profiles.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { Profile, PushError, type PushTarget, pushProfile, pushProfiles } from 'libbpf-node/symbols'
import { afterEach, describe, expect, it } from 'vitest'
import { PushQueue } from '../../lib/profile/continuous.js'
import { cli, libbpfNode } from '../codegen/helper.js'
import { usePrograms } from '../helpers/hot-programs.js'
import { info, sample, sell } from '../helpers/profiles.js'
import { fieldsOf } from '../helpers/protobuf.js'
import { slowness } from '../helpers/slowness.js'
import { until } from '../helpers/until.js'

const { start } = usePrograms()
const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    await closed(server)
  }
})

/** Closes a server, also while a client connects. */
async function closed(server: Server): Promise<void> {
  const ended = once(server, 'close')
  server.close()
  const timer = setInterval(() => server.closeAllConnections(), 20)
  await ended
  clearInterval(timer)
}

interface Received {
  path: string
  headers: IncomingMessage['headers']
  body: unknown
}

/** Starts a server that keeps what it receives, and answers as `answer` decides. */
async function receiver(answer: (response: ServerResponse, count: number) => void = (r) => r.end('{}')) {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      expect(request.method).toBe('POST')
      const { url: path = '', headers } = request
      received.push({ path, headers, body: JSON.parse(String(Buffer.concat(pieces))) })
      answer(response, received.length)
    })
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { received, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))

const some = new Profile([sample(3, sell)], info)
const none = new Profile([], info)

/** The names and the sum of the samples in a profile that was sent. */
function contentsOf(rawProfile: string): { texts: string[]; samples: number } {
  const top = fieldsOf(gunzipSync(Buffer.from(rawProfile, 'base64')))
  const texts = (top.get(6) as Uint8Array[]).map((bytes) => Buffer.from(bytes).toString())
  const values = (top.get(2) as Uint8Array[]).map((bytes) => fieldsOf(bytes).get(2)![0] as Uint8Array)
  const first = (packed: Uint8Array): number => {
    let value = 0
    for (let i = 0; ; i++) {
      value += (packed[i]! & 127) * 128 ** i
      if (packed[i]! < 128) return value
    }
  }
  return { texts, samples: values.reduce((sum, value) => sum + first(value), 0) }
}

interface Pair {
  name: string
  value: string
}
interface PyroscopeBody {
  series: { labels: Pair[]; samples: { ID: string; rawProfile: string }[] }[]
}

const byName = (pairs: readonly Pair[]) => Object.fromEntries(pairs.map(({ name, value }) => [name, value]))

describe('pushProfile', () => {
  it('sends what Pyroscope expects', async () => {
    const { url, received } = await receiver()
    const headers = { 'X-Scope-OrgID': 'tenant' }
    await pushProfile(some, { url: `${url}/`, service: 'shop', labels: { host: 'a' }, headers })
    const [{ path, headers: got, body }] = received as [Received & { body: PyroscopeBody }]
    expect(path).toBe('/push.v1.PusherService/Push')
    expect(got).toMatchObject({ 'content-type': 'application/json', 'x-scope-orgid': 'tenant' })
    const [{ labels, samples }] = body.series as [PyroscopeBody['series'][0]]
    expect(byName(labels)).toEqual({ __name__: 'process_cpu', service_name: 'shop', host: 'a' })
    expect(samples).toEqual([
      {
        ID: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
        rawProfile: expect.any(String),
      },
    ])
    expect(contentsOf(samples[0]!.rawProfile)).toEqual({
      texts: expect.arrayContaining(['sell', 'cpu']),
      samples: 3,
    })
  })

  it('sends what Parca expects', async () => {
    const { url, received } = await receiver()
    await pushProfile(some, { url: new URL(`${url}/prefix`), server: 'parca', service: 'shop' })
    const [{ path, body }] = received as [Received]
    expect(path).toBe('/prefix/api/profiles/writeraw')
    const { series, normalized } = body as {
      series: [{ labels: { labels: Pair[] }; samples: [{ rawProfile: string }] }]
      normalized: boolean
    }
    expect(normalized).toBe(true)
    expect(byName(series[0].labels.labels)).toEqual({ __name__: 'process_cpu', job: 'shop' })
    expect(contentsOf(series[0].samples[0].rawProfile).samples).toBe(3)
  })

  it('tries again if the server is too busy', async () => {
    const { url, received } = await receiver((response, count) =>
      count === 1
        ? json(429, {}, { 'retry-after': '0' })(response)
        : count === 2
          ? json(503, {}, { 'retry-after': '0' })(response)
          : response.end('{}'),
    )
    await pushProfile(some, { url, service: 'shop' })
    expect(received).toHaveLength(3)
    const ids = received.map(({ body }) => (body as PyroscopeBody).series[0]!.samples[0]!.ID)
    // The server can tell that it is the same profile.
    expect(new Set(ids).size).toBe(1)
  })

  it('does not try for ever', async () => {
    const { url, received } = await receiver(
      json(500, { message: 'the disk is full' }, { 'retry-after': '0' }),
    )
    const failing = pushProfile(some, { url, service: 'shop', attempts: 3 })
    await expect(failing).rejects.toThrow(
      new PushError(`push to ${url}/push.v1.PusherService/Push: 500 the disk is full`, 500),
    )
    expect(received).toHaveLength(3)
  })

  it('does not try again if the server refuses the profile', async () => {
    const { url, received } = await receiver(
      json(400, { code: 'invalid_argument', message: 'no such tenant' }),
    )
    const error = await pushProfile(some, { url, service: 'shop' }).catch((one: unknown) => one)
    expect(error).toMatchObject({
      name: 'PushError',
      status: 400,
      message: expect.stringContaining('no such tenant'),
    })
    expect(received).toHaveLength(1)
  })

  it('says why the server cannot be reached', async () => {
    const { url } = await receiver(() => {})
    const late = pushProfile(some, { url, service: 'shop', attempts: 1, timeoutMs: 100 })
    await expect(late).rejects.toThrow(/there was no answer for 100 ms/)
    const server = servers.pop()!
    await closed(server)
    await expect(pushProfile(some, { url, service: 'shop', attempts: 1 })).rejects.toThrow(/ECONNREFUSED/)
  })

  it.each([
    [{ url: 'localhost:4040' }, /url is 'localhost:4040', and not an address/],
    [{ url: 'file:///etc' }, /url is/],
    [{ server: 'zipkin' as 'parca' }, /server is 'zipkin'/],
    [{ service: '' }, /service is missing/],
    [{ labels: { 'a-b': 'c' } }, /'a-b' cannot be the name of a label/],
    [{ labels: { __name__: 'c' } }, /cannot be the name/],
    [{ attempts: 0 }, /attempts is 0/],
    [{ timeoutMs: 0 }, /timeoutMs is 0/],
  ])('refuses %j', async (wrong, message) => {
    const target: PushTarget = { url: 'http://127.0.0.1:1', service: 'shop', ...wrong }
    await expect(pushProfile(some, target)).rejects.toThrow(message)
  })
})

describe('PushQueue', () => {
  it('loses the oldest profiles while the server does not answer, and counts them', async () => {
    const { url, received } = await receiver(() => {})
    const errors: string[] = []
    const queue = new PushQueue({ url, service: 'shop' }, ({ message }) => errors.push(message))
    for (let i = 0; i < 11; i++) queue.add(some)
    queue.add(none)
    await until('the first was sent', () => received.length === 1)
    const lost = { profiles: 3, samples: 9 }
    expect(queue.stats).toEqual({ sent: { profiles: 0, samples: 0 }, lost, waiting: 8, empty: 1 })
    await queue.end(100)
    expect(queue.stats).toMatchObject({ lost: { profiles: 11, samples: 33 }, waiting: 0 })
    expect(errors).toHaveLength(11)
    expect(errors[0]).toMatch(/had to give way to newer ones/)
  })
})

const seconds = 0.6 * slowness
/** Seconds, on a machine that does much else. */
const patience = { seconds: 25 }

describe('pushProfiles', () => {
  it('sends one profile after the other, and what it sent is what arrived', async () => {
    const { pid } = await start('c')
    const { url, received } = await receiver()
    await using pushing = await pushProfiles({ url, service: 'shop', pid, hz: 499, seconds })
    await until('three profiles arrived', () => received.length >= 3, patience)
    const { sent, lost, waiting, missing } = await pushing.close()
    expect(await pushing.close()).toMatchObject({ sent })
    const profiles = received.map(({ body }) =>
      contentsOf((body as PyroscopeBody).series[0]!.samples[0]!.rawProfile),
    )
    expect(sent).toEqual({
      profiles: profiles.length,
      samples: profiles.reduce((sum, { samples }) => sum + samples, 0),
    })
    expect({ lost, waiting, missing }).toEqual({
      lost: { profiles: 0, samples: 0 },
      waiting: 0,
      missing: { samples: 0, stacks: 0 },
    })
    expect(profiles.every(({ texts }) => texts.includes('hot_c'))).toBe(true)
  })

  it('counts what the server refuses', async () => {
    const { pid } = await start('c')
    const { url, received } = await receiver(json(400, { message: 'no' }))
    const errors: PushError[] = []
    const wanted = {
      url,
      service: 'shop',
      pid,
      hz: 499,
      seconds,
      onError: (error: PushError) => errors.push(error),
    }
    await using pushing = await pushProfiles(wanted)
    await until('a profile arrived', () => received.length >= 1, patience)
    const { sent, lost } = await pushing.close()
    expect(sent.profiles).toBe(0)
    expect(lost.profiles).toBe(received.length)
    expect(lost.samples).toBeGreaterThan(0)
    expect(errors).toHaveLength(lost.profiles)
  })

  it('refuses a wrong target before it begins', async () => {
    await expect(pushProfiles({ url: 'x', service: 'shop' })).rejects.toThrow(/url is 'x'/)
    await expect(pushProfiles({ url: 'http://a', service: 'shop', hz: 0 })).rejects.toThrow(RangeError)
  })
})

describe('libbpf-node profile --push', () => {
  it('sends profiles until it is stopped', async () => {
    const { pid } = await start('c')
    const { url, received } = await receiver()
    const args = [
      cli,
      'profile',
      '-p',
      String(pid),
      '--hz',
      '499',
      '--seconds',
      String(seconds),
      '--push',
      url,
    ]
    const child = spawn(process.execPath, [...args, '--service', 'shop', '--label', 'zone=a=b'])
    let output = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    const ended = once(child, 'close')
    await until('two profiles arrived', () => received.length >= 2, patience)
    child.kill('SIGINT')
    expect((await ended)[0]).toBe(0)
    const [{ labels }] = (received[0]!.body as PyroscopeBody).series as [PyroscopeBody['series'][0]]
    expect(byName(labels)).toEqual({ __name__: 'process_cpu', service_name: 'shop', zone: 'a=b' })
    expect(output).toContain(`sending a profile to ${url} every`)
    expect(output).toMatch(new RegExp(`^${received.length} profiles with \\d+ samples were sent$`, 'm'))
  })

  it.each([
    ['--push localhost:4040', /not an address such as http/],
    ['--push http://a --push-to zipkin', /unknown server 'zipkin'; expected pyroscope, parca/],
    ['--push http://a --html -', /--html and --push cannot be combined/],
    ['--push http://a --label zone', /--label zone: expected NAME=VALUE/],
    ['--service shop', /--service is for --push/],
  ])('refuses %s', async (words, message) => {
    const { status, stderr } = await libbpfNode(['profile', ...words.split(' ')])
    expect(status).toBe(2)
    expect(stderr).toMatch(message)
  })
})
