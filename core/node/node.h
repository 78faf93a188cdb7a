// A node: one engine thread that owns an identity, a door to the network, a replica (unless it is a client)
// and everything its callers asked for.
//
// Every request is a task in one region, with its caller's deadline; cancelling it, or closing the node, ends
// the task, and `done` is called exactly once, on the engine thread.
//
// Thread safety: all functions from any thread but the engine's; callbacks run on the engine thread and must
// not block.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/kv/command.h"
#include "core/kv/compaction_policy.h"
#include "core/kv/index_read.h"
#include "core/kv/read.h"
#include "core/node/backups.h"
#include "core/node/directories.h"
#include "core/node/groups.h"
#include "core/node/lease_protocol.h"
#include "core/node/open_watches.h"
#include "core/node/protocol.h"
#include "core/node/shared_draft.h"
#include "core/rt/loop.h"
#include "core/rt/region.h"

namespace aspen::node {

enum class Mode : uint8_t { embedded = 0, found = 1, join = 2, client = 3 };

struct NodeOptions {
  Mode mode = Mode::embedded;
  std::string dir;
  std::string listen;
  std::string advertise;
  std::string ticket;
  DurationNs open_timeout = 30 * kSecond;
  DurationNs heartbeat = 0;  // 0: raft::Options' default
  DurationNs election = 0;
  size_t log_entries_max = 0;  // after which the log is compacted; 0: limits::kLogEntriesMax
  // Of the journal's files, each made whole and zeroed, the first when the node is; 0:
  // limits::kJournalSegmentBytes. Smaller ones make the first start faster, and are changed more often.
  size_t journal_segment_bytes = 0;
  // Makes this member promise not to vote for another while it hears the leader, so that the leader has a
  // lease when enough do, and reads may use it (Freshness::Kind::lease); safe as long as no member's
  // monotonic clock gains or loses more than this; 0: raft::Options' default.
  bool lease_reads = false;
  uint32_t clock_drift_ppm_max = 0;
  // A voter that is dead or lags for so long becomes a learner, until it has caught up (raft::Steward); 0:
  // never.
  DurationNs dead_voter_after = 0;
  bool member_reads = false;  // linearizable reads are served here, also when another member leads
  // The directory of a backup that a node which is new begins with, in a network of its own (embedded and
  // found); empty: none.
  std::string restore_from;
  // Earlier revisions that stay readable, and watchable, whatever is more.
  kv::CompactionPolicy::Options history = {.keep_revisions = 10'000, .keep_time = 60 * kSecond};
};

// What never changes once a node is open.
struct NodeFacts {
  std::string id;
  std::string address;
};

class Engine;

class Node {
 public:
  template <typename T>
  using Done = std::move_only_function<void(Result<T>)>;
  using OperationId = uint64_t;

  // Starts the engine thread; `opened` says when the node serves, or why it cannot. Errors: those of
  // DataDir, Replica, Endpoint and tickets; INVALID_ARGUMENT naming the option. Operations of a node that is
  // not open complete with UNAVAILABLE.
  static std::unique_ptr<Node> start(NodeOptions options, Done<NodeFacts> opened);
  // Closes it first when that was not done, and waits.
  ~Node();

