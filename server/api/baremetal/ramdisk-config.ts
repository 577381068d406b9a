/** How the agent in a ramdisk is to behave, as lookup tells it: Ironic's settings with its defaults. */
import type { Config } from '../../config.ts'

/** The `config` of lookup's answer. `token`: the agent's own, masked, or null for an agent that knows none. */
export const agentConfig = (config: Config, token: string | null) => ({
  heartbeat_timeout: config['api.ramdisk_heartbeat_timeout_seconds'],
  agent_token: token,
  agent_token_required: true,
  metrics: {
    backend: 'noop',
    prepend_host: false,
    prepend_uuid: false,
    prepend_host_reverse: true,
    global_prefix: null,
  },
  metrics_statsd: { statsd_host: 'localhost', statsd_port: 8125 },
  // Nothing of the sort runs on a machine that a tenant had, or is about to get.
  agent_containers: {
    allow_arbitrary_containers: false,
    allowed_containers: [],
    container_steps_file: null,
    runner: 'podman',
    pull_options: '',
    run_options: '',
  },
  agent_md5_checksum_enable: false,
  disable_deep_image_inspection: false,
  permitted_image_formats: ['raw', 'qcow2', 'iso'],
  agent_skip_bmc_detect: false,
  enable_bios_bootloader_install: true,
  tls_min_version: null,
  tls_cipher_suites: null,
})
