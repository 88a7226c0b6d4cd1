/* Walking a run of the walk order: one directory after another in one call, without the interpreter lock.

       stack -> opened from the nearest directory that is open -> read (_directory.h) -> names, lines, columns (_columns.h)
         '------------------------- its sub-directories, the first on top <-------------'

   Ends at its budget, where somebody may want the rest, and before a directory that is out of the ordinary: that is back
   on the stack then, as if nobody had touched it, for read.py, which does one at a time. So it ends after a slow one, if
   entries are asked about. */

#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <limits.h>
#include <malloc.h>
#include <poll.h>

#include "_columns.h"
#include "_directory.h"
#include "_suspects.h"

#define PROTOCOL 10  /* what which.py asks for: to be raised with each change of arguments, result, or of the headers */
#define PLACE 16384  /* bytes, as in whereabouts.py */
#define LOOK 16      /* entries asked about between two looks at the clock */
#define NEWS 0.002   /* seconds between two looks at whether there is news */
#define MOST_FAR 16  /* directories that stay open on the way to a path that is longer than the system takes */
#define GAP 4        /* as in descent.py */
#define KEPT (64 << 20) /* bytes */

struct text { /* that grows */
    char *start;
    size_t used, size;
};

struct way { /* directories on the way down, each below the one before; the first is the caller's */
    int descriptor; /* -1: it had to be closed, there are too many */
    size_t prefix;  /* characters of a path that say no more than that */
};

struct entry { /* behind each path on the stack */
    size_t length;
    size_t parent; /* where on the way it is opened from; 0: that is to be looked for */
};

struct slow { /* before each path in run.slow */
    double seconds;
    size_t length;
};

struct news { /* where it shows that somebody may want the rest */
    int descriptor; /* -1: none */
    const volatile char *flag; /* NULL: none */
};

struct run {
    struct listing listing;
    struct text stack, path, below, paths, dirs, links, files, counts, slow, columns[COLUMNS];
    struct way *way;
    size_t way_used, way_size, way_given, most_open, open, passed, longest; /* the last two: characters of paths */
    enum rule rule;
    enum form form;
    const char *separator;
    size_t separator_length;
    const unsigned char *numbers; /* of the columns */
    size_t width;
    unsigned mask;
    long long device; /* -1: any */
    int no_atime, keep_way; /* the latter: all that is open on the way to what comes next is the caller's in the end */
    Py_ssize_t directories, entries, other, limit;
    double now, opening, lost; /* when the directory began; seconds spent on opening, in all; on what made trouble */
    int trouble, error; /* the error: of opening; below zero, of reading */
    char *place; /* where to say which directory comes next */
    struct suspects *suspects; /* NULL: none */
    unsigned unwanted; /* types, as bits */
};

/* Room for so many bytes more; NULL if there is no memory. */
static char *room(struct text *text, size_t more)
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

static int add(struct text *text, const void *from, size_t length)
{
    char *to = room(text, length);
    if (to == NULL)
        return 0;
    if (length)
        memcpy(to, from, length);
    text->used += length;
    return 1;
}

static int push(struct run *run, const char *prefix, size_t prefix_length, const char *name, size_t length, size_t parent)
{
    struct entry entry = {prefix_length + length, parent};
    if (room(&run->stack, entry.length + 1 + sizeof entry) == NULL)
        return 0;
    return add(&run->stack, prefix, prefix_length) && add(&run->stack, name, length) && add(&run->stack, "", 1) &&
           add(&run->stack, &entry, sizeof entry);
}

/* What is on top of the stack: its path. Looks for its parent by what is still in run->path, which all of the way is
   above. */
