# shellcheck shell=bash
# Makes bare Debian roots for tests. Source it.

# debian_root RELEASE: prints a new folder with a minimal Debian, which the caller removes.
debian_root() {
    command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; return 1; }
    local root kept=${ROOTS:-}
    root=$(mktemp -d)
    chmod 755 "$root"
    # ROOTS names a folder of roots that were made before, one for each release.
    if [ -n "$kept" ] && [ -d "$kept/$1" ]; then
        cp -a "$kept/$1/." "$root"
    else
        debootstrap --variant=minbase "$1" "$root" >&2
    fi
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    echo "$root"
}
