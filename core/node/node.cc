#include "core/node/node.h"

#include <csignal>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/node/engine.h"
#include "core/node/system_platform.h"

namespace aspen::node {
namespace {

// Signals belong to the host program: a thread that is started while this lives takes none.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

TimeNs after(TimeNs now, DurationNs duration) {
  return duration > kNever - now ? kNever : now + duration;
}

// Waits for something that may never come. There is one of it for each watch, and those have a limit.
struct NextBody {
  uint64_t watch;
  std::optional<OpenWatches::Claim> claim = {};

  void prepare(Engine& engine, Node::OperationId id) {
    claim = engine.open_watches().claim(watch, [&engine, id] {
      if (auto it = engine.cancels.find(id); it != engine.cancels.end()) it->second();
    });
  }
  rt::Task<Result<WatchBatch>> operator()(Engine& engine, rt::Cx& cx) {
    return engine.open_watches().next(cx, *std::exchange(claim, std::nullopt));
  }
};

// As that; LeaseRenewer has the limit.
struct KeepBody {
  kv::LeaseId lease;
  rt::Task<Result<>> operator()(Engine& engine, rt::Cx& cx) { return engine.renewer().keep(cx, lease); }
};

template <typename F>
constexpr bool kMayWaitForEver = std::is_same_v<F, NextBody> || std::is_same_v<F, KeepBody>;

}  // namespace

Node::Node(NodeOptions options) : options_(std::move(options)) {}

std::unique_ptr<Node> Node::start(NodeOptions options, Done<NodeFacts> opened) {
  std::unique_ptr<Node> node(new Node(std::move(options)));
  BlockedSignals blocked;
  node->thread_ =
      std::thread([raw = node.get(), opened = std::move(opened)]() mutable { raw->main(std::move(opened)); });
  return node;
}

void Node::main(Done<NodeFacts> opened) {
  SystemPlatform platform(loop_);
  Engine engine(platform, options_);
  rt::Region opening(loop_.executor());
  engine_ = &engine;
  opening_ = &opening;
  auto open = [&engine](rt::Cx& cx) -> rt::Task<Result<NodeFacts>> {
    Result<NodeFacts> facts = co_await engine.open(cx);
    if (!facts) {
      // What came up goes down before the caller hears of it: the directory and the address are free then. It
      // is no part of what was cancelled, and a mask would end with its cleanup budget.
      rt::Region closing(cx.executor());
      closing.spawn("undo open", [&engine](rt::Cx& cx) { return engine.close(cx); });
      co_await closing.close();
    }
    co_return facts;
  };
  opening.spawn("open", open, after(loop_.executor().now(), options_.open_timeout))
      .then([opened = std::move(opened)](rt::Outcome<NodeFacts> outcome) mutable {
        opened(std::move(outcome).result());
      });
  loop_.run();
}

Node::~Node() {
  if (!thread_.joinable()) return;  // it was never started: the process is out of threads
  close([](Result<>) {});
  thread_.join();
}

void Node::close(Done<void> done) {
  std::unique_lock lock(mutex_);
  if (closed_) {
    lock.unlock();
    return done({});
  }
  closers_.push_back(std::move(done));
  if (std::exchange(accepting_, false)) loop_.post([this] { begin_close(); });
}

// An open that is still under way ends first.
void Node::begin_close() {
  opening_->cancel({rt::CancelKind::shutdown, "the node is closing"});
  opening_->close([this] {
    auto region = std::make_shared<rt::Region>(loop_.executor());
    region->spawn("close", [this](rt::Cx& cx) { return engine_->close(cx); })
        .then([this, region](rt::Outcome<>) { region->close([this, region] { closed(); }); });
  });
}

void Node::closed() {
  std::vector<Done<void>> closers;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    closers = std::exchange(closers_, {});
  }
  for (Done<void>& done : closers) done({});
  loop_.stop();
}

