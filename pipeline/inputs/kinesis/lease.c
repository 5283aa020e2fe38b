#include "pipeline/inputs/kinesis/lease.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COUNTER_DIGITS_MAX 18

/* --- places -------------------------------------------------------------------------------------------------------- */

const char *lease_checkpoint(const struct place *p)
{
    switch (p->kind) {
    case PLACE_NONE:
    case PLACE_START:
        return "TRIM_HORIZON";
    case PLACE_TIME:
        return "AT_TIMESTAMP";
    case PLACE_AFTER:
    case PLACE_WITHIN:
        return p->sequence;
    case PLACE_END:
        break;
    }
    return "SHARD_END";
}

int64_t lease_sub(const struct place *p)
{
    return p->kind == PLACE_AFTER ? LEASE_WHOLE : p->kind == PLACE_WITHIN ? (int64_t)p->sub : 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

struct reading {
    struct lease *lease;
    char checkpoint[SEQUENCE_MAX + 1];
    int64_t sub, ms;
    bool other, bad, has_ms;
};

static bool copy_bytes(char *to, size_t size, struct slice s)
{
    if (s.n >= size || (s.n > 0 && memchr(s.p, '\0', s.n)))
        return false;
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    return true;
}

/* A worker's name may be any text. */
static bool copy(char *to, size_t size, struct json_string s)
{
    struct buf text;
    bool fine;

    if (!s.escaped)
        return copy_bytes(to, size, s.raw);
    buf_init(&text, size);
    fine = json_unescape(s, &text) == 0 && copy_bytes(to, size, buf_slice(&text));
    buf_release(&text);
    return fine;
}

/* Numbers come as texts. One that is too large for us is not ours. */
static int64_t whole(struct json_string s)
{
    char text[24];

    if (!copy(text, sizeof(text), s) || strspn(text, "0123456789") != strlen(text))
        return -1;
    if (strcmp(text, "9223372036854775807") == 0)
        return LEASE_WHOLE;
    return *text && strlen(text) <= COUNTER_DIGITS_MAX ? strtoll(text, NULL, 10) : -1;
}

/* Others read it: what is none is not known. */
static void take_hash(char to[HASH_KEY_MAX + 1], struct json_string s)
{
    if (!copy(to, HASH_KEY_MAX + 1, s))
        to[0] = '\0';
}

static void take_text(struct reading *in, struct json_string name, struct json_string s)
{
    struct lease *x = in->lease;

    if (json_string_is(name, "leaseKey"))
        in->bad |= !copy(x->key, sizeof(x->key), s);
    else if (json_string_is(name, "leaseOwner"))
        in->bad |= !copy(x->owner, sizeof(x->owner), s);
    else if (json_string_is(name, "checkpointOwner"))
        in->bad |= !copy(x->giver, sizeof(x->giver), s);
    else if (json_string_is(name, "checkpoint"))
        in->bad |= !copy(in->checkpoint, sizeof(in->checkpoint), s);
    else if (json_string_is(name, "startingSequenceNumber"))
        in->bad |= !copy(x->first, sizeof(x->first), s) || (x->first[0] && !is_sequence(slice_str(x->first)));
    else if (json_string_is(name, "startingHashKey"))
        take_hash(x->hashes[0], s);
    else if (json_string_is(name, "endingHashKey"))
        take_hash(x->hashes[1], s);
    else if (json_string_is(name, "entityType"))
        in->other = !json_string_is(s, "LEASE");
}

static void take_number(struct reading *in, struct json_string name, struct json_string s)
{
    struct lease *x = in->lease;

    if (json_string_is(name, "leaseCounter")) {
        x->counter = (uint64_t)whole(s);
        in->bad |= whole(s) < 0;
    } else if (json_string_is(name, "ownerSwitchesSinceCheckpoint")) {
        x->switches = whole(s) < 0 ? 0 : (uint64_t)whole(s);
    } else if (json_string_is(name, "checkpointSubSequenceNumber")) {
        in->sub = whole(s);
        in->bad |= in->sub < 0;
    } else if (json_string_is(name, "checkpointTimestamp")) {
        in->ms = whole(s);
        in->has_ms = in->ms >= 0;
    }
}

static bool take_set(struct reading *in, struct json_string name, struct json_reader *r)
{
    struct lease *x = in->lease;
    bool parents = json_string_is(name, "parentShardId");
    char(*ids)[SHARD_ID_MAX + 1] = parents ? x->parents : x->children;
    struct json_string s;

    if (!parents && !json_string_is(name, "childShardIds"))
        return json_skip(r);
    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return false;
    for (unsigned i = 0; json_element(r); i++) {
        if (!json_string(r, &s))
            return false;
        if (i < 2)
            in->bad |= !copy(ids[i], sizeof(ids[i]), s);
    }
    return !r->error;
}

/* {"S":"..."}, {"N":"..."}, {"SS":["...", ...]} */
static bool take_attribute(struct reading *in, struct json_string name, struct json_reader *r)
{
    struct json_string type, s;

    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return false;
    while (json_member(r, &type)) {
        if (json_string_is(type, "S") && json_string(r, &s))
            take_text(in, name, s);
        else if (json_string_is(type, "N") && json_string(r, &s))
            take_number(in, name, s);
        else if (json_string_is(type, "SS") ? !take_set(in, name, r) : !json_skip(r))
            return false;
    }
    return !r->error;
}

static bool take_place(struct reading *in)
{
    struct place *p = &in->lease->place;
    const char *text = in->checkpoint;

    *p = (struct place){.kind = PLACE_START};
    if (strcmp(text, "TRIM_HORIZON") == 0)
        return true;
    if (strcmp(text, "SHARD_END") == 0) {
        p->kind = PLACE_END;
        return true;
    }
    if (strcmp(text, "AT_TIMESTAMP") == 0 && in->has_ms) {
        p->kind = PLACE_TIME;
        p->ms = in->ms;
        return true;
    }
    if (strcmp(text, "LATEST") == 0 || strcmp(text, "AT_TIMESTAMP") == 0) {
        in->lease->at_start = true;
        return true;
    }
    if (!is_sequence(slice_str(text)))
        return false;
    p->kind = in->sub == LEASE_WHOLE ? PLACE_AFTER : PLACE_WITHIN;
    p->sub = in->sub == LEASE_WHOLE ? 0 : (uint64_t)in->sub;
    memcpy(p->sequence, text, strlen(text) + 1);
    return true;
}

enum lease_read lease_read(struct json_reader *r, struct lease *x)
{
    struct reading in = {.lease = x};
    struct json_string name;
    bool fine = json_peek(r) == JSON_OBJECT && json_enter(r);

    *x = (struct lease){.counter = 0};
    while (fine && json_member(r, &name))
        fine = take_attribute(&in, name, r);
    if (!fine || r->error)
        return LEASE_BAD;
    if (in.other)
        return LEASE_OTHER;
    return in.bad || !x->key[0] || !take_place(&in) ? LEASE_BAD : LEASE_READ;
}

/* --- writing ------------------------------------------------------------------------------------------------------- */

static int add_text(struct buf *out, const char *name, const char *value)
{
    if (!*value)
        return 0;
    if (buf_printf(out, ",\"%s\":{\"S\":", name) < 0 || json_quote(slice_str(value), out) < 0)
        return -1;
    return buf_add_char(out, '}');
}

static int add_number(struct buf *out, const char *name, int64_t value)
{
    return buf_printf(out, ",\"%s\":{\"N\":\"%" PRId64 "\"}", name, value);
}

int lease_write_ids(const char ids[2][SHARD_ID_MAX + 1], struct buf *out)
{
    if (buf_add_char(out, '[') < 0 || json_quote(slice_str(ids[0]), out) < 0)
        return -1;
    if (ids[1][0] && (buf_add_char(out, ',') < 0 || json_quote(slice_str(ids[1]), out) < 0))
        return -1;
    return buf_add_char(out, ']');
}

static int add_ids(struct buf *out, const char *name, const char ids[2][SHARD_ID_MAX + 1])
{
    if (!ids[0][0])
        return 0;
    if (buf_printf(out, ",\"%s\":{\"SS\":", name) < 0 || lease_write_ids(ids, out) < 0)
        return -1;
    return buf_add_char(out, '}');
}

static int add_place(const struct lease *x, struct buf *out)
{
    if (add_text(out, "checkpoint", x->at_start ? "LATEST" : lease_checkpoint(&x->place)) < 0 ||
        add_number(out, "checkpointSubSequenceNumber", x->at_start ? 0 : lease_sub(&x->place)) < 0)
        return -1;
    return x->place.kind == PLACE_TIME ? add_number(out, "checkpointTimestamp", x->place.ms) : 0;
}

int lease_write(const struct lease *x, struct buf *out)
{
    if (buf_add_str(out, "{\"leaseKey\":{\"S\":") < 0 || json_quote(slice_str(x->key), out) < 0 ||
        buf_add_char(out, '}') < 0 || add_text(out, "leaseOwner", x->owner) < 0 ||
        add_number(out, "leaseCounter", (int64_t)x->counter) < 0 || add_text(out, "checkpointOwner", x->giver) < 0 ||
        add_number(out, "ownerSwitchesSinceCheckpoint", (int64_t)x->switches) < 0 || add_place(x, out) < 0 ||
        add_text(out, "startingSequenceNumber", x->first) < 0 || add_text(out, "startingHashKey", x->hashes[0]) < 0 ||
        add_text(out, "endingHashKey", x->hashes[1]) < 0 || add_ids(out, "parentShardId", x->parents) < 0 ||
        add_ids(out, "childShardIds", x->children) < 0)
        return -1;
    return buf_add_char(out, '}');
}
