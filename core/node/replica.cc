#include "core/node/replica.h"

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/node/protocol.h"

namespace aspen::node {

Result<std::unique_ptr<Replica>> Replica::open(Platform& platform, rt::Region& region, Home& home,
                                               GroupLinks& links, LogHost& logs, ReplicaOptions options) {
  std::unique_ptr<Replica> replica(new Replica(platform, std::move(options)));
  ASPEN_TRY(auto state_db, home.open_state());
  state_db = store::open_cached(std::move(state_db), limits::kStateCacheBytes);
  ASPEN_TRY(replica->machine_, kv::StateMachine::open(std::move(state_db)));
  replica->options_.group.id = kStoreGroup;
  const Group::Ground ground{platform.executor(), region, *replica->background_, links, logs};
  ASPEN_TRY(replica->group_, Group::open(ground, *replica->machine_, replica->options_.group));
  replica->leases_.emplace(platform.executor(), replica->driver(), *replica->machine_);
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

void Replica::read(ReadOptions options, raft::Driver::ReadReady ready) {
  raft::ReadKind kind = options.lease ? raft::ReadKind::lease : raft::ReadKind::index;
  bool leads = group_->leads();
  if (!leads && (options.here || options_.member_reads)) kind = raft::ReadKind::member;
  driver().read(kind, std::move(ready));
}

// The leader lets go of what is older than the options say.
void Replica::keep_history(TimeNs now) {
  if (!group_->leads() || driver().replacing()) return compaction_.reset();
  if (!compaction_) {
    bool little = ASPEN_BUGGIFY("node-history-short");
    compaction_.emplace(little ? kv::CompactionPolicy::Options{.keep_revisions = 1} : options_.history);
  }
  compaction_->sample(machine_->applied(), now);
  std::optional<uint64_t> to = compaction_->due(machine_->applied(), machine_->compacted(), now);
  if (!to || compacting_) return;
  compacting_ = true;
  kv::Command command{.kind = kv::Command::Kind::compact, .revision = *to};
  driver().propose(kv::encode(command), [this](const Result<Bytes>&) { compacting_ = false; });
}

// The leader has indexes built, and dropped ones erased, a step after the other: as soon as one is done the
// next is proposed, so that the rest of the log gets its turn in between.
void Replica::keep_indexes() {
  if (indexing_ || !group_->leads() || driver().replacing()) return;
  if (machine_->indexes().working() == nullptr) return;
  indexing_ = true;
  driver().propose(kv::encode({.kind = kv::Command::Kind::index_step}), [this](const Result<Bytes>& reply) {
    indexing_ = false;
    if (reply) keep_indexes();
  });
}

rt::Task<Result<>> Replica::keep(rt::Cx& cx) {
  for (int round = 0;; ++round) {
    ASPEN_CO_CHECK(co_await cx.sleep_until(next_multiple(cx.now(), kHousekeepingPeriod)));
    group_->keep(cx.now());
    keep_indexes();
    if (round % 8 != 0) continue;
    keep_history(cx.now());
    group_->transport().connect_members();
    if (group_->leads() && ASPEN_BUGGIFY("node-leader-hands-over")) {
      (void)driver().transfer_leadership(raft::kNobody);
    }
  }
}

}  // namespace aspen::node
