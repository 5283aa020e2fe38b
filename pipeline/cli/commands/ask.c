#include "pipeline/cli/commands/ask.h"

#include "config/path.h"
#include "pipeline/admin/token.h"
#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"
#include "pipeline/put/client.h"

#include <string.h>

static int ask(const struct put_client_conf *conf, long *status, struct buf *reply, struct err *e)
{
    struct put_client *c;
    int rc;

    if (put_client_open(&c, conf, e) < 0)
        return -1;
    rc = put_client_send(c, SLICE(""), clock_wall(), status, reply, e);
    put_client_close(&c);
    return rc < 0 ? err_wrap(e, "the sluice that runs with this configuration is not reached") : 0;
}

/* Where it is, as the settings say. */
static int ask_there(const struct settings *s, struct put_client_conf *conf, long *status, struct buf *reply,
                     struct err *e)
{
    char *endpoint, *cert_file = NULL;
    int rc;

    conf->endpoint = endpoint = put_endpoint_of(s->http_listen, &s->admin_tls);
    if (s->admin_tls.cert_file)
        conf->cert_file = cert_file = path_below(s->base_dir, s->admin_tls.cert_file);
    rc = ask(conf, status, reply, e);
    mem_free(endpoint);
    mem_free(cert_file);
    return rc;
}

int cli_ask_until(const struct settings *s, const char *path, int stop_fd, long *status, struct buf *reply,
                  struct err *e)
{
    struct put_client_conf conf = {.path = path, .bearer = s->admin_token, .stop_fd = stop_fd};
    char token[ADMIN_TOKEN_TEXT];
    int rc;

    if (!s->http_listen)
        return err_set(e, ERR_CONFIG, "%s: `admin.listen` is none: there is nobody to ask; send SIGHUP", s->path);
    if (!s->admin_token) {
        if (admin_token_read(s->data_dir, token, e) < 0)
            return -1;
        conf.bearer = token;
    }
    rc = ask_there(s, &conf, status, reply, e);
    explicit_bzero(token, sizeof(token));
    return rc;
}

int cli_ask(const struct settings *s, const char *path, long *status, struct buf *reply, struct err *e)
{
    return cli_ask_until(s, path, 0, status, reply, e);
}

int cli_ask_page(const struct settings *s, const char *path, int stop_fd, long *status, struct buf *reply,
                 struct err *e)
{
    struct put_client_conf conf = {.path = path, .reads = true, .stop_fd = stop_fd};

    if (!s->http_listen)
        return err_set(e, ERR_CONFIG, "%s: `admin.listen` is none: there is nobody to ask", s->path);
    return ask_there(s, &conf, status, reply, e);
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
    const char *config;
};

const struct cli_option cli_ask_options[] = {
    CLI_OPTION_CONFIG(struct ask_args, config),
    {.name = NULL},
};

int cli_ask_run(const struct cli_command *c, int argc, char **argv, int (*run)(const struct settings *s))
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
    rc = run(s);
    settings_free(&s);
    return rc;
}

int cli_ask_stream_run(const struct cli_command *c, int argc, char **argv,
                       int (*run)(const struct cli_command *c, const struct settings *s, const char *stream))
{
    struct ask_args args = {.config = NULL};
    struct settings *s;
    int first, rc = cli_read_options(c, argc, argv, &args, &first);

    if (rc != 0)
        return rc;
    if (argc - first != 1)
        return cli_usage_error(c, "it needs the name of one stream");
    if (!settings_is_stream_name(argv[first])) /* it becomes a part of a path */
        return cli_usage_error(c, "`%s` is no name of a stream", argv[first]);
    s = cli_load_settings(args.config, &(struct settings_use){.admin = true});
    if (!s)
        return CLI_USAGE;
    rc = run(c, s, argv[first]);
    settings_free(&s);
    return rc;
}
