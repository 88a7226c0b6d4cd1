#!/bin/bash
# Repeat benchmarks/network.py on the kernel's NFS client and server, with a delayed network.
#
#   benchmarks/real/nfs.sh PACKAGES [ONE_WAY_MS=4] [PYTHON=python3]
#
# Boots User-Mode Linux (a kernel as an ordinary process: no root, no modules, one processor). It exports a tree in memory
# by NFSv4.2 to itself over a delayed loopback, and runs nfs_inside.py. PYTHON must have the dependencies of scanner.
# PACKAGES is a directory with unpacked packages; nothing is installed. Debian 12:
#   mkdir PACKAGES && cd PACKAGES && apt-get download user-mode-linux nfs-kernel-server nfs-common libnfsidmap1 libwrap0
#   for package in *.deb; do dpkg-deb -x "$package" unpacked; done
#
# It is pinned to one processor: its kernel and the program in it are two processes that wait for each other. On two
# processors each system call would wake up the other processor, and dominate the figures.
set -eu
packages=$(realpath "$1")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
processor=$(taskset -cp $$ | sed "s/.*[ ,-]//")
timeout 900 taskset -c "$processor" "$packages/unpacked/usr/bin/linux.uml" mem=2048M rootfstype=hostfs rootflags=/ ro quiet con=null con0=fd:0,fd:1 \
  init="$here/nfs_init.sh" UNPACKED="$packages/unpacked" ONE_WAY_MS="${2:-4}" \
  PYTHON="$(realpath -s "$(command -v "${3:-python3}")")" INSIDE="$here/nfs_inside.py" < /dev/null 2>&1 | grep -a '^|\|^!'
