/* The ground under a protocol made for it: lines are records, and "?" is answered when all that came before it is safe. */
#include "tests/unit/http/made_certificate.h"
#include "tests/unit/inputs/input_rig.h"

#include "pipeline/inputs/listen/impl.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

/* --- the protocol ---------------------------------------------------------------------------------------------------- */

struct lines_conf {
    struct listen_conf listen;
    char *first; /* wants only records that begin so */
};

struct lines_session {
    uint64_t questions;
};

static bool is_choosy(const void *conf)
{
    return ((const struct lines_conf *)conf)->first != NULL;
}

static struct listen_route *route_of(struct listen_conn *c, struct slice line)
{
    struct listen_route *r;

    for (size_t i = 0; (r = listen_route(c, i)); i++) {
        const struct lines_conf *conf = listen_route_conf(r);

        if (!conf->first || slice_starts(line, slice_str(conf->first)))
            return r;
    }
    return NULL;
}

static sem_t waits, go_on;

/* False: later. */
static bool take(struct listen_conn *c, struct slice line)
{
    struct lines_session *s = listen_session(c);
    struct listen_message m = {.data = line};
    struct listen_route *r;

    if (slice_is(line, "?"))
        return listen_mark(c, ++s->questions);
    if (slice_is(line, "who"))
        return listen_answer(c, slice_str(listen_peer(c))) == 0;
    if (slice_is(line, "wait"))
        return sem_post(&waits) == 0 && sem_wait(&go_on) == 0;
    if (slice_is(line, "bye")) {
        listen_end(c, NULL, NULL);
        return true;
    }
    r = route_of(c, line);
    return !r || listen_put(c, r, &m) != LISTEN_LATER;
}

static size_t read_lines(struct listen_conn *c, struct slice in, bool last)
{
    size_t used = 0;

    while (used < in.n) {
        struct slice rest = slice_from(in, used);
        const char *end = memchr(rest.p, '\n', rest.n);

        if (!end && !last)
            break;
        rest.n = end ? (size_t)(end - rest.p) : rest.n;
        if (rest.n > 0 && !take(c, rest))
            break;
        used += rest.n + (end != NULL);
    }
    return used;
}

static void safe(struct listen_conn *c, uint64_t mark)
{
    char text[32];

    snprintf(text, sizeof(text), "safe %d\n", (int)mark);
    assert_int_equal(listen_answer(c, slice_str(text)), 0);
}

static atomic_bool began_alone; /* nobody stood there */

static void begin(struct listen_conn *c)
{
    if (!listen_route(c, 0))
        began_alone = true;
}

static const struct listen_scheme SCHEMES[] = {{"tcp", LISTEN_TCP, false, 0},
                                               {"tls", LISTEN_TCP, true, 0},
                                               {"udp", LISTEN_UDP, false, 0},
                                               {"unix", LISTEN_UNIX, false, 0},
                                               {"secret", LISTEN_UNIX, true, 0},
                                               {"unixgram", LISTEN_UNIXGRAM, false, 0},
                                               {0}};

static const struct listen_protocol LINES = {
    .name = "lines",
    .schemes = SCHEMES,
    .session_bytes = sizeof(struct lines_session),
    .message_max = 300 * 1024,
    .begin = begin,
    .read = read_lines,
    .safe = safe,
    .is_choosy = is_choosy,
};

static int lines_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return listen_open(in, &LINES, &((const struct lines_conf *)conf)->listen, conf, env, e);
}

static const struct input_ops LINES_OPS = {
    .name = "lines",
    .open = lines_open,
    .start = listen_start,
    .stop = listen_stop,
    .stopped = listen_stopped,
    .close = listen_close,
};

/* --- the bench ------------------------------------------------------------------------------------------------------- */

struct bench {
    struct rig r;
    struct lines_conf conf;
    char *addresses[4];
};

static void bench_init(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    rig_init(&b->r, "stdin");
    b->r.ops = &LINES_OPS;
    b->r.conf = &b->conf;
    b->conf.listen.listen.v = b->addresses;
    b->conf.listen.connections = 8;
    b->conf.listen.receive_buffer = 256 * 1024;
    b->conf.listen.unix_mode = mem_strdup("0600");
}

