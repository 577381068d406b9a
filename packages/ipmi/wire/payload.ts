/** The commands about payloads that SOL needs, for both ends: their data without the IPMI message around it (IPMI 2.0, chapter 24). */
import { type Malformed, malformed } from './rmcp.ts'

/** Network function App. */
export const payloadCommands = {
  activate: 0x48,
  deactivate: 0x49,
  activationStatus: 0x4a,
  instanceInfo: 0x4b,
  setUserAccess: 0x4c,
  userAccess: 0x4d,
  channelSupport: 0x4e,
  channelVersion: 0x4f,
} as const

export const payloadCompletion = {
  /** Activate: active on another session. Deactivate: not active. */
  alreadyActive: 0x80,
  disabled: 0x81,
  tooMany: 0x82,
  notWithEncryption: 0x83,
  notWithoutEncryption: 0x84,
} as const

export type PayloadInstance = { type: number; instance: number }

/** Activate Payload for SOL (24.1). */
export type ActivateRequest = PayloadInstance & {
  encrypted: boolean
  authenticated: boolean
  /** What becomes of alerts that use the same serial line: 0 they fail, 1 wait, 2 go out. */
  serialAlerts: number
  /** Leave CTS, DCD and DSR low until the console raises them. */
  holdLines: boolean
}

/** Sizes are of payloads before encryption: SOL's own header and the data. */
export type ActivateResponse = {
  inboundSize: number
  outboundSize: number
  port: number
  /** FFFFh for none. */
  vlan: number
}

/** Which of 16 instances are active (24.4); bit 0 is instance 1. */
export type ActivationStatus = { capacity: number; active: number }

/** The BMC's id of the session that has the instance, 0 for none (24.5); `channel` is SOL's port number. */
export type InstanceInfo = { sessionId: number; channel: number }

export function encodeActivateRequest(request: ActivateRequest): Buffer {
  const options =
    (request.encrypted ? 0x80 : 0) |
    (request.authenticated ? 0x40 : 0) |
    ((request.serialAlerts & 3) << 2) |
    (request.holdLines ? 0x02 : 0)
  return Buffer.from([request.type & 0x3f, request.instance & 0x0f, options, 0, 0, 0])
}

export function decodeActivateRequest(bytes: Buffer): ActivateRequest | Malformed {
  if (bytes.length < 6) return malformed('Activate Payload cut short')
  const options = bytes.readUInt8(2)
  return {
    ...readInstance(bytes),
    encrypted: (options & 0x80) !== 0,
    authenticated: (options & 0x40) !== 0,
    serialAlerts: (options >> 2) & 3,
    holdLines: (options & 0x02) !== 0,
  }
}

export function encodeActivateResponse(response: ActivateResponse): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt16LE(response.inboundSize, 4)
  bytes.writeUInt16LE(response.outboundSize, 6)
  bytes.writeUInt16LE(response.port, 8)
  bytes.writeUInt16LE(response.vlan, 10)
  return bytes
}

/** Some BMCs leave the VLAN out. */
export function decodeActivateResponse(bytes: Buffer): ActivateResponse | Malformed {
  if (bytes.length < 10) return malformed('answer to Activate Payload cut short')
  return {
    inboundSize: bytes.readUInt16LE(4),
    outboundSize: bytes.readUInt16LE(6),
    port: bytes.readUInt16LE(8),
    vlan: bytes.length < 12 ? 0xffff : bytes.readUInt16LE(10),
  }
}

export function encodeDeactivateRequest({ type, instance }: PayloadInstance): Buffer {
  return Buffer.from([type & 0x3f, instance & 0x0f, 0, 0, 0, 0])
}

export function encodeInstanceRequest({ type, instance }: PayloadInstance): Buffer {
  return Buffer.from([type & 0x3f, instance & 0x0f])
}

/** Reads the type and instance that Deactivate Payload and Get Payload Instance Info begin with. */
export function decodeInstanceRequest(bytes: Buffer): PayloadInstance | Malformed {
  return bytes.length < 2 ? malformed('payload type and instance cut short') : readInstance(bytes)
}

export function encodeActivationStatus({ capacity, active }: ActivationStatus): Buffer {
  return Buffer.from([capacity & 0x0f, active & 0xff, (active >> 8) & 0xff])
}

export function decodeActivationStatus(bytes: Buffer): ActivationStatus | Malformed {
  if (bytes.length < 2) return malformed('answer to Get Payload Activation Status cut short')
  return {
    capacity: bytes.readUInt8(0) & 0x0f,
    active: bytes.readUInt8(1) | (bytes.length < 3 ? 0 : bytes.readUInt8(2) << 8),
  }
}

export function encodeInstanceInfo({ sessionId, channel }: InstanceInfo): Buffer {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt32LE(sessionId, 0)
  bytes[4] = channel
  return bytes
}

export function decodeInstanceInfo(bytes: Buffer): InstanceInfo | Malformed {
  if (bytes.length < 4) return malformed('answer to Get Payload Instance Info cut short')
  return { sessionId: bytes.readUInt32LE(0), channel: bytes.length < 5 ? 0 : bytes.readUInt8(4) }
}

const readInstance = (bytes: Buffer): PayloadInstance => ({
  type: bytes.readUInt8(0) & 0x3f,
  instance: bytes.readUInt8(1) & 0x0f,
})
