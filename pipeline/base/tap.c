/* A ring of copies. Each side may show so many records in each second that begins with the first of them; then the rest of that second is
 * counted, and not copied, so that one who looks cannot slow a stream down. */
#include "pipeline/base/tap.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/base/utf8.h"

#include <stdio.h>
#include <string.h>

void tap_init(struct tap *t)
{
    memset(t, 0, sizeof(*t));
    t->count = 1; /* 0 is nobody's place */
    pthread_mutex_init(&t->lock, NULL);
    thread_cond_init(&t->shown);
}

static void clear_entry(struct tap_entry *e)
{
    mem_free(e->before.bytes);
    mem_free(e->after.bytes);
    memset(e, 0, sizeof(*e));
}

/* Locks: held. */
static void shut(struct tap *t)
{
    atomic_store_explicit(&t->wanted, false, memory_order_relaxed);
    for (size_t i = 0; t->ring && i < TAP_ENTRIES; i++)
        clear_entry(&t->ring[i]);
    MEM_CLEAR(t->ring);
    memset(t->sides, 0, sizeof(t->sides));
}

void tap_release(struct tap *t)
{
    shut(t);
    pthread_cond_destroy(&t->shown);
    pthread_mutex_destroy(&t->lock);
}

/* --- what passes by --------------------------------------------------------------------------------------------------- */

/* Locks: held. True: it may be shown. */
static bool admit(struct tap *t, enum tap_side side, nsec now)
{
    if (t->ring && now > t->until)
        shut(t);
    if (!t->ring)
        return false;
    if (t->sides[side].shown == 0 || now - t->sides[side].second >= NSEC_PER_SEC) {
        t->sides[side].second = now;
        t->sides[side].shown = 0;
    }
    if (t->sides[side].shown >= TAP_PER_SECOND) {
        t->sides[side].unseen++;
        return false;
    }
    t->sides[side].shown++;
    return true;
}

static struct tap_text text_of(struct slice s)
{
    struct tap_text t = {.n = s.n < TAP_TEXT ? s.n : TAP_TEXT, .whole = s.n};

    for (int i = 1; i < UTF8_MAX && t.n < s.n && ((unsigned char)s.p[t.n] & 0xc0) == 0x80; i++)
        t.n--; /* not half a character */
    t.bytes = mem_alloc(t.n + 1);
    if (t.n > 0)
        memcpy(t.bytes, s.p, t.n);
    return t;
}

/* Locks: held. */
static struct tap_entry *enter(struct tap *t, enum tap_side side, enum tap_fate fate, uint64_t record)
{
    struct tap_entry *e = &t->ring[++t->count % TAP_ENTRIES];

    clear_entry(e);
    *e = (struct tap_entry){
        .number = t->count, .record = record, .unseen = t->sides[side].unseen, .at = clock_wall(), .fate = fate};
    t->sides[side].unseen = 0;
    pthread_cond_broadcast(&t->shown);
    return e;
}

bool tap_show_in(struct tap *t, nsec now, uint64_t record, struct slice data)
{
    bool shows;

    pthread_mutex_lock(&t->lock);
    shows = admit(t, TAP_IN, now);
    if (shows)
        enter(t, TAP_IN, TAP_CAME, record)->before = text_of(data);
    pthread_mutex_unlock(&t->lock);
    return shows;
}

void tap_show_out(struct tap *t, nsec now, enum tap_fate fate, const char *by, uint64_t record, struct slice before,
                  struct slice after)
{
    pthread_mutex_lock(&t->lock);
    if (admit(t, TAP_OUT, now)) {
        struct tap_entry *e = enter(t, TAP_OUT, fate, record);

        snprintf(e->by, sizeof(e->by), "%s", by);
        e->before = text_of(before);
        if (fate != TAP_DROPPED)
            e->after = text_of(after);
    }
    pthread_mutex_unlock(&t->lock);
}

void tap_pass(struct tap *t, enum tap_side side, uint64_t records)
{
    pthread_mutex_lock(&t->lock);
    if (t->ring)
        t->sides[side].unseen += records;
    pthread_mutex_unlock(&t->lock);
}

