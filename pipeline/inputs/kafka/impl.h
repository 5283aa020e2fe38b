/* impl.h -- inside of the kafka input, for its own files.
 *
 *     kafka.c     the thread: its turns, its end
 *     member.c    a client of librdkafka, from its making to its end
 *     trouble.c   what is wrong with the brokers, in words
 *     token.h     what the brokers want of who logs in by OAUTHBEARER
 *     take.c      messages go into the window, and back when it gives them up
 *     group.c     partitions come and go; offsets are committed
 *     shared.c    exactly_once: shared: one partition after the other, in batches
 *     places.c    where a partition begins, and where one goes on whose place is lost
 *
 * Threads    all of it the input's own, but for `lock` and what it guards.
 */
#ifndef PIPELINE_INPUTS_KAFKA_IMPL_H
#define PIPELINE_INPUTS_KAFKA_IMPL_H

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/kafka/books.h"
#include "pipeline/inputs/kafka/client.h"
#include "pipeline/inputs/kafka/options.h"
#include "pipeline/inputs/kafka/parts.h"
#include "pipeline/inputs/kafka/shared.h"
#include "pipeline/inputs/kafka/token.h"
#include "pipeline/inputs/window.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>

/* What the group wants, and we have not answered yet. */
enum kafka_wish {
    KAFKA_WISH_NONE,
    KAFKA_WISH_GIVES, /* partitions, those that are ASKED */
    KAFKA_WISH_TAKES, /* partitions, those that are LEAVING */
};

struct input {
    const struct kafka_conf *conf;
    struct input_env env;
    const char *label; /* for the log */
    char source[256];  /* likewise: brokers, group */
    struct input_thread *thread;

    pthread_mutex_t lock;
    rd_kafka_queue_t *queue; /* guarded by lock: of the client, to get its poll to return */

    rd_kafka_t *rk; /* NULL: none */
    struct connection connection;
    struct kafka_tokens tokens; /* sasl.mechanism: oauthbearer */
    struct window window;
    struct kafka_parts parts;
    struct kafka_books books;
    struct buf facts;
    char cluster[KAFKA_CLUSTER_MAX + 1]; /* "": not known */
    uint64_t numbers;
    rd_kafka_message_t *held; /* the window does not take it now */
    nsec wall;                /* when the messages of this turn came */
    nsec full_since;          /* mono; 0: it takes messages */
    nsec nudge_next;          /* mono; awake.c */
    nsec nudge_pause;         /* 0: the last message came without */
    bool paused;

    enum kafka_wish wish;
    rd_kafka_topic_partition_list_t *leaving; /* KAFKA_WISH_TAKES */
    bool lost;                                /* they belong to others already */
    nsec wish_until;                          /* mono */
    nsec ask_again;                           /* mono; places are asked for */
    bool joined;                              /* the group has said which partitions are ours */
    bool assigned;                            /* once, at least */
    bool closing;

    bool committing;
    nsec commit_next, commit_until; /* mono */
    bool commit_refused;            /* the last one was */

    bool heard;                 /* from the brokers, since the last turn */
    nsec look_next, lag_next;   /* mono */
    nsec cut_since;             /* mono; by the brokers, perhaps only for a new token; 0: they did not */
    char said[INPUT_ERROR_MAX]; /* by librdkafka, of a single broker */
    bool dead;                  /* the client: a new one is needed */
    bool told_finished, facts_cut_shown;
    bool any_refused;   /* by the brokers: of a topic, perhaps */
    nsec nothing_since; /* mono; once: the group gives us no partition; 0: it does */
    struct log_limit too_large, refused, lines, again, missed, topics;
    /* exactly_once: shared; env.seals is there */
    struct kafka_turn turn;
    uint64_t turns;         /* so far */
    nsec ends_next;         /* mono; it is asked how far partitions reach */
    bool seal_waits;        /* for the next commit */
    nsec commit_not_before; /* mono */
    bool leaving_all;       /* the end */

    uint64_t passed; /* tombstones */
    nsec passed_next;
};

/* --- member.c */

/* With `rk` NULL afterwards there is none, and it is tried again. */
void kafka_begin_client(struct input *in, nsec now);
void kafka_give_token(struct input *in, nsec now);
/* Bytes that are read ahead: as `prefetch` says, or what there is for it. */
uint64_t kafka_prefetch(const struct input *in);
/* Leaves the group, if that can be done in time. */
void kafka_end_client(struct input *in);

/* --- take.c */

/* Messages, and what comes in their place. Takes it over. */
void kafka_take(struct input *in, rd_kafka_message_t *m, nsec now);
/* The one that waits. */
void kafka_take_held(struct input *in, nsec now);
/* What the window says; what it refused is read again. */
void kafka_look_at_window(struct input *in, nsec now);
/* Records that are not on their way to the spool are not taken: they are read again, here or by others. */
void kafka_give_up_open(struct input *in);
void kafka_drop_held(struct input *in);
/* The brokers said that a topic is not there. `said` begins with its name. */
void kafka_topic_went(struct input *in, const char *said, nsec now);
void kafka_say_refused(struct input *in, rd_kafka_resp_err_t err, const char *said, nsec now);
/* The log has no such offset any more. */
void kafka_lost_its_place(struct input *in, struct kafka_part *part, nsec now);
/* The window's `closing`. */
void kafka_frame_closes(void *ctx);

/* --- awake.c */

/* NULL: none came. */
rd_kafka_message_t *kafka_next_message(struct input *in, int wait_ms);

/* --- places.c */

/* Of all that are ASKED: where they begin. False: not yet. */
bool kafka_find_begin(struct input *in, nsec now);
/* Of those whose place is lost, or was given up. */
void kafka_find_places(struct input *in, nsec now);
/* How far those reach that are read: `high`. */
MUST_CHECK bool kafka_ask_ends(struct input *in, nsec now);

/* --- group.c */

void kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque);
void kafka_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque);
/* What the group wants and what is to be told to it. */
void kafka_group_turn(struct input *in, nsec now);
/* Sends what is safe and not committed, unless an answer is still due. */
void kafka_commit(struct input *in, nsec now);
bool kafka_all_committed(const struct input *in);
void kafka_pause(struct input *in, bool pause);
/* The end comes before what the group wants was done: it hears of it all the same, or the client would wait for that. */
void kafka_answer_wish(struct input *in);
/* The client is gone, or the group has thrown us out: nobody's partitions. */
void kafka_leave_parts(struct input *in);

/* --- trouble.c */

/* The brokers, or the library for them, refuse what we are `doing`. `said`: their words, or NULL. */
void kafka_failed(struct input *in, const char *doing, rd_kafka_resp_err_t err, const char *said, nsec now);
/* The client is beyond help. */
void kafka_fatal(struct input *in, nsec now);
/* A question that the brokers did not answer. */
void kafka_ask_failed(struct input *in, const char *doing, rd_kafka_resp_err_t err, nsec now);

#endif
