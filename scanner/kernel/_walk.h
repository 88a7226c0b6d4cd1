/* Walking a run: directory after directory in walk order, in one call. No Python objects here; runs without the GIL.

       stack -> opened from the nearest open directory above -> read (_directory.h) -> names, lines, rows (_columns.h)
         '------------------ its sub-directories, the first on top <--------------'

   A run ends at its budget, when another slot wants work, and before an unusual directory. This directory stays on the
   stack as if it had not been touched, and read.py reads it. With columns or conditions, a run also ends after
   a slow directory: read.py can have several requests in flight.

   Errors: functions that can run out of memory, or meet TROUBLE, return 0 for it. `walk_one` then undoes the directory.

   Ownership: `struct run` owns its texts, its listing, its `way` and, from way[1] on, the open directories in it. The
   stack holds paths, not pointers into other texts. */

#include <limits.h>
#include <poll.h>

#include "_columns.h"
#include "_conditions.h"
#include "_directory.h"
#include "_known.h" /* which needs these */
#include "_names.h"

#define ROWS_BETWEEN_LOOKS 16 /* rows filled between two looks at the clock */
#define NEWS_MICROS 2000      /* microseconds between two checks whether another slot wants work */
#define MOST_FAR 16           /* directories that stay open on the way to a path longer than PATH_MAX */
#define GAP 4                 /* as in descent.py, which `thin_out` mirrors */
#define PLACE_HEADER 16       /* bytes, as in heartbeat.py and native.py: count of directories, length of the path */

struct text { /* growing bytes */
    char *start;
    size_t used, size;
};

enum text_of_run { /* COLUMN_TEXTS is the first of one text for each column */
    STACK, PATHS, DIRS, LINKS, FILES, COUNTS, RECORDS, LAST, COLUMN_TEXTS, TEXTS = COLUMN_TEXTS + COLUMNS
};

struct step { /* an open directory on the way down, below the one before; the caller keeps the first */
    int descriptor; /* -1: closed, because there were too many */
    size_t prefix;  /* length of its path, with a slash */
};

struct entry { /* follows each path on the stack */
    size_t length;
    size_t parent;    /* index of the step that it is opened from; 0: not known yet */
    Py_ssize_t depth; /* levels below the root */
};

struct slow { /* precedes each path in run.slow */
    double seconds;
    size_t length;
};

struct budget {
    Py_ssize_t entries, requests, text; /* the last: bytes of paths */
    double seconds;
};

struct news { /* how another slot shows that it wants work */
    int descriptor;            /* readable then; -1: none */
    const volatile char *flag; /* not 0 then; NULL: none */
};

struct run {
    /* The request. */
    struct columns columns;
    enum rule rule;
    enum form form;
    const char *separator;
    size_t separator_length;
    struct selection selection;              /* of entries whose depth does not change it, */
    int only_empty;                          /* directories are shown if they are empty */
    Py_ssize_t min_depth, last_depth, deepest; /* entries above are not shown; below are not entered; too deep for us */
    const struct names *suspects;            /* a directory with one of these is TROUBLE; NULL: none */
    const struct names *mount_parents;       /* paths of directories above barred mounts: TROUBLE; NULL: none */
    long long device;                        /* of directories to enter; -1: any */
    size_t most_open;                        /* descriptors */
    int keep_way;                            /* keep open what is above the next directory, for the caller */
    Py_ssize_t limit;                        /* of entries in a directory */
    double slow_from;                        /* seconds for a directory, from which on it is reported */
    struct news news;
    struct page *page; /* what a snapshot store knows; NULL: there is none */
    char *place; /* shared memory for the path of the current directory; NULL: none */
    size_t place_size;
    /* The state. */
    struct listing listing;
    struct text text[TEXTS], path, below, slow;
    struct step *way;
    size_t way_used, way_size, way_given, open;
    struct statx status; /* of the current directory, for its record */
    int shown;           /* whether it has a line; in other forms it has its place, shown or not */
    int no_atime;
    double now; /* when the current directory began */
    /* The result, beside `text`, `slow` and `way`. */
    Py_ssize_t directories, entries, others, passed; /* the last: bytes of paths */
    Py_ssize_t requests; /* sent to file systems, also for what was undone */
    double opening, lost; /* seconds spent on opening, in all; on the directory that was TROUBLE */
    int uncovered;        /* the next directory is not in the page */
    int trouble, error;   /* errno of opening it; negative: of reading it */
};

/* Make room for more bytes. Return where they go, or NULL. */
static char *reserve(struct text *text, size_t more)
{
    if (text->used + more > text->size) {
        size_t size = 2 * (text->used + more) + 256;
        char *start = realloc(text->start, size);
        if (start == NULL)
            return NULL;
        text->start = start;
        text->size = size;
    }
    return text->start + text->used;
}

static int append(struct text *text, const void *from, size_t length)
{
    char *to = reserve(text, length);
    if (to == NULL)
        return 0;
    if (length)
        memcpy(to, from, length);
    text->used += length;
    return 1;
}

