/* Disk usage: sums of directories, what sizes.py does in Python; and the set of shared files that were met, what met.py
   does. No Python objects here.

       columns, by directory ----> sums of files with one name, by directory (worker)
                              `--> shared files: device, inode, bytes, blocks, time (SHARED numbers each)
                                        `--> set of those that were met ----> sums of the new ones (coordinator)

   Errors: functions return 0 if a sum exceeds 64 bits, or if there is no room; nothing is changed then. */

#include <sys/stat.h>

enum { SHARED = 5 };

struct usage { /* sums */
    int64_t size, blocks, entries, latest;
};

struct usage_rows { /* columns of a run */
    const int64_t *mode, *ino, *dev, *nlink, *size, *blocks;
    const int64_t *time; /* NULL: not requested */
    int hashes;          /* whether a file counts once for all its names */
};

/* Add an entry. */
static int add_usage(struct usage *usage, int64_t size, int64_t blocks, int64_t moment)
{
    usage->entries++;
    usage->latest = moment > usage->latest ? moment : usage->latest;
    return !__builtin_add_overflow(usage->size, size, &usage->size) &&
           !__builtin_add_overflow(usage->blocks, blocks, &usage->blocks);
}

static int is_shared(const struct usage_rows *rows, size_t row)
{
    return rows->hashes && rows->nlink[row] > 1 && !S_ISDIR(rows->mode[row]);
}

/* Return the number of shared files among `count` rows. */
static size_t count_shared(const struct usage_rows *rows, size_t row, size_t count)
{
    size_t shared = 0;
    for (size_t end = row + count; row < end; row++)
        shared += rows->mode[row] != MISSING && is_shared(rows, row);
    return shared;
}

/* Sum up `count` rows. `shared`: has room for the shared files among them. */
static int sum_usage(const struct usage_rows *rows, size_t row, size_t count, struct usage *usage, int64_t *shared)
{
    *usage = (struct usage){.latest = MISSING};
    for (size_t end = row + count; row < end; row++) {
        int64_t moment = rows->time != NULL ? rows->time[row] : MISSING;
        if (rows->mode[row] == MISSING)
            continue;
        if (is_shared(rows, row)) {
            const int64_t file[SHARED] = {rows->dev[row], rows->ino[row], rows->size[row], rows->blocks[row], moment};
            memcpy(shared, file, sizeof file);
            shared += SHARED;
        } else if (!add_usage(usage, rows->size[row], rows->blocks[row], moment)) {
            return 0;
        }
    }
    return 1;
}

/* The set: open addressing. The first place is not used by a file: `device` is the number of files in the set, `inode`
   whether the file of device 0 and inode 0 is. All other places are free if both numbers are 0. */

struct place {
    int64_t device, inode;
};

static struct place *place_in(struct place *table, size_t places, int64_t device, int64_t inode)
{
    uint64_t hash = ((uint64_t)inode ^ (uint64_t)device * 0xff51afd7ed558ccdu) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 32) * 0xc4ceb9fe1a85ec53u;
    size_t free_places = places - 1, at = (size_t)(((hash >> 32) * (uint64_t)free_places) >> 32);
    for (;; at = at + 1 < free_places ? at + 1 : 0) {
        struct place *place = &table[1 + at];
        if ((place->device == device && place->inode == inode) || (place->device == 0 && place->inode == 0))
            return place;
    }
}

static int is_met(struct place *table, size_t places, int64_t device, int64_t inode)
{
    if (device == 0 && inode == 0)
        return table->inode != 0;
    const struct place *place = place_in(table, places, device, inode);
    return place->device != 0 || place->inode != 0;
}

/* Add a file, for which there is room. Return whether it is new. */
static int meet(struct place *table, size_t places, int64_t device, int64_t inode)
{
    if (device == 0 && inode == 0) {
        if (table->inode != 0)
            return 0;
        table->inode = 1;
    } else {
        struct place *place = place_in(table, places, device, inode);
        if (place->device != 0 || place->inode != 0)
            return 0;
        *place = (struct place){device, inode};
    }
    table->device++;
    return 1;
}

/* Add shared files, and sum up the new ones. */
static int meet_all(struct place *table, size_t places, const int64_t *shared, size_t count, struct usage *usage)
{
    struct usage every = {.latest = MISSING};
    for (size_t at = 0; at < count; at++) /* sums of some are no larger, unless a size is below 0 */
        if (shared[SHARED * at + 2] < 0 || shared[SHARED * at + 3] < 0 ||
            !add_usage(&every, shared[SHARED * at + 2], shared[SHARED * at + 3], MISSING))
            return 0;
    if (count > (places - 2) - (size_t)table->device) /* one place stays free */
        return 0;
    *usage = (struct usage){.latest = MISSING};
    for (; count > 0; count--, shared += SHARED)
        if (meet(table, places, shared[0], shared[1]))
            add_usage(usage, shared[2], shared[3], shared[4]);
    return 1;
}
