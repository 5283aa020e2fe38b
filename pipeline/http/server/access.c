/* What is kept of a token or a pair is its SHA-256, so that everything is compared in the same time whatever its length, and no secret
 * stays in memory for longer than the options themselves. */
#include "pipeline/http/server/access.h"

#include "config/address.h"
#include "config/node.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct secret {
    unsigned char digest[SHA256_BYTES];
};

struct http_access {
    struct secret *tokens, *users;
    size_t token_count, user_count;
};

const struct cfg_choice http_access_words[] = {{"none", 1}, {0}};

/* --- options ------------------------------------------------------------------------------------------------------- */

static bool is_shown_easily(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static void refuse_item(const struct cfg_options *o, const char *option, size_t item, const char *what)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s: %s", option, what);
    cfg_options_refuse_item(o, option, item, &e);
}

static void check_tokens(const struct cfg_strings *tokens, const struct cfg_options *o)
{
    for (size_t i = 0; i < tokens->n; i++) {
        size_t n = strlen(tokens->v[i]);

        if (n < HTTP_TOKEN_MIN || n > HTTP_TOKEN_MAX)
            refuse_item(o, "tokens", i, "a token has 16 to 4096 characters");
        else if (!is_shown_easily(tokens->v[i]))
            refuse_item(o, "tokens", i, "a token has printable ASCII and no spaces, so that a header can carry it");
    }
}

static void check_users(const struct cfg_strings *users, const struct cfg_options *o)
{
    for (size_t i = 0; i < users->n; i++) {
        const char *colon = strchr(users->v[i], ':');

        if (!colon || colon == users->v[i] || !colon[1])
            refuse_item(o, "users", i, "each is NAME:PASSWORD, neither of them empty");
        else if (strlen(users->v[i]) > HTTP_USER_MAX || strpbrk(users->v[i], "\r\n"))
            refuse_item(o, "users", i, "it is longer than 512 characters, or has a line break");
    }
}

int http_access_too_open(struct err *e, const char *at, const char *ways, const char *allows)
{
    return err_set(
        e, ERR_CONFIG,
        "%s: other machines can reach this address: %swrite `auth: none` to let anybody %s, or listen on 127.0.0.1", at,
        ways, allows);
}

static void check_open(const struct http_access_around *around, const struct cfg_options *o)
{
    struct address at;
    struct err e;
    char ways[128];

    if (!around->listen || address_parse(around->listen, &at, &e) < 0 || at.loopback)
        return;
    snprintf(ways, sizeof(ways), "set %s%s%s`tokens`, `users` or `tls.client_ca_file`, or ", around->own ? "`" : "",
             around->own ? around->own : "", around->own ? "`, " : "");
    (void)http_access_too_open(&e, "listen", ways, around->allows ? around->allows : "write");
    cfg_options_refuse(o, &e);
}

/* A command need not have the ${...} that it has no use for: what is missing then may be there. */
static bool is_all_known(const struct cfg_node *options)
{
    static const char *const NAMES[] = {"tokens", "users", "auth", "tls"};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        const struct cfg_node *one = cfg_node_get(options, NAMES[i]);

        if (one && !cfg_node_is_whole(one))
            return false;
    }
    return true;
}

