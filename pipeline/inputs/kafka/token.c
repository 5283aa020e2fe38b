#include "pipeline/inputs/kafka/token.h"

#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

int kafka_tokens_open(struct kafka_tokens *t, const struct kafka_tokens_conf *conf, struct err *e)
{
    const struct connection_conf connection = {
        .stream = conf->stream,
        .input = conf->input,
        .source = "sasl.oauth.token_url",
        .health = conf->health,
        .failed_text = "a token for the brokers could not be had, and is asked for again",
        .works_text = "there is a token for the brokers again",
    };

    *t = (struct kafka_tokens){.conf = *conf};
    pthread_mutex_init(&t->lock, NULL);
    t->tls = tls_options_new(&conf->oauth->tls, conf->base_dir);
    connection_init(&t->connection, &connection);
    return http_agent_use(conf->agent, e);
}

void kafka_tokens_close(struct kafka_tokens *t)
{
    if (!t->conf.oauth)
        return;
    connection_release(&t->connection);
    kafka_token_release(&t->held);
    kafka_token_release(&t->got);
    tls_options_free(&t->tls);
    pthread_mutex_destroy(&t->lock);
    t->conf.oauth = NULL;
}

/* --- a question -------------------------------------------------------------------------------------------------------- */

/* On the agent's thread. */
static void answered(struct http_ask *ask, const struct http_response *re)
{
    struct kafka_tokens *t = CONTAINER_OF(ask, struct kafka_tokens, ask);

    t->cancelled = !re;
    t->good = re && kafka_oauth_answer(t->conf.oauth, re, &t->got, &t->trouble);
    pthread_mutex_lock(&t->lock);
    t->step = KAFKA_ASK_ANSWERED;
    t->conf.news(t->conf.ctx); /* under the lock: behind it all of this may be gone */
    pthread_mutex_unlock(&t->lock);
}

static void failed(struct kafka_tokens *t, const char *cause, const char *said, const char *hint, nsec now)
{
    const struct connection_trouble trouble = {.doing = "ask for a token", .cause = cause, .said = said, .hint = hint};

    connection_failed(&t->connection, &trouble, now);
}

static void begin(struct kafka_tokens *t, nsec wall_now, nsec now)
{
    struct err e = {.msg = ""};
    int rc = kafka_oauth_request(t->conf.oauth, &t->request, &e);

    if (rc == 0)
        rc = tls_options_poll(t->tls, wall_now, &t->request, &e);
    if (rc < 0)
        failed(t, e.msg, NULL, "look at sasl.oauth", now);
    if (rc != 0) {
        if (rc > 0) /* the files of `tls` are being read */
            t->connection.again = now + KAFKA_OAUTH_FILES_WAIT;
        kafka_oauth_request_release(&t->request);
        return;
    }
    t->asked = now;
    t->step = KAFKA_ASK_SENT; /* nobody else knows of it yet */
    t->ask = (struct http_ask){.request = &t->request, .done = answered};
    http_agent_send(t->conf.agent, &t->ask);
}

/* Four fifths of its life: what is left is for tries that fail. */
static bool end(struct kafka_tokens *t, nsec wall_now, nsec now)
{
    kafka_oauth_request_release(&t->request);
    t->step = KAFKA_ASK_NONE;
    if (t->cancelled)
        return false;
    if (!t->good) {
        failed(t, t->trouble.cause, t->trouble.said, t->trouble.hint, now);
        return false;
    }
    kafka_token_release(&t->held);
    t->held = t->got;
    t->got = (struct kafka_token){.value = NULL};
    t->expires = wall_now + t->held.lifetime;
    t->renew = now + t->held.lifetime / 5 * 4;
    t->doubted = false;
    connection_works(&t->connection, now);
    return true;
}

static enum kafka_ask_step step_of(struct kafka_tokens *t)
{
    enum kafka_ask_step step;

    pthread_mutex_lock(&t->lock);
    step = t->step;
    pthread_mutex_unlock(&t->lock);
    return step;
}

