// Groups beside the store's on every member of a cluster: lists of words, founded by one member each and
// joined by the others, to which visitors append through any member, and which they read there.
//
// Each word is appended once. What must hold: in the end all members have the same lists; a word whose append
// was acknowledged is there, once, at the place that was acknowledged; one that was refused is not, one of
// which nobody knows is there at most once; and every list that was read is a beginning of the last one, with
// all words acknowledged before the read began.
//
// The state of a machine outlives its crash as far as it was flushed. So it does not suit faults that cost a
// member its data.
//
// Thread safety: none.
#pragma once

#include <deque>
#include <map>
#include <memory>

#include "core/lab/load.h"
#include "core/lab/visit.h"

namespace aspen::lab {

// The words of one group, and what somebody was told of them.
struct WordList {
  struct Append {
    Bytes word;
    enum class Fate : uint8_t { unknown, refused, acknowledged } fate = Fate::unknown;
    uint64_t place = 0;  // from 1, when acknowledged
  };
  struct Read {
    uint64_t least = 0;  // the highest place that had been acknowledged when it began
    std::vector<Bytes> words;
  };
  std::deque<Append> appends;
  std::deque<Read> reads;
  uint64_t acknowledged = 0;  // the highest place

  // What is wrong if these are the words in the end; empty: nothing.
  std::string compare(const std::vector<Bytes>& last) const;
};

class GroupLoad final : public Load {
 public:
  static constexpr size_t kGroups = 3;

  // The cluster outlives this.
  GroupLoad(World& world, Cluster& cluster);
  ~GroupLoad() override;

  void start() override;
  void visit(Random& random) override;
  void stop() override { stopping_ = true; }
  void finish() override;

 private:
  struct Disk;
  class Words;

  void look_after();
  void open(size_t member);
  std::string describe(size_t member);
  bool settled();

  World& world_;
  Cluster& cluster_;
  std::vector<std::vector<std::shared_ptr<Disk>>> disks_;  // by member and group
  std::vector<uint64_t> opened_;                           // by member: its incarnation
  std::vector<WordList> lists_;
  uint64_t next_word_ = 1;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_;
};

}  // namespace aspen::lab
