#include "sinks/s3/labels.h"

#include "config/node.h"
#include "pipeline/aws/sigv4.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* S3: tags of an object, characters of their names and values; of a context, in JSON. */
#define TAGS_MAX      10
#define TAG_NAME_MAX  128
#define TAG_VALUE_MAX 256
#define CONTEXT_MAX   ((size_t)8192)
/* Bytes of a text in the configuration, and of what metadata may come to say. S3 takes 2 KiB of metadata in all. */
#define TEXT_MAX 1024

/* --- binding ---------------------------------------------------------------------------------------------------------- */

static void add(struct s3_labels *l, char *name, char *text)
{
    l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
    l->v[l->n++] = (struct s3_label){name, text};
}

void s3_labels_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct s3_labels *l = out;

    if (!node || cfg_node_is_null(node))
        return;
    if (node->kind != CFG_NODE_MAP) {
        cfg_error(errs, node->at, "wants a mapping of names to texts, not %s", cfg_node_kind(node));
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct cfg_node *item = node->items[i];

        if (item->bad)
            continue;
        if (item->kind != CFG_NODE_SCALAR)
            cfg_error(errs, item->at, "`%s` wants a text, not %s", item->key->text, cfg_node_kind(item));
        else
            add(l, mem_strdup(item->key->text), mem_strdup(item->text));
    }
}

/* As a URL's query is read; a `%` that escapes nothing stays. */
static char *decoded(const char *p, size_t n)
{
    char *out = mem_alloc(n + 1), *to = out;

    for (size_t i = 0; i < n; i++) {
        int high = p[i] == '%' && n - i > 2 ? hex_digit(p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(p[i + 2]) : -1;

        *to++ = (char)(low >= 0 ? high << 4 | low : p[i] == '+' ? ' ' : p[i]);
        i += low >= 0 ? 2 : 0;
    }
    *to = '\0';
    return out;
}

void s3_tags_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct s3_labels *l = out;

    if (!node || node->kind != CFG_NODE_SCALAR || cfg_node_is_null(node)) {
        s3_labels_bind(errs, node, out);
        return;
    }
    l->line = mem_strdup(node->text);
    for (const char *p = l->line; *p;) {
        size_t n = strcspn(p, "&"), name = strcspn(p, "=&"), value = name < n ? name + 1 : n;

        if (n > 0)
            add(l, decoded(p, name), decoded(p + value, n - value));
        p += n + (p[n] == '&');
    }
}

void s3_labels_release(void *out)
{
    struct s3_labels *l = out;

    for (size_t i = 0; i < l->n; i++) {
        mem_free(l->v[i].name);
        mem_free(l->v[i].text);
    }
    mem_free(l->v);
    mem_free(l->line);
    *l = (struct s3_labels){0};
}

/* --- checking --------------------------------------------------------------------------------------------------------- */

static int check_text(const char *option, const struct s3_label *l, struct err *e)
{
    char *what = mem_printf("%s: `%.128s`", option, l->name);
    int rc = object_key_check_text(what, l->text, e);

    if (rc == 0 && strlen(l->text) > TEXT_MAX)
        rc = err_set(e, ERR_CONFIG, "%s: %zu bytes, at most %d are allowed", what, strlen(l->text), TEXT_MAX);

    mem_free(what);
    return rc;
}

/* Letters, digits and spaces of any language, and some signs. */
static bool is_for_tags(unsigned char c)
{
    return c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr(" +-=._:/@", c));
}

