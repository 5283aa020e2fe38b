/* man.c -- `sluice man`: the manual pages, from the tables that print the help and the reference. */
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/cli/roff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char man_help[] =
    "usage: sluice man [PAGE] | man -l -\n"
    "       sluice man --to FOLDER\n"
    "\n"
    "Prints a manual page for man(1): that of a command, `sluice.yaml` for the configuration, or, without a name,\n"
    "that of the program.\n";

struct man {
    const char *folder;
};

static const struct cli_option man_options[] = {
    {"to", 0, CLI_TEXT, "FOLDER", "write all pages into FOLDER, each under its name, such as sluice-run.1",
     .offset = offsetof(struct man, folder)},
    {.name = NULL},
};

static const char YAML[] = "sluice.yaml";

static const char FILES[] = "/etc/sluice/sluice.yaml is the configuration when neither -c nor ./sluice.yaml is there.\n"
                            "\n"
                            "What waits to be delivered, and how far files were read, is below the `data_dir` of the "
                            "configuration; the packaged\n"
                            "configuration has it in /var/lib/sluice.\n";

static int add_program(struct buf *out, const struct cli_command *const *all)
{
    const struct cli_command *c;
    int rc = roff_begin(out, "sluice", 1, "take records in, keep them safe, deliver them in batches");

    if (rc == 0)
        rc = buf_add_str(out, ".SH SYNOPSIS\n.EX\nsluice COMMAND [OPTIONS]\nsluice COMMAND \\-\\-help\nsluice "
                              "\\-\\-version\n.EE\n.SH COMMANDS\n");
    for (size_t i = 0; rc == 0 && (c = all[i]); i++)
        rc = buf_printf(out, ".TP\n.BR sluice\\-%s (1)\n%s\n", c->name, c->summary);
    if (rc < 0 || buf_add_str(out, ".SH FILES\n") < 0 || roff_text(out, FILES) < 0)
        return -1;
    return buf_add_str(out, ".SH EXIT STATUS\n0 done, 1 failed while working, 2 usage or configuration\n"
                            ".SH SEE ALSO\n.BR sluice.yaml (5)\n");
}

static int add_configuration(struct buf *out)
{
    struct buf manual;
    int rc;

    buf_init(&manual, MIB);
    settings_reference(&manual);
    rc = roff_begin(out, YAML, 5, "configuration of sluice(1)") < 0 || roff_markdown(out, buf_cstr(&manual)) < 0
             ? -1
             : buf_add_str(out, ".SH SEE ALSO\n.BR sluice (1),\n.BR sluice\\-validate (1)\n");
    buf_release(&manual);
    return rc;
}

static int add_command(struct buf *out, const struct cli_command *c)
{
    char name[64];

    snprintf(name, sizeof(name), "sluice-%s", c->name);
    if (roff_begin(out, name, 1, c->summary) < 0 || roff_command(out, c) < 0)
        return -1;
    return buf_add_str(out, ".SH SEE ALSO\n.BR sluice (1),\n.BR sluice.yaml (5)\n");
}

/* NULL: the program's. False: there is none. */
static bool add_page(struct buf *out, const struct cli_command *const *all, const char *name)
{
    const struct cli_command *c = name ? cli_command_named(all, name) : NULL;
    int rc;

    if (name && !c && strcmp(name, YAML) != 0)
        return false;
    rc = c ? add_command(out, c) : name ? add_configuration(out) : add_program(out, all);
    return rc == 0;
}

static int write_page(const struct cli_command *const *all, const char *folder, const char *name, const char *page)
{
    char *path = mem_printf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), rc = CLI_DONE;
    struct buf out;

    buf_init(&out, MIB);
    if (fd < 0 || !add_page(&out, all, page) || io_write_all(fd, buf_slice(&out)) < 0) {
        fprintf(stderr, "sluice man: %s cannot be written: %s\n", path, strerror(errno));
        rc = CLI_FAILED;
    }
    if (fd >= 0)
        close(fd);
    buf_release(&out);
    mem_free(path);
    return rc;
}

static int write_all(const struct cli_command *const *all, const char *folder)
{
    int rc = write_page(all, folder, "sluice.1", NULL);
    const struct cli_command *c;

    if (rc == CLI_DONE)
        rc = write_page(all, folder, "sluice.yaml.5", YAML);
    for (size_t i = 0; rc == CLI_DONE && (c = all[i]); i++) {
        char name[64];

        snprintf(name, sizeof(name), "sluice-%s.1", c->name);
        rc = write_page(all, folder, name, c->name);
    }
    return rc;
}

static int man_main(const struct cli_command *const *all, int argc, char **argv)
{
    struct man m = {.folder = NULL};
    int first, rc = cli_read_options(&cli_man, argc, argv, &m, &first);
    struct buf out;

    if (rc != 0)
        return rc;
    if (argc - first > (m.folder ? 0 : 1))
        return cli_usage_error(&cli_man, "unexpected argument `%s`", argv[argc - 1]);
    if (m.folder)
        return write_all(all, m.folder);
    buf_init(&out, MIB);
    if (add_page(&out, all, first < argc ? argv[first] : NULL))
        fwrite(out.p, 1, out.n, stdout);
    else
        rc = cli_usage_error(&cli_man, "there is no page `%s`", argv[first]);
    buf_release(&out);
    return rc;
}

const struct cli_command cli_man = {
    .name = "man",
    .summary = "print a manual page",
    .help = man_help,
    .options = man_options,
    .column = 22,
    .run_of_all = man_main,
};
