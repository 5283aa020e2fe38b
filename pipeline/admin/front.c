/* The server has one thread (http/server/server.h), which nothing may keep: an action that may take long has another one. The server bounds connections and their time, so that clients who only hold a
 * connection cannot keep an operator out. Each page is rendered as a whole from one snapshot, then sent. */
#include "pipeline/admin/front.h"

#include "pipeline/admin/api.h"
#include "pipeline/admin/console.h"
#include "pipeline/admin/page.h"
#include "pipeline/admin/post.h"
#include "pipeline/admin/records.h"
#include "pipeline/admin/text.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/http/server/server.h"

#include <assert.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { FRONT_MAGIC = 0xad317 };

struct admin_front {
    unsigned magic;
    struct engine *engine;
    struct http_server *server;
    struct http_route *route;
    struct cfg_strings hosts; /* a copy: the configuration may be gone before */
    struct http_names names;
    struct buf policy; /* Content-Security-Policy of the console */
    struct post_office office;
    struct records_desk desk;
    struct http_access *access; /* NULL: everybody may read */
    struct log_limit access_log;
    struct admin_action own[2];
    char *fresh_token; /* data_dir, where a token was made that has not got its place yet; NULL: none was */
    pthread_t leaving;
    bool leaves;        /* that thread is there */
    bool clients_known; /* by their certificates */
    atomic_bool hurries, gone;
};

struct reply {
    unsigned status;
    const char *asks; /* of 401: how something is to be shown */
    const char *type, *policy;
    const char *allow;    /* of 405 */
    const char *location; /* of 303 */
    struct buf body;
    bool close;
};

static const char PLAIN[] = "text/plain; charset=utf-8";
static const char METRICS[] = "text/plain; version=0.0.4; charset=utf-8";
static const char JSON[] = "application/json";
static const char HTML[] = "text/html; charset=utf-8";
static const char NOTHING[] = "default-src 'none'; frame-ancestors 'none'";

/* --- the pages -----------------------------------------------------------------------------------------------------
 */

/* One line; it is short and fits. */
static void say(struct reply *re, unsigned status, const char *text)
{
    buf_clear(&re->body);
    re->status = buf_printf(&re->body, "%s\n", text) < 0 ? MHD_HTTP_INTERNAL_SERVER_ERROR : status;
    re->type = PLAIN;
}

/* What was asked for: the path, and what stands behind it. */
struct ask {
    struct admin_front *f;
    bool in_short; /* it has shown nothing, and may know only how it goes */
    char *name;    /* of the stream in the path; NULL: it has none */
    struct listing_query query;
};

static int show_console(const struct ask *ask, struct reply *re)
{
    re->type = HTML;
    re->policy = buf_cstr(&ask->f->policy);
    return admin_console(ask->f->engine, clock_wall(), &ask->query, &re->body);
}

static int show_metrics(const struct ask *ask, struct reply *re)
{
    re->type = METRICS;
    return admin_metrics(ask->f->engine, clock_wall(), &re->body);
}

static int show_ready(const struct ask *ask, struct reply *re)
{
    bool ready = false;
    int rc = admin_ready(ask->f->engine, clock_wall(), ask->in_short, &re->body, &ready);

    re->status = ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    return rc;
}

static int show_healthy(const struct ask *ask, struct reply *re)
{
    (void)ask;
    return buf_add_str(&re->body, "ok\n");
}

static int show_api_status(const struct ask *ask, struct reply *re)
{
    re->type = JSON;
    return admin_api_status(ask->f->engine, clock_wall(), &re->body);
}

static int show_text(const struct ask *ask, struct reply *re)
{
    return admin_text(ask->f->engine, clock_wall(), &ask->query, &re->body);
}

static int show_api_streams(const struct ask *ask, struct reply *re)
{
    re->type = JSON;
    return admin_api_streams(ask->f->engine, clock_wall(), &ask->query, &re->body);
}

static int of_a_stream(const struct ask *ask, struct reply *re,
                       int (*show)(struct engine *engine, nsec wall_now, const char *name, struct buf *out,
                                   bool *found))
{
    bool found;
    int rc = show(ask->f->engine, clock_wall(), ask->name, &re->body, &found);

    if (rc == 0 && !found)
        say(re, MHD_HTTP_NOT_FOUND, "there is no stream of this name; a reload may have removed it");
    return rc;
}

