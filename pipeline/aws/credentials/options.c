#include "pipeline/aws/credentials/options.h"

#include "config/node.h"
#include "pipeline/aws/credentials/provider.h"
#include "pipeline/base/mem.h"

#include <string.h>

static const struct cfg_choice SOURCES[] = {
    {"auto", CREDENTIALS_AUTO},
    {"environment", CREDENTIALS_ENVIRONMENT},
    {"web_identity", CREDENTIALS_WEB_IDENTITY},
    {"container", CREDENTIALS_CONTAINER},
    {"imds", CREDENTIALS_IMDS},
    {NULL, 0},
};

/* clang-format off */
#define AT(member) .offset = offsetof(struct credentials_ways, member)

static const struct cfg_field FIELDS[] = {
    {.name = "source", .type = CFG_ENUM, AT(source), .def = "auto", .choices = SOURCES, .help = "one place of AWS's chain"},
    {.name = "profile", .type = CFG_STRING, AT(profile), .max = 128, .help = "profile in ~/.aws"},
    {.name = "process", .type = CFG_STRINGS, AT(process), .max = 64, .help = "program that prints keys"},
    {.name = "role_arn", .type = CFG_STRING, AT(role_arn), .max = 2048, .help = "role to assume"},
    {.name = "external_id", .type = CFG_STRING, AT(external_id), .max = 1224, .help = "what the role demands"},
    {.name = "session_name", .type = CFG_STRING, AT(session_name), .min = 2, .max = 64, .help = "name in CloudTrail"},
    {.name = "duration", .type = CFG_DURATION, AT(duration), .min = 900 * NSEC_PER_SEC, .max = 43200 * NSEC_PER_SEC,
     .help = "how long the role's keys are good for"},
    {.name = "web_identity_token_file", .type = CFG_STRING, AT(web_identity_token_file), .max = 4096,
     .help = "token to assume the role with"},
    {.name = "sts_endpoint", .type = CFG_STRING, AT(sts_endpoint), .max = 1000, .help = "where roles are assumed"},
    {.name = NULL},
};

static const struct cfg_field WORD[] = {
    {.name = "credentials", .type = CFG_ENUM, AT(source), .def = "auto", .choices = SOURCES, .help = "one place of AWS's chain"},
    {.name = NULL},
};
/* clang-format on */

void credentials_ways_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    if (!node || cfg_node_is_null(node)) {
        cfg_bind(errs, NULL, FIELDS, out);
    } else if (node->kind == CFG_NODE_SCALAR) {
        struct cfg_node *item = (struct cfg_node *)(uintptr_t)node;
        const struct cfg_node map = {.kind = CFG_NODE_MAP, .at = node->at, .items = &item, .count = 1};

        cfg_bind(errs, &map, WORD, out);
    } else {
        cfg_bind(errs, node, FIELDS, out);
    }
}

void credentials_ways_release(void *out)
{
    cfg_release(FIELDS, out);
}

static bool is_set(const char *text)
{
    return text && *text;
}

/* What stands in a form or a header of ours, and what AWS allows in a session's name. */
static bool is_session_name(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-") == strlen(text);
}

static int check_role(const struct credentials_ways *w, struct err *e)
{
    const struct {
        const char *name;
        bool set;
    } of_role[] = {{"external_id", is_set(w->external_id)},
                   {"session_name", is_set(w->session_name)},
                   {"duration", w->duration != 0},
                   {"web_identity_token_file", is_set(w->web_identity_token_file)},
                   {"sts_endpoint", is_set(w->sts_endpoint) && w->source != CREDENTIALS_WEB_IDENTITY}};

    for (size_t i = 0; i < ARRAY_LEN(of_role); i++)
        if (of_role[i].set && !is_set(w->role_arn))
            return err_set(e, ERR_CONFIG, "credentials.%s: needs role_arn", of_role[i].name);
    if (is_set(w->role_arn) && strncmp(w->role_arn, "arn:", 4) != 0)
        return err_set(e, ERR_CONFIG, "credentials.role_arn: is no ARN (arn:aws:iam::123456789012:role/name)");
    if (is_set(w->session_name) && !is_session_name(w->session_name))
        return err_set(e, ERR_CONFIG, "credentials.session_name: letters, digits and _+=,.@- are allowed");
    if (is_set(w->web_identity_token_file) && is_set(w->external_id))
        return err_set(e, ERR_CONFIG, "credentials.external_id: does not go with web_identity_token_file");
    return 0;
}

