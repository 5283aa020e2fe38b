/* A connection comes to be, carries bytes both ways and ends, each failure with its cause. The server is in the test: nothing here blocks, so
 * the two take turns. */
#include "tests/unit/http/made_certificate.h"

#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/socket/lookup.h"
#include "pipeline/inputs/socket/socket.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { IN_MAX = 1024 * 1024, OUT_MAX = 100000 };

/* One that has to be looked up. A root without /etc/hosts does not know `localhost`; the other form of the address needs no such file. */
static const char *a_name(void)
{
    struct addrinfo *found;

    if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
        return "127.1";
    freeaddrinfo(found);
    return "localhost";
}

struct peer {
    int listener, fd;
    uint16_t port;
    SSL_CTX *ctx;
    SSL *ssl; /* NULL: plain */
};

static void peer_init(struct peer *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);

    memset(p, 0, sizeof(*p));
    p->fd = -1;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(p->listener, 8), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&at, &n), 0);
    p->port = ntohs(at.sin_port);
}

static void peer_hang_up(struct peer *p)
{
    SSL_free(p->ssl);
    p->ssl = NULL;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void peer_release(struct peer *p)
{
    peer_hang_up(p);
    SSL_CTX_free(p->ctx);
    close(p->listener);
}

static void peer_accept(struct peer *p)
{
    p->fd = accept(p->listener, NULL, NULL);
    assert_true(p->fd >= 0);
}

/* The far end breaks the connection off instead of closing it. */
static void peer_reset(struct peer *p)
{
    const struct linger now = {.l_onoff = 1};

    assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    peer_hang_up(p);
}

static void begin(struct socket *s, const struct socket_conf *conf)
{
    struct err e;

    socket_init(s, conf);
    if (socket_begin(s, clock_mono(), &e) < 0)
        fail_msg("%s", e.msg);
}

static struct socket_conf conf_of(const struct peer *p)
{
    return (struct socket_conf){
        .host = "127.0.0.1", .port = p->port, .in_max = IN_MAX, .out_max = OUT_MAX, .timeout = 60 * NSEC_PER_SEC};
}

static void turn(struct socket *s)
{
    struct err e;

    if (socket_turn(s, clock_mono(), &e) < 0)
        fail_msg("%s", e.msg);
}

static void turn_until_open(struct socket *s)
{
    while (s->state != SOCKET_OPEN) {
        socket_wait(s, clock_mono() + NSEC_PER_SEC, false);
        turn(s);
    }
}

static void wait_for_bytes(struct socket *s, size_t n)
{
    while (s->in.n < n) {
        socket_wait(s, NSEC_NEVER, false);
        turn(s);
    }
}

static void expect_end(struct socket *s, enum socket_trouble trouble, const char *words)
{
    struct err e = {.msg = ""};

    while (socket_turn(s, clock_mono(), &e) == 0)
        socket_wait(s, NSEC_NEVER, false);
    if (s->trouble != trouble || !strstr(e.msg, words))
        fail_msg("want trouble %d \"%s\", got %d \"%s\"", (int)trouble, words, (int)s->trouble, e.msg);
    assert_int_equal(s->state, SOCKET_CLOSED);
    assert_true(*socket_hint(s));
}

static void open_plain(struct socket *s, struct peer *p)
{
    const struct socket_conf conf = conf_of(p);

    begin(s, &conf);
    turn_until_open(s);
    peer_accept(p);
}

/* --- plain --------------------------------------------------------------------------------------------------------- */

static void bytes_go_both_ways(void **state)
{
    struct socket s;
    struct peer p;
    char got[8];

    (void)state;
    peer_init(&p);
    open_plain(&s, &p);
    assert_int_equal(socket_write(&s, SLICE("to you")), 0);
    assert_false(socket_is_written(&s));
    turn(&s);
    assert_true(socket_is_written(&s));
    assert_int_equal(recv(p.fd, got, sizeof(got), 0), 6);
    assert_memory_equal(got, "to you", 6);
    assert_int_equal(send(p.fd, "and back", 8, 0), 8);
    wait_for_bytes(&s, 8);
    socket_took(&s, 4);
    assert_true(slice_is(buf_slice(&s.in), "back"));
    socket_took(&s, 4);
    assert_int_equal(s.in.n, 0);
    socket_release(&s);
    peer_release(&p);
}

static void what_was_read_comes_before_the_end(void **state)
{
    struct socket s;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_plain(&s, &p);
    assert_int_equal(send(p.fd, "last", 4, 0), 4);
    peer_hang_up(&p);
    wait_for_bytes(&s, 4);
    assert_true(slice_is(buf_slice(&s.in), "last"));
    expect_end(&s, SOCKET_ENDED, "the far end closed the connection");
    assert_int_equal(s.in.n, 0);

    /* It can begin again. */
    assert_int_equal(socket_begin(&s, clock_mono(), &(struct err){.msg = ""}), 0);
    turn_until_open(&s);
    socket_close(&s);
    socket_close(&s);
    socket_release(&s);
    peer_release(&p);
}

static void buffers_have_limits_and_nothing_is_lost_by_them(void **state)
{
    static char sent[4 * SOCKET_READ_BYTES], got[OUT_MAX];
    struct socket s;
    struct peer p;
    size_t n = 0, in = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 7 + i / 251);
    peer_init(&p);
    open_plain(&s, &p);
    while (n < sizeof(sent)) { /* what the server sends is more than there is room for */
        ssize_t rc = send(p.fd, sent + n, sizeof(sent) - n, MSG_DONTWAIT);

        assert_true(rc > 0 || errno == EAGAIN);
        n += rc > 0 ? (size_t)rc : 0;
        turn(&s);
        assert_true(s.in.n <= SOCKET_READ_BYTES);
        if (rc <= 0)
            socket_took(&s, 0);
        while (s.in.n == SOCKET_READ_BYTES) {
            assert_memory_equal(s.in.p, sent + in, s.in.n);
            in += s.in.n;
            socket_took(&s, s.in.n);
            turn(&s);
        }
    }
    wait_for_bytes(&s, sizeof(sent) - in < SOCKET_READ_BYTES ? sizeof(sent) - in : SOCKET_READ_BYTES);
    s.need = sizeof(sent) - in; /* in one piece */
    wait_for_bytes(&s, sizeof(sent) - in);
    assert_memory_equal(s.in.p, sent + in, sizeof(sent) - in);
    socket_took(&s, s.in.n);

    assert_int_equal(socket_write(&s, slice_of(got, OUT_MAX)), 0);
    assert_int_equal(socket_write(&s, SLICE("x")), -1);
    turn(&s);
    for (n = 0; n < OUT_MAX;) {
        ssize_t rc = recv(p.fd, got, sizeof(got), MSG_DONTWAIT);

        assert_true(rc > 0 || errno == EAGAIN);
        n += rc > 0 ? (size_t)rc : 0;
        turn(&s);
    }
    assert_int_equal(socket_write(&s, SLICE("x")), 0);
    socket_release(&s);
    peer_release(&p);
}

