import { VerifierError } from 'libbpf-node'
import { describe, expect, it } from 'vitest'
import { open } from '../helpers/objects.js'
import { slowness } from '../helpers/slowness.js'

/** Milliseconds for programs that the verifier follows for a million instructions, twice. */
const longTime = 60_000 * slowness

/**
 * The programs of test/bpf/refused.bpf.c and the whole reason that their errors give. The verifier's words differ
 * between kernels, so most reasons have alternatives.
 */
const reasons: Readonly<Record<string, RegExp>> = {
  // Instructions
  uninitialized_register: /^R2 !read_ok$/,
  uninitialized_result: /^R0 !read_ok$/,
  register_lost_in_call: /^R1 !read_ok$/,
  no_exit: /^last insn is not an exit or jmp$/,
  unreachable: /^unreachable insn 2$/,
  jump_out_of_range: /^jump out of range from insn 1 to 102$/,
  unknown_opcode: /^unknown opcode ff$/,
  invalid_register: /^R11 is invalid$/,
  reserved_field:
    /^(BPF_MOV uses reserved fields|addr_space_cast insn can only convert between address space 1 and 0)$/,
  frame_pointer_write: /^frame pointer is read only$/,
  division_by_zero: /^div by zero$/,
  shift_too_far: /^invalid shift 64$/,
  endless_jump: /^(infinite loop detected at insn 1|back-edge from insn 1 to 1)$/,
  endless_loop: /^infinite loop detected at insn 1$/,
  // Pointers
  pointer_multiplied: /^R1 pointer arithmetic with \*= operator prohibited$/,
  pointer_plus_pointer: /^R2 pointer \+= pointer prohibited$/,
  pointer_in_32_bits: /^R1 32-bit pointer arithmetic prohibited$/,
  scalar_minus_pointer: /^R0 tried to subtract pointer from scalar$/,
  scalar_as_pointer: /^R1 invalid mem access '(inv|scalar)'$/,
  stack_below: /^invalid (stack|read from stack R10) off=-520 size=8$/,
  stack_above: /^invalid (stack|write to stack R10) off=8 size=8$/,
  stack_misaligned: /^misaligned stack access off ((\(0x0; 0x0\)|0)\+)?0\+-12 size 8$/,
  stack_variable: /^(invalid unbounded variable-offset read from stack R2|variable stack access var_off=.*)$/,
  stack_partial_fill: /^invalid size of register (fill|spill)$/,
  context_write: /^invalid bpf_context access off=0 size=4$/,
  context_beyond: /^invalid bpf_context access off=1000 size=4$/,
  context_moved: /^math between ctx pointer and register with unbounded min value is not allowed$/,
  context_atomic: /^BPF_(ATOMIC|XADD) stores into R1 ctx is not allowed$/,
  // Maps
  value_or_null: /^R0 invalid mem access 'map_value_or_null'$/,
  value_or_null_moved: /^R0 pointer arithmetic on map_value_or_null prohibited, null-check it first$/,
  value_beyond:
    /^invalid access to map value, value_size=8 off=8 size=8; R0 min value is outside of the allowed memory range$/,
  value_before:
    /^invalid access to map value, value_size=8 off=-8 size=8; R0 min value is outside of the allowed memory range$/,
  value_index_unbounded: /^R0 unbounded memory access, make sure to bounds check any such access$/,
  value_index_too_large:
    /^invalid access to map value, value_size=8 off=15 size=1; R0 max value is outside of the allowed memory range$/,
  value_index_signed: /^value -2147483648 makes map_value pointer be out of bounds$/,
  value_index_any: /^math between map_value pointer and register with unbounded min value is not allowed$/,
  value_moved_far:
    /^(math between map_value pointer and 536870912 is not allowed|value 536870912 makes map_value pointer be out of bounds)$/,
  value_misaligned_atomic: /^misaligned value access off ((\(0x0; 0x0\)|0)\+)?0\+2 size 8$/,
  map_write: /^only read from bpf_htab is supported$/,
  map_moved: /^R1 pointer arithmetic on map_ptr prohibited$/,
  read_only_map: /^write into map forbidden, value_size=8 off=0 size=8$/,
  map_of_other_type: /^cannot pass map_type 3 into func bpf_map_lookup_elem#1$/,
  tail_call_through_array:
    /^(expected prog array map for tail call|cannot pass map_type 2 into func bpf_tail_call#12|kernel subsystem misconfigured verifier)$/,
  // Arguments of helpers
  map_expected: /^R1 type=ctx expected=map_ptr$/,
  key_expected: /^R2 type=(inv|scalar) expected=fp(, \w+)*$/,
  key_beyond_stack:
    /^invalid (read from stack R2 off=-2 size=4|stack type R2 off=-2 access_size=4|indirect access to stack R2 off=-2 size=4)$/,
  key_beyond_value:
    /^invalid access to map value, value_size=8 off=6 size=4; R2 min value is outside of the allowed memory range$/,
  helper_for_other_map: /^cannot pass map_type 2 into func bpf_perf_event_output#25$/,
  helper_unknown: /^invalid func unknown#9999$/,
  helper_of_other_type: /^(program of this type cannot use helper|unknown func) bpf_xdp_adjust_tail#65$/,
  size_any: /^R2 min value is negative, either use unsigned or 'var &= const'$/,
  size_unbounded:
    /^(R4 unbounded memory access, use 'var &= const' or 'if \(var < const\)'|R4 invalid zero-sized read: u64=\[0,4294967295\]|invalid stack type R3 off=-8 access_size=0|invalid zero-sized read)$/,
  size_negative: /^R2 min value is negative, either use unsigned or 'var &= const'$/,
  size_too_large:
    /^invalid (write to stack R1 off=-8 size=16|stack type R1 off=-8 access_size=16|indirect access to stack R1 off=-8 size=16)$/,
  size_zero:
    /^(R2 invalid zero-sized read: u64=\[0,0\]|invalid stack type R1 off=-16 access_size=0|invalid zero-sized read)$/,
  size_of_value:
    /^invalid access to map value, value_size=8 off=0 size=16; R1 min value is outside of the allowed memory range$/,
  sleeping_helper:
    /^(helper call might sleep in a non-sleepable prog|sleepable helper bpf_copy_from_user#148 in non-sleepable prog|(unknown func|.* cannot use helper) bpf_copy_from_user#148)$/,
  // Packets
  packet_unchecked:
    /^invalid access to packet, off=0 size=1, R2\(id=0,off=0,r=0\); R2 (offset is outside of the packet|min value is outside of the allowed memory range)$/,
  packet_beyond:
    /^invalid access to packet, off=14 size=4, R2\(id=0,off=14,r=14\); R2 (offset is outside of the packet|min value is outside of the allowed memory range)$/,
  packet_variable:
    /^invalid access to packet, off=0 size=1, R2\(id=\d+,off=0,r=0\); R2 (offset is outside of the packet|min value is outside of the allowed memory range)$/,
  packet_end_moved: /^R3 pointer arithmetic on pkt_end prohibited$/,
  packet_lost: /^R7 invalid mem access '(inv|scalar)'$/,
  packet_read_only: /^cannot write into packet$/,
  packet_by_ld_abs: /^BPF_LD_\[ABS\|IND\] instructions not allowed for this program type$/,
  // References, ring buffers and locks
  reference_kept:
    /^Unreleased reference id=\d alloc_insn=10(; BPF_EXIT instruction in main prog would lead to reference leak)?$/,
  reference_kept_if_found:
    /^Unreleased reference id=\d alloc_insn=10(; BPF_EXIT instruction in main prog would lead to reference leak)?$/,
  reference_or_null_released: /^R1 type=sock_or_null expected=sock(_common)?(, \w+)*$/,
  reference_released_twice: /^R1 type=(inv|scalar) expected=sock(_common)?(, \w+)*$/,
  reference_used_after_release: /^R7 invalid mem access '(inv|scalar)'$/,
  record_kept:
    /^Unreleased reference id=\d alloc_insn=4(; BPF_EXIT instruction in main prog would lead to reference leak)?$/,
  record_or_null: /^R0 invalid mem access '(alloc_|ringbuf_)?mem_or_null'$/,
  record_beyond:
    /^invalid access to memory, mem_size=8 off=8 size=8; R0 min value is outside of the allowed memory range$/,
  record_before:
    /^invalid access to memory, mem_size=8 off=-1 size=1; R0 min value is outside of the allowed memory range$/,
  record_submitted_twice: /^R1 type=(inv|scalar) expected=(alloc_|ringbuf_)?mem$/,
  record_size_unknown:
    /^(R2 is not a known constant'|R2 unbounded size, use 'var &= const' or 'if \(var < const\)')$/,
  lock_kept:
    /^(BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region|bpf_spin_unlock is missing)$/,
  lock_taken_twice: /^(function calls are not allowed while holding a lock|bpf_spin_lock is already held)$/,
  lock_held_in_call: /^function calls are not allowed while holding a lock$/,
  lock_not_taken: /^bpf_spin_unlock without taking a lock$/,
  lock_read_directly: /^bpf_spin_lock cannot be accessed directly by load\/store$/,
  // Results and kernel types
  result_out_of_range:
    /^At program exit the register R0 has (value \(0x5; 0x0\)|smin=5 smax=5|the value 5)? ?should have been in (\[0, 1\]|\(0x0; 0x1\))$/,
  result_unknown:
    /^At program exit the register R0 has unknown scalar value should have been in (\[0, 1\]|\(0x0; 0x1\))$/,
  result_pointer: /^At program exit the register R0 is not a known value \(ctx\)$/,
  struct_beyond: /^access beyond struct task_struct at off 32760 size 8$/,
  struct_before: /^R1 is ptr_task_struct invalid negative access: off=-8$/,
  struct_write: /^only read is supported$/,
  argument_beyond:
    /^func 'sched_process_exec' doesn't have \d+-th argument; invalid bpf_context access off=72 size=8$/,
  argument_misaligned:
    /^func 'sched_process_exec' offset 4 is not multiple of 8; invalid bpf_context access off=4 size=4$/,
  // Functions
  stacks_too_large: /^combined stack size of 2 calls is (608|640). Too large$/,
  frames_too_many:
    /^(the call stack of \d+ frames is too deep ?!?|combined stack size of \d+ calls is \d+\. Too large)$/,
  global_function_argument:
    /^(R1 type=(inv|scalar) expected=fp; Caller passes invalid args into func#1( \('read_global'\))?|(arg#0 type is not a struct; )?Arg#0 type PTR in read_global\(\) is not supported yet\.)$/,
  global_function_body:
    /^(R1 invalid mem access 'mem_or_null'|(arg#0 type is not a struct; )?Arg#0 type PTR in unchecked_global\(\) is not supported yet\.)$/,
  global_function_result:
    /^Global function pointer_global\(\) (doesn't return|return value not void or) scalar\. Only those are supported\.(; Caller passes invalid args into func#1( \('pointer_global'\))?)?$/,
  stack_returned: /^cannot return stack pointer to the caller$/,
  // Long programs
  million_instructions: /^BPF program is too large. Processed 1000001 insn$/,
  late_null_pointer: /^R0 invalid mem access 'map_value_or_null'$/,
}

/** The instruction at which the verifier stops, for programs of which every kernel says the same. */
const instructions: Readonly<Record<string, number | undefined>> = {
  register_lost_in_call: 2,
  no_exit: undefined,
  unreachable: 2,
  division_by_zero: 1,
  endless_loop: 1,
  value_or_null: 7,
  packet_beyond: 5,
  stacks_too_large: undefined,
  frames_too_many: undefined,
}

function rejectionOf(program: string, level: number): VerifierError | string {
  const object = open('refused')
  try {
    Object.assign(object.program(program), { autoload: true, logLevel: level })
    object.loadSync()
  } catch (error) {
    if (error instanceof VerifierError) return error
    return `${program} at log level ${level}: ${error}`
  } finally {
    object.close()
  }
  return `${program} loads`
}

describe('the reason of a refused program', () => {
  it('is in the table for every program of refused.bpf.c', () => {
    const object = open('refused')
    expect(Object.keys(reasons).sort()).toEqual([...object.programs.keys()].sort())
    object.close()
  })

  it.each([
    [0, 'as libbpf asks for it after a failure'],
    [1, 'branches'],
    [2, 'instructions'],
    [4, 'statistics'],
    [7, 'everything'],
  ])(
    'is what the verifier says last, at log level %d (%s)',
    (level) => {
      const wrong: string[] = []
      for (const [program, wanted] of Object.entries(reasons)) {
        // It has a test of its own: the verifier takes seconds for it.
        if (program === 'million_instructions') continue
        const rejection = rejectionOf(program, level)
        if (typeof rejection === 'string') {
          wrong.push(rejection)
          continue
        }
        const { reason, instruction, message } = rejection
        if (!wanted.test(reason) || !message.includes(reason)) wrong.push(`${program}: ${reason}`)
        const hasInstructions = (level & 3) !== 0 || level === 0
        if (program in instructions && hasInstructions && instruction !== instructions[program])
          wrong.push(`${program} at instruction ${instruction}`)
      }
      expect(wrong).toEqual([])
    },
    longTime,
  )
})
