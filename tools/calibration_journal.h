#pragma once
#include <string>
#include <vector>

#include "kernels/calibrate/journal.h"

namespace cotenant {

// The file beside a profile that holds an unfinished calibration: folder/NAME.h5.partial. Units are appended
// as they finish, so that a calibration that is interrupted, killed or out of disk goes on where it was. One
// process at a time: the file is locked. Throws std::system_error when the world fails.
class CalibrationJournal {
 public:
  // Opens the file or makes it. `restart`: what it holds is thrown away. Requires: the folder exists.
  // Problems: it is damaged or belongs to another calibration, it is no regular file, or another calibration
  // has it open.
  static Result<CalibrationJournal> open(const std::string& path, const std::string& binding, bool restart);
  CalibrationJournal(CalibrationJournal&& other) noexcept;
  CalibrationJournal(const CalibrationJournal&) = delete;
  CalibrationJournal& operator=(const CalibrationJournal&) = delete;
  CalibrationJournal& operator=(CalibrationJournal&&) = delete;
  ~CalibrationJournal();

  // The units that were there when it was opened.
  [[nodiscard]] const std::vector<Finished>& units() const { return units_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  void append(const Finished& unit);
  // Removes the file: the calibration is finished.
  void remove();

 private:
  CalibrationJournal(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Diagnostics load(const std::string& binding, bool restart);
  void write(const std::string& text);
  std::string path_;
  int fd_ = -1;
  std::vector<Finished> units_;
};

}  // namespace cotenant
