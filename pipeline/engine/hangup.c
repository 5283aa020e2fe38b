/* SIGHUP is blocked in all threads and read from a descriptor (signalfd), so it interrupts nobody. What the check
 * finds is forgotten with it: settings are never exchanged while streams run. */
#include "pipeline/engine/hangup.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/engine/preflight.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

struct hangup {
    const struct settings *running;
    int signals, stop; /* signalfd; eventfd */
    pthread_t thread;
};

/* --- the check ---------------------------------------------------------------------------------------------------- */

/* "FILE:LINE:COLUMN: ..." of the first mistake, which the lines of warnings may stand before. */
static struct slice first_mistake(const struct buf *printed)
{
    const char *line = printed->p, *end = printed->p + printed->n;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);

        if (!memmem(line, n, ": warning: ", strlen(": warning: ")))
            return slice_of(line, n);
        line += n + 1;
    }
    return SLICE("");
}

static void log_mistakes(const char *path, const char *what, const struct cfg_errors *found)
{
    struct buf printed;

    buf_init(&printed, MIB);
    cfg_errors_print(found, &printed);
    log_warn(what, KS("path", path), KU("mistakes", cfg_errors_count(found)), KB("first", first_mistake(&printed)),
             KS("hint", "`sluice validate -c` with this path shows all; everything goes on as it was started"));
    buf_release(&printed);
}

static void check(const struct settings *running)
{
    struct cfg_errors *found = cfg_errors_new();
    struct settings *s = NULL;
    struct stat st;

    /* What a pipe or a terminal had to say was said at the start; loading says what is wrong with a file that is gone. */
    if (stat(running->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        log_warn("SIGHUP: the configuration did not come from a file and cannot be checked again",
                 KS("path", running->path), KS("hint", "everything goes on as it was started"));
        goto out;
    }
    s = settings_load(running->path, &SETTINGS_ALL, found);
    if (!s) {
        log_mistakes(running->path, "SIGHUP: the configuration has mistakes, a restart would be refused", found);
        goto out;
    }
    preflight_check(s, running, found);
    if (cfg_errors_count(found))
        log_mistakes(s->path,
                     "SIGHUP: the configuration has no mistakes, but something that running needs is not there", found);
    else
        log_info("SIGHUP: the configuration is in order and takes effect with a restart", KS("path", s->path),
                 KU("streams", s->stream_count), KU("warnings", cfg_warnings_count(found)));
out:
    settings_free(&s);
    cfg_errors_free(&found);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

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
            check(h->running);
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

int hangup_start(struct hangup **hp, const struct settings *running, struct err *e)
{
    struct hangup *h = *hp = mem_alloc(sizeof(*h));
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    h->running = running;
    h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    h->stop = eventfd(0, EFD_CLOEXEC);
    if (h->signals >= 0 && h->stop >= 0 &&
        thread_start(&h->thread, hangup_main, h, "the thread that checks the configuration on SIGHUP", e) == 0)
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
