// aspen lease grant, revoke, keep-alive, info and list.
#include <cstdio>

#include "tools/entry.h"

namespace aspen::tools {
namespace {

constexpr const char* kFooter =
    R"(A lease is time that keys are attached to. When it has run out, or the lease is revoked, its keys are deleted
in one step. Who attaches them keeps the lease alive for as long as it lives itself.
TIME is such as 500ms, 10s, 2m, 1h. A LEASE is its number, as `aspen lease grant` prints it.

Examples:
  aspen lease grant 30s
  aspen kv put member/1 here --lease 42
  aspen lease keep-alive 42)";

constexpr const char* kGrantExamples = R"(Prints the number of the new lease.

Examples:
  aspen lease grant 30s
  lease=$(aspen lease grant 1h)
  aspen lease grant 30s -o json | jq .lease)";

constexpr const char* kRevokeExamples = R"(Deletes the lease's keys and the lease, now.

Examples:
  aspen lease revoke 42
  aspen lease revoke 42 -o json | jq .keys)";

constexpr const char* kKeepAliveExamples =
    R"(Gives the lease all its time again, once. With --run it is renewed until Ctrl-C, or until the lease is gone.

Examples:
  aspen lease keep-alive 42
  aspen lease keep-alive 42 --run)";

constexpr const char* kInfoExamples = R"(The time it was granted for and has left, and its keys.

Examples:
  aspen lease info 42
  aspen lease info 42 -o json | jq -r '.attached[].key')";

constexpr const char* kListExamples = R"(Examples:
  aspen lease list
  aspen lease list -o json | jq '.leases | length')";

struct LeaseArguments {
  uint64_t lease = 0;
  int64_t ttl_ns = 0;
  bool run = false;
};

std::string seconds(int64_t ns) {
  return fmt::format("{:.3f} s", static_cast<double>(ns) / 1e9);
}

aspen_lease_t lease_of(const Op& op, size_t index = 0) {
  aspen_lease_t lease{};
  aspen_op_lease_at(op.get(), index, &lease);
  return lease;
}

Json lease_json(const aspen_lease_t& lease) {
  return {{"lease", lease.lease},
          {"ttl_ns", lease.ttl_ns},
          {"remaining_ns", lease.remaining_ns},
          {"keys", lease.keys}};
}

Result<int> grant(const Common& common, const LeaseArguments& arguments) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_lease_grant(node.get(), arguments.ttl_ns, &options, nullptr, 0, out);
            }));
  if (common.format == Format::JSON) {
    print_json({{"lease", aspen_op_lease(op.get())}, {"ttl_ns", arguments.ttl_ns}});
  } else {
    fmt::print("{}\n", aspen_op_lease(op.get()));
  }
  return kExitOk;
}

Result<int> revoke(const Common& common, const LeaseArguments& arguments) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline, Kind::WRITE));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::WRITE, [&](aspen_op_t** out) {
              return aspen_lease_revoke(node.get(), arguments.lease, &options, nullptr, 0, out);
            }));
  const uint64_t keys = lease_of(op).keys, revision = aspen_op_revision(op.get());
  if (common.format == Format::JSON) {
    print_json({{"lease", arguments.lease}, {"revision", revision}, {"keys", keys}});
  } else {
    fmt::print("revoked at revision {}, {} {} deleted\n", revision, keys, keys == 1 ? "key" : "keys");
  }
  return kExitOk;
}

// Until the lease is gone. Ctrl-C ends the process: the lease then runs out by itself.
Result<int> keep(const Node& node, uint64_t lease) {
  fmt::print(stderr, "keeping lease {} until Ctrl-C\n", lease);
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              return aspen_lease_keep(node.get(), lease, nullptr, 0, out);
            }));
  return kExitOk;
}

Result<int> keep_alive(const Common& common, const LeaseArguments& arguments) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  const aspen_call_options_t options = call_options(deadline);
  TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
              return aspen_lease_keep_alive(node.get(), arguments.lease, &options, nullptr, 0, out);
            }));
  const int64_t remaining = lease_of(op).remaining_ns;
  if (common.format == Format::JSON) {
    print_json({{"lease", arguments.lease}, {"remaining_ns", remaining}});
  } else {
    fmt::print("lasts {}\n", seconds(remaining));
    std::fflush(stdout);
  }
  return arguments.run ? keep(node, arguments.lease) : kExitOk;
}

