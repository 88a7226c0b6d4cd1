"""A file system that is slow, fails, hangs and lies as a test wants it to, and counts its requests.

    from tests.support.faultfs import FaultFS, unavailable

    with FaultFS(tmp_path / "mount", tree={"a": {"f": 3}, "b": {}}, latency_ms={"readdir": 2},
                 rules=[{"path": "/b", "op": "opendir", "errno": "EACCES"}]) as fs:
        list(os.walk(fs.mnt))
        fs.stats()["ops"]                   # {"lookup": 2, "opendir": 2, ...}

It speaks the kernel's FUSE protocol on /dev/fuse itself, with nothing but the standard library. One process with one
thread serves it: an event loop with a heap of delayed answers, so that any number of requests can be on the way at
once, and latency overlaps as far as the callers let it, at next to no CPU. A mount and unmount takes about 60 ms.
Root mounts directly, other users with fusermount3. `unavailable()` returns why mounting is impossible here, or None.

A call that hangs also hangs its caller ("hard": even beyond SIGKILL). Only expendable processes may access it.

TREE    a nested dict of names: a dict is a directory, a number a file of that size, "-> target" a link. Names are str
        with surrogateescape: any byte can be made but NUL and "/". A dict with "$" is a directory made up on demand:
            {"$": "flat", "n": 10_000_000, "dirs": 0}               n entries, of which so many are directories
            {"$": "synth", "fanout": [10, 14, 14], "files": 3}      10 directories with 14 each with 14 each
            {"$": "infinite", "name": "d", "files": 1, "width": 1}  no end, each with an inode number of its own
            {"$": "loop", "files": 1}                               a directory in itself: "d" has the same inode number
            {"$": "chain", "depth": 100_000, "files": 0}            so many directories "d", one in the other
            {"$": "mirror", "path": "/real/tree"}                   what is there at the moment, all but contents
        Of the first five nothing is stored. File number 7 has 7 bytes. All files are full of zeros.
RULES   a list of dicts. The first acts of those whose `path` is that of the entry, or matches it as fnmatch does
        ("*" matches slashes, too), and whose `op` is that of the request: lookup, getattr, opendir, readdir, open,
        read, readlink, or a list of these (default: all). The mount point is "/". What a rule can do:
            errno "EIO"      fail with it
            hang "hard"      never answer: the caller is in state D and not even SIGKILL ends it, as on a dead disk
                 "killable"  fail with EINTR once the caller is killed, as on an NFS hard mount
                 "intr"      fail with EINTR on any signal, as on an interruptible mount
            after N          fail or hang only in a readdir that has got N entries already
            times N          only so many times for each path
            delay_ms X       additional latency
            repeat K         (readdir) list everything K times
            batch N          (readdir) at most N entries an answer
            dtype "unknown" | "dir" | "file" | "link"   report this d_type of the entry, whatever `op`
            ino N | "random" report this inode number of the entry, or another one each time, whatever `op`
            stamp N          report these times of the entry, in seconds since 1970, whatever `op`
                             (default: 1,700,000,000, whatever happens in a directory)
LATENCY latency_ms is a number for all operations named above, or a dict of them; "readdir_eof" is the last, empty
        readdir (default: as readdir). jitter_ms adds up to so much. With slots=K at most K requests are served at a
        time (default: any number). What has no latency is answered at once.
CACHE   entry_timeout and attr_timeout, in seconds, are how long the kernel may cache answers (default 0: it
        requests them each time); with readdirplus=True, listings include the attributes.
PRESET  "strict" (default) caches nothing. "nfs" caches for 30 s with readdirplus; opendir has double latency and the
        end of a directory none. That makes three round trips a directory, as measured on a Linux NFSv4.2 client.
SEED    for jitter and random inode numbers (default 1).

While it is mounted (all but `rules` can be used from any thread; each call takes 10 s at the most, or raises):
    mnt, path, pid   the mount point as str and as Path; the process that serves
    stats()     ops: how many requests of each kind; dirs: how often each directory was opened; peak: the most
                delayed requests at a time, of each kind and "all"; hung: [how, pid, path] of each that hangs;
                nodes: what the kernel holds; unknown: requests that are not supported, by number
    reset()     counts from zero again
    rules([...]), latency(ms)    replace them
    wait_until_hung(count)       returns when so many requests hang
    release("EIO")   lets what hangs fail with this; how many that were
    abort()     the kernel ends the connection (conn is its number): whatever hangs or comes fails
    die()       kills the process that serves, with the same effect

In the end what hangs is released, the file system lazily unmounted and the process reaped, whatever has happened to
it; the mount point is removed if it was made. When the test process dies, even by SIGKILL, all of this happens, too.
"""

from __future__ import annotations

from .client import FaultFS, FaultFSError, unavailable

__all__ = ["FaultFS", "FaultFSError", "unavailable"]
