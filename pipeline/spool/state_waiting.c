/* What is asked of all readers of a log together. A record waits while it waits for one of them, so what waits is the union of what
 * waits for each (reader_state.h), and the oldest of it is the oldest of theirs. There are few readers, so all are looked through.
 * Where a record was copied to (move.c) is asked as well: of these runs there may be many, and they are searched by halves. */
#include "pipeline/spool/state.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

struct reader_state *spool_state_reader(const struct spool_state *st, const char *name)
{
    for (size_t i = 0; i < st->reader_count; i++)
        if (strcmp(st->readers[i]->name, name) == 0)
            return st->readers[i];
    return NULL;
}

struct reader_state *spool_state_add_reader(struct spool_state *st, const char *name, struct spool_cursor at,
                                            uint64_t bytes)
{
    if (st->reader_count == SPOOL_READERS_MAX)
        return NULL;
    return st->readers[st->reader_count++] = reader_state_new(name, at, bytes);
}

struct spool_cursor spool_state_beginning(const struct spool_state *st, uint64_t *bytes)
{
    struct spool_cursor least = {.seq = st->next};

    *bytes = st->bytes_in;
    for (size_t i = 0; i < st->reader_count; i++) {
        struct spool_cursor at;
        uint64_t before;

        if (reader_state_tail(st->readers[i], st->next, st->bytes_in, &at, &before) < least.seq) {
            least = at;
            *bytes = before;
        }
    }
    return least;
}

const struct reader_config *spool_state_config(const struct spool_state *st, const struct reader_state *r)
{
    return r->config.known ? &r->config : &st->config;
}

uint64_t spool_state_low_water(const struct spool_state *st)
{
    uint64_t least = st->next;

    for (size_t i = 0; i < st->reader_count; i++) {
        uint64_t seq = reader_state_low_water(st->readers[i], st->next);

        least = seq < least ? seq : least;
    }
    return least;
}

uint64_t spool_state_least_cut(const struct spool_state *st)
{
    uint64_t least = st->next;

    for (size_t i = 0; i < st->reader_count; i++) {
        const struct reader_state *r = st->readers[i];

        if (!reader_state_is_gone(r) && r->cut.seq < least)
            least = r->cut.seq;
    }
    return least;
}

size_t spool_state_seal_count(const struct spool_state *st)
{
    size_t count = 0;

    for (size_t i = 0; i < st->reader_count; i++)
        count += st->readers[i]->seal_count;
    return count;
}

uint64_t spool_state_staged_bytes(const struct spool_state *st)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < st->reader_count; i++)
        bytes += st->readers[i]->parcels.bytes;
    return bytes;
}

/* Of all readers' runs the one that begins first, and of those that begin there the longest. */
bool spool_state_unsettled(const struct spool_state *st, uint64_t seq, uint64_t *first, uint64_t *end)
{
    bool found = false;

    for (size_t i = 0; i < st->reader_count; i++) {
        uint64_t a, b;

        if (!reader_state_unsettled(st->readers[i], st->next, seq, &a, &b))
            continue;
        if (!found || a < *first || (a == *first && b > *end)) {
            *first = a;
            *end = b;
        }
        found = true;
    }
    return found;
}

uint64_t spool_state_waiting_count(const struct spool_state *st)
{
    uint64_t count = 0, first, end;

    if (st->reader_count == 1)
        return reader_state_waiting(st->readers[0], st->next);
    for (uint64_t seq = 1; spool_state_unsettled(st, seq, &first, &end); seq = end)
        count += end - first;
    for (size_t i = 0; i < st->reader_count; i++)
        count += st->readers[i]->parcels.records;
    return count < st->next ? count : st->next - 1; /* which records are staged by two readers nobody knows */
}

/* --- records that were copied forward ------------------------------------------------------------------------------- */

const struct moved_run *spool_state_moved_from(const struct spool_state *st, uint64_t seq)
{
    size_t low = 0, high = st->moved_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (st->moved[middle].end > seq)
            high = middle;
        else
            low = middle + 1;
    }
    return low < st->moved_count ? &st->moved[low] : NULL;
}

bool spool_state_waiting(const struct spool_state *st, uint64_t from, uint64_t end, uint64_t *first, uint64_t *upto)
{
    while (spool_state_unsettled(st, from, first, upto) && *first < end) {
        const struct moved_run *m = spool_state_moved_from(st, *first);

        if (m && m->first <= *first) {
            from = m->end;
            continue;
        }
        *upto = *upto < end ? *upto : end;
        *upto = m && m->first < *upto ? m->first : *upto;
        return true;
    }
    return false;
}

void spool_state_push_moved(struct spool_state *st, size_t index, const struct moved_run *m)
{
    if (st->moved_count == st->moved_room) {
        st->moved_room = st->moved_room ? 2 * st->moved_room : 8;
        st->moved = mem_grow(st->moved, st->moved_room, sizeof(*st->moved));
    }
    if (index < st->moved_count)
        memmove(st->moved + index + 1, st->moved + index, (st->moved_count - index) * sizeof(*m));
    st->moved[index] = *m;
    st->moved_count++;
}

/* The newest copy counts. Only what has no copy is copied, and a copy as a whole, so one that overlaps with an earlier one
 * replaces it whole. */
void spool_state_add_moved(struct spool_state *st, const struct moved_run *m)
{
    const struct moved_run *there = spool_state_moved_from(st, m->first);
    size_t index = there ? (size_t)(there - st->moved) : st->moved_count, end = index;

    while (end < st->moved_count && st->moved[end].first < m->end)
        end++;
    if (end > index)
        memmove(st->moved + index, st->moved + end, (st->moved_count - end) * sizeof(*m));
    st->moved_count -= end - index;
    spool_state_push_moved(st, index, m);
}

void spool_state_prune_moved(struct spool_state *st)
{
    size_t kept = 0;

    for (size_t i = 0; i < st->moved_count; i++) {
        uint64_t first, end;

        if (spool_state_unsettled(st, st->moved[i].first, &first, &end) && first < st->moved[i].end)
            st->moved[kept++] = st->moved[i];
    }
    st->moved_count = kept;
}
