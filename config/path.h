/* path.h -- paths as they stand in the configuration.
 *
 * Pure text: nothing is looked up. `..` stays, because behind a symbolic link it does not mean what it seems to mean.
 */
#ifndef CONFIG_PATH_H
#define CONFIG_PATH_H

/* `path`, starting in `base_dir` when it is relative (NULL: left relative), without `.` parts, doubled slashes and a
 * slash at its end, as messages show it. The caller frees it. */
char *path_below(const char *base_dir, const char *path);

/* The folder that a file of this name is in: "." when the name has none. The caller frees it. */
char *path_folder(const char *path);

#endif
