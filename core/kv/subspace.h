// A part of the key space: a prefix, and tuples behind it.
//
// Parts of a program that share a store must not read each other's keys. Each takes a subspace, and packs and
// unpacks keys with it as if the store were its own.
//
//   ASPEN_TRY(Subspace users, Subspace::of({"app", "users"}));
//   ASPEN_TRY(Bytes key, users.pack({42, "name"}));     // ("app", "users", 42, "name")
//   ASPEN_TRY(Tuple tuple, users.unpack(key));          // (42, "name")
//   ASPEN_TRY(KeyRange user, users.range({42}));        // all that is known about 42
//
// Invariants: contains(pack(t)); keys of two subspaces made of tuples of which neither begins with the other
// never meet.
// Thread safety: a value.
#pragma once

#include "core/kv/tuple.h"

namespace aspen::kv {

class Subspace {
 public:
  // `prefix` as it is; empty: all keys.
  explicit Subspace(Bytes prefix = {}) : prefix_(std::move(prefix)) {}
  // Errors: as of pack.
  static Result<Subspace> of(const Tuple& tuple) { return Subspace().subspace(tuple); }
  Result<Subspace> subspace(const Tuple& tuple) const;

  const Bytes& prefix() const { return prefix_; }

  Result<Bytes> pack(const Tuple& tuple) const { return kv::pack(tuple, prefix_); }
  // Errors: INVALID_ARGUMENT when the subspace does not contain `key`; else as of kv::unpack, whose offsets
  // count from the beginning of the key.
  Result<Tuple> unpack(BytesView key) const;
  // Whether it can be the key of a tuple here: the prefix, alone or followed by a type code.
  bool contains(BytesView key) const;
  // The keys of all tuples here that begin with `tuple` and have more items.
  Result<KeyRange> range(const Tuple& tuple = {}) const { return tuple_range(tuple, prefix_); }

 private:
  Bytes prefix_;
};

}  // namespace aspen::kv
