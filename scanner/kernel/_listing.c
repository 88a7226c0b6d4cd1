/* Listing one directory without a Python object for each entry: what os.scandir does, for the case that all goes well.

       getdents64 -> buffer of records -> types asked where they are missing -> names, packed as a Chunk wants them
       '------------- without the interpreter lock ----------------------'

   Whatever is out of the ordinary (a read that fails, a type that cannot be asked, more entries than the limit, no
   memory) gives None: the caller then reads the directory with os.scandir, so faults are told in one place only. */

#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 32768 /* bytes for one call, as in the C library; more only helps directories that are rarely met */

enum rule { MARK, ENTER, IS_FILE };        /* what a link to a directory is: see LinkRule in read.py */
enum form { LIST, JOINED, LINES, COUNT };  /* how names of files are packed: see pack.py */
enum kind { SKIPPED = 240, DIRECTORY, MARKED, OTHER }; /* what d_type is replaced by: values that no system uses */

struct record { /* linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

struct listing {
    char *buffer;
    size_t used, size;
    Py_ssize_t count[OTHER - SKIPPED + 1];
};

static struct record *record_at(const struct listing *listing, size_t at)
{
    return (struct record *)(listing->buffer + at);
}

/* The kind of a link or of an entry of unknown type; negative if that cannot be told. */
static int ask(int descriptor, const char *name, unsigned char type, enum rule rule)
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

static int kind_of(int descriptor, const struct record *record, enum rule rule)
{
    const char *name = record->name;
    if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)))
        return SKIPPED;
    if (record->type == DT_DIR)
        return DIRECTORY;
    if (record->type == DT_UNKNOWN || record->type == DT_LNK)
        return ask(descriptor, name, record->type, rule);
    return OTHER;
}

/* Read all records, and put their kinds in the place of their types. Without the interpreter lock. Whether it went well. */
static int read_all(struct listing *listing, int descriptor, Py_ssize_t limit, enum rule rule)
{
    for (;;) {
        if (listing->size - listing->used < BLOCK) {
            size_t size = listing->size ? 2 * listing->size : BLOCK;
            char *buffer = realloc(listing->buffer, size);
            if (buffer == NULL)
                return 0;
            listing->buffer = buffer;
            listing->size = size;
        }
        long got = syscall(SYS_getdents64, descriptor, listing->buffer + listing->used, listing->size - listing->used);
        if (got <= 0)
            return got == 0;
        size_t end = listing->used + (size_t)got;
        while (listing->used < end) {
            struct record *record = record_at(listing, listing->used);
            int kind = kind_of(descriptor, record, rule);
            if (kind < 0)
                return 0;
            record->type = (unsigned char)kind;
            listing->count[kind - SKIPPED]++;
            listing->used += record->length;
        }
        const Py_ssize_t *count = listing->count;
        if (count[DIRECTORY - SKIPPED] + count[MARKED - SKIPPED] + count[OTHER - SKIPPED] >= limit)
            return 0; /* there may be more */
    }
}

static PyObject *name_of(const char *name, size_t length, int as_bytes)
{
    if (as_bytes)
        return PyBytes_FromStringAndSize(name, (Py_ssize_t)length);
    return PyUnicode_DecodeFSDefaultAndSize(name, (Py_ssize_t)length);
}

/* The names of one kind, or (`also`) of two. */
static PyObject *names(const struct listing *listing, int kind, int also, int as_bytes)
{
    PyObject *list = PyList_New(0);
    for (size_t at = 0; list != NULL && at < listing->used; at += record_at(listing, at)->length) {
        const struct record *record = record_at(listing, at);
        if (record->type != kind && record->type != also)
            continue;
        PyObject *name = name_of(record->name, strlen(record->name), as_bytes);
        if (name == NULL || PyList_Append(list, name) != 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* The names of files with a NUL between any two. Uses up the buffer: each name moves to the front of it. */
static PyObject *joined(struct listing *listing, int as_bytes)
{
    size_t length = 0;
    for (size_t at = 0; at < listing->used;) {
        const struct record *record = record_at(listing, at);
        at += record->length; /* before the record may be written over */
        if (record->type != OTHER)
            continue;
        size_t size = strlen(record->name) + 1;
        memmove(listing->buffer + length, record->name, size);
        length += size;
    }
    return name_of(listing->buffer, length ? length - 1 : 0, as_bytes);
}

/* The names of files, each between `prefix` and `separator`. */
static PyObject *lines(const struct listing *listing, const Py_buffer *prefix, const Py_buffer *separator)
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

static PyObject *files(struct listing *listing, int form, const Py_buffer *prefix, const Py_buffer *separator, int bytes)
{
    switch (form) {
    case LIST:
        return names(listing, OTHER, OTHER, bytes);
    case JOINED:
        return joined(listing, bytes);
    case LINES:
        return lines(listing, prefix, separator);
    default:
        return Py_NewRef(Py_None);
    }
}

/* (directories, marked links, files, number of files), or NULL without an exception set that matters. */
static PyObject *result_of(struct listing *listing, int form, const Py_buffer *prefix, const Py_buffer *separator, int bytes)
{
    PyObject *directories = names(listing, DIRECTORY, MARKED, bytes);
    PyObject *marked = directories == NULL ? NULL : names(listing, MARKED, MARKED, bytes);
    PyObject *others = marked == NULL ? NULL : files(listing, form, prefix, separator, bytes);
    PyObject *result = NULL;
    if (others != NULL)
        result = Py_BuildValue("OOOn", directories, marked, others, listing->count[OTHER - SKIPPED]);
    Py_XDECREF(directories);
    Py_XDECREF(marked);
    Py_XDECREF(others);
    return result;
}

PyDoc_STRVAR(list_directory_doc,
"list_directory(descriptor, limit, rule, form, prefix, separator, as_bytes)\n--\n\n"
"What is in an open directory: directories, those of them that are marked links, other names, and how many these are.\n"
"None if it is not all of it, or there are `limit` entries or more.");

static PyObject *list_directory(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int descriptor, rule, form, as_bytes, complete;
    Py_ssize_t limit;
    Py_buffer prefix, separator;
    if (!PyArg_ParseTuple(arguments, "iniiy*y*p", &descriptor, &limit, &rule, &form, &prefix, &separator, &as_bytes))
        return NULL;
    struct listing listing = {0};
    PyObject *result = NULL;
    Py_BEGIN_ALLOW_THREADS
    complete = read_all(&listing, descriptor, limit, (enum rule)rule);
    Py_END_ALLOW_THREADS
    if (complete)
        result = result_of(&listing, form, &prefix, &separator, as_bytes);
    free(listing.buffer);
    PyBuffer_Release(&prefix);
    PyBuffer_Release(&separator);
    if (result == NULL) {
        PyErr_Clear();
        lseek(descriptor, 0, SEEK_SET);
        return Py_NewRef(Py_None);
    }
    return result;
}

static PyMethodDef methods[] = {
    {"list_directory", list_directory, METH_VARARGS, list_directory_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_listing", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__listing(void)
{
    return PyModuleDef_Init(&module);
}
