/* fields.h -- fields that a tail adds to its records: which host, which file. Pure; no I/O.
 *
 * A record that is one JSON object gets them behind its last member; what stands before passes byte for byte. A member that it has
 * already stays, and is not added again. Any other record becomes {"message":"...", ...}: its text as a JSON string, in which bytes
 * that are not UTF-8 become U+FFFD. With that a record that was longer than a record may be stays as it was.
 *
 * Ownership  fields_free(). Threads: one at a time.
 */
#ifndef PIPELINE_INPUTS_TAIL_FIELDS_H
#define PIPELINE_INPUTS_TAIL_FIELDS_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* As configured: [host, file], or { host:, file:, env: prod }. */
struct fields_conf {
    struct fields_item *v;
    size_t n;
};
#define FIELDS_SYNTAX "list of names, or a mapping of names and texts"
void fields_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void fields_unbind(void *out);

/* The item that only a container's file knows and that has no text of its own; NULL: there is none. */
const char *fields_of_container(const struct fields_conf *c, size_t item);

struct fields;

struct fields *fields_new(const struct fields_conf *c, const char *host);
void fields_free(struct fields **f);

/* What is added from now on as `file`. */
void fields_set_file(struct fields *f, const char *path);

/* A fact of one record, by its name; false: it has none, and the field is left out. */
struct fields_facts {
    bool (*find)(const void *ctx, struct slice name, struct slice *value);
    const void *ctx;
};

/* Writes the record with its fields into `out`, which it clears first. -1: that would be more than out->max, and is not written. */
MUST_CHECK int fields_add(struct fields *f, struct slice record, const struct fields_facts *facts, struct buf *out);

#endif
