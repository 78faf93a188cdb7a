// For tests of aspen.h: members that are processes of their own, so that one can be killed as machines die.
//
// A member's process (test_member.cc) ends when this one does.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "capi/test_node.h"

namespace aspen::capi_test {

class MemberProcess {
 public:
  // Waits until it serves.
  MemberProcess(const std::string& dir, const std::string& ticket) {
    int up[2], down[2];
    EXPECT_EQ(pipe2(up, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(down, O_CLOEXEC), 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, down[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, up[1], STDOUT_FILENO);
    // Beside the test.
    std::string program =
        std::filesystem::read_symlink("/proc/self/exe").replace_filename("capi_test_member");
    std::string directory = dir, joins = ticket;
    char* arguments[] = {program.data(), directory.data(), ticket.empty() ? nullptr : joins.data(), nullptr};
    EXPECT_EQ(posix_spawn(&process_, program.c_str(), &files, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(up[1]);
    close(down[0]);
    hold_ = down[1];
    std::string said;
    char part[4096];
    for (ssize_t got; (got = read(up[0], part, sizeof part)) > 0;)
      said.append(part, static_cast<size_t>(got));
    close(up[0]);
    const size_t space = said.find(' ');
    EXPECT_NE(space, std::string::npos) << "the member does not come up: " << said;
    id_ = said.substr(0, space);
    ticket_ = said.substr(space + 1);
  }
  ~MemberProcess() { kill(); }
  MemberProcess(const MemberProcess&) = delete;
  MemberProcess& operator=(const MemberProcess&) = delete;

  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
    close(hold_);
    process_ = 0;
  }
  bool alive() const { return process_ > 0; }
  const std::string& id() const { return id_; }
  const std::string& ticket() const { return ticket_; }

 private:
  pid_t process_ = 0;
  int hold_ = -1;
  std::string id_;
  std::string ticket_;
};

// A founder, and joiners by its ticket.
class ClusterProcesses {
 public:
  ClusterProcesses(const std::string& root, size_t size) {
    for (size_t i = 0; i < size; ++i) {
      members_.push_back(std::make_unique<MemberProcess>(root + "/" + std::to_string(i),
                                                         i == 0 ? "" : members_[0]->ticket()));
    }
  }
  const std::string& ticket() const { return members_[0]->ticket(); }

  // Kills the member that leads, as `node` sees it; another one leads soon.
  void kill_leader(aspen_node_t* node) {
    for (int attempt = 0; attempt < 500; ++attempt) {
      const std::string leader = leader_of(node);
      for (auto& member : members_) {
        if (member->alive() && member->id() == leader) return member->kill();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "nobody leads";
  }

 private:
  static std::string leader_of(aspen_node_t* node) {
    aspen_op_t* raw = nullptr;
    EXPECT_EQ(aspen_node_status(node, 0, nullptr, 0, &raw), ASPEN_OK);
    EXPECT_EQ(aspen_op_wait(raw, -1), ASPEN_OK);
    Op op(raw);
    const std::string text = aspen_op_text(op.get());
    const std::string name = "\"leader\":\"";
    const size_t found = text.find(name);
    return found == std::string::npos ? "" : text.substr(found + name.size(), 52);
  }

  std::vector<std::unique_ptr<MemberProcess>> members_;
};

}  // namespace aspen::capi_test
