import { flushLog } from '../native/log.js'
import { explain, type Subject } from './explain.js'

/** Makes a native call. A failure becomes a BpfError about the subject, and libbpf's messages go to the logger. */
export function attempt<T>(subject: Subject, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw explain(error, subject)
  } finally {
    flushLog()
  }
}

/** The same for a native call that returns a Promise. */
export async function attemptAsync<T>(subject: Subject, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw explain(error, subject)
  } finally {
    flushLog()
  }
}
