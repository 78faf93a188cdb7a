// What every committed command must have come to, worked out by the rules of the store as its tests state
// them (kv/test_model.h), apart from the code that is judged.
//
// A state machine carries out the log as well (CommittedChanges): where its reply, its changes or its
// compaction are not the model's, failure() says so. Whoever was told something compares it with this:
// replies by the tag of the command, reads with the model at their revision.
//
// A command bears a tag when a key of it does: tagged(prefix, 17) is one. It is looked for in the compares
// first, then in the operations, not in those that are nested.
//
// Thread safety: none.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "core/kv/test_model.h"
#include "core/lab/committed_changes.h"

namespace aspen::lab {

Bytes tagged(BytesView prefix, uint64_t tag);
// 0: it has none.
uint64_t tag_of(const kv::Transaction& transaction);

class CommittedModel {
 public:
  CommittedModel();

  void observe(const raft::Core& core) { committed_.observe(core); }
  // Another entry. Requires: it comes after the last one.
  void apply(const raft::EntryPtr& entry) { committed_.apply(entry); }
  // The same of an entry that somebody has carried out: what the reply was, what changed (null: nothing), and
  // the oldest revision that could be read then.
  void check(const raft::Entry& entry, BytesView reply, const kv::ChangeSet* changes, uint64_t compacted);

  const kv::TestModel& model() const { return model_; }
  // The last index that it knows.
  uint64_t upto() const { return committed_.upto(); }
  // The oldest revision that could be read once the entry of that index was applied.
  uint64_t compacted_at(uint64_t index) const;
  // Whether it was ever compacted to this revision.
  bool compacted_to(uint64_t revision) const { return committed_.compacted_to(revision); }
  // Empty: all is as the rules say.
  std::string failure() const;

  // A write that was carried out or refused; what arrived again is not another one.
  struct Outcome {
    uint64_t index = 0;
    kv::Transaction transaction = {};
    Result<kv::WriteReply> reply = {};
  };
  const std::vector<Outcome>& outcomes(uint64_t tag) const;
  // Commands that are not writes, by ascending index.
  struct Done {
    uint64_t index = 0;
    kv::Command command = {};
    Result<kv::DoneReply> reply = {};
  };
  const std::vector<Done>& done() const { return done_; }

 private:
  void check_reply(const kv::Command& command, uint64_t index, BytesView reply);
  void differs(std::string what);

  CommittedChanges committed_;
  kv::TestModel model_;
  std::map<uint64_t, uint64_t> compactions_;            // by the index of the command
  std::set<std::pair<kv::SessionId, uint64_t>> known_;  // commands of sessions that were carried out
  std::map<uint64_t, std::vector<Outcome>> outcomes_;   // by tag
  std::vector<Done> done_;
  std::string failure_;
};

// A tagged write, and what its client was told.
struct WriteStory {
  uint64_t tag = 0;
  uint64_t acknowledged = 0;                          // a revision that was told before it began
  std::optional<Result<kv::WriteReply>> answer = {};  // none: its machine crashed
};
// What is wrong with it; empty: nothing. It happened at most once, an answer is the one that was committed,
// of a revision after `acknowledged`, and one that says "not applied" is true.
std::string check_write(const WriteStory& story, const CommittedModel& committed);

}  // namespace aspen::lab
