/* delivery.c -- a delivery from its seal to its end: what it begins with, and when it is done. Its steps are other
 * files', see impl.h. */
#include "pipeline/delivery/delivery.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/impl.h"

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Nothing is left to do for the records of this piece. Outcomes are asked last: while a body is made of them they are
 * a worker's. */
static bool piece_is_done(struct delivery *d)
{
    if (d->work != WORK_SHIPPING || delivery_is_under_way(d, PART_RECORDS) || delivery_is_under_way(d, PART_ERRORS) ||
        delivery_is_under_way(d, PART_FAILED))
        return false;
    return outcomes_are_final(delivery_outcomes(d)) && (!d->transform.failed || d->failed_arrived);
}

static bool records_are_done(struct delivery *d)
{
    return d->sealing == SEAL_SAFE && piece_is_done(d) && !delivery_is_under_way(d, PART_SOURCE) &&
           outcomes_are_final(&d->source_outcomes);
}

/* The one place where that is asked, after every event. */
static void ended(struct delivery *d)
{
    struct delivery_host *h = d->host;
    bool done;

    if (piece_is_done(d))
        (void)delivery_next_piece(d);
    done = records_are_done(d);
    if (done) /* what an earlier run had begun, and nobody has come to in this one */
        unfinished_abandon_all(&d->unfinished);
    delivery_clear(d);
    if (done && delivery_is_cleared(d))
        h->ops->done(h, d);
    h->ops->turn(h);
}

/* When all is final. */
static enum record_outcome final_outcome(const struct outcomes *f, uint64_t position)
{
    if (f->of)
        return outcomes_at(f, position);
    return f->delivered ? OUTCOME_DELIVERED : f->backed_up ? OUTCOME_BACKED_UP : OUTCOME_LOST; /* they share it */
}

/* Each source record is in the books with one of a parcel's records, which may be fewer than there are. */
static struct seal_result records_of_parcel(const struct delivery *d)
{
    const struct stage_parcel *p = d->parcel_of;
    const struct outcomes *f = p->kind == STAGE_RECORDS ? &d->outcomes : &d->source_outcomes;
    struct seal_result r = {.delivered = f->delivered, .backed_up = f->backed_up};

    if (p->kind == STAGE_SOURCES) /* these are copies */
        return (struct seal_result){0};
    if (d->counted.bits)
        r = (struct seal_result){0};
    for (uint64_t i = 0; i < d->counted.count; i++)
        if (outcomes_counted_has(&d->counted, i)) {
            r.delivered += final_outcome(f, i) == OUTCOME_DELIVERED;
            r.backed_up += final_outcome(f, i) == OUTCOME_BACKED_UP;
        }
    /* Damage may have taken a piece from the log that is in the file: then there are more of them than in the books. */
    r.delivered = r.delivered < p->known.records ? r.delivered : p->known.records;
    r.corrupt = p->known.records - r.delivered;
    r.backed_up = r.backed_up < r.corrupt ? r.backed_up : r.corrupt;
    r.corrupt -= r.backed_up;
    if (stage_is_of_failed(p->kind)) /* their place is the backup */
        r = (struct seal_result){.backed_up = r.delivered, .corrupt = r.corrupt};
    return r;
}

static struct seal_result records_of(const struct delivery *d)
{
    struct source_counts n;

    if (d->is_piece) /* it is in the journal */
        return (struct seal_result){0};
    if (d->parcel_of)
        return records_of_parcel(d);
    if (!d->host->line)
        return (struct seal_result){
            .delivered = d->outcomes.delivered, .backed_up = d->outcomes.backed_up, .corrupt = d->outcomes.lost};
    n = outcomes_source_count(&d->sources);
    return (struct seal_result){.delivered = n.emitted,
                                .dropped = n.dropped,
                                .unwanted = n.unwanted,
                                .backed_up = n.backed_up,
                                .corrupt = n.lost};
}

struct seal_result delivery_result(const struct delivery *d)
{
    struct seal_result r;

    if (d->returned)
        return (struct seal_result){.returned = d->whole.count};
    r = records_of(d);
    r.delivered_bytes = d->arrived_bytes;
    r.wire_bytes = d->wire_bytes;
    return r;
}

/* --- its life ------------------------------------------------------------------------------------------------------ */

