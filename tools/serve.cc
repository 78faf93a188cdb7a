#include "tools/serve.h"

#include <filesystem>

namespace aspen::tools {

bool holds_node(const std::string& dir) {
  std::error_code error;
  return std::filesystem::exists(dir + "/node", error);
}

bool has_parent(const std::string& dir) {
  std::filesystem::path path(dir);
  if (!path.has_filename()) path = path.parent_path();  // DIR/
  const std::filesystem::path parent = path.parent_path();
  std::error_code error;
  return parent.empty() || std::filesystem::is_directory(parent, error);
}

Result<> make_directory(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) {
    return fail_hint(ASPEN_IO, fmt::format("cannot make the directory {}: {}", dir, error.message()),
                     "check the path and its permissions");
  }
  return {};
}

Result<std::vector<Node>> open_nodes(std::span<const NodeOptions> all, aspen_cq_t* queue, Signals& signals) {
  std::vector<Op> ops;
  for (const NodeOptions& one : all) {
    aspen_node_options_t options;
    aspen_node_options_init(&options, sizeof options);
    options.mode = one.mode;
    options.dir = one.dir.c_str();
    options.listen = one.listen.c_str();
    options.advertise = one.advertise.empty() ? nullptr : one.advertise.c_str();
    options.ticket = one.ticket.empty() ? nullptr : one.ticket.c_str();
    options.restore_from = one.restore_from.empty() ? nullptr : one.restore_from.c_str();
    options.open_timeout_ns = one.timeout_ns;
    options.history_ns = one.history_ns;
    options.history_revisions = one.history_revisions;
    options.dead_voter_ns = one.dead_voter_ns;
    options.lease_reads = one.lease_reads;
    options.member_reads = one.member_reads;
    aspen_op_t* op = nullptr;
    const int32_t status = aspen_node_open(&options, queue, 0, &op);
    if (status != ASPEN_OK) return std::unexpected(refused(status));
    ops.emplace_back(op);
  }
  // Taken before the failure is looked at: a node that did open is closed when `nodes` goes.
  Result<> opened = wait_or_signal(ops, queue, signals);
  std::vector<Node> nodes;
  for (const Op& op : ops) nodes.emplace_back(aspen_op_take_node(op.get()));
  if (!opened) return std::unexpected(std::move(opened).error());
  return nodes;
}

Result<std::string> node_ticket(const Node& node, aspen_cq_t* queue, Signals& signals) {
  aspen_op_t* raw = nullptr;
  const int32_t status = aspen_node_ticket(node.get(), 0, queue, 0, &raw);
  if (status != ASPEN_OK) return std::unexpected(refused(status));
  std::vector<Op> ops;
  ops.emplace_back(raw);
  TOOLS_CHECK(wait_or_signal(ops, queue, signals));
  return std::string(aspen_op_text(raw));
}

void close_nodes(std::vector<Node>& nodes, Signals& signals) {
  signals.second_interrupt_ends_process();
  while (!nodes.empty()) nodes.pop_back();  // freeing closes, and waits for it
}

}  // namespace aspen::tools
