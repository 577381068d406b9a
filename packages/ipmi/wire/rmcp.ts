/** The outer layers of a datagram: RMCP header, ASF presence ping, IPMI 1.5 and 2.0 session headers (IPMI 2.0, 13.1 to 13.6). */

/** Why bytes from the network could not be read. Decoders return this and never throw. */
export type Malformed = { malformed: string }
export const malformed = (why: string): Malformed => ({ malformed: why })
export const isMalformed = (value: object): value is Malformed => 'malformed' in value

/** Payload types (table 13-16). Session-opening messages travel outside a session. */
export const payloadTypes = {
  ipmi: 0x00,
  sol: 0x01,
  openSessionRequest: 0x10,
  openSessionResponse: 0x11,
  rakp1: 0x12,
  rakp2: 0x13,
  rakp3: 0x14,
  rakp4: 0x15,
} as const

/** An IPMI 1.5 packet. Outside a session (authType 0) it carries discovery, e.g. Get Channel Authentication Capabilities. */
export type PlainPacket = {
  format: '1.5'
  authType: number
  sequence: number
  sessionId: number
  payload: Buffer
}

/** An RMCP+ packet as it lies on the wire; if `authenticated`, its payload is not to be believed before `unseal`. */
export type SessionPacket = {
  format: '2.0'
  payloadType: number
  encrypted: boolean
  authenticated: boolean
  sessionId: number
  sequence: number
  payload: Buffer
}

/** An ASF presence ping or pong (ASF 2.0, 3.2.4.2 and 3.2.4.3). */
export type AsfPacket = { format: 'asf'; kind: 'ping' | 'pong'; tag: number; ipmi: boolean }

export type Packet = PlainPacket | SessionPacket | AsfPacket

/** Reads the headers of one datagram. */
export function decodePacket(datagram: Buffer): Packet | Malformed {
  if (datagram.length < 4) return malformed('shorter than an RMCP header')
  if (datagram[0] !== 0x06) return malformed('not RMCP version 1.0')
  const messageClass = datagram.readUInt8(3)
  if (messageClass === classes.asf) return decodeAsf(datagram)
  if (messageClass !== classes.ipmi) return malformed('neither ASF nor IPMI')
  if (datagram.length < 5) return malformed('no session header')
  return datagram[4] === authTypeRmcpPlus ? decodeSession(datagram) : decodePlain(datagram)
}

/** Writes an IPMI 1.5 packet outside any session: no authentication, sequence and session id 0. */
export function encodePlain(payload: Buffer): Buffer {
  const header = Buffer.from([0x06, 0, 0xff, classes.ipmi, 0, 0, 0, 0, 0, 0, 0, 0, 0, payload.length])
  return Buffer.concat([header, payload])
}

/** Writes an RMCP+ packet without protection; `seal` writes protected ones. */
export function encodeSession(packet: Omit<SessionPacket, 'format'>): Buffer {
  const bytes = Buffer.alloc(16 + packet.payload.length)
  writeSessionHeader(bytes, packet, packet.payload.length)
  packet.payload.copy(bytes, 16)
  return bytes
}

/** Writes the 16 bytes before a payload of that length. */
export function writeSessionHeader(
  bytes: Buffer,
  packet: Omit<SessionPacket, 'format' | 'payload'>,
  payloadLength: number,
): void {
  bytes[0] = 0x06
  bytes[1] = 0
  bytes[2] = 0xff
  bytes[3] = classes.ipmi
  bytes[4] = authTypeRmcpPlus
  bytes[5] = (packet.payloadType & 0x3f) | (packet.encrypted ? 0x80 : 0) | (packet.authenticated ? 0x40 : 0)
  bytes.writeUInt32LE(packet.sessionId, 6)
  bytes.writeUInt32LE(packet.sequence, 10)
  bytes.writeUInt16LE(payloadLength, 14)
}

/** Writes one of the session-opening messages, which travel outside any session. */
export function encodeOpening(payloadType: number, payload: Buffer): Buffer {
  return encodeSession({
    payloadType,
    encrypted: false,
    authenticated: false,
    sessionId: 0,
    sequence: 0,
    payload,
  })
}

/** Writes an ASF presence ping. */
export function encodePing(tag: number): Buffer {
  return Buffer.from([0x06, 0, 0xff, classes.asf, ...asfEnterprise, asfTypes.ping, tag, 0, 0])
}

/** Writes the pong of a machine that speaks IPMI. */
export function encodePong(tag: number): Buffer {
  const data = [...asfEnterprise, 0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0]
  return Buffer.from([
    0x06,
    0,
    0xff,
    classes.asf,
    ...asfEnterprise,
    asfTypes.pong,
    tag,
    0,
    data.length,
    ...data,
  ])
}

const classes = { asf: 0x06, ipmi: 0x07 } as const
const authTypeRmcpPlus = 0x06
const asfTypes = { ping: 0x80, pong: 0x40 } as const
const asfEnterprise = [0x00, 0x00, 0x11, 0xbe] as const

function decodeAsf(datagram: Buffer): AsfPacket | Malformed {
  if (datagram.length < 12) return malformed('ASF message cut short')
  if (datagram.readUInt32BE(4) !== 4542) return malformed('ASF message of another enterprise')
  const tag = datagram.readUInt8(9)
  if (datagram[8] === asfTypes.ping) return { format: 'asf', kind: 'ping', tag, ipmi: false }
  if (datagram[8] !== asfTypes.pong) return malformed('ASF message is neither ping nor pong')
  if (datagram.length < 28) return malformed('ASF pong cut short')
  return { format: 'asf', kind: 'pong', tag, ipmi: (datagram.readUInt8(20) & 0x80) !== 0 }
}

function decodePlain(datagram: Buffer): PlainPacket | Malformed {
  if (datagram.length < 14) return malformed('IPMI 1.5 session header cut short')
  const authType = datagram.readUInt8(4)
  const lengthAt = authType === 0 ? 13 : 29
  if (datagram.length <= lengthAt) return malformed('IPMI 1.5 session header cut short')
  const end = lengthAt + 1 + datagram.readUInt8(lengthAt)
  if (datagram.length < end) return malformed('IPMI 1.5 payload cut short')
  return {
    format: '1.5',
    authType,
    sequence: datagram.readUInt32LE(5),
    sessionId: datagram.readUInt32LE(9),
    payload: datagram.subarray(lengthAt + 1, end),
  }
}

function decodeSession(datagram: Buffer): SessionPacket | Malformed {
  if (datagram.length < 16) return malformed('RMCP+ session header cut short')
  const flags = datagram.readUInt8(5)
  const payloadType = flags & 0x3f
  if (payloadType === 0x02) return malformed('OEM payloads are not spoken here')
  const end = 16 + datagram.readUInt16LE(14)
  if (datagram.length < end) return malformed('RMCP+ payload cut short')
  return {
    format: '2.0',
    payloadType,
    encrypted: (flags & 0x80) !== 0,
    authenticated: (flags & 0x40) !== 0,
    sessionId: datagram.readUInt32LE(6),
    sequence: datagram.readUInt32LE(10),
    payload: datagram.subarray(16, end),
  }
}
