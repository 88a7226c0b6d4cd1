/* Names that some rule may leave out: whole ones, endings, beginnings. Each is found by the last (or first) bytes of a
   name, four at most: a table of chains, which are short. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEADS 4096

enum part { WHOLE_NAME, ENDING, BEGINNING, PARTS };

struct word {
    const char *start;
    size_t length;
    enum part part;
    uint32_t next; /* in its chain: number + 1; 0: none */
};

struct suspects {
    struct word *words;
    uint32_t count, heads[HEADS];
    unsigned char keys[PARTS]; /* which numbers of bytes there are, as bits */
};

static inline uint32_t key_of(const char *bytes, size_t length, enum part part)
{
    uint32_t key = (uint32_t)(part * 5 + length);
    for (size_t at = 0; at < length; at++)
        key = key * 0x01000193 ^ (unsigned char)bytes[at];
    return (key * 0x9E3779B1u) >> 20; /* 12 bits */
}

/* Take in `length` bytes of words with NULs between them, all of them of one kind; `text` must outlive the table. Whether
   there was memory. */
static inline int add_words(struct suspects *suspects, const char *text, size_t length, enum part part)
{
    for (size_t start = 0, end; start < length; start = end + 1) {
        const char *found = memchr(text + start, 0, length - start);
        end = found == NULL ? length : (size_t)(found - text);
        size_t size = end - start, bytes = size < 4 ? size : 4;
        if (size == 0)
            continue;
        if (suspects->count % 256 == 0) {
            struct word *words = realloc(suspects->words, (suspects->count + 256) * sizeof *words);
            if (words == NULL)
                return 0;
            suspects->words = words;
        }
        uint32_t key = key_of(part == BEGINNING ? text + start : text + end - bytes, bytes, part);
        suspects->words[suspects->count] = (struct word){text + start, size, part, suspects->heads[key]};
        suspects->heads[key] = ++suspects->count;
        suspects->keys[part] |= (unsigned char)(1 << bytes);
    }
    return 1;
}

static inline int is_part(const struct word *word, const char *name, size_t length)
{
    if (word->part == WHOLE_NAME ? word->length != length : word->length > length)
        return 0;
    return memcmp(word->part == BEGINNING ? name : name + length - word->length, word->start, word->length) == 0;
}

static inline int is_suspect(const struct suspects *suspects, const char *name, size_t length)
{
    for (int part = WHOLE_NAME; part < PARTS; part++) {
        for (size_t bytes = 1; bytes <= 4 && bytes <= length; bytes++) {
            if (!(suspects->keys[part] & (1 << bytes)))
                continue;
            uint32_t key = key_of(part == BEGINNING ? name : name + length - bytes, bytes, (enum part)part);
            for (uint32_t next = suspects->heads[key]; next; next = suspects->words[next - 1].next) {
                const struct word *word = &suspects->words[next - 1];
                if (word->part == (enum part)part && is_part(word, name, length))
                    return 1;
            }
        }
    }
    return 0;
}