static const char *top_of(const struct run *run, struct entry *entry)
{
    memcpy(entry, run->stack.start + run->stack.used - sizeof *entry, sizeof *entry);
    const char *path = run->stack.start + run->stack.used - sizeof *entry - entry->length - 1;
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

/* Take the path on top of the stack to run->path, which ends with a NUL; what is not above it is closed. */
static int pop(struct run *run, struct entry *entry)
{
    const char *path = top_of(run, entry);
    close_way(run, entry->parent + 1);
    run->path.used = 0;
    run->stack.used -= entry->length + 1 + sizeof *entry;
    return add(&run->path, path, entry->length + 1);
}

/* To where it was popped from, over what may have been pushed there since: as if nobody had popped it. */
static void put_back(struct run *run, const struct entry *entry)
{
    char *place = run->stack.start + run->stack.used;
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

/* The nearest directory on the way, from `at` up, that is open. */
static struct way *nearest_open(const struct run *run, size_t at)
{
    while (run->way[at].descriptor < 0)
        at--;
    return run->way + at;
}

/* Of the upper ones. */
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

/* Of those that are open stay the lowest, and of those above only so many that between two there is never more than GAP
   times what lies below them: so the way back up is gone down again from somewhere near. Where that is still too much,
   every other. */
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

static int go_on_from(struct run *run, int descriptor, size_t prefix)
{
    if (run->way_used == run->way_size) {
        size_t size = 2 * run->way_size + 64;
        struct way *way = realloc(run->way, size * sizeof *way);
        if (way == NULL)
            return 0;
        run->way = way;
        run->way_size = size;
    }
    if (run->open >= run->most_open)
        thin_out(run, run->most_open);
    run->way[run->way_used++] = (struct way){descriptor, prefix};
    run->open++;
    return 1;
}

/* Say where the walk is: see whereabouts.py. */
static void tell_place(struct run *run, size_t length)
{
    uint64_t *header = (uint64_t *)run->place;
    __atomic_store_n(&header[1], 0, __ATOMIC_SEQ_CST);
    if (length <= PLACE - 16)
        memcpy(run->place + 16, run->path.start, length);
    __atomic_store_n(&header[1], length, __ATOMIC_SEQ_CST);
    __atomic_store_n(&header[0], header[0] + 1, __ATOMIC_SEQ_CST);
}

/* Our reading is nobody's access, where the system lets us say so: it is refused for what others own. */
static int open_quietly(struct run *run, int parent, const char *name)
{
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

/* Open what lies between the way and run->path: what comes next may lie there too. As far as that can be done: if it
   cannot, what is left is opened at once, and tells why that cannot be. */
static void step_down(struct run *run, struct entry *entry)
{
    char *path = run->path.start, *end;
    while ((end = strchr(path + run->way[entry->parent].prefix, '/')) != NULL) {
        const struct way *above = nearest_open(run, entry->parent);
        *end = 0;
        int descriptor = open_below(above->descriptor, path + above->prefix, 1, O_PATH);
        *end = '/';
        if (descriptor < 0)
            return;
        if (!go_on_from(run, descriptor, (size_t)(end - path) + 1)) {
            close(descriptor);
            return;
        }
        entry->parent = run->way_used - 1;
    }
}

/* Open and read the directory run->path; whether all of it could be. */
static int read_one(struct run *run, const struct entry *entry, int *descriptor)
{
    struct listing *listing = &run->listing;
    char *buffer = listing->buffer;
    size_t size = listing->size;
    *listing = (struct listing){.buffer = buffer, .size = size, .keep = run->width > 0, .unwanted = run->unwanted};
    const struct way *above = nearest_open(run, entry->parent);
    *descriptor = open_quietly(run, above->descriptor, run->path.start + above->prefix);
    run->error = *descriptor < 0 ? errno : 0;
    run->opening += seconds() - run->now;
    if (*descriptor < 0 || is_elsewhere(run, *descriptor))
        return 0;
    enum state state = GOES_ON;
    while (state == GOES_ON)
        state = read_some(listing, *descriptor, run->limit);
    while (state == READ)
        state = sort_some(listing, *descriptor, run->rule);
    if (state == BROKEN_OFF)
        run->error = -listing->error;
    return state == WHOLE;
}

/* Whether some rule may leave out something in the directory that was read. */
static int has_suspects(const struct run *run)
{
    const struct listing *listing = &run->listing;
    if (run->suspects == NULL)
        return 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type != SKIPPED && is_suspect(run->suspects, record->name, strlen(record->name)))
            return 1;
    }
    return 0;
}

static int add_row(struct run *run, int descriptor, const char *name, int flags)
{
    struct statx status;
    if (syscall(SYS_statx, descriptor, name, flags | AT_NO_AUTOMOUNT, run->mask, &status) != 0 ||
        (status.stx_mask & run->mask) != run->mask)
        return 0;
    for (size_t column = 0; column < run->width; column++) {
        int64_t value = value_of(&status, (enum column)run->numbers[column]);
        if (!add(&run->columns[column], &value, sizeof value))
            return 0;
    }
    return 1;
}

/* Of lines, that of a directory itself may not be wanted; elsewhere it is its place that counts. */
static int is_shown(const struct run *run)
{
    return run->form != LINES || !(run->unwanted >> DT_DIR & 1);
}

/* The rows of a directory: its own, those of files, those of links; whether all could be asked, and soon. */
static int add_rows(struct run *run, int descriptor)
{
    const struct listing *listing = &run->listing;
    int follow = run->rule == ENTER ? 0 : AT_SYMLINK_NOFOLLOW, asked = 0;
    double started = seconds();
    if (is_shown(run) && !add_row(run, descriptor, "", AT_EMPTY_PATH))
        return 0;
    for (int kind = OTHER; kind >= MARKED; kind--) {
        if (listing->count[kind - SKIPPED] == 0)
            continue;
        for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
            const struct record *record = record_at(listing, at);
            if (record->type != kind)
                continue;
            if (!add_row(run, descriptor, record->name, follow))
                return 0;
            if (++asked == LOOK) {
                double now = seconds();
                if (now - started > LOOK * SLOW * 1e-6)
                    return 0;
                started = now;
                asked = 0;
            }
        }
    }
    int32_t counts[] = {(int32_t)listing->count[OTHER - SKIPPED], (int32_t)listing->count[MARKED - SKIPPED]};
    return add(&run->counts, counts, sizeof counts);
}

