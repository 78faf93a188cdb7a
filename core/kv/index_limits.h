// The bounds of secondary indexes.
#pragma once

#include "core/base/limits.h"

namespace aspen::limits {

inline constexpr size_t kIndexesMax = 64;                   // of a store, those being dropped included
inline constexpr size_t kIndexesOfKeyMax = 4;               // that one key may be under
inline constexpr size_t kIndexNameBytesMax = 255;           // UTF-8
inline constexpr size_t kExtractorBytesMax = 1024;          // UTF-8
inline constexpr size_t kIndexDocumentBytesMax = 1u << 20;  // of a JSON text; a longer one is not indexed
inline constexpr size_t kIndexValueBytesMax = 1024;         // packed; a longer one is not indexed
inline constexpr size_t kIndexValuesMax = 32;               // of one record; what comes after is not indexed
// What one step of building an index, or of erasing a dropped one, looks at.
inline constexpr size_t kIndexStepRows = 500;
inline constexpr size_t kIndexStepBytes = 256u << 10;  // of values, at least one
// An entry is the packed tuple of its value and its key; a bound of a scan may be one byte longer.
inline constexpr size_t kIndexEntryBytesMax = kIndexValueBytesMax + 2 * kKeyBytesMax + 2;

}  // namespace aspen::limits
