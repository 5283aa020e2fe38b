/* Each text is walked over once. A bound is for the whole text: what literals and times take of it is not there for values. */
#include "sinks/names/uses.h"

#include "pipeline/base/time_zone.h"
#include "sinks/names/time_pattern.h"

#include <string.h>

/* No pattern makes more of a moment than this for each of its characters: `MMMM` September, `VV` the zone's name. */
#define TIME_LETTER_ROOM ((size_t)TIME_ZONE_NAME_MAX / 2)

/* A text while it is walked over. */
struct walk {
    struct key_uses *uses;
    const struct sink_template *t;
    size_t fixed, fixed_of_name; /* bytes that are not of values: of all, and since the last slash */
    size_t first_of_name;        /* the first place since then */
};

static void end_name(struct walk *w, size_t tail)
{
    struct key_uses *u = w->uses;
    size_t fixed = w->fixed_of_name + tail;

    if (w->first_of_name < u->place_count)
        u->place[w->first_of_name].room = fixed < w->t->name_max ? w->t->name_max - fixed : 0;
    w->first_of_name = u->place_count;
    w->fixed_of_name = 0;
}

static void add_fixed(struct walk *w, struct slice text)
{
    w->fixed += text.n;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '/')
            end_name(w, 0);
        else
            w->fixed_of_name++;
    }
}

static void use_key(struct walk *w, enum key_source source, struct slice name)
{
    struct key_uses *u = w->uses;
    size_t i = 0;

    while (i < u->count && (u->key[i].source != source || !slice_eq(u->key[i].name, name)))
        i++;
    if (i == PARTITION_KEYS_MAX) {
        u->too_many = true;
        return;
    }
    if (i == u->count)
        u->key[u->count++] = (struct key_use){.source = source, .name = name, .option = w->t->option};
    u->key[i].bounded += w->t->max > 0;
    if (w->t->name_max > 0 && u->place_count < PARTITION_PLACES_MAX) {
        u->place[u->place_count] =
            (struct partition_place){.key = i, .begins_name = u->place_count == w->first_of_name};
        u->place_count++;
    }
}

/* Adds what it is at its longest; exact enough for a bound. */
static void use_time(struct walk *w, struct slice pattern)
{
    /* A Wednesday in September, near midnight: no other moment takes more characters. */
    static const nsec LONGEST = (nsec)1790812799 * NSEC_PER_SEC;
    struct key_uses *u = w->uses;
    enum time_unit unit = time_pattern_unit(pattern, &u->offset);
    struct time_zone *zone = NULL;
    struct buf text;
    struct err e;

    u->unit = !u->timed || unit > u->unit ? unit : u->unit;
    u->timed = w->t->option;
    u->timezone = w->t->timezone;
    buf_init(&text, 4096);
    if (time_pattern_check(pattern, &e) == 0 && time_zone_open(&zone, w->t->timezone, &e) == 0 &&
        time_pattern_render(pattern, LONGEST, zone, &text) == 0)
        add_fixed(w, buf_slice(&text));
    else
        w->fixed += pattern.n * TIME_LETTER_ROOM;
    time_zone_free(&zone);
    buf_release(&text);
}

static void add_template(const struct sink_template *t, const char *stream, struct key_uses *u)
{
    struct walk w = {.uses = u, .t = t, .first_of_name = u->place_count};
    struct slice rest = slice_str(t->text ? t->text : "");
    struct piece p;
    struct err e;

    if (t->implied)
        use_time(&w, slice_str(t->implied));
    while (piece_next(t->option, &rest, &p, &e) > 0) {
        if (!p.expression)
            add_fixed(&w, p.text);
        else if (piece_key(&p) != KEY_NONE)
            use_key(&w, piece_key(&p), p.value);
        else if (slice_is(p.space, "timestamp"))
            use_time(&w, p.value);
        else
            add_fixed(&w, SLICE("random-text")); /* as long as firehose:random-string */
    }
    end_name(&w, strlen(stream) + t->tail);
    if (t->max > 0) {
        u->room = w.fixed < t->max ? t->max - w.fixed : 1;
        u->form = t->form;
    }
}

void key_uses_of(const struct sink_ops *ops, const void *conf, const char *stream, struct key_uses *out)
{
    struct sink_template t;

    *out = (struct key_uses){.count = 0};
    for (size_t i = 0; ops->template_at && ops->template_at(conf, i, &t); i++)
        add_template(&t, stream, out);
}
