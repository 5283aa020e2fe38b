/* The same frames come out wherever the bytes were cut, and nothing that a server sends takes more memory than is stated. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/inputs/stomp/parser.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 4000 };

/* What came, in words: "COMMAND name=value ... [body]" for each frame. */
static void describe(struct stomp_parser *p, struct buf *out)
{
    struct slice name, value;
    int rc = buf_add_slice(out, stomp_command(p));

    for (size_t i = 0; i < p->header_count; i++) {
        stomp_header_at(p, i, &name, &value);
        rc |= buf_add_char(out, ' ') | buf_add_slice(out, name) | buf_add_char(out, '=') | buf_add_slice(out, value);
    }
    if (p->headers_cut)
        rc |= buf_add_str(out, " cut");
    if (p->body_too_large)
        rc |= buf_printf(out, " too large: %zu", p->body_size);
    else
        assert_int_equal(p->body.n, p->body_size);
    rc |= buf_add_str(out, " [") | buf_add_slice(out, buf_slice(&p->body)) | buf_add_str(out, "]\n");
    assert_int_equal(rc, 0);
}

/* Takes `bytes` in pieces of `piece`. False: it was refused. */
static bool parse(struct slice bytes, size_t piece, struct buf *out, struct err *e)
{
    struct stomp_parser p;
    bool fine = true;

    buf_clear(out);
    stomp_parser_init(&p, BODY_MAX);
    while (bytes.n > 0 && fine) {
        struct slice some = slice_of(bytes.p, bytes.n < piece ? bytes.n : piece);
        size_t before = some.n;
        enum stomp_parsed got = stomp_parser_take(&p, &some, e);

        bytes = slice_from(bytes, before - some.n);
        fine = got != STOMP_BROKEN;
        if (got == STOMP_FRAME) {
            describe(&p, out);
            stomp_parser_next(&p);
        } else if (fine) {
            assert_int_equal(some.n, 0);
        }
    }
    stomp_parser_release(&p);
    return fine;
}

static void expect(struct slice bytes, struct slice want)
{
    struct buf out;
    struct err e = {.msg = ""};

    buf_init(&out, 1 << 20);
    for (size_t piece = 1; piece <= bytes.n; piece++) {
        if (!parse(bytes, piece, &out, &e))
            fail_msg("in pieces of %zu: %s", piece, e.msg);
        if (!slice_eq(buf_slice(&out), want))
            fail_msg("in pieces of %zu: %s", piece, buf_cstr(&out));
    }
    buf_release(&out);
}

static void frames_come_out_of_any_pieces(void **state)
{
    (void)state;
    expect(SLICE("CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0\n\n\r\nMESSAGE\r\nmessage-id:a\r\nack:b\r\n\r\nhello\0"
                 "MESSAGE\ncontent-length:5\n\na\0b\nc\0\nRECEIPT\nreceipt-id:x\n\n\0\n"),
           SLICE("CONNECTED version=1.2 heart-beat=0,0 []\nMESSAGE message-id=a ack=b [hello]\n"
                 "MESSAGE content-length=5 [a\0b\nc]\nRECEIPT receipt-id=x []\n"));
}

static void headers_are_unescaped_and_the_first_counts(void **state)
{
    (void)state;
    expect(SLICE("MESSAGE\na\\cb:c\\nd\\\\e\\rf\\tg\\\nk:1\nk:2\nempty:\nurl:http://x\n\n\0"),
           SLICE("MESSAGE a:b=c\nd\\e\rf\\tg\\ k=1 empty= url=http://x []\n"));
    expect(SLICE("CONNECTED\nserver:a\\nb\n\n\0"), SLICE("CONNECTED server=a\\nb []\n"));
}

static void bodies_up_to_the_limit_are_kept(void **state)
{
    struct buf frames, want;

    (void)state;
    buf_init(&frames, 1 << 20);
    buf_init(&want, 1 << 20);
    for (int known = 0; known < 2; known++)
        for (size_t n = BODY_MAX - 1; n <= BODY_MAX + 1; n++) {
            int rc = buf_add_str(&frames, "MESSAGE\n") | buf_add_str(&want, "MESSAGE");

            if (known)
                rc |= buf_printf(&frames, "content-length:%zu\n", n) | buf_printf(&want, " content-length=%zu", n);
            rc |= buf_add_char(&frames, '\n');
            if (n > BODY_MAX)
                rc |= buf_printf(&want, " too large: %zu", n);
            rc |= buf_add_str(&want, " [");
            for (size_t i = 0; i < n; i++) {
                rc |= buf_add_char(&frames, 'x');
                if (n <= BODY_MAX)
                    rc |= buf_add_char(&want, 'x');
            }
            rc |= buf_add_char(&frames, '\0') | buf_add_str(&want, "]\n");
            assert_int_equal(rc, 0);
        }
    for (size_t piece = 1; piece < 6000; piece = piece * 2 + 1) {
        struct buf out;
        struct err e;

        buf_init(&out, 1 << 20);
        assert_true(parse(buf_slice(&frames), piece, &out, &e));
        assert_true(slice_eq(buf_slice(&out), buf_slice(&want)));
        buf_release(&out);
    }
    buf_release(&frames);
    buf_release(&want);
}

