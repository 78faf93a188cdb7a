#include "core/lab/committed_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace aspen::lab {
namespace {

constexpr char kTagMark = '#';

// A session's word on the command: it was not carried out now.
bool of_session(const Error& error) {
  return error.code == Code::SESSION_EXPIRED || error.code == Code::OVERLOADED ||
         (error.code == Code::INVALID_ARGUMENT && error.applied == Applied::MAYBE);
}

std::string text(const Result<kv::WriteReply>& reply) {
  if (!reply) return reply.error().to_string();
  return fmt::format("{}, revision {}, {} results", reply->succeeded ? "then" : "else", reply->revision,
                     reply->results.size());
}

}  // namespace

Bytes tagged(BytesView prefix, uint64_t tag) {
  return fmt::format("{}{}{}", prefix, kTagMark, tag);
}

uint64_t tag_of(const kv::Transaction& transaction) {
  auto tag_in = [](BytesView key) {
    uint64_t tag = 0;
    const size_t mark = key.find(kTagMark);
    if (mark != BytesView::npos) std::from_chars(key.data() + mark + 1, key.data() + key.size(), tag);
    return tag;
  };
  for (const kv::Compare& compare : transaction.compares) {
    if (uint64_t tag = tag_in(compare.key); tag != 0) return tag;
  }
  for (const kv::Op& op : transaction.then) {
    if (uint64_t tag = tag_in(op.key); tag != 0) return tag;
  }
  return 0;
}

CommittedModel::CommittedModel() {
  committed_.carried_out = [this](const raft::EntryPtr& entry, BytesView reply) {
    auto set = committed_.from(entry->index);
    check(*entry, reply, set != committed_.sets().end() ? &*set : nullptr, committed_.compacted());
  };
}

std::string CommittedModel::failure() const {
  return failure_.empty() ? committed_.failure() : failure_;
}

void CommittedModel::differs(std::string what) {
  if (failure_.empty()) failure_ = std::move(what);
}

uint64_t CommittedModel::compacted_at(uint64_t index) const {
  auto next = compactions_.upper_bound(index);
  return next == compactions_.begin() ? 0 : std::prev(next)->second;
}

const std::vector<CommittedModel::Outcome>& CommittedModel::outcomes(uint64_t tag) const {
  static const std::vector<Outcome> none;
  auto found = outcomes_.find(tag);
  return found != outcomes_.end() ? found->second : none;
}

void CommittedModel::check(const raft::Entry& entry, BytesView reply, const kv::ChangeSet* changes,
                           uint64_t compacted) {
  if (entry.kind == raft::EntryKind::command) {
    Result<kv::Command> command = kv::decode_command(entry.data);
    const bool of_sessions = !command || command->kind == kv::Command::Kind::open_session ||
                             command->kind == kv::Command::Kind::close_session;
    if (!of_sessions) check_reply(*command, entry.index, reply);
  }
  auto expected = model_.changes.find(entry.index);
  const bool changed = expected != model_.changes.end();
  if (changed != (changes != nullptr) || (changed && *changes != expected->second)) {
    differs(fmt::format("entry {} has changed something else than its command says", entry.index));
  }
  if (compacted != model_.compacted) {
    differs(fmt::format("after entry {} the store is compacted to {}, not {}", entry.index, compacted,
                        model_.compacted));
  }
}

void CommittedModel::check_reply(const kv::Command& command, uint64_t index, BytesView reply) {
  const bool write = command.kind == kv::Command::Kind::write;
  Result<kv::WriteReply> written = write ? kv::decode_write_reply(reply) : Result<kv::WriteReply>();
  Result<kv::DoneReply> done = write ? Result<kv::DoneReply>() : kv::decode_done_reply(reply);
  const Error* error = !written ? &written.error() : !done ? &done.error() : nullptr;
  if (error != nullptr && of_session(*error)) return;
  const bool again = command.session != 0 && !known_.emplace(command.session, command.sequence).second;
  if (again) {
    const bool now = error == nullptr && (write ? written->revision : done->revision) == index;
    if (now) differs(fmt::format("entry {} was carried out, which had been before", index));
    return;
  }
  Result<Bytes> expected = model_.run(command, index);
  if (model_.compacted != compacted_at(index)) compactions_[index] = model_.compacted;
  const bool same = expected ? *expected == reply
                             : error != nullptr && error->code == expected.error().code &&
                                   (error->code != Code::QUOTA_EXCEEDED ||
                                    error->message.starts_with(expected.error().message));
  if (!same) {
    auto described = [&](const Result<Bytes>& answer) {
      if (!answer || !write) return answer ? "as done" : answer.error().to_string();
      return text(kv::decode_write_reply(*answer));
    };
    const Result<Bytes> is = error != nullptr ? Result<Bytes>(std::unexpected(*error)) : Bytes(reply);
    differs(fmt::format("entry {} was answered \"{}\", and the rules say \"{}\", or the details differ",
                        index, described(is), described(expected)));
  }
  if (!write) return done_.push_back({index, command, std::move(done)});
  const uint64_t tag = tag_of(command.transaction);
  if (tag != 0) outcomes_[tag].push_back({index, command.transaction, std::move(written)});
}

std::string check_write(const WriteStory& story, const CommittedModel& committed) {
  const std::vector<CommittedModel::Outcome>& outcomes = committed.outcomes(story.tag);
  if (outcomes.size() > 1) {
    return fmt::format("write {} happened at {} and at {}", story.tag, outcomes[0].index, outcomes[1].index);
  }
  if (!story.answer) return {};
  const Result<kv::WriteReply>& answer = *story.answer;
  const bool carried_out = !outcomes.empty() && outcomes[0].reply;
  if (answer) {
    if (outcomes.empty()) return fmt::format("write {}, answered, was not committed", story.tag);
    if (!carried_out || *outcomes[0].reply != *answer) {
      return fmt::format("write {} was answered \"{}\"; committed was \"{}\"", story.tag, text(answer),
                         text(outcomes[0].reply));
    }
    if (answer->revision <= story.acknowledged) {
      return fmt::format("write {} happened at {}, after {} had been told", story.tag, answer->revision,
                         story.acknowledged);
    }
    return {};
  }
  const Error& error = answer.error();
  if (error.applied == Applied::MAYBE) return {};
  if (carried_out) {
    return fmt::format("write {} happened at {}, and failed: {}", story.tag, outcomes[0].index,
                       error.to_string());
  }
  const bool refused =
      error.code == Code::COMPACTED || error.code == Code::QUOTA_EXCEEDED || error.code == Code::NOT_FOUND;
  if (!refused) return {};
  if (!outcomes.empty() && outcomes[0].reply.error().message == error.message) return {};
  return fmt::format("write {} was refused by nobody: {}", story.tag, error.to_string());
}

}  // namespace aspen::lab
