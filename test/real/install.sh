#!/usr/bin/env bash
# Installs what `npm run test:real` tests against: each script of install.d, which does nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/install.d"
for script in *.sh; do
  echo "installing for the real tests: ${script%.sh}"
  bash "$script" </dev/null || { echo "test/real/install.d/$script failed" >&2; exit 1; }
done
