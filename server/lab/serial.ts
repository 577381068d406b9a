/** The serial line between a simulated machine and its BMC: bytes and breaks both ways, nothing kept. */

/** The machine's end, for whoever plays the machine. */
export type LabSerial = {
  /** Sends output; what no console has open is lost, as on a real line. */
  write(bytes: Uint8Array | string): void
  sendBreak(): void
  /** Takes what is typed on a console; the function it gives ends that. */
  onInput(take: (bytes: Buffer) => void): () => void
  onBreak(take: () => void): () => void
  /** Told of output that a console has acknowledged. */
  onTaken(take: (bytes: Buffer) => void): () => void
  /** Takes only that many more bytes of input until the function it gives is called: the BMC then refuses the rest. */
  holdInput(room?: number): () => void
  /** Bytes of output that no console took. */
  readonly lost: number
}

/** The BMC's end. */
export type BmcPort = {
  /** Takes the machine's output; undefined: it is lost. */
  connect(take: { output(bytes: Buffer): void; breakDetected(): void; ready(): void } | undefined): void
  input(bytes: Buffer): void
  inputBreak(): void
  /** How many bytes of input the machine takes at present. */
  room(): number
  taken(bytes: Buffer): void
  lose(bytes: number): void
}

export function createSerialLine(): { machine: LabSerial; bmc: BmcPort } {
  const inputs = new Set<(bytes: Buffer) => void>()
  const breaks = new Set<() => void>()
  const acknowledged = new Set<(bytes: Buffer) => void>()
  let port: Parameters<BmcPort['connect']>[0]
  let room = Infinity
  let lost = 0

  const listen = <T>(listeners: Set<T>, listener: T) => {
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  return {
    machine: {
      write(bytes) {
        const output = typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes)
        if (port === undefined) lost += output.length
        else port.output(output)
      },
      sendBreak: () => port?.breakDetected(),
      onInput: (take) => listen(inputs, take),
      onBreak: (take) => listen(breaks, take),
      onTaken: (take) => listen(acknowledged, take),
      holdInput(left = 0) {
        room = left
        return () => {
          room = Infinity
          port?.ready()
        }
      },
      get lost() {
        return lost
      },
    },
    bmc: {
      connect(take) {
        port = take
      },
      input(bytes) {
        room -= bytes.length
        for (const take of inputs) take(bytes)
      },
      inputBreak() {
        for (const take of breaks) take()
      },
      room: () => room,
      taken(bytes) {
        for (const take of acknowledged) take(bytes)
      },
      lose(bytes) {
        lost += bytes
      },
    },
  }
}
