#include "pipeline/engine/orders.h"

#include "pipeline/base/human.h"
#include "pipeline/engine/impl.h"

#include <stdio.h>
#include <string.h>

/* Deliveries of one that is drained go on; but who waits for them does not wait for a pause. */
static bool obeys(const struct engine_stream *es, enum engine_order order)
{
    if (es->state == STATE_DRAINING || es->state == STATE_DRAINED)
        return order != ORDER_PAUSE;
    return es->state == STATE_OPEN || es->state == STATE_CHANGING;
}

/* Which of the streams' destinations are meant: `name` is the stream's, for all of them, or STREAM:DESTINATION. */
struct meant {
    struct engine_stream *es;
    struct outlet *outlets;
    size_t count;
    const char *name; /* as it was asked for */
};

static struct engine_stream *find(struct engine *en, const char *name, struct meant *out)
{
    const char *colon = strchr(name, ':');
    size_t n = colon ? (size_t)(colon - name) : strlen(name);
    char stream[STREAM_NAME_MAX + 1];

    out->name = name;
    if (n > STREAM_NAME_MAX)
        return out->es = NULL;
    snprintf(stream, sizeof(stream), "%.*s", (int)n, name);
    out->es = engine_find(en, stream);
    if (!out->es || !engine_sees(out->es))
        return out->es = NULL;
    out->outlets = out->es->stream->outlets;
    out->count = out->es->stream->outlet_count;
    for (size_t i = 0; colon && i < out->es->stream->outlet_count; i++)
        if (strcmp(settings_label(out->outlets[i].conf), name) == 0) {
            out->outlets += i;
            out->count = 1;
            return out->es;
        }
    return colon ? out->es = NULL : out->es;
}

/* False: there is none that obeys. Else it counts as being looked at until let_go(). */
static bool take(struct engine *en, const char *name, enum engine_order order, struct meant *out,
                 enum engine_obeyed *why)
{
    pthread_mutex_lock(&en->lock);
    if (!find(en, name, out))
        *why = ORDER_NO_STREAM;
    else if (!obeys(out->es, order))
        *why = ORDER_REFUSED;
    else
        *why = ORDER_DONE;
    if (*why == ORDER_DONE)
        out->es->users++;
    pthread_mutex_unlock(&en->lock);
    return *why == ORDER_DONE;
}

static void let_go(struct engine *en, struct engine_stream *es)
{
    pthread_mutex_lock(&en->lock);
    es->users--;
    pthread_cond_broadcast(&en->changed);
    pthread_mutex_unlock(&en->lock);
}

/* Of all that are meant. */
struct standing {
    bool paused; /* one of them */
    uint64_t spooled, waiting_retry;
    bool failing;
};

static struct standing look(const struct meant *m, nsec wall_now)
{
    struct standing all = {.paused = false};

    for (size_t i = 0; i < m->count; i++) {
        struct stream_status s;

        outlet_status(&m->outlets[i], wall_now, &s);
        all.paused |= s.paused_since != 0;
        all.spooled = s.books.spooled > all.spooled ? s.books.spooled : all.spooled;
        all.waiting_retry += s.waiting_retry;
        all.failing |= s.failing_since != 0;
        stream_status_release(&s);
    }
    return all;
}

static const char *when(const struct standing *s)
{
    return s->paused ? " when it is resumed" : " now";
}

static enum engine_obeyed pause_it(const struct meant *m, nsec wall_now, char *said, size_t size)
{
    bool begun = false, is = false;

    for (size_t i = 0; i < m->count; i++) {
        begun = outlet_pause(&m->outlets[i], wall_now) || begun;
        is = is || outlet_is_paused(&m->outlets[i]);
    }
    if (begun) {
        snprintf(said, size,
                 "stream %s is paused: what is under way ends, then nothing is delivered until it is resumed, or "
                 "sluice starts again",
                 m->name);
    } else if (is) {
        snprintf(said, size, "stream %s was paused before", m->name);
    } else {
        snprintf(said, size, "stream %s ends: what it has in memory is delivered; nothing was done", m->name);
        return ORDER_REFUSED;
    }
    return ORDER_DONE;
}

static void resume_it(const struct meant *m, nsec wall_now, char *said, size_t size)
{
    bool begun = false;

    for (size_t i = 0; i < m->count; i++)
        begun = outlet_resume(&m->outlets[i], wall_now) || begun;
    snprintf(said, size, begun ? "stream %s delivers again" : "stream %s was not paused", m->name);
}

static enum engine_obeyed flush_it(const struct meant *m, const struct standing *s, char *said, size_t size)
{
    char n[HUMAN_MAX];

    if (m->es->conf->at_source) {
        snprintf(said, size, "stream %s cannot be flushed: its batches are made where they are read (exactly_once)",
                 m->name);
        return ORDER_REFUSED;
    }
    if (s->spooled == 0)
        snprintf(said, size, "nothing waits in stream %s", m->name);
    else
        snprintf(said, size, "stream %s: of %s record%s in the spool, those in no batch yet are delivered%s", m->name,
                 human_count(s->spooled, n, sizeof(n)), noun_s(s->spooled), when(s));
    for (size_t i = 0; i < m->count; i++)
        outlet_flush_now(&m->outlets[i]);
    return ORDER_DONE;
}

static void retry_it(const struct meant *m, const struct standing *s, char *said, size_t size)
{
    if (s->waiting_retry == 0 && !s->failing)
        snprintf(said, size, "nothing waits for a retry in stream %s", m->name);
    else
        snprintf(said, size, "stream %s: what waits for its next attempt is tried%s", m->name, when(s));
    for (size_t i = 0; i < m->count; i++)
        outlet_retry_now(&m->outlets[i]);
}

enum engine_obeyed engine_give_order(struct engine *en, const char *name, enum engine_order order, nsec wall_now,
                                     char *said, size_t size)
{
    enum engine_obeyed obeyed;
    struct standing s;
    struct meant m;

    if (atomic_load(&en->stopping)) {
        snprintf(said, size, "sluice is stopping; nothing was done");
        return ORDER_STOPPING;
    }
    if (!take(en, name, order, &m, &obeyed)) {
        snprintf(said, size,
                 obeyed == ORDER_REFUSED ? "stream %s is being drained or removed; nothing was done"
                                         : "there is no stream %s",
                 name);
        return obeyed;
    }
    s = look(&m, wall_now);
    if (order == ORDER_PAUSE)
        obeyed = pause_it(&m, wall_now, said, size);
    else if (order == ORDER_RESUME)
        resume_it(&m, wall_now, said, size);
    else if (order == ORDER_FLUSH)
        obeyed = flush_it(&m, &s, said, size);
    else
        retry_it(&m, &s, said, size);
    let_go(en, m.es);
    return obeyed;
}
