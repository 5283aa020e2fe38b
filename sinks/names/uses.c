#include "sinks/names/uses.h"

static void use_key(struct key_uses *u, const char *option, enum key_source source, struct slice name)
{
    for (size_t i = 0; i < u->count; i++)
        if (u->key[i].source == source && slice_eq(u->key[i].name, name))
            return;
    if (u->count == PARTITION_KEYS_MAX)
        u->too_many = true;
    else
        u->key[u->count++] = (struct key_use){source, name, option};
}

static void add_template(const struct sink_template *t, struct key_uses *u)
{
    struct slice rest = slice_str(t->text);
    struct piece p;
    struct err e;

    u->time = u->time || t->timed;
    while (piece_next(t->option, &rest, &p, &e) > 0) {
        enum key_source source = piece_key(&p);

        if (source != KEY_NONE)
            use_key(u, t->option, source, p.value);
        u->time = u->time || (p.expression && slice_is(p.space, "timestamp"));
    }
}

void key_uses_of(const struct sink_ops *ops, const void *conf, struct key_uses *out)
{
    struct sink_template t;

    *out = (struct key_uses){.count = 0};
    for (size_t i = 0; ops->template_at && ops->template_at(conf, i, &t); i++)
        if (t.text)
            add_template(&t, out);
}
