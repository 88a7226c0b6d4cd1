/* Leaves of a table of SQLite: rows with consecutive numbers, as the file format describes them
   (https://www.sqlite.org/fileformat2.html, sections 1.6 and 2.1). No Python objects here; runs without the GIL.

       leaf: header | offsets of cells -> ... free ... <- cells
       cell: bytes of the record | number of the row | record
       record: bytes of its head | type of each value | values

   Errors: functions that can run out of memory return 0 for it. */

#define LEAF_HEADER 8
#define TABLE_LEAF 13
#define VARINT_BYTES 9

struct leaves {
    struct lines lines;   /* what is read, and the leaves made of it */
    const size_t *fields; /* columns; LETTER: the type, from column `mode` */
    size_t count, mode;
    size_t page_bytes, page, locked; /* number of the next page, and of one that holds no data */
    int64_t next;            /* number of the next row */
    int64_t *lasts;          /* numbers of the last rows of leaves */
    size_t leaf_count, leaf_room;
    int too_long; /* the next row does not fit on one page */
};

#define LETTER SIZE_MAX

/* Write a number of SQLite: seven bits a byte, the highest first; a ninth byte has eight. */
static unsigned char *put_varint(unsigned char *to, uint64_t value)
{
    unsigned char bytes[VARINT_BYTES];
    size_t count = 0;
    if (value >> 56) {
        for (int at = 8; at >= 0; at--) {
            to[at] = (unsigned char)(at == 8 ? value : value | 0x80);
            value >>= at == 8 ? 8 : 7;
        }
        return to + VARINT_BYTES;
    }
    do {
        bytes[count++] = (unsigned char)(value & 0x7F);
        value >>= 7;
    } while (value);
    while (count > 1)
        *to++ = bytes[--count] | 0x80;
    *to++ = bytes[0];
    return to;
}

/* Return how many bytes an integer takes; 0 for 0 and 1, which need none. */
static size_t integer_bytes(int64_t value)
{
    static const size_t sizes[] = {1, 2, 3, 4, 6};
    if (value == 0 || value == 1)
        return 0;
    for (size_t at = 0; at < sizeof sizes / sizeof *sizes; at++) {
        int64_t limit = (int64_t)1 << (8 * sizes[at] - 1);
        if (value >= -limit && value < limit)
            return sizes[at];
    }
    return 8;
}

static unsigned char *put_big_endian(unsigned char *to, int64_t value, size_t bytes)
{
    for (size_t at = bytes; at-- > 0; value >>= 8)
        to[at] = (unsigned char)value;
    return to + bytes;
}

static int is_utf8(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    while (at < end) {
        uint32_t code;
        size_t size = *at < 0x80 ? 1 : utf8_sequence(at, (size_t)(end - at), &code);
        if (size == 0)
            return 0;
        at += size;
    }
    return 1;
}

/* Write the record of the current row: the path, as a blob if it is not UTF-8, and the fields. There must be room. */
static unsigned char *put_record(const struct leaves *leaves, unsigned char *to, const char *path, size_t length)
{
    const struct lines *lines = &leaves->lines;
    unsigned char *head = to++; /* fewer than 128 bytes */
    to = put_varint(to, 2 * (uint64_t)length + (is_utf8(path, length) ? 13 : 12));
    for (size_t field = 0; field < leaves->count; field++) {
        size_t column = leaves->fields[field];
        int64_t value = lines->rows[(column == LETTER ? leaves->mode : column) * lines->size + lines->row];
        size_t bytes = integer_bytes(value);
        if (value == MISSING)
            *to++ = 0;
        else if (column == LETTER)
            *to++ = 13 + 2;
        else
            *to++ = (unsigned char)(bytes == 0 ? 8 + (size_t)value : bytes == 6 ? 5 : bytes == 8 ? 6 : bytes);
    }
    *head = (unsigned char)(to - head);
    to = (unsigned char *)put_text((char *)to, path, length);
    for (size_t field = 0; field < leaves->count; field++) {
        size_t column = leaves->fields[field];
        int64_t value = lines->rows[(column == LETTER ? leaves->mode : column) * lines->size + lines->row];
        if (value == MISSING)
            continue;
        if (column == LETTER)
            *to++ = (unsigned char)letter_of_mode(value);
        else
            to = put_big_endian(to, value, integer_bytes(value));
    }
    return to;
}

/* Fill one page with cells, and return whether it is full: another row follows. */
static int fill_leaf(struct leaves *leaves, unsigned char *page, unsigned char *cell)
{
    struct lines *lines = &leaves->lines;
    size_t count = 0, start = leaves->page_bytes, first_row = lines->row, first_at = lines->at;
    memset(page, 0, leaves->page_bytes);
    while (lines->row < lines->size && lines->at <= lines->paths_length) {
        const char *path = lines->paths + lines->at, *end = memchr(path, 0, lines->paths_length - lines->at);
        size_t length = end != NULL ? (size_t)(end - path) : lines->paths_length - lines->at;
        size_t most = VARINT_BYTES * (3 + leaves->count) + length; /* of a record */
        leaves->too_long = most > leaves->page_bytes - 35;
        if (leaves->too_long)
            break;
        unsigned char *record = cell + 2 * VARINT_BYTES;
        size_t bytes = (size_t)(put_record(leaves, record, path, length) - record);
        unsigned char *after = put_varint(put_varint(cell, bytes), (uint64_t)leaves->next + count);
        size_t whole = (size_t)(after - cell) + bytes;
        if (start - (LEAF_HEADER + 2 * count) < whole + 2) {
            page[0] = TABLE_LEAF;
            put_big_endian(page + 3, (int64_t)count, 2);
            put_big_endian(page + 5, (int64_t)start, 2);
            leaves->next += (int64_t)count;
            return 1;
        }
        start -= whole;
        memcpy(page + start, cell, (size_t)(after - cell));
        memcpy(page + start + (after - cell), record, bytes);
        put_big_endian(page + LEAF_HEADER + 2 * count++, (int64_t)start, 2);
        lines->at += length + 1;
        lines->row++;
    }
    lines->row = first_row;
    lines->at = first_at;
    return 0;
}

static int keep_last(struct leaves *leaves)
{
    if (leaves->leaf_count == leaves->leaf_room) {
        size_t room = 2 * leaves->leaf_room + 16;
        int64_t *lasts = realloc(leaves->lasts, room * sizeof *lasts);
        if (lasts == NULL)
            return 0;
        leaves->lasts = lasts;
        leaves->leaf_room = room;
    }
    leaves->lasts[leaves->leaf_count++] = leaves->next - 1;
    return 1;
}

/* Make full leaves, until the last one would not be full. Return 0 if memory runs out. */
static int fill_leaves(struct leaves *leaves)
{
    struct lines *lines = &leaves->lines;
    unsigned char *cell = malloc(leaves->page_bytes + 2 * VARINT_BYTES);
    int done = cell != NULL;
    while (done && (done = make_room(lines, 2 * leaves->page_bytes))) {
        unsigned char *page = (unsigned char *)lines->start + lines->used;
        int is_locked = leaves->page == leaves->locked;
        if (is_locked)
            memset(page, 0, leaves->page_bytes);
        if (!fill_leaf(leaves, page + (is_locked ? leaves->page_bytes : 0), cell))
            break;
        lines->used += leaves->page_bytes * (1 + (size_t)is_locked);
        leaves->page += 1 + (size_t)is_locked;
        done = keep_last(leaves);
    }
    free(cell);
    return done;
}