/* Push the path prefix + name. All or nothing. */
static int push(struct run *run, const char *prefix, size_t prefix_length, const char *name, size_t length, size_t parent,
                Py_ssize_t depth)
{
    struct text *stack = &run->text[STACK];
    struct entry entry = {.length = prefix_length + length, .parent = parent, .depth = depth};
    if (reserve(stack, entry.length + 1 + sizeof entry) == NULL)
        return 0;
    return append(stack, prefix, prefix_length) && append(stack, name, length) && append(stack, "", 1) &&
           append(stack, &entry, sizeof entry);
}

/* Return the path on top of the stack. Find its parent by comparison with run->path, which lies below the whole way. */
static const char *top_of(const struct run *run, struct entry *entry)
{
    const struct text *stack = &run->text[STACK];
    memcpy(entry, stack->start + stack->used - sizeof *entry, sizeof *entry);
    const char *path = stack->start + stack->used - sizeof *entry - entry->length - 1;
    if (entry->parent == 0) {
        size_t most = entry->length < run->path.used ? entry->length : run->path.used, same = 0;
        while (same < most && path[same] == run->path.start[same])
            same++;
        entry->parent = run->way_used - 1;
        while (entry->parent > 0 && run->way[entry->parent].prefix > same)
            entry->parent--;
    }
    return path;
}

static void close_way(struct run *run, size_t down_to)
{
    while (run->way_used > down_to) {
        int descriptor = run->way[--run->way_used].descriptor;
        if (descriptor >= 0) {
            close(descriptor);
            run->open--;
        }
    }
}

/* Move the path on top of the stack to run->path, with a NUL at its end. Close directories that are not above it. */
static int pop(struct run *run, struct entry *entry)
{
    const char *path = top_of(run, entry);
    close_way(run, entry->parent + 1);
    run->path.used = 0;
    run->text[STACK].used -= entry->length + 1 + sizeof *entry;
    return append(&run->path, path, entry->length + 1);
}

/* Undo `pop`, except for the length of the stack: what was pushed since may have overwritten the entry. */
static void put_back(struct run *run, const struct entry *entry)
{
    char *place = run->text[STACK].start + run->text[STACK].used;
    memcpy(place, run->path.start, entry->length);
    place[entry->length] = 0;
    memcpy(place + entry->length + 1, entry, sizeof *entry);
}

static void close_at(struct run *run, size_t at)
{
    close(run->way[at].descriptor);
    run->way[at].descriptor = -1;
    run->open--;
}

/* Return the nearest open directory on the way, from `at` upwards. The first one is always open. */
static struct step *nearest_open(const struct run *run, size_t at)
{
    while (run->way[at].descriptor < 0)
        at--;
    return run->way + at;
}

/* Close every other one of the upper three quarters. */
static void close_every_other(struct run *run)
{
    int every_other = 0;
    size_t upper = run->open * 3 / 4;
    for (size_t at = 1; at < run->way_used && upper > 0; at++) {
        if (run->way[at].descriptor < 0)
            continue;
        upper--;
        if ((every_other = !every_other))
            close_at(run, at);
    }
}

/* Keep the lowest open. Of those above, keep enough that a gap between two is never more than GAP times the distance to
   the bottom: so the way back up always starts from a directory nearby. Where that keeps too many, close every other. */
static void thin_out(struct run *run, size_t most)
{
    size_t lowest = most / 4 + 1, bottom = run->way[run->way_used - 1].prefix, below = bottom;
    for (size_t at = run->way_used - 1; at > 0; at--) {
        if (run->way[at].descriptor < 0)
            continue;
        int stays = lowest > 0 || below - nearest_open(run, at - 1)->prefix > GAP * (bottom - below);
        lowest -= lowest > 0;
        if (stays)
            below = run->way[at].prefix;
        else
            close_at(run, at);
    }
    if (run->open >= most)
        close_every_other(run);
}

/* Append an open directory to the way, which owns the descriptor then. */
static int descend(struct run *run, int descriptor, size_t prefix)
{
    if (run->way_used == run->way_size) {
        size_t size = 2 * run->way_size + 64;
        struct step *way = realloc(run->way, size * sizeof *way);
        if (way == NULL)
            return 0;
        run->way = way;
        run->way_size = size;
    }
    if (run->open >= run->most_open)
        thin_out(run, run->most_open);
    run->way[run->way_used++] = (struct step){.descriptor = descriptor, .prefix = prefix};
    run->open++;
    return 1;
}

/* Publish the path of the current directory: see heartbeat.py. */
static void publish_place(struct run *run, size_t length)
{
    uint64_t *header = (uint64_t *)run->place;
    __atomic_store_n(&header[1], 0, __ATOMIC_SEQ_CST);
    if (length <= run->place_size - PLACE_HEADER)
        memcpy(run->place + PLACE_HEADER, run->path.start, length);
    __atomic_store_n(&header[1], length, __ATOMIC_SEQ_CST);
    __atomic_store_n(&header[0], header[0] + 1, __ATOMIC_SEQ_CST);
}

