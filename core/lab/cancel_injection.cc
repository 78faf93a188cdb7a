#include "core/lab/cancel_injection.h"

#include "core/lab/kv_check.h"
#include "core/rt/timeout.h"

namespace aspen::lab {
namespace {

constexpr uint64_t kWorker = 999;  // its id in the history; clients count from 1, their later lives by 1000
constexpr DurationNs kWorkLimit = 60 * kSecond;
constexpr DurationNs kLeaderLimit = 60 * kSecond;
constexpr const char* kOracle = "cancel-injection";

kv::Op put(Bytes key, Bytes value) {
  return {.kind = kv::Op::Kind::put, .key = std::move(key), .value = std::move(value)};
}

// Every value is one of a kind: a read tells which write it saw.
std::vector<Operation::Call> calls_of(const std::string& name) {
  return {
      WriteCall{.ops = {put("k", name + ".put")}},
      GetCall{.key = "k"},
      WriteCall{.conditions = {{.kind = Condition::Kind::value_equals, .key = "k", .value = name + ".put"}},
                .ops = {put("k", name + ".cas")}},
      WriteCall{.conditions = {{.kind = Condition::Kind::present, .key = "k"}},
                .ops = {put("l", name + ".l"), put("m", name + ".m")}},
      RangeCall{},
  };
}

class SameWork final : public Script {
 public:
  explicit SameWork(uint64_t client) : calls_(calls_of(fmt::format("c{}", client))) {}
  Operation::Call next(Random&) override { return calls_[done_++ % calls_.size()]; }

