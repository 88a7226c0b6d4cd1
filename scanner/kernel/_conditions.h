/* Conditions on the status of an entry, all of which must hold: a value of it, masked, lies in one of several ranges.
   filters/conditions.py evaluates the same. No Python objects here; runs without the GIL. */

struct range {
    int64_t column, mask, least, most;
    int64_t is_last; /* of the ranges of its condition, one of which must hold the value */
};

struct conditions { /* none: each entry meets them. The ranges belong to the caller. */
    const struct range *ranges;
    size_t count;
    unsigned mask; /* what to request of statx */
};

/* Take the ranges in `size` bytes. Return whether each has a column, and the last one ends a condition. */
static inline int choose_conditions(struct conditions *conditions, const void *ranges, size_t size)
{
    *conditions = (struct conditions){.ranges = ranges, .count = size / sizeof(struct range)};
    for (size_t at = 0; at < conditions->count; at++) {
        if (conditions->ranges[at].column < 0 || conditions->ranges[at].column >= COLUMNS)
            return 0;
        conditions->mask |= COLUMN[conditions->ranges[at].column].mask;
    }
    return size % sizeof(struct range) == 0 && (uintptr_t)ranges % sizeof(int64_t) == 0 &&
           (conditions->count == 0 || conditions->ranges[conditions->count - 1].is_last);
}

/* Return whether an entry meets the conditions; -1: its status is unknown. */
static inline int meets(const struct conditions *conditions, int directory, const char *name, int flags)
{
    struct statx status;
    int in_range = 0;
    if (conditions->count == 0)
        return 1;
    if (!request_status(conditions->mask, directory, name, flags, &status))
        return -1;
    for (size_t at = 0; at < conditions->count; at++) {
        const struct range *range = conditions->ranges + at;
        int64_t value = value_of(&status, (enum column)range->column) & range->mask;
        in_range |= range->least <= value && value <= range->most;
        if (range->is_last && !in_range)
            return 0;
        in_range &= !range->is_last;
    }
    return 1;
}
