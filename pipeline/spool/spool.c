/* What callers ask of a spool. Nothing here waits for a disk: records get their numbers, seals and settlements become
 * frames, all of it is put into the pending list under the lock, and the committer is woken. What they see at once
 * (next, cut, settled) runs ahead of `state`, which is what is safe. */
#include "pipeline/spool/spool.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <assert.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- open and close ----------------------------------------------------------------------------------------------- */

/* A file that may not become longer (ulimit -f) is a full disk to whoever writes to it, and stays one: so none gets there. */
static uint64_t file_bytes_most(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur / 2 : UINT64_MAX;
}

static uint64_t segment_bytes_for(uint64_t limit)
{
    uint64_t n = limit / SEGMENTS_PER_LIMIT;

    n = n < file_bytes_most() ? n : file_bytes_most();
    n = n < SEGMENT_BYTES_MOST ? n : SEGMENT_BYTES_MOST;
    return n > SEGMENT_BYTES_LEAST || n == file_bytes_most() ? n : SEGMENT_BYTES_LEAST;
}

static void set_limit(struct spool *s, uint64_t limit)
{
    atomic_store(&s->limit, limit);
    atomic_store(&s->segment_bytes, s->wanted_segment_bytes ? s->wanted_segment_bytes : segment_bytes_for(limit));
    /* A frame that is larger than a segment has one of its own. */
    atomic_store(&s->lone_bytes, s->memory || limit < file_bytes_most() ? limit : file_bytes_most());
}

void spool_set_limit(struct spool *s, uint64_t limit)
{
    bool same = atomic_load(&s->limit) == limit;

    if (same)
        return;
    set_limit(s, limit);
    committer_wake(s->committer, s, true);
}

static struct spool *new_spool(const struct spool_conf *conf, struct committer *c)
{
    struct spool *s = mem_alloc(sizeof(*s));

    s->stream = mem_strdup(conf->stream);
    s->dir = mem_strdup(conf->dir);
    s->memory = conf->memory;
    s->wanted_segment_bytes = conf->segment_bytes;
    set_limit(s, conf->limit);
    s->committed = conf->committed;
    s->refused = conf->refused;
    s->ctx = conf->ctx;
    s->ops = conf->files ? conf->files : &io_ops_real;
    s->committer = c;
    pthread_mutex_init(&s->lock, NULL);
    s->tap = conf->tap;
    warm_init(&s->warm, conf->warm, conf->warm_most);
    spool_state_init(&s->state);
    STAILQ_INIT(&s->pending);
    STAILQ_INIT(&s->round.todo);
    STAILQ_INIT(&s->round.written);
    return s;
}

void spool_note_arrival(struct spool_reader *r, uint64_t seq, nsec arrival)
{
    pthread_mutex_lock(&r->spool->lock);
    r->arrival_seq = seq;
    r->arrival = arrival;
    pthread_mutex_unlock(&r->spool->lock);
}

/* From its header on disk. */
static void find_arrival(struct spool_reader *r)
{
    unsigned char ahead[FRAME_HEADER_BYTES];
    struct log_window w = {.p = ahead, .room = sizeof(ahead)};
    struct spool *s = r->spool;
    struct place p;
    struct err e;
    bool waits;

    pthread_mutex_lock(&s->lock);
    waits = r->cut.seq < s->state.next;
    pthread_mutex_unlock(&s->lock);
    if (!waits || spool_locate(s, &r->cut, &w, &p, &e) <= 0)
        return;
    spool_leave(s, p.segment);
    spool_note_arrival(r, r->cut.seq, p.header.arrival);
}

int spool_open(struct spool **s, const struct spool_conf *conf, struct committer *c, struct spool_recovery *found,
               struct err *e)
{
    struct spool *made = new_spool(conf, c);

    *found = (struct spool_recovery){0};
    if (spool_recover(made, found, e) < 0 || readers_open(made, conf, e) < 0) {
        err_wrap(e, "spool of stream %s", conf->stream);
        spool_close(&made);
        return -1;
    }
    for (size_t i = 0; i < made->reader_count; i++)
        find_arrival(&made->readers[i]);
    *s = made;
    return 0;
}

void spool_close(struct spool **s)
{
    if (!*s)
        return;
    round_abandon(*s);
    warm_release(&(*s)->warm);
    recycle_drop_all(*s);
    spool_release_segments(*s);
    readers_close(*s);
    spool_state_release(&(*s)->state);
    id_list_release(&(*s)->pending_ids);
    pthread_mutex_destroy(&(*s)->lock);
    mem_free((*s)->stream);
    mem_free((*s)->dir);
    err_forget(&(*s)->why);
    err_forget(&(*s)->round.why);
    MEM_CLEAR(*s);
}

