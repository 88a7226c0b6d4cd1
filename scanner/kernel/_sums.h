/* Sums of the files of a run by class: type, owner, group, size, age, suffix; and the largest. What summary.py does in
   Python, for runs without shared files, and profile.py for suffixes. No Python objects here; runs without the GIL.

       names of files, by directory --+
       columns, by directory ---------+--> for each row --> tables of struct sum, list of struct large
       numbers of files and links ----+

   Errors: functions that can run out of memory return 0 or NULL for it. */

#include <sys/stat.h>

#define LONGEST_SUFFIX 16 /* characters, as in summary.py */
#define MOST_AGES 16

struct sum { /* of a class */
    int64_t key;
    const char *suffix; /* in the names; NULL: the class is `key` */
    size_t length;      /* of the suffix */
    int64_t count, bytes, disk; /* count 0: the place is free */
};

struct table { /* open addressing; `size` is a power of two */
    struct sum *sums;
    size_t used, size;
    int overflow; /* a sum of bytes exceeds 64 bits: sparse files may have 8 EiB each */
};

struct large {
    int64_t bytes, disk;
    size_t row, directory, at, length; /* of its name in the names */
};

struct odd { /* a file whose suffix Python has to find: it is not ASCII */
    size_t at, length;
    int64_t bytes, disk;
};

struct sums {
    /* The request. */
    const char *names; /* those of a directory separated by NULs, directories by slashes */
    size_t names_length;
    const int32_t *counts; /* of each directory: files, links */
    size_t directories;
    const int64_t *mode, *blocks, *size;
    const int64_t *uid, *gid, *mtime; /* NULL: not known, and nothing is summed by them */
    size_t rows;
    int64_t now, read_at; /* origin of ages; when the rows were read; nanoseconds */
    const int64_t *ages;
    size_t age_count, most; /* the last: largest files to find */
    int64_t least;          /* bytes that a file among them must exceed */
    /* The state and the result. */
    struct table types, owners, groups, sizes, age_sums, suffixes;
    struct large *largest;
    size_t large_count;
    struct odd *odd;
    size_t odd_count, odd_room, row, at;
};

static uint64_t hash_of(int64_t key, const char *suffix, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)key; /* FNV-1a */
    for (size_t at = 0; at < length; at++)
        hash = (hash ^ (unsigned char)suffix[at]) * 0x100000001b3u;
    return hash * 0x9e3779b97f4a7c15u >> 20;
}

static struct sum *slot_of(const struct table *table, int64_t key, const char *suffix, size_t length)
{
    size_t at = hash_of(key, suffix, suffix != NULL ? length : 0) & (table->size - 1);
    for (;; at = (at + 1) & (table->size - 1)) {
        struct sum *sum = &table->sums[at];
        if (sum->count == 0)
            return sum;
        if (sum->key == key && sum->length == length && (suffix == NULL || memcmp(sum->suffix, suffix, length) == 0))
            return sum;
    }
}

static int enlarge(struct table *table)
{
    struct table larger = {.size = table->size ? 2 * table->size : 64, .used = table->used, .overflow = table->overflow};
    larger.sums = calloc(larger.size, sizeof *larger.sums);
    if (larger.sums == NULL)
        return 0;
    for (size_t at = 0; at < table->size; at++) {
        const struct sum *sum = &table->sums[at];
        if (sum->count)
            *slot_of(&larger, sum->key, sum->suffix, sum->length) = *sum;
    }
    free(table->sums);
    *table = larger;
    return 1;
}

/* Count an entry. `suffix`: NULL if the class is `key`. */
static int count_in(struct table *table, int64_t key, const char *suffix, size_t length, int64_t bytes, int64_t disk)
{
    if (2 * table->used >= table->size && !enlarge(table))
        return 0;
    struct sum *sum = slot_of(table, key, suffix, length);
    if (sum->count == 0) {
        *sum = (struct sum){.key = key, .suffix = suffix, .length = length};
        table->used++;
    }
    sum->count++;
    table->overflow |= __builtin_add_overflow(sum->bytes, bytes, &sum->bytes);
    table->overflow |= __builtin_add_overflow(sum->disk, disk, &sum->disk);
    return 1;
}

static int64_t size_class_of(int64_t size)
{
    uint64_t magnitude = size < 0 ? 0 - (uint64_t)size : (uint64_t)size;
    int bits = magnitude ? 64 - __builtin_clzll(magnitude) : 0;
    return (bits + 1) / 2;
}

/* Return the number of ages that a file has reached; -1: it is of the future. */
static int64_t age_class_of(const struct sums *sums, int64_t mtime)
{
    if (mtime > sums->read_at)
        return -1;
    int64_t age;
    if (__builtin_sub_overflow(sums->now, mtime, &age))
        age = mtime < 0 ? INT64_MAX : INT64_MIN;
    int64_t class = 0;
    while ((size_t)class < sums->age_count && sums->ages[class] <= age)
        class++;
    return class;
}

/* Find the suffix of a name, with its dot. Return its length, 0 if there is none, -1 if it is not ASCII. */
static int suffix_in(const char *name, size_t length, const char **suffix)
{
    size_t dot = length, ascii = 1;
    while (dot > 0 && name[dot - 1] != '.')
        ascii &= (unsigned char)name[--dot] < 0x80;
    if (dot <= 1 || dot == length) /* no dot, nothing before it, or nothing behind it */
        return 0;
    if (!ascii)
        return -1;
    *suffix = name + dot - 1;
    return length - dot <= LONGEST_SUFFIX ? (int)(length - dot + 1) : 0;
}

