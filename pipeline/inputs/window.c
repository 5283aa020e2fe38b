/* Frames become safe in the order in which they were appended, or are refused together with all behind them. So a ring of what is on
 * its way, looked at from its front, is all the book there is to keep.
 *
 * One race matters. A frame that is appended just when the one before it is refused could become safe alone, with a position
 * behind a gap. So a frame is appended under the window's lock, and only when nothing was refused: the spool refuses everything
 * until it has called `done` for all that it has refused, and `done` takes the lock. */
#include "pipeline/inputs/window.h"

#include <assert.h>

void window_init(struct window *w, const struct window_conf *conf)
{
    *w = (struct window){.conf = *conf};
    w->conf.records = conf->records ? conf->records : WINDOW_RECORDS_DEFAULT;
    w->conf.bytes = conf->bytes ? conf->bytes : WINDOW_BYTES_DEFAULT;
    pthread_mutex_init(&w->lock, NULL);
}

void window_release(struct window *w)
{
    frame_free(&w->open);
    for (size_t i = 0; i < WINDOW_FRAMES; i++)
        frame_free(&w->frames[i].back);
    pthread_mutex_destroy(&w->lock);
}

static struct window_frame *nth(struct window *w, unsigned i)
{
    return &w->frames[(w->first + i) % WINDOW_FRAMES];
}

static bool is_broken(struct window *w)
{
    bool broken;

    pthread_mutex_lock(&w->lock);
    broken = w->broken;
    pthread_mutex_unlock(&w->lock);
    return broken;
}

/* Those that nobody wants to hear of stand in front. Locks: held. */
static void pop_dropped(struct window *w)
{
    while (w->count > 0 && nth(w, 0)->done && nth(w, 0)->dropped) {
        w->first = (w->first + 1) % WINDOW_FRAMES;
        w->count--;
    }
}

/* --- to the spool ------------------------------------------------------------------------------------------------ */

/* On the committer's thread. */
static void frame_done(struct spool_wait *wait, bool safe)
{
    struct window_frame *f = CONTAINER_OF(wait, struct window_frame, wait);
    struct window *w = f->owner;

    pthread_mutex_lock(&w->lock);
    if (f->back && f->dropped)
        frame_free(&f->back);
    f->done = !f->back;
    f->safe = safe;
    if (safe) {
        input_health_add(w->conf.health, INPUT_RECORDS, f->all.records);
        input_health_add(w->conf.health, INPUT_BYTES, f->all.data);
    }
    w->broken |= !safe && !f->dropped && !f->back;
    w->conf.news(w->conf.ctx); /* under the lock: behind it the window may be gone */
    pthread_mutex_unlock(&w->lock);
}

/* What was refused goes first, in its order: the spool refuses all that is behind it until it has answered for all of it. Locks: held. False:
 * some of it is still here. */
static bool offer_again(struct window *w, nsec mono_now)
{
    for (unsigned i = 0; i < w->count && !w->ended; i++) {
        struct window_frame *f = nth(w, i);
        enum spool_answer answer;

        if (!f->back)
            continue;
        answer = spool_append(w->conf.spool, &f->back, &f->wait);
        if (answer == SPOOL_TAKEN)
            continue;
        w->broken |= answer == SPOOL_TOO_LARGE;
        pushback_note(w->conf.pushback, answer == SPOOL_FULL ? PUSHBACK_LIMIT : PUSHBACK_DISK, mono_now);
        frame_leave_budget(f->back);
        return false;
    }
    return true;
}

/* Locks: held. False: the frame is still here. */
static bool append(struct window *w, nsec mono_now)
{
    struct window_frame *f = nth(w, w->count);
    enum spool_answer answer;

    if (w->broken || w->ended || !offer_again(w, mono_now))
        return false;
    if (w->count == WINDOW_FRAMES) {
        pushback_wait(w->conf.pushback, PUSHBACK_DISK, &w->held, mono_now);
        return false;
    }
    *f = (struct window_frame){.wait.done = frame_done, .owner = w, .sum = w->open_sum, .all = w->open_sum};
    f->wait.back = w->conf.keeps ? &f->back : NULL;
    answer = spool_append(w->conf.spool, &w->open, &f->wait);
    if (answer == SPOOL_TOO_LARGE) {
        /* The spool's limit is lower than when it was taken. Handed out again it is refused as any other that is too large. */
        w->broken = true;
        w->conf.news(w->conf.ctx);
        return false;
    }
    if (answer != SPOOL_TAKEN) {
        pushback_note(w->conf.pushback, answer == SPOOL_FULL ? PUSHBACK_LIMIT : PUSHBACK_DISK, mono_now);
        frame_leave_budget(w->open); /* it is that of all streams, and this one's destination may be away for long */
        return false;
    }
    w->count++;
    return true;
}

