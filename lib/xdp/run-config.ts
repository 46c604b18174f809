// What an object says about the priority and the actions of a program: XDP_RUN_CONFIG of libxdp's xdp_helpers.h.
import type { BtfTypes } from '../btf/parse.js'
import { type XdpAction, xdpActions } from './components.js'

export interface RunConfig {
  priority: number
  chain: readonly XdpAction[]
}

/** libxdp's defaults, and what the object has in `_program` of SEC(".xdp_run_config") instead. */
export function runConfig(types: BtfTypes | undefined, program: string): RunConfig {
  let priority = 50
  const chain = new Set<XdpAction>(['pass'])
  for (const { name, value } of members(types, `_${program}`)) {
    const action = xdpActions.find((one) => name === `XDP_${one.toUpperCase()}`)
    if (name === 'priority') priority = value
    else if (action !== undefined && value > 0) chain.add(action)
    else if (action !== undefined) chain.delete(action)
    else
      throw new TypeError(
        `XDP_RUN_CONFIG(${program}) has a member '${name}'; it may have priority and XDP_...`,
      )
  }
  return { priority, chain: [...chain] }
}

/** As with the maps of libbpf, each member is a pointer to an array whose length is the value. */
function members(types: BtfTypes | undefined, variable: string): { name: string; value: number }[] {
  const section = types?.find('.xdp_run_config', 'datasec')
  for (const { typeId } of section?.variables ?? []) {
    const found = types!.type(typeId)
    if (found.kind !== 'var' || found.name !== variable) continue
    const config = types!.resolve(found.typeId)
    if (config.kind !== 'struct') continue
    return config.members.map((member) => {
      const pointer = types!.resolve(member.typeId)
      const array = pointer.kind === 'ptr' ? types!.resolve(pointer.typeId) : pointer
      if (array.kind !== 'array')
        throw new TypeError(`member '${member.name}' of XDP_RUN_CONFIG is not made by __uint()`)
      return { name: member.name, value: array.length }
    })
  }
  return []
}
