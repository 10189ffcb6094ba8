#pragma once
#include <vector>

#include "sim/scenario/field.h"
#include "sim/scenario/read.h"
#include "sim/scenario/yaml_tree.h"

namespace cotenant {

// Puts each `--set path=value` into the tree, in order, so that the later one wins. The value is YAML: a
// scalar, or a flow map or list. Segments are keys, or positions in a list counted from 0; the longest key
// that fits is taken, so that a tier's name may hold dots. A path that the table does not know, a name that
// the file does not have and a value that is no YAML are problems of the source "--set".
void apply_overrides(const std::vector<Override>& overrides, const std::vector<FieldDoc>& docs,
                     YamlNode& root, Problems& problems);

}  // namespace cotenant
