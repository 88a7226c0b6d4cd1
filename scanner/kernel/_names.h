/* Filters by name: sets of whole names, endings and beginnings. No Python objects here.

   A word is found by the last (or first) bytes of a name, four at most: a hash table of short chains. The set does not
   own the text of its words, which must outlive it. `clear_names` frees everything else. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEADS 4096 /* the keys have 12 bits */

enum part { WHOLE_NAME, ENDING, BEGINNING, PARTS };

struct word {
    const char *start;
    size_t length;
    enum part part;
    uint32_t next; /* in its chain: index + 1; 0: end */
};

struct names {
    struct word *words;
    uint32_t count, heads[HEADS];
    unsigned char keys[PARTS]; /* bit set of the key lengths that occur */
};

static inline uint32_t key_of(const char *bytes, size_t length, enum part part)
{
    uint32_t key = (uint32_t)(part * 5 + length);
    for (size_t at = 0; at < length; at++)
        key = key * 0x01000193 ^ (unsigned char)bytes[at];
    return (key * 0x9E3779B1u) >> 20;
}

/* Add the words in `length` bytes of `text`, which are separated by NULs. Return 0 if memory is short. */
static inline int add_words(struct names *names, const char *text, size_t length, enum part part)
{
    for (size_t start = 0, end; start < length; start = end + 1) {
        const char *found = memchr(text + start, 0, length - start);
        end = found == NULL ? length : (size_t)(found - text);
        size_t size = end - start, bytes = size < 4 ? size : 4;
        if (size == 0)
            continue;
        if (names->count % 256 == 0) {
            struct word *words = realloc(names->words, (names->count + 256) * sizeof *words);
            if (words == NULL)
                return 0;
            names->words = words;
        }
        uint32_t key = key_of(part == BEGINNING ? text + start : text + end - bytes, bytes, part);
        struct word word = {.start = text + start, .length = size, .part = part, .next = names->heads[key]};
        names->words[names->count] = word;
        names->heads[key] = ++names->count;
        names->keys[part] |= (unsigned char)(1 << bytes);
    }
    return 1;
}

static inline int matches(const struct word *word, const char *name, size_t length)
{
    if (word->part == WHOLE_NAME ? word->length != length : word->length > length)
        return 0;
    return memcmp(word->part == BEGINNING ? name : name + length - word->length, word->start, word->length) == 0;
}

/* Return whether a word matches the name; NULL is the empty set. */
static inline int has_match(const struct names *names, const char *name, size_t length)
{
    for (int part = WHOLE_NAME; names != NULL && part < PARTS; part++) {
        for (size_t bytes = 1; bytes <= 4 && bytes <= length; bytes++) {
            if (!(names->keys[part] & (1 << bytes)))
                continue;
            uint32_t key = key_of(part == BEGINNING ? name : name + length - bytes, bytes, (enum part)part);
            for (uint32_t next = names->heads[key]; next; next = names->words[next - 1].next) {
                const struct word *word = &names->words[next - 1];
                if (word->part == (enum part)part && matches(word, name, length))
                    return 1;
            }
        }
    }
    return 0;
}

static inline void clear_names(struct names *names)
{
    if (names != NULL)
        free(names->words);
    free(names);
}
