/* Each exchange borrows a slot: an easy handle with its response buffers. Slots are kept for reuse (connections live in
 * the multi handle and are shared by all), so a steady stream of objects costs no set-up.
 *
 * Names are resolved before curl gets the request, and curl is told the addresses: left to itself it makes a thread for
 * each request, and waits for it when the request ends before it (resolver.h). */
#include "pipeline/http/transport/transport.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/transport/resolver.h"
#include "pipeline/http/transport/slot.h"
#include "pipeline/http/transport/waker.h"
#include "pipeline/http/trust/system_trust.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What lay unread in a connection when it was closed: an answer, when the other side did not wait for the request's end. */
struct last_words {
    unsigned port; /* ours */
    size_t n;
    char p[TRANSPORT_LAST_WORDS_BYTES];
};

struct transport {
    CURLM *multi;
    struct waker waker;
    size_t buffers_left; /* bytes that upload buffers may have beyond the usual size */
    LIST_HEAD(, exchange_slot) idle;
    size_t idle_count;
    LIST_HEAD(, exchange_slot) failed;    /* reported by the next transport_run() */
    LIST_HEAD(, exchange_slot) resolving; /* in no order */

    struct resolver *resolver;
    struct system_trust *trust; /* for its news */
    atomic_bool names_changed;
    struct last_words heard[TRANSPORT_LAST_WORDS_KEPT]; /* the latest, in turn */
    unsigned heard_next;
};

static void slot_give(struct transport *t, struct exchange_slot *s)
{
    t->buffers_left += s->more_buffer;
    slot_clear(s);
    if (!s->easy || t->idle_count >= TRANSPORT_IDLE_SLOTS_MAX) {
        slot_free(s);
        return;
    }
    LIST_INSERT_HEAD(&t->idle, s, link);
    t->idle_count++;
}

/* The resolver's thread. */
static void on_names_changed(void *ctx)
{
    struct transport *t = ctx;

    atomic_store(&t->names_changed, true);
    transport_wake(t);
}

static unsigned port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t size = sizeof(a);

    if (getsockname(fd, &a.any, &size) < 0)
        return 0;
    return a.any.sa_family == AF_INET ? ntohs(a.v4.sin_port) : a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : 0;
}

/* curl closes a connection. It stops reading with the first write that fails. */
static int on_close(void *arg, curl_socket_t fd)
{
    struct transport *t = arg;
    struct last_words *w = &t->heard[t->heard_next % TRANSPORT_LAST_WORDS_KEPT];
    ssize_t n = recv(fd, w->p, sizeof(w->p), MSG_DONTWAIT);

    w->n = n > 0 ? (size_t)n : 0;
    w->port = n > 0 ? port_of(fd) : 0;
    t->heard_next += n > 0;
    return close(fd);
}

static void hear_last_words(struct transport *t, struct exchange_slot *s)
{
    long port = 0;

    curl_easy_getinfo(s->easy, CURLINFO_LOCAL_PORT, &port);
    for (size_t i = 0; port > 0 && i < TRANSPORT_LAST_WORDS_KEPT; i++) {
        if (t->heard[i].port != (unsigned)port)
            continue;
        slot_hear(s, slice_of(t->heard[i].p, t->heard[i].n));
        t->heard[i].port = 0;
    }
}

int transport_new(struct transport **out, struct err *e)
{
    struct resolver_conf names = {.look_up = resolver_look_up, .changed = on_names_changed};
    struct transport *t;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_IO, "libcurl cannot be initialised");
    t = mem_alloc(sizeof(*t));
    t->multi = curl_multi_init();
    if (!t->multi) {
        mem_free(t);
        return err_set(e, ERR_NOMEM, "libcurl cannot make a multi handle");
    }
    names.ctx = t;
    t->resolver = resolver_new(&names);
    t->trust = system_trust_keep();
    t->buffers_left = TRANSPORT_UPLOAD_BUFFERS_BYTES;
    *out = t;
    if (waker_open(&t->waker, e) == 0)
        return 0;
    transport_free(out);
    return -1;
}

