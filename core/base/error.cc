#include "core/base/error.h"

namespace aspen {
namespace {

constexpr ErrorInfo kErrors[] = {
#define ASPEN_ERROR(name, number, applied, retryable, text) \
  {Code::name, #name, Applied::applied, retryable != 0, text},
#include "capi/errors.def"
#undef ASPEN_ERROR
};

}  // namespace

const ErrorInfo* error_info(int32_t number) {
  for (const ErrorInfo& info : kErrors) {
    if (static_cast<int32_t>(info.code) == number) return &info;
  }
  return nullptr;
}

Error::Error(Code code, std::string message) : code(code), message(std::move(message)) {
  const ErrorInfo* info = error_info(static_cast<int32_t>(code));
  applied = info != nullptr ? info->applied : Applied::MAYBE;
}

bool Error::retryable() const {
  const ErrorInfo* info = error_info(static_cast<int32_t>(code));
  return info != nullptr && info->retryable;
}

const char* Error::name() const {
  const ErrorInfo* info = error_info(static_cast<int32_t>(code));
  return info != nullptr ? info->name : "UNKNOWN";
}

std::string Error::to_string() const {
  return fmt::format("{}: {}", name(), message);
}

}  // namespace aspen
