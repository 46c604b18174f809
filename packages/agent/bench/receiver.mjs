// Receives logs by OTLP over HTTP, as protobuf, and counts them. GET returns how many records and bytes there were.
import { createServer } from 'node:http'

let records = 0
let bytes = 0

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(JSON.stringify({ records, bytes }))
    return
  }
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    bytes += body.length
    for (const resourceLogs of fields(body, 1))
      for (const scopeLogs of fields(resourceLogs, 2)) for (const _ of fields(scopeLogs, 2)) records++
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
  })
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
process.on('disconnect', () => process.exit())

/** The messages with a number in a message of protobuf. */
function* fields(message, wanted) {
  let at = 0
  const varint = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++]
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    switch (tag & 7) {
      case 0:
        varint()
        break
      case 1:
        at += 8
        break
      case 2: {
        const length = varint()
        if (tag >>> 3 === wanted) yield message.subarray(at, at + length)
        at += length
        break
      }
      case 5:
        at += 4
        break
      default:
        throw new Error(`a field of type ${tag & 7}`)
    }
  }
}