static void held_nothing_is_read_and_a_break_is_noticed(void **state)
{
    struct socket s;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_plain(&s, &p);
    s.hold = true;
    assert_int_equal(send(p.fd, "x", 1, 0), 1);
    socket_wait(&s, clock_mono() + NSEC_PER_MSEC, false);
    turn(&s);
    assert_int_equal(s.in.n, 0);
    s.hold = false;
    wait_for_bytes(&s, 1);
    s.hold = true;
    peer_reset(&p);
    expect_end(&s, SOCKET_ENDED, "broke off");
    socket_release(&s);
    peer_release(&p);
}

static void a_machine_that_is_gone_is_noticed_by_the_system(void **state)
{
    int idle = 0, asked = 0;
    socklen_t n = sizeof(int);
    struct socket s;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_plain(&s, &p);
    assert_int_equal(getsockopt(s.fd, SOL_SOCKET, SO_KEEPALIVE, &asked, &n), 0);
    assert_int_equal(getsockopt(s.fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &n), 0);
    assert_true(asked);
    assert_int_equal(idle, SOCKET_IDLE_SECONDS);
    socket_release(&s);
    peer_release(&p);
}

static void a_break_is_said_when_written_to(void **state)
{
    struct socket s;
    struct peer p;

    (void)state;
    peer_init(&p);
    open_plain(&s, &p);
    peer_reset(&p);
    assert_int_equal(socket_write(&s, SLICE("hallo?")), 0);
    expect_end(&s, SOCKET_ENDED, "broke off");
    socket_release(&s);
    peer_release(&p);
}

/* --- who cannot be reached ----------------------------------------------------------------------------------------- */

