#include "core/journal/names.h"

#include <fmt/format.h>

#include <charconv>

namespace aspen::journal {

std::string file_name(uint64_t number, std::string_view suffix) {
  return fmt::format("{:016x}{}", number, suffix);
}

std::optional<uint64_t> number_of(std::string_view name, std::string_view suffix) {
  uint64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number, 16);
  if (file_name(number, suffix) != name) return std::nullopt;
  return number;
}

}  // namespace aspen::journal
