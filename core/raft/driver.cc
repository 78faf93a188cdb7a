#include "core/raft/driver.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"

namespace aspen::raft {
namespace {

Error not_leader(Applied applied) {
  return Error(Code::NOT_LEADER, applied,
               applied == Applied::NO
                   ? "this member is not the leader"
                   : "this member lost leadership before the command was known to be committed");
}

// A crash between a restore and the log's reset leaves a state machine that is ahead of its log.
Result<Durable> load(LogStore& log, const StateMachine& machine) {
  ASPEN_TRY(Durable durable, log.load());
  Index last = durable.entries.empty() ? durable.snapshot.index : durable.entries.back()->index;
  std::optional<SnapshotMeta> restored = machine.restored();
  if (restored && restored->index > durable.snapshot.index) {
    bool known = restored->index <= last &&
                 durable.entries[restored->index - durable.snapshot.index - 1]->term == restored->term;
    if (!known) {
      ASPEN_CHECK(log.reset_now(*restored));
      return log.load();
    }
  }
  if (machine.applied() > last) {
    return fail(Code::CORRUPT, "the state has applied entry {} but the log ends at {}", machine.applied(),
                last);
  }
  if (machine.applied() < durable.snapshot.index) {
    return fail(
        Code::CORRUPT,
        "the state has applied entry {} but the log begins after {}; a member whose network lives on may be "
        "emptied (remove journal and state) and joined again",
        machine.applied(), durable.snapshot.index);
  }
  return durable;
}

}  // namespace

Result<std::unique_ptr<Driver>> Driver::open(rt::Executor& executor, rt::Lane& background, LogStore& log,
                                             StateMachine& machine, Transport& transport,
                                             DriverOptions options) {
  ASPEN_TRY(Durable durable, load(log, machine));
  return std::unique_ptr<Driver>(
      new Driver(executor, background, log, machine, transport, std::move(options), std::move(durable)));
}

Driver::Driver(rt::Executor& executor, rt::Lane& background, LogStore& log, StateMachine& machine,
               Transport& transport, DriverOptions options, Durable durable)
    : executor_(executor),
      background_(background),
      log_(log),
      machine_(machine),
      transport_(transport),
      options_(std::move(options)),
      core_(options_.core, std::move(durable), machine.applied(), executor.now()),
      turn_([this] { turn(); }),
      timer_(executor, [this] { wake(); }),
      unfinished_(executor) {
  wake();
}

Driver::~Driver() = default;

Status Driver::status() const {
  Status status = core_.status();
  if (failure_ && status.role == Role::leader) status.role = Role::follower;
  status.leader = leader();
  return status;
}

bool Driver::empty() const {
  return core_.config().members.empty() && core_.term() == 0 && core_.commit() == 0;
}

void Driver::bootstrap(const Member& self) {
  core_.bootstrap(self, executor_.env().wall_now(), executor_.now());
  wake();
}

void Driver::wake() {
  executor_.at_turn_end(turn_);
}

void Driver::step(Message message) {
  if (frozen()) return;
  bool entries = message.kind == MessageKind::append && !message.entries.empty();
  if (entries && !log_.check_room()) return;
  // A promise must not begin before the heartbeat was sent: the turn's time may be older than the message.
  bool promises = options_.core.lease_reads && message.kind == MessageKind::heartbeat;
  core_.step(std::move(message), promises ? executor_.env().now() : executor_.now());
  wake();
}

void Driver::propose(Bytes command, Reply reply) {
  if (failure_) return reply(std::unexpected(*failure_));
  if (closing_) return reply(std::unexpected(Error(Code::SHUTDOWN, Applied::NO, "the node is closing")));
  if (core_.role() != Role::leader) return reply(std::unexpected(not_leader(Applied::NO)));
  auto room = log_.check_room();
  if (!room && !ASPEN_MUTANT("raft-driver-fills-the-disk")) return reply(std::unexpected(room.error()));
  bool full = proposals_bytes_ + command.size() > limits::kProposalsQueuedBytesMax;
  if (full || ASPEN_BUGGIFY("raft-driver-proposals-full")) {
    return reply(fail(Code::OVERLOADED, "{} bytes of commands are queued; at most {}", proposals_bytes_,
                      limits::kProposalsQueuedBytesMax));
  }
  proposals_bytes_ += command.size();
  proposals_.emplace_back(std::move(command), std::move(reply));
  wake();
}

void Driver::read(ReadKind kind, ReadReady ready) {
  if (failure_) return ready(std::unexpected(*failure_));
  if (closing_) return ready(fail(Code::SHUTDOWN, "the node is closing"));
  bool leads = core_.role() == Role::leader;
  if (!leads && kind != ReadKind::member) return ready(std::unexpected(not_leader(Applied::NO)));
  queued(kind).push_back(std::move(ready));
  wake();
}

void Driver::change_members(std::vector<Member> members, ReadReady done, ChangeVia via) {
  if (failure_) return done(std::unexpected(*failure_));
  if (closing_) return done(std::unexpected(Error(Code::SHUTDOWN, Applied::NO, "the node is closing")));
  auto index = core_.propose_config(std::move(members), executor_.env().wall_now(), executor_.now(), via);
  if (!index) return done(std::unexpected(index.error()));
  changes_.emplace(*index, std::move(done));
  wake();
}

Result<> Driver::transfer_leadership(PeerId to) {
  if (failure_) return std::unexpected(*failure_);
  auto result = core_.transfer_leadership(to, executor_.now());
  wake();
  return result;
}

void Driver::snapshot_sent(const Message& offer, std::shared_ptr<SnapshotSource> source,
                           const Result<>& result) {
  const bool again = !result && result.error().code != Code::CORRUPT && core_.role() == Role::leader;
  if (again) unfinished_.keep_copy(offer.to, {*offer.snapshot, std::move(source)});
  core_.snapshot_sent(offer.to, result.has_value(), executor_.now());
  wake();
}

void Driver::turn() {
  if (frozen()) return;
  core_.tick(executor_.now());
  propose_queued();
  start_reads();
  take_effects();
  maybe_compact();
  TimeNs next = core_.next_tick();
  if (next != kNever && ASPEN_BUGGIFY("raft-driver-tick-late")) next += options_.core.heartbeat;
  timer_.arm(next);
}

void Driver::propose_queued() {
  if (proposals_.empty()) return;
  std::deque<std::pair<Bytes, Reply>> replies;
  if (ASPEN_BUGGIFY("raft-driver-proposals-cut")) {
    replies.push_back(std::move(proposals_.front()));
    proposals_.pop_front();
    wake();  // for the others
  } else {
    replies = std::exchange(proposals_, {});
  }
  std::vector<Bytes> commands;
  commands.reserve(replies.size());
  for (auto& [command, reply] : replies) {
    proposals_bytes_ -= command.size();
    commands.push_back(std::move(command));
  }
  auto first = core_.propose(std::move(commands), executor_.env().wall_now(), executor_.now());
  Index index = first.value_or(0);
  for (auto& [command, reply] : replies) {
    if (!first) {
      reply(std::unexpected(first.error()));
    } else {
      waiting_.emplace(index++, std::move(reply));
    }
  }
}

void Driver::start_reads() {
  read_by_lease();
  start_reads(ReadKind::index);
  start_reads(ReadKind::member);
}

// By a clock that is read now, after all of them came.
void Driver::read_by_lease() {
  auto& waiting = queued(ReadKind::lease);
  if (waiting.empty()) return;
  if (auto index = core_.lease_read(executor_.env().now())) {
    confirmed_.emplace(*index, std::exchange(waiting, {}));
    return serve_reads();
  }
  std::ranges::move(std::exchange(waiting, {}), std::back_inserter(queued(ReadKind::index)));
}

void Driver::start_reads(ReadKind kind) {
  auto& waiting = queued(kind);
  if (waiting.empty()) return;
  // A read that is confirmed later than it could be sees a later state.
  if (ASPEN_BUGGIFY("raft-driver-reads-wait")) return wake();
  if (ASPEN_MUTANT("raft-driver-read-without-read-index")) {
    confirmed_.emplace(core_.commit(), std::exchange(waiting, {}));
    return serve_reads();
  }
  uint64_t round = next_round_++;
  if (ASPEN_BUGGIFY("raft-driver-read-alone")) {
    rounds_[round].push_back(std::move(waiting.front()));
    waiting.erase(waiting.begin());
    if (!waiting.empty()) wake();
  } else {
    rounds_.emplace(round, std::exchange(waiting, {}));
  }
  if (kind == ReadKind::member) {
    core_.read_from_leader(round, executor_.now());
  } else {
    core_.read_index(round, executor_.now());
  }
}

void Driver::send(std::vector<Message>& messages) {
  for (Message& message : messages) {
    if (failure_) return;
    if (message.kind != MessageKind::snapshot) {
      transport_.send(message);
      continue;
    }
    send_snapshot(std::move(message));
  }
}

void Driver::send_snapshot(Message offer) {
  auto copy = unfinished_.take_copy(offer.to, core_.first_index() - 1);
  if (!copy) {
    auto source = machine_.snapshot();
    if (!source) return fail_stop(source.error());
    copy = SnapshotCopy{core_.snapshot_meta(machine_.applied()), std::move(*source)};
  }
  offer.snapshot = copy->meta;
  transport_.send_snapshot(std::move(offer), copy->source);
}

void Driver::take_effects() {
  while (core_.has_effects() && !frozen()) {
    Effects effects = core_.take_effects();
    if (effects.empty()) break;
    send(effects.messages);
    if (failure_) return;
    if (ASPEN_MUTANT("raft-driver-ack-before-sync")) {
      send(effects.messages_after_sync);
      effects.messages_after_sync.clear();
    }
    if (effects.sync_token != 0 || write_in_flight_ || !writes_.empty()) {
      if (effects.sync_token != 0 || !effects.messages_after_sync.empty()) {
        writes_.push_back({{effects.hard_state, effects.truncate_from, std::move(effects.entries)},
                           effects.sync_token,
                           std::move(effects.messages_after_sync)});
      }
    } else {
      send(effects.messages_after_sync);
    }
    for (Index index : effects.proposals_dropped) {
      if (auto dropped = waiting_.extract(index)) {
        dropped.mapped()(std::unexpected(not_leader(Applied::NO)));
      }
    }
    if (was_leader_ && core_.role() != Role::leader) {
      reject_waiting(not_leader(Applied::MAYBE));
      unfinished_.drop_copies();
    }
    was_leader_ = core_.role() == Role::leader;
    if (ASPEN_BUGGIFY("raft-driver-apply-one")) {
      for (const EntryPtr& entry : effects.committed) apply({entry});
    } else {
      apply(effects.committed);
    }
    if (failure_) return;
    for (auto& read : effects.reads_ready) {
      if (auto round = rounds_.extract(read.id)) confirmed_.emplace(read.index, std::move(round.mapped()));
    }
    for (uint64_t id : effects.reads_failed) {
      if (auto round = rounds_.extract(id)) {
        for (auto& ready : round.mapped()) ready(std::unexpected(not_leader(Applied::NO)));
      }
    }
    serve_reads();
    if (effects.state_changed && options_.on_state) options_.on_state(core_.status());
  }
  if (ASPEN_BUGGIFY("raft-driver-write-late")) return wake();
  start_write();
}

void Driver::start_write() {
  if (write_in_flight_ || writes_.empty() || failure_) return;
  write_in_flight_ = true;
  auto batch = std::make_shared<std::vector<Write>>();
  if (ASPEN_BUGGIFY("raft-driver-write-alone")) {
    batch->push_back(std::move(writes_.front()));
    writes_.erase(writes_.begin());
  } else {
    *batch = std::exchange(writes_, {});
  }
  std::vector<LogWrite> log;
  for (Write& write : *batch) {
    if (write.token != 0) log.push_back(std::move(write.log));
  }
  log_.write(std::move(log), [this, batch](Result<> result) { write_done(std::move(*batch), result); });
}

void Driver::write_done(std::vector<Write> writes, const Result<>& result) {
  write_in_flight_ = false;
  if (!result) fail_stop(result.error());
  if (failure_) {
    begin_install();
    return finish_close();
  }
  for (Write& write : writes) {
    if (write.token != 0) core_.synced(write.token, executor_.now());
    send(write.messages_after_sync);
  }
  if (installing_) return begin_install();
  if (closing_) {
    start_write();
    return finish_close();
  }
  // Not in the next turn: what the sync allows should leave now.
  if (!frozen()) turn();
}

void Driver::apply(const std::vector<EntryPtr>& entries) {
  if (entries.empty()) return;
  if (failure_) return;
  auto replies = machine_.apply(entries);
  if (!replies) return fail_stop(replies.error());
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = *entries[i];
    ASPEN_ASSERT(i < replies->size());
    // What still waits was proposed by the leader this member is since: the entry is the one it meant.
    if (auto waiting = waiting_.extract(entry.index)) waiting.mapped()(std::move((*replies)[i]));
    if (auto change = changes_.extract(entry.index)) change.mapped()({});
  }
  core_.applied(entries.back()->index);
}

