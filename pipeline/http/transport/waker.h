/* waker.h -- wakes a thread that waits for descriptors, at no cost while it does not wait.
 *
 * The thread asks waker_may_sleep() before it waits, and says waker_is_awake() behind it, and whenever it is about to look what there is
 * to do. Who leaves something for it to do wakes it afterwards: that is a system call only while it waits, and only for the first.
 *
 * Threads    waker_wake(): any; the rest: the one that waits.
 */
#ifndef PIPELINE_HTTP_TRANSPORT_WAKER_H
#define PIPELINE_HTTP_TRANSPORT_WAKER_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdatomic.h>
#include <stdbool.h>

enum waker_state {
    WAKER_AWAKE,
    WAKER_NEWS, /* awake, or about to be: there is something to do */
    WAKER_ASLEEP,
};

struct waker {
    int fd; /* to be waited for as well */
    atomic_int state;
};

/* Awake. -1: no descriptor. */
MUST_CHECK int waker_open(struct waker *w, struct err *e);
void waker_close(struct waker *w);

void waker_wake(struct waker *w);

/* False: there is news. To be asked last, and followed by waker_is_awake() in both cases. */
MUST_CHECK bool waker_may_sleep(struct waker *w);
/* What was left before this is there to be seen now. `readable`: the descriptor was, when it was waited for. */
void waker_is_awake(struct waker *w, bool readable);

#endif
