#include "pipeline/engine/pauses.h"

#include "pipeline/engine/impl.h"

#include <stdio.h>
#include <string.h>

const char *pauses_name_in(const struct stream_settings *conf, const char *name)
{
    const struct stream_settings *first = settings_outlet(conf, 0);

    if (settings_outlet_named(conf, name))
        return name;
    if (!name[0])
        return settings_outlet_name(first);
    return !settings_outlet_name(first)[0] && strcmp(name, settings_outlet_default_name(first)) == 0 ? "" : NULL;
}

void pauses_note(const struct stream *st, struct engine_pauses *p)
{
    p->count = st->outlet_count;
    for (size_t i = 0; i < st->outlet_count; i++) {
        const struct outlet *o = &st->outlets[i];

        p->of[i].since = atomic_load(&o->orders.paused_since);
        snprintf(p->of[i].outlet, sizeof(p->of[i].outlet), "%s", settings_outlet_name(o->conf));
    }
}

void pauses_again(struct stream *st, const struct engine_pauses *p)
{
    for (size_t k = 0; k < p->count; k++) {
        const char *name = pauses_name_in(st->conf, p->of[k].outlet);

        for (size_t i = 0; name && i < st->outlet_count; i++)
            if (strcmp(settings_outlet_name(st->outlets[i].conf), name) == 0)
                atomic_store(&st->outlets[i].orders.paused_since, p->of[k].since);
    }
}

void engine_note_pauses(struct engine *en, const char *name, struct engine_pauses *p)
{
    const struct engine_stream *es;

    p->count = 0;
    pthread_mutex_lock(&en->lock);
    es = engine_find(en, name);
    if (es && engine_sees(es))
        pauses_note(es->stream, p);
    pthread_mutex_unlock(&en->lock);
}