static void one_that_refuses_and_names_without_address(void **state)
{
    struct socket s;
    struct peer p;
    struct socket_conf conf;

    (void)state;
    peer_init(&p);
    conf = conf_of(&p);
    close(p.listener);
    begin(&s, &conf);
    expect_end(&s, SOCKET_REFUSED, "Connection refused");
    socket_release(&s);

    conf.host = "no-such-host.invalid";
    begin(&s, &conf);
    expect_end(&s, SOCKET_NO_NAME, "the name has no address");
    socket_release(&s);

    conf.host = a_name(); /* two addresses, it may be; nobody at either */
    begin(&s, &conf);
    expect_end(&s, SOCKET_REFUSED, "Connection refused");
    socket_release(&s);
}

static void one_that_is_silent(void **state)
{
    struct socket s[4];
    struct socket_conf conf;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    struct peer p;
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    peer_init(&p);
    conf = conf_of(&p);
    assert_int_equal(bind(full, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(full, 0), 0); /* one that nobody accepts fills it; who comes then is not answered */
    assert_int_equal(getsockname(full, (struct sockaddr *)&at, &n), 0);
    conf.port = ntohs(at.sin_port);
    for (int i = 0; i < 4; i++) {
        begin(&s[i], &conf);
        turn(&s[i]);
    }
    assert_int_equal(s[3].state, SOCKET_CONNECTING);
    s[3].until = s[3].address_until = clock_mono();
    expect_end(&s[3], SOCKET_SILENT, "no connection");
    for (int i = 0; i < 4; i++)
        socket_release(&s[i]);
    close(full);
    peer_release(&p);
}

static void it_can_be_closed_in_each_state(void **state)
{
    struct socket s;
    struct peer p;
    struct socket_conf conf;

    (void)state;
    peer_init(&p);
    conf = conf_of(&p);
    begin(&s, &conf);
    socket_close(&s);
    conf.host = a_name();
    socket_release(&s);
    begin(&s, &conf); /* the name is being looked up, or was */
    socket_close(&s);
    assert_int_equal(socket_begin(&s, clock_mono(), &(struct err){.msg = ""}), 0);
    socket_release(&s);
    begin(&s, &conf);
    turn_until_open(&s);
    socket_release(&s);
    socket_release(&s);
    peer_release(&p);
}

/* --- TLS ----------------------------------------------------------------------------------------------------------- */

static char dir[64];

static char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned at;
    char *p = paths[at++ % 4];

    snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
    return p;
}

/* For 127.0.0.1 and `dns`. */
static void make_server_certificate(const char *name, const char *alt)
{
    char cert_path[64], key_path[64];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = certificate_made(key, name);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);
    FILE *f;

    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    snprintf(cert_path, sizeof(cert_path), "%s.pem", name);
    snprintf(key_path, sizeof(key_path), "%s.key", name);
    f = fopen(path_of(cert_path), "w");
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    f = fopen(path_of(key_path), "w");
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    X509_EXTENSION_free(ext);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void peer_speaks_tls(struct peer *p, const char *name, bool asks)
{
    char cert[64], key[64];

    snprintf(cert, sizeof(cert), "%s.pem", name);
    snprintf(key, sizeof(key), "%s.key", name);
    p->ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate_file(p->ctx, path_of(cert), SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(p->ctx, path_of(key), SSL_FILETYPE_PEM), 1);
    if (asks) {
        SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        assert_int_equal(SSL_CTX_load_verify_locations(p->ctx, path_of("client.pem"), NULL), 1);
    }
}

/* One step of the server's side. */
static void peer_shake(struct peer *p)
{
    if (p->fd < 0) {
        struct pollfd ready = {.fd = p->listener, .events = POLLIN};

        if (poll(&ready, 1, 0) != 1)
            return;
        peer_accept(p);
        assert_int_equal(fcntl(p->fd, F_SETFL, O_NONBLOCK), 0);
        p->ssl = SSL_new(p->ctx);
        SSL_set_fd(p->ssl, p->fd);
        SSL_set_accept_state(p->ssl);
    }
    (void)SSL_do_handshake(p->ssl);
    ERR_clear_error();
}

struct tls_case {
    const char *host; /* NULL: a name */
    const char *server, *ca;
    bool insecure, client, asked;
    const char *words; /* NULL: it becomes open */
    enum socket_trouble trouble;
};

