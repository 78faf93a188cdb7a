// Every bound of the engine, named once (law 4). Sizes are bytes and counts are items. What a user can
// meet is readable through the C ABI (aspen_limit_get).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/time.h"

namespace aspen::limits {

// The wire and the data model.
inline constexpr size_t kFrameBytesMax = 16u << 20;
inline constexpr size_t kKeyBytesMax = 4u << 10;
inline constexpr size_t kValueBytesMax = 4u << 20;
// A transaction: what follows counts over all that are nested in it.
inline constexpr size_t kTransactionOpsMax = 4096;  // compares and operations
inline constexpr size_t kTransactionBytesMax = 8u << 20;
inline constexpr size_t kTransactionDepthMax = 8;  // inside each other, below the outermost
inline constexpr size_t kBranchDepthMax = 8;       // branches of branches, the outermost counted
inline constexpr size_t kTransactionReplyBytesMax = 8u << 20;
inline constexpr size_t kTransactionRowsMax = 100'000;  // that compares of ranges look at
// What one revision may change: keys, and their bytes.
inline constexpr size_t kRevisionKeysMax = 10'000;
inline constexpr size_t kRevisionKeyBytesMax = 8u << 20;
// Leases. All keys of one go at one revision.
inline constexpr size_t kLeasesMax = 100'000;
inline constexpr size_t kLeaseKeysMax = kRevisionKeysMax;
inline constexpr size_t kLeaseKeyBytesMax = kRevisionKeyBytesMax;
inline constexpr DurationNs kLeaseTtlMin = 100 * kMillisecond;
inline constexpr DurationNs kLeaseTtlMax = 365 * 24 * 3600 * kSecond;
inline constexpr size_t kLeasesExpireMax = 4096;  // in one command
inline constexpr size_t kQuotasMax = 1000;
inline constexpr size_t kRangeEntriesMax = 10'000;  // per reply; a larger range continues
inline constexpr size_t kRangeRowsMax = 4096;       // passed over at a time, that were put after its revision
inline constexpr size_t kRangeBytesMax = 4u << 20;  // per reply, at least one entry is always returned
inline constexpr size_t kAddressBytesMax = 255;     // "host:port"
inline constexpr size_t kTicketBytesMax = 4096;     // text form
inline constexpr size_t kTicketPeersMax = 16;
inline constexpr size_t kMembersMax = 64;  // voters and learners of one group
inline constexpr size_t kErrorMessageBytesMax = 4096;
inline constexpr size_t kTupleBytesMax = 64u << 10;  // packed; as a key also at most kKeyBytesMax
inline constexpr size_t kTupleDepthMax = 32;         // tuples inside each other, below the outermost

// Membership.
inline constexpr size_t kGrantChainMax = 4;
inline constexpr size_t kGrantScopeBytesMax = 255;

// Network: what one peer, and all peers that have not shown a membership, can make us hold.
inline constexpr size_t kConnectionsMax = 4096;
inline constexpr size_t kHandshakesMax = 256;  // connections without an accepted hello
inline constexpr DurationNs kHandshakeTimeout = 5 * kSecond;
inline constexpr size_t kHelloBytesMax = 16u << 10;
inline constexpr size_t kSubprotocolsMax = 64;
inline constexpr size_t kStreamsPerPeerMax = 256;
inline constexpr size_t kStreamSendBufferBytesMax = 32u << 20;
inline constexpr size_t kDatagramsQueuedMax = 1024;
inline constexpr DurationNs kIdleTimeout = 10 * kSecond;
inline constexpr DurationNs kKeepAlive = 3 * kSecond;

// The kernel.
inline constexpr size_t kCancelStreakMax = 16;  // steps of cancel work in a row while other work waits
inline constexpr size_t kFramesKept = 128;      // by a thread, free, of each size (rt/frame_cache.h)
// The kernel. What may live in one region; more is refused OVERLOADED.
inline constexpr size_t kRegionTasksMax = 1u << 20;
inline constexpr size_t kRegionChildrenMax = 1u << 16;
inline constexpr size_t kRegionObligationsMax = 1u << 20;
inline constexpr size_t kMaskDepthMax = 64;
inline constexpr size_t kCancelCausesMax = 8;  // a reason and what is behind it
// What a cancelled task has for its cleanup before its masks end, by how urgent the cancel is; then the time
// until it is reported as stuck.
inline constexpr DurationNs kCleanupRequestTime = 30 * kSecond;
inline constexpr DurationNs kCleanupFailureTime = 20 * kSecond;
inline constexpr DurationNs kCleanupShutdownTime = 10 * kSecond;
inline constexpr uint64_t kCleanupPolls = 100'000;
inline constexpr DurationNs kCleanupGrace = 1 * kSecond;
inline constexpr DurationNs kSlowStep = 10 * kMillisecond;  // a longer one is reported
inline constexpr DurationNs kSlowStepLogInterval = kSecond;
inline constexpr size_t kBlockingThreadsMax = 8;
inline constexpr size_t kBlockingQueueMax = 1024;
inline constexpr DurationNs kBlockingIdle = 10 * kSecond;
inline constexpr size_t kWaitersMax =
    65'536;  // tasks that wait for the same lock or channel; more are refused
// Unless who calls says otherwise: attempts of a retry, items between two stages of a pipeline.
inline constexpr size_t kRetryAttempts = 5;
inline constexpr size_t kPipelineItems = 16;

// Actors: of one system, and what one of them can make the others hold.
inline constexpr size_t kActorsMax = 1'000'000;
inline constexpr size_t kActorMessageBytesMax = 4u << 20;
inline constexpr size_t kMailboxMessagesMax =
    1024;  // casts and calls queued or reserved; more wait or are refused
inline constexpr size_t kMailboxBytesMax = 16u << 20;
inline constexpr size_t kActorSignalsMax =
    16'384;  // links, monitors and what they sent that was not received
inline constexpr size_t kActorWatchersMax = 65'536;  // monitors on one actor
inline constexpr size_t kActorExitsQueuedMax = 16;   // exit() to one that traps and does not receive
inline constexpr size_t kActorCallsMax = 4096;       // of one actor, not answered
inline constexpr size_t kActorNamesMax = 65'536;
inline constexpr size_t kActorNamesPerActorMax = 64;
inline constexpr size_t kActorNameBytesMax = 255;
inline constexpr DurationNs kActorCallTimeout = 5 * kSecond;  // unless the call says otherwise
inline constexpr DurationNs kActorsCloseGrace = 5 * kSecond;  // to shut down; then what is left is killed
inline constexpr size_t kSupervisorChildrenMax = 4096;
inline constexpr size_t kSupervisorRestartsMax = 10'000;  // that a supervisor may allow within its period

// Client sessions and requests.
inline constexpr size_t kOpsInFlightMax = 4096;     // per node handle; more are refused OVERLOADED
inline constexpr size_t kSessionsMax = 10'000;      // per group; the least recently used goes first
inline constexpr size_t kSessionsPerNodeMax = 256;  // of them; then this node's least recently used goes
inline constexpr size_t kSessionResultsMax = kOpsInFlightMax;
inline constexpr size_t kRequestsPerPeerMax = 2 * kOpsInFlightMax;
// What the replies kept for sessions may take, with an overhead for each. Over the first a session's writes
// are refused; over the second a node's least recently used sessions go, over the third anybody's.
inline constexpr size_t kSessionReplyBytesMax = 4u << 20;
inline constexpr size_t kNodeSessionsReplyBytesMax = 32u << 20;
inline constexpr size_t kSessionsReplyBytesMax = 256u << 20;
inline constexpr size_t kReplyOverheadBytes = 64;

// Watches.
inline constexpr size_t kWatchersMax = 100'000;        // that one member serves
inline constexpr size_t kWatchersPerPeerMax = 10'000;  // of them, and that one node keeps open
inline constexpr size_t kWatchCreditMax = 16u << 20;   // bytes of events that a watcher lets the member send
inline constexpr size_t kWatchWindowBytes =
    1u << 20;  // what a watch keeps for its user, if nothing else is said
inline constexpr size_t kWatchRevisionBytesMax = 64u << 20;  // of one revision that is put together
inline constexpr size_t kWatchRingBytes = 32u << 20;         // recent changes, in memory for who is behind
inline constexpr size_t kWatchPageBytes = 1u << 20;          // of older ones, read from the store at a time
inline constexpr size_t kWatchBatchBytes = 256u << 10;       // of events in a frame, then the next begins
inline constexpr size_t kWatchStepEvents = 4096;        // looked at for one watcher before another's turn
inline constexpr size_t kWatchEventOverheadBytes = 64;  // what an event costs beside its key and values
inline constexpr size_t kWatchBatchEventsMax = kWatchBatchBytes / kWatchEventOverheadBytes;
inline constexpr size_t kWatchStreamBytesMax = 4u << 20;  // unacknowledged; then a peer's watches wait
inline constexpr DurationNs kWatchProgressMin = 100 * kMillisecond;

// Raft.
inline constexpr size_t kLogBytesMax = 64u << 20;  // kept in memory and on disk; then a snapshot
inline constexpr size_t kLogEntriesMax = 100'000;
inline constexpr size_t kAppendBytesMax = 1u << 20;            // entries of one append message, at least one
inline constexpr size_t kAppendsInFlightMax = 64;              // per follower
inline constexpr size_t kAppendsInFlightBytesMax = 16u << 20;  // per follower; one append may be over it
// A follower that lacks so many committed entries fetches them from several members, so many at a time; what
// came out of order takes at most so much.
inline constexpr size_t kCatchUpEntries = 16'384;
inline constexpr size_t kCatchUpEntriesMax = 100'000;
inline constexpr size_t kCatchUpBytesMax = 64u << 20;
inline constexpr size_t kProposalsQueuedBytesMax = 64u << 20;
inline constexpr size_t kSnapshotChunkBytes = 256u << 10;
inline constexpr DurationNs kSnapshotTransferTimeout = 600 * kSecond;

// The applied state: rows in memory, beside what its store keeps there.
inline constexpr size_t kStateCacheBytes = 32u << 20;

// A journal: what one may hold on disk and in memory.
inline constexpr size_t kJournalSegmentBytes = 16u << 20;
inline constexpr size_t kJournalSegmentBytesMax = 1u << 30;
inline constexpr size_t kJournalSegmentsMax = 256;  // then appends wait for the slowest user
inline constexpr size_t kJournalSparesMax = 2;      // segments kept to be used again
inline constexpr size_t kJournalBatchBytesMax = 16u << 20;
inline constexpr size_t kJournalPendingBytesMax = 4u << 20;  // appended and not yet handed to the disk
inline constexpr size_t kJournalUsersMax = 65'536;
inline constexpr size_t kJournalZeroBytes = 1u << 20;  // of a new segment, zeroed at a time
inline constexpr size_t kJournalReadBytes = 1u << 20;  // read at a time

inline constexpr size_t kGroupsMax = 4'096;  // of a node, beside the store's

// The logs of a node's groups in its journal.
inline constexpr size_t kLogsBytesMax = 4ull << 30;  // on disk, of all groups
inline constexpr size_t kLogsDeadSegmentsMax = 4;  // of records nobody needs, before the slowest log is moved
inline constexpr size_t kLogVerifyBytes = 64u << 10;  // read and checked at a time
inline constexpr DurationNs kLogVerifyPeriod = 250 * kMillisecond;
inline constexpr DurationNs kLogVerifyPause = 2 * kSecond;  // from its end to its beginning
inline constexpr DurationNs kLogMaintainPeriod = 100 * kMillisecond;
inline constexpr DurationNs kLogRoomPeriod = 1 * kSecond;  // between attempts to find room on a full disk

}  // namespace aspen::limits