static void add_name(struct text *text, size_t start, const char *name, size_t length)
{
    if (text->used > start)
        text->start[text->used++] = 0;
    memcpy(text->start + text->used, name, length);
    text->used += length;
}

/* Names in their order, with NULs between them, and a slash before those of another directory. There is room. */
static void add_names(struct run *run)
{
    const struct listing *listing = &run->listing;
    struct text *texts[] = {&run->dirs, &run->links, &run->files};
    size_t starts[3];
    for (int kind = 0; kind < 3; kind++) {
        if (run->directories)
            texts[kind]->start[texts[kind]->used++] = '/';
        starts[kind] = texts[kind]->used;
    }
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        size_t length = strlen(record->name);
        if (record->type == OTHER)
            add_name(&run->files, starts[2], record->name, length);
        else if (record->type == DIRECTORY || record->type == MARKED)
            add_name(&run->dirs, starts[0], record->name, length);
        if (record->type == MARKED)
            add_name(&run->links, starts[1], record->name, length);
    }
}

/* Paths of files, each with what ends it. There is room. */
static void add_lines(struct run *run, size_t prefix)
{
    const struct listing *listing = &run->listing;
    char *to = run->files.start + run->files.used;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type != OTHER)
            continue;
        size_t length = strlen(record->name);
        memcpy(to, run->path.start, prefix);
        memcpy(to += prefix, record->name, length);
        memcpy(to += length, run->separator, run->separator_length);
        to += run->separator_length;
    }
    run->files.used = (size_t)(to - run->files.start);
}

/* What the directory run->path adds to the result; run->path gets the slash that its entries have before their names. */
static int add_directory(struct run *run, size_t length)
{
    size_t used = run->listing.used, others = (size_t)run->listing.count[OTHER - SKIPPED];
    if (run->form == JOINED || (run->form == COUNT && run->width)) {
        if ((run->directories && !add(&run->paths, "", 1)) || !add(&run->paths, run->path.start, length))
            return 0;
    }
    if (run->form == JOINED) {
        if (room(&run->dirs, used + 1) == NULL || room(&run->links, used + 1) == NULL || room(&run->files, used + 1) == NULL)
            return 0;
        add_names(run);
    }
    if (run->form == LINES) {
        if (is_shown(run) && (!add(&run->files, run->path.start, length) ||
                              !add(&run->files, run->separator, run->separator_length)))
            return 0;
        if (room(&run->files, used + others * (length + 1 + run->separator_length)) == NULL)
            return 0;
        run->path.start[length] = '/'; /* in the place of the NUL */
        add_lines(run, length + 1);
    }
    run->path.start[length] = '/';
    return 1;
}

/* Put the sub-directories on the stack, the first on top. */
static int push_below(struct run *run, size_t prefix, size_t parent)
{
    const struct listing *listing = &run->listing;
    run->below.used = 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length)
        if (record_at(listing, at)->type == DIRECTORY && !add(&run->below, &at, sizeof at))
            return 0;
    for (size_t left = run->below.used; left > 0;) {
        size_t at;
        memcpy(&at, run->below.start + (left -= sizeof at), sizeof at);
        const char *name = record_at(listing, at)->name;
        if (!push(run, run->path.start, prefix, name, strlen(name), parent))
            return 0;
    }
    return 1;
}

