/* The compiled reader: everything of this package that is written in C, as one extension module.

       list_directory   one directory                    _directory.h
       walk_run         many directories in walk order   _walk.h
       fill_rows        columns of entries               _columns.h
       format_lines     lines of text from these         _lines.h
       format_lists     lists of ncdu from a run         _lists.h
       fill_leaves      leaves of a table of SQLite      _leaves.h
       sum_run          sums of a run by class           _sums.h
       count_suffixes   those of names alone             _sums.h
       sum_sizes        disk usage of directories        _usage.h
       meet_files       the set of files with several    _usage.h
       has_met          names that were met
       copy_met
       keep_memory      the allocator's settings

   All code that uses Python objects is in this file: arguments, results, the module. The headers do the work. read.py,
   runs.py and status.py call these functions. native.py describes arguments and results, and refuses a build that does
   not fit.

   Arguments and results are tuples. Each has one table here that names its fields in order; LAYOUT exports the names,
   and native.py compares them with those of its NamedTuples.

   Errors. A function of the headers returns 0, -1 or TROUBLE, and leaves nothing half done. A function here that returns
   a Python object, or takes one, returns NULL, -1 or 0 with a Python exception set. An unusual directory raises no
   exception: list_directory returns None, walk_run reports trouble, fill_rows counts failures. Python code then handles
   that directory or entry, so that each case is handled in one place.

   Ownership. Buffers in a request (y*) are released by the function that has parsed it. File descriptors: see each
   function. A `struct listing` and a `struct run` own their memory; they live on the stack of one call.

   The GIL. Everything in the headers runs without it, except choose_columns, the sets of names and _usage.h. No function keeps
   state between calls, so all of them can run in several threads at once. Two threads must not share a Python list that
   they pass. */

#include <pyconfig.h> /* Py_GIL_DISABLED: free-threaded builds have no limited API */
#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <malloc.h>
#include <string.h>

#include "_lines.h"
#include "_leaves.h"
#include "_lists.h"
#include "_sums.h" /* which needs MISSING */
#include "_usage.h"
#include "_walk.h"

#ifndef BUILD_ID /* checksum of the sources: setup.py sets it, native.py compares it */
#define BUILD_ID 0
#endif
#define KEPT_MEMORY (64 << 20) /* bytes that `free` does not return to the system */

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* A table of fields, F(name, format, targets...) for arguments or F(name, value) for results, and its columns. The order
   of a table is the order of the tuple: nothing else states it, and native.py compares it. */
#define NAME(name, ...) " " #name
#define FORMAT(name, format, ...) format
#define TARGETS(name, format, ...) , __VA_ARGS__
#define VALUE(name, value) PyErr_Occurred() ? NULL : (value),
#define PARSE(arguments, TABLE) PyArg_ParseTuple(arguments, TABLE(FORMAT) TABLE(TARGETS))

/* Make a tuple. Takes over the references; a value that is NULL, with an exception set, makes the result NULL. */
static PyObject *tuple_of(PyObject **values, size_t count)
{
    PyObject *result = PyTuple_New((Py_ssize_t)count);
    for (size_t at = 0; at < count; at++) {
        if (values[at] == NULL)
            Py_CLEAR(result);
        if (result == NULL)
            Py_XDECREF(values[at]);
        else
            PyTuple_SetItem(result, (Py_ssize_t)at, values[at]);
    }
    return result;
}

/* Decode a name as os.fsdecode does, or keep its bytes. `name` may be NULL if `length` is 0. */
static PyObject *name_of(const char *name, size_t length, int as_bytes)
{
    if (as_bytes)
        return PyBytes_FromStringAndSize(length ? name : "", (Py_ssize_t)length);
    return PyUnicode_DecodeFSDefaultAndSize(length ? name : "", (Py_ssize_t)length);
}

static PyObject *text_object(const struct text *text, int as_bytes)
{
    return name_of(text->start, text->used, as_bytes);
}

/* Append an object, and drop the reference to it. Return 0 with an exception if that fails, or if it is NULL. */
static int append_new(PyObject *list, PyObject *object)
{
    int done = object != NULL && PyList_Append(list, object) == 0;
    Py_XDECREF(object);
    return done;
}

static int is_request(PyObject *request)
{
    if (PyTuple_Check(request))
        return 1;
    PyErr_SetString(PyExc_TypeError, "the request must be a tuple: see native.py");
    return 0;
}

/* Return whether a number is below the number of its alternatives; otherwise set ValueError. */
static int is_choice(const char *what, int number, int choices)
{
    if (number >= 0 && number < choices)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s must be below %d, not %d", what, choices, number);
    return 0;
}

static int are_columns(struct columns *columns, const Py_buffer *numbers)
{
    if (choose_columns(columns, numbers->buf, (size_t)numbers->len))
        return 1;
    PyErr_SetString(PyExc_ValueError, "columns must be numbers of columns, each once");
    return 0;
}

static int are_conditions(struct conditions *conditions, const Py_buffer *ranges)
{
    if (choose_conditions(conditions, ranges->buf, (size_t)ranges->len))
        return 1;
    PyErr_SetString(PyExc_ValueError, "conditions must be ranges of columns, and the last one must end a condition");
    return 0;
}

/* --- list_directory --- */

struct list_request {
    int parent, no_link, rule, form, as_bytes, keep;
    Py_ssize_t limit, requests;
    PyObject *name;
    Py_buffer prefix, separator;
};

#define LIST_REQUEST(F) \
    F(parent, "i", &request.parent) \
    F(name, "O", &request.name) \
    F(no_link, "p", &request.no_link) \
    F(limit, "n", &request.limit) \
    F(requests, "n", &request.requests) \
    F(prefix, "y*", &request.prefix) \
    F(as_bytes, "p", &request.as_bytes) \
    F(rule, "i", &request.rule) \
    F(form, "i", &request.form) \
    F(separator, "y*", &request.separator) \
    F(keep, "p", &request.keep)

/* Make a list of the names of the kinds from `first` to `last`. */
static PyObject *list_names(const struct listing *listing, enum kind first, enum kind last, int as_bytes)
{
    PyObject *list = PyList_New(0);
    for (size_t at = 0; list != NULL && at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type < first || record->type > last)
            continue;
        if (!append_new(list, name_of(record->name, strlen(record->name), as_bytes)))
            Py_CLEAR(list);
    }
    return list;
}

/* Join the names of files by NULs. Destroys the records: each name moves to the front of the buffer. */
static PyObject *join_files(struct listing *listing, int as_bytes)
{
    size_t length = 0;
    for (size_t at = 0; at < listing->used;) {
        const struct record *record = record_at(listing, at);
        at += record->length; /* before the record may be overwritten */
        if (record->type != OTHER)
            continue;
        size_t size = strlen(record->name) + 1;
        memmove(listing->buffer + length, record->name, size);
        length += size;
    }
    return name_of(listing->buffer, length ? length - 1 : 0, as_bytes);
}

/* Make the lines of files: prefix, name, separator. */
static PyObject *line_files(const struct listing *listing, const Py_buffer *prefix, const Py_buffer *separator)
{
    size_t around = (size_t)(prefix->len + separator->len), size = 0;
    for (size_t at = 0; at < listing->used; at += record_at(listing, at)->length)
        if (record_at(listing, at)->type == OTHER)
            size += around + strlen(record_at(listing, at)->name);
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    char *to = result != NULL ? PyBytes_AsString(result) : NULL;
    for (size_t at = 0; to != NULL && at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type != OTHER)
            continue;
        size_t length = strlen(record->name);
        memcpy(to, prefix->buf, (size_t)prefix->len);
        memcpy(to += prefix->len, record->name, length);
        memcpy(to += length, separator->buf, (size_t)separator->len);
        to += separator->len;
    }
    return result;
}

