/* The API as an input of one stream: a name at the listener (listener.c), to which its clients put. While the stream is opened anew the name
 * stays, and says that they should come back. */
#include "pipeline/inputs/input.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/api/listener.h"

struct input {
    struct input_env env;
    struct api *api; /* NULL: not started */
};

static struct api_stream stream_of(const struct input *in)
{
    const struct input_env *env = &in->env;

    return (struct api_stream){.name = env->stream,
                               .spool = env->spool,
                               .metrics = env->metrics,
                               .health = env->health,
                               .pushback = env->pushback,
                               .tale = env->tale};
}

static int api_input_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    (void)conf, (void)e;
    in->env = *env;
    *out = in;
    return 0;
}

/* It has no end, so with --once it does not begin. */
static int api_input_start(struct input *in, struct err *e)
{
    const struct api_stream as = stream_of(in);

    (void)e;
    if (in->env.once)
        return 0;
    in->api = api_of(in->env.listeners);
    api_add_stream(in->api, &as);
    return 0;
}

static void api_input_stop(struct input *in)
{
    if (in->api)
        (void)!api_close_stream(in->api, in->env.stream, 0);
}

static bool api_input_stopped(struct input *in, nsec until)
{
    return !in->api || api_close_stream(in->api, in->env.stream, until);
}

static void api_input_resume(struct input *in, const struct input_env *env)
{
    struct api_stream as;

    in->env = *env;
    as = stream_of(in);
    if (in->api)
        api_reopen_stream(in->api, &as);
}

static void api_input_close(struct input **in)
{
    if ((*in)->api)
        api_remove_stream((*in)->api, (*in)->env.stream);
    MEM_CLEAR(*in);
}

static const struct cfg_field no_fields[] = {{.name = NULL}};

const struct input_ops api_ops = {
    .name = "api",
    .help = "the Firehose API",
    .fields = no_fields,
    .section = &api_listener_ops,
    .open = api_input_open,
    .start = api_input_start,
    .stop = api_input_stop,
    .stopped = api_input_stopped,
    .close = api_input_close,
    .resume = api_input_resume,
};