static int show_stream(const struct ask *ask, struct reply *re)
{
    re->type = HTML;
    re->policy = buf_cstr(&ask->f->policy);
    return of_a_stream(ask, re, admin_stream_page);
}

static int show_api_stream(const struct ask *ask, struct reply *re)
{
    re->type = JSON;
    return of_a_stream(ask, re, admin_api_stream);
}

static int show_api_history(const struct ask *ask, struct reply *re)
{
    re->type = JSON;
    return of_a_stream(ask, re, admin_api_history);
}

static const struct {
    const char *path;
    int (*show)(const struct ask *ask, struct reply *re);
    bool open; /* who shows nothing has it as well, in short */
} PAGES[] = {
    {"/", show_console, false},
    {"/streams/{stream}", show_stream, false},
    {"/metrics", show_metrics, false},
    {"/healthz", show_healthy, true},
    {"/readyz", show_ready, true},
    {"/api/status", show_api_status, false},
    {"/api/status.txt", show_text, false},
    {"/api/streams", show_api_streams, false},
    {"/api/streams/{stream}", show_api_stream, false},
    {"/api/streams/{stream}/history", show_api_history, false},
};

/* *name: of the stream in it, a copy. */
static int page_of(const char *path, char **name)
{
    for (size_t i = 0; i < ARRAY_LEN(PAGES); i++)
        if (admin_path_fits(PAGES[i].path, path, name))
            return (int)i;
    return -1;
}

static bool is_page(const char *path)
{
    char *name = NULL;
    bool is = page_of(path, &name) >= 0;

    mem_free(name);
    return is;
}

static bool is_action(const struct admin_front *f, const char *path)
{
    char *name;
    bool is = post_find(&f->office, path, &name);

    mem_free(name);
    return is;
}

static void not_so(const struct admin_front *f, const char *path, struct reply *re)
{
    if (!is_page(path) && is_action(f, path)) {
        re->allow = "POST";
        say(re, MHD_HTTP_METHOD_NOT_ALLOWED, "this is asked for by POST");
    } else {
        re->allow = "GET, HEAD";
        say(re, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD: this can be read, and not changed");
    }
}

static const char *argument(struct MHD_Connection *c, const char *name)
{
    return MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);
}

static struct listing_query query_of(struct MHD_Connection *c)
{
    return (struct listing_query){.search = argument(c, "search"),
                                  .health = argument(c, "health"),
                                  .sort = argument(c, "sort"),
                                  .page = argument(c, "page"),
                                  .limit = argument(c, "limit")};
}

/* Who may change something may read. */
static enum http_access_answer may_read(const struct admin_front *f, struct MHD_Connection *c)
{
    const char *authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    enum http_access_answer answer = http_access_ask(f->access, authorization, NULL);

    return answer == HTTP_ACCESS_WRONG && post_is_token(&f->office, authorization) ? HTTP_ACCESS_YES : answer;
}

/* A browser asks its user for a name and a password; one that shows nothing at first is no news. */
static void turn_away(struct admin_front *f, const char *from, enum http_access_answer answer, struct reply *re)
{
    say(re, MHD_HTTP_UNAUTHORIZED, http_access_why(answer));
    re->asks = "Basic realm=\"sluice\", charset=\"UTF-8\"";
    if (answer == HTTP_ACCESS_WRONG && log_due(&f->access_log, clock_mono(), ADMIN_REFUSED_EVERY))
        log_warn("the admin pages were not shown, as the token, or the name and the password, is wrong",
                 KS("client", from), KU("suppressed", f->access_log.suppressed),
                 KS("hint", "compare what it shows with admin.tokens and admin.users; others who know the address may "
                            "try"));
}

static void show(struct admin_front *f, struct http_exchange *x, const char *path, struct reply *re)
{
    enum http_access_answer may = may_read(f, x->connection);
    struct ask ask = {.f = f, .in_short = may != HTTP_ACCESS_YES, .query = query_of(x->connection)};
    int page = page_of(path, &ask.name);

    if (ask.in_short && (page < 0 || !PAGES[page].open))
        turn_away(f, x->from, may, re);
    else if (page < 0 && is_action(f, path))
        not_so(f, path, re);
    else if (page < 0)
        say(re, MHD_HTTP_NOT_FOUND, "no such page; there are / /metrics /healthz /readyz /api/status /api/streams");
    else if (PAGES[page].show(&ask, re) < 0)
        say(re, MHD_HTTP_INTERNAL_SERVER_ERROR, "the page is larger than 64 MiB");
    mem_free(ask.name);
}

