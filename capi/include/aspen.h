/* aspen: a distributed system in a library. This header is the only door to the engine, for C, C++ and the
 * Python, Node and Go packages alike.
 *
 *   aspen_node_options_t options;
 *   aspen_node_options_init(&options, sizeof options);
 *   options.mode = ASPEN_MODE_EMBEDDED;
 *   options.dir = "/var/lib/app";
 *   aspen_op_t* op;
 *   aspen_node_open(&options, NULL, 0, &op);
 *   if (aspen_op_wait(op, -1) != ASPEN_OK || aspen_op_status(op) != ASPEN_OK) puts(aspen_op_message(op));
 *   aspen_node_t* node = aspen_op_take_node(op);
 *   aspen_op_free(op);
 *
 *   aspen_kv_put(node, "k", 1, "v", 1, NULL, NULL, 0, &op);
 *   aspen_op_wait(op, -1);
 *   aspen_op_free(op);
 *   aspen_node_free(node);
 *
 * Rules that hold for every function:
 *
 * Operations. A call that may take time makes an operation: `(..., queue, tag, &op)`. It completes exactly
 * once, never inside the call. Its completion is an event on `queue`, carrying `tag`; with a NULL queue it is
 * waited for with aspen_op_wait. The call itself returns ASPEN_OK, or ASPEN_INVALID_ARGUMENT when a pointer
 * it needs is NULL or a struct_size is unknown (then no operation exists and *op is NULL). Every other fault
 * is the operation's status, with a message that names it.
 *
 * Ownership. Inputs are copied before a call returns. A `T** out` is the caller's and has one
 * aspen_<noun>_free, which takes NULL, runs on any thread and in any order. What is read from an operation
 * (texts, entries) is borrowed until aspen_op_free.
 *
 * Options. Structs with a `struct_size` are filled by their _init and grow only at the end; NULL means the
 * defaults. Times are nanoseconds. Strings are NUL-terminated UTF-8; keys and values are bytes.
 *
 * Threads. Every function may be called from any thread at the same time, except that an object must not be
 * freed while another thread is inside a call with it. The library calls back only aspen_log_fn. It installs
 * no signal handler, writes to no standard stream and does not exit. After a fork, a child's copies of
 * handles are inert: calls with them are refused, freeing them leaves the parent alone. A child opens nodes
 * of its own.
 */
#ifndef ASPEN_H
#define ASPEN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ASPEN_API __attribute__((visibility("default")))
#else
#define ASPEN_API
#endif

typedef struct aspen_node aspen_node_t;   /* an opened node */
typedef struct aspen_op aspen_op_t;       /* one operation and its result */
typedef struct aspen_cq aspen_cq_t;       /* a completion queue */
typedef struct aspen_batch aspen_batch_t; /* comparisons and operations, one step at one revision */
typedef struct aspen_txn aspen_txn_t;     /* a transaction that reads before it writes, or a branch */
typedef struct aspen_watch aspen_watch_t; /* what changes in a range of keys, as it happens */
typedef struct aspen_tuple aspen_tuple_t; /* a list of typed values, to be packed into a key */

/* ---- version ---------------------------------------------------------------------------------------- */

/* "major.minor.patch"; static. */
ASPEN_API const char* aspen_version(void);
/* Grows when functions or trailing struct fields are added; never shrinks within a major version. */
ASPEN_API uint32_t aspen_abi_version(void);

/* ---- errors ----------------------------------------------------------------------------------------- */

/* capi/errors.def explains each. Values are frozen. */
enum {
  ASPEN_OK = 0,
  ASPEN_INVALID_ARGUMENT = 1,
  ASPEN_LIMIT_EXCEEDED = 2,
  ASPEN_NOT_FOUND = 3,
  ASPEN_ALREADY_EXISTS = 4,
  ASPEN_PERMISSION_DENIED = 5,
  ASPEN_NOT_A_MEMBER = 6,
  ASPEN_GRANT_EXPIRED = 7,
  ASPEN_TICKET_INVALID = 8,
  ASPEN_WRONG_PEER = 9,
  ASPEN_PROTOCOL = 10,
  ASPEN_UNSUPPORTED = 11,
  ASPEN_CANCELLED = 12,
  ASPEN_DEADLINE_EXCEEDED = 13,
  ASPEN_SHUTDOWN = 14,
  ASPEN_UNAVAILABLE = 15,
  ASPEN_NOT_LEADER = 16,
  ASPEN_CONNECTION_LOST = 17,
  ASPEN_OVERLOADED = 18,
  ASPEN_SESSION_EXPIRED = 19,
  ASPEN_IN_USE = 20,
  ASPEN_WRONG_NODE = 21,
  ASPEN_CORRUPT = 22,
  ASPEN_IO = 23,
  ASPEN_INTERNAL = 24,
  ASPEN_COMPACTED = 25,
  ASPEN_QUOTA_EXCEEDED = 26
};

/* What a failed mutation may have done. */
enum {
  ASPEN_APPLIED_NO = 0,   /* certainly not applied, now or later */
  ASPEN_APPLIED_MAYBE = 1 /* it may take effect, now or later */
};

/* The error table, for bindings. Codes run from 1 to aspen_error_count(). An unknown code has the name
 * "UNKNOWN", an empty text, is not retryable and maybe applied. Names and texts are static. */
ASPEN_API int32_t aspen_error_count(void);
ASPEN_API const char* aspen_error_name(int32_t code);
ASPEN_API const char* aspen_error_text(int32_t code);
ASPEN_API uint8_t aspen_error_retryable(int32_t code);
ASPEN_API int32_t aspen_error_applied(int32_t code);
/* The code of a name such as "NOT_LEADER"; -1 when there is none. */
ASPEN_API int32_t aspen_error_code(const char* name);

/* ---- limits ----------------------------------------------------------------------------------------- */

enum {
  ASPEN_LIMIT_KEY_BYTES = 1,
  ASPEN_LIMIT_VALUE_BYTES = 2,
  ASPEN_LIMIT_TRANSACTION_OPS = 3,
  ASPEN_LIMIT_TRANSACTION_BYTES = 4,
  ASPEN_LIMIT_RANGE_ENTRIES = 5,
  ASPEN_LIMIT_RANGE_BYTES = 6,
  ASPEN_LIMIT_FRAME_BYTES = 7,
  ASPEN_LIMIT_OPS_IN_FLIGHT = 8,
  ASPEN_LIMIT_TUPLE_BYTES = 9,
  ASPEN_LIMIT_TUPLE_DEPTH = 10,
  ASPEN_LIMIT_TRANSACTION_DEPTH = 11,
  ASPEN_LIMIT_BRANCH_DEPTH = 12,
  ASPEN_LIMIT_WATCHES = 13, /* that one node keeps open */
  ASPEN_LIMIT_WATCH_BUFFER_BYTES = 14,
  ASPEN_LIMIT_WATCH_REVISION_BYTES = 15,
  ASPEN_LIMIT_QUOTAS = 16,
  ASPEN_LIMIT_INDEXES = 17,
  ASPEN_LIMIT_INDEXES_OF_KEY = 18,
  ASPEN_LIMIT_INDEX_VALUES = 19, /* of one key */
  ASPEN_LIMIT_INDEX_VALUE_BYTES = 20,
  ASPEN_LIMIT_INDEX_DOCUMENT_BYTES = 21,
  ASPEN_LIMIT_LEASES = 22,
  ASPEN_LIMIT_LEASE_KEYS = 23,
  ASPEN_LIMIT_LEASE_TTL_MIN_NS = 24,
  ASPEN_LIMIT_LEASE_TTL_MAX_NS = 25
};

/* Limits run from 1 to aspen_limit_count(); an unknown one is 0 with the name "UNKNOWN". */
ASPEN_API int32_t aspen_limit_count(void);
ASPEN_API uint64_t aspen_limit_get(int32_t limit);
ASPEN_API const char* aspen_limit_name(int32_t limit);

/* ---- log -------------------------------------------------------------------------------------------- */

