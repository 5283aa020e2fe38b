/* notify.h -- what systemd, or whoever else has started the process and listens on $NOTIFY_SOCKET, is told of it: ready, busy, still alive,
 * about to end (sd_notify(3)). One datagram each; no library is needed for that.
 *
 * Ownership  one struct, of whoever runs the process; zeroed it is closed. Threads: open and close: one; the rest: any.
 */
#ifndef PIPELINE_BASE_NOTIFY_H
#define PIPELINE_BASE_NOTIFY_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    bool open;
    int fd;
    struct sockaddr_un to;
    socklen_t to_length;
    nsec watchdog; /* how long it may be silent before it is ended; 0: as long as it likes */
};

/* What a service manager put into the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. NULL: it is not there. */
struct notify_env {
    const char *socket, *watchdog_usec, *watchdog_pid;
};

/* Nobody listens: 0, and everything below does nothing. -1: somebody does, and cannot be reached; it does nothing, either. */
MUST_CHECK int notify_open(struct notify *n, const struct notify_env *env, struct err *e);
void notify_close(struct notify *n);

/* It works; also when it has been told to reload and is done. */
MUST_CHECK int notify_ready(struct notify *n, struct err *e);
/* It reloads, until notify_ready(). */
MUST_CHECK int notify_reloading(struct notify *n, nsec mono_now, struct err *e);
/* It ends, which takes `at_most`: whoever would kill it before waits that long. */
MUST_CHECK int notify_stopping(struct notify *n, nsec at_most, struct err *e);

/* Said again and again, so one that does not fit at the moment is no error: false. */
bool notify_alive(struct notify *n);
/* One line for people, as `systemctl status` shows it; a line break ends it. */
bool notify_status(struct notify *n, const char *text);

#endif
