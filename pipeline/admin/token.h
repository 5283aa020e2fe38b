/* token.h -- the secret that whoever changes something by POST has to show.
 *
 * It is what `admin.token` says. Beside that the daemon makes one, and keeps it in data_dir/admin.token (mode 0600): the commands of
 * this machine that work for the same configuration read it there, whatever `admin.token` says by now, and so can the operator, for the
 * console. It stays the same over restarts; to have another, remove the file and start again. A file that others could have read or
 * written is replaced.
 *
 * Threads    made and read by whoever starts; admin_token_is(): any.
 */
#ifndef PIPELINE_ADMIN_TOKEN_H
#define PIPELINE_ADMIN_TOKEN_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

/* As one that was made looks: hex digits, with NUL. */
#define ADMIN_TOKEN_TEXT SHA256_HEX

/* Only what is needed to know it again. */
struct admin_token {
    unsigned char digest[SHA256_BYTES];
};

struct admin_token admin_token_of(struct slice text);
/* The time it takes does not depend on how much of it is right. */
bool admin_token_is(const struct admin_token *t, struct slice shown);

/* That of data_dir, for the daemon; made when there is none. *fresh: it was, and takes its place in the file with admin_token_place(), or goes with
 * admin_token_drop(): nobody reads one there that the daemon does not take. -1: it could not be written, and nobody knows it. */
MUST_CHECK int admin_token_keep(const char *data_dir, struct admin_token *t, bool *fresh, struct err *e);
MUST_CHECK int admin_token_place(const char *data_dir, struct err *e);
void admin_token_drop(const char *data_dir);
/* For the commands: the text. -1: there is none, or it cannot be read. */
MUST_CHECK int admin_token_read(const char *data_dir, char text[ADMIN_TOKEN_TEXT], struct err *e);

#endif
