#include "pipeline/cli/cli.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/plural.h"

#include <stdarg.h>
#include <stdio.h>

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

static void print_mistakes(const struct cfg_errors *errs)
{
    const char *file = cfg_errors_file(errs);
    size_t count = cfg_errors_count(errs);
    struct buf text;

    buf_init(&text, MIB);
    cfg_errors_print(errs, &text);
    fputs(buf_cstr(&text), stderr);
    buf_release(&text);
    if (file)
        fprintf(stderr, "%s: %zu mistake%s; nothing was started\n", file, count, noun_s(count));
}

struct settings *cli_load_settings(const char *path, const struct settings_use *use)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s = settings_load(path, use, errs);

    if (!s)
        print_mistakes(errs);
    cfg_errors_free(&errs);
    return s;
}
