/* impl.h -- the input sqs from inside: one queue, its receivers and what they brought. sqs.c begins with the whole; receive.c asks for messages,
 * take.c puts them into the window, or has the objects read that they name.
 *
 * Threads    the input's own, between start and its end.
 */
#ifndef PIPELINE_INPUTS_SQS_IMPL_H
#define PIPELINE_INPUTS_SQS_IMPL_H

#include "pipeline/base/budget.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/objects/objects.h"
#include "pipeline/inputs/sqs/hand.h"
#include "pipeline/inputs/sqs/message.h"
#include "pipeline/inputs/sqs/options.h"
#include "pipeline/inputs/sqs/settle.h"
#include "pipeline/inputs/window.h"

#define ATTEMPT_CHARS 32

struct receiver {
    struct aws_call call;
    char attempt_id[ATTEMPT_CHARS + 1]; /* of a FIFO queue; "": none yet */
    nsec attempt_began;                 /* mono; it was asked for the first time */
    bool repeats;                       /* it asks once more for an answer that was lost */
    struct sqs_batch batch;
    struct hand_entry *entries[SQS_BATCH_MAX]; /* of its messages */
    size_t next;                               /* the first one that is not in the window */
    uint64_t came;                             /* which of the answers it was: they are taken in this order */
    nsec began;                                /* mono */
    bool alone; /* when it began nothing was in hand or on its way: an empty answer means an empty queue */
};

struct input {
    const struct sqs_conf *conf;
    struct input_env env;
    const char *label; /* for the log */
    struct input_thread *thread;
    struct aws_caller caller;
    char origin[ENDPOINT_URL_MAX + 32];
    char id_source[POSITION_SOURCE_MAX + 1], place_source[POSITION_SOURCE_MAX + 1];
    bool fifo;
    struct budget room; /* beside the stream's: records go on from here into that one */

    /* The thread's: */
    struct window window;
    struct hand hand;
    struct receiver *receivers; /* conf->receivers of them */
    struct sqs_settler settler;
    struct objects objects; /* with unwrap: s3 */
    uint64_t safe_upto;     /* of `numbers`: nothing up to there waits */
    unsigned wanted;        /* receivers that may be under way */
    unsigned ask_for;       /* messages at once: fewer when an answer was too large */
    uint64_t numbers, answers;
    struct connection trouble; /* with receiving */
    bool dried_up;             /* once: the queue has had nothing more */
    bool told_finished;
    bool facts_cut_shown;
    struct log_limit broken, too_large, no_event; /* messages that are left in the queue */
    size_t largest;                               /* of the answers lately, bytes */
    struct aws_call count;                        /* how many messages wait */
    nsec count_at; /* mono; asked then. NSEC_NEVER: not before the first answer, or never */
    bool uncounted_shown;
    nsec hidden_until; /* mono; messages of a lost answer are hidden by the queue */
};

/* Its messages are no records, but name objects. */
bool sqs_reads_objects(const struct input *in);

/* --- receive.c --- */

void sqs_take_answers(struct input *in, nsec mono_now);
void sqs_start_receivers(struct input *in, nsec mono_now);

/* Asks how many messages wait, now and then. It is worth no trouble: a failure is told once, and asked again much later. */
void sqs_count_waiting(struct input *in, nsec mono_now);

/* --- take.c --- */

/* The receiver's messages are in hand now; those that are broken stay in the queue. */
void sqs_take_messages(struct input *in, struct receiver *r, nsec mono_now);
void sqs_put_arrived(struct input *in, nsec mono_now);
void sqs_turn_objects(struct input *in, nsec mono_now); /* where there are none: nothing */
struct receiver *sqs_oldest_answer(struct input *in);   /* with messages that are not in the window; NULL: none */
bool sqs_has_messages(const struct receiver *r);
void sqs_batch_over(struct receiver *r);

#endif
