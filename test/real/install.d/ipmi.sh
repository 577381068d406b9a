#!/usr/bin/env bash
# Installs OpenIPMI's BMC simulator and ipmitool. Does nothing when they are there.
set -euo pipefail

if command -v ipmi_sim >/dev/null && command -v ipmitool >/dev/null; then exit 0; fi
bash "$(dirname "$0")/../apt-install.sh" openipmi ipmitool
