#include "core/lab/lease_load.h"

#include "core/lab/fault_injector.h"
#include "core/rt/timeout.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kLookPeriod = 5 * kMillisecond;
constexpr DurationNs kStartPeriod = 50 * kMillisecond;
constexpr DurationNs kTtlMin = 200 * kMillisecond;
constexpr DurationNs kTtlMax = 2 * kSecond;
constexpr DurationNs kFinishLimit = 300 * kSecond;
constexpr size_t kKeys = 3;
constexpr const char* kOracle = "leases";

}  // namespace

// One of them. Its task lives on a machine that may crash; then another one is started, when it can be. Tasks
// of crashed machines may outlive the load, so they hold this, and look whether their host is dead.
class LeaseLoad::Holder : public std::enable_shared_from_this<Holder> {
 public:
  Holder(World& world, Machine& machine, uint64_t id, std::shared_ptr<LeaseBook> book,
         std::shared_ptr<Activity> activity)
      : world_(world),
        machine_(machine),
        id_(id),
        book_(std::move(book)),
        activity_(std::move(activity)),
        random_(world.random("lease holder", id)) {}

  void stop() { stopping_ = true; }

  // Starts its task when it has none on the machine as it runs now.
  void look_after() {
    if (stopping_ || machine_.engine() == nullptr || machine_.paused()) return;
    if (std::exchange(incarnation_, machine_.incarnation()) == machine_.incarnation()) return;
    Host& host = *machine_.host();
    node::Engine& engine = *machine_.engine();
    host.deliver([self = shared_from_this(), &host, &engine] {
      engine.operations().spawn(
          "lease holder", [self, &host, &engine](rt::Cx& cx) { return self->hold(cx, self, host, engine); });
    });
  }

 private:
  class Running {
   public:
    Running(World& world, Activity& activity) : world_(world), activity_(activity) { ++activity_.running; }
    ~Running() {
      --activity_.running;
      activity_.ended = world_.now();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    World& world_;
    Activity& activity_;
  };

  rt::Task<Result<>> hold(rt::Cx& cx, std::shared_ptr<Holder> self, Host& host, node::Engine& engine) {
    const Running running(world_, *activity_);
    while (!stopping_ && !host.dead()) {
      const DurationNs ttl = random_.between(kTtlMin, kTtlMax);
      const TimeNs called = world_.now();
      auto granted = co_await engine.router().run(cx, {.kind = kv::Command::Kind::lease_grant, .ttl = ttl});
      if (host.dead()) break;
      if (granted) {
        book_->promised(granted->result, ttl, called);
        (void)co_await use(cx, host, engine, granted->result, ttl);
      }
      ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond + random_.exponential(100 * kMillisecond)));
    }
    co_return Result<>();
  }

  rt::Task<Result<>> use(rt::Cx& cx, Host& host, node::Engine& engine, kv::LeaseId lease, DurationNs ttl) {
    const Bytes prefix = fmt::format("lease/{}/{}/", id_, lease);
    kv::Command attach;
    for (size_t i = 0; i < kKeys; ++i) {
      attach.transaction.then.push_back(
          {.key = prefix + static_cast<char>('a' + i), .value = "held", .lease = lease});
    }
    (void)co_await engine.router().write(cx, std::move(attach));
    for (uint64_t rounds = random_.below(6); rounds > 0 && !stopping_ && !host.dead(); --rounds) {
      if (random_.chance(0.25)) {
        ASPEN_CO_CHECK(co_await let_the_engine_keep(cx, host, engine, lease, ttl));
      } else {
        ASPEN_CO_CHECK(co_await cx.sleep(random_.exponential(ttl / 3)));
        ASPEN_CO_CHECK(co_await keep_alive(cx, host, engine, lease));
      }
      ASPEN_CO_CHECK(co_await look_at_keys(cx, host, engine, lease, prefix));
      if (book_->has_ended(lease)) co_return Result<>();
    }
    if (host.dead() || !random_.chance(0.2)) co_return Result<>();
    book_->revoking(lease);
    (void)co_await engine.router().run(cx, {.kind = kv::Command::Kind::lease_revoke, .leases = {lease}});
    co_return Result<>();
  }

  rt::Task<Result<>> keep_alive(rt::Cx& cx, Host& host, node::Engine& engine, kv::LeaseId lease) {
    const TimeNs called = world_.now();
    auto kept = co_await engine.router().keep_alive(cx, {lease});
    if (host.dead()) co_return fail(Code::SHUTDOWN, "the machine has crashed");
    ASPEN_CO_CHECK(cx.checkpoint());
    if (!kept) co_return Result<>();
    if (kept->ttls.at(0) > 0) {
      book_->promised(lease, kept->ttls[0], called);
    } else {
      book_->ended(lease, world_.now());
    }
    report();
    co_return Result<>();
  }

  rt::Task<Result<>> let_the_engine_keep(rt::Cx& cx, Host& host, node::Engine& engine, kv::LeaseId lease,
                                         DurationNs ttl) {
    auto kept = co_await rt::timeout(cx, ttl + random_.exponential(ttl),
                                     [&](rt::Cx& cx) { return engine.renewer().keep(cx, lease); });
    if (host.dead()) co_return fail(Code::SHUTDOWN, "the machine has crashed");
    ASPEN_CO_CHECK(cx.checkpoint());
    if (!kept && kept.error().code == Code::NOT_FOUND) book_->ended(lease, world_.now());
    report();
    co_return Result<>();
  }

  // Whether they are all there, linearizably.
  rt::Task<Result<>> look_at_keys(rt::Cx& cx, Host& host, node::Engine& engine, kv::LeaseId lease,
                                  Bytes prefix) {
    const bool ended = book_->has_ended(lease);
    kv::Transaction read;
    for (size_t i = 0; i < kKeys; ++i) {
      read.then.push_back({.kind = kv::Op::Kind::get, .key = prefix + static_cast<char>('a' + i)});
    }
    auto reply = co_await engine.router().write(cx, {.transaction = std::move(read)});
    if (host.dead()) co_return fail(Code::SHUTDOWN, "the machine has crashed");
    ASPEN_CO_CHECK(cx.checkpoint());
    if (!reply) co_return Result<>();
    size_t there = 0;
    for (const kv::OpResult& result : reply->results) there += result.record.has_value() ? 1 : 0;
    if (there != 0 && (there != kKeys || ended)) {
      world_.violate(kOracle, fmt::format("lease {} has {} of {} keys{}", lease, there, kKeys,
                                          ended ? " after it ended" : ""));
    }
    co_return Result<>();
  }

  void report() {
    if (book_->broken()) world_.violate(kOracle, *book_->broken());
  }

  World& world_;
  Machine& machine_;
  const uint64_t id_;
  std::shared_ptr<LeaseBook> book_;
  std::shared_ptr<Activity> activity_;
  Random random_;
  uint64_t incarnation_ = 0;
  bool stopping_ = false;
};

