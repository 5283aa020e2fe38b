/* Which shards this daemon reads, when several read one stream: leases.h decides, the store asks, and here the decisions are carried out. */
#include "pipeline/inputs/kinesis/share.h"

#include "pipeline/base/digest.h"
#include "pipeline/inputs/kinesis/impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORKER_SOURCE "kinesis-worker"

/* --- who we are ---------------------------------------------------------------------------------------------------- */

static bool find_worker(void *ctx, struct slice source, struct slice cursor)
{
    struct share *s = ctx;

    if (!slice_is(source, WORKER_SOURCE) || cursor.n >= sizeof(s->me))
        return true;
    snprintf(s->me, sizeof(s->me), "%.*s", (int)cursor.n, cursor.p);
    return false;
}

/* A name that belongs to the spool: who has that has what was read under this name. */
static void name_worker(struct input *in)
{
    struct share *s = &in->share;
    char host[64] = "";

    if (in->conf->leases.worker) {
        snprintf(s->me, sizeof(s->me), "%s", in->conf->leases.worker);
        return;
    }
    spool_positions(in->env.spool, find_worker, s);
    if (s->me[0])
        return;
    if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
        snprintf(host, sizeof(host), "sluice");
    snprintf(s->me, sizeof(s->me), "%s-%08" PRIx32 "%08" PRIx32, host, random_bits(), random_bits());
    spool_remember(in->env.spool, SLICE(WORKER_SOURCE), slice_str(s->me));
}

/* --- what leases.h decides ------------------------------------------------------------------------------------------- */

static void on_granted(void *ctx, const struct leased *x, bool again)
{
    struct input *in = ctx;
    struct place p = x->at.place;

    if (x->at.at_start)
        p = kinesis_conf_start(in->conf, clock_wall() / NSEC_PER_MSEC);
    shards_grant(&in->shards, x->at.key, &p, again, clock_mono());
}

static void on_revoked(void *ctx, const struct leased *x, bool lost)
{
    static const char HINT[] =
        "another daemon has it now, or the table, or the object, could not be reached in time; what was read is "
        "delivered. If it goes on: is the "
        "machine too busy, or leases.failover too short, or has another daemon the same leases.worker?";
    struct input *in = ctx;

    shards_revoke(&in->shards, x->at.key);
    if (lost && log_due(&in->share.lost, clock_mono(), KINESIS_SAYS_EVERY))
        log_warn("a lease was lost: its shard is not read here any more", KS("stream", in->env.stream),
                 KS("input", in->label), KS("source", in->conf->stream), KS("shard", x->at.key),
                 KS("owner", x->at.owner), KU("suppressed", in->share.lost.suppressed), KS("hint", HINT));
}

/* Who read the stream alone until now has its places, and they are the first leases. So are those of who read when somebody deleted all leases: as far
 * as it is safe. */
static struct place begin_at(void *ctx, const char *shard)
{
    struct input *in = ctx;
    struct shard *x = shards_find(&in->shards, shard);

    if (x && x->place.kind != PLACE_NONE)
        return shard_safe_place(&in->shards, x);
    if (in->shards.begun) /* it is over, or a child that waits for its parents */
        return (struct place){.kind = PLACE_NONE};
    return in->start;
}

