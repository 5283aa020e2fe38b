/* A unix socket's file that an earlier life left is in the way: it is taken away when nobody listens there any more. So is our own, at the end,
 * unless somebody has put another in its place. */
#include "pipeline/inputs/listen/impl.h"

#include "config/address.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool is_unix(const struct listen_scheme *s)
{
    return s->kind == LISTEN_UNIX || s->kind == LISTEN_UNIXGRAM;
}

static const struct listen_scheme *find_scheme(const struct listen_protocol *p, const char *text, const char **rest)
{
    const char *end = strstr(text, "://");

    *rest = end ? end + 3 : text;
    for (const struct listen_scheme *s = p->schemes; s->name; s++)
        if (!end || (strlen(s->name) == (size_t)(end - text) && strncmp(s->name, text, (size_t)(end - text)) == 0))
            return s;
    return NULL;
}

static int refuse_scheme(const struct listen_protocol *p, const char *text, struct err *e)
{
    char known[160] = "";
    size_t n = 0;

    for (const struct listen_scheme *s = p->schemes; s->name && n < sizeof(known); s++)
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s://", n ? ", " : "", s->name);
    return err_set(e, ERR_CONFIG, "`%s`: it begins with none of %s", text, known);
}

int listen_address_parse(const struct listen_protocol *p, const char *text, struct listen_address *a, struct err *e)
{
    struct address at;

    a->scheme = find_scheme(p, text, &a->rest);
    if (!a->scheme)
        return refuse_scheme(p, text, e);
    if (!is_unix(a->scheme))
        return address_parse(a->rest, &at, e) < 0 ? err_wrap(e, "`%s`", text) : 0;
    if (!a->rest[0] || strlen(a->rest) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return err_set(e, ERR_CONFIG, "`%s`: the path of a unix socket has 1 to 107 bytes", text);
    return 0;
}

const char *listen_address_written(const struct listen_address *a, char out[LISTEN_WRITTEN])
{
    if (is_unix(a->scheme))
        snprintf(out, LISTEN_WRITTEN, "%s", a->rest);
    else
        address_write(a->rest, out, LISTEN_WRITTEN);
    return out;
}

/* --- unix sockets --------------------------------------------------------------------------------------------------- */

/* Nobody answers at it any more. */
static bool is_left_behind(const struct sockaddr_un *un, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool left;

    if (fd < 0)
        return false;
    left = connect(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return left;
}

int listen_address_set_mode(struct listen_port *p, const char *mode, struct err *e)
{
    unsigned now = (unsigned)strtoul(mode, NULL, 8) | S_IFSOCK; /* so it is not 0, which it is at first */

    if (!is_unix(p->scheme) || p->mode == now)
        return 0;
    if (chmod(p->address, (mode_t)now & 07777) < 0)
        return err_errno(e, "%s: the permissions of `%s` cannot be set to unix_mode", p->protocol->name, p->address);
    p->mode = now;
    return 0;
}

/* -1 with errno. */
static int bind_unix(int fd, const struct sockaddr_un *un, int type)
{
    struct stat st;

    if (bind(fd, (const struct sockaddr *)un, sizeof(*un)) == 0)
        return 0;
    if (errno != EADDRINUSE || lstat(un->sun_path, &st) < 0)
        return -1;
    if (S_ISSOCK(st.st_mode) && is_left_behind(un, type) && unlink(un->sun_path) == 0)
        return bind(fd, (const struct sockaddr *)un, sizeof(*un));
    errno = EADDRINUSE;
    return -1;
}

static int open_unix(struct listen_port *p, int type, const struct listen_conf *conf, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const char *name = p->protocol->name;
    struct stat st;

    if (strlen(p->address) >= sizeof(un.sun_path)) /* the folder of the configuration was put in front of it */
        return err_set(e, ERR_CONFIG, "%s: listen: the path of a unix socket has 1 to 107 bytes, and `%s` has more",
                       name, p->address);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", p->address);
    p->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (p->fd < 0)
        return err_errno(e, "%s: no socket", name);
    if (bind_unix(p->fd, &un, type) < 0)
        return errno == EADDRINUSE ? err_set(e, ERR_IO,
                                             "%s: something is at `%s` already, and is no socket that was left behind: "
                                             "stop who listens there (a syslog "
                                             "daemon, another sluice?), or choose another path",
                                             name, un.sun_path)
                                   : err_errno(e, "%s: cannot make the socket `%s`", name, un.sun_path);
    if (lstat(un.sun_path, &st) == 0) {
        p->dev = st.st_dev;
        p->ino = st.st_ino;
    }
    if (listen_address_set_mode(p, conf->unix_mode, e) < 0)
        return -1;
    snprintf(p->shown, sizeof(p->shown), "%s://%s", p->scheme->name, un.sun_path);
    return 0;
}

/* --- addresses of the network --------------------------------------------------------------------------------------- */

static int open_inet(struct listen_port *p, int type, struct err *e)
{
    const struct addrinfo want = {.ai_flags = AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = type};
    const char *name = p->protocol->name;
    struct sockaddr_storage sa = {0};
    char port[16], text[HTTP_ADDRESS_TEXT];
    socklen_t n = sizeof(sa);
    struct addrinfo *found;
    struct address at;
    int rc, on = 1;

    if (address_parse(p->address, &at, e) < 0)
        return -1;
    snprintf(port, sizeof(port), "%u", at.port);
    rc = getaddrinfo(strcmp(at.host, "localhost") == 0 ? "127.0.0.1" : at.host, port, &want, &found);
    if (rc != 0)
        return err_set(e, ERR_CONFIG, "%s: listen: `%s`: %s", name, p->address, gai_strerror(rc));
    p->fd = socket(found->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = p->fd < 0 ? -1 : 0;
    if (rc == 0 && type == SOCK_STREAM)
        rc = setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (rc == 0)
        rc = bind(p->fd, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (rc < 0)
        return errno == EADDRINUSE ? err_set(e, ERR_IO,
                                             "%s: another program (a syslog daemon, another sluice?) listens on "
                                             "%s://%s; stop it, or choose another "
                                             "address",
                                             name, p->scheme->name, p->address)
                                   : err_errno(e, "%s: cannot listen on %s://%s", name, p->scheme->name, p->address);
    getsockname(p->fd, (struct sockaddr *)&sa, &n); /* the port may have been 0 */
    snprintf(p->shown, sizeof(p->shown), "%s://%s", p->scheme->name,
             http_address_text((struct sockaddr *)&sa, true, text));
    return 0;
}

/* What the system lets us have. Beyond its limit only who may administer the network gets it. */
void listen_address_set_buffer(struct listen_port *p, uint64_t bytes)
{
    bool grams = p->scheme->kind == LISTEN_UDP || p->scheme->kind == LISTEN_UNIXGRAM;
    int want = (int)(bytes / 2), got = 0; /* it is doubled, for the system's own needs */
    socklen_t n = sizeof(got);

    if (!grams || p->receive_buffer == bytes)
        return;
    p->receive_buffer = bytes;
    if (setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)) < 0)
        (void)setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
    if (p->scheme->kind == LISTEN_UDP && getsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &got, &n) == 0 && got / 2 < want)
        log_warn("the receive buffer of an address is smaller than it should be: datagrams are lost earlier",
                 KS("input", p->protocol->name), KS("address", p->shown), KU("bytes", got), KU("wanted", bytes),
                 KS("hint", "raise net.core.rmem_max (sysctl), or lower receive_buffer"));
}

int listen_address_open(struct listen_port *p, const struct listen_conf *conf, struct err *e)
{
    bool grams = p->scheme->kind == LISTEN_UDP || p->scheme->kind == LISTEN_UNIXGRAM;
    int type = grams ? SOCK_DGRAM : SOCK_STREAM;

    if ((is_unix(p->scheme) ? open_unix(p, type, conf, e) : open_inet(p, type, e)) < 0)
        return -1;
    listen_address_set_buffer(p, conf->receive_buffer);
    if (!grams && listen(p->fd, LISTENER_BACKLOG) < 0)
        return err_errno(e, "%s: cannot listen on %s", p->protocol->name, p->shown);
    return 0;
}

void listen_address_close(struct listen_port *p)
{
    struct stat st;

    if (p->fd < 0)
        return;
    if (is_unix(p->scheme) && p->ino && lstat(p->address, &st) == 0 && st.st_dev == p->dev && st.st_ino == p->ino)
        (void)unlink(p->address);
    close(p->fd);
    p->fd = -1;
}
