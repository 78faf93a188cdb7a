// What the decoders of the store promise about any bytes at all, as one function for tests and the fuzzer.
//
// Bytes are refused, or they are the one encoding of what was decoded. What validate() allows can be encoded.
#pragma once

#include <memory>
#include <string>

#include "core/kv/command.h"
#include "core/kv/index_read.h"
#include "core/kv/read.h"

namespace aspen::kv {

class CodecCheck {
 public:
  static constexpr uint8_t kDecoders = 11;

  // Reads `input` with one of the decoders. The promise that was broken, or empty.
  std::string run(uint8_t decoder, BytesView input) {
    // A copy of exactly its size, so that a sanitizer sees any read past the end.
    auto copy = std::make_unique<char[]>(input.size());
    input.copy(copy.get(), input.size());
    BytesView bytes(copy.get(), input.size());
    switch (decoder % kDecoders) {
      case 0: {
        auto command = decode_command(bytes);
        if (command) (void)validate(*command);
        return same(command, bytes);
      }
      case 1:
        return same_reply(decode_write_reply(bytes), bytes);
      case 2:
        return same_reply(decode_done_reply(bytes), bytes);
      case 3:
        return same(decode_range_request(bytes), bytes);
      case 4:
        return same(decode_range_reply(bytes), bytes);
      case 5:
        return same(decode_get_request(bytes), bytes);
      case 6:
        return same(decode_get_reply(bytes), bytes);
      case 8:
        return same(decode_index_scan_request(bytes), bytes);
      case 9:
        return same(decode_index_scan_reply(bytes), bytes);
      case 10:
        return same(decode_index_list(bytes), bytes);
      default:
        return same(decode_record(bytes), bytes);
    }
  }

 private:
  template <typename T>
  std::string same(const Result<T>& value, BytesView bytes) {
    return !value || encode(*value) == bytes ? "" : "encoding what was decoded gives other bytes";
  }
  // An error that was encoded comes as the decoder's own.
  template <typename T>
  std::string same_reply(const Result<T>& reply, BytesView bytes) {
    if (reply || reply.error().code == Code::PROTOCOL) return same(reply, bytes);
    return encode_error_reply(reply.error()) == bytes ? "" : "encoding the error gives other bytes";
  }
};

}  // namespace aspen::kv
