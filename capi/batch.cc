// Transactions (aspen_batch_*, aspen_compare_*, aspen_kv_apply).
#include <optional>

#include "capi/kv_call.h"
#include "core/base/limits.h"

using aspen::Code;
using aspen::Error;
using aspen::Result;
using aspen::capi::check_bound;
using aspen::capi::check_key;
using aspen::capi::check_sizes;
using aspen::capi::copy;
using aspen::capi::readable;
namespace kv = aspen::kv;
namespace limits = aspen::limits;

struct aspen_batch {
  // A transaction that is being put together, and the branch that the next operation goes to.
  struct Open {
    kv::Transaction transaction;
    bool otherwise = false;
  };
  std::vector<Open> open{1};  // each within the one before it
  size_t items = 0;           // comparisons and operations
  size_t bytes = 0;
  std::optional<Error> refused;  // what was too much to be copied; applying the batch says so
};

namespace {

// Whether the batch has room for one more; if not, applying it will say why.
bool admit(aspen_batch_t& batch, const Result<>& sizes, size_t bytes) {
  if (batch.refused) return false;
  Result<> room = sizes;
  if (room && batch.items >= limits::kTransactionOpsMax) {
    room = aspen::fail(Code::LIMIT_EXCEEDED, "the batch has more than {} comparisons and operations",
                       limits::kTransactionOpsMax);
  }
  if (room && batch.bytes + bytes > limits::kTransactionBytesMax) {
    room =
        aspen::fail(Code::LIMIT_EXCEEDED, "the batch has more than {} bytes", limits::kTransactionBytesMax);
  }
  if (!room) {
    batch.refused = room.error();
    return false;
  }
  ++batch.items;
  batch.bytes += bytes;
  return true;
}

void add(aspen_batch_t& batch, kv::Op op) {
  aspen_batch::Open& open = batch.open.back();
  (open.otherwise ? open.transaction.otherwise : open.transaction.then).push_back(std::move(op));
}

void add(aspen_batch_t& batch, kv::Compare compare) {
  batch.open.back().transaction.compares.push_back(std::move(compare));
}

Result<> check_bounds(size_t a, size_t b) {
  ASPEN_CHECK(check_bound(a));
  return check_bound(b);
}

}  // namespace

int32_t aspen_batch_new(aspen_batch_t** out) {
  if (out == nullptr) return ASPEN_INVALID_ARGUMENT;
  *out = new aspen_batch{};
  return ASPEN_OK;
}

void aspen_batch_free(aspen_batch_t* batch) {
  delete batch;
}

int32_t aspen_batch_put(aspen_batch_t* batch, const void* key, size_t key_size, const void* value,
                        size_t value_size) {
  return aspen_batch_put_with(batch, key, key_size, value, value_size, 0, 0);
}

int32_t aspen_batch_put_with(aspen_batch_t* batch, const void* key, size_t key_size, const void* value,
                             size_t value_size, uint64_t lease, uint8_t previous) {
  if (batch == nullptr || !readable(key, key_size) || !readable(value, value_size))
    return ASPEN_INVALID_ARGUMENT;
  if (!admit(*batch, check_sizes(key_size, value_size), key_size + value_size)) return ASPEN_OK;
  kv::Op op = aspen::capi::make_put(key, key_size, value, value_size);
  op.lease = lease;
  op.previous = previous != 0;
  add(*batch, std::move(op));
  return ASPEN_OK;
}

int32_t aspen_batch_delete(aspen_batch_t* batch, const void* key, size_t key_size) {
  return aspen_batch_delete_with(batch, key, key_size, 0);
}

int32_t aspen_batch_delete_with(aspen_batch_t* batch, const void* key, size_t key_size, uint8_t previous) {
  if (batch == nullptr || !readable(key, key_size)) return ASPEN_INVALID_ARGUMENT;
  if (!admit(*batch, check_key(key_size), key_size)) return ASPEN_OK;
  kv::Op op = aspen::capi::make_erase(key, key_size);
  op.previous = previous != 0;
  add(*batch, std::move(op));
  return ASPEN_OK;
}

int32_t aspen_batch_delete_range(aspen_batch_t* batch, const void* start, size_t start_size, const void* end,
                                 size_t end_size, uint8_t previous) {
  if (batch == nullptr || !readable(start, start_size) || !readable(end, end_size))
    return ASPEN_INVALID_ARGUMENT;
  if (!admit(*batch, check_bounds(start_size, end_size), start_size + end_size)) return ASPEN_OK;
  kv::Op op{.kind = kv::Op::Kind::erase_range, .previous = previous != 0};
  op.range.start = copy(start, start_size);
  op.range.end = copy(end, end_size);
  add(*batch, std::move(op));
  return ASPEN_OK;
}

int32_t aspen_batch_get(aspen_batch_t* batch, const void* key, size_t key_size) {
  if (batch == nullptr || !readable(key, key_size)) return ASPEN_INVALID_ARGUMENT;
  if (!admit(*batch, check_key(key_size), key_size)) return ASPEN_OK;
  add(*batch, {.kind = kv::Op::Kind::get, .key = copy(key, key_size)});
  return ASPEN_OK;
}

