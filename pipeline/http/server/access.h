/* access.h -- who may use what listens: tokens, names with passwords, and the words that nobody needs either.
 *
 * The same options for whoever listens. A token is shown as `Authorization: Bearer TOKEN` (the scheme's name may be another, as agents have
 * their own: `Splunk`, `Token`), as the password of basic authentication under any name, or in a header that the owner of the path knows. A
 * name with a password is shown as basic authentication, or as Elasticsearch's API key, which has the same shape. An address that other machines
 * reach needs one of these, certificates of clients, or `auth: none`.
 *
 *     http_access_check_conf()  what is wrong with the options
 *     http_access_new()         what is kept of them: digests
 *     http_access_ask()         may this request be let in?
 *
 * Ownership  http_access_free(). Threads: immutable once made.
 */
#ifndef PIPELINE_HTTP_SERVER_ACCESS_H
#define PIPELINE_HTTP_SERVER_ACCESS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/compiler.h"
#include "pipeline/http/server/server_tls.h"

#include <stdbool.h>
#include <stddef.h>

struct http_access_conf {
    bool none; /* said in words */
    struct cfg_strings tokens, users;
};

extern const struct cfg_choice http_access_words[];

/* clang-format off */
/* Rows of a table of options; `owner` has `member`, a struct http_access_conf. */
#define HTTP_ACCESS_FIELDS(owner, member)                                                                               \
    {.name = "tokens", .type = CFG_STRINGS, .offset = offsetof(owner, member.tokens), .secret = true,                   \
     .help = "each request must show one: as `Authorization: Bearer TOKEN`, or as the password of basic authentication; best as " \
             "${env:NAME} or ${file:PATH}; 16 characters or more each"},                                               \
    {.name = "users", .type = CFG_STRINGS, .offset = offsetof(owner, member.users), .secret = true,                     \
     .help = "`NAME:PASSWORD`, one of which each request must show by basic authentication"},                          \
    {.name = "auth", .type = CFG_BOOL, .offset = offsetof(owner, member.none), .choices = http_access_words,            \
     .help = "`none` lets other machines in without tokens, users and client certificates"}
/* clang-format on */

/* Rules between them. `listen` may be NULL (it could not be bound). */
void http_access_check_conf(const struct http_access_conf *c, const char *listen, const struct server_tls_conf *tls,
                            const struct cfg_options *o);

struct http_access;

/* NULL: whoever reaches the address may use it. */
struct http_access *http_access_new(const struct http_access_conf *c);
void http_access_free(struct http_access **a);

enum http_access_answer {
    HTTP_ACCESS_YES,
    HTTP_ACCESS_NOTHING, /* nothing was shown */
    HTTP_ACCESS_WRONG,
};
/* `authorization`: the header; `token`: what another header says; NULL: not there. The time it takes does not depend on how much is
 * right. `a` may be NULL. */
MUST_CHECK enum http_access_answer http_access_ask(const struct http_access *a, const char *authorization,
                                                   const char *token);

#endif
