#include "core/node/backups.h"

#include "core/base/buggify.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/node/protocol.h"
#include "core/node/tar_directory.h"
#include "core/rt/oneshot.h"

namespace aspen::node {
namespace {

constexpr DurationNs kPoll = 20 * kMillisecond;
constexpr size_t kStreamFileBytes = 8u << 20;  // of which one is in memory
constexpr size_t kBufferedBytesMax = 8 * limits::kSnapshotChunkBytes;
// Until a member answers; until the one that is asked does.
constexpr DurationNs kFindPatience = 10 * kSecond;
constexpr DurationNs kAnswerPatience = 3 * kSecond;

bool may_pass(Code code) {
  return code == Code::NOT_LEADER || code == Code::UNAVAILABLE || code == Code::OVERLOADED ||
         code == Code::CONNECTION_LOST || code == Code::SHUTDOWN || code == Code::UNSUPPORTED;
}

}  // namespace

// A copy of this member's state.
struct Backups::Source {
  Source(Backups& backups, std::unique_ptr<raft::SnapshotSource> chunks, const BackupOrigin& origin)
      : backups(backups), chunks(std::move(chunks)), origin(origin) {
    ++backups.sources_;
  }
  ~Source() { --backups.sources_; }
  Source(const Source&) = delete;

  Backups& backups;
  std::unique_ptr<raft::SnapshotSource> chunks;
  BackupOrigin origin;
};

// A backup under way. Shared with the work on the lane.
struct Backups::Copy {
  std::unique_ptr<BackupWriter> writer;
  std::optional<BackupManifest> manifest;  // at its end
};

// A member that sends its state.
struct Backups::Offer {
  std::shared_ptr<FrameInbox> chunks;
  BackupOrigin origin;
};

rt::Task<Result<BackupManifest>> Backups::make(rt::Cx& cx, BackupOptions options) {
  auto copy = std::make_shared<Copy>();
  Result<> copied = replica_ != nullptr ? co_await copy_own(cx, copy, options)
                                        : co_await copy_from_member(cx, copy, options);
  if (copied) {
    auto finish = [copy]() -> Result<> {
      ASPEN_TRY(copy->manifest, copy->writer->finish());
      return {};
    };
    copied = co_await lane_.run(cx, finish);
  }
  if (copied) {
    log(LogLevel::info, "backed up revision {}", copy->manifest->revision());
    co_return *std::move(copy->manifest);
  }
  if (copy->writer != nullptr) {
    rt::Cx::Mask mask(cx);
    (void)co_await lane_.run(cx, [copy]() -> Result<> {
      copy->writer->abandon();
      return {};
    });
  }
  co_return std::unexpected(copied.error());
}

rt::Task<Result<>> Backups::begin(rt::Cx& cx, Copy& copy, const BackupOptions& options,
                                  const BackupOrigin& origin) {
  std::unique_ptr<journal::Directory> directory;
  size_t file_bytes = ASPEN_BUGGIFY("node-backup-files-small") ? 1 : kBackupFileBytes;
  if (options.stream >= 0) {
    file_bytes = kStreamFileBytes;
    directory = std::make_unique<TarDirectory>(options.stream, kManifestName);
  } else {
    ASPEN_CO_TRY(directory, platform_.open_folder(options.dir, true));
  }
  ASPEN_CO_TRY(copy.writer, BackupWriter::begin(std::move(directory), options.dir, origin, file_bytes));
  co_return cx.checkpoint();
}

rt::Task<Result<>> Backups::copy_own(rt::Cx& cx, std::shared_ptr<Copy> copy, const BackupOptions& options) {
  ASPEN_CO_TRY(auto source, co_await open_source(cx, options.stale));
  ASPEN_CO_CHECK(co_await begin(cx, *copy, options, source->origin));
  for (bool more = true; more;) {
    auto damage = std::make_shared<std::optional<Error>>();  // of the store
    auto step = [copy, source, damage]() -> Result<bool> {
      auto chunk = source->chunks->next();
      if (!chunk) *damage = chunk.error();
      if (!chunk) return forward_error(std::move(chunk));
      if (chunk->empty()) return false;
      ASPEN_CHECK(copy->writer->write(*chunk));
      return true;
    };
    auto stepped = co_await lane_.run(cx, step);
    if (*damage) store_failed(**damage);
    ASPEN_CO_CHECK(stepped);
    more = *stepped;
  }
  co_return Result<>();
}

void Backups::store_failed(const Error& error) {
  if (error.code == Code::IO || error.code == Code::CORRUPT) replica_->driver().storage_failed(error);
}

rt::Task<Result<std::shared_ptr<Backups::Source>>> Backups::open_source(rt::Cx& cx, bool stale) {
  if (sources_ >= kBackupsMax) {
    co_return fail(Code::OVERLOADED, "{} backups are being made at this member; at most that", sources_);
  }
  if (!stale && !ASPEN_MUTANT("node-backup-not-confirmed")) ASPEN_CO_CHECK(co_await confirm(cx));
  const raft::Driver& driver = replica_->driver();
  while (driver.replacing()) ASPEN_CO_CHECK(co_await cx.sleep(kPoll));
  if (driver.failure()) co_return std::unexpected(replica_->group().stopped_here(*driver.failure()));
  const raft::Term term = driver.core().snapshot_meta(replica_->machine().applied()).term;
  ASPEN_CO_TRY(auto chunks, replica_->machine().snapshot());
  co_return std::make_shared<Source>(*this, std::move(chunks), BackupOrigin{network_, self_, term});
}

// Returns when the state has everything that was acknowledged before.
rt::Task<Result<>> Backups::confirm(rt::Cx& cx) {
  for (;;) {
    raft::Driver& driver = replica_->driver();
    bool leads = driver.core().role() == raft::Role::leader;
    auto ready = std::make_shared<rt::Oneshot<Result<>>>();
    driver.read(leads ? raft::ReadKind::index : raft::ReadKind::member,
                [ready](Result<> result) { ready->set(std::move(result)); });
    ASPEN_CO_TRY(Result<> confirmed, co_await ready->recv(cx));
    if (!confirmed) confirmed = std::unexpected(replica_->group().stopped_here(confirmed.error()));
    if (confirmed || confirmed.error().code != Code::NOT_LEADER) co_return confirmed;
    ASPEN_CO_CHECK(co_await cx.sleep(kPoll));
  }
}

// --- from a member ---

rt::Task<Result<>> Backups::copy_from_member(rt::Cx& cx, std::shared_ptr<Copy> copy,
                                             const BackupOptions& options) {
  ASPEN_CO_TRY(Offer offer, co_await find_member(cx, options.stale));
  Result<> copied = co_await begin(cx, *copy, options, offer.origin);
  while (copied) {
    auto chunk = co_await offer.chunks->next(cx);
    if (!chunk) copied = forward_error(std::move(chunk));
    if (!copied || !*chunk) break;
    auto bytes = std::make_shared<Bytes>(*std::move(*chunk));
    copied = co_await lane_.run(cx, [copy, bytes] { return copy->writer->write(*bytes); });
  }
  if (copied && !offer.chunks->complete()) copied = std::unexpected(offer.chunks->why());
  offer.chunks->stop();
  net::Stream* stream = offer.chunks->stream();
  if (stream != nullptr && copied) stream->finish();
  if (stream != nullptr && !copied) stream->reset(Code::CANCELLED, "the backup failed");
  co_return copied;
}

rt::Task<Result<Backups::Offer>> Backups::find_member(rt::Cx& cx, bool stale) {
  const TimeNs until = cx.after(kFindPatience);
  Error last(Code::UNAVAILABLE, "no member was reached");
  for (;;) {
    for (const NodeId& member : router_.reachable()) {
      auto offer = co_await ask(cx, member, stale);
      ASPEN_CO_CHECK(cx.checkpoint());
      if (offer || !may_pass(offer.error().code)) co_return offer;
      last = offer.error();
    }
    if (cx.now() >= until) {
      co_return fail(Code::UNAVAILABLE, "no member sends its state; last: {}", last.to_string());
    }
    ASPEN_CO_CHECK(co_await cx.sleep(kPoll));
  }
}

rt::Task<Result<Backups::Offer>> Backups::ask(rt::Cx& cx, NodeId member, bool stale) {
  ASPEN_CO_TRY(net::Connection * connection, co_await router_.connection(cx, member));
  ASPEN_CO_TRY(net::Stream * stream, connection->open_stream(kBackup));
  Offer offer{.chunks = FrameInbox::of(region_, *stream), .origin = {}};
  ASPEN_CO_CHECK(stream->send(encode(BackupRequest{stale})));
  rt::Timer patience(cx.executor(), [inbox = offer.chunks] {
    if (inbox->stream() != nullptr) inbox->stream()->reset(Code::UNAVAILABLE, "the member does not answer");
  });
  patience.arm(cx.after(kAnswerPatience));
  auto first = co_await offer.chunks->next(cx);
  Result<> answered;
  if (!first) {
    answered = forward_error(std::move(first));
  } else if (!*first) {
    answered = std::unexpected(offer.chunks->why());
  } else {
    auto origin = decode_backup_origin(**first);
    if (origin) offer.origin = *origin;
    if (!origin) answered = forward_error(std::move(origin));
  }
  if (answered) co_return offer;
  offer.chunks->stop();
  if (offer.chunks->stream() != nullptr) offer.chunks->stream()->reset(answered.error().code);
  co_return std::unexpected(answered.error());
}

// --- to a peer ---

void Backups::accept(net::Stream& stream) {
  if (!stream.connection().membership().scope.empty()) {
    return stream.reset(Code::PERMISSION_DENIED,
                        "a grant for some keys does not allow to back up all of them");
  }
  if (replica_ == nullptr || region_.state() != rt::Region::State::open) return stream.reset(Code::SHUTDOWN);
  auto inbox = FrameInbox::of(region_, stream);
  region_.spawn("backup", [this, inbox](rt::Cx& cx) { return serve(cx, inbox); })
      .then([inbox](rt::Outcome<> outcome) {
        inbox->stop();
        if (inbox->stream() == nullptr) return;
        Result<> result = std::move(outcome).result();
        if (result) return inbox->stream()->finish();
        inbox->stream()->reset(result.error().code, result.error().message);
      });
}

rt::Task<Result<>> Backups::serve(rt::Cx& cx, std::shared_ptr<FrameInbox> inbox) {
  ASPEN_CO_TRY(auto first, co_await inbox->next(cx));
  if (!first) co_return std::unexpected(inbox->why());
  ASPEN_CO_TRY(BackupRequest request, decode_backup_request(*first));
  ASPEN_CO_TRY(auto source, co_await open_source(cx, request.stale));
  if (inbox->stream() == nullptr) co_return std::unexpected(inbox->why());
  ASPEN_CO_CHECK(inbox->stream()->send(encode(source->origin)));
  for (;;) {
    auto chunk = co_await lane_.run(cx, [source] { return source->chunks->next(); });
    if (!chunk) store_failed(chunk.error());
    ASPEN_CO_CHECK(chunk);
    if (chunk->empty()) co_return Result<>();
    if (inbox->stream() == nullptr) co_return std::unexpected(inbox->why());
    ASPEN_CO_CHECK(inbox->stream()->send(std::move(*chunk)));
    while (inbox->stream() != nullptr && inbox->stream()->buffered() > kBufferedBytesMax) {
      ASPEN_CO_CHECK(co_await cx.sleep(kMillisecond));
    }
  }
}

}  // namespace aspen::node
