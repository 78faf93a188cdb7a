// The pure functions of aspen.h: version, error table, limits, log, identifiers.
#include <cstring>
#include <nlohmann/json.hpp>

#include "capi/op.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/crypto/ticket.h"
#include "core/kv/index_limits.h"
#include "core/rt/env.h"

namespace {

struct Limit {
  const char* name;
  uint64_t value;
};

namespace limits = aspen::limits;

constexpr Limit kLimits[] = {
    {"KEY_BYTES", limits::kKeyBytesMax},
    {"VALUE_BYTES", limits::kValueBytesMax},
    {"TRANSACTION_OPS", limits::kTransactionOpsMax},
    {"TRANSACTION_BYTES", limits::kTransactionBytesMax},
    {"RANGE_ENTRIES", limits::kRangeEntriesMax},
    {"RANGE_BYTES", limits::kRangeBytesMax},
    {"FRAME_BYTES", limits::kFrameBytesMax},
    {"OPS_IN_FLIGHT", limits::kOpsInFlightMax},
    {"TUPLE_BYTES", limits::kTupleBytesMax},
    {"TUPLE_DEPTH", limits::kTupleDepthMax},
    {"TRANSACTION_DEPTH", limits::kTransactionDepthMax},
    {"BRANCH_DEPTH", limits::kBranchDepthMax},
    {"WATCHES", limits::kWatchersPerPeerMax},
    {"WATCH_BUFFER_BYTES", limits::kWatchCreditMax},
    {"WATCH_REVISION_BYTES", limits::kWatchRevisionBytesMax},
    {"QUOTAS", limits::kQuotasMax},
    {"INDEXES", limits::kIndexesMax},
    {"INDEXES_OF_KEY", limits::kIndexesOfKeyMax},
    {"INDEX_VALUES", limits::kIndexValuesMax},
    {"INDEX_VALUE_BYTES", limits::kIndexValueBytesMax},
    {"INDEX_DOCUMENT_BYTES", limits::kIndexDocumentBytesMax},
    {"LEASES", limits::kLeasesMax},
    {"LEASE_KEYS", limits::kLeaseKeysMax},
    {"LEASE_TTL_MIN_NS", limits::kLeaseTtlMin},
    {"LEASE_TTL_MAX_NS", limits::kLeaseTtlMax},
};
static_assert(std::size(kLimits) == ASPEN_LIMIT_LEASE_TTL_MAX_NS);

#define ASPEN_ERROR(name, number, applied, retryable, text) static_assert(ASPEN_##name == (number));
#include "capi/errors.def"
#undef ASPEN_ERROR

constexpr int32_t kErrorCount = 0
#define ASPEN_ERROR(name, number, applied, retryable, text) +1
#include "capi/errors.def"
#undef ASPEN_ERROR
    ;
static_assert(kErrorCount == ASPEN_QUOTA_EXCEEDED);

const Limit* find_limit(int32_t limit) {
  return limit >= 1 && limit <= aspen_limit_count() ? &kLimits[limit - 1] : nullptr;
}

void write_log(aspen::LogLevel level, std::string_view line, void* context);

struct LogTarget {
  aspen_log_fn function = nullptr;
  void* context = nullptr;
};

// Written only by aspen_log_set while the sink is off.
LogTarget log_target;

void write_log(aspen::LogLevel level, std::string_view line, void*) {
  log_target.function(static_cast<int32_t>(level), line.data(), line.size(), log_target.context);
}

}  // namespace

const char* aspen_version(void) {
  return ASPEN_VERSION;
}
uint32_t aspen_abi_version(void) {
  return 3;
}

int32_t aspen_error_count(void) {
  return kErrorCount;
}

const char* aspen_error_name(int32_t code) {
  if (code == ASPEN_OK) return "OK";
  const aspen::ErrorInfo* info = aspen::error_info(code);
  return info != nullptr ? info->name : "UNKNOWN";
}

const char* aspen_error_text(int32_t code) {
  const aspen::ErrorInfo* info = aspen::error_info(code);
  return info != nullptr ? info->text : "";
}

uint8_t aspen_error_retryable(int32_t code) {
  const aspen::ErrorInfo* info = aspen::error_info(code);
  return info != nullptr && info->retryable ? 1 : 0;
}

int32_t aspen_error_applied(int32_t code) {
  if (code == ASPEN_OK) return ASPEN_APPLIED_NO;
  const aspen::ErrorInfo* info = aspen::error_info(code);
  return info != nullptr && info->applied == aspen::Applied::NO ? ASPEN_APPLIED_NO : ASPEN_APPLIED_MAYBE;
}

int32_t aspen_error_code(const char* name) {
  if (name == nullptr) return -1;
  for (int32_t code = ASPEN_OK; code <= kErrorCount; ++code) {
    if (std::strcmp(aspen_error_name(code), name) == 0) return code;
  }
  return -1;
}

int32_t aspen_limit_count(void) {
  return static_cast<int32_t>(std::size(kLimits));
}
uint64_t aspen_limit_get(int32_t limit) {
  return find_limit(limit) != nullptr ? find_limit(limit)->value : 0;
}
const char* aspen_limit_name(int32_t limit) {
  return find_limit(limit) != nullptr ? find_limit(limit)->name : "UNKNOWN";
}

void aspen_log_set(aspen_log_fn function, void* context, int32_t level) {
  // Turning the sink off waits for a line that is being written.
  aspen::set_log_sink(nullptr, nullptr, aspen::LogLevel::off);
  log_target = {function, context};
  if (function == nullptr || level < ASPEN_LOG_DEBUG || level >= ASPEN_LOG_OFF) return;
  aspen::set_log_sink(write_log, nullptr, static_cast<aspen::LogLevel>(level));
}

void aspen_node_id_format(const uint8_t id[32], char text[53]) {
  if (id == nullptr || text == nullptr) return;
  aspen::NodeId node;
  std::memcpy(node.key.data(), id, node.key.size());
  std::memcpy(text, node.to_string().c_str(), aspen::NodeId::kTextSize + 1);
}

int32_t aspen_node_id_parse(const char* text, uint8_t id[32]) {
  if (text == nullptr || id == nullptr) return ASPEN_INVALID_ARGUMENT;
  auto node = aspen::NodeId::parse(text);
  if (!node) return ASPEN_INVALID_ARGUMENT;
  std::memcpy(id, node->key.data(), node->key.size());
  return ASPEN_OK;
}

int32_t aspen_ticket_inspect(const char* ticket, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  if (ticket == nullptr) return ASPEN_INVALID_ARGUMENT;
  aspen::crypto::initialize();
  auto state = aspen::capi::make_op(nullptr, 0, op);
  aspen::capi::OpResult result;
  auto parsed = aspen::crypto::parse_ticket(ticket, aspen::rt::system_env().wall_now());
  if (!parsed) {
    result.error = parsed.error();
  } else {
    const aspen::crypto::Grant& invitation = parsed->chain.back();
    nlohmann::ordered_json json = {{"network_id", parsed->network.to_string()},
                                   {"peers", nlohmann::ordered_json::array()},
                                   {"roles", nlohmann::ordered_json::array()},
                                   {"not_after_unix_ns", invitation.not_after}};
    for (const auto& peer : parsed->peers) {
      json["peers"].push_back({{"node_id", peer.node.to_string()}, {"address", peer.address}});
    }
    if (invitation.roles & aspen::crypto::kRoleClient) json["roles"].push_back("client");
    if (invitation.roles & aspen::crypto::kRoleMember) json["roles"].push_back("member");
    result.text = json.dump();
  }
  state->complete(std::move(result));
  return ASPEN_OK;
}