static void every_text(struct run *run, void (*act)(struct text *, size_t *), size_t *kept)
{
    struct text *texts[] = {&run->stack, &run->paths, &run->dirs, &run->links, &run->files, &run->counts};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        act(texts[at], kept++);
    for (size_t column = 0; column < COLUMNS; column++)
        act(&run->columns[column], kept++);
}

static void note_length(struct text *text, size_t *kept)
{
    *kept = text->used;
}

static void cut_to_length(struct text *text, size_t *kept)
{
    text->used = *kept;
}

/* Walk the directory that was taken to run->path. If that cannot be done here, nothing of it is left but trouble. */
static void walk_one(struct run *run, struct entry *entry)
{
    size_t kept[6 + COLUMNS];
    int descriptor = -1;
    if (run->place != NULL)
        tell_place(run, entry->length);
    if (run->keep_way && run->stack.used)
        step_down(run, entry);
    every_text(run, note_length, kept);
    const Py_ssize_t *count = run->listing.count;
    int done = read_one(run, entry, &descriptor) && !has_suspects(run);
    if (done && run->width)
        done = add_rows(run, descriptor);
    done = done && add_directory(run, entry->length);
    if (done && count[DIRECTORY - SKIPPED]) {
        done = go_on_from(run, descriptor, entry->length + 1);
        if (done) {
            descriptor = -1;
            done = push_below(run, entry->length + 1, run->way_used - 1);
        }
    }
    if (descriptor >= 0)
        close(descriptor);
    if (!done) {
        every_text(run, cut_to_length, kept);
        put_back(run, entry);
        run->trouble = 1;
        return;
    }
    run->directories++;
    run->other += count[OTHER - SKIPPED];
    for (int kind = DIRECTORY; kind < KINDS; kind++)
        run->entries += count[kind - SKIPPED];
}

/* Whether somebody may want the rest, and there is any to give without giving up all. */
static int is_asked(const struct run *run, const struct news *news)
{
    struct pollfd wanted = {news->descriptor, POLLIN, 0};
    struct entry top = {0, 0};
    if (run->stack.used)
        memcpy(&top, run->stack.start + run->stack.used - sizeof top, sizeof top);
    if (run->stack.used <= top.length + 1 + sizeof top)
        return 0;
    return news->flag != NULL ? *news->flag : news->descriptor >= 0 && poll(&wanted, 1, 0) != 0;
}

static void note_slow(struct run *run, double seconds, size_t length) /* There is room. */
{
    struct slow slow = {seconds, length};
    add(&run->slow, &slow, sizeof slow);
    add(&run->slow, run->path.start, length);
}

/* Until one of the budgets is used up. Without the interpreter lock. */
static void walk(struct run *run, Py_ssize_t entries, Py_ssize_t directories, size_t text, double allowed, double slow,
                 const struct news *news)
{
    run->now = seconds();
    double deadline = run->now + allowed, look = run->now + NEWS;
    while (run->stack.used) {
        struct entry entry;
        run->trouble = !pop(run, &entry) || entry.length > run->longest ||
                       room(&run->slow, sizeof(struct slow) + entry.length) == NULL;
        if (!run->trouble)
            walk_one(run, &entry);
        if (run->trouble) { /* what was popped is still there */
            run->stack.used += entry.length + 1 + sizeof entry;
            run->lost = seconds() - run->now;
            break;
        }
        run->passed += entry.length;
        double before = run->now;
        run->now = seconds();
        if (run->now - before >= slow)
            note_slow(run, run->now - before, entry.length);
        /* Where much is to be asked of a slow server, read.py has several questions under way. */
        if ((run->slow.used && run->width) || run->entries >= entries || run->directories >= directories ||
            run->passed >= text || run->now >= deadline)
            break;
        if (run->now >= look) {
            look = run->now + NEWS;
            if (is_asked(run, news))
                break;
        }
    }
    /* What is not near is soon opened from the root again, unless its path is longer than the system takes: then some
       of what is open stays so. Not all, as each is told with a path as long. */
    int far = run->path.used > PATH_MAX;
    size_t kept = run->keep_way || far ? run->way_used : run->way_given;
    struct entry next;
    if (run->stack.used) {
        top_of(run, &next);
        kept = next.parent < kept ? next.parent + 1 : kept;
    }
    close_way(run, kept);
    while (far && run->open > MOST_FAR)
        thin_out(run, MOST_FAR);
}

