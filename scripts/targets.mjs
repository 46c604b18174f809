// The machines with a prebuilt addon.

/** Maps each target to zig's name for it. Node.js itself needs glibc 2.28. */
export const triples = {
  'linux-x64.glibc': 'x86_64-linux-gnu.2.28',
  'linux-x64.musl': 'x86_64-linux-musl',
  'linux-arm64.glibc': 'aarch64-linux-gnu.2.28',
  'linux-arm64.musl': 'aarch64-linux-musl',
}

export const targets = Object.keys(triples)

/** The path where node-gyp-build looks for the addon of a target. */
export const prebuildOf = (target, folder = 'prebuilds') => {
  const [machine, libc] = target.split('.')
  return `${folder}/${machine}/libbpf-node.${libc}.node`
}
