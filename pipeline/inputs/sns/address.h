/* address.h -- which addresses in a message may be asked: those of SNS itself, or of the server that the operator names.
 *
 * Who sends a message chooses what stands in it. So an address is compared with a rule as text before anything is asked, and the rule leaves
 * nothing to how a URL is taken apart: https, a host of SNS, no user, no port, nothing else on the way.
 *
 *     certificate   https://sns.REGION.amazonaws.com[.cn]/SimpleNotificationService-WORD.pem
 *     confirmation  https://sns.REGION.amazonaws.com[.cn]/?Action=ConfirmSubscription&...
 *
 * Pure functions.
 */
#ifndef PIPELINE_INPUTS_SNS_ADDRESS_H
#define PIPELINE_INPUTS_SNS_ADDRESS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum sns_address { SNS_ADDRESS_CERTIFICATE, SNS_ADDRESS_CONFIRMATION };

/* `prefix`: of another server, what the addresses of certificates begin with (its confirmations are on the same host and port); NULL: SNS. */
MUST_CHECK bool sns_address_fits(struct slice url, enum sns_address what, const char *prefix);

/* -1: a prefix behind which a host could go on ("http://127.0.0.1:4566" without a slash). */
MUST_CHECK int sns_prefix_check(const char *prefix, struct err *e);

#endif