static int check_process(const struct credentials_ways *w, struct err *e)
{
    char **argv;

    if (w->process.n != 1)
        return 0;
    argv = aws_process_split(w->process.v[0], e);
    aws_process_free(argv);
    return argv ? 0 : err_wrap(e, "credentials.process");
}

int credentials_ways_check(const struct credentials_conf *c, struct err *e)
{
    const struct credentials_ways *w = &c->ways;
    const struct {
        const char *name;
        bool set;
    } bases[] = {{"access_key_id", is_set(c->access_key_id)},
                 {"profile", is_set(c->profile)},
                 {"credentials.source", w->source != CREDENTIALS_AUTO},
                 {"credentials.profile", is_set(w->profile)},
                 {"credentials.process", w->process.n > 0},
                 {"credentials.web_identity_token_file", is_set(w->web_identity_token_file)}};
    const char *first = NULL;

    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        if (!bases[i].set)
            continue;
        if (first) /* said of the later one, which stands in `credentials` mostly */
            return err_set(e, ERR_CONFIG, "%s: given beside %s; keep one of them", bases[i].name, first);
        first = bases[i].name;
    }
    return check_role(w, e) < 0 ? -1 : check_process(w, e);
}

/* --- copies -------------------------------------------------------------------------------------------------------- */

static char **texts_of(struct credentials_conf *c, size_t i)
{
    char **all[] = {&c->access_key_id,    &c->secret_access_key, &c->session_token,
                    &c->profile,          &c->ways.profile,      &c->ways.role_arn,
                    &c->ways.external_id, &c->ways.session_name, &c->ways.web_identity_token_file,
                    &c->ways.sts_endpoint};

    return i < ARRAY_LEN(all) ? all[i] : NULL;
}

void credentials_conf_copy(struct credentials_conf *to, const struct credentials_conf *from)
{
    struct credentials_conf source = *from;

    *to = (struct credentials_conf){.ways = {.source = from->ways.source, .duration = from->ways.duration}};
    for (size_t i = 0; texts_of(&source, i); i++)
        if (*texts_of(&source, i) && **texts_of(&source, i))
            *texts_of(to, i) = mem_strdup(*texts_of(&source, i));
    if (from->ways.process.n > 0)
        to->ways.process.v = mem_array(from->ways.process.n, sizeof(*to->ways.process.v));
    for (; to->ways.process.n < from->ways.process.n; to->ways.process.n++)
        to->ways.process.v[to->ways.process.n] = mem_strdup(from->ways.process.v[to->ways.process.n]);
}

void credentials_conf_release(struct credentials_conf *c)
{
    for (size_t i = 0; texts_of(c, i); i++) {
        if (*texts_of(c, i))
            explicit_bzero(*texts_of(c, i), strlen(*texts_of(c, i)));
        mem_free(*texts_of(c, i));
    }
    for (size_t i = 0; i < c->ways.process.n; i++)
        mem_free(c->ways.process.v[i]);
    mem_free(c->ways.process.v);
}

bool credentials_conf_same(struct credentials_conf *a, struct credentials_conf *b)
{
    for (size_t i = 0; texts_of(a, i); i++)
        if (strcmp(*texts_of(a, i) ? *texts_of(a, i) : "", *texts_of(b, i) ? *texts_of(b, i) : "") != 0)
            return false;
    if (a->ways.source != b->ways.source || a->ways.duration != b->ways.duration ||
        a->ways.process.n != b->ways.process.n)
        return false;
    for (size_t i = 0; i < a->ways.process.n; i++)
        if (strcmp(a->ways.process.v[i], b->ways.process.v[i]) != 0)
            return false;
    return true;
}
