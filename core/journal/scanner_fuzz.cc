// A segment is made of appends, then damaged, both as the input says; then it is scanned. The input is the
// number of appends, a byte for each (its records, and whether it was synced after), and pairs of places and
// bits to flip. What must hold: frames are found as they were made, from the first one on; when fewer are
// found and the first missing one was known to be durable by one that was not touched, that is noticed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/journal/scanner.h"

namespace aspen::journal {
namespace {

constexpr uint64_t kSalt = 0x0123456789abcdef;
constexpr size_t kAppendsMax = 64;

struct Append {
  uint64_t offset;
  uint64_t synced;
  uint64_t records;
  bool touched = false;
};

void check(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

Bytes make_segment(BytesView input, std::vector<Append>& appends) {
  static const Bytes payload(64, 'p');
  Bytes segment(kSegmentHeaderBytes, '\0');
  uint64_t sequence = 1;
  uint64_t synced = kSegmentHeaderBytes;
  for (char c : input) {
    auto byte = static_cast<uint8_t>(c);
    std::vector<Record> records(byte % 4, {.user = byte, .payload = BytesView(payload).substr(0, byte % 61)});
    appends.push_back({.offset = segment.size(), .synced = synced, .records = records.size()});
    FrameHeader header{.first_sequence = sequence, .synced = static_cast<uint32_t>(synced), .epoch = 1};
    append_frame(segment, {.salt = kSalt, .offset = segment.size()}, header, records);
    sequence += records.size();
    if (byte >= 128) synced = segment.size();
  }
  segment.resize(segment.size() + kFrameHeaderBytes);
  return segment;
}

void damage(Bytes& segment, std::vector<Append>& appends, BytesView input) {
  for (size_t i = 0; i + 2 < input.size(); i += 3) {
    size_t place = static_cast<uint8_t>(input[i]) | static_cast<size_t>(static_cast<uint8_t>(input[i + 1]))
                                                        << 8;
    size_t at = kSegmentHeaderBytes + place % (segment.size() - kSegmentHeaderBytes);
    segment[at] = static_cast<char>(segment[at] ^ input[i + 2]);
    auto after = std::ranges::upper_bound(appends, at, {}, &Append::offset);
    if (after != appends.begin()) std::prev(after)->touched = true;
  }
}

void run(BytesView input) {
  if (input.empty()) return;
  size_t count = std::min<size_t>({static_cast<uint8_t>(input[0]), kAppendsMax, input.size() - 1});
  std::vector<Append> appends;
  Bytes segment = make_segment(input.substr(1, count), appends);
  damage(segment, appends, input.substr(1 + count));

  Scanner scanner({.salt = kSalt, .first_sequence = 1, .epoch = 1});
  size_t found = 0;
  for (;;) {
    auto step = scanner.step(BytesView(segment).substr(scanner.offset()), segment.size());
    check(step.kind != Scanner::Step::Kind::more, "all bytes are there");
    if (step.kind == Scanner::Step::Kind::none) break;
    check(found < appends.size() && step.frame.offset == appends[found].offset,
          "frames are where they were made");
    check(step.frame.header.records == appends[found].records, "frames have the records they were made of");
    ++found;
  }
  if (found < appends.size()) check(appends[found].touched, "an undamaged frame is found");
  bool known = false;
  for (size_t i = found; i < appends.size(); ++i) {
    known = known || (!appends[i].touched && appends[i].synced > scanner.offset());
  }
  bool proves = scanner.proves_loss(BytesView(segment).substr(scanner.offset()), scanner.offset());
  check(proves || !known, "damage to what was durable is noticed");
}

}  // namespace
}  // namespace aspen::journal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  aspen::journal::run(aspen::as_bytes(data, size));
  return 0;
}
