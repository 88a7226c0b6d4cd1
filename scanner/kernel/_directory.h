/* Opening and reading one directory into a buffer of records. No Python objects here; runs without the GIL.

       openat -> getdents64 -> buffer of records -> d_type replaced by our kinds

   Handles the ordinary case only. Everything else is TROUBLE, and read.py handles it.

   A `struct listing` owns its buffer, not the file descriptor. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define NFS_SUPER_MAGIC 0x6969
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

#define BLOCK_SIZE 32768 /* bytes for one getdents64, as in the C library */
#define MOST_BLOCKS 16   /* getdents64 calls between two checks for signals */
#define PROBES 12        /* `stat` calls for each block on NFS: a Linux client reacts to more than 8 */
#define MOST_STATS 16    /* requests for a type or status between two checks for signals */
#define OPEN_REQUESTS 3   /* of a file system, for a directory: look up its name, open it, close it */
#define SLOW_MICROS 300  /* microseconds for one such request or one row, from which on threads are faster */
#define DT_LIMIT 16      /* values of d_type are below this; so a set of them fits into an unsigned */

enum rule { MARK, ENTER, IS_FILE, RULES };       /* what a symlink to a directory is: LinkRule in native.py */
enum form { LIST, JOINED, LINES, COUNT, FORMS }; /* how names of files are packed: see pack.py */

static const char *const RULE_NAMES[RULES] = {[MARK] = "mark", [ENTER] = "enter", [IS_FILE] = "file"};
static const char *const FORM_NAMES[FORMS] = {[LIST] = "list", [JOINED] = "joined", [LINES] = "lines", [COUNT] = "count"};

/* What replaces d_type, in numbers that no file system uses. BARRED: a directory that the depth limit keeps us out of. */
enum kind { SKIPPED = 240, DIRECTORY, MARKED, BARRED, OTHER, UNWANTED, KINDS };
_Static_assert(SKIPPED >= DT_LIMIT && KINDS <= UINT8_MAX, "kinds and values of d_type must not overlap, and fit a byte");

/* The order of steps. BROKEN_OFF and WHOLE are ends with a listing, TROUBLE is one without. */
enum state { NEEDS_READING, NEEDS_SORTING, WHOLE, BROKEN_OFF, TROUBLE };

struct record { /* linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

struct selection { /* what is selected by comparisons; all zero: everything */
    unsigned hidden_types; /* bit set of d_type: entries that are not shown; directories are entered all the same */
    int hides_dotfiles;    /* names that begin with a dot are excluded, directories too */
    int bars;              /* sub-directories are shown, but not entered */
    struct conditions of_others, of_directories; /* of directories: only of those that are not entered */
};

struct listing {
    char *buffer;
    size_t used, size, sorted;   /* bytes read; capacity; bytes of records that have their kind */
    Py_ssize_t entries;          /* records except . and .. */
    size_t last;                 /* where the last block begins, */
    Py_ssize_t before;           /* and the number of entries before it */
    int blocks, untyped, on_nfs; /* blocks read; whether the first had records without a type */
    int keep;                    /* the caller needs the descriptor, for rows */
    int parts, more;             /* whether a listing may end early; whether it did */
    Py_ssize_t most_requests;    /* after so many, if it may */
    struct selection selection;
    Py_ssize_t count[KINDS - SKIPPED]; /* records of each kind */
    int error;                         /* errno with which the listing broke off */
    Py_ssize_t requests;               /* sent to the file system, except for opening and closing */
    double opening;                    /* seconds */
};

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Open `name`, which may have several components; `no_link`: not through any symlink. Return a descriptor or -1. */
static inline int open_below(int parent, const char *name, int no_link, uint64_t more_flags)
{
    uint64_t flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | more_flags;
    if (!no_link || strchr(name, '/') == NULL)
        return openat(parent, name, (int)(no_link ? flags | O_NOFOLLOW : flags));
    uint64_t how[] = {flags, 0, 0x08 | 0x04}; /* struct open_how: RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS */
    return (int)syscall(SYS_openat2, parent, name, how, sizeof how);
}

