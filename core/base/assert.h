// Assertions state our own invariants; they stay on in release builds. Input from a user, peer or disk
// is never asserted, it is refused with an error.
//
// A failed assertion throws Panic, which a task contains and reports at its join (rt::Outcome). It never
// crosses the C ABI.
#pragma once

#include <stdexcept>
#include <string>

namespace aspen {

class Panic : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void panic(const char* expression, const char* file, int line);

}  // namespace aspen

#define ASPEN_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::aspen::panic(#expression, __FILE__, __LINE__))
