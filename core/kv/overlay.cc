#include "core/kv/overlay.h"

#include "core/base/mutant.h"

namespace aspen::kv {

// The two in step: on the way up both stand at or after the position, on the way down at or before it.
class Overlay::MergedIterator final : public store::Iterator {
 public:
  MergedIterator(const Changes& changes, std::unique_ptr<store::Iterator> before)
      : changes_(changes), before_(std::move(before)) {}

  void seek(BytesView key) override {
    forward_ = true;
    before_->seek(key);
    change_ = changes_.lower_bound(key);
    settle();
  }
  void seek_for_prev(BytesView key) override {
    forward_ = false;
    before_->seek_for_prev(key);
    change_ = changes_.upper_bound(key);
    step_back();
    settle();
  }
  void seek_to_last() override {
    forward_ = false;
    before_->seek_to_last();
    change_ = changes_.end();
    step_back();
    settle();
  }
  bool valid() const override { return from_ != From::nothing; }
  void next() override {
    if (!forward_) return seek(Bytes(key()) + '\0');
    leave();
    settle();
  }
  void prev() override {
    if (forward_) {
      Bytes at(key());
      seek_for_prev(at);
      if (valid() && key() == at) prev();
      return;
    }
    leave();
    settle();
  }
  BytesView key() const override { return from_ == From::change ? change_->first : before_->key(); }
  BytesView value() const override {
    return from_ == From::change ? BytesView(*change_->second) : before_->value();
  }
  Result<> status() const override { return before_->status(); }

 private:
  enum class From : uint8_t { nothing, before, change };

  bool at_change() const { return change_ != changes_.end(); }
  // Below the first change it stands at none, as it does above the last.
  void step_back() { change_ = change_ == changes_.begin() ? changes_.end() : std::prev(change_); }
  void move_change() {
    if (forward_) {
      ++change_;
    } else {
      step_back();
    }
  }
  void move_before() { forward_ ? before_->next() : before_->prev(); }
  void leave() { from_ == From::change ? move_change() : move_before(); }

  // To the nearer of the two; a change hides what was there before, and an erasure also itself. When one has
  // failed, what the other one has is not what comes next.
  void settle() {
    for (;;) {
      if (!before_->valid() && !before_->status() && !ASPEN_MUTANT("kv-overlay-goes-on-without-the-store")) {
        from_ = From::nothing;
        return;
      }
      if (!at_change()) {
        from_ = before_->valid() ? From::before : From::nothing;
        return;
      }
      int order = before_->valid() ? before_->key().compare(change_->first) : 0;
      if (before_->valid() && order != 0 && (order < 0) == forward_) {
        from_ = From::before;
        return;
      }
      if (before_->valid() && order == 0) move_before();
      if (change_->second) {
        from_ = From::change;
        return;
      }
      move_change();
    }
  }

  const Changes& changes_;
  std::unique_ptr<store::Iterator> before_;
  Changes::const_iterator change_;
  bool forward_ = true;
  From from_ = From::nothing;
};

Result<std::optional<Bytes>> Overlay::get(BytesView key) const {
  if (auto changed = changes_.find(key); changed != changes_.end()) return changed->second;
  return before_.get(key);
}

std::unique_ptr<store::Iterator> Overlay::iterate() const {
  return std::make_unique<MergedIterator>(changes_, before_.iterate());
}

void Overlay::change(Bytes key, std::optional<Bytes> value) {
  auto [change, added] = changes_.try_emplace(std::move(key));
  std::swap(change->second, value);
  undo_.push_back({change, added, std::move(value)});
}

void Overlay::roll_back() {
  for (; !undo_.empty(); undo_.pop_back()) {
    if (ASPEN_MUTANT("kv-rollback-misses-first") && undo_.size() == 1) break;
    Undo& undo = undo_.back();
    if (undo.added) {
      changes_.erase(undo.change);
    } else {
      undo.change->second = std::move(undo.before);
    }
  }
}

void Overlay::move_into(store::Batch& batch) {
  undo_.clear();
  while (!changes_.empty()) {
    auto node = changes_.extract(changes_.begin());
    if (node.mapped()) {
      batch.put(std::move(node.key()), *std::move(node.mapped()));
    } else {
      batch.erase(std::move(node.key()));
    }
  }
}

}  // namespace aspen::kv
