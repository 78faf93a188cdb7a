// A directory of one test, removed with it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace aspen::store {

class TestDir {
 public:
  TestDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "aspen_store_XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~TestDir() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  TestDir(const TestDir&) = delete;

  std::string path(const std::string& name) const { return root_ + "/" + name; }

 private:
  std::string root_;
};

}  // namespace aspen::store
