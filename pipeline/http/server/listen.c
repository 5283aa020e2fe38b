#include "pipeline/http/server/listen.h"

#include "pipeline/base/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int resolve(const struct address *at, int flags, struct addrinfo **found)
{
    const struct addrinfo want = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE | flags, .ai_socktype = SOCK_STREAM};
    char port[16];

    snprintf(port, sizeof(port), "%u", at->port);
    return getaddrinfo(address_host(at), port, &want, found);
}

bool http_listen_is_numeric(const struct address *at)
{
    struct addrinfo *found;

    if (resolve(at, AI_NUMERICHOST, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

/* -1 with errno. `shares`: another socket of ours may have the port, too (share_port()). */
static int open_socket(const struct addrinfo *ai, int shares)
{
    int on = 1, saved;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    /* Without it a restart fails for a minute while old connections time out. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, sizeof(shares)) == 0 &&
        bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, LISTENER_BACKLOG) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int parse(const char *listen, const char *server, struct http_socket *out, struct err *e)
{
    *out = (struct http_socket){.fd = -1};
    return address_parse(listen, &out->at, e) < 0 ? err_wrap(e, "%s.listen `%s`", server, listen) : 0;
}

static int open_at(const char *listen, const char *server, int shares, struct http_socket *out, struct err *e)
{
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof(sa);
    struct addrinfo *found;
    int rc = resolve(&out->at, 0, &found);

    if (rc != 0)
        return err_set(e, ERR_CONFIG, "%s.listen `%s`: %s", server, listen, gai_strerror(rc));
    out->fd = open_socket(found, shares);
    if (out->fd >= 0) { /* the port may have been 0 */
        getsockname(out->fd, (struct sockaddr *)&sa, &n);
        http_address_text((struct sockaddr *)&sa, true, out->address);
    } else if (errno == EADDRINUSE) {
        err_set(e, ERR_IO, "%s: another program (another sluice?) listens on %s; stop it, or choose another %s.listen",
                server, listen, server);
    } else {
        err_errno(e, "%s: cannot listen on %s", server, listen);
    }
    freeaddrinfo(found);
    return out->fd < 0 ? -1 : 0;
}

int http_listen(const char *listen, const char *server, struct http_socket *out, struct err *e)
{
    return parse(listen, server, out, e) < 0 ? -1 : open_at(listen, server, 0, out, e);
}

/* The kernel lets two sockets listen on one port when both allow it, at the moment of bind() alone: behind it neither does. */
static void share_port(int fd, int shares)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, sizeof(shares)); /* else bind() says so */
}

/* Port 0 under another name asks for another port. */
static bool is_same(const struct address *a, const struct address *b)
{
    return address_is_same(a, b) || (a->port == b->port && strcmp(a->host, b->host) == 0);
}

int http_listen_beside(const char *listen, const char *server, const struct http_socket *there, struct http_socket *out,
                       struct err *e)
{
    int rc;

    if (parse(listen, server, out, e) < 0)
        return -1;
    if (is_same(&out->at, &there->at)) {
        memcpy(out->address, there->address, sizeof(out->address));
        out->fd = fcntl(there->fd, F_DUPFD_CLOEXEC, 0);
        return out->fd < 0 ? err_errno(e, "%s: cannot listen on %s", server, listen) : 0;
    }
    share_port(there->fd, 1);
    rc = open_at(listen, server, 1, out, e);
    share_port(there->fd, 0);
    if (rc == 0)
        share_port(out->fd, 0);
    return rc;
}

const char *http_address_text(const struct sockaddr *sa, bool port, char out[HTTP_ADDRESS_TEXT])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
    char host[INET6_ADDRSTRLEN];

    if (sa->sa_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(out, HTTP_ADDRESS_TEXT, port ? "%s:%u" : "%s", host, ntohs(v4->sin_port));
    } else {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(out, HTTP_ADDRESS_TEXT, port ? "[%s]:%u" : "%s", host, ntohs(v6->sin6_port));
    }
    return out;
}