static void one_tls(const struct tls_case *c)
{
    const struct tls_conf tls_conf = {.verify = !c->insecure,
                                      .ca_file = (char *)(uintptr_t)c->ca,
                                      .cert_file = c->client ? (char *)(uintptr_t) "client.pem" : NULL,
                                      .key_file = c->client ? (char *)(uintptr_t) "client.key" : NULL};
    struct tls_options *tls = tls_options_new(&tls_conf, dir);
    struct socket_conf conf;
    struct err e = {.msg = ""};
    struct socket s;
    struct peer p;
    char got[16];
    int rc = 0;

    peer_init(&p);
    peer_speaks_tls(&p, c->server, c->asked);
    conf = conf_of(&p);
    conf.host = c->host ? c->host : a_name();
    conf.tls = tls;
    begin(&s, &conf);
    /* A client of TLS 1.3 is through before the server has looked at its certificate. */
    while (rc == 0 && (s.state != SOCKET_OPEN || c->words)) {
        peer_shake(&p);
        rc = socket_turn(&s, clock_mono(), &e);
        if (rc == 0)
            socket_wait(&s, clock_mono() + NSEC_PER_MSEC, false);
    }
    if (c->words) {
        if (rc == 0 || !strstr(e.msg, c->words) || s.trouble != c->trouble)
            fail_msg("host %s server %s: want \"%s\", got \"%s\", trouble %d", conf.host, c->server, c->words, e.msg,
                     (int)s.trouble);
    } else {
        if (rc < 0)
            fail_msg("host %s server %s: %s", conf.host, c->server, e.msg);
        assert_int_equal(socket_write(&s, SLICE("secret")), 0);
        turn(&s);
        while (SSL_read(p.ssl, got, sizeof(got)) != 6)
            turn(&s);
        assert_memory_equal(got, "secret", 6);
        while (SSL_write(p.ssl, "answer", 6) != 6)
            turn(&s);
        wait_for_bytes(&s, 6);
        assert_true(slice_is(buf_slice(&s.in), "answer"));
        peer_hang_up(&p);
        socket_took(&s, 6);
        expect_end(&s, SOCKET_ENDED, "127.0.0.1");
    }
    socket_release(&s);
    peer_release(&p);
    tls_options_free(&tls);
}