static void bench_listen(struct bench *b, const char *scheme, const char *name)
{
    char text[300];

    snprintf(text, sizeof(text), "%s://%s", scheme, name[0] == '/' || strchr(name, ':') ? name : rig_path(&b->r, name));
    b->addresses[b->conf.listen.listen.n++] = mem_strdup(text);
}

static void bench_release(struct bench *b)
{
    rig_stop(&b->r);
    rig_release(&b->r);
    for (size_t i = 0; i < b->conf.listen.listen.n; i++)
        mem_free(b->addresses[i]);
    mem_free(b->conf.listen.unix_mode);
    mem_free(b->conf.listen.tls.cert_file);
    mem_free(b->conf.listen.tls.key_file);
    mem_free(b->conf.listen.tls.client_ca_file);
}

static int dial(const char *path, int type)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void hear(int fd, const char *want)
{
    char got[256] = "";
    size_t n = 0;

    while (n < strlen(want)) {
        ssize_t more = recv(fd, got + n, sizeof(got) - 1 - n, 0);

        if (more <= 0)
            break;
        n += (size_t)more;
    }
    got[n] = '\0';
    assert_string_equal(got, want);
}

static void hear_the_end(int fd)
{
    char c;

    assert_int_equal(recv(fd, &c, 1, 0), 0);
    close(fd);
}

/* --- tests ----------------------------------------------------------------------------------------------------------- */

static void lines_come_and_are_answered_when_they_are_safe(void **state)
{
    struct bench b;
    int fd, other;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    rig_start(&b.r);
    fd = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    say(fd, "?\n"); /* there is nothing to wait for */
    hear(fd, "safe 1\n");
    say(fd, "one\ntw");
    say(fd, "o\n?\n");
    hear(fd, "safe 2\n");
    assert_int_equal(rig_incoming(&b.r), 2);
    other = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    say(other, "three\nfour"); /* which has no end, but that of the connection */
    shutdown(other, SHUT_WR);
    hear_the_end(other);
    rig_expect(&b.r, "one|two|three|four|");
    say(fd, "bye\nand this is not read\n");
    hear_the_end(fd);
    bench_release(&b);
}

static void datagrams_come_whole(void **state)
{
    struct bench b;
    int fd;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unixgram", "d");
    rig_start(&b.r);
    fd = dial(rig_path(&b.r, "d"), SOCK_DGRAM);
    say(fd, "one");
    say(fd, "two\nthree");
    rig_expect(&b.r, "one|two|three|");
    close(fd);
    bench_release(&b);
}

static void a_message_may_be_large_and_not_larger(void **state)
{
    static char text[400 * 1024];
    struct bench b;
    int fd;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    rig_start(&b.r);
    fd = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    memset(text, 'x', 250 * 1024);
    text[250 * 1024] = '\n';
    say(fd, text);
    rig_wait_incoming(&b.r, 1);
    assert_int_equal(rig_incoming_bytes(&b.r), 250 * 1024);
    text[250 * 1024] = '\0';
    say(fd, text);
    (void)send(fd, text, 250 * 1024, MSG_NOSIGNAL); /* it is thrown out meanwhile */
    while (recv(fd, text, sizeof(text), 0) > 0)
        ;
    close(fd);
    bench_release(&b);
}

/* What a reload does: the input goes and comes, and whoever is connected notices nothing. */
static void connections_wait_for_the_next_input(void **state)
{
    struct bench b;
    struct rig *r = &b.r;
    int fd;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    rig_start(r);
    fd = dial(rig_path(r, "s"), SOCK_STREAM);
    say(fd, "one\ntw");
    rig_expect(r, "one|");
    rig_stop(r);
    say(fd, "o\nthree\n?\n");
    rig_start(r);
    hear(fd, "safe 1\n");
    rig_expect(r, "two|three|");
    close(fd);
    bench_release(&b);
}

struct parked {
    struct listen_hub *hub;
    struct input *in;
    nsec older; /* as if it had left so much earlier */
    size_t places, ports;
    nsec wait_until; /* of the first address */
    bool full;
};

/* What is done each second is due. */
static void let_time_pass(void *arg)
{
    struct parked *p = arg;

    p->in->left_at -= p->older;
    p->hub->full = true; /* until then */
    uv_timer_start(&p->hub->tick, p->hub->tick.timer_cb, 0, 1000);
}

static void look_at_parked(void *arg)
{
    struct parked *p = arg;
    const struct listen_port *first = TAILQ_FIRST(&p->hub->ports);

    p->places = p->in->place_count;
    p->ports = p->hub->port_count;
    p->wait_until = first ? first->wait_until : 0;
    p->full = p->hub->full;
}