static void tell_progress(struct input *in)
{
    struct leases *l = &in->share.leases;

    for (size_t i = 0; i < l->n; i++) {
        struct shard *x;
        struct place safe;

        if (l->v[i]->state != LEASE_MINE && l->v[i]->state != LEASE_GIVING)
            continue;
        x = shards_find(&in->shards, l->v[i]->at.key);
        if (!x)
            continue;
        safe = shard_safe_place(&in->shards, x);
        leases_progress(l->v[i], &safe, x->last <= in->shards.safe);
    }
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

static void tell(struct input *in, nsec now)
{
    struct share *s = &in->share;
    size_t held = leases_held(&s->leases);

    input_health_leases(in->env.health, held, s->leases.taken, s->leases.lost);
    if (s->told == s->leases.taken + s->leases.lost || !log_due(&s->changes, now, KINESIS_SAYS_EVERY))
        return;
    s->told = s->leases.taken + s->leases.lost;
    log_info("leases have changed hands", KS("stream", in->env.stream), KS("input", in->label),
             KS("source", in->conf->stream), KS("worker", s->me), KU("held", held), KU("taken", s->leases.taken),
             KU("lost", s->leases.lost));
}

void share_turn(struct input *in, nsec now)
{
    struct share *s = &in->share;

    if (!s->on)
        return;
    leases_tick(&s->leases, now);
    if (!s->store->take_answers(in, now) && now < s->next)
        return;
    s->next = now + KINESIS_LEASE_TURN;
    tell_progress(in);
    s->store->start_calls(in, now);
    tell(in, now);
}

/* What is due every third of the fail-over time is not to come late. */
nsec share_turn_every(const struct input *in)
{
    nsec often = in->share.on ? in->share.leases.conf.failover / 12 : NSEC_PER_SEC;

    return often < NSEC_PER_SEC ? often : NSEC_PER_SEC;
}

void share_listed(struct input *in, nsec at)
{
    struct leases *l = &in->share.leases;

    if (!in->share.on)
        return;
    leases_list_begin(l, at);
    for (size_t i = 0; i < in->shards.n; i++) {
        const struct shard *x = in->shards.v[i];

        if (x->listed)
            leases_list(l, &(struct leases_shard){.id = x->id,
                                                  .parents = {x->parents[0], x->parents[1]},
                                                  .first = x->first,
                                                  .hashes = {x->hashes[0], x->hashes[1]}});
    }
    l->scan_due = at; /* what is new may be made at once */
}

void share_gone(struct input *in, const char *shard)
{
    if (in->share.on)
        leases_gone(&in->share.leases, shard);
}

void share_recreated(struct input *in)
{
    if (in->share.on)
        leases_drop(&in->share.leases);
}

bool share_misses_children(const struct input *in)
{
    return in->share.on && leases_miss_children(&in->share.leases);
}

bool share_is_settled(const struct input *in)
{
    return !in->share.on || leases_settled(&in->share.leases);
}

void share_part(struct input *in)
{
    struct share *s = &in->share;
    nsec now = clock_mono(), until = now + KINESIS_PART_TIME;

    if (!s->on)
        return;
    leases_part(&s->leases);
    for (bool refused = false; now < until && !refused && !leases_parted(&s->leases); now = clock_mono()) {
        struct window_news news = window_look(&in->window, now);

        if (news.safe)
            shards_safe(&in->shards, news.upto, now);
        refused = news.refused; /* then others begin where the leases say */
        s->next = now;
        share_turn(in, now);
        input_thread_linger(in->caller.thread, now + KINESIS_LEASE_TURN);
    }
    s->store->cancel(s);
    for (; !s->store->is_quiet(s); now = clock_mono()) {
        (void)s->store->take_answers(in, now);
        input_thread_linger(in->caller.thread, now + AWS_CALL_AGAIN);
    }
}

/* --- begin and end -------------------------------------------------------------------------------------------------- */

void share_begin(struct input *in)
{
    struct share *s = &in->share;
    const struct leases_conf conf = {.me = s->me,
                                     .failover = kinesis_conf_failover(in->conf),
                                     .granted = on_granted,
                                     .revoked = on_revoked,
                                     .begin_at = begin_at,
                                     .ctx = in};

    if (!s->on)
        return;
    in->shards.shared = true;
    s->caller.thread = in->caller.thread;
    name_worker(in);
    leases_init(&s->leases, &conf);
}

int share_open(struct input *in, struct err *e)
{
    struct share *s = &in->share;
    struct aws_caller_conf conf;

    if (!kinesis_conf_shares(in->conf))
        return 0;
    s->store = in->conf->leases.table ? &table_store : &object_store;
    if (s->store->open(s, in->conf, &conf, e) < 0)
        goto fail;
    conf.stream = in->env.stream;
    conf.input = in->label;
    conf.base_dir = in->env.base_dir;
    conf.agent = in->env.agent;
    conf.health = in->env.health;
    if (aws_caller_open(&s->caller, &conf, e) < 0)
        goto fail;
    aws_caller_connection(&s->caller, &s->trouble);
    s->trouble.conf.failed_text = s->store->failed_text;
    s->trouble.conf.works_text = s->store->works_text;
    s->store->begin(s);
    s->on = true;
    return 0;
fail:
    s->store->close(s);
    return -1;
}

void share_close(struct input *in)
{
    struct share *s = &in->share;

    if (!s->on)
        return;
    s->store->close(s);
    leases_release(&s->leases);
    connection_release(&s->trouble);
    aws_caller_close(&s->caller);
    s->on = false;
}
