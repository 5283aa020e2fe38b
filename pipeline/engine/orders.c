#include "pipeline/engine/orders.h"

#include "pipeline/base/human.h"
#include "pipeline/engine/impl.h"

#include <stdio.h>

/* Deliveries of one that is drained go on; but who waits for them does not wait for a pause. */
static bool obeys(const struct engine_stream *es, enum engine_order order)
{
    if (es->state == STATE_DRAINING || es->state == STATE_DRAINED)
        return order != ORDER_PAUSE;
    return es->state == STATE_OPEN || es->state == STATE_CHANGING;
}

/* NULL: there is none that obeys. It counts as being looked at until let_go(). */
static struct engine_stream *take(struct engine *en, const char *name, enum engine_order order, enum engine_obeyed *why)
{
    struct engine_stream *es;

    pthread_mutex_lock(&en->lock);
    es = engine_find(en, name);
    if (!es || !engine_sees(es))
        *why = ORDER_NO_STREAM;
    else if (!obeys(es, order))
        *why = ORDER_REFUSED;
    else
        *why = ORDER_DONE;
    if (*why != ORDER_DONE)
        es = NULL;
    else
        es->users++;
    pthread_mutex_unlock(&en->lock);
    return es;
}

static void let_go(struct engine *en, struct engine_stream *es)
{
    pthread_mutex_lock(&en->lock);
    es->users--;
    pthread_cond_broadcast(&en->changed);
    pthread_mutex_unlock(&en->lock);
}

static const char *when(const struct stream_status *s)
{
    return s->paused_since ? " when it is resumed" : " now";
}

static enum engine_obeyed pause_it(struct outlet *o, const struct stream_status *s, nsec wall_now, char *said,
                                   size_t size)
{
    if (outlet_pause(o, wall_now)) {
        snprintf(said, size,
                 "stream %s is paused: what is under way ends, then nothing is delivered until it is resumed, or "
                 "sluice starts again",
                 s->name);
    } else if (outlet_is_paused(o)) {
        snprintf(said, size, "stream %s was paused before", s->name);
    } else {
        snprintf(said, size, "stream %s ends: what it has in memory is delivered; nothing was done", s->name);
        return ORDER_REFUSED;
    }
    return ORDER_DONE;
}

static void resume_it(struct outlet *o, const struct stream_status *s, nsec wall_now, char *said, size_t size)
{
    snprintf(said, size, outlet_resume(o, wall_now) ? "stream %s delivers again" : "stream %s was not paused", s->name);
}

static enum engine_obeyed flush_it(struct outlet *o, const struct stream_status *s, char *said, size_t size)
{
    char n[HUMAN_MAX];

    if (s->at_source) {
        snprintf(said, size, "stream %s cannot be flushed: its batches are made where they are read (exactly_once)",
                 s->name);
        return ORDER_REFUSED;
    }
    if (s->books.spooled == 0)
        snprintf(said, size, "nothing waits in stream %s", s->name);
    else
        snprintf(said, size, "stream %s: of %s record%s in the spool, those in no batch yet are delivered%s", s->name,
                 human_count(s->books.spooled, n, sizeof(n)), noun_s(s->books.spooled), when(s));
    outlet_flush_now(o);
    return ORDER_DONE;
}

static void retry_it(struct outlet *o, const struct stream_status *s, char *said, size_t size)
{
    if (s->waiting_retry == 0 && !s->failing_since)
        snprintf(said, size, "nothing waits for a retry in stream %s", s->name);
    else
        snprintf(said, size, "stream %s: what waits for its next attempt is tried%s", s->name, when(s));
    outlet_retry_now(o);
}

enum engine_obeyed engine_give_order(struct engine *en, const char *name, enum engine_order order, nsec wall_now,
                                     char *said, size_t size)
{
    struct engine_stream *es;
    enum engine_obeyed obeyed;
    struct stream_status s;

    if (atomic_load(&en->stopping)) {
        snprintf(said, size, "sluice is stopping; nothing was done");
        return ORDER_STOPPING;
    }
    es = take(en, name, order, &obeyed);
    if (!es) {
        snprintf(said, size,
                 obeyed == ORDER_REFUSED ? "stream %s is being drained or removed; nothing was done"
                                         : "there is no stream %s",
                 name);
        return obeyed;
    }
    stream_status(es->stream, 0, wall_now, &s);
    if (order == ORDER_PAUSE)
        obeyed = pause_it(&es->stream->outlets[0], &s, wall_now, said, size);
    else if (order == ORDER_RESUME)
        resume_it(&es->stream->outlets[0], &s, wall_now, said, size);
    else if (order == ORDER_FLUSH)
        obeyed = flush_it(&es->stream->outlets[0], &s, said, size);
    else
        retry_it(&es->stream->outlets[0], &s, said, size);
    stream_status_release(&s);
    let_go(en, es);
    return obeyed;
}
