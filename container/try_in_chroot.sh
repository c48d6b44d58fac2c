#!/bin/bash
# Try what Dockerfile and apptainer.def do where no container engine is: in a bare Debian, as user
# 1000, without HOME, network or anything writable but /data. For root on Debian.
#
#   apt-get install debootstrap
#   container/try_in_chroot.sh DATA --version
#
# DATA, a folder that user 1000 may write to, becomes /data; the rest goes to `skullstrip`.
set -euo pipefail
data=$(realpath "$1")
shift
root=$(mktemp -d)
trap 'rm -r "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$root" >/dev/null
mkdir "$root/data" "$root/src"
cd "$(dirname "$0")/.."
cp -r LICENSE.txt README.md SkullStrip container pyproject.toml "$root/src"
cp /etc/resolv.conf "$root/etc/"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
chmod 755 "$root"
chroot "$root" sh /src/container/install.sh
rm -r "$root/src"
# shellcheck disable=SC2016 # $1 and $@ are of the inner shell
unshare --mount --net --pid --fork bash -euc '
    mount --bind "$1" "$1"
    mount -o remount,bind,ro "$1"
    mount --bind "$2" "$1/data"
    mount -t proc proc "$1/proc"
    root=$1
    shift 2
    exec chroot --userspec=1000:1000 "$root" env -i PATH=/opt/skullstrip/bin:/usr/bin:/bin \
        PYTHONDONTWRITEBYTECODE=1 sh -c "cd /data && exec skullstrip \"\$@\"" sh "$@"
' sh "$root" "$data" "$@"
