/* delivery_shipments.c -- what a delivery sends: its records, those that were refused, those that failed, the sources. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery_impl.h"

#include <assert.h>

#define PROCESSING_FAILED "processing-failed" /* the error type of records that failed in a transform */

/* Workers. */
static int encode_records(struct shipment *s, struct worker *w)
{
    return stage_run(&s->in, w, &s->out);
}

static int encode_errors(struct shipment *s, struct worker *w)
{
    const struct delivery *d = s->owner;
    const struct stage_failure failure = {
        .error_type = target_error_prefix(&d->st->destination), .attempts = d->attempts, .ended = d->attempts_ended};

    return stage_errors(&s->in, &failure, w, &s->out);
}

/* The lines were written when the records failed. */
static int encode_failed(struct shipment *s, struct worker *w)
{
    const struct delivery *d = s->owner;
    const struct body *lines = d->transform.failed;
    char piece[16 * KIB];
    uint64_t at = 0;
    long n;

    s->out = (struct stage_out){.body = body_new(s->in.tmp_dir, BODY_MEMORY_MAX), .taken = d->transform.failed_lines};
    s->out.id = delivery_id(d);
    s->out.id.error_type = PROCESSING_FAILED;
    while ((n = body_read(lines, at, piece, sizeof(piece), &s->out.err)) > 0) {
        if (body_add(s->out.body, slice_of(piece, (size_t)n), &s->out.err) < 0)
            break;
        at += (uint64_t)n;
    }
    if (at == body_size(lines) && stage_digest(s->in.digests, w, &s->out) == 0)
        return 0;
    body_free(&s->out.body);
    return -1;
}

/* Delivery thread: an attempt is over, or a retry is due. */
void delivery_ended(void *owner)
{
    struct delivery *d = owner;
    struct stream *st = d->st;

    if (delivery_is_done(d))
        stream_delivery_ended(st, d);
    stream_pump(st);
}

static const struct shipment_ops records_ops = {
    .encode = encode_records, .judged = delivery_records_judged, .ended = delivery_ended};
static const struct shipment_ops errors_ops = {
    .encode = encode_errors, .judged = delivery_backup_judged, .ended = delivery_ended};
static const struct shipment_ops failed_ops = {
    .encode = encode_failed, .judged = delivery_backup_judged, .ended = delivery_ended};
static const struct shipment_ops source_ops = {
    .encode = encode_records, .judged = delivery_backup_judged, .ended = delivery_ended};

static struct shipment *new_shipment(struct delivery *d, const struct shipment_ops *ops, struct target *t,
                                     struct fates *f)
{
    struct shipment *s = mem_alloc(sizeof(*s));

    shipment_init(s, ops, d, d->st->loop, t);
    s->in.records = (struct stage_records){.spool = d->st->spool, .seal = &d->seal, .fates = f, .window = UINT64_MAX};
    s->in.format = d->format;
    s->in.codec = d->codec;
    s->in.level = d->level;
    s->encoding = d->codec->encoding;
    s->content_type = d->format->content_type;
    if (!d->safe)
        shipment_hold(s);
    return s;
}

/* A sink that shapes its own bodies answers for each record. */
static void let_the_sink_shape(struct delivery *d, struct shipment *s)
{
    const struct target *t = s->target;

    s->in.shaper = t->ops;
    s->in.sink = t->state;
    s->content_type = t->ops->content_type;
    d->outcomes = mem_array(d->fates.count, 1);
    d->sink_fates = (struct sink_fates){.outcome = d->outcomes, .refuse = delivery_refuse_in_answer};
    s->sink_fates = &d->sink_fates;
}

static void ship_source(struct delivery *d)
{
    struct target *backup = &d->st->backup;

    fates_init(&d->source_fates, d->fates.count);
    d->source = new_shipment(d, &source_ops, backup, &d->source_fates);
    delivery_name(d, backup, NULL, d->codec->extension, &d->source_name);
    d->source->name = buf_slice(&d->source_name);
    shipment_queue(d->source);
}

void delivery_ship_records(struct delivery *d)
{
    struct stream *st = d->st;

    d->records = new_shipment(d, &records_ops, &st->destination, &d->fates);
    d->records->name = d->name;
    d->records->metrics = &st->metrics;
    d->records->in.records.list = d->transform.list;
    d->records->in.records.sources = d->transform.list ? &d->transform.sources : NULL;
    if (st->destination.ops->record)
        let_the_sink_shape(d, d->records);
    shipment_queue(d->records);
}

void delivery_begin(struct delivery *d)
{
    if (d->st->conf->backup_all)
        ship_source(d);
    d->untransformed = d->st->line != NULL;
    if (d->untransformed)
        stream_wants_transform(d->st, d);
    else
        delivery_ship_records(d);
}

/* The refused records, to the backup. */
void delivery_ship_errors(struct delivery *d)
{
    struct stream *st = d->st;

    d->attempts_ended = st->loop->wall;
    d->errors = new_shipment(d, &errors_ops, &st->backup, &d->fates);
    d->errors->in.records = d->records->in.records;
    d->errors->in.shaper = d->records->in.shaper; /* for what it says of a record */
    d->errors->in.sink = d->records->in.sink;
    d->errors->encoding = NULL;
    d->errors->content_type = "application/x-ndjson";
    delivery_name(d, &st->backup, target_error_prefix(&st->destination), "", &d->error_name);
    d->errors->name = buf_slice(&d->error_name);
    shipment_queue(d->errors);
}

/* The records that failed in the transform, to the backup. */
void delivery_ship_failed(struct delivery *d)
{
    struct stream *st = d->st;

    d->failed = new_shipment(d, &failed_ops, &st->backup, &d->fates);
    d->failed->encoding = NULL;
    d->failed->content_type = "application/x-ndjson";
    delivery_name(d, &st->backup, PROCESSING_FAILED, "", &d->failed_name);
    d->failed->name = buf_slice(&d->failed_name);
    shipment_queue(d->failed);
}
