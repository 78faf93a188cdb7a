// Quotas of prefixes that contain each other, set, changed and removed while their keys change.
//
// Visitors set quotas, put small and large values, erase keys and ranges, in transactions with two branches,
// and ask what the quotas are. In the end all that they were told is compared with what the log says
// (committed_model.h, quota_check.h): a refusal names the first quota that the command would have gone over,
// with its numbers, and nothing else is refused; and what every member has stored is what counting its
// records gives.
//
// Thread safety: none.
#pragma once

#include "core/lab/model_load.h"
#include "core/lab/quota_check.h"
#include "core/node/protocol.h"

namespace aspen::lab {

class QuotaLoad final : public ModelLoad {
 public:
  // Requires: the cluster is not formed. It outlives this.
  QuotaLoad(World& world, Cluster& cluster) : ModelLoad(world, cluster, "quotas") {}

  void visit(Random& random) override;

 private:
  void set(Random& random);
  void change(Random& random);
  void list(Random& random);
  std::string check() override;
  std::string check_told() const;
  std::string check_members();

  std::deque<kv::DoneReply> sets_;
  std::deque<node::QuotaList> lists_;
};

}  // namespace aspen::lab
