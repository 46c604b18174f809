// What scripts/packages.mjs makes of config.schema.json with ajv. Compiling the schema at run time would take 18 MB.
import type { ValidateFunction } from 'ajv'

export const validateConfig: ValidateFunction
/** The definition of a program, for the collections that come with the agent. */
export const validateProgram: ValidateFunction