  OperationId write(kv::Command command, DurationNs timeout, Done<kv::WriteReply> done);
  // A command that is neither a write nor about a session.
  OperationId run(kv::Command command, DurationNs timeout, Done<kv::DoneReply> done);
  OperationId get(kv::GetRequest get, Freshness freshness, DurationNs timeout, Done<kv::GetReply> done);
  OperationId range(kv::RangeRequest range, Freshness freshness, DurationNs timeout,
                    Done<kv::RangeReply> done);
  OperationId quotas(DurationNs timeout, Done<QuotaList> done);
  OperationId scan(kv::IndexScanRequest scan, DurationNs timeout, Done<kv::IndexScanReply> done);
  OperationId indexes(DurationNs timeout, Done<kv::IndexList> done);
  // Of a draft, in the place of the store.
  OperationId begin(std::shared_ptr<SharedDraft> draft, DurationNs timeout, Done<uint64_t> done);
  OperationId get(std::shared_ptr<SharedDraft> draft, Bytes key, DurationNs timeout, Done<kv::GetReply> done);
  OperationId range(std::shared_ptr<SharedDraft> draft, kv::RangeRequest range, DurationNs timeout,
                    Done<kv::RangeReply> done);
  OperationId commit(std::shared_ptr<SharedDraft> draft, DurationNs timeout,
                     Done<SharedDraft::Committed> done);
  // A watch is named by the number that its open gives. next() waits without limit, and counts among neither
  // the operations in flight nor their limit. Closing one is no operation: it takes effect before what is
  // asked for later, and may be asked for from the engine thread too.
  OperationId open_watch(kv::WatchRequest request, size_t window_bytes, DurationNs timeout,
                         Done<OpenWatches::Opened> done);
  OperationId next(uint64_t watch, Done<WatchBatch> done);
  void close_watch(uint64_t watch);
  OperationId open_directory(DirectoryRequest request, DurationNs timeout, Done<Directory> done);
  OperationId list_directory(DirectoryListRequest request, DurationNs timeout, Done<DirectoryList> done);
  OperationId move_directory(DirectoryPath from, DirectoryPath to, DurationNs timeout, Done<Directory> done);
  OperationId remove_directory(DirectoryPath path, DurationNs timeout, Done<bool> done);
  // Says how long it lasts from the call on. Errors: NOT_FOUND.
  OperationId keep_alive(kv::LeaseId id, DurationNs timeout, Done<DurationNs> done);
  OperationId lease(LeaseRequest request, DurationNs timeout, Done<LeaseInfo> done);
  OperationId leases(LeaseListRequest request, DurationNs timeout, Done<LeaseList> done);
  // Renews it again and again (lease_renewer.h); `done` when that ends. Counts as next() does.
  OperationId keep_lease(kv::LeaseId id, Done<void> done);
  void drop_lease(kv::LeaseId id);
  OperationId status(DurationNs timeout, Done<std::string> done);
  OperationId ticket(DurationNs valid, Done<std::string> done);
  // See Backups::make. `timeout` 0: none.
  OperationId backup(BackupOptions options, DurationNs timeout, Done<BackupManifest> done);
  // Groups beside the store's (groups.h). `ask` looks at the machine, on the engine thread.
  OperationId open_group(GroupSpec spec, DurationNs timeout, Done<void> done);
  OperationId close_group(raft::GroupId id, DurationNs timeout, Done<void> done);
  OperationId propose(raft::GroupId id, Bytes command, DurationNs timeout, Done<Bytes> done);
  using Query = std::function<Result<Bytes>(raft::StateMachine&)>;
  OperationId query(raft::GroupId id, Query ask, DurationNs timeout, Done<Bytes> done);
  // Takes a node out of a group (kStoreGroup: the store's); says whether it was a member. Who asks needs a
  // grant of the role member. Errors: UNAVAILABLE, INVALID_ARGUMENT of raft::without.
  OperationId remove_member(raft::GroupId id, NodeId node, DurationNs timeout, Done<bool> done);
  // Has the voter `node` lead a group, or any other one (NodeId()); says who leads then. Errors: NOT_FOUND.
  OperationId transfer_leadership(raft::GroupId id, NodeId node, DurationNs timeout, Done<NodeId> done);
  OperationId group_status(raft::GroupId id, DurationNs timeout, Done<raft::Status> done);
  // Ends an operation early; one that has completed is not affected.
  void cancel(OperationId id);
  // Leaves in order: hands leadership on, ends all operations, tells the peers, flushes. Later requests
  // complete with SHUTDOWN, inside the call: the engine thread may be gone.
  void close(Done<void> done);

 private:
  explicit Node(NodeOptions options);
  void main(Done<NodeFacts> opened);
  void begin_close();
  void closed();
  // `body(engine, cx)` is the operation's task; `body.prepare(engine, id)`, if it has that, comes before.
  template <typename T, typename F>
  OperationId submit(const char* name, DurationNs timeout, Done<T> done, F body);

  rt::Loop loop_;
  NodeOptions options_;
  std::mutex mutex_;
  bool accepting_ = true;  // guarded by mutex_, as the next two
  bool closed_ = false;
  std::vector<Done<void>> closers_;
  std::atomic<uint64_t> next_operation_{1};
  std::atomic<size_t> in_flight_{0};
  Engine* engine_ = nullptr;  // these on the engine thread, while it runs
  rt::Region* opening_ = nullptr;
  std::thread thread_;
};

}  // namespace aspen::node
