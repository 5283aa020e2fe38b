#include "pipeline/inputs/api/listen.h"

#include "pipeline/base/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* 0 when the host is not numeric. */
static socklen_t fill(const struct address *at, struct sockaddr_storage *sa)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;
    const char *host = strcmp(at->host, "localhost") == 0 ? "127.0.0.1" : at->host;

    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((in_port_t)at->port);
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((in_port_t)at->port);
        return sizeof(*v6);
    }
    return 0;
}

bool api_listen_is_numeric(const struct address *at)
{
    struct sockaddr_storage sa = {0};

    return fill(at, &sa) > 0;
}

int api_listen_open(const struct address *at, struct err *e)
{
    struct sockaddr_storage sa = {0};
    socklen_t n = fill(at, &sa);
    int on = 1, fd;

    if (n == 0)
        return err_set(e, ERR_CONFIG, "`%s` is not a numeric address; write one, such as 127.0.0.1", at->host);
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* A restart must not wait for connections of the last run that linger in TIME_WAIT. */
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        bind(fd, (const struct sockaddr *)&sa, n) == 0 && listen(fd, API_BACKLOG) == 0)
        return fd;
    if (errno == EADDRINUSE)
        err_set(e, ERR_IO, "another program (another sluice?) listens on %s:%u; stop it, or choose another api.listen",
                at->host, at->port);
    else
        err_errno(e, "cannot listen on %s:%u", at->host, at->port);
    if (fd >= 0)
        close(fd);
    return -1;
}

const char *api_listen_text(const struct sockaddr *sa, bool port, char out[API_LISTEN_TEXT])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
    char host[INET6_ADDRSTRLEN];

    if (sa->sa_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(out, API_LISTEN_TEXT, port ? "%s:%u" : "%s", host, ntohs(v4->sin_port));
    } else {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(out, API_LISTEN_TEXT, port ? "[%s]:%u" : "%s", host, ntohs(v6->sin6_port));
    }
    return out;
}
