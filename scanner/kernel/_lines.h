/* Lines of entries: paths and columns through a table of pieces. No Python objects here; runs without the GIL.

       paths, joined by NULs --+
       columns (see status.py) +--> pieces, for each row --> lines

   A row that cannot be written exactly ends the call: a path that is not UTF-8 where JSON needs text, a clamped time.
   Python then writes its line. Errors: functions that can run out of memory return NULL for it. */

#include <sys/stat.h>

enum piece_kind { /* those from SIGNED on have a column */
    LITERAL, PATH, PATH_JSON, PATH_RAW_JSON, PATH_CSV, NAME_OF_PATH, PARENT_OF_PATH, SIGNED, UNSIGNED, TIME, DATE, TYPE,
    TYPE_JSON,
    /* of ncdu: the text, then the value, if it is one that ncdu takes */
    IF_POSITIVE, IF_DISK, IF_LINKS, IF_SPECIAL, IF_ID, IF_MODE, IF_SECONDS, WITH_UNSIGNED, PIECE_KINDS
};

static const char *const PIECE_NAMES[PIECE_KINDS] = {"literal", "path", "path_json", "path_raw_json", "path_csv",
                                                     "name", "parent", "signed", "unsigned", "time", "date", "type", "type_json",
                                                     "if_positive", "if_disk", "if_links", "if_special", "if_id", "if_mode",
                                                     "if_seconds", "with_unsigned"};

struct piece {
    enum piece_kind kind;
    size_t column;     /* of the value */
    const char *text;  /* the literal; otherwise that of a missing value; of ncdu's: what precedes the value */
    size_t length;
};

struct lines {
    const struct piece *pieces;
    size_t count; /* of them */
    const char *paths;
    size_t paths_length;
    const int64_t *rows; /* columns, one after the other */
    size_t size;         /* rows in a column */
    /* The state. */
    size_t row, at; /* of the next line; where its path begins */
    char *start;
    size_t used, room;
};

#define NUMBER_BYTES 21 /* of a 64-bit number, with its sign */
#define DATE_BYTES 20   /* 2026-11-30T02:10:00Z */
#define ESCAPED 6       /* bytes that a byte of a path may become */
#define DAY_SECONDS 86400
#define MISSING INT64_MIN /* NULL in fields.py; FIRST and LAST are the numbers after it and the last one */

static char *put_text(char *to, const char *text, size_t length)
{
    memcpy(to, text, length);
    return to + length;
}

/* Two digits at a time: a division takes longer than all else. */
static char *put_unsigned(char *to, uint64_t value)
{
    char digits[NUMBER_BYTES], *first = digits + sizeof digits;
    for (; value >= 100; value /= 100) {
        unsigned two = (unsigned)(value % 100);
        *--first = (char)('0' + two % 10);
        *--first = (char)('0' + two / 10);
    }
    *--first = (char)('0' + value % 10);
    if (value >= 10)
        *--first = (char)('0' + value / 10);
    return put_text(to, first, (size_t)(digits + sizeof digits - first));
}

static char *put_signed(char *to, int64_t value)
{
    if (value < 0)
        *to++ = '-';
    return put_unsigned(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static char *put_digits(char *to, int64_t value, int count)
{
    for (int at = count - 1; at >= 0; at--, value /= 10)
        to[at] = (char)('0' + value % 10);
    return to + count;
}

/* Write a time in UTC, to the second. Days to a date: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, 2013.
   64-bit nanoseconds lie between the years 1677 and 2262. */
static char *put_date(char *to, int64_t nanoseconds)
{
    int64_t seconds = nanoseconds / 1000000000 - (nanoseconds % 1000000000 < 0);
    int64_t day = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0), rest = seconds - day * DAY_SECONDS;
    int64_t since = day + 719468, era = since / 146097, of_era = since - era * 146097; /* from 0000-03-01 on */
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153, month = from_march < 10 ? from_march + 3 : from_march - 9;
    to = put_digits(to, year_of_era + era * 400 + (month <= 2), 4);
    *to++ = '-';
    to = put_digits(to, month, 2);
    *to++ = '-';
    to = put_digits(to, of_year - (153 * from_march + 2) / 5 + 1, 2);
    *to++ = 'T';
    to = put_digits(to, rest / 3600, 2);
    *to++ = ':';
    to = put_digits(to, rest / 60 % 60, 2);
    *to++ = ':';
    to = put_digits(to, rest % 60, 2);
    *to++ = 'Z';
    return to;
}

static char letter_of_mode(int64_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return 'f';
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    case S_IFBLK: return 'b';
    case S_IFCHR: return 'c';
    default: return '?';
    }
}

