/* Who reads: the readers of the configuration against those in the log.
 *
 * What differs is a fact like all others: it becomes a frame, the first one of this run. It is applied to the state at
 * once, too, because nobody may wait for a disk to know where a reader begins; when the frame is safe it is applied once
 * more, which changes nothing. A crash before that finds the old log, and the next start comes to the same result. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <assert.h>
#include <string.h>

/* --- the log follows the configuration ---------------------------------------------------------------------------- */

/* Takes the frame over. The committer hears of it when all is done: until then nobody else knows the spool. */
static void change(struct spool *s, struct frame *f)
{
    bool fits;

    f->header.first = s->state.next;
    fits = spool_state_apply(&s->state, &f->header, (struct frame_place){0, 0}, buf_slice(&f->extra));
    assert(fits);
    frame_finish(f);
    spool_add_control(s, f, NULL);
}

static void say(struct spool *s, enum reader_news news, const char *name)
{
    struct frame *f = frame_new_control(FRAME_READER);

    spool_state_put_news(&f->extra, news, name);
    change(s, f);
}

static bool is_configured(const struct spool_conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->reader_count; i++)
        if (strcmp(conf->readers[i].name, name) == 0)
            return true;
    return false;
}

/* A reader whose name is not known may be one that had another. It is one of them at most: the first that says so. */
static bool is_renamed(const struct spool *s, const struct spool_conf *conf, size_t index)
{
    const struct spool_reader_conf *r = &conf->readers[index];

    if (!r->formerly || spool_state_reader(&s->state, r->name) || !spool_state_reader(&s->state, r->formerly) ||
        is_configured(conf, r->formerly))
        return false;
    for (size_t i = 0; i < index; i++)
        if (conf->readers[i].formerly && strcmp(conf->readers[i].formerly, r->formerly) == 0 && is_renamed(s, conf, i))
            return false;
    return true;
}

static void begin_reader(struct spool *s, const char *name)
{
    const struct reader_state *known = spool_state_reader(&s->state, name);
    struct spool_cursor at;
    uint64_t bytes;
    struct frame *f;

    if (known && !reader_state_is_gone(known))
        return;
    f = frame_new_control(FRAME_READER);
    at = spool_state_beginning(&s->state, &bytes);
    spool_state_put_begins(&f->extra, name, &at, bytes);
    change(s, f);
}

/* Nobody asks for it, and nothing waits for it. */
static bool is_forgettable(const struct spool *s, const struct spool_conf *conf, const struct reader_state *r)
{
    return !is_configured(conf, r->name) && reader_state_waiting(r, s->state.next) == 0 && r->parcels.count == 0;
}

static bool is_taken_over(const struct spool *s, const struct spool_conf *conf, const struct reader_state *r)
{
    for (size_t i = 0; i < conf->reader_count; i++)
        if (is_renamed(s, conf, i) && strcmp(conf->readers[i].formerly, r->name) == 0)
            return true;
    return false;
}

/* How many must be forgotten, so that all have room. -1: more than can be. */
static int count_surplus(const struct spool *s, const struct spool_conf *conf, size_t *surplus, struct err *e)
{
    size_t wanted = s->state.reader_count, forgettable = 0;

    for (size_t i = 0; i < conf->reader_count; i++)
        wanted += !spool_state_reader(&s->state, conf->readers[i].name) && !is_renamed(s, conf, i);
    for (size_t i = 0; i < s->state.reader_count; i++)
        forgettable += is_forgettable(s, conf, s->state.readers[i]) && !is_taken_over(s, conf, s->state.readers[i]);
    *surplus = wanted > SPOOL_READERS_MAX ? wanted - SPOOL_READERS_MAX : 0;
    if (*surplus <= forgettable)
        return 0;
    return err_set(e, ERR_LIMIT,
                   "%s holds records for %zu destinations, with those of earlier configurations; there is room for %d",
                   s->dir, wanted - forgettable, SPOOL_READERS_MAX);
}