static void wait_for_tick(struct parked *p, nsec older)
{
    p->older = older;
    loop_call(p->hub->loop, let_time_pass, p);
    do
        loop_call(p->hub->loop, look_at_parked, p);
    while (p->full);
}

static struct parked stopped(struct rig *r, struct input *in)
{
    struct parked p = {.hub = listen_hub_of(&r->listeners), .in = in};

    r->ops->stop(in);
    assert_true(r->ops->stopped(in, NSEC_NEVER));
    return p;
}

/* Deliveries take longer than an input that was closed is waited for, and this one is closed behind them. */
static void addresses_outlast_a_slow_reload_and_not_a_stop(void **state)
{
    struct parked p;
    struct bench b;
    struct rig *r = &b.r;
    int fd;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    rig_start(r);
    fd = dial(rig_path(r, "s"), SOCK_STREAM);
    say(fd, "one\ntw");
    rig_expect(r, "one|");
    p = stopped(r, r->in);
    wait_for_tick(&p, LISTEN_PARKED);
    assert_true(p.places == 1 && p.ports == 1);
    rig_stop(r);
    say(fd, "o\n?\n");
    rig_start(r);
    hear(fd, "safe 1\n");
    rig_expect(r, "two|");
    p = stopped(r, r->in);
    listeners_stop(&r->listeners);
    wait_for_tick(&p, LISTEN_PARKED);
    assert_true(p.places == 0 && p.ports == 0);
    hear_the_end(fd);
    bench_release(&b);
}

/* Its records would be others' meanwhile, or refused for good. */
static void others_wait_while_an_input_is_replaced(void **state)
{
    char x[] = "x";
    struct lines_conf choosy;
    struct input_env env;
    struct input *in;
    struct parked p;
    struct bench b;
    struct rig *r = &b.r;
    struct err e;
    nsec before;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    rig_start(r);
    choosy = b.conf;
    choosy.first = x;
    env = (struct input_env){.stream = "other",
                             .spool = r->spool,
                             .budget = &r->budget,
                             .metrics = &r->metrics,
                             .loop = r->loop,
                             .listeners = &r->listeners,
                             .base_dir = r->dir};
    assert_int_equal(r->ops->open(&in, &choosy, &env, &e), 0);
    assert_int_equal(r->ops->start(in, &e), 0);
    p = stopped(r, in);
    wait_for_tick(&p, LISTEN_PARKED);
    assert_int_equal(p.places, 1);
    before = clock_mono();
    r->ops->close(&in);
    p.in = r->in;
    loop_call(p.hub->loop, look_at_parked, &p);
    assert_true(p.places == 1 && p.wait_until >= before + LISTEN_PARKED);
    bench_release(&b);
}

static atomic_bool sync_fails;

static int disk_fdatasync(int fd)
{
    errno = EIO;
    return sync_fails ? -1 : io_ops_real.fdatasync(fd);
}

/* Its disk refuses until the input has gone; then there is another one, and a question that is behind it all. */
static void what_was_lost_with_its_input_is_never_called_safe(void **state)
{
    struct io_ops disk = io_ops_real;
    struct bench b;
    struct rig *r = &b.r;
    int fd, other;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    disk.fdatasync = disk_fdatasync;
    r->files = &disk;
    rig_start(r);
    fd = dial(rig_path(r, "s"), SOCK_STREAM);
    say(fd, "?\n");
    hear(fd, "safe 1\n");
    sync_fails = true;
    say(fd, "one\n");
    other = dial(rig_path(r, "s"), SOCK_STREAM); /* whom we hear of when the line was read */
    say(other, "bye\n");
    hear_the_end(other);
    rig_stop(r);
    sync_fails = false;
    rig_start(r);
    say(fd, "two\n?\n");
    hear_the_end(fd);
    bench_release(&b);
}

static void only_so_many_are_connected(void **state)
{
    struct bench b;
    int fds[3];

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    b.conf.listen.connections = 2;
    rig_start(&b.r);
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(rig_path(&b.r, "s"), SOCK_STREAM);
        say(fds[i], "?\n");
    }
    hear(fds[0], "safe 1\n");
    hear(fds[1], "safe 1\n");
    close(fds[1]);
    hear(fds[2], "safe 1\n");
    close(fds[0]);
    close(fds[2]);
    bench_release(&b);
}

