/* libyaml's events become a tree of nodes. What configuration does not need (tags, anchors, merge keys, keys that are
 * not words, several documents) is refused where it stands, by name, and the rest of the file is still read, so that
 * one run shows all mistakes. Messages do not show the names of anchors and tags: a secret that was not quoted may
 * begin with & * or !. Depth is bounded, so recursion is. */
#include "config/node.h"

#include "config/path.h"
#include "config/replace.h"
#include "config/syntax.h"
#include "config/text.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

struct parse {
    yaml_parser_t y;
    const char *name;
    struct slice text;
    struct cfg_errors *errs;
    struct replace replace;
    size_t nodes;
};

static struct srcpos place_of(const struct parse *p, yaml_mark_t mark)
{
    return (struct srcpos){p->name, (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

/* 0, or -1 when the text is not YAML from here on (reported). */
static int next_event(struct parse *p, yaml_event_t *ev)
{
    if (yaml_parser_parse(&p->y, ev))
        return 0;
    syntax_report(p->errs, p->name, p->text, &p->y);
    return -1;
}

static void refuse_properties(struct parse *p, struct cfg_node *node, bool anchor, bool tag)
{
    if (anchor)
        cfg_error(
            p->errs, node->at,
            "anchors (`&`) are not supported: write the value where it is used, and quote it if it begins with `&`");
    if (tag)
        cfg_error(p->errs, node->at,
                  "tags (`!`) are not supported: leave it out, and quote the value if it begins "
                  "with `!`");
    node->bad = node->bad || anchor || tag;
}

static void fill_scalar(struct parse *p, struct cfg_node *node, const yaml_event_t *ev, bool is_key)
{
    struct slice raw = slice_of((const char *)ev->data.scalar.value, ev->data.scalar.length);
    struct buf replaced;
    struct err e;

    node->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    refuse_properties(p, node, ev->data.scalar.anchor, ev->data.scalar.tag);
    if (raw.n && memchr(raw.p, 0, raw.n)) {
        cfg_error(p->errs, node->at, "the value holds a NUL character (\\0), which no option can take");
        node->bad = true;
        raw.n = 0;
    }
    if (is_key || node->bad || !memmem(raw.p, raw.n, "${", 2)) { /* what every value of most files is */
        node->text = mem_strndup(raw.p, raw.n);
        return;
    }
    buf_init(&replaced, CFG_FILE_MAX + REPLACE_TOTAL_MAX);
    node->bad = replace_in(&p->replace, raw, &replaced, &node->secret, &e) < 0;
    if (node->bad)
        node->unresolved = mem_strdup(e.msg);
    node->text = mem_strndup(replaced.p ? replaced.p : "", node->bad ? 0 : replaced.n);
    buf_wipe(&replaced);
}

static struct cfg_node *read_node(struct parse *p, yaml_event_t *ev, unsigned depth, bool is_key);

static void add_item(struct cfg_node *node, struct cfg_node *item)
{
    if (node->count % 8 == 0 && (node->count & (node->count - 1)) == 0) /* full: 0, 8, 16, 32 ... */
        node->items = mem_grow(node->items, node->count ? node->count * 2 : 8, sizeof(struct cfg_node *));
    node->items[node->count++] = item;
}

static int read_list(struct parse *p, struct cfg_node *list, unsigned depth)
{
    yaml_event_t ev;

    while (next_event(p, &ev) == 0) {
        struct cfg_node *item;

        if (ev.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&ev);
            return 0;
        }
        item = read_node(p, &ev, depth + 1, false);
        if (!item)
            return -1;
        add_item(list, item);
    }
    return -1;
}

/* Reports a key that no mapping may have. */
static bool is_good_key(struct parse *p, const struct cfg_node *key)
{
    if (key->bad)
        return false;
    if (key->kind != CFG_NODE_SCALAR)
        cfg_error(p->errs, key->at, "a key must be a word, not %s", cfg_node_kind(key));
    else if (!key->quoted && strcmp(key->text, "<<") == 0)
        cfg_error(p->errs, key->at, "merge keys (`<<`) are not supported: write the keys out");
    else if (!*key->text)
        cfg_error(p->errs, key->at, "a key is missing before `:`");
    else
        return true;
    return false;
}

static int by_key(const void *a, const void *b)
{
    const struct cfg_node *x = *(struct cfg_node *const *)a, *y = *(struct cfg_node *const *)b;
    int order = strcmp(x->key->text, y->key->text);

    if (order)
        return order;
    if (x->key->at.line != y->key->at.line)
        return x->key->at.line < y->key->at.line ? -1 : 1;
    return x->key->at.column < y->key->at.column ? -1 : 1;
}

/* Sorting, not comparing each with each: a hostile file may hold 100,000 keys in one mapping. */
static void drop_duplicates(struct parse *p, struct cfg_node *map)
{
    struct cfg_node **sorted = mem_array(map->count, sizeof(*sorted));
    const struct cfg_node *first = NULL;
    size_t kept = 0;

    memcpy(sorted, map->items, map->count * sizeof(*sorted));
    qsort(sorted, map->count, sizeof(*sorted), by_key);
    for (size_t i = 0; i < map->count; i++) {
        char shown[TEXT_SHOWN_MAX + 4];

        if (!first || strcmp(first->key->text, sorted[i]->key->text) != 0) {
            first = sorted[i];
            continue;
        }
        cfg_error(p->errs, sorted[i]->key->at, "duplicate key `%s`: it stands in line %u already",
                  text_show(sorted[i]->key->text, shown), first->key->at.line);
        sorted[i]->key->bad = true;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (map->items[i]->key->bad)
            cfg_node_free(map->items[i]);
        else
            map->items[kept++] = map->items[i];
    }
    map->count = kept;
    mem_free(sorted);
}

static int read_map(struct parse *p, struct cfg_node *map, unsigned depth)
{
    yaml_event_t ev;

    while (next_event(p, &ev) == 0) {
        struct cfg_node *key, *value;

        if (ev.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&ev);
            if (map->count > 1)
                drop_duplicates(p, map);
            return 0;
        }
        key = read_node(p, &ev, depth + 1, true);
        if (!key || next_event(p, &ev) < 0 || !(value = read_node(p, &ev, depth + 1, false))) {
            cfg_node_free(key);
            return -1;
        }
        value->key = key;
        if (is_good_key(p, key))
            add_item(map, value);
        else
            cfg_node_free(value);
    }
    return -1;
}

/* Fills `node` from an event; reads on to the end of a list or mapping. */
static int fill_node(struct parse *p, struct cfg_node *node, const yaml_event_t *ev, unsigned depth, bool is_key)
{
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        fill_scalar(p, node, ev, is_key);
        return 0;
    case YAML_ALIAS_EVENT:
        node->text = mem_strdup("");
        node->bad = true;
        cfg_error(p->errs, node->at,
                  "aliases (`*`) are not supported: write the value again, and quote it if it begins with `*`");
        return 0;
    case YAML_SEQUENCE_START_EVENT:
        node->kind = CFG_NODE_LIST;
        refuse_properties(p, node, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
        return read_list(p, node, depth);
    default:
        assert(ev->type == YAML_MAPPING_START_EVENT);
        node->kind = CFG_NODE_MAP;
        refuse_properties(p, node, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
        return read_map(p, node, depth);
    }
}

/* Consumes the event. NULL: the file cannot be read on (reported). */
static struct cfg_node *read_node(struct parse *p, yaml_event_t *ev, unsigned depth, bool is_key)
{
    struct srcpos at = place_of(p, ev->start_mark);
    struct cfg_node *node = NULL;

    if (depth > CFG_DEPTH_MAX) {
        cfg_error(p->errs, at, "more than %d lists and mappings inside one another", CFG_DEPTH_MAX);
    } else if (++p->nodes > CFG_NODES_MAX) {
        cfg_error(p->errs, at, "more than %d keys and values in one file", CFG_NODES_MAX);
    } else {
        node = mem_alloc(sizeof(*node));
        node->at = at;
        if (fill_node(p, node, ev, depth, is_key) < 0) {
            cfg_node_free(node);
            node = NULL;
        }
    }
    yaml_event_delete(ev);
    return node;
}

/* What is not text at all is found before libyaml sees it: its own messages count bytes, not lines. */
static bool is_text(struct parse *p)
{
    struct srcpos at = {p->name, 0, 0};
    size_t bad;

    if (p->text.n > CFG_FILE_MAX) {
        cfg_error(p->errs, at, "the file is larger than 10MB");
        return false;
    }
    if (slice_starts(p->text, SLICE("\xff\xfe")) || slice_starts(p->text, SLICE("\xfe\xff"))) {
        at.line = at.column = 1;
        cfg_error(p->errs, at, "the file is UTF-16: save it as UTF-8");
        return false;
    }
    if (slice_starts(p->text, SLICE("\xef\xbb\xbf"))) /* a byte order mark says UTF-8, and that is all it says */
        p->text = slice_of(p->text.p + 3, p->text.n - 3);
    bad = text_first_bad(p->text);
    if (bad == p->text.n)
        return true;
    text_place(p->text, bad, &at.line, &at.column);
    if ((unsigned char)p->text.p[bad] >= 0x80)
        cfg_error(p->errs, at, "this byte is not UTF-8: save the file as UTF-8");
    else if (p->text.p[bad] == '\0')
        cfg_error(p->errs, at, "a NUL byte: is this a text file? Save it as UTF-8");
    else
        cfg_error(p->errs, at, "a control character (0x%02X) cannot stand in a configuration",
                  (unsigned)(unsigned char)p->text.p[bad]);
    return false;
}

/* Behind the first document there must be nothing. */
static struct cfg_node *read_document(struct parse *p)
{
    struct cfg_node *root = NULL;
    yaml_event_t ev;
    yaml_event_type_t type;

    if (next_event(p, &ev) < 0)
        return NULL;
    assert(ev.type == YAML_STREAM_START_EVENT);
    yaml_event_delete(&ev);
    if (next_event(p, &ev) < 0)
        return NULL;
    type = ev.type;
    yaml_event_delete(&ev);
    if (type == YAML_STREAM_END_EVENT) {
        cfg_error(p->errs, (struct srcpos){p->name, 1, 1}, "the file is empty: it holds no configuration");
        return NULL;
    }
    if (next_event(p, &ev) < 0 || !(root = read_node(p, &ev, 0, false)) || next_event(p, &ev) < 0)
        goto fail;
    assert(ev.type == YAML_DOCUMENT_END_EVENT);
    yaml_event_delete(&ev);
    if (next_event(p, &ev) < 0)
        goto fail;
    if (ev.type != YAML_STREAM_END_EVENT)
        cfg_error(p->errs, place_of(p, ev.start_mark),
                  "a second document begins here (`---`): a file holds one configuration");
    yaml_event_delete(&ev);
    return root;
fail:
    cfg_node_free(root);
    return NULL;
}

struct cfg_tree *cfg_tree_parse_lenient(const char *name, const char *base_dir, const char *text, size_t size,
                                        struct cfg_errors *errs)
{
    struct cfg_tree *t = mem_alloc(sizeof(*t));
    struct parse p = {.text = {text, size}, .errs = errs, .replace = {.base_dir = base_dir}};

    p.name = t->name = mem_strdup(name);
    if (is_text(&p)) {
        if (!yaml_parser_initialize(&p.y))
            mem_exhausted();
        yaml_parser_set_input_string(&p.y, (const unsigned char *)(p.text.p ? p.text.p : ""), p.text.n);
        yaml_parser_set_encoding(&p.y, YAML_UTF8_ENCODING);
        t->root = read_document(&p);
        yaml_parser_delete(&p.y);
    }
    if (!t->root)
        cfg_tree_free(&t);
    return t;
}

/* --- from a file ---------------------------------------------------------------------------------------------------
 */

static struct cfg_tree *load(const char *path, const char *base_dir, int fd, struct cfg_errors *errs)
{
    struct cfg_tree *t = NULL;
    struct buf content;

    buf_init(&content, CFG_FILE_MAX + 1); /* one more: a larger file shows by filling it */
    if (fd < 0 || io_read_all(fd, &content) < 0)
        cfg_error(errs, (struct srcpos){.file = path}, "cannot read the file: %s", strerror(errno));
    else
        t = cfg_tree_parse_lenient(path, base_dir, content.p, content.n, errs);
    if (fd >= 0)
        close(fd);
    buf_wipe(&content);
    return t;
}

struct cfg_tree *cfg_tree_load_lenient(const char *path, struct cfg_errors *errs)
{
    char *dir = path_folder(path);
    struct cfg_tree *t = load(path, dir, open(path, O_RDONLY | O_CLOEXEC), errs);

    mem_free(dir);
    return t;
}

struct cfg_tree *cfg_tree_load_part(const char *path, const char *base_dir, struct cfg_errors *errs)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* nobody may write to what is no file */
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || S_ISREG(st.st_mode))
        return load(path, base_dir, fd, errs);
    cfg_error(errs, (struct srcpos){.file = path}, "it is no regular file");
    close(fd);
    return NULL;
}

/* --- with everything in it resolved --------------------------------------------------------------------------------
 */

struct cfg_tree *cfg_tree_load(const char *path, struct cfg_errors *errs)
{
    struct cfg_tree *t = cfg_tree_load_lenient(path, errs);

    cfg_node_demand(t ? t->root : NULL, errs);
    return t;
}

struct cfg_tree *cfg_tree_parse(const char *name, const char *text, size_t size, struct cfg_errors *errs)
{
    char *dir = path_folder(name);
    struct cfg_tree *t = cfg_tree_parse_lenient(name, dir, text, size, errs);

    cfg_node_demand(t ? t->root : NULL, errs);
    mem_free(dir);
    return t;
}
