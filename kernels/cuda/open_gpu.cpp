// Public here: open_gpu.
#include "kernels/cuda/open_gpu.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "kernels/cuda/module_entry.h"

namespace cotenant::cuda {
namespace {

constexpr const char* kModule = "libcotenant_cuda.so";

// The folder of the running program, "" if the system does not say.
std::string program_folder() {
  std::array<char, 4096> path{};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length <= 0) return "";
  const std::string file(path.data(), static_cast<size_t>(length));
  return file.substr(0, file.rfind('/'));
}

OpenedGpu refused(const std::string& reason) {
  return {.gpu = nullptr, .reason = reason};
}

// What the loader said, without the path of the module itself.
std::string loader_words() {
  const char* words = dlerror();
  const std::string text = words == nullptr ? "unknown error" : words;
  return text.find("libcublas") != std::string::npos ? "no cuBLAS: " + text
                                                     : "the GPU module can not be loaded: " + text;
}

OpenedGpu open_module(const std::string& path) {
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) return refused(loader_words());
  void* symbol = dlsym(module, kModuleEntryName);
  if (symbol == nullptr) return refused(path + " is no GPU module of cotenant");
  ModuleEntry entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof entry);
  std::array<char, 512> reason{};
  ModuleRequest request{
      .interface_number = kGpuInterface, .reason = reason.data(), .reason_bytes = reason.size()};
  std::unique_ptr<Gpu> gpu(entry(&request));
  if (request.interface_number != kGpuInterface) {
    return refused("the GPU module has interface " + std::to_string(request.interface_number) +
                   ", this program needs " + std::to_string(kGpuInterface));
  }
  if (gpu == nullptr) return refused(reason.data());
  return {.gpu = std::move(gpu), .reason = ""};
}

}  // namespace

OpenedGpu open_gpu(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    const std::string path = folder + "/" + kModule;
    if (access(path.c_str(), F_OK) == 0) return open_module(path);
  }
  return refused(std::string("no GPU module (") + kModule + ") beside the program");
}

OpenedGpu open_gpu() {
  const std::string folder = program_folder();
  if (folder.empty()) return refused("the program can not find its own folder");
  return open_gpu({folder, folder + "/../lib/cotenant", folder + "/../lib"});
}

}  // namespace cotenant::cuda