const unsigned char *spool_identity(const struct spool *s)
{
    return s->state.identity;
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

/* So many bytes of lines. */
static bool holds(const struct spool *s, uint64_t bytes)
{
    return bytes <= FRAME_MAX_BYTES || bytes + FRAME_BESIDE_RECORD <= s->lone_bytes;
}

bool spool_holds(const struct spool *s, size_t record)
{
    return holds(s, (uint64_t)record + 1);
}

/* Locks: held. */
static enum spool_answer room_for(const struct spool *s, uint64_t bytes)
{
    if (s->failing)
        return SPOOL_FAILING;
    if (s->held_bytes + s->pending_bytes + spool_state_staged_bytes(&s->state) + bytes > s->limit)
        return SPOOL_FULL;
    return SPOOL_TAKEN;
}

/* Locks: held. */
static enum spool_answer admit(const struct spool *s, const struct frame *f)
{
    return holds(s, f->bytes) ? room_for(s, frame_header_total(&f->header)) : SPOOL_TOO_LARGE;
}

/* Locks: held. */
static void add_pending_ids(struct spool *s, const struct frame *f)
{
    struct frame_ids ids;

    if (!frame_ids_find(buf_slice(&f->extra), FRAME_TAG_IDS, &ids))
        return;
    for (size_t i = 0; i < ids.count; i++) {
        struct id_key key = frame_ids_at(&ids, i);

        id_list_add(&s->pending_ids, &key, 0);
    }
}

/* Rare: somebody looks. Locks: s->lock held: the frame is nobody else's yet. */
static void show(struct spool *s, const struct frame *f)
{
    const struct frame_view v = {.first = f->header.first,
                                 .count = f->header.count,
                                 .table = slice_of((const char *)f->table, f->table_bytes),
                                 .payload = slice_of(f->payload, f->bytes)};
    struct frame_iter it = frame_records(&v);
    nsec now = clock_mono();
    struct slice rec;

    while (frame_next(&it, &rec))
        if (!tap_show_in(s->tap, now, it.seq - 1, rec)) {
            tap_pass(s->tap, TAP_IN, v.first + v.count - it.seq);
            return;
        }
}

enum spool_answer spool_append(struct spool *s, struct frame **f, struct spool_wait *w)
{
    enum spool_answer a;
    uint64_t bytes;
    bool wake;

    frame_finish(*f);
    bytes = frame_header_total(&(*f)->header);
    pthread_mutex_lock(&s->lock);
    a = admit(s, *f);
    wake = a == SPOOL_TAKEN || (a == SPOOL_FULL && !s->was_full); /* full: perhaps of what is settled */
    if (a == SPOOL_TAKEN) {
        (*f)->wait = w;
        (*f)->header.first = s->next;
        s->next += (*f)->header.count;
        s->pending_bytes += bytes;
        add_pending_ids(s, *f);
        if (tap_is_wanted(s->tap))
            show(s, *f);
        STAILQ_INSERT_TAIL(&s->pending, *f, link);
        *f = NULL;
    }
    s->was_full |= a == SPOOL_FULL;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        committer_wake(s->committer, s, true);
    return a;
}

bool spool_has_room(struct spool *s, uint64_t bytes)
{
    enum spool_answer a;
    bool wake;

    pthread_mutex_lock(&s->lock);
    a = room_for(s, bytes);
    wake = a == SPOOL_FULL && !s->was_full;
    s->was_full |= a == SPOOL_FULL;
    pthread_mutex_unlock(&s->lock);
    if (wake)
        committer_wake(s->committer, s, true);
    return a == SPOOL_TAKEN;
}

uint32_t spool_config_version(struct spool_reader *r, const unsigned char hash[32])
{
    struct spool *s = r->spool;
    const struct reader_config *before;
    bool known;
    uint32_t version;
    struct frame *f;

    pthread_mutex_lock(&s->lock);
    before = spool_state_config(&s->state, r->state);
    known = before->known && memcmp(before->hash, hash, 32) == 0;
    version = before->version + (known ? 0 : 1);
    pthread_mutex_unlock(&s->lock);
    if (known)
        return version;
    f = frame_new_control(FRAME_CONFIG);
    spool_state_put_config(&f->extra, spool_reader_name(r), hash, version);
    spool_log_control(s, f, NULL);
    return version;
}

void spool_positions(struct spool *s, bool (*each)(void *ctx, struct slice source, struct slice cursor), void *ctx)
{
    struct positions copy;

    pthread_mutex_lock(&s->lock);
    positions_copy(&s->state.positions, &copy);
    pthread_mutex_unlock(&s->lock);
    positions_each(&copy, each, ctx);
    positions_release(&copy);
}

void spool_remember(struct spool *s, struct slice source, struct slice cursor)
{
    struct frame *f = frame_new_control(FRAME_POSITION);

    frame_set_position(f, source, cursor);
    spool_log_control(s, f, NULL);
    committer_wake(s->committer, s, true); /* not lazily: what comes from the source next counts from here */
}

void spool_forget(struct spool *s, struct slice source)
{
    struct frame *f = frame_new_control(FRAME_FORGET);
    int rc = buf_add_slice(&f->extra, source);

    assert(rc == 0);
    spool_log_control(s, f, NULL);
}

enum spool_id spool_id_seen(struct spool *s, struct slice source, struct slice id)
{
    struct id_key key = frame_id_key(source, id);

    return spool_key_seen(s, source, &key);
}

enum spool_id spool_key_seen(struct spool *s, struct slice source, const struct id_key *key)
{
    enum spool_id seen = SPOOL_ID_NEW;

    pthread_mutex_lock(&s->lock);
    if (ids_has(&s->state.ids, source, key))
        seen = SPOOL_ID_SAFE;
    else if (id_list_has(&s->pending_ids, key))
        seen = SPOOL_ID_PENDING;
    pthread_mutex_unlock(&s->lock);
    return seen;
}

void spool_ids_each(struct spool *s, struct slice source, void (*each)(void *ctx, const struct id_key *key), void *ctx)
{
    pthread_mutex_lock(&s->lock);
    ids_each(&s->state.ids, source, each, ctx);
    pthread_mutex_unlock(&s->lock);
}

void spool_forget_ids(struct spool *s, struct slice source, const struct id_key *keys, size_t count,
                      struct spool_wait *w)
{
    struct frame *f = frame_new_control(FRAME_POSITION);
    struct wire_out o = {.b = &f->extra};

    assert(count <= FRAME_IDS_MAX);
    frame_ids_put_forget(&o, source, keys, count);
    assert(!o.failed);
    spool_log_control(s, f, w);
}

void spool_id_books(struct spool *s, struct spool_id_books *b)
{
    pthread_mutex_lock(&s->lock);
    *b = (struct spool_id_books){.remembered = ids_count(&s->state.ids), .outdated = s->state.ids.outdated};
    pthread_mutex_unlock(&s->lock);
}

uint64_t spool_next(struct spool *s)
{
    uint64_t next;

    pthread_mutex_lock(&s->lock);
    next = s->state.next;
    pthread_mutex_unlock(&s->lock);
    return next;
}

bool spool_failing(struct spool *s, struct err *why)
{
    bool failing;

    pthread_mutex_lock(&s->lock);
    failing = s->failing;
    if (failing)
        *why = err_kept(s->why);
    pthread_mutex_unlock(&s->lock);
    return failing;
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

struct spool_cursor spool_cut(const struct spool_reader *r)
{
    return r->cut;
}

struct spool_cursor spool_skip(const struct spool_reader *r, struct spool_cursor at)
{
    return reader_state_skip(r->holes, r->hole_count, at);
}

void spool_seal(struct spool_reader *r, const struct seal *seal, const struct spool_cursor *end, struct spool_wait *w)
{
    struct frame *f = frame_new_control(FRAME_SEAL);
    struct spool *s = r->spool;

    assert(seal->note.n <= SEAL_META_MAX && seal->first <= seal->last && end->seq == seal->last + 1);
    spool_state_put_seal(&f->extra, r->state->name, seal, end);
    frame_finish(f);
    pthread_mutex_lock(&s->lock);
    assert(seal->first == r->cut.seq && seal->last < s->state.next);
    r->cut = spool_skip(r, *end);
    spool_add_control(s, f, w);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, true);
}

void spool_progress(struct spool_reader *r, uint64_t seal_first, struct slice progress, struct spool_wait *w)
{
    struct frame *f = frame_new_control(FRAME_PROGRESS);
    struct spool *s = r->spool;
    const struct pending_seal *p;

    assert(progress.n <= SEAL_PROGRESS_MAX);
    spool_state_put_progress(&f->extra, r->state->name, seal_first, progress);
    frame_finish(f);
    pthread_mutex_lock(&s->lock);
    p = reader_state_find(r->state, seal_first);
    assert(p && !p->settling);
    spool_add_control(s, f, w);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, w != NULL);
}

