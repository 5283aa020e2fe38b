/* listener.h -- what every listener implements: one that serves inputs of several streams of a program at the same time.
 *
 * An input is one stream's (input.h); what several of them share, sockets, threads and clients, is a listener's. There are three, each one const
 * struct listener_ops and a row in registry.c: the Firehose API (api/), HTTP servers, one for each address (servers.h), and the addresses of
 * sockets (listen/hub.h). The engine knows none of them by name.
 *
 *     open     somebody wants it: what it needs is there, or what is missing is said. Clients wait, or are told to come back
 *     start    it takes records; again: nothing. Inputs come and go from before it to the end
 *     stop     nothing new begins, what has begun may end; nothing is appended behind it. Again: nothing
 *     end      no thread of it is left, and nothing of it waits for a spool. All inputs have stopped; the committer still runs. Again: nothing
 *     close    all inputs are closed
 *
 * A program opens each once, when the first input wants it, and ends them in the opposite order: one that uses another one has asked for it
 * before. It stays when the last of its inputs goes.
 *
 * An input takes its place at its listener in its own open() or start(), by what the listener's header offers, and gives it up in its stop() and
 * close(). So streams come and go in any order, and the listener is told of none of it by the engine. What is a place is the listener's
 * affair: a path, an address, a name. So is what becomes of clients while an input is replaced: a name is "not now", an address waits.
 *
 * One with a section has options of its own, at the top of the file, below its name; the input of the same name (input_ops.section) has none,
 * each stream may have it, and it stays while a reload replaces other inputs of the stream. The others have no options: their inputs have them.
 *
 * Threads    open, start, stop, end, close, let_go, change, limit: one at a time. memory, address: any, while it is open.
 * Ownership  conf, env and what it points to outlive the listener.
 */
#ifndef PIPELINE_INPUTS_LISTENER_H
#define PIPELINE_INPUTS_LISTENER_H

#include "config/options.h"
#include "pipeline/base/budget.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/pushback.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct listener; /* each has its own */
struct listeners;
struct server_tls_conf;

struct listener_env {
    const char *base_dir;
    struct budget *budget; /* for requests before they are frames of an input */
};

/* Of the process, at most. */
struct listener_needs {
    size_t connections, threads;
    size_t request; /* bytes of memory for a large request */
};

/* Where it listens. */
struct listener_place {
    const char *listen;
    const struct server_tls_conf *tls;
};

/* Options that could not be bound may be zero, in check_conf. */
struct listener_section {
    void (*check_conf)(const void *conf, const struct cfg_options *o);
    struct listener_needs (*needs)(const void *conf);
    struct listener_place (*place)(const void *conf);
    /* A reload: what may be another one without a restart (CFG_EFFECT_AT_ONCE) is copied, and counts for what begins now. */
    void (*change)(struct listener *l, const void *conf);
    /* So many connections at most, or as conf says where that is fewer. */
    void (*limit)(struct listener *l, size_t connections);
    /* What it has turned away for memory before it was known which stream it was for. */
    struct pushback_view (*memory)(struct listener *l, nsec mono_now);
    const char *(*address)(const struct listener *l); /* "127.0.0.1:4573", with the real port */
};

struct listener_ops {
    const char *name;   /* its section's, or for people */
    const char *called; /* in messages: "the API" */
    const struct listener_section *section;
    MUST_CHECK int (*open)(struct listener **l, const void *conf, struct listeners *all, struct err *e);
    /* May be NULL, but for close: there is nothing to do. */
    void (*start)(struct listener *l);
    void (*stop)(struct listener *l);
    void (*end)(struct listener *l);
    void (*close)(struct listener **l);
    /* Addresses that are kept for inputs to come back are free at once: somebody else wants one. True: there were some. */
    bool (*let_go)(struct listener *l);
};

const struct listener_ops *listener_at(size_t index); /* NULL behind the last */

/* --- those that are open, in a program -------------------------------------------------------------------------------
 *
 * Threads  listeners_find(), _at(): any. The rest: one at a time. */

struct listeners {
    struct listener_env env;
    pthread_mutex_t lock;
    struct listeners_one {
        const struct listener_ops *ops;
        struct listener *l;
    } open[LISTENERS_MAX]; /* guarded by lock, as what follows */
    size_t count;
};

void listeners_init(struct listeners *all, const struct listener_env *env);
void listeners_close(struct listeners *all); /* none is open behind it */
void listeners_release(struct listeners *all);

/* One that is open already: nothing. -1: it is not. */
MUST_CHECK int listeners_open(struct listeners *all, const struct listener_ops *ops, const void *conf, struct err *e);
/* NULL: it is not open. One without a section is opened. */
struct listener *listeners_find(struct listeners *all, const struct listener_ops *ops);
bool listeners_at(struct listeners *all, size_t index, struct listeners_one *out);

void listeners_start(struct listeners *all);
void listeners_stop(struct listeners *all);
void listeners_end(struct listeners *all);
bool listeners_let_go(struct listeners *all);

#endif
