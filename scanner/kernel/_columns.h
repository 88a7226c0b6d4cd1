/* Columns: 64-bit numbers that statx reports about an entry. No Python objects here. */

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/stat.h>

enum column {
    SIZE, BLOCKS, MODE, UID, GID, INO, DEV, NLINK, MTIME, CTIME, ATIME,
    MTIME_S, CTIME_S, ATIME_S, MTIME_REST, CTIME_REST, ATIME_REST,
    COLUMNS
};

static const struct {
    const char *name; /* as in fields.py, which must have the same order: native.py compares them */
    unsigned mask;    /* what to request of statx */
} COLUMN[COLUMNS] = {
    [SIZE] = {"size", STATX_SIZE},
    [BLOCKS] = {"blocks", STATX_BLOCKS},
    [MODE] = {"mode", STATX_TYPE | STATX_MODE},
    [UID] = {"uid", STATX_UID},
    [GID] = {"gid", STATX_GID},
    [INO] = {"ino", STATX_INO},
    [DEV] = {"dev", 0},
    [NLINK] = {"nlink", STATX_NLINK},
    [MTIME] = {"mtime_ns", STATX_MTIME},
    [CTIME] = {"ctime_ns", STATX_CTIME},
    [ATIME] = {"atime_ns", STATX_ATIME},
    [MTIME_S] = {"mtime_s", STATX_MTIME},
    [CTIME_S] = {"ctime_s", STATX_CTIME},
    [ATIME_S] = {"atime_s", STATX_ATIME},
    [MTIME_REST] = {"mtime_rest", STATX_MTIME},
    [CTIME_REST] = {"ctime_rest", STATX_CTIME},
    [ATIME_REST] = {"atime_rest", STATX_ATIME},
};

struct columns { /* which columns are requested, and the union of their masks; checked by `choose_columns` */
    const unsigned char *numbers;
    size_t width;
    unsigned mask;
};

/* Return whether every number is that of a column, and none is given too often. */
static inline int choose_columns(struct columns *columns, const unsigned char *numbers, size_t width)
{
    *columns = (struct columns){.numbers = numbers, .width = width};
    for (size_t at = 0; at < width; at++) {
        if (numbers[at] >= COLUMNS)
            return 0;
        columns->mask |= COLUMN[numbers[at]].mask;
    }
    return width <= COLUMNS;
}

/* Clamp to 64 bits, as status.py does. INT64_MIN is reserved for "unknown". */
static inline int64_t nanoseconds(const struct statx_timestamp *time)
{
    int64_t seconds = time->tv_sec, rest = time->tv_nsec, result;
    if (seconds < 0) { /* give both the same sign: otherwise the product may overflow where the sum does not */
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
    case SIZE: return (int64_t)status->stx_size;
    case BLOCKS: return (int64_t)status->stx_blocks;
    case MODE: return status->stx_mode;
    case UID: return status->stx_uid;
    case GID: return status->stx_gid;
    case INO: return (int64_t)status->stx_ino;
    case DEV: return (int64_t)makedev(status->stx_dev_major, status->stx_dev_minor);
    case NLINK: return status->stx_nlink;
    case MTIME: return nanoseconds(&status->stx_mtime);
    case CTIME: return nanoseconds(&status->stx_ctime);
    case ATIME: return nanoseconds(&status->stx_atime);
    case MTIME_S: return status->stx_mtime.tv_sec;
    case CTIME_S: return status->stx_ctime.tv_sec;
    case ATIME_S: return status->stx_atime.tv_sec;
    case MTIME_REST: return status->stx_mtime.tv_nsec;
    case CTIME_REST: return status->stx_ctime.tv_nsec;
    case ATIME_REST: return status->stx_atime.tv_nsec;
    case COLUMNS: break;
    }
    return INT64_MIN;
}

/* Request the status of one entry; return whether the file system has reported all of it. */
static inline int request_status(unsigned mask, int directory, const char *name, int flags, struct statx *status)
{
    return syscall(SYS_statx, directory, name, flags | AT_NO_AUTOMOUNT, mask, status) == 0 &&
           (status->stx_mask & mask) == mask;
}

struct rows { /* a table, column after column; row 0 is the directory itself, the others are its entries */
    struct columns columns;
    int directory, flags;
    const char *name, *end; /* the next name; the end of all of them, where a NUL stands */
    size_t count;           /* of rows */
    char *values;           /* columns.width * count numbers, owned by the caller */
    Py_ssize_t failures;
};

/* Fill one row and advance to the next name. An unknown row, or one without a name, becomes INT64_MIN. */
static inline void fill_row(struct rows *rows, size_t row)
{
    struct statx status;
    const char *name = row == 0 ? "" : rows->name;
    int known = (row == 0 || name < rows->end) &&
                request_status(rows->columns.mask, rows->directory, name, row == 0 ? AT_EMPTY_PATH : rows->flags, &status);
    for (size_t at = 0; at < rows->columns.width; at++) {
        int64_t value = known ? value_of(&status, (enum column)rows->columns.numbers[at]) : INT64_MIN;
        memcpy(rows->values + (at * rows->count + row) * sizeof value, &value, sizeof value);
    }
    rows->failures += !known;
    if (row > 0 && name < rows->end)
        rows->name += strlen(name) + 1;
}
