// Words for messages, entries and configurations, for the interaction scripts.
#pragma once

#include <fmt/ranges.h>

#include <string>

#include "core/raft/core.h"

namespace aspen::raft::testing {

inline std::string describe(const Config& config) {
  std::vector<PeerId> voters, learners;
  for (const Member& m : config.members) {
    (m.role == MemberRole::voter ? voters : learners).push_back(m.peer);
  }
  std::string out = voters.empty() ? "nobody" : fmt::format("voters {}", fmt::join(voters, ","));
  if (!learners.empty()) out += fmt::format(" learners {}", fmt::join(learners, ","));
  if (config.joint()) out += fmt::format(" outgoing {}", fmt::join(config.outgoing, ","));
  return out;
}

inline std::string describe(const Entry& e) {
  std::string at = fmt::format("{}/{} ", e.index, e.term);
  switch (e.kind) {
    case EntryKind::command:
      return at + e.data;
    case EntryKind::config:
      return at + "(" + describe(*decode_config(BytesView(e.data))) + ")";
    case EntryKind::noop:
      return at + "noop";
  }
  return at;
}

inline std::string describe(const std::vector<EntryPtr>& entries) {
  std::vector<std::string> all;
  for (const EntryPtr& e : entries) all.push_back(describe(*e));
  return fmt::format("{}", fmt::join(all, ", "));
}

inline const char* name(MessageKind kind) {
  constexpr const char* kNames[] = {"",
                                    "pre_vote",
                                    "pre_vote_reply",
                                    "vote",
                                    "vote_reply",
                                    "append",
                                    "append_reply",
                                    "heartbeat",
                                    "heartbeat_reply",
                                    "snapshot",
                                    "(reserved)",
                                    "timeout_now",
                                    "read_index",
                                    "read_index_reply",
                                    "fetch",
                                    "fetched"};
  return kNames[static_cast<size_t>(kind)];
}

inline std::string describe_fields(const Message& m) {
  switch (m.kind) {
    case MessageKind::pre_vote:
    case MessageKind::vote:
      return fmt::format(", last entry {}/{}{}", m.index, m.log_term, m.transfer ? ", transfer" : "");
    case MessageKind::pre_vote_reply:
    case MessageKind::vote_reply:
      return m.reject ? ": no" : ": yes";
    case MessageKind::append:
      return fmt::format(", commit {}, after {}/{}: {}", m.commit, m.index, m.log_term,
                         m.entries.empty() ? "nothing" : describe(m.entries));
    case MessageKind::append_reply:
      return m.reject ? fmt::format(": not after {}, perhaps after {}/{}", m.index, m.hint, m.log_term)
                      : fmt::format(": has {}{}", m.index, m.wait ? ", wait" : "");
    case MessageKind::heartbeat:
      return fmt::format(", commit {}, round {}", m.commit, m.round);
    case MessageKind::heartbeat_reply:
      return fmt::format(", round {}{}", m.round,
                         m.promise > 0 ? fmt::format(", promises {} ms", m.promise / kMillisecond) : "");
    case MessageKind::snapshot:
      return fmt::format(", state at {}/{}, {}", m.snapshot->index, m.snapshot->term,
                         describe(m.snapshot->config));
    case MessageKind::timeout_now:
      return "";
    case MessageKind::fetch:
      return fmt::format(", {}..{}", m.index + 1, m.commit);
    case MessageKind::fetched:
      return fmt::format(", after {}/{}: {}", m.index, m.log_term,
                         m.entries.empty() ? "nothing" : describe(m.entries));
    case MessageKind::read_index:
      return fmt::format(", number {}", m.round);
    case MessageKind::read_index_reply:
      return m.reject ? fmt::format(", number {}: no", m.round)
                      : fmt::format(", number {}: at {}", m.round, m.index);
  }
  return "";
}

inline std::string describe(const Message& m) {
  return fmt::format("{}->{} {} of term {}{}", m.from, m.to, name(m.kind), m.term, describe_fields(m));
}

inline const char* name(Role role) {
  constexpr const char* kNames[] = {"follower", "pre-candidate", "candidate", "leader"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace aspen::raft::testing
