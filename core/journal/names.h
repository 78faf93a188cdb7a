// The names of a journal's files.
//
// Thread safety: none needed, all of it is values.
#pragma once

#include <optional>

#include "core/base/bytes.h"

namespace aspen::journal {

inline constexpr std::string_view kSegmentSuffix = ".journal";
inline constexpr std::string_view kSpareSuffix = ".spare";
inline constexpr std::string_view kNewSpare = "new.spare";

// The number as 16 hexadecimal digits, so that names sort as numbers do, and the suffix.
std::string file_name(uint64_t number, std::string_view suffix);
// Nothing when `name` is not one that file_name() makes.
std::optional<uint64_t> number_of(std::string_view name, std::string_view suffix);

}  // namespace aspen::journal
