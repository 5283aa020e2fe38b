/* tap.c -- `sluice tap`: the records that pass by in a stream of the running sluice, as many as it shows.
 *
 * It asks four times a second for those behind the last one that it has. Nothing of a record reaches the terminal as it is: what is no text is
 * written as \xHH. */
#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/tap.h"
#include "pipeline/cli/commands/ask.h"
#include "pipeline/cli/commands/commands.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char tap_help[] =
    "usage: sluice tap STREAM [-c FILE] [--url URL] [--count N]\n"
    "\n"
    "Shows records of the stream as they pass by: `in`, as they come in; and where it has transforms, when\n"
    "a batch is made, `out` what was made of them, `dropped` or `failed`. A number says which record it is.\n"
    "At most 50 a second of each kind are shown, and how many others there were; of each the first KiB.\n"
    "What is no text is written as \\xHH. Ctrl-C ends it.\n";

static const char tap_help_end[] =
    "FILE says where sluice is reached: in its data_dir, or by admin.listen; and the token in data_dir, or "
    "admin.token.\n"
    "admin.records says whether it shows records.\n"
    "exit status: 0 ended by Ctrl-C or --count, 1 refused, or not reached, 2 usage or configuration\n";

struct tap_args {
    const char *config, *url;
    uint64_t count; /* 0: without end */
};

static int read_count(const char *text, void *options)
{
    struct tap_args *args = options;
    char *end;

    args->count = *text >= '1' && *text <= '9' ? strtoull(text, &end, 10) : 0;
    if (args->count > 0 && !*end)
        return CLI_DONE;
    return cli_usage_error(&cli_tap, "--count wants a number from 1 on, not `%s`", text);
}

static const struct cli_option tap_options[] = {
    CLI_OPTION_CONFIG(struct tap_args, config),
    CLI_OPTION_URL(struct tap_args, url),
    {.name = "count",
     .letter = 'n',
     .kind = CLI_CUSTOM,
     .value = "N",
     .help = "end after so many lines",
     .read = read_count},
    {.name = NULL},
};

struct watch {
    const char *path; /* without `after` */
    uint64_t after, left, shown, skipped;
    bool ends;
};

/* --- an answer -------------------------------------------------------------------------------------------------------- */

static uint64_t number(struct json_reader *r)
{
    struct slice digits = SLICE("");
    char text[24];

    if (!json_number(r, &digits) || digits.n >= sizeof(text))
        return 0;
    memcpy(text, digits.p, digits.n);
    text[digits.n] = '\0';
    return strtoull(text, NULL, 10);
}

/* One text of a record: {"bytes":N,"text":"..."}, or "base64"; null. */
static void read_text(struct json_reader *r, struct buf *out)
{
    struct json_string key, s;
    uint64_t whole = 0;
    struct buf bytes;

    if (json_peek(r) != JSON_OBJECT) {
        (void)json_skip(r);
        return;
    }
    buf_init(&bytes, 8 * TAP_TEXT);
    (void)json_enter(r);
    while (json_member(r, &key)) {
        bool base64 = json_string_is(key, "base64");

        if (json_string_is(key, "bytes")) {
            whole = number(r);
        } else if (!json_string(r, &s)) {
            break;
        } else if (!base64) {
            (void)!json_unescape(s, &bytes);
        } else if (s.raw.n <= base64_encoded_length(TAP_TEXT)) {
            char decoded[TAP_TEXT + 64];
            long n = base64_decode(s.raw, decoded);

            (void)!buf_add(&bytes, decoded, n > 0 ? (size_t)n : 0);
        }
    }
    (void)!tap_visible(buf_slice(&bytes), out);
    if (bytes.n < whole)
        (void)!buf_printf(out, " ... of %" PRIu64 " bytes", whole);
    buf_release(&bytes);
}

