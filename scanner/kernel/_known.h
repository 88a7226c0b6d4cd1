/* What a snapshot store knows of directories, and records of those that are read; record.py and known.py describe both.
   No Python objects here; runs without the GIL.

       key of a directory -> row of the page -> CHECK: statx -> as before: records in a listing, as getdents64 gives them
                                  '------------ otherwise: it is read, and compared with the row

   A row points into a record of the store. A `struct page` owns its rows and nothing that they point to. */

#include <stddef.h>

#define RACY_NS 3000000000LL /* as in native.py */
#define LONGEST_NAME 4095    /* bytes: a longer one cannot be in a record */

enum how { /* what to do with a row: as in record.py. All after CHECK: read the directory, and compare. */
    KEEP, CHECK, READ, READ_RACY, READ_TO_CHECK, READ_DAMAGED, HOWS
};

enum flag { BOUNDARY = 1, RACY = 2, MORE = 4, PARTED = 8 }; /* as in record.py */

enum known_count { KEPT, SETTLED, RECHECKED, STALE, UNRELIABLE, RACY_COUNT, DAMAGED, KNOWN_COUNTS }; /* Counts in record.py */

struct head { /* of a record: Head in record.py */
    uint32_t crc, path_length, names_length, columns_length, flags, mode, uid, gid;
    int64_t inode, birth, mtime, ctime;
};

struct known { /* a row: a record of the store */
    struct head head;
    const char *path; /* the names follow it, then the columns */
    enum how how;     /* settled when the row is looked at first */
};

struct key { /* of a directory */
    const char *start;
    Py_ssize_t length;
};

struct device { /* a file system that was met */
    uint64_t number;
    int64_t newest;   /* ctime */
    int64_t reliable; /* its directory times; OUR_CLOCK: the store's own time is newer than all that counts */
};

#define OUR_CLOCK 2

struct page { /* rows by path. Below `low` and from `high` on it says nothing, except about `top`. */
    struct known *rows;
    size_t count;
    const char *top, *low, *high;
    size_t top_length, low_length, high_length;
    size_t root_length;           /* bytes of a path before its key */
    enum how how;                 /* what to do with the rows */
    const struct key *exceptions; /* in order: directories to read all the same; or, if settled, without a row */
    size_t exception_count;
    uint32_t every, turn;         /* read each directory with this remainder of its checksum; 0: none */
    int settled;                  /* do not touch the tree: what has no row is TROUBLE */
    int records;                  /* make records of directories that are read */
    int64_t root;                 /* its number */
    uint64_t root_device;
    struct device *devices;       /* all that were met */
    size_t device_count;
    const unsigned char *columns; /* of the store: positions among the columns of the run; NOT_REQUESTED */
    size_t width;
    int64_t counts[KNOWN_COUNTS];
};

#define NOT_REQUESTED 255

static inline int compare_bytes(const char *one, size_t length, const char *other, size_t other_length)
{
    int order = memcmp(one, other, length < other_length ? length : other_length);
    return order ? order : (length > other_length) - (length < other_length);
}

static inline const char *names_of_row(const struct known *row)
{
    return row->path + row->head.path_length;
}

static inline const char *columns_of_row(const struct known *row)
{
    return names_of_row(row) + row->head.names_length;
}

enum taken { NO_MEMORY, CUT_OFF, TAKEN };

/* Take the records of a page apart. CUT_OFF: a length is wrong. */
static inline enum taken take_rows(struct page *page, const char *from, size_t size)
{
    const char *end = from + size;
    size_t room = 0;
    while (from < end) {
        struct head head;
        if ((size_t)(end - from) < sizeof head)
            return CUT_OFF;
        memcpy(&head, from, sizeof head);
        uint64_t length = sizeof head + (uint64_t)head.path_length + head.names_length + head.columns_length;
        if (length > (uint64_t)(end - from))
            return CUT_OFF;
        if (page->count == room) {
            room = 2 * room + 64;
            struct known *rows = realloc(page->rows, room * sizeof *rows);
            if (rows == NULL)
                return NO_MEMORY;
            page->rows = rows;
        }
        page->rows[page->count++] = (struct known){.head = head, .path = from + sizeof head};
        from += length;
    }
    return TAKEN;
}

