/* The leases stand in one array, sorted by their keys. What a lease is now changes when it is read or written; what is to be done about it is
 * decided in leases_plan(), each time when the whole table has been read, and done by leases_next() one call at a time: renewals are due by time,
 * the rest is a `want` of the lease's. Since every write has its condition, a plan may be old: then its write is refused, and the lease is read. */
#include "pipeline/inputs/kinesis/leases_impl.h"

#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

void leases_init(struct leases *l, const struct leases_conf *conf)
{
    *l = (struct leases){.conf = *conf};
}

/* --- what is ours --------------------------------------------------------------------------------------------------- */

static void revoke(struct leases *l, struct leased *x, enum lease_state to, bool lost)
{
    bool was = x->state == LEASE_MINE;

    x->state = to;
    x->drained = false;
    if (was && lost)
        l->lost++;
    if (was)
        l->conf.revoked(l->conf.ctx, x, lost);
}

static void grant(struct leases *l, struct leased *x, nsec began)
{
    bool again = x->again;

    x->state = LEASE_MINE;
    x->again = true;
    x->valid = began + l->conf.failover;
    x->due = began + l->conf.failover / 3;
    x->safe = x->at.place;
    x->drained = true;
    l->taken++;
    l->conf.granted(l->conf.ctx, x, again);
}

void leases_tick(struct leases *l, nsec now)
{
    for (size_t i = 0; i < l->n; i++) {
        struct leased *x = l->v[i];

        if (x->state == LEASE_MINE && now >= x->valid)
            revoke(l, x, LEASE_FREE, true);
        if (x->state == LEASE_GIVING && !l->parting && now - x->moved >= l->conf.failover) {
            x->state = LEASE_FREE; /* too late: its new owner begins without us */
            l->lost++;
        }
    }
}

void leases_progress(struct leased *x, const struct place *safe, bool drained)
{
    if (place_order(safe, &x->safe) > 0)
        x->safe = *safe;
    x->drained = drained;
}

void leases_gone(struct leases *l, const char *key)
{
    struct leased *x = leases_find(l, key);

    if (x && x->state == LEASE_MINE)
        x->safe = (struct place){.kind = PLACE_END};
}

void leases_drop(struct leases *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct leased *x = l->v[i];

        x->again = false;
        if (x->state == LEASE_MINE)
            revoke(l, x, LEASE_FREE, false);
    }
}

/* It has run out, as far as we know alone: it was not written in time, and nobody else has taken it. */
static bool is_still_ours(const struct leases *l, const struct leased *x)
{
    return x->state == LEASE_FREE && x->exists && x->again && is_me(l, x->at.owner) && !x->at.giver[0];
}

void leases_part(struct leases *l)
{
    l->parting = true;
    for (size_t i = 0; i < l->n; i++) {
        struct leased *x = l->v[i];

        x->want = WANT_NOTHING;
        if (x->state == LEASE_MINE) {
            revoke(l, x, LEASE_GIVING, false);
        } else if (is_still_ours(l, x)) {
            x->state = LEASE_GIVING;
            x->drained = true; /* unless leases_progress() knows better */
        }
    }
}

bool leases_parted(const struct leases *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i]->state == LEASE_GIVING)
            return false;
    return true;
}

/* --- what is read --------------------------------------------------------------------------------------------------- */

static void judge_mine(struct leases *l, struct leased *x)
{
    const struct lease *at = &x->at;

    if (is_me(l, at->giver))
        revoke(l, x, LEASE_GIVING, false);
    else if (!is_me(l, at->owner) || at->giver[0])
        revoke(l, x, LEASE_FREE, true);
}

/* What it was is `before`. */
static void judge_seen(struct leases *l, struct leased *x, const struct lease *before)
{
    bool mine = is_me(l, x->at.owner), answered = x->tried != 0 && x->at.counter == x->tried;

    if (!mine || x->at.giver[0])
        x->again = false;
    switch (x->state) {
    case LEASE_MINE:
        if (mine && x->at.counter != before->counter && !answered)
            revoke(l, x, LEASE_FREE, true); /* somebody else has our name */
        else
            judge_mine(l, x);
        if (x->state == LEASE_MINE && answered)
            x->valid = x->tried_at + l->conf.failover;
        break;
    case LEASE_GIVING:
        if (!is_me(l, x->at.giver) && !(l->parting && mine))
            x->state = LEASE_FREE;
        break;
    case LEASE_AWAITED:
        if (!mine)
            x->state = LEASE_FREE;
        break;
    case LEASE_FREE:
        if (mine && x->at.giver[0])
            x->state = LEASE_AWAITED;
        break;
    }
}

void leases_saw(struct leases *l, const struct lease *seen, nsec asked, nsec now)
{
    struct leased *x = leases_find_or_add(l, seen->key, now);
    struct lease before = x->at;
    bool first = !x->exists;

    x->seen = true;
    if (x->writes || asked < x->changed)
        return;
    x->changed = asked; /* a page of a scan may come later than an answer that was asked for behind it */
    x->unsure = false;
    x->at = *seen;
    x->exists = true;
    if (first) {
        x->since = now;
        x->again = true; /* if it has our name: no other has had it since */
    }
    if (first || before.counter != seen->counter || strcmp(before.owner, seen->owner) != 0 ||
        strcmp(before.giver, seen->giver) != 0) {
        x->moved = now;
        x->want = WANT_NOTHING; /* what was planned was planned for what it was */
    }
    judge_seen(l, x, &before);
    x->tried = 0;
}

