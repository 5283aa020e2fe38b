#include "config/parts.h"

#include "config/path.h"
#include "config/text.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define FOLDER "config.d"

/* --- two trees become one ------------------------------------------------------------------------------------------ */

static void append(struct cfg_node *map, struct cfg_node *item)
{
    map->items = mem_grow(map->items, map->count + 1, sizeof(struct cfg_node *));
    map->items[map->count++] = item;
}

static struct cfg_node *find(const struct cfg_node *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[i]->key->text, key) == 0)
            return map->items[i];
    return NULL;
}

static void report_twice(struct cfg_errors *errs, const struct cfg_node *a, const struct cfg_node *b)
{
    const struct cfg_node *places[] = {a, b};
    char shown[TEXT_SHOWN_MAX + 4];

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const struct srcpos other = places[1 - i]->key->at;

        cfg_error(errs, places[i]->key->at, "`%s` stands in %s:%u as well: leave it out in one of them",
                  text_show(a->key->text, shown), other.file, other.line);
    }
}

static void merge(struct cfg_node *into, struct cfg_node *from, const char *shared, struct cfg_errors *errs);

/* The item is the tree's, or freed. */
static void merge_item(struct cfg_node *into, struct cfg_node *item, const char *shared, struct cfg_errors *errs)
{
    struct cfg_node *there = find(into, item->key->text);

    if (!there) {
        append(into, item);
        return;
    }
    if (shared && strcmp(item->key->text, shared) == 0 && there->kind == CFG_NODE_MAP && item->kind == CFG_NODE_MAP)
        merge(there, item, NULL, errs);
    else
        report_twice(errs, there, item);
    cfg_node_free(item);
}

static void merge(struct cfg_node *into, struct cfg_node *from, const char *shared, struct cfg_errors *errs)
{
    for (size_t i = 0; i < from->count; i++)
        merge_item(into, from->items[i], shared, errs);
    from->count = 0;
}

/* --- the files ----------------------------------------------------------------------------------------------------- */

/* Not those that an editor, or a package, has put aside. */
static int is_part(const struct dirent *d)
{
    size_t n = strlen(d->d_name);

    return d->d_name[0] != '.' && n > strlen(".yaml") && strcmp(d->d_name + n - strlen(".yaml"), ".yaml") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void add_part(struct cfg_tree *t, const char *path, const char *base_dir, const char *shared,
                     struct cfg_errors *errs)
{
    struct cfg_tree *part = cfg_tree_load_part(path, base_dir, errs);

    if (!part)
        return;
    if (part->root->kind == CFG_NODE_MAP)
        merge(t->root, part->root, shared, errs);
    else
        cfg_error(errs, part->root->at, "a mapping (`key: value` lines) belongs here, not %s",
                  cfg_node_kind(part->root));
    part->next = t->next; /* the nodes point to its name */
    t->next = part;
}

void cfg_tree_add_parts(struct cfg_tree *t, const char *path, const char *shared, struct cfg_errors *errs)
{
    char *base_dir = path_folder(path);
    char *folder = strcmp(base_dir, ".") == 0 ? mem_strdup(FOLDER) : path_below(base_dir, FOLDER);
    struct dirent **found = NULL;
    int n = t->root->kind == CFG_NODE_MAP ? scandir(folder, &found, is_part, by_name) : 0;

    if (n < 0 && errno != ENOENT && errno != ENOTDIR)
        cfg_error(errs, (struct srcpos){.file = folder}, "cannot read the folder: %s", strerror(errno));
    if (n > CFG_PARTS_MAX)
        cfg_error(errs, (struct srcpos){.file = folder}, "%d files, and %d are the most", n, CFG_PARTS_MAX);
    for (int i = 0; i < n; i++) {
        char *name = mem_printf("%s/%s", folder, found[i]->d_name);

        if (n <= CFG_PARTS_MAX)
            add_part(t, name, base_dir, shared, errs);
        mem_free(name);
        mem_free(found[i]);
    }
    mem_free(found);
    mem_free(folder);
    mem_free(base_dir);
}