void window_cut(struct window *w)
{
    if (!w->open || w->due)
        return;
    if (w->conf.closing)
        w->conf.closing(w->conf.ctx);
    w->due = true;
}

static bool offer(struct window *w, nsec mono_now)
{
    bool taken;

    window_cut(w); /* what was offered takes no more */
    pthread_mutex_lock(&w->lock);
    taken = append(w, mono_now);
    pthread_mutex_unlock(&w->lock);
    if (taken) {
        w->open_sum = (struct window_sum){0};
        w->due = false;
        w->held = 0;
    }
    return taken;
}

void window_flush(struct window *w, nsec mono_now)
{
    bool alone;

    pthread_mutex_lock(&w->lock);
    alone = w->count == 0;
    (void)offer_again(w, mono_now);
    pthread_mutex_unlock(&w->lock);
    if (w->open && (w->due || alone))
        offer(w, mono_now);
}

/* --- from the source ---------------------------------------------------------------------------------------------- */

static size_t size_of(const struct frame_message *m)
{
    return m->data.n + m->facts.n + m->id.n;
}

bool window_has_room(const struct window *w)
{
    return !(w->open && w->due) && w->records < w->conf.records && w->bytes < w->conf.bytes;
}

static bool has_room_for(const struct window *w, size_t record, nsec mono_now)
{
    struct err why;

    if (spool_has_room(w->conf.spool, record))
        return true;
    pushback_note(w->conf.pushback, spool_failing(w->conf.spool, &why) ? PUSHBACK_DISK : PUSHBACK_LIMIT, mono_now);
    return false;
}

/* A large message may take all the memory there is for records, so it does not wait for its spool in there: the other streams would stand still
 * with this one. */
static bool begin_frame(struct window *w, size_t record, nsec wall_now, nsec mono_now)
{
    bool large = record + 1 > FRAME_MAX_BYTES;

    if (large && !has_room_for(w, record, mono_now))
        return false;
    if (large)
        w->open = frame_new_lone(record, wall_now, w->conf.budget);
    else
        w->open = frame_new(record > WINDOW_FRAME_BYTES ? record : WINDOW_FRAME_BYTES, wall_now, w->conf.budget);
    if (!w->open) {
        pushback_wait(w->conf.pushback, PUSHBACK_MEMORY, &w->held, mono_now);
        return false;
    }
    if (w->conf.origin.n)
        frame_set_origin(w->open, w->conf.origin);
    if (w->conf.id_source.n)
        frame_set_id_source(w->open, w->conf.id_source, w->conf.ids);
    return true;
}

/* Into the open frame, or a new one. */
static bool add(struct window *w, const struct frame_message *m, nsec wall_now, nsec mono_now)
{
    bool added;

    if (w->open && w->due && !offer(w, mono_now))
        return false;
    if (w->open && frame_add_message(w->open, m))
        return true;
    if ((w->open && !offer(w, mono_now)) || !begin_frame(w, m->data.n, wall_now, mono_now))
        return false;
    added = frame_add_message(w->open, m);
    assert(added); /* the frame was made for it */
    return true;
}

bool window_fits(struct window *w, uint32_t records, size_t data, size_t facts, nsec wall_now, nsec mono_now)
{
    assert(data + records <= WINDOW_FRAME_BYTES);
    if (w->records > 0 && (w->records + records > w->conf.records || w->bytes + data + facts > w->conf.bytes)) {
        pushback_wait(w->conf.pushback, PUSHBACK_DISK, &w->held, mono_now);
        return false;
    }
    if (w->open && (w->due || !frame_has_room(w->open, records, data, facts)) && !offer(w, mono_now))
        return false;
    return w->open || begin_frame(w, 0, wall_now, mono_now);
}

/* The message is in the open frame, on its way or safe already. It needs no place of its own: its number is reported with what it waits
 * for, or at once. */
static enum window_answer join(struct window *w, enum spool_id seen, uint64_t number)
{
    struct window_frame *last;
    bool joined = true;

    if (w->open) {
        w->open_sum.last = number;
    } else {
        pthread_mutex_lock(&w->lock);
        pop_dropped(w);
        last = w->count ? nth(w, w->count - 1) : NULL;
        if (last && last->dropped) /* of the session before: what counts of it now is only when it is safe */
            last->sum = (struct window_sum){0};
        if (last) {
            last->sum.last = number;
            last->dropped = false;
        }
        joined = last != NULL;
        pthread_mutex_unlock(&w->lock);
    }
    if (!joined && seen == SPOOL_ID_PENDING)
        return WINDOW_FULL; /* somebody else has it */
    w->duplicates++;
    input_health_add(w->conf.health, INPUT_DUPLICATES, 1);
    if (!joined) {
        w->any_known = true;
        w->known = number;
        w->conf.news(w->conf.ctx);
    }
    return WINDOW_TAKEN;
}

