#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <system_error>

#include "reports/store/atomic_file.h"
#include "reports/store/folder_lock.h"
#include "reports/store/pending_file.h"
#include "reports/store/results_file.h"
#include "reports/store/sha256.h"
#include "tests/reports/store/temporary_folder.h"
#include "tests/reports/synthetic_results.h"

using namespace cotenant;

namespace {

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The exit status of `work` in a child whose files may not grow beyond `bytes`: a full disk in small.
int status_with_file_limit(size_t bytes, void (*work)(const std::string&), const std::string& folder) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int status = 0;
    try {
      work(folder);
    } catch (const StoreFailed&) {
      status = 3;
    } catch (const std::system_error&) {
      status = 4;
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("an atomic write replaces the old content as a whole and leaves nothing beside it") {
  const TemporaryFolder folder;
  atomic_write(folder.path(), "a.json", std::string("old"));
  atomic_write(folder.path(), "a.json", std::string(100'000, 'n'));
  REQUIRE(content(folder.path() + "/a.json") == std::string(100'000, 'n'));
  REQUIRE(folder.file_count() == 1);
}

TEST_CASE("a write that is given up leaves the old content and no temporary file") {
  const TemporaryFolder folder;
  atomic_write(folder.path(), "a.json", std::string("old"));
  {
    PendingFile pending(folder.path(), "a.json");
    pending.write_all("new", 3);
  }
  REQUIRE(content(folder.path() + "/a.json") == "old");
  REQUIRE(folder.file_count() == 1);
}

TEST_CASE("a missing folder is an error of the world, not a crash") {
  CHECK_THROWS_AS(atomic_write("/nowhere/at/all", "a", std::string("x")), std::system_error);
}

TEST_CASE("a link that waits under the temporary name is not followed") {
  const TemporaryFolder folder;
  const std::string trap = folder.path() + "/.cotenant-" + std::to_string(::getpid()) + "-0-a.json.tmp";
  std::filesystem::create_symlink(folder.path() + "/victim", trap);
  atomic_write(folder.path(), "a.json", std::string("x"));
  REQUIRE_FALSE(std::filesystem::exists(folder.path() + "/victim"));
  REQUIRE(content(folder.path() + "/a.json") == "x");
}

TEST_CASE("sweeping removes temporary files of dead processes only, and none that is younger than a day") {
  const TemporaryFolder folder;
  const pid_t dead = ::fork();
  if (dead == 0) ::_exit(0);
  ::waitpid(dead, nullptr, 0);
  const std::string stale = folder.path() + "/.cotenant-" + std::to_string(dead) + "-0-a.h5.tmp";
  const std::string own = folder.path() + "/.cotenant-" + std::to_string(::getpid()) + "-0-a.h5.tmp";
  const std::string other = folder.path() + "/notes.tmp";
  const std::string young = folder.path() + "/.cotenant-" + std::to_string(dead) + "-1-a.h5.tmp";
  for (const std::string& path : {stale, own, other, young}) std::ofstream(path) << "x";
  for (const std::string& path : {stale, own, other}) {
    const auto written = std::filesystem::last_write_time(path);
    std::filesystem::last_write_time(path, written - std::chrono::hours(25));
  }
  sweep_stale_temporaries(folder.path());
  REQUIRE(std::filesystem::exists(young));
  REQUIRE_FALSE(std::filesystem::exists(stale));
  REQUIRE(std::filesystem::exists(own));
  REQUIRE(std::filesystem::exists(other));
  sweep_stale_temporaries(folder.path() + "/missing");
}

TEST_CASE("on a full disk nothing stands under the final name, and no temporary file is left") {
  const TemporaryFolder folder;
  const auto write_h5 = [](const std::string& path) {
    write_results(synthetic::results({2, 10, "t", {"gold"}}), path, "results.h5");
  };
  for (const size_t limit : {size_t{0}, size_t{4096}, size_t{40'000}}) {
    REQUIRE(status_with_file_limit(limit, write_h5, folder.path()) == 3);
    REQUIRE(folder.file_count() == 0);
  }
  const auto write_text = [](const std::string& path) {
    atomic_write(path, "a.json", std::string(10'000, 'x'));
  };
  REQUIRE(status_with_file_limit(4096, write_text, folder.path()) == 4);
  REQUIRE(folder.file_count() == 0);
}

TEST_CASE("SHA-256 gives the digests of the standard's examples") {
  const auto sha = [](const std::string& text) {
    Sha256 s;
    s.add(std::string_view(text));
    return s.finish();
  };
  REQUIRE(sha("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  REQUIRE(sha("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  REQUIRE(sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("a folder that one holds is refused to others until it is let go") {
  const TemporaryFolder folder;
  {
    const FolderLock first(folder.path());
    REQUIRE_FALSE(first.refused());
    REQUIRE(FolderLock(folder.path()).refused());
  }
  REQUIRE_FALSE(FolderLock(folder.path()).refused());
}

TEST_CASE("a plain name is short, has no path and no dot in front") {
  REQUIRE(is_plain_name("a-B_1.svg"));
  REQUIRE(is_plain_name(std::string(200, 'a')));
  for (const std::string& name :
       {std::string(), std::string(".a.svg"), std::string("a/b"), std::string("a b"), std::string(201, 'a')})
    REQUIRE_FALSE(is_plain_name(name));
}
