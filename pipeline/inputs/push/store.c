/* A request's records on their way into the spool. They go into frames, which hold records of this request alone; a frame is whole when the
 * next record has no place in it, or is the last. Only when all are whole is the first one appended: up to then a request can be refused, and
 * has left nothing.
 *
 * The id of a frame says which records of which request it has, so that a request that comes again is compared frame by frame. It is looked for, and its
 * frames are appended, under one lock of the stream: of two requests with one key, to whichever of its inputs, the second finds that the first is under
 * way.
 *
 * What is known of all records stands once in each frame, beside where they are from: so where a frame ends does not depend on it. */
#include "pipeline/inputs/push/impl.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
    BESIDE_FRAME = 1024, /* its header, origin and id */
    BESIDE_RECORD = 4,   /* a newline, and its length */
    BESIDE_FACTS = 3,    /* their length */
    FRAME_ID_ROOM = PUSH_KEY_MAX + 48,
    ORIGIN_TEXT = 768, /* a path, an address, and their names */
};

_Static_assert(ORIGIN_TEXT + PUSH_FACTS_MAX <= FRAME_ORIGIN_MAX, "what is known of a request fits");

/* --- records into frames -------------------------------------------------------------------------------------------- */

/* The first fact that finds no place says so. */
void push_facts_cut(struct push_request *rq)
{
    struct input *in = rq->in;
    uint64_t more;

    if (rq->facts_cut)
        return;
    rq->facts_cut = true;
    if (push_is_due(in, PUSH_EVENT_FACTS, &more))
        log_warn("a request has more headers or attributes than can be kept beside its records: some are left out",
                 KS("stream", in->env.stream), KS("input", in->label), KS("client", rq->exchange->from),
                 KU("bytes_max", PUSH_FACTS_MAX), KU("suppressed", more));
}

void push_fact(struct push_request *rq, const char *name, struct slice value)
{
    if (value.n > 0 && facts_add(&rq->facts, slice_str(name), value) < 0)
        push_facts_cut(rq);
}

static int too_many(struct push_request *rq)
{
    return push_refuse(rq, rq->too_large, "it has more records than one request may: send fewer at a time");
}

/* What stands beside its records grows with them. */
static void count_frame(struct push_request *rq, struct push_frame *f)
{
    size_t held = frame_held(f->frame);

    rq->frame_bytes += held - f->held;
    f->held = held;
}

/* What a frame is remembered by: which records of the request it has, and the request's key. */
static struct slice frame_id(const struct push_request *rq, const struct push_frame *f, char room[FRAME_ID_ROOM])
{
    int n = snprintf(room, FRAME_ID_ROOM, "%lu+%lu %s", (unsigned long)f->first, (unsigned long)f->count, rq->key);

    return slice_of(room, (size_t)n);
}

static int close_frame(struct push_request *rq)
{
    struct push_frame *f = rq->open;
    char id[FRAME_ID_ROOM];

    rq->open = NULL;
    if (f)
        count_frame(rq, f);
    if (!f || !rq->key[0])
        return 0;
    return frame_add_id(f->frame, frame_id(rq, f, id)) ? 0 : push_no_memory(rq);
}

int push_store_close(struct push_request *rq)
{
    return close_frame(rq);
}

/* Where it is from, and what is known of all records of the request. */
static void set_origin(struct push_request *rq, struct frame *f)
{
    char origin[FRAME_ORIGIN_MAX];
    int n = snprintf(origin, ORIGIN_TEXT, "input=%s path=%s address=%s", rq->in->protocol->name, rq->in->path,
                     rq->exchange->from);
    size_t end = n < ORIGIN_TEXT ? (size_t)n : ORIGIN_TEXT - 1;

    if (rq->facts.n > 0) /* behind the NUL */
        memcpy(origin + ++end, rq->facts.p, rq->facts.n);
    frame_set_origin(f, slice_of(origin, end + rq->facts.n));
}

/* For a record of n bytes and those behind it. */
static int open_frame(struct push_request *rq, size_t n)
{
    static const struct id_bounds NONE = {0, 0};
    const struct push_protocol *protocol = rq->in->protocol;
    struct input *in = rq->in;
    size_t rest = (rq->expected ? rq->expected : rq->body.n) + 64,
           want = rest < PUSH_FRAME_BYTES ? rest : PUSH_FRAME_BYTES;
    struct push_frame *f;

    if (rq->frame_count == PUSH_FRAMES_MAX)
        return too_many(rq);
    if (want < n + 1)
        want = n + 1;
    if (want > PUSH_FRAME_BYTES && n > rq->body.n / 2) /* not much else is in it */
        push_body_hand_over(rq);
    if (rq->held + rq->frame_bytes > 0 && rq->held + rq->frame_bytes + frame_needs(want) > in->env.budget->limit)
        return push_refuse(rq, rq->too_large,
                           "the request needs more memory than limits.memory leaves for what comes in");
    f = mem_alloc(sizeof(*f));
    f->frame = want > FRAME_MAX_BYTES ? frame_new_lone(n, clock_wall(), in->env.budget)
                                      : frame_new(want, clock_wall(), in->env.budget);
    if (!f->frame) {
        mem_free(f);
        return push_no_memory(rq);
    }
    set_origin(rq, f->frame);
    if (rq->key[0])
        frame_set_id_source(f->frame, slice_str(protocol->id_source),
                            protocol->bounds ? protocol->bounds(in->conf) : NONE);
    f->rq = rq;
    f->first = rq->count;
    f->weight = BESIDE_FRAME + rq->facts.n;
    STAILQ_INSERT_TAIL(&rq->frames, f, link);
    rq->frame_count++;
    count_frame(rq, f);
    rq->open = f;
    return 0;
}

