/* tree.h -- inside of the tree of nodes: of node.c, which holds it, and parse.c, which builds it. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "config/node.h"

struct cfg_tree {
    char *name; /* what messages call the file; every node's at.file points to it */
    struct cfg_node *root;
};

void tree_node_free(struct cfg_node *node);

#endif