/* Return the row of a key, or NULL. */
static inline struct known *row_of(const struct page *page, const char *key, size_t length)
{
    size_t from = 0, to = page->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = compare_bytes(page->rows[middle].path, page->rows[middle].head.path_length, key, length);
        if (order == 0)
            return page->rows + middle;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static inline int is_exception(const struct page *page, const char *key, size_t length)
{
    size_t from = 0, to = page->exception_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = compare_bytes(page->exceptions[middle].start, (size_t)page->exceptions[middle].length, key, length);
        if (order == 0)
            return 1;
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return 0;
}

/* Return whether the page has all rows of a key. */
static inline int is_covered(const struct page *page, const char *key, size_t length)
{
    return compare_bytes(key, length, page->top, page->top_length) == 0 ||
           (compare_bytes(key, length, page->low, page->low_length) >= 0 &&
            compare_bytes(key, length, page->high, page->high_length) < 0);
}

static inline uint64_t device_number(const struct statx *status)
{
    return makedev(status->stx_dev_major, status->stx_dev_minor);
}

/* Return what is known of a device; NULL: nothing. */
static inline struct device *device_at(const struct page *page, uint64_t number)
{
    for (size_t at = 0; at < page->device_count; at++)
        if (page->devices[at].number == number)
            return page->devices + at;
    return NULL;
}

static inline int request_stamp(int directory, const char *name, int flags, struct statx *status)
{
    const unsigned mask = STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID | STATX_INO | STATX_MTIME | STATX_CTIME;
    return syscall(SYS_statx, directory, name, flags | AT_NO_AUTOMOUNT, mask | STATX_BTIME, status) == 0 &&
           (status->stx_mask & mask) == mask && S_ISDIR(status->stx_mode);
}

/* Return the head of a record of a directory, with what its status has. */
static inline struct head head_of(const struct statx *status)
{
    return (struct head){
        .mode = status->stx_mode, .uid = status->stx_uid, .gid = status->stx_gid, .inode = (int64_t)status->stx_ino,
        .birth = status->stx_mask & STATX_BTIME ? nanoseconds(&status->stx_btime) : -1,
        .mtime = nanoseconds(&status->stx_mtime), .ctime = nanoseconds(&status->stx_ctime)};
}

/* Return whether inode and times are the same. A change of mode or owner changes ctime. */
static inline int is_unmodified(const struct head *one, const struct head *other)
{
    return one->inode == other->inode && one->mtime == other->mtime && one->ctime == other->ctime;
}

/* Continue a checksum: that of zlib's crc32. */
static inline uint32_t checksum(uint32_t before, const char *bytes, size_t length)
{
    static uint32_t table[8][256];
    static int ready;
    if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) { /* several threads may fill it, with the same numbers */
        for (uint32_t number = 0; number < 256; number++) {
            uint32_t sum = number;
            for (int bit = 0; bit < 8; bit++)
                sum = sum >> 1 ^ (sum & 1 ? 0xEDB88320u : 0);
            table[0][number] = sum;
        }
        for (int step = 1; step < 8; step++)
            for (uint32_t number = 0; number < 256; number++)
                table[step][number] = table[step - 1][number] >> 8 ^ table[0][table[step - 1][number] & 0xFF];
        __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
    }
    uint32_t sum = ~before;
    const unsigned char *at = (const unsigned char *)bytes, *end = at + length;
    for (; end - at >= 8; at += 8) /* eight bytes at a time */
        sum = table[7][(sum ^ at[0]) & 0xFF] ^ table[6][(sum >> 8 ^ at[1]) & 0xFF] ^ table[5][(sum >> 16 ^ at[2]) & 0xFF] ^
              table[4][sum >> 24 ^ at[3]] ^ table[3][at[4]] ^ table[2][at[5]] ^ table[1][at[6]] ^ table[0][at[7]];
    for (; at < end; at++)
        sum = table[0][(sum ^ *at) & 0xFF] ^ sum >> 8;
    return ~sum;
}

/* Return the checksum of a record: of everything after it. */
static inline uint32_t checksum_of(const struct head *head, const char *path)
{
    size_t length = (size_t)head->path_length + head->names_length + head->columns_length;
    return checksum(checksum(0, (const char *)head + sizeof head->crc, sizeof *head - sizeof head->crc), path, length);
}

/* Decide what to do with a row. */
static inline enum how how_of(const struct page *page, const struct known *row)
{
    if (checksum_of(&row->head, row->path) != row->head.crc)
        return READ_DAMAGED;
    if (page->how != CHECK)
        return is_exception(page, row->path, row->head.path_length) ? READ : page->how;
    if (row->head.flags & RACY)
        return READ_RACY;
    int is_turn = page->every && checksum(0, row->path, row->head.path_length) % page->every == page->turn;
    return is_turn ? READ_TO_CHECK : CHECK;
}

static inline int has_boundary(const struct page *page, const struct statx *status)
{
    return device_number(status) != page->root_device;
}

/* Return d_type for the letter that follows a name and a slash; 0 for none; -1 for a letter that no record has. */
static inline int type_of_letter(char letter)
{
    switch (letter) {
    case 'l': case 'L': return DT_LNK;
    case 'p': return DT_FIFO;
    case 's': return DT_SOCK;
    case 'b': return DT_BLK;
    case 'c': return DT_CHR;
    default: return -1; /* also "?": Python looks at it */
    }
}