static PyObject *pack_files(struct listing *listing, const struct list_request *request)
{
    switch ((enum form)request->form) {
    case LIST: return list_names(listing, OTHER, OTHER, request->as_bytes);
    case JOINED: return join_files(listing, request->as_bytes);
    case LINES: return line_files(listing, &request->prefix, &request->separator);
    default: return PyBytes_FromStringAndSize(NULL, 0);
    }
}

#define LIST_RESULT(F) \
    F(descriptor, PyLong_FromLong(descriptor)) \
    F(dirs, dirs) \
    F(links, links) \
    F(files, pack_files(listing, request)) \
    F(file_count, PyLong_FromSsize_t(count_of(listing, OTHER))) \
    F(error, PyLong_FromLong(listing->error)) \
    F(more, PyBool_FromLong(listing->more)) \
    F(opening, PyFloat_FromDouble(listing->opening)) \
    F(requests, PyLong_FromSsize_t(listing->requests))

static PyObject *list_result(struct listing *listing, int descriptor, const struct list_request *request)
{
    PyObject *dirs = list_names(listing, DIRECTORY, BARRED, request->as_bytes);
    PyObject *links = dirs == NULL ? NULL : list_names(listing, MARKED, MARKED, request->as_bytes);
    if (links == NULL) {
        Py_XDECREF(dirs);
        return NULL;
    }
    PyObject *values[] = {LIST_RESULT(VALUE)}; /* after these: join_files destroys the records */
    return tuple_of(values, LENGTH(values));
}

/* Open and read, and check for signals now and then. On return `*descriptor` is -1 if nothing is to be kept open. May
   return TROUBLE with an exception set. Releases the GIL for each step. */
static enum state read_directory(struct listing *listing, int *descriptor, const char *name, const struct list_request *request)
{
    enum state state = NEEDS_READING;
    int opened = 1;
    while (state < WHOLE) {
        Py_BEGIN_ALLOW_THREADS
        if (name != NULL) {
            double started = seconds();
            *descriptor = open_below(*descriptor, name, request->no_link, 0);
            opened = *descriptor >= 0;
            listing->error = opened ? 0 : errno;
            listing->opening = seconds() - started;
            if (opened) /* do not change the access time; the system refuses this for other owners, which does no harm */
                fcntl(*descriptor, F_SETFL, O_RDONLY | O_NOATIME);
            name = NULL;
        }
        if (opened && state == NEEDS_READING)
            state = read_some(listing, *descriptor, request->limit);
        if (opened && state == NEEDS_SORTING)
            state = sort_some(listing, *descriptor, (enum rule)request->rule);
        int leads_on = count_of(listing, DIRECTORY) + count_of(listing, MARKED) > 0 || listing->more;
        if (opened && (state == TROUBLE || (!listing->keep && (state == BROKEN_OFF || (state == WHOLE && !leads_on))))) {
            close(*descriptor);
            *descriptor = -1;
        }
        Py_END_ALLOW_THREADS
        if (!opened) {
            errno = listing->error;
            PyErr_SetFromErrno(PyExc_OSError);
            return TROUBLE;
        }
        if (state < WHOLE && PyErr_CheckSignals() != 0) {
            close(*descriptor);
            return TROUBLE;
        }
    }
    return state;
}

PyDoc_STRVAR(list_directory_doc,
"list_directory(request)\n--\n\n"
"Open and list one directory: to its end, or `limit` entries of it, or where `requests` are used up.\n\n"
"request: a ListRequest. With `name` None, `parent` itself is taken over and read on.\n"
"Returns the fields of a ListResult, or None if os.scandir must read the directory instead; nothing is open then.\n"
"The descriptor is the caller's; it is -1, and closed, without directories or more entries, unless `keep`.\n"
"Raises OSError if the directory cannot be opened.");

static PyObject *list_directory(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    struct list_request request;
    PyObject *name = NULL, *result = NULL;
    if (!is_request(arguments) || !PARSE(arguments, LIST_REQUEST))
        return NULL;
    int usable = is_choice("rule", request.rule, RULES) && is_choice("form", request.form, FORMS);
    if (usable && (request.name == Py_None || PyUnicode_FSConverter(request.name, &name))) {
        struct listing listing = {.keep = request.keep, .parts = 1, .most_requests = request.requests};
        int descriptor = request.parent;
        enum state state = read_directory(&listing, &descriptor, name != NULL ? PyBytes_AsString(name) : NULL, &request);
        if (state != TROUBLE)
            result = list_result(&listing, descriptor, &request);
        if (result == NULL && state != TROUBLE && descriptor >= 0)
            close(descriptor);
        free(listing.buffer);
        Py_XDECREF(name);
    }
    PyBuffer_Release(&request.prefix);
    PyBuffer_Release(&request.separator);
    if (result != NULL)
        return result;
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_MemoryError) && !PyErr_ExceptionMatches(PyExc_UnicodeError))
        return NULL;
    PyErr_Clear();
    return Py_NewRef(Py_None);
}

/* --- fill_rows --- */

#define ROWS_REQUEST(F) \
    F(directory, "i", &rows.directory) \
    F(names, "S", &names) \
    F(columns, "y*", &columns) \
    F(follow, "p", &follow) \
    F(patient, "p", &patient) \
    F(rows, "w*", &buffer) \
    F(first, "n", &row) \
    F(last, "n", &last)

#define ROWS_RESULT(F) \
    F(row, PyLong_FromSsize_t(row)) \
    F(failures, PyLong_FromSsize_t(rows.failures))

PyDoc_STRVAR(fill_rows_doc,
"fill_rows(request)\n--\n\n"
"Fill the rows from `first` to `last` of a table with columns of the open directory `directory` (row 0) and of `names` in\n"
"it, which are separated by NULs and begin with that of row `first`, or of row 1.\n\n"
"request: a RowsRequest. `rows` is a buffer of 64-bit numbers, column after column. Unknown values become INT64_MIN.\n"
"Returns the fields of a RowsResult: the next row, which is `last` unless rows are so slow that threads are faster and\n"
"the caller is not `patient`; and the number of unknown rows. Raises ValueError for rows outside of the buffer.");

static PyObject *fill_rows(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int follow, patient, slow = 0;
    Py_ssize_t row, last;
    PyObject *names, *result = NULL;
    Py_buffer columns, buffer;
    struct rows rows = {.failures = 0};
    if (!is_request(arguments) || !PARSE(arguments, ROWS_REQUEST))
        return NULL;
    int usable = are_columns(&rows.columns, &columns);
    rows.flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
    rows.name = PyBytes_AsString(names); /* the caller's tuple holds it */
    rows.end = rows.name + PyBytes_Size(names);
    rows.values = buffer.buf;
    if (usable && rows.columns.width)
        rows.count = (size_t)buffer.len / (sizeof(int64_t) * rows.columns.width);
    if (usable && (row < 0 || row > last || (size_t)last > rows.count)) {
        PyErr_SetString(PyExc_ValueError, "the buffer must hold the rows from first to last");
        usable = 0;
    }
    while (usable && row < last && !slow) {
        Py_ssize_t end = last - row > ROWS_BETWEEN_LOOKS ? row + ROWS_BETWEEN_LOOKS : last;
        Py_BEGIN_ALLOW_THREADS
        double started = seconds();
        for (; row < end; row++)
            fill_row(&rows, (size_t)row);
        slow = !patient && seconds() - started > ROWS_BETWEEN_LOOKS * SLOW_MICROS * 1e-6;
        Py_END_ALLOW_THREADS
        usable = PyErr_CheckSignals() == 0;
    }
    if (usable) {
        PyObject *values[] = {ROWS_RESULT(VALUE)};
        result = tuple_of(values, LENGTH(values));
    }
    PyBuffer_Release(&columns);
    PyBuffer_Release(&buffer);
    return result;
}

/* --- walk_run --- */

