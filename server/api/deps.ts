/** What the API is made of: everything its routes call. */
import type { Logger } from 'pino'
import type { Authenticator, Policy } from '../access/index.ts'
import type { Config } from '../config.ts'
import type { Consoles } from '../console/index.ts'
import type { Hardware } from '../hardware/index.ts'
import type { ConductorDirectory } from '../inventory/index.ts'
import type { Networking, Vault } from '../networking/index.ts'
import type { Provisioner } from '../provision/index.ts'
import type { Allocator } from '../scheduling/index.ts'
import type { Db } from '../store/index.ts'

export interface ApiDeps {
  config: Config
  db: Db
  log: Logger
  authenticator: Authenticator
  policy: Policy
  hardware: Hardware
  provisioner: Provisioner
  conductors: ConductorDirectory
  allocator: Allocator
  consoles: Consoles
  vault: Vault
  networking: Networking
}
