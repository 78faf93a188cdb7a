// A node's groups beside the store's: state machines of the program's own (core/raft/state_machine.h), each
// replicated by some of the network's nodes. They share the node's journal, its streams to each other node,
// and one lane for what takes long.
//
//   co_await groups.open(cx, {.id = 7, .machine = std::move(machine), .found = true});   // on one node
//   co_await groups.open(cx, {.id = 7, .machine = std::move(machine)});                  // on the others
//   auto reply = co_await groups.propose(cx, 7, command);                                // on any of them
//   auto now = co_await groups.query(cx, 7, [](raft::StateMachine& machine) { ... });
//
// A group begins on the node that founds it; a node that opens it otherwise asks the network's nodes, one
// after the other, who has it, and is done when it is a voter. What was opened once goes on from its log,
// which decides: `found` then means nothing. A group that two nodes found is two groups of one number, whose
// nodes refuse each other's: found it once.
//
// Timing: leaders speak every 150 ms and are given up after 900 to 1,800 ms of silence, unless the node's
// options say what holds for the store too. Bounds: limits::kGroupsMax groups. Thread safety: none; the
// engine thread.
#pragma once

#include <map>
#include <memory>

#include "core/node/group.h"
#include "core/node/platform.h"

namespace aspen::node {

class Router;

struct GroupSpec {
  raft::GroupId id = 0;  // above kStoreGroup; the program's choice
  std::unique_ptr<raft::StateMachine> machine = {};
  bool found = false;
  size_t log_entries_max = 0;  // 0: limits::kLogEntriesMax
};

class Groups {
 public:
  // All outlive it. `defaults` are those of every group.
  Groups(Platform& platform, GroupLinks& links, LogHost& logs, Router& router, GroupOptions defaults);
  // Requires: close_all() was awaited.
  ~Groups();

  // Errors: INVALID_ARGUMENT, ALREADY_EXISTS when it is open, LIMIT_EXCEEDED, those of Group::open, and of a
  // join that did not come about within the task's time. It is closed again then.
  rt::Task<Result<>> open(rt::Cx& cx, GroupSpec spec);
  // Errors: NOT_FOUND, UNAVAILABLE while it is being opened.
  rt::Task<Result<>> close(rt::Cx& cx, raft::GroupId id);
  // Requires: no open or close is under way but those whose tasks were cancelled; nor is one begun later.
  rt::Task<Result<>> close_all(rt::Cx& cx);

  // The machine's reply, once the command is applied at the leader, wherever that is. It is sent once: after
  // an error of Applied::MAYBE it may have been applied; for more, keep sessions (raft::SessionTable).
  // Errors: NOT_FOUND, LIMIT_EXCEEDED, UNAVAILABLE, the task's.
  rt::Task<Result<Bytes>> propose(rt::Cx& cx, raft::GroupId id, Bytes command);
  // What `ask` says of the machine here, linearizably. Errors: as propose, and those of `ask`.
  using Query = std::function<Result<Bytes>(raft::StateMachine&)>;
  rt::Task<Result<Bytes>> query(rt::Cx& cx, raft::GroupId id, Query ask);
  // A request about its members (RequestKind::remove_member, transfer_leadership), made of its leader as
  // often as it needs.
  rt::Task<Result<Bytes>> change(rt::Cx& cx, raft::GroupId id, Request request);
  // Errors: NOT_FOUND.
  Result<raft::Status> status(raft::GroupId id);

  // Null when it is not open here.
  Group* find(raft::GroupId id);

  // The leaders' housekeeping; runs until cancelled.
  rt::Task<Result<>> keep(rt::Cx& cx);
  // Asks others to lead the groups that this node leads; returns when they do, or after a while.
  rt::Task<Result<>> hand_over(rt::Cx& cx);
  // The journal was found damaged.
  void storage_failed(const Error& error);

 private:
  // Destroyed in reverse.
  struct Part {
    explicit Part(rt::Executor& executor) : region(executor) {}
    rt::Region region;
    std::unique_ptr<raft::StateMachine> machine;
    std::unique_ptr<Group> group;
    bool opening = true;
    bool closing = false;
  };

  Result<Group*> open_part(GroupSpec spec);
  rt::Task<Result<>> join(rt::Cx& cx, raft::GroupId id, bool again);
  rt::Task<Result<>> begin_to_end(rt::Cx& cx, raft::GroupId id);
  // Requires: the task is not cancelled.
  rt::Task<Result<>> end(rt::Cx& cx, raft::GroupId id);
  Result<Group*> need(raft::GroupId id);

  Platform& platform_;
  GroupLinks& links_;
  LogHost& logs_;
  Router& router_;
  rt::Region ending_;  // of closes, which outlast the tasks that asked for them
  GroupOptions defaults_;
  std::unique_ptr<rt::Lane> background_;
  std::map<raft::GroupId, std::unique_ptr<Part>> parts_;
};

}  // namespace aspen::node
