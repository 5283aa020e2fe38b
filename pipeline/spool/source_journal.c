/* Batches are few, so they are a list. A batch's number is that of its first record.
 *
 * The spool keeps seals, too, in their order: so its reader frees what is settled, and its books count. Only when the spool has the
 * seal is the source asked to keep it, so that a batch that is returned can be settled in the spool at any time from then on. */
#include "pipeline/spool/source_journal.h"

#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

struct source_batch_entry {
    TAILQ_ENTRY(source_batch_entry) link;
    struct source_journal *of;
    uint64_t first, last;
    uint64_t named, salt;
    nsec oldest;
    char *note; /* owned; NULL: none yet */
    size_t note_bytes;
    enum source_batch_state state;
    bool before;   /* it was sealed before */
    bool returned; /* the source wants it back, or has none of it */
    bool told;     /* the source was told of its state */
    bool settled;  /* the source is to be told */
    struct spool_wait in_spool;
    struct spool_wait *sealed; /* delivery's; NULL: it was called, or there is none */
};

static struct source_journal *of(struct seal_journal *j)
{
    return CONTAINER_OF(j, struct source_journal, journal);
}

/* Locks: held. NULL: it is gone. */
static struct source_batch_entry *find(struct source_journal *j, uint64_t first)
{
    struct source_batch_entry *b;

    TAILQ_FOREACH(b, &j->batches, link)
        if (b->first == first)
            return b;
    return NULL;
}

/* Locks: held. */
static void drop(struct source_journal *j, struct source_batch_entry *b)
{
    TAILQ_REMOVE(&j->batches, b, link);
    mem_free(b->note);
    mem_free(b);
}

/* Locks: held. */
static void set_note(struct source_batch_entry *b, struct slice note)
{
    mem_free(b->note);
    b->note = mem_alloc(note.n + 1);
    memcpy(b->note, note.p ? note.p : "", note.n);
    b->note_bytes = note.n;
}

/* Locks: held. */
static void tell_source(struct source_journal *j)
{
    if (j->news)
        j->news(j->news_ctx);
}

/* The spool has the seal. Committer's thread. `safe` is false when the program ends and nothing is delivered any more. */
static void on_in_spool(struct spool_wait *w, bool safe)
{
    struct source_batch_entry *b = CONTAINER_OF(w, struct source_batch_entry, in_spool);
    struct source_journal *j = b->of;
    struct spool_wait *sealed = NULL;

    pthread_mutex_lock(&j->lock);
    if (safe && b->before && !b->returned) {
        b->state = SOURCE_SEALED;
        sealed = b->sealed;
        b->sealed = NULL;
    } else if (safe) {
        b->state = SOURCE_ASKED;
        tell_source(j);
    }
    if (safe && b->returned)
        j->turn(j->turn_ctx);
    if (sealed) /* under the lock: behind it the batch may be returned, and its delivery gone */
        sealed->done(sealed, true);
    pthread_mutex_unlock(&j->lock);
}

/* --- the journal ------------------------------------------------------------------------------------------------------------ */

static struct spool_cursor cut(const struct seal_journal *j)
{
    return spool_cut(CONTAINER_OF(j, const struct source_journal, journal)->reader);
}

static void seal(struct seal_journal *sj, const struct seal *s, const struct spool_cursor *end, struct spool_wait *w)
{
    struct source_journal *j = of(sj);
    struct source_batch_entry *b;

    pthread_mutex_lock(&j->lock);
    b = find(j, s->first);
    assert(b && b->state == SOURCE_WAITS && b->last == s->last);
    b->state = SOURCE_TAKEN;
    b->oldest = s->oldest;
    b->sealed = w;
    b->in_spool.done = on_in_spool;
    set_note(b, s->note);
    pthread_mutex_unlock(&j->lock);
    spool_seal(j->reader, s, end, &b->in_spool); /* it stays: only settle() takes it away, and that is this thread's */
}

static void progress(struct seal_journal *j, uint64_t seal_first, struct slice bytes, struct spool_wait *w)
{
    spool_progress(of(j)->reader, seal_first, bytes, w);
}

static void settle(struct seal_journal *sj, uint64_t seal_first, const struct seal_result *result)
{
    struct source_journal *j = of(sj);
    struct source_batch_entry *b;

    spool_settle(j->reader, seal_first, result);
    pthread_mutex_lock(&j->lock);
    b = find(j, seal_first);
    assert(b);
    if (b->returned) {
        drop(j, b);
    } else {
        b->settled = true;
        b->told = false;
        tell_source(j);
    }
    pthread_mutex_unlock(&j->lock);
}

static bool pending(const struct seal_journal *j, size_t index, struct seal *out)
{
    (void)j;
    (void)index;
    (void)out;
    return false;
}

static uint32_t version(struct seal_journal *j, const unsigned char hash[32])
{
    return spool_config_version(of(j)->reader, hash);
}

static const struct seal_journal_ops OPS = {cut, seal, progress, settle, pending, version};

void source_journal_init(struct source_journal *j, struct spool *spool, struct spool_reader *reader,
                         void (*turn)(void *ctx), void *ctx)
{
    *j = (struct source_journal){
        .journal.ops = &OPS, .spool = spool, .reader = reader, .turn = turn, .turn_ctx = ctx, .end = spool_next(spool)};
    j->limits = (struct source_limits){.bytes = 1};
    TAILQ_INIT(&j->batches);
    pthread_mutex_init(&j->lock, NULL);
}

