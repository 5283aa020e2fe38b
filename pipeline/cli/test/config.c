/* The options of `lua` stand beside its name or below it; either way they are a mapping, of which a copy with another
 * `config` is bound. Copies are shallow: what they share is the tree's. */
#include "pipeline/cli/test/config.h"

#include "pipeline/base/mem.h"
#include "pipeline/settings/transform.h"

#include <string.h>

static struct cfg_node *copy_with(const struct cfg_node *map, const struct cfg_node *config)
{
    struct cfg_node *copy = mem_alloc(sizeof(*copy));

    *copy = *map;
    copy->items = mem_array(map->count + 1, sizeof(*copy->items));
    copy->count = 0;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[i]->key->text, "config") != 0)
            copy->items[copy->count++] = map->items[i];
    copy->items[copy->count++] = (struct cfg_node *)config;
    return copy;
}

static void free_copy(struct cfg_node *copy)
{
    mem_free(copy->items);
    mem_free(copy);
}

static void bind_map(struct cfg_errors *errs, const struct cfg_node *map, const struct cfg_node *lua,
                     const struct cfg_node *config, struct stream_settings *st)
{
    struct cfg_node *options = copy_with(lua->kind == CFG_NODE_MAP ? lua : map, config), outer = *map;

    if (lua->kind == CFG_NODE_MAP) {
        outer.items = &options;
        outer.count = 1;
        settings_transform_bind(errs, &outer, st);
    } else {
        settings_transform_bind(errs, options, st);
    }
    free_copy(options);
}

static void bind_one(struct cfg_errors *errs, const struct cfg_node *node, const struct cfg_node *config,
                     struct stream_settings *st)
{
    const struct cfg_node *lua = cfg_node_get(node, "lua");

    if (config && lua && lua->kind != CFG_NODE_LIST)
        bind_map(errs, node, lua, config, st);
    else
        settings_transform_bind(errs, node, st);
}

static void bind_all(struct cfg_errors *errs, const struct cfg_node *transform, const struct cfg_node *config,
                     struct stream_settings *st)
{
    if (!transform)
        return;
    if (transform->kind != CFG_NODE_LIST) {
        bind_one(errs, transform, config, st);
        return;
    }
    if (transform->count == 0)
        cfg_error(errs, transform->at, "`transform` is empty: there is nothing to test");
    for (size_t i = 0; i < transform->count; i++)
        bind_one(errs, transform->items[i], config, st);
}

void cli_test_config_bind(struct cfg_errors *errs, const struct cfg_node *transform, const struct cfg_node *config,
                          struct stream_settings *st)
{
    bind_all(errs, transform, config, st);
    for (size_t i = 0; i < st->transform_count; i++)
        st->transforms[i].from.node = NULL; /* the copies are gone */
}

void cli_test_config_release(struct stream_settings *st)
{
    settings_transform_release(st);
}