static void read_record(struct json_reader *r, struct watch *w, struct buf *line)
{
    uint64_t record = 0, skipped = 0;
    struct buf before, after;
    char what[16] = "", by[SPOOL_READER_NAME_MAX + 2] = "";
    struct json_string key, s;

    buf_init(&before, 8 * TAP_TEXT);
    buf_init(&after, 8 * TAP_TEXT);
    while (json_member(r, &key)) {
        if (json_string_is(key, "record"))
            record = number(r);
        else if (json_string_is(key, "skipped"))
            skipped = number(r);
        else if (json_string_is(key, "before"))
            read_text(r, &before);
        else if (json_string_is(key, "after"))
            read_text(r, &after);
        else if (json_string_is(key, "what") && json_string(r, &s))
            snprintf(what, sizeof(what), "%.*s", (int)s.raw.n, s.raw.p);
        else if (json_string_is(key, "destination") && json_string(r, &s))
            snprintf(by, sizeof(by), ":%.*s", (int)s.raw.n, s.raw.p);
        else
            (void)json_skip(r);
    }
    w->skipped += skipped;
    if (skipped)
        (void)!buf_printf(line, "%" PRIu64 " more\n", skipped);
    (void)!buf_printf(line, "%" PRIu64 " %s%s ", record, what, by);
    (void)!buf_add_slice(line, strcmp(what, "in") == 0 ? buf_slice(&before) : buf_slice(&after));
    (void)!buf_add_char(line, '\n');
    buf_release(&before);
    buf_release(&after);
}

/* False: it is none. */
static bool show(struct watch *w, struct slice reply)
{
    struct json_string key;
    struct json_reader r;
    struct buf line;

    buf_init(&line, 64 * TAP_TEXT);
    json_open(&r, reply, 8);
    (void)json_enter(&r);
    while (json_member(&r, &key)) {
        if (json_string_is(key, "next")) {
            w->after = number(&r);
        } else if (json_string_is(key, "records") && json_enter(&r)) {
            while (json_element(&r) && json_enter(&r)) {
                buf_clear(&line);
                read_record(&r, w, &line);
                if (w->ends)
                    continue;
                fputs(buf_cstr(&line), stdout);
                w->shown++;
                w->ends = w->left > 0 && --w->left == 0;
            }
        } else {
            (void)json_skip(&r);
        }
    }
    buf_release(&line);
    return json_end(&r);
}

/* --- the command ------------------------------------------------------------------------------------------------------ */

static int ask_signal(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool is_over(struct watch *w, int signals)
{
    struct pollfd fd = {.fd = signals, .events = POLLIN};

    if (fflush(stdout) != 0 || ferror(stdout)) /* who read it has gone */
        return true;
    return w->ends || poll(&fd, 1, TAP_EVERY_MS) > 0;
}

static int watch(const struct ask_whom *whom, struct watch *w, int signals)
{
    struct pollfd over = {.fd = signals, .events = POLLIN};
    struct buf reply, text;
    struct err e;
    int rc = CLI_DONE;
    long status;

    buf_init(&reply, ADMIN_ANSWER_MAX + KIB);
    buf_init(&text, ADMIN_ANSWER_MAX);
    do {
        char *path = mem_printf("%s?after=%" PRIu64, w->path, w->after);
        int asked = cli_ask_until(whom, path, signals, &status, &reply, &e);

        mem_free(path);
        if (asked < 0 && poll(&over, 1, 0) > 0)
            break;
        if (asked < 0 || status != 200 || !show(w, buf_slice(&reply))) {
            rc = CLI_FAILED;
            if (asked < 0)
                fprintf(stderr, "sluice tap: %s\n", e.msg);
            else
                fprintf(stderr, "sluice tap: %s\n",
                        cli_read_message(buf_slice(&reply), &text) ? buf_cstr(&text) : buf_cstr(&reply));
        }
    } while (rc == CLI_DONE && !is_over(w, signals));
    buf_release(&reply);
    buf_release(&text);
    if (rc == CLI_DONE)
        fprintf(stderr, "%" PRIu64 " shown, %" PRIu64 " not shown\n", w->shown, w->skipped);
    return rc;
}

static int tap_main(int argc, char **argv)
{
    struct tap_args args = {.config = NULL};
    struct watch w = {.path = NULL};
    struct settings *s;
    char *path;
    int first, signals, rc = cli_read_options(&cli_tap, argc, argv, &args, &first);

    if (rc != 0)
        return rc;
    if (argc - first != 1 || !settings_is_label(argv[first]))
        return cli_usage_error(&cli_tap, "it needs the name of one stream");
    s = cli_load_settings(args.config, &(struct settings_use){.admin = true});
    if (!s)
        return CLI_USAGE;
    signals = ask_signal();
    w.left = args.count;
    w.path = path = mem_printf("/api/streams/%s/records", argv[first]);
    rc = watch(&(struct ask_whom){s, args.url}, &w, signals);
    if (signals >= 0)
        close(signals);
    mem_free(path);
    settings_free(&s);
    return rc;
}

const struct cli_command cli_tap = {
    .name = "tap",
    .summary = "records of a stream as they pass by",
    .help = tap_help,
    .help_end = tap_help_end,
    .options = tap_options,
    .column = 22,
    .run = tap_main,
};
