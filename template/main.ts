// `npm run build` compiles the kernel side and writes hello.skel.ts, which has a type for everything in it.
import { Hello } from './hello.skel.js'

await using hello = Hello.open()
await hello.load()
const events = hello.events()
hello.attach()
console.log('Waiting for programs to start. Press Ctrl-C to stop.')
for await (const { pid, comm } of events) console.log(`${comm} (${pid})`)
