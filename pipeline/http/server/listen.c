#include "pipeline/http/server/listen.h"

#include "pipeline/base/limits.h"

#include "config/address.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_socket(const struct addrinfo *ai)
{
    int on = 1, saved;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    /* Without it a restart fails for a minute while old connections time out. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, ADMIN_BACKLOG) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* The address it really has: the port may have been 0. */
static void describe(struct admin_socket *s)
{
    struct sockaddr_storage a;
    socklen_t n = sizeof(a);
    char host[64] = "?", port[16] = "?";

    if (getsockname(s->fd, (struct sockaddr *)&a, &n) < 0)
        return;
    getnameinfo((const struct sockaddr *)&a, n, host, sizeof(host), port, sizeof(port),
                NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(s->address, sizeof(s->address), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static int resolve(const struct address *at, struct addrinfo **found, struct err *e)
{
    const struct addrinfo want = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    char port[16];
    int rc;

    snprintf(port, sizeof(port), "%u", at->port);
    rc = getaddrinfo(at->host, port, &want, found);
    return rc == 0 ? 0 : err_set(e, ERR_CONFIG, "%s", gai_strerror(rc));
}

/* Right behind open_socket(): errno tells why. */
static void cannot_listen(const char *listen, struct err *e)
{
    if (errno == EADDRINUSE)
        err_set(e, ERR_IO,
                "admin: another program (another sluice?) listens on %s; stop it, or choose another "
                "admin.listen",
                listen);
    else
        err_errno(e, "admin: cannot listen on %s", listen);
}

int http_listen(const char *listen, struct admin_socket *out, struct err *e)
{
    struct addrinfo *found;
    struct address at;

    *out = (struct admin_socket){.fd = -1};
    if (address_parse(listen, &at, e) < 0 || resolve(&at, &found, e) < 0)
        return err_wrap(e, "admin.listen `%s`", listen);
    out->loopback = at.loopback;
    memcpy(out->host, at.host, sizeof(out->host));
    out->fd = open_socket(found);
    if (out->fd < 0)
        cannot_listen(listen, e);
    freeaddrinfo(found);
    if (out->fd < 0)
        return -1;
    describe(out);
    return 0;
}
