import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { type AttachType, queryCgroup } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { kernelIs } from '../helpers/kernel.js'
import { thrownBy } from '../helpers/objects.js'
import { useCgroup } from '../helpers/privileged.js'
import { loadOnly, useProgram } from './surroundings.js'

const cgroup = useCgroup()

/**
 * The programs of attach-cgroup.bpf.c in its order, the attach type of each, and the first Linux version that has it.
 */
const types: [program: string, type: AttachType, since?: string][] = [
  ['skb_ingress', 'cgroup_inet_ingress'],
  ['skb_egress', 'cgroup_inet_egress'],
  ['sock_create', 'cgroup_inet_sock_create'],
  ['sock_release', 'cgroup_inet_sock_release', '5.9'],
  ['post_bind4', 'cgroup_inet4_post_bind'],
  ['post_bind6', 'cgroup_inet6_post_bind'],
  ['bind4', 'cgroup_inet4_bind'],
  ['bind6', 'cgroup_inet6_bind'],
  ['connect4', 'cgroup_inet4_connect'],
  ['connect6', 'cgroup_inet6_connect'],
  ['sendmsg4', 'cgroup_udp4_sendmsg'],
  ['sendmsg6', 'cgroup_udp6_sendmsg'],
  ['recvmsg4', 'cgroup_udp4_recvmsg', '5.2'],
  ['recvmsg6', 'cgroup_udp6_recvmsg', '5.2'],
  ['getpeername4', 'cgroup_inet4_getpeername', '5.8'],
  ['getpeername6', 'cgroup_inet6_getpeername', '5.8'],
  ['getsockname4', 'cgroup_inet4_getsockname', '5.8'],
  ['getsockname6', 'cgroup_inet6_getsockname', '5.8'],
  ['connect_unix', 'cgroup_unix_connect', '6.7'],
  ['sendmsg_unix', 'cgroup_unix_sendmsg', '6.7'],
  ['recvmsg_unix', 'cgroup_unix_recvmsg', '6.7'],
  ['getpeername_unix', 'cgroup_unix_getpeername', '6.7'],
  ['getsockname_unix', 'cgroup_unix_getsockname', '6.7'],
  ['sysctl', 'cgroup_sysctl', '5.2'],
  ['getsockopt', 'cgroup_getsockopt', '5.3'],
  ['setsockopt', 'cgroup_setsockopt', '5.3'],
  ['device', 'cgroup_device'],
  ['sockops', 'cgroup_sock_ops'],
]

// Moves itself into the cgroup that is named and then triggers every hook.
const everything = useProgram(`
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef union { struct sockaddr any; struct sockaddr_in in; struct sockaddr_in6 in6; struct sockaddr_un un; } address;

static void names(int fd) {
  address a;
  socklen_t size = sizeof(a);
  getsockname(fd, &a.any, &size);
  size = sizeof(a);
  getpeername(fd, &a.any, &size);
}

static void talk(int family) {
  address a = {}, from;
  socklen_t size = family == AF_INET ? sizeof(a.in) : sizeof(a.in6), one = 1;
  char byte = 0;
  a.any.sa_family = family;
  if (family == AF_INET) a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else a.in6.sin6_addr = in6addr_loopback;
  int listener = socket(family, SOCK_STREAM, 0), client = socket(family, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  getsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, &(socklen_t){sizeof(one)});
  bind(listener, &a.any, size);
  listen(listener, 1);
  socklen_t room = sizeof(a);
  getsockname(listener, &a.any, &room);
  connect(client, &a.any, size);
  names(client);
  close(client);
  close(listener);
  int receiver = socket(family, SOCK_DGRAM, 0), sender = socket(family, SOCK_DGRAM, 0);
  if (family == AF_INET) a.in.sin_port = 0;
  else a.in6.sin6_port = 0;
  bind(receiver, &a.any, size);
  room = sizeof(a);
  getsockname(receiver, &a.any, &room);
  sendto(sender, "x", 1, 0, &a.any, size);
  room = sizeof(from);
  recvfrom(receiver, &byte, 1, MSG_DONTWAIT, &from.any, &room);
  close(sender);
  close(receiver);
}

static void talk_unix(const char* name) {
  address a = {.un = {.sun_family = AF_UNIX}}, from;
  // An abstract socket, which is in no file system.
  snprintf(a.un.sun_path + 1, sizeof(a.un.sun_path) - 1, "libbpf-node-%s-%d", name, getpid());
  socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a.un.sun_path + 1), room = sizeof(from);
  char byte = 0;
  int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
  bind(receiver, &a.any, size);
  sendto(sender, "x", 1, 0, &a.any, size);
  recvfrom(receiver, &byte, 1, MSG_DONTWAIT, &from.any, &room);
  a.un.sun_path[1] = 's';
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  bind(listener, &a.any, size);
  listen(listener, 1);
  connect(client, &a.any, size);
  names(client);
  names(listener);
}

int main(int argc, char** argv) {
  int procs = open(argv[1], O_WRONLY);
  if (write(procs, "0", 1) != 1) return 1;
  char text[64];
  int file = open("/proc/sys/kernel/hostname", O_RDONLY);
  if (read(file, text, sizeof(text)) < 0) return 2;
  open("/dev/null", O_RDONLY);
  talk(AF_INET);
  talk(AF_INET6);
  talk_unix("x");
  return 0;
}
`)
const doEverything = (): void => {
  execFileSync(everything(), [`${cgroup()}/cgroup.procs`])
}

