/* Parcels stand in an array in the order of their numbers and are found by halving: new ones come at its end, and any of them may go, the older
 * ones first as a rule. So the side of the array that is shorter closes the gap: the list begins somewhere in its memory. Of
 * a note and of progress the parcel shows what its entry owns. */
#include "pipeline/spool/parcels.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

static void forget(struct pending_parcel *p)
{
    mem_free(p->note);
    mem_free(p->progress);
}

void parcels_release(struct parcels *p)
{
    for (size_t i = 0; i < p->count; i++)
        forget(&p->list[i]);
    mem_free(p->all);
    *p = (struct parcels){0};
}

/* Where it is, or would be. */
static size_t place_of(const struct parcels *p, uint64_t number)
{
    size_t low = 0, high = p->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (p->list[middle].parcel.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct pending_parcel *parcels_find(const struct parcels *p, uint64_t number)
{
    size_t at = place_of(p, number);

    return at < p->count && p->list[at].parcel.number == number ? &p->list[at] : NULL;
}

void parcels_copy(char **own, struct slice *shown, struct slice from)
{
    mem_free(*own);
    *own = from.n ? mem_alloc(from.n) : NULL;
    if (from.n)
        memcpy(*own, from.p, from.n);
    *shown = slice_of(*own, from.n);
}

/* For one more at the end. */
static void make_room(struct parcels *p)
{
    size_t begin = p->all ? (size_t)(p->list - p->all) : 0;

    if (begin + p->count < p->room)
        return;
    if (begin > p->count) {
        memcpy(p->all, p->list, p->count * sizeof(*p->list));
        p->list = p->all;
        return;
    }
    p->room = p->room ? 2 * p->room : 8;
    p->all = mem_grow(p->all, p->room, sizeof(*p->all));
    p->list = p->all + begin;
}

static struct pending_parcel *insert(struct parcels *p, uint64_t number)
{
    size_t at = place_of(p, number);

    make_room(p);
    memmove(p->list + at + 1, p->list + at, (p->count - at) * sizeof(*p->list));
    p->list[at] = (struct pending_parcel){.parcel = {.number = number, .oldest = NSEC_NEVER}};
    p->count++;
    p->next = p->next > number ? p->next : number;
    return &p->list[at];
}

bool parcels_can_add(const struct parcels *p, const struct staged_part *part)
{
    const struct pending_parcel *to = parcels_find(p, part->parcel);

    return !to || (!to->parcel.sealed && part->bytes >= to->parcel.bytes);
}

void parcels_add(struct parcels *p, const struct staged_part *part, uint64_t first, uint64_t last)
{
    struct pending_parcel *to = parcels_find(p, part->parcel);

    if (!to) {
        to = insert(p, part->parcel);
        to->parcel.first = first;
    }
    if (part->note.n)
        parcels_copy(&to->note, &to->parcel.note, part->note);
    p->bytes += part->bytes - to->parcel.bytes;
    p->records += part->records;
    to->parcel.bytes = part->bytes;
    to->parcel.records += part->records;
    to->parcel.first = first < to->parcel.first ? first : to->parcel.first;
    to->parcel.last = last;
    to->parcel.oldest = part->oldest < to->parcel.oldest ? part->oldest : to->parcel.oldest;
}

void parcels_seal(struct pending_parcel *p, struct slice note)
{
    p->parcel.sealed = true;
    parcels_copy(&p->note, &p->parcel.note, note);
}

void parcels_set_progress(struct pending_parcel *p, struct slice progress)
{
    parcels_copy(&p->progress, &p->parcel.progress, progress);
}

void parcels_remove(struct parcels *p, struct pending_parcel *one)
{
    size_t before = (size_t)(one - p->list), behind = p->count - before - 1;

    p->bytes -= one->parcel.bytes;
    p->records -= one->parcel.records;
    forget(one);
    if (before < behind) {
        memmove(p->list + 1, p->list, before * sizeof(*one));
        p->list++;
    } else {
        memmove(one, one + 1, behind * sizeof(*one));
    }
    p->count--;
}

bool parcels_oldest(const struct parcels *p, nsec *oldest)
{
    bool found = false;

    *oldest = NSEC_NEVER;
    for (size_t i = 0; i < p->count; i++) {
        if (p->list[i].settling)
            continue;
        found = true;
        *oldest = p->list[i].parcel.oldest < *oldest ? p->list[i].parcel.oldest : *oldest;
    }
    return found;
}

size_t parcels_without_records(const struct parcels *p)
{
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++)
        count += !p->list[i].settling && p->list[i].parcel.records == 0;
    return count;
}

/* --- in bytes ----------------------------------------------------------------------------------------------------- */

void parcels_put_part(struct wire_out *o, const struct staged_part *part)
{
    wire_put_u64(o, part->parcel);
    wire_put_u64(o, part->bytes);
    wire_put_u64(o, part->records);
    wire_put_u64(o, (uint64_t)part->oldest);
    wire_put_bytes(o, part->note);
}

struct staged_part parcels_get_part(struct wire_in *in)
{
    struct staged_part part;

    part.parcel = wire_u64(in);
    part.bytes = wire_u64(in);
    part.records = wire_u64(in);
    part.oldest = (nsec)wire_u64(in);
    part.note = wire_bytes(in);
    in->failed |= part.parcel == 0 || part.parcel == UINT64_MAX || part.note.n > SEAL_META_MAX;
    return part;
}

void parcels_encode(const struct parcels *p, struct wire_out *o)
{
    wire_put_u64(o, p->next);
    wire_put_u32(o, (uint32_t)p->count);
    for (size_t i = 0; i < p->count; i++) {
        const struct parcel *one = &p->list[i].parcel;
        struct staged_part all = {one->number, one->bytes, one->records, one->oldest, one->note};

        parcels_put_part(o, &all);
        wire_put_u64(o, one->first);
        wire_put_u64(o, one->last);
        wire_put_u8(o, one->sealed);
        wire_put_bytes(o, one->progress);
    }
}

bool parcels_decode(struct parcels *p, struct wire_in *in)
{
    uint64_t next = wire_u64(in), number = 0;

    for (uint32_t count = wire_u32(in); count && !in->failed; count--) {
        struct staged_part all = parcels_get_part(in);
        uint64_t first = wire_u64(in), last = wire_u64(in);
        bool sealed = wire_u8(in);
        struct slice progress = wire_bytes(in);
        struct pending_parcel *one;

        if (in->failed || all.parcel <= number || all.parcel > next || last < first || progress.n > SEAL_PROGRESS_MAX)
            return false;
        parcels_add(p, &all, first, last);
        number = all.parcel;
        one = parcels_find(p, number);
        one->parcel.sealed = sealed;
        parcels_set_progress(one, progress);
    }
    p->next = next;
    return !in->failed;
}
