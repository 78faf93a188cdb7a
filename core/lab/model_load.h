// A load whose oracle is the committed log: what visitors write and are told is recorded, and compared in the
// end with what the log says (committed_model.h).
//
// Thread safety: none.
#pragma once

#include <deque>

#include "core/lab/committed_model.h"
#include "core/lab/load.h"
#include "core/lab/visit.h"

namespace aspen::lab {

class ModelLoad : public Load {
 public:
  // Records of each kind; then nobody comes any more.
  static constexpr size_t kStoriesMax = 20'000;

  void finish() final;

 protected:
  // Requires: the cluster is not formed. It outlives this.
  ModelLoad(World& world, Cluster& cluster, const char* oracle);
  ~ModelLoad() override;

  uint64_t next_tag() { return ++tags_; }
  // Somebody carries it out, with one more compare, for the tag. Requires: it is valid.
  void write(Random& random, kv::Transaction transaction);
  bool full() const { return writes_.size() == kStoriesMax; }
  // What is wrong besides writes; empty: nothing.
  virtual std::string check() = 0;

  template <typename... Args>
  void note(const Visit& visit, fmt::format_string<Args...> format, Args&&... args) {
    world_.note(visit.machine->index(), oracle_, format, std::forward<Args>(args)...);
  }

  World& world_;
  Cluster& cluster_;
  const char* const oracle_;
  CommittedModel committed_;

 private:
  uint64_t tags_ = 0;
  std::deque<WriteStory> writes_;
};

}  // namespace aspen::lab