void leases_missed(struct leases *l, const char *key, nsec asked, nsec now)
{
    struct leased *x = leases_find(l, key);

    if (!x || x->writes || asked < x->changed)
        return;
    x->changed = asked;
    x->unsure = false;
    x->tried = 0;
    if (!x->exists)
        return;
    x->exists = x->again = false;
    x->since = x->moved = now;
    if (x->state == LEASE_MINE)
        revoke(l, x, LEASE_FREE, true);
    x->state = LEASE_FREE;
}

void leases_list_begin(struct leases *l, nsec at)
{
    for (size_t i = 0; i < l->n; i++)
        l->v[i]->listed = false;
    if (!l->listed)
        l->scan_due = at;
    l->listed = true;
    l->list_at = at;
}

void leases_list(struct leases *l, const struct leases_shard *d)
{
    struct leased *x = leases_find_or_add(l, d->id, l->list_at);

    x->listed = true;
    snprintf(x->first, sizeof(x->first), "%s", d->first);
    for (size_t i = 0; i < 2; i++) {
        snprintf(x->parents[i], sizeof(x->parents[i]), "%s", d->parents[i]);
        snprintf(x->hashes[i], sizeof(x->hashes[i]), "%s", d->hashes[i]);
    }
}

/* --- the table, all of it ------------------------------------------------------------------------------------------- */

void leases_scan_begin(struct leases *l, nsec asked)
{
    l->scanning = true;
    l->scan_asked = asked;
    for (size_t i = 0; i < l->n; i++)
        l->v[i]->seen = false;
}

void leases_scan_end(struct leases *l, nsec now)
{
    for (size_t i = 0; i < l->n; i++)
        if (!l->v[i]->seen)
            leases_missed(l, l->v[i]->at.key, l->scan_asked, now);
    l->scanning = false;
    l->scanned = true;
    l->scan_due = now + l->conf.failover / 3;
    leases_plan(l, now);
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i]->want == WANT_RESET && l->v[i]->state == LEASE_MINE)
            revoke(l, l->v[i], LEASE_FREE, false);
}

void leases_scan_failed(struct leases *l, nsec again)
{
    l->scanning = false;
    l->scan_due = again;
}

/* --- calls --------------------------------------------------------------------------------------------------------- */

static bool looks(const struct leased *x, nsec now)
{
    return (x->unsure || x->state == LEASE_AWAITED) && x->look_at <= now;
}

/* The Kinesis Client Library deletes the lease of a shard that was read when it knows the children. */
static void name_children(const struct leases *l, const struct leased *x, struct lease *new)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n && n < 2; i++)
        for (unsigned k = 0; k < 2; k++)
            if (strcmp(parent_id(l->v[i], k), x->at.key) == 0 && n < 2)
                memcpy(new->children[n++], l->v[i]->at.key, sizeof(new->children[0]));
}

/* What it becomes. */
static bool make_put(struct leases *l, struct leased *x, enum lease_want want, struct lease_act *act)
{
    struct lease *new = &act->lease;

    act->kind = LEASE_PUT;
    act->want = want;
    act->existed = x->exists;
    *new = x->at;
    new->counter++;
    if (x->listed && x->hashes[0][0])
        memcpy(new->hashes, x->hashes, sizeof(new->hashes));
    switch (want) {
    case WANT_CREATE:
        new->counter = new->switches = 0;
        new->owner[0] = new->giver[0] = '\0';
        new->place = x->safe;
        new->at_start = false;
        memcpy(new->parents, x->parents, sizeof(new->parents));
        memcpy(new->first, x->first, sizeof(new->first));
        break;
    case WANT_TAKE:
    case WANT_STEAL:
        memcpy(new->giver, want == WANT_STEAL ? x->at.owner : "", want == WANT_STEAL ? sizeof(new->giver) : 1);
        if (!is_me(l, new->owner))
            new->switches++;
        snprintf(new->owner, sizeof(new->owner), "%s", l->conf.me);
        break;
    case WANT_RESET:
        new->owner[0] = new->giver[0] = '\0';
        new->place = (struct place){.kind = PLACE_START};
        new->switches = 0;
        memcpy(new->first, x->first, sizeof(new->first));
        break;
    case WANT_NOTHING: /* it is renewed, or given up */
        if (place_order(&x->safe, &new->place) > 0) {
            new->place = x->safe;
            new->at_start = false;
            new->switches = 0;
        }
        if (new->place.kind == PLACE_END)
            name_children(l, x, new);
        if (new->place.kind == PLACE_END || (x->state == LEASE_GIVING && x->drained && is_me(l, new->owner)))
            new->owner[0] = '\0';
        new->giver[0] = '\0';
        break;
    case WANT_NAME:
        name_children(l, x, new);
        break;
    case WANT_DELETE:
        act->kind = LEASE_DELETE;
        break;
    }
    return true;
}

