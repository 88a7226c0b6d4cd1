/* Lists of ncdu: the directories of a run, each with its entries, by the pieces of _lines.h. What ncdu.py does in Python.
   No Python objects here; runs without the GIL.

       paths of directories ------+
       names of files and links --+--> pieces, for each row --> lines, with the brackets of lists
       columns, by directory -----+

   A row that cannot be written exactly ends the call: Python then writes the whole run. */

struct lists {
    struct lines lines;          /* its paths are those of the directories */
    const struct piece *own;     /* of the line of a directory in its own list */
    const struct piece *file;
    size_t own_count, file_count;
    const char *links, *links_end, *files, *files_end; /* names of a directory end with NULs, the last one with a slash */
    const int32_t *counts;       /* of each directory: files, links */
    size_t directories;
    size_t root_length;          /* bytes of a path before what lies below the root */
    size_t depth;                /* of the directory before, plus one */
};

enum outcome { OUT_OF_MEMORY, ONLY_IN_PYTHON, NO_FIT, DONE };

/* Return the next name in joined ones, and move behind it. */
static const char *take_name(const char **from, const char *end, size_t *length)
{
    const char *name = *from, *at = name;
    while (at < end && *at != 0 && *at != '/')
        at++;
    *length = (size_t)(at - name);
    *from = at < end ? at + 1 : at;
    return name;
}

/* Write `before`, the line of the current row, and `after`. */
static enum outcome put_row(struct lists *lists, int own, const char *before, const char *name, size_t length, const char *after)
{
    struct lines *lines = &lists->lines;
    lines->pieces = own ? lists->own : lists->file;
    lines->count = own ? lists->own_count : lists->file_count;
    if (lines->row >= lines->size)
        return NO_FIT;
    if (!make_room(lines, strlen(before) + line_bytes(lines, length) + strlen(after)))
        return OUT_OF_MEMORY;
    char *to = put_line(lines, put_text(lines->start + lines->used, before, strlen(before)), name, length);
    if (to == NULL)
        return ONLY_IN_PYTHON;
    lines->used = (size_t)(put_text(to, after, strlen(after)) - lines->start);
    lines->row++;
    return DONE;
}

/* Close the lists of directories that do not contain `path`, and open its own. */
static enum outcome open_list(struct lists *lists, const char *path, size_t length)
{
    size_t depth = length > lists->root_length, start = 0; /* of its name; that of the root is its path */
    for (size_t at = lists->root_length; at < length; at++)
        depth += path[at] == '/';
    for (size_t at = 0; depth && at < length; at++)
        start = path[at] == '/' ? at + 1 : start;
    if (lists->depth > depth) {
        size_t ended = lists->depth - depth;
        if (!make_room(&lists->lines, ended))
            return OUT_OF_MEMORY;
        memset(lists->lines.start + lists->lines.used, ']', ended);
        lists->lines.used += ended;
    }
    lists->depth = depth + 1;
    return put_row(lists, 1, depth ? ",\n[" : "[", path + start, length - start, "");
}

/* Write the lines of names in a directory. */
static enum outcome put_names(struct lists *lists, int own, int32_t count, const char **from, const char *end)
{
    enum outcome outcome = DONE;
    size_t length = 0;
    if (count == 0)
        take_name(from, end, &length); /* an empty one */
    if (count < 0 || length > 0)
        return NO_FIT;
    for (int32_t number = 0; number < count && outcome == DONE; number++) {
        const char *name = take_name(from, end, &length);
        outcome = own ? put_row(lists, own, ",\n[", name, length, "]") : put_row(lists, own, "", name, length, "");
    }
    return outcome;
}

/* Write all lists of a run, but for the ends of those that are open at its end. */
static enum outcome put_lists(struct lists *lists)
{
    struct lines *lines = &lists->lines;
    enum outcome outcome = DONE;
    for (size_t number = 0; number < lists->directories && outcome == DONE; number++) {
        if (lines->at > lines->paths_length)
            return NO_FIT;
        const char *path = lines->paths + lines->at, *end = memchr(path, 0, lines->paths_length - lines->at);
        size_t length = end != NULL ? (size_t)(end - path) : lines->paths_length - lines->at;
        lines->at += length + 1;
        outcome = open_list(lists, path, length);
        if (outcome == DONE)
            outcome = put_names(lists, 0, lists->counts[2 * number], &lists->files, lists->files_end);
        if (outcome == DONE)
            outcome = put_names(lists, 1, lists->counts[2 * number + 1], &lists->links, lists->links_end);
    }
    int fits = lines->row == lines->size && lists->files == lists->files_end && lists->links == lists->links_end;
    return outcome == DONE && !fits ? NO_FIT : outcome;
}
