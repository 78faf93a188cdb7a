// Carries out a transaction (transaction.h) on one revision.
//
// Requires: the transaction is valid. When run() fails and revision.refused(), the reply is that error.
// Thread safety: none.
#pragma once

#include "core/kv/reply.h"
#include "core/kv/revision.h"
#include "core/kv/transaction.h"

namespace aspen::kv {

class Evaluator {
 public:
  // Of what happened before `compacted` nothing is known.
  Evaluator(Revision& revision, uint64_t compacted) : revision_(revision), compacted_(compacted) {}

  Result<WriteReply> run(const Transaction& transaction);

 private:
  // The compare that does not hold, and what it saw.
  struct Failed {
    uint32_t compare;
    std::optional<KeyRecord> current;
  };

  Result<std::optional<Failed>> compare_all(const std::vector<Compare>& compares);
  Result<bool> holds(const Compare& compare, std::optional<KeyRecord>& current);
  Result<bool> range_holds(const Compare& compare, std::optional<KeyRecord>& current);
  Result<bool> unchanged(const Compare& compare);
  Result<> check_kept(const Compare& compare);

  Result<std::vector<OpResult>> run_all(const std::vector<Op>& ops);
  Result<OpResult> run_one(const Op& op);
  Result<OpResult> put(const Op& op);
  Result<OpResult> erase(const Op& op);
  Result<OpResult> erase_range(const Op& op);
  Result<OpResult> get(const Op& op);
  Result<OpResult> range(const Op& op);
  Result<OpResult> nested(const Op& op);

  // Makes room in the reply.
  Result<> spend(size_t bytes);
  Result<> spend(BytesView key, const Record& record);
  // One more row was looked at.
  Result<> look();

  Revision& revision_;
  const uint64_t compacted_;
  size_t reply_bytes_ = 0;
  size_t rows_ = 0;
};

}  // namespace aspen::kv
