#include "pipeline/cli/commands/ask.h"

#include "config/path.h"
#include "pipeline/admin/token.h"
#include "pipeline/admin/whereabouts.h"
#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"
#include "pipeline/put/client.h"

#include <string.h>
#include <strings.h>

/* --- where ------------------------------------------------------------------------------------------------------------ */

/* One place after the other, until somebody answers. */
struct place {
    char *endpoint, *cert_file; /* cert_file NULL: verified as usual */
    char *key_file;             /* NULL: no certificate is to be shown */
};

static void release_places(struct place *p, size_t n)
{
    while (n-- > 0) {
        mem_free(p[n].endpoint);
        mem_free(p[n].cert_file);
        mem_free(p[n].key_file);
    }
}

/* `endpoint` is the place's. */
static struct place configured(const struct settings *s, char *endpoint)
{
    const struct server_tls_conf *tls = &s->admin_tls;

    return (struct place){.endpoint = endpoint,
                          .cert_file = tls->cert_file ? path_below(s->base_dir, tls->cert_file) : NULL,
                          .key_file = tls->client_ca_file ? path_below(s->base_dir, tls->key_file) : NULL};
}

static size_t find_places(const struct ask_whom *w, struct place list[2])
{
    const struct settings *s = w->settings;
    bool tls = s->admin_tls.cert_file != NULL;
    struct whereabouts at;
    size_t n = 0;

    if (w->url) {
        list[0] = configured(s, strstr(w->url, "://") ? mem_strdup(w->url) : put_endpoint_of(w->url, tls));
        return 1;
    }
    if (whereabouts_read(s->data_dir, &at)) {
        list[n++] = (struct place){put_endpoint_of(at.listen, at.cert_file != NULL), at.cert_file, at.key_file};
        mem_free(at.listen);
    }
    if (s->http_listen)
        list[n++] = configured(s, put_endpoint_of(s->http_listen, tls));
    if (n == 2 && list[0].endpoint && strcmp(list[0].endpoint, list[1].endpoint) == 0)
        release_places(&list[--n], 1);
    return n;
}

/* May the token of data_dir be shown there? It may change everything, so whoever answers at an address that was named gets it on this machine
 * alone, or over TLS, where he has proved to be who has our key. */
static bool is_ours(const struct ask_whom *w)
{
    struct place places[2];
    const char *endpoint;
    size_t n;
    bool is;

    if (!w->url)
        return true;
    n = find_places(w, places);
    endpoint = places[0].endpoint;
    is = endpoint && ((places[0].cert_file && strncasecmp(endpoint, "https:", strlen("https:")) == 0) ||
                      put_endpoint_is_loopback(endpoint));
    release_places(places, n);
    return is;
}

bool cli_ask_knows(const struct ask_whom *w)
{
    struct place places[2];
    size_t n = find_places(w, places);

    release_places(places, n);
    return n > 0;
}

/* --- asking ----------------------------------------------------------------------------------------------------------- */

static int ask(const struct put_client_conf *conf, long *status, struct buf *reply, struct err *e)
{
    struct put_client *c;
    int rc;

    if (put_client_open(&c, conf, e) < 0)
        return -1;
    rc = put_client_send(c, SLICE(""), clock_wall(), status, reply, e);
    put_client_close(&c);
    return rc;
}

static int ask_places(const struct ask_whom *w, struct put_client_conf *conf, long *status, struct buf *reply,
                      struct err *e)
{
    struct place places[2];
    size_t n = find_places(w, places);
    int rc = -1;

    if (n == 0)
        err_set(
            e, ERR_CONFIG,
            "%s: `admin.listen` is none, and no sluice says in its data_dir where it is: there is nobody to ask; send "
            "SIGHUP, or say where it is with --url",
            w->settings->path);
    for (size_t i = 0; i < n && rc < 0; i++) {
        conf->endpoint = places[i].endpoint;
        conf->cert_file = places[i].cert_file;
        conf->key_file = places[i].key_file;
        rc = conf->endpoint ? ask(conf, status, reply, e) : err_set(e, ERR_CONFIG, "--url `%s` is no address", w->url);
    }
    release_places(places, n);
    if (rc < 0 && n > 0)
        err_wrap(e, w->url
                        ? "no sluice is reached"
                        : "the sluice that runs with this configuration is not reached (--url says where else it is)");
    return rc;
}

/* What may be shown, one after the other while the answer is 401. The token of data_dir is right, whatever the configuration says by now. */
struct shown {
    char *v[3];
    size_t n;
};