LeaseLoad::LeaseLoad(World& world, Cluster& cluster, size_t holders)
    : world_(world),
      cluster_(cluster),
      book_(std::make_shared<LeaseBook>()),
      activity_(std::make_shared<Activity>()),
      seen_(cluster.size()),
      looking_(std::make_shared<bool>(true)) {
  const std::vector<Machine*> machines = cluster.machines();
  for (size_t i = 0; i < holders; ++i) {
    holders_.push_back(std::make_shared<Holder>(world, *machines[i % machines.size()], i, book_, activity_));
  }
}

LeaseLoad::~LeaseLoad() {
  *looking_ = false;
  stop();
}

void LeaseLoad::start() {
  look();
}

void LeaseLoad::stop() {
  for (auto& holder : holders_) holder->stop();
}

void LeaseLoad::look() {
  if (world_.now() % kStartPeriod < kLookPeriod) {
    for (auto& holder : holders_) holder->look_after();
  }
  for (size_t i = 0; i < cluster_.size(); ++i) look(i);
  if (book_->broken()) world_.violate(kOracle, *book_->broken());
  Machine* leader = cluster_.leader();
  raft::Term term = leader != nullptr ? leader->replica()->driver().core().term() : term_;
  if (std::exchange(term_, term) != term) reigns_from_ = world_.now();
  world_.events().after(kLookPeriod, [this, looking = looking_] {
    if (*looking) look();
  });
}

// A lease whose number a member has applied, and which it does not have, has ended.
void LeaseLoad::look(size_t member) {
  Machine& machine = cluster_.member(member);
  node::Replica* replica = machine.replica();
  if (replica == nullptr || replica->driver().failure() || replica->driver().replacing()) return;
  const std::vector<kv::LeaseId> open = book_->open();
  const Seen now{machine.incarnation(), replica->machine().applied(), open.size()};
  Seen& seen = seen_[member];
  bool same = seen.incarnation == now.incarnation && seen.applied == now.applied && seen.leases == now.leases;
  if (same) return;
  seen = now;
  for (kv::LeaseId id : open) {
    if (id > now.applied) break;
    auto lease = replica->machine().lease(id);
    if (!lease && lease.error().code == Code::NOT_FOUND) book_->ended(id, world_.now());
  }
}

// Also those whose holder never heard that they were granted.
bool LeaseLoad::all_gone() {
  for (size_t i = 0; i < cluster_.size(); ++i) {
    node::Replica* replica = cluster_.member(i).replica();
    auto left = replica != nullptr ? replica->machine().leases(0, 1) : std::vector<kv::Lease>(1);
    if (!left || !left->empty()) return false;
  }
  return book_->open().empty();
}

void LeaseLoad::finish() {
  const TimeNs began = world_.now();
  // Who still runs may have a lease granted that nobody knows of yet.
  auto ended = [&] { return activity_->running == 0 && all_gone(); };
  auto late = [&] {
    const DurationNs longest = std::max(book_->longest(), kTtlMax);  // also of those nobody heard of
    const DurationNs slow_clock = longest / 1'000'000 * kDriftPpmMax;
    const TimeNs from = std::max({began, reigns_from_, activity_->ended});
    return activity_->running == 0 && world_.now() > from + longest + slow_clock + kReleaseSlack;
  };
  (void)world_.run_until([&] { return world_.violation() || ended() || late(); }, kFinishLimit);
  if (world_.violation()) return;
  if (!all_gone()) {
    return world_.violate(kOracle, fmt::format("there are leases {} ms after their time, {} of them known",
                                               kReleaseSlack / kMillisecond, book_->open().size()));
  }
  for (size_t i = 0; i < cluster_.size(); ++i) {
    auto left = cluster_.member(i).replica()->machine().range({.start = "lease/", .end = "lease0"});
    if (left && left->entries.empty()) continue;
    return world_.violate(kOracle, left ? fmt::format("{} is there without its lease", left->entries[0].key)
                                        : left.error().to_string());
  }
}

}  // namespace aspen::lab
