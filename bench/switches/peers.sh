#!/usr/bin/env bash
# Installs what bench/switches.ts measures beside us, into .venv/bench: networking-generic-switch and network-runner from
# PyPI, and etcd, which networking-generic-switch batches with, out of Debian's package (not installed, no service, no root).
# Needs Python 3.11 or newer with venv. Does nothing when they are there.
set -euo pipefail
cd "$(dirname "$0")/../.."

# ansible 11 is the last that takes network-runner's role as it is: from ansible-core 2.19 on a condition must be a boolean,
# and its stp_edge is null unless given. It does not say that it needs six.
generic_switch=(networking-generic-switch==10.2.0 netmiko==4.8.0 paramiko==5.1.0 etcd3gw==2.7.0 tooz==9.1.0)
network_runner=(network-runner==0.3.6 ansible==11.13.0 ansible-runner==2.4.3 ansible-pylibssh==1.4.0 six==1.17.0)

install_venv() {
  local venv=.venv/bench/$1; shift
  if [ "$(cat "$venv/installed" 2>/dev/null)" = "$*" ]; then return; fi
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
  echo "$*" >"$venv/installed"
}

install_etcd() {
  local to=.venv/bench/etcd
  if [ -x "$to/usr/bin/etcd" ]; then return; fi
  mkdir -p "$to"
  (cd "$to" && apt-get download --quiet etcd-server >/dev/null 2>&1 && dpkg-deb -x etcd-server_*.deb .) || {
    echo "peers.sh: no etcd-server from apt-get download; run apt-get update" >&2; exit 1; }
}

install_venv generic-switch "${generic_switch[@]}"
install_venv network-runner "${network_runner[@]}"
install_etcd