/* Return the length of the UTF-8 sequence at `text` and its code point; 0 if it is none, as Python decides. */
static size_t utf8_sequence(const unsigned char *text, size_t length, uint32_t *code)
{
    unsigned char first = text[0];
    size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (size == 0 || size > length)
        return 0;
    uint32_t value = size == 1 ? first : first & (0x7Fu >> size);
    for (size_t at = 1; at < size; at++) {
        if ((text[at] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (text[at] & 0x3Fu);
    }
    if (size == 3 && (value < 0x800 || (value >= 0xD800 && value < 0xE000)))
        return 0;
    if (size == 4 && (value < 0x10000 || value > 0x10FFFF))
        return 0;
    *code = value;
    return size;
}

/* Return whether terminals interpret a character: CONTROLS in producers/base.py. */
static int is_control(uint32_t code)
{
    return (code >= 0x7F && code < 0xA0) || code == 0x61C || code == 0x200E || code == 0x200F ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

static char *put_escaped(char *to, uint32_t code)
{
    static const char hex[] = "0123456789abcdef";
    to = put_text(to, "\\u", 2);
    for (int shift = 12; shift >= 0; shift -= 4)
        *to++ = hex[code >> shift & 15];
    return to;
}

/* Write a JSON string. Bytes that are not UTF-8 are written as they are if `raw`; otherwise return NULL for them. */
static char *put_json(char *to, const char *path, size_t length, int raw)
{
    static const char short_forms[] = "btn\0fr"; /* from \b on; \v has none */
    const unsigned char *from = (const unsigned char *)path, *end = from + length;
    *to++ = '"';
    while (from < end) {
        const unsigned char *plain = from;
        while (from < end && *from >= 0x20 && *from < 0x7F && *from != '"' && *from != '\\')
            from++;
        to = put_text(to, (const char *)plain, (size_t)(from - plain));
        if (from == end)
            break;
        uint32_t code = *from;
        size_t size = 1;
        if (code >= 0x80 && (size = utf8_sequence(from, (size_t)(end - from), &code)) == 0) {
            if (!raw)
                return NULL;
            *to++ = (char)*from++;
            continue;
        }
        if (code == '"' || code == '\\') {
            *to++ = '\\';
            *to++ = (char)code;
        } else if (code >= 8 && code <= 13 && short_forms[code - 8]) {
            *to++ = '\\';
            *to++ = short_forms[code - 8];
        } else if (code < 0x20 || is_control(code)) {
            to = put_escaped(to, code);
        } else {
            to = put_text(to, (const char *)from, size);
        }
        from += size;
    }
    *to++ = '"';
    return to;
}

/* Write a field of RFC 4180. */
static char *put_csv(char *to, const char *path, size_t length)
{
    int quoted = 0;
    for (size_t at = 0; at < length; at++)
        quoted |= path[at] == ',' || path[at] == '"' || path[at] == '\n' || path[at] == '\r';
    if (!quoted)
        return put_text(to, path, length);
    *to++ = '"';
    for (size_t at = 0; at < length; at++) {
        if (path[at] == '"')
            *to++ = '"';
        *to++ = path[at];
    }
    *to++ = '"';
    return to;
}

/* Write the name of a path, as os.path.basename does; a path without a name is its own. */
static char *put_name_of(char *to, const char *path, size_t length)
{
    size_t start = length;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return start == length ? put_text(to, path, length) : put_text(to, path + start, length - start);
}

/* Write what os.path.dirname returns. */
static char *put_parent_of(char *to, const char *path, size_t length)
{
    while (length > 0 && path[length - 1] != '/')
        length--;
    size_t bare = length;
    while (bare > 0 && path[bare - 1] == '/')
        bare--;
    return put_text(to, path, bare ? bare : length);
}

static char *put_path(char *to, enum piece_kind kind, const char *path, size_t length)
{
    switch (kind) {
    case PATH_JSON: return put_json(to, path, length, 0);
    case PATH_RAW_JSON: return put_json(to, path, length, 1);
    case PATH_CSV: return put_csv(to, path, length);
    case NAME_OF_PATH: return put_name_of(to, path, length);
    case PARENT_OF_PATH: return put_parent_of(to, path, length);
    default: return put_text(to, path, length);
    }
}

/* Write a value that is not missing. Return NULL for a clamped time. */
static char *put_value(char *to, enum piece_kind kind, int64_t value)
{
    if ((kind == TIME || kind == DATE) && (value == INT64_MIN + 1 || value == INT64_MAX))
        return NULL;
    switch (kind) {
    case UNSIGNED: return put_unsigned(to, (uint64_t)value);
    case DATE: return put_date(to, value);
    case TYPE: *to++ = letter_of_mode(value); return to;
    case TYPE_JSON:
        *to++ = '"';
        *to++ = letter_of_mode(value);
        *to++ = '"';
        return to;
    default: return put_signed(to, value);
    }
}

static char *put_named(char *to, const struct piece *piece, int64_t value)
{
    return put_signed(put_text(to, piece->text, piece->length), value);
}

/* Write what ncdu.py writes of a value, if anything. Return NULL for a missing value and for a clamped time. */
static char *put_of_ncdu(char *to, const struct piece *piece, int64_t value)
{
    if (value == MISSING)
        return NULL;
    switch (piece->kind) {
    case IF_DISK: return value > 0 ? put_named(to, piece, value > INT64_MAX / 512 ? INT64_MAX : 512 * value) : to;
    case IF_LINKS: return value > 1 ? put_named(to, piece, value) : to;
    case IF_SPECIAL: return S_ISREG(value) ? to : put_text(to, piece->text, piece->length);
    case IF_ID: return value >= 0 && value <= INT32_MAX ? put_named(to, piece, value) : to;
    case IF_MODE: return value >= 0 && value <= UINT16_MAX ? put_named(to, piece, value) : to;
    case IF_SECONDS:
        if (value == INT64_MIN + 1 || value == INT64_MAX)
            return NULL;
        return value >= 0 ? put_named(to, piece, value / 1000000000) : to;
    case WITH_UNSIGNED: return put_unsigned(put_text(to, piece->text, piece->length), (uint64_t)value);
    default: return value > 0 ? put_named(to, piece, value) : to;
    }
}

/* Write the line of the current row. Return where it ends; NULL if it cannot be written here. There must be room. */
static char *put_line(const struct lines *lines, char *to, const char *path, size_t length)
{
    for (const struct piece *piece = lines->pieces; to != NULL && piece < lines->pieces + lines->count; piece++) {
        if (piece->kind == LITERAL) {
            to = put_text(to, piece->text, piece->length);
        } else if (piece->kind < SIGNED) {
            to = put_path(to, piece->kind, path, length);
        } else {
            int64_t value = lines->rows[piece->column * lines->size + lines->row];
            if (piece->kind >= IF_POSITIVE)
                to = put_of_ncdu(to, piece, value);
            else
                to = value == MISSING ? put_text(to, piece->text, piece->length) : put_value(to, piece->kind, value);
        }
    }
    return to;
}

/* Return the most bytes that a line with a path of this length may have. */
static size_t line_bytes(const struct lines *lines, size_t length)
{
    size_t bytes = 0;
    for (const struct piece *piece = lines->pieces; piece < lines->pieces + lines->count; piece++) {
        if (piece->kind != LITERAL && piece->kind < SIGNED)
            bytes += ESCAPED * length + 2;
        else
            bytes += piece->length + NUMBER_BYTES;
    }
    return bytes;
}

static int make_room(struct lines *lines, size_t bytes)
{
    if (lines->room - lines->used >= bytes)
        return 1;
    size_t room = 2 * lines->room + bytes;
    char *start = realloc(lines->start, room);
    if (start == NULL)
        return 0;
    lines->start = start;
    lines->room = room;
    return 1;
}

/* Write lines until the last row, or until one that cannot be written here. Return 0 if memory runs out. */
static int put_lines(struct lines *lines)
{
    _Static_assert(DATE_BYTES <= NUMBER_BYTES, "room for a date");
    while (lines->row < lines->size && lines->at <= lines->paths_length) {
        const char *path = lines->paths + lines->at;
        const char *end = memchr(path, 0, lines->paths_length - lines->at);
        size_t length = end != NULL ? (size_t)(end - path) : lines->paths_length - lines->at;
        if (!make_room(lines, line_bytes(lines, length)))
            return 0;
        char *to = put_line(lines, lines->start + lines->used, path, length);
        if (to == NULL)
            break;
        lines->used = (size_t)(to - lines->start);
        lines->at += length + 1;
        lines->row++;
    }
    return 1;
}
