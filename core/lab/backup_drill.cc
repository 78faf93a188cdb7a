#include "core/lab/backup_drill.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/store/store.h"

namespace aspen::lab {
namespace {

constexpr DurationNs kBackupTimeout = 10 * kSecond;
constexpr DurationNs kRestoreLimit = 120 * kSecond;
constexpr uint64_t kClient = 1'000'000;  // in the history, one for each backup
constexpr uint64_t kRestoredMachine = 200;
constexpr size_t kBackupsMax = 64;  // of a run
constexpr int kCrashesMax = 3;      // while one is restored
constexpr int kStartsMax = 20;
constexpr size_t kJournalSegmentBytes = 32u << 10;

Result<> copy_directory(journal::Directory& from, journal::Directory& to) {
  ASPEN_TRY(std::vector<std::string> names, from.list());
  for (const std::string& name : names) {
    ASPEN_TRY(auto file, from.open(name));
    ASPEN_TRY(uint64_t size, file->size());
    Bytes content(size, '\0');
    ASPEN_TRY(size_t got, file->read(0, content));
    ASPEN_TRY(auto copy, to.create(name));
    ASPEN_CHECK(copy->write(0, BytesView(content).substr(0, got)));
    ASPEN_CHECK(copy->sync());
  }
  return to.sync();
}

// Everything, past the limit of one reply.
Result<kv::RangeReply> records_of(const kv::StateMachine& machine) {
  kv::RangeReply all;
  kv::RangeRequest request;
  do {
    ASPEN_TRY(kv::RangeReply part, machine.range(request));
    std::ranges::move(part.entries, std::back_inserter(all.entries));
    request.start = part.continuation;
    all.more = part.more;
  } while (all.more);
  return all;
}

}  // namespace

Machine& BackupDrill::machine(size_t i) {
  return i < cluster_.size() ? cluster_.member(i) : *cluster_.client_machines()[i - cluster_.size()];
}

void BackupDrill::begin(Random& random) {
  size_t i = random.below(cluster_.size() + cluster_.client_machines().size());
  bool stale = random.chance(0.2);
  if (backups_.size() >= kBackupsMax || machine(i).engine() == nullptr || machine(i).paused()) return;
  const size_t number = backups_.size() + 1;
  auto recorded = cluster_.history().invoke(
      kClient + number, world_.now(),
      RangeCall{
          .freshness = {.kind = stale ? node::Freshness::Kind::stale : node::Freshness::Kind::linearizable}});
  if (!recorded) return;
  Backup& backup = *backups_.emplace_back(std::make_unique<Backup>());
  backup.machine = i;
  backup.path = fmt::format("backup{}", number);
  backup.operation = *recorded;
  node::Engine& engine = *machine(i).engine();
  Host& host = *machine(i).host();
  world_.note(machine(i).index(), "backup", "{} begins{}", backup.path, stale ? ", stale" : "");
  host.deliver([this, &engine, &host, &backup, stale] {
    auto make = [&engine, &backup, stale](rt::Cx& cx) {
      return engine.backups().make(cx, {.dir = backup.path, .stale = stale});
    };
    engine.operations()
        .spawn("backup", make, host.executor().now() + kBackupTimeout)
        .then([this, &host, &backup](rt::Outcome<node::BackupManifest> outcome) {
          if (host.dead()) return;  // a ghost's news reaches nobody
          auto manifest = std::move(outcome).result();
          if (manifest) backup.acknowledged = manifest->revision();
          world_.note(
              0, "backup", "{}: {}", backup.path,
              manifest ? fmt::format("revision {}", manifest->revision()) : manifest.error().to_string());
        });
  });
}

// Into a store of its own.
Result<kv::RangeReply> BackupDrill::read(const Backup& backup) {
  std::shared_ptr<Mount> mount = machine(backup.machine).disk().look();
  ASPEN_TRY(auto directory, mount->open_directory(backup.path));
  ASPEN_TRY(auto reader, node::BackupReader::open(std::move(directory), backup.path));
  node::BackupCheck check(*reader);
  for (bool more = true; more;) {
    ASPEN_TRY(more, check.step());
  }
  reader->rewind();
  const uint64_t revision = reader->manifest().revision();
  ASPEN_TRY(auto restored, kv::StateMachine::open(store::open_memory()));
  ASPEN_TRY(auto sink, restored->begin_with({.index = revision, .term = 1, .config = {}, .time = 0}));
  for (;;) {
    ASPEN_TRY(Bytes chunk, reader->next());
    if (chunk.empty()) break;
    ASPEN_CHECK(sink->write(chunk));
  }
  ASPEN_CHECK(sink->finish());
  ASPEN_TRY(kv::RangeReply content, records_of(*restored));
  content.revision = revision;
  return content;
}

void BackupDrill::judge(Backup& backup) {
  auto content = read(backup);
  if (content) {
    if (backup.acknowledged && *backup.acknowledged != content->revision) {
      world_.violate("backup", fmt::format("{} was acknowledged at revision {} and is of revision {}",
                                           backup.path, *backup.acknowledged, content->revision));
    }
    backup.content = *content;
    return cluster_.history().succeed(backup.operation, world_.now(), *std::move(content));
  }
  // Nothing of it is there, or it says itself that it was interrupted.
  const Error& error = content.error();
  bool unfinished = error.code == Code::NOT_FOUND || error.message.contains("interrupted");
  if (backup.acknowledged || !unfinished) {
    world_.violate("backup", fmt::format("{}{}: {}", backup.path,
                                         backup.acknowledged ? " was acknowledged" : "", error.to_string()));
  }
  cluster_.history().fail(backup.operation, world_.now(), error);
}

void BackupDrill::collect() {
  for (auto& backup : backups_) judge(*backup);
}

template <typename Reply>
Result<Reply> BackupDrill::ask(Machine& machine,
                               std::function<rt::Task<Result<Reply>>(node::Engine&, rt::Cx&)> body) {
  auto answer = std::make_shared<std::optional<Result<Reply>>>();
  Host& host = *machine.host();
  node::Engine& engine = *machine.engine();
  host.deliver([&] {
    engine.operations()
        .spawn(
            "restored", [&engine, body](rt::Cx& cx) { return body(engine, cx); },
            host.executor().now() + kBackupTimeout)
        .then([answer](rt::Outcome<Reply> outcome) { *answer = std::move(outcome).result(); });
  });
  world_.run_until([&] { return answer->has_value(); }, kRestoreLimit);
  if (!*answer) return fail(Code::INTERNAL, "the restored node does not answer");
  return std::move(**answer);
}

// Page by page: a reply may be short.
Result<kv::RangeReply> BackupDrill::read_all(Machine& machine) {
  kv::RangeReply all;
  for (kv::RangeRequest request;;) {
    ASPEN_TRY(kv::RangeReply page, ask<kv::RangeReply>(machine, [request](node::Engine& engine, rt::Cx& cx) {
                return engine.router().range(cx, request);
              }));
    std::ranges::move(page.entries, std::back_inserter(all.entries));
    if (!page.more) return all;
    request.start = page.continuation;
  }
}

// Whatever happens to it on the way.
bool BackupDrill::open_restored(Machine& machine, Random& random) {
  for (int starts = 0;; ++starts) {
    if (starts < kCrashesMax && random.chance(0.7)) machine.disk().crash_within(1 + random.below(60));
    // Once it is whole it opens as any node; before that, as soon as it is one, only with its backup.
    bool whole = machine.failure() && machine.failure()->code == Code::ALREADY_EXISTS;
    bool tries = machine.disk().files().contains("node/node") && random.chance(0.3);
    machine.start({.mode = node::Mode::found,
                   .listen = machine.address(),
                   .journal_segment_bytes = kJournalSegmentBytes,
                   .restore_from = whole || tries ? "" : "backup"});
    auto ended = [&] {
      bool died = machine.state() != Machine::State::off && !machine.disk().mounted();
      return machine.engine() != nullptr || machine.state() == Machine::State::off || died;
    };
    if (!world_.run_until(ended, kRestoreLimit)) return false;
    machine.disk().call_off_crash();
    if (machine.engine() != nullptr && machine.disk().mounted()) return true;
    if (machine.state() != Machine::State::off) machine.crash(DiskCrash::power_cut);
    if (starts < kStartsMax) continue;
    world_.violate("backup", "a restored node does not open: " +
                                 (machine.failure() ? machine.failure()->to_string() : std::string("?")));
    return false;
  }
}

void BackupDrill::restore() {
  Random random = world_.random("restore");
  std::vector<Backup*> whole;
  for (auto& backup : backups_) {
    if (backup->content) whole.push_back(backup.get());
  }
  if (whole.empty()) return;
  const Backup& backup = *whole[random.below(whole.size())];
  Machine restored(world_, kRestoredMachine, "10.0.2.1:7000");
  {
    std::shared_ptr<Mount> from = machine(backup.machine).disk().look();
    std::shared_ptr<Mount> to = restored.disk().mount();
    auto source = from->open_directory(backup.path);
    auto target = to->open_directory("backup");
    ASPEN_ASSERT(source && target && copy_directory(**source, **target));
  }
  if (!open_restored(restored, random)) return;
  auto found = read_all(restored);
  auto written = ask<kv::WriteReply>(restored, [](node::Engine& engine, rt::Cx& cx) {
    kv::Command put{.transaction = {.then = {{.key = "restored", .value = "v"}}}};
    return engine.router().write(cx, put);
  });
  if (!found || !written) {
    return world_.violate(
        "backup", "a restored node does not serve: " + (found ? written.error() : found.error()).to_string());
  }
  if (found->entries != backup.content->entries) {
    world_.violate("backup", fmt::format("{} has {} records, what was restored from it {}", backup.path,
                                         backup.content->entries.size(), found->entries.size()));
  }
  uint64_t newest = backup.content->revision;
  for (const Operation& operation : cluster_.history().operations()) {
    if (const WriteCall* write = operation.write(); write != nullptr && operation.ok()) {
      newest = std::max(newest, write->reply.revision);
    }
  }
  if (written->revision <= newest) {
    world_.violate("backup",
                   fmt::format("a write to what was restored has revision {}, the old network gave {}",
                               written->revision, newest));
  }
  restored.stop();
  world_.run_until([&] { return restored.state() == Machine::State::off; }, kRestoreLimit);
}

}  // namespace aspen::lab
