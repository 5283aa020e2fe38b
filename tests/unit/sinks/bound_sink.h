/* bound_sink.h -- a sink as the daemon would have it: options as YAML text, bound with the sink's own table. */
#ifndef TESTS_UNIT_SINKS_BOUND_SINK_H
#define TESTS_UNIT_SINKS_BOUND_SINK_H

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/trust/system_trust.h"
#include "sinks/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const unsigned char BOUND_IDENTITY[16] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17,
                                                 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f};

struct bound_sink {
    const struct sink_ops *ops;
    void *conf, *state;
    struct cfg_tree *tree;
};

/* For cmocka_run_group_tests(): the machine's certificate authorities are read once, not again for each sink. */
static inline int keep_trust(void **state)
{
    *state = system_trust_keep();
    return 0;
}

static inline int leave_trust(void **state)
{
    struct system_trust *t = *state;

    system_trust_leave(&t);
    *state = NULL;
    return 0;
}

/* -1 with *e when open() refuses; a YAML mistake ends the test. */
static int bound_sink_open(struct bound_sink *b, const char *name, const char *yaml, const char *base_dir,
                           struct err *e)
{
    const struct sink_env env = {
        .stream = "app-logs", .identity = BOUND_IDENTITY, .version = 3, .base_dir = base_dir, .tmp_dir = base_dir};
    struct cfg_errors *errs = cfg_errors_new();
    struct buf text;

    *b = (struct bound_sink){.ops = sink_find(name)};
    b->conf = mem_alloc(b->ops->conf_size);
    b->tree = cfg_tree_parse("test.yaml", yaml, strlen(yaml), errs);
    if (b->tree)
        cfg_bind(errs, cfg_tree_root(b->tree), b->ops->fields, b->conf);
    if (cfg_errors_count(errs) > 0) {
        buf_init(&text, 64 * 1024);
        cfg_errors_print(errs, &text);
        fprintf(stderr, "%s", buf_cstr(&text));
        abort();
    }
    cfg_errors_free(&errs);
    return b->ops->open(&b->state, b->conf, &env, e);
}

static void bound_sink_close(struct bound_sink *b)
{
    b->ops->close(&b->state);
    cfg_release(b->ops->fields, b->conf);
    mem_free(b->conf);
    cfg_tree_free(&b->tree);
}

/* Waits for what is read elsewhere. */
static inline int bound_sink_request(const struct bound_sink *b, const struct sink_seal *seal, struct http_request *rq,
                                     struct err *e)
{
    int rc;

    while ((rc = b->ops->request(b->state, seal, rq, e)) == SINK_NOT_YET)
        usleep(1000);
    return rc;
}

/* What a request says in a header; "": it has none of that name. */
static inline const char *request_header(const struct http_request *rq, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < rq->header_count; i++)
        if (strncmp(rq->headers[i], name, n) == 0 && rq->headers[i][n] == ':')
            return rq->headers[i] + n + 2;
    return "";
}

#endif
