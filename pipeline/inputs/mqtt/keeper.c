/* Records go through the window, packet identifiers with them. Marks are positions, and what is to be forgotten is a frame of its own: all of it goes
 * into one log in the order in which it was asked for, which is what the session relies on.
 *
 * Two keys stand in the log for a message of QoS 2. The first is of its packet identifier, and by it alone a message is known. The second, right
 * behind it, is no hash but says what is to be read at the next start: sum, identifier, and a mark. One that has another key before it is not
 * believed: it was left there by an older version, which knows the first ones only and leaves these when it forgets. */
#include "pipeline/inputs/mqtt/impl.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/mqtt/message.h"

#include <assert.h>
#include <string.h>

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

static struct id_key key_of_id(const struct input *in, uint16_t id)
{
    char bytes[2];

    return frame_id_key(slice_str(in->id_source), id_bytes(id, bytes));
}

/* --- the text of an identifier -------------------------------------------------------------------------------------- */

static const char TEXT_MARK[] = {'t', 'e', 'x', 't'};

struct text_key {
    unsigned char sum[MQTT_SUM_BYTES];
    char id[2];
    char mark[sizeof(TEXT_MARK)];
};
_Static_assert(sizeof(struct text_key) == sizeof(struct id_key), "a key of a text has the size of all keys");

static struct id_key key_of_text(const struct mqtt_text *t)
{
    struct text_key text;
    struct id_key key;

    memcpy(text.sum, t->sum, sizeof(text.sum));
    (void)id_bytes(t->id, text.id);
    memcpy(text.mark, TEXT_MARK, sizeof(text.mark));
    memcpy(&key, &text, sizeof(key));
    return key;
}

static bool read_text(const struct id_key *key, struct mqtt_text *out)
{
    struct text_key text;

    memcpy(&text, key, sizeof(text));
    if (memcmp(text.mark, TEXT_MARK, sizeof(text.mark)) != 0)
        return false;
    *out =
        (struct mqtt_text){.known = true, .id = (uint16_t)((unsigned char)text.id[0] << 8 | (unsigned char)text.id[1])};
    memcpy(out->sum, text.sum, sizeof(out->sum));
    return true;
}

struct keys {
    struct input *in;
    struct id_key before;
};

static void find_text(void *ctx, const struct id_key *key)
{
    struct keys *k = ctx;
    struct mqtt_text text;

    if (read_text(key, &text)) {
        struct id_key id = key_of_id(k->in, text.id);

        if (memcmp(&id, &k->before, sizeof(id)) == 0)
            mqtt_session_knows(&k->in->session, &text);
    }
    k->before = *key;
}

void mqtt_keeper_resume(struct input *in)
{
    struct keys k = {.in = in};

    spool_ids_each(in->env.spool, slice_str(in->id_source), find_text, &k);
}

/* --- what is stored -------------------------------------------------------------------------------------------------- */

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

static void keeper_store(void *ctx, enum mqtt_store what, const struct mqtt_text *texts, size_t n)
{
    struct input *in = ctx;
    struct slice source = slice_str(in->id_source);
    struct id_key list[FRAME_IDS_MAX];
    size_t count = 0;

    if (what == MQTT_STORE_UNSURE) {
        mqtt_keeper_mark(in, false);
        /* Nothing has this id: it is about the answer, which stands for the mark as well. */
        list[count++] = frame_id_key(source, SLICE("mark"));
    }
    for (size_t i = 0; i < n; i++) {
        list[count++] = key_of_id(in, texts[i].id);
        if (texts[i].known)
            list[count++] = key_of_text(&texts[i]);
    }
    spool_forget_ids(in->env.spool, source, list, count, &in->stored);
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
    struct id_key key = key_of_id(in, id);

    return spool_key_seen(in->env.spool, slice_str(in->id_source), &key) != SPOOL_ID_NEW;
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

static enum window_answer keeper_take(void *ctx, const struct mqtt_packet *p, const struct mqtt_text *text,
                                      uint64_t number)
{
    struct input *in = ctx;
    struct frame_message m = {.data = p->payload};
    struct id_key beside;
    enum window_answer a;
    char bytes[2];

    if (!mqtt_facts(&in->facts, p) && !in->facts_cut_shown) {
        in->facts_cut_shown = true;
        log_warn("a message has more properties than can be kept beside its record: some are left out, here and of "
                 "others like it",
                 KS("stream", in->env.stream), KS("input", mqtt_label(in)), KU("bytes_max", RECORD_FACTS_MAX));
    }
    m.facts = buf_slice(&in->facts);
    if (text) {
        m.id = id_bytes(p->id, bytes);
        beside = key_of_text(text);
        m.beside = &beside;
    }
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
