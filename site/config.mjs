// The VitePress configuration. site/build.mjs copies it to build/site/pages/.vitepress.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { slugify } from './slug.mjs'

const pages = fileURLToPath(new URL('..', import.meta.url))
const names = (folder) =>
  readdirSync(`${pages}${folder}`)
    .filter((file) => file.endsWith('.md') && file !== 'index.md')
    .map((file) => file.slice(0, -3))
const links = (folder) => names(folder).map((name) => ({ text: name, link: `/${folder}/${name}` }))
const section = (text, entries) => ({
  text,
  items: entries.map(([label, link]) => ({ text: label, link })),
})

const guide = [
  section('Start', [
    ['Getting started', '/getting-started'],
    ['Tutorial', '/tutorial'],
    ['Concepts', '/concepts'],
    ['Finding a hook', '/hooks'],
    ['Cookbook', '/cookbook'],
  ]),
  section('Use', [
    ['Objects', '/guide'],
    ['Attaching', '/attaching'],
    ['Events', '/events'],
    ['Maps', '/maps'],
    ['Typed data', '/typed-data'],
    ['The kernel side in TypeScript', '/kernel-side'],
    ['Questions in one line', '/tracing'],
    ['One-liners of bpftrace', '/tracing-bpftrace'],
    ['Tools', '/tools'],
    ['Symbols', '/symbols'],
    ['Packets', '/xdp'],
    ['Tests without a kernel', '/testing'],
    ['Programs as data', '/asm'],
    ['Command line', '/cli'],
    ['Troubleshooting', '/troubleshooting'],
  ]),
  section('Operate', [
    ['Production', '/production'],
    ['The agent', '/agent'],
    ['OpenTelemetry', '/otel'],
    ['Shipping', '/shipping'],
    ['Security', '/security'],
    ['Performance', '/performance'],
    ['Kernels', '/kernels'],
  ]),
  section('Compare', [
    ['With other libraries', '/comparison'],
    ['Coming from ...', '/coming-from'],
    ['Functions of libbpf', '/libbpf'],
  ]),
  section('Develop', [
    ['Architecture', '/architecture'],
    ['Contributing', '/contributing'],
    ['Changelog', '/changelog'],
  ]),
]

// Interfaces and types are many, and are reached from the index, from links and by searching.
const kinds = { classes: 'Classes', functions: 'Functions' }
// The entry points, as site/build.mjs has put them into the index.
const index = readFileSync(`${pages}api/index.md`, 'utf8').matchAll(/^\| \[`(.+)`\]\((.+)\/index\.md\)/gm)
const entryPoints = [...index].map(([, text, folder]) => ({ text, link: `/api/${folder}/` }))
const api = [
  { text: 'Entry points', items: entryPoints },
  ...Object.entries(kinds).map(([kind, text]) => ({ text, items: links(`api/index/${kind}`) })),
]

const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#3451b2"/><text x="16" y="22" font-family="monospace" font-size="15" font-weight="bold" text-anchor="middle" fill="#fff">bpf</text></svg>',
)}`

export default defineConfig({
  title: 'libbpf-node',
  description: 'eBPF for Node.js: libbpf through Node-API, with types from BTF',
  lang: 'en-US',
  outDir: '../dist',
  cleanUrls: false,
  lastUpdated: false,
  // An icon of its own: browsers ask for favicon.ico otherwise.
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: icon }]],
  markdown: { anchor: { slugify } },
  // With the reference there are many pages; the limit is about a single file.
  vite: { build: { chunkSizeWarningLimit: 4096 }, logLevel: 'warn' },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'Cookbook', link: '/cookbook' },
      { text: 'Examples', link: '/examples/activity' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: { '/': guide, '/examples/': [{ text: 'Examples', items: links('examples') }], '/api/': api },
    outline: { level: [2, 3] },
    search: { provider: 'local' },
    docFooter: { prev: 'Previous page', next: 'Next page' },
  },
})
