#include "core/kv/evaluator.h"

#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/kv/history.h"
#include "core/kv/range_read.h"

namespace aspen::kv {
namespace {

// More than the encoding of a result, and of a record without its key and value, takes.
constexpr size_t kResultBytes = 16;
constexpr size_t kRecordBytes = 64;

bool in_relation(Compare::Relation relation, std::strong_ordering order) {
  switch (relation) {
    case Compare::Relation::equal:
      return order == 0;
    case Compare::Relation::not_equal:
      return order != 0;
    case Compare::Relation::less:
      return order < 0;
    case Compare::Relation::greater:
      return order > 0;
  }
  return false;
}

// Of a key that exists, or, as `record` of nothing but zeros, does not.
bool record_holds(const Compare& compare, const RecordView& record) {
  const bool exists = record.mod_revision != 0;
  switch (compare.target) {
    case Compare::Target::value:
      return exists && in_relation(compare.relation, record.value <=> BytesView(compare.value));
    case Compare::Target::version:
      return in_relation(compare.relation, record.version <=> compare.number);
    case Compare::Target::create_revision:
      return in_relation(compare.relation, record.create_revision <=> compare.number);
    case Compare::Target::mod_revision:
      return in_relation(compare.relation, record.mod_revision <=> compare.number) ||
             (ASPEN_MUTANT("kv-condition-ignored") && exists);
    case Compare::Target::lease:
      return in_relation(compare.relation, record.lease <=> compare.number);
    case Compare::Target::exists:
      return exists == (compare.number == 1);
    case Compare::Target::unchanged_since:
      return record.mod_revision <= compare.number;
  }
  return false;
}

}  // namespace

Result<WriteReply> Evaluator::run(const Transaction& transaction) {
  WriteReply reply;
  reply.revision = revision_.index();
  ASPEN_TRY(std::optional<Failed> failed, compare_all(transaction.compares));
  reply.succeeded = !failed;
  if (failed) {
    reply.failed_compare = failed->compare;
    reply.current = std::move(failed->current);
    if (reply.current) ASPEN_CHECK(spend(reply.current->key, reply.current->record));
  }
  ASPEN_TRY(reply.results, run_all(failed ? transaction.otherwise : transaction.then));
  return reply;
}

// --- what must hold ---

Result<std::optional<Evaluator::Failed>> Evaluator::compare_all(const std::vector<Compare>& compares) {
  for (size_t i = 0; i < compares.size(); ++i) {
    Failed failed{static_cast<uint32_t>(i), {}};
    ASPEN_CHECK(check_kept(compares[i]));
    ASPEN_TRY(bool good, compares[i].end ? range_holds(compares[i], failed.current)
                                         : holds(compares[i], failed.current));
    if (!good) return failed;
  }
  return std::nullopt;
}

Result<bool> Evaluator::holds(const Compare& compare, std::optional<KeyRecord>& current) {
  ASPEN_TRY(Found found, revision_.find(compare.key));
  bool good = record_holds(compare, {found.exists ? found.value() : BytesView(), found.create_revision,
                                     found.mod_revision, found.version, found.lease});
  if (!good && found.exists) current = {compare.key, found.copy()};
  if (good && compare.target == Compare::Target::unchanged_since) return unchanged(compare);
  return good;
}

Result<bool> Evaluator::range_holds(const Compare& compare, std::optional<KeyRecord>& current) {
  const bool wants_one = compare.target == Compare::Target::exists && compare.number == 1;
  bool good = !wants_one;
  ASPEN_CHECK(for_each_record(revision_.rows(), revision_.generation(), compare.key, *compare.end,
                              [&](BytesView key, const RecordView& record) -> Result<bool> {
                                ASPEN_CHECK(look());
                                good = record_holds(compare, record);
                                if (!good) current = {Bytes(key), record.copy()};
                                return good && !wants_one;
                              }));
  if (good && compare.target == Compare::Target::unchanged_since) return unchanged(compare);
  return good;
}

Result<> Evaluator::check_kept(const Compare& compare) {
  if (compare.target != Compare::Target::unchanged_since || compare.number >= compacted_) return {};
  return revision_.refuse(Code::COMPACTED, "revision {} is compacted; the oldest that is kept is {}",
                          compare.number, compacted_);
}

// As far as it does not show in the records that are there.
Result<bool> Evaluator::unchanged(const Compare& compare) {
  if (compare.number < revision_.index()) {
    bool changes =
        compare.end ? revision_.changes(compare.key, *compare.end) : revision_.changes(compare.key);
    if (changes) return false;
  }
  if (ASPEN_MUTANT("kv-unchanged-ignores-erases")) return true;
  ASPEN_TRY(bool superseded,
            superseded_since(revision_.rows(), revision_.generation(), compare.key, compare.end,
                             compare.number, compacted_, [this] { return look(); }));
  return !superseded;
}

// --- what happens ---

Result<std::vector<OpResult>> Evaluator::run_all(const std::vector<Op>& ops) {
  std::vector<OpResult> results;
  results.reserve(ops.size());
  for (const Op& op : ops) {
    if (ASPEN_MUTANT("kv-transaction-first-only") && !results.empty()) break;
    ASPEN_CHECK(spend(kResultBytes));
    ASPEN_TRY(OpResult result, run_one(op));
    results.push_back(std::move(result));
  }
  return results;
}

Result<OpResult> Evaluator::run_one(const Op& op) {
  switch (op.kind) {
    case Op::Kind::put:
      return put(op);
    case Op::Kind::erase:
      return erase(op);
    case Op::Kind::erase_range:
      return erase_range(op);
    case Op::Kind::get:
      return get(op);
    case Op::Kind::range:
      return range(op);
    case Op::Kind::transaction:
      return nested(op);
  }
  return fail(Code::INTERNAL, "unknown operation {}", static_cast<uint8_t>(op.kind));
}

Result<OpResult> Evaluator::put(const Op& op) {
  ASPEN_TRY(Found found, revision_.find(op.key));
  OpResult result{found.exists, found.mod_revision};
  if (op.previous && found.exists) {
    result.record = found.copy();
    ASPEN_CHECK(spend({}, *result.record));
  }
  ASPEN_CHECK(revision_.put(op.key, std::move(found), op.value, op.lease));
  return result;
}

Result<OpResult> Evaluator::erase(const Op& op) {
  ASPEN_TRY(Found found, revision_.find(op.key));
  OpResult result{found.exists, found.mod_revision};
  if (op.previous && found.exists) {
    result.record = found.copy();
    ASPEN_CHECK(spend({}, *result.record));
  }
  ASPEN_CHECK(revision_.erase(op.key, std::move(found)));
  return result;
}

Result<OpResult> Evaluator::erase_range(const Op& op) {
  OpResult result{.kind = OpResult::Kind::erased};
  std::vector<Bytes> keys;
  size_t key_bytes = 0;
  ASPEN_CHECK(for_each_record(
      revision_.rows(), revision_.generation(), op.range.start, op.range.end,
      [&](BytesView key, const RecordView& record) -> Result<bool> {
        key_bytes += key.size();
        if (keys.size() == limits::kRevisionKeysMax || key_bytes > limits::kRevisionKeyBytesMax) {
          return revision_.refuse(Code::LIMIT_EXCEEDED,
                                  "the range to erase has more than {} keys, or {} bytes of keys",
                                  limits::kRevisionKeysMax, limits::kRevisionKeyBytesMax);
        }
        keys.emplace_back(key);
        if (!op.previous) return true;
        result.erased.push_back({Bytes(key), record.copy()});
        ASPEN_CHECK(spend(key, result.erased.back().record));
        return true;
      }));
  result.count = keys.size();
  for (const Bytes& key : keys) {
    ASPEN_TRY(Found found, revision_.find(key));
    ASPEN_CHECK(revision_.erase(key, std::move(found)));
  }
  return result;
}

Result<OpResult> Evaluator::get(const Op& op) {
  OpResult result{.kind = OpResult::Kind::got};
  ASPEN_TRY(Found found, revision_.find(op.key));
  if (!found.exists) return result;
  result.record = found.copy();
  ASPEN_CHECK(spend({}, *result.record));
  return result;
}

Result<OpResult> Evaluator::range(const Op& op) {
  OpResult result{.kind = OpResult::Kind::ranged};
  ASPEN_TRY(result.range, read_range(revision_.rows(), revision_.generation(), op.range));
  result.range.revision = revision_.index();
  ASPEN_CHECK(spend(result.range.continuation.size()));
  for (const KeyRecord& entry : result.range.entries) ASPEN_CHECK(spend(entry.key, entry.record));
  return result;
}

Result<OpResult> Evaluator::nested(const Op& op) {
  const Transaction& inner = op.nested[0];
  OpResult result{.kind = OpResult::Kind::nested};
  ASPEN_TRY(std::optional<Failed> failed, compare_all(inner.compares));
  result.succeeded = !failed;
  ASPEN_TRY(result.results, run_all(failed ? inner.otherwise : inner.then));
  return result;
}

// --- bounds ---

Result<> Evaluator::spend(size_t bytes) {
  reply_bytes_ += bytes;
  if (reply_bytes_ <= limits::kTransactionReplyBytesMax) return {};
  return revision_.refuse(Code::LIMIT_EXCEEDED, "the transaction's reply is over {} bytes; ask for less",
                          limits::kTransactionReplyBytesMax);
}

Result<> Evaluator::spend(BytesView key, const Record& record) {
  return spend(key.size() + record.value.size() + kRecordBytes);
}

Result<> Evaluator::look() {
  if (++rows_ <= limits::kTransactionRowsMax) return {};
  return revision_.refuse(Code::LIMIT_EXCEEDED, "the transaction compares more than {} records",
                          limits::kTransactionRowsMax);
}

}  // namespace aspen::kv
