/* Asking what the entries of one directory are: many calls of statx without the interpreter lock.

   Only what is wanted is asked for: on a network, access times cost a round trip more, and sizes may flush what is being
   written. The values go into columns of 64-bit numbers, which nobody takes apart who does not look at them. What fails
   is marked, and left to status.py, as is what takes long. */

#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include <string.h>
#include <time.h>

#include "_columns.h"

#define PROTOCOL 4 /* what which.py asks for: to be raised with each change of arguments, result, or of _columns.h */
#define SOME 16    /* entries to ask for between two looks at the clock, and at whether a signal has come */
#define SLOW 300   /* microseconds for one, from which on threads pay */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

struct rows { /* columns one after the other, each with a value for the directory itself and one for each name */
    int descriptor, flags;
    unsigned mask;
    const char *name;
    const unsigned char *columns;
    Py_ssize_t width, count, failures;
    int64_t *values;
};

/* Ask for one row and move on to the next name. */
static void fill_row(struct rows *rows, Py_ssize_t row)
{
    struct statx status;
    const char *name = row == 0 ? "" : rows->name;
    int flags = AT_NO_AUTOMOUNT | (row == 0 ? AT_EMPTY_PATH : rows->flags);
    int failed = syscall(SYS_statx, rows->descriptor, name, flags, rows->mask, &status) != 0;
    failed = failed || (status.stx_mask & rows->mask) != rows->mask;
    for (Py_ssize_t column = 0; column < rows->width; column++)
        rows->values[column * rows->count + row] =
            failed ? INT64_MIN : value_of(&status, (enum column)rows->columns[column]);
    rows->failures += failed;
    if (row > 0)
        rows->name += strlen(rows->name) + 1;
}

PyDoc_STRVAR(fill_rows_doc,
"fill_rows(descriptor, names, columns, follow, patient, rows, first, last)\n--\n\n"
"Ask for the status of the open directory `descriptor` (row 0) and of entries in it, `names` with NULs between them (that\n"
"of row `first` is the first, or that of row 1), and put `columns` of it into the buffer `rows`: from row `first` to\n"
"`last`. What cannot be asked becomes INT64_MIN. Gives the row at which it has stopped, which is `last` unless asking\n"
"takes so long that threads pay, and it is not `patient`; and how many have failed.");

static PyObject *fill_rows(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    int descriptor, follow, patient, slow = 0, signalled = 0;
    Py_ssize_t row, last;
    PyObject *names;
    Py_buffer columns, buffer;
    if (!PyArg_ParseTuple(arguments, "iSy*ppw*nn", &descriptor, &names, &columns, &follow, &patient, &buffer, &row, &last))
        return NULL;
    struct rows rows = {descriptor, follow ? 0 : AT_SYMLINK_NOFOLLOW, 0, PyBytes_AsString(names), columns.buf, columns.len,
                        buffer.len / (8 * columns.len), 0, buffer.buf};
    for (Py_ssize_t column = 0; column < rows.width; column++)
        rows.mask |= MASKS[rows.columns[column]];
    while (row < last && !slow && !signalled) {
        Py_ssize_t end = last - row > SOME ? row + SOME : last;
        Py_BEGIN_ALLOW_THREADS
        double started = seconds();
        for (; row < end; row++)
            fill_row(&rows, row);
        slow = !patient && seconds() - started > SOME * SLOW * 1e-6;
        Py_END_ALLOW_THREADS
        signalled = PyErr_CheckSignals();
    }
    PyBuffer_Release(&columns);
    PyBuffer_Release(&buffer);
    return signalled ? NULL : Py_BuildValue("nn", row, rows.failures);
}

static PyMethodDef methods[] = {
    {"fill_rows", fill_rows, METH_VARARGS, fill_rows_doc},
    {NULL, NULL, 0, NULL},
};

static int add_constants(PyObject *module)
{
    return PyModule_AddIntConstant(module, "PROTOCOL", PROTOCOL);
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_constants}, {0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_status", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__status(void)
{
    return PyModuleDef_Init(&module);
}
