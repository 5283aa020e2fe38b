#include "pipeline/inputs/otlp/options.h"

#include <string.h>

const struct cfg_choice otlp_records[] = {{"flat", 0}, {"nested", 1}, {NULL, 0}};
const struct cfg_choice otlp_times[] = {{"rfc3339", 0}, {"unix_nano", 1}, {NULL, 0}};

static bool is_signal(const char *name)
{
    for (size_t i = 0; i < OTLP_SIGNALS; i++)
        if (strcmp(name, otlp_signal_names[i]) == 0)
            return true;
    return false;
}

void otlp_check_conf(const struct otlp_conf *c, const struct cfg_options *o)
{
    for (size_t i = 0; i < c->signals.n; i++) {
        struct err e;

        if (is_signal(c->signals.v[i]))
            continue;
        (void)err_set(&e, ERR_CONFIG, "signals: `%s` is none: logs, metrics, traces", c->signals.v[i]);
        cfg_options_refuse_item(o, "signals", i, &e);
    }
}

bool otlp_wants(const struct otlp_conf *c, enum otlp_signal signal)
{
    for (size_t i = 0; i < c->signals.n; i++)
        if (strcmp(c->signals.v[i], otlp_signal_names[signal]) == 0)
            return true;
    return c->signals.n == 0;
}
