/* reload_path.h -- where a running sluice is asked for a reload, by POST, and what its answers mean: a text for people, and a status.
 *
 *     200  done    422  mistakes, nothing has changed    500  something could not be opened    409  another one is under way    503  it stops
 */
#ifndef PIPELINE_CLI_COMMANDS_RELOAD_PATH_H
#define PIPELINE_CLI_COMMANDS_RELOAD_PATH_H

#define CLI_RELOAD_PATH      "/reload"
#define CLI_RELOAD_DIFF_PATH "/reload/diff" /* what it would do */

#endif
