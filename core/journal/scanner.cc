#include "core/journal/scanner.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/mutant.h"

namespace aspen::journal {

bool Scanner::follows(const FrameHeader& header) const {
  if (header.first_sequence != sequence_) return false;
  if (ASPEN_MUTANT("journal-epoch-ignored")) return true;
  bool opened = header.records == 0 && header.epoch == epoch_ + 1;
  return header.epoch == epoch_ || opened;
}

Scanner::Step Scanner::step(BytesView bytes, uint64_t end) {
  uint64_t room = end > offset_ ? end - offset_ : 0;
  if (room < kFrameHeaderBytes) return {};
  if (bytes.size() < kFrameHeaderBytes) return {.kind = Step::Kind::more, .need = kFrameHeaderBytes};
  std::optional<FrameHeader> header = decode_frame_header(bytes, {.salt = salt_, .offset = offset_});
  if (!header || !follows(*header)) return {};
  size_t size = kFrameHeaderBytes + header->body_bytes;
  if (size > room) return {};
  if (bytes.size() < size) return {.kind = Step::Kind::more, .need = size};
  BytesView body = bytes.substr(kFrameHeaderBytes, header->body_bytes);
  if (!body_valid(*header, body)) return {};
  Step step{.kind = Step::Kind::frame, .frame = {.header = *header, .offset = offset_, .body = body}};
  offset_ += size;
  sequence_ += header->records;
  epoch_ = header->epoch;
  synced_ = std::max<uint64_t>(synced_, header->synced);
  ASPEN_ASSERT(synced_ <= offset_);
  return step;
}

bool Scanner::proves_loss(BytesView bytes, uint64_t offset) const {
  ASPEN_ASSERT(offset % kFrameAlign == 0);
  if (ASPEN_MUTANT("journal-damage-truncated")) return false;
  for (size_t at = 0; at + kFrameHeaderBytes <= bytes.size(); at += kFrameAlign) {
    auto header = decode_frame_header(bytes.substr(at), {.salt = salt_, .offset = offset + at});
    if (!header) continue;
    if (header->synced > offset_ || ASPEN_MUTANT("journal-torn-tail-refused")) return true;
  }
  return false;
}

}  // namespace aspen::journal
