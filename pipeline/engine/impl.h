/* impl.h -- between the files of the engine; nobody else includes it.
 *
 *     engine.c    the whole: the order in which its parts begin and end
 *     streams.c   one stream: how it comes, changes and goes
 *     inputs.c    its inputs: what they get, and how they begin
 *     changes.c   who may change it
 *     shares.c    what each has of memory and descriptors; the listeners
 *     views.c     who looks at them
 *     orders.c    who asks something of one: like a view, he counts as its user meanwhile
 *
 * The rule for streams: they stand in one list, under one lock, and never move. Two kinds of people deal with them.
 *
 *   - Who changes a stream (engine_open_stream() and its like) claims it by its state: one at a time has it. He puts it on the list and
 *     takes it off.
 *   - Who only looks (pages, metrics, the last lines) takes a view: it counts as a user of each stream that is there. A stream is
 *     hidden first, then its remover waits until it has no users, then it is closed, and only then taken off the list:
 *     until then its name is taken, because its folder in data_dir is.
 *
 * What a view shows of the inputs is replaced while nobody has one: whoever replaces them waits until the stream has no users.
 *
 * All others have no list: what the delivery loop, the committer and the input loop hold of a stream hangs on the stream itself and is taken
 * off by stream_leave() and an input's stop(); what a listener knows of it is its input's affair (inputs/listener.h).
 *
 * Locks      `lock` is held for moments: never while a disk, a thread or a lock of somebody else is waited for.
 */
#ifndef PIPELINE_ENGINE_IMPL_H
#define PIPELINE_ENGINE_IMPL_H

#include "pipeline/base/budget.h"
#include "pipeline/base/cancel.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/stream.h"
#include "pipeline/engine/descriptors.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/orphans.h"
#include "pipeline/engine/stream_inputs.h"
#include "pipeline/http/agent/agent.h"
#include "pipeline/inputs/listener.h"
#include "pipeline/inputs/loop_set.h"
#include "pipeline/spool/warm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

enum engine_stream_state {
    STATE_OPENING,  /* its name is taken, and nobody sees it */
    STATE_OPEN,     /* it takes records, and delivers */
    STATE_DRAINING, /* somebody stops its inputs and waits for its deliveries */
    STATE_DRAINED,  /* nothing comes in any more; deliveries go on */
    STATE_CHANGING, /* somebody replaces its sinks or its inputs; then it is what it was before */
    STATE_LEAVING,  /* somebody removes it */
    STATE_CLOSING,  /* nobody sees it any more; its name is taken until it is closed */
};

struct engine_stream {
    TAILQ_ENTRY(engine_stream) link; /* guarded by the engine's lock, as are the two below */
    enum engine_stream_state state;
    unsigned users;
    const struct stream_settings *conf; /* as it was opened: name and spool */
    struct stream *stream;
    const struct stream_settings *reads; /* its inputs are these; as what follows, replaced while there are no users */
    char *input_names;                   /* for people */
    struct stream_inputs standing; /* those whose options stand in a section: they stay while others are replaced */
    struct stream_inputs inputs;
    uint32_t version; /* of its destination, when somebody last saw it */
    struct engine *engine;
    atomic_size_t unfinished;      /* of its inputs, with once: those that still read */
    struct descriptor_needs needs; /* its part of the engine's; guarded as they are */
    bool reads_nothing;            /* engine_end_inputs(); of who changes it */
    bool ended;    /* it was to be opened anew, and something of it did not end: it takes nothing in until it is */
    bool gives_up; /* somebody wanted to remove it, and something of it did not end */
};

struct engine {
    const struct settings *settings;
    bool once;
    nsec started; /* wall */
    atomic_bool stopping;
    const char *_Atomic waits_for; /* static text */
    struct cancel cancel;          /* of the workers' jobs */

    struct data_dir *data_dir;
    struct budget memory, intake, outgo; /* the whole, and what is for the way in and for the way out */
    struct budget reading;               /* the part of intake that tail and stdin may fill */
    uint64_t ahead_wanted;               /* by the inputs of the start; see input_ahead */
    struct committer *committer;
    struct warm_store *warm;
    struct worker_pool *workers;
    struct sender_pool *senders;
    struct delivery_loop *loop;
    struct loop_event pulse; /* comes round with the loop */
    struct loop_set loops;
    struct listeners listeners;
    struct http_agent *agent;  /* for requests of inputs */
    struct budget descriptors; /* for tailed files; one counts as one */
    struct budget windows;     /* beside limits.memory; see UNZSTD_WINDOWS_SHARE */

