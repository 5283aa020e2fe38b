/* staging_held.c -- what scripts hold back, between two pieces. */
#include "pipeline/base/mem.h"
#include "pipeline/delivery/staging.h"

/* Not while they are a worker's: it has the stage. */
bool staging_holds(const struct staging *s)
{
    return s->stage && !TAILQ_EMPTY(&s->stage->held);
}

nsec staging_held_due(const struct staging *s, const struct delivery_host *h)
{
    if (!staging_holds(s))
        return NSEC_NEVER;
    return s->warm == h ? s->kept_due : s->env.loop->mono; /* at once: nobody knows what it is */
}

nsec staging_held_oldest(const struct staging *s)
{
    const struct stage_parcel *p;
    nsec oldest = s->env.loop->wall;

    if (!staging_holds(s))
        return oldest;
    TAILQ_FOREACH(p, &s->stage->held, line)
        oldest = p->known.oldest < oldest ? p->known.oldest : oldest;
    return oldest;
}

void staging_bring_held(struct staging *s, struct delivery *piece)
{
    struct transform_batch *t = &piece->transform;
    const struct stage_parcel *p;
    bool is_warm = s->warm == piece->host;

    s->warm = NULL; /* until the journal has what comes of it */
    if (!piece->is_piece)
        return;
    s->kept_count = 0;
    if (staging_holds(s))
        TAILQ_FOREACH(p, &s->stage->held, line) {
            const struct object o = {.first = p->known.first, .last = p->known.last, .oldest = p->known.oldest};

            s->kept = mem_grow(s->kept, s->kept_count + 1, sizeof(*s->kept));
            s->kept[s->kept_count++] = object_source_staged(&o, p->path, &p->mark);
        }
    t->held = s->kept;
    t->held_count = s->kept_count;
    t->held_records = s->kept_count ? stage_held_records(s->stage) : 0;
    t->cold = !is_warm;
}

/* Files that the journal knows no more go as those of settled parcels do. */
static void remove_replaced(struct staging *s)
{
    if (TAILQ_EMPTY(&s->stage->replaced))
        return;
    pthread_mutex_lock(&s->lock);
    TAILQ_CONCAT(&s->settled, &s->stage->replaced, line);
    pthread_mutex_unlock(&s->lock);
    delivery_loop_post(s->env.loop, &s->has_settled);
}

void staging_note_held(struct staging *s)
{
    const struct transform_batch *t = &s->piece->transform;

    s->warm = t->list && t->keeper ? s->piece->host : NULL;
    s->kept_due = t->held_due;
    remove_replaced(s);
}