/* Open without changing the access time, where the system allows it. It is refused for directories of other owners. */
static int open_quietly(struct run *run, int parent, const char *name)
{
    run->requests += OPEN_REQUESTS;
    for (const char *step = strchr(name, '/'); step != NULL; step = strchr(step + 1, '/'))
        run->requests++;
    if (run->no_atime) {
        int descriptor = open_below(parent, name, 1, O_NOATIME);
        if (descriptor >= 0 || errno != EPERM)
            return descriptor;
        run->no_atime = 0;
    }
    int descriptor = open_below(parent, name, 1, 0);
    if (descriptor >= 0)
        fcntl(descriptor, F_SETFL, O_RDONLY | O_NOATIME);
    return descriptor;
}

static int is_elsewhere(const struct run *run, int descriptor)
{
    struct stat status;
    return run->device >= 0 && (fstat(descriptor, &status) != 0 || (long long)status.st_dev != run->device);
}

/* Open the directories between the way and run->path: the next directory may lie below them, too. If one cannot be
   opened, stop: opening the rest of the path at once then gives the error. */
static void step_down(struct run *run, struct entry *entry)
{
    char *path = run->path.start, *end;
    while ((end = strchr(path + run->way[entry->parent].prefix, '/')) != NULL) {
        const struct step *above = nearest_open(run, entry->parent);
        *end = 0;
        int descriptor = open_below(above->descriptor, path + above->prefix, 1, O_PATH);
        run->requests++;
        *end = '/';
        if (descriptor < 0)
            return;
        if (!descend(run, descriptor, (size_t)(end - path) + 1)) {
            close(descriptor);
            return;
        }
        entry->parent = run->way_used - 1;
    }
}

/* Return whether depth and type let a directory have a line. */
static int may_be_shown(const struct run *run, Py_ssize_t depth)
{
    return run->form != LINES || (depth >= run->min_depth && !is_in(run->selection.hidden_types, DT_DIR));
}

static int requests_status(const struct run *run)
{
    return run->columns.width > 0 || run->selection.of_others.count > 0;
}

/* Return what is selected of the entries of a directory at this depth. */
static struct selection selection_at(const struct run *run, Py_ssize_t depth)
{
    struct selection selection = run->selection;
    if (run->form != LINES) /* each directory has its place */
        selection.of_directories.count = 0;
    if (depth + 1 < run->min_depth)
        selection.hidden_types |= (1u << DT_LIMIT) - 1; /* directories are entered all the same */
    selection.bars = depth >= run->last_depth;
    return selection;
}

static int makes_records(const struct run *run)
{
    return run->page != NULL && run->page->records;
}

/* Open and read the directory run->path. Return whether it has a whole listing. */
static int read_one(struct run *run, const struct entry *entry, int *descriptor)
{
    struct listing *listing = &run->listing;
    char *buffer = listing->buffer;
    size_t size = listing->size;
    *listing = (struct listing){.buffer = buffer, .size = size, .keep = requests_status(run),
                                .selection = selection_at(run, entry->depth)};
    const struct step *above = nearest_open(run, entry->parent);
    *descriptor = open_quietly(run, above->descriptor, run->path.start + above->prefix);
    run->error = *descriptor < 0 ? errno : 0;
    run->opening += seconds() - run->now;
    if (*descriptor < 0 || is_elsewhere(run, *descriptor))
        return 0;
    if (makes_records(run) && !request_stamp(*descriptor, "", AT_EMPTY_PATH, &run->status)) /* first: a later change shows */
        return 0;
    enum state state = NEEDS_READING;
    while (state == NEEDS_READING)
        state = read_some(listing, *descriptor, run->limit);
    while (state == NEEDS_SORTING)
        state = sort_some(listing, *descriptor, run->rule);
    run->requests += listing->requests;
    if (state == BROKEN_OFF)
        run->error = -listing->error;
    return state == WHOLE && !(makes_records(run) && listing->untyped);
}

/* Find out whether the current directory is selected itself. Return 0 if its status is unknown. */
static int select_directory(struct run *run, const struct entry *entry, int descriptor)
{
    int met = 1;
    run->shown = may_be_shown(run, entry->depth) && (run->form != LINES || !run->only_empty || run->listing.entries == 0);
    if (run->shown && run->form == LINES)
        met = meets(&run->selection.of_directories, descriptor, "", AT_EMPTY_PATH);
    run->shown = run->shown && met;
    return met >= 0;
}

/* Return whether a rule may apply to a name in the directory: then Python's filter must see it. */
static int has_suspects(const struct run *run)
{
    const struct listing *listing = &run->listing;
    if (run->suspects == NULL)
        return 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type != SKIPPED && has_match(run->suspects, record->name, strlen(record->name)))
            return 1;
    }
    return 0;
}

static int add_row(struct run *run, int descriptor, const char *name, int flags)
{
    struct statx status;
    run->requests++;
    if (!request_status(run->columns.mask, descriptor, name, flags, &status))
        return 0;
    for (size_t column = 0; column < run->columns.width; column++) {
        int64_t value = value_of(&status, (enum column)run->columns.numbers[column]);
        if (!append(&run->text[COLUMN_TEXTS + column], &value, sizeof value))
            return 0;
    }
    return 1;
}