static inline char letter_of_type(unsigned char type)
{
    switch (type) {
    case DT_FIFO: return 'p';
    case DT_SOCK: return 's';
    case DT_BLK: return 'b';
    case DT_CHR: return 'c';
    default: return '?';
    }
}

/* Make room for a record with a name. */
static inline int reserve_record(struct listing *listing, size_t name)
{
    size_t needed = listing->used + sizeof(struct record) + name + 8;
    if (needed <= listing->size)
        return 1;
    needed = needed < BLOCK_SIZE ? BLOCK_SIZE : 2 * needed; /* the first: the least size that `reserve_block` can double */
    char *buffer = realloc(listing->buffer, needed);
    if (buffer == NULL)
        return 0;
    listing->buffer = buffer;
    listing->size = needed;
    return 1;
}

/* Append the entry of one name of a row. `record->offset` holds its letter. An entry that a filter excluded is dropped if
   `drops`; otherwise Python compares it with the filter of this scan. Return 0 for that, without memory, or if no directory
   can hold the name. */
static inline int add_known(struct listing *listing, const char *item, size_t length, int drops)
{
    const char *slash = memchr(item, '/', length);
    size_t size = slash == NULL ? length : (size_t)(slash - item), after = length - size;
    if (after > 1 && item[length - 1] == '!') {
        if (drops)
            return 1;
        if (!listing->selection.hides_dotfiles || item[0] != '.')
            return 0;
        after = slash[1] == 'f' ? 0 : after - 1;
    }
    int type = after == 0 ? DT_REG : after == 1 ? DT_DIR : after == 2 ? type_of_letter(slash[1]) : -1;
    if (type < 0 || size == 0 || size > LONGEST_NAME || !reserve_record(listing, size))
        return 0;
    struct record *record = record_at(listing, listing->used);
    record->inode = 0;
    record->offset = after == 2 ? slash[1] : 0;
    record->type = (unsigned char)type;
    record->length = (unsigned short)((offsetof(struct record, name) + size + 1 + 7) & ~(size_t)7);
    memcpy(record->name, item, size);
    record->name[size] = 0;
    if (is_dot(record->name))
        return 0;
    listing->used += record->length;
    listing->entries++;
    return 1;
}

/* Fill the listing with the names of a row. Return 0 for a damaged row, or without memory. */
static inline int fill_listing(struct listing *listing, const struct known *row, int drops)
{
    const char *item = names_of_row(row), *end = columns_of_row(row);
    if (item < end && end[-1] == 0)
        return 0;
    while (item < end) {
        const char *stop = memchr(item, 0, (size_t)(end - item));
        stop = stop == NULL ? end : stop;
        if (!add_known(listing, item, (size_t)(stop - item), drops))
            return 0;
        item = stop + 1;
    }
    return 1;
}

static inline int count_links(const struct listing *listing)
{
    int links = 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length)
        links += record_at(listing, at)->type == DT_LNK;
    return links;
}

/* Replace the types of all entries of a row by kinds. `descriptor`: of the open directory, to look up what links lead to;
   -1: as the row says. Return 0 if a link leads elsewhere than before, or if Python must find a kind. */
static inline int sort_known(struct listing *listing, int descriptor, enum rule rule)
{
    int stats = 0; /* counted by the caller: one for each link */
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        struct record *record = record_at(listing, at);
        int leads_down = record->offset == 'L';
        int kind = kind_of(record, &listing->selection, descriptor, descriptor < 0 ? IS_FILE : rule, &stats);
        if (kind < 0 || (descriptor >= 0 && record->type == DT_LNK && rule == MARK && kind != UNWANTED && (kind == MARKED) != leads_down))
            return 0;
        if (descriptor < 0 && leads_down && rule == MARK && kind == OTHER)
            kind = MARKED;
        record->type = (unsigned char)kind;
        listing->count[kind - SKIPPED]++;
    }
    return 1;
}

/* Write a variable-length integer. Return where it ends. */
static inline unsigned char *put_number(unsigned char *to, uint64_t number)
{
    for (; number > 0x7F; number >>= 7)
        *to++ = (unsigned char)(number | 0x80);
    *to++ = (unsigned char)number;
    return to;
}

/* Write the difference of a value to the one before. */
static inline unsigned char *put_difference(unsigned char *to, uint64_t value, uint64_t before)
{
    uint64_t difference = value - before;
    return put_number(to, difference << 1 ^ (uint64_t)-(int64_t)(difference >> 63));
}

/* Read the value after `before`. Return where it ends, or NULL at the end of the text. */
static inline const unsigned char *get_value(const unsigned char *from, const unsigned char *end, uint64_t *value)
{
    uint64_t number = 0;
    for (int shift = 0; from < end && shift < 64; shift += 7) {
        unsigned char byte = *from++;
        number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value += number >> 1 ^ (uint64_t)-(int64_t)(number & 1);
            return from;
        }
    }
    return NULL;
}
