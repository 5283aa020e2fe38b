/* What all commands share: the options of a command are read, and printed as its help, from one table;
 * getopt_long() does the reading, so short forms, `--name=value` and abbreviations work as everywhere. */
#include "pipeline/cli/cli.h"

#include "config/suggest.h"
#include "config/units.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/human.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTIONS_MAX = 16, /* of a command */
    LONG_VALUE = 256, /* with the row's number: what getopt_long() answers for a long option; above all letters */
};

const struct cli_command *cli_command_named(const struct cli_command *const *all, const char *name)
{
    while (*all && strcmp((*all)->name, name) != 0)
        all++;
    return *all;
}

/* --- help --------------------------------------------------------------------------------------------------------- */

static void print_option(const struct cli_option *o, int column)
{
    int width = o->letter ? printf("  -%c, --%s", o->letter, o->name) : printf("      --%s", o->name);

    if (o->value)
        width += printf(" %s", o->value);
    printf("%*s", width + 2 > column ? 2 : column - width, "");
    for (const char *line = o->help; line;) {
        const char *end = strchr(line, '\n');

        printf("%.*s\n", end ? (int)(end - line) : (int)strlen(line), line);
        if (end)
            printf("%*s", column, "");
        line = end ? end + 1 : NULL;
    }
}

void cli_print_help(const struct cli_command *c)
{
    fputs(c->help, stdout);
    for (const struct cli_option *o = c->options; o && o->name; o++) {
        if (o == c->options)
            putchar('\n');
        print_option(o, c->column);
    }
    if (c->help_end)
        printf("\n%s", c->help_end);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

/* The table as getopt_long() wants it. */
static void to_getopt(const struct cli_option *rows, struct option *longs, char *letters)
{
    int n = 0;

    for (; rows[n].name; n++) {
        int has_value = rows[n].kind == CLI_FLAG ? no_argument : required_argument;

        assert(n < OPTIONS_MAX);
        longs[n] = (struct option){rows[n].name, has_value, NULL, LONG_VALUE + n};
        if (rows[n].letter) {
            *letters++ = rows[n].letter;
            if (has_value == required_argument)
                *letters++ = ':';
        }
    }
    longs[n] = (struct option){NULL, 0, NULL, 0};
    *letters = '\0';
}

/* NULL: there is no such option, or its value is missing. */
static const struct cli_option *row_of(const struct cli_option *rows, int answer)
{
    if (answer >= LONG_VALUE)
        return &rows[answer - LONG_VALUE];
    for (; rows->name; rows++)
        if (rows->letter == answer)
            return rows;
    return NULL;
}

static int store(const struct cli_command *c, const struct cli_option *o, const char *text, void *options)
{
    char *field = (char *)options + o->offset;
    struct err e;

    switch (o->kind) {
    case CLI_TEXT:
        *(const char **)(void *)field = text;
        return 0;
    case CLI_FLAG:
        *(bool *)(void *)field = true;
        return 0;
    case CLI_DURATION:
    case CLI_TIMEOUT:
        if (units_duration(text, (nsec *)(void *)field, &e) < 0)
            return cli_usage_error(c, "--%s: %s", o->name, e.msg);
        if (o->kind == CLI_TIMEOUT && *(nsec *)(void *)field == 0)
            return cli_usage_error(c, "--%s wants more than nothing, such as 10m", o->name);
        return 0;

    case CLI_CUSTOM:
        break;
    }
    return o->read(text, options);
}

int cli_read_options(const struct cli_command *c, int argc, char **argv, void *options, int *first)
{
    struct option longs[OPTIONS_MAX + 1];
    char letters[2 * OPTIONS_MAX + 1];
    int answer, rc = 0;

    to_getopt(c->options, longs, letters);
    opterr = 0;
    optind = 1;
    while (rc == 0 && (answer = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
        const struct cli_option *o = row_of(c->options, answer);

        rc = o ? store(c, o, optarg, options)
               : cli_usage_error(c, "unknown or incomplete option `%s`", argv[optind - 1]);
    }
    *first = optind;
    return rc;
}

/* --- messages and settings ---------------------------------------------------------------------------------------- */

int cli_usage_error(const struct cli_command *c, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "sluice %s: ", c->name);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "; see `sluice %s --help`\n", c->name);
    return CLI_USAGE;
}

void cli_print_found(const struct cfg_errors *found)
{
    struct buf text;

    buf_init(&text, MIB);
    cfg_errors_print(found, &text);
    fflush(stdout);
    fputs(buf_cstr(&text), stderr);
    buf_release(&text);
}

struct settings *cli_load_settings(const char *path, const struct settings_use *use)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s = settings_load(path, use, errs);

    if (!s) {
        size_t count = cfg_errors_count(errs);

        cli_print_found(errs);
        if (cfg_errors_file(errs))
            fprintf(stderr, "%s: %zu mistake%s; nothing was started\n", cfg_errors_file(errs), count, noun_s(count));
    }
    cfg_errors_free(&errs);
    return s;
}

int cli_no_stream(const struct cli_command *c, const struct settings *s, const char *name)
{
    struct suggest w;
    char hint[600];

    suggest_init(&w, name);
    for (size_t i = 0; i < s->stream_count; i++)
        suggest_add(&w, s->streams[i].name);
    fprintf(stderr, "sluice %s: %s has no stream `%s`; %s\n", c->name, s->path, name,
            suggest_hint(&w, hint, sizeof(hint)));
    return CLI_USAGE;
}
