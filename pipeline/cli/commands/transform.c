/* transform.c -- `sluice transform`: a stream's transforms as a filter, for trying things. */
#include "config/suggest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/encode/transform_instances.h"
#include "pipeline/put/lines.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char transform_help[] =
    "usage: sluice transform [-c FILE] [--stream NAME] [--keys] < RECORDS\n"
    "\n"
    "Sends each line of standard input through the stream's transforms. What comes out goes to standard output, one\n"
    "record a line; what is dropped or fails is told on standard error with its line. Nothing is stored or delivered,\n"
    "and the stream may run meanwhile: a script with a memory (`single`) has one of its own here.\n";

static const char transform_help_end[] =
    "A batch ends when it is as large as the stream's `buffer.size`, and at the end of the input; there a script that\n"
    "holds records back hands them over.\n"
    "\n"
    "exit status: 0 done, 1 records failed, 2 usage or configuration, also a script that does not load\n";

struct filter {
    struct transform_out out;
    const char *config, *stream;
    bool keys;
    uint64_t failed;
};

static const struct cli_option transform_options[] = {
    CLI_OPTION_CONFIG(struct filter, config),
    {"stream", 's', CLI_TEXT, "NAME",
     "which stream, or STREAM:DESTINATION where it has several of these; needed when there are\n"
     "several",
     .offset = offsetof(struct filter, stream)},
    {"keys", 'k', CLI_FLAG, NULL, "tell the partition keys of each record on standard error",
     .offset = offsetof(struct filter, keys)},
    {.name = NULL},
};

static struct filter *filter_of(struct transform_out *o)
{
    return CONTAINER_OF(o, struct filter, out);
}

/* --- outcomes --- */

static int on_emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                   const struct transform_key *keys, size_t key_count)
{
    fwrite(data.p, 1, data.n, stdout);
    putchar('\n');
    if (!filter_of(o)->keys || key_count == 0)
        return 0;
    fprintf(stderr, "line %" PRIu64 ": keys:", from->seq);
    for (size_t i = 0; i < key_count; i++)
        fprintf(stderr, " %.*s=%.*s", (int)keys[i].name.n, keys[i].name.p, (int)keys[i].value.n, keys[i].value.p);
    fputc('\n', stderr);
    return 0;
}

static void on_drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)o;
    fprintf(stderr, "line %" PRIu64 ": dropped%s%.*s\n", from->seq, reason.n ? ": " : "", (int)reason.n, reason.p);
}

static int on_fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                   struct slice shown)
{
    (void)shown;
    filter_of(o)->failed++;
    fprintf(stderr, "line %" PRIu64 ": failed: %s: %.*s\n", from->seq, code, (int)message.n, message.p);
    return 0;
}

static void on_kept(struct transform_out *o, const struct transform_record *from)
{
    (void)o;
    fprintf(stderr, "line %" PRIu64 ": held\n", from->seq);
}

static void on_log(struct transform_out *o, int level, struct slice text)
{
    (void)o, (void)level;
    fprintf(stderr, "log: %.*s\n", (int)text.n, text.p);
}

/* --- records --- */

static int end_batch(struct filter *f, struct chain_state *state, bool is_last, struct err *e)
{
    return chain_finish(state, is_last, &f->out, e) < 0 ? -1 : chain_end(state, &f->out, e);
}

static int run_lines(struct filter *f, const struct stream_settings *st, struct chain_state *state, struct err *e)
{
    struct put_lines lines;
    struct slice line;
    enum put_line got = PUT_LINE_END;
    uint64_t bytes = 0;
    int rc = chain_begin(state, e);

    put_lines_init(&lines, STDIN_FILENO);
    while (rc == 0 && (got = put_lines_next(&lines, -1, &line, e)) != PUT_LINE_END) {
        if (got == PUT_LINE_FAILED) {
            rc = -1;
        } else if (got == PUT_LINE_LONG) {
            f->failed++;
            fprintf(stderr, "line %" PRIu64 ": failed: over 1,024,000 bytes\n", lines.number);
        } else {
            struct transform_record r = {
                .data = line, .origin = SLICE("input=stdin"), .seq = lines.number, .arrival = clock_wall()};

            rc = chain_run(state, &r, 1, &f->out, e);
            bytes += line.n;
            if (rc == 0 && bytes >= st->buffer_size) {
                bytes = 0;
                rc = end_batch(f, state, false, e) < 0 ? -1 : chain_begin(state, e);
            }
        }
    }
    put_lines_release(&lines);
    return rc < 0 ? -1 : end_batch(f, state, true, e);
}