struct run_request {
    PyObject *way, *stack, *place, *news, *page;
    Py_ssize_t most, limit, most_open, root_length;
    int rule, form, as_bytes;
    Py_buffer columns, separator, words[PARTS], mount_parents, conditions, directory_conditions;
    Py_buffer view, flag; /* of `place` and `news`, or empty */
    struct budget budget;
};

#define RUN_REQUEST(F) \
    F(way, "O!", &PyList_Type, &request->way) \
    F(stack, "O!", &PyList_Type, &request->stack) \
    F(root_length, "n", &request->root_length) \
    F(limit, "n", &request->limit) \
    F(most_open, "n", &request->most_open) \
    F(keep_way, "p", &run->keep_way) \
    F(device, "L", &run->device) \
    F(most, "n", &request->most) \
    F(names, "y*", &request->words[WHOLE_NAME]) \
    F(endings, "y*", &request->words[ENDING]) \
    F(beginnings, "y*", &request->words[BEGINNING]) \
    F(entries, "n", &request->budget.entries) \
    F(requests, "n", &request->budget.requests) \
    F(text, "n", &request->budget.text) \
    F(seconds, "d", &request->budget.seconds) \
    F(news, "O", &request->news) \
    F(form, "i", &request->form) \
    F(separator, "y*", &request->separator) \
    F(rule, "i", &request->rule) \
    F(columns, "y*", &request->columns) \
    F(as_bytes, "p", &request->as_bytes) \
    F(place, "O", &request->place) \
    F(slow_from, "d", &run->slow_from) \
    F(hidden_types, "I", &run->selection.hidden_types) \
    F(hides_dotfiles, "p", &run->selection.hides_dotfiles) \
    F(conditions, "y*", &request->conditions) \
    F(directory_conditions, "y*", &request->directory_conditions) \
    F(only_empty, "p", &run->only_empty) \
    F(min_depth, "n", &run->min_depth) \
    F(last_depth, "n", &run->last_depth) \
    F(deepest, "n", &run->deepest) \
    F(mount_parents, "y*", &request->mount_parents) \
    F(page, "O", &request->page)

static void release_request(struct run_request *request)
{
    for (int part = WHOLE_NAME; part < PARTS; part++)
        PyBuffer_Release(&request->words[part]);
    Py_buffer *buffers[] = {&request->columns, &request->separator, &request->mount_parents, &request->conditions,
                            &request->directory_conditions, &request->view, &request->flag};
    for (size_t at = 0; at < LENGTH(buffers); at++)
        PyBuffer_Release(buffers[at]); /* nothing to do for an empty one */
}

/* Parse the request; check and copy what the run needs of it. The caller must release it, if `*parsed`. */
static int parse_request(PyObject *arguments, struct run_request *request, struct run *run, int *parsed)
{
    *parsed = is_request(arguments) && PARSE(arguments, RUN_REQUEST);
    if (!*parsed || !is_choice("rule", request->rule, RULES) || !is_choice("form", request->form, FORMS) ||
        !are_columns(&run->columns, &request->columns) ||
        !are_conditions(&run->selection.of_others, &request->conditions) ||
        !are_conditions(&run->selection.of_directories, &request->directory_conditions))
        return 0;
    run->rule = (enum rule)request->rule;
    run->form = (enum form)request->form;
    run->limit = request->limit;
    run->most_open = request->most_open > 0 ? (size_t)request->most_open : 1;
    run->separator = request->separator.buf;
    run->separator_length = (size_t)request->separator.len;
    run->news.descriptor = -1;
    if (PyLong_Check(request->news))
        run->news.descriptor = (int)PyLong_AsLong(request->news);
    else if (PyObject_GetBuffer(request->news, &request->flag, PyBUF_SIMPLE) == 0 && request->flag.len > 0)
        run->news.flag = request->flag.buf;
    if (request->place != Py_None && PyObject_GetBuffer(request->place, &request->view, PyBUF_WRITABLE) == 0 &&
        request->view.len > PLACE_HEADER && (uintptr_t)request->view.buf % sizeof(uint64_t) == 0) {
        run->place = request->view.buf;
        run->place_size = (size_t)request->view.len;
    }
    return !PyErr_Occurred();
}

/* Make a set of words, or none (NULL) without words. `*done` becomes 0 if memory is short. */
static struct names *new_names(const Py_buffer *words, int parts, int *done)
{
    struct names *names = NULL;
    for (int part = 0; part < parts; part++) {
        if (words[part].len == 0)
            continue;
        names = names != NULL ? names : calloc(1, sizeof *names);
        *done = *done && names != NULL && add_words(names, words[part].buf, (size_t)words[part].len, (enum part)part);
    }
    return names;
}

/* Take over the caller's way except for its first directory. run->path becomes the path of the last one, with a slash.
   What cannot be taken over is closed. */
static int take_way(struct run *run, PyObject *list)
{
    Py_ssize_t count = PyList_Size(list);
    run->way_size = (size_t)count + 64;
    run->way = malloc(run->way_size * sizeof *run->way);
    int done = run->way != NULL && count > 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *path = NULL, *prefix = NULL;
        int descriptor = -1;
        int parsed = PyArg_ParseTuple(PyList_GetItem(list, at), "Oi", &path, &descriptor);
        done = done && parsed && PyUnicode_FSConverter(path, &prefix);
        if (done) {
            run->path.used = 0;
            done = append(&run->path, PyBytes_AsString(prefix), (size_t)PyBytes_Size(prefix));
            Py_DECREF(prefix);
        }
        if (done)
            run->way[run->way_used++] = (struct step){.descriptor = descriptor, .prefix = run->path.used};
        else if (at > 0 && descriptor >= 0)
            close(descriptor);
    }
    run->open = run->way_given = run->way_used;
    return PyList_SetSlice(list, 1, count, NULL) == 0 && done; /* in any case: these descriptors are ours or closed */
}

/* Return the depth of a path that lies below a root: one more than the slashes after the root and its slash. */
static Py_ssize_t depth_of(const char *path, size_t length, Py_ssize_t root_length)
{
    Py_ssize_t depth = 1;
    for (size_t at = root_length > 0 ? (size_t)root_length : 0; at < length; at++)
        depth += path[at] == '/';
    return depth;
}

/* Take paths from the end of the caller's list while they lie below the first directory of the way. Return how many,
   or -1 with an exception. */
static Py_ssize_t take_paths(const struct run_request *request, struct run *run)
{
    PyObject *list = request->stack;
    size_t top = run->way[0].prefix;
    Py_ssize_t size = PyList_Size(list), taken = 0;
    while (taken < size && taken < request->most) {
        PyObject *path = PyList_GetItem(list, size - 1 - taken), *encoded = NULL;
        if (path == NULL || !PyUnicode_FSConverter(path, &encoded)) {
            PyErr_Clear(); /* a NUL in it, for example: read.py reports it */
            break;
        }
        const char *start = PyBytes_AsString(encoded);
        size_t length = (size_t)PyBytes_Size(encoded);
        int below = length > top && start[length - 1] != '/' && memcmp(start, run->path.start, top) == 0;
        int pushed = below && push(run, "", 0, start, length, 0, depth_of(start, length, request->root_length));
        Py_DECREF(encoded);
        if (below && !pushed) {
            PyErr_NoMemory();
            return -1;
        }
        if (!below)
            break;
        taken++;
    }
    if (!reverse_stack(run)) { /* they were pushed in the wrong order */
        PyErr_NoMemory();
        return -1;
    }
    return taken;
}