static int count_suffix(struct sums *sums, size_t at, size_t length, int64_t bytes, int64_t disk)
{
    const char *suffix = "";
    int found = suffix_in(sums->names + at, length, &suffix);
    if (found >= 0)
        return count_in(&sums->suffixes, 0, suffix, (size_t)found, bytes, disk);
    if (sums->odd_count == sums->odd_room) {
        size_t room = 2 * sums->odd_room + 64;
        struct odd *odd = realloc(sums->odd, room * sizeof *odd);
        if (odd == NULL)
            return 0;
        sums->odd = odd;
        sums->odd_room = room;
    }
    sums->odd[sums->odd_count++] = (struct odd){.at = at, .length = length, .bytes = bytes, .disk = disk};
    return 1;
}

/* Return the smallest of the largest files, of equal ones the latest. There is one. */
static struct large *smallest_of(const struct sums *sums)
{
    struct large *smallest = sums->largest;
    for (struct large *file = smallest + 1; file < sums->largest + sums->large_count; file++)
        if (file->bytes < smallest->bytes || (file->bytes == smallest->bytes && file->row > smallest->row))
            smallest = file;
    return smallest;
}

/* Keep a file if it is among the largest. Of equal ones the earlier is kept. */
static void keep_large(struct sums *sums, const struct large *file)
{
    if (file->bytes <= sums->least || sums->most == 0)
        return;
    if (sums->large_count < sums->most)
        sums->largest[sums->large_count++] = *file;
    else
        *smallest_of(sums) = *file; /* which is smaller than `least`, and so than this file */
    if (sums->large_count == sums->most)
        sums->least = smallest_of(sums)->bytes;
}

/* Count the next row, of an entry whose name is at `at`. */
static int count_row(struct sums *sums, size_t directory, size_t at, size_t length)
{
    size_t row = sums->row++;
    int64_t mode = sums->mode[row], size = sums->size[row], disk;
    if (mode == MISSING)
        return 1;
    sums->types.overflow |= __builtin_mul_overflow(sums->blocks[row], (int64_t)512, &disk);
    if (!count_in(&sums->types, mode & S_IFMT, NULL, 0, size, disk) ||
        (sums->uid != NULL && !count_in(&sums->owners, sums->uid[row], NULL, 0, size, disk)) ||
        (sums->gid != NULL && !count_in(&sums->groups, sums->gid[row], NULL, 0, size, disk)))
        return 0;
    if (!S_ISREG(mode))
        return 1;
    struct large file = {.bytes = size, .disk = disk, .row = row, .directory = directory, .at = at, .length = length};
    keep_large(sums, &file);
    return count_in(&sums->sizes, size_class_of(size), NULL, 0, size, disk) &&
           (sums->mtime == NULL ||
            count_in(&sums->age_sums, age_class_of(sums, sums->mtime[row]), NULL, 0, size, disk)) &&
           count_suffix(sums, at, length, size, disk);
}

/* Count the suffixes of all names, of whatever directory. Return 0 if memory runs out. */
static int count_suffixes_of_names(struct sums *sums)
{
    for (size_t at = 0, end; at < sums->names_length; at = end + 1) {
        for (end = at; end < sums->names_length && sums->names[end] != 0 && sums->names[end] != '/';)
            end++;
        if (!count_suffix(sums, at, end - at, 0, 0))
            return 0;
    }
    return 1;
}

static int has_overflow(const struct sums *sums)
{
    return sums->types.overflow || sums->owners.overflow || sums->groups.overflow || sums->sizes.overflow ||
           sums->age_sums.overflow || sums->suffixes.overflow;
}

/* Count all rows. Return 0 if memory runs out, -1 if names, counts and rows do not fit each other. */
static int count_rows(struct sums *sums)
{
    for (size_t directory = 0; directory < sums->directories; directory++) {
        int32_t files = sums->counts[2 * directory], links = sums->counts[2 * directory + 1];
        if (files < 0 || links < 0 || sums->rows - sums->row < 1 + (size_t)files + (size_t)links)
            return -1;
        if (directory && (sums->at >= sums->names_length || sums->names[sums->at++] != '/'))
            return -1;
        if (!count_row(sums, directory, sums->at, 0))
            return 0;
        for (int32_t file = 0; file < files; file++) {
            if (file && sums->at < sums->names_length && sums->names[sums->at] == 0)
                sums->at++;
            size_t end = sums->at;
            while (end < sums->names_length && sums->names[end] != 0 && sums->names[end] != '/')
                end++;
            if (!count_row(sums, directory, sums->at, end - sums->at))
                return 0;
            sums->at = end;
        }
        for (int32_t link = 0; link < links; link++)
            if (!count_row(sums, directory, sums->at, 0))
                return 0;
    }
    return sums->row == sums->rows && sums->at == sums->names_length ? 1 : -1;
}

static void clear_sums(struct sums *sums)
{
    struct table *tables[] = {&sums->types, &sums->owners,   &sums->groups,
                              &sums->sizes, &sums->age_sums, &sums->suffixes};
    for (size_t at = 0; at < sizeof tables / sizeof *tables; at++)
        free(tables[at]->sums);
    free(sums->largest);
    free(sums->odd);
}
