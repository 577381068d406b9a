#!/usr/bin/env bash
# Installs OpenIPMI's BMC simulator and ipmitool, for test/real/ipmi.test.ts. Does nothing when they are there.
set -euo pipefail

if command -v ipmi_sim >/dev/null && command -v ipmitool >/dev/null; then exit 0; fi
[ "$(id -u)" = 0 ] || { echo "ipmi_sim or ipmitool is missing; as root: apt-get install -y openipmi ipmitool" >&2; exit 1; }
apt-get update
apt-get install -y --no-install-recommends openipmi ipmitool
