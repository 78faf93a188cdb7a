// A store with changes that are not written yet: reads see them, and the latest can be taken back.
//
// One apply() carries out many commands and writes once. Each command must see what those before it did, and
// one that cannot be carried out to its end must leave nothing behind.
//
//   Overlay overlay(store);
//   overlay.mark();
//   overlay.put("a", "1");
//   overlay.roll_back();                    // or mark() again: it stays
//   overlay.move_into(batch);
//
// Iterators see one state: no change may be made while one is used.
// Thread safety: none.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/store/store.h"

namespace aspen::kv {

class Overlay final : public store::Reader {
 public:
  explicit Overlay(const store::Reader& before) : before_(before) {}

  Result<std::optional<Bytes>> get(BytesView key) const override;
  std::unique_ptr<store::Iterator> iterate() const override;

  void put(Bytes key, Bytes value) { change(std::move(key), std::move(value)); }
  void erase(Bytes key) { change(std::move(key), std::nullopt); }

  // From here on changes can be taken back.
  void mark() { undo_.clear(); }
  // Takes back what was changed since the mark.
  void roll_back();

  // All that was changed, each key once. Nothing is left here.
  void move_into(store::Batch& batch);

 private:
  class MergedIterator;
  // What a key is to hold; none: nothing.
  using Changes = std::map<Bytes, std::optional<Bytes>, std::less<>>;

  struct Undo {
    Changes::iterator change;
    bool added;                   // there was none before
    std::optional<Bytes> before;  // else what it was
  };

  void change(Bytes key, std::optional<Bytes> value);

  const store::Reader& before_;
  Changes changes_;
  std::vector<Undo> undo_;
};

}  // namespace aspen::kv