void http_access_check_conf(const struct http_access_conf *c, const struct http_access_around *around,
                            const struct cfg_options *o)
{
    bool wanted = c->tokens.n > 0 || c->users.n > 0 || around->own_set;
    struct err e;

    check_tokens(&c->tokens, o);
    check_users(&c->users, o);
    if (c->none && wanted) {
        (void)err_set(&e, ERR_CONFIG, "auth: `none` contradicts %s%stokens and users: leave one of them out",
                      around->own ? around->own : "", around->own ? ", " : "");
        cfg_options_refuse(o, &e);
    }
    if (!c->none && !wanted && !around->tls->client_ca_file && is_all_known(o->node))
        check_open(around, o);
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static struct secret *digests(const struct cfg_strings *from, const char *more, size_t *n)
{
    struct secret *all = mem_array(from->n + 1, sizeof(*all));

    for (size_t i = 0; i < from->n; i++)
        sha256_of(slice_str(from->v[i]), all[i].digest);
    if (more)
        sha256_of(slice_str(more), all[from->n].digest);
    *n = from->n + (more != NULL);
    return all;
}

struct http_access *http_access_new(const struct http_access_conf *c, const char *token)
{
    struct http_access *a;

    if (c->tokens.n == 0 && c->users.n == 0 && !token)
        return NULL;
    a = mem_alloc(sizeof(*a));
    a->tokens = digests(&c->tokens, token, &a->token_count);
    a->users = digests(&c->users, NULL, &a->user_count);
    return a;
}

void http_access_free(struct http_access **a)
{
    if (!*a)
        return;
    mem_free((*a)->tokens);
    mem_free((*a)->users);
    MEM_CLEAR(*a);
}

static bool is_one_of(const struct secret *all, size_t n, struct slice shown)
{
    unsigned char digest[SHA256_BYTES];
    bool found = false;

    sha256_of(shown, digest);
    for (size_t i = 0; i < n; i++)
        found |= equal_constant_time(all[i].digest, digest, sizeof(digest));
    return found;
}

static bool basic_is_right(const struct http_access *a, struct slice coded)
{
    char text[HTTP_TOKEN_MAX + HTTP_USER_MAX + BASE64_SLACK], *colon;
    bool right = false;
    long n = -1;

    if (base64_decoded_max(coded.n) <= HTTP_TOKEN_MAX + HTTP_USER_MAX)
        n = base64_decode(coded, text);
    colon = n > 0 ? memchr(text, ':', (size_t)n) : NULL;
    if (colon) { /* both are compared, so that the time taken does not say which one it was */
        bool user = is_one_of(a->users, a->user_count, slice_of(text, (size_t)n));
        bool token = is_one_of(a->tokens, a->token_count, slice_of(colon + 1, (size_t)(text + n - colon - 1)));

        right = user || token;
    }
    explicit_bzero(text, sizeof(text));
    return right;
}

static bool authorization_is_right(const struct http_access *a, const char *authorization)
{
    size_t scheme = strcspn(authorization, " ");
    struct slice shown = slice_trim(slice_str(authorization + scheme));

    if (scheme == 5 && strncasecmp(authorization, "Basic", scheme) == 0)
        return basic_is_right(a, shown);
    if (scheme == 6 && strncasecmp(authorization, "ApiKey", scheme) == 0 && basic_is_right(a, shown))
        return true;
    return is_one_of(a->tokens, a->token_count, shown);
}

enum http_access_answer http_access_ask(const struct http_access *a, const char *authorization, const char *token)
{
    if (!a)
        return HTTP_ACCESS_YES;
    if (!authorization && !token)
        return HTTP_ACCESS_NOTHING;
    if ((authorization && authorization_is_right(a, authorization)) ||
        (token && is_one_of(a->tokens, a->token_count, slice_str(token))))
        return HTTP_ACCESS_YES;
    return HTTP_ACCESS_WRONG;
}

const char *http_access_why(enum http_access_answer answer)
{
    return answer == HTTP_ACCESS_NOTHING ? "a token, or a name and a password, is wanted here"
                                         : "the token, or the name and the password, is wrong";
}

/* --- what we show --------------------------------------------------------------------------------------------------- */

char *http_access_shown(const struct http_access_conf *c)
{
    char coded[2 * HTTP_USER_MAX], *shown;
    struct slice user;

    if (c->tokens.n > 0)
        return mem_printf("Bearer %s", c->tokens.v[0]);
    if (c->users.n == 0)
        return NULL;
    user = slice_str(c->users.v[0]);
    base64_encode(user, coded);
    shown = mem_printf("Basic %.*s", (int)base64_encoded_length(user.n), coded);
    explicit_bzero(coded, sizeof(coded));
    return shown;
}
