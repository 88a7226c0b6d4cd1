/* Opening and reading one directory into a buffer of records, without a Python object, and without the interpreter lock.

       openat -> getdents64 -> buffer of records -> types asked where they are missing

   For the case that all goes well: whatever is out of the ordinary is TROUBLE, and left to read.py. */

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

#define BLOCK 32768 /* bytes for one call, as in the C library */
#define BLOCKS 16   /* calls, */
#define LOOKS 12    /* at entries of a block: more than the 8 from which on a Linux client takes notice */
#define STATS 16    /* and types to ask for, between two looks at whether a signal has come */
#define SLOW 300    /* microseconds for asking one type: where so many are to be asked that threads pay, they do it */

enum rule { MARK, ENTER, IS_FILE };       /* what a link to a directory is: see LinkRule in which.py */
enum form { LIST, JOINED, LINES, COUNT }; /* how names of files are packed: see pack.py */
/* What d_type is replaced by: values that no system uses. */
enum kind { SKIPPED = 240, DIRECTORY, MARKED, OTHER, UNWANTED, KINDS };
enum state { GOES_ON, READ, WHOLE, BROKEN_OFF, TROUBLE };

struct record { /* linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

struct listing {
    char *buffer;
    size_t used, size, asked;   /* bytes read, room, bytes of records whose kind is known */
    Py_ssize_t entries;         /* records but for . and .. */
    size_t last;                /* where the block begins that was read last, */
    Py_ssize_t before;          /* and how many entries came before it */
    int blocks, untold, on_nfs; /* read so far; whether the first had records of unknown type */
    int keep;                   /* the descriptor is wanted, for asking what the entries are */
    int parts, more;            /* whether it may come in parts; whether there is more to come */
    unsigned unwanted;          /* of these types, as bits, nothing but directories is looked at any further */
    Py_ssize_t count[KINDS - SKIPPED]; /* of each kind */
    int error;
    double opening;             /* seconds */
};

static inline double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Open `name`, of several components if need be, without going through a link if `no_link`. */
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

static inline int make_room(struct listing *listing)
{
    if (listing->size - listing->used >= BLOCK)
        return 1;
    size_t size = listing->size ? 2 * listing->size : BLOCK;
    char *buffer = realloc(listing->buffer, size);
    if (buffer == NULL)
        return 0;
    listing->buffer = buffer;
    listing->size = size;
    return 1;
}

/* An NFS client tells types only as long as somebody looks at what it has told (see ask.py): do so, before more is read
   of what is large. */
static inline void look(struct listing *listing, int descriptor)
{
    struct statfs about;
    struct stat status;
    if (listing->blocks == 1 && listing->used > BLOCK / 2)
        listing->on_nfs = fstatfs(descriptor, &about) == 0 && about.f_type == NFS_SUPER_MAGIC;
    size_t at = listing->last;
    for (int looks = 0; listing->on_nfs && looks < LOOKS && at < listing->used; looks++) {
        fstatat(descriptor, record_at(listing, at)->name, &status, AT_SYMLINK_NOFOLLOW);
        at += record_at(listing, at)->length;
    }
}

static inline int is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* Keep no more than so many entries: the descriptor goes back to what follows them. Whether it could. */
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

/* Read records: some, or to the end. */
static inline enum state read_some(struct listing *listing, int descriptor, Py_ssize_t limit)
{
    for (int calls = 0; calls < BLOCKS; calls++) {
        if (!make_room(listing))
            return TROUBLE;
        look(listing, descriptor);
        long got = syscall(SYS_getdents64, descriptor, listing->buffer + listing->used, BLOCK);
        if (got == 0 || (got < 0 && errno == ENOENT)) /* removed since it was opened: empty, as the C library has it */
            return READ;
        if (got < 0) {
            listing->error = errno;
            return READ;
        }
        size_t end = (listing->last = listing->used) + (size_t)got;
        listing->before = listing->entries;
        int untold = 0;
        for (; listing->used < end; listing->used += record_at(listing, listing->used)->length) {
            listing->entries += !is_dot(record_at(listing, listing->used)->name);
            untold |= record_at(listing, listing->used)->type == DT_UNKNOWN;
        }
        if (listing->blocks++ == 0)
            listing->untold = untold;
        if (listing->parts && listing->entries >= limit && untold <= (listing->keep ? 0 : listing->untold)) {
            if (listing->entries > limit && !cut(listing, descriptor, limit))
                return TROUBLE;
            listing->more = 1;
            return READ;
        }
        if (listing->entries >= limit || untold > (listing->keep ? 0 : listing->untold))
            return TROUBLE; /* there may be more; or nobody has looked after all; or all is to be asked at once */
    }
    return GOES_ON;
}

/* The kind of a link or of an entry of unknown type; negative if that cannot be told. */
static inline int ask(int descriptor, const char *name, unsigned char type, enum rule rule)
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

/* Whether types alone do not say what is shown: what is no file, directory or link is asked about, where such are wanted. */
static inline int leaves_open(unsigned unwanted, unsigned char type)
{
    const unsigned special = 1u << DT_FIFO | 1u << DT_CHR | 1u << DT_BLK | 1u << DT_SOCK;
    return type == DT_UNKNOWN || type > 15 || ((special >> type & 1) && (unwanted & special) != special);
}

/* Put kinds in the place of types: of some records, or of all. */
static inline enum state sort_some(struct listing *listing, int descriptor, enum rule rule)
{
    int stats = 0;
    double started = seconds();
    for (; listing->asked < listing->used && stats < STATS; listing->asked += record_at(listing, listing->asked)->length) {
        struct record *record = record_at(listing, listing->asked);
        const char *name = record->name;
        int kind = record->type == DT_DIR ? DIRECTORY : OTHER;
        if (is_dot(name)) {
            kind = SKIPPED;
        } else if (listing->unwanted && leaves_open(listing->unwanted, record->type)) {
            kind = -1;
        } else if (record->type != DT_DIR && (listing->unwanted >> record->type & 1)) {
            kind = UNWANTED;
        } else if (record->type == DT_UNKNOWN || record->type == DT_LNK) {
            kind = ask(descriptor, name, record->type, rule);
            stats += record->type == DT_UNKNOWN || rule != IS_FILE;
        }
        if (kind < 0)
            return TROUBLE;
        record->type = (unsigned char)kind;
        listing->count[kind - SKIPPED]++;
    }
    if (stats == STATS && listing->used - listing->asked > 4 * STATS * sizeof(struct record) &&
        seconds() - started > STATS * SLOW * 1e-6)
        return TROUBLE;
    if (listing->asked < listing->used)
        return READ;
    return listing->error ? BROKEN_OFF : WHOLE;
}
