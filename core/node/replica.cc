#include "core/node/replica.h"

#include <algorithm>

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::node {
namespace {

// The group of the key-value store, in the journal.
constexpr raft::GroupId kStoreGroup = 1;
constexpr DurationNs kHousekeepingPeriod = 20 * kMillisecond;
constexpr DurationNs kHandOverTimeout = 2 * kSecond;

raft::PeerId fresh_peer(rt::Env& env) {
  raft::PeerId peer;
  do peer = env.random_u64();
  while (peer == raft::kNobody);
  return peer;
}

}  // namespace

Result<std::unique_ptr<Replica>> Replica::open(Platform& platform, rt::Region& region, Home& home,
                                               LogHost& logs, ReplicaOptions options) {
  std::unique_ptr<Replica> replica(new Replica(platform, region, std::move(options)));
  ASPEN_TRY(auto state_db, home.open_state());
  state_db = store::open_cached(std::move(state_db), limits::kStateCacheBytes);
  rt::Executor& executor = platform.executor();
  ASPEN_TRY(replica->log_, raft::LogStore::open(logs.writer(), kStoreGroup, fresh_peer(executor.env())));
  ASPEN_TRY(replica->machine_, kv::StateMachine::open(std::move(state_db)));

  raft::DriverOptions driver;
  driver.core.self = replica->log_->peer();
  if (replica->options_.heartbeat > 0) driver.core.heartbeat = replica->options_.heartbeat;
  if (replica->options_.election > 0) driver.core.election = replica->options_.election;
  driver.core.lease_reads = replica->options_.lease_reads;
  if (uint32_t ppm = replica->options_.clock_drift_ppm_max; ppm > 0) driver.core.clock_drift_ppm_max = ppm;
  driver.core.random = [&executor] { return executor.env().random_u64(); };
  driver.on_state = [raw = replica.get()](const raft::Status& status) {
    raw->transport_.connect_members();
    if (raw->options_.on_state) raw->options_.on_state(status);
  };
  driver.on_failure = replica->options_.on_failure;
  if (replica->options_.log_entries_max > 0) driver.log_entries_max = replica->options_.log_entries_max;
  ASPEN_TRY(replica->driver_, raft::Driver::open(executor, *replica->background_, *replica->log_,
                                                 *replica->machine_, replica->transport_, std::move(driver)));
  replica->leases_.emplace(executor, *replica->driver_, *replica->machine_);
  return replica;
}

rt::Task<Result<>> Replica::begin_with(rt::Cx& cx, rt::Lane& lane, Home& home, LogHost& logs,
                                       BackupReader& backup, NodeId node, std::string address) {
  const BackupManifest& manifest = backup.manifest();
  if (manifest.revision() > raft::kNumberMax - kRestoreLeap) {
    co_return fail(Code::LIMIT_EXCEEDED, "the backup is of revision {}; at most {}", manifest.revision(),
                   raft::kNumberMax - kRestoreLeap);
  }
  ASPEN_CO_TRY(auto log, raft::LogStore::open(logs.writer(), kStoreGroup, fresh_peer(cx.env())));
  raft::SnapshotMeta meta{.index = manifest.revision() + kRestoreLeap,
                          .term = manifest.origin.term,
                          .config = {},
                          .time = manifest.contents.time};
  if (ASPEN_MUTANT("node-restore-repeats-revisions")) meta.index = manifest.revision();
  meta.config.members = {
      {.peer = log.peer(), .node = node, .address = address, .role = raft::MemberRole::voter}};
  ASPEN_CO_TRY(auto state, home.open_state());
  ASPEN_CO_TRY(auto machine, kv::StateMachine::open(std::move(state)));
  // Shared with the lane, and gone before the machine.
  ASPEN_CO_TRY(std::shared_ptr<raft::SnapshotSink> sink, machine->begin_with(meta));
  for (bool more = true; more;) {
    auto step = [&backup, sink]() -> Result<bool> {
      ASPEN_TRY(Bytes chunk, backup.next());
      ASPEN_CHECK(chunk.empty() ? sink->finish() : sink->write(chunk));
      return !chunk.empty();
    };
    ASPEN_CO_TRY(more, co_await lane.run(cx, step));
  }
  // The log, which is not there yet, begins after what the state says: Driver::open.
  co_return Result<>();
}

void Replica::bootstrap() {
  driver_->bootstrap(
      {.peer = peer(), .node = options_.node, .address = options_.address, .role = raft::MemberRole::voter});
}

bool Replica::is_voter() const {
  const raft::Core& core = driver_->core();
  const bool early = ASPEN_MUTANT("node-voter-before-committed");
  const raft::Member* self = (early ? core.config() : core.committed_config()).find(peer());
  return self != nullptr && self->role == raft::MemberRole::voter;
}

const raft::Member* Replica::leader() const {
  return driver_->core().config().find(driver_->leader());
}

void Replica::join(const NodeId& node, raft::PeerId peer, const std::string& address,
                   raft::Driver::ReadReady done) {
  std::vector<raft::Member> members = driver_->core().config().members;
  auto it =
      std::find_if(members.begin(), members.end(), [&](const raft::Member& m) { return m.node == node; });
  if (it == members.end()) {
    members.push_back({.peer = peer, .node = node, .address = address, .role = raft::MemberRole::learner});
  } else if (it->peer == peer && it->address == address) {
    return read({}, std::move(done));
  } else if (it->peer == peer) {
    it->address = address;
  } else {
    log(LogLevel::warn, "{} lost its data and comes back as a new learner", node.short_string());
    *it = {.peer = peer, .node = node, .address = address, .role = raft::MemberRole::learner};
  }
  driver_->change_members(std::move(members), std::move(done));
}

void Replica::read(ReadOptions options, raft::Driver::ReadReady ready) {
  raft::ReadKind kind = options.lease ? raft::ReadKind::lease : raft::ReadKind::index;
  bool leads = driver_->core().role() == raft::Role::leader;
  if (!leads && (options.here || options_.member_reads)) kind = raft::ReadKind::member;
  driver_->read(kind, std::move(ready));
}

void Replica::keep_voters(TimeNs now) {
  auto change = steward_.decide(driver_->status(), now);
  if (!change) return;
  // A change already under way refuses this one, and the next round decides again.
  auto done = [promoted = change->promoted, demoted = change->demoted](const Result<>& result) {
    if (!result) return;
    for (const NodeId& node : promoted) {
      log(LogLevel::info, "{} has caught up and is a voter", node.short_string());
    }
    for (const NodeId& node : demoted) {
      log(LogLevel::warn, "{} was dead or lagged and is a learner", node.short_string());
    }
  };
  driver_->change_members(std::move(change->members), done, change->via);
}

// The leader lets go of what is older than the options say.
void Replica::keep_history(TimeNs now) {
  if (driver_->core().role() != raft::Role::leader || driver_->replacing()) return compaction_.reset();
  if (!compaction_) {
    bool little = ASPEN_BUGGIFY("node-history-short");
    compaction_.emplace(little ? kv::CompactionPolicy::Options{.keep_revisions = 1} : options_.history);
  }
  compaction_->sample(machine_->applied(), now);
  std::optional<uint64_t> to = compaction_->due(machine_->applied(), machine_->compacted(), now);
  if (!to || compacting_) return;
  compacting_ = true;
  kv::Command command{.kind = kv::Command::Kind::compact, .revision = *to};
  driver_->propose(kv::encode(command), [this](const Result<Bytes>&) { compacting_ = false; });
}

// The leader has indexes built, and dropped ones erased, a step after the other: as soon as one is done the
// next is proposed, so that the rest of the log gets its turn in between.
void Replica::keep_indexes() {
  if (indexing_ || driver_->core().role() != raft::Role::leader || driver_->replacing()) return;
  if (machine_->indexes().working() == nullptr) return;
  indexing_ = true;
  driver_->propose(kv::encode({.kind = kv::Command::Kind::index_step}), [this](const Result<Bytes>& reply) {
    indexing_ = false;
    if (reply) keep_indexes();
  });
}

rt::Task<Result<>> Replica::keep_members(rt::Cx& cx) {
  for (int round = 0;; ++round) {
    ASPEN_CO_CHECK(co_await cx.sleep(kHousekeepingPeriod));
    keep_voters(cx.now());
    keep_indexes();
    if (round % 16 != 0) continue;
    keep_history(cx.now());
    transport_.connect_members();
    if (driver_->core().role() == raft::Role::leader && ASPEN_BUGGIFY("node-leader-hands-over")) {
      (void)driver_->transfer_leadership(raft::kNobody);
    }
  }
}

rt::Task<Result<>> Replica::hand_over(rt::Cx& cx) {
  TimeNs deadline = cx.now() + kHandOverTimeout;
  if (driver_->core().role() != raft::Role::leader || !driver_->transfer_leadership(raft::kNobody)) {
    co_return Result<>();
  }
  while (driver_->core().role() == raft::Role::leader && cx.now() < deadline) {
    ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond));
  }
  co_return Result<>();
}

}  // namespace aspen::node