void source_journal_release(struct source_journal *j)
{
    if (!j->spool)
        return;
    while (!TAILQ_EMPTY(&j->batches))
        drop(j, TAILQ_FIRST(&j->batches));
    pthread_mutex_destroy(&j->lock);
}

/* --- the source ----------------------------------------------------------------------------------------------------------- */

void source_journal_attach(struct source_journal *j, void (*news)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&j->lock);
    j->news = news;
    j->news_ctx = ctx;
    pthread_mutex_unlock(&j->lock);
}

struct source_limits source_journal_limits(struct source_journal *j)
{
    struct source_limits l;

    pthread_mutex_lock(&j->lock);
    l = j->limits;
    pthread_mutex_unlock(&j->lock);
    return l;
}

uint64_t source_journal_add(struct source_journal *j, const struct source_batch *batch, uint64_t *records)
{
    uint64_t next = spool_next(j->spool), number = 0;

    pthread_mutex_lock(&j->lock);
    if (records)
        *records = next - j->end;
    if (next > j->end) {
        struct source_batch_entry *b = mem_alloc(sizeof(*b));

        *b = (struct source_batch_entry){.of = j,
                                         .first = j->end,
                                         .last = next - 1,
                                         .named = batch->named,
                                         .salt = batch->salt,
                                         .oldest = batch->oldest,
                                         .before = batch->note.n > 0};
        set_note(b, batch->note);
        TAILQ_INSERT_TAIL(&j->batches, b, link);
        number = b->first;
        j->end = next;
    }
    pthread_mutex_unlock(&j->lock);
    if (number)
        j->turn(j->turn_ctx);
    return number;
}

uint64_t source_journal_open_records(struct source_journal *j)
{
    uint64_t next = spool_next(j->spool), n;

    pthread_mutex_lock(&j->lock);
    n = next - j->end;
    pthread_mutex_unlock(&j->lock);
    return n;
}

bool source_journal_is_empty(struct source_journal *j)
{
    bool empty;

    pthread_mutex_lock(&j->lock);
    empty = TAILQ_EMPTY(&j->batches);
    pthread_mutex_unlock(&j->lock);
    return empty;
}

bool source_journal_news(struct source_journal *j, struct source_news *out)
{
    struct source_batch_entry *b;

    pthread_mutex_lock(&j->lock);
    TAILQ_FOREACH(b, &j->batches, link)
        if (!b->told && !b->returned && (b->settled || (b->state == SOURCE_ASKED)))
            break;
    if (b) {
        b->told = true;
        *out = (struct source_news){
            .batch = b->first, .settled = b->settled, .note = slice_of(b->note, b->note_bytes), .oldest = b->oldest};
        if (b->settled)
            drop(j, b);
    }
    pthread_mutex_unlock(&j->lock);
    if (b && out->settled)
        out->note = slice_of(NULL, 0);
    return b != NULL;
}

void source_journal_sealed(struct source_journal *j, uint64_t batch)
{
    struct source_batch_entry *b;

    pthread_mutex_lock(&j->lock);
    b = find(j, batch);
    if (b && b->state == SOURCE_ASKED && !b->returned) {
        b->state = SOURCE_SEALED;
        if (b->sealed)
            b->sealed->done(b->sealed, true); /* under the lock: delivery may give it up behind it */
        b->sealed = NULL;
    }
    pthread_mutex_unlock(&j->lock);
}

void source_journal_return(struct source_journal *j, uint64_t batch)
{
    struct source_batch_entry *b;

    pthread_mutex_lock(&j->lock);
    b = find(j, batch);
    if (b && b->settled) {
        drop(j, b);
    } else if (b) {
        b->returned = true;
        j->turn(j->turn_ctx);
    }
    pthread_mutex_unlock(&j->lock);
}

/* --- delivery ------------------------------------------------------------------------------------------------------------- */

void source_journal_limit(struct source_journal *j, const struct source_limits *limits)
{
    pthread_mutex_lock(&j->lock);
    j->limits = *limits;
    pthread_mutex_unlock(&j->lock);
}

bool source_journal_next(struct source_journal *j, struct seal *out, bool *returned)
{
    const struct source_batch_entry *b;

    pthread_mutex_lock(&j->lock);
    TAILQ_FOREACH(b, &j->batches, link)
        if (b->state == SOURCE_WAITS)
            break;
    if (b) {
        *out = (struct seal){.first = b->first,
                             .last = b->last,
                             .oldest = b->oldest,
                             .note = b->before ? slice_of(b->note, b->note_bytes) : slice_of(NULL, 0),
                             .named = b->named,
                             .salt = b->salt};
        *returned = b->returned;
    }
    pthread_mutex_unlock(&j->lock);
    return b != NULL;
}

bool source_journal_returned(struct source_journal *j, uint64_t batch)
{
    const struct source_batch_entry *b;
    bool returned;

    pthread_mutex_lock(&j->lock);
    b = find(j, batch);
    returned = b && b->returned && b->state >= SOURCE_ASKED;
    pthread_mutex_unlock(&j->lock);
    return returned;
}