static inline struct record *record_at(const struct listing *listing, size_t at)
{
    return (struct record *)(listing->buffer + at);
}

static inline Py_ssize_t count_of(const struct listing *listing, enum kind kind)
{
    return listing->count[kind - SKIPPED];
}

static inline int reserve_block(struct listing *listing)
{
    if (listing->size - listing->used >= BLOCK_SIZE)
        return 1;
    size_t size = listing->size ? 2 * listing->size : BLOCK_SIZE;
    char *buffer = realloc(listing->buffer, size);
    if (buffer == NULL)
        return 0;
    listing->buffer = buffer;
    listing->size = size;
    return 1;
}

/* An NFS client sends types with a listing only while attributes of entries already listed are requested (see
   requests.py). So request some before reading on in a large directory. */
static inline void probe_attributes(struct listing *listing, int descriptor)
{
    struct statfs about;
    struct stat status;
    if (listing->blocks == 1 && listing->used > BLOCK_SIZE / 2)
        listing->on_nfs = fstatfs(descriptor, &about) == 0 && about.f_type == NFS_SUPER_MAGIC;
    size_t at = listing->last;
    for (int probes = 0; listing->on_nfs && probes < PROBES && at < listing->used; probes++) {
        listing->requests++;
        fstatat(descriptor, record_at(listing, at)->name, &status, AT_SYMLINK_NOFOLLOW);
        at += record_at(listing, at)->length;
    }
}

static inline int is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* Drop what exceeds `limit` entries, and move the descriptor back to the first one dropped. Return whether it moved. */
static inline int cut(struct listing *listing, int descriptor, Py_ssize_t limit)
{
    int64_t offset = 0;
    listing->used = listing->last;
    for (listing->entries = listing->before; listing->entries < limit; listing->used += record_at(listing, listing->used)->length) {
        listing->entries += !is_dot(record_at(listing, listing->used)->name);
        offset = record_at(listing, listing->used)->offset;
    }
    return lseek(descriptor, offset, SEEK_SET) >= 0;
}

/* Read records: MOST_BLOCKS blocks, or to the end, or up to `limit` entries. */
static inline enum state read_some(struct listing *listing, int descriptor, Py_ssize_t limit)
{
    for (int calls = 0; calls < MOST_BLOCKS; calls++) {
        if (!reserve_block(listing))
            return TROUBLE;
        probe_attributes(listing, descriptor);
        listing->requests++;
        long got = syscall(SYS_getdents64, descriptor, listing->buffer + listing->used, BLOCK_SIZE);
        if (got == 0 || (got < 0 && errno == ENOENT)) /* removed after it was opened: empty, as in the C library */
            return NEEDS_SORTING;
        if (got < 0) {
            listing->error = errno;
            return NEEDS_SORTING;
        }
        size_t end = (listing->last = listing->used) + (size_t)got;
        listing->before = listing->entries;
        int untyped = 0;
        for (; listing->used < end; listing->used += record_at(listing, listing->used)->length) {
            listing->entries += !is_dot(record_at(listing, listing->used)->name);
            untyped |= record_at(listing, listing->used)->type == DT_UNKNOWN;
        }
        if (listing->blocks++ == 0)
            listing->untyped = untyped;
        /* Types that stop coming, or that are missing where rows are requested anyway, are left to Python's threads. */
        int has_types = untyped <= (listing->keep ? 0 : listing->untyped);
        if (listing->entries >= limit || !has_types) {
            if (!listing->parts || !has_types || (listing->entries > limit && !cut(listing, descriptor, limit)))
                return TROUBLE;
            listing->more = 1;
            return NEEDS_SORTING;
        }
        /* Where a block ends: none is read again. A part without entries would be the whole directory once more. */
        if (listing->parts && listing->entries && listing->requests >= listing->most_requests) {
            listing->more = 1;
            return NEEDS_SORTING;
        }
    }
    return NEEDS_READING;
}

