/* Three states. Waking sets NEWS, whatever was; only who finds ASLEEP writes. Going to sleep is AWAKE -> ASLEEP and fails when NEWS
 * came in between. A wake whose write comes after the thread has woken by itself ends the next wait early, and no more. */
#include "pipeline/http/transport/waker.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int waker_open(struct waker *w, struct err *e)
{
    atomic_init(&w->state, WAKER_AWAKE);
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return w->fd < 0 ? err_errno(e, "no descriptor to be woken by") : 0;
}

void waker_close(struct waker *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void waker_wake(struct waker *w)
{
    const uint64_t one = 1;

    if (atomic_exchange(&w->state, WAKER_NEWS) == WAKER_ASLEEP)
        (void)!write(w->fd, &one, sizeof(one)); /* it fails only when the descriptor is readable already */
}

bool waker_may_sleep(struct waker *w)
{
    int awake = WAKER_AWAKE;

    return atomic_compare_exchange_strong(&w->state, &awake, WAKER_ASLEEP);
}

void waker_is_awake(struct waker *w, bool readable)
{
    uint64_t count;

    if (readable)
        (void)!read(w->fd, &count, sizeof(count));
    atomic_exchange(&w->state, WAKER_AWAKE); /* not a store: what the waker left is to be seen */
}
