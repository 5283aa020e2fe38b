/* bind.h -- options as tables: one cfg_field row per option binds YAML to a struct, checks it and documents it.
 *
 * The row is the only place where an option's name, type, default, bounds and help stand; `sluice reference` prints the
 * manual from the same rows that parse. Mistakes are collected, each with file:line:column, and shown all at once.
 *
 * Ownership  cfg_bind() fills a zeroed struct; strings and lists in it are owned by it: cfg_release() with the same
 * table. Threads    none: configuration is read by the main thread.
 */
#ifndef CONFIG_BIND_H
#define CONFIG_BIND_H

#include "pipeline/base/clock.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfg_node;   /* a YAML node with its position: node.h */
struct cfg_errors; /* the mistakes found so far: errors.h */

enum cfg_type {
    CFG_STRING,   /* char *; NULL when left out without default; a required one is never empty */
    CFG_BOOL,     /* bool; `choices`, when given, are its words for 0 and 1 instead of false and true */
    CFG_INT,      /* int64_t */
    CFG_SIZE,     /* uint64_t, bytes: 1MiB, 1MB, 512 */
    CFG_DURATION, /* nsec: 250ms, 60s, 5m, 24h */
    CFG_ENUM,     /* int, one of `choices` */
    CFG_STRINGS,  /* struct cfg_strings; a single scalar counts as a list of one */
    CFG_BLOCK,    /* an embedded struct described by `fields` */
    CFG_CUSTOM,   /* `bind` reads the node itself */
};

/* What it takes until another value than that of the start is in effect. Where a row says nothing, the block that it stands in says it. */
enum cfg_effect {
    CFG_EFFECT_AS_AROUND,
    CFG_EFFECT_RESTART,  /* the process begins anew */
    CFG_EFFECT_AT_ONCE,  /* it is set */
    CFG_EFFECT_ADMIN,    /* the admin server's listener begins anew */
    CFG_EFFECT_DELIVERY, /* what is sealed from then on is delivered anew */
    CFG_EFFECT_INPUTS,   /* the inputs begin anew */
};

struct cfg_strings {
    char **v;
    size_t n;
};

struct cfg_choice {
    const char *name;
    int value;
};

struct cfg_field {
    const char *name; /* NULL ends the table */
    enum cfg_type type;
    size_t offset;
    bool required;
    bool secret;      /* never printed, not in errors either */
    const char *def;  /* default, as a user would write it; NULL: zero / NULL / empty */
    int64_t min, max; /* inclusive, for INT, SIZE, DURATION and the length of STRING and STRINGS; both 0: unbounded */
    const char *unit; /* for the manual where the type does not say it; may be NULL */
    const struct cfg_choice *choices; /* CFG_ENUM, CFG_BOOL; ends with a NULL name */
    const struct cfg_field *fields;   /* CFG_BLOCK */
    /* CFG_CUSTOM: reports its own mistakes; `node` is NULL when the key is left out (not called when it is required:
     * that is reported already). */
    void (*bind)(struct cfg_errors *errs, const struct cfg_node *node, void *out);
    void (*release)(void *out); /* CFG_CUSTOM; may be NULL */
    const char *syntax;         /* CFG_CUSTOM: how the manual shows its value */
    enum cfg_effect effect;
    const char *help; /* one line */
};

/* Binds a mapping. Unknown keys (with the nearest known one), duplicates, wrong types, missing required keys and values
 * out of range go into errs. Defaults are filled in for what is left out; `node` NULL = an empty mapping at the
 * position errs knows. */
void cfg_bind(struct cfg_errors *errs, const struct cfg_node *node, const struct cfg_field *fields, void *out);
void cfg_release(const struct cfg_field *fields, void *out);

/* Do two bound structs hold the same value, as far as this row goes? Of CFG_BLOCK: in all that it has. CFG_CUSTOM: not asked. */
bool cfg_same_value(const struct cfg_field *f, const void *a, const void *b);

/* The row of an option; NULL: the table has none. */
const struct cfg_field *cfg_find(const struct cfg_field *fields, const char *name);

#endif
