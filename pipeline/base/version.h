/* version.h -- which sluice this is. CMakeLists.txt reads it here, too, and the package must have the same. */
#ifndef PIPELINE_BASE_VERSION_H
#define PIPELINE_BASE_VERSION_H

#define SLUICE_VERSION "0.2.0"

#endif
