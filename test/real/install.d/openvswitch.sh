#!/usr/bin/env bash
# Installs Open vSwitch, whose daemons the tests start themselves, without its kernel module, and what wires network
# namespaces to it. Does nothing when all is there.
set -euo pipefail

for program in /usr/sbin/ovs-vswitchd /usr/sbin/ovsdb-server /usr/bin/ovsdb-tool ip ethtool python3; do
  command -v "$program" >/dev/null && continue
  exec bash "$(dirname "$0")/../apt-install.sh" openvswitch-switch iproute2 ethtool python3
done