/* Add the rows of one kind. Return 0 if a row is unknown, or if rows are slow. */
static int add_rows_of(struct run *run, int descriptor, enum kind kind)
{
    const struct listing *listing = &run->listing;
    int follow = run->rule == ENTER ? 0 : AT_SYMLINK_NOFOLLOW, rows = 0;
    double started = seconds();
    for (size_t at = 0; count_of(listing, kind) && at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type != kind)
            continue;
        if (!add_row(run, descriptor, record->name, follow))
            return 0;
        if (++rows == ROWS_BETWEEN_LOOKS) {
            double now = seconds();
            if (now - started > ROWS_BETWEEN_LOOKS * SLOW_MICROS * 1e-6)
                return 0;
            started = now;
            rows = 0;
        }
    }
    return 1;
}

/* Add the numbers of files and of links of a directory. */
static int add_counts(struct run *run)
{
    const struct listing *listing = &run->listing;
    int32_t counts[] = {(int32_t)count_of(listing, OTHER), (int32_t)(count_of(listing, MARKED) + count_of(listing, BARRED))};
    return append(&run->text[COUNTS], counts, sizeof counts);
}

/* Add the rows of a directory: itself, files, links and barred directories. Return 0 as `add_rows_of` does. */
static int add_rows(struct run *run, int descriptor, Py_ssize_t depth)
{
    if (run->shown && !add_row(run, descriptor, "", AT_EMPTY_PATH))
        return 0;
    if (!add_rows_of(run, descriptor, OTHER) || !add_rows_of(run, descriptor, MARKED))
        return 0;
    return (!may_be_shown(run, depth + 1) || add_rows_of(run, descriptor, BARRED)) && add_counts(run);
}

/* Put a name behind what stands in a text from `start` on, after a NUL unless it is the first. There must be room. */
static void put_name(struct text *text, size_t start, const char *name)
{
    if (text->used > start)
        text->start[text->used++] = 0;
    size_t length = strlen(name);
    memcpy(text->start + text->used, name, length);
    text->used += length;
}

/* Add the names of the kinds from `first` to `last`, separated by NULs, after a slash that separates directories. */
static int add_names(struct run *run, enum text_of_run which, enum kind first, enum kind last)
{
    const struct listing *listing = &run->listing;
    struct text *text = &run->text[which];
    if (reserve(text, listing->used + 1) == NULL) /* a record is longer than its name with a NUL */
        return 0;
    if (run->directories)
        text->start[text->used++] = '/';
    size_t start = text->used;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type < first || record->type > last)
            continue;
        put_name(text, start, record->name);
    }
    return 1;
}

/* Add the names of links: of symlinks first, then of barred directories, as read.py does. */
static int add_links(struct run *run)
{
    const struct listing *listing = &run->listing;
    if (count_of(listing, MARKED) == 0 || count_of(listing, BARRED) == 0)
        return add_names(run, LINKS, MARKED, BARRED);
    if (!add_names(run, LINKS, MARKED, MARKED) || !append(&run->text[LINKS], "", 1))
        return 0;
    Py_ssize_t directories = run->directories;
    run->directories = 0; /* no slash: these belong to the same directory */
    int done = add_names(run, LINKS, BARRED, BARRED);
    run->directories = directories;
    return done;
}

/* Add the lines of one kind: paths of entries, each with the separator. `prefix`: length of run->path with its slash. */
static int add_lines(struct run *run, size_t prefix, enum kind kind)
{
    const struct listing *listing = &run->listing;
    struct text *text = &run->text[FILES];
    if (count_of(listing, kind) == 0)
        return 1;
    if (reserve(text, listing->used + (size_t)count_of(listing, kind) * (prefix + run->separator_length)) == NULL)
        return 0;
    char *to = text->start + text->used;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type != kind)
            continue;
        size_t length = strlen(record->name);
        memcpy(to, run->path.start, prefix);
        memcpy(to += prefix, record->name, length);
        memcpy(to += length, run->separator, run->separator_length);
        to += run->separator_length;
    }
    text->used = (size_t)(to - text->start);
    return 1;
}

/* Add the directory run->path to the result. Replaces the NUL at the end of run->path by a slash. */
static int add_directory(struct run *run, const struct entry *entry)
{
    size_t length = entry->length;
    char *path = run->path.start;
    if (run->form == JOINED || (run->form == COUNT && run->columns.width)) {
        if ((run->directories && !append(&run->text[PATHS], "", 1)) || !append(&run->text[PATHS], path, length))
            return 0;
    }
    if (run->form == JOINED) {
        if (!add_names(run, DIRS, DIRECTORY, BARRED) || !add_links(run) || !add_names(run, FILES, OTHER, OTHER))
            return 0;
    }
    if (run->form == LINES && run->shown) {
        if (!append(&run->text[FILES], path, length) || !append(&run->text[FILES], run->separator, run->separator_length))
            return 0;
    }
    path[length] = '/';
    if (run->form != LINES)
        return 1;
    return add_lines(run, length + 1, OTHER) && add_lines(run, length + 1, MARKED) &&
           (!may_be_shown(run, entry->depth + 1) || add_lines(run, length + 1, BARRED));
}

