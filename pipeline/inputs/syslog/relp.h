/* relp.h -- RELP's frames: `TXNR COMMAND DATALEN[ DATA]\n`. Pure.
 *
 * A client begins with `open` and waits for an answer to each command, by its number; some of its commands may be without one (128 with
 * librelp). `syslog` carries a message and is answered when that is safe; `close` is the end. */
#ifndef PIPELINE_INPUTS_SYSLOG_RELP_H
#define PIPELINE_INPUTS_SYSLOG_RELP_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum relp_command { RELP_OPEN, RELP_SYSLOG, RELP_CLOSE, RELP_OTHER };

enum relp_kind {
    RELP_NONE,  /* it is not complete yet */
    RELP_WHOLE, /* used: with its '\n' */
    RELP_CUT,   /* data is the first part; `left` more bytes of it follow behind `used`, with its '\n' */
    RELP_WRONG,
};

struct relp_frame {
    enum relp_kind kind;
    enum relp_command command;
    uint32_t number;
    struct slice data;
    size_t used, left;
};

/* At most `most` bytes of data. */
struct relp_frame relp_frame(struct slice in, size_t most);

#define RELP_ANSWER_MAX 256
/* The answer to `number`: "200 OK", and what is behind it. Returns how long it is. */
size_t relp_answer(uint32_t number, const char *text, char out[RELP_ANSWER_MAX]);
/* Does the client of this `open` speak our version of the protocol? */
MUST_CHECK bool relp_is_ours(struct slice offers);

/* What we answer to an `open`, behind its number, and what we say when a client may go. */
#define RELP_OFFERS   "200 OK\nrelp_version=0\nrelp_software=sluice\ncommands=syslog"
#define RELP_FAREWELL "0 serverclose 0\n"

#endif
