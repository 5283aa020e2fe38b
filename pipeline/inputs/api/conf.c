/* The section `api` of the YAML, and the rules between its options. */
#include "pipeline/inputs/api/api.h"

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/server/listen.h"

#include <string.h>

#define ACCOUNT_DIGITS 12

static const struct cfg_field credential_fields[] = {
    {.name = "access_key_id",
     .type = CFG_STRING,
     .offset = offsetof(struct api_credential, access_key_id),
     .required = true,
     .min = 1,
     .max = 128,
     .help = "the name of the key, as clients send it"},
    {.name = "secret_access_key",
     .type = CFG_STRING,
     .offset = offsetof(struct api_credential, secret_access_key),
     .required = true,
     .secret = true,
     .min = 1,
     .max = 256,
     .help = "the key itself; better `${env:NAME}` or `${file:PATH}` than in plain text"},
    {0},
};

static void bind_credentials(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct api_conf *conf = CONTAINER_OF(out, struct api_conf, credentials);

    if (!node)
        return;
    if (node->kind != CFG_NODE_LIST) {
        cfg_error(errs, node->at, "`credentials` is a list: - { access_key_id: ..., secret_access_key: ... }");
        return;
    }
    conf->credentials = mem_array(node->count, sizeof(*conf->credentials));
    conf->credential_count = node->count;
    for (size_t i = 0; i < node->count; i++)
        cfg_bind(errs, node->items[i], credential_fields, &conf->credentials[i]);
}

static void release_credentials(void *out)
{
    struct api_conf *conf = CONTAINER_OF(out, struct api_conf, credentials);

    for (size_t i = 0; i < conf->credential_count; i++)
        cfg_release(credential_fields, &conf->credentials[i]);
    MEM_CLEAR(conf->credentials);
    conf->credential_count = 0;
}

const struct cfg_field api_fields[] = {
    {.name = "listen",
     .type = CFG_STRING,
     .offset = offsetof(struct api_conf, listen),
     .def = "127.0.0.1:4573",
     .help = "address of the Firehose API; other hosts than loopback need `credentials`, `tokens`, `users`, "
             "`tls.client_ca_file` or `auth: none`"},
    {.name = "credentials",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct api_conf, credentials),
     .secret = true,
     .effect = CFG_EFFECT_AT_ONCE,
     .bind = bind_credentials,
     .release = release_credentials,
     .syntax = "list of { access_key_id, secret_access_key }",
     .help = "keys that requests must be signed with (AWS Signature Version 4); where there are `tokens` or `users` as "
             "well, "
             "one of all these is enough"},
    HTTP_ACCESS_FIELDS_WHEN(struct api_conf, access, CFG_EFFECT_AT_ONCE),
    {.name = "tls",
     .type = CFG_BLOCK,
     .offset = offsetof(struct api_conf, tls),
     .fields = server_tls_fields,
     .help = "the API speaks https:// and not http://"},
    {.name = "hosts",
     .type = CFG_STRINGS,
     .offset = offsetof(struct api_conf, hosts),
     .help = "without `credentials`, `tokens` and `users`: names in the Host header that are answered to besides "
             "localhost, addresses and, "
             "on other "
             "addresses than loopback, names without a dot and this machine's own; `*`: any. A web page may be given "
             "another name "
             "that leads here (DNS rebinding)"},
    {.name = "region",
     .type = CFG_STRING,
     .offset = offsetof(struct api_conf, region),
     .def = "us-east-1",
     .min = 1,
     .max = 64,
     .help = "the region in ARNs; clients may sign for any"},
    {.name = "account",
     .type = CFG_STRING,
     .offset = offsetof(struct api_conf, account),
     .def = "000000000000",
     .min = ACCOUNT_DIGITS,
     .max = ACCOUNT_DIGITS,
     .help = "the account in ARNs and messages: twelve digits"},
    {.name = "connections",
     .type = CFG_INT,
     .offset = offsetof(struct api_conf, connections),
     .def = "256",
     .min = 1,
     .max = 65536,
     .help = "connections open at once, at most; further ones wait to be accepted"},
    {.name = "connections_per_ip",
     .type = CFG_INT,
     .offset = offsetof(struct api_conf, connections_per_ip),
     .def = "0",
     .min = 0,
     .max = 65536,
     .help = "connections from one address, at most; further ones are closed; 0: no limit"},
    {.name = "timeout",
     .type = CFG_DURATION,
     .offset = offsetof(struct api_conf, timeout),
     .def = "60s",
     .min = NSEC_PER_SEC,
     .max = 3600 * NSEC_PER_SEC,
     .help = "a client that is silent this long, or takes this long to send a body or read an answer, is cut off"},
    {.name = "threads",
     .type = CFG_INT,
     .offset = offsetof(struct api_conf, threads),
     .def = "0",
     .min = 0,
     .max = 256,
     .help = "threads of the HTTP server; 0: one per core"},
    {0},
};

/* --- rules between options ------------------------------------------------------------------------------------------
 */

static int check_listen(const struct api_conf *conf, struct err *e)
{
    struct address at;
    struct err wrong;

    if (!conf->listen)
        return 0;
    if (strcmp(conf->listen, "none") == 0)
        return err_set(
            e, ERR_CONFIG,
            "`listen`: the API listens when a stream has the input `api`; leave that out of all `inputs` instead");
    if (address_parse(conf->listen, &at, &wrong) < 0)
        return err_set(e, ERR_CONFIG, "`listen` %s", wrong.msg);
    if (!http_listen_is_numeric(&at))
        return err_set(e, ERR_CONFIG, "`listen`: `%s` is not a numeric address; write one, such as 127.0.0.1", at.host);
    return 0;
}

static int check_credential(const struct api_conf *conf, size_t index, struct err *e)
{
    const char *id = conf->credentials[index].access_key_id;

    for (size_t i = 0; id && i < index; i++)
        if (conf->credentials[i].access_key_id && strcmp(id, conf->credentials[i].access_key_id) == 0)
            return err_set(e, ERR_CONFIG, "`credentials` lists the key `%s` twice", id);
    return 0;
}

void api_check_conf(const struct api_conf *conf, const struct cfg_options *o)
{
    struct http_access_around around = {
        .listen = conf->listen, .tls = &conf->tls, .own = "credentials", .own_set = conf->credential_count > 0};
    struct err e;

    if (check_listen(conf, &e) < 0) {
        cfg_options_refuse(o, &e);
        around.listen = NULL; /* one mistake about it is enough */
    }
    server_tls_check_conf(&conf->tls, o);
    http_access_check_conf(&conf->access, &around, o);
    if (conf->region && conf->region[strspn(conf->region, "abcdefghijklmnopqrstuvwxyz0123456789-")]) {
        err_set(&e, ERR_CONFIG, "`region` has lower-case letters, digits and `-` only, not `%s`", conf->region);
        cfg_options_refuse(o, &e);
    }
    if (conf->account &&
        (strlen(conf->account) != ACCOUNT_DIGITS || strspn(conf->account, "0123456789") != ACCOUNT_DIGITS)) {
        err_set(&e, ERR_CONFIG, "`account` must be twelve digits, not `%s`", conf->account);
        cfg_options_refuse(o, &e);
    }

    for (size_t i = 0; i < conf->credential_count; i++)
        if (check_credential(conf, i, &e) < 0)
            cfg_options_refuse_item(o, "credentials", i, &e);
}