enum { ASPEN_LOG_DEBUG = 0, ASPEN_LOG_INFO = 1, ASPEN_LOG_WARN = 2, ASPEN_LOG_ERROR = 3, ASPEN_LOG_OFF = 4 };

/* Called from engine threads, one line at a time; must not call back into the library and must not block.
 * `line` is not NUL-terminated. */
typedef void (*aspen_log_fn)(int32_t level, const char* line, size_t line_size, void* context);
/* Process-wide. NULL drops all lines (the default). When it returns, the former function is not running. */
ASPEN_API void aspen_log_set(aspen_log_fn function, void* context, int32_t level);

/* ---- completion queues ------------------------------------------------------------------------------ */

typedef struct aspen_event {
  uint64_t tag;   /* as given with the operation */
  aspen_op_t* op; /* the operation; NULL when it was freed before it completed */
  int32_t status; /* aspen_op_status(op) */
  uint32_t reserved;
  uint64_t reserved2;
} aspen_event_t;

/* Returns ASPEN_OK, or ASPEN_IO when the process is out of descriptors. */
ASPEN_API int32_t aspen_cq_new(aspen_cq_t** out);
/* Events not yet taken are dropped; operations that still name the queue complete without it. */
ASPEN_API void aspen_cq_free(aspen_cq_t* queue);
/* A descriptor that is readable while events wait: for poll, epoll, an event loop. Not to be read or closed.
 */
ASPEN_API int aspen_cq_fd(const aspen_cq_t* queue);
/* Takes up to `max` events, oldest first, and returns how many. Never waits. */
ASPEN_API size_t aspen_cq_poll(aspen_cq_t* queue, aspen_event_t* events, size_t max);
/* Waits until an event is there: ASPEN_OK, or ASPEN_DEADLINE_EXCEEDED after `timeout_ns` (negative: no
 * limit). */
ASPEN_API int32_t aspen_cq_wait(aspen_cq_t* queue, int64_t timeout_ns);

/* ---- operations ------------------------------------------------------------------------------------- */

/* Waits for completion: ASPEN_OK when complete (whatever its status), ASPEN_DEADLINE_EXCEEDED when
 * `timeout_ns` (negative: no limit) passed first; the operation goes on. */
ASPEN_API int32_t aspen_op_wait(aspen_op_t* op, int64_t timeout_ns);
ASPEN_API uint8_t aspen_op_done(const aspen_op_t* op);
/* Asks it to end. Sticky and idempotent; the operation still completes, with CANCELLED or, when it was too
 * late, with its result. */
ASPEN_API void aspen_op_cancel(aspen_op_t* op);
/* A pending operation is cancelled and freed when it has completed; its event then carries a NULL op. Freeing
 * a pending aspen_node_open waits until what it began is undone. */
ASPEN_API void aspen_op_free(aspen_op_t* op);

/* The following read a completed operation; on a pending one they give the zero value (status: INTERNAL). */
ASPEN_API int32_t aspen_op_status(const aspen_op_t* op);
/* For people: which thing, which limit, what to do. Empty when the status is ASPEN_OK. */
ASPEN_API const char* aspen_op_message(const aspen_op_t* op);
ASPEN_API int32_t aspen_op_applied(const aspen_op_t* op);
ASPEN_API uint8_t aspen_op_retryable(const aspen_op_t* op);
/* The text an operation answers with (a ticket, a status document); "" when it has none. */
ASPEN_API const char* aspen_op_text(const aspen_op_t* op);
/* The node of a completed aspen_node_open, now the caller's; NULL when it failed or was taken already. */
ASPEN_API aspen_node_t* aspen_op_take_node(aspen_op_t* op);

/* ---- nodes ------------------------------------------------------------------------------------------ */

enum {
  ASPEN_MODE_EMBEDDED = 0, /* one store in `dir`, no network */
  ASPEN_MODE_FOUND = 1,    /* `dir` and `listen`: the first member of a new network */
  ASPEN_MODE_JOIN = 2,     /* `dir`, `listen` and `ticket`: a further member */
  ASPEN_MODE_CLIENT = 3    /* `ticket` only: uses the network, stores nothing */
};

/* A directory that already holds a node is reopened as that node (FOUND and JOIN alike: it keeps its
 * identity, network and data; the ticket is then only checked to be of the same network). */
typedef struct aspen_node_options {
  uint32_t struct_size;
  int32_t mode;
  const char* dir;       /* data directory, created when absent (its parent must exist) */
  const char* listen;    /* "host:port"; port 0: any */
  const char* advertise; /* "host:port" the others dial; NULL: the address listened on */
  const char* ticket;
  int64_t open_timeout_ns; /* until the node serves; 0: 30 s */
  int64_t heartbeat_ns;    /* of the consensus leader; 0: 50 ms; at least 1 ms. The same on all members. */
  int64_t election_ns;     /* silence before an election; 0: 300 ms; 4 heartbeats to 60 s */
  /* The leader forgets earlier revisions by itself (COMPACTED) when more than `history_revisions` are kept
   * (0: 10,000) and what it forgets is older than `history_ns` (0: 60 s; negative: it never does). */
  uint64_t history_revisions;
  int64_t history_ns;
  int64_t dead_voter_ns; /* a voter that is dead or lags for so long loses its vote until it has caught up, by
                          * a change that all agree on; 0: never; at least 10 elections */
  uint64_t
      journal_segment_bytes; /* of the log's files, each made whole beforehand; 0: 16 MiB; 16 MiB to 1 GiB */
  uint32_t
      clock_drift_ppm_max; /* that a monotonic clock gains or loses, for leases; 0: 1,000; at most 100,000 */
  uint8_t lease_reads;     /* 1: promises the leader not to vote for another, so that it has a lease, which
                            * ASPEN_READ_LEASE uses. It helps when most members do */
  uint8_t member_reads; /* 1: linearizable reads at this node are served by it also when another one leads */
  /* Of EMBEDDED and FOUND, with a `dir` that is new: a backup's directory (aspen_backup) that it begins with.
   * All of the backup is checked first, within open_timeout_ns; errors: NOT_FOUND, CORRUPT naming the file,
   * UNSUPPORTED; ALREADY_EXISTS when `dir` holds a node. NULL: none. */
  const char* restore_from;
} aspen_node_options_t;

ASPEN_API void aspen_node_options_init(aspen_node_options_t* options, size_t struct_size);

/* Completes when the node serves: a founder and an embedded node at once, a joining one when it is a member
 * and has caught up, a client when it reached a member. Take the node with aspen_op_take_node. */
ASPEN_API int32_t aspen_node_open(const aspen_node_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                  aspen_op_t** op);
/* Leaves: hands leadership on when it has it, completes all operations of the node (SHUTDOWN), flushes and
 * closes its data. Later calls with the node complete with SHUTDOWN. */