void tap_tick(struct tap *t, nsec now)
{
    if (!tap_is_wanted(t))
        return;
    pthread_mutex_lock(&t->lock);
    if (now > t->until)
        shut(t);
    pthread_mutex_unlock(&t->lock);
}

/* --- who looks -------------------------------------------------------------------------------------------------------- */

static struct tap_text copy(const struct tap_text *t)
{
    struct tap_text c = *t;

    if (!t->bytes)
        return c;
    c.bytes = mem_alloc(t->n + 1);
    memcpy(c.bytes, t->bytes, t->n);
    return c;
}

void tap_look(struct tap *t, nsec now, uint64_t after, struct tap_view *v)
{
    uint64_t first;

    *v = (struct tap_view){.count = 0};
    pthread_mutex_lock(&t->lock);
    if (t->ring && now > t->until)
        shut(t);
    v->opened = !t->ring;
    if (!t->ring)
        t->ring = mem_array(TAP_ENTRIES, sizeof(*t->ring));
    t->until = now + TAP_LEASE;
    atomic_store_explicit(&t->wanted, true, memory_order_relaxed);
    if (after == 0 || after > t->count)
        after = t->count; /* nothing; or of an earlier life of the stream */
    first = t->count > TAP_ENTRIES && after < t->count - TAP_ENTRIES ? t->count - TAP_ENTRIES : after;
    v->next = first;
    for (uint64_t i = first + 1; i <= t->count && v->count < TAP_LOOK; i++) {
        const struct tap_entry *e = &t->ring[i % TAP_ENTRIES];

        v->next = i;
        if (e->number != i) /* it was closed in between */
            continue;
        v->entries[v->count] = *e;
        v->entries[v->count].before = copy(&e->before);
        v->entries[v->count++].after = copy(&e->after);
    }
    pthread_mutex_unlock(&t->lock);
}

void tap_await(struct tap *t, uint64_t after, nsec mono)
{
    struct timespec until = clock_timespec(mono);
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    while (rc == 0 && t->count <= after)
        rc = pthread_cond_timedwait(&t->shown, &t->lock, &until);
    pthread_mutex_unlock(&t->lock);
}

void tap_view_keep(struct tap_view *v, const char *by)
{
    size_t kept = 0;

    for (size_t i = 0; i < v->count; i++)
        if (v->entries[i].fate == TAP_CAME || strcmp(v->entries[i].by, by) == 0)
            v->entries[kept++] = v->entries[i];
        else
            clear_entry(&v->entries[i]);
    v->count = kept;
}

void tap_view_release(struct tap_view *v)
{
    for (size_t i = 0; i < v->count; i++)
        clear_entry(&v->entries[i]);
    v->count = 0;
}

/* --- on a line -------------------------------------------------------------------------------------------------------- */

/* Those of ASCII, C1, and the marks by which a text could be made to look like another. */
static bool is_obeyed(const unsigned char *c, size_t n)
{
    if (n == 1)
        return c[0] < 0x20 || c[0] == 0x7f;
    if (n == 2)
        return (c[0] == 0xc2 && c[1] < 0xa0) || (c[0] == 0xd8 && c[1] == 0x9c);
    if (n != 3 || c[0] != 0xe2)
        return false;
    return (c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae))) ||
           (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}

int tap_visible(struct slice bytes, struct buf *out)
{
    const char *end = bytes.p + bytes.n;

    for (const char *p = bytes.p; p < end;) {
        size_t n = utf8_first(slice_of(p, (size_t)(end - p))), took = n ? n : 1;
        bool plain = n > 0 && !is_obeyed((const unsigned char *)p, n);

        if (plain && buf_add(out, p, took) < 0)
            return -1;
        for (size_t i = 0; !plain && i < took; i++)
            if (buf_printf(out, "\\x%02x", (unsigned char)p[i]) < 0)
                return -1;
        p += took;
    }
    return 0;
}
