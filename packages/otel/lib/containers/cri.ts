// Names of containers from the API that kubelet uses, too (CRI): containerd and CRI-O have it on a Unix socket. It is
// gRPC, which is HTTP/2 with a header of five bytes, and three of its methods that answer with lists are all that is
// needed. A library for gRPC would add 12 MB of memory to each agent.
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2'
import { connect as connectSocket } from 'node:net'
import type { ContainerNames } from './names.js'
import { fieldsOf, type Message } from './protobuf.js'

/** Milliseconds to wait for an answer. */
const timeout = 5000
/** The most bytes of an answer. */
const mostBytes = 1 << 26
/** The headers and messages of gRPC begin with whether the message is compressed, and its length. */
const prefix = 5

/** Reads the names of all containers, and of the pods by their ids. @param socket - such as /run/containerd/containerd.sock */
export async function namesFromCri(socket: string): Promise<Map<string, ContainerNames>> {
  const session = connectHttp2('http://localhost', { createConnection: () => connectSocket(socket) })
  const broken = new Promise<never>((_resolve, reject) => session.once('error', reject))
  // If it fails when nobody is waiting any more, that has already been reported.
  broken.catch(() => {})
  const ask = (method: string): Promise<Message> => Promise.race([call(session, method), broken])
  try {
    const sandboxes = await ask('RuntimeService/ListPodSandbox')
    const containers = await ask('RuntimeService/ListContainers')
    const images = await ask('ImageService/ListImages')
    return namesOf(sandboxes, containers, images)
  } finally {
    session.destroy()
  }
}

/** The messages of runtime.v1, by the numbers of their fields. */
function namesOf(sandboxes: Message, containers: Message, images: Message): Map<string, ContainerNames> {
  const tags = new Map(images.messages(1).map((image) => [image.text(1), image.text(2)]))
  const names = new Map<string, ContainerNames>()
  for (const sandbox of sandboxes.messages(1)) {
    const metadata = sandbox.message(2)
    // kubelet's own labels are what the other members say.
    const labels = Object.fromEntries(
      Object.entries(sandbox.textMap(5)).filter(([key]) => !key.startsWith('io.kubernetes.pod.')),
    )
    const pod = { pod: metadata.text(1), namespace: metadata.text(3), labels }
    names.set(sandbox.text(1), pod)
    names.set(metadata.text(2), pod)
  }
  for (const container of containers.messages(1)) {
    const image = container.message(4)
    // What the pod asks for; older versions only know what that was resolved to.
    const name = image.text(18) || tags.get(image.text(1)) || image.text(1)
    names.set(container.text(1), {
      ...names.get(container.text(2)),
      container: container.message(3).text(1),
      ...(name !== '' && { image: name }),
    })
  }
  return names
}

function call(session: ClientHttp2Session, method: string): Promise<Message> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new Error(`${method}: ${reason}`))
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: `/runtime.v1.${method}`,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    })
    const chunks: Buffer[] = []
    let size = 0
    const check = (headers: object): void => {
      const { 'grpc-status': status = '0', 'grpc-message': message = '' } = headers as Record<string, string>
      if (status !== '0') fail(`${decodeURIComponent(message)} (gRPC status ${status})`)
    }
    stream.setTimeout(timeout, () => {
      fail(`no answer in ${timeout / 1000} s`)
      stream.close(constants.NGHTTP2_CANCEL)
    })
    stream.on('response', check)
    stream.on('trailers', check)
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= mostBytes) return void chunks.push(chunk)
      fail(`the answer has more than ${mostBytes} bytes`)
      stream.close(constants.NGHTTP2_CANCEL)
    })
    stream.on('error', reject)
    stream.on('close', () => {
      const answer = Buffer.concat(chunks)
      if (answer.length < prefix || answer[0] !== 0 || answer.readUInt32BE(1) !== answer.length - prefix)
        return fail('the answer is not a message of gRPC')
      try {
        resolve(fieldsOf(answer.subarray(prefix)))
      } catch (error) {
        reject(error as Error)
      }
    })
    // The request of all three methods is a message without members.
    stream.end(Buffer.alloc(prefix))
  })
}
