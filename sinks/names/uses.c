/* Each text is walked over once. A bound is for the whole text: what literals and times take of it is not there for values. */
#include "sinks/names/uses.h"

#include "pipeline/base/time_zone.h"
#include "sinks/names/time_pattern.h"

#define RANDOM_CHARACTERS 11
/* No pattern makes more of a moment than this for each of its characters: `MMMM` September, `VV` the zone's name. */
#define TIME_LETTER_ROOM ((size_t)TIME_ZONE_NAME_MAX / 2)

static void use_key(struct key_uses *u, const struct sink_template *t, enum key_source source, struct slice name)
{
    size_t i = 0;

    while (i < u->count && (u->key[i].source != source || !slice_eq(u->key[i].name, name)))
        i++;
    if (i == PARTITION_KEYS_MAX) {
        u->too_many = true;
        return;
    }
    if (i == u->count)
        u->key[u->count++] = (struct key_use){.source = source, .name = name, .option = t->option};
    u->key[i].bounded += t->max > 0;
}

/* Returns how long the text may become; exact enough for a bound. */
static size_t use_time(struct key_uses *u, const struct sink_template *t, struct slice pattern)
{
    /* A Wednesday in September, near midnight: no other moment takes more characters. */
    static const nsec LONGEST = (nsec)1790812799 * NSEC_PER_SEC;
    enum time_unit unit = time_pattern_unit(pattern, &u->offset);
    struct time_zone *zone = NULL;
    size_t n = pattern.n * TIME_LETTER_ROOM;
    struct buf text;
    struct err e;

    u->unit = !u->timed || unit > u->unit ? unit : u->unit;
    u->timed = t->option;
    u->timezone = t->timezone;
    buf_init(&text, 4096);
    if (time_pattern_check(pattern, &e) == 0 && time_zone_open(&zone, t->timezone, &e) == 0 &&
        time_pattern_render(pattern, LONGEST, zone, &text) == 0)
        n = text.n;
    time_zone_free(&zone);
    buf_release(&text);
    return n;
}

static void add_template(const struct sink_template *t, struct key_uses *u)
{
    struct slice rest = slice_str(t->text ? t->text : "");
    size_t fixed = t->implied ? use_time(u, t, slice_str(t->implied)) : 0;
    struct piece p;
    struct err e;

    while (piece_next(t->option, &rest, &p, &e) > 0) {
        if (!p.expression)
            fixed += p.text.n;
        else if (piece_key(&p) != KEY_NONE)
            use_key(u, t, piece_key(&p), p.value);
        else
            fixed += slice_is(p.space, "timestamp") ? use_time(u, t, p.value) : RANDOM_CHARACTERS;
    }
    if (t->max > 0) {
        u->room = fixed < t->max ? t->max - fixed : 1;
        u->form = t->form;
    }
}

void key_uses_of(const struct sink_ops *ops, const void *conf, struct key_uses *out)
{
    struct sink_template t;

    *out = (struct key_uses){.count = 0};
    for (size_t i = 0; ops->template_at && ops->template_at(conf, i, &t); i++)
        add_template(&t, out);
}