/* Any thread. A seal that the journal refuses is not there, and none behind it will be (seal_journal.h): nothing was sent, and the
 * records wait for the next run. The spool refuses one only when the program ends and the disk still does not take it. */
static void on_seal_written(struct spool_wait *w, bool safe)
{
    struct delivery *d = CONTAINER_OF(w, struct delivery, sealed);

    if (safe)
        delivery_loop_post(d->host->loop, &d->sealed_event);
}

static void on_sealed(struct loop_event *ev)
{
    struct delivery *d = CONTAINER_OF(ev, struct delivery, sealed_event);

    d->sealing = SEAL_SAFE;
    delivery_parts_safe(d);
    ended(d); /* nothing of it may be left to send */
}

/* Parcels of different keys may have the same range of records, and batches of a source may count alike. So that their ids differ all the
 * same, the parcel's number, or the batch's salt, is in the epoch. */
static uint64_t epoch_with(uint64_t epoch, uint64_t number)
{
    uint64_t x = epoch ^ (number * 0x9e3779b97f4a7c15ULL);

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    x ^= x >> 31;
    return x ? x : 1;
}

static struct object_source source_of(const struct delivery_host *h, const struct seal *seal,
                                      const struct stage_parcel *p)
{
    struct object o;

    if (!p)
        return object_source_range(h->spool, seal, seal->salt ? epoch_with(h->epoch, seal->salt) : h->epoch);
    o = (struct object){.first = seal->first,
                        .last = seal->last,
                        .oldest = seal->oldest,
                        .epoch = epoch_with(h->epoch, p->known.number),
                        .keys = p->keys};
    return object_source_staged(&o, p->path, &p->mark);
}

/* Of which parcel; NULL: of none. */
static struct delivery *delivery_make(struct delivery_host *h, const struct seal *seal, struct stage_parcel *p)
{
    struct delivery *d = mem_alloc(sizeof(*d));

    d->host = h;
    d->ended = ended;
    d->seal = *seal;
    d->parcel_of = p;
    d->whole = source_of(h, seal, p);
    buf_init(&d->note_bytes, SEAL_META_MAX);
    for (size_t i = 0; i < PART_COUNT; i++)
        buf_init(&d->part_names[i], OBJECT_NAME_MAX);
    d->sealed.done = on_seal_written;
    d->sealed_event.fn = on_sealed;
    delivery_progress_init(d, seal->progress);
    d->seal.progress = slice_of(NULL, 0); /* the journal's, and only until the next */
    delivery_transform_init(d);
    return d;
}

void delivery_free(struct delivery **dp)
{
    struct delivery *d = *dp;

    if (!d)
        return;
    delivery_loop_forget(d->host->loop, &d->sealed_event);
    delivery_loop_forget(d->host->loop, &d->progress_event);
    delivery_parts_release(d);
    delivery_transform_release(d);
    outcomes_release(&d->outcomes);
    outcomes_release(&d->source_outcomes);
    outcomes_release(&d->answer);
    outcomes_counted_release(&d->counted);
    mem_free(d->answered);
    buf_release(&d->note_bytes);
    unfinished_release(&d->unfinished);
    for (size_t i = 0; i < PART_COUNT; i++)
        buf_release(&d->part_names[i]);
    mem_free(d);
    *dp = NULL;
}

/* The first step: the transform, or at once the records; with `backup: all` the sources. */
static void begin(struct delivery *d)
{
    struct delivery_host *h = d->host;

    d->piece = d->whole;
    if (h->conf->backup_all && !d->is_piece)
        delivery_ship(d, PART_SOURCE);
    if (h->line) {
        h->ops->wants_transform(h, d);
        return;
    }
    if (d->is_piece) {
        delivery_stage(d);
        return;
    }
    d->work = WORK_SHIPPING;
    outcomes_init(&d->outcomes, d->whole.count);
    delivery_ship(d, PART_RECORDS);
}

struct delivery *delivery_new(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end)
{
    struct delivery *d = delivery_make(h, seal, NULL);

    delivery_note_write(d);
    begin(d);
    h->ops->seal(h, &d->seal, end, &d->sealed);
    return d;
}

struct delivery *delivery_take_up(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end)
{
    struct delivery *d = delivery_make(h, seal, NULL);

    delivery_note_restore(d, seal->note);
    begin(d);
    h->ops->seal(h, &d->seal, end, &d->sealed);
    return d;
}

