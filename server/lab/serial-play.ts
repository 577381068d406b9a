/** A little play on a simulated machine's serial line: a boot log, a login, an echoing shell. */
import type { Machine, MachineEvent } from './machine.ts'
import type { LabSerial } from './serial.ts'

/** Plays until the process ends; gives what is to be told of everything that happens to the machine. */
export function playOnSerial(serial: LabSerial, machine: Machine): (event: MachineEvent) => void {
  let shell: Shell = { asks: 'login', line: '' }

  // Characters are bytes here: what was typed in UTF-8 is echoed as it came.
  const say = (...lines: string[]) =>
    serial.write(Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1'))
  const greet = () => {
    shell = { asks: 'login', line: '' }
    serial.write(`\r\nLeasehold lab machine ${machine.name} ttyS0\r\n\r\n${machine.name} login: `)
  }
  const prompt = () => serial.write(`${machine.name}:~# `)

  const enter = (line: string) => {
    serial.write('\r\n')
    if (shell.asks === 'login') {
      if (line === '') return greet()
      shell = { asks: 'command', line: '' }
      say(`Welcome, ${line}. Try "help".`)
      return prompt()
    }
    const [name = '', ...words] = line.trim().split(/\s+/)
    if (name === 'exit' || name === 'logout') return greet()
    if (name === 'poweroff') return void machine.control('soft', 'its shell')
    if (name === 'reboot') return void machine.control('reset', 'its shell')
    const run = commands[name]
    if (run !== undefined) run({ machine, serial, say, words })
    else if (name !== '') say(`${name}: command not found`)
    prompt()
  }

  const type = (byte: number) => {
    if (byte === 0x0d || byte === 0x0a) {
      const { line } = shell
      shell = { ...shell, line: '' }
      return enter(line)
    }
    if (byte === 0x7f || byte === 0x08) {
      if (shell.line !== '') serial.write('\b \b')
      shell = { ...shell, line: shell.line.slice(0, -1) }
      return
    }
    if (byte === 0x03) {
      shell = { ...shell, line: '' }
      serial.write('^C\r\n')
      return shell.asks === 'login' ? greet() : prompt()
    }
    if (byte === 0x04) return shell.line === '' ? greet() : undefined
    if (shell.line.length < longestLine) shell = { ...shell, line: shell.line + String.fromCharCode(byte) }
    serial.write(Buffer.from([byte]))
  }

  serial.onInput((bytes) => {
    if (machine.phase !== 'running') return
    for (const byte of bytes) type(byte)
  })
  serial.onBreak(() => {
    if (machine.phase === 'running') say('', 'sysrq: HELP : a serial break was received')
  })

  return ({ event, detail = '' }) => {
    if (event === 'booted') say('[    3.000000] Run /sbin/init as init process', `Booted from ${detail}.`)
    if (event === 'booted') greet()
    if (event === 'power soft') say('', 'The system is going down for poweroff NOW!')
    if (event === 'shut down') say('reboot: Power down')
    if (event === 'power diag') say('', 'NMI received for unknown reason')
    if ((event === 'power on' || event === 'power reset') && machine.phase === 'booting') {
      say('', ...bootLog(machine))
    }
  }
}

type Shell = { asks: 'login' | 'command'; line: string }

type Call = {
  machine: Machine
  serial: LabSerial
  say: (...lines: string[]) => void
  words: readonly string[]
}

const commands: Readonly<Record<string, (call: Call) => void>> = {
  help: ({ say }) => say('help, echo WORDS, hostname, date, dmesg, flood BYTES, reboot, poweroff, exit'),
  echo: ({ say, words }) => say(words.join(' ')),
  hostname: ({ say, machine }) => say(machine.name),
  date: ({ say }) => say(new Date().toISOString()),
  dmesg: ({ say, machine }) => say(...bootLog(machine)),
  /** That many bytes in numbered lines of 64, for tests of load. */
  flood: ({ serial, words: [amount = '0'] }) => {
    const bytes = Math.min(Number.parseInt(amount, 10) || 0, mostFlood)
    const lines = Array.from({ length: Math.ceil(bytes / 64) }, (_, line) => `${line}`.padStart(62, '.'))
    serial.write(`${lines.join('\r\n')}\r\n`.slice(0, bytes))
  },
}

const longestLine = 256
const mostFlood = 64 * 1024 * 1024

const bootLog = ({ name, macAddresses }: Machine): string[] => [
  'Leasehold lab firmware 1.00',
  'POST: memory 4096 MB, 2 processors',
  `[    0.000000] Linux version 6.1.0-lab (${name}) console=ttyS0,115200`,
  ...macAddresses.map((mac, index) => `[    0.${index}20000] eth${index}: link up, address ${mac}`),
  '[    0.900000] sda: 8388608 512-byte logical blocks',
]
