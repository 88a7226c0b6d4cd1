/* Opening and listing one directory without a Python object for each entry, for the case that all goes well.

       openat -> getdents64 -> buffer of records -> types asked where they are missing -> names, packed for a Chunk
       '------- without the interpreter lock -------------------------------------'

   Whatever is out of the ordinary (a type that cannot be asked, too many entries, no memory) gives None, with nothing
   left open: the caller then reads the directory with os.scandir, so it is dealt with in one place only. */

#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include "_directory.h"

#define PROTOCOL 7 /* what which.py asks for: to be raised with each change of arguments, result, or the enums in _directory.h */

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

static PyObject *files(struct listing *listing, enum form form, const Py_buffer *prefix,
                       const Py_buffer *separator, int as_bytes)
{
    switch (form) {
    case LIST:
        return names(listing, OTHER, OTHER, as_bytes);
    case JOINED:
        return joined(listing, as_bytes);
    case LINES:
        return lines(listing, prefix, separator);
    default:
        return PyBytes_FromStringAndSize(NULL, 0);
    }
}

/* (descriptor, directories, marked links, files, number of files, error, whether there is more, seconds of opening), or
   NULL with an exception. */
static PyObject *result_of(struct listing *listing, int descriptor, enum form form, const Py_buffer *prefix,
                           const Py_buffer *separator, int as_bytes)
{
    PyObject *directories = names(listing, DIRECTORY, MARKED, as_bytes);
    PyObject *marked = directories == NULL ? NULL : names(listing, MARKED, MARKED, as_bytes);
    PyObject *others = marked == NULL ? NULL : files(listing, form, prefix, separator, as_bytes);
    PyObject *result = NULL;
    if (others != NULL)
        result = Py_BuildValue("iOOOniOd", descriptor, directories, marked, others, listing->count[OTHER - SKIPPED],
                               listing->error, listing->more ? Py_True : Py_False, listing->opening);
    Py_XDECREF(directories);
    Py_XDECREF(marked);
    Py_XDECREF(others);
    return result;
}

/* Open and read, with a look at signals now and then; `*descriptor` is -1 where nothing is to be kept open. Returns
   TROUBLE with an exception where there is one. */
static enum state read_directory(struct listing *listing, int *descriptor, const char *name, int no_link,
                                 Py_ssize_t limit, enum rule rule)
{
    enum state state = GOES_ON;
    int opened = 1;
    while (state < WHOLE) {
        Py_BEGIN_ALLOW_THREADS
        if (name != NULL) {
            double started = seconds();
            *descriptor = open_below(*descriptor, name, no_link, 0);
            opened = *descriptor >= 0;
            listing->error = opened ? 0 : errno;
            listing->opening = seconds() - started;
            if (opened) /* our reading is nobody's access; refused for what others own, which does no harm */
                fcntl(*descriptor, F_SETFL, O_RDONLY | O_NOATIME);
            name = NULL;
        }
        if (opened && state == GOES_ON)
            state = read_some(listing, *descriptor, limit);
        if (opened && state == READ)
            state = sort_some(listing, *descriptor, rule);
        int wanted = listing->count[DIRECTORY - SKIPPED] + listing->count[MARKED - SKIPPED] > 0 || listing->more;
        if (opened && (state == TROUBLE || (!listing->keep && (state == BROKEN_OFF || (state == WHOLE && !wanted))))) {
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
"list_directory(parent, name, no_link, limit, rule, form, prefix, separator, as_bytes, keep)\n--\n\n"
"Open `name` below the descriptor `parent` (None: take over `parent` itself, and go on where it is) and list it, to the\n"
"end, or until there are `limit` entries. Gives a descriptor (-1, and closed, where there are no directories and no more\n"
"entries, or the listing broke off, unless `keep`), directories, those of them that are marked links, other names, how\n"
"many these are, the error that the listing broke off with, whether there may be more, and the seconds that opening\n"
"took. None, with all closed, if not all types could be told. Raises OSError if it cannot be opened.");

static PyObject *list_directory(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int descriptor, no_link, rule, form, as_bytes, keep;
    Py_ssize_t limit;
    PyObject *given, *name = NULL, *result = NULL;
    Py_buffer prefix, separator;
    if (!PyArg_ParseTuple(arguments, "iOpniiy*y*pp", &descriptor, &given, &no_link, &limit, &rule, &form, &prefix,
                          &separator, &as_bytes, &keep))
        return NULL;
    if (given == Py_None || PyUnicode_FSConverter(given, &name)) {
        struct listing listing = {.keep = keep, .parts = 1};
        const char *text = name != NULL ? PyBytes_AsString(name) : NULL;
        enum state state = read_directory(&listing, &descriptor, text, no_link, limit, (enum rule)rule);
        if (state != TROUBLE)
            result = result_of(&listing, descriptor, (enum form)form, &prefix, &separator, as_bytes);
        if (result == NULL && state != TROUBLE && descriptor >= 0)
            close(descriptor);
        free(listing.buffer);
        Py_XDECREF(name);
    }
    PyBuffer_Release(&prefix);
    PyBuffer_Release(&separator);
    if (result != NULL)
        return result;
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_MemoryError) && !PyErr_ExceptionMatches(PyExc_UnicodeError))
        return NULL;
    PyErr_Clear();
    return Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"list_directory", list_directory, METH_VARARGS, list_directory_doc},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module)
{
    return PyModule_AddIntConstant(module, "PROTOCOL", PROTOCOL);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_constants}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_listing", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__listing(void)
{
    return PyModuleDef_Init(&module);
}