static bool add(struct push_request *rq, const struct frame_message *m)
{
    struct push_frame *f = rq->open;

    if (!f || !frame_add_message(f->frame, m))
        return false;
    f->count++;
    f->bytes += m->data.n;
    f->weight += m->data.n + BESIDE_RECORD + (m->facts.n ? m->facts.n + BESIDE_FACTS : 0);
    rq->count++;
    rq->bytes += m->data.n;
    return true;
}

int push_add(struct push_request *rq, struct slice record, struct slice facts)
{
    struct frame_message m = {.data = record, .facts = facts};

    if (record.n > RECORD_MAX_BYTES)
        return push_refuse(rq, rq->too_large, "record %lu has %zu bytes, and a record may have %llu at most",
                           (unsigned long)rq->count + 1, record.n, (unsigned long long)RECORD_MAX_BYTES);
    if (!add(rq, &m) && (close_frame(rq) < 0 || open_frame(rq, record.n) < 0 || !add(rq, &m)))
        return rq->status ? -1 : push_no_memory(rq);
    return 0;
}

uint32_t push_count(const struct push_request *rq)
{
    return rq->count;
}

/* --- frames into the spool ------------------------------------------------------------------------------------------ */

static bool enter(struct push_request *rq)
{
    struct input *in = rq->in;

    if (push_wait(rq) < 0)
        return false;
    pthread_mutex_lock(&in->lock);
    in->unanswered++;
    rq->entered = true;
    rq->storing.since = clock_mono();
    TAILQ_INSERT_TAIL(&in->storing, &rq->storing, link);
    pthread_mutex_unlock(&in->lock);
    return true;
}

void push_store_leave(struct push_request *rq)
{
    struct input *in = rq->in;

    if (!rq->entered)
        return;
    pthread_mutex_lock(&in->lock);
    in->unanswered--;
    pthread_cond_broadcast(&in->quiet);
    pthread_mutex_unlock(&in->lock);
}

/* Any thread. The request may be gone behind it. */
static void finish(struct push_request *rq)
{
    struct input *in = rq->in;

    if (atomic_fetch_sub(&rq->pending, 1) != 1)
        return;
    pthread_mutex_lock(&in->lock);
    TAILQ_REMOVE(&in->storing, &rq->storing, link);
    pthread_mutex_unlock(&in->lock);
    push_resume(rq);
}

/* The committer's thread. */
static void stored(struct spool_wait *w, bool safe)
{
    struct push_frame *f = CONTAINER_OF(w, struct push_frame, wait);

    f->outcome = safe ? PUSH_OUTCOME_SAFE : PUSH_OUTCOME_FAILING;
    finish(f->rq);
}

static enum push_outcome outcome_of(enum spool_answer answer)
{
    switch (answer) {
    case SPOOL_TAKEN:
        return PUSH_OUTCOME_TAKEN;
    case SPOOL_FULL:
        return PUSH_OUTCOME_FULL;
    case SPOOL_TOO_LARGE:
        return PUSH_OUTCOME_TOO_LARGE;
    case SPOOL_FAILING:
        break;
    }
    return PUSH_OUTCOME_FAILING;
}

/* Until the spool refuses one. */
static void append_all(struct push_request *rq)
{
    enum spool_answer answer = SPOOL_TAKEN;
    struct push_frame *f;

    STAILQ_FOREACH(f, &rq->frames, link) {
        if (f->outcome == PUSH_OUTCOME_KNOWN)
            continue;
        if (answer == SPOOL_TAKEN) {
            f->outcome = PUSH_OUTCOME_TAKEN; /* before: its `done` may come at once */
            f->wait.done = stored;
            atomic_fetch_add(&rq->pending, 1);
            answer = spool_append(rq->in->env.spool, &f->frame, &f->wait);
            if (answer == SPOOL_TAKEN)
                continue;
            atomic_fetch_sub(&rq->pending, 1); /* never the last: who appends has one */
        }
        f->outcome = outcome_of(answer);
    }
}

pthread_mutex_t *push_store_ids(const struct input *in)
{
#define ROW PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER
    static pthread_mutex_t ids[] = {ROW, ROW, ROW,
                                    ROW}; /* streams that share one are in nobody's way: it is held for a moment */
#undef ROW

    return &ids[((uintptr_t)in->env.spool >> 8) % ARRAY_LEN(ids)];
}

