// What `aspen node` and `aspen up` share: opening nodes that serve, and leaving well.
//
// Thread safety: none; the main thread of one command.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tools/signals.h"

namespace aspen::tools {

struct NodeOptions {
  int32_t mode = ASPEN_MODE_FOUND;
  std::string dir;
  std::string listen;
  std::string advertise;   // empty: the address listened on
  std::string ticket;      // of ASPEN_MODE_JOIN
  int64_t timeout_ns = 0;  // this and what follows: 0 for the library's default, which aspen.h says
  int64_t history_ns = 0;
  uint64_t history_revisions = 0;
  int64_t dead_voter_ns = 0;
  bool lease_reads = false;
  bool member_reads = false;
  std::string restore_from = {};  // a backup that a new network begins with
};

// True when a node was made in `dir` before.
bool holds_node(const std::string& dir);
// False when `dir` could not be made because what it would be in is not there.
bool has_parent(const std::string& dir);
// Creates `dir`, and its parents.
Result<> make_directory(const std::string& dir);

// Opens all at the same time, because members of one network that start again need each other to serve.
// A signal ends it: CANCELLED, and nothing stays open.
Result<std::vector<Node>> open_nodes(std::span<const NodeOptions> options, aspen_cq_t* queue,
                                     Signals& signals);

// A ticket without a limit in time.
Result<std::string> node_ticket(const Node& node, aspen_cq_t* queue, Signals& signals);

// Closes all, the last one first; a second Ctrl-C ends the process instead.
void close_nodes(std::vector<Node>& nodes, Signals& signals);

}  // namespace aspen::tools
