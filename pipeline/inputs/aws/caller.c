#include "pipeline/inputs/aws/caller.h"

#include "pipeline/base/limits.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_REGION "us-east-1"

int aws_caller_open(struct aws_caller *a, const struct aws_caller_conf *conf, struct err *e)
{
    *a = (struct aws_caller){.conf = *conf};
    a->conf.address = NULL;
    pthread_mutex_init(&a->lock, NULL);
    a->tls = tls_options_new(conf->tls, conf->base_dir);
    if (http_url_parse(&a->address, "its address", conf->address, e) < 0 ||
        credentials_new(&a->credentials, conf->keys, e) < 0 || http_agent_use(conf->agent, e) < 0) {
        aws_caller_close(a);
        return -1;
    }
    if (conf->region && *conf->region)
        snprintf(a->region, sizeof(a->region), "%s", conf->region);
    else if (!credentials_region(a->credentials, a->region, sizeof(a->region)))
        snprintf(a->region, sizeof(a->region), "%s", DEFAULT_REGION);
    return 0;
}

void aws_caller_close(struct aws_caller *a)
{
    http_url_release(&a->address);
    credentials_free(&a->credentials);
    tls_options_free(&a->tls);
    pthread_mutex_destroy(&a->lock);
}

/* --- a call -------------------------------------------------------------------------------------------------------- */

void aws_call_init(struct aws_call *c, struct aws_caller *a)
{
    *c = (struct aws_call){.caller = a};
    buf_init(&c->answer, a->conf.answer_max);
}

void aws_call_release(struct aws_call *c)
{
    if (c->caller)
        aws_call_forget(c);
    buf_release(&c->answer);
}

void aws_call_forget(struct aws_call *c)
{
    if (c->held)
        budget_give(c->caller->conf.budget, c->held);
    c->held = 0;
    buf_clear(&c->answer);
    buf_trim(&c->answer, AWS_CALL_ANSWER_KEEP);
}

/* False: there is no room for it. */
static bool keep_answer(struct aws_call *c, struct slice body)
{
    const struct aws_caller_conf *conf = &c->caller->conf;
    size_t bytes = conf->answer_factor * body.n;

    if (conf->budget && bytes > 0 && !budget_take(conf->budget, bytes))
        return false;
    c->held = conf->budget ? bytes : 0;
    return buf_add_slice(&c->answer, body) == 0;
}

static void judge(struct aws_call *c, const struct http_response *re)
{
    struct slice tag = http_response_header(re, "ETag");

    c->tag[0] = '\0';
    if (c->caller->conf.service) {
        aws_json_judge(re, &c->error);
        return;
    }
    s3_judge(re, &c->error);
    if (tag.n > 0 && tag.n < sizeof(c->tag))
        snprintf(c->tag, sizeof(c->tag), "%.*s", (int)tag.n, tag.p);
}

/* On the agent's thread. */
static void call_done(struct http_ask *ask, const struct http_response *re)
{
    struct aws_call *c = CONTAINER_OF(ask, struct aws_call, ask);
    struct aws_caller *a = c->caller;

    c->answered = re != NULL;
    if (re) {
        judge(c, re);
        if (!http_date(http_response_header(re, "Date"), &c->served))
            c->served = 0;
        c->too_large =
            re->no_room || (c->error.trouble == AWS_FINE && (re->body_truncated || !keep_answer(c, re->body)));
        if (c->too_large && !re->no_room) {
            c->error.trouble = AWS_UNREACHED;
            snprintf(c->error.said, sizeof(c->error.said),
                     "the answer, of %zu bytes or more, is larger than there is room for", re->body.n);
        }
    }
    pthread_mutex_lock(&a->lock); /* behind it call, thread and caller may be gone */
    c->over = true;
    input_thread_wake(a->thread);
    pthread_mutex_unlock(&a->lock);
}

/* One of both. */
struct asked {
    struct slice text;
    const struct s3_ask *object;
    nsec timeout;
    bool late;
};

static int make_request(struct aws_call *c, const struct asked *x, struct err *e)
{
    struct aws_caller *a = c->caller;
    struct aws_keys keys;
    nsec now = clock_wall();
    int rc = credentials_poll(a->credentials, now, &keys, e);

    if (rc != 0)
        return rc;
    c->began = now;
    c->request = (struct http_request){
        .proxy = a->conf.proxy, .timeout = x->timeout, .late_answer = x->late, .response_max = a->conf.answer_max};
    rc = x->object ? s3_request(&c->request, x->object, &keys, now, e)
                   : aws_json_request(&c->request, a->conf.service, c->operation, &a->address, a->region, x->text,
                                      &keys, now, e);
    if (rc == 0)
        rc = tls_options_poll(a->tls, now, &c->request, e);
    if (rc != 0)
        http_request_release(&c->request);
    aws_keys_wipe(&keys);
    return rc;
}