/* Push the sub-directories, the first on top. */
static int push_below(struct run *run, size_t prefix, size_t parent, Py_ssize_t depth)
{
    const struct listing *listing = &run->listing;
    run->below.used = 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length)
        if (record_at(listing, at)->type == DIRECTORY && !append(&run->below, &at, sizeof at))
            return 0;
    for (size_t left = run->below.used; left > 0;) {
        size_t at;
        memcpy(&at, run->below.start + (left -= sizeof at), sizeof at);
        const char *name = record_at(listing, at)->name;
        if (!push(run, run->path.start, prefix, name, strlen(name), parent, depth))
            return 0;
    }
    return 1;
}

/* Return whether the directory of a row is as before: 1. 0: it must be read. -1: its file system is not known yet. */
static int check_row(struct run *run, const struct entry *entry, const struct known *row)
{
    const struct step *above = nearest_open(run, entry->parent);
    struct statx status;
    run->requests++;
    if (!request_stamp(above->descriptor, run->path.start + above->prefix, AT_SYMLINK_NOFOLLOW, &status))
        return 0; /* reading it reports the error */
    struct head head = head_of(&status);
    int beyond = has_boundary(run->page, &status), was_beyond = (row->head.flags & BOUNDARY) != 0;
    if (!is_unmodified(&row->head, &head) || beyond != was_beyond || (beyond && run->device >= 0))
        return 0;
    const struct device *device = device_at(run->page, device_number(&status));
    if (device == NULL)
        return -1;
    run->page->counts[UNRELIABLE] += !device->reliable;
    return device->reliable != 0;
}

/* Take the listing of run->path from the store. Return 1 for that; 0 if the directory must be read; -1 to leave it to
   Python. `*row`: what the store knows of it. */
static int take_known(struct run *run, const struct entry *entry, const struct known **row)
{
    struct page *page = run->page;
    struct listing *listing = &run->listing;
    const char *key = run->path.start + page->root_length;
    size_t length = entry->length - page->root_length;
    struct known *found = row_of(page, key, length);
    *row = found;
    if (found == NULL) {
        run->uncovered = !is_covered(page, key, length);
        return run->uncovered || page->settled ? -1 : 0;
    }
    found->how = how_of(page, found);
    if (found->head.flags & (MORE | PARTED))
        return -1;
    int kept = found->how == KEEP ? 1 : found->how == CHECK ? check_row(run, entry, found) : page->settled ? -1 : 0;
    if (kept <= 0)
        return kept;
    *listing = (struct listing){.buffer = listing->buffer, .size = listing->size, .selection = selection_at(run, entry->depth)};
    if (!fill_listing(listing, found, page->settled && !run->columns.width)) /* rows count all entries */
        return -1;
    int descriptor = -1, looks_up = found->how == CHECK && run->rule != IS_FILE && count_links(listing) > 0;
    if (looks_up) {
        const struct step *above = nearest_open(run, entry->parent);
        descriptor = open_below(above->descriptor, run->path.start + above->prefix, 1, O_PATH);
        run->requests += 1 + count_links(listing);
        if (descriptor < 0)
            return 0;
    }
    int done = listing->entries < run->limit && sort_known(listing, descriptor, run->rule);
    if (descriptor >= 0)
        close(descriptor);
    return done ? 1 : looks_up ? 0 : -1;
}

/* Count what became of the row of a directory that is done. */
static void count_known(struct run *run, const struct entry *entry, const struct known *row, int kept)
{
    int64_t *counts = run->page->counts;
    enum how how = row == NULL ? READ : row->how;
    counts[KEPT] += kept && !run->page->settled;
    counts[SETTLED] += kept && run->page->settled;
    counts[RACY_COUNT] += how == READ_RACY;
    counts[RECHECKED] += how == READ_TO_CHECK;
    counts[DAMAGED] += how == READ_DAMAGED;
    if (!run->page->settled && reserve(&run->text[LAST], entry->length)) {
        memcpy(run->text[LAST].start, run->path.start, entry->length);
        run->text[LAST].used = entry->length;
    }
}

/* Make run->below a list with a number for row 0, the directory itself, and for each of its entries: the number of its row
   among those of this directory, in the order of `add_rows`; -1: it has none. Return how many rows there are, -1 without
   memory. */
