/** Someone in the middle of the network between a client and a BMC, for tests: sees, drops, delays, forges. */
import { createSocket } from 'node:dgram'

export type Middle = {
  readonly address: string
  readonly port: number
  /** Everything seen, newest last, at most 1,000. */
  readonly seen: readonly { to: 'bmc' | 'client'; datagram: Buffer }[]
  /** Sends a datagram of one's own making, with the address of the other side. */
  forge(to: 'bmc' | 'client', datagram: Buffer): void
  close(): Promise<void>
}

/** Stands between one client and the BMC on that port. `pass` says whether a datagram may go on. */
export async function standBetween(
  bmc: { address: string; port: number },
  pass: (to: 'bmc' | 'client', datagram: Buffer) => boolean = () => true,
): Promise<Middle> {
  const front = createSocket('udp4')
  const back = createSocket('udp4')
  const seen: { to: 'bmc' | 'client'; datagram: Buffer }[] = []
  let client: { address: string; port: number } | undefined

  const deliver = (to: 'bmc' | 'client', datagram: Buffer) => {
    if (to === 'bmc') back.send(datagram, bmc.port, bmc.address, () => {})
    else if (client !== undefined) front.send(datagram, client.port, client.address, () => {})
  }
  const handle = (to: 'bmc' | 'client', datagram: Buffer) => {
    seen.push({ to, datagram })
    if (seen.length > 1_000) seen.shift()
    if (pass(to, datagram)) deliver(to, datagram)
  }
  front.on('message', (datagram, from) => {
    client = from
    handle('bmc', datagram)
  })
  back.on('message', (datagram) => handle('client', datagram))
  await Promise.all(
    [front, back].map((socket) => new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))),
  )
  return {
    address: '127.0.0.1',
    port: front.address().port,
    seen,
    forge: deliver,
    async close() {
      await Promise.all(
        [front, back].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      )
    },
  }
}
