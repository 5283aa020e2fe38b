#include "pipeline/inputs/health.h"

#include "pipeline/base/mem.h"

#include <stdio.h>

static void leave_words(struct input_words **w)
{
    if (*w && atomic_fetch_sub(&(*w)->users, 1) == 1)
        mem_free(*w);
    *w = NULL;
}

void input_health_init(struct input_health *h, const char *name, unsigned nth)
{
    *h = (struct input_health){.since = 0};
    if (nth > 0)
        snprintf(h->label, sizeof(h->label), "%s-%u", name, nth + 1);
    else
        snprintf(h->label, sizeof(h->label), "%s", name);
    pthread_mutex_init(&h->lock, NULL);
}

void input_health_release(struct input_health *h)
{
    leave_words(&h->words);
    pthread_mutex_destroy(&h->lock);
}

const char *input_health_label(const struct input_health *h, const char *otherwise)
{
    return h ? h->label : otherwise;
}

/* --- what the input says ------------------------------------------------------------------------------------------- */

void input_health_add(struct input_health *h, enum input_count what, uint64_t n)
{
    if (h)
        atomic_fetch_add_explicit(&h->counts[what], n, memory_order_relaxed);
}

void input_health_lag(struct input_health *h, uint64_t n)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->lag_known = true;
    h->lag = n;
    pthread_mutex_unlock(&h->lock);
}

void input_health_leases(struct input_health *h, uint64_t held, uint64_t taken, uint64_t lost)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->leases = (struct input_leases){.known = true, .held = held, .taken = taken, .lost = lost};
    pthread_mutex_unlock(&h->lock);
}

void input_health_oldest(struct input_health *h, nsec wall_since)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->oldest_known = true;
    h->oldest = wall_since;
    pthread_mutex_unlock(&h->lock);
}

/* Locks: held. */
static void note_error(struct input_health *h, const char *cause, const char *hint, nsec mono_now)
{
    struct input_words *w = mem_alloc(sizeof(*w));

    atomic_init(&w->users, 1);
    snprintf(w->error, sizeof(w->error), "%s", cause);
    snprintf(w->hint, sizeof(w->hint), "%s", hint ? hint : "");
    leave_words(&h->words);
    h->words = w;
    h->error_at = mono_now;
}

static void note(struct input_health *h, enum input_count what, const char *cause, const char *hint, nsec mono_now)
{
    if (!h)
        return;
    input_health_add(h, what, 1);
    pthread_mutex_lock(&h->lock);
    if (h->failing == 0) /* else it would hide what the connection fails of */
        note_error(h, cause, hint, mono_now);
    pthread_mutex_unlock(&h->lock);
}

void input_health_error(struct input_health *h, const char *cause, const char *hint, nsec mono_now)
{
    note(h, INPUT_ERRORS, cause, hint, mono_now);
}

void input_health_refused(struct input_health *h, const char *cause, const char *hint, nsec mono_now)
{
    note(h, INPUT_FAILED_CALLS, cause, hint, mono_now);
}

/* --- what its connections say -------------------------------------------------------------------------------------- */

void input_health_connects(struct input_health *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->connections++;
    pthread_mutex_unlock(&h->lock);
}

void input_health_fails(struct input_health *h, bool begins, const char *cause, const char *hint, nsec mono_now)
{
    if (!h)
        return;
    input_health_add(h, INPUT_FAILED_CALLS, 1);
    pthread_mutex_lock(&h->lock);
    h->failing += begins;
    if (begins && h->failing == 1)
        h->since = mono_now;
    note_error(h, cause, hint, mono_now);
    pthread_mutex_unlock(&h->lock);
}

void input_health_works(struct input_health *h, bool ends, nsec mono_now)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    if (ends && h->worked)
        input_health_add(h, INPUT_RECONNECTS, 1);
    h->failing -= ends;
    if ((ends || !h->worked) && h->failing == 0)
        h->since = mono_now;
    h->worked = true;
    pthread_mutex_unlock(&h->lock);
}

void input_health_disconnects(struct input_health *h, bool failing)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->connections--;
    h->failing -= failing;
    pthread_mutex_unlock(&h->lock);
}

/* --- what others see ----------------------------------------------------------------------------------------------- */

void input_health_view(struct input_health *h, nsec wall_now, nsec mono_now, struct input_health_view *out)
{
    *out = (struct input_health_view){.label = h->label, .error_ago = -1};
    for (int i = 0; i < INPUT_COUNTS; i++)
        out->counts[i] = atomic_load_explicit(&h->counts[i], memory_order_relaxed);
    pthread_mutex_lock(&h->lock);
    out->has_connection = h->connections > 0;
    out->connected = out->has_connection && h->worked && h->failing == 0;
    if (h->since > 0)
        out->lasted = mono_now - h->since;
    out->lag_known = h->lag_known;
    out->leases = h->leases;
    out->lag = h->lag;
    out->oldest_known = h->oldest_known;
    if (h->oldest > 0 && wall_now > h->oldest)
        out->oldest_age = wall_now - h->oldest;
    if (h->error_at > 0) {
        out->error_ago = mono_now > h->error_at ? mono_now - h->error_at : 0;
        atomic_fetch_add(&h->words->users, 1);
        out->words = h->words;
    }
    pthread_mutex_unlock(&h->lock);
}

void input_health_view_release(struct input_health_view *v)
{
    leave_words(&v->words);
}

bool input_health_is_down(const struct input_health_view *v)
{
    return v->has_connection && !v->connected && v->error_ago >= 0;
}