/* Replace the last `taken` paths of the caller's list by what is left on the stack. */
static int give_back(PyObject *list, Py_ssize_t taken, struct run *run, int as_bytes)
{
    struct text *stack = &run->text[STACK];
    Py_ssize_t size = PyList_Size(list);
    if (!reverse_stack(run)) {
        PyErr_NoMemory();
        return 0;
    }
    int done = PyList_SetSlice(list, size - taken, size, NULL) == 0;
    while (done && stack->used) {
        struct entry entry;
        memcpy(&entry, stack->start + stack->used - sizeof entry, sizeof entry);
        stack->used -= entry.length + 1 + sizeof entry;
        done = append_new(list, name_of(stack->start + stack->used, entry.length, as_bytes));
    }
    return done;
}

static PyObject *rows_of(const struct run *run)
{
    size_t width = run->columns.width, size = width ? run->text[COLUMN_TEXTS].used : 0;
    PyObject *rows = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(size * width));
    for (size_t column = 0; rows != NULL && size && column < width; column++)
        memcpy(PyBytes_AsString(rows) + column * size, run->text[COLUMN_TEXTS + column].start, size);
    return rows;
}

/* Make a list of (seconds, path) of slow directories. */
static PyObject *slow_of(const struct run *run, int as_bytes)
{
    PyObject *list = PyList_New(0);
    struct slow slow;
    for (size_t at = 0; list != NULL && at < run->slow.used; at += sizeof slow + slow.length) {
        memcpy(&slow, run->slow.start + at, sizeof slow);
        PyObject *path = name_of(run->slow.start + at + sizeof slow, slow.length, as_bytes);
        if (!append_new(list, path == NULL ? NULL : Py_BuildValue("dN", slow.seconds, path)))
            Py_CLEAR(list);
    }
    return list;
}

/* Make a list of (path, descriptor) of the directories on the way that are open, except for the first. */
static PyObject *way_of(const struct run *run, int as_bytes)
{
    PyObject *list = PyList_New(0);
    for (size_t at = 1; list != NULL && at < run->way_used; at++) {
        if (run->way[at].descriptor < 0)
            continue;
        PyObject *path = name_of(run->path.start, run->way[at].prefix - 1, as_bytes);
        if (!append_new(list, path == NULL ? NULL : Py_BuildValue("Ni", path, run->way[at].descriptor)))
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *names_of(const struct run *run, int as_bytes)
{
    PyObject *values[] = {
        text_object(&run->text[PATHS], as_bytes),
        text_object(&run->text[DIRS], as_bytes),
        text_object(&run->text[LINKS], as_bytes),
        text_object(&run->text[FILES], as_bytes || run->form == LINES),
    };
    return tuple_of(values, LENGTH(values));
}

#define RUN_RESULT(F) \
    F(trouble, PyBool_FromLong(run->trouble)) \
    F(error, PyLong_FromLong(run->trouble ? run->error : 0)) \
    F(lost, PyFloat_FromDouble(run->lost)) \
    F(slow, slow_of(run, as_bytes)) \
    F(opening, PyFloat_FromDouble(run->opening)) \
    F(directories, PyLong_FromSsize_t(run->directories)) \
    F(entries, PyLong_FromSsize_t(run->entries)) \
    F(files, PyLong_FromSsize_t(run->others)) \
    F(text, PyLong_FromSsize_t(run->passed)) \
    F(requests, PyLong_FromSsize_t(run->requests)) \
    F(names, names_of(run, as_bytes)) \
    F(counts, text_object(&run->text[COUNTS], 1)) \
    F(rows, rows_of(run)) \
    F(uncovered, PyBool_FromLong(run->uncovered)) \
    F(records, text_object(&run->text[RECORDS], 1)) \
    F(last, text_object(&run->text[LAST], as_bytes)) \
    F(known, known_counts(run))

/* Make the bytes of the counts of a page. */
static PyObject *known_counts(const struct run *run)
{
    const int64_t *counts = run->page != NULL ? run->page->counts : NULL;
    return PyBytes_FromStringAndSize((const char *)counts, counts != NULL ? (Py_ssize_t)sizeof run->page->counts : 0);
}

static PyObject *run_result(const struct run *run, int as_bytes)
{
    PyObject *values[] = {RUN_RESULT(VALUE)};
    return tuple_of(values, LENGTH(values));
}

struct page_request {
    PyObject *exceptions;
    int how;
    Py_buffer known, top, low, high, columns, devices;
};

#define PAGE_REQUEST(F) \
    F(known, "y*", &request->known) \
    F(how, "i", &request->how) \
    F(exceptions, "O!", &PyList_Type, &request->exceptions) \
    F(every, "I", &page->every) \
    F(turn, "I", &page->turn) \
    F(top, "y*", &request->top) \
    F(low, "y*", &request->low) \
    F(high, "y*", &request->high) \
    F(settled, "p", &page->settled) \
    F(records, "p", &page->records) \
    F(root, "L", &page->root) \
    F(root_length, "n", &root_length) \
    F(root_device, "K", &page->root_device) \
    F(devices, "w*", &request->devices) \
    F(columns, "y*", &request->columns)

/* Copy where the keys of a list are; the caller's list holds their bytes. */
static int take_exceptions(struct page *page, PyObject *list)
{
    page->exception_count = (size_t)PyList_Size(list);
    struct key *keys = calloc(page->exception_count + 1, sizeof *keys);
    page->exceptions = keys;
    if (keys == NULL)
        return 0;
    for (size_t at = 0; at < page->exception_count; at++) {
        char *start;
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, (Py_ssize_t)at), &start, &keys[at].length) != 0)
            return 0;
        keys[at].start = start;
    }
    return 1;
}

/* Parse a KnownPage. The caller must release it, if `*parsed`, and free its rows and exceptions. Return 0 without memory,
   or with an exception set. */
static int parse_page(PyObject *arguments, struct page_request *request, struct page *page, const struct columns *columns, int *parsed)
{
    Py_ssize_t root_length = 0;
    *parsed = is_request(arguments) && PARSE(arguments, PAGE_REQUEST);
    if (!*parsed || !is_choice("how", request->how, READ + 1))
        return 0;
    page->how = (enum how)request->how;
    page->root_length = (size_t)root_length;
    page->top = request->top.buf;
    page->top_length = (size_t)request->top.len;
    page->low = request->low.buf;
    page->low_length = (size_t)request->low.len;
    page->high = request->high.buf;
    page->high_length = (size_t)request->high.len;
    page->devices = request->devices.buf;
    page->device_count = (size_t)request->devices.len / sizeof *page->devices;
    page->columns = request->columns.buf;
    page->width = (size_t)request->columns.len;
    for (size_t at = 0; at < page->width; at++)
        if (page->columns[at] >= columns->width && (page->columns[at] != NOT_REQUESTED || page->records)) {
            PyErr_SetString(PyExc_ValueError, "columns of the store must be requested");
            return 0;
        }
    if (!take_exceptions(page, request->exceptions))
        return 0;
    enum taken taken = take_rows(page, request->known.buf, (size_t)request->known.len);
    if (taken == CUT_OFF)
        PyErr_SetString(PyExc_EOFError, "a record of the page is cut off");
    return taken == TAKEN;
}

static void release_page(struct page_request *request)
{
    Py_buffer *buffers[] = {&request->known, &request->top, &request->low, &request->high, &request->columns, &request->devices};
    for (size_t at = 0; at < LENGTH(buffers); at++)
        PyBuffer_Release(buffers[at]);
}

/* Walk `taken` directories and what is below them; give back what is left. Releases the GIL while it walks. The way left
   open goes into the caller's list, not into the result: a signal may be raised as soon as this returns, and then the
   caller has the list only. */
static PyObject *walk_taken(struct run *run, const struct run_request *request, Py_ssize_t taken)
{
    run->trouble = taken == 0;
    Py_BEGIN_ALLOW_THREADS
    walk(run, &request->budget);
    Py_END_ALLOW_THREADS
    PyObject *left = way_of(run, request->as_bytes), *result = NULL;
    if (left != NULL && give_back(request->stack, taken, run, request->as_bytes))
        result = run_result(run, request->as_bytes);
    if (result != NULL && PyList_SetSlice(request->way, 1, 1, left) != 0)
        Py_CLEAR(result);
    Py_XDECREF(left);
    return result;
}