/* Marks what is safe already. False: some of it is on its way. *weight: of what is not safe; 0: all is. */
static bool look_for_key(struct push_request *rq, uint64_t *weight)
{
    char id[FRAME_ID_ROOM];
    struct push_frame *f;

    *weight = 0;
    STAILQ_FOREACH(f, &rq->frames, link) {
        enum spool_id seen = SPOOL_ID_NEW;

        if (rq->key[0])
            seen = spool_id_seen(rq->in->env.spool, slice_str(rq->in->protocol->id_source), frame_id(rq, f, id));
        if (seen == SPOOL_ID_PENDING)
            return false;
        if (seen == SPOOL_ID_SAFE)
            f->outcome = PUSH_OUTCOME_KNOWN;
        else
            *weight += f->weight;
    }
    return true;
}

static void push_back(struct push_request *rq, enum pushback_why why)
{
    metrics_add(rq->in->env.metrics, METRIC_THROTTLED_RECORDS, rq->count);
    pushback_note(rq->in->env.pushback, why, clock_mono());
    push_busy(rq, why == PUSHBACK_LIMIT ? "the stream is full" : "the disk refuses to store it");
}

/* All of it or nothing, as far as that can be known before. What does not go in whole however empty the spool is, is refused for good: its
 * sender would repeat it for ever, and each time some of it would be stored. True: it may be appended. */
static bool has_room(struct push_request *rq, uint64_t weight)
{
    struct spool *s = rq->in->env.spool;
    struct err why;

    if (rq->frame_count < 2) /* the spool says so itself */
        return true;
    if (!spool_holds(s, (size_t)weight)) {
        push_refuse(rq, rq->too_large,
                    "the request is larger than the stream's spool may be: raise spool.limit, or send less at a time");
        return false;
    }
    if (spool_has_room(s, weight))
        return true;
    push_back(rq, spool_failing(s, &why) ? PUSHBACK_DISK : PUSHBACK_LIMIT);
    return false;
}

static void conclude_stored(struct push_request *rq, const char *why)
{
    const struct push_protocol *p = rq->in->protocol;

    if (rq->left_out && p->part)
        rq->status = p->part; /* and why is said */
    else
        push_conclude(rq, p->stored ? p->stored : MHD_HTTP_OK, "%s", why);
}

bool push_store(struct push_request *rq)
{
    pthread_mutex_t *ids = push_store_ids(rq->in);
    bool waits = false;
    uint64_t weight;

    if (rq->count == 0) {
        conclude_stored(rq, "there was nothing to store");
        return false;
    }
    pthread_mutex_lock(ids);
    if (!look_for_key(rq, &weight)) {
        push_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the same request is being stored; send it again");
    } else if (weight > 0 && has_room(rq, weight) && enter(rq)) {
        waits = true;
        rq->step = PUSH_STEP_STORE;
        atomic_store(&rq->pending, 1);
        push_suspend(rq); /* first: it may be safe before spool_append() returns */
        append_all(rq);
    }
    pthread_mutex_unlock(ids);
    if (waits)
        finish(rq);
    else if (rq->status == 0)
        push_store_judge(rq);
    return waits;
}

/* --- what became of it ---------------------------------------------------------------------------------------------- */

static void judge_refused(struct push_request *rq, enum push_outcome why)
{
    switch (why) {
    case PUSH_OUTCOME_TOO_LARGE:
        push_refuse(rq, rq->too_large, "a record is larger than the stream's spool may be: raise spool.limit");
        return;
    case PUSH_OUTCOME_FULL:
        push_back(rq, PUSHBACK_LIMIT);
        return;
    default:
        push_back(rq, PUSHBACK_DISK);
        return;
    }
}

void push_store_judge(struct push_request *rq)
{
    struct input_health *health = rq->in->env.health;
    enum push_outcome why = PUSH_OUTCOME_SAFE;
    const struct push_frame *f;
    bool fresh = false;

    STAILQ_FOREACH(f, &rq->frames, link) {
        fresh = fresh || f->outcome != PUSH_OUTCOME_KNOWN;
        if (f->outcome == PUSH_OUTCOME_SAFE) {
            input_health_add(health, INPUT_RECORDS, f->count);
            input_health_add(health, INPUT_BYTES, f->bytes);
        } else if (f->outcome == PUSH_OUTCOME_KNOWN) {
            input_health_add(health, INPUT_DUPLICATES, f->count);
        } else if (why == PUSH_OUTCOME_SAFE) {
            why = f->outcome;
        }
    }
    if (why == PUSH_OUTCOME_SAFE)
        conclude_stored(rq, fresh ? "it is stored" : "it is known already");
    else
        judge_refused(rq, why);
}

void push_store_release(struct push_request *rq)
{
    struct push_frame *f;

    while ((f = STAILQ_FIRST(&rq->frames))) {
        STAILQ_REMOVE_HEAD(&rq->frames, link);
        frame_free(&f->frame);
        mem_free(f);
    }
    rq->open = NULL;
}