void Driver::serve_reads() {
  while (!confirmed_.empty() && confirmed_.begin()->first <= machine_.applied()) {
    auto readers = std::move(confirmed_.begin()->second);
    confirmed_.erase(confirmed_.begin());
    for (auto& ready : readers) ready({});
  }
}

void Driver::reject_waiting(const Error& error) {
  Error unsent(error.code, Applied::NO, error.message);
  // What is in the log here may be in the others' and be committed, whatever has happened to this member.
  Error in_doubt(error.code, Applied::MAYBE, error.message);
  if (ASPEN_MUTANT("raft-driver-stop-says-not-applied")) in_doubt.applied = error.applied;
  for (auto& [command, reply] : std::exchange(proposals_, {})) reply(std::unexpected(unsent));
  proposals_bytes_ = 0;
  for (auto& [index, reply] : std::exchange(waiting_, {})) reply(std::unexpected(in_doubt));
  for (auto& [index, done] : std::exchange(changes_, {})) done(std::unexpected(in_doubt));
  for (auto& waiting : std::exchange(reads_, {})) {
    for (auto& ready : waiting) ready(std::unexpected(unsent));
  }
  for (auto& [round, readers] : std::exchange(rounds_, {})) {
    for (auto& ready : readers) ready(std::unexpected(unsent));
  }
  for (auto& [index, readers] : std::exchange(confirmed_, {})) {
    for (auto& ready : readers) ready(std::unexpected(unsent));
  }
}