template <typename T, typename F>
Node::OperationId Node::submit(const char* name, DurationNs timeout, Done<T> done, F body) {
  OperationId id = next_operation_.fetch_add(1, std::memory_order_relaxed);
  std::unique_lock lock(mutex_);
  if (!accepting_) {
    lock.unlock();
    done(std::unexpected(Error(Code::SHUTDOWN, Applied::NO, "the node is closed")));
    return id;
  }
  constexpr size_t kCounts = kMayWaitForEver<F> ? 0 : 1;
  size_t in_flight = in_flight_.fetch_add(kCounts, std::memory_order_relaxed);
  if (in_flight >= limits::kOpsInFlightMax && kCounts > 0) {
    loop_.post([this, in_flight, done = std::move(done)]() mutable {
      in_flight_.fetch_sub(1, std::memory_order_relaxed);
      done(fail(Code::OVERLOADED, "{} operations are in flight; at most {}", in_flight,
                limits::kOpsInFlightMax));
    });
    return id;
  }
  loop_.post([this, name, id, timeout, done = std::move(done), body = std::move(body)]() mutable {
    Engine& engine = *engine_;
    if (!engine.serving()) {
      in_flight_.fetch_sub(kCounts, std::memory_order_relaxed);
      return done(fail(Code::UNAVAILABLE, "the node is not open"));
    }
    if constexpr (requires { body.prepare(engine, id); }) body.prepare(engine, id);
    TimeNs deadline = timeout > 0 ? after(loop_.executor().env().now(), timeout) : kNever;
    auto join = engine.operations().spawn(
        name, [&engine, body = std::move(body)](rt::Cx& cx) mutable { return body(engine, cx); }, deadline);
    engine.cancels.emplace(
        id, [join]() mutable { join.cancel({rt::CancelKind::user, "the caller cancelled the operation"}); });
    join.then([this, &engine, id, done = std::move(done)](rt::Outcome<T> outcome) mutable {
      engine.cancels.erase(id);
      in_flight_.fetch_sub(kCounts, std::memory_order_relaxed);
      done(std::move(outcome).result());
    });
  });
  return id;
}

Node::OperationId Node::open_group(GroupSpec spec, DurationNs timeout, Done<void> done) {
  return submit<void>("open group", timeout, std::move(done),
                      [spec = std::move(spec)](Engine& engine, rt::Cx& cx) mutable -> rt::Task<Result<>> {
                        ASPEN_CO_TRY(Groups * groups, engine.need_groups());
                        co_return co_await groups->open(cx, std::move(spec));
                      });
}

Node::OperationId Node::close_group(raft::GroupId id, DurationNs timeout, Done<void> done) {
  return submit<void>("close group", timeout, std::move(done),
                      [id](Engine& engine, rt::Cx& cx) -> rt::Task<Result<>> {
                        ASPEN_CO_TRY(Groups * groups, engine.need_groups());
                        co_return co_await groups->close(cx, id);
                      });
}

Node::OperationId Node::propose(raft::GroupId id, Bytes command, DurationNs timeout, Done<Bytes> done) {
  return submit<Bytes>(
      "propose", timeout, std::move(done),
      [id, command = std::move(command)](Engine& engine, rt::Cx& cx) mutable -> rt::Task<Result<Bytes>> {
        ASPEN_CO_TRY(Groups * groups, engine.need_groups());
        co_return co_await groups->propose(cx, id, std::move(command));
      });
}

Node::OperationId Node::query(raft::GroupId id, Query ask, DurationNs timeout, Done<Bytes> done) {
  return submit<Bytes>(
      "query", timeout, std::move(done),
      [id, ask = std::move(ask)](Engine& engine, rt::Cx& cx) mutable -> rt::Task<Result<Bytes>> {
        ASPEN_CO_TRY(Groups * groups, engine.need_groups());
        co_return co_await groups->query(cx, id, std::move(ask));
      });
}

Node::OperationId Node::remove_member(raft::GroupId id, NodeId node, DurationNs timeout, Done<bool> done) {
  return submit<bool>("remove member", timeout, std::move(done), [id, node](Engine& engine, rt::Cx& cx) {
    return engine.remove_member(cx, {id, node});
  });
}

Node::OperationId Node::transfer_leadership(raft::GroupId id, NodeId node, DurationNs timeout,
                                            Done<NodeId> done) {
  return submit<NodeId>(
      "transfer leadership", timeout, std::move(done),
      [id, node](Engine& engine, rt::Cx& cx) { return engine.transfer_leadership(cx, id, node); });
}

Node::OperationId Node::group_status(raft::GroupId id, DurationNs timeout, Done<raft::Status> done) {
  return submit<raft::Status>("group status", timeout, std::move(done),
                              [id](Engine& engine, rt::Cx&) -> rt::Task<Result<raft::Status>> {
                                ASPEN_CO_TRY(Groups * groups, engine.need_groups());
                                co_return groups->status(id);
                              });
}

