/* For LD_PRELOAD into sshfs: serve one request per walker concurrently, as NFS does.

   1. libfuse 3 serves at most 10 concurrent requests for programs built against its interface before 3.12, as Debian
      12's sshfs is. sshfs has no option for it. Here FUSE_THREADS requests are served.
   2. libfuse before 3.16 does not pass FUSE_PARALLEL_DIROPS to the kernel, which then serializes look-ups in one
      directory. The flag is inserted into the reply to INIT when it is written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/uio.h>

#define FUSE_PARALLEL_DIROPS (1u << 18)

struct fuse;
struct fuse_loop_config;

static void *symbol(const char *name)
{
    void *found = dlvsym(dlopen("libfuse3.so.3", RTLD_NOW | RTLD_GLOBAL), name, "FUSE_3.12");
    if (found == NULL)
        abort(); /* libfuse is older than 3.12 */
    return found;
}

int fuse_loop_mt_31(struct fuse *fuse, int clone_fd)
{
    struct fuse_loop_config *(*create)(void) = symbol("fuse_loop_cfg_create");
    void (*set_most)(struct fuse_loop_config *, unsigned) = symbol("fuse_loop_cfg_set_max_threads");
    void (*set_idle)(struct fuse_loop_config *, unsigned) = symbol("fuse_loop_cfg_set_idle_threads");
    void (*set_clone)(struct fuse_loop_config *, unsigned) = symbol("fuse_loop_cfg_set_clone_fd");
    int (*loop)(struct fuse *, struct fuse_loop_config *) = symbol("fuse_loop_mt_312");
    unsigned threads = (unsigned)atoi(getenv("FUSE_THREADS"));
    struct fuse_loop_config *config = create();
    set_most(config, threads);
    set_idle(config, threads);
    set_clone(config, (unsigned)clone_fd);
    return loop(fuse, config);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    static ssize_t (*original)(int, const struct iovec *, int);
    static int done;
    if (original == NULL)
        original = dlsym(RTLD_NEXT, "writev");
    /* A header of 16 bytes, and fuse_init_out with 64: major = 7, minor, max_readahead, flags, ... */
    if (!done && count == 2 && parts[0].iov_len == 16 && parts[1].iov_len == 64 && *(uint32_t *)parts[1].iov_base == 7) {
        ((uint32_t *)parts[1].iov_base)[3] |= FUSE_PARALLEL_DIROPS;
        done = 1;
    }
    return original(descriptor, parts, count);
}