void Driver::maybe_compact() {
  Index count = core_.last_index() - core_.first_index() + 1;
  bool over = count > options_.log_entries_max || core_.log_size_bytes() > options_.log_bytes_max ||
              ASPEN_BUGGIFY("raft-driver-compact-early");
  // Only with what is applied gone would there be less: a flush for nothing would follow the other.
  bool useful = std::min(machine_.applied(), core_.last_index() - count / 2) >= core_.first_index();
  if (!over || !useful || compacting_ || frozen()) return;
  compacting_ = true;
  auto durable = std::make_shared<Result<Index>>(0);
  auto flush = [this, durable] {
    *durable = ASPEN_MUTANT("raft-driver-compacts-unflushed") ? machine_.applied() : machine_.flush();
  };
  auto submitted = background_.submit(std::move(flush), [this, durable] { compact_done(*durable); });
  if (!submitted) compacting_ = false;  // the lane is busy; the next turn asks again
}

void Driver::compact_done(const Result<Index>& durable) {
  if (!durable) fail_stop(durable.error());
  Index count = core_.last_index() - core_.first_index() + 1;
  Index target = durable ? std::min(*durable, core_.last_index() - count / 2) : 0;
  bool forgone = ASPEN_BUGGIFY("raft-driver-compact-forgone");  // flushed for nothing, as before a crash
  if (failure_ || closing_ || installing_ || forgone || target < core_.first_index()) {
    return compact_ended({});
  }
  if (ASPEN_BUGGIFY("raft-driver-compact-little")) target = core_.first_index();
  SnapshotMeta meta = core_.snapshot_meta(target);
  std::vector<LogWrite> log;
  log.push_back({.compact = meta});
  log_.write(std::move(log), [this, meta](Result<> result) {
    if (result) core_.compacted(meta);
    compact_ended(result);
  });
}