void transport_free(struct transport **tp)
{
    struct transport *t = *tp;

    if (!t)
        return;
    while (!LIST_EMPTY(&t->idle)) {
        struct exchange_slot *s = LIST_FIRST(&t->idle);

        LIST_REMOVE(s, link);
        slot_free(s);
    }
    resolver_free(&t->resolver); /* its threads call nobody any more */
    curl_multi_cleanup(t->multi);
    waker_close(&t->waker);
    system_trust_leave(&t->trust);
    mem_free(t);
    *tp = NULL;
}

static void fail(struct transport *t, struct exchange_slot *s, enum http_failure failure)
{
    s->failure = failure;
    s->step = SLOT_FAILED;
    LIST_INSERT_HEAD(&t->failed, s, link);
}

static void fail_for_memory(struct transport *t, struct exchange_slot *s)
{
    snprintf(s->error, sizeof(s->error), "there is no memory or no descriptor for another request");
    fail(t, s, HTTP_LOCAL);
}

static void hand_to_curl(struct transport *t, struct exchange_slot *s)
{
    curl_easy_setopt(s->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(s->easy, CURLOPT_CLOSESOCKETDATA, t);
    if (curl_multi_add_handle(t->multi, s->easy) == CURLM_OK)
        s->step = SLOT_RUNNING;
    else
        fail_for_memory(t, s);
}

static void tell_trust(struct transport *t)
{
    struct err why;

    switch (system_trust_news(t->trust, &why)) {
    case TRUST_NO_NEWS:
        break;
    case TRUST_STALE:
        log_warn("the system's certificate authorities cannot be read again; those that were read before serve on",
                 KE("cause", &why));
        break;
    case TRUST_FRESH:
        log_info("the system's certificate authorities can be read again", KS("hint", "nothing else is to be done"));
        break;
    }
}

void transport_start(struct transport *t, struct exchange *x)
{
    struct exchange_slot *s = LIST_FIRST(&t->idle);
    bool ready;

    assert(!x->slot);
    if (s) {
        LIST_REMOVE(s, link);
        t->idle_count--;
    } else {
        s = slot_new();
    }

    if (x->request->system)
        tell_trust(t);
    x->slot = s;
    ready = slot_set_up(s, x, t->buffers_left);
    t->buffers_left -= s->more_buffer;
    if (!ready) {
        fail_for_memory(t, s);
    } else if (s->host) {
        s->resolve_until = clock_mono() + CONNECT_TIMEOUT_MS * NSEC_PER_MSEC;
        s->step = SLOT_RESOLVING;
        LIST_INSERT_HEAD(&t->resolving, s, link);
        atomic_store(&t->names_changed, true); /* the name may be known */
    } else {
        hand_to_curl(t, s);
    }
}

void transport_cancel(struct transport *t, struct exchange *x)
{
    struct exchange_slot *s = x->slot;

    if (!s)
        return;
    if (s->step == SLOT_RUNNING)
        curl_multi_remove_handle(t->multi, s->easy);
    else
        LIST_REMOVE(s, link);

    x->slot = NULL;
    slot_give(t, s);
}

/* The bytes stay where they are. */
static void keep(struct exchange *x, struct exchange_slot *s)
{
    exchange_forget(x);
    x->kept_headers = s->response_headers;
    x->kept_body = s->response_body;
    buf_init(&s->response_headers, x->kept_headers.max);
    buf_init(&s->response_body, 0);
}

void exchange_forget(struct exchange *x)
{
    buf_release(&x->kept_headers);
    buf_release(&x->kept_body);
}

static void finish(struct transport *t, struct exchange_slot *s, CURLcode code)
{
    struct exchange *x = s->x;
    struct http_response re = {.endpoint = x->request->endpoint, .wall_now = clock_wall()};
    curl_off_t took = 0;

    if (code == CURLE_SEND_ERROR && !s->head_complete)
        hear_last_words(t, s);
    re.failure = slot_ending(s, code, &re.status, &re.failure_text);
    if (s->host && (re.failure == HTTP_CONNECT || re.failure == HTTP_PROXY_DOWN))
        resolver_doubt(t->resolver, s->host);
    curl_easy_getinfo(s->easy, CURLINFO_TOTAL_TIME_T, &took);
    re.latency = took * NSEC_PER_USEC;
    re.headers = buf_slice(&s->response_headers);
    re.body = buf_slice(&s->response_body);
    re.body_truncated = s->truncated;
    re.no_room = s->no_room;
    if (x->keeps && re.body.n > ANSWER_SMALL_MAX)
        keep(x, s);
    x->slot = NULL;
    x->done(x, &re);
    slot_give(t, s);
}

static void fail_unresolved(struct transport *t, struct exchange_slot *s, const char *why)
{
    bool proxy = s->proxy.url[0] != '\0';

    snprintf(s->error, sizeof(s->error), "Could not resolve host: %s (%s)", s->host, why);
    slot_name_proxy(s);
    fail(t, s, proxy ? HTTP_PROXY_DOWN : HTTP_DNS);
}

/* One that has its addresses now goes on; one that gets none, or waits too long, has failed. False: it waits. */
static bool go_on(struct transport *t, struct exchange_slot *s, nsec now)
{
    const char *text;
    enum resolver_state state = resolver_find(t->resolver, s->host, now, &text);

    if (state == RESOLVER_ASKING && now < s->resolve_until)
        return false;
    LIST_REMOVE(s, link);

    if (state == RESOLVER_ASKING)
        fail_unresolved(t, s, "the resolver does not answer");
    else if (state == RESOLVER_FAILED)
        fail_unresolved(t, s, text);
    else if (slot_set_addresses(s, text))
        hand_to_curl(t, s);
    else
        fail_for_memory(t, s);
    return true;
}

/* Returns when the first of those that wait has waited enough. */
static nsec run_resolving(struct transport *t)
{
    bool changed = atomic_exchange(&t->names_changed, false);
    struct exchange_slot *s, *behind;
    nsec now = clock_mono(), next = NSEC_NEVER;

    for (s = LIST_FIRST(&t->resolving); s; s = behind) {
        behind = LIST_NEXT(s, link);
        if (!((changed || now >= s->resolve_until) && go_on(t, s, now)))
            next = s->resolve_until < next ? s->resolve_until : next;
    }
    return next;
}

/* For the network, a wake or until then. */
static void wait_for_news(struct transport *t, nsec mono_until)
{
    struct curl_waitfd wake = {.fd = t->waker.fd, .events = CURL_WAIT_POLLIN};
    nsec wait = mono_until == NSEC_NEVER ? 60 * NSEC_PER_SEC : mono_until - clock_mono();

    wait = (wait + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    if (wait > 0 && waker_may_sleep(&t->waker) && curl_multi_poll(t->multi, &wake, 1, (int)wait, NULL) != CURLM_OK)
        poll(NULL, 0, TRANSPORT_POLL_FAILED_MS); /* no memory for it: not in circles, either */
    waker_is_awake(&t->waker, wake.revents != 0);
}

/* False: nothing has ended. */
static bool finish_ended(struct transport *t)
{
    bool any = !LIST_EMPTY(&t->failed);
    CURLMsg *m;
    int left;

    while (
        !LIST_EMPTY(&t->failed)) { /* done() may start others and cancel those that have failed: begun anew each time */
        struct exchange_slot *s = LIST_FIRST(&t->failed);
        struct exchange *x = s->x;
        struct http_response re = {.failure = s->failure,
                                   .failure_text = s->error,
                                   .endpoint = x->request->endpoint,
                                   .wall_now = clock_wall()};

        LIST_REMOVE(s, link);
        x->slot = NULL;
        x->done(x, &re);
        slot_give(t, s);
    }

    while ((m = curl_multi_info_read(t->multi, &left))) {
        struct exchange_slot *s;
        CURLcode code = m->data.result;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
        curl_multi_remove_handle(t->multi, s->easy);
        finish(t, s, code);
        any = true;
    }
    return any;
}

void transport_run(struct transport *t, nsec mono_until)
{
    nsec resolve_until = run_resolving(t);
    int running;

    curl_multi_perform(t->multi, &running);
    if (finish_ended(t)) /* a done() may have set a timer before mono_until, or started another */
        waker_is_awake(&t->waker, false);
    else
        wait_for_news(t, mono_until < resolve_until ? mono_until : resolve_until);
}

void transport_wake(struct transport *t)
{
    waker_wake(&t->waker);
}
