#!/usr/bin/env bash
# Builds every package of this machine's architecture into dist/, and wheels for others, with lists of parts and checksums.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/bootstrap.sh
# The time in packages is that of the commit, so that the same commit gives the same files.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
rm -rf dist
mkdir dist
packaging/wheel.sh
# The image for CT and PET has a program without GDAL.
cargo build --release --locked -p artir-cli --no-default-features
cp target/release/artir target/release/artir-without-scenes
cargo build --release --locked -p artir-cli
packaging/deb.sh
if command -v buildah >/dev/null; then
    packaging/image.sh target/release/artir-without-scenes
    packaging/image.sh target/release/artir -geo
else
    echo "skipped: the images, since buildah is not installed (apt-get install buildah)"
fi
python3 packaging/sbom.py artir-cli dist/artir.cdx.json
python3 packaging/sbom.py artir-python dist/artir-python.cdx.json
(cd dist && sha256sum -- * > SHA256SUMS)
ls -l dist
