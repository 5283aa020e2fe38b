#include "pipeline/inputs/kafka/oauth.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/authorization.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/url.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct cfg_choice SECRET_PLACES[] = {{"header", 0}, {"body", 1}, {NULL, 0}};

/* clang-format off */
#define AT(member) .offset = offsetof(struct kafka_oauth_conf, member)

const struct cfg_field kafka_oauth_fields[] = {
    {.name = "token_url", .type = CFG_STRING, AT(token_url), .max = ENDPOINT_URL_MAX,
     .help = "where tokens are: `token_endpoint` in the server's /.well-known/openid-configuration"},
    {.name = "client_id", .type = CFG_STRING, AT(client_id), .max = KAFKA_OAUTH_TEXT_MAX},
    {.name = "client_secret", .type = CFG_STRING, AT(client_secret), .secret = true, .max = KAFKA_OAUTH_TEXT_MAX,
     .help = "best as ${env:NAME} or ${file:PATH}"},
    {.name = "secret_in", .type = CFG_BOOL, AT(secret_in_body), .def = "header", .choices = SECRET_PLACES,
     .help = "where the server looks for id and secret: header (Authorization: Basic, which each server should take), or body"},
    {.name = "scope", .type = CFG_STRING, AT(scope), .max = KAFKA_OAUTH_TEXT_MAX, .help = "several with a space between them"},
    {.name = "audience", .type = CFG_STRING, AT(audience), .max = KAFKA_OAUTH_TEXT_MAX, .help = "for servers that want to be told (Auth0)"},
    {.name = "extensions", .type = CFG_STRINGS, AT(extensions), .max = KAFKA_OAUTH_EXTENSIONS_MAX,
     .help = "NAME=VALUE for the brokers beside the token (Confluent Cloud: logicalCluster, identityPoolId)"},
    PROXY_FIELD(offsetof(struct kafka_oauth_conf, proxy)),
    {.name = "tls", .type = CFG_BLOCK, AT(tls), .fields = tls_fields, .help = "how to trust an https token_url"},
    {.name = NULL},
};
/* clang-format on */

/* --- options ---------------------------------------------------------------------------------------------------------- */

static bool is_given(const char *s)
{
    return s && *s;
}

static void refuse(const struct cfg_options *o, const char *option, const char *text)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "sasl.oauth.%s: %s", option, text);
    cfg_options_refuse(o, &e);
}

/* RFC 7628 section 3.1: a name is letters, a value has no control characters. `auth` is the token's. */
static bool is_extension(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    if (n == 0 || text[n] != '=' || (n == 4 && strncmp(text, "auth", n) == 0))
        return false;
    for (const char *p = text + n + 1; *p; p++)
        if (*p < ' ' || *p > '~')
            return false;
    return text[n + 1] != '\0';
}

static void check_url(const struct kafka_oauth_conf *c, const struct cfg_options *o)
{
    struct http_url u;
    struct err e;

    if (http_url_parse(&u, "sasl.oauth.token_url", c->token_url, &e) < 0)
        cfg_options_refuse(o, &e);
    else
        http_url_release(&u);
}

void kafka_oauth_check_all(const struct kafka_oauth_conf *c, const char *base_dir, const struct cfg_options *o)
{
    struct tls_options *tls = tls_options_new(&c->tls, base_dir);
    struct err e;

    if (!is_given(c->token_url))
        refuse(o, "token_url", "is missing: where are tokens to be had?");
    else
        check_url(c, o);
    if (!is_given(c->client_id))
        refuse(o, "client_id", "is missing");
    if (!is_given(c->client_secret))
        refuse(o, "client_secret", "is missing");
    for (size_t i = 0; i < c->extensions.n; i++)
        if (!is_extension(c->extensions.v[i]))
            refuse(o, "extensions", "each is NAME=VALUE, the name of letters and not `auth`, the value of ASCII");
    if (proxy_check(c->proxy, &e) < 0) {
        (void)err_wrap(&e, "sasl.oauth");
        cfg_options_refuse(o, &e);
    }
    if (tls_options_check(tls, &e) < 0) {
        (void)err_wrap(&e, "sasl.oauth");
        cfg_options_refuse(o, &e);
    }
    tls_options_free(&tls);
}

/* --- the request ------------------------------------------------------------------------------------------------------ */

/* As a form has it; RFC 6749 section 2.3.1 wants it of id and secret in the header as well. */
static int add_encoded(struct buf *b, const char *text)
{
    int rc = 0;

    for (const char *p = text; *p && rc == 0; p++) {
        unsigned char c = (unsigned char)*p;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
            rc = buf_add_char(b, *p);
        else
            rc = buf_printf(b, "%%%02X", c);
    }
    return rc;
}