static int follow(struct spool *s, const struct spool_conf *conf, struct err *e)
{
    size_t surplus;

    if (count_surplus(s, conf, &surplus, e) < 0) /* before anything is changed */
        return -1;
    for (size_t i = 0; i < conf->reader_count; i++) {
        struct frame *f;

        if (!is_renamed(s, conf, i))
            continue;
        f = frame_new_control(FRAME_READER);
        spool_state_put_renamed(&f->extra, conf->readers[i].formerly, conf->readers[i].name);
        change(s, f);
    }
    for (size_t i = s->state.reader_count; i > 0 && surplus; i--) {
        const struct reader_state *r = s->state.readers[i - 1];

        if (!is_forgettable(s, conf, r))
            continue;
        say(s, READER_DROPPED, r->name);
        surplus--;
    }
    for (size_t i = 0; i < conf->reader_count; i++)
        begin_reader(s, conf->readers[i].name);
    for (size_t i = s->state.reader_count; i > 0; i--) {
        const struct reader_state *r = s->state.readers[i - 1];

        /* One for which nothing ever came, as the first one of a new log that has others, is not remembered. */
        if (!reader_state_is_gone(r) && !is_configured(conf, r->name))
            say(s, reader_state_incoming(r, s->state.next) ? READER_LEAVES : READER_DROPPED, r->name);
    }
    return 0;
}

/* --- handles ------------------------------------------------------------------------------------------------------ */

static void open_reader(struct spool *s, struct reader_state *state)
{
    struct spool_reader *r = &s->readers[s->reader_count++];

    *r = (struct spool_reader){
        .spool = s,
        .state = state,
        .cut = state->cut,
        .settled = state->settled,
        .settled_before = state->settled,
        .holes = mem_array(state->hole_count, sizeof(*r->holes)),
        .hole_count = state->hole_count,
        .last_parcel = state->parcels.next,
    };
    for (size_t i = 0; i < state->hole_count; i++)
        r->holes[i] = state->holes[i];
}

int readers_open(struct spool *s, const struct spool_conf *conf, struct err *e)
{
    assert(conf->reader_count <= SPOOL_READERS_MAX);
    s->next = s->state.next;
    if (conf->reader_count && follow(s, conf, e) < 0)
        return -1;
    s->readers = mem_array(s->state.reader_count, sizeof(*s->readers));
    for (size_t i = 0; i < conf->reader_count; i++)
        open_reader(s, spool_state_reader(&s->state, conf->readers[i].name));
    for (size_t i = 0; i < s->state.reader_count && !conf->reader_count; i++)
        if (!reader_state_is_gone(s->state.readers[i]))
            open_reader(s, s->state.readers[i]);
    s->warm.readers = (uint32_t)s->reader_count;
    if (!STAILQ_EMPTY(&s->pending))
        committer_wake(s->committer, s, false);
    return 0;
}

void readers_close(struct spool *s)
{
    for (size_t i = 0; i < s->reader_count; i++) {
        mem_free(s->readers[i].holes);
        mem_free(s->readers[i].window.p);
    }
    MEM_CLEAR(s->readers);
    s->reader_count = 0;
}

struct spool_reader *spool_reader(struct spool *s, size_t index)
{
    return index < s->reader_count ? &s->readers[index] : NULL;
}

const char *spool_reader_name(const struct spool_reader *r)
{
    return r->state->name;
}

/* --- those that are gone ------------------------------------------------------------------------------------------ */

bool spool_gone(struct spool *s, size_t index, struct spool_gone *out)
{
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->state.reader_count && !found; i++) {
        const struct reader_state *r = s->state.readers[i];

        if (!reader_state_is_gone(r) || index-- > 0)
            continue;
        *out = (struct spool_gone){.waiting = reader_state_waiting(r, s->state.next), .pending_seals = r->seal_count};
        memcpy(out->name, r->name, sizeof(out->name));
        found = true;
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

void spool_drop_reader(struct spool *s, const char *name)
{
    struct frame *f;
    const struct reader_state *r;
    bool is_there;

    pthread_mutex_lock(&s->lock);
    r = spool_state_reader(&s->state, name);
    is_there = r != NULL;
    assert(!r || reader_state_is_gone(r));
    pthread_mutex_unlock(&s->lock);
    if (!is_there) /* it was dropped before, and that is safe by now */
        return;
    f = frame_new_control(FRAME_READER);
    spool_state_put_news(&f->extra, READER_DROPPED, name);
    spool_log_control(s, f, NULL);
}