void Node::cancel(OperationId id) {
  std::lock_guard lock(mutex_);
  if (!accepting_) return;  // closing cancels everything
  loop_.post([this, id] {
    if (auto it = engine_->cancels.find(id); it != engine_->cancels.end()) it->second();
  });
}

Node::OperationId Node::write(kv::Command command, DurationNs timeout, Done<kv::WriteReply> done) {
  return submit<kv::WriteReply>("write", timeout, std::move(done),
                                [command = std::move(command)](Engine& engine, rt::Cx& cx) mutable {
                                  return engine.router().write(cx, std::move(command));
                                });
}

Node::OperationId Node::run(kv::Command command, DurationNs timeout, Done<kv::DoneReply> done) {
  return submit<kv::DoneReply>("command", timeout, std::move(done),
                               [command = std::move(command)](Engine& engine, rt::Cx& cx) mutable {
                                 return engine.router().run(cx, std::move(command));
                               });
}

Node::OperationId Node::get(kv::GetRequest get, Freshness freshness, DurationNs timeout,
                            Done<kv::GetReply> done) {
  return submit<kv::GetReply>("get", timeout, std::move(done),
                              [get = std::move(get), freshness](Engine& engine, rt::Cx& cx) mutable {
                                return engine.router().get(cx, std::move(get), freshness);
                              });
}

Node::OperationId Node::range(kv::RangeRequest range, Freshness freshness, DurationNs timeout,
                              Done<kv::RangeReply> done) {
  return submit<kv::RangeReply>("range", timeout, std::move(done),
                                [range = std::move(range), freshness](Engine& engine, rt::Cx& cx) mutable {
                                  return engine.router().range(cx, std::move(range), freshness);
                                });
}

Node::OperationId Node::quotas(DurationNs timeout, Done<QuotaList> done) {
  return submit<QuotaList>("quotas", timeout, std::move(done),
                           [](Engine& engine, rt::Cx& cx) { return engine.router().quotas(cx); });
}

Node::OperationId Node::scan(kv::IndexScanRequest scan, DurationNs timeout, Done<kv::IndexScanReply> done) {
  return submit<kv::IndexScanReply>("index scan", timeout, std::move(done),
                                    [scan = std::move(scan)](Engine& engine, rt::Cx& cx) mutable {
                                      return engine.router().scan(cx, std::move(scan));
                                    });
}

Node::OperationId Node::indexes(DurationNs timeout, Done<kv::IndexList> done) {
  return submit<kv::IndexList>("indexes", timeout, std::move(done),
                               [](Engine& engine, rt::Cx& cx) { return engine.router().indexes(cx); });
}

Node::OperationId Node::begin(std::shared_ptr<SharedDraft> draft, DurationNs timeout, Done<uint64_t> done) {
  return submit<uint64_t>("begin", timeout, std::move(done),
                          [draft = std::move(draft)](Engine& engine, rt::Cx& cx) mutable {
                            return draft->begin(cx, engine.router());
                          });
}

Node::OperationId Node::get(std::shared_ptr<SharedDraft> draft, Bytes key, DurationNs timeout,
                            Done<kv::GetReply> done) {
  return submit<kv::GetReply>(
      "get", timeout, std::move(done),
      [draft = std::move(draft), key = std::move(key)](Engine& engine, rt::Cx& cx) mutable {
        return draft->get(cx, engine.router(), std::move(key));
      });
}

Node::OperationId Node::range(std::shared_ptr<SharedDraft> draft, kv::RangeRequest range, DurationNs timeout,
                              Done<kv::RangeReply> done) {
  return submit<kv::RangeReply>(
      "range", timeout, std::move(done),
      [draft = std::move(draft), range = std::move(range)](Engine& engine, rt::Cx& cx) mutable {
        return draft->range(cx, engine.router(), std::move(range));
      });
}

Node::OperationId Node::commit(std::shared_ptr<SharedDraft> draft, DurationNs timeout,
                               Done<SharedDraft::Committed> done) {
  return submit<SharedDraft::Committed>("commit", timeout, std::move(done),
                                        [draft = std::move(draft)](Engine& engine, rt::Cx& cx) mutable {
                                          return draft->commit(cx, engine.router());
                                        });
}

Node::OperationId Node::open_watch(kv::WatchRequest request, size_t window_bytes, DurationNs timeout,
                                   Done<OpenWatches::Opened> done) {
  return submit<OpenWatches::Opened>(
      "open watch", timeout, std::move(done),
      [request = std::move(request), window_bytes](Engine& engine, rt::Cx& cx) mutable {
        return engine.open_watches().open(cx, std::move(request), window_bytes);
      });
}

