/* sender.h -- batches of records to a stream through the Firehose API, as `sluice put` and `sluice redrive` send
 * them: what the server pushes back is sent again after a pause, in its order; nothing behind it is sent before.
 *
 * Says on stderr what goes wrong: for the command line only.
 *
 * Ownership  put_sender_open() to put_sender_close(), also when open failed; the strings of the configuration are
 *            borrowed. Threads: one.
 */
#ifndef PIPELINE_PUT_SENDER_H
#define PIPELINE_PUT_SENDER_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/progress.h"
#include "pipeline/base/slice.h"
#include "pipeline/put/batch.h"
#include "pipeline/put/client.h"

#include <stdint.h>

struct put_sender_conf {
    const char *command; /* for messages: "put" */
    const char *verb;    /* for the progress line */
    const char *stream;
    const char *endpoint;    /* NULL: that of the configuration */
    const char *config;      /* NULL: the default places */
    nsec give_up;            /* when the server has taken nothing for this long */
    int (*taken)(void *ctx); /* after each answer that took records; the others are still in the batch. -1 ends the
                              * sending. May be NULL */
    void *ctx;
};

struct put_sender {
    struct put_sender_conf conf;
    struct put_client *client;
    struct put_batch batch;
    struct buf body, reply;
    struct progress progress;
    struct progress_count count; /* taken */
};

/* Chooses address, region and key (environment, else configuration). An exit code of cli.h; 0 when it can send. */
MUST_CHECK int put_sender_open(struct put_sender *s, const struct put_sender_conf *conf);
void put_sender_close(struct put_sender *s);

/* Sends the batch first when it is full. -1: that failed, and rec is not in the batch. `tag` is put_batch_add()'s. */
MUST_CHECK int put_sender_add(struct put_sender *s, struct slice rec, uint64_t tag);
/* Until the batch is empty; -1 when that cannot be. */
MUST_CHECK int put_sender_flush(struct put_sender *s);

#endif
