#include "pipeline/delivery/delivery.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/impl.h"
#include "pipeline/delivery/seal_meta.h"

#include <assert.h>
#include <inttypes.h>

/* --- the end ------------------------------------------------------------------------------------------------------ */

static bool is_being_encoded(const struct attempt *s)
{
    return s && s->step == ATTEMPT_ENCODING;
}

struct outcomes *delivery_outcomes(struct delivery *d)
{
    assert(!is_being_encoded(d->parts[PART_RECORDS]) && !is_being_encoded(d->parts[PART_ERRORS]));
    return &d->outcomes;
}

/* Nothing is left to do for the records of this piece. Outcomes are asked last: while a body is made of them they are a worker's. */
static bool piece_is_done(struct delivery *d)
{
    if (d->work != WORK_SHIPPING || delivery_is_under_way(d, PART_RECORDS) || delivery_is_under_way(d, PART_ERRORS) ||
        delivery_is_under_way(d, PART_FAILED))
        return false;
    return outcomes_are_final(delivery_outcomes(d)) && (!d->transform.failed || d->failed_arrived);
}

static bool is_done(struct delivery *d)
{
    return d->sealing == SEAL_SAFE && piece_is_done(d) && !delivery_is_under_way(d, PART_SOURCE) &&
           outcomes_are_final(&d->source_outcomes);
}

void delivery_ended(void *owner)
{
    struct delivery *d = owner;
    struct delivery_host *h = d->host;

    if (piece_is_done(d))
        (void)delivery_next_piece(d);
    if (is_done(d))
        h->ops->done(h, d);
    h->ops->turn(h);
}

static struct seal_result records_of(const struct delivery *d)
{
    struct source_counts n;

    if (!d->host->line)
        return (struct seal_result){
            .delivered = d->outcomes.delivered, .backed_up = d->outcomes.backed_up, .corrupt = d->outcomes.lost};
    n = source_outcomes_count(&d->sources);
    return (struct seal_result){
        .delivered = n.emitted, .dropped = n.dropped, .backed_up = n.backed_up, .corrupt = n.lost};
}

struct seal_result delivery_result(const struct delivery *d)
{
    struct seal_result r = records_of(d);

    r.delivered_bytes = d->arrived_bytes;
    r.wire_bytes = d->wire_bytes;
    return r;
}

/* --- its life ------------------------------------------------------------------------------------------------------ */

/* Committer thread. The spool keeps a seal until it could be written. It gives up only when the program ends and the disk still
 * refuses: the loop has ended then, nothing was sent, and the records wait for the next run. */
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
    delivery_ended(d); /* nothing of it may be left to send */
}

static struct delivery *delivery_make(struct delivery_host *h, const struct seal *seal)
{
    struct delivery *d = mem_alloc(sizeof(*d));

    d->host = h;
    d->seal = *seal;
    d->whole = object_source_range(h->spool, seal, h->epoch);
    buf_init(&d->note_bytes, SEAL_META_MAX);
    for (size_t i = 0; i < PART_COUNT; i++)
        buf_init(&d->part_names[i], OBJECT_NAME_MAX);
    d->sealed.done = on_seal_written;
    d->sealed_event.fn = on_sealed;
    delivery_transform_init(d);
    return d;
}

void delivery_free(struct delivery **dp)
{
    struct delivery *d = *dp;

    if (!d)
        return;
    delivery_parts_release(d);
    delivery_transform_release(d);
    outcomes_release(&d->outcomes);
    outcomes_release(&d->source_outcomes);
    outcomes_release(&d->answer);
    mem_free(d->answered);
    buf_release(&d->note_bytes);
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
    if (h->conf->backup_all)
        delivery_ship(d, PART_SOURCE);
    if (h->line) {
        h->ops->wants_transform(h, d);
        return;
    }
    d->work = WORK_SHIPPING;
    outcomes_init(&d->outcomes, d->whole.count);
    delivery_ship(d, PART_RECORDS);
}

