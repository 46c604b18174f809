import { spawn } from 'node:child_process'

/**
 * Tells systemd that the agent is ready (Type=notify), and that it is alive as often as WatchdogSec asks for. Node.js has
 * no datagram sockets of Unix, so systemd-notify does it; the unit needs NotifyAccess=all. Without systemd, does nothing.
 *
 * @returns a function that says that the agent stops
 */
export function notify(): () => void {
  if (process.env.NOTIFY_SOCKET === undefined) return () => undefined
  tell('--ready')
  const microseconds = Number(process.env.WATCHDOG_USEC ?? 0)
  const timer = microseconds > 0 ? setInterval(() => tell('WATCHDOG=1'), microseconds / 2000) : undefined
  timer?.unref()
  return () => {
    clearInterval(timer)
    tell('--stopping')
  }
}

function tell(what: string): void {
  spawn('systemd-notify', [what], { stdio: 'ignore' }).on('error', () => undefined)
}
