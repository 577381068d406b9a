#!/usr/bin/env bash
# Installs Debian packages for the scripts of install.d: as root, or through sudo where that asks nothing.
set -euo pipefail

command -v apt-get >/dev/null || { echo "no apt-get here; install by hand what has these Debian packages' programs: $*" >&2; exit 1; }
as_root=()
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || { echo "as root: apt-get install -y $*" >&2; exit 1; }
  as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
fi
export DEBIAN_FRONTEND=noninteractive
# install.sh gives a file in which the first of its scripts notes that the lists are fresh.
if [ ! -s "${APT_LISTS_ARE_FRESH:-/dev/null}" ]; then
  "${as_root[@]}" apt-get update
  if [ -n "${APT_LISTS_ARE_FRESH:-}" ]; then echo yes > "$APT_LISTS_ARE_FRESH"; fi
fi
"${as_root[@]}" apt-get install -y --no-install-recommends "$@"