/* `key`: NULL, it has none. */
static enum spool_id seen_of(const struct window *w, const struct id_key *key)
{
    if (!key)
        return SPOOL_ID_NEW;
    if (w->open && frame_has_key(w->open, key))
        return SPOOL_ID_PENDING;
    return spool_key_seen(w->conf.spool, w->conf.id_source, key);
}

enum spool_id window_id_seen(const struct window *w, struct slice id)
{
    struct id_key key;

    if (id.n == 0)
        return SPOOL_ID_NEW;
    key = frame_id_key(w->conf.id_source, id);
    return seen_of(w, &key);
}

static enum window_answer put(struct window *w, const struct frame_message *m, uint64_t number, nsec wall_now,
                              nsec mono_now)
{
    enum spool_id seen = seen_of(w, m->key);

    if (seen != SPOOL_ID_NEW)
        return join(w, seen, number);
    if (!spool_holds(w->conf.spool, m->data.n)) /* spool.limit may be smaller than when a known one was taken */
        return WINDOW_TOO_LARGE;
    if (w->records > 0 && (w->records >= w->conf.records || w->bytes + size_of(m) > w->conf.bytes)) {
        pushback_wait(w->conf.pushback, PUSHBACK_DISK, &w->held, mono_now);
        return WINDOW_FULL;
    }
    if (!add(w, m, wall_now, mono_now))
        return is_broken(w) ? WINDOW_BROKEN : WINDOW_FULL;
    w->open_sum.last = number;
    w->open_sum.records++;
    w->open_sum.bytes += size_of(m);
    w->open_sum.data += m->data.n;
    w->records++;
    w->bytes += size_of(m);
    return WINDOW_TAKEN;
}

enum window_answer window_put(struct window *w, const struct frame_message *m, uint64_t number, nsec wall_now,
                              nsec mono_now)
{
    struct frame_message mine = *m;
    struct id_key key;

    if (is_broken(w))
        return WINDOW_BROKEN;
    mine.key = NULL;
    if (m->id.n > 0) {
        key = frame_id_key(w->conf.id_source, m->id);
        mine.key = &key;
    }
    return put(w, &mine, number, wall_now, mono_now);
}

void window_set_position(struct window *w, struct slice source, struct slice cursor)
{
    if (w->open && !w->due)
        frame_set_position(w->open, source, cursor);
}

/* --- what became of it -------------------------------------------------------------------------------------------- */

/* Locks: held. */
static void take_safe(struct window *w, struct window_news *n)
{
    pop_dropped(w);
    for (; w->count > 0 && nth(w, 0)->done && nth(w, 0)->safe; w->first = (w->first + 1) % WINDOW_FRAMES, w->count--) {
        const struct window_frame *f = nth(w, 0);

        n->safe = true;
        n->upto = f->sum.last;
        w->records -= f->sum.records;
        w->bytes -= f->sum.bytes;
    }
}

struct window_news window_look(struct window *w, nsec mono_now)
{
    struct window_news n = {.safe = false};

    if (w->any_known) { /* nothing was on its way then: what is, is behind it */
        n = (struct window_news){.safe = true, .upto = w->known};
        w->any_known = false;
    }
    pthread_mutex_lock(&w->lock);
    take_safe(w, &n);
    n.refused = w->broken;
    pthread_mutex_unlock(&w->lock);
    if (!n.refused)
        window_flush(w, mono_now);
    return n;
}

void window_drop_open(struct window *w)
{
    frame_free(&w->open);
    w->records -= w->open_sum.records;
    w->bytes -= w->open_sum.bytes;
    w->open_sum = (struct window_sum){0};
    w->due = false;
}

void window_reset(struct window *w)
{
    frame_free(&w->open);
    w->open_sum = (struct window_sum){0};
    w->due = w->any_known = false;
    w->records = 0;
    w->bytes = 0;
    pthread_mutex_lock(&w->lock);
    w->broken = false;
    for (unsigned i = 0; i < w->count; i++) {
        nth(w, i)->dropped = true;
        nth(w, i)->done |= nth(w, i)->back != NULL;
        frame_free(&nth(w, i)->back);
    }
    pop_dropped(w);
    pthread_mutex_unlock(&w->lock);
}

void window_end(struct window *w)
{
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_mutex_unlock(&w->lock);
}

struct window_sum window_left(struct window *w)
{
    struct window_sum left = w->open ? w->open_sum : (struct window_sum){0};

    pthread_mutex_lock(&w->lock);
    for (unsigned i = 0; i < w->count; i++) {
        const struct window_frame *f = nth(w, i);

        left.records += f->back ? f->all.records : 0;
        left.data += f->back ? f->all.data : 0;
    }
    pthread_mutex_unlock(&w->lock);
    return left;
}

bool window_is_idle(const struct window *w)
{
    return !w->open && w->count == 0 && !w->any_known;
}
