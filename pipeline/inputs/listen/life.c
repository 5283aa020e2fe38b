/* How a connection begins and ends. */
#include "pipeline/base/mem.h"
#include "pipeline/inputs/listen/impl.h"
#include "pipeline/inputs/socket/socket.h"

#include <string.h>
#include <unistd.h>

static bool make_secure(struct listen_conn *c)
{
    struct err e;

    c->identity = identity_files_keep(c->port->tls);
    c->shakes = true;
    if (secure_accept(&c->secure, c->identity->credentials, c->fd, &e) == 0)
        return true;
    listen_conn_say(c, "a connection was closed", e.msg, "the log may say more of this machine's memory");
    return false;
}

static void release(struct listen_conn *c)
{
    secure_free(&c->secure);
    identity_leave(c->identity);
    buf_release(&c->in);
    buf_release(&c->out);
    mem_free(c->touched);
    if (c->fd >= 0)
        close(c->fd);
    mem_free(c);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

struct listen_conn *listen_conn_new(struct listen_port *p, int fd, const struct sockaddr *from, socklen_t n)
{
    struct listen_conn *c = mem_alloc(sizeof(*c) + p->protocol->session_bytes);

    c->port = p;
    c->fd = fd;
    c->heard = p->hub->mono;
    TAILQ_INIT(&c->marks);
    buf_init(&c->in, p->protocol->message_max + 2 * LISTEN_READ_BYTES);
    buf_init(&c->out, LISTEN_OUT_MAX);
    if (fd >= 0) {
        memcpy(&c->from, from, n);
        c->from_length = n;
        if (p->scheme->kind == LISTEN_TCP)
            socket_set_up(fd);
        if ((p->tls && !make_secure(c)) || uv_poll_init(loop_uv(p->hub->loop), &c->poll, fd) < 0) {
            release(c);
            return NULL;
        }
        c->poll.data = c;
        TAILQ_INSERT_TAIL(&p->conns, c, link);
        p->conn_count++;
    }
    c->began = !c->shakes;
    if (c->began && p->protocol->begin)
        p->protocol->begin(c);
    if (fd >= 0)
        listen_conn_poll(c);
    return c;
}

/* What has come and will not be read is thrown away: a socket that is closed with some of it left takes back what was written last. */
static void part(struct listen_conn *c)
{
    struct listen_hub *h = c->port->hub;

    c->port->protocol->parting(c);
    listen_conn_write(c);
    if (c->over || c->secure || shutdown(c->fd, SHUT_WR) < 0) /* TLS has a last word of its own */
        return;
    for (size_t total = 0; total < LISTEN_TURN_BYTES;) {
        ssize_t n = recv(c->fd, h->scratch, sizeof(h->scratch), 0);

        if (n <= 0)
            break;
        total += (size_t)n;
    }
}

void listen_conn_end(struct listen_conn *c)
{
    struct listen_port *p = c->port;
    struct listen_hub *h = p->hub;

    if (c->began && p->protocol->parting && c->fd >= 0 && !c->over && !c->ending && !c->eof)
        part(c);
    if (c->began && p->protocol->ended)
        p->protocol->ended(c);
    c->own = 0;
    buf_release(&c->in);
    if (c->budget)
        listen_conn_count(c, 0); /* while its address is there */
    if (c->held)
        TAILQ_REMOVE(&h->held, c, held_link);
    if (c->is_dirty)
        TAILQ_REMOVE(&h->dirty, c, dirty_link);
    listen_marks_release(c);
    if (c->fd < 0) {
        release(c);
        return;
    }
    TAILQ_REMOVE(&p->conns, c, link);
    p->conn_count--;
    if (p->accept_at > h->mono) {
        p->accept_at = 0;
        listen_hub_again(h);
    }
    if (c->secure && !c->shakes)
        secure_shut(c->secure);
    c->over = c->held = c->is_dirty = true; /* nobody takes it up again */
    uv_close((uv_handle_t *)&c->poll, on_closed);
}