 private:
  std::vector<Operation::Call> calls_;
  size_t done_ = 0;
};

const rt::TaskBase* task_above(const rt::TaskBase& task) {
  const rt::Region* region = &task.region();
  while (region != nullptr && region->owner() == nullptr) region = region->parent();
  return region != nullptr ? region->owner() : nullptr;
}

}  // namespace

CancelInjection::CancelInjection(World& world, Cluster& cluster, uint64_t point)
    : world_(world),
      cluster_(cluster),
      point_(point),
      place_(static_cast<Place>(world.random("cancel injection").below(3))),
      loses_leader_(place_ != Place::leader && world.random("lost leader").chance(0.5)) {}

bool CancelInjection::form() {
  if (!cluster_.form()) return false;
  Machine* leader = nullptr;
  if (!world_.run_until([&] { return (leader = cluster_.leader()) != nullptr; }, kLeaderLimit)) {
    world_.violate("liveness", "nobody leads");
    return false;
  }
  if (place_ == Place::client) machine_ = cluster_.client_machines().front().get();
  if (place_ == Place::leader) machine_ = leader;
  for (size_t i = 0; i < cluster_.size() && machine_ == nullptr; ++i) {
    if (&cluster_.member(i) != leader) machine_ = &cluster_.member(i);
  }
  if (machine_ == nullptr) machine_ = leader;  // it has no follower
  for (size_t i = 0; loses_leader_ && machine_ != leader && i < cluster_.size(); ++i) {
    if (&cluster_.member(i) == leader) cluster_.crash(i, DiskCrash::power_cut);
  }
  return true;
}

void CancelInjection::run() {
  if (!form()) return;
  machine_->task_suspended = [this](const rt::TaskBase& task) { suspended(task); };
  start();
  if (!world_.run_until([this] { return result_.has_value(); }, kWorkLimit)) {
    world_.violate(kOracle, fmt::format("the work has not ended after {} s", kWorkLimit / kSecond));
  }
  machine_->task_suspended = nullptr;
  if (!result_) machine_->crash(DiskCrash::process_kill);  // the work must not outlive this
  if (!world_.violation()) check_end();
  if (!world_.violation()) work_again();
  if (world_.violation() || !cluster_.settle()) return;
  KvReport report = check_kv(cluster_.history());
  if (!report.linearizable()) {
    return world_.violate("linearizability", fmt::format("{}: {}", report.rule, report.text));
  }
  cluster_.close();
}

void CancelInjection::start() {
  machine_->host()->deliver([this] {
    node::Engine& engine = *machine_->engine();
    join_ =
        engine.operations().spawn("injected work", [this, &engine](rt::Cx& cx) { return work(cx, engine); });
    join_.then([this](rt::Outcome<> outcome) { result_ = std::move(outcome).result(); });
  });
}

rt::Task<Result<>> CancelInjection::work(rt::Cx& cx, node::Engine& engine) {
  task_ = cx.executor().current_task->id();
  for (const Operation::Call& call : calls_of("w")) {
    ASPEN_CO_CHECK(co_await rt::timeout(
        cx, kWorkLimit, [this, &engine, &call](rt::Cx& cx) { return perform(cx, engine, call); }));
  }
  co_return Result<>();
}

rt::Task<Result<>> CancelInjection::perform(rt::Cx& cx, node::Engine& engine, Operation::Call call) {
  ASPEN_CO_TRY(size_t operation, cluster_.history().invoke(kWorker, world_.now(), call));
  if (auto* write = std::get_if<WriteCall>(&call)) {
    Result<kv::WriteReply> reply = co_await engine.router().write(cx, write->command());
    co_return record(operation, std::move(reply));
  }
  if (auto* get = std::get_if<GetCall>(&call)) {
    Result<kv::GetReply> reply = co_await engine.router().get(cx, {get->key});
    co_return record(operation, std::move(reply));
  }
  Result<kv::RangeReply> reply = co_await engine.router().range(cx, std::get<RangeCall>(call).request);
  co_return record(operation, std::move(reply));
}

template <typename Reply>
Result<> CancelInjection::record(size_t operation, Result<Reply> result) {
  if (result) {
    cluster_.history().succeed(operation, world_.now(), std::move(*result));
    return {};
  }
  cluster_.history().fail(operation, world_.now(), result.error());
  world_.note(machine_->index(), "injected", "{}", describe(cluster_.history().at(operation)));
  return std::unexpected(result.error());
}

bool CancelInjection::is_work(const rt::TaskBase& task) const {
  const rt::TaskBase* above = &task;
  while (above != nullptr && above->id() != task_) above = task_above(*above);
  return above != nullptr;
}

void CancelInjection::suspended(const rt::TaskBase& task) {
  if (!is_work(task) || ++points_ != point_) return;
  injected_ = true;
  world_.note(machine_->index(), "injected", "cancel at point {}, in {}", point_, task.describe());
  cancel_.emplace([this] {
    if (!join_.done()) join_.cancel({rt::CancelKind::user, "injected"});
  });
  machine_->host()->executor().schedule_cancel(*cancel_);
}

void CancelInjection::check_end() {
  if (injected_ != (point_ != 0)) {
    return world_.violate(kOracle, fmt::format("point {} was not reached; there were {}", point_, points_));
  }
  if (*result_ || (injected_ && result_->error().code == Code::CANCELLED)) return;
  world_.violate(kOracle, fmt::format("the work ended with {}{}", result_->error().to_string(),
                                      injected_ ? fmt::format(", cancelled at point {}", point_) : ""));
}

// By a client on every machine.
void CancelInjection::work_again() {
  size_t before = cluster_.history().size();
  cluster_.add_clients(cluster_.size() + cluster_.client_machines().size(),
                       [](uint64_t client) { return std::make_unique<SameWork>(client); },
                       {.pause_mean = kMillisecond, .hurry = 0, .operations_max = calls_of("").size()});
  if (!world_.run_until([this] { return cluster_.clients_idle(); }, kWorkLimit)) {
    world_.violate("liveness", fmt::format("the work after a cancel at point {} does not end", point_));
  }
  for (size_t i = before; i < cluster_.history().size() && !world_.violation(); ++i) {
    const Operation& operation = cluster_.history().at(i);
    if (operation.ok()) continue;
    world_.violate(kOracle, fmt::format("after a cancel at point {}: {}", point_, describe(operation)));
  }
}

Result<uint64_t> count_injection_points(uint64_t seed, size_t members) {
  World world({.seed = seed});
  Cluster cluster(world, {.members = members});
  CancelInjection injection(world, cluster, 0);
  injection.run();
  if (!world.violation()) return injection.points();
  return fail(Code::INTERNAL, "the work fails without a cancel: {}: {}", world.violation()->oracle,
              world.violation()->detail);
}

}  // namespace aspen::lab