static int add_field(struct buf *form, const char *name, const char *value)
{
    if (!is_given(value))
        return 0;
    return buf_printf(form, "&%s=", name) < 0 ? -1 : add_encoded(form, value);
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_release(b);
}

static void wipe_text(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
}

static int add_login(const struct kafka_oauth_conf *c, struct http_request *rq, struct err *e)
{
    struct buf id, secret;
    char *value = NULL;
    int rc;

    buf_init(&id, KAFKA_OAUTH_FORM_MAX);
    buf_init(&secret, KAFKA_OAUTH_FORM_MAX);
    if (add_encoded(&id, c->client_id) < 0 || add_encoded(&secret, c->client_secret) < 0)
        rc = err_set(e, ERR_LIMIT, "client_id or client_secret are too long");
    else
        rc = authorization_basic(buf_cstr(&id), buf_cstr(&secret), &value, e);
    if (rc == 0)
        http_request_header(rq, "Authorization", slice_str(value));
    wipe_text(value);
    mem_free(value);
    wipe(&secret);
    buf_release(&id);
    return rc;
}

int kafka_oauth_request(const struct kafka_oauth_conf *c, struct http_request *rq, struct err *e)
{
    struct buf form;
    int rc = 0;

    *rq = (struct http_request){.method = "POST",
                                .url = mem_strdup(c->token_url),
                                .proxy = c->proxy,
                                .timeout = KAFKA_OAUTH_TIMEOUT,
                                .response_max = KAFKA_OAUTH_ANSWER_MAX};
    http_request_header(rq, "Content-Type", SLICE("application/x-www-form-urlencoded"));
    http_request_header(rq, "Accept", SLICE("application/json"));
    buf_init(&form, KAFKA_OAUTH_FORM_MAX);
    if (buf_add_str(&form, "grant_type=client_credentials") < 0 || add_field(&form, "scope", c->scope) < 0 ||
        add_field(&form, "audience", c->audience) < 0 ||
        (c->secret_in_body &&
         (add_field(&form, "client_id", c->client_id) < 0 || add_field(&form, "client_secret", c->client_secret) < 0)))
        rc = err_set(e, ERR_LIMIT, "the options of sasl.oauth are too long");
    if (rc == 0 && !c->secret_in_body)
        rc = add_login(c, rq, e);
    if (rc == 0)
        rq->text = mem_strndup(form.p, form.n);
    wipe(&form);
    return rc;
}

void kafka_oauth_request_release(struct http_request *rq)
{
    wipe_text(rq->text);
    for (size_t i = 0; i < rq->header_count; i++)
        wipe_text(rq->headers[i]);
    http_request_release(rq);
}

/* --- the answer ------------------------------------------------------------------------------------------------------- */

enum member { TOKEN, TYPE, EXPIRES, ERROR, DESCRIPTION, MEMBERS };

static const char *const NAMES[MEMBERS] = {"access_token", "token_type", "expires_in", "error", "error_description"};

struct answer {
    struct buf v[MEMBERS]; /* "" when it was not given */
};

/* Some servers write numbers as texts. */
static bool read_member(struct json_reader *r, struct buf *out)
{
    struct json_string s;
    struct slice digits;

    buf_clear(out);
    switch (json_peek(r)) {
    case JSON_STRING:
        return json_string(r, &s) && json_unescape(s, out) == 0;
    case JSON_NUMBER:
        return json_number(r, &digits) && buf_add_slice(out, digits) == 0;
    default:
        return json_skip(r);
    }
}

static bool read_answer(struct slice text, struct answer *a)
{
    struct json_reader r;
    struct json_string key;
    bool fine = true;

    json_open(&r, text, KAFKA_OAUTH_DEPTH_MAX);
    if (!json_enter(&r) || !json_in_object(&r))
        return false;
    while (fine && json_member(&r, &key)) {
        enum member m = 0;

        while (m < MEMBERS && !json_string_is(key, NAMES[m]))
            m++;
        fine = m == MEMBERS ? json_skip(&r) : read_member(&r, &a->v[m]);
    }
    return fine && json_end(&r);
}

/* RFC 6750 section 2.1; it goes between bytes that mean something to the brokers. */
static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= KAFKA_OAUTH_TOKEN_MAX;
}

