/* What statx tells about an entry, as columns of 64-bit numbers. */

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/stat.h>

enum column { /* as in fields.py */
    SIZE, BLOCKS, MODE, UID, GID, INO, DEV, NLINK, MTIME, CTIME, ATIME,
    MTIME_S, CTIME_S, ATIME_S, MTIME_REST, CTIME_REST, ATIME_REST,
    COLUMNS
};

static const unsigned MASKS[] = {STATX_SIZE, STATX_BLOCKS, STATX_TYPE | STATX_MODE, STATX_UID, STATX_GID, STATX_INO,
                                 0, STATX_NLINK, STATX_MTIME, STATX_CTIME, STATX_ATIME,
                                 STATX_MTIME, STATX_CTIME, STATX_ATIME, STATX_MTIME, STATX_CTIME, STATX_ATIME};

/* Clamped to what 64 bits hold, as _fitting in status.py: the least of all says that nothing is known. */
static inline int64_t nanoseconds(const struct statx_timestamp *time)
{
    int64_t seconds = time->tv_sec, rest = time->tv_nsec, result;
    if (seconds < 0) { /* both of one sign: else the product might overflow where the sum does not */
        seconds++;
        rest -= 1000000000;
    }
    if (__builtin_mul_overflow(seconds, (int64_t)1000000000, &result) || __builtin_add_overflow(result, rest, &result) ||
        result == INT64_MIN)
        return time->tv_sec < 0 ? INT64_MIN + 1 : INT64_MAX;
    return result;
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
    case ATIME:
        return nanoseconds(&status->stx_atime);
    case MTIME_S:
        return status->stx_mtime.tv_sec;
    case CTIME_S:
        return status->stx_ctime.tv_sec;
    case ATIME_S:
        return status->stx_atime.tv_sec;
    case MTIME_REST:
        return status->stx_mtime.tv_nsec;
    case CTIME_REST:
        return status->stx_ctime.tv_nsec;
    default:
        return status->stx_atime.tv_nsec;
    }
}