Result<int> info(const Common& common, const LeaseArguments& arguments) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  const aspen_call_options_t options = call_options(deadline);
  Json attached = Json::array();
  Table table({"KEY"});
  aspen_lease_t lease{};
  std::string continuation;
  for (bool more = true; more;) {
    TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
                return aspen_lease_info(node.get(), arguments.lease, continuation.data(), continuation.size(),
                                        &options, nullptr, 0, out);
              }));
    lease = lease_of(op);
    aspen_entry_t entry;
    for (size_t i = 0; aspen_op_entry(op.get(), i, &entry) == ASPEN_OK; ++i) {
      Json& key = attached.emplace_back(Json::object());
      add_bytes(key, "key", key_of(entry));
      table.add({display(key_of(entry), 0)});
    }
    size_t size = 0;
    const uint8_t* next = aspen_op_continuation(op.get(), &size);
    more = aspen_op_more(op.get()) != 0;
    continuation = more ? bytes_of(next, size) : std::string_view();
  }
  if (common.format == Format::JSON) {
    Json document = lease_json(lease);
    document["attached"] = std::move(attached);
    print_json(document);
    return kExitOk;
  }
  print_fields({{"lease", std::to_string(lease.lease)},
                {"granted for", seconds(lease.ttl_ns)},
                {"left", seconds(lease.remaining_ns)},
                {"keys", std::to_string(lease.keys)}});
  if (attached.empty()) return kExitOk;
  fmt::print("\n");
  table.print(stdout);
  return kExitOk;
}

Result<int> list(const Common& common, const LeaseArguments&) {
  const Deadline deadline(common.timeout_ns);
  TOOLS_TRY(Node node, open_client(common, deadline));
  const aspen_call_options_t options = call_options(deadline);
  Json leases = Json::array();
  Table table({"LEASE", "GRANTED FOR", "LEFT", "KEYS"});
  uint64_t after = 0;
  for (bool more = true; more;) {
    TOOLS_TRY(Op op, call(Kind::READ, [&](aspen_op_t** out) {
                return aspen_lease_list(node.get(), after, &options, nullptr, 0, out);
              }));
    for (size_t i = 0; i < aspen_op_lease_count(op.get()); ++i) {
      const aspen_lease_t lease = lease_of(op, i);
      leases.push_back(lease_json(lease));
      table.add({std::to_string(lease.lease), seconds(lease.ttl_ns), seconds(lease.remaining_ns),
                 std::to_string(lease.keys)});
      after = lease.lease;
    }
    more = aspen_op_more(op.get()) != 0;
  }
  if (common.format == Format::JSON) {
    print_json({{"leases", std::move(leases)}});
    return kExitOk;
  }
  if (!leases.empty()) table.print(stdout);
  fmt::print(stderr, "{} {}\n", leases.size(), leases.size() == 1 ? "lease" : "leases");
  return kExitOk;
}

}  // namespace

void add_lease(Program& program) {
  CLI::App* group = program.group("lease", "time that keys are attached to", kFooter);
  const auto add = [&](const char* name, const char* description, const char* examples,
                       Result<int> (*run)(const Common&, const LeaseArguments&)) {
    auto arguments = std::make_shared<LeaseArguments>();
    CLI::App* command = program.command(group, name, description, examples, [&program, run, arguments] {
      return run(program.common(), *arguments);
    });
    program.add_network(command);
    return std::pair(command, arguments);
  };
  const auto add_number = [](const auto& command) {
    command.first->add_option("LEASE", command.second->lease, "its number")
        ->option_text(" ")
        ->required()
        ->check(Program::whole_number());
  };
  auto for_grant = add("grant", "begin a lease", kGrantExamples, grant);
  for_grant.first
      ->add_option_function<std::string>(
          "TIME",
          [arguments = for_grant.second](const std::string& text) {
            const Result<int64_t> ttl = parse_duration(text);
            if (!ttl) throw CLI::ValidationError("TIME", ttl.error().message);
            arguments->ttl_ns = *ttl;
          },
          "how long it lasts when nobody keeps it alive")
      ->option_text(" ")
      ->required();
  add_number(add("revoke", "end a lease and delete its keys", kRevokeExamples, revoke));
  auto for_keep_alive = add("keep-alive", "give a lease all its time again", kKeepAliveExamples, keep_alive);
  add_number(for_keep_alive);
  for_keep_alive.first->add_flag("--run", for_keep_alive.second->run, "again and again, until Ctrl-C");
  add_number(add("info", "what a lease has left, and its keys", kInfoExamples, info));
  add("list", "all leases", kListExamples, list);
}

}  // namespace aspen::tools
