// How much the keys of a prefix may take, and take.
//
// Everything is held twice, here for speed and in the store for good: the rows of what changed go into the
// batch of the commands that changed it. A key under several prefixes counts in all of their quotas.
//
// Invariants: at most limits::kQuotasMax; the usage is what counting the records would give.
// Thread safety: none.
#pragma once

#include <map>
#include <set>

#include "core/kv/layout.h"
#include "core/store/store.h"

namespace aspen::kv {

struct Quota {
  Bytes prefix = {};
  uint64_t bytes_max = 0;  // 0: any
  uint64_t keys_max = 0;
  uint64_t bytes = 0;  // of the keys and values there are
  uint64_t keys = 0;

  bool operator==(const Quota&) const = default;
};

class Quotas {
 public:
  // What a command adds to the usage of each prefix.
  struct Growth {
    int64_t bytes = 0;
    int64_t keys = 0;
  };
  using Growths = std::map<Bytes, Growth>;

  // Errors: CORRUPT, IO.
  static Result<Quotas> load(const store::Reader& reader, uint32_t generation);

  bool empty() const { return rows_.empty(); }
  size_t size() const { return rows_.size(); }
  bool contains(BytesView prefix) const { return rows_.contains(prefix); }
  std::vector<Quota> all() const;
  // Requires: contains(prefix).
  Quota find(BytesView prefix) const;

  // Both limits 0: there is none any more.
  void set(const Quota& quota);

  // Counts a change of the key for every quota it is under.
  void count(BytesView key, Growth growth, Growths& growths) const;
  // The first quota that does not allow its growth, by prefix. Shrinking is always allowed.
  const Bytes* refusing(const Growths& growths) const;
  void grow(const Growths& growths);

  // Adds the rows of what changed since the last call.
  void write_changed(uint32_t generation, store::Batch& batch);

 private:
  std::map<Bytes, layout::QuotaRow, std::less<>> rows_;  // by prefix
  std::map<size_t, size_t> lengths_;                     // of prefixes, and how many have each
  std::set<Bytes> changed_;
};

}  // namespace aspen::kv
