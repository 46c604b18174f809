// What the tests of attaching need: a network of their own, and C programs to probe.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BpfObject } from 'libbpf-node'
import { afterAll, beforeAll, it } from 'vitest'
import { open } from '../helpers/objects.js'
import { kernelIs } from '../helpers/version.js'

export const ip = (...args: string[]): string =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

export interface Veth {
  /** This end of the pair, and its address. */
  readonly name: string
  readonly address: string
  /** The address of the other end, which is in a network namespace of its own. */
  readonly peer: string
  readonly peerName: string
  readonly netns: string
  /** Sends one UDP datagram from the other end to this one. */
  send(port?: number, text?: string): void
}

/** Creates a veth pair for the tests of a file. */
export function useVeth(): Veth {
  const id = process.pid % 10000
  const name = `lbn${id}a`
  const netns = `libbpf-node-${id}`
  const net = `10.211.${id % 250}`
  const veth: Veth = {
    name,
    netns,
    address: `${net}.1`,
    peer: `${net}.2`,
    peerName: `lbn${id}b`,
    send: (port = 4000, text = 'x') => {
      const script = `const s = require('dgram').createSocket('udp4'); s.send('${text}', ${port}, '${net}.1', () => s.close())`
      execFileSync('ip', ['netns', 'exec', netns, process.execPath, '-e', script])
    },
  }
  beforeAll(() => {
    ip('netns', 'add', netns)
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', veth.peerName, 'netns', netns)
    ip('addr', 'add', `${veth.address}/24`, 'dev', name)
    ip('link', 'set', name, 'up')
    ip('-n', netns, 'addr', 'add', `${veth.peer}/24`, 'dev', veth.peerName)
    ip('-n', netns, 'link', 'set', veth.peerName, 'up')
  })
  afterAll(() => {
    ip('link', 'del', name)
    ip('netns', 'del', netns)
  })
  return veth
}

/** Loads an object with only these of its programs. */
export function loadOnly(
  name: string,
  programs: string[],
  prepare: (object: BpfObject) => void = () => {},
): BpfObject {
  const object = open(name)
  try {
    for (const program of programs) object.program(program).autoload = true
    prepare(object)
    object.loadSync()
    return object
  } catch (error) {
    object.close()
    throw error
  }
}

/** A test of something that a kernel may be built without. The title of a skipped test says what is missing. */
export function requires(
  what: { here: () => boolean; missing: string; since?: string },
  name: string,
  test: () => void | Promise<void>,
): void {
  if (what.since !== undefined && !kernelIs(what.since)) it.skip(`${name} (Linux ${what.since})`, test)
  else if (what.here()) it(name, test)
  else it.skip(`${name} (this kernel: ${what.missing})`, test)
}

/**
 * Compiles a C program, which every user may run, for the tests of a file. Returns a function that returns its path.
 */
export function useProgram(source: string, flags: string[] = []): () => string {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'libbpf-node-'))
    chmodSync(folder, 0o755)
    writeFileSync(join(folder, 'program.c'), source)
    execFileSync('cc', [
      '-O1',
      '-fno-inline',
      ...flags,
      '-o',
      join(folder, 'program'),
      join(folder, 'program.c'),
    ])
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  return () => join(folder, 'program')
}

/**
 * A C program with static probes, as sys/sdt.h makes them of DTRACE_PROBE2(shop, sold, number, text): a nop, and a
 * note with its address.
 */
export const shop = `
#define PROBE(provider, name, number, text)                                                     \\
  __asm__ volatile("990: nop\\n"                                                                 \\
    ".pushsection .note.stapsdt,\\"\\",\\"note\\"\\n.balign 4\\n.4byte 992f-991f,994f-993f,3\\n"        \\
    "991: .asciz \\"stapsdt\\"\\n992: .balign 4\\n"                                                \\
    "993: .8byte 990b\\n.8byte _.stapsdt.base\\n.8byte 0\\n"                                       \\
    ".asciz \\"" provider "\\"\\n.asciz \\"" name "\\"\\n.asciz \\"-8@%0 8@%1\\"\\n"                     \\
    "994: .balign 4\\n.popsection\\n"                                                             \\
    ".ifndef _.stapsdt.base\\n"                                                                  \\
    ".pushsection .stapsdt.base,\\"aG\\",\\"progbits\\",.stapsdt.base,comdat\\n"                     \\
    ".weak _.stapsdt.base\\n.hidden _.stapsdt.base\\n"                                            \\
    "_.stapsdt.base: .space 1\\n.size _.stapsdt.base,1\\n.popsection\\n.endif\\n"                    \\
    :: "r"((long)number), "r"(text))
int main(int argc, char** argv) {
  // BPF programs cannot read memory that was never touched.
  static const char text[] = "apples";
  if (*(volatile const char*)text == 0) return 1;
  for (long i = 0; i < 3; i++) PROBE("shop", "sold", -40 - i, text);
  PROBE("shop", "closed", 0L, "");
  return 0;
}
`

/**
 * A C program that makes a TCP connection to itself with the given congestion control, which Node.js cannot choose.
 */
export const congested = `
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
int main(int argc, char** argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  if (setsockopt(client, IPPROTO_TCP, TCP_CONGESTION, argv[1], strlen(argv[1])) != 0) return 1;
  if (bind(listener, (struct sockaddr*)&address, size) != 0 || listen(listener, 1) != 0) return 2;
  getsockname(listener, (struct sockaddr*)&address, &size);
  return connect(client, (struct sockaddr*)&address, size) != 0 ? 3 : 0;
}
`

/** A C program that starts another with two UDP sockets of one port, as descriptors 10 and 11. */
export const twoSockets = `
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char** argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof(address);
  for (int fd = 10; fd <= 11; fd++) {
    int made = socket(AF_INET, SOCK_DGRAM, 0), one = 1;
    setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
    if (bind(made, (struct sockaddr*)&address, sizeof(address)) != 0) return 1;
    getsockname(made, (struct sockaddr*)&address, &size);
    dup2(made, fd);
    close(made);
  }
  execvp(argv[1], argv + 1);
  return 1;
}
`

const nk = `lbn${process.pid % 10000}nk`
/** Whether the kernel can make a netkit device. */
export const netkit = {
  since: '6.7',
  missing: 'built without CONFIG_NETKIT',
  here: () => {
    try {
      ip('link', 'add', nk, 'type', 'netkit')
      ip('link', 'del', nk)
      return true
    } catch {
      return false
    }
  },
}
