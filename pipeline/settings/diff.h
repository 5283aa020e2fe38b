/* diff.h -- what is different between two configurations, and what it takes to have the new one in effect.
 *
 * Which option takes what stands in its own row (cfg_field.effect): a new option has to say so, or it is taken for one that needs a restart
 * (at the top of the file), or that deliveries begin anew (in a stream).
 *
 * Pure: reads both, changes nothing. Threads: any. Ownership: settings_diff_release(); `before` and `now` outlive it.
 */
#ifndef PIPELINE_SETTINGS_DIFF_H
#define PIPELINE_SETTINGS_DIFF_H

#include "config/errors.h"
#include "pipeline/base/buf.h"
#include "pipeline/settings/settings.h"

#include <stdbool.h>
#include <stddef.h>

enum settings_change { SETTINGS_SAME, SETTINGS_ADDED, SETTINGS_REMOVED, SETTINGS_CHANGED };

struct settings_diff_stream {
    const char *name;
    enum settings_change change;
    const struct stream_settings *before, *now; /* NULL: it was not, or is not, there */
    bool delivery, inputs;                      /* of one that is changed: what begins anew; one or both */
    bool scripts;                               /* of the deliveries only what scripts say */
    char *options;                              /* those that differ: "buffer, destination"; NULL: not changed */
};

struct settings_diff {
    struct settings_diff_stream *streams; /* those of `now` in its order, then those that are removed */
    size_t count;
    size_t counts[SETTINGS_CHANGED + 1]; /* streams, by their change */
    char *at_once;                       /* options at the top of the file: "log.level"; NULL: none differs */
    bool admin;                          /* one of those of `admin` */
};

/* What needs a restart is a mistake in errs, each with its place in `now`; no value is shown. */
void settings_diff(const struct settings *before, const struct settings *now, struct cfg_errors *errs,
                   struct settings_diff *out);
void settings_diff_release(struct settings_diff *d);

/* "stream app: buffer, destination: deliveries begin anew", a line for each that differs; -1 when `out` is full. */
MUST_CHECK int settings_diff_describe(const struct settings_diff *d, struct buf *out);

#endif
