/* post.h -- a request by POST, from its head to its answer. Who may ask is decided here, for all actions.
 *
 *     post_begin()    404, 405, 403 and 413 are answered at once; else the body is taken
 *     post_more()     at its end the token is looked at (401), and the action waits for its turn, but for one that is done at once; the
 *                     connection is suspended meanwhile. True: the answer is there
 *     post_over()     in any case
 *
 * The token comes in `Authorization: Bearer TOKEN`, or in the field `token` of a form (application/x-www-form-urlencoded).
 *
 * Threads    the admin server's.
 */
#ifndef PIPELINE_ADMIN_POST_H
#define PIPELINE_ADMIN_POST_H

#include "pipeline/admin/actions.h"
#include "pipeline/admin/token.h"
#include "pipeline/base/log.h"
#include "pipeline/http/server/server.h"

/* What all of them share. */
struct post_office {
    struct admin_actions actions, own; /* of who started the server; the server's */
    struct admin_queue *queue;
    struct admin_token tokens[2]; /* each of them is right: admin.token, and that of data_dir */
    size_t token_count;           /* 0: there is none that anybody could show */
    struct log_limit refused_log;
};

/* Is it the token, as Authorization shows it? May be NULL. */
bool post_is_token(const struct post_office *po, const char *authorization);

struct post;

/* As admin_action_find(), of all. */
const struct admin_action *post_find(const struct post_office *po, const char *path, char **name);

/* -1: it is refused, with *status and *why. */
MUST_CHECK int post_begin(struct post_office *po, struct http_exchange *x, const char *path, unsigned *status,
                          const char **why);
MUST_CHECK bool post_more(struct post *p, struct slice piece);
const struct admin_answer *post_answer(const struct post *p);
/* It came from a form of a page: where a browser goes with it behind it. */
bool post_is_form(const struct post *p);
const char *post_stream(const struct post *p); /* "": the action is about none */
void post_over(struct http_exchange *x);

#endif