/* The writer of a message chooses its headers: it is one message all the same, and what the protocol needs of it is there. */
static void more_headers_than_are_kept_are_cut(void **state)
{
    struct buf frame;
    struct stomp_parser p;
    struct slice bytes, value;
    struct err e;
    int rc;

    (void)state;
    buf_init(&frame, STOMP_HEAD_MAX);
    rc = buf_add_str(&frame, "MESSAGE\nlong:");
    for (size_t i = 0; i < STOMP_LINE_MAX; i++)
        rc |= buf_add_char(&frame, 'x');
    rc |= buf_add_char(&frame, '\n');
    for (int i = 0; i < 2 * STOMP_HEADERS_MAX && frame.n < STOMP_HEAD_MAX - 200; i++)
        rc |= buf_printf(&frame, "h%d:v\n", i);
    rc |= buf_add_str(&frame, "ack:7\nmessage-id:m\n\n") | buf_add(&frame, "body\0", 5);
    assert_int_equal(rc, 0);
    stomp_parser_init(&p, BODY_MAX);
    bytes = buf_slice(&frame);
    assert_int_equal(stomp_parser_take(&p, &bytes, &e), STOMP_FRAME);
    assert_true(p.headers_cut);
    assert_true(p.header_count <= STOMP_HEADERS_MAX);
    assert_true(stomp_header(&p, "ack", &value) && slice_is(value, "7"));
    assert_true(stomp_header(&p, "h0", &value) && slice_is(value, "v"));
    assert_false(stomp_header(&p, "long", &value));
    assert_true(slice_is(buf_slice(&p.body), "body"));
    stomp_parser_release(&p);
    buf_release(&frame);
}

static void what_is_no_stomp_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } cases[] = {
#define CASE(text) {text, sizeof(text) - 1}
        CASE("HTTP/1.1 400 Bad Request\r\n\r\n"),
        CASE("\x15\x03\x03\0\2\2\x28\n"),
        CASE("AMQP\0\1\0\0\n"),
        CASE("THISISACOMMANDTHATISLONGERTHANANYTHERECANBE"),
        CASE("MESSAGE\nno colon\n\n\0"),
        CASE("MESSAGE\ncontent-length:\n\n\0"),
        CASE("MESSAGE\ncontent-length:-1\n\n\0"),
        CASE("MESSAGE\ncontent-length:99999999999999999999999\n\n\0"),
        CASE("MESSAGE\ncontent-length:3\n\nabcd\0"),
        CASE("\0\n"),
    };
    struct buf out;
    struct err e;

    (void)state;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t piece = 1; piece <= cases[i].n; piece++)
            if (parse(slice_of(cases[i].bytes, cases[i].n), piece, &out, &e))
                fail_msg("case %zu in pieces of %zu: taken", i, piece);
    buf_release(&out);
}

static void a_long_head_may_come_byte_by_byte(void **state)
{
    enum stomp_parsed got = STOMP_MORE;
    struct stomp_parser p;
    struct buf frame;
    struct err e;
    int rc;

    (void)state;
    buf_init(&frame, STOMP_HEAD_MAX);
    rc = buf_add_str(&frame, "MESSAGE\nack:7\n");
    while (frame.n < STOMP_HEAD_MAX / 4 * 3)
        rc |= buf_add_str(&frame, "name:value\n");
    rc |= buf_add(&frame, "\n\0", 2);
    assert_int_equal(rc, 0);
    stomp_parser_init(&p, BODY_MAX);
    for (size_t i = 0; i < frame.n && got == STOMP_MORE; i++) {
        struct slice one = slice_of(frame.p + i, 1);

        got = stomp_parser_take(&p, &one, &e);
    }
    assert_int_equal(got, STOMP_FRAME);
    stomp_parser_release(&p);
    buf_release(&frame);
}

static void headers_without_an_end_are_refused(void **state)
{
    struct stomp_parser p;
    struct err e;
    size_t taken = 0;

    (void)state;
    for (int kind = 0; kind < 2; kind++) { /* one line, many lines */
        enum stomp_parsed got = STOMP_MORE;
        struct slice first = SLICE("MESSAGE\n");

        stomp_parser_init(&p, BODY_MAX);
        assert_int_equal(stomp_parser_take(&p, &first, &e), STOMP_MORE);
        for (taken = 0; got == STOMP_MORE; taken += 8) {
            struct slice more = kind == 0 ? SLICE("a:bbbbbb") : SLICE("a:bbbbb\n");

            got = stomp_parser_take(&p, &more, &e);
            assert_true(taken <= STOMP_HEAD_MAX + 8);
        }
        assert_int_equal(got, STOMP_BROKEN);
        stomp_parser_release(&p);
    }
    { /* a header that is needed and cannot be kept */
        struct buf line;
        struct slice bytes;
        int rc;

        buf_init(&line, 1 << 20);
        rc = buf_add_str(&line, "MESSAGE\nack:");
        for (size_t i = 0; i <= STOMP_LINE_MAX; i++)
            rc |= buf_add_char(&line, 'x');
        rc |= buf_add_str(&line, "\n\n");
        assert_int_equal(rc, 0);
        stomp_parser_init(&p, BODY_MAX);
        bytes = buf_slice(&line);
        assert_int_equal(stomp_parser_take(&p, &bytes, &e), STOMP_BROKEN);
        stomp_parser_release(&p);
        buf_release(&line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_of_any_pieces),
        cmocka_unit_test(headers_are_unescaped_and_the_first_counts),
        cmocka_unit_test(bodies_up_to_the_limit_are_kept),
        cmocka_unit_test(more_headers_than_are_kept_are_cut),
        cmocka_unit_test(what_is_no_stomp_is_refused),
        cmocka_unit_test(a_long_head_may_come_byte_by_byte),
        cmocka_unit_test(headers_without_an_end_are_refused),
    };

    return cmocka_run_group_tests_name("stomp_parser", tests, NULL, NULL);
}
