import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { useTracefs } from '../helpers/privileged.js'
import { loadOnly, useProgram } from './surroundings.js'

useTracefs()

// What sys/sdt.h makes of DTRACE_PROBE2(shop, sold, number, text): a nop, and a note that says where it is.
const program = useProgram(`
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
  // A program cannot fetch memory that was never touched.
  static const char text[] = "apples";
  if (*(volatile const char*)text == 0) return 1;
  for (long i = 0; i < 3; i++) PROBE("shop", "sold", -40 - i, text);
  PROBE("shop", "closed", 0L, "");
  return 0;
}
`)

describe('attachUsdt', () => {
  it('runs at the probe, with its arguments and its cookie', () => {
    using object = loadOnly('attach-usdt', ['on_probe'])
    using link = object.program('on_probe').attachUsdt(program(), 'shop', 'sold', { cookie: 12 })
    execFileSync(program())
    expect(object.bss).toMatchObject({ runs: 3n, number: -42n, text: 'apples', cookie: 12n })
    expect(link.target).toBe(`${program()}:shop:sold`)
    link.close()
    execFileSync(program())
    expect(object.bss.runs).toBe(3n)
  })

  it('can be attached to several, again and again, and be closed on the pool', async () => {
    using object = loadOnly('attach-usdt', ['on_probe'])
    for (let i = 1; i <= 3; i++) {
      const sold = object.program('on_probe').attachUsdt(program(), 'shop', 'sold')
      const closed = object.program('on_probe').attachUsdt(program(), 'shop', 'closed')
      execFileSync(program())
      expect(object.bss.runs).toBe(BigInt(4 * i))
      await Promise.all([sold.closeAsync(), closed.closeAsync()])
    }
  })

  it('closes its object after links that are being closed', async () => {
    const object = loadOnly('attach-usdt', ['on_probe'])
    const link = object.program('on_probe').attachUsdt(program(), 'shop', 'sold')
    const closing = link.closeAsync()
    object.close()
    await closing
    expect(object.closed).toBe(true)
  })

  it('says what is missing', () => {
    using object = loadOnly('attach-usdt', ['on_probe'])
    const usdt = object.program('on_probe')
    expect(() => usdt.attachUsdt(program(), 'shop', 'robbed')).toThrow(
      `to USDT probe 'shop:robbed' of ${program()}: it has no such probe; 'readelf -n ${program()}' lists those that it has (ENOENT)`,
    )
    expect(() => usdt.attachUsdt('/no/such/file', 'shop', 'sold')).toThrow('/no/such/file is not there')
  })
})
