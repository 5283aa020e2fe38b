/* undo.c -- the end of bodies that nobody will complete.
 *
 * A body is not gone on with when it is cut smaller, when its records are given up, or when after a restart another one is
 * made of them. What it has left at the target (an upload and its ranges) is seen by nobody and may cost money, so a
 * few requests remove it, one body after the other, and the delivery is not done before. But an outage must not keep in the spool
 * what is safe in the backup: after UNDO_TRIES_MAX tries the log says what stays.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/impl.h"

#include <string.h>

static const struct attempt_ops OPS;

/* NULL: nobody here knows what to do with it: the stream has another sink now, or no backup. */
static struct target *target_of(const struct delivery *d, const struct unfinished_body *b)
{
    struct target *t = b->key.kind == PART_RECORDS ? d->host->destination : d->host->backup;

    if (!t || b->key.kind >= PART_UNDO || !t->ops->steps || !slice_is(buf_slice(&b->sink), t->ops->name))
        return NULL;
    return t;
}

static void forget(struct delivery *d, struct unfinished_body *b)
{
    unfinished_forget(&d->unfinished, b);
    delivery_progress_keep(d);
}

static void say_it_stays(const struct delivery *d, const struct unfinished_body *b, const struct sink_verdict *v)
{
    log_warn("what was sent of an object that is given up stays unfinished at the destination",
             KS("stream", settings_label(d->host->conf)), KB("sink", buf_slice(&b->sink)),
             KB("object", buf_slice(&b->name)), KS("code", v->code), KS("cause", v->message),
             KS("hint", "remove it there, or let a rule of the store remove unfinished uploads"));
}

static void begin(struct delivery *d, struct unfinished_body *b, struct target *t)
{
    struct attempt *s = mem_alloc(sizeof(*s));

    delivery_part_release(&d->parts[PART_UNDO]);
    d->parts[PART_UNDO] = s;
    d->undoing = b;
    attempt_init(s, &OPS, d, d->host->loop, t);
    s->in.codec = d->codec;
    s->undo = true;
    s->alone = unfinished_is_alone(&d->unfinished, b);
    attempt_queue(s);
}

void delivery_clear(struct delivery *d)
{
    struct unfinished_body *b;

    while (!delivery_is_under_way(d, PART_UNDO) && (b = unfinished_stale(&d->unfinished))) {
        struct target *t = target_of(d, b);

        if (t) {
            begin(d, b, t);
        } else {
            say_it_stays(d, b, &(struct sink_verdict){.message = "the stream has another destination now"});
            forget(d, b);
        }
    }
}

bool delivery_is_cleared(const struct delivery *d)
{
    return !d->progress_is_written && !unfinished_is_any(&d->unfinished) && !delivery_is_under_way(d, PART_UNDO);
}

/* Worker. */
static int make_nothing(struct attempt *s, struct worker *w)
{
    (void)w;
    s->out.body = encoder_body(&s->in);
    s->out.taken = 1;
    return 0;
}

static void made(struct attempt *s)
{
    const struct delivery *d = s->owner;
    struct unfinished_body *b = d->undoing;

    s->out.id = object_id(&d->whole.object, b->key.window);
    s->out.id.first = b->key.first;
    s->out.id.last = b->key.last;
    s->out.id.error_type = delivery_error_type(d, (enum delivery_part)b->key.kind);
    s->name = buf_slice(&b->name);
    s->progress = b;
}

static void judged(struct attempt *s, enum sink_outcome outcome)
{
    struct delivery *d = s->owner;
    struct unfinished_body *b = d->undoing;

    /* Where it cannot be asked for, more tries are of no use. */
    if (outcome != SINK_DELIVERED && !s->verdict.begin_anew && ++b->undo_tries < UNDO_TRIES_MAX) {
        (void)attempt_retry(s, NSEC_NEVER);
        return;
    }
    if (outcome != SINK_DELIVERED)
        say_it_stays(d, b, &s->verdict);
    d->undoing = NULL;
    s->progress = NULL;
    forget(d, b);
}

static void ended(void *owner)
{
    struct delivery *d = owner;

    d->ended(d);
}

static const struct attempt_ops OPS = {.encode = make_nothing, .encoded = made, .judged = judged, .ended = ended};