static int run_stream(struct filter *f, const struct settings *s, const struct stream_settings *st)
{
    struct transform_instances *line = NULL;
    struct chain_state *state;
    struct err e;
    char text[sizeof(e.msg) + sizeof(e.file) + 32];
    int rc = -1;

    if (st->transform_count == 0) {
        fprintf(stderr, "sluice transform: %s: stream `%s` has no `transform`\n", s->path, settings_label(st));
        return CLI_USAGE;
    }
    if (transform_instances_open(&line, st, s->base_dir, &e) == 0 &&
        (state = transform_instances_only_state(line, NULL, &e)))
        rc = run_lines(f, st, state, &e);
    if (rc < 0)
        fprintf(stderr, "sluice transform: %s\n", err_text(&e, text, sizeof(text)));

    transform_instances_close(&line);
    return rc < 0 || f->failed ? CLI_FAILED : CLI_DONE;
}

/* NULL: said why. */
static const struct stream_settings *find_outlet(const struct settings *s, const struct stream_settings *st,
                                                 const char *name)
{
    struct suggest known;
    char hint[600];

    if (!name && settings_outlet_count(st) == 1)
        return st;
    if (name && settings_outlet_named(st, name))
        return settings_outlet_named(st, name);
    suggest_init(&known, name ? name : "");
    for (size_t i = 0; i < settings_outlet_count(st); i++)
        suggest_add(&known, settings_outlet_name(settings_outlet(st, i)));
    suggest_hint(&known, hint, sizeof(hint));
    if (name)
        fprintf(stderr, "sluice transform: %s: stream `%s` has no destination `%s`; %s\n", s->path, st->name, name,
                hint);
    else
        fprintf(stderr, "sluice transform: %s: stream `%s` has %zu destinations; say which with --stream %s:NAME; %s\n",
                s->path, st->name, settings_outlet_count(st), st->name, hint);
    return NULL;
}

/* NULL: said why. */
static const struct stream_settings *find_stream(const struct settings *s, const char *name, const char *outlet)
{
    const struct stream_settings *st = name ? settings_stream(s, name) : s->stream_count == 1 ? &s->streams[0] : NULL;

    if (st)
        return find_outlet(s, st, outlet);
    if (name)
        (void)cli_no_stream(&cli_transform, s, name);
    else
        fprintf(stderr, "sluice transform: %s has %zu streams; say which with --stream NAME\n", s->path,
                s->stream_count);
    return NULL;
}

static int transform_main(int argc, char **argv)
{
    struct filter f = {.out = {.emit = on_emit, .drop = on_drop, .fail = on_fail, .kept = on_kept, .log = on_log}};
    const struct stream_settings *st;
    const char *colon;
    struct settings *s;
    char *stream;
    int first, rc = cli_read_options(&cli_transform, argc, argv, &f, &first);

    if (rc != 0)
        return rc;
    if (first < argc)
        return cli_usage_error(&cli_transform, "unexpected argument `%s`; records come from standard input",
                               argv[first]);
    colon = f.stream ? strchr(f.stream, ':') : NULL;
    stream = f.stream ? mem_strndup(f.stream, colon ? (size_t)(colon - f.stream) : strlen(f.stream)) : NULL;
    s = cli_load_settings(f.config, &(struct settings_use){.transforms = true, .stream = stream});
    rc = CLI_USAGE;
    if (s && (st = find_stream(s, stream, colon ? colon + 1 : NULL)))
        rc = run_stream(&f, s, st);
    settings_free(&s);
    mem_free(stream);
    return rc;
}

const struct cli_command cli_transform = {
    .name = "transform",
    .summary = "lines through a stream's transforms, for trying things",
    .help = transform_help,
    .help_end = transform_help_end,
    .options = transform_options,
    .column = 22,
    .run = transform_main,
};