PyDoc_STRVAR(walk_run_doc,
"walk_run(request)\n--\n\n"
"Walk the last `most` directories of the list `stack`, as far as they lie below the first directory of `way`, and\n"
"everything below them. Leave in `stack` what remains to be walked.\n\n"
"request: a RunRequest. `way` is a list of open directories, each below the one before: its path with a slash, and its\n"
"descriptor. All but the first are taken over; the list then holds those that were left open, which are the caller's.\n"
"Returns the fields of a RunResult. Stops as soon as one of `entries`, `requests`, `text` (bytes of paths) or\n"
"`seconds` is used up, when `news` arrives, after a slow directory if there are columns, and before a directory that\n"
"Python must read: see RunRequest.");

static PyObject *walk_run(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    struct run_request request = {.way = NULL};
    struct run run = {.no_atime = 1};
    struct page_request page_request = {.exceptions = NULL};
    struct page page = {.rows = NULL};
    struct names *suspects = NULL, *mount_parents = NULL;
    PyObject *result = NULL;
    int parsed, has_page = 0;
    int usable = parse_request(arguments, &request, &run, &parsed);
    if (!parsed)
        return NULL;
    if (usable && request.page != Py_None) {
        usable = parse_page(request.page, &page_request, &page, &run.columns, &has_page);
        run.page = &page;
    }
    if (usable && take_way(&run, request.way)) {
        int done = 1;
        run.suspects = suspects = new_names(request.words, PARTS, &done);
        run.mount_parents = mount_parents = new_names(&request.mount_parents, 1, &done);
        Py_ssize_t taken = done ? take_paths(&request, &run) : -1;
        if (taken >= 0)
            result = walk_taken(&run, &request, taken);
    }
    if (result == NULL) /* otherwise the caller has what is open */
        close_way(&run, 1);
    if (result == NULL && !PyErr_Occurred())
        PyErr_NoMemory();
    clear_run(&run);
    clear_names(suspects);
    clear_names(mount_parents);
    free(page.rows);
    free((void *)page.exceptions);
    if (has_page)
        release_page(&page_request);
    release_request(&request);
    return result;
}

PyDoc_STRVAR(birth_time_doc,
"birth_time(descriptor)\n--\n\n"
"Return when an open directory was made, in nanoseconds since 1970; -1 where the file system does not tell.");

static PyObject *birth_time(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long descriptor = PyLong_AsLong(argument);
    struct statx status;
    if (descriptor == -1 && PyErr_Occurred())
        return NULL;
    int known = request_stamp((int)descriptor, "", AT_EMPTY_PATH, &status);
    return PyLong_FromLongLong(known ? head_of(&status).birth : -1);
}

PyDoc_STRVAR(column_at_doc,
"column_at(packed, start, count)\n--\n\n"
"Return a list of `count` numbers of a column that begins at `start`, and where it ends: see record.py. Raises ValueError\n"
"if it is cut off.");

static PyObject *column_at(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer packed;
    Py_ssize_t start, count;
    if (!PyArg_ParseTuple(arguments, "y*nn", &packed, &start, &count))
        return NULL;
    const unsigned char *from = packed.buf, *end = from + packed.len;
    PyObject *values = start < 0 || start > packed.len || count < 0 || count > packed.len - start ? NULL : PyList_New(count);
    uint64_t value = 0;
    from = values != NULL ? from + start : NULL;
    for (Py_ssize_t at = 0; from != NULL && at < count; at++) {
        PyObject *number = (from = get_value(from, end, &value)) != NULL ? PyLong_FromLongLong((int64_t)value) : NULL;
        if (number == NULL || PyList_SetItem(values, at, number) != 0)
            from = NULL;
    }
    PyObject *result = from != NULL ? Py_BuildValue("On", values, (Py_ssize_t)(from - (const unsigned char *)packed.buf)) : NULL;
    if (result == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "damaged record: its columns are cut off");
    Py_XDECREF(values);
    PyBuffer_Release(&packed);
    return result;
}

#define MOST_PIECES 256 /* of a line */

/* Take the pieces of a line from a tuple of (kind, column, text). Their texts stay those of the tuple. */
static int take_pieces(PyObject *pieces, struct piece *taken, Py_ssize_t width)
{
    for (Py_ssize_t at = 0; at < PyTuple_Size(pieces); at++) {
        int kind;
        Py_ssize_t column, length;
        PyObject *piece = PyTuple_GetItem(pieces, at);
        if (!PyTuple_Check(piece)) {
            PyErr_SetString(PyExc_ValueError, "no such piece of a line");
            return 0;
        }
        if (!PyArg_ParseTuple(piece, "iny#", &kind, &column, &taken[at].text, &length))
            return 0;
        if (kind < 0 || kind >= PIECE_KINDS || (kind >= SIGNED && (column < 0 || column >= width))) {
            PyErr_SetString(PyExc_ValueError, "no such piece of a line");
            return 0;
        }
        taken[at].kind = (enum piece_kind)kind;
        taken[at].column = (size_t)column;
        taken[at].length = (size_t)length;
    }
    return 1;
}

PyDoc_STRVAR(format_lines_doc,
"format_lines(paths, rows, width, row, at, pieces)\n--\n\n"
"Write a line for each entry, from row `row` on, whose path begins at byte `at` of `paths` (joined by NULs).\n\n"
"rows: `width` columns of 64-bit numbers. pieces: of each line, tuples of a kind (see PIECES in native.py), a column, and\n"
"the literal or the text of a missing value. Returns the lines, and the row and byte of the next entry: the number of\n"
"rows, unless that entry cannot be written exactly here.");

static PyObject *format_lines(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer paths, rows;
    Py_ssize_t width, row, at;
    PyObject *pieces, *result = NULL;
    struct piece taken[MOST_PIECES];
    if (!PyArg_ParseTuple(arguments, "y*y*nnnO!", &paths, &rows, &width, &row, &at, &PyTuple_Type, &pieces))
        return NULL;
    Py_ssize_t size = width > 0 ? rows.len / (Py_ssize_t)sizeof(int64_t) / width : -1;
    if (size < 0 || row < 0 || at < 0 || at > paths.len || PyTuple_Size(pieces) > MOST_PIECES) {
        PyErr_SetString(PyExc_ValueError, "arguments that do not fit each other");
    } else if (take_pieces(pieces, taken, width)) {
        struct lines lines = {.pieces = taken, .count = (size_t)PyTuple_Size(pieces), .paths = paths.buf,
                              .paths_length = (size_t)paths.len, .rows = rows.buf, .size = (size_t)size,
                              .row = (size_t)row, .at = (size_t)at};
        int done;
        Py_BEGIN_ALLOW_THREADS
        done = put_lines(&lines);
        Py_END_ALLOW_THREADS
        if (done)
            result = Py_BuildValue("y#nn", lines.start != NULL ? lines.start : "", (Py_ssize_t)lines.used,
                                   (Py_ssize_t)lines.row, (Py_ssize_t)lines.at);
        else
            PyErr_NoMemory();
        free(lines.start);
    }
    PyBuffer_Release(&paths);
    PyBuffer_Release(&rows);
    return result;
}

PyDoc_STRVAR(format_lists_doc,
"format_lists(own, file, root_length, depth, paths, links, files, counts, rows, width)\n--\n\n"
"Write the directories of a run as lists of ncdu: see ncdu.py.\n\n"
"own, file: pieces, as of format_lines, of the line of a directory in its own list, and of a file. root_length: bytes of a\n"
"path before what lies below the root. depth: number of open lists. paths, links, files: names of a WalkedRun, as bytes.\n"
"rows: `width` columns of 64-bit numbers. Returns None if a line cannot be written exactly here.");

