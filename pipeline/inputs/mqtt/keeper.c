/* Records go through the window, packet identifiers with them. Marks are positions, and what is to be forgotten is a frame of its own: all of it goes
 * into one log in the order in which it was asked for, which is what the session relies on. */
#include "pipeline/inputs/mqtt/impl.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/mqtt/message.h"

#include <assert.h>

enum { STORED_NO_NEWS, STORED_SAFE, STORED_REFUSED };

/* On the committer's thread. */
static void on_stored(struct spool_wait *w, bool safe)
{
    struct input *in = CONTAINER_OF(w, struct input, stored);

    atomic_store(&in->stored_news, safe ? STORED_SAFE : STORED_REFUSED);
    input_thread_wake(in->thread);
}

static struct slice id_bytes(uint16_t id, char out[2])
{
    out[0] = (char)(id >> 8);
    out[1] = (char)(id & 0xff);
    return slice_of(out, 2);
}

void mqtt_keeper_mark(struct input *in, bool sure)
{
    struct buf cursor;
    int rc;

    buf_init(&cursor, POSITION_CURSOR_MAX);
    rc = buf_add_str(&cursor, sure ? "sure\n" : "unsure\n");
    rc |= buf_add_slice(&cursor, buf_slice(&in->topics.noted));
    assert(rc == 0); /* MQTT_NOTED_MAX */
    spool_remember(in->env.spool, slice_str(in->id_source), buf_slice(&cursor));
    buf_release(&cursor);
}

static void keeper_store(void *ctx, enum mqtt_store what, const uint16_t *ids, size_t n)
{
    struct input *in = ctx;
    struct slice list[FRAME_IDS_MAX] = {SLICE("mark")}, source = slice_str(in->id_source);
    char bytes[FRAME_IDS_MAX][2];

    if (what == MQTT_STORE_UNSURE) {
        mqtt_keeper_mark(in, false);
        n = 1; /* nothing has this id: it is about the answer, which stands for the mark as well */
    }
    for (size_t i = 0; i < n && what == MQTT_STORE_FORGET; i++)
        list[i] = id_bytes(ids[i], bytes[i]);
    spool_forget_ids(in->env.spool, source, list, n, &in->stored);
}

/* Of a session that was made anew nothing else than this is to be believed: whoever comes after a crash would take it for subscribed to what the
 * one before was, and never hear anything. */
static void keeper_mark_sure(void *ctx)
{
    struct input *in = ctx;

    if (in->session.fresh)
        buf_clear(&in->topics.noted);
    mqtt_keeper_mark(in, true);
}

static bool keeper_knows(void *ctx, uint16_t id)
{
    struct input *in = ctx;
    char bytes[2];

    return spool_id_seen(in->env.spool, slice_str(in->id_source), id_bytes(id, bytes)) != SPOOL_ID_NEW;
}

void mqtt_keeper_refuse(struct input *in, size_t bytes)
{
    nsec now = clock_mono();
    const char *why =
        "a message is larger than a record, or the stream's spool, may be: it was acknowledged and is lost";
    const char *hint = "raise spool.limit if that is smaller than the message, or have it sent in parts";

    input_health_error(in->env.health, why, hint, now);
    if (log_due(&in->too_large, now, MQTT_SAYS_EVERY))
        log_error(why, KS("stream", in->env.stream), KS("input", mqtt_label(in)), KS("server", in->source),
                  KU("bytes", bytes), KU("bytes_max", RECORD_MAX_BYTES), KS("hint", hint));
}

static enum window_answer keeper_take(void *ctx, const struct mqtt_packet *p, uint64_t number)
{
    struct input *in = ctx;
    struct frame_message m = {.data = p->payload};
    enum window_answer a;
    char bytes[2];

    if (!mqtt_facts(&in->facts, p) && !in->facts_cut_shown) {
        in->facts_cut_shown = true;
        log_warn("a message has more properties than can be kept beside its record: some are left out, here and of "
                 "others like it",
                 KS("stream", in->env.stream), KS("input", mqtt_label(in)), KU("bytes_max", RECORD_FACTS_MAX));
    }
    m.facts = buf_slice(&in->facts);
    if (p->qos == 2)
        m.id = id_bytes(p->id, bytes);
    a = p->payload.n > RECORD_MAX_BYTES ? WINDOW_TOO_LARGE
                                        : window_put(&in->window, &m, number, clock_wall(), clock_mono());
    if (a == WINDOW_TOO_LARGE)
        mqtt_keeper_refuse(in, p->payload.n);
    if (p->dup && (a == WINDOW_TAKEN || a == WINDOW_TOO_LARGE))
        input_health_add(in->env.health, INPUT_REDELIVERED, 1);
    return a;
}

static int write_connect(struct input *in)
{
    const struct mqtt_conf *c = in->conf;

    return mqtt_write_connect(&in->socket.out,
                              &(struct mqtt_connect){.version = in->version,
                                                     .client_id = slice_str(c->client_id),
                                                     .username = c->username,
                                                     .password = c->password,
                                                     .keep_alive = (uint16_t)(c->keep_alive / NSEC_PER_SEC),
                                                     .session_expiry = (uint32_t)(c->session_expiry / NSEC_PER_SEC),
                                                     .receive_maximum = mqtt_conf_receive_maximum(c),
                                                     .packet_maximum = MQTT_PACKET_MAX});
}

static int keeper_send(void *ctx, enum mqtt_kind kind, uint16_t id, uint8_t reason)
{
    struct input *in = ctx;

    if (kind == MQTT_CONNECT || kind == MQTT_PINGREQ)
        in->answer_by = clock_mono() + MQTT_CONNECT_TIMEOUT;
    if (kind == MQTT_CONNECT)
        return write_connect(in);
    if (kind == MQTT_PINGREQ)
        return mqtt_write_ping(&in->socket.out);
    return mqtt_write_ack(&in->socket.out, in->version, kind, id, reason);
}

const struct mqtt_keeper mqtt_keeper_ops = {.take = keeper_take,
                                            .knows = keeper_knows,
                                            .store = keeper_store,
                                            .mark_sure = keeper_mark_sure,
                                            .send = keeper_send};

void mqtt_keeper_init(struct input *in)
{
    in->stored.done = on_stored;
    buf_init(&in->facts, RECORD_FACTS_MAX);
}

void mqtt_keeper_look(struct input *in)
{
    int stored = atomic_exchange(&in->stored_news, STORED_NO_NEWS);

    if (stored != STORED_NO_NEWS)
        mqtt_session_stored(&in->session, stored == STORED_SAFE);
}
