/* Text becomes a tree of nodes (config/node.h), the tree is bound to structs by tables, and what no table can say
 * is checked last. Mistakes do not end it: all of them are collected, and only then is the result thrown away. */
#include "config/address.h"
#include "config/node.h"
#include "config/parts.h"
#include "config/path.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/fields.h"
#include "pipeline/settings/settings.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- rules between options -----------------------------------------------------------------------------------------
 */

static void check_admin(struct cfg_errors *errs, struct settings *s)
{
    const struct cfg_options o = {
        .errs = errs, .node = cfg_node_get(cfg_tree_root(s->tree), "admin"), .at = settings_place(s, "admin", NULL)};
    struct http_access_around around = {.tls = &s->admin_tls, .allows = "read"};
    struct address at;
    struct err e;

    if (s->http_listen && strcmp(s->http_listen, "none") == 0)
        MEM_CLEAR(s->http_listen);
    else if (s->http_listen && address_parse(s->http_listen, &at, &e) < 0)
        cfg_error(errs, settings_place(s, "admin", "listen"), "`listen` %s, or `none`", e.msg);
    else
        around.listen = s->http_listen;
    server_tls_check_conf(&s->admin_tls, &o);
    http_access_check_conf(&s->admin_access, &around, &o);
}

static void check_sections(struct cfg_errors *errs, const struct settings *s)
{
    const struct listener_ops *l;

    for (size_t i = 0; (l = listener_at(i)); i++) {
        const struct cfg_options o = {.errs = errs,
                                      .node = cfg_node_get(cfg_tree_root(s->tree), l->name),
                                      .at = settings_place(s, l->name, NULL)};

        if (l->section)
            l->section->check_conf(settings_section(s, l), &o);
    }
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

/* --- reading -------------------------------------------------------------------------------------------------------
 */

const struct settings_use SETTINGS_ALL = {.all = true};

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
    if (use->admin)
        cfg_node_demand(cfg_node_get(root, "admin"), errs);
    for (size_t i = 0; streams && streams->kind == CFG_NODE_MAP && i < streams->count; i++) {
        const struct cfg_node *stream = streams->items[i];

        if (use->stream && strcmp(stream->key->text, use->stream) != 0)
            continue;
        if (use->transforms) {
            cfg_node_demand(cfg_node_get(stream, "transform"), errs);
            cfg_node_demand(cfg_node_get(stream, "buffer"), errs);
            cfg_node_demand(cfg_node_get(stream, "destinations"), errs);
        }
        if (use->destinations) {
            cfg_node_demand(cfg_node_get(stream, "destination"), errs);
            cfg_node_demand(cfg_node_get(stream, "backup"), errs);
            cfg_node_demand(cfg_node_get(stream, "destinations"), errs);
        }
    }
}

/* Takes the tree over. */
static struct settings *bind_tree(const char *name, const char *base_dir, struct cfg_tree *t,
                                  const struct settings_use *use, struct cfg_errors *errs)
{
    const struct cfg_node *root = cfg_tree_root(t);
    struct settings *s = mem_alloc(sizeof(*s));
    char real[PATH_MAX], *written;

    s->tree = t;
    s->path = mem_strdup(name);
    s->base_dir = mem_strdup(realpath(base_dir, real) ? real : base_dir);
    demand(root, use, errs);
    cfg_errors_set_hints(errs, &settings_hints);
    cfg_bind(errs, root, settings_fields, s);
    written = s->data_dir;
    if (written)
        s->data_dir = path_below(s->base_dir, written);
    mem_free(written);
    if (root->kind == CFG_NODE_MAP) {
        check_admin(errs, s);
        check_sections(errs, s);
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

struct settings *settings_load(const char *path, const struct settings_use *use, struct cfg_errors *errs)
{
    static const char *const PLACES[] = {"sluice.yaml", "/etc/sluice/sluice.yaml"};
    struct settings *s = NULL;
    struct cfg_tree *t;
    char *base_dir;

    for (size_t i = 0; !path && i < ARRAY_LEN(PLACES); i++)
        if (access(PLACES[i], F_OK) == 0)
            path = PLACES[i];
    if (!path) {
        cfg_error(
            errs, (struct srcpos){.file = NULL},
            "no configuration: neither ./sluice.yaml nor /etc/sluice/sluice.yaml is there; name one with -c FILE");
        return NULL;
    }
    base_dir = path_folder(path);
    t = cfg_tree_load_lenient(path, errs);
    if (t) {
        cfg_tree_add_parts(t, path, "streams", errs);
        s = bind_tree(path, base_dir, t, use, errs);
    }
    mem_free(base_dir);
    return s;
}
