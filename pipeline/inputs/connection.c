#include "pipeline/inputs/connection.h"

#include "pipeline/base/backoff.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/log.h"

#include <stdio.h>
#include <string.h>

#define FAILED_TEXT "the connection to the source failed, and is tried again"
#define WORKS_TEXT  "the connection to the source works again"

void connection_init(struct connection *c, const struct connection_conf *conf)
{
    *c = (struct connection){.conf = *conf};
    input_health_connects(conf->health);
}

void connection_release(struct connection *c)
{
    input_health_disconnects(c->conf.health, c->failing);
    c->conf.health = NULL;
    c->failing = false;
}

bool connection_is_due(const struct connection *c, nsec mono_now)
{
    return mono_now >= c->again;
}

static void tell(struct connection *c, const struct connection_trouble *t)
{
    const char *said = t->said ? t->said : "";

    if (strncmp(c->shown, t->cause, sizeof(c->shown) - 1) == 0)
        return;
    snprintf(c->shown, sizeof(c->shown), "%s", t->cause);
    log_warn(c->conf.failed_text ? c->conf.failed_text : FAILED_TEXT, KS("stream", c->conf.stream),
             KS("input", c->conf.input), KS("source", c->conf.source), KS("call", t->doing), KS("cause", t->cause),
             KS("said", said), KS("hint", t->hint));
}

void connection_failed(struct connection *c, const struct connection_trouble *t, nsec now)
{
    char words[INPUT_ERROR_MAX];

    if (!c->failing && now - c->since >= c->conf.holds)
        c->failures = 0;
    if (c->failures == 0 || now >= c->again)
        c->again = now + backoff_wait(++c->failures, random_bits());
    snprintf(words, sizeof(words), "%s: %s%s%s", t->doing, t->cause, t->said && t->said[0] ? ": " : "",
             t->said ? t->said : "");
    input_health_fails(c->conf.health, !c->failing, words, t->hint, now);
    c->failing = true;
    tell(c, t);
}

void connection_works(struct connection *c, nsec now)
{
    if (c->failing || c->since == 0)
        c->since = now;
    if (c->shown[0])
        log_info(c->conf.works_text ? c->conf.works_text : WORKS_TEXT, KS("stream", c->conf.stream),
                 KS("input", c->conf.input), KS("source", c->conf.source));
    input_health_works(c->conf.health, c->failing, now);
    c->failing = false;
    c->shown[0] = '\0';
    if (c->conf.holds == 0)
        c->failures = 0;
    c->again = 0;
}