static PyObject *format_lists(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer paths, links, files, counts, rows;
    Py_ssize_t root_length, depth, width;
    PyObject *own, *file, *result = NULL;
    struct piece of_own[MOST_PIECES], of_file[MOST_PIECES];
    if (!PyArg_ParseTuple(arguments, "O!O!nny*y*y*y*y*n", &PyTuple_Type, &own, &PyTuple_Type, &file, &root_length, &depth,
                          &paths, &links, &files, &counts, &rows, &width))
        return NULL;
    enum outcome outcome = NO_FIT;
    if (width > 0 && root_length >= 0 && depth >= 0 && PyTuple_Size(own) <= MOST_PIECES && PyTuple_Size(file) <= MOST_PIECES &&
        take_pieces(own, of_own, width) && take_pieces(file, of_file, width)) {
        struct lists lists = {
            .lines = {.paths = paths.buf, .paths_length = (size_t)paths.len, .rows = rows.buf,
                      .size = (size_t)(rows.len / (Py_ssize_t)sizeof(int64_t) / width)},
            .own = of_own, .own_count = (size_t)PyTuple_Size(own), .file = of_file, .file_count = (size_t)PyTuple_Size(file),
            .links = links.buf, .links_end = (const char *)links.buf + links.len, .files = files.buf,
            .files_end = (const char *)files.buf + files.len, .counts = counts.buf,
            .directories = (size_t)counts.len / sizeof(int32_t) / 2, .root_length = (size_t)root_length,
            .depth = (size_t)depth,
        };
        Py_BEGIN_ALLOW_THREADS
        outcome = put_lists(&lists);
        Py_END_ALLOW_THREADS
        if (outcome == DONE)
            result = PyBytes_FromStringAndSize(lists.lines.start, (Py_ssize_t)lists.lines.used);
        free(lists.lines.start);
    }
    if (outcome == ONLY_IN_PYTHON)
        result = Py_NewRef(Py_None);
    else if (outcome == OUT_OF_MEMORY)
        PyErr_NoMemory();
    else if (outcome == NO_FIT && !PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "arguments that do not fit each other");
    Py_buffer *buffers[] = {&paths, &links, &files, &counts, &rows};
    for (size_t at = 0; at < LENGTH(buffers); at++)
        PyBuffer_Release(buffers[at]);
    return result;
}

#define MOST_FIELDS 64

/* Take the fields of a table: a column each, -1 for the letter of `mode`. */
static int take_fields(PyObject *tuple, size_t *fields, Py_ssize_t width)
{
    for (Py_ssize_t at = 0; at < PyTuple_Size(tuple); at++) {
        Py_ssize_t column = PyLong_AsSsize_t(PyTuple_GetItem(tuple, at));
        if (PyErr_Occurred())
            return 0;
        if (column < -1 || column >= width) {
            PyErr_SetString(PyExc_ValueError, "arguments that do not fit each other");
            return 0;
        }
        fields[at] = column < 0 ? LETTER : (size_t)column;
    }
    return 1;
}

PyDoc_STRVAR(fill_leaves_doc,
"fill_leaves(page_bytes, locked, fields, mode, paths, rows, width, page, next)\n--\n\n"
"Make leaves of a table of SQLite: see _leaves.h.\n\n"
"locked: number of a page that is left empty. fields: of a row after its path: columns; -1: the letter of the type. mode:\n"
"its column. paths: joined by NULs. rows: `width` columns of 64-bit numbers. page: number of the first page. next: number of\n"
"the first row. Returns the full leaves, the numbers of their last rows as 64-bit numbers, the row and the byte of `paths`\n"
"after them, and whether a row is too long for a page.");

static PyObject *fill_leaves_of(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer paths, rows;
    Py_ssize_t page_bytes, locked, mode, width, page;
    long long next;
    PyObject *fields, *result = NULL;
    size_t taken[MOST_FIELDS];
    if (!PyArg_ParseTuple(arguments, "nnO!ny*y*nnL", &page_bytes, &locked, &PyTuple_Type, &fields, &mode, &paths, &rows, &width, &page,
                          &next))
        return NULL;
    if (page_bytes < 512 || page_bytes > 32768 || width < 1 || mode < 0 || mode >= width || page < 1 || next < 1 ||
        PyTuple_Size(fields) > MOST_FIELDS) {
        PyErr_SetString(PyExc_ValueError, "arguments that do not fit each other");
    } else if (take_fields(fields, taken, width)) {
        struct leaves leaves = {
            .lines = {.paths = paths.buf, .paths_length = (size_t)paths.len, .rows = rows.buf,
                      .size = (size_t)(rows.len / (Py_ssize_t)sizeof(int64_t) / width)},
            .fields = taken, .count = (size_t)PyTuple_Size(fields), .mode = (size_t)mode, .page_bytes = (size_t)page_bytes,
            .page = (size_t)page, .locked = (size_t)locked, .next = next,
        };
        int done;
        Py_BEGIN_ALLOW_THREADS
        done = fill_leaves(&leaves);
        Py_END_ALLOW_THREADS
        if (done)
            result = Py_BuildValue("y#y#nnO", leaves.lines.start, (Py_ssize_t)leaves.lines.used,
                                   leaves.lasts != NULL ? (const char *)leaves.lasts : "",
                                   (Py_ssize_t)(leaves.leaf_count * sizeof *leaves.lasts), (Py_ssize_t)leaves.lines.row,
                                   (Py_ssize_t)leaves.lines.at, leaves.too_long ? Py_True : Py_False);
        else
            PyErr_NoMemory();
        free(leaves.lines.start);
        free(leaves.lasts);
    }
    PyBuffer_Release(&paths);
    PyBuffer_Release(&rows);
    return result;
}

