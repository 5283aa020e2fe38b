/* admin.h -- the operators' HTTP server: /metrics (Prometheus text), /healthz, /readyz, the console (console.h) on / and /streams/NAME, JSON
 * below /api/ (api.h), and what can be changed by POST.
 *
 * Pages answer from engine_status() snapshots; they show no secrets and no record contents, and change nothing.
 *
 * /healthz  200 while the process works. /readyz  200 when every stream takes records and delivers, otherwise 503; with
 * one line per stream that is not well: what, where, what to do. A stream of which some records fail in the transform or are
 * refused has its line, too, but is ready; one of which no record got through in the last minutes is not.
 *
 * Who may read: who shows one of the configured tokens or users (http/server/access.h), or the token of those who may change something;
 * where none are configured, everybody who reaches the address; under a name that is this server's (http/server/guard.h). /healthz and the
 * first word of /readyz are for everybody: probes can show nothing. Who may change something by
 * POST: who shows the token (token.h), on every address; pages of other sites never. What there is to change is `actions`, which
 * whoever starts the server hands over (actions.h); the server knows none of it.
 *
 *     403  a foreign name in Host, or a page of another site    404  nothing of this name    405  it is read, or it is asked for by POST
 *     413  a body that is too large    401  nothing shown, or not the right thing    503  it stops, or too much was asked for at once
 *
 * All that stands in `admin` may change while it runs. Another address is opened before the old one is closed, and what was asked there is
 * answered there:
 *
 *     admin_new()        nobody is answered
 *     admin_prepare()    what the configuration says is opened, beside what runs. -1: nothing has changed
 *     admin_take()       it takes the place of what ran ...
 *     admin_drop()       ... or goes as it came
 *
 * Threads    its own (libmicrohttpd), and one for the actions. prepare, take, drop: any, also that of an action; one at a time. stop: when
 *            nobody does that any more. Ownership: engine, actions and data_dir outlive it; conf is borrowed for the call.
 */
#ifndef PIPELINE_ADMIN_ADMIN_H
#define PIPELINE_ADMIN_ADMIN_H

#include "config/bind.h"
#include "pipeline/admin/actions.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/engine/status.h"
#include "pipeline/http/server/access.h"
#include "pipeline/http/server/listen.h"
#include "pipeline/http/server/server_tls.h"

struct admin;

/* Where some of the records that pass by are shown, to who shows the token (records.h). */
enum admin_records { ADMIN_RECORDS_LOOPBACK, ADMIN_RECORDS_ALWAYS, ADMIN_RECORDS_NEVER };

struct admin_conf {
    const char *listen;                    /* NULL: nobody is answered */
    const struct cfg_strings *hosts;       /* names it answers to besides its own (server/guard.h); may be NULL */
    const struct server_tls_conf *tls;     /* NULL, or none of it set: plain HTTP */
    const struct http_access_conf *access; /* who may read; NULL, or none of it set: everybody */
    const char *base_dir;                  /* where its relative paths start */
    const char *token;                     /* admin.token; NULL: that of data_dir alone */
    const char *data_dir;                  /* NULL: there is none, for tests */
    enum admin_records records;
};

struct admin *admin_new(struct engine *engine, struct admin_actions actions);
MUST_CHECK int admin_prepare(struct admin *a, const struct admin_conf *conf, struct err *e);
void admin_take(struct admin *a);
void admin_drop(struct admin *a);
void admin_stop(struct admin **a);
/* With the real port when 0 was configured; "none". */
void admin_address(struct admin *a, char out[HTTP_ADDRESS_TEXT]);

/* The pages, without the server. */
MUST_CHECK int admin_metrics(struct engine *engine, nsec wall_now, struct buf *out);
/* `in_short`: the first word, and nothing of the streams. */
MUST_CHECK int admin_ready(struct engine *engine, nsec wall_now, bool in_short, struct buf *out, bool *ready);

#endif
