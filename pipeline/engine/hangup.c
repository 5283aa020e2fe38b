/* SIGHUP is blocked in all threads and read from a descriptor (signalfd), so it interrupts nobody. */
#include "pipeline/engine/hangup.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct hangup {
    struct reload *reload;
    int signals, stop; /* signalfd; eventfd */
    pthread_t thread;
};

/* --- the thread --------------------------------------------------------------------------------------------------- */

/* Somebody else's may be under way: behind it the file may be another one than that one has read. */
static void reload_once(struct hangup *h)
{
    struct pollfd stop = {.fd = h->stop, .events = POLLIN};
    struct buf text; /* the log has said it all */

    buf_init(&text, RELOAD_REPORT_MAX);
    while (reload_now(h->reload, "SIGHUP", false, &text) == RELOAD_BUSY && poll(&stop, 1, HANGUP_RETRY_MS) <= 0)
        buf_clear(&text);
    buf_release(&text);
}

static void *hangup_main(void *arg)
{
    struct hangup *h = arg;
    struct pollfd fds[] = {{.fd = h->signals, .events = POLLIN}, {.fd = h->stop, .events = POLLIN}};
    struct signalfd_siginfo info;

    pthread_setname_np(pthread_self(), "hangup");
    for (;;) {
        (void)poll(fds, ARRAY_LEN(fds), -1);
        if (fds[1].revents)
            return NULL;
        if (read(h->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            reload_once(h);
    }
}

static void release(struct hangup **hp)
{
    struct hangup *h = *hp;

    if (h->signals >= 0)
        close(h->signals);
    if (h->stop >= 0)
        close(h->stop);
    MEM_CLEAR(*hp);
}

int hangup_start(struct hangup **hp, struct reload *reload, struct err *e)
{
    struct hangup *h = *hp = mem_alloc(sizeof(*h));
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    h->reload = reload;
    h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    h->stop = eventfd(0, EFD_CLOEXEC);
    if (h->signals >= 0 && h->stop >= 0 &&
        thread_start(&h->thread, hangup_main, h, "the thread that reloads on SIGHUP", e) == 0)
        return 0;
    if (h->signals < 0 || h->stop < 0)
        err_errno(e, "SIGHUP cannot be watched");
    release(hp);
    return -1;
}

void hangup_stop(struct hangup **hp)
{
    if (!*hp)
        return;
    (void)eventfd_write((*hp)->stop, 1);
    pthread_join((*hp)->thread, NULL);
    release(hp);
}
