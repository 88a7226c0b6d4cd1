#!/bin/bash
# Process 1 of a User-Mode Linux whose root is this machine's, read-only (see nfs.sh).
export LANG=C.UTF-8 HOME=/run PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
exec 2> /dev/console
libraries=$UNPACKED/lib/x86_64-linux-gnu:$UNPACKED/usr/lib/x86_64-linux-gnu
mount -t proc proc /proc && mount -t sysfs sysfs /sys
for place in /run /mnt /var/lib /dev/shm; do mkdir -p $place; mount -t tmpfs tmpfs $place; done
for module in sunrpc grace nfs_acl lockd oid_registry auth_rpcgss dns_resolver netfs fscache nfs nfsv3 nfsv4 nfsd sch_netem; do
  file=$(find "$UNPACKED/usr/lib/uml/modules/$(uname -r)/kernel" -name "$module.ko")
  [ -z "$file" ] || "$PYTHON" -c 'import ctypes, os, sys; ctypes.CDLL(None).syscall(313, os.open(sys.argv[1], 0), b"", 0)' "$file"
done
ip link set lo up
mkdir -p /var/lib/nfs/{rpc_pipefs,v4recovery,sm} /mnt/exported /mnt/nfs
touch /var/lib/nfs/{etab,rmtab,xtab}
mount -t tmpfs -o size=1g tmpfs /mnt/exported
mount -t nfsd nfsd /proc/fs/nfsd && mount -t rpc_pipefs rpc_pipefs /var/lib/nfs/rpc_pipefs
echo 10 > /proc/fs/nfsd/nfsv4gracetime; echo 10 > /proc/fs/nfsd/nfsv4leasetime
export LD_LIBRARY_PATH=$libraries
"$UNPACKED/usr/sbin/exportfs" -o rw,async,no_root_squash,fsid=0,insecure,no_subtree_check '*:/mnt/exported'
"$UNPACKED/usr/sbin/rpc.mountd" -N 3 -u
"$UNPACKED/usr/sbin/rpc.nfsd" -N 3 -U 8
unset LD_LIBRARY_PATH
mount -i -t nfs4 -o addr=127.0.0.1,clientaddr=127.0.0.1,vers=4.2,hard 127.0.0.1:/ /mnt/nfs || echo "! nothing is mounted"
tc qdisc add dev lo root netem delay "${ONE_WAY_MS}ms"
"$PYTHON" "$INSIDE" > /dev/console 2>&1 || echo "! the measurement has failed" > /dev/console
umount -f -l /mnt/nfs
"$PYTHON" -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321fedc)'
