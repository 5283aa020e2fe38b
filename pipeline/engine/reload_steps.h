/* reload_steps.h -- the streams of a running engine become what a new configuration says: one step for each that differs.
 *
 *     reload_steps_take()    what comes and what changes; one that fails is taken back, and those before it
 *     reload_steps_end()     behind it: what is gone
 *
 * Ownership  embedded in the reload's; what both configurations say is borrowed from one call to the other. Threads: one at a time.
 */
#ifndef PIPELINE_ENGINE_RELOAD_STEPS_H
#define PIPELINE_ENGINE_RELOAD_STEPS_H

#include "pipeline/engine/reload.h"
#include "pipeline/settings/diff.h"

struct reload_step;

/* Names of streams. */
struct reload_names {
    char **v;
    size_t n;
};

struct reload_steps {
    struct engine *engine;
    struct reload_step *list; /* of the reload that is under way */
    size_t count;
    bool stopped; /* the program stops: the next start reads the file */
    bool frees;   /* some streams end, or read something else: what they had may be somebody else's then */
    struct reload_names leaving; /* that are in no configuration, and could not be removed yet */
    struct reload_names unsure;  /* that could not be made again what they were: they begin anew with the next reload */
};

void reload_steps_init(struct reload_steps *all, struct engine *engine);
void reload_steps_release(struct reload_steps *all);

bool reload_steps_unsure(const struct reload_steps *all, const char *name);
/* `out`: what could not be taken back. */
enum reload_result reload_steps_take(struct reload_steps *all, const struct settings_diff *d, struct buf *out,
                                     struct err *e);
/* Waits for their deliveries, for the grace time together; `now` is what runs. `out`: what is still there. */
void reload_steps_end(struct reload_steps *all, const struct settings *now, struct buf *out);

#endif
