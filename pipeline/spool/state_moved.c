/* Records that were copied forward (move.c), in the order of their numbers: runs, of which there may be many. They are searched
 * by halves. */
#include "pipeline/spool/state.h"

#include "pipeline/base/mem.h"

#include <string.h>

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
