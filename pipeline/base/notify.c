/* A message is lines of NAME=value in one datagram. What is sent once, because somebody waits for it, waits a moment for room at the other end;
 * what is said again soon does not. The address is looked up anew each time: a manager that was itself restarted is found. */
#include "pipeline/base/notify.h"

#include "pipeline/base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* A path, or @ and a name that is in no file system. */
static int set_address(struct notify *n, const char *socket, struct err *e)
{
    size_t length = strlen(socket);

    if (socket[0] != '/' && socket[0] != '@')
        return err_set(e, ERR_CONFIG, "NOTIFY_SOCKET is `%s`, which is neither a path nor @ and a name", socket);
    if (length < 2 || length >= sizeof(n->to.sun_path))
        return err_set(e, ERR_CONFIG, "NOTIFY_SOCKET is no name of a socket: it has %zu bytes", length);
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, socket, length);
    if (socket[0] == '@')
        n->to.sun_path[0] = '\0';
    n->to_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return 0;
}

/* 0: none is set, or it is another process's. */
static nsec watchdog_of(const struct notify_env *env)
{
    long long usec = env->watchdog_usec ? strtoll(env->watchdog_usec, NULL, 10) : 0;

    if (env->watchdog_pid && strtoll(env->watchdog_pid, NULL, 10) != getpid())
        return 0;
    return usec > 0 && usec < NSEC_NEVER / NSEC_PER_USEC ? (nsec)usec * NSEC_PER_USEC : 0;
}

int notify_open(struct notify *n, const struct notify_env *env, struct err *e)
{
    struct timeval room = {.tv_sec = NOTIFY_WAIT_SECONDS};

    *n = (struct notify){.open = false};
    if (!env->socket || !env->socket[0])
        return 0;
    if (set_address(n, env->socket, e) < 0)
        return -1;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (n->fd < 0)
        return err_errno(e, "a socket for NOTIFY_SOCKET cannot be made");
    (void)setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &room, sizeof(room));
    n->open = true;
    n->watchdog = watchdog_of(env);
    return 0;
}

void notify_close(struct notify *n)
{
    if (n->open)
        close(n->fd);
    n->open = false;
}

/* A second try of what a signal has interrupted is enough: only signals that end us come to our threads. */
static ssize_t send_text(struct notify *n, const char *text, int flags)
{
    ssize_t sent = -1;

    for (int tries = 0; sent < 0 && tries < 2 && (tries == 0 || errno == EINTR); tries++)
        sent = sendto(n->fd, text, strlen(text), flags | MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_length);
    return sent;
}

static int tell(struct notify *n, const char *text, struct err *e)
{
    if (!n->open || send_text(n, text, 0) >= 0)
        return 0;
    return err_errno(e, "the service manager cannot be told %.*s", (int)strcspn(text, "="), text);
}

int notify_ready(struct notify *n, struct err *e)
{
    return tell(n, "READY=1", e);
}

int notify_reloading(struct notify *n, nsec mono_now, struct err *e)
{
    char text[NOTIFY_MAX_BYTES];

    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, mono_now / NSEC_PER_USEC);
    return tell(n, text, e);
}

int notify_stopping(struct notify *n, nsec at_most, struct err *e)
{
    char text[NOTIFY_MAX_BYTES];

    snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, at_most / NSEC_PER_USEC);
    return tell(n, text, e);
}

bool notify_alive(struct notify *n)
{
    return !n->open || send_text(n, "WATCHDOG=1", MSG_DONTWAIT) >= 0;
}

bool notify_status(struct notify *n, const char *text)
{
    char message[NOTIFY_MAX_BYTES];

    snprintf(message, sizeof(message), "STATUS=%.*s", (int)strcspn(text, "\r\n"), text);
    return !n->open || send_text(n, message, MSG_DONTWAIT) >= 0;
}
