/* reload.h -- the configuration is read again while the program runs, and what differs takes effect.
 *
 *     read the file and all that it names, whole     a mistake: nothing changes
 *     compare it with what runs (settings/diff.h)    what needs a restart: nothing changes
 *     look at what the new streams need              it is not there: nothing changes
 *     new and changed streams, one after the other   one fails: those before it are as they were again
 *     streams that are gone: inputs end, what they have is delivered within shutdown.grace, the rest stays in data_dir and is named
 *
 * After a reload that was done sluice runs with what the file says, all of it. Listeners stay open; streams that are the same in both are
 * not touched, but for what they have of memory and descriptors.
 *
 * What runs is what was checked: the text of the configuration and of its scripts is read once.
 *
 * Threads    reload_now(): any; one at a time, others are turned away. The rest: the main thread.
 * Ownership  it owns the configurations that it has read, as long as the engine uses any of them: to be freed behind the engine.
 */
#ifndef PIPELINE_ENGINE_RELOAD_H
#define PIPELINE_ENGINE_RELOAD_H

#include "pipeline/base/buf.h"
#include "pipeline/engine/engine.h"
#include "pipeline/settings/settings.h"

struct reload;

struct reload_conf {
    const struct settings *settings; /* of the start; borrowed */
    struct engine *engine;
    bool once; /* it is refused, then */
    /* Something of `admin` differs: it is opened, beside what runs. -1: it cannot be, and nothing has changed. Behind it comes `at_once`, or
     * `not_so`. NULL: there is nothing to open. */
    int (*prepare)(void *ctx, const struct settings *now, struct err *e);
    void (*not_so)(void *ctx);
    /* On the thread of reload_now(); each may be NULL. A reload begins and ends, whatever comes of it; `at_once`: options of the process
     * (log.level, shutdown.grace) are these from now on; borrowed for the call. */
    void (*begins)(void *ctx);
    void (*at_once)(void *ctx, const struct settings *now);
    void (*ends)(void *ctx);
    void *ctx;
};

enum reload_result {
    RELOAD_DONE,     /* what the file says is in effect; also where that is what was */
    RELOAD_MISTAKES, /* in the file, or in what it names, or it needs a restart; nothing has changed */
    RELOAD_FAILED, /* something could not be opened; what had changed is as it was again, or the text says what is not */
    RELOAD_BUSY,   /* one is under way */
    RELOAD_STOPPED, /* the program ends */
};

struct reload *reload_new(const struct reload_conf *conf);
void reload_free(struct reload **r);

/* `by`: who asked, for the log: "SIGHUP". `only_look`: what it would do is said, and not done. `out`: lines for people; no secrets. */
enum reload_result reload_now(struct reload *r, const char *by, bool only_look, struct buf *out);

#endif
