#include "pipeline/delivery/chronicle.h"

#include "pipeline/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void chronicle_init(struct chronicle *c)
{
    memset(c, 0, sizeof(*c));
    pthread_mutex_init(&c->lock, NULL);
}

static size_t kept(uint64_t count, size_t max)
{
    return count < max ? (size_t)count : max;
}

void chronicle_release(struct chronicle *c)
{
    for (size_t i = 0; i < kept(c->object_count, CHRONICLE_OBJECTS); i++)
        mem_free(c->objects[i].name);
    for (size_t i = 0; i < kept(c->error_count, CHRONICLE_ERRORS); i++)
        mem_free(c->errors[i].text);
    for (size_t i = 0; i < kept(c->event_count, CHRONICLE_EVENTS); i++)
        mem_free(c->events[i].text);
    MEM_CLEAR(c->objects);
    MEM_CLEAR(c->errors);
    MEM_CLEAR(c->events);
    history_release(&c->history);
    named_counters_release(&c->codes);
    pthread_mutex_destroy(&c->lock);
}

/* --- noting --------------------------------------------------------------------------------------------------------- */

/* A ring of at most `max` with a cleared place for one more, as long as it is not full. */
static void *with_place(void *ring, uint64_t count, size_t max, size_t size)
{
    if (count >= max)
        return ring;
    ring = mem_grow(ring, (size_t)count + 1, size);
    memset((char *)ring + count * size, 0, size);
    return ring;
}

/* A copy of at most `max` bytes; the rest is told by three dots. */
static char *cut(struct slice s, size_t max)
{
    if (s.n <= max)
        return mem_strndup(s.p, s.n);
    return mem_printf("%.*s...", (int)max, s.p);
}

void chronicle_delivered(struct chronicle *c, const struct chronicle_object *o, struct slice name)
{
    struct chronicle_object *to;

    if (!c)
        return;
    if (!o->backup) {
        histogram_add(&c->took, &HISTOGRAM_MICROSECONDS, (uint64_t)(o->took > 0 ? o->took / NSEC_PER_USEC : 0));
        histogram_add(&c->size, &HISTOGRAM_BYTES, o->bytes);
    }
    pthread_mutex_lock(&c->lock);
    c->objects = with_place(c->objects, c->object_count, CHRONICLE_OBJECTS, sizeof(*c->objects));
    to = &c->objects[c->object_count++ % CHRONICLE_OBJECTS];
    mem_free(to->name);
    *to = *o;
    to->name = name.n > 0 ? cut(name, CHRONICLE_NAME) : NULL;
    pthread_mutex_unlock(&c->lock);
}

static bool is_same(const struct chronicle_error *x, const char *code, const char *text)
{
    return strcmp(x->code, code) == 0 && strncmp(x->text, text, CHRONICLE_TEXT) == 0;
}

void chronicle_failed(struct chronicle *c, nsec wall, const char *code, const char *text)
{
    struct chronicle_error *x;

    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    x = c->error_count > 0 ? &c->errors[(c->error_count - 1) % CHRONICLE_ERRORS] : NULL;
    if (!x || !is_same(x, code, text)) {
        c->errors = with_place(c->errors, c->error_count, CHRONICLE_ERRORS, sizeof(*c->errors));
        x = &c->errors[c->error_count++ % CHRONICLE_ERRORS];
        mem_free(x->text);
        *x = (struct chronicle_error){.first = wall, .text = cut(slice_str(text), CHRONICLE_TEXT)};
        snprintf(x->code, sizeof(x->code), "%s", code);
    }
    x->last = wall;
    x->times++;
    pthread_mutex_unlock(&c->lock);
}

void chronicle_count(struct chronicle *c, const char *code)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    if (c->codes.count == 0) /* it has its place, however many codes there are */
        named_counters_add(&c->codes, SLICE("ok"), 0);
    named_counters_add(&c->codes, slice_str(code), 1);
    pthread_mutex_unlock(&c->lock);
}

void chronicle_event(struct chronicle *c, nsec wall, const char *fmt, ...)
{
    char text[CHRONICLE_TEXT + 1];
    struct chronicle_event *to;
    va_list ap;

    if (!c)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&c->lock);
    c->events = with_place(c->events, c->event_count, CHRONICLE_EVENTS, sizeof(*c->events));
    to = &c->events[c->event_count++ % CHRONICLE_EVENTS];
    mem_free(to->text);
    *to = (struct chronicle_event){.at = wall, .text = mem_strdup(text)};
    pthread_mutex_unlock(&c->lock);
}

void chronicle_note(struct chronicle *c, nsec mono, const struct history_totals *t)
{
    struct history_totals all = *t;

    all.deliveries = histogram_count(&c->took);
    all.took = (nsec)histogram_sum(&c->took) * NSEC_PER_USEC;
    pthread_mutex_lock(&c->lock);
    history_note(&c->history, mono, &all);
    pthread_mutex_unlock(&c->lock);
}

/* --- looking -------------------------------------------------------------------------------------------------------- */

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

void chronicle_view(struct chronicle *c, nsec mono_now, struct chronicle_view *v)
{
    *v = (struct chronicle_view){.object_count = 0};
    pthread_mutex_lock(&c->lock);
    v->object_count = kept(c->object_count, CHRONICLE_OBJECTS);
    for (size_t i = 0; i < v->object_count; i++) {
        v->objects[i] = c->objects[(c->object_count - 1 - i) % CHRONICLE_OBJECTS];
        v->objects[i].name = copy(v->objects[i].name);
    }
    v->error_count = kept(c->error_count, CHRONICLE_ERRORS);
    for (size_t i = 0; i < v->error_count; i++) {
        v->errors[i] = c->errors[(c->error_count - 1 - i) % CHRONICLE_ERRORS];
        v->errors[i].text = copy(v->errors[i].text);
    }
    v->event_count = kept(c->event_count, CHRONICLE_EVENTS);
    for (size_t i = 0; i < v->event_count; i++) {
        v->events[i] = c->events[(c->event_count - 1 - i) % CHRONICLE_EVENTS];
        v->events[i].text = copy(v->events[i].text);
    }
    v->last_point = history_points(&c->history, mono_now, v->points, &v->point_count);
    pthread_mutex_unlock(&c->lock);
}

void chronicle_view_release(struct chronicle_view *v)
{
    for (size_t i = 0; i < v->object_count; i++)
        MEM_CLEAR(v->objects[i].name);
    for (size_t i = 0; i < v->error_count; i++)
        MEM_CLEAR(v->errors[i].text);
    for (size_t i = 0; i < v->event_count; i++)
        MEM_CLEAR(v->events[i].text);
    v->object_count = v->error_count = v->event_count = 0;
}

struct history_rates chronicle_rates(struct chronicle *c, nsec mono_now)
{
    struct history_rates r;

    pthread_mutex_lock(&c->lock);
    r = history_rates(&c->history, mono_now);
    pthread_mutex_unlock(&c->lock);
    return r;
}

void chronicle_codes(struct chronicle *c, struct named_counters *codes)
{
    pthread_mutex_lock(&c->lock);
    named_counters_merge(codes, &c->codes);
    pthread_mutex_unlock(&c->lock);
}
