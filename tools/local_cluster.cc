#include "tools/local_cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/bytes_text.h"
#include "tools/output.h"

namespace aspen::tools {
namespace {

constexpr int64_t kReadyTimeoutNs = 30'000'000'000;
constexpr int64_t kEndTimeoutNs = 10'000'000'000;
constexpr size_t kReadyLineBytesMax = 16384;

// Runs this program with `arguments`, stdout into `out_fd`, stderr into `log_fd`. -1 when fork fails.
pid_t spawn(const std::vector<std::string>& arguments, int out_fd, int log_fd) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  sigset_t none;
  sigemptyset(&none);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid != 0) return pid;
  // Only async-signal-safe calls from here to exec.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  setpgid(0, 0);  // a Ctrl-C is for the parent, which ends its nodes in order
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(out_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  execv("/proc/self/exe", argv.data());
  _exit(127);
}

// The first line that comes from `fd`.
Result<std::string> read_line(int fd, Signals& signals) {
  std::string line;
  const int64_t end_ns = monotonic_ns() + kReadyTimeoutNs;
  while (line.size() < kReadyLineBytesMax && monotonic_ns() < end_ns) {
    pollfd fds[2] = {{fd, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    poll(fds, 2, 100);
    if (fds[1].revents) return fail(ASPEN_CANCELLED, "ended by a signal while the nodes started");
    if (!fds[0].revents) continue;
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) return fail(ASPEN_UNAVAILABLE, "a node ended before it was ready");
    line.append(buffer, static_cast<size_t>(n));
    if (const size_t end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
  }
  return fail(ASPEN_DEADLINE_EXCEEDED, "a node was not ready in time");
}

// True when the process ended before `end_ns`.
bool wait_for_end(pid_t process, int64_t end_ns) {
  while (waitpid(process, nullptr, WNOHANG) == 0) {
    if (monotonic_ns() >= end_ns) return false;
    usleep(5'000);
  }
  return true;
}

}  // namespace

Result<> LocalCluster::start_node(Signals& signals) {
  const std::string name = fmt::format("{}/node-{}", dir_.path(), processes_.size() + 1);
  const std::string log = name + ".log";
  std::vector<std::string> arguments = {"aspen", "node", "-o",       "json",
                                        "--dir", name,   "--listen", "127.0.0.1:0"};
  if (ticket_.empty()) {
    arguments.push_back("--bootstrap");
  } else {
    arguments.insert(arguments.end(), {"--join", ticket_});
  }
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) return fail(ASPEN_IO, "cannot make a pipe: {}", std::strerror(errno));
  const int log_fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const pid_t process = spawn(arguments, out[1], log_fd);
  ::close(out[1]);
  ::close(log_fd);
  Result<std::string> line = fail(ASPEN_IO, "cannot start a node: {}", std::strerror(errno));
  if (process > 0) {
    processes_.push_back(process);
    line = read_line(out[0], signals);
  }
  ::close(out[0]);
  if (!line) {
    if (const Result<std::string> said = read_file(log); said && !said->empty()) {
      line.error().message += "; it said: " + display(*said, 400);
    }
    return std::unexpected(std::move(line).error());
  }
  const Json ready = Json::parse(*line, nullptr, false);
  if (!ready.is_object() || !ready.contains("ticket"))
    return fail(ASPEN_INTERNAL, "no ready line: {}", *line);
  if (ready["ticket"].is_string()) ticket_ = ready["ticket"].get<std::string>();
  return {};
}

Result<LocalCluster> LocalCluster::start(size_t count, const std::string& parent, Signals& signals) {
  TOOLS_TRY(TempDir dir, TempDir::make(parent));
  LocalCluster cluster(std::move(dir));
  while (cluster.processes_.size() < count) TOOLS_CHECK(cluster.start_node(signals));
  return cluster;
}

LocalCluster::~LocalCluster() {
  for (const pid_t process : processes_) kill(process, SIGTERM);
  const int64_t end_ns = monotonic_ns() + kEndTimeoutNs;
  for (const pid_t process : processes_) {
    if (wait_for_end(process, end_ns)) continue;
    kill(process, SIGKILL);
    waitpid(process, nullptr, 0);
  }
}

}  // namespace aspen::tools
