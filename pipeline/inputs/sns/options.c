#include "pipeline/inputs/sns/options.h"

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/proxy.h"
#include "pipeline/inputs/sns/address.h"
#include "pipeline/inputs/sns/filter.h"

#include <stddef.h>
#include <string.h>

static const struct cfg_choice SIGNATURES[] = {{"any", SNS_SIGNATURES_ANY}, {"v2", SNS_SIGNATURES_V2}, {NULL, 0}};
static const struct cfg_choice CONFIRMS[] = {{"no", 0}, {"auto", 1}, {NULL, 0}};
static const struct cfg_choice RECORDS[] = {
    {"message", SNS_RECORD_MESSAGE}, {"envelope", SNS_RECORD_ENVELOPE}, {NULL, 0}};
static const struct cfg_choice SCOPES[] = {
    {"MessageAttributes", SNS_SCOPE_ATTRIBUTES}, {"MessageBody", SNS_SCOPE_BODY}, {NULL, 0}};

/* --- a policy, as text or as YAML ------------------------------------------------------------------------------------- */

static int add_scalar(const struct cfg_node *node, struct buf *out)
{
    const char *text = node->text ? node->text : "";

    if (!node->quoted && cfg_node_is_null(node))
        return buf_add_str(out, "null");
    if (!node->quoted && json_valid(slice_str(text), 1)) /* a number, true, false */
        return buf_add_str(out, text);
    return json_quote(slice_str(text), out);
}

static int add_node(const struct cfg_node *node, struct buf *out)
{
    bool map = node->kind == CFG_NODE_MAP;

    if (node->kind == CFG_NODE_SCALAR)
        return add_scalar(node, out);
    if (buf_add_char(out, map ? '{' : '[') < 0)
        return -1;
    for (size_t i = 0; i < node->count; i++) {
        if ((i > 0 && buf_add_char(out, ',') < 0) ||
            (map && (json_quote(slice_str(node->items[i]->key->text), out) < 0 || buf_add_char(out, ':') < 0)) ||
            add_node(node->items[i], out) < 0)
            return -1;
    }
    return buf_add_char(out, map ? '}' : ']');
}

/* Policies are written as JSON, which is YAML as well: {"store": ["books"]} is a mapping here. A text in quotes, or out of a file, is taken
 * as it is. */
static void bind_policy(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct buf text;

    if (!node || cfg_node_is_null(node))
        return;
    buf_init(&text, 2 * SNS_FILTER_BYTES_MAX);
    if (node->kind == CFG_NODE_SCALAR)
        *(char **)out = mem_strdup(node->text);
    else if (add_node(node, &text) < 0)
        cfg_error(errs, node->at, "`filter_policy`: a policy has %d bytes at most", SNS_FILTER_BYTES_MAX);
    else
        *(char **)out = mem_strndup(text.p, text.n);
    buf_release(&text);
}

static void release_policy(void *out)
{
    MEM_CLEAR(*(char **)out);
}

/* clang-format off */
#define AT(member) .offset = offsetof(struct sns_conf, member)

const struct cfg_field sns_fields[] = {
    PUSH_FIELDS_PLACE(struct sns_conf, push, "127.0.0.1:4575", "/sns/STREAM",
                      "the address at which SNS, or the proxy in front, reaches this input; several inputs, and the API, may share one"),
    PUSH_FIELDS_BODY(struct sns_conf, push),
    {.name = "topics", .type = CFG_STRINGS, AT(topics), .required = true, .min = 1, .max = 512,
     .help = "ARNs of the topics whose messages are taken and whose subscriptions are confirmed; all others are refused"},
    {.name = "signature", .type = CFG_ENUM, AT(signature), .def = "any", .choices = SIGNATURES,
     .help = "v2: messages signed with SHA-1 (the topic's SignatureVersion 1, still AWS's default) are refused"},
    {.name = "max_age", .type = CFG_DURATION, AT(max_age), .def = "1h", .min = 60 * NSEC_PER_SEC, .max = 24 * 3600 * NSEC_PER_SEC,
     .help = "a message that was published longer ago is refused; for so long ids are remembered"},
    {.name = "remember", .type = CFG_INT, AT(remember), .def = "100000", .min = 1000, .max = 1000000,
     .help = "ids of messages that are remembered, at most, so that one that comes again is one record"},
    {.name = "confirm", .type = CFG_BOOL, AT(confirm), .def = "auto", .choices = CONFIRMS,
     .help = "auto: a subscription to one of `topics` is confirmed when SNS asks; no: the log has the line, and you confirm it"},
    {.name = "record", .type = CFG_ENUM, AT(record), .def = "message", .choices = RECORDS,
     .help = "message: what was published; envelope: SNS's JSON around it, as it came"},
    {.name = "raw_delivery", .type = CFG_BOOL, AT(raw_delivery), .def = "false",
     .help = "take messages of subscriptions with RawMessageDelivery; they are not signed, so `secret`, `tokens` or `users` are needed"},
    {.name = "secret", .type = CFG_STRING, AT(secret), .secret = true, .min = 16, .max = 200,
     .help = "one more of `tokens`, which may stand in a URL: every request shows one of all these and of `users`, as the last segment of the "
             "endpoint's path (PATH/SECRET), or as the password of basic authentication (https://any:SECRET@host/path); best as "
             "${env:NAME} or ${file:PATH}"},
    {.name = "filter_policy", .type = CFG_CUSTOM, AT(filter_policy), .bind = bind_policy, .release = release_policy,
     .syntax = "SNS's filter policy",
     .help = "messages that do not match are answered and dropped; the language is that of a subscription's FilterPolicy"},
    {.name = "filter_policy_scope", .type = CFG_ENUM, AT(filter_policy_scope), .def = "MessageAttributes", .choices = SCOPES,
     .help = "what filter_policy looks at"},
    {.name = "certificate_url_prefix", .type = CFG_STRING, AT(certificate_url_prefix), .max = SNS_URL_MAX,
     .help = "only for a server of your own instead of AWS (LocalStack): what its certificates' addresses begin with, "
             "http://127.0.0.1:4566/; who controls it can forge messages. Left out: SNS's own addresses, and nothing else"},
    PROXY_FIELD(offsetof(struct sns_conf, proxy)),
    {.name = NULL},
};
/* clang-format on */