/* Take the caller's way, but for the first; run->path becomes what the paths of the last one begin with. What cannot be
   taken is closed. */
static int take_way(struct run *run, PyObject *list)
{
    Py_ssize_t count = PyList_Size(list);
    run->way_size = (size_t)count + 64;
    run->way = malloc(run->way_size * sizeof *run->way);
    int done = run->way != NULL && count > 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *pair = PyList_GetItem(list, at), *prefix = NULL;
        int descriptor = (int)PyLong_AsLong(PyTuple_GetItem(pair, 1));
        done = done && PyUnicode_FSConverter(PyTuple_GetItem(pair, 0), &prefix);
        if (done) {
            run->path.used = 0;
            done = add(&run->path, PyBytes_AsString(prefix), (size_t)PyBytes_Size(prefix));
            Py_DECREF(prefix);
        }
        if (done)
            run->way[run->way_used++] = (struct way){descriptor, run->path.used};
        else if (at > 0)
            close(descriptor);
    }
    run->open = run->way_given = run->way_used;
    return PyList_SetSlice(list, 1, count, NULL) == 0 && done; /* what is ours is not there any more, whatever comes */
}

/* Take paths from the end of the caller's list that lie below the first directory of the way: how many, or -1. */
static Py_ssize_t take_from(PyObject *list, Py_ssize_t most, struct run *run)
{
    size_t top = run->way[0].prefix;
    Py_ssize_t size = PyList_Size(list), taken = 0;
    while (taken < size && taken < most) {
        PyObject *path = PyList_GetItem(list, size - 1 - taken), *encoded = NULL;
        if (path == NULL || !PyUnicode_FSConverter(path, &encoded)) {
            PyErr_Clear(); /* it has a NUL, say: read.py knows what that means */
            break;
        }
        const char *start = PyBytes_AsString(encoded);
        size_t length = (size_t)PyBytes_Size(encoded);
        int below = length > top && start[length - 1] != '/' && memcmp(start, run->path.start, top) == 0;
        /* Pushed in the wrong order, and turned round below. */
        if (below && !push(run, "", 0, start, length, 0)) {
            Py_DECREF(encoded);
            PyErr_NoMemory();
            return -1;
        }
        Py_DECREF(encoded);
        if (!below)
            break;
        taken++;
    }
    return taken;
}

static int turn_round(struct run *run)
{
    struct text turned = {NULL, 0, 0};
    if (run->stack.used && room(&turned, run->stack.used) == NULL)
        return 0;
    for (size_t left = run->stack.used; left > 0;) {
        struct entry entry;
        memcpy(&entry, run->stack.start + left - sizeof entry, sizeof entry);
        size_t size = entry.length + 1 + sizeof entry;
        left -= size;
        add(&turned, run->stack.start + left, size);
    }
    free(run->stack.start);
    run->stack = turned;
    return 1;
}

static PyObject *name_of(const char *name, size_t length, int as_bytes)
{
    if (as_bytes)
        return PyBytes_FromStringAndSize(length ? name : "", (Py_ssize_t)length);
    return PyUnicode_DecodeFSDefaultAndSize(length ? name : "", (Py_ssize_t)length);
}

/* What was not got to, for the end of the caller's list. */
static int give_back(PyObject *list, Py_ssize_t taken, struct run *run, int as_bytes)
{
    Py_ssize_t size = PyList_Size(list);
    if (!turn_round(run) || PyList_SetSlice(list, size - taken, size, NULL) != 0)
        return 0;
    while (run->stack.used) {
        struct entry entry;
        memcpy(&entry, run->stack.start + run->stack.used - sizeof entry, sizeof entry);
        run->stack.used -= entry.length + 1 + sizeof entry;
        PyObject *path = name_of(run->stack.start + run->stack.used, entry.length, as_bytes);
        int failed = path == NULL || PyList_Append(list, path) != 0;
        Py_XDECREF(path);
        if (failed)
            return 0;
    }
    return 1;
}

static PyObject *rows_of(const struct run *run)
{
    size_t size = run->width ? run->columns[0].used : 0;
    PyObject *rows = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(size * run->width));
    for (size_t column = 0; rows != NULL && size && column < run->width; column++)
        memcpy(PyBytes_AsString(rows) + column * size, run->columns[column].start, size);
    return rows;
}