static size_t characters(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

int s3_tags_check(const struct s3_labels *l, size_t i, struct err *e)
{
    const struct s3_label *t = &l->v[i];

    if (i == l->n) {
        for (const char *p = l->line; p && *p; p++)
            if (*p <= ' ' || *p > '~')
                return err_set(
                    e, ERR_CONFIG,
                    "tagging: character %zu is white space or not ASCII; write tags as a mapping of names to "
                    "texts",
                    (size_t)(p - l->line) + 1);
        return l->n <= TAGS_MAX
                   ? 0
                   : err_set(e, ERR_CONFIG, "tagging: %zu tags, and an object has %d at most", l->n, TAGS_MAX);
    }
    if (!*t->name || characters(t->name) > TAG_NAME_MAX)
        return err_set(e, ERR_CONFIG, "tagging: `%.40s`: a tag's name has 1 to %d characters", t->name, TAG_NAME_MAX);
    for (const char *p = t->name; *p; p++)
        if (!is_for_tags((unsigned char)*p))
            return err_set(e, ERR_CONFIG, "tagging: `%s`: a tag has letters, digits, spaces and + - = . _ : / @ only",
                           t->name);
    return check_text("tagging", t, e);
}

int s3_metadata_check(const struct s3_labels *l, size_t i, struct err *e)
{
    if (i == l->n)
        return l->n <= S3_METADATA_MAX
                   ? 0
                   : err_set(e, ERR_CONFIG, "metadata: %zu names, at most %d are allowed", l->n, S3_METADATA_MAX);
    if (!*l->v[i].name || l->v[i].name[strspn(l->v[i].name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")])
        return err_set(e, ERR_CONFIG,
                       "metadata: `%s`: a name has lower-case letters, digits, - _ and . only: it goes behind "
                       "x-amz-meta-",
                       l->v[i].name);
    if (strncmp(l->v[i].name, "sluice-", 7) == 0)
        return err_set(e, ERR_CONFIG, "metadata: `%s`: names with sluice- are the program's own", l->v[i].name);
    return check_text("metadata", &l->v[i], e);
}

int s3_context_check(const struct s3_labels *l, size_t i, struct err *e)
{
    char *text;
    size_t n;

    if (i < l->n)
        return *l->v[i].name ? 0 : err_set(e, ERR_CONFIG, "kms_context: a name is empty");
    text = s3_context_text(l);
    n = text ? strlen(text) : 0;
    mem_free(text);
    return n <= CONTEXT_MAX ? 0 : err_set(e, ERR_CONFIG, "kms_context: it is longer than %zu bytes", CONTEXT_MAX);
}

/* --- in a request ------------------------------------------------------------------------------------------------------ */

/* In place: what no tag may hold, and what is too much of it. */
static size_t fit_tag(char *p, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        bool begins = ((unsigned char)p[i] & 0xc0) != 0x80;

        if (begins && count++ == TAG_VALUE_MAX)
            return i;
        if (!is_for_tags((unsigned char)p[i]))
            p[i] = '_';
    }
    return n;
}

int s3_tags_add(const struct s3_labels *l, const struct object_key *k, const struct sink_seal_id *id,
                struct http_request *rq)
{
    struct buf value, line;
    int rc = 0;

    if (l->n == 0)
        return 0;
    buf_init(&value, S3_LABEL_MAX);
    buf_init(&line, S3_LABELS_MAX);
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        buf_clear(&value);
        rc = object_key_render_text(k, id, l->v[i].text, &value);
        if (rc == 0 && value.n > 0)
            value.n = fit_tag(value.p, value.n);
        if (rc < 0 || (i > 0 && buf_add_char(&line, '&') < 0) ||
            sigv4_uri_encode(slice_str(l->v[i].name), false, &line) < 0 || buf_add_char(&line, '=') < 0 ||
            sigv4_uri_encode(buf_slice(&value), false, &line) < 0)
            rc = -1;
    }
    if (rc == 0)
        http_request_header(rq, "x-amz-tagging", buf_slice(&line));
    buf_release(&value);
    buf_release(&line);
    return rc;
}

/* White space around a header's value is nobody's, and one that is empty would not be sent. */
static struct slice trimmed(struct slice s)
{
    while (s.n > 0 && *s.p == ' ')
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    if (s.n > TEXT_MAX)
        for (s.n = TEXT_MAX; s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80;)
            s.n--;
    return s;
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return true;
}

/* As RFC 2047 has it, and S3 writes it itself. */
static int add_encoded(struct slice value, struct buf *out)
{
    size_t n = base64_encoded_length(value.n);

    if (buf_add_str(out, "=?UTF-8?B?") < 0 || buf_reserve(out, n) < 0)
        return -1;
    base64_encode(value, out->p + out->n);
    out->n += n;
    return buf_add_str(out, "?=");
}

int s3_metadata_add(const struct s3_labels *l, const struct object_key *k, const struct sink_seal_id *id,
                    struct http_request *rq)
{
    struct buf text, coded;
    int rc = 0;

    buf_init(&text, S3_LABEL_MAX);
    buf_init(&coded, 2 * TEXT_MAX);
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        char *name = mem_printf("x-amz-meta-%s", l->v[i].name);
        struct slice value;

        buf_clear(&text);
        buf_clear(&coded);
        rc = object_key_render_text(k, id, l->v[i].text, &text);
        value = trimmed(buf_slice(&text));
        if (rc == 0 && !is_plain(value)) {
            rc = add_encoded(value, &coded);
            value = buf_slice(&coded);
        }
        if (rc == 0 && value.n > 0)
            http_request_header(rq, name, value);
        mem_free(name);
    }
    buf_release(&text);
    buf_release(&coded);
    return rc;
}

char *s3_context_text(const struct s3_labels *l)
{
    struct buf json;
    char *text = NULL;
    int rc;

    if (l->n == 0)
        return NULL;
    buf_init(&json, CFG_FILE_MAX);
    rc = buf_add_char(&json, '{');
    for (size_t i = 0; i < l->n && rc == 0; i++)
        if ((i > 0 && buf_add_char(&json, ',') < 0) || json_quote(slice_str(l->v[i].name), &json) < 0 ||
            buf_add_char(&json, ':') < 0 || json_quote(slice_str(l->v[i].text), &json) < 0)
            rc = -1;
    if (rc == 0 && buf_add_char(&json, '}') == 0) {
        text = mem_alloc(base64_encoded_length(json.n) + 1);
        base64_encode(buf_slice(&json), text);
        text[base64_encoded_length(json.n)] = '\0';
    }
    buf_release(&json);
    return text;
}