int32_t aspen_batch_range(aspen_batch_t* batch, const aspen_range_options_t* options) {
  aspen_range_options_t copied;
  if (batch == nullptr || !aspen::capi::read_range_options(options, &copied)) return ASPEN_INVALID_ARGUMENT;
  Result<kv::RangeRequest> range = aspen::capi::make_range(copied);
  size_t bytes = range ? range->start.size() + range->end.size() : 0;
  if (!admit(*batch, range ? Result<>() : std::unexpected(range.error()), bytes)) return ASPEN_OK;
  add(*batch, {.kind = kv::Op::Kind::range, .range = *std::move(range)});
  return ASPEN_OK;
}

int32_t aspen_batch_check(aspen_batch_t* batch, const void* key, size_t key_size, int32_t comparison,
                          const void* expected, size_t expected_size, uint64_t revision) {
  if (batch == nullptr || !readable(key, key_size) || !aspen::capi::known_comparison(comparison) ||
      (comparison == ASPEN_IF_VALUE && !readable(expected, expected_size))) {
    return ASPEN_INVALID_ARGUMENT;
  }
  size_t value_size = aspen::capi::expected_bytes(comparison, expected_size);
  if (!admit(*batch, check_sizes(key_size, value_size), key_size + value_size)) return ASPEN_OK;
  add(*batch, aspen::capi::make_compare(key, key_size, comparison, expected, expected_size, revision));
  return ASPEN_OK;
}

void aspen_compare_init(aspen_compare_t* compare, size_t struct_size) {
  aspen::capi::init_options(compare, struct_size);
}

int32_t aspen_batch_compare(aspen_batch_t* batch, const aspen_compare_t* compare) {
  aspen_compare_t copied;
  if (batch == nullptr || compare == nullptr || !aspen::capi::read_options(compare, &copied)) {
    return ASPEN_INVALID_ARGUMENT;
  }
  if (copied.target < ASPEN_TARGET_VALUE || copied.target > ASPEN_TARGET_UNCHANGED_SINCE ||
      copied.relation < ASPEN_EQUAL || copied.relation > ASPEN_GREATER ||
      !readable(copied.key, copied.key_size) || !readable(copied.value, copied.value_size)) {
    return ASPEN_INVALID_ARGUMENT;
  }
  bool of_value = copied.target == ASPEN_TARGET_VALUE;
  size_t value_size = of_value ? copied.value_size : 0;
  size_t end_size = copied.end != nullptr ? copied.end_size : 0;
  Result<> sizes =
      copied.end != nullptr ? check_bounds(copied.key_size, end_size) : check_key(copied.key_size);
  if (sizes) sizes = aspen::capi::check_value(value_size);
  if (!admit(*batch, sizes, copied.key_size + end_size + value_size)) return ASPEN_OK;
  kv::Compare added{.target = static_cast<kv::Compare::Target>(copied.target),
                    .relation = static_cast<kv::Compare::Relation>(copied.relation),
                    .key = copy(copied.key, copied.key_size),
                    .number = of_value ? 0 : copied.number};
  if (of_value) added.value = copy(copied.value, value_size);
  if (copied.end != nullptr) added.end = copy(copied.end, end_size);
  add(*batch, std::move(added));
  return ASPEN_OK;
}

int32_t aspen_batch_else(aspen_batch_t* batch) {
  if (batch == nullptr || batch->open.back().otherwise) return ASPEN_INVALID_ARGUMENT;
  batch->open.back().otherwise = true;
  return ASPEN_OK;
}

int32_t aspen_batch_begin(aspen_batch_t* batch) {
  if (batch == nullptr) return ASPEN_INVALID_ARGUMENT;
  Result<> depth;
  if (batch->open.size() > limits::kTransactionDepthMax) {
    depth = aspen::fail(Code::LIMIT_EXCEEDED, "the batch has transactions more than {} inside each other",
                        limits::kTransactionDepthMax);
  }
  // One that is too deep is opened all the same, so that its end finds it; the batch is refused.
  (void)admit(*batch, depth, 0);
  batch->open.emplace_back();
  return ASPEN_OK;
}

int32_t aspen_batch_end(aspen_batch_t* batch) {
  if (batch == nullptr || batch->open.size() == 1) return ASPEN_INVALID_ARGUMENT;
  kv::Op op{.kind = kv::Op::Kind::transaction};
  op.nested.push_back(std::move(batch->open.back().transaction));
  batch->open.pop_back();
  add(*batch, std::move(op));
  return ASPEN_OK;
}

int32_t aspen_kv_apply(aspen_node_t* node, const aspen_batch_t* batch, const aspen_call_options_t* options,
                       aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op != nullptr) *op = nullptr;
  if (batch == nullptr) return ASPEN_INVALID_ARGUMENT;
  aspen_call_options_t call;
  auto state = aspen::capi::begin(node, options, &call, queue, tag, op);
  if (state == nullptr) return ASPEN_INVALID_ARGUMENT;
  if (batch->refused) return aspen::capi::refuse(*state, *batch->refused);
  if (batch->open.size() > 1) {
    return aspen::capi::refuse(*state,
                               Error(Code::INVALID_ARGUMENT,
                                     fmt::format("the batch has {} transactions that are begun and not ended",
                                                 batch->open.size() - 1)));
  }
  kv::Command command;
  command.transaction = batch->open[0].transaction;
  return aspen::capi::submit_write(node, std::move(command), call, state);
}
