/* The digests in here were made by another program (Python's hashlib). */
#include "tests/support/cmocka.h"

#include "pipeline/base/msgpack.h"
#include "pipeline/inputs/forward/handshake.h"

static char ANN[] = "ann:secret", BOB_WITH[] = "bob:also:secret";
static char *USERS[] = {ANN, BOB_WITH};
static const struct cfg_strings WITH = {.v = USERS, .n = 2}, WITHOUT = {.n = 0};
static const struct forward_nonce NONCE = {"nonce-nonce-nonc", "salty-salty-salt"};

/* sha512_hex("salt" "client" nonce "key"), and with our name */
static const char KEY[] = "cec423ea6ead58c3b40939fb91c93f970b7d0a4ba7c3de0a8ba28dd4167d43b3"
                          "7a56946c131552ad5444a9076c4746d219b557dced58712c81b0de92c09749ac";
static const char OURS[] = "a9b4533aac1317e186b30ad3f7e5ed75018321b9d69316ec1e765715cfe8e100"
                           "570a0ad21338bb17e19442047916200eacf89247dbbf8ea27a226a3a0ceee007";
/* sha512_hex(salt "bob" "also:secret") */
static const char BOB[] = "134aff0b0afda7662ce45942eea0d26df8c126fda5ff5938b0b640091c1f5e89"
                          "75ffb6d260fa23371810c8ee99f30ecd9c70d6fb3e01d3b532dc8b2902fd1acd";

static void ping(struct buf *out, const char *digest, const char *user, const char *password)
{
    buf_init(out, 1000);
    assert_int_equal(msgpack_put_head(out, MSGPACK_ARRAY, 6) + msgpack_put_str(out, SLICE("PING")) +
                         msgpack_put_str(out, SLICE("client")) + msgpack_put_str(out, SLICE("salt")) +
                         msgpack_put_str(out, slice_str(digest)) + msgpack_put_str(out, slice_str(user)) +
                         msgpack_put_str(out, slice_str(password)),
                     0);
}

/* What the answer says; NULL: it may come in. */
static const char *ask(const struct cfg_strings *users, const char *key, const char *digest, const char *user,
                       const char *password)
{
    struct forward_secrets s = {.key = key, .users = users};
    struct buf in, out;
    struct msgpack_value v[6];
    const char *why;
    struct slice rest;

    ping(&in, digest, user, password);
    buf_init(&out, 1000);
    why = forward_ping(buf_slice(&in), &NONCE, &s, &out);
    rest = buf_slice(&out);
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        assert_true(msgpack_next(&rest, &v[i]));
    assert_int_equal(rest.n, 0);
    assert_int_equal(v[0].count, 5);
    assert_true(slice_is(v[1].bytes, "PONG"));
    assert_int_equal(v[2].u.truth, why == NULL);
    assert_true(slice_is(v[3].bytes, why ? why : ""));
    assert_true(slice_is(v[4].bytes, why ? "" : forward_name));
    assert_true(slice_is(v[5].bytes, why ? "" : OURS));
    buf_release(&in);
    buf_release(&out);
    return why;
}

static void who_knows_the_key_comes_in(void **state)
{
    (void)state;
    assert_null(ask(&WITHOUT, "key", KEY, "", ""));
    assert_non_null(ask(&WITHOUT, "another", KEY, "", ""));
    assert_non_null(ask(&WITHOUT, "key", "", "", ""));
    assert_non_null(ask(&WITHOUT, "key", OURS, "", ""));
}

static void users_show_a_password_as_well(void **state)
{
    (void)state;
    assert_null(ask(&WITH, "key", KEY, "bob", BOB));
    assert_non_null(ask(&WITH, "key", KEY, "ann", BOB));
    assert_non_null(ask(&WITH, "key", KEY, "", ""));
    assert_non_null(ask(&WITH, "another", KEY, "bob", BOB));
}

static void what_is_no_ping_is_refused(void **state)
{
    struct forward_secrets s = {.key = "key", .users = &WITHOUT};
    const struct slice cases[] = {SLICE("\x01"), SLICE("\x92\xa4PING\x01"), SLICE("\x93\xa1t\x05\x80"),
                                  SLICE("\x96\xa4PING\xa1"
                                        "a\xa1"
                                        "b\xa1"
                                        "c\xa1"
                                        "d\x05")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, 1000);
        assert_non_null(forward_ping(cases[i], &NONCE, &s, &out));
        buf_release(&out);
    }
}

static void a_salt_is_there_when_users_are(void **state)
{
    struct forward_secrets with = {.key = "key", .users = &WITH}, without = {.key = "key", .users = &WITHOUT};
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(forward_helo(&NONCE, &without, &out), 0);
    assert_true(slice_eq(buf_slice(&out), SLICE("\x92\xa4HELO\x83\xa5nonce\xc4\x10nonce-nonce-nonc\xa4"
                                                "auth\xa0\xa9keepalive\xc3")));
    buf_clear(&out);
    assert_int_equal(forward_helo(&NONCE, &with, &out), 0);
    assert_true(slice_eq(buf_slice(&out), SLICE("\x92\xa4HELO\x83\xa5nonce\xc4\x10nonce-nonce-nonc\xa4"
                                                "auth\xc4\x10salty-salty-salt\xa9keepalive\xc3")));
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_knows_the_key_comes_in),
        cmocka_unit_test(users_show_a_password_as_well),
        cmocka_unit_test(what_is_no_ping_is_refused),
        cmocka_unit_test(a_salt_is_there_when_users_are),
    };

    return cmocka_run_group_tests_name("forward_handshake", tests, NULL, NULL);
}
