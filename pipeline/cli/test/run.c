#include "pipeline/cli/test/run.h"

#include "pipeline/base/mem.h"
#include "pipeline/encode/transform_instances.h"

#include <stdio.h>
#include <string.h>

struct watcher {
    struct transform_out out;
    struct test_outcomes *got;
};

static struct test_outcomes *got_of(struct transform_out *o)
{
    return CONTAINER_OF(o, struct watcher, out)->got;
}

static int on_emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                   const struct transform_key *keys, size_t key_count)
{
    struct transform_key *sorted = mem_array(key_count, sizeof(*sorted));

    (void)from;
    if (key_count)
        memcpy(sorted, keys, key_count * sizeof(*sorted));
    test_outcomes_add_record(got_of(o), data, sorted, key_count);
    mem_free(sorted);
    return 0;
}

static void on_drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)from;
    test_outcomes_add_dropped(got_of(o), reason);
}

static int on_fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                   struct slice shown)
{
    (void)shown, (void)from, (void)code;
    test_outcomes_add_error(got_of(o), message);
    return 0;
}

/* What a script prints while it is being written is for its author. */
static void on_log(struct transform_out *o, int level, struct slice text)
{
    (void)o, (void)level;
    fprintf(stderr, "log: %.*s\n", (int)text.n, text.p);
}

static int run_batch(const struct test_case *c, struct chain_state *state, struct watcher *w, struct err *e)
{
    struct transform_record *records = mem_array(c->input_count, sizeof(*records));
    int rc;

    for (size_t i = 0; i < c->input_count; i++) {
        const struct test_input *in = &c->inputs[i];

        records[i] = (struct transform_record){
            .data = slice_of(in->data, in->n), .origin = slice_str(in->origin), .seq = i + 1, .arrival = in->arrival};
    }
    rc = chain_begin(state, e);
    if (rc == 0)
        rc = chain_run(state, records, c->input_count, &w->out, e);
    if (rc == 0)
        rc = chain_end(state, &w->out, e);
    mem_free(records);
    return rc;
}

int cli_test_run(const struct test_file *f, const struct test_case *c, struct test_outcomes *got, struct err *e)
{
    struct watcher w = {.out = {.emit = on_emit, .drop = on_drop, .fail = on_fail, .log = on_log}, .got = got};
    struct transform_instances *line = NULL;
    struct chain_state *state;
    int rc = -1;

    if (transform_instances_open(&line, &c->stream, f->base_dir, e) < 0)
        return -1;
    state = transform_instances_only_state(line, NULL, e);
    if (state)
        rc = run_batch(c, state, &w, e);
    transform_instances_close(&line);
    return rc;
}
