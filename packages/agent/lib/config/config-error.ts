/** What is wrong with a configuration, a line for each fault. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}
