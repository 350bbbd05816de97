#!/usr/bin/env bash
# Runs `artir ct` in the image as a user that is not root, on a root file system that cannot be written, and compares the
# result with the program's own. In the image with scenes, `artir demo` runs in the same way. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(packaging/version.sh)
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir "$work/out"
chown 65532:65532 "$work/out"

unpack() { # IMAGE FOLDER MOST: unpacks an image of at most MOST megabytes
    local size
    size=$(($(stat -c %s "$1") / 1000000))
    echo "$1: $size MB"
    ((size <= $3)) || { echo "the image is larger than $3 MB" >&2; return 1; }
    python3 packaging/test/unpack_image.py "$1" "$2" > "$work/config.json"
    python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["config"]["User"] != "65532:65532")' "$work/config.json" ||
        { echo "the image's user is another" >&2; return 1; }
    mkdir -p "$2/data/in" "$2/data/out"
}
# What a container runtime does, by hand: namespaces of its own without a network, a read-only root, mounts, another user.
inside() { # ROOT ARGUMENT...: runs artir with study mounted on /data/in and out on /data/out
    # shellcheck disable=SC2016  # The inner shell expands them.
    unshare --mount --pid --net --ipc --uts --fork --propagation private bash -euc '
        root=$1 work=$2
        shift 2
        mount --bind "$root" "$root"
        mount --bind -o ro "$work/study" "$root/data/in"
        mount --bind "$work/out" "$root/data/out"
        mount -t proc proc "$root/proc"
        mount -t tmpfs -o mode=755 tmpfs "$root/dev"
        touch "$root/dev/null"
        mount --bind /dev/null "$root/dev/null"
        mount -o remount,ro,bind "$root"
        if mkdir "$root/forbidden" 2>/dev/null; then echo "the root can be written" >&2; exit 1; fi
        exec env -i PATH=/usr/bin HOME=/data /usr/sbin/chroot --userspec=65532:65532 "$root" /usr/bin/artir "$@"
    ' bash "$1" "$work" "${@:2}"
}

"$python" packaging/test/phantom_ct.py "$work/study"
chmod -R a+rX "$work/study"
unpack "dist/artir-$version-$(uname -m).oci.tar" "$work/root" 38
inside "$work/root" doctor
inside "$work/root" ct /data/in -o /data/out/restored -q
target/release/artir ct "$work/study" -o "$work/expected" -q
diff -r "$work/expected" "$work/out/restored"
[ "$(stat -c %u "$work/out/restored")" = 65532 ]
echo "restored as user 65532 on a read-only root, with the bits of the program"

unpack "dist/artir-geo-$version-$(uname -m).oci.tar" "$work/geo" 200
inside "$work/geo" demo -o /data/out/demo -q
[ -s "$work/out/demo/report.html" ]
echo "the image with scenes runs the demonstration"