bool kafka_tokens_turn(struct kafka_tokens *t, nsec wall_now, nsec now)
{
    bool got = false;

    if (!t->conf.oauth)
        return false;
    if (step_of(t) == KAFKA_ASK_ANSWERED)
        got = end(t, wall_now, now);
    if (step_of(t) == KAFKA_ASK_NONE && (!t->held.value || t->doubted || now >= t->renew) &&
        connection_is_due(&t->connection, now))
        begin(t, wall_now, now);
    return got;
}

void kafka_tokens_doubt(struct kafka_tokens *t, nsec now)
{
    if (t->conf.oauth && t->held.value && now - t->asked >= KAFKA_OAUTH_DOUBT_AFTER)
        t->doubted = true;
}

void kafka_tokens_end(struct kafka_tokens *t, struct input_thread *thread)
{
    if (!t->conf.oauth || step_of(t) == KAFKA_ASK_NONE)
        return;
    http_agent_cancel(t->conf.agent, &t->ask);
    while (step_of(t) == KAFKA_ASK_SENT)
        input_thread_linger(thread, clock_mono() + NSEC_PER_SEC);
    kafka_oauth_request_release(&t->request);
    t->step = KAFKA_ASK_NONE;
}

/* --- to the client ----------------------------------------------------------------------------------------------------- */

/* NAME=VALUE becomes two texts, one behind the other; the caller frees *names. */
static size_t split(const struct cfg_strings *extensions, char **copies, const char **list)
{
    size_t n = 0;

    for (size_t i = 0; i < extensions->n; i++) {
        char *sign;

        copies[i] = mem_strdup(extensions->v[i]);
        sign = strchr(copies[i], '=');
        if (!sign)
            continue; /* the options say that there is one */
        *sign = '\0';
        list[n++] = copies[i];
        list[n++] = sign + 1;
    }
    return n;
}

static int give(const struct kafka_oauth_conf *c, const struct kafka_token *token, nsec expires, rd_kafka_t *rk,
                struct err *e)
{
    char *copies[KAFKA_OAUTH_EXTENSIONS_MAX] = {NULL}, why[256] = "";
    const char *list[2 * KAFKA_OAUTH_EXTENSIONS_MAX];
    size_t n = split(&c->extensions, copies, list);
    rd_kafka_resp_err_t err = rd_kafka_oauthbearer_set_token(rk, token->value, expires / NSEC_PER_MSEC, c->client_id,
                                                             list, n, why, sizeof(why));

    for (size_t i = 0; i < c->extensions.n; i++)
        mem_free(copies[i]);
    return err ? err_set(e, ERR_REMOTE, "librdkafka does not take the token: %s", why) : 0;
}

int kafka_tokens_give(const struct kafka_tokens *t, nsec wall_now, rd_kafka_t *rk, struct err *e)
{
    if (!t->conf.oauth || !t->held.value || t->expires <= wall_now)
        return 0;
    return give(t->conf.oauth, &t->held, t->expires, rk, e);
}

int kafka_token_fetch(const struct kafka_oauth_conf *c, const char *base_dir, struct http_agent *agent, rd_kafka_t *rk,
                      struct err *e)
{
    struct kafka_oauth_trouble trouble = {.hint = ""};
    struct kafka_token token = {.value = NULL};
    struct tls_options *tls = tls_options_new(&c->tls, base_dir);
    struct http_request rq;
    struct http_call call;
    int rc;

    http_call_init(&call, KAFKA_OAUTH_ANSWER_MAX);
    rc = kafka_oauth_request(c, &rq, e);
    if (rc == 0)
        rc = tls_options_get(tls, &rq, e);
    if (rc == 0 && !http_agent_call(agent, &call, &rq, NULL))
        rc = err_set(e, ERR_CANCELLED, "it was broken off");
    else if (rc == 0 && !kafka_oauth_answer(c, &call.re, &token, &trouble))
        rc = err_set(e, ERR_REMOTE, "sasl.oauth.token_url: %s%s%s; %s", trouble.cause, trouble.said[0] ? ": " : "",
                     trouble.said, trouble.hint);
    else if (rc == 0)
        rc = give(c, &token, clock_wall() + token.lifetime, rk, e);
    kafka_token_release(&token);
    http_call_release(&call);
    kafka_oauth_request_release(&rq);
    tls_options_free(&tls);
    return rc;
}
