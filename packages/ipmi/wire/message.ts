/** The IPMI message inside a packet: addresses, network function, command, checksums (IPMI 2.0, 13.8). */
import { type Malformed, malformed } from './rmcp.ts'

export type Request = { netFn: number; command: number; sequence: number; data: Buffer }
export type Response = Request & { completionCode: number }

/** Network functions of requests (table 5-1); a response carries the next odd number. */
export const netFns = { chassis: 0x00, app: 0x06, transport: 0x0c } as const

/** Writes a request from the remote console (81h) to the BMC (20h). `sequence` has 6 bits. */
export function encodeRequest(request: Omit<Request, 'data'> & { data: Iterable<number> }): Buffer {
  const head = [bmcAddress, request.netFn << 2]
  const body = Buffer.from([consoleAddress, (request.sequence & 0x3f) << 2, request.command, ...request.data])
  return Buffer.concat([Buffer.from([...head, checksum(head)]), body, Buffer.from([checksum(body)])])
}

/** Writes the BMC's response; `netFn` is the request's. */
export function encodeResponse(response: Response): Buffer {
  const head = [consoleAddress, (response.netFn | 1) << 2]
  const body = Buffer.from([
    bmcAddress,
    (response.sequence & 0x3f) << 2,
    response.command,
    response.completionCode,
    ...response.data,
  ])
  return Buffer.concat([Buffer.from([...head, checksum(head)]), body, Buffer.from([checksum(body)])])
}

/** Reads a request, checking both checksums. */
export function decodeRequest(bytes: Buffer): Request | Malformed {
  const wrong = wrongFrame(bytes, 7)
  if (wrong) return malformed(wrong)
  const netFn = bytes.readUInt8(1) >> 2
  if (netFn & 1) return malformed('a response where a request was expected')
  return {
    netFn,
    sequence: bytes.readUInt8(4) >> 2,
    command: bytes.readUInt8(5),
    data: bytes.subarray(6, -1),
  }
}

/** Reads a response, checking both checksums. `netFn` is given as the request's (even) number. */
export function decodeResponse(bytes: Buffer): Response | Malformed {
  const wrong = wrongFrame(bytes, 8)
  if (wrong) return malformed(wrong)
  const netFn = bytes.readUInt8(1) >> 2
  if (!(netFn & 1)) return malformed('a request where a response was expected')
  return {
    netFn: netFn & ~1,
    sequence: bytes.readUInt8(4) >> 2,
    command: bytes.readUInt8(5),
    completionCode: bytes.readUInt8(6),
    data: bytes.subarray(7, -1),
  }
}

const bmcAddress = 0x20
const consoleAddress = 0x81

/** Two's complement of the sum: all bytes and their checksum add up to 0. */
function checksum(bytes: Iterable<number>): number {
  let sum = 0
  for (const byte of bytes) sum += byte
  return -sum & 0xff
}

function wrongFrame(bytes: Buffer, atLeast: number): string | undefined {
  if (bytes.length < atLeast) return 'IPMI message cut short'
  if (checksum(bytes.subarray(0, 3)) !== 0) return 'wrong header checksum'
  if (checksum(bytes.subarray(3)) !== 0) return 'wrong data checksum'
  return undefined
}
