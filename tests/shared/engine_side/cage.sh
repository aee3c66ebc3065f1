#!/bin/sh
# Runs COMMAND as a pod of the emitted manifests would: read-only root, /tmp and /dev/shm its own, weights at
# /mnt/models, user 1000, no capabilities, no new privileges. Needs root, or rights to mount in a namespace.
# usage: unshare --mount cage.sh ROOT WEIGHTS PREFIX... -- COMMAND...   (PREFIX: directories of the engine)
set -eu
root=$1 weights=$2; shift 2
mount --make-rprivate /
mount --rbind / "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777 scratch "$root/tmp"
mount -t tmpfs -o mode=1777,size=16g shared-memory "$root/dev/shm"
mount -t tmpfs -o mode=755 place "$root/mnt"
mkdir "$root/mnt/models"
mount --bind "$weights" "$root/mnt/models"
mount -o remount,bind,ro "$root/mnt/models"
mount -t tmpfs -o mode=755 home "$root/root" # the engine may lie in a home that user 1000 may not enter
while [ "$1" != -- ]; do
  mkdir -p "$root$1" 2>/dev/null || true
  mount --bind "$1" "$root$1"
  mount -o remount,bind,ro "$root$1"
  shift
done
shift
exec chroot "$root" setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --ambient-caps=-all \
  --bounding-set=-all --no-new-privs -- "$@"