static int64_t number_rows(struct run *run, Py_ssize_t depth)
{
    const struct listing *listing = &run->listing;
    int64_t own = run->shown, next[KINDS - SKIPPED] = {0}, number = own ? 0 : -1;
    next[OTHER - SKIPPED] = own;
    next[MARKED - SKIPPED] = own + count_of(listing, OTHER);
    next[BARRED - SKIPPED] = next[MARKED - SKIPPED] + count_of(listing, MARKED);
    int64_t rows = next[BARRED - SKIPPED] + (may_be_shown(run, depth + 1) ? count_of(listing, BARRED) : 0);
    run->below.used = 0;
    if (!append(&run->below, &number, sizeof number))
        return -1;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        unsigned char kind = record_at(listing, at)->type;
        if (kind == SKIPPED)
            continue;
        int has_row = kind == OTHER || kind == MARKED || (kind == BARRED && may_be_shown(run, depth + 1));
        number = has_row ? next[kind - SKIPPED]++ : -1;
        if (!append(&run->below, &number, sizeof number))
            return -1;
    }
    return rows;
}

static int64_t row_number(const struct run *run, size_t at)
{
    int64_t number;
    memcpy(&number, run->below.start + at * sizeof number, sizeof number);
    return number;
}

/* Add the rows of a directory as the store has them. Unknown values are INT64_MIN. Return 0 if they are damaged. */
static int add_known_rows(struct run *run, const struct known *row, Py_ssize_t depth)
{
    const struct page *page = run->page;
    const int64_t unknown = INT64_MIN;
    int64_t rows = number_rows(run, depth);
    size_t count = run->below.used / sizeof rows;
    const unsigned char *from = (const unsigned char *)columns_of_row(row), *end = from + row->head.columns_length;
    uint64_t value = 0;
    for (size_t column = 0; column < run->columns.width; column++)
        for (int64_t at = 0; at < rows; at++)
            if (!append(&run->text[COLUMN_TEXTS + column], &unknown, sizeof unknown))
                return 0;
    for (size_t at = 1; at < count && from != NULL; at++) /* inodes */
        from = get_value(from, end, &value);
    const unsigned char *bits = from;
    if (from == NULL || rows < 0 || (page->width && (size_t)(end - from) < (count + 7) / 8))
        return 0;
    from += page->width ? (count + 7) / 8 : 0;
    for (size_t column = 0; column < page->width; column++) {
        struct text *text = page->columns[column] == NOT_REQUESTED ? NULL : &run->text[COLUMN_TEXTS + page->columns[column]];
        value = 0;
        for (size_t at = 0; at < count; at++) {
            if (!(bits[at >> 3] >> (at & 7) & 1))
                continue;
            if ((from = get_value(from, end, &value)) == NULL)
                return 0;
            int64_t number = row_number(run, at);
            if (text != NULL && number >= 0)
                memcpy(text->start + text->used - (size_t)(rows - number) * sizeof value, &value, sizeof value);
        }
    }
    return add_counts(run);
}

struct update { /* Update in record.py; a record follows it */
    int64_t known, same, root, position, files, bytes, blocks, length;
};

/* Return the letter of an entry in a record; 0: none. */
static char letter_of(struct run *run, const struct record *record, int descriptor)
{
    unsigned char type = (unsigned char)record->offset;
    if (type == DT_REG || type == DT_DIR)
        return 0;
    if (type != DT_LNK)
        return letter_of_type(type);
    if (run->rule == MARK && (record->type == MARKED || record->type == OTHER))
        return record->type == MARKED ? 'L' : 'l';
    struct stat status;
    run->requests++;
    return fstatat(descriptor, record->name, &status, 0) == 0 && S_ISDIR(status.st_mode) ? 'L' : 'l';
}

static int add_record_names(struct run *run, int descriptor, struct update *update)
{
    const struct listing *listing = &run->listing;
    struct text *text = &run->text[RECORDS];
    size_t start = text->used;
    if (reserve(text, listing->used) == NULL) /* a record is longer than its name with all that follows it */
        return 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type == SKIPPED)
            continue;
        put_name(text, start, record->name);
        int excluded = run->selection.hides_dotfiles && record->name[0] == '.';
        char letter = letter_of(run, record, descriptor);
        if (excluded && record->offset == DT_REG)
            letter = 'f';
        if (letter || record->offset == DT_DIR)
            text->start[text->used++] = '/';
        if (letter)
            text->start[text->used++] = letter;
        if (excluded)
            text->start[text->used++] = '!';
        update->files += record->offset != DT_DIR;
    }
    return 1;
}

/* Add the values of one column of the store, of the rows that are known. `first`: where those of this directory begin.
   `*sum`: of the first `summed` rows, clamped, without row 0. */
static int add_record_column(struct run *run, size_t position, size_t first, int64_t summed, int64_t *sum)
{
    struct text *text = &run->text[RECORDS];
    size_t count = run->below.used / sizeof(int64_t);
    unsigned char *to = (unsigned char *)reserve(text, 10 * count);
    const char *values = run->text[COLUMN_TEXTS + position].start + first;
    uint64_t before = 0, value;
    if (to == NULL)
        return 0;
    for (size_t at = 0; at < count; at++) {
        int64_t number = row_number(run, at);
        if (number < 0)
            continue;
        memcpy(&value, values + (size_t)number * sizeof value, sizeof value);
        to = put_difference(to, value, before);
        before = value;
        if (at > 0 && number < summed && sum != NULL && __builtin_add_overflow(*sum, (int64_t)value, sum))
            *sum = INT64_MAX;
    }
    text->used = (size_t)((char *)to - text->start);
    return 1;
}

