#include "pipeline/inputs/amqp091/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FRAME_END '\xce'

/* --- reading -------------------------------------------------------------------------------------------------------- */

struct slice amqp091_bytes(struct wire_reader *r, size_t n)
{
    struct slice found = slice_of(r->rest.p, n);

    if (r->bad || n > r->rest.n) {
        r->bad = true;
        return SLICE("");
    }
    r->rest = slice_from(r->rest, n);
    return found;
}

uint64_t amqp091_number(struct wire_reader *r, size_t bytes)
{
    struct slice found = amqp091_bytes(r, bytes);
    uint64_t n = 0;

    for (size_t i = 0; i < found.n; i++)
        n = n << 8 | (unsigned char)found.p[i];
    return n;
}

struct slice amqp091_short_text(struct wire_reader *r)
{
    return amqp091_bytes(r, (size_t)amqp091_number(r, 1));
}

struct slice amqp091_long_text(struct wire_reader *r)
{
    return amqp091_bytes(r, (size_t)amqp091_number(r, 4));
}

enum wire_answer amqp091_frame_read(struct slice bytes, size_t max, struct wire_frame *f, struct err *e)
{
    struct wire_reader r = {.rest = bytes};
    size_t size;

    *f = (struct wire_frame){.total = WIRE_AROUND};
    if (bytes.n < WIRE_AROUND)
        return WIRE_MORE;
    f->type = (uint8_t)amqp091_number(&r, 1);
    f->channel = (uint16_t)amqp091_number(&r, 2);
    size = (size_t)amqp091_number(&r, 4);
    if (size > max - WIRE_AROUND) {
        (void)err_set(e, ERR_FORMAT, "a frame of %zu bytes came, and %zu is the most that was agreed on",
                      size + WIRE_AROUND, max);
        return WIRE_BAD;
    }
    f->total = size + WIRE_AROUND;
    if (bytes.n < f->total)
        return WIRE_MORE;
    f->payload = amqp091_bytes(&r, size);
    if (bytes.p[f->total - 1] != FRAME_END) {
        (void)err_set(e, ERR_FORMAT, "what came is no frame of AMQP 0-9-1: its end is not where its length says");
        return WIRE_BAD;
    }
    return WIRE_FRAME;
}

/* --- tables --------------------------------------------------------------------------------------------------------- */

static void set_number(struct wire_value *v, int64_t n)
{
    v->has_number = true;
    v->number = n;
    v->text = slice_of(v->made, (size_t)snprintf(v->made, sizeof(v->made), "%" PRId64, n));
    v->has_text = true;
}

/* Of the kinds that are whole numbers: how many bytes, and signed or not. RabbitMQ's letters: https://www.rabbitmq.com/amqp-0-9-1-errata */
static size_t whole_number(char kind, bool *is_signed)
{
    *is_signed = strchr("bsIl", kind) != NULL;
    switch (kind) {
    case 'b':
    case 'B':
        return 1;
    case 's':
    case 'u':
        return 2;
    case 'I':
    case 'i':
        return 4;
    case 'l':
    case 'L':
    case 'T':
        return 8;
    default:
        return 0;
    }
}

static void read_real(struct wire_reader *r, struct wire_value *v, size_t bytes)
{
    uint64_t bits = amqp091_number(r, bytes);
    uint32_t small_bits = (uint32_t)bits;
    double d;
    float f;

    memcpy(&d, &bits, sizeof(d));
    memcpy(&f, &small_bits, sizeof(f));
    if (bytes == 4)
        d = (double)f;
    v->text = slice_of(v->made, (size_t)snprintf(v->made, sizeof(v->made), "%.*g", bytes == 4 ? 9 : 17, d));
    v->has_text = true;
}

