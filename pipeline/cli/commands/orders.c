/* orders.c -- `sluice pause`, `resume`, `flush` and `retry`: what an operator asks of one stream of the running sluice. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli/commands/ask.h"
#include "pipeline/cli/commands/commands.h"

#include <stdio.h>

static const char pause_help[] =
    "usage: sluice pause STREAM [-c FILE] [--url URL]\n"
    "\n"
    "The stream delivers nothing until it is resumed, or sluice starts again: what is under way ends,\n"
    "nothing else begins. It takes records as before, until its spool.limit is reached; then its inputs\n"
    "are pushed back. What it has stays in the spool; a stream with `durability: memory` delivers it at\n"
    "the end of sluice all the same, because it would be lost.\n";

static const char resume_help[] = "usage: sluice resume STREAM [-c FILE] [--url URL]\n"
                                  "\n"
                                  "The stream delivers again what `sluice pause` has held.\n";

static const char flush_help[] =
    "usage: sluice flush STREAM [-c FILE] [--url URL]\n"
    "\n"
    "What has come in so far is delivered now, before buffer.size or buffer.interval is reached; of a\n"
    "paused stream, when it is resumed.\n";

static const char retry_help[] =
    "usage: sluice retry STREAM [-c FILE] [--url URL]\n"
    "\n"
    "Deliveries that wait for their next attempt make it now, and their waits begin anew with the shortest.\n";

static const char orders_help_end[] =
    "STREAM:DESTINATION is one destination of a stream that has several (docs/destinations.md); STREAM is all of "
    "them.\n"
    "FILE says where sluice is reached: in its data_dir, or by admin.listen; and the token in data_dir, or "
    "admin.token.\n"
    "exit status: 0 done, or it was so before, 1 refused (the answer says why), or not reached, 2 usage or\n"
    "configuration\n";

static int order(const struct cli_command *c, const struct ask_whom *w, const char *stream)
{
    char *path = mem_printf("/api/streams/%s/%s", stream, c->name);
    struct buf reply, text;
    long status = 0;
    struct err e;
    int rc = CLI_FAILED;

    buf_init(&reply, ADMIN_ANSWER_MAX);
    buf_init(&text, ADMIN_ANSWER_MAX);
    if (cli_ask(w, path, &status, &reply, &e) < 0) {
        fprintf(stderr, "sluice %s: %s\n", c->name, e.msg);
    } else if (!cli_read_message(buf_slice(&reply), &text)) { /* the server's own: no token, a foreign name */
        fprintf(stderr, "sluice %s: %s", c->name, buf_cstr(&reply));
    } else if (status == 200) {
        printf("%s\n", buf_cstr(&text));
        rc = CLI_DONE;
    } else {
        fprintf(stderr, "sluice %s: %s\n", c->name, buf_cstr(&text));
    }
    buf_release(&reply);
    buf_release(&text);
    mem_free(path);
    return rc;
}

static int pause_main(int argc, char **argv)
{
    return cli_ask_stream_run(&cli_pause, argc, argv, order);
}

static int resume_main(int argc, char **argv)
{
    return cli_ask_stream_run(&cli_resume, argc, argv, order);
}

static int flush_main(int argc, char **argv)
{
    return cli_ask_stream_run(&cli_flush, argc, argv, order);
}

static int retry_main(int argc, char **argv)
{
    return cli_ask_stream_run(&cli_retry, argc, argv, order);
}

#define ORDER(of, what)                                                                                                \
    {                                                                                                                  \
        .name = #of, .summary = (what), .help = of##_help, .help_end = orders_help_end, .options = cli_ask_options,    \
        .column = 22, .run = of##_main                                                                                 \
    }

const struct cli_command cli_pause = ORDER(pause, "have a stream of the running sluice deliver nothing");
const struct cli_command cli_resume = ORDER(resume, "have it deliver again");
const struct cli_command cli_flush = ORDER(flush, "have it deliver now what has come in");
const struct cli_command cli_retry = ORDER(retry, "have it try again now what failed");