/* Look up the kind of a symlink, or of an entry without a type. Return -1 if that fails. */
static inline int look_up_kind(int descriptor, const char *name, unsigned char type, enum rule rule)
{
    struct stat status;
    if (type == DT_UNKNOWN) {
        if (fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? OTHER : -1;
        if (S_ISDIR(status.st_mode))
            return DIRECTORY;
        if (!S_ISLNK(status.st_mode))
            return OTHER;
    }
    if (rule == IS_FILE)
        return OTHER;
    if (fstatat(descriptor, name, &status, 0) != 0)
        return errno == ENOENT ? OTHER : -1;
    if (!S_ISDIR(status.st_mode))
        return OTHER;
    return rule == MARK ? MARKED : DIRECTORY;
}

static inline int is_in(unsigned types, unsigned char type)
{
    return type < DT_LIMIT && (types >> type & 1);
}

/* Return whether d_type does not decide if an entry is shown: where some special files are shown, Python looks at each
   of them. */
static inline int is_undecided(unsigned hidden_types, unsigned char type)
{
    const unsigned special = 1u << DT_FIFO | 1u << DT_CHR | 1u << DT_BLK | 1u << DT_SOCK;
    return type == DT_UNKNOWN || type >= DT_LIMIT || (is_in(special, type) && (hidden_types & special) != special);
}

/* Return the kind of a record, or -1 if Python must find it. Count the requests in `stats`. */
static inline int kind_of(const struct record *record, const struct selection *selection, int descriptor, enum rule rule,
                          int *stats)
{
    const char *name = record->name;
    unsigned char type = record->type;
    if (is_dot(name))
        return SKIPPED;
    if (selection->hides_dotfiles && name[0] == '.')
        return UNWANTED;
    if (selection->hidden_types && is_undecided(selection->hidden_types, type))
        return -1;
    if (type != DT_DIR && is_in(selection->hidden_types, type))
        return UNWANTED;
    int kind = type == DT_DIR ? DIRECTORY : OTHER;
    if (type == DT_UNKNOWN || type == DT_LNK) {
        kind = look_up_kind(descriptor, name, type, rule);
        *stats += type == DT_UNKNOWN || rule != IS_FILE;
    }
    if (kind < 0 || (kind == DIRECTORY && !selection->bars))
        return kind;
    const struct conditions *conditions = kind == DIRECTORY ? &selection->of_directories : &selection->of_others;
    *stats += conditions->count > 0;
    int met = meets(conditions, descriptor, name, AT_SYMLINK_NOFOLLOW); /* symlinks are not followed in a run */
    return met < 0 ? -1 : !met ? UNWANTED : kind == DIRECTORY ? BARRED : kind;
}

/* Replace the types of some records, or of all, by kinds. */
static inline enum state sort_some(struct listing *listing, int descriptor, enum rule rule)
{
    int stats = 0;
    double started = seconds();
    for (; listing->sorted < listing->used && stats < MOST_STATS; listing->sorted += record_at(listing, listing->sorted)->length) {
        struct record *record = record_at(listing, listing->sorted);
        int kind = kind_of(record, &listing->selection, descriptor, rule, &stats);
        if (kind < 0) {
            listing->requests += stats;
            return TROUBLE;
        }
        record->offset = record->type; /* a snapshot needs the type; the offset is not needed any more */
        record->type = (unsigned char)kind;
        listing->count[kind - SKIPPED]++;
    }
    listing->requests += stats;
    if (stats >= MOST_STATS && listing->used - listing->sorted > 4 * MOST_STATS * sizeof(struct record) &&
        seconds() - started > MOST_STATS * SLOW_MICROS * 1e-6)
        return TROUBLE;
    if (listing->sorted < listing->used)
        return NEEDS_SORTING;
    return listing->error ? BROKEN_OFF : WHOLE;
}
