#include "core/lab/visit.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kPatience = 5 * kSecond;
constexpr double kHurry = 0.05;
constexpr DurationNs kHurryMean = 10 * kMillisecond;

}  // namespace

void visit(World& world, Cluster& cluster, Random& random, const char* name, VisitBody body) {
  const std::vector<Machine*> machines = cluster.machines();
  Machine& machine = *machines[random.below(machines.size())];
  const DurationNs patience = random.chance(kHurry) ? random.exponential(kHurryMean) : kPatience;
  const Random own(random.next());
  if (machine.engine() == nullptr || machine.paused()) return;
  const Visit visit{&world, &machine, machine.host(), machine.engine(), own, cluster.acknowledged()};
  machine.host()->deliver([visit, name, patience, body = std::move(body)]() mutable {
    (void)visit.engine->operations().spawn(
        name, [visit, body = std::move(body)](rt::Cx& cx) { return body(cx, visit); },
        visit.host->executor().now() + patience);
  });
}

bool is_circumstance(const Error& error) {
  switch (error.code) {
    case Code::CANCELLED:
    case Code::DEADLINE_EXCEEDED:
    case Code::SHUTDOWN:
    case Code::UNAVAILABLE:
    case Code::NOT_LEADER:
    case Code::CONNECTION_LOST:
    case Code::OVERLOADED:
    case Code::SESSION_EXPIRED:
    case Code::CORRUPT:
    case Code::IO:
      return true;
    default:
      return false;
  }
}

}  // namespace aspen::lab
