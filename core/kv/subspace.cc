#include "core/kv/subspace.h"

#include "core/base/mutant.h"

namespace aspen::kv {

Result<Subspace> Subspace::subspace(const Tuple& tuple) const {
  ASPEN_TRY(Bytes prefix, pack(tuple));
  return Subspace(std::move(prefix));
}

Result<Tuple> Subspace::unpack(BytesView key) const {
  if (contains(key)) return kv::unpack(key, prefix_.size());
  return fail(Code::INVALID_ARGUMENT, "tuple: the key is outside the subspace");
}

bool Subspace::contains(BytesView key) const {
  if (!key.starts_with(prefix_)) return false;
  // After a string's end 0xff makes it a longer string: the key of a sibling. No type has that code.
  return key.size() == prefix_.size() || key[prefix_.size()] != '\xff' ||
         ASPEN_MUTANT("kv-subspace-takes-siblings");
}

}  // namespace aspen::kv