/* --- settings --- */

/* On the hub's thread: of the first address, and of those who are connected there. */
struct seen {
    struct listen_hub *hub;
    size_t there, begun,
        held;      /* connections, of these with a message that has begun, and of these those that wait for room */
    size_t unread; /* answers, of the last one */
    size_t kept;   /* of all but the first */
    bool busy;     /* with it */
    int64_t connections;
    nsec idle;
    int receive_buffer;
    nsec older; /* as if that much time had passed */
    struct sockaddr_in at;
};

static void look_at(void *arg)
{
    struct seen *s = arg;
    const struct listen_port *p = TAILQ_FIRST(&s->hub->ports);
    socklen_t n = sizeof(s->receive_buffer), at_length = sizeof(s->at);
    struct listen_conn *c;

    s->there = s->begun = s->held = s->unread = s->kept = 0;
    s->connections = p->connections;
    s->idle = p->idle;
    getsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &s->receive_buffer, &n);
    getsockname(p->fd, (struct sockaddr *)&s->at, &at_length);
    TAILQ_FOREACH(c, &p->conns, link) {
        s->there++;
        s->begun += c->in.n > 0;
        s->unread = c->out.n;
        s->kept += c == TAILQ_FIRST(&p->conns) ? 0 : c->in.n;
        s->busy = c->is_dirty || c->mark_count > 0;
        s->held += c->held && c->in.n > 0;
        c->part_since -= s->older;
    }
}

static void look(struct bench *b, struct seen *s)
{
    s->hub = listen_hub_of(&b->r.listeners);
    loop_call(listen_hub_of(&b->r.listeners)->loop, look_at, s);
}

