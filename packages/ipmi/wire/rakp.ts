/** The six messages that open a session: Open Session and RAKP 1 to 4 (IPMI 2.0, 13.17 to 13.23). */
import { type Malformed, malformed } from './rmcp.ts'

export type Algorithms = { authentication: number; integrity: number; confidentiality: number }

export type OpenSessionRequest = { tag: number; privilege: number; consoleId: number; algorithms: Algorithms }

/** With a status other than 0 only tag, status and consoleId mean anything. */
export type OpenSessionResponse = OpenSessionRequest & { status: number; bmcId: number }

/** `role` is the byte as sent: privilege level, and bit 4 for looking the user up by name only. */
export type Rakp1 = { tag: number; bmcId: number; consoleRandom: Buffer; role: number; username: Buffer }
export type Rakp2 = {
  tag: number
  status: number
  consoleId: number
  bmcRandom: Buffer
  guid: Buffer
  authCode: Buffer
}
export type Rakp3 = { tag: number; status: number; bmcId: number; authCode: Buffer }
export type Rakp4 = { tag: number; status: number; consoleId: number; authCode: Buffer }

export function encodeOpenSessionRequest(message: OpenSessionRequest): Buffer {
  return Buffer.concat([
    Buffer.from([message.tag, message.privilege, 0, 0]),
    uint32(message.consoleId),
    encodeAlgorithms(message.algorithms),
  ])
}

export function decodeOpenSessionRequest(bytes: Buffer): OpenSessionRequest | Malformed {
  if (bytes.length < 32) return malformed('Open Session Request cut short')
  return {
    tag: bytes.readUInt8(0),
    privilege: bytes.readUInt8(1) & 0x0f,
    consoleId: bytes.readUInt32LE(4),
    algorithms: decodeAlgorithms(bytes, 8),
  }
}

export function encodeOpenSessionResponse(message: OpenSessionResponse): Buffer {
  const head = Buffer.from([message.tag, message.status, message.privilege, 0])
  if (message.status !== 0) return Buffer.concat([head, uint32(message.consoleId)])
  return Buffer.concat([
    head,
    uint32(message.consoleId),
    uint32(message.bmcId),
    encodeAlgorithms(message.algorithms),
  ])
}

/** OpenIPMI ends a refusal after its status; the console id is then given as 0. */
export function decodeOpenSessionResponse(bytes: Buffer): OpenSessionResponse | Malformed {
  if (bytes.length >= 2 && bytes.length < 8 && bytes.readUInt8(1) !== 0) {
    const algorithms = { authentication: 0, integrity: 0, confidentiality: 0 }
    return {
      tag: bytes.readUInt8(0),
      status: bytes.readUInt8(1),
      privilege: 0,
      consoleId: 0,
      bmcId: 0,
      algorithms,
    }
  }
  if (bytes.length < 8) return malformed('Open Session Response cut short')
  const head = {
    tag: bytes.readUInt8(0),
    status: bytes.readUInt8(1),
    privilege: bytes.readUInt8(2) & 0x0f,
    consoleId: bytes.readUInt32LE(4),
  }
  if (head.status !== 0)
    return { ...head, bmcId: 0, algorithms: { authentication: 0, integrity: 0, confidentiality: 0 } }
  if (bytes.length < 36) return malformed('Open Session Response cut short')
  return { ...head, bmcId: bytes.readUInt32LE(8), algorithms: decodeAlgorithms(bytes, 12) }
}

export function encodeRakp1(message: Rakp1): Buffer {
  return Buffer.concat([
    Buffer.from([message.tag, 0, 0, 0]),
    uint32(message.bmcId),
    message.consoleRandom,
    Buffer.from([message.role, 0, 0, message.username.length]),
    message.username,
  ])
}

export function decodeRakp1(bytes: Buffer): Rakp1 | Malformed {
  if (bytes.length < 28) return malformed('RAKP message 1 cut short')
  const length = bytes.readUInt8(27)
  if (length > 16) return malformed('user name longer than 16 bytes')
  if (bytes.length < 28 + length) return malformed('user name cut short')
  return {
    tag: bytes.readUInt8(0),
    bmcId: bytes.readUInt32LE(4),
    consoleRandom: bytes.subarray(8, 24),
    role: bytes.readUInt8(24),
    username: bytes.subarray(28, 28 + length),
  }
}

export function encodeRakp2(message: Rakp2): Buffer {
  const head = [Buffer.from([message.tag, message.status, 0, 0]), uint32(message.consoleId)]
  if (message.status !== 0) return Buffer.concat(head)
  return Buffer.concat([...head, message.bmcRandom, message.guid, message.authCode])
}

export function decodeRakp2(bytes: Buffer): Rakp2 | Malformed {
  if (bytes.length < 8) return malformed('RAKP message 2 cut short')
  const status = bytes.readUInt8(1)
  if (status === 0 && bytes.length < 40) return malformed('RAKP message 2 cut short')
  return {
    tag: bytes.readUInt8(0),
    status,
    consoleId: bytes.readUInt32LE(4),
    bmcRandom: bytes.subarray(8, 24),
    guid: bytes.subarray(24, 40),
    authCode: bytes.subarray(40),
  }
}

export function encodeRakp3(message: Rakp3): Buffer {
  return Buffer.concat([
    Buffer.from([message.tag, message.status, 0, 0]),
    uint32(message.bmcId),
    message.authCode,
  ])
}

export function decodeRakp3(bytes: Buffer): Rakp3 | Malformed {
  if (bytes.length < 8) return malformed('RAKP message 3 cut short')
  return {
    tag: bytes.readUInt8(0),
    status: bytes.readUInt8(1),
    bmcId: bytes.readUInt32LE(4),
    authCode: bytes.subarray(8),
  }
}

export function encodeRakp4(message: Rakp4): Buffer {
  return Buffer.concat([
    Buffer.from([message.tag, message.status, 0, 0]),
    uint32(message.consoleId),
    message.authCode,
  ])
}

export function decodeRakp4(bytes: Buffer): Rakp4 | Malformed {
  if (bytes.length < 8) return malformed('RAKP message 4 cut short')
  return {
    tag: bytes.readUInt8(0),
    status: bytes.readUInt8(1),
    consoleId: bytes.readUInt32LE(4),
    authCode: bytes.subarray(8),
  }
}

/** Three records of type, length and one algorithm number each (13.17). */
function encodeAlgorithms(algorithms: Algorithms): Buffer {
  const numbers = [algorithms.authentication, algorithms.integrity, algorithms.confidentiality]
  return Buffer.from(numbers.flatMap((number, type) => [type, 0, 0, 8, number, 0, 0, 0]))
}

function decodeAlgorithms(bytes: Buffer, at: number): Algorithms {
  const number = (index: number) => bytes.readUInt8(at + index * 8 + 4) & 0x3f
  return { authentication: number(0), integrity: number(1), confidentiality: number(2) }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
