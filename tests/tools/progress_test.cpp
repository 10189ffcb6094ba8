#include "tools/progress.h"

#include <catch2/catch.hpp>

#include "tests/tools/program.h"

namespace cotenant {
namespace {

// What `say` writes to stderr, which is a file meanwhile.
template <class Say>
std::string said(const Say& say) {
  const testing::Folder folder;
  const std::string path = (folder.path() / "stderr").string();
  const int before = ::dup(STDERR_FILENO);
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  ::dup2(file, STDERR_FILENO);
  say();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(file);
  return testing::bytes_of(path);
}

TEST_CASE(
    "off a terminal progress is a line of its own every few seconds, and nothing before the first have "
    "passed") {
  REQUIRE(said([] {
            ProgressLine progress(0);
            progress.show("one");
            progress.show("two");
            progress.clear();
          }) == "one\ntwo\n");
  REQUIRE(said([] { ProgressLine(3600).show("one"); }).empty());
}

}  // namespace
}  // namespace cotenant