Node::OperationId Node::next(uint64_t watch, Done<WatchBatch> done) {
  return submit<WatchBatch>("watch", 0, std::move(done), NextBody{watch});
}

void Node::close_watch(uint64_t watch) {
  std::lock_guard lock(mutex_);
  if (!accepting_) return;  // they end with the node
  loop_.post([this, watch] {
    if (engine_->serving()) engine_->open_watches().close(watch);
  });
}

Node::OperationId Node::open_directory(DirectoryRequest request, DurationNs timeout, Done<Directory> done) {
  return submit<Directory>("open directory", timeout, std::move(done),
                           [request = std::move(request)](Engine& engine, rt::Cx& cx) mutable {
                             return node::open_directory(cx, engine.router(), std::move(request));
                           });
}

Node::OperationId Node::list_directory(DirectoryListRequest request, DurationNs timeout,
                                       Done<DirectoryList> done) {
  return submit<DirectoryList>("list directory", timeout, std::move(done),
                               [request = std::move(request)](Engine& engine, rt::Cx& cx) mutable {
                                 return node::list_directory(cx, engine.router(), std::move(request));
                               });
}

Node::OperationId Node::move_directory(DirectoryPath from, DirectoryPath to, DurationNs timeout,
                                       Done<Directory> done) {
  return submit<Directory>("move directory", timeout, std::move(done),
                           [from = std::move(from), to = std::move(to)](Engine& engine, rt::Cx& cx) mutable {
                             return node::move_directory(cx, engine.router(), std::move(from), std::move(to));
                           });
}

Node::OperationId Node::remove_directory(DirectoryPath path, DurationNs timeout, Done<bool> done) {
  return submit<bool>("remove directory", timeout, std::move(done),
                      [path = std::move(path)](Engine& engine, rt::Cx& cx) mutable {
                        return node::remove_directory(cx, engine.router(), std::move(path));
                      });
}

Node::OperationId Node::keep_alive(kv::LeaseId id, DurationNs timeout, Done<DurationNs> done) {
  return submit<DurationNs>("keep-alive", timeout, std::move(done),
                            [id](Engine& engine, rt::Cx& cx) -> rt::Task<Result<DurationNs>> {
                              ASPEN_CO_TRY(LeasesKept kept, co_await engine.router().keep_alive(cx, {id}));
                              if (kept.ttls.at(0) > 0) co_return kept.ttls.at(0);
                              co_return fail(Code::NOT_FOUND, "lease {} does not exist", id);
                            });
}

Node::OperationId Node::lease(LeaseRequest request, DurationNs timeout, Done<LeaseInfo> done) {
  return submit<LeaseInfo>("lease", timeout, std::move(done),
                           [request = std::move(request)](Engine& engine, rt::Cx& cx) mutable {
                             return engine.router().lease(cx, std::move(request));
                           });
}

Node::OperationId Node::leases(LeaseListRequest request, DurationNs timeout, Done<LeaseList> done) {
  return submit<LeaseList>("leases", timeout, std::move(done), [request](Engine& engine, rt::Cx& cx) {
    return engine.router().leases(cx, request);
  });
}

Node::OperationId Node::keep_lease(kv::LeaseId id, Done<void> done) {
  return submit<void>("keep lease", 0, std::move(done), KeepBody{id});
}

void Node::drop_lease(kv::LeaseId id) {
  std::lock_guard lock(mutex_);
  if (!accepting_) return;  // closing drops everything
  loop_.post([this, id] {
    if (engine_->serving()) engine_->renewer().drop(id);
  });
}

Node::OperationId Node::status(DurationNs timeout, Done<std::string> done) {
  return submit<std::string>("status", timeout, std::move(done),
                             [](Engine& engine, rt::Cx& cx) { return engine.status(cx); });
}

Node::OperationId Node::backup(BackupOptions options, DurationNs timeout, Done<BackupManifest> done) {
  return submit<BackupManifest>("backup", timeout, std::move(done),
                                [options = std::move(options)](Engine& engine, rt::Cx& cx) mutable {
                                  return engine.backups().make(cx, std::move(options));
                                });
}

Node::OperationId Node::ticket(DurationNs valid, Done<std::string> done) {
  return submit<std::string>(
      "ticket", 0, std::move(done),
      [valid](Engine& engine, rt::Cx&) -> rt::Task<Result<std::string>> { co_return engine.ticket(valid); });
}

}  // namespace aspen::node
