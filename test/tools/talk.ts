/** A script for Node.js: a client and a server that talk over TLS, `a secret` and `the answer`. */
export const talkOverTls = `const tls = require('node:tls')
  const psk = Buffer.alloc(16, 1), ciphers = 'PSK', minVersion = 'TLSv1.2', maxVersion = 'TLSv1.2'
  const server = tls.createServer({ ciphers, minVersion, maxVersion, pskCallback: () => psk }, (s) => s.end('the answer'))
  server.listen(0, () => {
    const options = { port: server.address().port, ciphers, minVersion, maxVersion, checkServerIdentity() {} }
    const s = tls.connect({ ...options, pskCallback: () => ({ psk, identity: 'me' }) }, () => s.write('a secret'))
    s.on('data', () => {}).on('close', () => server.close())
  })`