/* A list of seconds and path of each directory that took long. */
static PyObject *slow_ones(const struct run *run, int as_bytes)
{
    PyObject *list = PyList_New(0);
    struct slow slow;
    for (size_t at = 0; list != NULL && at < run->slow.used; at += sizeof slow + slow.length) {
        memcpy(&slow, run->slow.start + at, sizeof slow);
        PyObject *path = name_of(run->slow.start + at + sizeof slow, slow.length, as_bytes);
        PyObject *pair = path == NULL ? NULL : Py_BuildValue("dN", slow.seconds, path);
        if (pair == NULL || PyList_Append(list, pair) != 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

/* A list of path and descriptor of each directory that is open on the way, which run->path lies below. */
static PyObject *way_of(const struct run *run, int as_bytes)
{
    PyObject *list = PyList_New(0);
    for (size_t at = 1; list != NULL && at < run->way_used; at++) {
        if (run->way[at].descriptor < 0)
            continue;
        PyObject *name = name_of(run->path.start, run->way[at].prefix - 1, as_bytes);
        PyObject *pair = name == NULL ? NULL : Py_BuildValue("Ni", name, run->way[at].descriptor);
        if (pair == NULL || PyList_Append(list, pair) != 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

static PyObject *result_of(const struct run *run, int as_bytes)
{
    return Py_BuildValue(
        "NidNdnnnn(NNNN)NN", PyBool_FromLong(run->trouble), run->trouble ? run->error : 0, run->lost, slow_ones(run, as_bytes),
        run->opening, run->directories, run->entries, run->other, (Py_ssize_t)run->passed,
        name_of(run->paths.start, run->paths.used, as_bytes), name_of(run->dirs.start, run->dirs.used, as_bytes),
        name_of(run->links.start, run->links.used, as_bytes),
        name_of(run->files.start, run->files.used, as_bytes || run->form == LINES),
        name_of(run->counts.start, run->counts.used, 1), rows_of(run));
}

PyDoc_STRVAR(walk_run_doc,
"walk_run(way, longest, limit, rule, columns, device, most_open, place, as_bytes, keep, form, separator, slow, most,\n"
"         names, endings, beginnings, unwanted, stack, entries, directories, text, seconds, news)\n--\n\n"
"Walk what the list `stack` ends with, `most` of it, as far as it lies below the first directory of `way`; what was not got to is\n"
"left there. `way`: open directories, each below the one before: what paths in it begin with, and its descriptor; all but the first\n"
"are taken over, to be closed; what is left open of the way stands there in their place. Ends after so many `entries` or `directories`, characters of\n"
"paths (`text`), or seconds, whichever is first; where something shows in `news` (a descriptor with something to read;\n"
"a buffer that begins with something else than 0; -1: none); with columns after a directory that took `slow` seconds;\n"
"and before one that it cannot read, or whose path is longer than `longest`, or that has `limit` entries or more, or\n"
"is not on `device` (-1: any), or that has an entry with one of `names`, or whose name has one of `endings` or\n"
"`beginnings` (each joined by NULs). `keep`: leave open what is on the way to what comes next, also where its path is no longer than the system takes.\n"
"`unwanted`: types that are not shown, as bits (1 << DT_REG, ...). `columns`:\n"
"numbers of what is to be asked about each entry; `place`: a buffer to tell there where it is, or None.\n\n"
"Gives whether there was such a directory; the error of opening it, or, below zero, of reading it, and the\n"
"seconds spent on it; a list of the seconds and the path of each that took `slow` seconds; seconds spent on opening; numbers of directories, of entries,\n"
"of those that are no directories, of characters of paths; paths, names of directories, of links among them, and of all else (or the lines): joined by\n"
"NULs, and (but for paths) those of each directory by slashes; how many files and links each has, if there are\n"
"columns, as 32-bit numbers; and the columns.");

static PyObject *walk_run(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int rule, form, as_bytes;
    struct news news = {-1, NULL};
    Py_ssize_t longest, limit, entries, directories, text, most_open, most;
    double allowed, slow;
    PyObject *way, *stack, *place, *from, *result = NULL;
    Py_buffer separator, columns, where = {.buf = NULL}, flag = {.buf = NULL}, words[PARTS];
    struct run run = {.no_atime = 1};
    if (!PyArg_ParseTuple(arguments, "O!nniy*LnOppiy*dny*y*y*IO!nnndO", &PyList_Type, &way, &longest, &limit, &rule, &columns, &run.device,
                          &most_open, &place, &as_bytes, &run.keep_way, &form, &separator, &slow, &most, &words[WHOLE_NAME],
                          &words[ENDING], &words[BEGINNING], &run.unwanted, &PyList_Type, &stack, &entries, &directories, &text, &allowed,
                          &from))
        return NULL;
    run.rule = (enum rule)rule;
    run.form = (enum form)form;
    run.limit = limit;
    run.longest = (size_t)longest;
    run.most_open = (size_t)most_open;
    run.separator = separator.buf;
    run.separator_length = (size_t)separator.len;
    run.numbers = columns.buf;
    run.width = columns.len > COLUMNS ? COLUMNS : (size_t)columns.len;
    for (size_t column = 0; column < run.width; column++)
        run.mask |= MASKS[run.numbers[column]];
    Py_ssize_t taken = -1;
    int room_for_all = take_way(&run, way);
    if (words[WHOLE_NAME].len + words[ENDING].len + words[BEGINNING].len > 0) {
        run.suspects = calloc(1, sizeof *run.suspects);
        for (int part = WHOLE_NAME; part < PARTS && (room_for_all = room_for_all && run.suspects != NULL); part++)
            room_for_all = add_words(run.suspects, words[part].buf, (size_t)words[part].len, (enum part)part);
    }
    if (PyLong_Check(from))
        news.descriptor = (int)PyLong_AsLong(from);
    else if (PyObject_GetBuffer(from, &flag, PyBUF_SIMPLE) == 0 && flag.len > 0)
        news.flag = flag.buf;
    room_for_all = room_for_all && !PyErr_Occurred();
    if (room_for_all && (place == Py_None || PyObject_GetBuffer(place, &where, PyBUF_WRITABLE) == 0))
        taken = take_from(stack, most, &run);
    if (taken >= 0 && turn_round(&run)) {
        run.place = where.len >= PLACE ? where.buf : NULL;
        run.trouble = taken == 0;
        Py_BEGIN_ALLOW_THREADS
        walk(&run, entries, directories, (size_t)text, allowed, slow, &news);
        Py_END_ALLOW_THREADS
        PyObject *left = way_of(&run, as_bytes);
        if (left != NULL && give_back(stack, taken, &run, as_bytes))
            result = result_of(&run, as_bytes);
        /* Into the list that the caller has already: it may hear of a signal as soon as this returns, and of nothing else. */
        if (result != NULL && PyList_SetSlice(way, 1, 1, left) != 0)
            Py_CLEAR(result);
        Py_XDECREF(left);
    }
    if (result == NULL) /* else what is open is the caller's */
        close_way(&run, 1);
    if (result == NULL && !PyErr_Occurred())
        PyErr_NoMemory();
    struct text *texts[] = {&run.stack, &run.path, &run.below, &run.paths, &run.dirs, &run.links, &run.files, &run.counts,
                            &run.slow};
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++)
        free(texts[at]->start);
    for (size_t column = 0; column < COLUMNS; column++)
        free(run.columns[column].start);
    if (run.suspects != NULL)
        free(run.suspects->words);
    free(run.suspects);
    for (int part = WHOLE_NAME; part < PARTS; part++)
        PyBuffer_Release(&words[part]);
    free(run.listing.buffer);
    free(run.way);
    if (where.buf != NULL)
        PyBuffer_Release(&where);
    if (flag.buf != NULL)
        PyBuffer_Release(&flag);
    PyBuffer_Release(&separator);
    PyBuffer_Release(&columns);
    return result;
}

PyDoc_STRVAR(keep_memory_doc,
"keep_memory()\n--\n\n"
"For a process of our own: what is freed is kept for the next Task, whose pages would cost a fault each again.");

static PyObject *keep_memory(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arguments))
{
#ifdef M_TRIM_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, KEPT);
    mallopt(M_TRIM_THRESHOLD, KEPT);
#endif
    return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"keep_memory", keep_memory, METH_NOARGS, keep_memory_doc},
    {"walk_run", walk_run, METH_VARARGS, walk_run_doc},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module)
{
    return PyModule_AddIntConstant(module, "PROTOCOL", PROTOCOL);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_constants}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_run", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__run(void)
{
    return PyModuleDef_Init(&module);
}