/* Return a list of (class, count, bytes). */
static PyObject *sums_list(const struct table *table)
{
    PyObject *list = PyList_New(0);
    for (size_t at = 0; list != NULL && at < table->size; at++) {
        const struct sum *sum = &table->sums[at];
        if (sum->count == 0)
            continue;
        PyObject *item = sum->suffix != NULL
                             ? Py_BuildValue("y#LLL", sum->suffix, (Py_ssize_t)sum->length, (long long)sum->count,
                                             (long long)sum->bytes, (long long)sum->disk)
                             : Py_BuildValue("LLLL", (long long)sum->key, (long long)sum->count,
                                             (long long)sum->bytes, (long long)sum->disk);
        if (item == NULL || PyList_Append(list, item) != 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *largest_list(const struct sums *sums)
{
    PyObject *list = PyList_New((Py_ssize_t)sums->large_count);
    for (size_t at = 0; list != NULL && at < sums->large_count; at++) {
        const struct large *file = &sums->largest[at];
        PyObject *item = Py_BuildValue("nLLny#", (Py_ssize_t)file->row, (long long)file->bytes, (long long)file->disk,
                                       (Py_ssize_t)file->directory, sums->names + file->at, (Py_ssize_t)file->length);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)at, item) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *odd_list(const struct sums *sums)
{
    PyObject *list = PyList_New((Py_ssize_t)sums->odd_count);
    for (size_t at = 0; list != NULL && at < sums->odd_count; at++) {
        const struct odd *file = &sums->odd[at];
        PyObject *item = Py_BuildValue("y#LL", sums->names + file->at, (Py_ssize_t)file->length,
                                       (long long)file->bytes, (long long)file->disk);
        if (item == NULL || PyList_SetItem(list, (Py_ssize_t)at, item) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *sums_result(const struct sums *sums)
{
    PyObject *values[] = {sums_list(&sums->types),    sums_list(&sums->sizes),  sums_list(&sums->age_sums),
                          sums_list(&sums->suffixes), sums_list(&sums->owners), sums_list(&sums->groups),
                          largest_list(sums),         odd_list(sums)};
    return tuple_of(values, LENGTH(values));
}

PyDoc_STRVAR(sum_run_doc,
"sum_run(names, counts, rows, columns, now, read_at, ages, most, least)\n--\n\n"
"Sum up the files of a run without shared files: see Summary in summary.py.\n\n"
"names: of files, separated by NULs, directories by slashes. counts, rows: of a WalkedRun. columns: positions of mode,\n"
"blocks, size, uid, gid and mtime_ns (of the last three -1: not known), and the number of columns. ages: 64-bit\n"
"nanoseconds, rising. Returns lists of (class, count, bytes, disk usage) by type, size, age, suffix, owner and group; of\n"
"(row, bytes, disk usage, number of the directory, name) of the `most` largest files of more than `least` bytes; and of\n"
"(name, bytes, disk usage) of files whose suffix is not ASCII and not counted. None if a sum exceeds 64 bits.");

enum { NEEDED = 3, SUMMED = 6 }; /* columns */

static PyObject *sum_run(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer names, counts, rows, ages;
    Py_ssize_t column[SUMMED], width, most;
    long long now, read_at, least;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*y*y*(nnnnnnn)LLy*nL", &names, &counts, &rows, &column[0], &column[1],
                          &column[2], &column[3], &column[4], &column[5], &width, &now, &read_at, &ages, &most, &least))
        return NULL;
    Py_ssize_t size = width > 0 ? rows.len / (Py_ssize_t)sizeof(int64_t) / width : -1;
    int fits = size >= 0 && most >= 0;
    for (size_t at = 0; at < LENGTH(column); at++)
        fits = fits && column[at] >= (at < NEEDED ? 0 : -1) && column[at] < width;
    if (!fits) {
        PyErr_SetString(PyExc_ValueError, "arguments that do not fit each other");
    } else {
        const int64_t *of[SUMMED];
        for (size_t at = 0; at < SUMMED; at++)
            of[at] = column[at] < 0 ? NULL : (const int64_t *)rows.buf + column[at] * size;
        most = most < size ? most : size; /* there are no more files than rows */
        struct sums sums = {
            .names = names.buf, .names_length = (size_t)names.len, .counts = counts.buf,
            .directories = (size_t)counts.len / sizeof(int32_t) / 2, .mode = of[0], .blocks = of[1], .size = of[2],
            .uid = of[3], .gid = of[4], .mtime = of[5], .rows = (size_t)size, .now = now, .read_at = read_at,
            .ages = ages.buf, .age_count = (size_t)ages.len / sizeof(int64_t), .most = (size_t)most, .least = least,
            .largest = malloc((size_t)most * sizeof(struct large) + 1),
        };
        int done = 0;
        Py_BEGIN_ALLOW_THREADS
        done = sums.largest != NULL ? count_rows(&sums) : 0;
        Py_END_ALLOW_THREADS
        if (done > 0)
            result = has_overflow(&sums) ? Py_NewRef(Py_None) : sums_result(&sums);
        else if (done < 0)
            PyErr_SetString(PyExc_ValueError, "names, counts and rows do not fit each other");
        else
            PyErr_NoMemory();
        clear_sums(&sums);
    }
    PyBuffer_Release(&names);
    PyBuffer_Release(&counts);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&ages);
    return result;
}

PyDoc_STRVAR(count_suffixes_doc,
"count_suffixes(names)\n--\n\n"
"Count the suffixes of names, which NULs and slashes separate: a list of (suffix, count, 0, 0), with an empty suffix for\n"
"names without, and a list of (name, 0, 0) of names whose suffix is not ASCII and not counted.");

static PyObject *count_suffixes(PyObject *Py_UNUSED(module), PyObject *names)
{
    char *start;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(names, &start, &length) != 0)
        return NULL;
    struct sums sums = {.names = start, .names_length = (size_t)length};
    int done;
    Py_BEGIN_ALLOW_THREADS
    done = count_suffixes_of_names(&sums);
    Py_END_ALLOW_THREADS
    PyObject *values[] = {done ? sums_list(&sums.suffixes) : PyErr_NoMemory(), done ? odd_list(&sums) : NULL};
    PyObject *result = tuple_of(values, LENGTH(values));
    clear_sums(&sums);
    return result;
}

/* --- disk usage --- */

static PyObject *usage_tuple(const struct usage *usage, PyObject *shared)
{
    PyObject *values[] = {PyLong_FromLongLong(usage->size), PyLong_FromLongLong(usage->blocks),
                          PyLong_FromLongLong(usage->entries), PyLong_FromLongLong(usage->latest), shared};
    return tuple_of(values, shared != NULL ? 5 : 4);
}

/* Return the sums of some rows with their shared files, None if a sum exceeds 64 bits. */
static PyObject *usage_of(const struct usage_rows *rows, size_t row, size_t count)
{
    struct usage usage;
    size_t size = count_shared(rows, row, count) * SHARED * sizeof(int64_t);
    PyObject *shared = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (shared == NULL)
        return NULL;
    if (sum_usage(rows, row, count, &usage, (int64_t *)(void *)PyBytes_AsString(shared)))
        return usage_tuple(&usage, shared);
    Py_DECREF(shared);
    return Py_NewRef(Py_None);
}

PyDoc_STRVAR(sum_sizes_doc,
"sum_sizes(counts, rows, columns, hashes)\n--\n\n"
"Sum up the files of directories: see DirectorySizes in sizes.py.\n\n"
"counts, rows: of a WalkedRun; without counts all rows are one directory. columns: positions of mode, ino, dev, nlink,\n"
"size, blocks and a time (-1: not wanted), and the number of columns. hashes: whether files with several names are\n"
"listed, and not summed up. Returns for each directory size, blocks, entries, latest time, and shared files. None if a\n"
"sum exceeds 64 bits.");

enum { USAGE_COLUMNS = 7 }; /* the last is the time */

static PyObject *usage_list(const int32_t *counts, size_t directories, const struct usage_rows *rows, size_t left)
{
    PyObject *list = PyList_New(0);
    size_t row = 0;
    for (size_t at = 0; list != NULL && at < directories; at++) {
        size_t count = counts != NULL ? 1 + (size_t)counts[2 * at] + (size_t)counts[2 * at + 1] : left;
        if (counts != NULL && (counts[2 * at] < 0 || counts[2 * at + 1] < 0 || count > left)) {
            PyErr_SetString(PyExc_ValueError, "counts and rows do not fit each other");
            Py_CLEAR(list);
            break;
        }
        PyObject *item = usage_of(rows, row, count);
        row += count;
        left -= count;
        if (item == Py_None) {
            Py_DECREF(list);
            return item;
        }
        if (item == NULL || PyList_Append(list, item) != 0)
            Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *sum_sizes(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer counts, rows;
    Py_ssize_t column[USAGE_COLUMNS], width;
    int hashes;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*y*(nnnnnnnn)p", &counts, &rows, &column[0], &column[1], &column[2], &column[3],
                          &column[4], &column[5], &column[6], &width, &hashes))
        return NULL;
    Py_ssize_t size = width > 0 ? rows.len / (Py_ssize_t)sizeof(int64_t) / width : -1;
    int fits = size >= 0;
    for (size_t at = 0; at < USAGE_COLUMNS; at++)
        fits = fits && column[at] >= (at < USAGE_COLUMNS - 1 ? 0 : -1) && column[at] < width;
    if (fits) {
        const int64_t *of[USAGE_COLUMNS];
        for (size_t at = 0; at < USAGE_COLUMNS; at++)
            of[at] = column[at] < 0 ? NULL : (const int64_t *)rows.buf + column[at] * size;
        struct usage_rows table = {.mode = of[0], .ino = of[1], .dev = of[2], .nlink = of[3], .size = of[4],
                                   .blocks = of[5], .time = of[6], .hashes = hashes};
        size_t directories = counts.len ? (size_t)counts.len / sizeof(int32_t) / 2 : 1;
        result = usage_list(counts.len ? counts.buf : NULL, directories, &table, (size_t)size);
    } else {
        PyErr_SetString(PyExc_ValueError, "arguments that do not fit each other");
    }
    PyBuffer_Release(&counts);
    PyBuffer_Release(&rows);
    return result;
}

#define LEAST_PLACES 4

/* Return the number of places in a table; 0 with an exception if it is too small. */
static size_t places_of(const Py_buffer *table)
{
    size_t places = (size_t)table->len / sizeof(struct place);
    if (places >= LEAST_PLACES)
        return places;
    PyErr_SetString(PyExc_ValueError, "the table is too small");
    return 0;
}

PyDoc_STRVAR(meet_files_doc,
"meet_files(table, shared)\n--\n\n"
"Add shared files to a table: see MetFiles in met.py.\n\n"
"table: 16 bytes for each place, at first 0. shared: as `sum_sizes` returns them. Returns size, blocks and number of the\n"
"files that are new, and their latest time. None if there is no room, or a sum may exceed 64 bits: nothing was added.");

static PyObject *meet_files(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer table, shared;
    struct usage usage;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(arguments, "w*y*", &table, &shared))
        return NULL;
    size_t places = places_of(&table);
    if (places > 0 && meet_all(table.buf, places, shared.buf, (size_t)shared.len / sizeof(int64_t) / SHARED, &usage))
        result = usage_tuple(&usage, NULL);
    else if (places > 0)
        result = Py_NewRef(Py_None);
    PyBuffer_Release(&table);
    PyBuffer_Release(&shared);
    return result;
}

PyDoc_STRVAR(has_met_doc,
"has_met(table, device, inode)\n--\n\n"
"Return whether a file is in the table.");

static PyObject *has_met(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer table;
    long long device, inode;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(arguments, "y*LL", &table, &device, &inode))
        return NULL;
    size_t places = places_of(&table);
    if (places > 0)
        result = PyBool_FromLong(is_met(table.buf, places, device, inode));
    PyBuffer_Release(&table);
    return result;
}

