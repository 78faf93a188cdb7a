// A member as a process of its own, for the tests of aspen.h.
//
//   capi_test_member DIR [TICKET]
//
// Founds a network, or joins the ticket's; says "NODE_ID TICKET" on stdout, closes it, and serves until stdin
// ends.
#include <aspen.h>
#include <unistd.h>

#include <cstdio>

namespace {

int fail(const aspen_op_t* op) {
  std::fputs(aspen_op_message(op), stderr);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  aspen_node_options_t options;
  aspen_node_options_init(&options, sizeof options);
  options.mode = argc == 2 ? ASPEN_MODE_FOUND : ASPEN_MODE_JOIN;
  options.dir = argv[1];
  options.listen = "127.0.0.1:0";
  options.ticket = argc == 2 ? nullptr : argv[2];
  aspen_op_t* op = nullptr;
  if (aspen_node_open(&options, nullptr, 0, &op) != ASPEN_OK) return fail(op);
  aspen_op_wait(op, -1);
  aspen_node_t* node = aspen_op_take_node(op);
  if (node == nullptr) return fail(op);
  aspen_op_free(op);
  if (aspen_node_ticket(node, 0, nullptr, 0, &op) != ASPEN_OK || aspen_op_wait(op, -1) != ASPEN_OK)
    return fail(op);
  std::printf("%s %s", aspen_node_id(node), aspen_op_text(op));
  std::fclose(stdout);
  char nothing;
  while (read(STDIN_FILENO, &nothing, 1) > 0) {
  }
  _exit(0);  // as a process that is killed: nothing is closed
}
