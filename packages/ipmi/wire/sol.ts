/** Serial over LAN packets, as they lie inside a payload of type 1, for both ends (IPMI 2.0, 15.9 and table 15-2). */
import { type Malformed, malformed } from './rmcp.ts'

/** What both directions have in common. */
type SolPacket = {
  /** 1 to 15; 0 for a packet that only acknowledges or informs, and is not acknowledged itself. */
  sequence: number
  /** Number of the packet that is acknowledged; 0 for none. */
  acknowledges: number
  /** How many characters of that packet were taken. */
  accepted: number
  /** Not all of them could be. */
  refused: boolean
  data: Buffer
}

/** From the remote console to the BMC. */
export type SolToBmc = SolPacket & {
  ring: boolean
  generateBreak: boolean
  holdCts: boolean
  dropDcd: boolean
  flushInbound: boolean
  flushOutbound: boolean
}

/** From the BMC to the remote console. */
export type SolFromBmc = SolPacket & {
  /** The BMC cannot pass characters on to the machine at present. */
  unavailable: boolean
  /** SOL is over, or about to be. */
  deactivating: boolean
  /** The BMC had to drop output before this packet. */
  overrun: boolean
  breakDetected: boolean
}

/** Bytes before the data. */
export const solHeaderBytes = 4

export const solSequences = 15

/** The number after this one. */
export const nextSolSequence = (sequence: number): number => (sequence % solSequences) + 1

export function encodeSolToBmc(packet: SolToBmc): Buffer {
  return encode(
    packet,
    (packet.refused ? 0x40 : 0) |
      (packet.ring ? 0x20 : 0) |
      (packet.generateBreak ? 0x10 : 0) |
      (packet.holdCts ? 0x08 : 0) |
      (packet.dropDcd ? 0x04 : 0) |
      (packet.flushInbound ? 0x02 : 0) |
      (packet.flushOutbound ? 0x01 : 0),
  )
}

/** `data` is a view of `bytes`. */
export function decodeSolToBmc(bytes: Buffer): SolToBmc | Malformed {
  if (bytes.length < solHeaderBytes) return malformed('SOL packet cut short')
  const operation = bytes.readUInt8(3)
  return {
    sequence: bytes.readUInt8(0) & 0x0f,
    acknowledges: bytes.readUInt8(1) & 0x0f,
    accepted: bytes.readUInt8(2),
    refused: (operation & 0x40) !== 0,
    ring: (operation & 0x20) !== 0,
    generateBreak: (operation & 0x10) !== 0,
    holdCts: (operation & 0x08) !== 0,
    dropDcd: (operation & 0x04) !== 0,
    flushInbound: (operation & 0x02) !== 0,
    flushOutbound: (operation & 0x01) !== 0,
    data: bytes.subarray(solHeaderBytes),
  }
}

export function encodeSolFromBmc(packet: SolFromBmc): Buffer {
  return encode(
    packet,
    (packet.refused ? 0x40 : 0) |
      (packet.unavailable ? 0x20 : 0) |
      (packet.deactivating ? 0x10 : 0) |
      (packet.overrun ? 0x08 : 0) |
      (packet.breakDetected ? 0x04 : 0),
  )
}

/** `data` is a view of `bytes`. */
export function decodeSolFromBmc(bytes: Buffer): SolFromBmc | Malformed {
  if (bytes.length < solHeaderBytes) return malformed('SOL packet cut short')
  const status = bytes.readUInt8(3)
  return {
    sequence: bytes.readUInt8(0) & 0x0f,
    acknowledges: bytes.readUInt8(1) & 0x0f,
    accepted: bytes.readUInt8(2),
    refused: (status & 0x40) !== 0,
    unavailable: (status & 0x20) !== 0,
    deactivating: (status & 0x10) !== 0,
    overrun: (status & 0x08) !== 0,
    breakDetected: (status & 0x04) !== 0,
    data: bytes.subarray(solHeaderBytes),
  }
}

function encode({ sequence, acknowledges, accepted, data }: SolPacket, last: number): Buffer {
  const bytes = Buffer.allocUnsafe(solHeaderBytes + data.length)
  bytes[0] = sequence & 0x0f
  bytes[1] = acknowledges & 0x0f
  bytes[2] = accepted & 0xff
  bytes[3] = last
  data.copy(bytes, solHeaderBytes)
  return bytes
}
