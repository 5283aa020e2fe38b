/* firehose_view.h -- a stream's destination as DescribeDeliveryStream of the Firehose API shows it, so that consoles, the AWS CLI and a
 * Terraform refresh read a stream that YAML made: AWS's members, and the defaults that AWS fills in.
 *
 * Not for people: that is sink_ops.describe. No secrets. Pure.
 *
 *     a bucket, a folder               S3DestinationDescription and ExtendedS3DestinationDescription, as AWS gives both
 *     a cluster, an HTTP endpoint      the one of its kind, with the backup as its S3DestinationDescription
 */
#ifndef PIPELINE_ENGINE_FIREHOSE_VIEW_H
#define PIPELINE_ENGINE_FIREHOSE_VIEW_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"

/* `conf` is a struct stream_settings, `index` one of its destinations. Appends `,"S3DestinationDescription":{...}`... -1: out is full. */
MUST_CHECK int firehose_view_add(const void *conf, size_t index, const char *region, const char *account,
                                 struct buf *out);

#endif
