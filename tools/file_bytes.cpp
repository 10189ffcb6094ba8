#include "tools/file_bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_streambuf.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace cotenant {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  FileDescriptor& operator=(FileDescriptor&&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

class FileByteSource : public ByteSource {
 public:
  FileByteSource(FileDescriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  size_t read(std::span<char> into) override {
    for (;;) {
      const ssize_t n = ::read(fd_.get(), into.data(), into.size());
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR) throw std::system_error(errno, std::generic_category(), path_);
    }
  }

 private:
  FileDescriptor fd_;
  std::string path_;
};

// The plain bytes of a gzip file, unpacked as they are read: a file that unpacks to more than memory holds
// does no harm here, since its reader takes it in pieces.
class GzipByteSource : public ByteSource {
 public:
  GzipByteSource(FileDescriptor fd, const std::string& path) {
    chain_.push(boost::iostreams::gzip_decompressor());
    chain_.push(Packed{std::make_shared<FileByteSource>(std::move(fd), path)});
  }
  size_t read(std::span<char> into) override {
    try {
      const std::streamsize n = chain_.sgetn(into.data(), static_cast<std::streamsize>(into.size()));
      return n > 0 ? static_cast<size_t>(n) : 0;
    } catch (const boost::iostreams::gzip_error&) {
      throw DamagedFile("is not a sound gzip file: it is damaged, or ends early");
    }
  }

 private:
  struct Packed {
    using char_type = char;
    using category = boost::iostreams::source_tag;
    std::shared_ptr<FileByteSource> file;
    std::streamsize read(char* into, std::streamsize n) {
      const size_t got = file->read(std::span(into, static_cast<size_t>(n)));
      return got == 0 ? -1 : static_cast<std::streamsize>(got);
    }
  };
  boost::iostreams::filtering_streambuf<boost::iostreams::input> chain_;
};

Diagnostic about(const std::string& path, std::string message, std::string help = {}) {
  return {.file = path,
          .line = 0,
          .column = 0,
          .width = 1,
          .message = std::move(message),
          .excerpt = {},
          .help = std::move(help)};
}

// Opens a regular file only: a FIFO would block, a device would never end.
Result<FileDescriptor> open_regular(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return about(path, fmt::format("cannot be opened: {}", std::strerror(errno)));
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return about(path, "is not a regular file");
  return fd;
}

}  // namespace

Result<std::string> FileByteSources::path_of(const std::string& name) const {
  constexpr std::string_view kData = "data:";
  if (name.rfind(kData, 0) != 0) return name.rfind('/', 0) == 0 ? name : scenario_folder_ + "/" + name;
  const std::string rest = name.substr(kData.size());
  const std::string padded = "/" + rest + "/";
  if (rest.empty() || rest.front() == '/' || padded.find("/../") != std::string::npos) {
    return about(name, "a data: path names a file below the data folder");
  }
  if (data_folder_.empty()) {
    return about(name, "no data folder is known",
                 "give --data DIR or set COTENANT_DATA; README.md says where the public traces come from");
  }
  return data_folder_ + "/" + rest;
}

Result<std::unique_ptr<ByteSource>> FileByteSources::open(const std::string& name) {
  Result<std::string> path = path_of(name);
  if (!path.ok()) return path.problems();
  Result<FileDescriptor> fd = open_regular(path.value());
  if (!fd.ok()) return fd.problems();
  if (path.value().ends_with(".gz")) {
    return std::unique_ptr<ByteSource>(std::make_unique<GzipByteSource>(std::move(fd).value(), path.value()));
  }
  return std::unique_ptr<ByteSource>(std::make_unique<FileByteSource>(std::move(fd).value(), path.value()));
}

Result<std::string> read_whole_file(const std::string& path, size_t limit) {
  Result<FileDescriptor> fd = open_regular(path);
  if (!fd.ok()) return fd.problems();
  FileByteSource source(std::move(fd).value(), path);
  std::string text(limit + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const size_t n = source.read(std::span(text).subspan(size));
    if (n == 0) break;
    size += n;
  }
  if (size > limit) return about(path, fmt::format("is larger than {} bytes", limit));
  text.resize(size);
  return text;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace cotenant
