/* node.h -- a parsed YAML document: a tree in which every node knows its place.
 *
 * Only what configuration needs: scalars, lists, mappings. `${env:..}` and `${file:..}` are already replaced inside
 * scalars (so a value can never become YAML), and a scalar that came from one is marked secret, so that no message
 * shows it.
 *
 * Ownership  cfg_tree_free() frees all nodes. Threads: the main thread.
 * Invariant  mapping keys are unique (duplicates were reported and dropped); depth and size are bounded.
 */
#ifndef CONFIG_NODE_H
#define CONFIG_NODE_H

#include "config/errors.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum cfg_kind { CFG_NODE_SCALAR, CFG_NODE_LIST, CFG_NODE_MAP };

struct cfg_node {
    enum cfg_kind kind;
    struct srcpos at;
    char *text;              /* scalar; "" for an empty one */
    bool quoted;             /* "1" is a string, 1 a number; null, ~ and empty are absent only when not quoted */
    bool secret;             /* came from ${...} */
    bool bad;                /* a mistake here was reported already: do not report another */
    char *unresolved;        /* why its ${...} could not be replaced, as long as nobody demanded it; NULL otherwise */
    struct cfg_node *key;    /* this node's key, when its parent is a mapping */
    struct cfg_node **items; /* list elements, or mapping values (their keys in items[i]->key) */
    size_t count;
};

struct cfg_tree {
    char *name; /* what messages call the file; every node's at.file points to it */
    struct cfg_node *root;
    struct cfg_tree *next; /* files whose nodes are this one's by now (parts.h) */
};

/* Parses and interpolates. Mistakes go into errs; NULL when there is nothing to bind (then errs is not empty). `name`
 * is what messages call the file; copied. ${file:..} starts in the file's folder. */
struct cfg_tree *cfg_tree_parse(const char *name, const char *text, size_t size, struct cfg_errors *errs);

struct cfg_tree *cfg_tree_load(const char *path, struct cfg_errors *errs);
/* The same for who needs a part of the file only (`base_dir`: where ${file:..} starts): a ${...} that cannot be replaced is a mistake when it is demanded. Until
 * then its value is bad. */
struct cfg_tree *cfg_tree_parse_lenient(const char *name, const char *base_dir, const char *text, size_t size,
                                        struct cfg_errors *errs);
struct cfg_tree *cfg_tree_load_lenient(const char *path, struct cfg_errors *errs);
/* Likewise, of a regular file, which is one of several. */
struct cfg_tree *cfg_tree_load_part(const char *path, const char *base_dir, struct cfg_errors *errs);
/* Reports what could not be replaced in `node` and below; NULL: nothing. */
void cfg_node_demand(const struct cfg_node *node, struct cfg_errors *errs);
void cfg_tree_free(struct cfg_tree **t);
void cfg_node_free(struct cfg_node *node); /* all below it, and its key; NULL: nothing */
const struct cfg_node *cfg_tree_root(const struct cfg_tree *t);

/* The value of a mapping's key; NULL when absent, or when `map` is NULL or no mapping. */
const struct cfg_node *cfg_node_get(const struct cfg_node *map, const char *key);

/* True for what counts as left out: nothing behind the key, null or ~, not quoted. */
bool cfg_node_is_null(const struct cfg_node *node);

/* True when neither `node` nor anything below it is bad. NULL is whole. */
bool cfg_node_is_whole(const struct cfg_node *node);

/* Is the same written in both, places apart? What is left out is not what is written as its default. NULL: left out. */
bool cfg_node_same(const struct cfg_node *a, const struct cfg_node *b);

/* Where a mistake about what is missing in `node` is shown: its key, if it has one. */
struct srcpos cfg_node_place(const struct cfg_node *node);

/* "a list", "a mapping", "a single value": for messages. */
const char *cfg_node_kind(const struct cfg_node *node);

#endif
