#include "sim/scenario/scenario.h"

namespace cotenant {

std::string to_word(TenancyKind kind) {
  switch (kind) {
    case TenancyKind::tenant_specific:
      return "tenant-specific";
    case TenancyKind::shared_pretrained:
      return "shared-pretrained";
    case TenancyKind::shared_trained:
      return "shared-trained";
    case TenancyKind::tuned_shared:
      return "tuned-shared";
  }
  return "";
}

}  // namespace cotenant
