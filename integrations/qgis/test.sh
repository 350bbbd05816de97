#!/usr/bin/env bash
# Runs the plugin's tests in the QGIS of this machine, in a window that nobody sees. Without QGIS it says so and ends.
#   integrations/qgis/test.sh [pytest's options]
# QGIS_PYTHON is the Python that QGIS uses, and QGIS_VENV the environment with pytest. ARTIR_QGIS_PICTURES names a folder, from the
# root of the project, for new pictures of the documentation.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${QGIS_PYTHON:-/usr/bin/python3}
if ! "$python" -c "import qgis.core" 2>/dev/null || ! command -v Xvfb >/dev/null; then
    echo "SKIPPED: the tests of the QGIS plugin: QGIS or Xvfb is missing (apt install qgis python3-qgis xvfb qttools5-dev-tools)"
    exit 0
fi
venv=${QGIS_VENV:-.cache/qgis}
if ! "$venv/bin/python" -c "import qgis.core, pytest_qgis, pystac, rasterio" 2>/dev/null; then
    "$python" -m venv --system-site-packages "$venv"
    "$venv/bin/pip" install -q pytest==9.2.0 pytest-qgis==5.0.2 pystac==1.15.2 rasterio==1.4.4
fi
folder=$(mktemp -d)
exec 3<>"$folder/display"
Xvfb -displayfd 3 -screen 0 1400x1000x24 -nolisten tcp >/dev/null 2>&1 &
server=$!
trap 'kill $server; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
    display=$(head -1 /proc/self/fd/3)
    [ -n "$display" ] && break
    sleep 0.1
done
# pytest-qgis keeps QGIS's settings in the root folder: the tests get settings of their own.
DISPLAY=:$display QT_QPA_PLATFORM=xcb LC_ALL=C.UTF-8 "$venv/bin/python" -m pytest -q -p no:cacheprovider \
    --rootdir "$folder" integrations/qgis/tests "$@"