/* Add inodes and columns. `kept`: where the values of this directory begin. */
static int add_record_columns(struct run *run, Py_ssize_t depth, const size_t *kept, struct update *update)
{
    const struct listing *listing = &run->listing;
    const struct page *page = run->page;
    struct text *text = &run->text[RECORDS];
    if (number_rows(run, depth) < 0)
        return 0;
    /* Directories that are not entered come last. */
    int64_t rows = run->shown + count_of(listing, OTHER) + count_of(listing, MARKED);
    size_t count = run->below.used / sizeof(int64_t), bytes = (count + 7) / 8;
    unsigned char *to = (unsigned char *)reserve(text, 10 * count + bytes);
    uint64_t before = 0;
    if (to == NULL)
        return 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type == SKIPPED)
            continue;
        to = put_difference(to, record->inode, before);
        before = record->inode;
    }
    if (page->width) {
        memset(to, 0, bytes);
        for (size_t at = 0; at < count; at++)
            to[at >> 3] |= (unsigned char)((row_number(run, at) >= 0) << (at & 7));
        to += bytes;
    }
    text->used = (size_t)((char *)to - text->start);
    update->bytes = update->blocks = -1;
    for (size_t at = 0; at < page->width; at++) {
        unsigned char position = page->columns[at], column = run->columns.numbers[position];
        int64_t *sum = column == SIZE ? &update->bytes : column == BLOCKS ? &update->blocks : NULL;
        if (sum != NULL)
            *sum = 0;
        if (!add_record_column(run, position, kept[COLUMN_TEXTS + position], rows, sum))
            return 0;
    }
    return 1;
}

/* Return whether what was read equals the row, except for flags. `names`: what follows the path in the record. */
static int equals_row(const struct known *row, const struct head *head, const char *names)
{
    return is_unmodified(&row->head, head) && row->head.names_length == head->names_length &&
           row->head.columns_length == head->columns_length &&
           memcmp(names_of_row(row), names, (size_t)head->names_length + head->columns_length) == 0;
}

/* Add the record of the directory run->path, which was read, unless its row says the same. Return 0 without memory, or if
   its file system is not known yet. */
static int add_record(struct run *run, const struct entry *entry, int descriptor, const struct known *row, const size_t *kept)
{
    struct page *page = run->page;
    struct text *text = &run->text[RECORDS];
    struct device *device = device_at(page, device_number(&run->status));
    size_t start = text->used, path = start + sizeof(struct update) + sizeof(struct head);
    struct head head = head_of(&run->status);
    struct update update = {.root = page->root};
    head.path_length = (uint32_t)(entry->length - page->root_length);
    if (device == NULL || !append(text, &update, sizeof update) || !append(text, &head, sizeof head) ||
        !append(text, run->path.start + page->root_length, head.path_length))
        return 0;
    size_t names = text->used;
    if (!add_record_names(run, descriptor, &update))
        return 0;
    size_t columns = text->used;
    if (!add_record_columns(run, entry->depth, kept, &update) || text->used - path > UINT32_MAX)
        return 0;
    head.names_length = (uint32_t)(columns - names);
    head.columns_length = (uint32_t)(text->used - columns);
    head.flags = (has_boundary(page, &run->status) ? BOUNDARY : 0) | (head.ctime > device->newest - RACY_NS ? RACY : 0);
    if (device->reliable != OUR_CLOCK && head.ctime > device->newest)
        device->newest = head.ctime;
    update.known = row != NULL;
    update.same = row != NULL && equals_row(row, &head, text->start + names);
    if (row != NULL && row->how == READ_TO_CHECK && is_unmodified(&row->head, &head) && !update.same)
        return 0; /* Python finds out whether the times were wrong */
    head.crc = checksum_of(&head, text->start + path);
    update.length = (int64_t)(text->used - path + sizeof head);
    memcpy(text->start + start, &update, sizeof update);
    memcpy(text->start + path - sizeof head, &head, sizeof head);
    if (update.same && head.flags == row->head.flags && row->how != READ_DAMAGED)
        text->used = start;
    return 1;
}