static void tls_verifies_chain_and_name(void **state)
{
    static const struct tls_case CASES[] = {
        {.host = "127.0.0.1", .server = "right", .ca = "right.pem"},
        {.host = "127.0.0.1", .server = "right", .ca = "right.pem", .client = true, .asked = true},
        {.host = "127.0.0.1", .server = "other", .insecure = true},
        {"127.0.0.1", "right", "other.pem", false, false, false, "is not trusted", SOCKET_CERTIFICATE},
        {"127.0.0.1", "other", "other.pem", false, false, false, "is of another name", SOCKET_CERTIFICATE},
        {NULL, "other", "other.pem", false, false, false, "not that of ", SOCKET_CERTIFICATE},
        {"127.0.0.1", "right", "none.pem", false, false, false, "tls.ca_file", SOCKET_LOCAL},
        {"127.0.0.1", "right", "right.pem", false, false, true, "certificate required", SOCKET_ENDED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        one_tls(&CASES[i]);
}

static void one_that_does_not_speak_tls(void **state)
{
    const struct tls_conf tls_conf = {.verify = false};
    struct tls_options *tls = tls_options_new(&tls_conf, dir);
    struct socket_conf conf;
    struct socket s;
    struct peer p;

    (void)state;
    peer_init(&p);
    conf = conf_of(&p);
    conf.tls = tls;
    begin(&s, &conf);
    while (s.state != SOCKET_HANDSHAKE)
        turn(&s);
    peer_accept(&p);
    assert_int_equal(send(p.fd, "220 hello\r\n", 11, 0), 11);
    expect_end(&s, SOCKET_TLS, "the TLS handshake failed");

    peer_hang_up(&p);
    assert_int_equal(socket_begin(&s, clock_mono(), &(struct err){.msg = ""}), 0);
    while (s.state != SOCKET_HANDSHAKE)
        turn(&s);
    peer_accept(&p);
    peer_hang_up(&p);
    expect_end(&s, SOCKET_TLS, "TLS handshake");

    assert_int_equal(socket_begin(&s, clock_mono(), &(struct err){.msg = ""}), 0);
    while (s.state != SOCKET_HANDSHAKE)
        turn(&s);
    s.until = clock_mono();
    expect_end(&s, SOCKET_SILENT, "handshake did not come to its end in time");
    socket_release(&s);
    peer_release(&p);
    tls_options_free(&tls);
}

static void tls_carries_more_than_fits(void **state)
{
    static char sent[300000];
    const struct tls_conf tls_conf = {.verify = false};
    struct tls_options *tls = tls_options_new(&tls_conf, dir);
    struct socket_conf conf;
    struct socket s;
    struct peer p;
    size_t n = 0, in = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 13 + i / 241);
    peer_init(&p);
    peer_speaks_tls(&p, "right", false);
    conf = conf_of(&p);
    conf.tls = tls;
    begin(&s, &conf);
    while (s.state != SOCKET_OPEN) {
        peer_shake(&p);
        turn(&s);
    }
    SSL_set_mode(p.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    while (in < sizeof(sent)) {
        int rc = n < sizeof(sent) ? SSL_write(p.ssl, sent + n, (int)(sizeof(sent) - n)) : 0;

        n += rc > 0 ? (size_t)rc : 0;
        if (n == sizeof(sent)) /* nothing more comes from the network: what TLS holds must come without being shown */
            socket_wait(&s, NSEC_NEVER, false);
        turn(&s);
        assert_true(s.in.n <= SOCKET_READ_BYTES);
        assert_memory_equal(s.in.p, sent + in, s.in.n);
        in += s.in.n;
        socket_took(&s, s.in.n);
    }
    socket_release(&s);
    peer_release(&p);
    tls_options_free(&tls);
}

/* --- on a thread --------------------------------------------------------------------------------------------------- */

struct job {
    struct socket socket;
    struct socket_conf conf;
    sem_t open, woken;
};

static void work(struct input_thread *t, void *arg)
{
    struct job *j = arg;
    struct err e;

    socket_init(&j->socket, &j->conf);
    j->socket.thread = t;
    assert_int_equal(socket_begin(&j->socket, clock_mono(), &e), 0);
    for (;;) {
        assert_int_equal(socket_turn(&j->socket, clock_mono(), &e), 0);
        if (input_thread_ends(t) || j->socket.state == SOCKET_OPEN)
            break;
        socket_wait(&j->socket, NSEC_NEVER, false);
    }
    sem_post(&j->open);
    socket_wait(&j->socket, NSEC_NEVER, false);
    sem_post(&j->woken);
    while (!input_thread_ends(t))
        socket_wait(&j->socket, NSEC_NEVER, false);
    socket_wait(&j->socket, NSEC_NEVER, true); /* for the stop, which is nothing; or at once */
    socket_wait(&j->socket, NSEC_NEVER, true); /* woken */
    socket_release(&j->socket);
}

static void a_wake_and_a_stop_end_the_wait(void **state)
{
    struct input_thread *t = NULL;
    struct job j;
    struct peer p;
    struct err e;

    (void)state;
    peer_init(&p);
    memset(&j, 0, sizeof(j));
    sem_init(&j.open, 0, 0);
    sem_init(&j.woken, 0, 0);
    j.conf = conf_of(&p);
    j.conf.host = a_name(); /* the look-up wakes it, too */
    assert_int_equal(
        input_thread_start(
            &t, &(struct input_thread_conf){.stream = "s", .input = "x", .run = work, .arg = &j, .polls = true}, &e),
        0);
    sem_wait(&j.open);
    input_thread_wake(t);
    sem_wait(&j.woken);
    input_thread_stop(t);
    while (!input_thread_ended(t, clock_mono() + 10 * NSEC_PER_MSEC))
        input_thread_wake(t);
    input_thread_free(&t);
    peer_release(&p);
}

static int make_files(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    log_set_level(LOG_ERROR);
    snprintf(dir, sizeof(dir), "/tmp/socket-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_server_certificate("right", "IP:127.0.0.1,DNS:localhost");
    make_server_certificate("other", "DNS:other.example");
    make_certificate(path_of("client.pem"), path_of("client.key"), "client", NULL);
    return 0;
}

static int remove_files(void **state)
{
    static const char *const NAMES[] = {"right.pem", "right.key", "other.pem", "other.key", "client.pem", "client.key"};

    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        unlink(path_of(NAMES[i]));
    rmdir(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(what_was_read_comes_before_the_end),
        cmocka_unit_test(buffers_have_limits_and_nothing_is_lost_by_them),
        cmocka_unit_test(held_nothing_is_read_and_a_break_is_noticed),
        cmocka_unit_test(a_machine_that_is_gone_is_noticed_by_the_system),
        cmocka_unit_test(a_break_is_said_when_written_to),
        cmocka_unit_test(one_that_refuses_and_names_without_address),
        cmocka_unit_test(one_that_is_silent),
        cmocka_unit_test(it_can_be_closed_in_each_state),
        cmocka_unit_test(tls_verifies_chain_and_name),
        cmocka_unit_test(one_that_does_not_speak_tls),
        cmocka_unit_test(tls_carries_more_than_fits),
        cmocka_unit_test(a_wake_and_a_stop_end_the_wait),
    };

    return cmocka_run_group_tests(tests, make_files, remove_files);
}