static const char *hint_of_error(const char *code)
{
    if (strcmp(code, "invalid_client") == 0 || strcmp(code, "unauthorized_client") == 0)
        return "look at sasl.oauth.client_id and client_secret, at secret_in, and whether this client may have tokens "
               "of its own (client credentials)";
    if (strcmp(code, "invalid_scope") == 0)
        return "look at sasl.oauth.scope: this client may not have it, or the server does not know it";
    if (strcmp(code, "invalid_request") == 0)
        return "look at sasl.oauth: scope, audience, secret_in";
    if (strcmp(code, "unsupported_grant_type") == 0)
        return "allow the grant client_credentials at the server";
    return "what the server says, and its log, tell more";
}

static bool wrong(struct kafka_oauth_trouble *t, const char *hint, const char *cause, const char *more)
{
    snprintf(t->cause, sizeof(t->cause), "%s%s", cause, more);
    t->said[0] = '\0';
    t->hint = hint;
    return false;
}

static bool not_reached(const struct http_response *re, struct kafka_oauth_trouble *t)
{
    const char *hint = "look at sasl.oauth.token_url, and whether this machine can reach it (sasl.oauth.proxy)";

    if (re->failure == HTTP_TLS)
        hint = "look at sasl.oauth.tls: the authority in ca_file, the names in the certificate";
    return wrong(t, hint, re->failure_text, "");
}

static bool refused(const struct kafka_oauth_conf *c, int status, struct answer *a, struct kafka_oauth_trouble *t)
{
    const char *code = buf_cstr(&a->v[ERROR]), *said = buf_cstr(&a->v[DESCRIPTION]);
    char text[24];

    if (*code) {
        (void)wrong(t, hint_of_error(code), code, "");
        if (!strstr(said, c->client_secret) && !strstr(code, c->client_secret))
            snprintf(t->said, sizeof(t->said), "%s", said);
        else
            (void)wrong(t, hint_of_error(""), "the server refuses", "");
        return false;
    }
    snprintf(text, sizeof(text), "%d", status);
    return wrong(t,
                 status >= 500 || status == 429
                     ? "the server is ill or busy: nothing needs to be done here unless it lasts"
                     : "is sasl.oauth.token_url the address of its token_endpoint?",
                 "it was answered with status ", text);
}

static bool take(struct answer *a, struct kafka_token *out, struct kafka_oauth_trouble *t)
{
    const char *type = buf_cstr(&a->v[TYPE]);
    double seconds = a->v[EXPIRES].n > 0 ? strtod(buf_cstr(&a->v[EXPIRES]), NULL) : KAFKA_OAUTH_LIFETIME_DEFAULT;

    if (*type && strcasecmp(type, "bearer") != 0)
        return wrong(t, "the server must give bearer tokens to this client", "the token is of a kind that is not known",
                     "");
    if (!is_token(buf_slice(&a->v[TOKEN])))
        return wrong(t, "is sasl.oauth.token_url the address of the server's token_endpoint?",
                     a->v[TOKEN].n > 0 ? "the answer's access_token is none, or is too long"
                                       : "the answer has no access_token",
                     "");
    if (!(seconds >= 1))
        return wrong(t, "look at the lifetime of tokens at the server", "the token has expired already (expires_in)",
                     "");
    out->value = mem_strndup(a->v[TOKEN].p, a->v[TOKEN].n);
    out->lifetime = (nsec)(seconds < KAFKA_OAUTH_LIFETIME_MAX ? seconds : KAFKA_OAUTH_LIFETIME_MAX) * NSEC_PER_SEC;
    return true;
}

bool kafka_oauth_answer(const struct kafka_oauth_conf *c, const struct http_response *re, struct kafka_token *out,
                        struct kafka_oauth_trouble *t)
{
    struct answer a;
    bool read, fine;

    if (re->failure != HTTP_OK)
        return not_reached(re, t);
    for (enum member m = 0; m < MEMBERS; m++)
        buf_init(&a.v[m], KAFKA_OAUTH_ANSWER_MAX);
    read = !re->body_truncated && read_answer(re->body, &a);
    if (re->status < 200 || re->status > 299)
        fine = refused(c, re->status, &a, t);
    else if (!read)
        fine = wrong(t, "is sasl.oauth.token_url the address of the server's token_endpoint?",
                     "the answer is not the JSON of a token", "");
    else
        fine = take(&a, out, t);
    for (enum member m = 0; m < MEMBERS; m++)
        wipe(&a.v[m]);
    return fine;
}

void kafka_token_release(struct kafka_token *t)
{
    wipe_text(t->value);
    mem_free(t->value);
    *t = (struct kafka_token){.value = NULL};
}
