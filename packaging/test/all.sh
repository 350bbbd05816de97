#!/usr/bin/env bash
# Tests the packages in dist/ where users will install them. What cannot run here is skipped with a reason.
#   packaging/test/all.sh [PYTHON...]     interpreters for the wheel, as for packaging/test/wheel.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
(cd dist && sha256sum --check --quiet SHA256SUMS)
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install -q -r packaging/requirements-lists.txt
"$tools/bin/python" packaging/test/lists.py dist/*.cdx.json
packaging/test/wheel.sh "$@"
packaging/test/prefix.sh
if [ "$(id -u)" != 0 ]; then
    echo "skipped: the tests in Debian roots and of the images, which need root"
    exit 0
fi
command -v debootstrap >/dev/null || apt-get install -y -q --no-install-recommends debootstrap
packaging/test/debian11.sh
packaging/test/deb.sh
if ls dist/*.oci.tar >/dev/null 2>&1; then packaging/test/image.sh; else echo "skipped: the images were not built"; fi
echo "all packages work"