static void refuse(const struct cfg_options *o, const char *what)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", what);
    cfg_options_refuse(o, &e);
}

/* arn:aws:sns:eu-west-1:123456789012:name */
static bool is_topic(const char *arn)
{
    unsigned colons = 0;

    if (strncmp(arn, "arn:", 4) != 0 || arn[strspn(arn, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                        "0123456789-_.:")])
        return false;
    for (const char *p = arn; *p; p++)
        if (*p == ':' && ++colons == 2 && strncmp(p, ":sns:", 5) != 0)
            return false;
    return colons == 5 && arn[strlen(arn) - 1] != ':';
}

static void check_filter(const struct sns_conf *c, const struct cfg_options *o)
{
    struct sns_filter *f = NULL;
    struct err e;

    if (!c->filter_policy)
        return;
    if (sns_filter_new(&f, slice_str(c->filter_policy), (enum sns_scope)c->filter_policy_scope, &e) < 0)
        cfg_options_refuse(o, &e);
    sns_filter_free(&f);
    if (c->raw_delivery && c->filter_policy_scope == SNS_SCOPE_ATTRIBUTES)
        refuse(o,
               "filter_policy: with raw_delivery SNS sends no attributes; set filter_policy_scope: MessageBody, or let "
               "SNS filter (FilterPolicy of the subscription)");
}

void sns_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct sns_conf *c = conf;
    const struct http_access_conf *access = &c->push.access;
    const struct http_access_around around = {.tls = &c->push.tls, .own = "secret", .own_set = c->secret != NULL};
    struct err e;

    (void)base_dir;
    push_check_place(&c->push, o);
    http_access_check_conf(access, &around, o);
    for (size_t i = 0; i < c->topics.n; i++)
        if (!is_topic(c->topics.v[i])) {
            (void)err_set(&e, ERR_CONFIG, "topics: `%s` is no topic's ARN (arn:aws:sns:REGION:ACCOUNT:NAME)",
                          c->topics.v[i]);
            cfg_options_refuse_item(o, "topics", i, &e);
        }
    if (c->raw_delivery && !c->secret && access->tokens.n == 0 && access->users.n == 0)
        refuse(o, "raw_delivery: raw messages are not signed, so anybody could send them: set `secret`, `tokens` or "
                  "`users` too");
    if (c->secret && c->secret[strspn(c->secret, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")])
        refuse(o, "secret: letters, digits and -._~ only, since it stands in a URL");
    check_filter(c, o);
    if (c->certificate_url_prefix && sns_prefix_check(c->certificate_url_prefix, &e) < 0)
        cfg_options_refuse(o, &e);
    proxy_check_option(c->proxy, o);
}

void sns_conf_route(const void *conf, const char *stream, char *out, size_t size)
{
    push_route(&((const struct sns_conf *)conf)->push, SNS_PATH, stream, out, size);
}

/* A message would come by both, and who of them is first is left to chance. */
bool sns_conf_same_positions(const void *conf, const void *other)
{
    const struct sns_conf *a = conf, *b = other;

    for (size_t i = 0; i < a->topics.n; i++)
        for (size_t j = 0; j < b->topics.n; j++)
            if (strcmp(a->topics.v[i], b->topics.v[j]) == 0)
                return true;
    return false;
}
