// Public: make_reports, write_reports, write_report_texts.
#include "reports/html/write_reports.h"

#include "reports/html/html_report.h"
#include "reports/html/junit.h"
#include "reports/plots/plots.h"
#include "reports/store/atomic_file.h"
#include "reports/store/results_file.h"
#include "reports/tables/report_page.h"
#include "reports/tables/summary.h"
#include "reports/tables/text_report.h"

namespace cotenant {

Reports make_reports(const RunResults& results, const std::string& gnuplot,
                     const std::string& scenario_path) {
  const Figures figures = figures_of(results);
  Reports reports;
  reports.verdict = judge(results, figures);
  const ReportPage page = report_page(results, figures, reports.verdict);
  const PlotSet plots = make_plots(results, figures, reports.verdict, gnuplot);
  reports.warning = plots.warning;
  reports.summary_json = summary_json(results, figures, reports.verdict);
  reports.html = html_report(page, plots);
  reports.markdown = markdown_report(page);
  reports.terminal = terminal_report(page);
  reports.junit = junit_xml(results, reports.verdict);
  reports.github = github_annotations(results, reports.verdict, scenario_path);
  return reports;
}

void write_reports(const RunResults& results, const Reports& reports, const std::string& folder) {
  sweep_stale_temporaries(folder);
  write_results(results, folder, "results.h5");
  write_report_texts(reports, folder);
}

void write_report_texts(const Reports& reports, const std::string& folder) {
  atomic_write(folder, "summary.json", reports.summary_json);
  atomic_write(folder, "report.md", reports.markdown);
  atomic_write(folder, "report.html", reports.html);
}

}  // namespace cotenant