PyDoc_STRVAR(copy_met_doc,
"copy_met(table, larger)\n--\n\n"
"Add all files of a table to an empty larger one.");

static PyObject *copy_met(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer table, larger;
    if (!PyArg_ParseTuple(arguments, "y*w*", &table, &larger))
        return NULL;
    size_t places = places_of(&table), more = places_of(&larger);
    if (more > places && places > 0) {
        const struct place *from = table.buf;
        struct place *to = larger.buf;
        *to = *from;
        for (size_t at = 1; at < places; at++)
            if (from[at].device != 0 || from[at].inode != 0)
                *place_in(to, more, from[at].device, from[at].inode) = from[at];
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "the table is not larger");
    }
    PyBuffer_Release(&table);
    PyBuffer_Release(&larger);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* --- the module --- */

PyDoc_STRVAR(keep_memory_doc,
"keep_memory()\n--\n\n"
"Keep freed memory for the next Task, in a process of ours: fetching pages again would cost a page fault each.");

static PyObject *keep_memory(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arguments))
{
#ifdef M_TRIM_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
    mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
#endif
    return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"birth_time", birth_time, METH_O, birth_time_doc},
    {"column_at", column_at, METH_VARARGS, column_at_doc},
    {"count_suffixes", count_suffixes, METH_O, count_suffixes_doc},
    {"copy_met", copy_met, METH_VARARGS, copy_met_doc},
    {"fill_leaves", fill_leaves_of, METH_VARARGS, fill_leaves_doc},
    {"fill_rows", fill_rows, METH_O, fill_rows_doc},
    {"format_lines", format_lines, METH_VARARGS, format_lines_doc},
    {"has_met", has_met, METH_VARARGS, has_met_doc},
    {"format_lists", format_lists, METH_VARARGS, format_lists_doc},
    {"keep_memory", keep_memory, METH_NOARGS, keep_memory_doc},
    {"list_directory", list_directory, METH_O, list_directory_doc},
    {"meet_files", meet_files, METH_VARARGS, meet_files_doc},
    {"sum_run", sum_run, METH_VARARGS, sum_run_doc},
    {"sum_sizes", sum_sizes, METH_VARARGS, sum_sizes_doc},
    {"walk_run", walk_run, METH_O, walk_run_doc},
    {NULL, NULL, 0, NULL},
};

/* Add an item to a dict, and drop the reference to it. */
static int set_new(PyObject *dict, const char *key, PyObject *value)
{
    int done = value != NULL && PyDict_SetItemString(dict, key, value) == 0;
    Py_XDECREF(value);
    return done;
}

#define MOST_NAMES 64

/* Make a tuple of names, or of names of columns. A missing name (NULL) is an empty one. */
static PyObject *names_tuple(const char *const *names, size_t count)
{
    PyObject *values[MOST_NAMES];
    _Static_assert((int)COLUMNS <= MOST_NAMES && (int)PIECE_KINDS <= MOST_NAMES, "room for each enum");
    for (size_t at = 0; at < count; at++) {
        const char *name = names != NULL ? names[at] : COLUMN[at].name;
        values[at] = PyUnicode_FromString(name != NULL ? name : "");
    }
    return tuple_of(values, count);
}

/* Everything that Python code must agree on: native.py has the same dict. */
static int add_layout(PyObject *module)
{
    PyObject *layout = PyDict_New();
    int done = layout != NULL && set_new(layout, "rules", names_tuple(RULE_NAMES, RULES)) &&
               set_new(layout, "forms", names_tuple(FORM_NAMES, FORMS)) &&
               set_new(layout, "columns", names_tuple(NULL, COLUMNS)) &&
               set_new(layout, "pieces", names_tuple(PIECE_NAMES, PIECE_KINDS)) &&
               set_new(layout, "gap", PyLong_FromLong(GAP)) &&
               set_new(layout, "open_requests", PyLong_FromLong(OPEN_REQUESTS)) &&
               set_new(layout, "probes", PyLong_FromLong(PROBES)) &&
               set_new(layout, "place_header", PyLong_FromLong(PLACE_HEADER)) &&
               set_new(layout, "slow_micros", PyLong_FromLong(SLOW_MICROS)) &&
               set_new(layout, "news_micros", PyLong_FromLong(NEWS_MICROS)) &&
               set_new(layout, "ListRequest", PyUnicode_FromString(LIST_REQUEST(NAME))) &&
               set_new(layout, "ListResult", PyUnicode_FromString(LIST_RESULT(NAME))) &&
               set_new(layout, "RowsRequest", PyUnicode_FromString(ROWS_REQUEST(NAME))) &&
               set_new(layout, "RowsResult", PyUnicode_FromString(ROWS_RESULT(NAME))) &&
               set_new(layout, "KnownPage", PyUnicode_FromString(PAGE_REQUEST(NAME))) &&
               set_new(layout, "racy", PyLong_FromLongLong(RACY_NS)) &&
               set_new(layout, "head", PyLong_FromSize_t(sizeof(struct head))) &&
               set_new(layout, "update", PyLong_FromSize_t(sizeof(struct update))) &&
               set_new(layout, "hows", PyLong_FromLong(HOWS)) &&
               set_new(layout, "known_counts", PyLong_FromLong(KNOWN_COUNTS)) &&
               set_new(layout, "RunRequest", PyUnicode_FromString(RUN_REQUEST(NAME))) &&
               set_new(layout, "RunResult", PyUnicode_FromString(RUN_RESULT(NAME))) &&
               PyModule_AddObjectRef(module, "LAYOUT", layout) == 0 &&
               PyModule_AddIntConstant(module, "BUILD_ID", BUILD_ID) == 0;
    Py_XDECREF(layout);
    return done ? 0 : -1;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_layout},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
