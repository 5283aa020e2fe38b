/* The input itself, with a real spool behind it and a sender in front of it. */
#include "tests/unit/inputs/input_rig.h"

#include "pipeline/base/msgpack.h"
#include "pipeline/inputs/forward/session.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <zlib.h>

struct bench {
    struct rig r;
    struct forward_conf conf;
    char *address;
    int fd;
};

static int dial(struct bench *b)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", rig_path(&b->r, "s"));
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    return fd;
}

static void bench_init(struct bench *b)
{
    static char none[] = "";
    char text[300];

    memset(b, 0, sizeof(*b));
    rig_init(&b->r, "forward");
    b->r.conf = &b->conf;
    snprintf(text, sizeof(text), "unix://%s", rig_path(&b->r, "s"));
    b->address = mem_strdup(text);
    b->conf = (struct forward_conf){
        .listen = {.listen = {.v = &b->address, .n = 1}, .connections = 8, .unix_mode = mem_strdup("0600")},
        .time_field = none,
        .tag_field = none,
        .remember = 100000,
        .remember_for = 60 * NSEC_PER_SEC};
}

static void bench_release(struct bench *b)
{
    close(b->fd);
    rig_stop(&b->r);
    rig_release(&b->r);
    mem_free(b->address);
    mem_free(b->conf.listen.unix_mode);
}

static void send_all(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        assert_true(n > 0);
        s = slice_from(s, (size_t)n);
    }
}

/* {"ack": "c"} */
static void hear_ack(int fd)
{
    char got[7];

    assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), sizeof(got));
    assert_memory_equal(got,
                        "\x81\xa3"
                        "ack\xa1"
                        "c",
                        sizeof(got));
}

/* ["t", entries, {"chunk": "c", "compressed": "gzip"}] */
static void make_message(struct buf *m, struct slice entries, bool packed)
{
    assert_int_equal(msgpack_put_head(m, MSGPACK_ARRAY, 3) + msgpack_put_str(m, SLICE("t")) +
                         msgpack_put_str(m, entries) + msgpack_put_head(m, MSGPACK_MAP, packed ? 2 : 1) +
                         msgpack_put_str(m, SLICE("chunk")) + msgpack_put_str(m, SLICE("c")),
                     0);
    if (packed)
        assert_int_equal(msgpack_put_str(m, SLICE("compressed")) + msgpack_put_str(m, SLICE("gzip")), 0);
}

static void who_was_let_in_before_a_key_was_asked_for_is_put_out(void **state)
{
    char key[] = "a secret", c;
    struct bench b;
    struct buf m;

    (void)state;
    bench_init(&b);
    buf_init(&m, 1024);
    make_message(&m, SLICE("\x92\x05\x81\xa1n\x01"), false);
    rig_start(&b.r);
    b.fd = dial(&b);
    send_all(b.fd, buf_slice(&m));
    hear_ack(b.fd);
    rig_stop(&b.r); /* a reload that changes nothing of it */
    rig_start(&b.r);
    send_all(b.fd, buf_slice(&m));
    hear_ack(b.fd);
    rig_stop(&b.r);
    b.conf.shared_key = key;
    rig_start(&b.r);
    send_all(b.fd, buf_slice(&m));
    assert_true(recv(b.fd, &c, 1, 0) <= 0);
    rig_expect(&b.r, "{\"n\":1}|");
    bench_release(&b);
    buf_release(&m);
}

enum { EVENTS = LIMIT(60000, 50) }; /* with small limits a chunk of more is not remembered */

/* {"n": i} and filler, gzipped. */
static struct buf many_events(void)
{
    static char fill[90];
    struct buf entries, out;
    z_stream z = {0};

    memset(fill, 'f', sizeof(fill));
    buf_init(&entries, 64 * MIB);
    buf_init(&out, 64 * MIB);
    for (unsigned i = 0; i < EVENTS; i++) {
        char n[5] = {(char)0xce, (char)(i >> 24), (char)(i >> 16), (char)(i >> 8), (char)i};

        assert_int_equal(buf_add(&entries, "\x92\x05\x82\xa1n", 5) + buf_add(&entries, n, sizeof(n)) +
                             buf_add(&entries, "\xa1x", 2) + msgpack_put_str(&entries, slice_of(fill, sizeof(fill))),
                         0);
    }
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(buf_reserve(&out, deflateBound(&z, entries.n)), 0);
    z.next_in = (unsigned char *)entries.p;
    z.avail_in = (unsigned)entries.n;
    z.next_out = (unsigned char *)out.p;
    z.avail_out = (unsigned)out.cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.n = out.cap - z.avail_out;
    deflateEnd(&z);
    buf_release(&entries);
    return out;
}

static void expect_all_in_order(struct rig *r)
{
    struct buf got;
    unsigned n = 0;

    buf_init(&got, 64 * MIB);
    rig_take(r, &got);
    for (const char *p = got.p; (p = memchr(p, '{', (size_t)(got.p + got.n - p))); p++)
        assert_int_equal(strtoul(p + 5, NULL, 10), n++);
    assert_int_equal(n, EVENTS);
    buf_release(&got);
}

/* It is put a piece at a time, with waits in between; with little memory it is unpacked anew after each. Then it comes once more. */
static void a_large_message_is_stored_once_with_much_memory_or_little(void **state)
{
    struct buf packed = many_events(), m;

    (void)state;
    buf_init(&m, packed.n + 1024);
    make_message(&m, buf_slice(&packed), true);
    for (int little = 0; little < 2; little++) {
        struct bench b;

        bench_init(&b);
        if (little)
            budget_resize(&b.r.budget, 2 * (m.n + LIMIT(4 * LISTEN_READ_BYTES, 8 * KIB)));
        rig_start(&b.r);
        b.fd = dial(&b);
        send_all(b.fd, buf_slice(&m));
        hear_ack(b.fd);
        send_all(b.fd, buf_slice(&m));
        hear_ack(b.fd);
        assert_int_equal(rig_incoming(&b.r), EVENTS);
        expect_all_in_order(&b.r);
        bench_release(&b);
    }
    buf_release(&m);
    buf_release(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_let_in_before_a_key_was_asked_for_is_put_out),
        cmocka_unit_test(a_large_message_is_stored_once_with_much_memory_or_little),
    };

    return cmocka_run_group_tests_name("forward_session", tests, NULL, NULL);
}
