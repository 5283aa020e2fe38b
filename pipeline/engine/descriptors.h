/* descriptors.h -- how the process's file descriptors are shared, before anybody takes one.
 *
 * Tailed files and clients of the API can use up whatever there is. What delivery, the spool and the admin pages need is
 * set aside first: without it nothing could be delivered, and nobody could see why.
 *
 * Threads: a pure function.
 */
#ifndef PIPELINE_ENGINE_DESCRIPTORS_H
#define PIPELINE_ENGINE_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

struct descriptor_needs {
    size_t limit;       /* RLIMIT_NOFILE */
    size_t open;        /* already, by those who were there before */
    size_t threads;     /* loops of the API's server */
    size_t reading;     /* streams with inputs: of a loop each, as long as there are not many */
    size_t streams;     /* each has its segments */
    size_t inputs;      /* each may watch folders */
    size_t sockets;     /* of inputs to their sources, at most */
    size_t partitioned; /* streams that keep files of their parcels open (encode/stage.h) */
    size_t deliveries;  /* that may be under way at once, over all streams */
    size_t connections; /* of clients, at most; 0: no API */
};

struct descriptor_shares {
    size_t tail;        /* files held open, over all tails */
    size_t connections; /* of clients */
};

/* The lowest limit with which everything that is configured gets through, if slowly: each stream delivers one batch at a time, each
 * input reads, the API and the admin pages serve one client. */
size_t descriptors_least(const struct descriptor_needs *n);

/* Other streams, and the API, come in and go: all counts of `one` are added, or taken off again. */
void descriptors_add(struct descriptor_needs *n, const struct descriptor_needs *one);
void descriptors_take_off(struct descriptor_needs *n, const struct descriptor_needs *one);

struct descriptor_shares descriptors_share(const struct descriptor_needs *n);

#endif
