/* config.h -- `transform` of a test, with the test's own `config` in place of what it says for its scripts.
 *
 * Threads: the main thread.
 */
#ifndef PIPELINE_CLI_TEST_CONFIG_H
#define PIPELINE_CLI_TEST_CONFIG_H

#include "config/node.h"
#include "pipeline/settings/settings.h"

/* Binds the stream's transforms. `config` NULL: as `transform` says. */
void cli_test_config_bind(struct cfg_errors *errs, const struct cfg_node *transform, const struct cfg_node *config,
                          struct stream_settings *st);
void cli_test_config_release(struct stream_settings *st);

#endif
