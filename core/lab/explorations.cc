#include "core/lab/explorations.h"

#include "core/lab/explore_channel.h"
#include "core/lab/explore_region.h"

namespace aspen::lab {

std::vector<RaftBounds> raft_explorations(bool large) {
  // Two reigns, and whatever can go wrong between them.
  RaftBounds raft{.name = "raft", .proposals_max = 1, .crashes_max = 1, .campaigns_max = 2};
  RaftBounds rivals{.name = "raft, rivals", .proposals_max = 0, .crashes_max = 1, .campaigns_max = 3};
  // Thesis figure 3.7 (c): entries of terms 2 and 3 on one disk each. Who can be elected now, and commit
  // what?
  RaftBounds figure8{.name = "raft, figure 8", .logs = {{{2}, {}, {3}}}, .term = 3, .terms_max = 4};
  figure8.proposals_max = 0;
  RaftBounds heartbeats{.name = "raft, heartbeats", .terms_max = 2, .proposals_max = 0, .crashes_max = 0};
  heartbeats.campaigns_max = 1;
  heartbeats.heartbeats = true;
  std::vector<RaftBounds> all = {raft, rivals, figure8, heartbeats};
  if (!large) return all;
  raft.name = "raft, more campaigns";
  raft.campaigns_max = 3;
  rivals.name = "raft, more crashes";
  rivals.crashes_max = 2;
  figure8.name = "raft, figure 8 to its end";
  figure8.terms_max = 5;
  heartbeats.name = "raft, heartbeats and a command";
  heartbeats.proposals_max = 1;
  all.insert(all.end(), {raft, rivals, figure8, heartbeats});
  return all;
}

ExploreReport explore_raft(const RaftBounds& bounds) {
  RaftModel model(bounds);
  return explore_states(bounds.name, model, bounds.limits);
}

bool run_explorations(bool large, const std::function<void(const ExploreReport&)>& done) {
  bool ok = true;
  auto add = [&](const ExploreReport& report) {
    done(report);
    ok &= report.ok();
  };
  add(explore_runs("channel", explore_channel));
  add(explore_runs("region", [](Choices& choices) { return explore_region(choices); }));
  for (const RaftBounds& bounds : raft_explorations(large)) add(explore_raft(bounds));
  return ok;
}

}  // namespace aspen::lab
