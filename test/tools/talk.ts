/** A script for Node.js: a client and a server that talk over TLS, `a secret` and `the answer`. */
export const talkOverTls = `const tls = require('node:tls')
  const psk = Buffer.alloc(16, 1), ciphers = 'PSK', minVersion = 'TLSv1.2', maxVersion = 'TLSv1.2'
  const server = tls.createServer({ ciphers, minVersion, maxVersion, pskCallback: () => psk }, (s) => s.end('the answer'))
  server.listen(0, () => {
    const options = { port: server.address().port, ciphers, minVersion, maxVersion, checkServerIdentity() {} }
    const s = tls.connect({ ...options, pskCallback: () => ({ psk, identity: 'me' }) }, () => s.write('a secret'))
    s.on('data', () => {}).on('close', () => server.close())
  })`

/** A program in C with functions that behave as those of OpenSSL, also when they fail. */
export const talkAsOpenssl = `
#include <stddef.h>
#include <string.h>
#define KEPT __attribute__((noinline, noclone))
static int calls;
static volatile char sent;
KEPT int SSL_write(void* ssl, const void* data, int size) {
  sent = *(const char*)data;
  return calls++ == 0 ? -1 : size - 2;
}
KEPT int SSL_read(void* ssl, void* data, int size) { return calls++ == 2 ? -1 : (memcpy(data, "yes", 3), 3); }
KEPT int SSL_write_ex(void* ssl, const void* data, size_t size, size_t* written) {
  sent = *(const char*)data;
  if (calls++ == 4) return 0;
  *written = 5;
  return 1;
}
KEPT int SSL_read_ex(void* ssl, void* data, size_t size, size_t* count) {
  if (calls++ == 6) return 0;
  memcpy(data, "no", *count = 2);
  return 1;
}
int main() {
  char buffer[16] = "";
  size_t count = 16;
  for (int i = 0; i < 2; i++) SSL_write(0, "at last", 6);
  for (int i = 0; i < 2; i++) SSL_read(0, buffer, 16);
  for (int i = 0; i < 2; i++) SSL_write_ex(0, "all of it", 9, &count);
  for (int i = 0; i < 2; i++) SSL_read_ex(0, buffer, 16, &count);
  return 0;
}`
