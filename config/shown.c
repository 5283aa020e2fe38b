#include "config/shown.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"

#include <string.h>
#include <strings.h>

/* In either case. */
static bool has_word(struct slice key, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= key.n; i++)
        if (strncasecmp(key.p + i, word, n) == 0)
            return true;
    return false;
}

static bool is_secret_name(struct slice key)
{
    static const char *const WORDS[] = {"pass", "secret", "token", "key", "bearer", "credential", "auth"};

    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (has_word(key, WORDS[i]))
            return true;
    return false;
}

/* "user:password@host": a proxy may be written without a scheme. */
static bool has_user(struct slice value)
{
    for (size_t i = 1; i + 1 < value.n; i++)
        if (value.p[i] == '@' && value.p[i - 1] != ' ' && value.p[i + 1] != ' ')
            return true;
    return false;
}

bool cfg_may_be_secret(struct slice key, struct slice value)
{
    const char *host = memmem(value.p, value.n, "://", 3);

    if (is_secret_name(key) || has_user(value))
        return true;
    for (const char *p = host ? host + 3 : NULL; p && p + 1 < value.p + value.n; p++)
        if (strchr("/?#", *p))
            return true;
    return false;
}

static int add_blanks(struct buf *out, unsigned n)
{
    return buf_printf(out, "%*s", (int)n, "");
}

/* What is no plain word for YAML is quoted. */
static bool is_plain(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./%+-");

    return n > 0 && text[n] == '\0' && *text != '-';
}

static int show_scalar(const struct cfg_node *n, bool hidden, struct buf *out)
{
    struct slice key = slice_str(n->key ? n->key->text : "");

    if (cfg_node_is_null(n))
        return 0;
    if (hidden || n->secret || n->unresolved || strchr(n->text, '\n') || cfg_may_be_secret(key, slice_str(n->text)))
        return buf_add_str(out, "...");
    if (is_plain(n->text))
        return buf_add_str(out, n->text);
    return json_quote(slice_str(n->text), out);
}

static int show(const struct cfg_node *n, unsigned indent, bool hidden, struct buf *out);

/* "key:" or "-", and the value behind it or below it. */
static int show_item(const struct cfg_node *item, unsigned indent, bool hidden, struct buf *out)
{
    bool below = item->kind != CFG_NODE_SCALAR;
    int rc = add_blanks(out, indent);

    if (rc == 0 && item->key)
        rc =
            is_plain(item->key->text) ? buf_add_str(out, item->key->text) : json_quote(slice_str(item->key->text), out);
    if (rc == 0)
        rc = buf_add_str(out, item->key ? ":" : "-");
    if (rc == 0 && below && item->count == 0)
        return buf_add_str(out, item->kind == CFG_NODE_LIST ? " []\n" : " {}\n");
    if (rc == 0 && !below && !cfg_node_is_null(item))
        rc = buf_add_char(out, ' ');
    if (rc == 0 && !below)
        rc = show_scalar(item, hidden, out);
    if (rc == 0)
        rc = buf_add_char(out, '\n');
    return rc == 0 && below ? show(item, indent + 2, hidden, out) : rc;
}

/* What stands in it has no name of its own that would give it away: a list under such a name, and headers, whatever they are called. */
static bool hides_all(const struct cfg_node *n)
{
    return n->key && (strcmp(n->key->text, "headers") == 0 ||
                      (n->kind == CFG_NODE_LIST && is_secret_name(slice_str(n->key->text))));
}

static int show(const struct cfg_node *n, unsigned indent, bool hidden, struct buf *out)
{
    hidden = hidden || hides_all(n);
    if (n->kind == CFG_NODE_SCALAR)
        return show_item(n, indent, hidden, out);
    for (size_t i = 0; i < n->count; i++)
        if (show_item(n->items[i], indent, hidden, out) < 0)
            return -1;
    return 0;
}

int cfg_show(const struct cfg_node *node, unsigned indent, struct buf *out)
{
    return node ? show(node, indent, false, out) : 0;
}

int cfg_show_item(const struct cfg_node *node, unsigned indent, struct buf *out)
{
    return show_item(node, indent, false, out);
}
