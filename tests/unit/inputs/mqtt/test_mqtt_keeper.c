/* What stands in the spool of messages of QoS 2, and what is read of it at the next start: also of what an older version left there. The thread
 * that a commit wakes is defined below. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/inputs/mqtt/impl.h"

#define SOURCE "mqtt broker:1883 me"

void input_thread_wake(struct input_thread *t)
{
    (void)t;
}

static void on_news(void *ctx)
{
    (void)ctx;
}

struct rig {
    struct fixture *x;
    struct budget budget;
    struct input in;
};

/* As mqtt.c does it. */
static void begin(struct rig *g)
{
    struct input *in = &g->in;

    budget_init(&g->budget, 16 * MIB);
    *in = (struct input){.env = {.spool = g->x->spool, .budget = &g->budget, .stream = "app"}};
    snprintf(in->id_source, sizeof(in->id_source), SOURCE);
    window_init(&in->window, &(struct window_conf){.spool = g->x->spool,
                                                   .budget = &g->budget,
                                                   .id_source = slice_str(in->id_source),
                                                   .news = on_news});
    buf_init(&in->topics.noted, MQTT_NOTED_MAX);
    mqtt_keeper_init(in);
    mqtt_session_init(&in->session, &mqtt_keeper_ops, in, 20, true);
    mqtt_keeper_resume(in);
}

static void end(struct rig *g)
{
    mqtt_session_release(&g->in.session);
    window_release(&g->in.window);
    buf_release(&g->in.facts);
    buf_release(&g->in.topics.noted);
}

static void kill_and_start(struct rig *g)
{
    reopen_spool(g->x); /* who waits for it hears so, as long as the window is there */
    end(g);
    begin(g);
}

static void rig_open(struct rig *g)
{
    log_set_level(LOG_ERROR);
    g->x = fixture_new(false, 64 * MIB, 0);
    begin(g);
}

static void rig_close(struct rig *g)
{
    fixture_free(g->x);
    end(g);
}

static struct mqtt_text text_of(uint16_t id, char fill)
{
    struct mqtt_text t = {.id = id, .known = true};

    memset(t.sum, fill, sizeof(t.sum));
    return t;
}

static void take(struct rig *g, uint16_t id, char fill, uint64_t number)
{
    const struct mqtt_packet p = {.kind = MQTT_PUBLISH, .id = id, .qos = 2, .topic = SLICE("t"), .payload = SLICE("x")};
    const struct mqtt_text t = text_of(id, fill);

    assert_int_equal(mqtt_keeper_ops.take(&g->in, &p, &t, number), WINDOW_TAKEN);
    window_flush(&g->in.window, g->x->now);
}

static void assert_texts(const struct rig *g, const struct mqtt_text *want, size_t n)
{
    const struct mqtt_session *s = &g->in.session;

    assert_int_equal(s->text_count, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s->texts[i].id, want[i].id);
        assert_true(s->texts[i].known);
        assert_memory_equal(s->texts[i].sum, want[i].sum, sizeof(want[i].sum));
    }
}

static void forget(struct rig *g, const struct mqtt_text *texts, size_t n)
{
    g->in.session.storing = MQTT_STORE_FORGET;
    mqtt_keeper_ops.store(&g->in, MQTT_STORE_FORGET, texts, n);
    commit(g->x);
    mqtt_keeper_look(&g->in);
    assert_int_equal(g->in.session.storing, MQTT_STORE_NOTHING);
}

static void texts_are_read_at_the_next_start(void **state)
{
    const struct mqtt_text both[] = {text_of(1, 'a'), text_of(0x1234, 'b')}, again = text_of(1, 'c');
    struct rig g;

    (void)state;
    rig_open(&g);
    assert_texts(&g, NULL, 0);
    take(&g, 1, 'a', 1);
    take(&g, 0x1234, 'b', 2);
    commit(g.x);
    (void)window_look(&g.in.window, g.x->now);
    commit(g.x);
    kill_and_start(&g);
    assert_texts(&g, both, 2);
    assert_true(mqtt_keeper_ops.knows(&g.in, 1) && mqtt_keeper_ops.knows(&g.in, 0x1234));

    forget(&g, both, 1);
    assert_false(mqtt_keeper_ops.knows(&g.in, 1));
    kill_and_start(&g);
    assert_texts(&g, both + 1, 1);
    take(&g, 1, 'c', 1);
    commit(g.x);
    kill_and_start(&g);
    assert_texts(&g, (struct mqtt_text[]){both[1], again}, 2);

    mqtt_keeper_ops.store(&g.in, MQTT_STORE_CLEAR, NULL, 0);
    commit(g.x);
    kill_and_start(&g);
    assert_texts(&g, NULL, 0);
    assert_false(mqtt_keeper_ops.knows(&g.in, 1) || mqtt_keeper_ops.knows(&g.in, 0x1234));
    rig_close(&g);
}

/* It knows identifiers, and nothing of texts: so it stores and forgets the first ones alone. */
static void what_an_older_version_did_is_understood(void **state)
{
    const struct mqtt_text without = {.id = 1};
    struct frame *f;
    struct rig g;

    (void)state;
    rig_open(&g);
    take(&g, 1, 'a', 1);
    commit(g.x);
    forget(&g, &without, 1);
    kill_and_start(&g);
    assert_texts(&g, NULL, 0);
    assert_false(mqtt_keeper_ops.knows(&g.in, 1));

    f = frame_new(4096, g.x->now, NULL); /* the same identifier for another message, and one more */
    frame_set_id_source(f, SLICE(SOURCE), (struct id_bounds){.count = UINT16_MAX});
    assert_true(frame_add_message(f, &(struct frame_message){.data = SLICE("y"), .id = slice_of("\0\1", 2)}));
    assert_true(frame_add_message(f, &(struct frame_message){.data = SLICE("z"), .id = slice_of("\0\2", 2)}));
    assert_int_equal(spool_append(g.x->spool, &f, NULL), SPOOL_TAKEN);
    commit(g.x);
    kill_and_start(&g);
    assert_texts(&g, NULL, 0);
    assert_true(mqtt_keeper_ops.knows(&g.in, 1) && mqtt_keeper_ops.knows(&g.in, 2));

    forget(&g, &without, 1);
    take(&g, 1, 'a', 1); /* with the very text that was left there */
    commit(g.x);
    kill_and_start(&g);
    assert_texts(&g, (struct mqtt_text[]){text_of(1, 'a')}, 1);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read_at_the_next_start),
        cmocka_unit_test(what_an_older_version_did_is_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
