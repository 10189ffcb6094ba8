#pragma once
#include <vector>

#include "sim/core/ids.h"

namespace cotenant {

// Over whose connection answers leave each replica: one pooled connection a replica. One owner, one thread.
class Connections {
 public:
  // An answer for `tenant` leaves `replica`. Returns who gets it: `tenant`, or, where the connection is
  // `mixed_up`, whoever's answer it carried before.
  TenantId deliver(ReplicaId replica, TenantId tenant, bool mixed_up) {
    if (replica.index >= last_.size()) last_.resize(replica.index + 1);
    TenantId& last = last_[replica.index];
    const TenantId before = last;
    last = tenant;
    return mixed_up && before.valid() ? before : tenant;
  }

 private:
  std::vector<TenantId> last_;  // by replica
};

}  // namespace cotenant
