#include "pipeline/inputs/forward/handshake.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/msgpack.h"

#include <string.h>

const char forward_name[] = "sluice";

static struct slice bytes16(const char *p)
{
    return slice_of(p, FORWARD_NONCE);
}

/* As Fluentd has it: what is random is binary, and a salt that is not wanted is an empty text. */
static int put_random(struct buf *out, const char *p)
{
    const char head[] = {(char)0xc4, FORWARD_NONCE};

    return buf_add(out, head, sizeof(head)) < 0 ? -1 : buf_add_slice(out, bytes16(p));
}

int forward_helo(const struct forward_nonce *n, const struct forward_secrets *s, struct buf *out)
{
    if (msgpack_put_head(out, MSGPACK_ARRAY, 2) < 0 || msgpack_put_str(out, SLICE("HELO")) < 0 ||
        msgpack_put_head(out, MSGPACK_MAP, 3) < 0 || msgpack_put_str(out, SLICE("nonce")) < 0 ||
        put_random(out, n->nonce) < 0 || msgpack_put_str(out, SLICE("auth")) < 0)
        return -1;
    if (s->users->n > 0 ? put_random(out, n->salt) < 0 : msgpack_put_str(out, SLICE("")) < 0)
        return -1;
    return msgpack_put_str(out, SLICE("keepalive")) < 0 ? -1 : msgpack_put_bool(out, true);
}

static void hex_of(const struct slice *parts, size_t count, char hex[SHA512_HEX])
{
    unsigned char digest[SHA512_BYTES];

    sha512_of(parts, count, digest);
    hex_encode(digest, sizeof(digest), hex);
}

static bool is_hex_of(const struct slice *parts, size_t count, struct slice shown)
{
    char hex[SHA512_HEX];

    hex_of(parts, count, hex);
    return shown.n == SHA512_HEX - 1 && equal_constant_time(hex, shown.p, shown.n);
}

/* All of them are looked at, so that the time says nothing of names. */
static bool is_known(const struct slice *name, struct slice shown, const struct forward_nonce *n,
                     const struct cfg_strings *users)
{
    bool known = false;

    for (size_t i = 0; i < users->n; i++) {
        struct slice user = slice_str(users->v[i]);
        size_t at = strcspn(users->v[i], ":");
        struct slice parts[] = {bytes16(n->salt), slice_of(user.p, at),
                                at < user.n ? slice_from(user, at + 1) : SLICE("")};

        known |= is_hex_of(parts, ARRAY_LEN(parts), shown) && slice_eq(parts[1], *name);
    }
    return known;
}

enum { PING_NAME, PING_SALT, PING_KEY, PING_USER, PING_PASSWORD, PING_PARTS };

static bool read_ping(struct slice rest, struct slice part[PING_PARTS])
{
    struct msgpack_value v;

    if (!msgpack_next(&rest, &v) || v.kind != MSGPACK_ARRAY || v.count != PING_PARTS + 1)
        return false;
    if (!msgpack_next(&rest, &v) || !slice_is(v.bytes, "PING"))
        return false;
    for (size_t i = 0; i < PING_PARTS; i++) {
        if (!msgpack_next(&rest, &v) || (v.kind != MSGPACK_STR && v.kind != MSGPACK_BIN))
            return false;
        part[i] = v.bytes;
    }
    return true;
}

static int put_pong(struct buf *out, const char *why, struct slice name, const char *hex)
{
    if (msgpack_put_head(out, MSGPACK_ARRAY, 5) < 0 || msgpack_put_str(out, SLICE("PONG")) < 0 ||
        msgpack_put_bool(out, *why == '\0') < 0 || msgpack_put_str(out, slice_str(why)) < 0 ||
        msgpack_put_str(out, name) < 0)
        return -1;
    return msgpack_put_str(out, slice_str(hex));
}

const char *forward_ping(struct slice whole, const struct forward_nonce *n, const struct forward_secrets *s,
                         struct buf *out)
{
    struct slice part[PING_PARTS], key = slice_str(s->key), nonce = bytes16(n->nonce);
    const char *why = NULL;
    char hex[SHA512_HEX];

    if (!read_ping(whole, part)) {
        why = "a sender must show first that it knows the shared key";
    } else {
        const struct slice theirs[] = {part[PING_SALT], part[PING_NAME], nonce, key};
        const struct slice ours[] = {part[PING_SALT], slice_str(forward_name), nonce, key};

        if (!is_hex_of(theirs, ARRAY_LEN(theirs), part[PING_KEY]))
            why = "shared_key mismatch";
        else if (s->users->n > 0 && !is_known(&part[PING_USER], part[PING_PASSWORD], n, s->users))
            why = "username/password mismatch";
        hex_of(ours, ARRAY_LEN(ours), hex);
    }
    if ((why ? put_pong(out, why, SLICE(""), "") : put_pong(out, "", slice_str(forward_name), hex)) < 0)
        return "there is no room for an answer";
    return why;
}
