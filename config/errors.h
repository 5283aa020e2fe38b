/* errors.h -- the mistakes in a configuration and what else is worth a look, collected so that all are shown at once, in the order of the file.
 *
 * Ownership  cfg_errors_free(). Threads: the main thread. Bounded: after CFG_ERRORS_MAX it counts only.
 */
#ifndef CONFIG_ERRORS_H
#define CONFIG_ERRORS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct cfg_errors;

struct cfg_errors *cfg_errors_new(void);
void cfg_errors_free(struct cfg_errors **errs);

void cfg_error(struct cfg_errors *errs, struct srcpos at, const char *fmt, ...) PRINTF_LIKE(3, 4);
size_t cfg_errors_count(const struct cfg_errors *errs); /* of mistakes */
/* Something worth a look that is no mistake. Printed among the mistakes, as "file:line:column: warning: ...". */
void cfg_warning(struct cfg_errors *errs, struct srcpos at, const char *fmt, ...) PRINTF_LIKE(3, 4);
size_t cfg_warnings_count(const struct cfg_errors *errs);
/* Is there a mistake at this place already? */
bool cfg_errors_at(const struct cfg_errors *errs, struct srcpos at);
/* The file of the first mistake, for a last line that counts them; NULL when none has one. */
const char *cfg_errors_file(const struct cfg_errors *errs);

/* Where a mapping stands that was left out, for mistakes about what it lacks. Returns the place before, to restore it.
 */
struct srcpos cfg_errors_place(struct cfg_errors *errs, struct srcpos place);
struct srcpos cfg_errors_here(const struct cfg_errors *errs);

/* Who knows what may have been meant. Each appends a hint of at most CFG_HINT_MAX bytes to `out` and answers true, or leaves it
 * alone. What may be a secret is never in a hint. */
struct cfg_field;
struct cfg_node;
struct cfg_hints {
    /* An unknown key, or a single value where a mapping belongs; asked before the nearest known key is named. `fields` describe
     * the mapping that has `item`, or that should stand in its place. */
    bool (*key)(const struct cfg_field *fields, const struct cfg_node *item, struct buf *out);
    /* A name that no registry knows. `what`: "destination", "inputs", ... */
    bool (*name)(const char *what, const char *name, struct buf *out);
    /* A mapping that should name one thing and has several keys, or `type: NAME`. */
    bool (*mapping)(const char *what, const struct cfg_node *map, struct buf *out);
    /* A list where one thing belongs. */
    bool (*list)(const char *what, const struct cfg_node *list, struct buf *out);
};

#define CFG_HINT_MAX 600

/* Those whom everybody may ask who reports a mistake; before the first one is set, nobody knows anything. */
void cfg_errors_set_hints(struct cfg_errors *errs, const struct cfg_hints *hints);
const struct cfg_hints *cfg_errors_hints(const struct cfg_errors *errs);

/* "file:line:column: what is wrong" lines, sorted by position. */
void cfg_errors_print(const struct cfg_errors *errs, struct buf *out);

#endif
