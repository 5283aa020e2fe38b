#include "pipeline/inputs/kafka/probe.h"

#include "pipeline/inputs/kafka/client.h"
#include "pipeline/inputs/kafka/token.h"

#include <stdio.h>
#include <string.h>

/* The last thing that went wrong: what a question that is not answered has come to. */
struct trouble {
    rd_kafka_resp_err_t err;
    char said[256];
};

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct trouble *t = opaque;

    (void)rk;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && t->err)
        return;
    t->err = (rd_kafka_resp_err_t)code;
    snprintf(t->said, sizeof(t->said), "%s", reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text;
}

static int refuse(const struct kafka_conf *c, struct err *e, const char *what, rd_kafka_resp_err_t err,
                  const char *said)
{
    const char *hint = kafka_login_hint(c, err);

    return err_set(e, ERR_REMOTE, "%s: %s; %s", what, said, hint ? hint : "look at the brokers and at their log");
}

/* In short steps, since only between two of them is it known what goes wrong. */
static int ask(rd_kafka_t *rk, const struct kafka_conf *c, struct trouble *t, nsec until, struct err *e)
{
    const struct rd_kafka_metadata *md = NULL;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int rc = 0;

    while (err && clock_mono() < until && t->err != RD_KAFKA_RESP_ERR__AUTHENTICATION &&
           t->err != RD_KAFKA_RESP_ERR__SSL) {
        err = rd_kafka_metadata(rk, 1, NULL, &md, 500);
        while (rd_kafka_poll(rk, 0) > 0)
            ;
    }
    if (err)
        return refuse(c, e, c->brokers.v[0], t->err ? t->err : err, t->err ? t->said : rd_kafka_err2str(err));
    for (size_t i = 0; i < c->topics.n && rc == 0; i++)
        if (c->topics.v[i][0] != '^' && !kafka_has_topic(md, c->topics.v[i], &err))
            rc = refuse(c, e, c->topics.v[i], err, rd_kafka_err2str(err));
    rd_kafka_metadata_destroy(md);
    return rc;
}

int kafka_probe(const void *conf, const struct input_probe *p, struct err *e)
{
    const struct kafka_conf *c = conf;
    struct trouble t = {.err = RD_KAFKA_RESP_ERR_NO_ERROR};
    rd_kafka_conf_t *client;
    rd_kafka_t *rk;
    char why[256];
    int rc;

    if (kafka_client_conf(c, p->base_dir, &client, e) < 0)
        return -1;
    rd_kafka_conf_set_opaque(client, &t);
    rd_kafka_conf_set_error_cb(client, on_error);
    rd_kafka_conf_set_log_cb(client, on_log);
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, client, why, sizeof(why));
    if (!rk) {
        rd_kafka_conf_destroy(client);
        return err_set(e, ERR_CONFIG, "%s", why);
    }
    rc = c->sasl.mechanism == KAFKA_SASL_OAUTH ? kafka_token_fetch(&c->sasl.oauth, p->base_dir, p->agent, rk, e) : 0;
    if (rc == 0)
        rc = ask(rk, c, &t, p->until, e);
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return rc;
}