void spool_settle(struct spool_reader *r, uint64_t seal_first, const struct seal_result *result)
{
    struct frame *f = frame_new_control(FRAME_SETTLED);
    struct spool *s = r->spool;
    struct pending_seal *p;

    pthread_mutex_lock(&s->lock);
    p = reader_state_find(r->state, seal_first);
    assert(p && !p->settling && seal_result_sum(result) == p->seal.last - p->seal.first + 1);
    p->settling = true;
    spool_state_put_settled(&f->extra, r->state->name, &p->seal, result);
    frame_finish(f);
    seal_result_add(&r->settled, result);
    spool_add_control(s, f, NULL);
    pthread_mutex_unlock(&s->lock);
    committer_wake(s->committer, s, false);
}

bool spool_pending_seal(const struct spool_reader *r, size_t index, struct seal *out)
{
    if (index >= r->state->seal_count)
        return false;
    *out = r->state->seals[index].seal;
    return true;
}

bool spool_waiting(struct spool *s, uint64_t from, uint64_t *first, uint64_t *end)
{
    bool found;

    pthread_mutex_lock(&s->lock);
    found = spool_state_unsettled(&s->state, from, first, end);
    pthread_mutex_unlock(&s->lock);
    return found;
}

/* --- how far ahead ------------------------------------------------------------------------------------------------ */