static void other_options_are_taken_up_by_an_address_that_stays(void **state)
{
    struct seen s = {.begun = 0};
    struct bench b;
    struct stat st;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "unixgram", "d");
    b.conf.listen.idle = 9 * NSEC_PER_SEC;
    rig_start(&b.r);
    look(&b, &s);
    assert_true(s.connections == 8 && s.idle == 9 * NSEC_PER_SEC && s.receive_buffer == 256 * 1024);
    rig_stop(&b.r);
    b.conf.listen.connections = 3;
    b.conf.listen.idle = 0;
    b.conf.listen.receive_buffer = 64 * 1024;
    strcpy(b.conf.listen.unix_mode, "0660");
    rig_start(&b.r);
    look(&b, &s);
    assert_true(s.connections == 3 && s.idle == 0 && s.receive_buffer == 64 * 1024);
    assert_int_equal(stat(rig_path(&b.r, "d"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    bench_release(&b);
}

/* Sends so many lines at most, and as many bytes as find room. Returns how many lines were whole. */
static uint64_t send_lines(int fd, size_t most)
{
    static char line[1000];
    size_t sent = 0;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    while (sent < most * sizeof(line)) {
        ssize_t n =
            send(fd, line + sent % sizeof(line), sizeof(line) - sent % sizeof(line), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    return sent / sizeof(line);
}

/* More than is read in one go lies in the socket when it is told to stop; not so much that the time for it is of account. */
static void what_has_come_before_a_stop_is_taken(void **state)
{
    const char *const schemes[] = {"tcp", "udp"};

    (void)state;
    assert_int_equal(sem_init(&waits, 0, 0) | sem_init(&go_on, 0, 0), 0);
    for (int udp = 0; udp < 2; udp++) {
        struct seen s = {.begun = 0};
        struct bench b;
        uint64_t lines;
        int fd;

        bench_init(&b);
        b.conf.listen.receive_buffer = 4 * MIB;
        bench_listen(&b, schemes[udp], "127.0.0.1:0");
        rig_start(&b.r);
        look(&b, &s);
        fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&s.at, sizeof(s.at)), 0);
        say(fd, "wait\n");
        sem_wait(&waits);
        lines = send_lines(fd, LIMIT(udp ? 100 : 1000, 30));
        b.r.ops->stop(b.r.in);
        sem_post(&go_on);
        assert_true(b.r.ops->stopped(b.r.in, NSEC_NEVER));
        assert_int_equal(rig_incoming(&b.r), lines);
        close(fd);
        bench_release(&b);
    }
    sem_destroy(&waits);
    sem_destroy(&go_on);
}

static void an_address_is_the_same_however_it_is_written(void **state)
{
    char plain[] = "127.0.0.1:514", with[] = "tcp://127.0.0.1:514", gram[] = "udp://127.0.0.1:514";
    char *one[] = {plain}, *two[] = {gram, with};
    struct listen_conf a = {.listen = {one, 1}}, b = {.listen = {two, 2}};

    (void)state;
    assert_true(listen_share(&LINES, &a, &b));
    b.listen.n = 1;
    assert_false(listen_share(&LINES, &a, &b));
}

static void a_path_that_is_too_long_with_its_folder_is_said(void **state)
{
    char text[100] = "unix://";
    struct bench b;
    struct err e;

    (void)state;
    memset(text + 7, 'x', sizeof(text) - 8);
    bench_init(&b);
    b.addresses[b.conf.listen.listen.n++] = mem_strdup(text);
    const struct input_env env = {
        .stream = "test", .listeners = &b.r.listeners, .budget = &b.r.budget, .base_dir = b.r.dir};
    assert_int_equal(LINES_OPS.open(&b.r.in, &b.conf, &env, &e), -1);
    assert_non_null(strstr(e.msg, "107 bytes"));
    bench_release(&b);
}

/* --- memory --- */

/* Each has begun a message, all together have the memory there is for that, and none of them goes on. */
static void messages_without_an_end_do_not_stop_all_others(void **state)
{
    enum { OTHERS = 6 };

    static char text[LISTEN_READ_BYTES - 15]; /* a little less than is read at once */
    const struct timeval patience = {.tv_sec = 60};
    struct seen s = {.begun = 0};
    int fds[OTHERS], fd;
    struct bench b;

    (void)state;
#ifdef TIGHT
    skip(); /* frames take all the memory then */
#endif
    bench_init(&b);
    budget_resize(&b.r.budget, (OTHERS + 1) * 2 * LISTEN_READ_BYTES);
    bench_listen(&b, "unix", "s");
    rig_start(&b.r);
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < OTHERS; i++) {
        fds[i] = dial(rig_path(&b.r, "s"), SOCK_STREAM);
        say(fds[i], text);
    }
    do
        look(&b, &s);
    while (s.begun < OTHERS);
    for (int i = 0; i < OTHERS; i++)
        say(fds[i], "x");
    do
        look(&b, &s);
    while (s.held < OTHERS);
    fd = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    say(fd, "one\n?\n");
    s.older = LISTEN_SILENT; /* they have had their time */
    look(&b, &s);
    hear(fd, "safe 1\n");
    for (int i = 0; i < OTHERS; i++)
        close(fds[i]);
    close(fd);
    bench_release(&b);
}

/* It has left much unread, so that nothing is read of it, when it goes. */
static void who_goes_without_reading_its_answers_is_gone(void **state)
{
    static char questions[2 * 4096];
    nsec until = clock_mono() + RIG_TIMEOUT;
    struct seen s = {.begun = 0};
    struct bench b;
    int fd;

    (void)state;
#ifdef TIGHT
    skip(); /* a few answers at a time: it takes too long */
#endif
    bench_init(&b);
    bench_listen(&b, "unix", "s");
    rig_start(&b.r);
    for (size_t i = 0; i < sizeof(questions); i += 2)
        memcpy(questions + i, "?\n", 2);
    fd = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    do {
        (void)send(fd, questions, sizeof(questions), MSG_DONTWAIT | MSG_NOSIGNAL);
        look(&b, &s);
    } while (s.unread < LISTEN_OUT_MAX / 2 || s.busy);
    close(fd);
    do {
        look(&b, &s);
        assert_true(clock_mono() < until);
    } while (s.there > 0);
    bench_release(&b);
}

/* --- a full spool --- */

struct stands {
    struct rig *rig;
    bool still; /* somebody waits, and nothing is on its way to the spool */
};

static void look_whether_it_stands(void *arg)
{
    struct stands *s = arg;
    const struct listen_port *p = TAILQ_FIRST(&listen_hub_of(&s->rig->listeners)->ports);
    const struct listen_conn *c = TAILQ_FIRST(&p->conns);

    s->still = c && c->refused && s->rig->in->route.window.count == 0;
}

/* What was read has its place in the spool: else it would be lost when the input begins anew. */
static void what_was_read_finds_room_in_a_spool_that_fills_up(void **state)
{
    static char lines[128 * 1024];
    struct stands s = {.still = false};
    struct bench b;
    int fd;

    (void)state;
    memset(lines, 'x', sizeof(lines));
    for (size_t i = 1023; i < sizeof(lines); i += 1024)
        lines[i] = '\n';
    bench_init(&b);
    b.r.limit = 3 * MIB;
    bench_listen(&b, "unix", "s");
    rig_start(&b.r);
    fd = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    s.rig = &b.r;
    while (!s.still) {
        (void)send(fd, lines, sizeof(lines), MSG_DONTWAIT | MSG_NOSIGNAL);
        loop_call(listen_hub_of(&b.r.listeners)->loop, look_whether_it_stands, &s);
    }
    b.r.ops->stop(b.r.in);
    assert_true(b.r.ops->stopped(b.r.in, NSEC_NEVER));
    assert_int_equal(window_left(&b.r.in->route.window).records, 0);
    close(fd);
    bench_release(&b);
}

/* The memory is that of all streams. */
static void who_waits_for_a_full_spool_keeps_little(void **state)
{
    enum { OTHERS = 4 };

    static char lines[LISTEN_READ_BYTES];
    struct seen seen = {.begun = 0};
    struct stands s;
    struct bench b;
    int fds[1 + OTHERS];

    (void)state;
#ifdef TIGHT
    skip(); /* a line is longer than what is read at a time */
#endif
    memset(lines, 'x', sizeof(lines));
    for (size_t i = 31; i < sizeof(lines); i += 32)
        lines[i] = '\n';
    bench_init(&b);
    b.r.limit = 3 * MIB;
    bench_listen(&b, "unix", "s");
    rig_start(&b.r);
    s = (struct stands){.rig = &b.r};
    fds[0] = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    while (!s.still) {
        (void)send(fds[0], lines, sizeof(lines), MSG_DONTWAIT | MSG_NOSIGNAL);
        loop_call(listen_hub_of(&b.r.listeners)->loop, look_whether_it_stands, &s);
    }
    for (int i = 1; i <= OTHERS; i++) {
        fds[i] = dial(rig_path(&b.r, "s"), SOCK_STREAM);
        (void)send(fds[i], lines, sizeof(lines), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    do
        look(&b, &seen);
    while (seen.held < 1 + OTHERS);
    assert_true(seen.kept <= OTHERS * LISTEN_READ_BYTES / 4);
    for (int i = 0; i <= OTHERS; i++)
        close(fds[i]);
    bench_release(&b);
}

/* --- addresses --- */

static void a_sender_of_ipv4_is_named_so_on_a_socket_of_both(void **state)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    socklen_t n = sizeof(at);
    struct bench b;
    char text[32];

    (void)state;
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        skip(); /* this machine has no IPv6 */
    getsockname(fd, (struct sockaddr *)&at, &n);
    close(fd);
    snprintf(text, sizeof(text), "[::]:%u", ntohs(at.sin6_port));
    to.sin_port = at.sin6_port;
    bench_init(&b);
    bench_listen(&b, "tcp", text);
    rig_start(&b.r);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    say(fd, "who\n");
    hear(fd, "127.0.0.1");
    close(fd);
    bench_release(&b);
}

static void an_address_in_use_is_said(void **state)
{
    struct bench b;
    struct err e;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    char text[32];

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&at, &n);
    snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(at.sin_port));
    bench_init(&b);
    bench_listen(&b, "tcp", text);
    const struct input_env env = {
        .stream = "test", .listeners = &b.r.listeners, .budget = &b.r.budget, .base_dir = b.r.dir};
    assert_int_equal(LINES_OPS.open(&b.r.in, &b.conf, &env, &e), -1);
    assert_non_null(strstr(e.msg, "listens on tcp://127.0.0.1:"));
    assert_null(b.r.in);
    close(fd);
    bench_release(&b);
}

