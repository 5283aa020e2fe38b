#include "config/node.h"

#include "config/tree.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/io.h"
#include "config/path.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tree_node_free(struct cfg_node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++)
        tree_node_free(node->items[i]);
    tree_node_free(node->key);
    mem_free(node->items);
    mem_free(node->unresolved);
    mem_free(node->text);
    mem_free(node);
}

void cfg_tree_free(struct cfg_tree **t)
{
    if (!*t)
        return;
    tree_node_free((*t)->root);
    mem_free((*t)->name);
    MEM_CLEAR(*t);
}

const struct cfg_node *cfg_tree_root(const struct cfg_tree *t)
{
    return t->root;
}

const struct cfg_node *cfg_node_get(const struct cfg_node *map, const char *key)
{
    if (!map || map->kind != CFG_NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[i]->key->text, key) == 0)
            return map->items[i];
    return NULL;
}

bool cfg_node_is_null(const struct cfg_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (node->kind != CFG_NODE_SCALAR || node->quoted || node->secret)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

void cfg_node_demand(const struct cfg_node *node, struct cfg_errors *errs)
{
    if (!node)
        return;
    if (node->unresolved)
        cfg_error(errs, node->at, "%s", node->unresolved);
    for (size_t i = 0; i < node->count; i++)
        cfg_node_demand(node->items[i], errs);
}

bool cfg_node_is_whole(const struct cfg_node *node)
{
    if (!node)
        return true;
    for (size_t i = 0; i < node->count; i++)
        if (!cfg_node_is_whole(node->items[i]))
            return false;
    return !node->bad;
}

struct srcpos cfg_node_place(const struct cfg_node *node)
{
    return node->key ? node->key->at : node->at;
}

const char *cfg_node_kind(const struct cfg_node *node)
{
    static const char *const kinds[] = {
        [CFG_NODE_SCALAR] = "a single value", [CFG_NODE_LIST] = "a list", [CFG_NODE_MAP] = "a mapping"};

    return kinds[node->kind];
}

/* --- from a file ---------------------------------------------------------------------------------------------------
 */

static int read_file(const char *path, struct buf *content)
{
    int rc, fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    rc = io_read_all(fd, content);
    close(fd);
    return rc;
}

struct cfg_tree *cfg_tree_load_lenient(const char *path, struct cfg_errors *errs)
{
    struct cfg_tree *t = NULL;
    char *dir = path_folder(path);
    struct buf content;

    buf_init(&content, CFG_FILE_MAX + 1); /* one more: a larger file shows by filling it */
    if (read_file(path, &content) < 0)
        cfg_error(errs, (struct srcpos){.file = path}, "cannot read the file: %s", strerror(errno));
    else
        t = cfg_tree_parse_lenient(path, dir, content.p, content.n, errs);
    buf_release(&content);
    mem_free(dir);
    return t;
}

/* --- with everything in it resolved --------------------------------------------------------------------------------
 */

static struct cfg_tree *demand_all(struct cfg_tree *t, struct cfg_errors *errs)
{
    if (t)
        cfg_node_demand(t->root, errs);
    return t;
}

struct cfg_tree *cfg_tree_load(const char *path, struct cfg_errors *errs)
{
    return demand_all(cfg_tree_load_lenient(path, errs), errs);
}

struct cfg_tree *cfg_tree_parse_in(const char *name, const char *base_dir, const char *text, size_t size,
                                   struct cfg_errors *errs)
{
    return demand_all(cfg_tree_parse_lenient(name, base_dir, text, size, errs), errs);
}

struct cfg_tree *cfg_tree_parse(const char *name, const char *text, size_t size, struct cfg_errors *errs)
{
    char *dir = path_folder(name);
    struct cfg_tree *t = cfg_tree_parse_in(name, dir, text, size, errs);

    mem_free(dir);
    return t;
}