/* --- its name and note --------------------------------------------------------------------------------------------- */

/* Options that make names too long are refused at start; should one slip through, its records are delivered all the same, under a name that
 * says where they belong. */
void delivery_name(const struct delivery *d, const struct target *t, const struct sink_seal_id *id,
                   const char *extension, struct buf *name)
{
    struct err e;

    buf_clear(name);
    if (!t->ops->name_object || t->ops->name_object(t->state, id, extension, name, &e) == 0)
        return;
    log_error("an object cannot be named as configured", KS("stream", d->host->conf->name), KE("cause", &e));
    buf_clear(name);
    if (buf_printf(name, "unnamed/%s-%" PRIu64 "-%" PRIu64 "-%" PRIx64 "%s", d->host->conf->name, id->first, id->last,
                   id->window, extension) < 0)
        assert(!"a short name fits");
}

static void write_note_for(struct delivery *d, const char *format, const struct codec_ops *codec, int level)
{
    const struct object *o = &d->whole.object;
    struct seal_meta note = {
        .format = format, .codec = codec->name, .level = level, .epoch = o->epoch, .keys = o->keys};
    struct sink_seal_id id = object_id(o, 0);
    struct buf name;

    buf_init(&name, OBJECT_NAME_MAX);
    delivery_name(d, d->host->destination, &id, codec->extension, &name);
    note.name = buf_slice(&name);
    buf_clear(&d->note_bytes);
    if (seal_meta_write(&note, &d->note_bytes) < 0)
        assert(!"a note with a name of OBJECT_NAME_MAX fits");
    buf_release(&name);
}

/* Fixes everything that shapes the object: its name, format and codec. */
static void write_note(struct delivery *d)
{
    const struct stream_settings *conf = d->host->conf;

    write_note_for(d, conf->format->name, conf->codec, conf->codec_level);
}

/* Sealed for a destination that has no object names, and now there is one that has: it gets one, which follows from the seal
 * as every other. */
static bool lacks_name(const struct delivery *d)
{
    return d->name.n == 0 && d->host->destination->ops->name_object;
}

static int read_note(struct delivery *d)
{
    struct seal_meta note;

    if (seal_meta_read(buf_slice(&d->note_bytes), &note) < 0)
        return -1;
    d->seal.note = buf_slice(&d->note_bytes);
    d->name = note.name;
    d->format = format_find(note.format);
    d->codec = codec_find(note.codec);
    d->level = note.level;
    d->whole.object.epoch = note.epoch;
    d->whole.object.keys = note.keys;
    return d->format && d->codec ? 0 : -1;
}

struct delivery *delivery_new(struct delivery_host *h, const struct seal *seal, const struct spool_cursor *end)
{
    struct delivery *d = delivery_make(h, seal);

    write_note(d);
    if (read_note(d) < 0)
        assert(!"a note that was just written can be read");
    begin(d);
    h->ops->seal(h, &d->seal, end, &d->sealed);
    return d;
}

struct delivery *delivery_restore(struct delivery_host *h, const struct seal *seal)
{
    struct delivery *d = delivery_make(h, seal);

    if (buf_add_slice(&d->note_bytes, seal->note) < 0 || read_note(d) < 0) {
        /* Damaged, or written by a program that knew another codec or format: the range is kept, the rest is as configured now. */
        log_warn("a sealed batch of an earlier run has no readable note; it is delivered as configured now",
                 KS("stream", h->conf->name), KU("first", seal->first), KU("last", seal->last));
        d->whole.object.epoch = 0; /* the same at each start: the note is not written down again */
        write_note(d);
        if (read_note(d) < 0)
            assert(!"a note that was just written can be read");
    }
    if (lacks_name(d)) {
        write_note_for(d, d->format->name, d->codec, d->level);
        if (read_note(d) < 0)
            assert(!"a note that was just written can be read");
    }
    d->sealing = SEAL_SAFE;
    begin(d);
    return d;
}