/* --- TLS -------------------------------------------------------------------------------------------------------------- */

static void hand_over(SSL *ssl, const char *text)
{
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), strlen(text));
}

static void tls_asks_for_a_certificate_where_it_should(void **state)
{
    static const char TEXT[] = "one\ntwo\n?\n";
    char got[32] = "";
    SSL_CTX *ctx;
    struct bench b;
    SSL *ssl;
    int fd;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "secret", "s");
    make_certificate(rig_path(&b.r, "cert"), rig_path(&b.r, "key"), "server", NULL);
    make_certificate(rig_path(&b.r, "mine"), rig_path(&b.r, "mine.key"), "client", NULL);
    b.conf.listen.tls.cert_file = mem_strdup("cert");
    b.conf.listen.tls.key_file = mem_strdup("key");
    b.conf.listen.tls.client_ca_file = mem_strdup("mine");
    rig_start(&b.r);
    ctx = SSL_CTX_new(TLS_client_method());
    for (int with = 0; with < 2; with++) {
        if (with) {
            assert_int_equal(SSL_CTX_use_certificate_file(ctx, rig_path(&b.r, "mine"), SSL_FILETYPE_PEM), 1);
            assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, rig_path(&b.r, "mine.key"), SSL_FILETYPE_PEM), 1);
        }
        fd = dial(rig_path(&b.r, "s"), SOCK_STREAM);
        ssl = SSL_new(ctx);
        SSL_set_fd(ssl, fd);
        (void)SSL_connect(ssl); /* without a certificate it may end well on this side, and is refused behind it */
        if (with) {
            hand_over(ssl, TEXT);
            assert_int_equal(SSL_read(ssl, got, sizeof(got) - 1), strlen("safe 1\n"));
            assert_string_equal(got, "safe 1\n");
            SSL_shutdown(ssl);
        } else {
            assert_true(SSL_read(ssl, got, 1) <= 0);
        }
        SSL_free(ssl);
        close(fd);
    }
    rig_expect(&b.r, "one|two|");
    SSL_CTX_free(ctx);
    bench_release(&b);
}