void Driver::compact_ended(const Result<>& result) {
  compacting_ = false;
  if (!result) fail_stop(result.error());
  if (installing_) begin_install();
  finish_close();
}

Result<IncomingSnapshot> Driver::receive_snapshot(const Message& offer) {
  if (frozen() || ASPEN_BUGGIFY("raft-driver-snapshot-refused")) {
    return fail(Code::UNAVAILABLE, "this member takes no messages at the moment");
  }
  // Also when it is not wanted: the core's answer tells the leader how far this member is.
  core_.step(offer, executor_.now());
  wake();
  if (receiving_ || !core_.snapshot_wanted(offer)) {
    return fail(Code::UNAVAILABLE, "the snapshot at {} is not wanted",
                offer.snapshot ? offer.snapshot->index : 0);
  }
  if (core_.leader() != offer.from) {
    return fail(Code::UNAVAILABLE, "peer {:x} does not lead term {}", offer.from, offer.term);
  }
  auto incoming = unfinished_.take_incoming(offer);
  if (!incoming) {
    ASPEN_TRY(auto sink, machine_.restore(*offer.snapshot));
    incoming = IncomingSnapshot{std::move(sink)};
  }
  receiving_ = true;
  return *std::move(incoming);
}

void Driver::abandon_snapshot(const Message& offer, IncomingSnapshot incoming) {
  receiving_ = false;
  if (incoming.sink && !closing_ && !failure_) unfinished_.keep_incoming(offer, std::move(incoming));
}