static void read_value(struct wire_reader *r, struct wire_value *v)
{
    bool is_signed;
    size_t bytes = whole_number(v->kind, &is_signed);

    if (bytes > 0) {
        uint64_t n = amqp091_number(r, bytes);
        unsigned unused = 64 - 8 * (unsigned)bytes;

        set_number(v, is_signed ? (int64_t)(n << unused) >> unused : (int64_t)n);
        return;
    }
    switch (v->kind) {
    case 't':
        v->text = amqp091_number(r, 1) ? SLICE("true") : SLICE("false");
        v->has_text = true;
        break;
    case 'f':
        read_real(r, v, 4);
        break;
    case 'd':
        read_real(r, v, 8);
        break;
    case 'S':
    case 'x':
        v->text = amqp091_long_text(r);
        v->has_text = true;
        break;
    case 'D': /* a decimal: rare, and nobody knows how it is meant */
        (void)amqp091_bytes(r, 5);
        break;
    case 'A':
    case 'F':
        (void)amqp091_long_text(r);
        break;
    case 'V':
        break;
    default:
        r->bad = true;
    }
}

bool amqp091_table_next(struct wire_reader *r, struct slice *name, struct wire_value *v)
{
    *v = (struct wire_value){.has_text = false};
    if (r->bad || r->rest.n == 0)
        return false;
    *name = amqp091_short_text(r);
    v->kind = (char)amqp091_number(r, 1);
    if (!r->bad)
        read_value(r, v);
    return !r->bad;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

static void put_number(char *p, size_t bytes, uint64_t n)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (char)(n >> 8 * (bytes - 1 - i));
}

static int frame_add_whole(struct buf *out, uint8_t type, uint16_t channel, struct slice payload)
{
    char head[7], end = FRAME_END;
    size_t before = out->n;

    put_number(head, 1, type);
    put_number(head + 1, 2, channel);
    put_number(head + 3, 4, payload.n);
    if (buf_add(out, head, sizeof(head)) == 0 && buf_add_slice(out, payload) == 0 && buf_add(out, &end, 1) == 0)
        return 0;
    out->n = before;
    return -1;
}

int amqp091_method_add(struct buf *out, uint16_t channel, amqp_method_number_t id, void *decoded)
{
    char payload[8192]; /* the longest: a login, with a password of 4 KiB */
    int n;

    put_number(payload, 4, id);
    n = amqp_encode_method(id, decoded, (amqp_bytes_t){.len = sizeof(payload) - 4, .bytes = payload + 4});
    return n < 0 ? -1 : frame_add_whole(out, WIRE_METHOD, channel, slice_of(payload, (size_t)n + 4));
}

int amqp091_heartbeat_add(struct buf *out)
{
    return frame_add_whole(out, WIRE_HEARTBEAT, 0, SLICE(""));
}

bool amqp091_is_a_servers(amqp_method_number_t id)
{
    switch (id) {
    case AMQP_CONNECTION_SECURE_METHOD:
    case AMQP_CONNECTION_TUNE_METHOD:
    case AMQP_CONNECTION_OPEN_OK_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_OK_METHOD:
    case AMQP_CONNECTION_BLOCKED_METHOD:
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
    case AMQP_CHANNEL_OPEN_OK_METHOD:
    case AMQP_CHANNEL_FLOW_METHOD:
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CHANNEL_CLOSE_OK_METHOD:
    case AMQP_QUEUE_DECLARE_OK_METHOD:
    case AMQP_BASIC_QOS_OK_METHOD:
    case AMQP_BASIC_CONSUME_OK_METHOD:
    case AMQP_BASIC_CANCEL_METHOD:
    case AMQP_BASIC_DELIVER_METHOD:
    case AMQP_BASIC_GET_OK_METHOD:
    case AMQP_BASIC_GET_EMPTY_METHOD:
        return true;
    default:
        return false;
    }
}

bool amqp091_has_word(struct slice words, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= words.n; i++)
        if (memcmp(words.p + i, word, n) == 0 && (i == 0 || words.p[i - 1] == ' ') &&
            (i + n == words.n || words.p[i + n] == ' '))
            return true;
    return false;
}
