// The machines that there are prebuilt addons for.

/** Each with zig's name of it. glibc 2.28 is what Node.js itself needs. */
export const triples = {
  'linux-x64.glibc': 'x86_64-linux-gnu.2.28',
  'linux-x64.musl': 'x86_64-linux-musl',
  'linux-arm64.glibc': 'aarch64-linux-gnu.2.28',
  'linux-arm64.musl': 'aarch64-linux-musl',
}

export const targets = Object.keys(triples)

/** Where node-gyp-build looks for it. */
export const prebuildOf = (target, folder = 'prebuilds') => {
  const [machine, libc] = target.split('.')
  return `${folder}/${machine}/libbpf-node.${libc}.node`
}
