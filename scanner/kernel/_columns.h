/* What statx tells about an entry, as columns of 64-bit numbers. */

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/stat.h>

enum column { SIZE, BLOCKS, MODE, UID, GID, INO, DEV, NLINK, MTIME, CTIME, ATIME }; /* as in fields.py */

static const unsigned MASKS[] = {STATX_SIZE, STATX_BLOCKS, STATX_TYPE | STATX_MODE, STATX_UID, STATX_GID, STATX_INO,
                                 0, STATX_NLINK, STATX_MTIME, STATX_CTIME, STATX_ATIME};

static inline int64_t nanoseconds(const struct statx_timestamp *time)
{
    if (time->tv_sec >= INT64_MAX / 1000000000)
        return INT64_MAX;
    if (time->tv_sec <= INT64_MIN / 1000000000)
        return INT64_MIN + 1; /* the least itself says that nothing is known */
    return time->tv_sec * 1000000000 + time->tv_nsec;
}

static inline int64_t value_of(const struct statx *status, enum column column)
{
    switch (column) {
    case SIZE:
        return (int64_t)status->stx_size;
    case BLOCKS:
        return (int64_t)status->stx_blocks;
    case MODE:
        return status->stx_mode;
    case UID:
        return status->stx_uid;
    case GID:
        return status->stx_gid;
    case INO:
        return (int64_t)status->stx_ino;
    case DEV:
        return (int64_t)makedev(status->stx_dev_major, status->stx_dev_minor);
    case NLINK:
        return status->stx_nlink;
    case MTIME:
        return nanoseconds(&status->stx_mtime);
    case CTIME:
        return nanoseconds(&status->stx_ctime);
    default:
        return nanoseconds(&status->stx_atime);
    }
}
