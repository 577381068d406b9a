#!/usr/bin/env bash
# Installs Open vSwitch, whose daemons the tests start themselves, without its kernel module. Does nothing when it is there.
set -euo pipefail

if [ -x /usr/sbin/ovs-vswitchd ] && [ -x /usr/sbin/ovsdb-server ]; then exit 0; fi
bash "$(dirname "$0")/../apt-install.sh" openvswitch-switch