/* Walk the directory that `pop` took, or set run->trouble and leave everything else as if it had not been taken. */
static void walk_one(struct run *run, struct entry *entry)
{
    size_t kept[TEXTS];
    int descriptor = -1;
    const struct known *row = NULL;
    if (run->place != NULL)
        publish_place(run, entry->length);
    int known = run->page != NULL ? take_known(run, entry, &row) : 0;
    if (known == 0 && run->keep_way && run->text[STACK].used)
        step_down(run, entry);
    for (size_t at = 0; at < TEXTS; at++)
        kept[at] = run->text[at].used;
    int done = known > 0 || (known == 0 && read_one(run, entry, &descriptor));
    done = done && !has_suspects(run) && select_directory(run, entry, descriptor);
    if (done && run->columns.width)
        done = known ? add_known_rows(run, row, entry->depth) : add_rows(run, descriptor, entry->depth);
    if (done && !known && makes_records(run))
        done = add_record(run, entry, descriptor, row, kept);
    done = done && add_directory(run, entry);
    if (done && known && count_of(&run->listing, DIRECTORY)) {
        done = push_below(run, entry->length + 1, entry->parent, entry->depth + 1);
    } else if (done && count_of(&run->listing, DIRECTORY)) {
        done = descend(run, descriptor, entry->length + 1);
        if (done) {
            descriptor = -1; /* the way owns it */
            done = push_below(run, entry->length + 1, run->way_used - 1, entry->depth + 1);
        }
    }
    if (descriptor >= 0)
        close(descriptor);
    if (!done) {
        for (size_t at = 0; at < TEXTS; at++)
            run->text[at].used = kept[at];
        put_back(run, entry);
        run->trouble = 1;
        return;
    }
    if (run->page != NULL)
        count_known(run, entry, row, known);
    run->directories++;
    run->others += count_of(&run->listing, OTHER);
    for (int kind = DIRECTORY; kind < KINDS; kind++)
        run->entries += count_of(&run->listing, (enum kind)kind);
}

/* Return whether another slot wants work, and the stack holds more than one directory to share. */
static int is_wanted(const struct run *run)
{
    const struct text *stack = &run->text[STACK];
    struct pollfd wanted = {.fd = run->news.descriptor, .events = POLLIN};
    struct entry top = {.length = 0};
    if (stack->used)
        memcpy(&top, stack->start + stack->used - sizeof top, sizeof top);
    if (stack->used <= top.length + 1 + sizeof top)
        return 0;
    return run->news.flag != NULL ? *run->news.flag : run->news.descriptor >= 0 && poll(&wanted, 1, 0) != 0;
}

/* Return whether one of the budgets is used up. A slow directory ends a run as well if entries need their status. */
static int is_over(const struct run *run, const struct budget *budget, double deadline)
{
    return (run->slow.used && requests_status(run)) || run->entries >= budget->entries ||
           run->requests >= budget->requests || run->passed >= budget->text || run->now >= deadline;
}

/* Close directories that the caller does not need. Opening them again from the root is cheap, unless the path is longer
   than the system accepts: then some stay open. Not all, because the caller gets the whole path of each. */
static void close_surplus(struct run *run)
{
    int far = run->path.used > PATH_MAX;
    size_t kept = run->keep_way || far ? run->way_used : run->way_given;
    struct entry next;
    if (run->text[STACK].used) {
        top_of(run, &next);
        kept = next.parent < kept ? next.parent + 1 : kept;
    }
    close_way(run, kept);
    while (far && run->open > MOST_FAR)
        thin_out(run, MOST_FAR);
}

/* Walk until a budget is used up, another slot wants work, or a directory is TROUBLE. */
static void walk(struct run *run, const struct budget *budget)
{
    run->now = seconds();
    double deadline = run->now + budget->seconds, next_look = run->now + NEWS_MICROS * 1e-6;
    while (run->text[STACK].used) {
        struct entry entry;
        run->trouble = !pop(run, &entry) || entry.depth > run->deepest ||
                       has_match(run->mount_parents, run->path.start, entry.length) ||
                       reserve(&run->slow, sizeof(struct slow) + entry.length) == NULL;
        if (!run->trouble)
            walk_one(run, &entry);
        if (run->trouble) { /* the popped bytes are still there */
            run->text[STACK].used += entry.length + 1 + sizeof entry;
            run->lost = seconds() - run->now;
            break;
        }
        run->passed += (Py_ssize_t)entry.length;
        struct slow slow = {.seconds = seconds() - run->now, .length = entry.length};
        run->now += slow.seconds;
        if (slow.seconds >= run->slow_from) { /* there is room: see above */
            append(&run->slow, &slow, sizeof slow);
            append(&run->slow, run->path.start, slow.length);
        }
        if (is_over(run, budget, deadline))
            break;
        if (run->now >= next_look) {
            next_look = run->now + NEWS_MICROS * 1e-6;
            if (is_wanted(run))
                break;
        }
    }
    close_surplus(run);
}

/* Reverse the order of the stack. */
static int reverse_stack(struct run *run)
{
    struct text *stack = &run->text[STACK], reversed = {.start = NULL};
    if (stack->used && reserve(&reversed, stack->used) == NULL)
        return 0;
    for (size_t left = stack->used; left > 0;) {
        struct entry entry;
        memcpy(&entry, stack->start + left - sizeof entry, sizeof entry);
        size_t size = entry.length + 1 + sizeof entry;
        left -= size;
        append(&reversed, stack->start + left, size);
    }
    free(stack->start);
    *stack = reversed;
    return 1;
}

/* Free what the run owns, except for the open directories: `close_way` closes them. */
static void clear_run(struct run *run)
{
    for (size_t at = 0; at < TEXTS; at++)
        free(run->text[at].start);
    free(run->path.start);
    free(run->below.start);
    free(run->slow.start);
    free(run->listing.buffer);
    free(run->way);
}
