/* orphans.h -- streams that have records in data_dir and are not in the configuration: renamed or removed there, with records
 * on board that were acknowledged and that nobody delivers.
 *
 * Ownership  orphans_find() to orphans_release(). Threads: one.
 */
#ifndef PIPELINE_ENGINE_ORPHANS_H
#define PIPELINE_ENGINE_ORPHANS_H

#include "pipeline/base/buf.h"
#include "pipeline/settings/settings.h"

#include <stddef.h>
#include <stdint.h>

struct orphan {
    char *name;
    uint64_t records; /* that wait; 0 when `trouble` says why they cannot be counted */
    char *trouble;    /* NULL: none */
};

struct orphans {
    struct orphan *list; /* by name */
    size_t count;
};

/* Reads little: of each folder the heads of its segments and the newest one. A data_dir that is not there has none. */
void orphans_find(const struct settings *s, struct orphans *out);
/* One that was removed while the program runs; or opened again. */
void orphans_add(struct orphans *o, const char *name, uint64_t records);
void orphans_remove(struct orphans *o, const char *name);
void orphans_copy(const struct orphans *o, struct orphans *out);
void orphans_release(struct orphans *o);
const struct orphan *orphans_named(const struct orphans *o, const char *name); /* NULL: there is none */

/* "holds 12 records that nobody delivers" */
void orphan_describe(const struct orphan *o, char *out, size_t size);
/* What to do about it, for people. */
extern const char ORPHAN_HINT[];

#endif
