#!/usr/bin/env bash
# Tests the packages in dist/ where users will install them. What cannot run here is skipped with a reason.
set -euo pipefail
cd "$(dirname "$0")/../.."
(cd dist && sha256sum --check --quiet SHA256SUMS)
packaging/test/wheel.sh
if [ "$(id -u)" != 0 ]; then
    echo "skipped: the tests in Debian roots and of the image, which need root"
    exit 0
fi
command -v debootstrap >/dev/null || apt-get install -y -q --no-install-recommends debootstrap
packaging/test/debian11.sh
packaging/test/deb.sh
if ls dist/*.oci.tar >/dev/null 2>&1; then packaging/test/image.sh; else echo "skipped: the image was not built"; fi
