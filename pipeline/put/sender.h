/* sender.h -- batches of records to a stream through the Firehose API, as `sluice put` and `sluice redrive` send
 * them: what the server pushes back is sent again after a pause, in its order; nothing behind it is sent before.
 *
 * Ownership  put_sender_open() to put_sender_close(), also when open failed; all of the conf is borrowed. Threads: one; blocks.
 */
#ifndef PIPELINE_PUT_SENDER_H
#define PIPELINE_PUT_SENDER_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/progress.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "pipeline/put/batch.h"
#include "pipeline/put/client.h"
#include "pipeline/settings/settings.h"

#include <stdint.h>

struct put_sender_conf {
    const char *stream;
    const char *endpoint;            /* NULL: that of the settings */
    const struct settings *settings; /* their section `api`; NULL: there are none, and `endpoint` is set */
    nsec give_up;                    /* when the server has taken nothing for this long */
    /* After each answer that took records; the others are still in the batch. -1 ends the sending. May be NULL. */
    int (*taken)(void *ctx, struct err *e);
    void (*progress)(void *ctx, const struct progress_count *taken); /* after each answer */
    void *ctx;
};

struct put_sender {
    struct put_sender_conf conf;
    struct put_client *client;
    struct put_batch batch;
    struct buf body, reply;
    struct progress_count count; /* taken */
};

/* Chooses address, region and key (environment, else settings). */
MUST_CHECK int put_sender_open(struct put_sender *s, const struct put_sender_conf *conf, struct err *e);
void put_sender_close(struct put_sender *s);

/* Sends the batch first when it is full. -1: that failed, and rec is not in the batch. `tag` is put_batch_add()'s. */
MUST_CHECK int put_sender_add(struct put_sender *s, struct slice rec, uint64_t tag, struct err *e);
/* Until the batch is empty; -1 when that cannot be. */
MUST_CHECK int put_sender_flush(struct put_sender *s, struct err *e);

#endif
