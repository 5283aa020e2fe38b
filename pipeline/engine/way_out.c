/* The thread waits for a signal, a nudge (somebody has set another deadline) or the deadline. It is never the one that hangs: it
 * takes no lock that others keep, but for what `tell` takes, and against that an alarm clock is set, whose handler ends the
 * process at once. */
#include "pipeline/engine/way_out.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

enum wish { WISH_NONE, WISH_STOP, WISH_HURRY };

struct way_out {
    int signals, news; /* signalfd; eventfd for the program */
    int nudge;         /* eventfd for the thread */
    sigset_t set, before;
    pthread_t thread;

    pthread_mutex_t lock; /* guards the rest */
    nsec grace;
    enum wish wish;
    nsec asked; /* mono; when the first wish came */
    char name[16];
    nsec deadline; /* mono; NSEC_NEVER: none */
    int code;
    bool closed;
    void (*tell)(void *ctx);
    void *ctx;
};

static void ring(int fd)
{
    uint64_t one = 1;
    ssize_t done = write(fd, &one, sizeof(one));

    (void)done; /* a full counter says the same */
}

static void silence(int fd)
{
    uint64_t count;
    ssize_t done = read(fd, &count, sizeof(count));

    (void)done;
}

static void on_alarm(int sig)
{
    (void)sig;
    _exit(1);
}

/* From here on the process ends, whatever becomes of this thread. Locks: w->lock held: who closes it meanwhile, or has nothing to tell any
 * more, is too late. */
static NORETURN void leave(struct way_out *w)
{
    struct itimerval soon = {.it_value.tv_usec = WAY_OUT_WORDS_TIME_US};
    sigset_t alarm_only;

    signal(SIGALRM, on_alarm);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    if (w->tell)
        w->tell(w->ctx);
    log_flush(WAY_OUT_FLUSH_TIME);
    _exit(w->code);
}

/* Locks: w->lock held. */
static void ask(struct way_out *w, const char *name, nsec now)
{
    if (w->wish == WISH_NONE) {
        w->wish = WISH_STOP;
        w->asked = now;
        snprintf(w->name, sizeof(w->name), "%s", name ? name : "unknown");
        if (w->deadline == NSEC_NEVER)
            w->deadline = now + w->grace + WAY_OUT_STOP_TIME;
    } else if (w->wish == WISH_STOP && now - w->asked > WAY_OUT_SAME_WISH) {
        w->wish = WISH_HURRY;
        if (w->deadline > now + WAY_OUT_HURRY_TIME)
            w->deadline = now + WAY_OUT_HURRY_TIME;
    } else {
        return;
    }
    ring(w->news);
}

static int wait_ms(nsec deadline, nsec now)
{
    nsec left = deadline - now;

    if (deadline == NSEC_NEVER || left > 3600 * NSEC_PER_SEC)
        return 3600 * 1000;
    return left <= 0 ? 0 : (int)(left / NSEC_PER_MSEC) + 1;
}

static void *way_out_main(void *arg)
{
    struct way_out *w = arg;
    struct pollfd fds[] = {{.fd = w->signals, .events = POLLIN}, {.fd = w->nudge, .events = POLLIN}};
    struct signalfd_siginfo info;

    pthread_setname_np(pthread_self(), "way out");
    pthread_mutex_lock(&w->lock);
    while (!w->closed) {
        int ms = wait_ms(w->deadline, clock_mono());

        pthread_mutex_unlock(&w->lock);
        (void)poll(fds, ARRAY_LEN(fds), ms);
        silence(w->nudge);
        pthread_mutex_lock(&w->lock);
        while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            ask(w, sigabbrev_np((int)info.ssi_signo), clock_mono());
        if (!w->closed && clock_mono() >= w->deadline)
            leave(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void release(struct way_out *w)
{
    const int fds[] = {w->signals, w->news, w->nudge};

    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_sigmask(SIG_SETMASK, &w->before, NULL);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
}

void way_out_hold_hangups(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int way_out_open(struct way_out **out, nsec grace, struct err *e)
{
    static const int SIGNALS[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM};
    struct way_out *w = mem_alloc(sizeof(*w));

    w->grace = grace;
    w->deadline = NSEC_NEVER;
    w->code = 1;
    pthread_mutex_init(&w->lock, NULL);
    sigemptyset(&w->set);
    for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++)
        sigaddset(&w->set, SIGNALS[i]);
    pthread_sigmask(SIG_BLOCK, &w->set, &w->before);
    sigdelset(&w->set, SIGALRM); /* it is blocked for all threads, and unblocked where it is wanted */
    sigdelset(&w->set, SIGHUP);  /* hangup.h takes it */
    w->signals = signalfd(-1, &w->set, SFD_CLOEXEC | SFD_NONBLOCK);
    w->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->signals < 0 || w->news < 0 || w->nudge < 0) {
        err_errno(e, "signals cannot be watched");
    } else if (thread_start(&w->thread, way_out_main, w, "the thread that waits for signals", e) == 0) {
        *out = w;
        return 0;
    }
    release(w);
    return -1;
}

void way_out_close(struct way_out **wp)
{
    struct way_out *w = *wp;

    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->closed = true;
    pthread_mutex_unlock(&w->lock);
    ring(w->nudge);
    pthread_join(w->thread, NULL);
    release(w);
    *wp = NULL;
}

int way_out_fd(const struct way_out *w)
{
    return w->news;
}

void way_out_set_grace(struct way_out *w, nsec grace)
{
    pthread_mutex_lock(&w->lock);
    w->grace = grace;
    pthread_mutex_unlock(&w->lock);
}

const char *way_out_take(struct way_out *w)
{
    silence(w->news);
    return w->name; /* written once, before the descriptor was */
}

void way_out_tell(struct way_out *w, void (*tell)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&w->lock);
    w->tell = tell;
    w->ctx = ctx;
    pthread_mutex_unlock(&w->lock);
}

void way_out_by(struct way_out *w, nsec mono, int code)
{
    pthread_mutex_lock(&w->lock);
    if (w->wish != WISH_HURRY)
        w->deadline = mono;
    w->code = code;
    pthread_mutex_unlock(&w->lock);
    ring(w->nudge);
}
