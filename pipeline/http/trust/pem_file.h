/* pem_file.h -- a file of certificates or a key, read whole.
 *
 * Threads    any.
 */
#ifndef PIPELINE_HTTP_TRUST_PEM_FILE_H
#define PIPELINE_HTTP_TRUST_PEM_FILE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

/* Reads it into `out`, which is empty. Only a regular file: a pipe would be waited for, and is not even opened. -1: "tls.ca_file:
 * cannot read `/etc/ca.pem`: No such file or directory", where `who` is `tls.ca_file`. */
MUST_CHECK int pem_file_read(const char *who, const char *path, struct buf *out, struct err *e);

#endif