/* --- what is told -------------------------------------------------------------------------------------------------- */

void aws_caller_connection(const struct aws_caller *a, struct connection *c)
{
    const struct connection_conf conf = {.stream = a->conf.stream,
                                         .input = a->conf.input,
                                         .source = a->conf.source,
                                         .health = a->conf.health,
                                         .failed_text = "a call to the source failed, and is tried again",
                                         .works_text = "calls to the source work again"};

    connection_init(c, &conf);
}

static void failed(const struct aws_call *c, struct connection *t, const char *cause, const char *said,
                   const char *hint, nsec now)
{
    const struct connection_trouble trouble = {.doing = c->operation, .cause = cause, .said = said, .hint = hint};

    connection_failed(t, &trouble, now);
}

const char *aws_caller_hint(const struct aws_caller_conf *conf, const struct aws_json_error *x)
{
    const char *code = x->code, *hint = NULL;

    switch (x->trouble) {
    case AWS_UNREACHED:
        return "is the address right, and can this machine reach it?";
    case AWS_BUSY:
        return "the service is busy; nothing needs to be done unless it lasts";
    case AWS_KEYS_EXPIRED:
        return "the keys have expired, and new ones are asked for; if this goes on, look where they come from";
    case AWS_CLOCK:
        return "the clock of this machine is wrong: set it (chronyd, systemd-timesyncd)";
    case AWS_FINE:
    case AWS_REFUSED:
        break;
    }
    if (strstr(code, "Signature") || strstr(code, "InvalidClientTokenId") || strstr(code, "UnrecognizedClient") ||
        strstr(code, "InvalidAccessKeyId"))
        return "the keys are wrong, or not of this account: look where they come from, and at the region";
    if (conf->hint)
        hint = conf->hint(code);
    return hint ? hint : "what the service says tells more";
}

static const char *hint_of(const struct aws_call *c)
{
    const struct aws_caller_conf *conf = &c->caller->conf;

    if (!c->too_large)
        return aws_caller_hint(conf, &c->error);
    return conf->too_large_hint ? conf->too_large_hint
                                : "less is asked for at once; if this goes on, raise limits.memory";
}

void aws_call_failed(const struct aws_call *c, struct connection *t, nsec now)
{
    const struct aws_json_error *x = &c->error;

    failed(c, t, x->code[0] ? x->code : x->said, x->code[0] ? x->said : "", hint_of(c), now);
    if (x->trouble == AWS_KEYS_EXPIRED && t->failures == 1 &&
        credentials_refused(c->caller->credentials, c->began, clock_wall()))
        t->again = now + AWS_CALL_AGAIN;
}

void aws_call_malformed(const struct aws_call *c, struct connection *t, const struct err *e, nsec now)
{
    failed(c, t, e->msg, "", "is the address that of this service?", now);
}

/* --- begin and end ------------------------------------------------------------------------------------------------- */

static bool begin(struct aws_call *c, const char *operation, const struct asked *x, struct connection *t, nsec now)
{
    struct err e = {.msg = ""};
    int rc;

    c->operation = operation;
    rc = make_request(c, x, &e);
    if (rc != 0) {
        if (rc < 0)
            failed(c, t, e.msg, "", "see docs/credentials.md, and the option `tls`", now);
        else
            t->again = now + AWS_CALL_AGAIN;
        return false;
    }
    c->under_way = true;
    c->answered = c->too_large = false;
    c->over = false; /* nobody else knows of it yet */
    buf_clear(&c->answer);
    c->ask.request = &c->request;
    c->ask.body = NULL;
    c->ask.done = call_done;
    http_agent_send(c->caller->conf.agent, &c->ask);
    return true;
}

bool aws_call_begin(struct aws_call *c, const char *operation, struct slice text, nsec timeout, bool late,
                    struct connection *t, nsec now)
{
    const struct asked x = {.text = text, .timeout = timeout, .late = late};

    return begin(c, operation, &x, t, now);
}

bool aws_call_begin_object(struct aws_call *c, const struct s3_ask *o, nsec timeout, struct connection *t, nsec now)
{
    const struct asked x = {.object = o, .timeout = timeout};

    return begin(c, o->put ? "PutObject" : "GetObject", &x, t, now);
}

bool aws_call_ended(struct aws_call *c)
{
    bool over;

    if (!c->under_way)
        return false;
    pthread_mutex_lock(&c->caller->lock);
    over = c->over;
    pthread_mutex_unlock(&c->caller->lock);
    if (!over)
        return false;
    c->under_way = false;
    http_request_release(&c->request);
    return true;
}

void aws_call_cancel(struct aws_call *c)
{
    if (c->under_way)
        http_agent_cancel(c->caller->conf.agent, &c->ask);
}
