/* The owner of options says in words what is wrong, beginning with the option's name; the name is followed through
 * the tree to find the place of the value. So sinks know nothing of YAML, and their mistakes still have a line and
 * a column. */
#include "config/options.h"

#include "config/node.h"
#include "pipeline/base/mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX   128
#define MARKS      "`.:,; "
#define WINDOW     4 /* as many characters in a row are no accident */
#define HIDDEN_MIN 3 /* characters; what is shorter gives nothing away, and is often the message's own */

/* Cuts the next word off a message, without the marks around it: "tls.ca_file: x" gives tls, ca_file, x. */
static const char *next_word(const char *msg, char word[WORD_MAX])
{
    size_t n;

    msg += strspn(msg, MARKS);
    n = strcspn(msg, MARKS);
    snprintf(word, WORD_MAX, "%.*s", (int)(n < WORD_MAX ? n : 0), msg);
    return msg + n;
}

/* The innermost value that the message's first words lead to; NULL when not even the first is there. */
static const struct cfg_node *find_value(const struct cfg_node *map, const char *msg)
{
    const struct cfg_node *found = NULL, *next;
    char word[WORD_MAX];

    while ((msg = next_word(msg, word)) && *word && (next = cfg_node_get(found ? found : map, word)))
        found = next;
    return found;
}

static const struct cfg_node *find_item(const struct cfg_node *map, const char *option, size_t item)
{
    const struct cfg_node *list = cfg_node_get(map, option);

    return list && list->kind == CFG_NODE_LIST && item < list->count ? list->items[item] : list;
}

/* Also a piece that was made from it: a text as it should be. */
static bool gives_away(const char *piece, const char *secret)
{
    size_t n = strlen(piece), window = n < WINDOW ? n : WINDOW;

    for (size_t i = 0; window >= HIDDEN_MIN && i + window <= n; i++)
        if (memmem(secret, strlen(secret), piece + i, window))
            return true;
    return false;
}

/* Cuts what is quoted from `secret`, and the whole of it, out of the message. */
static void hide(char *msg, size_t size, const char *secret)
{
    static const char shown[] = "(not shown)";
    char *copy = mem_strdup(msg), *from = copy, *open, *close;

    *msg = '\0';
    while ((open = strchr(from, '`')) && (close = strchr(open + 1, '`'))) {
        char *piece = mem_strndup(open + 1, (size_t)(close - open - 1));
        bool hidden = gives_away(piece, secret);
        size_t used = strlen(msg);

        snprintf(msg + used, size - used, "%.*s%s%s%s", (int)(open - from), from, hidden ? "" : "`",
                 hidden ? shown : piece, hidden ? "" : "`");
        mem_free(piece);
        from = close + 1;
    }
    snprintf(msg + strlen(msg), size - strlen(msg), "%s", from);
    mem_free(copy);
    while (*secret && (open = strstr(msg, secret))) {
        char *rest = mem_strdup(open + strlen(secret));

        snprintf(open, size - (size_t)(open - msg), "%s%s", strstr(shown, secret) ? "..." : shown, rest);
        mem_free(rest);
        if (strstr(shown, secret)) /* would be found again for ever */
            break;
    }
}

/* Does the message speak of an option that has a mistake already? Then it may well be what follows from that. */
static bool follows(const struct cfg_options *o, const struct cfg_node *node, const char *word)
{
    for (size_t i = 0; node && i < node->count; i++) {
        const struct cfg_node *item = node->items[i];
        bool wrong = item->bad || cfg_errors_at(o->errs, item->at);

        if ((wrong && item->key && strcmp(item->key->text, word) == 0) || follows(o, item, word))
            return true;
    }
    return false;
}

static bool is_consequence(const struct cfg_options *o, const char *msg)
{
    char word[WORD_MAX];

    while ((msg = next_word(msg, word)) && *word)
        if (follows(o, o->node, word))
            return true;
    return false;
}

static void say(const struct cfg_options *o, const struct cfg_node *value, const struct err *e, bool warning)
{
    char text[sizeof(e->msg) + sizeof(e->file) + 32];
    struct srcpos at = o->at;

    if (value)
        at = value->kind == CFG_NODE_SCALAR && !cfg_node_is_null(value) ? value->at : cfg_node_place(value);
    err_text(e, text, sizeof(text));
    if (value && value->secret)
        hide(text, sizeof(text), value->text);
    if (warning)
        cfg_warning(o->errs, at, "%s", text);
    else if (!value || (!value->bad && !cfg_errors_at(o->errs, at)))
        cfg_error(o->errs, at, "%s", text);
}

void cfg_options_refuse(const struct cfg_options *o, const struct err *e)
{
    if (is_consequence(o, e->msg))
        return;
    say(o, find_value(o->node, e->msg), e, false);
}

void cfg_options_refuse_item(const struct cfg_options *o, const char *option, size_t item, const struct err *e)
{
    say(o, find_item(o->node, option, item), e, false);
}

void cfg_options_warn_item(const struct cfg_options *o, const char *option, size_t item, const struct err *e)
{
    say(o, find_item(o->node, option, item), e, true);
}