    pthread_mutex_t shares;          /* one at a time opens listeners, and divides what there is; before `lock` */
    struct descriptor_needs needs;   /* of all that is there; guarded by shares */
    size_t memory_limit;             /* likewise; limits.memory */
    uint64_t request;                /* likewise; bytes of a large request to a listener */
    const struct settings *sections; /* likewise; what its listeners have to go by now */
    nsec grace;                      /* likewise; shutdown.grace */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a stream is idle, has given up, has a user less; the end has come; a change has ended */
    TAILQ_HEAD(, engine_stream) streams; /* guarded by lock, as is what follows: in the order of the configuration */
    unsigned changes;                    /* that somebody is about to make */
    struct orphans orphans;

    uint64_t reloads[ENGINE_RELOADS]; /* guarded by lock, as are these two */
    bool last_reload_failed;
    nsec configured; /* wall */

    atomic_size_t unfinished; /* once: inputs that still read */
    nsec taken_down;          /* mono; when it was last taken down how the streams stand; the main thread's */
    int news;                 /* eventfd: an input finished, a stream became idle */
};

/* Nobody has anything yet. */
void engine_share_begin(struct engine *en);
nsec engine_grace(struct engine *en);
/* For the inputs of a stream that is about to read what `reads` says. Locks: takes en->shares, and then en->lock. */
struct input_ahead engine_share_ahead(struct engine *en, const struct engine_stream *es,
                                      const struct stream_settings *reads);
/* The stream will be as `conf` says, and read what `reads` does; the others have what is left. -1: they would have too few descriptors, and
 * nothing has changed. */
MUST_CHECK int engine_take_descriptors(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                                       const struct stream_settings *reads, struct err *e);
/* As it was before, or (NULL) gone. */
void engine_give_descriptors(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                             const struct stream_settings *reads);
/* Those that `conf` wants are there, and say that they are not ready until they are started. */
MUST_CHECK int engine_want_listeners(struct engine *en, const struct stream_settings *conf, struct err *e);

/* A stream with its inputs, open; nothing moves yet. -1: there is none. */
MUST_CHECK int engine_add(struct engine *en, const struct stream_settings *conf, struct engine_stream **es,
                          struct err *e);
/* It delivers, and is seen. */
void engine_start_stream(struct engine *en, struct engine_stream *es);

/* --- inputs.c --- */

struct input_env engine_input_env(struct engine *en, struct engine_stream *es, const struct stream_settings *reads);
/* Those whose options stand in a section. */
MUST_CHECK int engine_open_standing(struct engine *en, struct engine_stream *es, const struct stream_settings *reads,
                                    struct stream_inputs *standing, struct err *e);
/* The others. -1: what there is of them is to be stopped and closed as any others. */
MUST_CHECK int engine_open_inputs(struct engine *en, struct engine_stream *es, const struct stream_settings *reads,
                                  struct stream_inputs *inputs, struct err *e);
/* Opened and started; not shown to anybody yet. -1: they are closed. */
MUST_CHECK int engine_begin_inputs(struct engine *en, struct engine_stream *es, const struct stream_settings *reads,
                                   struct stream_inputs *fresh, struct err *e);
/* With once: those that have not finished never will: they have stopped. */
void engine_finish_inputs(struct engine_stream *es);

/* --- streams.c, for reopen.c --- */

/* What is still on its way in, because a disk does not answer. */
struct engine_late {
    bool inputs, puts;
};

/* Nothing comes in any more, and what came is safe; but for what is late. */
struct engine_late engine_end_intake(struct engine *en, struct engine_stream *es, nsec mono);
struct stream_env engine_stream_env(struct engine *en);
/* What its inputs may tell of it. It is open. */
struct input_tale engine_tale(struct engine_stream *es);

uint64_t engine_records_of(const struct engine_stream *es); /* that wait in its spool */
/* Others may look at it. Locks: held. */
bool engine_sees(const struct engine_stream *es);
/* It was left, or all threads have stopped; to be taken off the list and freed. */
void engine_close_stream(struct engine *en, struct engine_stream *es);

/* Something that is waited for has come. */
void engine_tell(struct engine *en);
/* -1: the program is stopping. */
MUST_CHECK int engine_begin_change(struct engine *en, struct err *e);
void engine_end_change(struct engine *en);
/* NULL: there is none. Locks: held. */
struct engine_stream *engine_find(struct engine *en, const char *name);
/* One that is open or drained; it is the caller's until he sets its state again. NULL: there is none, or somebody else has it. */
struct engine_stream *engine_claim(struct engine *en, const char *name, enum engine_stream_state state,
                                   enum engine_stream_state *before, struct err *e);
void engine_set_state(struct engine *en, struct engine_stream *es, enum engine_stream_state state);
/* Waits until it is so, until `mono` or the end of the program. */
bool engine_await(struct engine *en, const struct stream *st, bool (*is)(const struct stream *st), nsec mono);
/* No more changes begin, and those under way have ended: their waits end at once. */
void engine_end_changes(struct engine *en);

#endif
