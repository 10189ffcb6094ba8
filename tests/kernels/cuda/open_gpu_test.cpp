#include "kernels/cuda/open_gpu.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

namespace cotenant::cuda {
namespace {

namespace fs = std::filesystem;

// A folder that ends with its test. Each has a name of its own: the loader knows a library again by its path.
class Folder {
 public:
  Folder() {
    static int count = 0;
    const std::string name = "open_gpu_" + std::to_string(getpid()) + "_" + std::to_string(++count);
    path_ = fs::path(COTENANT_BINARY_DIR) / name;
    fs::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string text() const { return path_.string(); }
  [[nodiscard]] std::string module() const { return (path_ / "libcotenant_cuda.so").string(); }

 private:
  fs::path path_;
};

TEST_CASE("without a module there is no GPU, and the reason says so") {
  const Folder folder;
  const OpenedGpu opened = open_gpu({folder.text(), folder.text() + "/deeper"});
  REQUIRE(opened.gpu == nullptr);
  REQUIRE(opened.reason == "no GPU module (libcotenant_cuda.so) beside the program");
}

TEST_CASE("a module that is no library is refused in words") {
  const Folder folder;
  std::ofstream(folder.module()) << "not a library";
  const OpenedGpu opened = open_gpu({folder.text()});
  REQUIRE(opened.gpu == nullptr);
  REQUIRE(opened.reason.find("the GPU module can not be loaded: ") == 0);
}

TEST_CASE("a library that is no module of ours is refused in words") {
  const Folder folder;
  fs::create_symlink(COTENANT_FOREIGN_LIBRARY, folder.module());
  const OpenedGpu opened = open_gpu({folder.text()});
  REQUIRE(opened.gpu == nullptr);
  REQUIRE(opened.reason.find("is no GPU module of cotenant") != std::string::npos);
}

TEST_CASE("a module of another interface is refused with both numbers") {
  const Folder folder;
  fs::create_symlink(COTENANT_OLD_MODULE, folder.module());
  const OpenedGpu opened = open_gpu({folder.text()});
  REQUIRE(opened.gpu == nullptr);
  REQUIRE(opened.reason ==
          "the GPU module has interface 4000000000, this program needs " + std::to_string(kGpuInterface));
}

TEST_CASE("the first folder with a module counts, and the working folder does not") {
  const Folder folder;
  std::ofstream(folder.module()) << "not a library";
  const OpenedGpu beside = open_gpu();
  REQUIRE(beside.reason.find("not a library") == std::string::npos);
  const OpenedGpu opened = open_gpu({folder.text() + "/none", folder.text(), COTENANT_BINARY_DIR});
  REQUIRE(opened.reason.find(folder.text()) != std::string::npos);
}

TEST_CASE("the module of this build gives a GPU or a plain reason") {
  const OpenedGpu opened = open_gpu({COTENANT_BINARY_DIR});
  REQUIRE((opened.gpu != nullptr) == opened.reason.empty());
  if (opened.gpu == nullptr) {
    INFO(opened.reason);
    const bool known = opened.reason == "no NVIDIA driver" || opened.reason == "no GPU" ||
                       opened.reason.find("no cuBLAS: ") == 0 || opened.reason.find("no GPU module") == 0 ||
                       opened.reason.find("the NVIDIA driver is too old") == 0 ||
                       opened.reason.find("the GPU is older") == 0;
    REQUIRE(known);
  }
}

}  // namespace
}  // namespace cotenant::cuda
