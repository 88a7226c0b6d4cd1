#!/bin/bash
# A second opinion on benchmarks/network.py: the kernel's own NFS client and server, behind a long wire.
#
#   benchmarks/real/nfs.sh PACKAGES [ONE_WAY_MS=4] [PYTHON=python3]
#
# Boots User-Mode Linux (a kernel as an ordinary process: no root, no modules, one processor), which serves a tree in its
# memory by NFSv4.2 to itself over a delayed loopback, and runs nfs_inside.py there. PYTHON has scanner's dependencies.
# PACKAGES is a directory for what is needed; nothing is installed. Debian 12:
#   mkdir PACKAGES && cd PACKAGES && apt-get download user-mode-linux nfs-kernel-server nfs-common libnfsidmap1 libwrap0
#   for package in *.deb; do dpkg-deb -x "$package" unpacked; done
#
# It is kept on one processor of the machine: its kernel and what runs in it are two processes, one of which always waits
# for the other. On two processors each system call there wakes the other one up, and the figures are about that.
set -eu
packages=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
processor=$(taskset -cp $$ | sed "s/.*[ ,-]//")
timeout 900 taskset -c "$processor" "$packages/unpacked/usr/bin/linux.uml" mem=2048M rootfstype=hostfs rootflags=/ ro quiet con=null con0=fd:0,fd:1 \
  init="$here/nfs_init.sh" UNPACKED="$packages/unpacked" ONE_WAY_MS="${2:-4}" \
  PYTHON="$(realpath -s "$(command -v "${3:-python3}")")" INSIDE="$here/nfs_inside.py" < /dev/null 2>&1 | grep -a '^|\|^!'
