/* Text becomes a tree of nodes (config/node.h), the tree is bound to structs by tables, and what no table can say
 * is checked last. Mistakes do not end it: all of them are collected, and only then is the result thrown away. */
#include "config/address.h"
#include "config/node.h"
#include "config/path.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/fields.h"
#include "pipeline/settings/hints.h"
#include "pipeline/settings/rules.h"
#include "pipeline/settings/settings.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const PLACES[] = {"sluice.yaml", "/etc/sluice/sluice.yaml"};

/* --- rules between options -----------------------------------------------------------------------------------------
 */

static void check_admin(struct cfg_errors *errs, struct settings *s)
{
    struct address at;
    struct err e;

    if (!s->http_listen)
        return;
    if (strcmp(s->http_listen, "none") == 0)
        MEM_CLEAR(s->http_listen);
    else if (address_parse(s->http_listen, &at, &e) < 0)
        cfg_error(errs, settings_place(s, "admin", "listen"), "`listen` %s, or `none`", e.msg);
}

static void check_api(struct cfg_errors *errs, const struct settings *s)
{
    const struct cfg_node *api = cfg_node_get(cfg_tree_root(s->tree), "api");
    const struct cfg_options o = {.errs = errs, .node = api, .at = settings_place(s, "api", NULL)};

    api_check_conf(&s->api, &o);
}

/* The first input of its kind, in the order of the file. */
static const struct stream_settings *first_with(const struct settings *s, const struct input_settings *in)
{
    for (size_t i = 0; i < s->stream_count; i++)
        for (size_t j = 0; j < s->streams[i].input_count; j++)
            if (s->streams[i].inputs[j].ops == in->ops)
                return &s->streams[i].inputs[j] == in ? NULL : &s->streams[i];
    return NULL;
}

static void check_single_inputs(struct cfg_errors *errs, const struct settings *s)
{
    for (size_t i = 0; i < s->stream_count; i++)
        for (size_t j = 0; j < s->streams[i].input_count; j++) {
            const struct input_settings *in = &s->streams[i].inputs[j];
            const struct stream_settings *first = in->ops->single ? first_with(s, in) : NULL;

            if (first)
                cfg_error(errs, in->from.at, "there is only one `%s`, and stream `%s` reads it", in->ops->name,
                          first->name);
        }
}

/* --- paths ---------------------------------------------------------------------------------------------------------
 */

static char *absolute(const char *dir)
{
    char real[PATH_MAX];

    return mem_strdup(realpath(dir, real) ? real : dir);
}

static void resolve_paths(struct settings *s)
{
    char *written = s->data_dir;

    if (!written)
        return;
    s->data_dir = path_below(s->base_dir, written);
    mem_free(written);
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

const struct settings_use SETTINGS_ALL = {.all = true};

static void demand_stream(const struct cfg_node *stream, const struct settings_use *use, struct cfg_errors *errs)
{
    if (use->transforms) {
        cfg_node_demand(cfg_node_get(stream, "transform"), errs);
        cfg_node_demand(cfg_node_get(stream, "buffer"), errs);
    }
    if (use->destinations) {
        cfg_node_demand(cfg_node_get(stream, "destination"), errs);
        cfg_node_demand(cfg_node_get(stream, "backup"), errs);
    }
}

/* Reports the ${...} that are needed and cannot be replaced. */
static void demand(const struct cfg_node *root, const struct settings_use *use, struct cfg_errors *errs)
{
    const struct cfg_node *streams = cfg_node_get(root, "streams");

    if (use->all) {
        cfg_node_demand(root, errs);
        return;
    }
    cfg_node_demand(cfg_node_get(root, "data_dir"), errs);
    if (use->api)
        cfg_node_demand(cfg_node_get(root, "api"), errs);
    for (size_t i = 0; streams && streams->kind == CFG_NODE_MAP && i < streams->count; i++)
        if (!use->stream || strcmp(streams->items[i]->key->text, use->stream) == 0)
            demand_stream(streams->items[i], use, errs);
}

/* Takes the tree over. */
static struct settings *bind_tree(const char *name, const char *base_dir, struct cfg_tree *t,
                                  const struct settings_use *use, struct cfg_errors *errs)
{
    const struct cfg_node *root = cfg_tree_root(t);
    struct settings *s = mem_alloc(sizeof(*s));

    s->tree = t;
    s->path = mem_strdup(name);
    s->base_dir = absolute(base_dir);
    demand(root, use, errs);
    cfg_errors_set_hints(errs, &settings_hints);
    cfg_bind(errs, root, settings_fields, s);
    resolve_paths(s);
    if (root->kind == CFG_NODE_MAP) {
        check_admin(errs, s);
        check_api(errs, s);
        check_single_inputs(errs, s);
        settings_rules(errs, s, use);
    }
    if (cfg_errors_count(errs))
        settings_free(&s);
    return s;
}

struct settings *settings_parse(const char *name, const char *base_dir, const char *text, size_t size,
                                const struct settings_use *use, struct cfg_errors *errs)
{
    struct cfg_tree *t = cfg_tree_parse_lenient(name, base_dir, text, size, errs);

    return t ? bind_tree(name, base_dir, t, use, errs) : NULL;
}

static const char *find_place(struct cfg_errors *errs)
{
    for (size_t i = 0; i < ARRAY_LEN(PLACES); i++)
        if (access(PLACES[i], F_OK) == 0)
            return PLACES[i];
    cfg_error(errs, (struct srcpos){.file = NULL},
              "no configuration: neither ./sluice.yaml nor /etc/sluice/sluice.yaml is there; name one with -c FILE");
    return NULL;
}

struct settings *settings_load(const char *path, const struct settings_use *use, struct cfg_errors *errs)
{
    struct settings *s = NULL;
    struct cfg_tree *t;
    char *base_dir;

    if (!path)
        path = find_place(errs);
    if (!path)
        return NULL;
    base_dir = path_folder(path);
    t = cfg_tree_load_lenient(path, errs);
    if (t)
        s = bind_tree(path, base_dir, t, use, errs);
    mem_free(base_dir);
    return s;
}
