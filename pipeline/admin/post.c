#include "pipeline/admin/post.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char FORM[] = "application/x-www-form-urlencoded";
static const char BEARER[] = "Bearer ";

enum post_step { POST_BODY, POST_WAITS, POST_ANSWERED };

struct post {
    struct post_office *office;
    struct http_exchange *x;
    enum post_step step;
    struct admin_call call;
    char *path, *name; /* what the order says */
    bool form, too_large;
    struct buf body;
};

static const char *header(const struct post *p, const char *name)
{
    const char *value = MHD_lookup_connection_value(p->x->connection, MHD_HEADER_KIND, name);

    return value ? value : "";
}

/* Any thread. The post may be over before this returns. */
static void on_done(struct admin_call *c)
{
    struct post *p = CONTAINER_OF(c, struct post, call);

    MHD_resume_connection(p->x->connection);
}

const struct admin_action *post_find(const struct post_office *po, const char *path, char **name)
{
    const struct admin_action *own = admin_action_find(&po->own, path, name);

    return own ? own : admin_action_find(&po->actions, path, name);
}

static uint64_t argument(struct http_exchange *x, const char *name)
{
    const char *text = MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);

    return text && *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : 0;
}

int post_begin(struct post_office *po, struct http_exchange *x, const char *path, unsigned *status, const char **why)
{
    char *name;
    const struct admin_action *action = post_find(po, path, &name);
    struct post *p;

    if (!action) {
        *status = MHD_HTTP_NOT_FOUND;
        *why = "there is nothing of this name to be asked for by POST";
        return -1;
    }
    p = mem_alloc(sizeof(*p));
    p->office = po;
    p->x = x;
    p->path = mem_strdup(path);
    p->name = name;
    p->form = strncasecmp(header(p, "Content-Type"), FORM, sizeof(FORM) - 1) == 0;
    p->call = (struct admin_call){
        .action = action,
        .order = {.path = p->path, .name = name ? name : "", .from = x->from, .after = argument(x, "after")},
        .done = on_done};
    buf_init(&p->call.answer.text, ADMIN_ANSWER_MAX);
    buf_init(&p->body, ADMIN_BODY_MAX + 1); /* and a NUL behind it */
    x->own = p;
    return 0;
}

/* --- the token ------------------------------------------------------------------------------------------------------ */

/* The field of this name, as it was typed; NULL: there is none. Changes the body. */
static char *form_field(char *body, const char *name)
{
    char *rest = body, *field;
    size_t n = strlen(name);

    while ((field = strsep(&rest, "&"))) {
        if (strncmp(field, name, n) != 0 || field[n] != '=')
            continue;
        field += n + 1;
        for (char *c = field; *c; c++)
            if (*c == '+')
                *c = ' ';
        MHD_http_unescape(field);
        return field;
    }
    return NULL;
}

static bool is_right(const struct post_office *po, const char *shown)
{
    bool right = false;

    for (size_t i = 0; shown && i < po->token_count; i++)
        right |= admin_token_is(&po->tokens[i], slice_str(shown));
    return right;
}

bool post_is_token(const struct post_office *po, const char *authorization)
{
    return authorization && strncasecmp(authorization, BEARER, sizeof(BEARER) - 1) == 0 &&
           is_right(po, authorization + sizeof(BEARER) - 1);
}

static bool may(struct post *p)
{
    const char *shown = header(p, "Authorization");

    if (strncasecmp(shown, BEARER, sizeof(BEARER) - 1) == 0)
        return post_is_token(p->office, shown);
    return p->form && buf_add_char(&p->body, '\0') == 0 && is_right(p->office, form_field(p->body.p, "token"));
}

static void refuse(struct post *p)
{
    struct post_office *po = p->office;

    (void)admin_answer_say(&p->call.answer, MHD_HTTP_UNAUTHORIZED,
                           "this needs the token: `Authorization: Bearer TOKEN`, or the field `token` of a form. It is "
                           "what admin.token says, and what the file admin.token of data_dir holds");
    if (log_due(&po->refused_log, clock_mono(), ADMIN_REFUSED_EVERY))
        log_warn("an action was refused, as the token is not right", KS("action", p->path), KS("client", p->x->from),
                 KU("suppressed", po->refused_log.suppressed),
                 KS("hint", "it is what admin.token says, and what the file admin.token of data_dir holds"));
}

/* --- the body, and behind it ---------------------------------------------------------------------------------------- */

/* The connection is suspended first: the action may have ended before this returns. */
static void ask(struct post *p)
{
    p->step = POST_WAITS;
    http_exchange_await(p->x, NSEC_NEVER);
    MHD_suspend_connection(p->x->connection);
    if (admin_queue_ask(p->office->queue, &p->call))
        return;
    (void)admin_answer_say(&p->call.answer, MHD_HTTP_SERVICE_UNAVAILABLE,
                           "too much was asked for at once, or sluice is stopping; ask again later");
    MHD_resume_connection(p->x->connection);
}

bool post_more(struct post *p, struct slice piece)
{
    if (p->step == POST_WAITS)
        p->step = POST_ANSWERED; /* that is why it goes on */
    if (p->step == POST_ANSWERED)
        return true;
    if (piece.n > 0) {
        p->too_large = p->too_large || piece.n > ADMIN_BODY_MAX - p->body.n;
        if (!p->too_large && buf_add_slice(&p->body, piece) < 0) /* else the rest of it is only read */
            p->too_large = true;
        return false;
    }
    if (p->too_large) {
        (void)admin_answer_say(&p->call.answer, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than 4 KiB");
    } else if (!may(p)) {
        refuse(p);
    } else if (p->call.action->at_once) {
        admin_call_run(&p->call);
    } else {
        ask(p);
        return false;
    }
    p->step = POST_ANSWERED;
    return true;
}

const struct admin_answer *post_answer(const struct post *p)
{
    return &p->call.answer;
}

bool post_is_form(const struct post *p)
{
    return p->form;
}

const char *post_stream(const struct post *p)
{
    return p->call.order.name;
}

void post_over(struct http_exchange *x)
{
    struct post *p = x->own;

    if (!p)
        return;
    buf_release(&p->call.answer.text);
    buf_release(&p->body);
    mem_free(p->path);
    mem_free(p->name);
    MEM_CLEAR(x->own);
}
