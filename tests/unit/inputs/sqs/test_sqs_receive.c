/* Of a FIFO queue an answer that was lost is asked for once more by the name of its attempt, as long as its messages are surely hidden: then groups
 * go on. Calls end here when the test says so: what is defined below stands for the agent, and for the thread that an answer wakes. */
#include "tests/support/cmocka.h"

#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/sqs/impl.h"
#include "pipeline/inputs/sqs/call.h"

#include <stdio.h>
#include <string.h>

#define S          NSEC_PER_SEC
#define VISIBILITY (30 * S)

static struct http_ask *under_way[4];
static char asked[4][ATTEMPT_CHARS + 1]; /* the names of their attempts */
static unsigned count;

int http_agent_use(struct http_agent *a, struct err *e)
{
    (void)a;
    (void)e;
    return 0;
}

void http_agent_send(struct http_agent *a, struct http_ask *ask)
{
    static const char NAME[] = "\"ReceiveRequestAttemptId\":\"";
    const char *at = strstr(ask->request->text, NAME);

    (void)a;
    assert_non_null(at);
    assert_true(count < 4);
    snprintf(asked[count], sizeof(asked[count]), "%s", at + sizeof(NAME) - 1);
    under_way[count++] = ask;
}

void http_agent_cancel(struct http_agent *a, struct http_ask *ask)
{
    (void)a;
    (void)ask;
}

void input_thread_wake(struct input_thread *t)
{
    (void)t;
}

static void on_news(void *ctx)
{
    (void)ctx;
}

struct rig {
    struct sqs_conf conf;
    struct input in;
    struct budget budget;
};

static char url[] = "http://127.0.0.1:1/1/orders.fifo", id[] = "AKIDEXAMPLE", secret[] = "secret";

static void rig_open(struct rig *g)
{
    const struct aws_caller_conf caller = {.service = &sqs_service,
                                           .input = "sqs",
                                           .address = "http://127.0.0.1:1",
                                           .keys = &g->conf.aws.keys,
                                           .region = "us-east-1",
                                           .tls = &g->conf.aws.tls,
                                           .base_dir = "/tmp",
                                           .answer_max = SQS_ANSWER_MAX};
    struct input *in = &g->in;
    struct err e;

    log_set_level(LOG_ERROR);
    *g = (struct rig){.conf = {.queue_url = url,
                               .aws.keys = {.access_key_id = id, .secret_access_key = secret},
                               .receivers = 2,
                               .in_flight = 100,
                               .visibility = VISIBILITY}};
    in->conf = &g->conf;
    in->fifo = true;
    in->label = "sqs";
    in->wanted = 1;
    in->ask_for = SQS_BATCH_MAX;
    in->count_at = NSEC_NEVER;
    budget_init(&g->budget, 16 * MIB);
    budget_init(&in->room, SQS_ANSWERS_BYTES);
    assert_int_equal(aws_caller_open(&in->caller, &caller, &e), 0);
    window_init(&in->window, &(struct window_conf){.budget = &g->budget, .news = on_news});
    hand_init(&in->hand);
    in->receivers = mem_array(2, sizeof(*in->receivers));
    for (unsigned i = 0; i < 2; i++) {
        aws_call_init(&in->receivers[i].call, &in->caller);
        sqs_batch_init(&in->receivers[i].batch);
    }
    aws_caller_connection(&in->caller, &in->trouble);
    count = 0;
}

static void rig_close(struct rig *g)
{
    struct input *in = &g->in;

    for (unsigned i = 0; i < 2; i++) {
        aws_call_release(&in->receivers[i].call);
        sqs_batch_release(&in->receivers[i].batch);
    }
    window_release(&in->window);
    connection_release(&in->trouble);
    hand_release(&in->hand);
    aws_caller_close(&in->caller);
    mem_free(in->receivers);
}

static void end(struct rig *g, const struct http_response *re, nsec now)
{
    struct http_ask *ask = under_way[--count];

    ask->done(ask, re);
    sqs_take_answers(&g->in, now);
}

/* The name of the attempt. */
static const char *ask(struct rig *g, nsec now)
{
    sqs_start_receivers(&g->in, now);
    assert_int_equal(count, 1);
    return asked[0];
}

static void a_lost_answer_is_asked_for_until_its_messages_come_again_anyway(void **state)
{
    const struct http_response lost = {.failure = HTTP_RESET, .failure_text = "reset"};
    const struct http_response nothing = {.status = 200, .body = SLICE("{}")};
    char first[ATTEMPT_CHARS + 1];
    nsec began = 1000 * S;
    struct rig g;

    (void)state;
    rig_open(&g);
    snprintf(first, sizeof(first), "%s", ask(&g, began));
    end(&g, &lost, began + 5 * S);
    assert_string_equal(ask(&g, began + 15 * S), first);
    end(&g, &lost, began + 16 * S);
    assert_string_equal(ask(&g, began + VISIBILITY - 1), first); /* by when it was asked for first */
    end(&g, &lost, began + VISIBILITY);
    assert_string_not_equal(ask(&g, began + 200 * S), first);
    end(&g, &nothing, began + 200 * S);
    snprintf(first, sizeof(first), "%s", ask(&g, began + 300 * S)); /* one that came is not asked for again */
    end(&g, &nothing, began + 300 * S);
    assert_string_not_equal(ask(&g, began + 302 * S), first);
    end(&g, &nothing, began + 302 * S);
    rig_close(&g);
}

/* The queue says no to a name: it does not know that answer any more, and need not be asked for it again. */
static void an_attempt_that_is_refused_is_given_up(void **state)
{
    const struct http_response lost = {.failure = HTTP_RESET, .failure_text = "reset"};
    const struct http_response no = {.status = 500, .body = SLICE("{}")};
    char first[ATTEMPT_CHARS + 1];
    nsec now = 1000 * S;
    struct rig g;

    (void)state;
    rig_open(&g);
    snprintf(first, sizeof(first), "%s", ask(&g, now));
    end(&g, &no, now); /* it may have handed out messages all the same */
    assert_string_equal(ask(&g, now + 5 * S), first);
    end(&g, &lost, now + 5 * S);
    assert_string_equal(ask(&g, now + 12 * S), first);
    end(&g, &no, now + 12 * S);
    assert_string_not_equal(ask(&g, now + 25 * S), first);
    end(&g, &no, now + 25 * S);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_answer_is_asked_for_until_its_messages_come_again_anyway),
        cmocka_unit_test(an_attempt_that_is_refused_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
