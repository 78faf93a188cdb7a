// CRC-32C (Castagnoli, as iSCSI has it: RFC 3720): finds damaged bytes, not tampering.
//
//   crc32c(b, crc32c(a)) == crc32c(a + b)
//
// About 8 bytes in three cycles where the processor has the instruction, table-driven elsewhere.
#pragma once

#include "core/base/bytes.h"

namespace aspen {

// Goes on from `crc`, what came before `bytes` had.
uint32_t crc32c(BytesView bytes, uint32_t crc = 0);

// The same without the instruction, for its test.
uint32_t crc32c_by_table(BytesView bytes, uint32_t crc = 0);

}  // namespace aspen
