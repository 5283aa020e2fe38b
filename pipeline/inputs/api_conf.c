/* The section `api` of the YAML, and the rules between its options. */
#include "pipeline/inputs/api.h"

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/api_listen.h"

#include <string.h>
#include <unistd.h>

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

/* The word is the only value: to let anybody write has to be said, and `false` would say nothing. */
static const struct cfg_choice auth_words[] = {{"none", 1}, {0}};

const struct cfg_field api_fields[] = {
    {.name = "listen",
     .type = CFG_STRING,
     .offset = offsetof(struct api_conf, listen),
     .def = "127.0.0.1:4573",
     .help = "address of the Firehose API; other hosts than loopback need `credentials` or `auth: none`"},
    {.name = "credentials",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct api_conf, credentials),
     .secret = true,
     .bind = bind_credentials,
     .release = release_credentials,
     .syntax = "list of { access_key_id, secret_access_key }",
     .help = "keys that requests must be signed with (AWS Signature Version 4); none listed: requests are not checked"},
    {.name = "auth",
     .type = CFG_BOOL,
     .offset = offsetof(struct api_conf, auth_none),
     .choices = auth_words,
     .help = "`none` allows other addresses than loopback without credentials"},
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

static int check_names(const struct api_conf *conf, struct err *e)
{
    if (strspn(conf->account, "0123456789") != ACCOUNT_DIGITS || conf->account[ACCOUNT_DIGITS])
        return err_set(e, ERR_CONFIG, "api: `account` must be twelve digits, not \"%s\"", conf->account);
    if (conf->region[strspn(conf->region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return err_set(e, ERR_CONFIG, "api: `region` has lower-case letters, digits and `-` only, not \"%s\"",
                       conf->region);
    return 0;
}

static int check_credentials(const struct api_conf *conf, struct err *e)
{
    for (size_t i = 0; i < conf->credential_count; i++) {
        const struct api_credential *c = &conf->credentials[i];

        if (!c->access_key_id || !*c->access_key_id || !c->secret_access_key || !*c->secret_access_key)
            return err_set(e, ERR_CONFIG,
                           "api: entry %zu of `credentials` needs both `access_key_id` and `secret_access_key`", i + 1);
        for (size_t j = 0; j < i; j++)
            if (strcmp(c->access_key_id, conf->credentials[j].access_key_id) == 0)
                return err_set(e, ERR_CONFIG, "api: `credentials` lists the key %s twice", c->access_key_id);
    }
    if (conf->auth_none && conf->credential_count)
        return err_set(e, ERR_CONFIG, "api: `auth: none` contradicts `credentials`; leave one of them out");
    return 0;
}

int api_check(const struct api_conf *conf, struct err *e)
{
    struct address at;
    int fd;

    if (check_names(conf, e) < 0 || check_credentials(conf, e) < 0)
        return -1;
    if (address_parse(conf->listen, &at, e) < 0)
        return err_wrap(e, "api: `listen` is `%s`", conf->listen);
    if (!at.loopback && conf->credential_count == 0 && !conf->auth_none)
        return err_set(e, ERR_CONFIG,
                       "api: %s can be reached from other machines, so clients must sign their requests: list "
                       "`credentials`, or write `auth: none` to let anybody write, or listen on 127.0.0.1",
                       conf->listen);
    fd = api_listen_open(&at, e);
    if (fd < 0)
        return err_wrap(e, "api: listen");
    close(fd);
    return 0;
}