uint64_t spool_unsealed_bytes(struct spool *s)
{
    uint64_t least = s->reader_count ? UINT64_MAX : 0;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->reader_count; i++) {
        const struct reader_state *r = s->readers[i].state;
        uint64_t bytes, taken = r->bytes_out;

        for (size_t k = 0; k < r->seal_count; k++)
            taken += r->seals[k].seal.bytes;
        bytes = reader_state_waiting_bytes(r, s->state.bytes_in + s->pending_bytes, taken);
        least = bytes < least ? bytes : least;
    }
    pthread_mutex_unlock(&s->lock);
    return least;
}

uint64_t spool_segment_bytes(const struct spool *s)
{
    return s->segment_bytes;
}

uint64_t spool_warm_bytes(const struct spool *s)
{
    return warm_limit(&s->warm);
}

/* --- books -------------------------------------------------------------------------------------------------------- */

/* Locks: held. Of what is not settled, lines form in the log and length of parcels; in no seal's bytes is what damage took. */
static uint64_t spooled_bytes_of(const struct spool_reader *r)
{
    const struct parcels *p = &r->state->parcels;
    uint64_t out = r->state->bytes_out, staged = 0;

    for (size_t i = 0; i < r->state->seal_count; i++)
        if (r->state->seals[i].settling)
            out += r->state->seals[i].seal.bytes;
    for (size_t i = 0; i < p->count; i++)
        if (!p->list[i].settling)
            staged += p->list[i].parcel.bytes;
    return staged + reader_state_waiting_bytes(r->state, r->spool->state.bytes_in, out);
}

/* Locks: held. The oldest arrival in seals and parcels that are not settled; false when there is none. */
static bool oldest_sealed(const struct spool_reader *r, nsec *oldest)
{
    bool found = parcels_oldest(&r->state->parcels, oldest);

    for (size_t i = 0; i < r->state->seal_count; i++) {
        const struct pending_seal *p = &r->state->seals[i];

        if (p->settling)
            continue;
        found = true;
        *oldest = p->seal.oldest < *oldest ? p->seal.oldest : *oldest;
    }
    return found;
}

/* Locks: held. That of the frame at the cut, or, as long as nobody has looked at it (spool_note_arrival), of the last one that somebody
 * has looked at: whoever wants to see the books does not wait for a disk. */
static nsec arrival_known(const struct spool_reader *r)
{
    return r->arrival_seq > 0 ? r->arrival : NSEC_NEVER;
}

void spool_books(struct spool_reader *r, struct spool_books *b)
{
    struct spool *s = r->spool;

    pthread_mutex_lock(&s->lock);
    *b = (struct spool_books){
        .incoming = reader_state_incoming(r->state, s->state.next),
        .delivered = r->settled.delivered,
        .dropped = r->settled.dropped,
        .backed_up = r->settled.backed_up,
        .corrupt = r->settled.corrupt,
        .unwanted = r->settled.unwanted,
        .returned = r->settled.returned,
        .delivered_now = r->settled.delivered - r->settled_before.delivered,
        .delivered_bytes_now = r->settled.delivered_bytes - r->settled_before.delivered_bytes,
        .backed_up_now = r->settled.backed_up - r->settled_before.backed_up,
        .incoming_bytes = s->state.record_bytes_in,
        .delivered_bytes = r->settled.delivered_bytes,
        .wire_bytes = r->settled.wire_bytes,
        .disk_bytes = s->disk_bytes + spool_state_staged_bytes(&s->state),
        .staged_bytes = spool_state_staged_bytes(&s->state),
        .limit = s->limit,
    };
    b->spooled = b->incoming - seal_result_sum(&r->settled);
    b->left = b->spooled + parcels_without_records(&r->state->parcels);
    if (b->spooled)
        b->spooled_bytes = spooled_bytes_of(r);
    if (!oldest_sealed(r, &b->oldest_arrival) && r->state->cut.seq < s->state.next)
        b->oldest_arrival = arrival_known(r);
    pthread_mutex_unlock(&s->lock);
}
