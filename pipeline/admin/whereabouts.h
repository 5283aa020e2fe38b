/* whereabouts.h -- where the running daemon's admin server is reached, in data_dir/admin.address (mode 0600): so the commands find it
 * though the configuration says something else by now, which is what `sluice reload` is there for.
 *
 *     listen 127.0.0.1:9273
 *     cert_file /etc/sluice/cert.pem         with TLS
 *     key_file /etc/sluice/key.pem           where clients have to show a certificate
 *
 * It is removed at the end. One that a killed daemon left leads to nobody, mostly: who finds nobody there looks where the configuration says.
 *
 * Threads    written by one at a time; read by anybody.
 */
#ifndef PIPELINE_ADMIN_WHEREABOUTS_H
#define PIPELINE_ADMIN_WHEREABOUTS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>

struct whereabouts {
    char *listen;    /* "127.0.0.1:9273", with the real port */
    char *cert_file; /* absolute; NULL: plain HTTP */
    char *key_file;  /* likewise; NULL: clients need no certificate */
};

/* It is on the disk, and not in effect before whereabouts_place(). */
MUST_CHECK int whereabouts_write(const char *data_dir, const struct whereabouts *w, struct err *e);
MUST_CHECK int whereabouts_place(const char *data_dir, struct err *e);
/* What was written and not placed goes. */
void whereabouts_drop(const char *data_dir);
void whereabouts_remove(const char *data_dir);

/* False: there is none that can be read. */
MUST_CHECK bool whereabouts_read(const char *data_dir, struct whereabouts *w);
void whereabouts_release(struct whereabouts *w);

#endif