/** Containers often have no IPv6. */
const hasIpv6 = (): boolean =>
  existsSync('/proc/net/if_inet6') && /^0{31}1 /m.test(readFileSync('/proc/net/if_inet6', 'utf8'))

describe('attachCgroup', () => {
  for (const [i, [name, type, since = '4.17']] of types.entries()) {
    const needsIpv6 = /6$/.test(name)
    it.skipIf(!kernelIs(since))(`runs ${name} programs (Linux ${since})`, ({ skip }) => {
      if (needsIpv6 && !hasIpv6()) skip('the loopback device has no IPv6 address')
      using object = loadOnly('attach-cgroup', [name])
      using link = object.program(name).attachCgroup(cgroup())
      doEverything()
      expect((object.bss.runs as bigint[])[i]).toBeGreaterThan(0n)
      expect(queryCgroup(cgroup(), type).programs[0]?.programId).toBe(object.program(name).id)
      if (kernelIs('5.8')) expect(link.info()).toMatchObject({ type: 'cgroup', attachType: type })
      link.close()
      expect(queryCgroup(cgroup(), type).programs).toEqual([])
    })
  }
})

describe('attachCgroup with allow', () => {
  const load = () => loadOnly('attach-net', ['cgroup_egress', 'cgroup_egress_second'])
  const type = 'cgroup_inet_egress'
  const idsOf = (path: string, effective = false) =>
    queryCgroup(path, type, { effective }).programs.map(({ programId }) => programId)

  function inChild(test: (child: string) => void): void {
    const child = `${cgroup()}/child`
    mkdirSync(child)
    try {
      test(child)
    } finally {
      rmdirSync(child)
    }
  }

  it("'none' refuses other programs in the cgroup and in its children", () => {
    using object = load()
    const [first, second] = [object.program('cgroup_egress'), object.program('cgroup_egress_second')]
    inChild((child) => {
      using link = first.attachCgroup(cgroup(), { allow: 'none' })
      expect(idsOf(cgroup())).toEqual([first.id])
      expect(thrownBy(() => second.attachCgroup(child))).toMatchObject({
        code: 'EPERM',
        message: expect.stringContaining(
          "no parent cgroup may have a program that was attached with allow 'none'",
        ),
      })
      expect(link.fd).toBe(-1)
      link.close()
      expect(idsOf(cgroup())).toEqual([])
      second.attachCgroup(child).close()
    })
  })

  it("'override' lets a program of a child cgroup replace it there", () => {
    using object = load()
    const [first, second] = [object.program('cgroup_egress'), object.program('cgroup_egress_second')]
    inChild((child) => {
      using _above = first.attachCgroup(cgroup(), { allow: 'override' })
      expect(idsOf(child, true)).toEqual([first.id])
      using below = second.attachCgroup(child, { allow: 'override' })
      expect(idsOf(child, true)).toEqual([second.id])
      expect(queryCgroup(cgroup(), type).attachFlags).toBe(1)
      below.close()
      expect(idsOf(child, true)).toEqual([first.id])
    })
  })

  it("'multi' lets programs of child cgroups run, too", () => {
    using object = load()
    const [first, second] = [object.program('cgroup_egress'), object.program('cgroup_egress_second')]
    inChild((child) => {
      using _above = first.attachCgroup(cgroup(), { allow: 'multi' })
      using _below = second.attachCgroup(child, { allow: 'multi' })
      expect(idsOf(child, true).sort()).toEqual([first.id, second.id].sort())
    })
  })

  it('refuses an anchor beside allow, and unknown values of allow', () => {
    using object = load()
    const program = object.program('cgroup_egress')
    expect(() => program.attachCgroup(cgroup(), { allow: 'multi', anchor: 'first' })).toThrow(TypeError)
    // @ts-expect-error not a value of allow
    expect(() => program.attachCgroup(cgroup(), { allow: 'all' })).toThrow(
      "allow 'all' does not exist; choose from none, override, multi",
    )
  })
})
