#include "core/node/verify.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/limits.h"
#include "core/base/mutant.h"
#include "core/journal/overlay_directory.h"
#include "core/journal/posix_directory.h"
#include "core/node/backup_reader.h"
#include "core/node/data_dir.h"
#include "core/raft/log_journal.h"
#include "core/rt/env.h"

namespace aspen::node {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// What is wrong, in the order in which it was found.
class Problems {
 public:
  void add(const Error& error) {
    json_.push_back({{"code", error.name()}, {"message", error.message}});
    if (!first_) first_ = error;
  }
  // False, and one more problem, when it failed; a cancel is none.
  Result<bool> passed(const Result<>& result) {
    if (result) return true;
    if (result.error().code == Code::CANCELLED) return std::unexpected(result.error());
    add(result.error());
    return false;
  }
  VerifyReport report(Json head, const Json& found) && {
    head["ok"] = !first_;
    head["problems"] = std::move(json_);
    head.update(found);
    // Names of files may be anything.
    return {head.dump(-1, ' ', false, Json::error_handler_t::replace), std::move(first_)};
  }

 private:
  Json json_ = Json::array();
  std::optional<Error> first_;
};

Result<> check_backup(const std::string& path, Json& found, const std::function<bool()>& stop) {
  ASPEN_TRY(auto directory, journal::PosixDirectory::existing(path));
  ASPEN_TRY(auto reader, BackupReader::open(std::move(directory), path));
  found["backup"] = Json::parse(summary(reader->manifest()), nullptr, false);
  BackupCheck check(*reader);
  for (bool more = true; more;) {
    if (stop()) return fail(Code::CANCELLED, "the check was cancelled");
    ASPEN_TRY(more, check.step());
  }
  return {};
}

// The logs of a node, as a start would find them.
struct Log {
  Json json;
  raft::Index first = 0;
  raft::Index last = 0;
};

Result<> read_log(DataDir& dir, std::optional<Log>& log) {
  ASPEN_TRY(auto below, dir.open_journal());
  journal::OverlayDirectory directory(*below);
  ASPEN_TRY(auto logs,
            raft::LogJournal::open(directory, {.random = [] { return rt::system_env().random_u64(); }}));
  log.emplace();
  log->json = {{"groups", logs->groups().size()}, {"segments", logs->segments()}};
  for (raft::GroupId group : logs->groups()) {
    ASPEN_TRY(raft::Durable durable, logs->load(group));
    log->first = durable.snapshot.index + 1;
    log->last = durable.snapshot.index + durable.entries.size();
    log->json.update(Json{{"first", log->first}, {"last", log->last}, {"term", durable.hard_state.term}});
  }
  return {};
}

Result<> read_state(const std::string& path, std::optional<kv::StoreContents>& state,
                    const std::function<bool()>& stop) {
  ASPEN_TRY(auto store, store::check_rocksdb(path));
  ASPEN_TRY(state, kv::scan_store(std::move(store), stop));
  return {};
}

Json describe(const kv::SnapshotContents& state) {
  return {
      {"revision", state.applied},    {"compacted", state.compacted}, {"keys", state.keys},
      {"key_bytes", state.key_bytes}, {"leases", state.leases},       {"quotas", state.quotas},
      {"indexes", state.indexes},     {"sessions", state.sessions},   {"fingerprint", to_hex(state.state)}};
}

// The same that a start asks (raft::Driver::open): what is in the log after the state can be applied to it.
Result<> check_fit(const Log& log, const kv::StoreContents& state, const std::string& path) {
  const raft::Index applied = state.state.applied;
  bool log_follows = state.restored && state.restored->index == applied;  // it is begun by the next start
  if (ASPEN_MUTANT("node-verify-state-alone")) return {};
  if (applied > log.last && !log_follows) {
    return fail(Code::CORRUPT, "{}: the state has applied entry {} but the log ends at {}", path, applied,
                log.last);
  }
  if (applied + 1 < log.first) {
    return fail(Code::CORRUPT, "{}: the state has applied entry {} but the log begins at {}", path, applied,
                log.first);
  }
  return {};
}

Result<> check_present(bool present, const std::string& path) {
  if (present) return {};
  return fail(Code::CORRUPT, "{} is missing; a member whose network lives on may be emptied and joined again",
              path);
}

Result<VerifyReport> verify_node(const std::string& path, Json head, const std::function<bool()>& stop) {
  Problems problems;
  Json found = Json::object();
  auto dir = DataDir::open(path);
  if (!dir && dir.error().code == Code::IN_USE) return forward_error(std::move(dir));
  if (!dir) {
    problems.add(dir.error());
    return std::move(problems).report(std::move(head), found);
  }
  const NodeFile& node = *(*dir)->node();
  found["node_id"] = crypto::KeyPair::from_seed(node.node_seed).id().to_string();
  found["network_id"] = node.network.to_string();
  if (node.restoring) {
    problems.add(Error(Code::CORRUPT, path + ": a restore of a backup was interrupted; do it again"));
    return std::move(problems).report(std::move(head), found);
  }
  std::error_code error;
  std::optional<Log> log;
  std::optional<kv::StoreContents> state;
  if (fs::exists(path + "/journal/OWNER", error)) {
    ASPEN_CHECK(problems.passed(read_log(**dir, log)));
  } else {
    ASPEN_CHECK(problems.passed(check_present(!node.has_log, path + "/journal")));
  }
  if (fs::exists(path + "/state/OWNER", error)) {
    ASPEN_CHECK(problems.passed(read_state(path + "/state", state, stop)));
  } else {
    ASPEN_CHECK(problems.passed(check_present(!node.has_log, path + "/state")));
  }
  if (log) found["log"] = log->json;
  if (state) found["state"] = describe(state->state);
  if (log && state) ASPEN_CHECK(problems.passed(check_fit(*log, *state, path)));
  return std::move(problems).report(std::move(head), found);
}

}  // namespace

Result<VerifyReport> verify_directory(const std::string& path, const std::function<bool()>& stop) {
  crypto::initialize();
  std::error_code error;
  if (fs::exists(path + "/node", error)) return verify_node(path, {{"kind", "node"}, {"path", path}}, stop);
  Problems problems;
  Json found = Json::object();
  Result<> checked = check_backup(path, found, stop);
  if (!checked && checked.error().code == Code::NOT_FOUND) {
    return fail(Code::NOT_FOUND, "{} holds neither a node nor a backup", path);
  }
  ASPEN_CHECK(problems.passed(checked));
  return std::move(problems).report({{"kind", "backup"}, {"path", path}}, found);
}

}  // namespace aspen::node
