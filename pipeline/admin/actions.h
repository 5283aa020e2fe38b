/* actions.h -- what can be changed from outside: a table of paths that are asked for by POST, and the thread they run on.
 *
 * The admin server knows no action: whoever starts it hands the table over (admin.h). What protects them protects all of them, and is
 * done before an action is asked (post.h): the names in Host, pages of other sites, the size of the body, the token.
 *
 *     static void reload(void *ctx, const struct admin_order *o, struct admin_answer *a) { ... }
 *     const struct admin_action actions[] = {
 *         {.path = "/reload", .run = reload, .ctx = r},
 *         {.path = "/api/streams/{stream}/flush", .run = flush, .ctx = en},      o->name is what stands for {stream}
 *     };
 *
 * One action runs at a time, in the order in which they were asked for; pages are answered meanwhile. An action may take long,
 * and must end when the program stops. Whoever asked may be gone before it ends: it runs to its end all the same. Those that wait for nothing are
 * done `at_once`, beside it: a reload may wait for a dead destination, and what an operator does about that must not wait for the reload.
 *
 * Threads    run(): the queue's own; at_once: the server's. ask, stop: any; stop once.
 */
#ifndef PIPELINE_ADMIN_ACTIONS_H
#define PIPELINE_ADMIN_ACTIONS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct admin_order {
    const char *path; /* as asked for */
    const char *name; /* "" where the path of the action names none */
    const char *from; /* the client's address, for the log */
    uint64_t after;   /* what the argument of this name in the URL says; 0: nothing */
};

enum admin_answer_as {
    ADMIN_ANSWER_WORDS, /* lines for people; of a path below /api/ they become JSON, for a form a page */
    ADMIN_ANSWER_JSON,  /* it is JSON, */
    ADMIN_ANSWER_PAGE,  /* or a page of the console, also for a form */
};

struct admin_answer {
    enum admin_answer_as as;
    unsigned status; /* of HTTP; 200 unless run() says otherwise */
    struct buf text; /* at most ADMIN_ANSWER_MAX bytes; no secrets. Records in those of records.h alone */
};

/* The text becomes this line. Returns the answer's status. */
unsigned admin_answer_say(struct admin_answer *a, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);

struct admin_action {
    const char *path; /* may have one {...}, which stands for one step of the path */
    void (*run)(void *ctx, const struct admin_order *o, struct admin_answer *a);
    void *ctx;
    bool quiet;   /* it is asked for again and again, and says in the log what is worth it */
    bool at_once; /* it waits for nothing, and is not queued */
};

struct admin_actions {
    const struct admin_action *list;
    size_t count;
};

/* Is `path` what `pattern` says? *name: what stands for its {...}, a copy; NULL where it has none. */
MUST_CHECK bool admin_path_fits(const char *pattern, const char *path, char **name);
/* NULL: none of them. *name: as above. */
const struct admin_action *admin_action_find(const struct admin_actions *all, const char *path, char **name);

/* --- the queue ------------------------------------------------------------------------------------------------------ */

struct admin_call {
    TAILQ_ENTRY(admin_call) link;
    const struct admin_action *action;
    struct admin_order order;
    struct admin_answer answer;
    void (*done)(struct admin_call *c); /* it has been answered; the call may be gone behind it */
};

/* Answers it; done() is not called. */
void admin_call_run(struct admin_call *c);

struct admin_queue;

MUST_CHECK int admin_queue_start(struct admin_queue **q, struct err *e);
/* Is answered, and done() called, on the queue's thread; also where it stops before its turn. False: too many wait, or it stops; then
 * done() is not called. */
MUST_CHECK bool admin_queue_ask(struct admin_queue *q, struct admin_call *c);
/* Waits for the one that runs; those behind it are answered with 503. Nothing is taken any more. */
void admin_queue_stop(struct admin_queue *q);
void admin_queue_free(struct admin_queue **q);

#endif