/* Whom to let in nobody can say meanwhile. */
static void no_handshake_ends_while_nobody_stands_there(void **state)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct bench b;
    SSL *ssl;
    int fd, other;

    (void)state;
    bench_init(&b);
    bench_listen(&b, "secret", "s");
    make_certificate(rig_path(&b.r, "cert"), rig_path(&b.r, "key"), "server", NULL);
    b.conf.listen.tls.cert_file = mem_strdup("cert");
    b.conf.listen.tls.key_file = mem_strdup("key");
    rig_start(&b.r);
    fd = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    other = dial(rig_path(&b.r, "s"), SOCK_STREAM);
    say(other, "no TLS\n\n\n\n\n\n\n"); /* it is thrown out: so both were accepted */
    (void)recv(other, (char[64]){0}, 64, MSG_WAITALL);
    close(other);
    rig_stop(&b.r);
    ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    began_alone = false;
    for (int i = 0; i < 2 && SSL_connect(ssl) <= 0; i++)
        (void)poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 50);
    rig_start(&b.r);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(SSL_connect(ssl), 1);
    hand_over(ssl, "one\n");
    rig_expect(&b.r, "one|");
    assert_false(began_alone);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    bench_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_and_are_answered_when_they_are_safe),
        cmocka_unit_test(datagrams_come_whole),
        cmocka_unit_test(a_message_may_be_large_and_not_larger),
        cmocka_unit_test(connections_wait_for_the_next_input),
        cmocka_unit_test(addresses_outlast_a_slow_reload_and_not_a_stop),
        cmocka_unit_test(others_wait_while_an_input_is_replaced),
        cmocka_unit_test(what_was_lost_with_its_input_is_never_called_safe),
        cmocka_unit_test(only_so_many_are_connected),
        cmocka_unit_test(other_options_are_taken_up_by_an_address_that_stays),
        cmocka_unit_test(what_has_come_before_a_stop_is_taken),
        cmocka_unit_test(an_address_is_the_same_however_it_is_written),
        cmocka_unit_test(a_path_that_is_too_long_with_its_folder_is_said),
        cmocka_unit_test(messages_without_an_end_do_not_stop_all_others),
        cmocka_unit_test(who_goes_without_reading_its_answers_is_gone),
        cmocka_unit_test(what_was_read_finds_room_in_a_spool_that_fills_up),
        cmocka_unit_test(who_waits_for_a_full_spool_keeps_little),
        cmocka_unit_test(a_sender_of_ipv4_is_named_so_on_a_socket_of_both),
        cmocka_unit_test(an_address_in_use_is_said),
        cmocka_unit_test(tls_asks_for_a_certificate_where_it_should),
        cmocka_unit_test(no_handshake_ends_while_nobody_stands_there),
    };

    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