void Driver::install_snapshot(Message offer, std::shared_ptr<SnapshotSink> sink,
                              std::move_only_function<void(Result<>)> done) {
  receiving_ = false;
  bool wanted = core_.snapshot_wanted(offer) || ASPEN_MUTANT("raft-driver-stale-snapshot-installed");
  if (frozen() || !wanted) {
    return done(fail(Code::UNAVAILABLE, "the snapshot is no longer wanted"));
  }
  installing_ = true;
  install_ = std::make_shared<Install>(std::move(offer), std::move(sink), std::move(done));
  begin_install();
}

// Writes in flight end first: an append acknowledged after the reset would be wiped with the old log.
void Driver::begin_install() {
  start_write();
  if (!install_ || write_in_flight_ || compacting_) return;
  auto install = std::exchange(install_, nullptr);
  if (failure_) return install_done(install, std::unexpected(*failure_));
  auto result = std::make_shared<Result<>>();
  auto reset_log = [this, install, result] {
    // What was refused replaced nothing. After any other error the disk may hold the new state.
    if (!*result && result->error().code != Code::CORRUPT) fail_stop(result->error());
    if (!*result) return install_done(install, *result);
    std::vector<LogWrite> log;
    bool reset = !ASPEN_MUTANT("raft-driver-no-log-reset-after-snapshot");
    if (reset) log.push_back({.reset = *install->offer.snapshot});
    log_.write(std::move(log), [this, install](Result<> result) {
      if (!result) fail_stop(result.error());
      install_done(install, result);
    });
  };
  auto submitted = background_.submit([install, result] { *result = install->sink->finish(); }, reset_log);
  if (!submitted) install_done(install, submitted);
}

void Driver::install_done(const std::shared_ptr<Install>& install, const Result<>& result) {
  installing_ = false;
  if (result) core_.snapshot_installed(install->offer, executor_.now());
  wake();
  install->done(result);
  finish_close();
}

void Driver::fail_stop(const Error& error) {
  if (failure_) return;
  failure_ = error;
  log(LogLevel::error, "consensus stops: {}", error.to_string());
  timer_.disarm();
  reject_waiting(error);
  if (options_.on_failure) options_.on_failure(error);
}

void Driver::close(std::move_only_function<void()> done) {
  closing_ = true;
  closed_ = std::move(done);
  timer_.disarm();
  unfinished_.clear();
  reject_waiting(Error(Code::SHUTDOWN, "the node is closing"));
  start_write();
  finish_close();
}

void Driver::finish_close() {
  if (!closing_ || !closed_ || write_in_flight_ || compacting_ || installing_) return;
  auto closed = std::make_shared<std::move_only_function<void()>>(std::move(closed_));
  closed_ = nullptr;
  auto flush = [this] {
    if (failure_) return;
    if (auto flushed = machine_.flush(); !flushed) {
      log(LogLevel::warn, "the state was not flushed on close, the log brings it forward: {}",
          flushed.error().to_string());
    }
  };
  if (!background_.submit(flush, [closed] { (*closed)(); })) (*closed)();
}

}  // namespace aspen::raft
