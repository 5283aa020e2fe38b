/* preflight.h -- what running would need, looked at without starting. Nothing is created: a folder that is not there yet is fine when
 * its nearest parent can be written to.
 *
 * Threads: one.
 */
#ifndef PIPELINE_ENGINE_PREFLIGHT_H
#define PIPELINE_ENGINE_PREFLIGHT_H

#include "pipeline/base/buf.h"
#include "pipeline/engine/engine.h"
#include "pipeline/settings/diff.h"
#include "pipeline/settings/settings.h"

/* What running would need, checked without starting: folders writable, keys there, addresses free. What is missing goes into
 * `found` as mistakes, what it would stumble over but run all the same as warnings. `running`: what this process runs
 * with already, whose own folder, addresses and descriptors are in nobody's way; NULL: nothing. */
void preflight_check(const struct settings *s, const struct settings *running, struct cfg_errors *found);
/* As far as a reload begins something anew: what has not changed runs, and is not looked at. `es`: who listens already, whether or not
 * somebody uses it at the moment. */
void preflight_check_changes(const struct settings *s, const struct settings *running, const struct engine_status *es,
                             const struct settings_diff *d, struct cfg_errors *found);
/* Reaches the sources of inputs (input_ops.probe), several at the same time, for PROBE_TIME each. What fails is a warning: it would run, and try
 * again. */
void preflight_probe(const struct settings *s, struct cfg_errors *found);

/* "app-logs: api, tail -> s3://logs/app/": for people; no secrets. -1 when `out` is full. */
MUST_CHECK int preflight_describe(const struct settings *s, const struct stream_settings *st, struct buf *out);

#endif
