/* A transform may be written in three ways: `lua: FILE` with its other options beside it, `lua: { ... }` with all
 * options below it, or a bare name. The first is made into the second, with the value beside the name as the
 * transform's main option, so that one table binds both. */
#include "pipeline/settings/fields.h"

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/settings.h"

#include <string.h>

static const char *transform_name(size_t index)
{
    const struct transform_ops *ops = transform_at(index);

    return ops ? ops->name : NULL;
}

/* `shown` is where the options stand in the file; NULL: nowhere. */
static void bind_options(struct cfg_errors *errs, const struct cfg_node *options, const struct transform_ops *ops,
                         const struct cfg_node *shown, struct srcpos at, struct stream_settings *st)
{
    struct transform_settings *t;

    st->transforms = mem_grow(st->transforms, st->transform_count + 1, sizeof(*st->transforms));
    t = &st->transforms[st->transform_count++];
    *t = (struct transform_settings){.ops = ops};
    t->conf = settings_options_bind(errs, options, at, ops->fields, ops->conf_size, &t->from);
    t->from.node = shown;
}

/* `{ lua: mask.lua, timeout: 100ms }`: the value beside the transform's name stands for its main option, the others are options too. */
static void bind_inline(struct cfg_errors *errs, const struct cfg_node *node, const struct cfg_node *named,
                        const struct transform_ops *ops, struct stream_settings *st)
{
    struct cfg_node map = *node, value = *named, key = *named->key;

    key.text = (char *)ops->scalar_option;
    value.key = &key;
    map.items = mem_array(node->count, sizeof(*map.items));
    for (size_t i = 0; i < node->count; i++)
        map.items[i] = node->items[i] == named ? &value : node->items[i];
    bind_options(errs, &map, ops, node, named->key->at, st);
    mem_free(map.items);
}

/* The first key that names a transform; NULL when none does (reported). */
static const struct cfg_node *find_named(struct cfg_errors *errs, const struct cfg_node *node)
{
    struct buf hint;

    for (size_t i = 0; i < node->count; i++)
        if (transform_find(node->items[i]->key->text))
            return node->items[i];

    if (node->count == 0) {
        cfg_error(errs, node->at, "`transform` wants a transform here, such as `lua: FILE`");
        return NULL;
    }
    buf_init(&hint, CFG_HINT_MAX);
    if (cfg_errors_hints(errs)->mapping("transform", node, &hint))
        cfg_error(errs, node->at, "`transform` names what it is by its key; %s", buf_cstr(&hint));
    else
        settings_choice_unknown(errs, "transform", &(struct settings_choice){.name = node->items[0]->key},
                                transform_name);
    buf_release(&hint);
    return NULL;
}

static void bind_map(struct cfg_errors *errs, const struct cfg_node *node, struct stream_settings *st)
{
    const struct cfg_node *named = find_named(errs, node);
    const struct transform_ops *ops;

    if (!named)
        return;
    ops = transform_find(named->key->text);
    if (named->kind == CFG_NODE_SCALAR && !cfg_node_is_null(named) && ops->scalar_option)
        bind_inline(errs, node, named, ops, st);
    else if (node->count > 1)
        cfg_error(errs, node->items[node->items[0] == named ? 1 : 0]->key->at,
                  "`%s` has its options below it; further transforms are further elements of a list", ops->name);
    else
        bind_options(errs, cfg_node_is_null(named) ? NULL : named, ops, named, named->key->at, st);
}

static void bind_one(struct cfg_errors *errs, const struct cfg_node *node, struct stream_settings *st)
{
    const struct transform_ops *ops;

    if (node->bad)
        return;
    if (node->kind == CFG_NODE_MAP) {
        bind_map(errs, node, st);
    } else if (node->kind == CFG_NODE_LIST) {
        cfg_error(errs, node->at, "`transform` wants one list of transforms, not lists within it");
    } else if ((ops = transform_find(node->text))) {
        bind_options(errs, NULL, ops, NULL, node->at, st);
    } else {
        settings_choice_unknown(errs, "transform", &(struct settings_choice){.name = node}, transform_name);
    }
}

void settings_transform_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;

    if (node && node->kind != CFG_NODE_LIST)
        bind_one(errs, node, st);
    else
        for (size_t i = 0; node && i < node->count; i++)
            bind_one(errs, node->items[i], st);
}

void settings_unload(struct stream_settings *st)
{
    for (size_t i = 0; i < st->transform_count; i++)
        if (st->transforms[i].loaded)
            transform_unload(st->transforms[i].ops, &st->transforms[i].loaded);
}

void settings_transform_release(void *out)
{
    struct stream_settings *st = out;

    settings_unload(st);
    for (size_t i = 0; i < st->transform_count; i++)
        settings_options_free(st->transforms[i].ops->fields, &st->transforms[i].conf);
    MEM_CLEAR(st->transforms);
    st->transform_count = 0;
}
