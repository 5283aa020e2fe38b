#include "pipeline/delivery.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery_impl.h"

#include <assert.h>
#include <inttypes.h>

#define OBJECT_NAME_MAX 1536 /* S3 allows 1024; the rest of SEAL_NOTE_MAX is for format and codec */

/* Committer thread. */
static void on_seal_written(struct spool_wait *w, bool safe)
{
    struct delivery *d = CONTAINER_OF(w, struct delivery, sealed);

    assert(safe); /* the spool keeps a seal until it could be written */
    delivery_loop_post(d->st->loop, &d->sealed_event);
}

static void on_sealed(struct loop_event *ev)
{
    struct delivery *d = CONTAINER_OF(ev, struct delivery, sealed_event);

    d->safe = true;
    if (d->source)
        shipment_unhold(d->source);
    if (d->failed)
        shipment_unhold(d->failed);
    if (d->records)
        shipment_unhold(d->records);
    delivery_ended(d); /* nothing of it may be left to send */
}

static struct delivery *delivery_make(struct stream *st, const struct seal *seal)
{
    struct delivery *d = mem_alloc(sizeof(*d));

    d->st = st;
    d->seal = *seal;
    fates_init(&d->fates, seal->last - seal->first + 1);
    buf_init(&d->note_bytes, SEAL_NOTE_MAX);
    buf_init(&d->error_name, OBJECT_NAME_MAX);
    buf_init(&d->failed_name, OBJECT_NAME_MAX);
    buf_init(&d->source_name, OBJECT_NAME_MAX);
    d->sealed.done = on_seal_written;
    d->sealed_event.fn = on_sealed;
    delivery_transform_init(d);
    return d;
}

static void free_shipment(struct shipment **s)
{
    if (!*s)
        return;
    shipment_release(*s);
    MEM_CLEAR(*s);
}

void delivery_free(struct delivery **dp)
{
    struct delivery *d = *dp;

    if (!d)
        return;
    delivery_loop_at(d->st->loop, &d->transform_retry, NSEC_NEVER);
    if (d->budgeted)
        delivery_loop_give_memory(d->st->loop, d->budgeted);
    stage_transform_release(&d->transform);
    free_shipment(&d->records);
    free_shipment(&d->errors);
    free_shipment(&d->failed);
    free_shipment(&d->source);
    fates_release(&d->fates);
    fates_release(&d->source_fates);
    fates_release(&d->answer);
    mem_free(d->outcomes);
    buf_release(&d->note_bytes);
    buf_release(&d->error_name);
    buf_release(&d->failed_name);
    buf_release(&d->source_name);
    mem_free(d);
    *dp = NULL;
}

struct sink_seal_id delivery_id(const struct delivery *d)
{
    return (struct sink_seal_id){.first = d->seal.first, .last = d->seal.last, .oldest = d->seal.oldest};
}

/* An object's name. Options that make names too long are refused at start; should one slip through, its records are delivered all the
 * same, under a name that says where they belong. */
void delivery_name(const struct delivery *d, const struct target *t, const char *error_type, const char *extension,
                   struct buf *name)
{
    struct sink_seal_id id = delivery_id(d);
    struct err e;

    id.error_type = error_type;
    if (!t->ops->name_object || t->ops->name_object(t->state, &id, extension, name, &e) == 0)
        return;
    log_error("an object cannot be named as configured", KS("stream", t->stream), KE("cause", &e));
    buf_clear(name);
    if (buf_printf(name, "unnamed/%s-%" PRIu64 "-%" PRIu64 "%s", t->stream, id.first, id.last, extension) < 0)
        assert(!"a short name fits");
}

/* Fixes everything that shapes the object: its name, format and codec. */
static void write_note(struct delivery *d)
{
    const struct stream_settings *conf = d->st->conf;
    struct seal_note note = {.format = conf->format->name, .codec = conf->codec->name, .level = conf->codec_level};
    struct buf name;

    buf_init(&name, OBJECT_NAME_MAX);
    delivery_name(d, &d->st->destination, NULL, conf->codec->extension, &name);
    note.name = buf_slice(&name);
    buf_clear(&d->note_bytes);
    if (seal_note_write(&note, &d->note_bytes) < 0)
        assert(!"a note with a name of OBJECT_NAME_MAX fits");
    buf_release(&name);
}

static int read_note(struct delivery *d)
{
    struct seal_note note;

    if (seal_note_read(buf_slice(&d->note_bytes), &note) < 0)
        return -1;
    d->seal.note = buf_slice(&d->note_bytes);
    d->name = note.name;
    d->format = format_find(note.format);
    d->codec = codec_find(note.codec);
    d->level = note.level;
    return d->format && d->codec ? 0 : -1;
}

struct delivery *delivery_new(struct stream *st, const struct seal *seal, const struct spool_cursor *end)
{
    struct delivery *d = delivery_make(st, seal);

    write_note(d);
    if (read_note(d) < 0)
        assert(!"a note that was just written can be read");
    delivery_begin(d);
    spool_seal(st->spool, &d->seal, end, &d->sealed);
    return d;
}

struct delivery *delivery_restore(struct stream *st, const struct seal *seal)
{
    struct delivery *d = delivery_make(st, seal);

    if (buf_add_slice(&d->note_bytes, seal->note) < 0 || read_note(d) < 0) {
        /* Damaged, or written by a program that knew another codec or format: the range is kept, the rest is as configured now. */
        log_warn("a sealed batch of an earlier run has no readable note; it is delivered as configured now",
                 KS("stream", st->conf->name), KU("first", seal->first), KU("last", seal->last));
        write_note(d);
        if (read_note(d) < 0)
            assert(!"a note that was just written can be read");
    }
    d->safe = true;
    delivery_begin(d);
    return d;
}

static bool is_under_way(const struct shipment *s)
{
    return s && s->step != SHIPMENT_IDLE;
}

/* Fates belong to a worker while a shipment is being encoded, so they are asked last. */
bool delivery_is_done(const struct delivery *d)
{
    if (!d->safe || d->untransformed || is_under_way(d->records) || is_under_way(d->errors) ||
        is_under_way(d->failed) || is_under_way(d->source))
        return false;
    return d->fates.pending == 0 && (d->fates.refused == 0 || d->errors_shipped) && (!d->failed || d->failed_shipped) &&
           (!d->source || d->source_shipped);
}

struct seal_result delivery_result(const struct delivery *d)
{
    if (d->transform.list) {
        struct source_counts n = sources_count(&d->transform.sources);

        return (struct seal_result){
            .delivered = n.emitted, .dropped = n.dropped, .backed_up = n.backed_up, .corrupt = n.lost};
    }
    return (struct seal_result){
        .delivered = d->fates.delivered, .backed_up = d->fates.refused, .corrupt = d->fates.lost};
}