static void find_shown(const struct ask_whom *w, bool reads, struct shown *out, struct err *e)
{
    const struct settings *s = w->settings;
    char token[ADMIN_TOKEN_TEXT];

    out->n = 0;
    if (!is_ours(w))
        err_set(
            e, ERR_CONFIG,
            "%s is neither a loopback address nor spoken to by TLS with `admin.tls.cert_file`, so it is not shown the "
            "token in data_dir",
            w->url);
    else if (admin_token_read(s->data_dir, token, e) == 0)
        out->v[out->n++] = mem_printf("Bearer %s", token);
    if (s->admin_token)
        out->v[out->n++] = mem_printf("Bearer %s", s->admin_token);
    if (reads && (s->admin_access.tokens.n > 0 || s->admin_access.users.n > 0))
        out->v[out->n++] = http_access_shown(&s->admin_access);
    explicit_bzero(token, sizeof(token));
}

static int ask_showing(const struct ask_whom *w, struct put_client_conf *conf, const struct shown *shown, long *status,
                       struct buf *reply, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; i < shown->n && rc == 0 && *status == 401; i++) {
        conf->authorization = shown->v[i];
        rc = ask_places(w, conf, status, reply, e);
    }
    return rc;
}

static void release_shown(struct shown *shown)
{
    while (shown->n > 0)
        mem_wipe(shown->v[--shown->n]);
}

int cli_ask_until(const struct ask_whom *w, const char *path, int stop_fd, long *status, struct buf *reply,
                  struct err *e)
{
    struct put_client_conf conf = {.path = path, .stop_fd = stop_fd};
    struct shown shown;
    int rc = -1;

    *status = 401;
    find_shown(w, false, &shown, e);
    if (shown.n > 0)
        rc = ask_showing(w, &conf, &shown, status, reply, e);
    else if (!cli_ask_knows(w)) /* what is wrong first */
        rc = ask_places(w, &conf, status, reply, e);
    else
        err_wrap(e,
                 "there is no token to show: `admin.token` is not set, and no sluice has left one for us in data_dir "
                 "(another data_dir takes a restart)");
    release_shown(&shown);
    return rc;
}

int cli_ask(const struct ask_whom *w, const char *path, long *status, struct buf *reply, struct err *e)
{
    return cli_ask_until(w, path, 0, status, reply, e);
}

/* The daemon may want something already, or still, though the configuration does not: so nothing is shown before it is wanted. */
int cli_ask_page(const struct ask_whom *w, const char *path, int stop_fd, long *status, struct buf *reply,
                 struct err *e)
{
    struct put_client_conf conf = {.path = path, .reads = true, .stop_fd = stop_fd};
    int rc = ask_places(w, &conf, status, reply, e);
    struct shown shown;
    struct err none;

    if (rc < 0 || *status != 401)
        return rc;
    find_shown(w, true, &shown, &none);
    rc = ask_showing(w, &conf, &shown, status, reply, e);
    release_shown(&shown);
    return rc;
}

bool cli_read_message(struct slice reply, struct buf *text)
{
    struct json_string key, s;
    struct json_reader r;

    json_open(&r, reply, 4);
    if (!json_enter(&r))
        return false;
    while (json_member(&r, &key))
        if (json_string_is(key, "message") && json_peek(&r) == JSON_STRING)
            return json_string(&r, &s) && json_unescape(s, text) == 0;
        else
            (void)json_skip(&r);
    return false;
}

/* --- a command that asks --------------------------------------------------------------------------------------------- */

struct ask_args {
    const char *config, *url;
};

const struct cli_option cli_ask_options[] = {
    CLI_OPTION_CONFIG(struct ask_args, config),
    CLI_OPTION_URL(struct ask_args, url),
    {.name = NULL},
};

int cli_ask_run(const struct cli_command *c, int argc, char **argv, int (*run)(const struct ask_whom *w))
{
    struct ask_args args = {.config = NULL};
    struct settings *s;
    int first, rc = cli_read_options(c, argc, argv, &args, &first);

    if (rc != 0)
        return rc;
    if (first < argc)
        return cli_usage_error(c, "unexpected argument `%s`; write -c FILE", argv[first]);
    s = cli_load_settings(args.config, &(struct settings_use){.admin = true});
    if (!s)
        return CLI_USAGE;
    rc = run(&(struct ask_whom){s, args.url});
    settings_free(&s);
    return rc;
}

int cli_ask_stream_run(const struct cli_command *c, int argc, char **argv,
                       int (*run)(const struct cli_command *c, const struct ask_whom *w, const char *stream))
{
    struct ask_args args = {.config = NULL};
    struct settings *s;
    int first, rc = cli_read_options(c, argc, argv, &args, &first);

    if (rc != 0)
        return rc;
    if (argc - first != 1)
        return cli_usage_error(c, "it needs the name of one stream");
    if (!settings_is_label(argv[first])) /* it becomes a part of a path */
        return cli_usage_error(c, "`%s` is no name of a stream", argv[first]);
    s = cli_load_settings(args.config, &(struct settings_use){.admin = true});
    if (!s)
        return CLI_USAGE;
    rc = run(c, &(struct ask_whom){s, args.url}, argv[first]);
    settings_free(&s);
    return rc;
}