ASPEN_API int32_t aspen_node_close(aspen_node_t* node, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* Closes an open node first, waiting for it. One whose transactions are not freed yet stays open until they
 * are. */
ASPEN_API void aspen_node_free(aspen_node_t* node);

/* Borrowed from the node. The id is 52 characters; the address is "" without a network. */
ASPEN_API const char* aspen_node_id(const aspen_node_t* node);
ASPEN_API const char* aspen_node_address(const aspen_node_t* node);

/* Text: a ticket with which others can join or connect. Whoever holds it can do so too. Valid for `valid_ns`
 * (0: without limit). Errors: UNSUPPORTED on an embedded node, PERMISSION_DENIED on one that may not invite.
 */
ASPEN_API int32_t aspen_node_ticket(aspen_node_t* node, int64_t valid_ns, aspen_cq_t* queue, uint64_t tag,
                                    aspen_op_t** op);
/* Text: a JSON document, {"node_id","network_id","mode","role","address","leader","term","commit","applied",
 * "members":[{"node_id","address","role","leader","reachable"}]}; of a client: as its leader sees it.
 * `role` is leader, follower, learner, candidate, client, or failed when its disk has or it was removed. */
ASPEN_API int32_t aspen_node_status(aspen_node_t* node, int64_t timeout_ns, aspen_cq_t* queue, uint64_t tag,
                                    aspen_op_t** op);

/* ---- identifiers ------------------------------------------------------------------------------------ */

/* The text form of a 32-byte node id: 52 characters and a NUL. */
ASPEN_API void aspen_node_id_format(const uint8_t id[32], char text[53]);
/* ASPEN_OK, or ASPEN_INVALID_ARGUMENT when `text` is not a node id in canonical form. */
ASPEN_API int32_t aspen_node_id_parse(const char* text, uint8_t id[32]);
/* Checks a ticket without using it. The operation is complete when this returns. Text: JSON
 * {"network_id","peers":[{"node_id","address"}],"roles","not_after_unix_ns"}. Errors: TICKET_INVALID,
 * GRANT_EXPIRED. */
ASPEN_API int32_t aspen_ticket_inspect(const char* ticket, aspen_op_t** op);

/* ---- key-value store -------------------------------------------------------------------------------- */

/* Keys and values are bytes; a key is 1 to ASPEN_LIMIT_KEY_BYTES long. Every write has a revision, which
 * only grows. Writes are durable on a majority before they complete, and are applied exactly once however
 * often the engine had to send them. Requests find the leader by themselves. */

enum {
  ASPEN_READ_LINEARIZABLE = 0, /* sees every write that completed before the read began */
  ASPEN_READ_STALE = 1, /* what the nearest member has applied; may be old, unless `staleness_ns` says */
  ASPEN_READ_LEASE = 2  /* linearizable too, as long as clocks keep to aspen_node_options_t; asks no
                         * other member while the leader has a lease, else as LINEARIZABLE */
};

typedef struct aspen_call_options {
  uint32_t struct_size;
  int32_t consistency; /* of reads */
  int64_t timeout_ns;  /* 0: 10 s */
  /* Of reads: the store as it was right after this revision; 0: as it is. Errors: COMPACTED when that has
   * been forgotten, INVALID_ARGUMENT when it has not happened yet. */
  uint64_t revision;
  uint64_t lease;   /* of put and cas: the key goes when this lease does; 0: none. Errors: NOT_FOUND */
  uint8_t previous; /* of put and delete: the result's entry is what was there (none: nothing was) */
  /* Of STALE reads: sees at least every write that completed so long before the read began, by the clock of
   * the member that answers, which asks the leader when it cannot be sure; 0: any age. */
  int64_t staleness_ns;
} aspen_call_options_t;

ASPEN_API void aspen_call_options_init(aspen_call_options_t* options, size_t struct_size);

typedef struct aspen_entry {
  const uint8_t* key;
  size_t key_size;
  const uint8_t* value;
  size_t value_size;
  uint64_t create_revision; /* of the write that created the key */
  uint64_t mod_revision;    /* of the last write */
  uint64_t version;         /* 1 at creation, one more per write; starts again after a delete */
} aspen_entry_t;

/* Result: 0 or 1 entry; a missing key is no error. */
ASPEN_API int32_t aspen_kv_get(aspen_node_t* node, const void* key, size_t key_size,
                               const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                               aspen_op_t** op);
ASPEN_API int32_t aspen_kv_put(aspen_node_t* node, const void* key, size_t key_size, const void* value,
                               size_t value_size, const aspen_call_options_t* options, aspen_cq_t* queue,
                               uint64_t tag, aspen_op_t** op);
/* Change 0 of the result says whether the key was there. */
ASPEN_API int32_t aspen_kv_delete(aspen_node_t* node, const void* key, size_t key_size,
                                  const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                  aspen_op_t** op);

/* Compare and swap. A comparison that does not hold is no error: aspen_op_succeeded is 0, and the result's
 * entry is what the key has instead (no entry: it is absent). */
enum {
  ASPEN_IF_ABSENT = 1,
  ASPEN_IF_PRESENT = 2,
  ASPEN_IF_VALUE = 3,   /* the value equals `expected` */
  ASPEN_IF_REVISION = 4 /* mod_revision equals `revision` */
};
/* Puts `value` if the comparison holds. `expected` and `revision` are read only by the comparison they are
 * for. */
ASPEN_API int32_t aspen_kv_cas(aspen_node_t* node, const void* key, size_t key_size, int32_t comparison,
                               const void* expected, size_t expected_size, uint64_t revision,
                               const void* value, size_t value_size, const aspen_call_options_t* options,
                               aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);

/* Keys from `start` (inclusive) to `end` (exclusive), or those with `prefix`, in order. A reply holds at most
 * ASPEN_LIMIT_RANGE_ENTRIES entries and ASPEN_LIMIT_RANGE_BYTES bytes: while aspen_op_more, call again with
 * `continuation` set to aspen_op_continuation and everything else the same. */
typedef struct aspen_range_options {
  uint32_t struct_size;
  int32_t consistency;
  int64_t timeout_ns;
  const void* prefix; /* not NULL: instead of start and end */
  size_t prefix_size;
  const void* start; /* NULL: from the first key */
  size_t start_size;
  const void* end; /* NULL or empty: to the last key */
  size_t end_size;
  const void* continuation;
  size_t continuation_size;
  uint64_t limit; /* entries; 0: as many as a reply holds */
  uint8_t reverse;
  uint8_t keys_only;
  uint64_t revision;    /* as in aspen_call_options_t; pages of one revision fit together */
  int64_t staleness_ns; /* as in aspen_call_options_t */
} aspen_range_options_t;

ASPEN_API void aspen_range_options_init(aspen_range_options_t* options, size_t struct_size);
ASPEN_API int32_t aspen_kv_range(aspen_node_t* node, const aspen_range_options_t* options, aspen_cq_t* queue,
                                 uint64_t tag, aspen_op_t** op);

/* A batch is a transaction: comparisons, what happens when all of them hold, and what happens else. All of it
 * is one step at one revision. Operations run in the order they were added and see what the ones before them
 * did; when one cannot be carried out, none is. At most ASPEN_LIMIT_TRANSACTION_OPS comparisons and
 * operations and ASPEN_LIMIT_TRANSACTION_BYTES, nested ones included. A batch can be applied more than once.
 *
 *   aspen_batch_check(batch, "lock", 4, ASPEN_IF_ABSENT, NULL, 0, 0);
 *   aspen_batch_put(batch, "lock", 4, "mine", 4);
 *   aspen_batch_else(batch);
 *   aspen_batch_get(batch, "lock", 4);
 *   aspen_kv_apply(node, batch, NULL, NULL, 0, &op);
 *
 * When a comparison does not hold, aspen_op_succeeded is 0, aspen_op_failed_condition tells which was the
 * first, and the result's first entry is that key's (none: it is absent). */
ASPEN_API int32_t aspen_batch_new(aspen_batch_t** out);
ASPEN_API void aspen_batch_free(aspen_batch_t* batch);
/* These return ASPEN_INVALID_ARGUMENT for a NULL pointer or an unknown comparison; sizes are checked when the
 * batch is applied. */
ASPEN_API int32_t aspen_batch_put(aspen_batch_t* batch, const void* key, size_t key_size, const void* value,
                                  size_t value_size);
ASPEN_API int32_t aspen_batch_delete(aspen_batch_t* batch, const void* key, size_t key_size);
ASPEN_API int32_t aspen_batch_check(aspen_batch_t* batch, const void* key, size_t key_size,
                                    int32_t comparison, const void* expected, size_t expected_size,
                                    uint64_t revision);

/* What a comparison is about. An absent key has no value, so that no comparison of it holds, and is 0 in
 * everything else. */
enum {
  ASPEN_TARGET_VALUE = 1,
  ASPEN_TARGET_VERSION = 2,
  ASPEN_TARGET_CREATE_REVISION = 3,
  ASPEN_TARGET_MOD_REVISION = 4,
  ASPEN_TARGET_LEASE = 5,
  ASPEN_TARGET_EXISTS = 6,         /* EQUAL to 0 or 1; of a range: whether there is a key in it */
  ASPEN_TARGET_UNCHANGED_SINCE = 7 /* EQUAL: nothing was put or deleted after revision `number` */
};
enum { ASPEN_EQUAL = 1, ASPEN_NOT_EQUAL = 2, ASPEN_LESS = 3, ASPEN_GREATER = 4 };

typedef struct aspen_compare {
  uint32_t struct_size;
  int32_t target;
  int32_t relation; /* of what is stored to what is given here */
  const void* key;
  size_t key_size;
  const void* end; /* not NULL: of every key from `key` to this one, exclusive; of size 0: to the last */
  size_t end_size;
  const void* value; /* of VALUE */
  size_t value_size;
  uint64_t number; /* of the others */
} aspen_compare_t;

ASPEN_API void aspen_compare_init(aspen_compare_t* compare, size_t struct_size);
ASPEN_API int32_t aspen_batch_compare(aspen_batch_t* batch, const aspen_compare_t* compare);
/* What is added from here on happens when a comparison does not hold. INVALID_ARGUMENT when it is said twice.
 */
ASPEN_API int32_t aspen_batch_else(aspen_batch_t* batch);
/* What is added between these is a transaction of its own, an operation of the one around it; at most
 * ASPEN_LIMIT_TRANSACTION_DEPTH inside each other. An END without a BEGIN is INVALID_ARGUMENT; so is applying
 * a batch in which an END is missing. */
ASPEN_API int32_t aspen_batch_begin(aspen_batch_t* batch);
ASPEN_API int32_t aspen_batch_end(aspen_batch_t* batch);
/* A put with a lease (0: none) and, if `previous` is 1, a result with the entry that was there. */
ASPEN_API int32_t aspen_batch_put_with(aspen_batch_t* batch, const void* key, size_t key_size,
                                       const void* value, size_t value_size, uint64_t lease,
                                       uint8_t previous);
/* A delete whose result, if `previous` is 1, has the entry that was there. */
ASPEN_API int32_t aspen_batch_delete_with(aspen_batch_t* batch, const void* key, size_t key_size,
                                          uint8_t previous);
/* All keys from `start` to `end` (exclusive; size 0: to the last). */
ASPEN_API int32_t aspen_batch_delete_range(aspen_batch_t* batch, const void* start, size_t start_size,
                                           const void* end, size_t end_size, uint8_t previous);
ASPEN_API int32_t aspen_batch_get(aspen_batch_t* batch, const void* key, size_t key_size);
/* Of the options: the range, limit, reverse and keys_only. */
ASPEN_API int32_t aspen_batch_range(aspen_batch_t* batch, const aspen_range_options_t* options);

ASPEN_API int32_t aspen_kv_apply(aspen_node_t* node, const aspen_batch_t* batch,
                                 const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                 aspen_op_t** op);

/* What the operations of an applied batch came to: those of the branches that ran, in their order, the
 * results of a nested transaction between its TRANSACTION and its END. */
enum {
  ASPEN_RESULT_CHANGE = 1,       /* of a put or delete: `existed`, `previous_revision` */
  ASPEN_RESULT_DELETE_RANGE = 2, /* `count` keys were deleted */
  ASPEN_RESULT_GET = 3,          /* `existed` */
  ASPEN_RESULT_RANGE = 4,        /* `more`: the reply does not hold the whole range */
  ASPEN_RESULT_TRANSACTION = 5,  /* `succeeded` */
  ASPEN_RESULT_END = 6
};

typedef struct aspen_result {
  int32_t kind;
  uint8_t existed;
  uint8_t succeeded;
  uint8_t more;
  uint8_t reserved;
  uint64_t previous_revision; /* the mod_revision the key had; 0: it was absent */
  uint64_t count;
  size_t entry_begin; /* its entries: aspen_op_entry from this one to before the next */
  size_t entry_end;
} aspen_result_t;

ASPEN_API size_t aspen_op_result_count(const aspen_op_t* op);
/* ASPEN_OK, or ASPEN_NOT_FOUND past the end. */
ASPEN_API int32_t aspen_op_result(const aspen_op_t* op, size_t index, aspen_result_t* result);

/* Results of key-value operations. */

/* Of a write: its revision. Of a read: the newest revision it could see. */
ASPEN_API uint64_t aspen_op_revision(const aspen_op_t* op);
/* 1 when the write was made: always for put and delete, and when all conditions of a cas or batch held. */
ASPEN_API uint8_t aspen_op_succeeded(const aspen_op_t* op);
/* The index of the condition that did not hold; -1 when none. */
ASPEN_API int64_t aspen_op_failed_condition(const aspen_op_t* op);
ASPEN_API size_t aspen_op_entry_count(const aspen_op_t* op);
/* ASPEN_OK, or ASPEN_NOT_FOUND past the end. */
ASPEN_API int32_t aspen_op_entry(const aspen_op_t* op, size_t index, aspen_entry_t* entry);
/* The lease of that entry's key; 0: none. */
ASPEN_API uint64_t aspen_op_entry_lease(const aspen_op_t* op, size_t index);
/* One per operation of the branch that ran, nested ones not counted. */
ASPEN_API size_t aspen_op_change_count(const aspen_op_t* op);
/* Whether the key was there before, and its mod_revision then (0 when not). Either pointer may be NULL. */
ASPEN_API int32_t aspen_op_change(const aspen_op_t* op, size_t index, uint8_t* existed,
                                  uint64_t* previous_revision);
/* Of a range: whether entries are left, and where to go on. */
ASPEN_API uint8_t aspen_op_more(const aspen_op_t* op);
ASPEN_API const uint8_t* aspen_op_continuation(const aspen_op_t* op, size_t* size);

/* ---- history and quotas ------------------------------------------------------------------------------ */

/* Forgets what the keys were before `revision`: reads at earlier ones fail with COMPACTED. The operation's
 * revision is the oldest that can still be read. One that is not later than what was forgotten already
 * changes nothing. Errors: INVALID_ARGUMENT for a revision that has not happened; PERMISSION_DENIED when the
 * caller's ticket covers only some keys, here and below. */
ASPEN_API int32_t aspen_kv_compact(aspen_node_t* node, uint64_t revision, const aspen_call_options_t* options,
                                   aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);

/* A quota bounds what all keys with a prefix may come to. Writes that would exceed one fail with
 * QUOTA_EXCEEDED, which names it; what shrinks is always allowed. At most ASPEN_LIMIT_QUOTAS. */
typedef struct aspen_quota {
  const uint8_t* prefix;
  size_t prefix_size;
  uint64_t bytes_max; /* of keys and values; 0: any */
  uint64_t keys_max;  /* 0: any */
  uint64_t bytes;     /* that there are */
  uint64_t keys;
} aspen_quota_t;

/* Sets the quota of the prefix (empty: of all keys), also below what there is; with both limits 0 it has none
 * any more. Errors: LIMIT_EXCEEDED. */
ASPEN_API int32_t aspen_quota_set(aspen_node_t* node, const void* prefix, size_t prefix_size,
                                  uint64_t bytes_max, uint64_t keys_max, const aspen_call_options_t* options,
                                  aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* All quotas, by prefix; of a caller whose ticket covers only some keys, those within. */
ASPEN_API int32_t aspen_quota_list(aspen_node_t* node, const aspen_call_options_t* options, aspen_cq_t* queue,
                                   uint64_t tag, aspen_op_t** op);
ASPEN_API size_t aspen_op_quota_count(const aspen_op_t* op);
/* ASPEN_OK, or ASPEN_NOT_FOUND past the end. The prefix is borrowed from the operation. */
ASPEN_API int32_t aspen_op_quota(const aspen_op_t* op, size_t index, aspen_quota_t* quota);

/* ---- leases ------------------------------------------------------------------------------------------ */

/* A lease is time that keys are attached to when they are put (`lease` in aspen_call_options_t,
 * aspen_batch_put_with, aspen_txn_put; a put without one detaches). When the time has run out, or the lease
 * is revoked, all its keys are deleted in one step, at one revision.
 *
 *   aspen_lease_grant(node, 10000000000, NULL, NULL, 0, &op);      ... wait: 10 s ...
 *   uint64_t lease = aspen_op_lease(op);
 *   options.lease = lease;
 *   aspen_kv_put(node, "member/1", 8, "here", 4, &options, NULL, 0, &op);
 *   aspen_lease_keep(node, lease, queue, tag, &kept);              the engine renews it from now on
 *
 * The leader counts the time, on its monotonic clock. A lease does not run out before its time has passed
 * since it was granted, since the latest keep-alive that succeeded was called, and since the leader came to
 * lead: a new one begins with full leases. What holds the leader up (a pause, a disk that stalls, no
 * majority) makes leases last longer, never shorter. Else its keys go within about 0.1 s.
 *
 * There are at most ASPEN_LIMIT_LEASES, of ASPEN_LIMIT_LEASE_KEYS keys each. A ticket that covers only some
 * keys grants leases of such keys, and reaches no others: those do not exist for it. */
typedef struct aspen_lease {
  uint64_t lease;       /* its number, never 0 and never used again */
  int64_t ttl_ns;       /* what it was granted for */
  int64_t remaining_ns; /* before it runs out, if nobody keeps it alive */
  uint64_t keys;        /* attached; of a revoke: deleted */
} aspen_lease_t;

/* The operation's lease is the new one. `ttl_ns` is ASPEN_LIMIT_LEASE_TTL_MIN_NS to _MAX_NS. Errors:
 * INVALID_ARGUMENT, LIMIT_EXCEEDED when there are too many leases. */
ASPEN_API int32_t aspen_lease_grant(aspen_node_t* node, int64_t ttl_ns, const aspen_call_options_t* options,
                                    aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* Deletes its keys and the lease, now. Errors: NOT_FOUND. */
ASPEN_API int32_t aspen_lease_revoke(aspen_node_t* node, uint64_t lease, const aspen_call_options_t* options,
                                     aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* Gives it all its time again, once. `keys` of the result is 0. Errors: NOT_FOUND when it has run out. */
ASPEN_API int32_t aspen_lease_keep_alive(aspen_node_t* node, uint64_t lease,
                                         const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                         aspen_op_t** op);
/* The lease, and as entries its keys in order, without values and revisions: at most
 * ASPEN_LIMIT_RANGE_ENTRIES and ASPEN_LIMIT_RANGE_BYTES. While aspen_op_more, call again with
 * aspen_op_continuation (NULL: from the first key on). Errors: NOT_FOUND. */
ASPEN_API int32_t aspen_lease_info(aspen_node_t* node, uint64_t lease, const void* continuation,
                                   size_t continuation_size, const aspen_call_options_t* options,
                                   aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* The leases with a higher number than `after` (0: all), by number, at most 10,000: while aspen_op_more, call
 * again with the last one's number. */
ASPEN_API int32_t aspen_lease_list(aspen_node_t* node, uint64_t after, const aspen_call_options_t* options,
                                   aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);

/* Has the engine renew the lease, each time a third of its time has passed, all leases that it keeps in as
 * few messages as it can, through failures of members, until the lease is dropped or gone. The operation
 * completes when that ends: with ASPEN_OK when it was dropped, NOT_FOUND when a renewal finds that the lease
 * has run out or was revoked, CANCELLED, SHUTDOWN; OVERLOADED when there are 10,000 of these at the node,
 * which do not count among ASPEN_LIMIT_OPS_IN_FLIGHT. Cancelling or freeing it ends it too. The lease itself
 * goes on until its time is over. */
ASPEN_API int32_t aspen_lease_keep(aspen_node_t* node, uint64_t lease, aspen_cq_t* queue, uint64_t tag,
                                   aspen_op_t** op);
/* Ends every aspen_lease_keep of the lease at this node. ASPEN_OK, also when there is none; INVALID_ARGUMENT
 * for a NULL node. */
ASPEN_API int32_t aspen_lease_drop_keep(aspen_node_t* node, uint64_t lease);

/* The number of the first lease of the result; 0 when it has none. */
ASPEN_API uint64_t aspen_op_lease(const aspen_op_t* op);
/* One of everything but a list. */
ASPEN_API size_t aspen_op_lease_count(const aspen_op_t* op);
/* ASPEN_OK, or ASPEN_NOT_FOUND past the end. */
ASPEN_API int32_t aspen_op_lease_at(const aspen_op_t* op, size_t index, aspen_lease_t* lease);

/* ---- optimistic transactions and branches ----------------------------------------------------------- */

/* A transaction that reads before it knows what to write. All its reads are of one revision, with its own
 * changes over it; what it read is remembered, absent keys and the gaps of ranges included. Its commit is one
 * step that is made only if nothing of that has changed meanwhile: if aspen_op_succeeded is 0, reset it and
 * do everything again.
 *
 *   aspen_txn_new(node, &txn);
 *   do {
 *     aspen_txn_reset(txn);
 *     aspen_txn_get(txn, "n", 1, NULL, NULL, 0, &op);      ... wait, read the entry, free ...
 *     aspen_txn_put(txn, "n", 1, value, value_size, 0);
 *     aspen_txn_commit(txn, NULL, NULL, 0, &op);           ... wait ...
 *   } while (aspen_op_status(op) == ASPEN_OK && !aspen_op_succeeded(op));
 *
 * A branch is a copy of the keys with a prefix that costs nothing: it lives longer than a transaction, sees
 * the keys as they were when it was made with its own changes over them, checks at its commit also the keys
 * that it writes, and names all that are in conflict. A branch may have branches, which read through it and
 * are committed into it; at most ASPEN_LIMIT_BRANCH_DEPTH deep. To discard one, free it. The oldest revision
 * that is kept bounds how long it can be read: after that its reads and its commit fail with COMPACTED.
 *
 * What is read and changed may come to ASPEN_LIMIT_TRANSACTION_OPS comparisons and operations and
 * ASPEN_LIMIT_TRANSACTION_BYTES; of a branch each key that was read counts three times, and each that was
 * changed four times. A transaction is used by one thread at a time; its operations may be under way
 * together. */
ASPEN_API int32_t aspen_txn_new(aspen_node_t* node, aspen_txn_t** out);
/* Makes a branch of the store (`parent` NULL) or of another branch; take it with aspen_op_take_txn. The
 * operation's revision is the branch's. Errors: INVALID_ARGUMENT when the prefix is not within the parent's,
 * or the parent is no branch or has been committed; LIMIT_EXCEEDED. */
ASPEN_API int32_t aspen_txn_branch(aspen_node_t* node, aspen_txn_t* parent, const void* prefix,
                                   size_t prefix_size, const aspen_call_options_t* options, aspen_cq_t* queue,
                                   uint64_t tag, aspen_op_t** op);
/* The branch, now the caller's; NULL when it failed or was taken already, or its node is gone. */
ASPEN_API aspen_txn_t* aspen_op_take_txn(aspen_op_t* op);
/* Discards what was not committed. Operations under way go on. */
ASPEN_API void aspen_txn_free(aspen_txn_t* txn);
/* Forgets what a transaction has read and changed. INVALID_ARGUMENT on a branch. */
ASPEN_API int32_t aspen_txn_reset(aspen_txn_t* txn);

/* As aspen_kv_get and aspen_kv_range; of the options, the timeout (and the range). Entries that the
 * transaction has put itself have revisions of 0. */
ASPEN_API int32_t aspen_txn_get(aspen_txn_t* txn, const void* key, size_t key_size,
                                const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                aspen_op_t** op);
ASPEN_API int32_t aspen_txn_range(aspen_txn_t* txn, const aspen_range_options_t* options, aspen_cq_t* queue,
                                  uint64_t tag, aspen_op_t** op);
/* Changes are kept until the commit. They return ASPEN_OK, INVALID_ARGUMENT or LIMIT_EXCEEDED, and
 * aspen_txn_message says what was wrong. */
ASPEN_API int32_t aspen_txn_put(aspen_txn_t* txn, const void* key, size_t key_size, const void* value,
                                size_t value_size, uint64_t lease);
ASPEN_API int32_t aspen_txn_delete(aspen_txn_t* txn, const void* key, size_t key_size);
ASPEN_API int32_t aspen_txn_delete_range(aspen_txn_t* txn, const void* start, size_t start_size,
                                         const void* end, size_t end_size);
/* What the last of these that failed said; "" when none has. Borrowed until the next one that fails. */
ASPEN_API const char* aspen_txn_message(const aspen_txn_t* txn);

/* Carries it out if nothing that it read has changed (aspen_op_succeeded). A transaction that was committed
 * is empty again; a branch is over, and one of another branch has handed its changes to that one. One that
 * changed nothing succeeds without asking anybody. INVALID_ARGUMENT of a branch that is over, and of a branch
 * of one. */
ASPEN_API int32_t aspen_txn_commit(aspen_txn_t* txn, const aspen_call_options_t* options, aspen_cq_t* queue,
                                   uint64_t tag, aspen_op_t** op);
/* Of a branch's commit that did not succeed: the keys, or ranges of keys, that somebody else has changed.
 * Borrowed from the operation. */
typedef struct aspen_conflict {
  const uint8_t* start;
  size_t start_size;
  const uint8_t* end; /* exclusive; size 0: no end. Of one key: the key and a zero byte. */
  size_t end_size;
} aspen_conflict_t;
ASPEN_API size_t aspen_op_conflict_count(const aspen_op_t* op);
/* ASPEN_OK, or ASPEN_NOT_FOUND past the end. */
ASPEN_API int32_t aspen_op_conflict(const aspen_op_t* op, size_t index, aspen_conflict_t* conflict);

/* ---- watches ---------------------------------------------------------------------------------------- */

/* What changes in a range of keys, as it happens: every change once, in the order of the revisions, and all
 * changes of one revision together. When the member that serves it is lost, a watch goes on at another one
 * where it stood; nothing is left out or told twice.
 *
 *   aspen_watch_options_init(&options, sizeof options);
 *   options.prefix = "user/";
 *   options.prefix_size = 5;
 *   aspen_watch_open(node, &options, NULL, 0, &op);
 *   aspen_op_wait(op, -1);
 *   watch = aspen_op_take_watch(op);
 *   ...
 *   aspen_watch_next(watch, queue, tag, &op);               ... wait ...
 *   for (i = 0; aspen_op_watch_event(op, i, &event) == ASPEN_OK; i++) ...
 *
 * Bounds. The node keeps what was not asked for yet: at most `buffer_bytes` of it (a key with its values, and
 * 64 bytes for each change), and beside that one revision while its parts come in, at most
 * ASPEN_LIMIT_WATCH_REVISION_BYTES. A watch whose reader is slow loses nothing by that: the members wait, and
 * read what it has not seen from their stores. Only when compaction has overtaken it does it end, with
 * COMPACTED and a message that it has fallen behind. A single revision that changes more of the range than
 * ASPEN_LIMIT_WATCH_REVISION_BYTES ends it with LIMIT_EXCEEDED. It never goes on with a gap. */
typedef struct aspen_watch_options {
  uint32_t struct_size;
  uint8_t previous;   /* events bring what the key was before */
  uint8_t no_puts;    /* only deletes are told */
  uint8_t no_deletes; /* only puts are told */
  uint8_t reserved;
  const void* key; /* not NULL: this key alone */
  size_t key_size;
  const void* prefix; /* else, not NULL: keys that begin with this */
  size_t prefix_size;
  const void* start; /* else from this key; NULL: the first */
  size_t start_size;
  const void* end; /* to before this key; NULL or empty: the last one too */
  size_t end_size;
  uint64_t revision;     /* the first that is told, past or to come; 0: what comes after the open */
  int64_t progress_ns;   /* a mark about as often, unless changes say as much; 0: none; at least 100 ms */
  uint64_t buffer_bytes; /* 0: 1 MiB; at most ASPEN_LIMIT_WATCH_BUFFER_BYTES */
  int64_t timeout_ns;    /* of the open; 0: 10 s */
} aspen_watch_options_t;

ASPEN_API void aspen_watch_options_init(aspen_watch_options_t* options, size_t struct_size);

/* Completes when a member serves the watch. One from now on is told whatever is acknowledged from then on,
 * and nothing that was acknowledged before the call; it takes a linearizable read. The operation's revision
 * is the one before the first that is told. Take the watch with aspen_op_take_watch. Errors:
 * INVALID_ARGUMENT, PERMISSION_DENIED, LIMIT_EXCEEDED (ASPEN_LIMIT_WATCHES), UNAVAILABLE. */
ASPEN_API int32_t aspen_watch_open(aspen_node_t* node, const aspen_watch_options_t* options,
                                   aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* The watch, now the caller's; NULL when it failed or was taken already. */
ASPEN_API aspen_watch_t* aspen_op_take_watch(aspen_op_t* op);

/* Completes with the events of one or more whole revisions, or with a mark, which has none. In both cases
 * everything up to aspen_op_revision was told, by this operation or one before: a watch that is opened with
 * the revision after that, at any node, goes on from there. It may take forever; cancelling it loses nothing,
 * the next one goes on. One at a time: another is INVALID_ARGUMENT until it has completed.
 *
 * A status of COMPACTED, LIMIT_EXCEEDED, PERMISSION_DENIED or SHUTDOWN ends the watch, and every further
 * operation says the same. Of COMPACTED, aspen_op_revision is the first revision from which it could be
 * watched. To go on with the state as it is, read the range and watch from the revision after that of the
 * read. */
ASPEN_API int32_t aspen_watch_next(aspen_watch_t* watch, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);

enum { ASPEN_EVENT_PUT = 1, ASPEN_EVENT_DELETE = 2 };

typedef struct aspen_watch_event {
  int32_t kind;
  uint8_t has_previous; /* 0: not asked for, absent before, or before the oldest revision that is kept */
  uint8_t reserved[3];
  uint64_t revision;
  uint64_t lease;         /* of a put: that the key has; 0: none */
  aspen_entry_t entry;    /* of a put: as it is at that revision; of a delete: the key, and zeros */
  aspen_entry_t previous; /* as it was before; zeros when there is none */
} aspen_watch_event_t;

ASPEN_API size_t aspen_op_event_count(const aspen_op_t* op);
/* By revision, and by key within one. ASPEN_OK, or ASPEN_NOT_FOUND past the end. */
ASPEN_API int32_t aspen_op_watch_event(const aspen_op_t* op, size_t index, aspen_watch_event_t* event);

/* Ends the watch at once; a next that waits completes with CANCELLED, further ones with INVALID_ARGUMENT. */
ASPEN_API void aspen_watch_close(aspen_watch_t* watch);
/* Closes it too. The node need not be open any more. */
ASPEN_API void aspen_watch_free(aspen_watch_t* watch);

/* ---- secondary indexes ------------------------------------------------------------------------------ */

/* An index finds the keys with a prefix by what is in their values. It is kept in the same step as every
 * write, so a scan sees exactly what a read of the keys would.
 *
 *   aspen_index_create(node, "by-email", "user/", 5, "json:/email", NULL, NULL, 0, &op);
 *   ...
 *   aspen_tuple_add_text(tuple, "ada@example.org", 15);
 *   aspen_tuple_pack(tuple, NULL, 0, &value, &value_size);
 *   aspen_index_scan_options_init(&options, sizeof options);
 *   options.value = value, options.value_size = value_size;
 *   aspen_index_scan(node, "by-email", &options, NULL, 0, &op);      ... wait, read the entries, free ...
 *
 * The extractor says what is indexed:
 *
 * - json:POINTER: the value is JSON, and POINTER (RFC 6901, "" or "/user/email") is a place in it. Integers
 * of 64 bits are integers, other numbers doubles.
 * - number:POINTER: the same, only numbers, all of them as doubles.
 * - tuple:N: the value is a packed tuple, and N the number of an item, from 0. A program with a rule of its
 * own packs what it wants found beside the rest.
 * - value: all of the value, as bytes.
 *
 * Each element of an array there, or of a tuple in the tuple, is an entry of its own. A key whose value is of
 * another form, lacks the place, or is an object there is not in the index, nor are elements after the first
 * ASPEN_LIMIT_INDEX_VALUES, packed values over ASPEN_LIMIT_INDEX_VALUE_BYTES and JSON texts over
 * ASPEN_LIMIT_INDEX_DOCUMENT_BYTES. At most ASPEN_LIMIT_INDEXES. */

/* Declares it; keys that are there already are entered in the background, which aspen_index_list tells, and
 * until then scans are refused. `name` has 1 to 255 bytes. Errors: ALREADY_EXISTS; INVALID_ARGUMENT;
 * LIMIT_EXCEEDED, also when a key would be under more than ASPEN_LIMIT_INDEXES_OF_KEY; PERMISSION_DENIED for
 * callers that may not touch all keys, here and in a drop. */
ASPEN_API int32_t aspen_index_create(aspen_node_t* node, const char* name, const void* prefix,
                                     size_t prefix_size, const char* extractor,
                                     const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                     aspen_op_t** op);
/* The name is free at once. Errors: NOT_FOUND. */
ASPEN_API int32_t aspen_index_drop(aspen_node_t* node, const char* name, const aspen_call_options_t* options,
                                   aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* Text: JSON, an array by age of {"id","name","prefix_hex","extractor","state","records"}, those whose prefix
 * the caller may touch. The state is "building", "ready" or "dropping"; records, how many keys were looked at
 * to build it. */
ASPEN_API int32_t aspen_index_list(aspen_node_t* node, const aspen_call_options_t* options, aspen_cq_t* queue,
                                   uint64_t tag, aspen_op_t** op);

typedef struct aspen_index_scan_options {
  uint32_t struct_size;
  uint8_t reverse;
  uint8_t keys_only; /* entries come without values */
  uint16_t reserved;
  int64_t timeout_ns; /* 0: 10 s */
  const void* value; /* not NULL: the entries of this value, a packed tuple of it; instead of start and end */
  size_t value_size;
  const void* start; /* the first value, a packed tuple; NULL: from the first */
  size_t start_size;
  const void* end; /* exclusive, a packed tuple; NULL or empty: to the last */
  size_t end_size;
  const void* continuation; /* as in aspen_range_options_t */
  size_t continuation_size;
  uint64_t limit; /* entries; 0: as many as a reply holds */
} aspen_index_scan_options_t;

ASPEN_API void aspen_index_scan_options_init(aspen_index_scan_options_t* options, size_t struct_size);
/* Entries in the order of their values, and of their keys where these are equal; linearizable, of the store
 * as it is now. A key with several values comes once for each of them. A reply is bounded and read on as a
 * range's is. Errors: NOT_FOUND, also while the index is being built: the message says how far it is. */
ASPEN_API int32_t aspen_index_scan(aspen_node_t* node, const char* name,
                                   const aspen_index_scan_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                   aspen_op_t** op);
/* The value that the index has that entry under, a packed tuple of one item; NULL past the end. */
ASPEN_API const uint8_t* aspen_op_index_value(const aspen_op_t* op, size_t entry, size_t* size);

/* ---- directories ------------------------------------------------------------------------------------ */

/* A directory is a path of names that stands for a prefix of a few bytes, under which a program keeps its
 * keys: it opens the directory once and puts the prefix before its own (packed) keys. The prefix stays the
 * same when the directory is moved.
 *
 *   aspen_tuple_add_text(path, "app", 3), aspen_tuple_add_text(path, "users", 5);
 *   aspen_tuple_pack(path, NULL, 0, &packed, &packed_size);
 *   aspen_directory_open(node, packed, packed_size, ASPEN_DIRECTORY_OPEN_OR_CREATE, NULL, 0, NULL, NULL, 0,
 * &op);
 *   ... wait ...
 *   aspen_op_entry(op, 0, &entry);        entry.value is the prefix
 *
 * A path is a packed tuple of texts, of 1 to 255 bytes each, at most 32 of them. Directories lie under the
 * byte fe (docs/wire.md section 14), which programs leave alone. Each call is one step, whatever others do at
 * the same time; OVERLOADED when they are faster again and again. */

enum {
  ASPEN_DIRECTORY_OPEN = 1,          /* NOT_FOUND when it is not there */
  ASPEN_DIRECTORY_CREATE = 2,        /* ALREADY_EXISTS when it is */
  ASPEN_DIRECTORY_OPEN_OR_CREATE = 3 /* creates its parents too, as CREATE does */
};

/* Entry 0: its key is the path's last name, its value the prefix. aspen_op_succeeded: it was created. A
 * `layer` (size 0: none) says what kind of directory it is, in at most 255 bytes: a new one gets it, and one
 * that exists must have it (INVALID_ARGUMENT). */
ASPEN_API int32_t aspen_directory_open(aspen_node_t* node, const void* path, size_t path_size, int32_t how,
                                       const void* layer, size_t layer_size,
                                       const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                       aspen_op_t** op);
/* The directories in it, by name: an entry each, as above. The path may be empty: the first names of all
 * paths. `after`, a name, and `limit` (0: as many as a reply holds) are for reading on while aspen_op_more.
 * Errors: NOT_FOUND. */
ASPEN_API int32_t aspen_directory_list(aspen_node_t* node, const void* path, size_t path_size,
                                       const char* after, uint64_t limit, const aspen_call_options_t* options,
                                       aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);
/* With all that is in it. The new place's parent must exist. Entry 0 as above. Errors: NOT_FOUND;
 * ALREADY_EXISTS; INVALID_ARGUMENT when the new place is inside the old one. */
ASPEN_API int32_t aspen_directory_move(aspen_node_t* node, const void* from, size_t from_size, const void* to,
                                       size_t to_size, const aspen_call_options_t* options, aspen_cq_t* queue,
                                       uint64_t tag, aspen_op_t** op);
/* With all directories and keys in it. aspen_op_succeeded: it was there. Errors: LIMIT_EXCEEDED when these
 * are more than one step may change, 10,000 keys or 1,000 directories; then nothing is removed: delete keys
 * under its prefix first. */
ASPEN_API int32_t aspen_directory_remove(aspen_node_t* node, const void* path, size_t path_size,
                                         const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                         aspen_op_t** op);

/* ---- members ----------------------------------------------------------------------------------------
 * Who opened `node` needs a ticket that lets nodes be members, with all keys (PERMISSION_DENIED). */

/* Takes a node, by its id, out of the members: one that is gone for good, whose vote would count for ever, or
 * one that is not to be a member any more. It stops, serves what it is asked through the others, and does not
 * come back by itself; with an empty data directory and a ticket the machine can join anew. A leader
 * hands over first. aspen_op_succeeded: it was a member. Errors: INVALID_ARGUMENT for an id that is none, and
 * for the only voter; DEADLINE_EXCEEDED while another change of members is under way, or without a majority
 * of the voters that would stay, which the message says. */
ASPEN_API int32_t aspen_member_remove(aspen_node_t* node, const char* node_id,
                                      const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                      aspen_op_t** op);
/* Has that voter lead; of NULL, any other than who leads now. Writes wait meanwhile. Text: the id of who
 * leads then. Errors: INVALID_ARGUMENT; NOT_FOUND when it is no voter, and of NULL when no other one is in
 * contact; DEADLINE_EXCEEDED when it did not take over. */
ASPEN_API int32_t aspen_leader_transfer(aspen_node_t* node, const char* node_id,
                                        const aspen_call_options_t* options, aspen_cq_t* queue, uint64_t tag,
                                        aspen_op_t** op);

/* ---- backup, restore, verification ------------------------------------------------------------------- */

typedef struct aspen_backup_options {
  uint32_t struct_size;
  /* LINEARIZABLE: everything that was acknowledged before the call is in it. STALE: what the member has
   * applied; needs no leader. */
  int32_t consistency;
  int64_t timeout_ns; /* 0: none */
  /* With a NULL `dir`: a descriptor, not 0, into which the directory is written as a tar archive; it stays
   * the caller's. A reader that takes nothing for 60 s is taken for gone (IO). */
  int32_t stream;
  uint32_t reserved;
} aspen_backup_options_t;

ASPEN_API void aspen_backup_options_init(aspen_backup_options_t* options, size_t struct_size);

/* Writes the store as it is at one revision, aspen_op_revision, into the directory `dir` of this machine,
 * which is made (not its parent) or must be empty. Any node can be asked, while the cluster goes on: a member
 * copies its own state, a client asks a member for its. A backup that fails or is interrupted has no
 * manifest.json and is never restored. Text: JSON {"format","version","network_id","node_id","revision",
 * "term","time_unix_ns","compacted","keys","key_bytes","leases","quotas","indexes","sessions","rows",
 * "chunks","bytes","state","files"}. Errors: ALREADY_EXISTS when there is something in `dir`, IO, CORRUPT,
 * UNAVAILABLE, OVERLOADED when the member makes too many already, PERMISSION_DENIED with a ticket for some
 * keys only.
 *
 * To restore one, open a node with `restore_from`: a new network with its keys, leases (with their full
 * time), quotas and indexes. Its revisions go on far above the backup's, so that none is used twice; earlier
 * ones cannot be read or watched (COMPACTED). docs/backup.md has the whole of it. */
ASPEN_API int32_t aspen_backup(aspen_node_t* node, const char* dir, const aspen_backup_options_t* options,
                               aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);

/* Checks a directory that no node is using, a node's or a backup's: everything is read and compared with its
 * checksums, and what belongs together is compared with each other. Nothing is changed. Two members' stores
 * of the same revision have the same fingerprint. Text: JSON {"kind": "node" or "backup","path","ok",
 * "problems":[{"code","message"}]}; of a node also {"node_id","network_id","log":{"groups","segments",
 * "first","last","term"},"state":{"revision","compacted","keys","key_bytes","leases","quotas","indexes",
 * "sessions","fingerprint"}}, of a backup {"backup"} with aspen_backup's text. When there are problems, the
 * status is the code of the first of them, mostly CORRUPT, and the text is there too. Errors: NOT_FOUND when
 * it is neither, IN_USE. Freeing a pending operation waits until it has ended. */
ASPEN_API int32_t aspen_verify(const char* dir, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op);

/* ---- tuples ----------------------------------------------------------------------------------------- */

/* Keys of typed values, in the order of the values: packed, ("user", 9) is below ("user", 10), and everything
 * that begins with ("user", 9) is one range of keys. docs/wire.md section 13 has the bytes, which are those
 * of FoundationDB's tuple layer; the other languages' packages pack and unpack the same.
 *
 *   aspen_tuple_t* tuple;
 *   const uint8_t* key;
 *   size_t key_size;
 *   aspen_tuple_new(&tuple);
 *   aspen_tuple_add_text(tuple, "user", 4);
 *   aspen_tuple_add_int(tuple, 9);
 *   aspen_tuple_pack(tuple, NULL, 0, &key, &key_size);
 *   aspen_kv_put(node, key, key_size, "v", 1, NULL, NULL, 0, &op);
 *   aspen_tuple_free(tuple);
 *
 * A subspace is a prefix: the packed form of what its keys begin with, or any bytes. NULL: none.
 *
 * These calls complete at once. They return ASPEN_OK; ASPEN_INVALID_ARGUMENT, also for a NULL pointer;
 * ASPEN_LIMIT_EXCEEDED over ASPEN_LIMIT_TUPLE_BYTES or ASPEN_LIMIT_TUPLE_DEPTH; or ASPEN_UNSUPPORTED; and
 * aspen_tuple_message says which item or byte. A tuple is used by one thread at a time. */

enum {
  ASPEN_TUPLE_NULL = 0,
  ASPEN_TUPLE_BYTES = 1,
  ASPEN_TUPLE_TEXT = 2,
  ASPEN_TUPLE_BEGIN = 3, /* a nested tuple: its items, and its END, follow */
  ASPEN_TUPLE_END = 4,
  ASPEN_TUPLE_INT = 5,
  ASPEN_TUPLE_UINT = 6, /* only above INT64_MAX */
  ASPEN_TUPLE_FLOAT = 7,
  ASPEN_TUPLE_DOUBLE = 8,
  ASPEN_TUPLE_BOOL = 9,
  ASPEN_TUPLE_UUID = 10
};

typedef struct aspen_tuple_item {
  int32_t type;
  uint32_t reserved;
  const uint8_t* data; /* of BYTES, TEXT (UTF-8 without a NUL at its end) and UUID; else NULL */
  size_t size;
  int64_t int_value; /* of INT; of BOOL: 0 or 1 */
  uint64_t uint_value;
  double float_value; /* of FLOAT and DOUBLE */
} aspen_tuple_item_t;

ASPEN_API int32_t aspen_tuple_new(aspen_tuple_t** out);
ASPEN_API void aspen_tuple_free(aspen_tuple_t* tuple);
/* Without items, as a new one. */
ASPEN_API void aspen_tuple_clear(aspen_tuple_t* tuple);
/* What the last call said that failed; "" when none has. Borrowed until the next call that fails. */
ASPEN_API const char* aspen_tuple_message(const aspen_tuple_t* tuple);

/* Append an item. One that is refused is not appended. */
ASPEN_API int32_t aspen_tuple_add_null(aspen_tuple_t* tuple);
ASPEN_API int32_t aspen_tuple_add_bytes(aspen_tuple_t* tuple, const void* data, size_t size);
/* UTF-8, in which NUL may occur. */
ASPEN_API int32_t aspen_tuple_add_text(aspen_tuple_t* tuple, const char* text, size_t size);
ASPEN_API int32_t aspen_tuple_add_int(aspen_tuple_t* tuple, int64_t value);
ASPEN_API int32_t aspen_tuple_add_uint(aspen_tuple_t* tuple, uint64_t value);
ASPEN_API int32_t aspen_tuple_add_float(aspen_tuple_t* tuple, float value);
ASPEN_API int32_t aspen_tuple_add_double(aspen_tuple_t* tuple, double value);
ASPEN_API int32_t aspen_tuple_add_bool(aspen_tuple_t* tuple, uint8_t value);
ASPEN_API int32_t aspen_tuple_add_uuid(aspen_tuple_t* tuple, const uint8_t uuid[16]);
/* What is appended between these is the content of a nested tuple. */
ASPEN_API int32_t aspen_tuple_begin(aspen_tuple_t* tuple);
ASPEN_API int32_t aspen_tuple_end(aspen_tuple_t* tuple);

/* The key: `prefix` and the packed items. Borrowed until the tuple is packed again or freed. */
ASPEN_API int32_t aspen_tuple_pack(aspen_tuple_t* tuple, const void* prefix, size_t prefix_size,
                                   const uint8_t** data, size_t* size);
/* `start` (inclusive) and `end` (exclusive) of the keys of all tuples that begin with these items and have
 * more. Borrowed as above. */
ASPEN_API int32_t aspen_tuple_range(aspen_tuple_t* tuple, const void* prefix, size_t prefix_size,
                                    const uint8_t** start, size_t* start_size, const uint8_t** end,
                                    size_t* end_size);
/* Makes the tuple the one that `key` holds after `prefix`; when that fails it is empty. A key that does not
 * begin with the prefix, or whose last string only begins as the prefix ends, is INVALID_ARGUMENT. */
ASPEN_API int32_t aspen_tuple_unpack(aspen_tuple_t* tuple, const void* prefix, size_t prefix_size,
                                     const void* key, size_t key_size);

/* Items with BEGINs and ENDs counted. */
ASPEN_API size_t aspen_tuple_count(const aspen_tuple_t* tuple);
/* ASPEN_OK, or ASPEN_NOT_FOUND past the end. Its data is borrowed until the tuple changes or is freed. */
ASPEN_API int32_t aspen_tuple_item(const aspen_tuple_t* tuple, size_t index, aspen_tuple_item_t* item);

#ifdef __cplusplus
}
#endif

#endif /* ASPEN_H */
