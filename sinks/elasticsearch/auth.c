/* One of several ways, which is decided when it is opened: a header that is always the same, or AWS's signature of each request. */
#include "sinks/elasticsearch/auth.h"

#include "pipeline/aws/sign.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/authorization.h"

#include <stdio.h>
#include <string.h>

#define REGION_MAX 64

struct elasticsearch_auth {
    char *authorization; /* NULL: none */
    enum sign_service service;
    struct credentials *credentials;
    char region[REGION_MAX];
};

static const struct cfg_choice SERVICES[] = {{"es", SIGN_ES}, {"aoss", SIGN_AOSS}, {NULL, 0}};

/* clang-format off */
#define AT(member) .offset = offsetof(struct elasticsearch_auth_conf, member)

static const struct cfg_field BASIC[] = {
    {.name = "username", .type = CFG_STRING, AT(basic.username), .max = 1024, .help = "user"},
    {.name = "password", .type = CFG_STRING, AT(basic.password), .max = 1024, .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = NULL},
};

static const struct cfg_field SIGV4[] = {
    {.name = "service", .type = CFG_ENUM, AT(sigv4.service), .choices = SERVICES,
     .help = "es: Amazon OpenSearch Service; aoss: Amazon OpenSearch Serverless"},
    {.name = "region", .type = CFG_STRING, AT(sigv4.region), .max = REGION_MAX - 1,
     .help = "region of the domain; left out: AWS_REGION, AWS_DEFAULT_REGION, the profile's"},
    {.name = "access_key_id", .type = CFG_STRING, AT(sigv4.keys.access_key_id),
     .help = "left out: as `credentials` says"},
    {.name = "secret_access_key", .type = CFG_STRING, AT(sigv4.keys.secret_access_key), .secret = true,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "session_token", .type = CFG_STRING, AT(sigv4.keys.session_token), .secret = true,
     .help = "of temporary keys"},
    {.name = "profile", .type = CFG_STRING, AT(sigv4.keys.profile), .help = "profile in ~/.aws to take the keys from"},
    CREDENTIALS_FIELD(offsetof(struct elasticsearch_auth_conf, sigv4.keys.ways)),
    {.name = NULL},
};

/* The rows of the inner tables count from the beginning of this struct: their offset is 0. */
const struct cfg_field elasticsearch_auth_fields[] = {
    {.name = "basic", .type = CFG_BLOCK, .offset = 0, .fields = BASIC, .help = "user and password"},
    {.name = "api_key", .type = CFG_STRING, AT(api_key), .max = 4096, .secret = true,
     .help = "API key of Elasticsearch, encoded or as id:key"},
    {.name = "sigv4", .type = CFG_BLOCK, .offset = 0, .fields = SIGV4, .help = "AWS's signature; needs service"},
    {.name = NULL},
};
/* clang-format on */

static int open_sigv4(struct elasticsearch_auth *a, const struct elasticsearch_auth_conf *c, struct err *e)
{
    if (credentials_new(&a->credentials, &c->sigv4.keys, e) < 0)
        return err_wrap(e, "auth.sigv4"); /* its message begins with the option in there */
    if (c->sigv4.region && *c->sigv4.region)
        snprintf(a->region, sizeof(a->region), "%s", c->sigv4.region);
    else if (!credentials_region(a->credentials, a->region, sizeof(a->region)))
        return err_set(e, ERR_CONFIG, "auth.sigv4.region: needed, neither environment nor profile name one");
    return 0;
}

static bool is_set(const char *text)
{
    return text && *text;
}

int elasticsearch_auth_open(struct elasticsearch_auth **out, const struct elasticsearch_auth_conf *c, struct err *e)
{
    struct elasticsearch_auth *a = mem_alloc(sizeof(*a));
    const struct credentials_conf *k = &c->sigv4.keys;
    int ways = is_set(c->basic.username) + is_set(c->api_key) + (c->sigv4.service != SIGN_NOTHING), rc = 0;

    *out = a;
    a->service = (enum sign_service)c->sigv4.service;
    if (ways > 1)
        rc = err_set(e, ERR_CONFIG, "auth: one of basic, api_key and sigv4, not several");
    else if (!a->service &&
             (is_set(c->sigv4.region) || is_set(k->access_key_id) || is_set(k->profile) || is_set(k->ways.role_arn) ||
              is_set(k->ways.profile) || k->ways.source || k->ways.process.n))
        rc = err_set(e, ERR_CONFIG, "auth.sigv4.service: es or aoss?");
    else
        rc = authorization_basic(c->basic.username, c->basic.password, &a->authorization, e);
    if (rc == 0 && is_set(c->api_key))
        rc = authorization_api_key(c->api_key, &a->authorization, e);
    if (rc == 0 && a->service)
        rc = open_sigv4(a, c, e);
    if (rc < 0)
        elasticsearch_auth_free(out);
    return rc;
}

void elasticsearch_auth_free(struct elasticsearch_auth **ap)
{
    struct elasticsearch_auth *a = *ap;

    if (!a)
        return;
    mem_free(a->authorization);
    credentials_free(&a->credentials);
    mem_free(a);
    *ap = NULL;
}

int elasticsearch_auth_check(const struct elasticsearch_auth *a, struct err *e)
{
    return a->service ? credentials_check(a->credentials, e) : 0;
}

void elasticsearch_auth_keys_from(const struct elasticsearch_auth *a, char *out, size_t size)
{
    *out = '\0';
    if (a->service)
        credentials_describe(a->credentials, out, size);
}

bool elasticsearch_auth_refused(const struct elasticsearch_auth *a, nsec began, nsec now)
{
    return a->service && credentials_refused(a->credentials, began, now);
}

bool elasticsearch_auth_signs(const struct elasticsearch_auth *a)
{
    return a->service != SIGN_NOTHING;
}

bool elasticsearch_auth_serverless(const struct elasticsearch_auth *a)
{
    return a->service == SIGN_AOSS;
}

int elasticsearch_auth_add(const struct elasticsearch_auth *a, struct http_request *rq, const struct sink_seal *seal,
                           struct slice host, struct slice path, struct slice query, struct err *e)
{
    const struct aws_sign s = {.region = a->region,
                               .service = a->service == SIGN_AOSS ? "aoss" : "es",
                               .host = host,
                               .path = path,
                               .query = query,
                               .sha256 = seal->digest.sha256,
                               .wall_now = seal->wall_now};
    struct aws_keys keys;
    int rc;

    if (a->authorization)
        http_request_header(rq, "Authorization", slice_str(a->authorization));
    if (!a->service)
        return 0;
    rc = credentials_poll(a->credentials, seal->wall_now, &keys, e);
    if (rc != 0)
        return rc;
    rc = aws_sign(rq, &s, &keys, e);
    aws_keys_wipe(&keys);
    return rc;
}
