#include "core/kv/json_scalars.h"

#include <nlohmann/json.hpp>

namespace aspen::kv {
namespace {

// Follows the pointer through the events of the parser: containers on its way are `levels_`, all that are
// beside it only count. The scalars of the last level, an array that is the place itself, are taken.
class Finder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Finder(const std::vector<std::string>& path, size_t count_max) : path_(path), count_max_(count_max) {}

  Tuple take() { return std::move(found_); }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(int64_t value) override { return scalar(value); }
  bool number_unsigned(uint64_t value) override { return scalar(value); }
  bool number_float(double value, const std::string&) override { return scalar(value); }
  bool string(std::string& value) override {
    if (enter() == Where::place) take(TupleItem(Text{std::move(value)}));
    return true;
  }
  bool binary(nlohmann::json::binary_t&) override { return false; }

  bool start_object(size_t) override { return start(false); }
  bool start_array(size_t) override { return start(true); }
  bool end_object() override { return end(); }
  bool end_array() override { return end(); }
  bool key(std::string& name) override {
    if (beside_ == 0) on_the_way_ = name == path_[levels_.size() - 1];
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

 private:
  enum class Where : uint8_t { beside, way, place };
  struct Level {
    bool array;
    size_t next = 0;  // of an array: the number of the element to come
  };

  bool at_place() const { return levels_.size() == path_.size() + 1; }

  // Where the value that begins now is.
  Where enter() {
    if (beside_ > 0) return Where::beside;
    if (at_place()) return Where::place;
    bool matches = true;
    if (!levels_.empty() && levels_.back().array) {
      matches = path_[levels_.size() - 1] == std::to_string(levels_.back().next++);
    } else if (!levels_.empty()) {
      matches = on_the_way_;
    }
    if (!matches) return Where::beside;
    found_.clear();  // of the same name before
    return levels_.size() == path_.size() ? Where::place : Where::way;
  }

  bool scalar(TupleItem item) {
    if (enter() == Where::place) take(std::move(item));
    return true;
  }
  void take(TupleItem item) {
    if (found_.size() < count_max_) found_.push_back(std::move(item));
  }

  bool start(bool array) {
    const bool inside = at_place();
    const Where where = enter();
    const bool follow = where == Where::way || (where == Where::place && array && !inside);
    if (follow) {
      levels_.push_back({array});
    } else {
      ++beside_;
    }
    return true;
  }
  bool end() {
    if (beside_ > 0) {
      --beside_;
    } else {
      levels_.pop_back();
    }
    return true;
  }

  const std::vector<std::string>& path_;
  const size_t count_max_;
  std::vector<Level> levels_;
  size_t beside_ = 0;
  bool on_the_way_ = false;
  Tuple found_;
};

}  // namespace

Tuple json_scalars(BytesView text, const std::vector<std::string>& path, size_t count_max) {
  Finder finder(path, count_max);
  if (!nlohmann::json::sax_parse(text.begin(), text.end(), &finder)) return {};
  return finder.take();
}

}  // namespace aspen::kv