static bool next_of(struct leases *l, struct leased *x, nsec now, struct lease_act *act)
{
    bool ends = x->safe.kind == PLACE_END && x->at.place.kind != PLACE_END;

    if (x->busy)
        return false;
    if (looks(x, now)) {
        act->kind = LEASE_LOOK;
        return true;
    }
    if (x->unsure)
        return false;
    if (x->state == LEASE_GIVING) /* one that nobody has asked for stays ours until then */
        return (x->drained || (x->due <= now && is_me(l, x->at.owner))) && make_put(l, x, WANT_NOTHING, act);
    if (x->state == LEASE_MINE)
        return (x->due <= now || ends) && make_put(l, x, WANT_NOTHING, act);
    if (l->parting)
        return false;
    if (x->state == LEASE_AWAITED)
        return (!x->at.giver[0] || now - x->moved >= l->conf.failover) && make_put(l, x, WANT_TAKE, act);
    return x->want != WANT_NOTHING && make_put(l, x, x->want, act);
}

bool leases_next(struct leases *l, nsec now, struct lease_act *act)
{
    *act = (struct lease_act){.kind = LEASE_SCAN, .began = now};
    for (size_t i = 0; i < l->n; i++) {
        struct leased *x = l->v[(l->cursor + i) % l->n];

        if (!next_of(l, x, now, act))
            continue;
        l->cursor = (l->cursor + i + 1) % l->n;
        x->busy = true;
        x->writes = act->kind != LEASE_LOOK;
        act->of = x;
        return true;
    }
    if (l->parting || !l->listed || l->scanning || now < l->scan_due)
        return false;
    leases_scan_begin(l, now);
    return true;
}

static void was_written(struct leases *l, struct leased *x, const struct lease_act *act, nsec now)
{
    const struct lease *at = &act->lease;
    bool mine = is_me(l, at->owner);

    x->at = *at;
    x->exists = true;
    x->moved = x->changed = now;
    switch (act->want) {
    case WANT_TAKE:
        if (!l->parting) {
            grant(l, x, act->began);
        } else {
            x->state = LEASE_GIVING;
            x->safe = at->place;
            x->drained = true;
        }
        break;
    case WANT_STEAL:
        x->again = false;
        x->state = LEASE_AWAITED;
        x->look_at = now;
        break;
    case WANT_NOTHING:
        if (x->state == LEASE_MINE && mine) {
            x->valid = act->began + l->conf.failover;
            x->due = act->began + l->conf.failover / 3;
        } else if (x->state == LEASE_MINE) {
            revoke(l, x, LEASE_FREE, false); /* read to its end */
        } else if (x->state == LEASE_GIVING && (!mine || !l->parting)) {
            x->state = LEASE_FREE;
        } else {
            x->due = act->began + l->conf.failover / 3;
        }
        if (!mine)
            x->again = false;
        break;
    case WANT_CREATE:
    case WANT_RESET:
        x->since = now;
        l->scan_due = now; /* who takes it? */
        break;
    case WANT_NAME:
    case WANT_DELETE:
        break;
    }
}

void leases_done(struct leases *l, struct lease_act *act, enum lease_outcome outcome, nsec again, nsec now)
{
    struct leased *x = act->of;

    x->busy = x->writes = false;
    if (act->kind == LEASE_LOOK) {
        x->look_at = outcome == LEASE_DONE ? now + l->conf.failover / 10 : again;
        return;
    }
    if (outcome == LEASE_DONE && act->kind == LEASE_DELETE) {
        x->exists = x->again = false;
        x->changed = x->since = now;
        x->over = true; /* else it would be made again */
    } else if (outcome == LEASE_DONE) {
        was_written(l, x, act, now);
    } else {
        x->unsure = true;
        x->tried = outcome == LEASE_UNSURE ? act->lease.counter : 0;
        x->tried_at = act->began;
        x->look_at = outcome == LEASE_UNSURE ? again : now;
    }
    x->want = WANT_NOTHING;
}

/* --- for others ---------------------------------------------------------------------------------------------------- */

bool leases_miss_children(const struct leases *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (has_ended(l->v[i]) && l->v[i]->listed && !l->v[i]->has_children)
            return true;
    return false;
}

size_t leases_held(const struct leases *l)
{
    size_t n = 0;

    for (size_t i = 0; i < l->n; i++)
        n += l->v[i]->state == LEASE_MINE;
    return n;
}

bool leases_settled(const struct leases *l)
{
    if (!l->scanned || l->list_at > l->scan_asked)
        return false;
    for (size_t i = 0; i < l->n; i++) {
        const struct leased *x = l->v[i];

        if (x->busy || x->unsure || x->want != WANT_NOTHING || x->state == LEASE_AWAITED || x->state == LEASE_GIVING)
            return false;
        if (x->listed && !x->exists && !x->over)
            return false;
        if (x->exists && !has_ended(x) && x->state == LEASE_FREE && (!x->at.owner[0] || x->moved <= x->since))
            return false; /* or is its owner dead? */
    }
    return true;
}
