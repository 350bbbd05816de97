#!/usr/bin/env bash
# Runs the plugin's tests in the QGIS of another Debian, which is installed into a folder (2 GB, some minutes). As root, on amd64:
#   integrations/qgis/test-debian.sh sid /var/tmp/qgis-sid [pytest's options]
# artir runs there with the libraries of this machine. ARTIR_QGIS_PROGRAM names another program than target/debug/artir, and
# ORT_DYLIB_PATH another ONNX Runtime than that of .runtime.
set -euo pipefail
suite=$1
root=$(realpath -m "$2")
shift 2
cd "$(dirname "$0")/../.."
project=$PWD
program=$(realpath "${ARTIR_QGIS_PROGRAM:-target/debug/artir}")
runtime=$(realpath "${ORT_DYLIB_PATH:-$(ls .runtime/libonnxruntime.so* | head -1)}")
data=$(realpath -m "${ARTIR_REAL_DATA:-../shared/data}")
if [ ! -d "$root/opt/tests" ]; then
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$root"
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends \
        qgis python3-qgis qgis-providers python3-gdal python3-numpy python3-venv python3-pip xvfb xauth qttools5-dev-tools
    python3 -m pip install -q --target "$root/opt/tests" pytest==9.2.0 pytest-qgis==5.0.2
fi
mkdir -p "$root/host" "$root/project"
# Links with whole paths lead into the other Debian: the loader and the libraries of algebra are named by their files.
libraries=/host/usr/lib/x86_64-linux-gnu
loader=/host$(realpath /lib64/ld-linux-x86-64.so.2)
cat >"$root/usr/local/bin/artir-of-host" <<END
#!/bin/sh
export GDAL_DATA=/host/usr/share/gdal PROJ_LIB=/host/usr/share/proj PROJ_DATA=/host/usr/share/proj GDAL_DRIVER_PATH=disable
export ORT_DYLIB_PATH="/host$runtime"
exec "$loader" --library-path "$libraries/blas:$libraries/lapack:$libraries:/host/usr/lib" "/host$program" "\$@"
END
chmod +x "$root/usr/local/bin/artir-of-host"
cat >"$root/opt/run-tests" <<END
cd /project
export HOME=/root LC_ALL=C.UTF-8 PYTHONPATH=/opt/tests PYTHONDONTWRITEBYTECODE=1 ARTIR_REAL_DATA="/host$data"
export ARTIR_QGIS_PROGRAM=/usr/local/bin/artir-of-host QT_QPA_PLATFORM=xcb
dpkg -l qgis | tail -1
xvfb-run -a -s '-screen 0 1400x1000x24' /usr/bin/python3 -m pytest -q -p no:cacheprovider --rootdir "\$(mktemp -d)" \\
    integrations/qgis/tests "\$@"
END
# The mounts end with this process.
exec unshare --mount bash -euc '
    mount --rbind / "$1/host"
    mount --bind "$2" "$1/project"
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    exec chroot "$1" bash /opt/run-tests "${@:3}"' run "$root" "$project" "$@"
