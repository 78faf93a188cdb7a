// Backups (aspen_backup) and the check of directories (aspen_verify).
#include <atomic>
#include <csignal>
#include <memory>
#include <string>
#include <system_error>

#include "capi/kv_call.h"
#include "core/node/verify.h"

using aspen::Code;
using aspen::Error;
using aspen::Result;
using aspen::capi::OpResult;
using aspen::capi::OpState;
using aspen::node::BackupManifest;

namespace {

void complete(OpState& state, Result<BackupManifest> manifest) {
  if (!manifest) return aspen::capi::complete_with_error(state, manifest.error());
  OpResult result;
  result.revision = manifest->revision();
  result.text = aspen::node::summary(*manifest);
  state.complete(std::move(result));
}

void complete(OpState& state, Result<aspen::node::VerifyReport> report) {
  if (!report) return aspen::capi::complete_with_error(state, report.error());
  OpResult result;
  result.text = std::move(report->json);
  result.error = std::move(report->damage);
  state.complete(std::move(result));
}

Result<> check(const aspen_backup_options_t& options, const char* dir) {
  if (dir == nullptr && options.stream <= 0) {
    return aspen::fail(Code::INVALID_ARGUMENT, "there is neither a `dir` nor a `stream` to write to");
  }
  if (dir != nullptr && options.stream != 0) {
    return aspen::fail(Code::INVALID_ARGUMENT, "there is a `dir` and a `stream`; one of them");
  }
  if (dir != nullptr && *dir == '\0') {
    return aspen::fail(Code::INVALID_ARGUMENT, "`dir` is empty; name a directory");
  }
  if (options.consistency != ASPEN_READ_LINEARIZABLE && options.consistency != ASPEN_READ_STALE) {
    return aspen::fail(Code::INVALID_ARGUMENT, "consistency {} is unknown; 0 or 1", options.consistency);
  }
  if (options.timeout_ns < 0) {
    return aspen::fail(Code::INVALID_ARGUMENT, "timeout_ns must not be negative");
  }
  return {};
}

}  // namespace

void aspen_backup_options_init(aspen_backup_options_t* options, size_t struct_size) {
  aspen::capi::init_options(options, struct_size);
}

int32_t aspen_backup(aspen_node_t* node, const char* dir, const aspen_backup_options_t* options,
                     aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  aspen_backup_options_t copy;
  if (node == nullptr || node->handle->forked()) return ASPEN_INVALID_ARGUMENT;
  if (!aspen::capi::read_options(options, &copy)) return ASPEN_INVALID_ARGUMENT;
  auto state = aspen::capi::make_op(queue, tag, op);
  if (auto checked = check(copy, dir); !checked) return aspen::capi::refuse(*state, checked.error());
  auto id = node->handle->node->backup(
      {.dir = dir != nullptr ? dir : "",
       .stream = dir != nullptr ? -1 : copy.stream,
       .stale = copy.consistency == ASPEN_READ_STALE},
      copy.timeout_ns, [state](Result<BackupManifest> manifest) { complete(*state, std::move(manifest)); });
  aspen::capi::cancel_with(*state, node->handle, id);
  return ASPEN_OK;
}

// On a thread of its own, which the operation's handle waits for: there is no node whose thread it could be.
int32_t aspen_verify(const char* dir, aspen_cq_t* queue, uint64_t tag, aspen_op_t** op) {
  if (op == nullptr) return ASPEN_INVALID_ARGUMENT;
  *op = nullptr;
  if (dir == nullptr) return ASPEN_INVALID_ARGUMENT;
  auto state = aspen::capi::make_op(queue, tag, op);
  auto stop = std::make_shared<std::atomic<bool>>(false);
  state->set_cancel([stop] { *stop = true; });
  try {
    state->hold_thread(std::thread([state, stop, path = std::string(dir)] {
      sigset_t all;  // signals belong to the host program
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, nullptr);
      complete(*state, aspen::node::verify_directory(path, [&stop] { return stop->load(); }));
    }));
  } catch (const std::system_error& e) {
    aspen::capi::complete_with_error(
        *state, Error(Code::IO, fmt::format("the process is out of threads: {}", e.what())));
  }
  return ASPEN_OK;
}
