#!/usr/bin/env bash
# Installs what `npm run test:real` tests against: each script of install.d, which does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/install.d"
APT_LISTS_ARE_FRESH=$(mktemp)
export APT_LISTS_ARE_FRESH
trap 'rm -f "$APT_LISTS_ARE_FRESH"' EXIT
for script in *.sh; do
  echo "installing for the real tests: ${script%.sh}"
  bash "$script" </dev/null || { echo "test/real/install.d/$script failed" >&2; exit 1; }
done