static bool give_up_parts(struct delivery *d)
{
    bool all = true;

    for (size_t i = 0; i < PART_COUNT; i++) {
        if (!d->parts[i])
            continue;
        if (attempt_give_up(d->parts[i]))
            delivery_part_release(&d->parts[i]);
        else
            all = false;
    }
    return all;
}

/* Nobody has anything of it but, perhaps, the journal its seal. */
static bool let_go(struct delivery *d)
{
    bool parts = give_up_parts(d);

    delivery_loop_at(d->host->loop, &d->transform_retry, NSEC_NEVER);
    return parts && d->transforming_since == 0 && !d->progress_is_written;
}

bool delivery_give_up(struct delivery *d)
{
    return let_go(d) && d->sealing == SEAL_SAFE;
}

bool delivery_give_back(struct delivery *d)
{
    d->returned = let_go(d);
    if (d->returned)
        delivery_end_turn(d);
    return d->returned;
}

void delivery_retry_now(struct delivery *d)
{
    struct delivery_loop *l = d->host->loop;

    for (size_t i = 0; i < PART_COUNT; i++) {
        struct attempt *s = d->parts[i];

        if (!s || s->step != ATTEMPT_WAITING)
            continue;
        s->failures = 0;
        delivery_loop_at(l, &s->slot.retry, l->mono);
    }
    if (d->work != WORK_PAUSED)
        return;
    d->transform_failures = 0;
    delivery_loop_at(l, &d->transform_retry, l->mono);
}

void delivery_was_held(struct delivery *d, nsec since)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        if (d->parts[i])
            target_was_held(&d->parts[i]->slot, since);
    if (d->partial_since)
        d->partial_since += d->host->loop->mono - (d->partial_since > since ? d->partial_since : since);
    if (d->held) /* what it would have tried meanwhile */
        delivery_loop_at(d->host->loop, &d->transform_retry, d->host->loop->mono);
    d->held = false;
}

struct delivery *delivery_restore(struct delivery_host *h, const struct seal *seal)
{
    struct delivery *d = delivery_make(h, seal, NULL);

    delivery_note_restore(d, seal->note);
    d->sealing = SEAL_SAFE;
    begin(d);
    return d;
}

/* --- pieces and parcels ---------------------------------------------------------------------------------------------- */

struct delivery *delivery_new_piece(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end)
{
    struct delivery *d = delivery_make(h, seal, NULL);

    d->is_piece = true;
    d->end = *end;
    d->sealing = SEAL_SAFE; /* there is none to wait for */
    begin(d);
    return d;
}

static struct delivery *make_of_parcel(struct delivery_host *h, struct stage_parcel *p, struct slice progress)
{
    const struct parcel *k = &p->known;
    const struct seal seal = {
        .first = k->first, .last = k->last, .bytes = p->mark.bytes, .oldest = k->oldest, .progress = progress};
    struct delivery *d = delivery_make(h, &seal, p);

    if (p->mark.count != k->records || p->mark.length != k->bytes)
        outcomes_counted_init(&d->counted, p->mark.count);
    return d;
}

static void begin_parcel(struct delivery *d)
{
    bool for_backup = d->parcel_of->kind != STAGE_RECORDS;

    d->piece = d->whole;
    d->work = WORK_SHIPPING;
    outcomes_init(&d->outcomes, for_backup ? 0 : d->whole.count);
    delivery_ship(d, for_backup ? PART_SOURCE : PART_RECORDS);
}

struct delivery *delivery_new_parcel(struct delivery_host *h, struct stage_parcel *p)
{
    struct delivery *d = make_of_parcel(h, p, slice_of(NULL, 0));
    struct buf note;

    delivery_note_write(d);
    begin_parcel(d);
    buf_init(&note, SEAL_META_MAX);
    stage_note_write(&(struct stage_note){p->kind, p->version, d->seal.note}, &note);
    h->ops->seal_parcel(h, p, buf_slice(&note), &d->sealed);
    buf_release(&note);
    return d;
}

struct delivery *delivery_restore_parcel(struct delivery_host *h, struct stage_parcel *p, struct slice note,
                                         struct slice progress)
{
    struct delivery *d = make_of_parcel(h, p, progress);

    d->whole.object.epoch = epoch_with(0, p->known.number);
    delivery_note_restore(d, stage_note_read(note).rest);
    d->sealing = SEAL_SAFE;
    begin_parcel(d);
    return d;
}