/* --- the server ----------------------------------------------------------------------------------------------------
 */

static enum MHD_Result send_reply(struct MHD_Connection *c, const struct reply *re)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(re->body.n, re->body.p, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc;

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", re->type);
    MHD_add_response_header(r, "Content-Security-Policy", re->policy);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "X-Frame-Options", "DENY");
    MHD_add_response_header(r, "Referrer-Policy",
                            "same-origin"); /* with none, a browser sends the forms of the pages with `Origin: null` */
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (re->allow)
        MHD_add_response_header(r, "Allow", re->allow);
    if (re->location)
        MHD_add_response_header(r, "Location", re->location);
    if (re->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(r, "WWW-Authenticate", re->asks ? re->asks : "Bearer realm=\"sluice\"");
    if (re->close)
        MHD_add_response_header(r, "Connection", "close");
    rc = MHD_queue_response(c, re->status, r);
    MHD_destroy_response(r);
    return rc;
}

static bool is_read(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* What follows a request whose end is in doubt is not looked at: the connection is closed. */
static enum MHD_Result on_refuse(struct http_exchange *x, unsigned status, const char *why)
{
    struct reply re = {.status = status, .type = PLAIN, .policy = NOTHING, .close = true};
    enum MHD_Result rc;

    buf_init(&re.body, KIB);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        why = "sluice is stopping, or a reload has just given its admin server another address, or token: ask again";
    say(&re, status, why);
    rc = send_reply(x->connection, &re);
    buf_release(&re.body);
    return rc;
}

static struct reply reply_to(struct http_exchange *x)
{
    struct reply re = {.status = MHD_HTTP_OK, .type = PLAIN, .policy = NOTHING};

    http_exchange_await(x, ADMIN_READ_TIMEOUT);
    buf_init(&re.body, ADMIN_PAGE_MAX_BYTES);
    re.close = x->guard.codings > 0; /* in chunks: what follows its body is not looked at, see docs/listeners.md */
    return re;
}

static enum MHD_Result finish(struct http_exchange *x, struct reply *re)
{
    enum MHD_Result rc = send_reply(x->connection, re);

    buf_release(&re->body);
    return rc;
}

static enum MHD_Result answer(struct http_exchange *x, const struct http_asked *asked)
{
    struct reply re = reply_to(x);
    struct admin_front *f = x->ctx;
    const char *why;

    if (!http_guard_names(&x->guard, asked->method, &f->names, &why))
        say(&re, MHD_HTTP_FORBIDDEN, why);
    else if (!is_read(asked->method))
        not_so(f, asked->url, &re);
    else
        show(f, x, asked->url, &re);
    return finish(x, &re);
}

/* What an action has said: as it is, as JSON, or for a browser that sent a form. */
static enum MHD_Result answer_post(struct http_exchange *x, const struct http_asked *asked)
{
    const struct post *p = x->own;
    const struct admin_answer *said = post_answer(p);
    struct slice text = buf_slice(&said->text);
    struct reply re = reply_to(x);
    char *location = NULL;
    enum MHD_Result rc;

    re.status = said->status;
    if (said->as != ADMIN_ANSWER_WORDS) {
        re.type = said->as == ADMIN_ANSWER_JSON ? JSON : HTML;
        if (said->as == ADMIN_ANSWER_PAGE)
            re.policy = buf_cstr(&((struct admin_front *)x->ctx)->policy);
        if (buf_add_slice(&re.body, text) < 0)
            say(&re, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is larger than 64 MiB");
    } else if (post_is_form(p) && said->status < 300) {
        re.status = MHD_HTTP_SEE_OTHER;
        re.location = location = *post_stream(p) ? mem_printf("/streams/%s", post_stream(p)) : mem_strdup("/");
    } else if (!post_is_form(p) && strncmp(asked->url, "/api/", 5) == 0) {
        re.type = JSON;
        if (buf_add_str(&re.body, "{\"message\":") < 0 ||
            json_quote(slice_of(text.p, text.n - (text.n > 0)), &re.body) < 0 || buf_add_str(&re.body, "}\n") < 0)
            say(&re, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is larger than 64 MiB");
    } else if (buf_add_slice(&re.body, text) < 0) {
        say(&re, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is larger than 64 MiB");
    }
    rc = finish(x, &re);
    mem_free(location);
    return rc;
}

static enum MHD_Result begin_post(struct http_exchange *x, const struct http_asked *asked)
{
    struct admin_front *f = x->ctx;
    struct reply re;
    unsigned status;
    const char *why;

    if (http_guard_names(&x->guard, asked->method, &f->names, &why) && !is_page(asked->url)) {
        if (post_begin(&f->office, x, asked->url, &status, &why) == 0)
            return MHD_YES;
        re = reply_to(x);
        say(&re, status, why);
        return finish(x, &re);
    }
    return answer(x, asked);
}

/* Answering at once ends the connection: right for whoever wants to send something, wrong for a monitor that comes again
 * in ten seconds. */
static enum MHD_Result on_begin(struct http_exchange *x, const struct http_asked *asked)
{
    const struct admin_front *f = x->ctx;

    assert(f->magic == FRONT_MAGIC);
    if (strcmp(asked->method, "POST") == 0)
        return begin_post(x, asked);
    return is_read(asked->method) ? MHD_YES : answer(x, asked);
}

static enum MHD_Result on_more(struct http_exchange *x, const struct http_asked *asked, struct slice piece)
{
    if (x->own)
        return post_more(x->own, piece) ? answer_post(x, asked) : MHD_YES;
    return piece.n > 0 ? MHD_YES : answer(x, asked);
}

static const struct http_route_ops ROUTE = {.begin = on_begin, .more = on_more, .refuse = on_refuse, .over = post_over};

/* --- life ----------------------------------------------------------------------------------------------------------- */

static struct cfg_strings copy_of(const struct cfg_strings *list)
{
    struct cfg_strings copy = {.n = list ? list->n : 0};

    copy.v = mem_array(copy.n, sizeof(*copy.v));
    for (size_t i = 0; i < copy.n; i++)
        copy.v[i] = mem_strdup(list->v[i]);
    return copy;
}

/* These pages are wanted most when something is wrong: clients that only hold a connection make room for others. The next request of a
 * connection may come when it likes, within what the library waits for silent clients, but must then be quick. */
static int start_server(struct admin_front *f, const struct admin_conf *ac, const struct admin_front *before,
                        struct err *e)
{
    const struct http_server_conf conf = {
        .name = "admin",
        .listen = ac->listen,
        .tls = ac->tls,
        .base_dir = ac->base_dir,
        .threads = 1,
        .connections = ADMIN_CONNECTIONS,
        .make_room = true,
        .suspends = true, /* while an action runs */
        .beside = before ? before->server : NULL,
        .held = true,
        .first = ADMIN_ASK_SECONDS * NSEC_PER_SEC,
        .next = 2 * ADMIN_ASK_SECONDS * NSEC_PER_SEC,
        .silent = ADMIN_ASK_SECONDS * NSEC_PER_SEC,
    };
    const struct http_route_conf route = {.owner = "admin", .path = "/", .ops = &ROUTE, .ctx = f};
    const struct http_socket *at;

    if (http_server_open(&f->server, &conf, e) < 0)
        return -1;
    at = http_server_socket(f->server);
    f->hosts = copy_of(ac->hosts);
    http_names_init(&f->names, at->at.host, at->at.loopback, &f->hosts);
    f->desk = (struct records_desk){.engine = f->engine,
                                    .open = ac->records == ADMIN_RECORDS_ALWAYS ||
                                            (ac->records == ADMIN_RECORDS_LOOPBACK && at->at.loopback)};
    if (http_server_route(f->server, &route, &f->route, e) < 0 || http_server_start(f->server, e) < 0)
        return -1;
    return 0;
}

/* Without a token nobody can show one: pages are worth more than that. That of data_dir counts in any case: the commands know it, though
 * the configuration has another one by now. */
static void find_tokens(struct admin_front *f, const struct admin_conf *conf)
{
    struct post_office *po = &f->office;
    bool fresh = false;
    struct err e;

    if (conf->token)
        po->tokens[po->token_count++] = admin_token_of(slice_str(conf->token));
    if (!conf->data_dir)
        return;
    if (admin_token_keep(conf->data_dir, &po->tokens[po->token_count], &fresh, &e) == 0) {
        po->token_count++;
        f->fresh_token = fresh ? mem_strdup(conf->data_dir) : NULL;
    } else if (po->token_count == 0) {
        log_warn("the token for what is asked for by POST cannot be kept: all of that is refused in this run",
                 KE("cause", &e), KS("hint", "see to that file and start again, or set admin.token"));
    }
}

static void place_token(struct admin_front *f)
{
    struct err e;

    if (f->fresh_token && admin_token_place(f->fresh_token, &e) < 0)
        log_warn("the token that the commands show cannot be kept in data_dir", KE("cause", &e),
                 KS("hint", "see to that file and start again, or set admin.token"));
    MEM_CLEAR(f->fresh_token);
}

int admin_front_open(struct admin_front **out, const struct admin_conf *conf, const struct admin_front_env *env,
                     const struct admin_front *before, struct err *e)
{
    struct admin_front *f = mem_alloc(sizeof(*f));
    struct page policy = {.out = &f->policy};

    f->magic = FRONT_MAGIC;
    f->engine = env->engine;
    f->office.actions = env->actions;
    f->office.queue = env->queue;
    f->access = conf->access ? http_access_new(conf->access, NULL) : NULL;
    f->clients_known = conf->tls && conf->tls->client_ca_file;
    f->own[0] = (struct admin_action){.path = "/api/streams/{stream}/records",
                                      .run = records_as_json,
                                      .ctx = &f->desk,
                                      .quiet = true,
                                      .at_once = true};
    f->own[1] = (struct admin_action){
        .path = "/streams/{stream}/records", .run = records_as_page, .ctx = &f->desk, .quiet = true};
    f->office.own = (struct admin_actions){f->own, ARRAY_LEN(f->own)};
    buf_init(&f->policy, 4 * KIB);
    admin_console_policy(&policy);
    find_tokens(f, conf);
    if (start_server(f, conf, before, e) < 0) {
        admin_front_close(&f);
        return -1;
    }
    *out = f;
    return 0;
}

void admin_front_go(struct admin_front *f)
{
    const struct http_socket *at = http_server_socket(f->server);

    place_token(f);
    http_server_limit(f->server, ADMIN_CONNECTIONS);
    if (!at->at.loopback && !f->access && !f->clients_known)
        log_warn("the admin pages can be read by everybody who reaches this address", KS("address", at->address),
                 KS("hint", "set admin.tokens or admin.users, or let a firewall decide who may"));
}

/* Its connections may be suspended until the queue has had its turn: nothing may close them before. */
static void *leave(void *arg)
{
    struct admin_front *f = arg;

    pthread_setname_np(pthread_self(), "admin-ends");
    while (!http_route_idle(f->route, clock_mono() + ADMIN_LEAVE_TICK) && !atomic_load(&f->hurries))
        ;
    http_server_close(&f->server);
    atomic_store(&f->gone, true);
    return NULL;
}

void admin_front_leave(struct admin_front *f)
{
    struct err e;

    http_server_shut(f->server);
    http_route_shut(f->route);
    f->leaves = thread_start_quiet(&f->leaving, leave, f, 0, "a thread", &e) == 0; /* else it goes with the end */
}

bool admin_front_has_gone(const struct admin_front *f)
{
    return atomic_load(&f->gone);
}

void admin_front_close(struct admin_front **fp)
{
    struct admin_front *f = *fp;

    if (!f)
        return;
    atomic_store(&f->hurries, true);
    if (f->leaves)
        pthread_join(f->leaving, NULL);
    http_server_close(&f->server);
    http_access_free(&f->access);
    if (f->fresh_token)
        admin_token_drop(f->fresh_token);
    mem_free(f->fresh_token);
    for (size_t i = 0; i < f->hosts.n; i++)
        mem_free(f->hosts.v[i]);
    mem_free(f->hosts.v);
    buf_release(&f->policy);
    MEM_CLEAR(*fp);
}

const char *admin_front_address(const struct admin_front *f)
{
    return http_server_socket(f->server)->address;
}
