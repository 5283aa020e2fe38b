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
 *     http_access_shown()       what a command of ours shows to be let in
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
/* Rows of a table of options; `owner` has `member`, a struct http_access_conf. `when`: what a change of them needs. */
#define HTTP_ACCESS_FIELDS_WHEN(owner, member, when)                                                                    \
    {.name = "tokens", .type = CFG_STRINGS, .offset = offsetof(owner, member.tokens), .secret = true, .effect = when,   \
     .help = "each request must show one: as `Authorization: Bearer TOKEN`, or as the password of basic authentication; best as " \
             "${env:NAME} or ${file:PATH}; 16 characters or more each"},                                               \
    {.name = "users", .type = CFG_STRINGS, .offset = offsetof(owner, member.users), .secret = true, .effect = when,     \
     .help = "`NAME:PASSWORD`, one of which each request must show by basic authentication"},                          \
    {.name = "auth", .type = CFG_BOOL, .offset = offsetof(owner, member.none), .choices = http_access_words,            \
     .effect = when, .help = "`none` lets other machines in without tokens, users and client certificates"}
#define HTTP_ACCESS_FIELDS(owner, member) HTTP_ACCESS_FIELDS_WHEN(owner, member, CFG_EFFECT_AS_AROUND)
/* clang-format on */

/* What they are judged by, beside themselves. */
struct http_access_around {
    const char *listen; /* NULL: none, or it could not be bound */
    const struct server_tls_conf *tls;
    const char *own;    /* an option of the owner's that lets somebody in as well: credentials; NULL: none */
    bool own_set;       /* it is written */
    const char *allows; /* what somebody does who is let in; NULL: write */
};
/* Rules between them. */
void http_access_check_conf(const struct http_access_conf *c, const struct http_access_around *around,
                            const struct cfg_options *o);
/* The mistake itself, wherever it is found. `at`: what is listened at; `ways`: "set `tokens`, or ", "" where there is none. -1. */
int http_access_too_open(struct err *e, const char *at, const char *ways, const char *allows);

struct http_access;

/* `token`: one more of them, of the owner's; NULL: none. NULL: whoever reaches the address may use it. */
struct http_access *http_access_new(const struct http_access_conf *c, const char *token);
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
/* Why not, for the one who asked. Not of HTTP_ACCESS_YES. */
const char *http_access_why(enum http_access_answer answer);

/* The header Authorization of somebody who is let in: "Bearer ...". NULL: nothing is wanted. The caller frees it by mem_wipe(). */
char *http_access_shown(const struct http_access_conf *c);

#endif
